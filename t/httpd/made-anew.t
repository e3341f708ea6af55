#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A file that is removed and made anew under its name, also while the loader
# hears nothing because it is stopped: the close of the old one is not taken
# for that of the new one, so a writer that stalls is waited for; and one
# that has closed it is not.  BanListInterval is too long to be what does it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Test;
use Test::More;
use Time::HiRes qw(sleep time);

# A new list is shorter than the old one: a writer who was taken to have it
# open still would be waited for longer than this.
my $PROMPT = 3;

my $OLD = join '', "127.0.0.8 -\n127.0.0.9 -\n", map { "10.0.0.$_ -\n" } 1 .. 99;

sub begin {
    my ($h) = @_;
    $h->replace_file('banned', $OLD);
    comes_to_get($h, '127.0.0.9', 403, 'a list');
    sleep 0.1;
}

sub stopped {
    my ($h, $do) = @_;
    my @loaders = $h->loader_pids;
    kill 'STOP', @loaders;
    $do->();
    kill 'CONT', @loaders;
}

sub made_anew {
    my ($h, $text) = @_;
    unlink $h->path('banned') or die $!;
    $h->write_file('banned', $text);
}

# Half a list, whose writer has it open.
sub half_made {
    my ($h) = @_;
    unlink $h->path('banned') or die $!;
    open my $out, '>', $h->path('banned') or die $!;
    syswrite $out, "127.0.0.8 -\n";
    return $out;
}

sub is_waited_for {
    my ($h, $out, $how) = @_;
    stays($h, '127.0.0.9', 403, 0.7, "$how: its writer is waited for");
    syswrite $out, "127.0.0.9 -\n127.0.0.10 -\n";
    close $out;
    comes_to_get($h, '127.0.0.10', 403, 'and counts when it is closed');
}

each_mpm {
    my $mpm = shift;
    my $h = BanList::Httpd->new(mpm => $mpm, files => { banned => $OLD },
        conf => "BanListFile banned\nBanListInterval 30s\n");
    $h->start;

    my $out;
    begin($h);
    stopped($h, sub {
        $h->write_file('banned', $OLD); # of which a close is heard
        $out = half_made($h);
    });
    is_waited_for($h, $out, 'made anew while the loader was stopped');

    begin($h);
    stopped($h, sub {
        $h->replace_file('banned', $OLD);
        $out = half_made($h);
    });
    is_waited_for($h, $out, 'after a rename');

    begin($h);
    stopped($h, sub {
        made_anew($h, $OLD);
        $out = half_made($h);
    });
    is_waited_for($h, $out, 'twice');

    begin($h);
    is_waited_for($h, half_made($h), 'while it listens');

    begin($h);
    stopped($h, sub { made_anew($h, "127.0.0.8 -\n") });
    comes_to_get($h, '127.0.0.9', 200, 'made anew and closed: counts',
        within => $PROMPT);

    my $slowest = 0;
    for (1 .. 10) {
        my ($old, $new) = $_ % 2 ? (8, 9) : (9, 8);
        made_anew($h, "127.0.0.$new -\n");
        my $took = wait_for(sub {
            answer($h, "127.0.0.$new") == 403
                && answer($h, "127.0.0.$old") == 200
        }, $PROMPT) // 99;
        $slowest = $took if $took > $slowest;
    }
    cmp_ok $slowest, '<', $PROMPT, 'while it listens: each time';
    note "after at most $slowest s";

    for my $how (qw(symlink link)) {
        begin($h);
        $h->write_file('other', "127.0.0.8 -\n");
        unlink $h->path('banned');
        $how eq 'link' ? link $h->path('other'), $h->path('banned')
            : symlink $h->path('other'), $h->path('banned');
        comes_to_get($h, '127.0.0.9', 200, "a $how in its place counts",
            within => $PROMPT);
    }
    $h->stop;
};

done_testing;
