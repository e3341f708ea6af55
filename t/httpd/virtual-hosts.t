#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Virtual hosts: files, allowed addresses and allow files add to the main
# server's; every other directive takes their place.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Test;
use Test::More;

my @VHOSTS = (
    'bare.test'   => '',
    'adds.test'   => "BanListFile lists/own\n",
    'shares.test' => "BanListFile lists/main lists/own\n",
    'other.test'  => "BanListFile lists/other\n",
    'off.test'    => "BanListEngine Off\n",
    'marks.test'  => "BanListEngine DetectionOnly\n",
    'allows.test' => "BanListAllow 10.1.0.0/24 2001:db8:1::/48\n",
    'allow-file.test' => "BanListAllowFile lists/allow\n",
    'action.test' => "BanListAction 410\n",
    'exempt.test' => "BanListExempt \"%{REQUEST_URI} =~ m#^/own/#\"\n",
    'wide.test'   => "BanListIPv6Prefix 64\n",
);

my %FILES = (
    'lists/main'  => "10.1.0.0/16\n127.0.0.9\n2001:db8:1::7\n2001:db8:2::7\n",
    'lists/own'   => "10.2.0.0/16\n",
    'lists/other' => "10.3.0.0/16\n",
    'lists/allow' => "10.1.1.0/24\n",
    'lists/allow-main' => "10.1.9.0/24\n",
    'htdocs/.well-known/x' => "x\n",
    'htdocs/own/x' => "x\n",
);

# host, client, status, what it shows; path
my @CASES = (
    ['localhost',   '10.1.0.1', 451, 'the main server\'s file'],
    ['localhost',   '10.2.0.1', 200, 'nothing of a virtual host\'s there'],
    ['bare.test',   '10.1.0.1', 451, 'inherited'],
    ['bare.test',   '10.2.0.1', 200, 'a sibling\'s file is not'],
    ['adds.test',   '10.1.0.1', 451, 'the main server\'s'],
    ['adds.test',   '10.2.0.1', 451, 'and its own'],
    ['adds.test',   '10.3.0.1', 200, 'no sibling\'s'],
    ['shares.test', '10.1.0.1', 451, 'a file named in both'],
    ['shares.test', '10.2.0.1', 451, 'and the other one'],
    ['other.test',  '10.2.0.1', 200, 'different files'],
    ['other.test',  '10.3.0.1', 451, 'in different hosts'],
    ['off.test',    '10.1.0.1', 200, 'BanListEngine Off'],
    ['marks.test',  '10.1.0.1', 200, 'BanListEngine DetectionOnly'],
    ['localhost',   '10.1.8.1', 200, 'BanListAllow of the main server'],
    ['localhost',   '10.1.9.1', 200, 'BanListAllowFile of the main server'],
    ['allows.test', '10.1.0.1', 200, 'BanListAllow of its own'],
    ['allows.test', '10.1.2.1', 451, 'for that prefix alone'],
    ['allows.test', '10.1.8.1', 200, 'and the main server\'s too'],
    ['allows.test', '10.1.9.1', 200, 'and its BanListAllowFile'],
    ['allows.test', '2001:db8:1::7', 200, 'an IPv6 prefix'],
    ['allows.test', '2001:db8:2::7', 451, 'and no other'],
    ['allow-file.test', '10.1.1.1', 200, 'BanListAllowFile of its own'],
    ['allow-file.test', '10.1.9.1', 200, 'and the main server\'s'],
    ['allow-file.test', '10.1.8.1', 200, 'and its BanListAllow'],
    ['allow-file.test', '10.1.0.1', 451, 'and nobody else'],
    ['localhost',   '10.1.1.1', 451, 'which the main server does not have'],
    ['action.test', '10.1.0.1', 410, 'BanListAction'],
    ['localhost',   '10.1.0.1', 200, 'BanListExempt', '/.well-known/x'],
    ['bare.test',   '10.1.0.1', 200, 'inherited', '/.well-known/x'],
    ['exempt.test', '10.1.0.1', 200, 'its own', '/own/x'],
    ['exempt.test', '10.1.0.1', 451, 'instead of it', '/.well-known/x'],
    ['localhost',   '10.1.0.1', 451, 'not there', '/own/x'],
    ['localhost',   '2001:db8:1::8', 200, 'an IPv6 address is one address'],
    ['wide.test',   '2001:db8:1::8', 451, 'BanListIPv6Prefix 64'],
    ['wide.test',   '2001:db8:1:1::7', 200, 'and no more than that'],
);

each_mpm {
    my $mpm = shift;
    my $h = BanList::Httpd->new(
        mpm => $mpm, modules => ['remoteip'], files => \%FILES,
        vhosts => ['localhost' => '', @VHOSTS], conf => $TRUST_PROXY . <<'END');
BanListFile lists/main
BanListAllow 10.1.8.0/24
BanListAllowFile lists/allow-main
BanListAction 451
BanListExempt "%{REQUEST_URI} =~ m#^/\.well-known/#"
END
    $h->start;
    for (@CASES) {
        my ($host, $client, $status, $name, $path) = @$_;
        gets($h, $client, $status, "$host: $client: $name", path => $path,
            headers => { Host => $host });
    }
    is $h->loader_pids, 1, 'one loader for all';
    my $loads = logged($h, qr{BL0010: .*/lists/main: });
    is $loads, 2, 'a file is loaded once for each BanListIPv6Prefix it has';

    $h->append_file('lists/own', "10.4.0.1\n");
    comes_to_get($h, '10.4.0.1', 451, 'a new line: for one that has the file',
        headers => { Host => 'adds.test' });
    gets($h, '10.4.0.1', 451, 'for the other one',
        headers => { Host => 'shares.test' });
    gets($h, '10.4.0.1', 200, 'for no other',
        headers => { Host => 'other.test' });
    $h->stop;
};

done_testing;
