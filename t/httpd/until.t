#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A ban with until= ends on that second in every process, though nobody
# rewrites the file; a list of nothing but ended bans is as good as empty.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Test;
use Test::More;
use Time::HiRes qw(sleep time);

# They stay open, so that each goes on asking the process that took it.
sub connections {
    my ($h, $n) = @_;
    return map { $h->connect } 1 .. $n;
}

sub answers {
    my ($client, @connections) = @_;
    my %got;
    for my $c (@connections) {
        $got{ $c->request('/',
            headers => { 'X-Forwarded-For' => $client })->{status} }++;
    }
    return join ' ', map { "$_:$got{$_}" } sort keys %got;
}

# How many processes they ask.
sub processes {
    my ($h, @connections) = @_;
    my $before = length $h->read_file('logs/pids');
    answers('203.0.113.7', @connections);
    my %pids = map { $_ => 1 } split ' ',
        substr $h->read_file('logs/pids'), $before;
    return scalar keys %pids;
}

each_mpm {
    my $mpm = shift;
    my $h = BanList::Httpd->new(
        mpm       => $mpm,
        processes => 3,
        threads   => 8,
        modules   => ['remoteip'],
        files     => { banned => '' },
        conf      => <<'END',
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.1
BanListFile "@ROOT@/banned"
LogFormat "%P" pid
CustomLog logs/pids pid
END
    )->start;
    ok wait_for(sub { $h->pids == 3 }, 10), 'three processes';
    # The first process that is ready may take all; prefork's take one each.
    my $n = $mpm eq 'prefork' ? 3 : 18;
    my @c;
    ok wait_for(sub {
        @c = connections($h, $n);
        return processes($h, @c) >= 2;
    }, 10), 'more than one process answers';
    is answers('203.0.113.7', @c), "200:$n", 'nobody is banned yet';

    my $end = int(time) + 3 + patience(1);
    my $later = $end + 2 + patience(1);
    $h->write_file('banned', "203.0.113.7 - until=$end\n203.0.113.8 -\n"
        . "203.0.113.0/24 until=1\n203.0.113.9 until=" . int(time) . "\n"
        . "203.0.113.10 until=$end\n203.0.113.10 until=" . $later . "\n"
        . "203.0.113.11 -\n203.0.113.11 until=$end\n");
    ok wait_for(sub { answers('203.0.113.7', @c) eq "403:$n" }, 3),
        'banned in every process';
    is answers('203.0.113.9', @c), "200:$n", 'an end that is past';
    is answers('203.0.113.1', @c), "200:$n", 'a prefix that ended long ago';

    # 403 to the last of its seconds, 200 from the first after it.
    my ($late, $early) = (0, 0);
    while (time < $end + 1) {
        for my $c (@c) {
            my $before = time;
            my $status = $c->request('/', headers =>
                { 'X-Forwarded-For' => '203.0.113.7' })->{status};
            my $after = time;
            $early++ if $status == 200 && $after < $end;
            $late++  if $status == 403 && $before >= $end;
        }
        sleep 0.01;
    }
    is $early, 0, 'none ended early';
    is $late,  0, 'none ended late';
    is answers('203.0.113.8', @c),  "403:$n", 'one without an end goes on';
    is answers('203.0.113.10', @c), "403:$n", 'of two ends the later counts';
    is answers('203.0.113.11', @c), "403:$n", 'and none is the latest';
    ok wait_for(sub { answers('203.0.113.10', @c) eq "200:$n" }, 10),
        'until that is past';

    $h->replace_file('banned', "203.0.113.8 until=1\n203.0.113.8/24 until=0\n"
        . "2001:db8::/32 until=2\n");
    ok wait_for(sub { answers('203.0.113.8', @c) eq "200:$n" }, 10),
        'a list whose entries have all ended bans nobody';
    is answers('2001:db8::1', @c), "200:$n", 'of either family';
    $h->append_file('banned', "203.0.113.8 -\n");
    ok wait_for(sub { answers('203.0.113.8', @c) eq "403:$n" }, 10),
        'until a live one is added';
    $h->stop;
};

done_testing;
