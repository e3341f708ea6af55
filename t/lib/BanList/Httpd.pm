# SPDX-License-Identifier: Apache-2.0
#
# A private httpd on loopback, in a folder of its own.
#
#   my $h = BanList::Httpd->new(
#       mpm       => 'event',              # worker, prefork
#       modules   => [qw(remoteip)],       # besides the few that httpd needs
#       banlist   => 'last',               # or 'first', or 0 for none
#       conf      => 'BanListFile banned', # @ROOT@ @PORT@ @PORT1@ stand for…
#       vhosts    => ['a.test' => 'BanListFile a'],
#       files     => { 'htdocs/index.html' => "hello\n" },
#       processes => 2, threads => 8, ports => 1, listen => ['127.0.0.1'],
#   );
#   $h->start;
#   $h->get('/', from => '127.0.0.5')->{status};
#
# The module is $BANLIST_MODULE or build/mod_banlist.so; $BANLIST_PRELOAD is
# a library (a sanitizer's runtime) to load into httpd first; $BANLIST_UNDER is
# a command (valgrind and its options) to run httpd under; $BANLIST_MEMORY is
# what BanListMemory is where a test does not set it.
package BanList::Httpd;

use strict;
use warnings;
use parent 'BanList::Process';

use Cwd qw(abs_path);
use File::Basename qw(dirname);

use BanList::Connection;
use BanList::Process qw(wait_for free_port);

my $tree = abs_path(dirname(__FILE__) . '/../../..');
my ($apxs) = grep { -x } $ENV{APXS} || (),
    map { ("$_/apxs", "$_/apxs2") } split /:/, $ENV{PATH};
my %apxs;

