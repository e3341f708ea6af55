#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# BanListConnection: a banned peer is refused as it connects, before any TLS
# handshake, by the DIRECT action; everybody else, and every request of a
# banned client behind a proxy, goes the usual way.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Test;
use BanList::Wire;
use Test::More;

my ($PLAIN, $TLS, $RESET, $DROP, $PROXY_PROTOCOL, $DETECT, $BACKEND) = 0 .. 6;

my $REFUSED = qr{connection refused: 127\.0\.0\.7 is in \S+ line 1 \(close\)};
my $PROXIED = qr{^192\.0\.2\.7 127\.0\.0\.1 403 "GET /p \S+ 192\.0\.2\.7 403$}m;

sub vhost {
    my ($port, @lines) = @_;
    return join "\n", "<VirtualHost *:\@PORT$port\@>", @lines,
        "</VirtualHost>\n";
}

sub server {
    my $mpm = shift;
    my $h = BanList::Httpd->new(
        mpm     => $mpm,
        modules => [qw(remoteip ssl proxy proxy_http)],
        ports   => 7,
        processes => 6, # prefork: several clients at a time
        listen  => [qw(127.0.0.1 127.0.0.7)],
        files   => { banned => "127.0.0.7\n127.0.0.8\n192.0.2.7\n" },
        conf    => join("\n",
            'BanListFile banned', 'BanListConnection On',
            'BanListAllow 127.0.0.8', 'AcceptFilter http none',
            'RemoteIPHeader X-Forwarded-For', 'RemoteIPInternalProxy 127.0.0.1',
            vhost($TLS, 'SSLEngine on', 'SSLCertificateFile conf/cert',
                'SSLCertificateKeyFile conf/key'),
            vhost($RESET, 'BanListAction reset'),
            vhost($DROP, 'BanListAction drop'),
            vhost($PROXY_PROTOCOL, 'RemoteIPProxyProtocol On',
                'BanListAction close'),
            vhost($DETECT, 'BanListEngine DetectionOnly'),
            vhost($BACKEND, 'BanListEngine Off'),
            'ProxyPass /backend http://127.0.0.7:@PORT6@/'),
    );
    my @openssl = (qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2
        -subj /CN=localhost -keyout), $h->path('conf/key'), '-out',
        $h->path('conf/cert'));
    system("@openssl 2>/dev/null") == 0 or die "openssl req failed\n";
    return $h->start;
}

# How the server ends a connection over which nothing is said: (end, bytes).
sub silent {
    my ($h, $port, $from) = @_;
    my $wire = BanList::Wire->new(port => $h->port($port), from => $from);
    return ($wire->wait_end(10), $wire->wire_bytes);
}

each_mpm {
    my $mpm = shift;
    my $h = server($mpm);
    my @pids = $h->pids;

    subtest 'a banned peer' => sub {
        for my $case ([$PLAIN, 'fin', 'a status'], [$TLS, 'fin', 'TLS'],
            [$RESET, 'rst', 'reset'], [$DROP, 'rst', 'drop, on loopback']) {
            my ($port, $end, $name) = @$case;
            is "@{[silent($h, $port, '127.0.0.7')]}", "$end 0",
                "$name: $end, and not a byte";
        }
        my $wire = BanList::Wire->new(port => $h->port($TLS),
            from => '127.0.0.7', tls => '1.3');
        $wire->wait_end(10);
        is $wire->wire_bytes, 0, 'no handshake';
        is $h->access_log, '', 'nothing in the access log';
        like $h->error_log, $REFUSED, 'the error log says it';
    };

    subtest 'everybody else' => sub {
        is $h->get('/')->{status}, 200, 'a peer that no list has';
        is $h->get('/', from => '127.0.0.8')->{status}, 200,
            'a banned one that BanListAllow has';
        my $wire = BanList::Wire->new(port => $h->port($TLS), tls => '1.3');
        $wire->send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        ok $wire->read_until(sub { $_[0] =~ /hello/ }), 'over TLS';
        is $h->get('/', port => $h->port($DETECT), from => '127.0.0.7')
            ->{status}, 200, 'a banned one, DetectionOnly';
        is $h->get('/backend/index.html')->{status}, 200,
            'a backend of mod_proxy, though its address is banned';
    };

    subtest 'a banned client behind a proxy' => sub {
        my $c = $h->connect;
        my %from = (headers => { 'X-Forwarded-For' => '192.0.2.7' });
        is $c->request('/', %from)->{status}, 403, 'X-Forwarded-For';
        is $c->request('/')->{status}, 200, 'and on the same connection';

        my $line = "PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n";
        my $proxied = $h->connect(port => $h->port($PROXY_PROTOCOL));
        $proxied->send($line);
        my $got = $proxied->request('/p');
        is $got->{status}, 403, 'the PROXY protocol: 403, since proxied';
        is $got->{end}, 'open', 'the connection open';
        ok wait_for(sub { $h->access_log =~ $PROXIED }, 5), 'logged';

        my $innocent = $h->connect(port => $h->port($PROXY_PROTOCOL));
        $innocent->send($line =~ s/192\.0\.2\.7/192.0.2.8/r);
        is $innocent->request('/')->{status}, 200, 'another one is served';
        my $six = $h->connect(port => $h->port($PROXY_PROTOCOL));
        $six->send("PROXY TCP6 0:0:0:0:0:FFFF:C000:207 ::1 4711 80\r\n");
        is $six->request('/')->{status}, 403, 'written as IPv6';
    };
    is "@{[$h->pids]}", "@pids", 'the same children';
};

done_testing;
