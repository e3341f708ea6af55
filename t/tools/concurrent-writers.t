#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
#
# No writer loses another's line: 8 processes add and remove 10,000 addresses
# in one list while a plain printf appends beside them under the same lock,
# and a reader never sees a line that nobody wrote.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;

use BanList::Process;

my $tree = abs_path(dirname(__FILE__) . '/../..');
my $program = $ENV{BANLIST_COMMAND} || "$tree/build/banlist";
my $dir = BanList::Process->new(log => 'log');
my $list = $dir->write_file('list', "# kept\n");

use constant { WRITERS => 8, ROUNDS => 125, BATCH => 10, PLAIN => 600 };

sub batch {
    my ($writer, $round) = @_;
    return map { "10.$writer.$round.$_" } 1 .. BATCH;
}

# Adds every batch; keeps its last address, and removes the others.
sub writer {
    my $writer = shift;
    for my $round (1 .. ROUNDS) {
        my @batch = batch($writer, $round);
        system($program, 'add', $list, @batch) == 0 or return 1;
        pop @batch;
        system($program, 'remove', $list, @batch) == 0 or return 1;
    }
    return 0;
}

sub plain {
    return system('sh', '-c', 'list=$1 i=0
        while [ $((i += 1)) -le $2 ]; do
            flock "$list.lock" sh -c \'printf "%s -\n" "$2" >>"$1"\' sh \
                "$list" "10.100.$((i / 250)).$((i % 250))" || exit 1
        done', 'sh', $list, PLAIN) >> 8;
}

sub start {
    my $pid = fork // die "fork: $!";
    return $pid if $pid;
    POSIX::_exit($_[0]->());
}

my @pids = ((map { my $n = $_; start(sub { writer($n) }) } 1 .. WRITERS),
    start(\&plain));
my %running = map { $_ => 1 } @pids;
my ($looks, @strange) = (0);
while (%running) {
    for my $pid (keys %running) {
        next unless waitpid $pid, POSIX::WNOHANG;
        is($?, 0, 'a writer did all of its work');
        delete $running{$pid};
    }
    $looks++;
    my $text = $dir->read_file('list');
    # One write() may be seen half done, but only at the end of the file.
    $text =~ s/[^\n]*\z//;
    push @strange, grep { !/^(?:# kept|10(?:\.\d{1,3}){3} -)$/ }
        split /\n/, $text;
    select undef, undef, undef, 0.002;
}
is_deeply(\@strange, [], "a reader that looked $looks times saw no strange"
    . ' line');

my @expected = '# kept';
for my $writer (1 .. WRITERS) {
    push @expected, map { (batch($writer, $_))[-1] . ' -' } 1 .. ROUNDS;
}
push @expected, map { '10.100.' . int($_ / 250) . '.' . $_ % 250 . ' -' }
    1 .. PLAIN;
is(WRITERS * ROUNDS * BATCH, 10_000, '10,000 addresses');
is_deeply([sort split /\n/, $dir->read_file('list')], [sort @expected],
    'every line that was to stay is there once, and no other');

my @last = map { s/ -//r } grep { /^10\.(?!100)/ } @expected;
is(system($program, 'remove', $list, @last), 0, 'the rest removed at once');
is_deeply([sort split /\n/, $dir->read_file('list')],
    [sort grep { !/^10\.(?!100)/ } @expected], "the plain writer's are left");
is_deeply([map { s{.*/}{}r } glob $dir->path('*')], [qw(list list.lock)],
    'no other file is left');

done_testing;
