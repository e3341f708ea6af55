#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Ten thousand refused clients leave each child's open descriptors and memory
# where they were.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Http2;
use BanList::Test;
use BanList::Wire;
use Socket;
use Test::More;
use Time::HiRes qw(time);

my $CLIENTS = many(10_000);
my @ACTIONS = qw(403 close reset drop);

# Private memory may move by this much: threads that grow their stacks, pools
# that settle; a leak of 100 bytes a client would be a megabyte.
my $SLACK_KB = 512;

sub server {
    my $mpm = shift;
    my $h2 = $mpm eq 'prefork' ? '' : 'Protocols h2c http/1.1';
    my $port = 1;
    return BanList::Httpd->new(
        mpm     => $mpm,
        modules => [$h2 ? 'http2' : ()],
        threads => 4,
        ports   => 2 + @ACTIONS,
        files   => { banned => "127.0.0.7\n" },
        conf    => join("\n", 'BanListFile banned', $h2, 'LogLevel warn',
            (map { "<VirtualHost *:\@PORT" . $port++ . "\@>\nBanListAction $_\n"
                . '</VirtualHost>' } @ACTIONS),
            "<VirtualHost *:\@PORT$port\@>\nBanListConnection On\n</VirtualHost>"),
    );
}

# Ended by the server, or by us once it has answered.
sub one_client {
    my ($port, $bytes) = @_;
    socket my $s, PF_INET, SOCK_STREAM, 0 or die "socket: $!";
    bind $s, pack_sockaddr_in(0, inet_aton('127.0.0.7')) or die "bind: $!";
    connect $s, pack_sockaddr_in($port, inet_aton('127.0.0.1')) or return;
    local $SIG{PIPE} = 'IGNORE';
    syswrite $s, $bytes;
    1 while sysread $s, my $answer, 4096;
}

my $GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
my $POST = "POST / HTTP/1.1\r\nHost: localhost\r\n"
    . "Content-Length: 100000\r\n\r\n" . 'x' x 3000;

sub many_clients {
    my ($h, $n, $mpm) = @_;
    my @kinds = map { [$h->port($_), $GET], [$h->port($_), $POST] }
        1 .. @ACTIONS + 1;
    for my $i (1 .. $n) {
        if ($mpm ne 'prefork' && $i % 10 == 0) {
            my $wire = BanList::Wire->new(from => '127.0.0.7',
                port => $h->port(1 + $i / 10 % @ACTIONS));
            BanList::Http2->new($wire)->request(1, 'http', 'a', '/');
            $wire->wait_end(10);
            next;
        }
        one_client(@{ $kinds[$i % @kinds] });
    }
}

sub descriptors { my @fds = glob "/proc/$_[0]/fd/*"; return scalar @fds }

sub private_kb {
    my $pid = shift;
    open my $in, '<', "/proc/$pid/smaps_rollup" or return 0;
    my $kb = 0;
    while (my $line = <$in>) {
        $kb += $1 if $line =~ /^Private_(?:Clean|Dirty):\s+(\d+)/;
    }
    return $kb;
}

each_mpm {
    my $mpm = shift;
    my $h = server($mpm)->start;
    many_clients($h, many(1000), $mpm); # what is allocated once, is
    my @pids = $h->pids;
    my %before = map { $_ => [descriptors($_), private_kb($_)] } @pids;
    my $start = time;
    many_clients($h, $CLIENTS, $mpm);
    note sprintf '%s: %d refused in %.1f s', $mpm, $CLIENTS, time - $start;
    is "@{[$h->pids]}", "@pids", 'the same children';
    for my $pid (@pids) {
        my ($fds, $kb) = @{ $before{$pid} };
        ok wait_for(sub { descriptors($pid) <= $fds }, 5),
            "$pid: $fds descriptors" or diag descriptors($pid);
        my $more = private_kb($pid) - $kb;
        SKIP: {
            skip 'a checker keeps what was freed', 1
                if $ENV{BANLIST_PRELOAD} || $ENV{BANLIST_UNDER};
            cmp_ok $more, '<=', $SLACK_KB, "$pid: memory, $kb kB, $more more";
        }
    }
    is $h->get('/')->{status}, 200, 'serves';
};

done_testing;
