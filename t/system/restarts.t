#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# 100 graceful restarts leave the parent as it was: no memory of its own, no
# descriptor and no mapping more; and the list is in force all along.  The
# first $SETTLED are not held against it: until then pools find their size.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use BanList::Clients;
use BanList::Httpd;

my $RESTARTS = $ENV{BANLIST_RESTARTS} || 100;
my $SETTLED = 20;
my $GROWTH_MAX = 64; # KB in all

sub lines_of {
    open my $in, '<', $_[0] or die "$_[0]: $!";
    return <$in>;
}

# KB of its own, descriptors, mappings.
sub sizes {
    my $pid = shift;
    my ($kb) = map { /^RssAnon:\s+(\d+)/ } lines_of("/proc/$pid/status");
    my @fds = glob "/proc/$pid/fd/*";
    my @maps = grep { /banlist/ && !/mod_banlist/ } lines_of("/proc/$pid/maps");
    return ($kb, scalar @fds, scalar @maps);
}

my $h = BanList::Httpd->new(modules => ['remoteip'], processes => 1,
    files => { banned => "10.0.0.1 -\n", allowed => "10.0.0.2\n" },
    conf => "${TRUST_PROXY}BanListFile banned\nBanListAllowFile allowed\n");
$h->start;
$h->graceful for 1 .. $SETTLED;
my @before = sizes($h->pid);
my $wrong = 0;
for ($SETTLED + 1 .. $SETTLED + $RESTARTS) {
    $h->graceful;
    $wrong += answer($h, '10.0.0.1') != 403;
}
my @after = sizes($h->pid);
note "KB, descriptors, mappings: @before; after $RESTARTS restarts: @after";
is $wrong, 0, 'in force after each';
SKIP: {
    skip 'a sanitizer keeps what was freed', 1 if $ENV{BANLIST_PRELOAD};
    cmp_ok $after[0] - $before[0], '<=', $GROWTH_MAX, 'no growing memory';
}
is $after[1], $before[1], 'no descriptor more';
is $after[2], $before[2], 'no mapping more';
is scalar($h->loader_pids), 1, 'one loader';
$h->stop;
done_testing;
