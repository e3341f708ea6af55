# SPDX-License-Identifier: Apache-2.0
# Loading a list: ours through the loader as the server's loader process does
# it, the peers' by their own check of the configuration.
use strict;
use warnings;

use Bench;

# Median seconds, on the clock and of the processor, of loading the file.
sub ours {
    my ($path, $times) = @_;
    my $said = pinned(0, sub { capture(program('load'), $path, $times) })
        // die "load failed\n";
    my (@wall, @cpu);
    while ($said =~ /^load (\S+) (\S+)/mg) {
        push @wall, $1 / 1000;
        push @cpu,  $2 / 1000;
    }
    return [median(@wall), median(@cpu)];
}

sub theirs {
    my ($times, $command) = @_;
    my (@wall, @cpu);
    for (1 .. $times) {
        my ($wall, $cpu) = pinned(0, sub { seconds_of($command) });
        push @wall, $wall;
        push @cpu,  $cpu;
    }
    return [median(@wall), median(@cpu)];
}

sub write_conf {
    my ($name, $text) = @_;
    my $path = folder() . "/$name";
    open my $out, '>', $path or die "$path: $!\n";
    print $out $text;
    close $out;
    return $path;
}

sub haproxy {
    my $list = list('ipv4', 1_000_000, 'bare');
    my $conf = write_conf('haproxy.cfg', <<"END");
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 5s
frontend all
    bind 127.0.0.1:1
    http-request deny if { src -f $list }
END
    return theirs(3, BanList::Peers::program('haproxy') . " -c -f $conf");
}

sub nginx {
    my $list = list('ipv4', 1_000_000, 'nginx');
    my $root = folder();
    my $temp = join ' ', map { "${_}_temp_path $root/temp;" }
        qw(client_body proxy fastcgi uwsgi scgi);
    my $conf = write_conf('nginx.conf', <<"END");
pid $root/nginx.pid;
events {}
http {
    $temp
    access_log off;
    geo \$banned { default 0; include $list; }
}
END
    return theirs(3, BanList::Peers::program('nginx')
        . " -t -e $root/nginx.log -c $conf");
}

# Ours before and after the peers, so that a change of the machine's mood
# would show.
my $before  = ours(list('ipv4', 1_000_000), 9);
say_progress('haproxy -c');
my $haproxy = haproxy();
say_progress('nginx -t');
my $nginx   = nginx();
my $after   = ours(list('ipv4', 1_000_000), 9);
my $v4      = [map { ($before->[$_] + $after->[$_]) / 2 } 0, 1];
say_progress('IPv6, mixed, 10,000,000');
my $v6      = ours(list('ipv6', 1_000_000),  9);
my $mixed   = ours(list('mixed', 1_000_000), 5);
my $ten     = ours(list('ipv4', 10_000_000), 3);

# Time on the clock is what counts; processor time tells the same on a
# machine that had something else to do.
sub against {
    my ($what, $a, $b, $sign, $reach) = @_;
    my @ratio = map { $a->[$_] / ($b->[$_] || 1e-9) } 0, 1;
    row($what, sprintf('%.1f times (by processor time %.1f)', @ratio),
        "$sign $reach", $sign eq '≤' ? $ratio[0] <= $reach
            : $ratio[0] >= $reach);
}

against('Load of 1,000,000 lines: as fast as haproxy -c', $haproxy, $v4,
    '≥', 40);
against('… as fast as nginx -t',            $nginx, $v4, '≥', 60);
against('… 10,000,000 lines take',          $ten,   $v4, '≤', 13);
against('… IPv6 takes, of what IPv4 takes', $v6,    $v4, '≤', 3);
table('Loading, in seconds', ['', 'on the clock', 'processor'],
    map { [$_->[0], map { sprintf '%.3f', $_ } @{ $_->[1] }] }
    ['mod_banlist, 1,000,000 IPv4',  $v4],
    ['mod_banlist, 1,000,000 IPv6',  $v6],
    ['mod_banlist, 1,000,000 mixed', $mixed],
    ['mod_banlist, 10,000,000 IPv4', $ten],
    ['haproxy -c, 1,000,000 IPv4',   $haproxy],
    ['nginx -t, 1,000,000 IPv4',     $nginx]);
1;
