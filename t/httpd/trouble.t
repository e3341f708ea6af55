#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A file that cannot be read any more: removed, made unreadable, turned into
# a directory, a FIFO, a dangling symlink.  The last good list stays in force
# and nothing hangs; one error when it begins, one notice when it ends.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Test;
use POSIX qw(mkfifo);
use Test::More;

my $FILE = 'lists/banned';
my $LIST = "127.0.0.9 -\n";

# Puts it in the list's place.
sub take_the_place {
    my ($h, $make) = @_;
    my ($path, $new) = map { $h->path($_) } $FILE, 'new';
    $make->($new) or die "$new: $!";
    rename $path, $h->path('aside');
    rename $new, $path or die "$path: $!";
}

my @TROUBLES = (
    ['removed', 'missing', sub { unlink $_[0]->path($FILE) }],
    ['made unreadable', 'unreadable', sub {
        chmod 0, $_[0]->path($FILE) }],
    ['turned into a directory', 'not a regular file', sub {
        take_the_place($_[0], sub { mkdir $_[0] }) }],
    ['turned into a FIFO', 'not a regular file', sub {
        take_the_place($_[0], sub { mkfifo($_[0], 0644) }) }],
    ['a dangling symlink', 'missing', sub {
        take_the_place($_[0], sub { symlink 'nothing', $_[0] }) }],
    ['a symlink to itself', 'unreadable', sub {
        take_the_place($_[0], sub { symlink 'banned', $_[0] }) }],
    ['a device', 'not a regular file', sub {
        take_the_place($_[0], sub { symlink '/dev/zero', $_[0] }) }],
    ['its folder moved away', 'missing', sub {
        rename $_[0]->path('lists'), $_[0]->path('lists.away') }],
);

sub restore {
    my ($h, $text) = @_;
    rename $h->path('lists.away'), $h->path('lists');
    my $path = $h->path($FILE);
    -d $path && !-l $path ? rmdir $path : unlink $path;
    $h->replace_file($FILE, $text);
}

each_mpm {
    my $mpm = shift;
    my $h = BanList::Httpd->new(mpm => $mpm,
        files => { $FILE => $LIST },
        conf => "BanListFile $FILE\nBanListInterval 100ms\n");
    $h->start;
    my ($errors, $notices, $n, %told) = (0, 0, 0);
    for (@TROUBLES) {
        my ($how, $state, $do) = @$_;
        my $client = '127.0.1.' . ++$n;
        $do->($h);
        comes_to_be_logged($h, '\[banlist:error\]', ++$errors,
            "$how: one error");
        my $told = "BL0020: .*banned is $state; the last good list";
        ok wait_for(sub { logged($h, $told) > ($told{$state} // 0) }, $SOON),
            'the log says what is wrong';
        $told{$state} = logged($h, $told);
        stays($h, '127.0.0.9', 403, 0.3, 'the last good list stays');
        gets($h, $client, 200, 'nobody else is refused');
        is logged($h, '\[banlist:error\]'), $errors, 'still one error';
        restore($h, "$LIST$client -\n");
        comes_to_get($h, $client, 403, 'taken up again when it is back');
        $told{missing} = logged($h, 'BL0020: .*banned is missing');
        comes_to_be_logged($h, 'BL0022', ++$notices, 'one notice of it');
        gets($h, '127.0.0.9', 403, 'the ban of before');
    }

    my $regular = logged($h, 'not a regular file');
    rename $h->path($FILE), $h->path('aside');
    comes_to_be_logged($h, '\[banlist:error\]', ++$errors, 'moved away');
    mkdir $h->path($FILE);
    comes_to_be_logged($h, 'not a regular file', $regular + 1,
        'then a directory: that is told');
    is logged($h, '\[banlist:error\]'), $errors, 'and no other error';
    rmdir $h->path($FILE);
    $h->append_file('aside', "127.0.2.1 -\n");
    rename $h->path('aside'), $h->path($FILE);
    comes_to_get($h, '127.0.2.1', 403, 'back again, and longer');
    comes_to_be_logged($h, 'BL0022', ++$notices, 'one notice of it');
    $h->stop;
};

done_testing;
