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

my $h = BanList::Httpd->new(modules => ['remoteip'], processes => 2,
    files => { banned => "10.1.0.0/16\n" },
    conf => "${TRUST_PROXY}BanListFile banned\n"
        . "CustomLog logs/kept_log harness env=!BANLIST_MATCH\n");
$h->start;
# soak-client asks for banned addresses among others, until it is ended.
$h->write_file('board', "\0" x 1024);
my $pid = open my $out, '-|', "$build/t/soak-client", $h->port, 8,
    $h->path('board') or die $!;
sleep 3;
kill 'TERM', $pid;
my ($refused) = map { /^always (\d+) / } <$out>;
close $out;
my $lines = () = $h->error_log =~ /BL0101/g;
note "$refused refusals, $lines lines of them in the error log";
cmp_ok $refused, '>', 1000, 'many are refused';
cmp_ok $lines, '<', 1000, 'the error log is bounded';
unlike $h->read_file('logs/kept_log'), qr/^10\.1\./m,
    'the access log has none of them';
like $h->read_file('logs/kept_log'), qr/^10\.200\./m, 'and all the others';
$h->stop;
done_testing;
