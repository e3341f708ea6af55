#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The kernel's own limits of inotify are used up: of watches, so that some
# lists are not watched, then of instances, so that none is.  The log says so
# once, and changes are seen within BanListInterval.  In a user namespace,
# whose limits are nobody else's.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Httpd;
use Test::More;
use Time::HiRes qw(sleep);

# Where all users are who they were, or httpd could not become www-data; cat
# keeps it until we are in there.
if (!$ENV{BANLIST_OWN_USERS}) {
    plan skip_all => 'needs root, and to be allowed a user namespace'
        if $> || system('unshare -U true 2>/dev/null');
    $ENV{BANLIST_OWN_USERS} = open my $keeper, '|-', 'unshare', '-U', 'cat'
        or die $!;
    my $its = "/proc/$ENV{BANLIST_OWN_USERS}";
    my $mine = readlink '/proc/self/ns/user';
    sleep 0.01 while readlink("$its/ns/user") eq $mine;
    for my $map (qw(uid_map gid_map)) {
        open my $out, '>', "$its/$map" or die "$map: $!";
        syswrite $out, "0 0 65536\n" or die "$map: $!";
    }
    system 'nsenter', '-t', $ENV{BANLIST_OWN_USERS}, '-U', '-S', 0, '-G', 0,
        $^X, $0;
    exit($? ? 1 : 0);
}

sub limit {
    my ($what, $n) = @_;
    open my $out, '>', "/proc/sys/user/max_inotify_$what"
        or plan skip_all => 'no limits of its own here';
    syswrite $out, $n or die "$what: $!";
}

# A folder and a file of each: one watch is missing.
limit(watches => 3);
my $h = BanList::Httpd->new(modules => ['remoteip'],
    files => { 'a/banned' => "10.0.0.1 -\n", 'b/banned' => "10.0.0.2 -\n" },
    conf => "${TRUST_PROXY}BanListFile a/banned b/banned\n"
        . "BanListInterval 200ms\n");
$h->start;

my $n = 0;
sub changes_are_seen {
    my $what = shift;
    for my $list (qw(a b)) {
        $n++;
        $h->append_file("$list/banned", "10.1.0.$n -\n");
        comes_to_get($h, "10.1.0.$n", 403, "$what: $list is appended to");
        $h->replace_file("$list/banned", "10.2.0.$n -\n");
        comes_to_get($h, "10.2.0.$n", 403, 'and replaced');
    }
}

gets($h, "10.0.0.$_", 403, "list $_") for 1, 2;
changes_are_seen('no watch left');
sleep 2.5;
is logged($h, 'BL0023: .* looked at every BanListInterval'), 1,
    'the log says so once';

limit(watches => 1000);
sleep 2.5;
changes_are_seen('enough of them again');
is logged($h, 'BL0023'), 1, 'nothing more to say';
limit(watches => 3);
unlink $h->path('b/banned');
changes_are_seen('used up while it runs');

limit(instances => 0);
$h->graceful;
changes_are_seen('no instance left');
is logged($h, 'BL0024: .* looked at every BanListInterval'), 1,
    'the log says so once';
$h->stop;
done_testing;
