#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What is appended to a long list and an edit hidden behind it are both in
# force soon, though nobody tells the loader twice and BanListInterval is too
# long to be what does it.  (What is read when: t/unit/growth.c.)
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Test;
use Fcntl qw(SEEK_SET);
use Test::More;

my @lines = map { sprintf "11.%d.%d.%d -\n", $_ / 22500, 100 + $_ / 150 % 150,
    100 + $_ % 150 } 1 .. 20_000;

each_mpm {
    my $mpm = shift;
    my $h = BanList::Httpd->new(
        mpm     => $mpm,
        modules => ['remoteip'],
        files   => { banned => join '', @lines },
        conf    => "${TRUST_PROXY}BanListFile banned\nBanListInterval 60s\n",
    )->start;
    comes_to_get($h, '11.0.100.101', 403, 'its first line');
    # It sees both at once.
    my @loaders = $h->loader_pids;
    kill 'STOP', @loaders;
    open my $file, '+<', $h->path('banned') or die $!;
    sysseek $file, 3, SEEK_SET;
    syswrite $file, '9';
    close $file;
    $h->append_file('banned', "192.0.2.1 -\n");
    kill 'CONT', @loaders;
    comes_to_get($h, '192.0.2.1', 403, 'what was appended');
    comes_to_get($h, '11.9.100.101', 403, 'what was edited');
    comes_to_get($h, '11.0.100.101', 200, 'and is no more what it was');
    comes_to_get($h, '11.0.100.102', 403, 'the rest is');
    $h->append_file('banned', "192.0.2.2 -\n");
    comes_to_get($h, '192.0.2.2', 403, 'and it goes on');
    $h->stop;
};

done_testing;
