#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A list that no longer fits BanListMemory: the last good one stays in force,
# and one error says how many entries there are and what to set, which then
# is enough.  A list that shrinks gives its memory back.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Test;
use Test::More;

sub lines { join '', map { sprintf "11.%d.%d.%d\n", $_ >> 16, $_ >> 8 & 255,
    $_ & 255 } 1 .. $_[0] }

sub config {
    my $memory = shift;
    return "${TRUST_PROXY}BanListFile banned\nBanListMemory $memory\n"
        . "BanListInterval 100ms\n";
}

# Bytes of a process's memory that are ours and shared.
sub memory_of {
    my ($h, $pid) = @_;
    my ($ours, $kb) = (0, 0);
    for (split /^/, $h->read_file("/proc/$pid/smaps")) {
        $ours = /memfd:banlist/ if /^[0-9a-f]+-[0-9a-f]+ /;
        $kb += $1 if $ours && /^Rss:\s+(\d+) kB/;
    }
    return $kb * 1024;
}

each_mpm {
    my $mpm = shift;
    my $h = BanList::Httpd->new(mpm => $mpm, modules => ['remoteip'],
        files => { banned => "10.0.0.1\n" }, conf => config('1M'));
    $h->start;
    gets($h, '10.0.0.1', 403, 'what fits is in force');

    $h->replace_file('banned', lines(100_000));
    comes_to_be_logged($h, '\[banlist:error\]', 1, 'too big: one error');
    my ($entries, $mb) = $h->error_log
        =~ /BL0021: .* (\d+) entries, .* at least (\d+)M; the last good/;
    is $entries, 100_000, 'which says how many entries';
    gets($h, '10.0.0.1', 403, 'the last good list stays');
    stays($h, '11.0.0.1', 200, 0.5, 'and nothing of the other one counts');
    is logged($h, '\[banlist:error\]'), 1, 'still one error';

    $h->replace_file('banned', "10.0.0.1\n10.0.0.2\n");
    comes_to_get($h, '10.0.0.2', 403, 'a list that fits again');
    comes_to_be_logged($h, 'BL0022', 1, 'one notice');

    # Grown line by line, until it does not fit.
    $h->append_file('banned', lines(100_000));
    comes_to_be_logged($h, '\[banlist:error\]', 2, 'grown too big: one error');
    gets($h, $_, 403, "$_ stays") for qw(10.0.0.1 10.0.0.2);
    is logged($h, '\[banlist:error\]'), 2, 'still one error';

    $h->configure(conf => config($mb . 'M'));
    $h->graceful;
    comes_to_get($h, '11.0.0.1', 403, 'what the error said is enough');
    gets($h, '11.1.134.160', 403, 'for the last of them');
    gets($h, '10.0.0.2', 403, 'and the first');

    my ($loader) = $h->loader_pids;
    my $full = memory_of($h, $loader);
    cmp_ok $full, '>', 1 << 20, 'a long list takes memory';
    $h->replace_file('banned', "10.0.0.3\n");
    comes_to_get($h, '10.0.0.3', 403, 'shrunk');
    my $rest;
    wait_for(sub { ($rest = memory_of($h, $loader)) < $full / 4 }, $SOON);
    cmp_ok $rest, '<', $full / 4, 'and it is given back';
    note "$full bytes, then $rest";
    $h->stop;
};

done_testing;
