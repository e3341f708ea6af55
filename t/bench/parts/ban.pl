# SPDX-License-Identifier: Apache-2.0
# One more ban beside a million lines: how long until every process refuses
# the client, and what it costs the loader.
use strict;
use warnings;

use Bench;

my $CHILDREN = 8;
my $BANS     = $ENV{BENCH_BANS} || 10_000;
my $FIRST    = 0x20000000;

my $path = folder() . '/bans';
system('cp', list('ipv4', 1_000_000), $path) == 0 or die "cp failed\n";

my $h = server('banlist', 0, list => $path, mpm => 'prefork',
    processes => $CHILDREN, cores => '0,1');
wait_for(sub { $h->loader_pids == 1 }, 10) or die "no loader\n";
my ($loader) = $h->loader_pids;

# The loader's processor seconds for so many bans, and the delay of each.
sub bans {
    my ($times, $first, $command) = @_;
    my $before = cpu_of($h, $loader);
    my $said = capture(program('ban'), $h->port, $CHILDREN, $times, $first,
        $command) // die "ban failed\n";
    sleep 2; # the proof of growth follows within a second
    return (cpu_of($h, $loader) - $before, split ' ', $said);
}

# Processor seconds of reading all anew, which is what a rename asks for.
sub full_load {
    my $before = cpu_of($h, $loader);
    system("cp $path $path.new && mv $path.new $path") == 0 or die;
    sleep 2;
    return cpu_of($h, $loader) - $before;
}

my $full = median(map { full_load() } 1 .. 3);
my ($cpu, @ms) = bans(100, $FIRST, ">>$path");
my $share = $cpu / 100 / $full;
row('One more ban in force in all processes, median of 100',
    sprintf('%.1f ms', median(@ms)), '≤ 10 ms', median(@ms) <= 10);
row('… the 99th', sprintf('%.1f ms', quantile(0.98, @ms)), '≤ 50 ms',
    quantile(0.98, @ms) <= 50);
row("… its cost to the loader, of a full load's", sprintf('%.3f', $share),
    '≤ 0.1', $share <= 0.1);

my $lone = median(map { (bans(1, $FIRST + 500 + $_, ">>$path"))[0] } 1 .. 3);
row('… of a lone one, with the proof that follows',
    sprintf('%.3f', $lone / $full), '≤ 0.1', $lone / $full <= 0.1);
my ($all, @late) = bans($BANS, $FIRST + 1000, "printf '%s -\\n' \$IP >>$path");
my $sum = $all / $BANS * 10_000;
my $latest = quantile(1, @late);
row('10,000 bans by shell commands without a pause, cost to the loader',
    sprintf('%.1f s', $sum), '< 5 s', $sum < 5);
row('… the latest', sprintf('%.2f s', $latest / 1000), '≤ 0.5 s',
    $latest <= 500);
table('One more ban beside 1,000,000 lines',
    ['', 'median ms', '99th ms', 'latest ms', "loader's CPU ms"],
    ['one write', (map { sprintf '%.2f', $_ } median(@ms),
        quantile(0.98, @ms), quantile(1, @ms), 1000 * $cpu / 100)],
    ['sh -c printf', (map { sprintf '%.2f', $_ } median(@late),
        quantile(0.99, @late), $latest, 1000 * $all / $BANS)],
    ['one alone, with its proof', '', '', '', sprintf '%.1f', 1000 * $lone],
    ['a full load', '', '', '', sprintf '%.1f', 1000 * $full]);
1;
