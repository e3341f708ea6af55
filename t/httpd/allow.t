#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Whoever BanListAllow or a BanListAllowFile names is never refused, whatever
# the lists say; the file is live, and a virtual host adds its own.  Only
# addresses are allowed: a host name in such a file has no effect.
use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Test;
use Test::More;

each_mpm {
    my $h = BanList::Httpd->new(
        mpm     => shift,
        modules => ['remoteip'],
        files   => {
            banned  => "127.0.0.0/24 -\n203.0.113.0/24 -\n"
                . "2001:db8::/32 -\n198.51.100.7 -\n",
            other   => "203.0.113.7 -\n",
            allowed => "# none yet\n",
            own     => "203.0.113.33\n",
        },
        conf => <<'END',
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.1
BanListFile "@ROOT@/banned" "@ROOT@/other"
BanListAllow 127.0.0.0/30 203.0.113.7
BanListAllow 2001:db8:0:1::/64 ::ffff:198.51.100.7
BanListAllowFile "@ROOT@/allowed"
END
        vhosts => [
            'main.test' => '',
            'more.test' => <<'END',
BanListAllow 203.0.113.22
BanListAllowFile "@ROOT@/own"
END
        ],
    )->start;
    my $from = sub {
        my ($client, $host) = @_;
        return $h->get('/', headers => { Host => $host || 'main.test',
            'X-Forwarded-For' => $client })->{status};
    };

    is $from->('203.0.113.9'), 403, 'banned';
    is $from->('203.0.113.7'), 200, 'an address allowed, in two lists';
    is $h->get('/', from => '127.0.0.3')->{status}, 200, 'a prefix allowed';
    is $h->get('/', from => '127.0.0.4')->{status}, 403, 'one above it';
    is $from->('2001:db8:0:1::9'), 200, 'an IPv6 prefix allowed';
    is $from->('2001:db8:0:2::'), 403, 'one above it';
    is $from->('198.51.100.7'), 200, 'allowed as an IPv4-mapped address';

    $h->append_file('allowed', "203.0.113.9 -\n");
    ok wait_for(sub { $from->('203.0.113.9') == 200 }, 10),
        'allowed by a line added to the file';
    $h->append_file('other', "203.0.113.9 -\n198.51.100.8 -\n");
    ok wait_for(sub { $from->('198.51.100.8') == 403 }, 10), 'a new ban';
    is $from->('203.0.113.9'), 200, 'does not win over it';
    $h->replace_file('allowed', "203.0.113.0/24\n!203.0.113.10\n");
    ok wait_for(sub { $from->('203.0.113.11') == 200 }, 10),
        'a prefix in its place';
    is $from->('203.0.113.10'), 403, 'but for an exception in that file';
    $h->replace_file('allowed', '203.0.113.11 until=' . (time + 3) . "\n");
    ok wait_for(sub { $from->('203.0.113.9') == 403 }, 10), 'and gone again';
    is $from->('203.0.113.11'), 200, 'allowed until a second';
    ok wait_for(sub { $from->('203.0.113.11') == 403 }, 10), 'and no longer';

    is $from->('203.0.113.22'), 403, "a virtual host's own: elsewhere banned";
    is $from->('203.0.113.33'), 403, 'so is its file\'s';
    is $from->('203.0.113.22', 'more.test'), 200, 'there allowed';
    is $from->('203.0.113.33', 'more.test'), 200, 'and its file\'s';
    is $from->('203.0.113.7', 'more.test'), 200, "the main server's too";
    is $from->('203.0.113.9', 'more.test'), 403, 'nobody else';

    $h->configure(conf => 'BanListAllow 192.0.2.0/33');
    my ($status, $said) = $h->run('-t');
    isnt $status, 0, 'a length out of range is a config error';
    like $said, qr{BanListAllow.*192\.0\.2\.0/33}, 'which names it';
    $h->stop;
};

subtest 'a host name in a BanListAllowFile' => sub {
    my $library = BanList::Httpd::module() =~ s{[^/]*$}{t/resolver.so}r;
    -e $library or die "no $library: run make tests\n";
    my $h = BanList::Httpd->new(
        files => {
            banned   => "127.0.0.0/24 -\n!good.example.net\n",
            allowed  => "good.example.org\n.example.com\n127.0.0.9\n",
            resolver => join('', map { "127.0.0.$_->[0] $_->[1]\n"
                . "$_->[1] 127.0.0.$_->[0]\n" } [5, 'good.example.net'],
                [6, 'good.example.org'], [7, 'a.example.com']),
        },
        conf => "BanListHostnames On\nBanListFile banned\n"
            . "BanListAllowFile allowed\n",
    );
    $h->{env}{LD_PRELOAD} = join ' ', $ENV{BANLIST_PRELOAD} || (),
        abs_path($library);
    $h->{env}{BANLIST_RESOLVER} = $h->path('resolver');
    $h->start;
    my $from = sub { $h->get('/', from => "127.0.0.$_[0]")->{status} };
    is $from->(5), 200, 'names are looked up: an exception in the ban list';
    is $from->(9), 200, 'the file is in force: an address in it';
    is $from->(6), 403, 'a name in it: refused';
    is $from->(7), 403, 'a name below one in it: refused';
    $h->stop;
};

done_testing;
