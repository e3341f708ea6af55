#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# httpd -t reads the lists and tells what is in them, and never fails for
# what it finds; -D DUMP_BANLIST shows every setting of every server.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Test;
use Test::More;

my $h = BanList::Httpd->new(
    conf => <<'END',
BanListFile good bad missing
BanListInterval 250ms
BanListMemory 1536M
END
    vhosts => [
        'a.test' => '',
        'b.test' => <<'END',
BanListEngine DetectionOnly
BanListFile more good
BanListAllow 10.0.0.0/8 2001:DB8::/32
BanListAllowFile allowed
BanListAction drop 404
BanListExempt "%{REQUEST_URI} =~ m#^/x/#"
BanListConnection On
BanListHostnames On
END
    ],
    files => {
        good    => "# comment\n192.0.2.7 -\n192.0.2.8-192.0.2.77\n",
        bad     => join('', map { "1.2.3.$_\n" } 1, 250 .. 262),
        more    => '',
        allowed => "192.0.2.1\n",
    },
);

my ($status, $said) = $h->run('-t');
is $status, 0, 'bad lines and a missing file are no error';
like $said, qr/^Syntax OK$/m, 'says httpd';
like $said, qr{^banlist: \S+/good: 2 entries, 0 bad lines$}m, 'entries';
like $said, qr{^banlist: warning: \S+/bad: 7 entries, 7 bad lines; }m,
    'and bad lines of each';
like $said, qr{^banlist: warning: \S+/bad line 8: octet over 255$}m,
    'with the reason';
is scalar(() = $said =~ m{/bad line \d+}g), 5, 'of the first few';
like $said, qr{banlist check /\S+/bad$}m, 'and how to see the others';
like $said, qr{^banlist: warning: \S+/missing is missing; }m,
    'a missing file';
is scalar(() = $said =~ m{/good: }g), 1, 'a shared list is read once';
unlike $said, qr/BanList/, 'no settings';

SKIP: {
    skip 'who is no root reads the files as himself anyway', 1 if $>;
    chmod 0600, $h->path('more');
    ($status, $said) = $h->run('-t');
    like $said, qr{warning: \S+/more is unreadable: Permission denied}m,
        'a file that only root can read is found out';
    chmod 0644, $h->path('more');
}

($status, $said) = $h->run('-t', '-D', 'DUMP_BANLIST');
is $status, 0, 'the dump';
my ($main) = $said =~ /^  main server localhost\n((?: {4}.*\n)*)/m;
my $root = $h->root;
is $main, <<"END", 'every setting of the main server, with the defaults';
    BanListEngine On
    BanListFile $root/good
    BanListFile $root/bad
    BanListFile $root/missing
    BanListAction 403
    BanListConnection Off
    BanListIPv6Prefix 128
    BanListHostnames Off
    BanListInterval 250ms
    BanListMemory 1536M
END
my ($a) = $said =~ /^  virtual host a\.test:\d+ .*\n((?: {4}.*\n)*)/m;
is $a, $main, 'a virtual host with nothing of its own has the same';
my ($b) = $said =~ /^  virtual host b\.test:\d+ \(.*:\d+\)\n((?: {4}.*\n)*)/m;
is $b, <<"END", 'and one with its own';
    BanListEngine DetectionOnly
    BanListFile $root/good
    BanListFile $root/bad
    BanListFile $root/missing
    BanListFile $root/more
    BanListFile $root/good
    BanListAllow 10.0.0.0/8
    BanListAllow 2001:db8::/32
    BanListAllowFile $root/allowed
    BanListAction drop 404
    BanListExempt %{REQUEST_URI} =~ m#^/x/#
    BanListConnection On
    BanListIPv6Prefix 128
    BanListHostnames On
    BanListInterval 250ms
    BanListMemory 1536M
END
like $said, qr{^banlist: \S+/good: 2 entries}m, 'the lists are read too';
($status, $said) = $h->run('-S');
unlike $said, qr/banlist: |BanList/, 'another dump is left alone';

done_testing;
