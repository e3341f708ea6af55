# SPDX-License-Identifier: Apache-2.0
#
# A server that a test owns: a folder below /tmp, a process, free ports.
#
# However the test ends (the last line, die, a signal), the process is ended
# by its pid and the folder removed.  A child that the test forks owns nothing.
package BanList::Process;

use strict;
use warnings;

use Exporter 'import';
use Fcntl qw(SEEK_SET);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use File::Temp ();
use IO::Socket::IP;
use POSIX qw(WNOHANG);
use Scalar::Util qw(weaken);
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(wait_for watch_for patience many free_port);

my %live;

# A limit of so many seconds, on this run: $BANLIST_PATIENCE times as many,
# where something makes all programs slow.
sub patience { $_[0] * ($ENV{BANLIST_PATIENCE} || 1) }

# How often to do what is done so many times: there $BANLIST_FEWER times less.
sub many { int $_[0] / ($ENV{BANLIST_FEWER} || 1) }

# The seconds until $test was true, or undef if it never was within $limit.
sub wait_for {
    my ($test, $limit) = @_;
    return watch_for($test, patience($limit));
}

# The same for what should not come: with its limit as it is.
sub watch_for {
    my ($test, $limit) = @_;
    my $start = time;
    while (1) {
        return time - $start || 1e-6 if $test->();
        return undef if time - $start > $limit;
        sleep 0.002;
    }
}

# Below the range that the kernel takes clients' ports from.
sub free_port {
    for (1 .. 100) {
        my $port = 12000 + int rand 20000;
        my $free = IO::Socket::IP->new(LocalHost => '127.0.0.1',
            LocalPort => $port, Listen => 1, ReuseAddr => 1);
        return $port if $free;
    }
    die "no free port\n";
}

sub new {
    my ($class, %self) = @_;
    my $self = bless {%self, owner => $$}, $class;
    # Not TMPDIR: httpd's children, another user, must get there too.
    $self->{root} = File::Temp::tempdir('banlist-XXXXXX', DIR => '/tmp');
    chmod 0755, $self->{root} or die "chmod: $!";
    weaken($live{$self + 0} = $self);
    return $self;
}

# --- Files in the folder (absolute names are taken as they are) -------------

sub root { $_[0]{root} }

sub path {
    my ($self, $name) = @_;
    return $name =~ m{^/} ? $name : "$self->{root}/$name";
}

sub _put {
    my ($self, $mode, $name, $text) = @_;
    my $path = $self->path($name);
    make_path(dirname($path));
    open my $out, $mode, $path or die "$path: $!\n";
    # One write(), as a shell's printf does it.
    defined syswrite $out, $text or die "$path: $!\n";
    close $out or die "$path: $!\n";
    return $path;
}

sub write_file  { shift->_put('>:raw', @_) }     # in place
sub append_file { shift->_put('>>:raw', @_) }

sub replace_file {                               # by rename
    my ($self, $name, $text) = @_;
    my $path = $self->path($name);
    $self->_put('>:raw', "$path.new", $text);
    rename "$path.new", $path or die "$path: $!\n";
    return $path;
}

sub read_file {
    my ($self, $name) = @_;
    open my $in, '<:raw', $self->path($name) or return '';
    local $/;
    return <$in> // '';
}

# @ROOT@, @PORT@, @PORT1@, … in a text.
sub fill_in {
    my ($self, $text) = @_;
    my @ports = @{ $self->{ports} || [] };
    $text =~ s/\@ROOT\@/$self->{root}/g;
    $text =~ s/\@PORT(\d*)\@/$ports[$1 || 0]/g;
    return $text;
}

# --- The process ------------------------------------------------------------

sub pid { $_[0]{pid} }

sub spawn {
    my ($self, @command) = @_;
    my $log = $self->path($self->{log});
    my %env = %{ $self->{env} || {} };
    defined(my $pid = fork) or die "fork: $!";
    if (!$pid) {
        # httpd ends by a signal to its whole process group.
        setpgrp;
        @ENV{keys %env} = values %env;
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>>', $log;
        open STDERR, '>>', $log;
        # Ends with the test even if that is killed outright.
        unshift @command, qw(setpriv --pdeathsig TERM --)
            if -x '/usr/bin/setpriv';
        exec { $command[0] } @command
            or print STDERR "$command[0]: $!\n";
        POSIX::_exit(127);
    }
    return $self->{pid} = $pid;
}

# Whether the process runs; its wait status is kept once it does not.
sub alive {
    my $self = shift;
    return 0 unless $self->{pid};
    return 1 if waitpid($self->{pid}, WNOHANG) == 0;
    $self->{status} = $?;
    delete $self->{pid};
    return 0;
}

# Children of the process: pid => its name.
sub children {
    my $self = shift;
    my %names;
    return \%names unless $self->{pid};
    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $in, '<', $stat or next;
        my ($pid, $name, $state, $ppid) =
            (<$in> // '') =~ /^(\d+) \((.*)\) (\S) (\d+)/ or next;
        $names{$pid} = $name if $ppid == $self->{pid} && $state ne 'Z';
    }
    return \%names;
}

# Asks it to end, and kills it with its children if it will not.
sub stop {
    my ($self, $signal, $limit) = @_;
    return unless $self->alive;
    my @children = keys %{ $self->children };
    kill $signal || 'TERM', $self->{pid};
    return if wait_for(sub { !$self->alive }, $limit || 20);
    warn "$self->{root}: did not end, killed\n";
    kill 'KILL', $self->{pid}, @children;
    waitpid delete $self->{pid}, 0;
}

sub tail {
    my ($self, $name, $lines) = @_;
    my @all = split /^/, $self->read_file($name || $self->{log});
    splice @all, 0, @all - ($lines || 40) if @all > ($lines || 40);
    return join '', @all;
}

sub DESTROY {
    my $self = shift;
    return if !$self->{root} || $self->{owner} != $$;
    local ($?, $@, $!);
    local @SIG{qw(INT TERM HUP)} = ('IGNORE') x 3;
    $self->stop;
    my $builder = Test::More->can('builder') && Test::More->builder;
    if ($builder && !$builder->is_passing) {
        $builder->diag("--- $self->{log}\n" . $self->tail);
    }
    remove_tree(delete $self->{root}, { safe => 0 });
    delete $live{$self + 0};
}

END { $_ && $_->DESTROY for values %live }

$SIG{$_} = sub { exit 130 } for grep { !$SIG{$_} } qw(INT TERM HUP);

1;
