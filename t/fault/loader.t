#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A real server whose loader's calls fail in turn (build/t/fault.so): the
# last good list stays in force, the server serves, and what the file says is
# in force soon after the calls go well again.  A fork or a pipe that is
# refused costs only time, and so does a clock that is set.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Httpd;
use BanList::Process qw(wait_for);
use Test::More;
use Time::HiRes qw(sleep);

plan skip_all => 'the sanitizers have calls of their own'
    if $ENV{BANLIST_PRELOAD};

(my $library = BanList::Httpd::module()) =~ s{/[^/]*$}{/t/fault.so};
my $tree = "$FindBin::Bin/../..";

# In the order of t/fault/fault.h.
open my $in, '<', "$tree/t/fault/fault.h" or die $!;
my @calls = map { /^    CALL\((\w+)\)/ } <$in>;
my %number;
@number{@calls} = 1 .. @calls;
my %error = (EIO => 5, EAGAIN => 11, ENOMEM => 12, EACCES => 13, EMFILE => 24,
    ENOSPC => 28);

# As t/fault/fault.h has it: call left more error hits loader, clock.
sub order {
    my ($h, %o) = @_;
    open my $out, '+<', $h->path('fault') or die $!;
    syswrite $out, pack 'l6 q', 0, $o{nth} || 0, $o{more} || 0,
        $error{ $o{error} || 'ENOMEM' }, 0, $o{loader} ? 1 : 0,
        $o{clock} || 0;
    sysseek $out, 0, 0;
    syswrite $out, pack 'l', $o{call} ? $number{ $o{call} } : 0;
}

sub hits { (unpack 'l6', $_[0]->read_file('fault'))[4] }
sub left { (unpack 'l6', $_[0]->read_file('fault'))[1] }

# --- Nothing is left out ---

# What cannot fail, has nobody who could do anything about it, or fails as
# one of the others does (strdup: malloc).
my %harmless = map { $_ => 1 } qw(free memchr memcpy memmove memset strcmp
    strdup strndup strlen strrchr strtol getpid getppid clock_gettime dirfd
    close closedir closelog munmap kill waitpid mallopt prctl readdir
    sigemptyset signal sigprocmask sysconf);
(my $objects = $library) =~ s{/t/fault\.so$}{/obj};
my @objects = (glob("$objects/banlist/*.o"),
    map { "$objects/httpd/$_.o" } qw(loader_process watch));
my %used = map { /^(?:__)?([a-z]\w*?)(?:_chk)? U\b/ ? ($1 => 1) : () }
    `nm -u -f posix @objects`;
$? == 0 or die "nm failed\n";
my $rooms = join '|', 'ap', 'apr', 'banlist',
    map { m{/(\w+)\.h$} } glob("$tree/banlist/*.h $tree/httpd/watch.h");
my @ours = grep { !/^(?:$rooms)_|^(?:errno_location|stack_chk_fail)$/ }
    sort keys %used;
cmp_ok scalar(@ours), '>', 20, 'calls of the engine and the loader';
is join(' ', grep { !$number{$_} && !$harmless{$_} } @ours), '',
    'each can be made to fail';

sub server {
    my %o = @_;
    my $h = BanList::Httpd->new(modules => ['remoteip'], processes => 2,
        files => { banned => "10.0.0.1 -\n", fault => "\0" x 32 },
        conf => "${TRUST_PROXY}BanListFile banned\n"
            . "BanListInterval 200ms\n");
    chmod 0666, $h->path('fault');
    $h->{env} = { LD_PRELOAD => $library, BANLIST_FAULT => $h->path('fault') };
    order($h, %o);
    return $h->start;
}

# Each version of the list has an address of its own.
my $version = 0;
sub of_version { sprintf '10.%d.%d.%d', 1 + $version / 200, $version % 200, @_ }
sub text {
    return join '', map { "$_\n" } '10.0.0.1 -', 'name.example.net',
        map { of_version($_) } 0 .. 200;
}

my $h = server();
gets($h, '10.0.0.1', 403, 'a server with nothing failing');
is hits($h), 0, 'so far';

# --- A loader's calls, in turn ---

# What a loader may come to do: a file is replaced, appended to, emptied and
# rewritten; or a loader starts, to find another file.
my %change = (
    'at work' => sub {
        unlink $h->path('banned');
        $h->write_file('banned', "10.0.0.1 -\n");
        sleep 0.05; # to be seen before it is replaced
        $h->replace_file('banned', text());
        $h->append_file('banned', of_version(210) . "\n");
    },
    'as it starts' => sub {
        $h->replace_file('banned', text());
        $h->graceful;
    },
);

