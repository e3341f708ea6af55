#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What each action does on each protocol, for a client that is itself the TCP
# peer (direct) and for one behind a proxy (proxied), under each MPM: what
# comes back, how the connection ends, what the access log says, and that the
# server then serves the next client.
#
# All of it is on loopback, where a packet tied to "lo" does arrive: drop is
# seen as a RST here.  t/system/drop.t shows that elsewhere it is not seen.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Http2;
use BanList::Test;
use BanList::Wire;
use Test::More;

my ($BANNED_PEER, $PROXY, $BANNED_CLIENT, $INNOCENT) =
    qw(127.0.0.7 127.0.0.1 192.0.2.7 192.0.2.8);

my @PROTOCOLS = (
    { name => 'HTTP/1.1' },
    { name => 'HTTP/1.1, TLS 1.2', tls => '1.2' },
    { name => 'HTTP/1.1, TLS 1.3', tls => '1.3' },
    { name => 'HTTP/2, TLS 1.3', tls => '1.3', h2 => 1 },
    { name => 'h2c', h2 => 1 },
);
my @ACTIONS = qw(403 429 503 close reset drop);
my %END = (close => 'fin', reset => 'rst', drop => 'rst');
# httpd closes an HTTP/1.1 connection after this one, whoever it is from.
my %HTTPD_CLOSES = (503 => 1);

sub vhosts {
    my ($port, $more) = @_;
    return join '', map { <<"END" } @ACTIONS;
<VirtualHost *:$port>
ServerName a$_.test
BanListAction $_ $_
$more
</VirtualHost>
END
}

sub server {
    my $mpm = shift;
    my $h2 = $mpm eq 'prefork' ? '' : 'Protocols h2 h2c http/1.1';
    my $h = BanList::Httpd->new(
        mpm       => $mpm,
        modules   => ['remoteip', 'ssl', $h2 ? 'http2' : ()],
        processes => 2,
        ports     => 2,
        files     => {
            'banned'               => "$BANNED_PEER -\n$BANNED_CLIENT -\n",
            'htdocs/error.html'    => "refused\n",
        },
        conf => join "\n",
            'BanListFile banned', "RemoteIPHeader X-Forwarded-For",
            "RemoteIPInternalProxy $PROXY", $h2,
            'ErrorDocument 403 /error.html', 'ErrorDocument 429 /error.html',
            'ErrorDocument 503 /error.html',
            vhosts('@PORT@', ''),
            vhosts('@PORT1@', join "\n",
                'SSLEngine on', 'SSLCertificateFile conf/cert',
                'SSLCertificateKeyFile conf/key'),
    );
    my @openssl = (qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2
        -subj /CN=localhost -keyout), $h->path('conf/key'), '-out',
        $h->path('conf/cert'));
    system("@openssl 2>/dev/null") == 0 or die "openssl req failed\n";
    return $h->start;
}

# --- One request, as it went --------------------------------------------------

sub wire {
    my ($h, $protocol, $action, $from) = @_;
    return BanList::Wire->new(
        port => $h->port($protocol->{tls} ? 1 : 0), from => $from,
        tls => $protocol->{tls}, name => "a$action.test",
        alpn => $protocol->{h2} ? 'h2' : 'http/1.1');
}

sub http1_request {
    my ($action, $path, $client) = @_;
    return "GET $path HTTP/1.1\r\nHost: a$action.test\r\n"
        . ($client ? "X-Forwarded-For: $client\r\n" : '') . "\r\n";
}

# "status body", once all of it came.
sub http1_answer {
    my $wire = shift;
    my $before = shift // 0;
    my $answer = '';
    $wire->read_until(sub {
        substr($_[0], $before) =~ m{^HTTP/1.1 (\d+).*?\r\n\r\n(.*\n)}s or return;
        $answer = "$1 $2";
    }, 10);
    return ($answer, length $wire->in);
}

