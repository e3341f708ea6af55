# SPDX-License-Identifier: Apache-2.0
#
# Private haproxy, nginx and fail2ban-server, each in a folder of its own
# (see BanList::Process), from build/peers, where t/setup unpacked them.
#
#   my $p = BanList::Peers::haproxy(conf => "defaults ...", ports => 2);
#   my $n = BanList::Peers::nginx(conf => 'server { ... }');   # inside http{}
#   my $f = BanList::Peers::fail2ban(files => {
#       'jail.local' => ..., 'filter.d/x.conf' => ..., });
#
# In a text @ROOT@ is the folder, @PORT@, @PORT1@ … are free ports (ports => 2
# makes two).  All three run in the foreground: they are our own children.
package BanList::Peers;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);

use BanList::Connection;
use BanList::Httpd;
use BanList::Process;

my $tree = abs_path(dirname(__FILE__) . '/../../..');
my %env;

# A name that build/peers/env sets, or dies with what to do.
sub env {
    my $name = shift;
    if (!%env) {
        open my $in, '<', "$tree/build/peers/env"
            or die "no build/peers: run t/setup test\n";
        /^(\w+)='(.*)'$/ and $env{$1} = $2 while <$in>;
    }
    return $env{$name} || die "build/peers/env has no $name\n";
}

sub program {
    my $path = env('PEERS_BIN') . "/$_[0]";
    return -x $path ? $path : die "no $path: run t/setup test\n";
}

sub haproxy {
    my $self = BanList::Peer->new(log => 'log', @_);
    return $self->run(sub {
        $self->write_file('haproxy.cfg', $self->fill_in("global\n"
            . "    stats socket $self->{root}/stats\n$self->{conf}\n"));
        return (program('haproxy'), '-db', '-f', $self->path('haproxy.cfg'));
    });
}

sub nginx {
    my $self = BanList::Peer->new(log => 'error.log', main => '', @_);
    my $user = BanList::Httpd::user();
    my $temp = join '', map { "${_}_temp_path $self->{root}/$_;\n" }
        qw(client_body proxy fastcgi uwsgi scgi);
    return $self->run(sub {
        $self->write_file('nginx.conf', $self->fill_in(join "\n",
            'daemon off;', $user ? "user $user;" : '',
            "pid $self->{root}/pid;", $self->{main},
            'events {}', 'http {', $temp,
            "access_log $self->{root}/access.log;", $self->{conf}, "}\n"));
        return (program('nginx'), '-p', $self->{root}, '-e', 'error.log',
            '-c', $self->path('nginx.conf'));
    });
}

# The package's own filters and actions are there; its jails are not.
sub fail2ban {
    my $self = BanList::Peer->new(log => 'log', files => {}, @_, ports => 0);
    my $etc = $self->path('etc');
    system('cp', '-r', env('FAIL2BAN_ETC'), $etc) == 0
        or die "cannot copy fail2ban's configuration\n";
    unlink glob("$etc/jail.d/*"), glob("$etc/*.local");
    my %files = ('fail2ban.local' => <<'END', %{ $self->{files} });
[Definition]
loglevel = DEBUG
logtarget = STDOUT
syslogsocket = none
socket = @ROOT@/socket
pidfile = @ROOT@/pid
dbfile = @ROOT@/db.sqlite3
END
    $self->write_file("etc/$_", $self->fill_in($files{$_})) for keys %files;
    $self->{ready} = sub { $_[0]->client('ping') =~ /pong/ };
    return $self->run(sub {
        return (program('fail2ban-server'), '-f', '-c', $etc,
            '-s', $self->path('socket'), '-p', $self->path('pid'), 'start');
    });
}

package BanList::Peer;

use parent -norequire, 'BanList::Process';

sub new {
    my ($class, %opt) = @_;
    my $self = $class->SUPER::new(%opt);
    my $ports = $opt{ports} // 1;
    $self->{ports} = [map { BanList::Process::free_port() } 1 .. $ports];
    return $self;
}

sub port { $_[0]{ports}[$_[1] || 0] }

sub _answers {
    my $self = shift;
    return $self->{ready}->($self) if $self->{ready};
    for my $port (@{ $self->{ports} }) {
        BanList::Connection->new(host => '127.0.0.1', port => $port)
            or return 0;
    }
    return 1;
}

# Starts what $command returns, with other ports if somebody took ours.
sub run {
    my ($self, $command) = @_;
    for (1 .. 5) {
        $self->spawn($command->());
        BanList::Process::wait_for(
            sub { !$self->alive || $self->_answers }, 60);
        return $self if $self->alive && $self->_answers;
        $self->stop('KILL');
        $_ = BanList::Process::free_port() for @{ $self->{ports} };
    }
    die "did not start:\n" . $self->tail;
}

# What fail2ban-client says to the words given.
sub client {
    my ($self, @words) = @_;
    defined(my $pid = open my $out, '-|') or die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec BanList::Peers::program('fail2ban-client'),
            '-c', $self->path('etc'), '-s', $self->path('socket'), @words
            or POSIX::_exit(127);
    }
    local $/;
    return <$out> // '';
}

1;
