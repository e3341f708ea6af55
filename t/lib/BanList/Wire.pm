# SPDX-License-Identifier: Apache-2.0
#
# A client's connection, byte by byte, plain or through TLS, which tells how
# the server ended it: end() is 'open', 'fin' or 'rst'.
#
#   my $w = BanList::Wire->new(port => $port, from => '127.0.0.5',
#       tls => '1.3', name => 'a.test', alpn => 'h2');
#   $w->send($bytes);
#   $w->read_until(sub { $_[0] =~ /\n/ }, 5);   # $_[0]: all that came
#
# TLS is openssl s_client's affair.  It is connected to us, and we to the
# server, so that the ends of the server's own connection are seen.
package BanList::Wire;

use strict;
use warnings;

use Errno ();
use IO::Select;
use IO::Socket::IP;
use POSIX qw(WNOHANG);
use Socket qw(SOCK_STREAM IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

use BanList::Process qw(patience);

sub new {
    my ($class, %opt) = @_;
    my $self = bless { in => '', end => 'open', wire_bytes => 0 }, $class;
    $self->{server} = IO::Socket::IP->new(
        PeerHost => $opt{host} || '127.0.0.1', PeerPort => $opt{port},
        Type => SOCK_STREAM, Timeout => patience(10),
        $opt{from} ? (LocalHost => $opt{from}) : ());
    if (!$self->{server}) {
        die "connect: $@\n" unless $!{ECONNRESET};
        $self->{end} = 'rst'; # faster than our connect()
        return $self;
    }
    $self->{server}->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
    $self->_start_tls(%opt) if $opt{tls};
    return $self;
}

sub end        { $_[0]{end} }
sub in         { $_[0]{in} }
sub wire_bytes { $_[0]{wire_bytes} } # that the server sent, ciphertext too
sub socket     { $_[0]{server} }

sub _start_tls {
    my ($self, %opt) = @_;
    my $listener = IO::Socket::IP->new(LocalHost => '127.0.0.1',
        LocalPort => 0, Listen => 1) or die "listen: $@\n";
    my @command = (qw(openssl s_client -quiet -nocommands -connect),
        '127.0.0.1:' . $listener->sockport, '-tls' . $opt{tls} =~ tr/./_/r,
        '-servername', $opt{name} || 'localhost',
        $opt{alpn} ? ('-alpn', $opt{alpn}) : ());
    pipe my $from_us, my $to_it or die "pipe: $!";
    pipe my $from_it, my $to_us or die "pipe: $!";
    defined($self->{pid} = fork) or die "fork: $!";
    if (!$self->{pid}) {
        open STDIN,  '<&', $from_us;
        open STDOUT, '>&', $to_us;
        open STDERR, '>',  '/dev/null';
        exec @command or POSIX::_exit(127);
    }
    close $_ for $from_us, $to_us;
    @$self{qw(to_it from_it)} = ($to_it, $from_it);
    $self->{tls} = $listener->accept or die "s_client did not connect\n";
}

# Whether all of it went out.
sub send {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $to = $self->{to_it} || $self->{server};
    while (length $bytes) {
        my $n = syswrite $to, substr $bytes, 0, 16384;
        return 0 unless defined $n || $!{EINTR};
        substr $bytes, 0, $n || 0, '';
        $self->_pump(0) if $self->{tls};
    }
    return 1;
}

# From one to the other: whether there was something.
sub _relay {
    my ($self, $from, $to) = @_;
    my $n = sysread $from, my $bytes, 65536;
    if ($n) {
        $self->{wire_bytes} += $n if $from == $self->{server};
        local $SIG{PIPE} = 'IGNORE';
        while ($to && length $bytes) {
            my $sent = syswrite $to, $bytes or last;
            substr $bytes, 0, $sent, '';
        }
        $self->{in} .= $bytes unless $to;
        return 1;
    }
    if ($from == $self->{server}) {
        $self->{end} = defined $n ? 'fin' : 'rst';
        close delete $self->{tls} if $self->{tls};
    }
    return 0;
}

# What there is within the time; whether more may come.
sub _pump {
    my ($self, $wait) = @_;
    my @from = grep { $_ } $self->{tls}, $self->{from_it},
        $self->{end} eq 'open' ? $self->{server} : ();
    return 0 unless @from;
    for my $from (IO::Select->new(@from)->can_read($wait)) {
        if ($self->{from_it} && $from == $self->{from_it}) {
            $self->_relay($from) or close delete $self->{from_it};
        }
        elsif ($from == $self->{server}) {
            $self->_relay($from, $self->{tls});
        }
        elsif ($self->{tls}) {
            $self->_relay($from, $self->{server})
                or close delete $self->{tls};
        }
    }
    return 1;
}

# Reads on until $done->(all that came), or the end, or the time is up.
# Whether $done said so.
sub read_until {
    my ($self, $done, $seconds) = @_;
    my $until = time + patience($seconds || 10);
    until ($done->($self->{in})) {
        my $left = $until - time;
        return 0 if $left <= 0 || !$self->_pump($left);
    }
    return 1;
}

# Until the server ends the connection: how it did, or 'open'.
sub wait_end {
    my ($self, $seconds) = @_;
    $self->read_until(sub { 0 }, $seconds);
    return $self->{end};
}

sub close {
    my $self = shift;
    CORE::close $_ for grep { $_ } delete @$self{qw(server tls to_it from_it)};
    my $pid = delete $self->{pid} or return;
    kill 'KILL', $pid;
    waitpid $pid, 0;
}

sub DESTROY {
    my $self = shift;
    local ($?, $@, $!);
    $self->close;
}

1;
