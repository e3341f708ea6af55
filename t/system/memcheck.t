#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A server under valgrind's memcheck, parent, child and loader: bans, reloads
# of each kind, refusals and restarts find no error in the module.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use BanList::Clients;
use BanList::Httpd;
use BanList::Process qw(wait_for);

plan skip_all => 'no valgrind here' if system 'valgrind --version >/dev/null';
plan skip_all => 'the sanitizers are at it' if $ENV{BANLIST_PRELOAD};

my $h = BanList::Httpd->new(mpm => 'prefork', modules => ['remoteip'],
    processes => 1, files => { banned => "10.0.0.1 -\n" },
    conf => "${TRUST_PROXY}BanListFile banned\nBanListMemory 4M\n");
{
    no warnings 'redefine';
    my $plain = BanList::Httpd->can('_command');
    *BanList::Httpd::_command = sub {
        return ('valgrind', '-q', '--trace-children=yes',
            '--child-silent-after-fork=no', '--read-inline-info=no',
            '--log-file=' . $h->path('logs') . '/memcheck.%p',
            $plain->(@_));
    };
}
chmod 0777, $h->path('logs');
$h->start;
my %slow = (within => 30, timeout => 30);
comes_to_get($h, '10.0.0.1', 403, 'a ban', %slow);
$h->append_file('banned', "10.0.0.2 -\nname.example.net\n1.2.3.400\n");
comes_to_get($h, '10.0.0.2', 403, 'an append', %slow);
$h->write_file('banned', join '', map { "10.0.1.$_ -\n2001:db8::$_\n" }
    1 .. 250);
comes_to_get($h, '10.0.1.9', 403, 'a rewrite', %slow);
unlink $h->path('banned');
$h->replace_file('banned', "10.0.0.3 -\n10.0.0.4");
comes_to_get($h, '10.0.0.3', 403, 'a new file', %slow);
comes_to_get($h, '10.0.0.4', 403, 'and its last line', %slow);
$h->graceful;
comes_to_get($h, '10.0.0.3', 403, 'a graceful restart', %slow);
$h->stop;

my @logs = glob $h->path('logs') . '/memcheck.*';
cmp_ok scalar(@logs), '>=', 4, 'all processes were watched';
my @ours = grep { /banlist/ && !/Warning: noted but unhandled/ }
    map { split /\n/, $h->read_file($_) } @logs;
is "@ours", '', 'no finding in the module' or diag join "\n",
    map { $h->read_file($_) } @logs;
done_testing;
