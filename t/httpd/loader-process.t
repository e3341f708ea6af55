#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The one process that reads the files: exactly one for the server, with no
# socket, no access log and no privilege; another at work soon after it is
# killed, even in the middle of a rebuild; and none left when the server ends,
# however that ends.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my $AT_WORK = 2.5;   # two seconds, and what the test takes to see it
my $LINES = many(300_000);

sub line { sprintf '11.%d.%d.%d', $_[0] >> 16, $_[0] >> 8 & 255, $_[0] & 255 }

my $BIG = join "\n", '10.0.0.1', (map { line($_) } 1 .. $LINES), '';

sub big_list { "$BIG$_[0]\n" }

sub open_files { map { readlink($_) // () } glob "/proc/$_[0]/fd/*" }

sub start {
    my ($mpm, %opt) = @_;
    return BanList::Httpd->new(mpm => $mpm, modules => ['remoteip'],
        files => { banned => "10.0.0.1\n" },
        conf => "${TRUST_PROXY}BanListFile banned\n", %opt)->start;
}

sub what_it_holds {
    my $h = shift;
    my ($loader) = $h->loader_pids;
    my @files = open_files($loader);
    ok scalar(@files), 'its files are seen';
    is join(' ', grep { /^socket:/ } @files), '', 'it holds no socket';
    is join(' ', grep { /access_log/ } @files), '', 'and no access log';
    my %is = $h->read_file("/proc/$loader/status") =~ /^(\w+):\s*(\S*)/mg;
    my $user = BanList::Httpd::user();
    is $is{Uid}, defined $user ? (getpwnam $user)[2] : $>, 'it runs as the User';
    return unless defined $user;
    isnt $is{Groups}, '0', 'without root\'s groups';
    is hex $is{CapEff}, 0, 'and has no capability';
}

# Kills it, and waits for another.
sub kill_loader {
    my ($h, $name) = @_;
    my ($old) = $h->loader_pids;
    kill 'KILL', $old;
    my $most = 0;
    my $took = wait_for(sub {
        my @now = $h->loader_pids;
        $most = @now if @now > $most;
        return @now && $now[0] != $old;
    }, $AT_WORK);
    ok $took, "$name: another loader" or return;
    note "after $took s";
    is $most, 1, 'and never two';
}

# Killed at every stage of a rebuild: what is in force is the old list or the
# new one, never a part of one.
sub killed_while_it_builds {
    my $h = shift;
    my $new = '';
    for my $i (1 .. 4) {
        my $before = $new;
        $new = "10.0.1.$i";
        $h->replace_file('banned', big_list($new));
        sleep 0.02 * $i;
        my $start = time;
        kill 'KILL', $h->loader_pids;
        my (@wrong, $took);
        while (!$took && time - $start < patience($AT_WORK)) {
            push @wrong, 'served' if answer($h, '10.0.0.1') != 403;
            push @wrong, 'refused' if answer($h, '10.9.9.9') != 200;
            $took = time - $start if answer($h, $new) == 403;
        }
        is "@wrong", '', 'no wrong answer meanwhile';
        ok $took, 'the new list is in force in time';
        my %want = (line(1) => 403, line($LINES / 2) => 403,
            line($LINES) => 403, line($LINES + 1) => 200, '10.0.0.1' => 403,
            $before ? ($before => 200) : ());
        is_deeply { map { $_ => answer($h, $_) } keys %want }, \%want,
            'and whole';
        ok wait_for(sub { $h->loader_pids == 1 }, $AT_WORK), 'one loader';
    }
}

each_mpm {
    my $mpm = shift;
    my $h = start($mpm);
    is $h->loader_pids, 1, 'one loader';
    what_it_holds($h);

    my ($first) = $h->loader_pids;
    kill_loader($h, 'killed');
    gets($h, '10.0.0.1', 403, 'what was loaded is in force');
    $h->append_file('banned', "10.0.0.2\n");
    comes_to_get($h, '10.0.0.2', 403, 'the new one is at work');
    kill_loader($h, 'killed as soon as it had started');
    kill 'KILL', $h->loader_pids;
    $h->append_file('banned', "10.0.0.3\n");
    comes_to_get($h, '10.0.0.3', 403, 'a line that came while there was none',
        within => $AT_WORK);
    is logged($h, 'BL0006'), 3, 'each end is logged';
    what_it_holds($h);
    killed_while_it_builds($h);

    my ($before) = $h->loader_pids;
    kill 'HUP', $h->pid;
    ok wait_for(sub { grep { $_ != $before } $h->loader_pids }, 10),
        'a restart: another loader';
    is $h->loader_pids, 1, 'one';
    wait_for(sub { answer($h, '10.9.9.9') == 200 }, 5);
    gets($h, '11.0.0.1', 403, 'and the list as it was');

    for my $signal (qw(TERM WINCH)) {
        $h->start unless $h->alive;
        my @all = ($h->pids, $h->loader_pids);
        $h->stop($signal);
        ok wait_for(sub { !grep { -e "/proc/$_" } @all }, 5),
            "stopped by $signal: no process is left";
    }

    # In the middle of a load.
    $h->start;
    my @all = ($h->pids, $h->loader_pids);
    $h->replace_file('banned', big_list('10.0.2.1'));
    sleep 0.02;
    $h->stop;
    ok wait_for(sub { !grep { -e "/proc/$_" } @all }, 5),
        'stopped while it loads: no process is left';

    # httpd's own children look for their parent now and then; ours is told.
    $h->start;
    my ($loader) = $h->loader_pids;
    my @children = $h->pids;
    kill 'KILL', $h->pid;
    ok wait_for(sub { !-e "/proc/$loader" }, 5),
        'the parent killed: the loader is gone too';
    kill 'KILL', @children;
    ok wait_for(sub { !$h->alive && !grep { -e "/proc/$_" } @children }, 5),
        'nothing is left';

    $h = BanList::Httpd->new(mpm => $mpm, conf => "BanListEngine On\n");
    $h->start;
    is $h->loader_pids, 0, 'no list, no loader';
    $h->configure(conf => "BanListFile banned\n");
    $h->graceful;
    is $h->loader_pids, 1, 'one when the first list comes';
    my %before = map { $_ => 1 } $h->pids;
    $h->configure(conf => '');
    $h->graceful;
    is $h->loader_pids, 1, 'one while children of before may use it';
    ok wait_for(sub { !grep { $before{$_} } $h->pids }, 20), 'they end';
    $h->graceful;
    is $h->loader_pids, 0, 'and none after them';
    $h->stop;
};

done_testing;
