#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The error log tells an operator what happened, where, and what to do: the
# start, each change, trouble when it begins and when it ends, once each.
# And none of it is what fail2ban's own apache filters look for.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Peers;
use BanList::Test;
use Test::More;

my $h = BanList::Httpd->new(
    processes => 1,
    conf  => "BanListFile banned later\nBanListInterval 20ms\n"
        . "BanListMemory 1M\n",
    files => { banned => "127.0.0.9\n192.0.2.7\n1.2.3.400\n" },
);

# In a text, * is a word and # a number.
sub said {
    my ($level, $text, $name) = @_;
    my $what = quotemeta $text;
    $what =~ s/\\\*/\\S+/g;
    $what =~ s/\\#/[\\d.]+/g;
    ok wait_for(sub { $h->error_log =~ /banlist:$level\].* $what/ }, 10),
        $name or diag "no: $text";
}

sub how_often {
    my $what = shift;
    my @n = $h->error_log =~ /$what/g;
    return scalar @n;
}

$h->start;
said('notice', 'BL0003: banlist: 2 lists, 2 entries in force after # ms, '
    . 'trouble with 1 of them', 'the start, in one line');
said('notice', 'BL0010: banlist: */banned: 2 entries in force, loaded in full '
    . 'in # ms', 'each list');
said('warn', 'BL0012: banlist: */banned: 1 bad line passed over; see them all '
    . 'with: banlist check */banned', 'bad lines: how many');
said('warn', 'BL0013: banlist: */banned line 3: octet over 255',
    'which and why');
said('warn', 'BL0020: banlist: */later is missing; nobody is banned',
    'a file that is not there yet');

$h->write_file('later', "192.0.2.1\n");
said('notice', 'BL0010: banlist: */later: 1 entry in force', 'it has come');
$h->append_file('banned', "192.0.2.8\n");
said('notice', 'BL0010: banlist: */banned: 3 entries in force, appended lines '
    . 'read in # ms', 'a change: what, and how long');
is how_often(qr/BL0013/), 1, 'a bad line is told of once';

unlink $h->path('banned');
said('error', 'BL0020: banlist: */banned is missing; the last good list '
    . 'stays in force, and it is taken up', 'trouble begins: what holds');
is $h->get('/', from => '127.0.0.9')->{status}, 403, 'and it does';
select undef, undef, undef, 0.3;
is how_often(qr{banned is missing}), 1, 'told of once';
$h->write_file('banned', "127.0.0.9\n192.0.2.7\n1.2.3.400\n");
said('notice', 'BL0022: banlist: */banned can be read again',
    'and when it ends');

$h->write_file('later', join '', map { my $n = $_;
    map { "10.$n.$_.1\n" } 0 .. 255 } 0 .. 200);
said('error', 'BL0021: banlist: */later has 51456 entries, too many for '
    . 'BanListMemory: set it to at least #M; the last good list stays',
    'a list that is too big: what to set');
$h->graceful;
is how_often(qr/BL0003/), 2, 'a line for each start';
$h->get('/', from => '127.0.0.9');
said('info', 'BL0101: banlist: request refused: 127.0.0.9 is in */banned '
    . 'line 1', 'a refusal');
my ($loader) = $h->loader_pids;
kill 'KILL', $loader;
said('error', 'BL0006: banlist: the loader ended (signal 9); the lists stay '
    . 'as they are, and another is started', 'a loader that was killed');

# --- fail2ban ---------------------------------------------------------------

my $etc = BanList::Peers::env('FAIL2BAN_ETC');
$h->write_file('ours', join '', grep { /\[banlist:/ }
    split /^/, $h->error_log);
my $program = BanList::Peers::program('fail2ban-regex');
my @filters = glob "$etc/filter.d/apache-*.conf";
cmp_ok scalar(@filters), '>', 5, 'there are filters';
for my $filter (@filters) {
    my $found = `$program @{[$h->path('ours')]} $filter 2>&1`;
    my ($name) = $filter =~ m{([^/]+)\.conf$};
    my ($lines, $matched) =
        $found =~ /Lines: (\d+) lines, \d+ ignored, (\d+) matched/;
    cmp_ok $lines // 0, '>', 10, "$name read our lines";
    is $matched, 0, 'and found none of them';
}

done_testing;
