#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A last line without its newline may be half of one: "10.0.0.1" of
# "10.0.0.15".  It counts once the file has been still for a second, and no
# longer than it stands so.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my $STILL = 1;

each_mpm {
    my $mpm = shift;
    my $h = BanList::Httpd->new(mpm => $mpm, modules => ['remoteip'],
        processes => 1,
        files => { banned => "10.0.0.2\n" },
        conf => "${TRUST_PROXY}BanListFile banned\nBanListInterval 30s\n");
    $h->start;
    gets($h, '10.0.0.2', 403, 'what the file begins with');

    $h->append_file('banned', "10.0.0.3\n10.0.0.1");
    comes_to_get($h, '10.0.0.3', 403, 'the whole line before it counts');
    stays($h, '10.0.0.1', 200, 0.5, 'the half one does not');
    $h->append_file('banned', '5');
    stays($h, '10.0.0.1', 200, 0.3, 'nor while it grows');
    gets($h, '10.0.0.15', 200, 'nor what it has become, without its newline');
    $h->append_file('banned', "\n");
    comes_to_get($h, '10.0.0.15', 403, 'its newline makes it count');
    gets($h, '10.0.0.1', 200, 'and its first half never did');

    my $start = time;
    $h->append_file('banned', '10.0.0.1');
    comes_to_get($h, '10.0.0.1', 403, 'one that is left so counts');
    cmp_ok time - $start, '>=', $STILL - 0.05, 'after a second';
    $h->append_file('banned', "6\n");
    comes_to_get($h, '10.0.0.16', 403, 'the rest of it comes late');
    gets($h, '10.0.0.1', 200, 'which corrects it');

    $h->append_file('banned', '10.0.0.4');
    comes_to_get($h, '10.0.0.4', 403, 'another one');
    $h->append_file('banned', "\n10.0.0.5\n");
    comes_to_get($h, '10.0.0.5', 403, 'and a line behind it');
    gets($h, '10.0.0.4', 403, 'both count');
    like $h->tail('logs/error_log', 20), qr{BL0010: .*/banned: 6 entries },
        'and are counted once';

    $h->write_file('banned', '10.0.0.6');
    comes_to_get($h, '10.0.0.6', 403, 'a file of one such line');
    gets($h, '10.0.0.2', 200, 'has nothing else in it');
    $h->stop;

    $h->start;
    comes_to_get($h, '10.0.0.6', 403, 'also at start',
        within => $STILL + $SOON);
    $h->stop;
};

done_testing;
