#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# make dist: the tarball builds alone, without git and without anything
# beside it, and makes the same tarball again.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use BanList::Process;
use Test::More;

chdir "$FindBin::Bin/.." or die $!;
delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS BUILD)};

my $d = BanList::Process->new(log => 'log');

sub make {
    my ($folder, @words) = @_;
    my $status = system('sh', '-c', 'log=$1; shift; exec "$@" >"$log" 2>&1',
        'sh', $d->path('make.log'), 'make', '-C', $folder, @words);
    is $status, 0, "make @words" or diag $d->tail('make.log');
}

# The files in the only tarball below a folder, without its own name.
sub names_in {
    my ($tarball, $more) = glob $d->path("$_[0]/*.tar.gz");
    ok $tarball && !$more, 'one tarball';
    my ($name) = $tarball =~ m{(mod_banlist-\d+\.\d+\.\d+)\.tar\.gz$};
    ok $name, "named after its version: $tarball";
    my @all = grep { !m{/$} } split /\n/, `tar -tzf '$tarball'`;
    is scalar(grep { !m{^\Q$name\E/} } @all), 0, "all below $name";
    return ($tarball, $name, [sort map { s{^[^/]+/}{}r } @all]);
}

make('.', 'dist', 'BUILD=' . $d->path('first'));
my ($tarball, $name, $files) = names_in('first');
my %has = map { $_ => 1 } @$files;
ok $has{$_}, "has $_" for qw(Makefile mod_banlist.c LICENSE t/setup
    docs/mod_banlist.md debian/control .clang-format);
is_deeply [grep { m{^(?:build|\.git)/|\.(?:o|so|deb)$} } @$files], [],
    'and nothing that was built';

is system('tar', '-C', $d->root, '-xzf', $tarball), 0, 'unpacks';
my $tree = $d->path($name);
# With the tree's own place hidden from git.
$ENV{GIT_CEILING_DIRECTORIES} = $d->root;
make($tree, 'all');
ok -s "$tree/build/$_", "built $_" for qw(mod_banlist.so banlist);
my ($version) = $name =~ /-(.*)/;
like `'$tree/build/banlist' --version`, qr/\b\Q$version\E\b/, 'its version';

make($tree, 'dist', 'BUILD=' . $d->path('second'));
is_deeply +(names_in('second'))[2], [grep { !m{^build/} } @$files],
    'the same files in its own tarball';

done_testing;
