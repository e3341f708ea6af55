#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The address that counts is the one mod_remoteip restored, whichever of the
# two modules is loaded first, and nobody can lend himself another one.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Test;
use Test::More;

my $BANNED = "10.0.0.1 -\n127.0.0.6 -\n127.0.0.1 -\n";

sub forwarded {
    my ($h, $peer, $for, $status, $name) = @_;
    my $got = $h->get('/', from => $peer,
        headers => { 'X-Forwarded-For' => $for });
    is $got->{status}, $status, $name;
}

sub check {
    my $h = shift;
    gets($h, '10.0.0.1', 403, 'a banned client of the proxy');
    gets($h, '10.0.0.2', 200, 'its neighbour');
    gets($h, '127.0.0.1', 403, 'the proxy speaks for itself and is banned');
    gets($h, '127.0.0.6', 403, 'a banned peer');
    gets($h, '127.0.0.5', 200, 'a peer');
    forwarded($h, '127.0.0.6', '10.0.0.2', 403,
        'a banned peer hides behind no header');
    forwarded($h, '127.0.0.5', '10.0.0.1', 200,
        'a peer takes nobody else\'s ban upon him');
    forwarded($h, '127.0.0.1', '10.0.0.2, 10.0.0.1', 403,
        'what the client wrote in front of its own address does not count');
    forwarded($h, '127.0.0.1', '10.0.0.1, 10.0.0.2', 200,
        'nor a banned address that it wrote there');
}

each_mpm {
    my $mpm = shift;
    for my $order (qw(first last)) {
        my $h = BanList::Httpd->new(
            mpm => $mpm, modules => ['remoteip'], banlist => $order,
            files => { banned => $BANNED },
            conf => "${TRUST_PROXY}BanListFile banned\n");
        $h->start;
        subtest "loaded $order" => sub { check($h) };

        my $open = $h->connect;
        my @got = map { $open->request('/', headers =>
            { 'X-Forwarded-For' => $_ })->{status} }
            qw(10.0.0.2 10.0.0.1 10.0.0.3 10.0.0.1 10.0.0.2);
        is "@got", '200 403 200 403 200',
            "loaded $order: one connection of the proxy, many clients";
        $h->stop;
    }

    my $h = BanList::Httpd->new(
        mpm => $mpm, modules => ['remoteip'],
        files => { banned => $BANNED }, conf => "BanListFile banned\n",
        vhosts => ['proxied.test' => $TRUST_PROXY, 'plain.test' => '']);
    $h->start;
    for my $host (qw(proxied.test plain.test)) {
        my $got = $h->get('/', from => '127.0.0.5', headers =>
            { Host => $host, 'X-Forwarded-For' => '10.0.0.1' });
        is $got->{status}, 200, "$host: a peer nobody trusts";
    }
    my $got = $h->get('/', from => '127.0.0.1', headers =>
        { Host => 'proxied.test', 'X-Forwarded-For' => '10.0.0.1' });
    is $got->{status}, 403, 'the proxy is one in its virtual host';
    $got = $h->get('/', from => '127.0.0.1', headers =>
        { Host => 'plain.test', 'X-Forwarded-For' => '10.0.0.2' });
    is $got->{status}, 403, 'and a client like others elsewhere';
    $h->stop;
};

done_testing;
