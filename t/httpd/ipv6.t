#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# IPv6, and IPv4 in the form of IPv6, in the list and in the client.  A
# listener of both families has IPv4 clients under mapped addresses.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Test;
use IO::Socket::IP;
use Test::More;

my $BANNED = <<'END';
::ffff:10.0.0.1
::ffff:127.0.0.6
127.0.0.7
2001:db8::7
2001:db8:1::/48
[2001:db8:2::7]
::ffff:10.7.0.0/112
END

each_mpm {
    my $mpm = shift;
    my $has_v6 = IO::Socket::IP->new(LocalHost => '::1', Listen => 1);
    my $h = BanList::Httpd->new(
        mpm => $mpm, modules => ['remoteip'],
        # Both families on loopback alone, as [::] has them everywhere.
        listen => ['[::ffff:127.0.0.1]', $has_v6 ? '[::1]' : ()],
        files => { banned => $BANNED }, processes => 1,
        conf => "RemoteIPHeader X-Forwarded-For\n"
            . "RemoteIPInternalProxy 127.0.0.1 ::1\n"
            . "BanListFile banned\n");
    $h->start;
    my %want = (
        '10.0.0.1' => 403, '::ffff:10.0.0.1' => 403, '10.0.0.2' => 200,
        '::ffff:10.0.0.2' => 200, '::FFFF:A00:1' => 403,
        '10.7.255.1' => 403, '10.8.0.1' => 200,
        '2001:db8::7' => 403, '2001:DB8:0:0:0:0:0:7' => 403,
        '2001:db8::8' => 200, '2001:db8:1:ffff::1' => 403,
        '2001:db8:2::7' => 403, '2001:db8:2::8' => 200,
    );
    gets($h, $_, $want{$_}, "for $_") for sort keys %want;
    gets($h, '127.0.0.6', 403, 'IPv4 on IPv6\'s listener, mapped in the list');
    gets($h, '127.0.0.7', 403, 'and plain in the list');
    gets($h, '127.0.0.8', 200, 'and not in it');

    SKIP: {
        skip 'this machine has no IPv6', 3 unless $has_v6;
        my $get = sub { $h->get('/', host => '::1', @_)->{status} };
        is $get->(), 200, 'an IPv6 client';
        is $get->(headers => { 'X-Forwarded-For' => '10.0.0.1' }), 403,
            'an IPv6 proxy with an IPv4 client';
        $h->append_file('banned', "::1\n");
        ok wait_for(sub { $get->() == 403 }, $SOON), 'an IPv6 client, banned';
    }
    like $h->access_log, qr/ 403 .* 10\.7\.0\.0\/16 403$/m,
        'a mapped prefix goes by its IPv4 name';
    $h->stop;
};

done_testing;
