#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A line in the file is a refusal in every process, and its removal the end
# of it in every process: each child is asked on a connection of its own that
# was open before.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my %PROCESSES = (prefork => 8, event => 3, worker => 3);
my $IN_FORCE = 0.2;

# The pid that served the request marked so, as the log names it.
sub pid_of {
    my ($h, $mark) = @_;
    my $pid;
    wait_for(sub {
        ($pid) = $h->read_file('logs/pids') =~ /^(\d+) \Q$mark\E$/m;
    }, 5);
    return $pid // 0;
}

sub ask {
    my ($connection, $mark) = @_;
    return $connection->request('/', headers => [
        'X-Forwarded-For' => '10.0.0.1', 'X-Mark' => $mark ]);
}

# One open connection to each child: pid => connection.
sub one_to_each {
    my ($h, $n) = @_;
    my %to;
    for my $i (1 .. 200) {
        my $connection = $h->connect;
        my $got = ask($connection, "c$i");
        last if $got->{status} != 200;
        $to{ pid_of($h, "c$i") } = $connection;
        last if keys %to == $n;
    }
    return %to;
}

# What all of them answer $IN_FORCE s after now: whether it is this.
sub all_answer {
    my ($to, $status, $mark) = @_;
    sleep patience($IN_FORCE);
    my @got = map { ask($to->{$_}, $mark)->{status} } sort keys %$to;
    return 1 unless grep { $_ != $status } @got;
    note "not yet: @got";
    ok wait_for(sub {
        !grep { ask($to->{$_}, $mark)->{status} != $status } keys %$to;
    }, $SOON), "every child answers $status at last";
    return 0;
}

# How long after the rename one of them serves again, as fail2ban's sed lifts
# a ban: the best of several.
sub lifted_within {
    my ($h, $to) = @_;
    my ($one) = values %$to;
    my $best = 9;
    for my $round (1 .. 8) {
        $h->append_file('banned', "10.0.0.1 -\n");
        wait_for(sub { ask($one, 'one')->{status} == 403 }, $SOON) or last;
        sleep 0.1;
        $h->replace_file('banned', "192.0.2.1 -\n");
        my $start = time;
        while (time < $start + patience($SOON)) {
            last if ask($one, 'one')->{status} == 200;
            sleep 0.001;
        }
        my $took = time - $start;
        $best = $took if $took < $best;
    }
    return $best;
}

each_mpm {
    my $mpm = shift;
    my $n = $PROCESSES{$mpm};
    my $h = BanList::Httpd->new(
        mpm => $mpm, modules => ['remoteip'], processes => $n,
        files => { banned => "192.0.2.1 -\n" },
        conf => $TRUST_PROXY . "BanListFile banned\nBanListInterval 30s\n"
            . "CustomLog logs/pids \"%P %{X-Mark}i\"\n");
    $h->start;
    ok wait_for(sub { $h->pids == $n }, 10), "$n children";
    my %to = one_to_each($h, $n);
    is_deeply [sort { $a <=> $b } keys %to], [$h->pids],
        'a connection to each of them';

    # A machine that is busy with other things may be late now and then.
    my ($refused, $served) = (0, 0);
    for my $round (1 .. 6) {
        $h->append_file('banned', "10.0.0.1 -\n");
        $refused += all_answer(\%to, 403, 'banned');
        # As fail2ban's sed does it.
        $h->replace_file('banned', "192.0.2.1 -\n");
        $served += all_answer(\%to, 200, 'lifted');
        last if $refused >= 2 && $served >= 2;
    }
    cmp_ok $refused, '>=', 2,
        "every child refuses $IN_FORCE s after the line was appended";
    cmp_ok $served, '>=', 2, 'and serves as soon after it was taken out';
    my $best = lifted_within($h, \%to);
    cmp_ok $best, '<', patience(0.02), "a ban is lifted in milliseconds by a rename";
    note sprintf '%.1f ms', 1000 * $best;
    is scalar(grep { !$to{$_} } $h->pids), 0,
        'they are the same processes all along';
    $h->stop;
};

done_testing;
