# SPDX-License-Identifier: Apache-2.0
# Requests a second of random clients, each new to the server, with the list
# and without; then what else a user could have taken.
use strict;
use warnings;

use Bench;

my $N       = 1_000_000;
my $PAIRS   = 15;
my $SECONDS = 1;
my $seed    = 1000;
my %title   = SERVERS;

sub rate {
    my ($server, $seconds) = @_;
    return client($server, '-s', ++$seed, '-t', $seconds)->{rate};
}

my $plain   = server('plain',   0);
my $banlist = server('banlist', $N);
rate($_, 0.5) for $plain, $banlist; # first connections, first pages
my ($ratio, $with, $without) = pairs($PAIRS, sub { rate($banlist, $SECONDS) },
    sub { rate($plain, $SECONDS) });
my ($more, $cost, $base) = pairs(9, sub { cost($banlist, 0.5) },
    sub { cost($plain, 0.5) });
row('Requests a second with 1,000,000 entries, against none',
    sprintf('%.3f (by processor time %.3f)', $ratio, 1 / $more), '≥ 0.98',
    $ratio >= 0.98);

my @rows = (
    [$title{plain}, '', sprintf('%.0f', $without), '1', sprintf '%.1f', $base],
    [$title{banlist}, with_commas($N), sprintf('%.0f', $with),
        sprintf('%.3f', $ratio), sprintf '%.1f', $cost]);
undef $banlist;

for (['txt', 1000], ['txt', $N], ['dbm', 1000], ['dbm', $N],
    ['require', 1000], ['require', 10_000], ['modsecurity', 1000],
    ['modsecurity', $N]) {
    my ($name, $n) = @$_;
    say_progress("$title{$name}, " . with_commas($n));
    my $server = server($name, $n);
    my ($ratio, $rate) = pairs(2, sub { rate($server, 1) },
        sub { rate($plain, 1) });
    push @rows, [$title{$name}, with_commas($n), sprintf('%.0f', $rate),
        sprintf('%.3f', $ratio), sprintf '%.1f', cost($server, 1)];
}
table('Requests of new clients, on one core',
    ['', 'entries', 'requests/s', 'against none', 'CPU µs a request'], @rows);
1;