sub _apxs {
    my $name = shift;
    die "apxs is not here: run t/setup test\n" unless $apxs;
    chomp($apxs{$name} //= `$apxs -q $name`);
    return $apxs{$name};
}

sub program { _apxs('SBINDIR') . '/' . _apxs('PROGNAME') }
sub module { $ENV{BANLIST_MODULE} || "$tree/build/mod_banlist.so" }

sub new {
    my ($class, %opt) = @_;
    my $self = $class->SUPER::new(
        mpm => 'event', modules => [], banlist => 'last', conf => '',
        vhosts => [], processes => 2, threads => 8, listen => ['127.0.0.1'],
        log => 'logs/error_log', %opt);
    # httpd leaves its pools to the end of the process: no leaks of ours.
    $self->{env} = {
        LD_PRELOAD   => $ENV{BANLIST_PRELOAD},
        ASAN_OPTIONS => 'detect_leaks=0:' . ($ENV{ASAN_OPTIONS} // ''),
    } if $ENV{BANLIST_PRELOAD};
    $self->{ports} = [map { free_port() } 1 .. ($opt{ports} || 1)];
    my $files = $opt{files} || {};
    my %files = ('htdocs/index.html' => "hello\n", %$files);
    mkdir $self->path($_) for qw(logs run htdocs conf);
    $self->write_file($_, $files{$_}) for keys %files;
    $self->configure;
    return $self;
}

# --- Configuration ----------------------------------------------------------

sub _load {
    my $name = shift;
    my $path = _apxs('LIBEXECDIR') . "/mod_$name.so";
    return "LoadModule ${name}_module $path\n" if -e $path;
    return '' if $name =~ /^(?:unixd|log_config|logio|http|watchdog)$/;
    die "this httpd has no mod_$name\n";
}

sub _loads {
    my $self = shift;
    my @names = ("mpm_$self->{mpm}", qw(unixd authz_core log_config dir),
        @{ $self->{modules} });
    my @lines = map { _load($_) } @names;
    my $ours = "LoadModule banlist_module @{[module()]}\n";
    push @lines, $ours    if $self->{banlist} eq 'last';
    unshift @lines, $ours if $self->{banlist} eq 'first';
    return join '', @lines;
}

sub _memory {
    my $self = shift;
    return '' unless $self->{banlist} && $ENV{BANLIST_MEMORY};
    return "BanListMemory $ENV{BANLIST_MEMORY}\n";
}

# Exactly {processes} children, whatever they do.
sub _mpm_limits {
    my $self = shift;
    my ($n, $threads) = @$self{qw(processes threads)};
    return "StartServers $n\nMinSpareServers $n\nMaxSpareServers "
        . ($n + 1) . "\nServerLimit @{[4 * $n]}\nMaxRequestWorkers $n\n"
        if $self->{mpm} eq 'prefork';
    my $all = $n * $threads;
    return "StartServers $n\nServerLimit @{[4 * $n]}\n"
        . "ThreadLimit $threads\nThreadsPerChild $threads\n"
        . "MaxRequestWorkers $all\nMinSpareThreads $all\n"
        . "MaxSpareThreads @{[$all + $threads]}\n";
}

# As root, httpd's children get a user that must exist.
sub user {
    return undef if $>;
    my ($name) = grep { defined getpwnam $_ } qw(www-data nobody);
    return $name;
}

sub _user {
    my $name = user() // return '';
    return "User $name\nGroup " . getgrgid((getpwnam $name)[3]) . "\n";
}

# Writes httpd.conf again, with changes to what new() was given.
sub configure {
    my ($self, %changes) = @_;
    @$self{keys %changes} = values %changes;
    my $listen = '';
    for my $port (@{ $self->{ports} }) {
        $listen .= "Listen $_:$port\n" for @{ $self->{listen} };
    }
    my $vhosts = '';
    my @vhosts = @{ $self->{vhosts} };
    while (my ($name, $conf) = splice @vhosts, 0, 2) {
        $vhosts .= "<VirtualHost *:$self->{ports}[0]>\nServerName $name\n"
            . "$conf\n</VirtualHost>\n";
    }
    $self->write_file('conf/httpd.conf', $self->fill_in(<<END));
ServerRoot "$self->{root}"
ServerName localhost
DefaultRuntimeDir run
PidFile run/httpd.pid
ErrorLog $self->{log}
LogLevel info
@{[$self->_loads]}
@{[$self->_memory]}
@{[_user()]}
@{[$self->_mpm_limits]}
$listen
DocumentRoot "$self->{root}/htdocs"
KeepAliveTimeout 60
MaxKeepAliveRequests 0
LogFormat "%a %{c}a %>s \\"%r\\" %{BANLIST_MATCH}e %{BANLIST_ACTION}e" harness
CustomLog logs/access_log harness
$self->{conf}
$vhosts
END
    return $self;
}

# --- Life -------------------------------------------------------------------

sub _command {
    my $self = shift;
    return (split(' ', $ENV{BANLIST_UNDER} // ''), program(),
        '-d', $self->{root}, '-f', $self->path('conf/httpd.conf'), @_);
}

# httpd with other options (-t, -D …): its exit status and all it said.
sub run {
    my ($self, @options) = @_;
    my $pid = open my $out, '-|';
    defined $pid or die "fork: $!";
    if (!$pid) {
        @ENV{keys %{ $self->{env} }} = values %{ $self->{env} || {} };
        open STDERR, '>&', \*STDOUT;
        my @command = $self->_command(@options);
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    local $/;
    my $said = <$out> // '';
    CORE::close $out;
    return ($? >> 8, $said);
}

sub _starts { my @n = $_[0]->error_log =~ /resuming normal oper/g; scalar @n }

sub start {
    my $self = shift;
    for (1 .. 5) {
        my $before = $self->_starts;
        $self->spawn($self->_command('-DFOREGROUND'));
        wait_for(sub { $self->_starts > $before || !$self->alive }, 60);
        return $self if $self->alive && $self->_starts > $before;
        $self->stop('KILL');
        last unless $self->tail =~ /Address already in use/;
        $_ = free_port() for @{ $self->{ports} };
        $self->configure;
    }
    die "httpd did not start:\n" . $self->tail;
}

# Until the new generation is there and its first child answers.
sub graceful {
    my $self = shift;
    my $before = $self->_starts;
    my %old = map { $_ => 1 } $self->pids;
    kill 'USR1', $self->{pid};
    wait_for(sub {
        !$self->alive || $self->_starts > $before
            && grep { !$old{$_} } $self->pids;
    }, 60) && $self->alive or die "no graceful restart:\n" . $self->tail;
    return $self;
}

# Also sees to it that nothing crashed and no sanitizer complained.
sub stop {
    my $self = shift;
    my $ran = $self->{pid};
    $self->SUPER::stop(@_);
    my $builder = Test::More->can('builder') or return;
    my ($found) = $self->error_log =~ m{(.*(?:Sanitizer:|:\ runtime\ error:|
        exit\ signal\ (?!Killed)).*)}x;
    Test::More->builder->ok(0, "httpd ran clean: $found")
        if $ran && $found && !$self->{may_crash};
}

# The processes that serve, and the loader apart from them.
sub _children {
    my ($self, $loaders) = @_;
    my $names = $self->children;
    my @pids = sort { $a <=> $b } grep {
        $loaders == ($names->{$_} =~ /^banlist-load/ ? 1 : 0)
    } keys %$names;
    return @pids;
}

sub pids        { $_[0]->_children(0) }
sub loader_pids { $_[0]->_children(1) }

# --- What clients and operators see -----------------------------------------

sub port { $_[0]{ports}[$_[1] || 0] }
sub error_log  { $_[0]->read_file($_[0]{log}) }
sub access_log { $_[0]->read_file('logs/access_log') }

# from, host, port, timeout, as BanList::Connection has them; dies if refused.
sub connect {
    my ($self, %opt) = @_;
    return BanList::Connection->new(host => '127.0.0.1',
        port => $self->port, %opt) || die "no connection: $@\n";
}

# One request on a connection of its own, with connect's and request's options.
sub get {
    my ($self, $path, %opt) = @_;
    my $headers = $opt{headers} || {};
    my @headers = ref $headers eq 'ARRAY' ? @$headers : %$headers;
    my %to = map { $_ => $opt{$_} }
        grep { defined $opt{$_} } qw(from host port timeout);
    return $self->connect(%to)->request($path, %opt,
        headers => [@headers, Connection => 'close']);
}

1;
