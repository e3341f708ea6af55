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

plan skip_all => 'the sanitizers have calls of their own'
    if $ENV{BANLIST_PRELOAD};

(my $library = BanList::Httpd::module()) =~ s{/[^/]*$}{/t/fault.so};
my @calls = qw(malloc calloc realloc open stat fstat pread read mmap madvise
    ftruncate memfd_create getrandom inotify_init1 inotify_add_watch ppoll
    opendir fork pipe write);
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

sub text { join '', map { "10.0.$_[0].$_ -\n" } 0 .. 200 }

my $h = server();
gets($h, '10.0.0.1', 403, 'a server with nothing failing');
is hits($h), 0, 'so far';

my $version = 1;
for my $call (qw(malloc calloc realloc open stat fstat pread read madvise
    inotify_add_watch ppoll opendir write)) {
    my $failed = 0;
    for my $nth (0, 1, 3) {
        order($h, call => $call, nth => $nth, more => 5, loader => 1,
            error => $call eq 'pread' ? 'EIO' : 'ENOMEM');
        $version++;
        $h->replace_file('banned', "10.0.0.1 -\n" . text($version));
        $h->append_file('banned', "10.0.250.$version -\n");
        wait_for(sub { hits($h) >= 1 }, 0.4);
        my $answer = answer($h, '10.0.0.1');
        $failed += hits($h);
        order($h);
        fail "$call: the last good list was lost" if $answer != 403;
        comes_to_get($h, "10.0.$version.7", 403,
            "$call failed after $nth: what the file says comes");
    }
    note "$call failed $failed times";
}
is scalar(grep { $_ } $h->loader_pids), 1, 'there is one loader';
unlike $h->error_log, qr/exit signal/, 'none crashed';

# The clock, by two hours.
for my $clock (-7200, 7200) {
    order($h, clock => $clock);
    $version++;
    $h->write_file('banned', "10.0.0.1 -\n" . text($version));
    comes_to_get($h, "10.0.$version.7", 403, "the clock set by $clock s");
    $h->append_file('banned', "10.0.251.$version -\n");
    comes_to_get($h, "10.0.251.$version", 403, 'an append, too');
    $h->append_file('banned', "10.0.252.$version");
    comes_to_get($h, "10.0.252.$version", 403, 'and a line without its end',
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
for my $call (qw(pipe fork)) {
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
