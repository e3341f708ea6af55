#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Graceful restarts: under load no request is lost or answered wrongly; the
# processes of before and after hold the same lists, so that a ban made after
# the restart is seen on a connection opened before it; also when the restart
# takes the list out of the configuration, or changes its memory.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my $RESTARTS = 5;

sub conf { "BanListInterval 30s\nCustomLog logs/pids \"%P %>s %U\"\n$_[0]\n" }

# Clients that ask on and on: what each got is a line of its file.
sub crowd {
    my ($h, @clients) = @_;
    my @pids;
    for my $client (@clients) {
        defined(my $pid = fork) or die "fork: $!";
        push @pids, $pid;
        next if $pid;
        my $until = time + patience(60);
        until (-e $h->path('enough') || time > $until) {
            my $got = eval { answer($h, $client) } // $@;
            $h->append_file("got.$client", "$got\n");
        }
        POSIX::_exit(0);
    }
    return @pids;
}

sub under_load {
    my $h = shift;
    my %want = ('127.0.0.8' => 403, '127.0.0.9' => 200);
    my @crowd = crowd($h, sort keys %want);
    for (1 .. $RESTARTS) {
        my @old = $h->pids;
        sleep patience(0.2);
        $h->graceful;
        let_end($h, @old) if $_ % 2;
    }
    sleep patience(0.2);
    $h->write_file('enough', '');
    waitpid $_, 0 for @crowd;
    for my $client (sort keys %want) {
        my @got = split /\n/, $h->read_file("got.$client");
        cmp_ok scalar(@got), '>', $RESTARTS, "$client: " . @got . ' requests';
        is join(' ', grep { $_ ne $want{$client} } @got), '',
            "each answered $want{$client}";
    }
}

# A connection that the old generation must keep: half a request on it.
sub half_asked {
    my ($h, $client, $path) = @_;
    my $c = $h->connect(from => $client);
    is $c->request("/$path")->{status}, 200, "$client: served";
    $c->send("GET /$path HTTP/1.1\r\nHost: localhost\r\n");
    return $c;
}

sub ask_the_rest {
    my $c = shift;
    $c->send("\r\n");
    return $c->read_response->{status};
}

# The restart with this configuration, and then a ban: what old and new
# processes make of it.
sub ban_after {
    my ($h, $n, $conf, $new_answer, $name, $times) = @_;
    my ($banned, $lifted, $path) = ("127.0.1.$n", "127.0.2.$n", "restart$n");
    $h->write_file("htdocs/$path", "x\n");
    my $other = half_asked($h, '127.0.0.9', $path);
    my $old = half_asked($h, $banned, $path);
    my %old = map { $_ => 1 } $h->pids;
    sleep 0.1;
    $h->configure(conf => conf($conf));
    $h->graceful for 1 .. $times || 1;
    $h->append_file('banned', "$banned -\n");
    sleep patience(0.3);
    is ask_the_rest($old), 403,
        "$name: a ban made after it is seen on a connection from before";
    is ask_the_rest($other), 200, 'and a neighbour is served there';
    # A worker child may take one more connection while it is told to end.
    comes_to_get($h, $banned, $new_answer,
        "and to a new process it is $new_answer", path => "/$path");

    my ($pid) = $h->read_file('logs/pids') =~ m{^(\d+) 403 /$path$}m;
    ok $pid && $old{$pid}, 'it was a process of before';
    $_->close for $old, $other;
    let_end($h, keys %old);
}

# A busy machine takes seconds to end processes, and httpd has room for a
# few of them only.
sub let_end {
    my ($h, @pids) = @_;
    return if wait_for(sub {
        my %is = map { $_ => 1 } $h->pids;
        !grep { $is{$_} } @pids;
    }, 30);
    diag "still there of @pids: " . join ' ', $h->pids;
}

each_mpm {
    my $mpm = shift;
    my $h = BanList::Httpd->new(mpm => $mpm,
        processes => $mpm eq 'prefork' ? 6 : 2,
        files => { banned => "127.0.0.8 -\n" },
        conf => conf('BanListFile banned'));
    $h->start;
    under_load($h);
    is $h->loader_pids, 1, 'one loader';

    ban_after($h, 1, 'BanListFile banned', 403, 'the same list');
    ban_after($h, 2, "BanListFile banned\nBanListMemory 32M", 403,
        'another BanListMemory');
    ban_after($h, 3, "BanListFile banned other\nBanListMemory 32M", 403,
        'one more list');
    ban_after($h, 4, '', 200, 'the list taken out');
    $h->configure(conf => conf('BanListFile banned'));
    $h->graceful;
    comes_to_get($h, $_, 403, "the list back again: $_")
        for qw(127.0.1.1 127.0.1.4 127.0.0.8);
    ban_after($h, 5, '', 200, 'taken out two restarts ago', 2);
    $h->configure(conf => conf('BanListFile banned'));
    $h->graceful;

    my $bad = logged($h, 'BL0012');
    $h->append_file('banned', "nonsense at all !\n");
    comes_to_be_logged($h, 'BL0012: .*: 1 bad line ', $bad + 1, 'a bad line');
    $h->graceful;
    $h->append_file('banned', "more nonsense !\n");
    comes_to_be_logged($h, 'BL0012: .*: 1 bad line ', $bad + 2,
        'another one after a restart: it alone is told of');
    $h->stop;
};

done_testing;
