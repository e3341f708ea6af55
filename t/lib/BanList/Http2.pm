# SPDX-License-Identifier: Apache-2.0
#
# HTTP/2 frame by frame, over a BanList::Wire.
#
#   my $h2 = BanList::Http2->new($wire);
#   $h2->request(1, 'https', 'a.test', '/', 'x-forwarded-for' => '192.0.2.7');
#   $h2->stream(1, 5);    # 'answered', 'reset', 'open' or 'gone'
#   $h2->body(1);
#
# Headers are sent as literals that no table keeps; those that come are not
# decoded, but for the status where the static table or a plain literal says
# it.
package BanList::Http2;

use strict;
use warnings;

my %TYPE = (DATA => 0, HEADERS => 1, RST_STREAM => 3, SETTINGS => 4,
    PING => 6, GOAWAY => 7, WINDOW_UPDATE => 8);
my ($END_STREAM, $END_HEADERS, $ACK) = (1, 4, 1);
my %NAME = reverse %TYPE;

sub _frame {
    my ($type, $flags, $stream, $payload) = @_;
    return substr(pack('N', length $payload), 1)
        . pack('CCN', $TYPE{$type}, $flags, $stream) . $payload;
}

sub _literal {
    my ($name, $value) = @_;
    return pack 'C C/a* C/a*', 0, $name, $value;
}

# window: how much of an answer may come, if not 65,535 bytes.
sub new {
    my ($class, $wire, %opt) = @_;
    my $self = bless { wire => $wire, at => 0, frames => [] }, $class;
    my $settings = defined $opt{window} ? pack('nN', 4, $opt{window}) : '';
    $wire->send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        . _frame('SETTINGS', 0, 0, $settings));
    return $self;
}

# Lets more of an answer come; of any answer, with stream 0.
sub open_window {
    my ($self, $stream, $bytes) = @_;
    return $self->{wire}->send(
        _frame('WINDOW_UPDATE', 0, $stream, pack 'N', $bytes));
}

# With body => 1 among the headers the stream stays open for data.
sub request {
    my ($self, $stream, $scheme, $host, $path, %headers) = @_;
    my $body = delete $headers{body};
    my $block = _literal(':method', $body ? 'POST' : 'GET')
        . _literal(':scheme', $scheme) . _literal(':authority', $host)
        . _literal(':path', $path);
    $block .= _literal($_, $headers{$_}) for sort keys %headers;
    my $flags = $END_HEADERS | ($body ? 0 : $END_STREAM);
    return $self->{wire}->send(_frame('HEADERS', $flags, $stream, $block));
}

sub data {
    my ($self, $stream, $bytes, $last) = @_;
    return $self->{wire}->send(
        _frame('DATA', $last ? $END_STREAM : 0, $stream, $bytes));
}

# Takes the whole frames that came apart: [name, flags, stream, payload].
sub frames {
    my $self = shift;
    my $in = $self->{wire}->in;
    while (length($in) >= $self->{at} + 9) {
        my ($high, $low, $type, $flags, $stream) =
            unpack 'CnCCN', substr $in, $self->{at}, 9;
        my $length = $high << 16 | $low;
        last if length($in) < $self->{at} + 9 + $length;
        push @{ $self->{frames} }, [$NAME{$type} // $type, $flags, $stream,
            substr $in, $self->{at} + 9, $length];
        $self->{at} += 9 + $length;
    }
    return @{ $self->{frames} };
}

sub of_stream {
    my ($self, $stream, $name) = @_;
    return grep { $_->[2] == $stream && (!$name || $_->[0] eq $name) }
        $self->frames;
}

# What became of a stream: 'answered', 'reset', 'gone' with the connection, or
# 'open' still.
sub stream {
    my ($self, $stream, $seconds) = @_;
    my $fate;
    $self->{wire}->read_until(sub {
        for my $frame ($self->of_stream($stream)) {
            my ($name, $flags) = @$frame;
            $fate //= 'answered'
                if $name =~ /^(?:DATA|HEADERS)$/ && $flags & $END_STREAM;
            $fate //= 'reset' if $name eq 'RST_STREAM';
        }
        return defined $fate;
    }, $seconds);
    return $fate // ($self->{wire}->end eq 'open' ? 'open' : 'gone');
}

sub body {
    my ($self, $stream) = @_;
    return join '', map { $_->[3] } $self->of_stream($stream, 'DATA');
}

# The error code of the GOAWAY that came, if one did.
sub goaway {
    my $self = shift;
    my ($frame) = $self->of_stream(0, 'GOAWAY') or return undef;
    return unpack 'x4 N', $frame->[3];
}

1;
