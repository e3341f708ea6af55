# SPDX-License-Identifier: Apache-2.0
# Whether requests notice that the list is read anew: their latency while a
# million-line file is replaced every second, against the same while another
# file, which is no list, is replaced so.  The clients keep to a schedule, and
# latency counts from it.
use strict;
use warnings;

use Bench;
use POSIX ();
use Time::HiRes qw(sleep time);

my $ROUNDS  = 5;
my $SECONDS = 6;
my $RATE    = 2000;

my $source = list('ipv4', 1_000_000);
my ($path, $other) = map { folder() . "/$_" } qw(rebuilt other);
system('cp', $source, $_) == 0 or die "cp failed\n" for $path, $other;
my $h = server('banlist', 0, list => $path, cores => '0,1');

sub rewriting {
    my ($file, $code) = @_;
    defined(my $pid = fork) or die "fork: $!";
    if (!$pid) {
        $SIG{TERM} = sub { POSIX::_exit(0) };
        my $next = time;
        while (getppid() != 1) {
            system('cp', $source, "$file.new");
            rename "$file.new", $file;
            $next += 1;
            sleep $next - time if $next > time;
        }
        POSIX::_exit(0);
    }
    my $got = eval { $code->() };
    my $error = $@;
    kill 'TERM', $pid;
    waitpid $pid, 0;
    die $error if $error;
    return $got;
}

sub latency {
    my $file = shift;
    my $seed = int rand 1e6;
    return rewriting($file, sub {
        client($h, '-s', $seed, '-t', $SECONDS, '-r', $RATE, '-c', 32);
    })->{p999};
}

latency($other);
my ($ratio, $with, $without) = pairs($ROUNDS, sub { latency($path) },
    sub { latency($other) });
row('99.9th percentile of latency while the list is rewritten every second',
    sprintf('%.2f times', $ratio), '≤ 1.5', $ratio <= 1.5);
table('Latency, 99.9th percentile, in microseconds', ['', 'µs'],
    ['the list is rewritten every second', sprintf '%.0f', $with],
    ['another file is', sprintf '%.0f', $without]);
1;
