#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# However a file changes, what is in it now is in force: appended, rewritten
# in place, replaced by rename, emptied, a symlink turned elsewhere, an edit
# that leaves size and second as they were.  BanListInterval is far too long
# to be what does it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Test;
use Test::More;
use Time::HiRes qw(sleep time);

# The two addresses have the same length: so have the files.
sub turns {
    my ($h, $from, $to, $how) = @_;
    comes_to_get($h, $to, 403, "$how: the new one is refused");
    gets($h, $from, 200, 'and the old one served') if $from;
}

sub link_to {
    my ($h, $to, $name) = @_;
    symlink $to, $h->path("$name.new") or die $!;
    rename $h->path("$name.new"), $h->path($name) or die $!;
}

# Two edits one behind the other, until both fell into one second.
sub twice_in_a_second {
    my ($h, @lines) = @_;
    for (1 .. 20) {
        my @at;
        for my $line (@lines) {
            $h->write_file('banned', $line);
            push @at, (stat $h->path('banned'))[9];
        }
        return 1 if $at[0] == $at[1];
    }
    return 0;
}

each_mpm {
    my $mpm = shift;
    my ($a, $b) = qw(127.0.0.8 127.0.0.9);
    my $h = BanList::Httpd->new(mpm => $mpm, files => { banned => "$a -\n" },
        conf => "BanListFile banned\nBanListInterval 30s\n");
    $h->start;
    gets($h, $a, 403, 'refused from the first request on');
    gets($h, $b, 200, 'a neighbour');

    $h->append_file('banned', "$b -\n");
    comes_to_get($h, $b, 403, 'appended');
    gets($h, $a, 403, 'the one before still');

    $h->write_file('banned', "$b -\n");
    comes_to_get($h, $a, 200, 'rewritten in place, shorter: one is served');
    comes_to_get($h, $b, 403, 'and the other refused'); # as it was before
    $h->write_file('banned', "$a -\n");
    turns($h, $b, $a, 'rewritten in place, as long');
    $h->replace_file('banned', "$b -\n");
    turns($h, $a, $b, 'replaced by rename');
    $h->replace_file('banned', "$a -\n# and a comment behind it\n");
    turns($h, $b, $a, 'replaced by a longer one');

    $h->write_file('banned', '');
    comes_to_get($h, $a, 200, 'emptied: nobody is banned');
    ok twice_in_a_second($h, "$a -\n", "$b -\n"), 'two edits in one second';
    turns($h, $a, $b, 'the last counts');

    my ($mtime) = (stat $h->path('banned'))[9];
    $h->write_file('banned', "$a -\n");
    utime $mtime, $mtime, $h->path('banned');
    turns($h, $b, $a, 'as long, with its old time put back');

    $h->write_file('one', "$a -\n");
    $h->write_file('two', "$b -\n");
    link_to($h, 'one', 'banned');
    gets($h, $a, 403, 'a symlink in its place, to the same');
    link_to($h, 'two', 'banned');
    turns($h, $a, $b, 'turned elsewhere');
    $h->write_file('two', "$a -\n");
    turns($h, $b, $a, 'what it points to is rewritten');
    mkdir $h->path('far');
    $h->write_file('far/list', "$b -\n");
    link_to($h, 'far/list', 'banned');
    turns($h, $a, $b, 'turned to another folder');
    $h->replace_file('far/list', "$a -\n");
    turns($h, $b, $a, 'where it is replaced by rename');
    $h->append_file('far/list', "$b -\n");
    comes_to_get($h, $b, 403, 'and then appended to');

    is logged($h, '\[banlist:(?:error|warn)\]'), 0, 'nothing to complain of';
    $h->stop;
};

done_testing;
