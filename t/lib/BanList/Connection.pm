# SPDX-License-Identifier: Apache-2.0
#
# One connection of an HTTP/1.1 client, which tells exactly what it got and
# how the connection ended: end is 'open', 'fin', 'rst' or 'timeout'.
package BanList::Connection;

use strict;
use warnings;

use IO::Select;
use IO::Socket::IP;
use Socket qw(SOCK_STREAM IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

use BanList::Process qw(patience);

# host, port; from: the client's own address; timeout: seconds to connect.
# Returns undef, with the reason in $@, where it cannot connect.
sub new {
    my ($class, %opt) = @_;
    my $socket = IO::Socket::IP->new(
        PeerHost => $opt{host}, PeerPort => $opt{port},
        Type => SOCK_STREAM, Timeout => patience($opt{timeout} || 10),
        $opt{from} ? (LocalHost => $opt{from}) : ()) or return undef;
    $socket->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
    return bless { socket => $socket, in => '', end => 'open' }, $class;
}

sub socket { $_[0]{socket} }
sub end    { $_[0]{end} }

sub close { CORE::close $_[0]{socket} }

# Whether all of it went out.
sub send {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    while (length $bytes) {
        my $n = syswrite $self->{socket}, $bytes;
        next if !defined $n && $!{EINTR};
        return 0 unless defined $n;
        substr $bytes, 0, $n, '';
    }
    return 1;
}

# Reads on until $done says so, the connection ends, or $until is reached.
sub _fill {
    my ($self, $until, $done) = @_;
    my $select = IO::Select->new($self->{socket});
    until ($done->()) {
        return 0 if $self->{end} =~ /^(?:fin|rst)$/;
        my $left = $until - time;
        if ($left <= 0) {
            $self->{end} = 'timeout';
            return 0;
        }
        next unless $select->can_read($left);
        my $n = sysread $self->{socket}, $self->{in}, 65536,
            length $self->{in};
        next if !defined $n && $!{EINTR};
        $self->{end} = !defined $n ? 'rst' : 'fin' unless $n;
    }
    return 1;
}

sub _take {
    my ($self, $length) = @_;
    return substr $self->{in}, 0, $length, '';
}

sub _line {
    my ($self, $until) = @_;
    $self->_fill($until, sub { $self->{in} =~ /\n/ }) or return undef;
    $self->{in} =~ s/^(.*?)\r?\n//;
    return $1;
}

# Everything up to the connection's end: (bytes, end).
sub read_all {
    my ($self, $limit) = @_;
    $self->_fill(time + ($limit || 10), sub { 0 });
    return ($self->_take(length $self->{in}), $self->{end});
}

sub _chunked {
    my ($self, $until) = @_;
    my $body = '';
    while (defined(my $line = $self->_line($until))) {
        my $size = hex +($line =~ /^([0-9a-f]+)/i)[0] // 0;
        $self->_fill($until, sub { length $self->{in} >= $size + 2 })
            or last;
        $body .= $self->_take($size);
        $self->_take(2);
        last unless $size;
    }
    return $body;
}

# Status 0: no response came.
sub read_response {
    my ($self, %opt) = @_;
    my $start = time;
    my $until = $start + patience($opt{timeout} || 10);
    my %got = (status => 0, reason => '', headers => {}, body => '');
    do {
        my $line = $self->_line($until);
        @got{qw(status reason)} = ($1, $2)
            if defined $line && $line =~ m{^HTTP/1\.\d (\d{3}) ?(.*)};
        while ($got{status} && defined($line = $self->_line($until))) {
            last if $line eq '';
            my ($name, $value) = split /:\s*/, $line, 2;
            my $old = $got{headers}{ lc $name };
            $got{headers}{ lc $name } =
                defined $old ? "$old, $value" : $value;
        }
    } while $got{status} =~ /^1/;

    my $length = $got{headers}{'content-length'};
    my $closes = ($got{headers}{connection} // '') =~ /close/i;
    if (!$got{status} || $opt{head} || $got{status} =~ /^(?:204|304)$/) {
        # no body
    }
    elsif (($got{headers}{'transfer-encoding'} // '') =~ /chunked/i) {
        $got{body} = $self->_chunked($until);
    }
    elsif (defined $length) {
        $self->_fill($until, sub { length $self->{in} >= $length });
        $got{body} = $self->_take($length);
    }
    else {
        ($got{body}) = $self->read_all($until - time);
    }
    $self->_fill($until, sub { 0 }) if $closes;
    return { %got, end => $self->{end}, seconds => time - $start };
}

# method, headers (a hash, or a list for repeated ones), body, timeout.
sub request {
    my ($self, $path, %opt) = @_;
    my $method = $opt{method} || 'GET';
    my $headers = $opt{headers} || {};
    my @headers = ref $headers eq 'ARRAY' ? @$headers : %$headers;
    my $text = "$method $path HTTP/1.1\r\n";
    $text .= "Host: localhost\r\n"
        unless grep { $_ && lc eq 'host' } @headers;
    while (my ($name, $value) = splice @headers, 0, 2) {
        $text .= "$name: $value\r\n";
    }
    $text .= 'Content-Length: ' . length($opt{body}) . "\r\n"
        if defined $opt{body};
    $self->send($text . "\r\n" . ($opt{body} // ''));
    return $self->read_response(%opt, head => $method eq 'HEAD');
}

1;
