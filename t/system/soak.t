#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The oracle under fire, for some seconds; `make soak` does it for an hour.
# The machine may be busy with other tests, so changes have twice the
# BanListInterval here, and half the rates of the hour are enough.
use strict;
use warnings;

use FindBin;
use Test::More;

$ENV{SOAK_WITHIN} ||= 2;
$ENV{SOAK_RATE} ||= 0.5;
my $said = `$FindBin::Bin/soak 21 2>&1`;
is $?, 0, 'no wrong answer, no growth, and nothing too seldom';
like $said, qr/^soak: 21 s under event worker prefork: \d+ answers, 0 wrong/m,
    'and it says so';
note $said;

done_testing;
