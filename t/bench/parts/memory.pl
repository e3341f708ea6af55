# SPDX-License-Identifier: Apache-2.0
# The memory of the whole server: the sum of PSS over 64 prefork children,
# the loader and the parent, less the same with an empty list.
use strict;
use warnings;

use Bench;

my $CHILDREN = 64;
my $MB       = 1e6;
my $path     = folder() . '/memory';
my %title    = SERVERS;

# Puts another list in force; the server's log tells when it is.
sub put {
    my ($list, $server) = @_;
    my $before = $server && length $server->error_log;
    system('cp', $list, "$path.new") == 0 or die "cp failed\n";
    rename "$path.new", $path or die "$path: $!\n";
    return unless $server;
    wait_for(sub { length $server->error_log > $before }, 30)
        or die "the list is not loaded\n";
    sleep 1;
}

# With every child having looked up a good many addresses.
sub used {
    my $server = shift;
    client($server, '-c', $CHILDREN, '-n', 20_000);
    return pss($server) / $MB;
}

put('/dev/null');
my $h = server('banlist', 0, list => $path, mpm => 'prefork',
    processes => $CHILDREN, cores => '0,1');
wait_for(sub { $h->pids >= $CHILDREN }, 20);
used($h);
my $empty = used($h);
my %more;
for my $kind (qw(ipv4 ipv6)) {
    say_progress("1,000,000 $kind");
    put(list($kind, 1_000_000), $h);
    $more{$kind} = used($h) - $empty;
    put(list('ipv4', 10), $h);
    $more{"$kind, then 10"} = used($h) - $empty;
}
undef $h;
row('Memory of 1,000,000 IPv4 addresses, 64 processes',
    sprintf('%.1f MB', $more{ipv4}), '≤ 20 MB', $more{ipv4} <= 20);
row('… of 1,000,000 IPv6', sprintf('%.1f MB', $more{ipv6}), '≤ 48 MB',
    $more{ipv6} <= 48);
my $left = (sort { $b <=> $a } map { $more{"$_, then 10"} } qw(ipv4 ipv6))[0];
row('… left of it when the list has shrunk to 10', sprintf('%.1f MB', $left),
    '< 1 MB', $left < 1);

my @rows = map { ["mod_banlist, $_", sprintf '%.1f', $more{$_}] }
    sort keys %more;
for my $name (qw(nginx haproxy modsecurity)) {
    say_progress($title{$name});
    my @opt = $name eq 'modsecurity' ? (mpm => 'prefork', processes => 64)
        : (processes => 2);
    my @pss = map {
        my $server = server($name, $_, @opt);
        used($server);
    } 1, 1_000_000;
    push @rows, ["$title{$name}, ipv4", sprintf '%.1f', $pss[1] - $pss[0]];
}
table('Memory of 1,000,000 entries, in MB of the whole server',
    ['', 'MB'], @rows);
1;
