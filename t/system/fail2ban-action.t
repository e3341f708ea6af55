#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
#
# The fail2ban action alone, run by a real fail2ban-server: what stands in
# the list after each thing that can happen to a ban, with the command
# `banlist` and without it.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;

use BanList::Httpd;
use BanList::Peers;
use BanList::Process qw(wait_for);

my $tree = abs_path(dirname(__FILE__) . '/../..');
my $command = $ENV{BANLIST_COMMAND} || "$tree/build/banlist";
my $user = BanList::Httpd::user() || getpwuid $>;
my ($uid, $gid) = (getpwnam $user)[2, 3];
my $group = getgrgid $gid;

sub slurp {
    open my $in, '<', $_[0] or die "$_[0]: $!\n";
    local $/;
    return <$in>;
}

my $shipped = slurp("$tree/conf/fail2ban/action.d/apache-banlist.conf");

sub jail {
    my ($d, $name, $conf) = @_;
    return <<END;
[$name]
enabled = true
filter =
failregex = ^ <ADDR> failed
datepattern = ^Epoch
logpath = $d->{root}/$name.log
backend = polling
usedns = no
maxretry = 1
$conf
END
}

# A folder for the list and the logs, and a fail2ban-server.
sub server {
    my $program = shift;
    my $d = BanList::Process->new(log => 'log');
    $d->write_file("$_.log", '') for qw(one two brief.jail growing);
    mkdir $d->path('list') or die "mkdir: $!";
    symlink 'list/banned', $d->path('link') or die "symlink: $!";
    my $action = "action = apache-banlist[file=\"$d->{root}/link\","
        . " owner=\"$user\", group=\"$group\", banlist=\"$program\"]\n";
    my $f = BanList::Peers::fail2ban(files => {
        'action.d/apache-banlist.conf' => $shipped,
        'jail.conf' => "[DEFAULT]\n"
            . jail($d, 'one', "bantime = 1h\n$action")
            . jail($d, 'two', "bantime = -1\n$action")
            . jail($d, 'brief.jail', "bantime = 2\n$action")
            . jail($d, 'growing',
                "bantime = 2\nbantime.increment = true\n"
                . "bantime.multipliers = 1 100\n$action"),
    });
    return ($d, $f);
}

# Until the list has exactly these lines, in any order.
sub has {
    my ($d, $what, @lines) = @_;
    my $expected = join '', map { "$_\n" } sort @lines;
    my $got;
    my $same = wait_for(sub {
        $got = join '', sort split /^/, $d->read_file('link');
        $got =~ s/until=(\d+)/'until=' . round($1 - time)/ge;
        $got eq $expected;
    }, 15);
    ok($same, $what) or diag("got:\n$got", "expected:\n$expected");
}

# Tests may be slow by some seconds.
sub round { return 100 * int(($_[0] + 50) / 100) }

sub again {
    my $f = shift;
    unlink map { $f->path($_) } qw(socket pid);
    $f->run(sub {
        return (BanList::Peers::program('fail2ban-server'), '-f',
            '-c', $f->path('etc'), '-s', $f->path('socket'),
            '-p', $f->path('pid'), 'start');
    });
}

sub is_owned {
    my ($d, $what, @paths) = @_;
    for my $path (@paths) {
        my @stat = stat $d->path($path);
        is(sprintf('%s %s %04o', @stat[4, 5], $stat[2] & 07777),
            "$uid $gid 0640", "$what: owner and mode of $path");
    }
}

sub run_jails {
    my ($d, $f) = @_;
    my $list = $d->path('list/banned');

    is_owned($d, 'at start', 'list/banned', 'list/banned.lock');
    has($d, 'empty at start');

    $f->client(qw(set one banip 192.0.2.7 2001:DB8::7 192.0.2.0/24));
    my @one = map { "$_ - until=3600 by=one" }
        qw(192.0.2.7 2001:db8::7 192.0.2.0/24);
    has($d, 'bans of IPv4, IPv6 and a prefix, with their end', @one);

    $f->client(qw(set two banip 192.0.2.7));
    has($d, 'another jail bans the same address for ever',
        @one, '192.0.2.7 - by=two');
    $f->client(qw(set one unbanip 192.0.2.7));
    has($d, 'lifted by one jail, banned by the other still',
        @one[1, 2], '192.0.2.7 - by=two');

    $d->append_file('list/banned', '198.51.100.1');
    $d->append_file('two.log', time . " 203.0.113.5 failed\n");
    my @rest = ('192.0.2.7 - by=two', '198.51.100.1', '203.0.113.5 - by=two');
    has($d, 'a ban from a log, behind a line without its newline',
        @one[1, 2], @rest);

    $f->client(qw(set one banip 192.0.2.8));
    my @all = (@one[1, 2], '192.0.2.8 - until=3600 by=one', @rest);
    has($d, 'and one more', @all);
    is_owned($d, 'after changes', 'list/banned');
    ok(-l $d->path('link'), 'the symbolic link is still one');

    $f->stop;
    has($d, 'fail2ban stopped: only the line of nobody is left',
        '198.51.100.1');
    again($f);
    has($d, 'started: bans restored once', @all);
    $f->stop('KILL');
    again($f);
    has($d, 'killed and started: bans restored once', @all);

    $f->client(qw(set brief.jail banip 192.0.2.99));
    has($d, 'a short ban', @all, '192.0.2.99 - until=0 by=brief.jail');
    has($d, 'which ended', @all);

    $d->append_file('growing.log', time . " 192.0.2.50 failed\n");
    has($d, 'a first ban', @all, '192.0.2.50 - until=0 by=growing');
    has($d, 'which ended', @all);
    $d->append_file('growing.log', time . " 192.0.2.50 failed\n");
    ok(wait_for(sub {
        grep { $_ - time > 150 }
            $d->read_file('link') =~ /^192\.0\.2\.50 - until=(\d+)/mg;
    }, 15), 'a second ban is prolonged, and so is its line');
    $f->client(qw(set growing unbanip 192.0.2.50));
    has($d, 'lifted as a whole', @all);

    $f->client(qw(stop one));
    has($d, "a jail stopped: the others' bans stay", @rest);

    unlink $list or die "$list: $!";
    $f->client(qw(set two banip 192.0.2.60));
    has($d, 'the list deleted: the next ban makes it again',
        '192.0.2.60 - by=two');
    is_owned($d, 'repaired', 'list/banned');
    like($f->read_file('log'), qr/Invariant check failed/,
        'which actioncheck had seen');
    unlink $list;
    mkdir $list;
    $f->client(qw(set two banip 192.0.2.61));
    like($f->client('status', 'two'), qr/192\.0\.2\.61/,
        'a folder in its place: fail2ban goes on');
    ok(wait_for(sub { $f->read_file('log') =~ /Unable to restore/ }, 15),
        'and says that the list cannot be repaired');
    rmdir $list;
    $f->client(qw(set two unbanip 192.0.2.61));
    $f->client(qw(unban --all));
    $f->client(qw(set two banip 192.0.2.62));
    has($d, 'and again when it can', '192.0.2.62 - by=two');
}

for my $program ($command, 'no-such-command') {
    subtest($program eq $command ? 'with banlist' : 'without' => sub {
        my ($d, $f) = server($program);
        run_jails($d, $f);
        $f->stop;
    });
}

done_testing;
