#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A file that is not there when the server starts: nobody is banned by it,
# and it is taken up when it comes, even if its folder comes only then.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Test;
use Test::More;

each_mpm {
    my $mpm = shift;
    my $h = BanList::Httpd->new(mpm => $mpm,
        conf => "BanListFile banned\nBanListInterval 30s\n");
    $h->start;
    gets($h, '127.0.0.9', 200, 'the server starts, and serves');
    is logged($h, 'BL0020: .*/banned is missing; nobody is banned'), 1,
        'the log says what is missing';
    is logged($h, '\[banlist:error\]'), 0, 'which is no error';
    $h->write_file('banned', "127.0.0.9 -\n");
    comes_to_get($h, '127.0.0.9', 403, 'taken up when it is made');
    comes_to_be_logged($h, 'BL0010: .*/banned: 1 entr', 1, 'and logged');
    $h->stop;

    $h = BanList::Httpd->new(mpm => $mpm,
        conf => "BanListFile new/folder/banned\n");
    $h->start;
    gets($h, '127.0.0.9', 200, 'without the folder');
    $h->write_file('new/folder/banned', "127.0.0.9 -\n");
    comes_to_get($h, '127.0.0.9', 403, 'taken up within BanListInterval');
    $h->append_file('new/folder/banned', "127.0.0.8 -\n");
    comes_to_get($h, '127.0.0.8', 403, 'and from then on as any other');
    $h->stop;
};

done_testing;
