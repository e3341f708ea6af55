#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What a dropped client is sent, read off a capture at its own end of the
# cable: nothing after its request but, at most, the bare acknowledgement of
# it; after a refused connection nothing at all.  One client stands on the
# server's own network, one behind a router, each with IPv4 and IPv6.
#
# The server and each client live in a network namespace of their own, which
# ends with the process that holds it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Process ();
use BanList::Test;
use Test::More;

my $MARK = 'BANLIST_DROP_TEST_NAMESPACE';

plan skip_all => 'needs root: httpd must change its user in a namespace'
    if $>;
for my $program (qw(unshare nsenter ip tcpdump)) {
    plan skip_all => "needs $program: run t/setup test"
        unless grep { -x "$_/$program" } split /:/, $ENV{PATH};
}
if (!$ENV{$MARK}) {
    plan skip_all => 'needs network namespaces, which are refused here'
        if system 'unshare -n true 2>/dev/null';
    $ENV{$MARK} = 1;
    exec 'unshare', '-n', $^X, $0, @ARGV;
}

# --- The cables ---------------------------------------------------------------

my @holders;
END { local $?; kill 'KILL', $_ and waitpid $_, 0 for @holders }

sub run { system(@_) == 0 or die "@_: failed\n" }

# A namespace: the process that holds it.
sub namespace {
    defined(my $pid = fork) or die "fork: $!";
    exec qw(setpriv --pdeathsig KILL -- unshare -n sleep 600) unless $pid;
    push @holders, $pid;
    wait_for(sub {
        (readlink("/proc/$pid/ns/net") // '') ne readlink '/proc/self/ns/net'
            && (readlink("/proc/$pid/exe") // '') =~ /sleep|busybox|coreutils/
    }, 10) or die "no namespace\n";
    return $pid;
}

sub in { my $pid = shift; return ('nsenter', '-t', $pid, '-n', @_) }

# The two ends of a cable: [namespace or undef for ours, name, number].
sub cable {
    my ($net, @ends) = @_;
    run('ip', 'link', 'add', $ends[0][1], 'type', 'veth', 'peer', 'name',
        $ends[1][1]);
    for my $end (@ends) {
        my ($pid, $name, $number) = @$end;
        run('ip', 'link', 'set', $name, 'netns', $pid) if $pid;
        my @ip = $pid ? in($pid, 'ip') : 'ip';
        run(@ip, 'address', 'add', "10.9.$net.$number/24", 'dev', $name);
        run(@ip, 'address', 'add', "fd09:$net\::$number/64", 'dev', $name,
            'nodad');
        run(@ip, 'link', 'set', $name, 'up');
    }
}

sub route {
    my ($pid, $net, $via, $number) = @_;
    my @ip = $pid ? in($pid, 'ip') : 'ip';
    run(@ip, 'route', 'add', "10.9.$net.0/24", 'via', "10.9.$via.$number");
    run(@ip, 'route', 'add', "fd09:$net\::/64", 'via', "fd09:$via\::$number");
}

my ($neighbour, $router, $far) = map { namespace() } 1 .. 3;
run('ip', 'link', 'set', 'lo', 'up');
# A cable moves away before the next is laid: a link's far end may have the
# index that a near one has.
cable(1, [undef, 'near1', 1], [$neighbour, 'eth1', 2]);
cable(2, [undef, 'near2', 1], [$router, 'eth2', 2]);
run(in($router, 'ip', 'link', 'add', 'eth3', 'type', 'veth', 'peer', 'name',
    'eth4'));
run(in($router, 'ip', 'link', 'set', 'eth4', 'netns', $far));
for my $end ([$router, 'eth3', 1], [$far, 'eth4', 2]) {
    my ($pid, $name, $number) = @$end;
    run(in($pid, 'ip', 'address', 'add', "10.9.3.$number/24", 'dev', $name));
    run(in($pid, 'ip', 'address', 'add', "fd09:3::$number/64", 'dev', $name,
        'nodad'));
    run(in($pid, 'ip', 'link', 'set', $name, 'up'));
}
run(in($router, 'sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward;'
    . 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'));
route(undef, 3, 2, 2);
route($far, 2, 3, 1);

my %CLIENT = (
    'on-link, IPv4' => { pid => $neighbour, dev => 'eth1', to => '10.9.1.1' },
    'on-link, IPv6' => { pid => $neighbour, dev => 'eth1', to => 'fd09:1::1' },
    'routed, IPv4'  => { pid => $far, dev => 'eth4', to => '10.9.2.1' },
    'routed, IPv6'  => { pid => $far, dev => 'eth4', to => 'fd09:2::1' },
);

# --- A client, and what it is sent --------------------------------------------

# Connects, sends the bytes given and then keeps still until it is killed.
my $STILL = <<'END';
use IO::Socket::IP;
$s = IO::Socket::IP->new(PeerHost => $ARGV[0], PeerPort => $ARGV[1]) or die;
syswrite $s, pack 'H*', $ARGV[2];
$| = 1; print "sent\n"; sleep 600;
END

sub spawn {
    my ($out, @command) = @_;
    defined(my $pid = fork) or die "fork: $!";
    return $pid if $pid;
    open STDOUT, '>', $out;
    open STDERR, '>', "$out.err";
    exec qw(setpriv --pdeathsig KILL --), @command or POSIX::_exit(127);
}

# Each client sends the bytes and then keeps still: the server's packets after
# the handshake, a line each, by the client's name.
sub packets {
    my ($h, $port, $bytes) = @_;
    my (@clients, @dumps, %packets);
    for my $name (sort keys %CLIENT) {
        my $client = $CLIENT{$name};
        my $out = $h->path("capture-$name" =~ tr/, /--/r);
        unlink $out, "$out.err", "$out.sent";
        push @dumps, spawn($out, in($client->{pid}, 'tcpdump', '-nltUi',
            $client->{dev}, '-Z', 'root', '--immediate-mode',
            "src host $client->{to} and tcp src port $port"));
        wait_for(sub { $h->read_file("$out.err") =~ /listening on/ }, 10)
            or die 'no capture: ' . $h->read_file("$out.err");
        push @clients, spawn("$out.sent", in($client->{pid}, $^X, '-e', $STILL,
            $client->{to}, $port, unpack 'H*', $bytes));
        $packets{$name} = $out;
    }
    for my $out (values %packets) {
        wait_for(sub { $h->read_file("$out.sent") =~ /sent/ }, 10)
            or die "no connection\n";
    }
    # Long enough for whatever a kernel sends or repeats.
    sleep 1;
    kill 'INT', $_ and waitpid $_, 0 for @dumps;
    kill 'KILL', $_ and waitpid $_, 0 for @clients;
    for my $out (values %packets) {
        my ($handshake, @more) = split /\n/, $h->read_file($out);
        die "no handshake\n" unless ($handshake // '') =~ /Flags \[S\.\]/;
        $out = \@more;
    }
    return \%packets;
}

# The packets of each client that are not what may be.
sub none_is_but {
    my ($packets, $may_be, $what) = @_;
    for my $name (sort keys %$packets) {
        my @more = grep { $_ !~ $may_be } @{ $packets->{$name} };
        is "@more", '', "$name: $what";
    }
}

sub each_has {
    my ($packets, $sought, $what) = @_;
    for my $name (sort keys %$packets) {
        ok scalar(grep { /$sought/ } @{ $packets->{$name} }), "$name: $what"
            or diag join "\n", @{ $packets->{$name} };
    }
}

# A library that has the kernel seem to refuse it, built here.
my $work;

sub refuse_bindtodevice {
    $work = BanList::Process->new(log => 'log', ports => []);
    my $source = $work->write_file('refuse.c', <<'END');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>

int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    static int (*real)(int, int, int, const void *, socklen_t);

    if (level == SOL_SOCKET && name == SO_BINDTODEVICE) {
        errno = EPERM;
        return -1;
    }
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "setsockopt");
    return real(fd, level, name, value, size);
}
END
    run('cc', '-shared', '-fPIC', '-o', $work->path('refuse.so'), $source,
        '-ldl');
    return $work->path('refuse.so');
}

# --- The server ---------------------------------------------------------------

sub server {
    my %opt = @_;
    my $vhost = sub {
        my ($port, @lines) = @_;
        return join "\n", "<VirtualHost *:$port>", @lines, "</VirtualHost>\n";
    };
    my $h = BanList::Httpd->new(
        modules => ['http2'],
        files   => { banned => "10.9.1.2\n10.9.3.2\nfd09:1::2\nfd09:3::2\n" },
        ports   => 5,
        listen  => [qw(127.0.0.1 10.9.1.1 10.9.2.1 [fd09:1::1] [fd09:2::1])],
        conf    => join("\n", 'BanListFile banned', 'Protocols h2c http/1.1',
            $opt{accept_at_once} ? 'AcceptFilter http none' : '',
            $vhost->('@PORT@', 'BanListAction drop'),
            $vhost->('@PORT1@', 'BanListAction drop', 'BanListConnection On'),
            $vhost->('@PORT2@', 'BanListAction reset'),
            $vhost->('@PORT3@', 'BanListAction close'),
            $vhost->('@PORT4@', 'BanListAction reset', 'BanListConnection On')),
    );
    $h->{env} = { LD_PRELOAD => $opt{preload} } if $opt{preload};
    return $h->start;
}

my $GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
# The preface, SETTINGS, and HEADERS for http://a/ that end the stream.
my $GET_H2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . pack 'H*',
    '000000040000000000' . '000006010500000001' . '828684410161';

# A bare acknowledgement: no flag but the ACK's, no data.
my $ACK = qr/Flags \[\.\].* length 0$/;

my ($NOTHING, $FIN, $RST) = (qr/(?!)/, qr/Flags \[F/, qr/Flags \[R/);

subtest 'where the kernel allows it' => sub {
    my $h = server();
    each_has(packets($h, $h->port(3), $GET), $FIN, 'close sends a FIN');
    each_has(packets($h, $h->port(2), $GET), $RST, 'reset sends a RST');
    none_is_but(packets($h, $h->port, $GET), $ACK,
        'drop sends nothing but the acknowledgement');
    is scalar(() = $h->access_log =~ / 444 "GET \S+ HTTP\/1.1" \S+ drop/g), 4,
        'and is logged';
    none_is_but(packets($h, $h->port, $GET_H2), qr/^(?!.*Flags \[[^\]]*[FR])/,
        'HTTP/2: drop sends neither FIN nor RST');
    is scalar(() = $h->access_log =~ / 444 "GET \S+ HTTP\/2.0" \S+ drop/g), 4,
        'and is logged';
    none_is_but(packets($h, $h->port(1), $GET), $ACK,
        'BanListConnection: nothing but the acknowledgement');
    like $h->error_log, qr/BL0106: banlist: drop is silent:/, 'said at start';
    is scalar(() = $h->error_log =~ /BL010[67]/g), 1, 'once';
};

# httpd has the kernel keep a connection until there is something to read.
subtest 'a connection is refused before its client says anything' => sub {
    my $h = server(accept_at_once => 1);
    each_has(packets($h, $h->port(4), ''), $RST, 'reset sends a RST');
    none_is_but(packets($h, $h->port(1), ''), $NOTHING, 'drop sends nothing');
};

# A kernel before 5.7, or a container that forbids it.
subtest 'where SO_BINDTODEVICE is refused' => sub {
    my $h = server(preload => refuse_bindtodevice());
    my $packets = packets($h, $h->port, $GET);
    none_is_but({ map { $_ => $packets->{$_} } grep { /routed/ } keys %$packets },
        $ACK, 'drop sends nothing but the acknowledgement');
    each_has({ map { $_ => $packets->{$_} } grep { /on-link/ } keys %$packets },
        $RST, 'drop sends a RST');
    like $h->error_log, qr/BL0107: banlist: drop is silent beyond the first/,
        'said at start';
    is scalar(() = $h->error_log =~ /BL010[67]/g), 1, 'once';
};

done_testing;