sub try_http1 {
    my ($h, $protocol, $action, $proxied, $path) = @_;
    my $wire = wire($h, $protocol, $action, $proxied ? $PROXY : $BANNED_PEER);
    $wire->send(http1_request($action, $path, $proxied && $BANNED_CLIENT));
    if (!$END{$action}) {
        my ($answer, $at) = http1_answer($wire);
        is $answer, "$action refused\n", 'answered, with the ErrorDocument';
        if ($proxied && !$HTTPD_CLOSES{$action}) {
            $wire->send(http1_request($action, "$path-next", $INNOCENT));
            my ($next) = http1_answer($wire, $at);
            is $next, "200 hello\n", 'the next request on the connection';
            is $wire->end, 'open', 'which is open';
            return;
        }
        like $wire->in, qr/^Connection: (?:.*, )?close\r/m, 'the end announced';
        is $wire->wait_end(10), 'fin', 'closed';
        return;
    }
    is $wire->wait_end(10), $END{$action}, "ended by $END{$action}";
    is $wire->in, '', 'nothing sent';
}

sub try_http2 {
    my ($h, $protocol, $action, $proxied, $path) = @_;
    my $wire = wire($h, $protocol, $action, $proxied ? $PROXY : $BANNED_PEER);
    my $h2 = BanList::Http2->new($wire);
    my @to = ($protocol->{tls} ? 'https' : 'http', "a$action.test");
    my %client = $proxied ? ('x-forwarded-for' => $BANNED_CLIENT) : ();
    $h2->request(1, @to, $path, %client);
    my $fate = $h2->stream(1, 10);
    if (!$END{$action}) {
        is $fate, 'answered', 'the stream answered';
        is $h2->body(1), "refused\n", 'with the ErrorDocument';
    }
    else {
        is $fate, $proxied ? 'reset' : 'gone', 'the stream has no answer';
        is scalar($h2->of_stream(1, 'HEADERS')), 0, 'not a header';
    }
    if ($proxied) {
        $h2->request(3, @to, "$path-next", 'x-forwarded-for' => $INNOCENT);
        is $h2->stream(3, 10), 'answered', 'the next stream answered';
        is $h2->body(3), "hello\n", 'with the page';
        is $wire->end, 'open', 'on the open connection';
        return;
    }
    is $wire->wait_end(10), $END{$action} || 'fin', 'the connection ended';
    is $h2->goaway, $END{$action} ? undef : 0,
        $END{$action} ? 'unannounced' : 'announced by a GOAWAY without error';
}

# --- The table ----------------------------------------------------------------

sub try_all {
    my ($h, $protocol) = @_;
    my $n = 0;
    for my $action (@ACTIONS) {
        for my $proxied (0, 1) {
            my $path = join '-', '/?' . ($protocol->{h2} ? 2 : 1),
                $protocol->{tls} || 'plain', $action, $proxied;
            subtest "$action, " . ($proxied ? 'proxied' : 'direct') => sub {
                ($protocol->{h2} ? \&try_http2 : \&try_http1)
                    ->($h, $protocol, $action, $proxied, $path);
                my $status = $END{$action} ? 444 : $action;
                my $client = $proxied ? $BANNED_CLIENT : $BANNED_PEER;
                my $logged = qr/^$client \S+ $status "GET \Q$path\E \S+" /m;
                $logged = qr/$logged$client $action$/m;
                ok wait_for(sub { $h->access_log =~ $logged }, 5),
                    "the access log says $status";
                is $h->get('/')->{status}, 200, 'the next client is served';
            };
        }
    }
}

each_mpm {
    my $mpm = shift;
    my $h = server($mpm);
    my @pids = $h->pids;
    for my $protocol (@PROTOCOLS) {
        subtest $protocol->{name} => sub {
            plan skip_all => "httpd does not offer HTTP/2 on prefork"
                if $protocol->{h2} && $mpm eq 'prefork';
            try_all($h, $protocol);
        };
    }
    is "@{[$h->pids]}", "@pids", 'by the same children';
};

done_testing;
