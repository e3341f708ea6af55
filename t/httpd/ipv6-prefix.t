#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# BanListIPv6Prefix: a bare IPv6 address in a list bans its whole prefix of
# that length, and nothing else in the list becomes longer or shorter.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Test;
use Test::More;

my $list = <<'END';
2001:db8:0:1::7 -
[2001:db8:0:2::7]
2001:db8:0:3::7/128
2001:db8:0:4::7/127
2001:db8:0:5::1-2001:db8:0:5::2
203.0.113.7 -
::ffff:203.0.113.9
!2001:db8:0:1::9
END

each_mpm {
    my $h = BanList::Httpd->new(
        mpm     => shift,
        modules => ['remoteip'],
        files   => { banned => $list },
        conf    => <<'END',
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.1
BanListFile "@ROOT@/banned"
END
        vhosts => [
            'exact.test' => '',
            'wide.test'  => 'BanListIPv6Prefix 64',
            'odd.test'   => 'BanListIPv6Prefix 127',
        ],
    )->start;
    # [client, exact.test, wide.test, odd.test], 1: refused
    my @cases = (
        ['2001:db8:0:1::7',                   1, 1, 1],
        ['2001:db8:0:1::6',                   0, 1, 1],
        ['2001:db8:0:1::8',                   0, 1, 0],
        ['2001:db8:0:1:ffff:ffff:ffff:ffff',  0, 1, 0],
        ['2001:db8:0:0:ffff:ffff:ffff:ffff',  0, 0, 0],
        ['2001:db8:0:1::9',                   0, 0, 0],
        ['2001:db8:0:2::',                    0, 1, 0],
        ['2001:db8:0:3::7',                   1, 1, 1],
        ['2001:db8:0:3::6',                   0, 0, 0],
        ['2001:db8:0:4::6',                   1, 1, 1],
        ['2001:db8:0:4::8',                   0, 0, 0],
        ['2001:db8:0:5::2',                   1, 1, 1],
        ['2001:db8:0:5::3',                   0, 0, 0],
        ['203.0.113.7',                       1, 1, 1],
        ['203.0.113.6',                       0, 0, 0],
        ['203.0.113.9',                       1, 1, 1],
    );
    my @hosts = qw(exact.test wide.test odd.test);
    for my $case (@cases) {
        my ($client, @refused) = @$case;
        my @got = map {
            $h->get('/', headers => { Host => $_,
                'X-Forwarded-For' => $client })->{status} == 403 ? 1 : 0
        } @hosts;
        is "@got", "@refused", $client;
    }
    $h->append_file('banned', "2001:db8:0:6::7 -\n");
    ok wait_for(sub { $h->get('/', headers => { Host => 'wide.test',
        'X-Forwarded-For' => '2001:db8:0:6::99' })->{status} == 403 }, 10),
        'an appended address too';

    for my $bad (0, 129, 'x') {
        $h->configure(conf => "BanListIPv6Prefix $bad");
        my ($status, $said) = $h->run('-t');
        isnt $status, 0, "$bad is a config error";
        like $said, qr/BanListIPv6Prefix.*'$bad'/, 'which names it';
    }
    $h->stop;
};

done_testing;
