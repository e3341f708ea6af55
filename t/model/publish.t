#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The model of the publish protocol holds in every interleaving, each mutant
# of it is found out, and the functions that it stands for are there.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

my $tree = abs_path(dirname(__FILE__) . '/../..');
my $model = "$tree/t/model/publish.pml";
my $folder = tempdir('banlist-XXXXXX', TMPDIR => 1, CLEANUP => 1);

sub slurp {
    open my $in, '<', $_[0] or die "$_[0]: $!\n";
    local $/;
    return <$in>;
}

# What the search through all states says, of the model with these macros.
sub verify {
    my @defined = map { "-D$_" } @_;
    chdir $folder or die $!;
    my $said = `spin @defined -a $model 2>&1`;
    $? and die "spin: $said";
    $said = `gcc -O2 -w -DSAFETY -DNOCLAIM -DCOLLAPSE -o pan pan.c 2>&1`;
    $? and die "gcc: $said";
    $said = `./pan -m100000 -w22 2>&1`;
    chdir $tree or die $!;
    return $said;
}

my $text = slurp($model);

my $all = verify();
like $all, qr/errors: 0\b/, 'no interleaving breaks it' or diag $all;
unlike $all, qr/not completed|max search depth too small|out of memory/,
    'and all were seen';
my ($states) = $all =~ /(\d+) states, stored/;
cmp_ok $states, '>', 100_000, 'which are many';
note "$states states";
unlike $all, qr/^\s*\S+:\d+, state \d+, "(?!-end-)/m,
    'no step of the model is dead' or diag $all;

my ($list) = $text =~ /MUTANTS, (.*?)\*\//s or die;
my @mutants = $list =~ /\b([A-Z]+_[A-Z_]+)\b/g;
cmp_ok @mutants, '>=', 5, 'there are mutants';
for my $mutant (@mutants) {
    like $text, qr/^#if(?:n?def|) .*\b$mutant\b/m, "$mutant is one";
    like verify($mutant), qr/assertion violated.*errors: [1-9]/s,
        'and is found out';
}

my ($table) = $text =~ /WHAT STANDS FOR WHAT\n(.*?)\n \*\n/s or die;
my ($file, $seen) = ('', 0);
for my $word (split ' ', $table =~ s/^ \*\s+(?:\w+  )?//mgr) {
    if ($word =~ /^(.*\.c):$/) {
        $file = slurp("$tree/$1");
        next;
    }
    like $file, qr/^(?:static )?(?:inline )?\w[\w ]*[ *]\Q$word\E\(/m,
        "$word is there";
    $seen++;
}
cmp_ok $seen, '>=', 10, 'functions were looked for';

done_testing;
