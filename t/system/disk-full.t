#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The disk is full: whoever writes a list fails, what was in it stays, and
# bans go on once there is room again.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use BanList::Clients;
use BanList::Httpd;
use BanList::Process qw(wait_for);

# A file system of its own, which nobody else sees.
if (!$ENV{BANLIST_OWN_MOUNTS}) {
    plan skip_all => 'needs root, and to be allowed to mount'
        if $> || system('unshare -m true 2>/dev/null');
    $ENV{BANLIST_OWN_MOUNTS} = 1;
    exec 'unshare', '-m', '--propagation', 'private', $^X, "-I$_", $0
        for "$FindBin::Bin/../lib";
}

(my $command = BanList::Httpd::module()) =~ s{[^/]*$}{banlist};
my $h = BanList::Httpd->new(modules => ['remoteip'], processes => 2,
    conf => "${TRUST_PROXY}BanListFile small/banned\n");
mkdir $h->path('small') or die $!;
system('mount', '-t', 'tmpfs', '-o', 'size=256k', 'none', $h->path('small'))
    and plan skip_all => 'no tmpfs here';
my $file = $h->path('small/banned');
my $text = join '', map { "10.0.0.$_ -\n" } 1 .. 200;
$h->write_file('small/banned', $text);
$h->start;
gets($h, '10.0.0.200', 403, 'a list on a small disk');

open my $filler, '>', $h->path('small/filler') or die $!;
1 while syswrite $filler, "\0" x 4096;
ok !eval { $h->write_file('small/other', "x\n" x 4096); 1 }, 'it is full';
unlink $h->path('small/other');

isnt system("$command remove $file 10.0.0.7 2>/dev/null"), 0,
    'a rewrite fails';
is $h->read_file('small/banned'), $text, 'and the file is as it was';
for my $n (1 .. 400) {
    last if system("$command add $file 10.1.$n.1 2>/dev/null");
}
like $h->read_file('small/banned'), qr/^\Q$text\E(?:10\.1\.\d+\.1\b.*\n)*\z/,
    'adding leaves no half line';
gets($h, '10.0.0.200', 403, 'the list stays');
gets($h, '10.0.0.7', 403, 'all of it');

close $filler;
unlink $h->path('small/filler');
is system("$command add $file 10.2.0.1"), 0, 'there is room again';
comes_to_get($h, '10.2.0.1', 403, 'and it counts');
is system("$command remove $file 10.0.0.7"), 0, 'a rewrite';
comes_to_get($h, '10.0.0.7', 200, 'counts too');
$h->stop;
system 'umount', $h->path('small');
done_testing;
