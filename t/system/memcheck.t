#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A server under valgrind's memcheck, parent, children and loader: bans,
# reloads of each kind, refusals and ten graceful restarts find no error, and
# nothing that any of them has forgotten to free.  `make memcheck` runs the
# unit and httpd tests so, by t/memcheck, which is tried here on programs
# that do wrong.
use strict;
use warnings;

use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use BanList::Clients;
use BanList::Httpd;
use BanList::Memcheck;
use BanList::Process qw(wait_for);

plan skip_all => $_ for BanList::Memcheck::missing() // ();
plan skip_all => 'the sanitizers are at it' if $ENV{BANLIST_PRELOAD};
$ENV{BANLIST_PATIENCE} //= 6;

my $RELOADS = 10;
my $RESTARTS = 10;

my %WRONG = (
    'a write behind a block' =>
        'volatile char *p = malloc(8); p[8] = 1; free((void *)p);',
    'an answer from what nobody wrote' =>
        'volatile int x[2]; if (x[1]) puts("1");',
    'a block that is forgotten' => 'volatile void *p = malloc(8); p = 0;',
    'a read by a child' => 'volatile char *p = malloc(8); if (!fork()) '
        . '{ if (p[8]) puts(""); _exit(0); } wait(0); free((void *)p);',
);

# A program of this body, which passes by itself.
sub program {
    my ($folder, $body) = @_;
    open my $cc, '|-', $ENV{CC} || 'cc', qw(-w -O0 -g -x c -o),
        "$folder/program", '-' or die "cc: $!";
    print $cc "#include <stdio.h>\n#include <stdlib.h>\n"
        . "#include <sys/wait.h>\n#include <unistd.h>\n"
        . "static void run(void) { $body }\n"
        . "int main(void) { run(); puts(\"ok 1\\n1..1\"); return 0; }\n";
    close $cc or die "cc failed\n";
    return "$folder/program";
}

subtest 'the check itself' => sub {
    my $folder = tempdir(CLEANUP => 1);
    my $memcheck = "$FindBin::Bin/../memcheck";
    for my $wrong (sort keys %WRONG) {
        my $program = program($folder, $WRONG{$wrong});
        is system("$program >$folder/said"), 0, "$wrong: passes";
        isnt system("$memcheck $program >$folder/said 2>&1"), 0,
            'but not under memcheck';
        my $said = do { local (@ARGV, $/) = "$folder/said"; <> };
        like $said, qr/^# ==\d+==    (?:at|by) \S+ run /m, 'which shows where';
    }
    is system("$memcheck @{[program($folder, '')]} >$folder/said"), 0,
        'what does no wrong passes';
    open my $test, '>', "$folder/a.t" or die $!;
    print $test qq{print "ok 1\n1..1\n"};
    close $test;
    isnt system("$memcheck $folder/a.t >$folder/said 2>&1"), 0,
        'a test of which nothing was watched does not';
};

my $h = BanList::Httpd->new(mpm => 'prefork', modules => ['remoteip'],
    processes => 1, files => { banned => "10.0.0.1 -\n" },
    conf => "${TRUST_PROXY}BanListFile banned\nBanListMemory 4M\n");
my $logs = $h->path('memcheck');
mkdir $logs;
chmod 0777, $logs;
$ENV{BANLIST_UNDER} = join ' ', BanList::Memcheck::command($logs);
$h->start;
comes_to_get($h, '10.0.0.1', 403, 'a ban');
for my $i (1 .. $RELOADS) {
    $h->append_file('banned', "\n10.0.0.2 -\nname.example.net\n1.2.3.400\n");
    comes_to_get($h, '10.0.0.2', 403, "$i: an append");
    $h->write_file('banned', join '', map { "10.0.1.$_ -\n2001:db8::$_\n" }
        1 .. 250);
    comes_to_get($h, '10.0.1.9', 403, 'a rewrite');
    unlink $h->path('banned');
    $h->replace_file('banned', "10.0.0.3 -\n10.0.0.4");
    comes_to_get($h, '10.0.0.3', 403, 'a new file');
}
comes_to_get($h, '10.0.0.4', 403, 'and its last line');

# httpd kills it; this is an end at which memcheck can say what it has lost.
my ($loader) = $h->loader_pids;
kill 'TERM', $loader;
ok wait_for(sub { grep { $_ != $loader } $h->loader_pids }, 5),
    'another loader';
for my $i (1 .. $RESTARTS) {
    $h->graceful;
    gets($h, '10.0.0.3', 403, "graceful restart $i");
}
$h->stop;

cmp_ok scalar(BanList::Memcheck::logs($logs)), '>=', 2 + 2 * $RESTARTS,
    'all processes were watched';
is join('', BanList::Memcheck::findings($logs)), '', 'no finding';
done_testing;
