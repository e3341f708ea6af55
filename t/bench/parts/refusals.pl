# SPDX-License-Identifier: Apache-2.0
# Refusing: a 403 against the RewriteMap recipe's from its cache, and a
# connection closed before TLS against a 403 behind the handshake.
use strict;
use warnings;

use Bench;
use BanList::Connection;

my $N      = 1_000_000;
my $banned = address(0);

sub refused_rate {
    my $server = shift;
    my $got = client($server, '-a', $banned, '-t', 0.7);
    $got->{forbidden} >= 0.99 * $got->{requests} or die "not refused\n";
    return $got->{rate};
}

sub against_the_recipe {
    my ($ours, $theirs) = (server('banlist', $N), server('txt', $N));
    refused_rate($_) for $ours, $theirs;
    my ($ratio, $rate, $recipe) = pairs(11, sub { refused_rate($ours) },
        sub { refused_rate($theirs) });
    row("403 a second, against the recipe's from its cache",
        sprintf('%.2f', $ratio), '≥ 1', $ratio >= 1);
    table('Refusals a second, on one core', ['', '403/s'],
        ['mod_banlist', sprintf '%.0f', $rate],
        ['RewriteMap txt:, cached', sprintf '%.0f', $recipe]);
}

# --- before TLS -------------------------------------------------------------

sub certificate {
    my $base = folder() . '/tls';
    system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "
        . "/CN=localhost -keyout $base.key -out $base.pem 2>/dev/null") == 0
        or die "no certificate\n";
    return $base;
}

sub tls_server {
    my ($base, $flag) = @_;
    my $list = folder() . '/loopback';
    open my $out, '>', $list or die "$list: $!\n";
    print $out "127.0.0.1 -\n";
    close $out;
    return pinned(0, sub {
        BanList::Httpd->new(processes => 1, threads => 64,
            modules => [qw(socache_shmcb ssl)], conf => <<"END")->start;
LogLevel warn
SSLEngine On
SSLCertificateFile $base.pem
SSLCertificateKeyFile $base.key
BanListConnection $flag
BanListFile $list
END
    });
}

sub closed_at_once {
    my $server = shift;
    my $c = BanList::Connection->new(host => '127.0.0.1',
        port => $server->port) or return 0;
    # The kernel hands a connection over once there is something in it.
    $c->send("\x16\x03\x01\x02\x00");
    my (undef, $end) = $c->read_all(1);
    return $end ne 'timeout';
}

# Microseconds of processor time for each connection refused.
sub before_tls {
    my $server = shift;
    my $before = cpu_of($server);
    my $got = client($server, '-o', '-t', 2);
    return 1e6 * (cpu_of($server) - $before) / $got->{requests};
}

sub behind_tls {
    my $server = shift;
    my $before = cpu_of($server);
    my $said = capture('sh', '-c', "taskset -c 1 openssl s_time -new -www / "
        . "-time 2 -connect 127.0.0.1:@{[$server->port]} 2>&1") // '';
    my ($n) = $said =~ /^(\d+) connections in \d+ real/m
        or die "openssl s_time: $said\n";
    return 1e6 * (cpu_of($server) - $before) / $n;
}

sub before_the_handshake {
    my $base = certificate();
    my $what = 'Connection refused before TLS, against behind the handshake';
    my $early = tls_server($base, 'On');
    if (!closed_at_once($early)) {
        row($what, 'not in this build', '≤ 0.1', undef);
        return;
    }
    my $late = tls_server($base, 'Off');
    my ($ratio, $cost, $behind) = pairs(5, sub { before_tls($early) },
        sub { behind_tls($late) });
    row($what, sprintf('%.3f', $ratio), '≤ 0.1', $ratio <= 0.1);
    table('Refusing on a TLS port', ['', 'CPU µs a connection'],
        ['before TLS', sprintf '%.0f', $cost],
        ['403 behind the handshake', sprintf '%.0f', $behind]);
}

against_the_recipe();
before_the_handshake();
1;
