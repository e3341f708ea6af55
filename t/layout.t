#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The three floors hold: mod_banlist.c -> httpd/ -> banlist/, tools/ ->
# banlist/, and inside the engine only the arrows drawn in docs/DESIGN.md.
# The module exports its record alone.  No C file outgrows its reader.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use FindBin;
use Test::More;

my $LINES_MAX = 800;

# What a room of the engine may include, besides its own header.
my %ENGINE = (
    prefix => [],
    scan   => [qw(prefix)],
    hash   => [],
    reader => [qw(prefix scan)],
    block  => [qw(hash)],
    slot   => [qw(prefix hash)],
    set    => [qw(block prefix hash slot)],
    names  => [qw(block hash)],
    table  => [qw(set names block prefix hash)],
    records => [qw(set)],
    batch  => [qw(reader records table prefix hash)],
    shared => [qw(table block prefix hash)],
    source => [qw(reader prefix hash)],
    notice => [],
    settle => [qw(notice source)],
    loader => [qw(notice settle shared source reader batch table prefix
        hash)],
);

# What a room of httpd/ may include, besides its own header,
# banlist_httpd.h and the engine.
my %HTTPD = (
    loader_process => [qw(watch)],
    answer         => [qw(figures)],
    status         => [qw(answer figures)],
    status_html    => [qw(answer figures status)],
    status_text    => [qw(answer figures status)],
);

chdir "$FindBin::Bin/.." or die $!;
my @c = (glob('*.c'), map { glob "$_/*.[ch]" } qw(httpd banlist tools));

sub lines_of {
    my $file = shift;
    open my $in, '<', $file or die "$file: $!";
    return <$in>;
}

# A file's includes: [name] outside the tree, [name, path] inside it.
sub includes_of {
    my $file = shift;
    my @found;
    for (lines_of($file)) {
        my ($mark, $name) = /^\s*#\s*include\s*([<"])([^>"]+)/ or next;
        my ($path) = grep { -e } $mark eq '"' ? dirname($file) . "/$name" : (),
            $name;
        $path =~ s{(?:^|/)\./|[^/]+/\.\./}{}g if $path;
        push @found, $path ? [$name, $path] : [$name];
    }
    return @found;
}

# Why $file may not include this, or undef if it may.
sub objection {
    my ($file, $name, $path) = @_;
    my ($floor, $room) = $file =~ m{^(?:(\w+)/)?(\w+)\.[ch]$};
    if (($floor // '') =~ /^(?:banlist|tools)$/ && !$path) {
        my $theirs = qr/^(?:httpd|http_|ap_|apr|apu|util_|mpm|mod_|scoreb)/;
        return $name =~ $theirs ? "$name is httpd's or APR's" : undef;
    }
    return undef unless $path;
    return "$path is no header" unless $path =~ /\.h$/;
    return $path =~ m{^(?:httpd|banlist)/} ? undef : $path unless $floor;
    return undef if $floor eq 'tools' && $path =~ m{^(?:banlist|tools)/};
    return undef if $floor eq 'httpd' && grep { $path =~ /^$_/ } 'banlist/',
        map { "httpd/$_\\.h\$" } 'banlist_httpd', $room,
        @{ $HTTPD{$room} || [] };
    if ($floor eq 'banlist') {
        my $allowed = $ENGINE{$room}
            or return "a room that $0 does not know";
        return undef
            if grep { $path eq "banlist/$_.h" } $room, @$allowed;
    }
    return "$path is not below";
}

subtest 'the check itself' => sub {
    ok defined objection('banlist/table.c', 'httpd.h'), 'httpd in the engine';
    ok defined objection('banlist/reader.c', 'table.h', 'banlist/table.h'),
        'an arrow that is not drawn';
    ok defined objection('httpd/status.c', 'x', 'mod_banlist.c'), 'upwards';
    ok defined objection('httpd/status.c', 'x', 'httpd/watch.h'), 'sideways';
    ok defined objection('tools/banlist.c', 'x', 'httpd/banlist_httpd.h'),
        'the command and httpd';
    ok !defined objection('banlist/table.c', 'prefix.h', 'banlist/prefix.h'),
        'a drawn arrow';
    ok !defined objection('httpd/refuse.c', 'httpd.h'), 'httpd in its room';
};

subtest 'the floors' => sub {
    for my $floor (qw(mod_banlist.c httpd/ banlist/ tools/)) {
        ok scalar(grep { /^\Q$floor\E/ } @c), "$floor has files";
    }
    my $seen = 0;
    for my $file (@c) {
        my @bad;
        for my $include (includes_of($file)) {
            $seen++;
            my $why = objection($file, @$include);
            push @bad, "$include->[0]: $why" if defined $why;
        }
        is "@bad", '', $file;
    }
    ok $seen, 'includes were seen';
};

subtest 'the length of files' => sub {
    for my $file (@c) {
        my $lines = () = lines_of($file);
        cmp_ok $lines, '<=', $LINES_MAX, $file;
    }
    ok scalar(@c), 'there are files';
};

subtest 'the exports' => sub {
    my $module = $ENV{BANLIST_MODULE} || 'build/mod_banlist.so';
    my @names = map { (split)[0] } `nm -D --defined-only -f posix $module`;
    is "@names", 'banlist_module', $module;
};

done_testing;
