#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A loader that has used up what it may have: descriptors, address space,
# the memory of its cgroup.  The last good list stays in force, the trouble
# is told once, and it ends when there is enough again.  What a loader holds:
# no socket, no log of clients, no root; it ends with its parent.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use List::Util qw(max);
use Test::More;
use Time::HiRes qw(sleep time);

use BanList::Clients;
use BanList::Httpd;
use BanList::Process qw(wait_for);

plan skip_all => 'no prlimit here' if system 'prlimit --version >/dev/null 2>&1';

sub server {
    return BanList::Httpd->new(modules => ['remoteip'], processes => 2,
        files => { banned => "10.0.0.1 -\n" },
        conf => "${TRUST_PROXY}BanListFile banned\n"
            . "BanListInterval 200ms\n")->start;
}

# As the process's own user: root may lack the right to do it to another's.
sub limit {
    my ($pid, $what) = @_;
    my ($uid, $gid) = (status_of($pid, 'Uid'), status_of($pid, 'Gid'));
    system(!$> && $uid ? ('setpriv', "--reuid=$uid", "--regid=$gid",
        '--clear-groups') : (), 'prlimit', '--pid', $pid, "--$what")
        and die "prlimit $what\n";
}

sub many { join '', map { sprintf "10.%d.%d.%d -\n", $_[0], $_ >> 8, $_ & 255 }
    0 .. 59_999 }

sub loader { ($_[0]->loader_pids)[0] }

sub status_of {
    my ($pid, $field) = @_;
    open my $in, '<', "/proc/$pid/status" or return undef;
    return (map { /^$field:\s+(\d+)/ } <$in>)[0];
}

sub descriptors { map { readlink || () } glob "/proc/$_[0]/fd/*" }

my $h = server();

# --- What it holds ---

sub holds_nothing {
    my ($what) = @_;
    my @held = descriptors(loader($h));
    is "@{[grep { /^socket:/ } @held]}", '', "$what: no socket";
    is "@{[grep { /access_log/ } @held]}", '', "$what: no log of clients";
    cmp_ok status_of(loader($h), 'Uid'), '>', 0, "$what: no root" unless $>;
}

ok scalar(grep { /^socket:/ } descriptors($h->pid)), 'the parent has one';
holds_nothing('a loader');

# All that its parent may have are in use when the next one is forked.
my $most = max map { m{/(\d+)$} } glob "/proc/@{[$h->pid]}/fd/*";
my $old = loader($h);
limit($h->pid, "nofile=@{[$most + 1]}:4096");
kill 'KILL', $old;
ok wait_for(sub { (loader($h) // $old) != $old }, 10), 'another loader';
ok wait_for(sub { !grep { /^socket:/ } descriptors(loader($h)) }, 5),
    'it has come to work';
holds_nothing('one forked with no descriptor left');
limit($h->pid, 'nofile=1024:4096');

# --- Descriptors ---

limit(loader($h), 'nofile=3:');
$h->replace_file('banned', "10.0.0.1 -\n10.1.0.1 -\n");
ok wait_for(sub { $h->error_log =~ /Too many open files.*BL0020/ }, 5),
    'no descriptor: told';
gets($h, '10.0.0.1', 403, 'the list stays');
limit(loader($h), 'nofile=1024:');
comes_to_get($h, '10.1.0.1', 403, 'enough again');

# --- Address space ---

my $size = 1024 * status_of(loader($h), 'VmSize');
limit(loader($h), 'as=' . ($size + 65536) . ':');
$h->replace_file('banned', "10.0.0.1 -\n" . many(2));
ok wait_for(sub { $h->error_log =~ /Cannot allocate memory.*BL0020/ }, 5),
    'no memory: told';
gets($h, '10.0.0.1', 403, 'the list stays');
gets($h, '10.2.0.1', 200, 'whole as it was');
limit(loader($h), 'as=unlimited:');
comes_to_get($h, '10.2.0.1', 403, 'enough again');
is scalar(() = $h->error_log =~ /Cannot allocate memory.*BL0020/g), 1,
    'it was told once';

# --- The memory of a cgroup: the kernel kills whoever wants more ---

SKIP: {
    my ($top) = grep { -w "$_/cgroup.procs" } '/sys/fs/cgroup/memory';
    skip 'no cgroup of memory to be had', 5
        unless !$> && $top && mkdir "$top/banlist-$$";
    my $group = "$top/banlist-$$";
    my $set = sub {
        open my $out, '>', "$group/$_[0]" or die "$group/$_[0]: $!";
        syswrite $out, $_[1] or die "$_[0]: $!";
    };
    $set->('memory.limit_in_bytes', 12 << 20);
    $set->('cgroup.procs', $_) for $h->pid, loader($h);
    $h->replace_file('banned',
        "10.0.0.1 -\n" . join '', map { many($_) } 3 .. 12);
    ok wait_for(sub { $h->error_log =~ /BL0006: .*signal 9/ }, 20),
        'the loader is killed';
    ok wait_for(sub { $h->error_log =~ /BL0025: .*left alone/ }, 30),
        'after some of them the file is left alone';
    gets($h, '10.0.0.1', 403, 'the list stays');
    gets($h, '10.3.0.1', 200, 'whole as it was');
    $set->('memory.limit_in_bytes', 512 << 20);
    $h->append_file('banned', "10.4.0.1 -\n");
    comes_to_get($h, '10.3.0.1', 403, 'enough again', within => 20);
    $h->stop;
    rmdir $group;
    $h = server();
}

# --- Its parent's end ---

my $loader = loader($h);
my @children = $h->pids;
$h->{may_crash} = 1;
kill 'KILL', $h->pid;
ok wait_for(sub { !-e "/proc/$loader/exe" }, 2),
    'it ends with its parent even if that is killed';
kill 'KILL', @children;
$h->alive;
done_testing;
