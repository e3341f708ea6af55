#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# HTTP/2 where it is harder than in the matrix: a neighbour's stream in the
# middle of its answer, bodies, many streams at a time, a client that does not
# let its answer come, an upgraded connection; and real clients.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Http2;
use BanList::Test;
use BanList::Wire;
use Test::More;
use Time::HiRes qw(time);

my $BANNED = '127.0.0.7';
my %PROXIED = ('x-forwarded-for' => '192.0.2.7');
my $BIG = 400_000;

sub server {
    my $mpm = shift;
    my $h = BanList::Httpd->new(
        mpm     => $mpm,
        modules => [qw(http2 ssl remoteip)],
        ports   => 2,
        files   => {
            banned       => "$BANNED\n192.0.2.7\n",
            'htdocs/big' => 'x' x $BIG,
        },
        conf => join("\n", 'Protocols h2 h2c http/1.1', 'BanListFile banned',
            'RemoteIPHeader X-Forwarded-For', 'RemoteIPInternalProxy 127.0.0.1',
            '<VirtualHost *:@PORT1@>', 'SSLEngine on',
            'SSLCertificateFile conf/cert', 'SSLCertificateKeyFile conf/key',
            '</VirtualHost>'),
        vhosts => ['any.test' => '',
            map { ("$_.test" => "BanListAction $_ $_") } qw(close reset drop)],
    );
    my @openssl = (qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2
        -subj /CN=localhost -keyout), $h->path('conf/key'), '-out',
        $h->path('conf/cert'));
    system("@openssl 2>/dev/null") == 0 or die "openssl req failed\n";
    return $h->start;
}

sub client {
    my ($h, $from, %opt) = @_;
    my $wire = BanList::Wire->new(port => $h->port, from => $from);
    return ($wire, BanList::Http2->new($wire, %opt));
}

sub try_neighbour {
    my ($h, $action) = @_;
    my ($wire, $h2) = client($h, '127.0.0.1');
    $h2->open_window(0, 2 * $BIG); # only the stream's own is small
    $h2->request(1, 'http', "$action.test", '/big');
    $wire->read_until(sub { length $h2->body(1) >= 65535 }, 10);
    is length $h2->body(1), 65535, "$action: a neighbour amid its answer";
    for my $banned (3, 5, 7) {
        $h2->request($banned, 'http', "$action.test", '/', %PROXIED);
        is $h2->stream($banned, 10), 'reset', 'a banned stream is reset';
    }
    $h2->open_window(1, $BIG);
    is $h2->stream(1, 10), 'answered', 'the neighbour has its answer';
    is length $h2->body(1), $BIG, 'all of it';
    is $wire->end, 'open', 'on the open connection';
}

sub try_bodies {
    my $h = shift;
    my ($wire, $h2) = client($h, '127.0.0.1');
    $h2->request(1, 'http', 'any.test', '/', %PROXIED, body => 1);
    is $h2->stream(1, 10), 'answered', 'proxied, before its body: answered';
    $h2->request(3, 'http', 'any.test', '/');
    is $h2->stream(3, 10), 'answered', 'the next stream too';

    ($wire, $h2) = client($h, $BANNED);
    my $start = time;
    $h2->request(1, 'http', 'any.test', '/', body => 1,
        'content-length' => 1e8);
    $h2->data(1, 'x');
    is $h2->stream(1, 10), 'answered', 'direct, amid its body: answered';
    like $wire->wait_end(10), qr/fin|rst/, 'and closed';
    is $h2->goaway, 0, 'by a GOAWAY';
    cmp_ok time - $start, '<', patience(2), 'at once';
}

sub try_many {
    my $h = shift;
    my ($wire, $h2) = client($h, $BANNED);
    $h2->request(2 * $_ - 1, 'http', 'any.test', '/') for 1 .. 40;
    is $wire->wait_end(10), 'fin', 'many streams at a time: closed';
    is $h2->goaway, 0, 'by a GOAWAY';
}

sub try_blocked {
    my $h = shift;
    for my $streams (1, 40) {
        my ($wire, $h2) = client($h, $BANNED, window => 0);
        my $start = time;
        $h2->request(2 * $_ - 1, 'http', 'any.test', '/') for 1 .. $streams;
        like $wire->wait_end(10), qr/fin|rst/,
            "a client that lets no answer come to $streams streams: closed";
        cmp_ok time - $start, '<', patience(3), 'soon';
    }
}

