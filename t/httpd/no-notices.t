#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Where the kernel gives no notice of changes, they are seen within
# BanListInterval; the log says so once.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Test;
use Test::More;

# A kernel out of inotify instances, and one out of watches.
my %OUT_OF = (
    BL0024 => 'int inotify_init1(int f) { errno = EMFILE; return -1 + 0 * f; }',
    BL0023 => 'int inotify_add_watch(int f, const char *p, unsigned m)'
        . ' { errno = ENOSPC; return -1 + 0 * (f + !p + (int)m); }',
);

sub preload {
    my ($h, $code) = @_;
    my $source = $h->write_file('deaf.c', "#include <errno.h>\n$code\n");
    my $library = $h->path('deaf.so');
    my $cc = $ENV{CC} || 'cc';
    system("$cc -shared -fPIC -o $library $source") == 0 or die "no $cc\n";
    $h->{env}{LD_PRELOAD} = join ' ', grep { $_ } $h->{env}{LD_PRELOAD},
        $library;
}

each_mpm {
    my $mpm = shift;
    my ($a, $b) = qw(127.0.0.8 127.0.0.9);
    for my $code (sort keys %OUT_OF) {
        my $h = BanList::Httpd->new(mpm => $mpm,
            files => { banned => "$a -\n", other => "\n" },
            conf => "BanListFile banned other\nBanListInterval 100ms\n");
        preload($h, $OUT_OF{$code});
        $h->start;
        gets($h, $a, 403, 'refused from the first request on');
        $h->append_file('banned', "$b -\n");
        comes_to_get($h, $b, 403, 'appended');
        $h->replace_file('banned', "$b -\n");
        comes_to_get($h, $a, 200, 'replaced by rename');
        for (1 .. 5) {
            $h->write_file('banned', "$a -\n");
            comes_to_get($h, $b, 200, 'rewritten in place');
            $h->write_file('banned', "$b -\n");
            comes_to_get($h, $b, 403, 'twice, as long');
        }
        unlink $h->path('banned');
        comes_to_be_logged($h, 'BL0020', 1, 'removed');
        gets($h, $b, 403, 'the last good list stays');
        $h->write_file('banned', '');
        comes_to_get($h, $b, 200, 'there again, and empty');
        is logged($h, "$code: .* looked at every BanListInterval"), 1,
            "$code: the log says so once";
        $h->stop;
    }
};

done_testing;