my (%failed, @lost, @late);
sub is_in_force { wait_for(sub { answer($h, of_version(7)) == 403 }, $_[0]) }

# How often it is made.
sub times_made {
    my ($when, $call) = @_;
    order($h, call => $call, nth => 1_000_000, loader => 1);
    $version++;
    $change{$when}->();
    is_in_force(10) or die "$call: not even counted: " . $h->tail;
    return 1_000_000 - left($h);
}

sub turn {
    my ($when, $call, $nth, $more) = @_;
    my $error = $call =~ /read/ ? 'EIO' : 'ENOMEM';
    order($h, call => $call, nth => $nth, more => $more, loader => 1,
        error => $error);
    $version++;
    $change{$when}->();
    wait_for(sub { hits($h) >= 1 }, 0.3);
    push @lost, "$when: $call, $nth" if answer($h, '10.0.0.1') != 403;
    $failed{$call}++ if hits($h);
    order($h);
    is_in_force(10) or push @late, "$when: $call, $nth";
}

# The first, and as many among the rest: what is made at each look is made
# for ever.
my $TURNS = 8;
sub turns_of {
    my $made = shift;
    return 0 .. $made - 1 if $made <= $TURNS;
    return (0 .. $TURNS - 1,
        map { $TURNS + int($_ * ($made - $TURNS) / $TURNS) } 0 .. $TURNS - 1);
}

for my $when (sort keys %change) {
    for my $call (grep { !/^(?:fork|pipe|poll)$/ } @calls) {
        my $made = times_made($when, $call);
        for my $nth (turns_of($made)) {
            turn($when, $call, $nth, $_) for 1, 1000;
        }
        note "$when: $call is made $made times";
    }
}
order($h);
is "@lost", '', 'the last good list stays in force';
is "@late", '', 'and what the file says comes';
# The parent's: t/fault/engine.c has those that make a segment, and the others
# come below.
my %parents = map { $_ => 1 } qw(memfd_create ftruncate getrandom pipe fork
    poll);
is join(' ', grep { !$failed{$_} && !$parents{$_} } @calls), '',
    'each call of a loader has failed';
is scalar($h->loader_pids), 1, 'there is one loader';
unlike $h->error_log, qr/exit signal/, 'none crashed';

# The clock, by two hours.
for my $clock (-7200, 7200) {
    order($h, clock => $clock);
    $version++;
    $h->write_file('banned', text());
    comes_to_get($h, of_version(7), 403, "the clock set by $clock s");
    $h->append_file('banned', of_version(251) . "\n");
    comes_to_get($h, of_version(251), 403, 'an append, too');
    $h->append_file('banned', of_version(252));
    comes_to_get($h, of_version(252), 403, 'and a line without its end',
        within => 8);
    $h->append_file('banned', "\n");
}
order($h);

# The loader dies, and the parent cannot fork; then it can.
order($h, call => 'fork', more => 1, error => 'EAGAIN');
kill 'KILL', $h->loader_pids;
ok wait_for(sub { $h->error_log =~ /BL0004: .*could not be started/ }, 5),
    'a fork that is refused is told of';
gets($h, '10.0.0.1', 403, 'the list stays');
order($h);
ok wait_for(sub { $h->loader_pids }, 25), 'and it is tried again';
$h->append_file('banned', "10.0.253.1 -\n");
comes_to_get($h, '10.0.253.1', 403, 'with success');

# A graceful restart while there is no memory for a pipe or a process.
# (The first pipe is httpd's own.)
for my $call (qw(pipe fork poll)) {
    order($h, call => $call, more => 1, error => 'EMFILE',
        nth => $call eq 'pipe' ? 1 : 0);
    $h->graceful;
    cmp_ok hits($h), '==', 1, "$call was refused";
    order($h);
    gets($h, '10.0.0.1', 403, "a restart with $call refused: the list stays");
}
$h->stop;

# At the start.
for my $call (qw(inotify_init1 memfd_create ftruncate)) {
    my $h = server(call => $call, more => 1000, error => 'EMFILE');
    cmp_ok hits($h), '>=', 1, "a start without $call";
    gets($h, '10.0.0.1', 403, 'guards');
    $h->write_file('banned', "10.0.0.2 -\n");
    comes_to_get($h, '10.0.0.2', 403, 'and sees a change');
    like $h->error_log, qr/BL0024: .*will not tell of changes/, 'and says so'
        if $call eq 'inotify_init1';
    order($h);
    $h->stop;
}

done_testing;