# How many threads of a process are asleep in select(), as apr_sleep() is: by
# the number of the system call, which is x86-64's.
sub sleeping {
    my $pid = shift;
    my $n = 0;
    for my $file (glob "/proc/$pid/task/*/syscall") {
        open my $in, '<', $file or next;
        $n++ if (<$in> // '') =~ /^(?:23|270) 0x0 0x0 0x0 0x0 /;
    }
    return $n;
}

sub try_waiting {
    my $h = shift;
    my ($wire, $h2) = client($h, $BANNED, window => 0);
    $h2->request(2 * $_ - 1, 'http', 'any.test', '/') for 1 .. 40;
    my ($most, $end) = (0, time + 0.3);
    while (time < $end) {
        for my $n (map { sleeping($_) } $h->pids) {
            $most = $n if $n > $most;
        }
    }
    cmp_ok $most, '<=', 1, 'one thread waits for the answers of 40 streams';
    like $wire->wait_end(10), qr/fin|rst/, 'and closes';
}

sub try_upgrade {
    my $h = shift;
    my $wire = BanList::Wire->new(port => $h->port, from => $BANNED);
    $wire->send("GET / HTTP/1.1\r\nHost: any.test\r\nUpgrade: h2c\r\n"
        . "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk"
        . "\r\n\r\n");
    is $wire->wait_end(10), 'fin', 'an upgrade: closed';
    like $wire->in, qr/403/, 'and refused' unless $wire->in =~ /^HTTP\S+ 101/;
}

# --- Real clients ---------------------------------------------------------------

sub said { my $said = `@_ 2>&1`; return $said =~ s/\e\[[\d;]*m//gr }

sub try_real {
    my $h = shift;
    my $curl = 'curl -sk -m 10 -o /dev/null '
        . "-w '%{http_code} %{http_version} %{exitcode}' --interface";
    my $https = 'https://127.0.0.1:' . $h->port(1) . '/';
    my $http = 'http://127.0.0.1:' . $h->port . '/';
    is said("$curl $BANNED --http2 $https"), '403 2 0', 'curl, HTTP/2, TLS';
    is said("$curl $BANNED --http2-prior-knowledge $http"), '403 2 0',
        'curl, h2c';
    is said("$curl $BANNED --http1.1 $https"), '403 1.1 0', 'curl, TLS';
    is said("$curl 127.0.0.1 --http2 $https"), '200 2 0', 'not banned';
    for my $case ([close => 52], [reset => 56]) {
        my ($action, $code) = @$case;
        like said("$curl $BANNED -H 'Host: $action.test' $http"),
            qr/^000 \S+ $code$/, "curl, $action: its error $code";
    }

    my $nghttp = said("nghttp -nv -H 'x-forwarded-for: 192.0.2.7' "
        . "-H ':authority: close.test' $http");
    like $nghttp, qr/recv RST_STREAM frame/, 'nghttp, proxied close: reset';
    unlike $nghttp, qr/:status/, 'no answer';
    $nghttp = said("nghttp -nv -H 'x-forwarded-for: 192.0.2.7' $http");
    like $nghttp, qr/:status: 403/, 'nghttp, proxied: 403';
    unlike $nghttp, qr/recv RST_STREAM|recv GOAWAY/, 'and nothing more';
}

each_mpm {
    my $mpm = shift;
    plan skip_all => 'httpd does not offer HTTP/2 on prefork'
        if $mpm eq 'prefork';
    my $h = server($mpm);
    my @pids = $h->pids;
    subtest 'a neighbour' => sub { try_neighbour($h, $_) for qw(close reset drop) };
    subtest 'bodies' => sub { try_bodies($h) };
    subtest 'many streams' => sub { try_many($h) };
    subtest 'a blocked client' => sub { try_blocked($h) };
    SKIP: {
        skip 'the kernel does not tell what a thread does', 1
            unless `uname -sm` eq "Linux x86_64\n"
            && open my $in, '<', "/proc/$pids[0]/syscall";
        subtest 'threads' => sub { try_waiting($h) };
    }
    subtest 'an upgrade' => sub { try_upgrade($h) };
    subtest 'real clients' => sub { try_real($h) };
    is $h->get('/')->{status}, 200, 'serves';
    is "@{[$h->pids]}", "@pids", 'the same children';
};

done_testing;
