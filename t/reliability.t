#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Each promise in docs/RELIABILITY.md names a test, and that test exists and is
# one that `make test`, `make soak` or `make memcheck` runs.
use strict;
use warnings;

use FindBin;
use Test::More;

chdir "$FindBin::Bin/.." or die $!;
open my $in, '<', 'docs/RELIABILITY.md' or die $!;
# Whatever this run was told to run.
delete @ENV{qw(T BUILD MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES)};
my %runs;
for my $command (map { `make -s -n $_` } 'test', 'soak', 'memcheck') {
    # A unit test runs as the program that is built from it.
    $runs{ s{^build/(.*)$}{$1.c}r } = 1
        for map { m{^(?:\./)?((?:build/)?t/\S+)} ? $1 : () }
        split ' ', $command;
}
my $promises = 0;
while (<$in>) {
    next unless /^\|/ && !/^\|-/ && !/\| test \|$/;
    $promises++;
    my ($test) = /\| `([^`]+)` \|$/;
    ok $test && -e $test, ($test // 'no test') . ': line ' . $.;
    ok $test && $runs{$test}, 'which is run';
}
cmp_ok $promises, '>=', 10, 'there are promises';
done_testing;
