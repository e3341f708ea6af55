#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A million banned addresses of one IPv6 /64, and refusals as fast as the
# machine gives them.  A lookup among a million costs about the instructions
# that it costs among a thousand (counted by valgrind, not by a clock); a
# flood of refused requests leaves a bounded error log, and no line in an
# access log that is asked to leave them out.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use File::Temp qw(tempdir);
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

use BanList::Clients;
use BanList::Httpd;

(my $build = BanList::Httpd::module()) =~ s{/[^/]*$}{};
my $folder = tempdir('banlist-XXXXXX', TMPDIR => 1, CLEANUP => 1);

sub instructions {
    my $n = shift;
    my $command = 'valgrind --tool=callgrind --toggle-collect=cost '
        . "--callgrind-out-file=$folder/out $build/t/unit/flood $n";
    my $said = `$command 2>&1`;
    my ($count) = $said =~ /Collected : (\d+)/ or diag $said;
    return $count;
}

SKIP: {
    skip 'no valgrind, or a sanitizer in its place', 1
        if $ENV{BANLIST_PRELOAD} || system 'valgrind --version >/dev/null';
    my ($few, $many) = (instructions(1000), instructions(1_000_000));
    note "instructions for 60,000 lookups: $few among 1,000, "
        . "$many among 1,000,000";
    cmp_ok $many, '<', 3 * $few, 'a million cost little more than a thousand';
}

# As tell.c has it: a line each for the first refusals of a second in a
# process, and one of how many more there were.
my ($PROCESSES, $LINES_A_SECOND, $SECONDS) = (2, 10, 3);

my $h = BanList::Httpd->new(modules => ['remoteip'], processes => $PROCESSES,
    files => { banned => "10.1.0.0/16\n" },
    conf => "${TRUST_PROXY}BanListFile banned\n"
        . "CustomLog logs/kept_log harness env=!BANLIST_MATCH\n");
$h->start;

# Eight clients that ask without pause, until they are ended: how many answers
# there were for 10.1/16, 10.200/16 and 10.3/16, and what was logged meanwhile.
sub flood {
    my $start = length $h->error_log;
    my $begun = time;
    $h->write_file('board', "\0" x 1024);
    # It complains of each answer that t/system/soak would call wrong: more
    # than a pipe holds.
    defined(my $pid = fork) or die $!;
    if (!$pid) {
        open STDOUT, '>', $h->path('answers') or POSIX::_exit(1);
        exec "$build/t/soak-client", $h->port, 8, $h->path('board')
            or POSIX::_exit(1);
    }
    sleep $SECONDS;
    kill 'TERM', $pid;
    waitpid $pid, 0;
    my %answers = $h->read_file('answers')
        =~ /^(always|never|changing) (\d+) /mg;
    my $lines = () = substr($h->error_log, $start) =~ /BL010[0-9]/g;
    my $most = $PROCESSES * ($LINES_A_SECOND + 1) * (int(time - $begun) + 2);
    return (\%answers, $lines, $most);
}

my ($answers, $lines, $most) = flood();
note "$answers->{always} refusals, $lines lines of them in the error log";
cmp_ok $answers->{always}, '>', 1000, 'many are refused';
cmp_ok $lines, '<=', $most, 'the error log is bounded';
unlike $h->read_file('logs/kept_log'), qr/^10\.1\./m,
    'the access log has none of them';
like $h->read_file('logs/kept_log'), qr/^10\.200\./m, 'and all the others';

$h->replace_file('banned', "10.0.0.0/8\n");
comes_to_get($h, '10.200.0.1', 403, 'all of them are banned');
my $kept = -s $h->path('logs/kept_log');
my $rate;
($answers, $lines, $most) = flood();
$rate += $_ / $SECONDS for values %$answers;
note sprintf '%d refusals a second, %d lines in the error log', $rate, $lines;
cmp_ok $rate * $SECONDS, '>', 10 * $most, 'refusals without pause';
cmp_ok $lines, '<=', $most, 'the error log has no more of them';
is -s $h->path('logs/kept_log'), $kept, 'and the access log none';
$h->stop;
done_testing;
