#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The figures are right to the last refusal: 100,000 of them, by 8 prefork
# children at once, half of them while httpd restarts gracefully.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Test;
use POSIX ();
use Test::More;

my ($CLIENTS, $EACH, $BATCH) = (8, many(6250), 50);

my $h = BanList::Httpd->new(
    mpm       => 'prefork',
    processes => $CLIENTS,
    modules   => ['remoteip'],
    conf      => <<'END',
BanListFile banned
LogLevel warn
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.1
ErrorDocument 403 no
CustomLog logs/refused "%P" env=BANLIST_MATCH
<Location "/banlist-status">
    SetHandler banlist-status
</Location>
END
    files => { banned => "192.0.2.7\n" },
);
$h->start;
ok wait_for(sub { $h->pids >= $CLIENTS }, 10), "$CLIENTS children";

sub figure {
    my ($n) = $h->get('/banlist-status?auto')->{body}
        =~ /^list\.1\.refused_requests: (\d+)$/m;
    return $n;
}

sub logged {
    return split /\n/, $h->read_file('logs/refused');
}

# Asks for so many in one go; how many were refused before the connection
# ended.
sub refused {
    my ($connection, $n) = @_;
    my $request = "GET / HTTP/1.1\r\nHost: localhost\r\n"
        . "X-Forwarded-For: 192.0.2.7\r\n\r\n";
    my ($got, $text) = (0, '');
    $connection->send($request x $n);
    while ($got < $n && sysread $connection->socket, $text, 65536,
            length $text) {
        $got += $text =~ s/.*?HTTP\/1\.1 403 Forbidden\r\n//s
            while $text =~ /HTTP\/1\.1 403 Forbidden\r\n/;
    }
    return $got;
}

# A client that is refused $EACH times, on new connections where httpd ends
# one.  It exits 0 only then.
sub client {
    my ($connection, $left) = (undef, $EACH);
    for (my $tries = 0; $left > 0 && $tries < 10 * $EACH; $tries++) {
        $connection ||= $h->connect;
        my $n = $left < $BATCH ? $left : $BATCH;
        my $got = refused($connection, $n);
        $left -= $got;
        undef $connection if $got < $n;
    }
    POSIX::_exit($left ? 1 : 0);
}

sub start_clients {
    return map {
        defined(my $pid = fork) or die "fork: $!";
        client() unless $pid;
        $pid;
    } 1 .. $CLIENTS;
}

sub all_served { return !grep { waitpid $_, 0; $? } @_ }

ok all_served(start_clients()), 'half of them';
is figure(), $CLIENTS * $EACH, 'each was counted once';
my %by = map { $_ => 1 } logged();
cmp_ok scalar(keys %by), '>=', $CLIENTS - 1, 'by the children together';

my @clients = start_clients();
wait_for(sub { logged() > $CLIENTS * $EACH * 1.2 }, 20);
$h->graceful;
ok all_served(@clients), 'the other half, over a graceful restart';
# A refusal whose answer the restart cut off was one all the same: the access
# log knows them.
ok wait_for(sub { figure() == logged() }, 5), 'and all were counted';
my $n = figure();
cmp_ok $n, '>=', 2 * $CLIENTS * $EACH, "$n refusals";
is $n, scalar(logged()), 'as many as the access log has';

my %after = map { $_ => 1 } logged();
cmp_ok scalar(keys %after), '>', scalar(keys %by), 'by new children too';

# The figures of a process that was killed stay, and its successor counts on.
my ($killed) = $h->pids;
kill 'KILL', $killed;
ok wait_for(sub { !grep { $_ == $killed } $h->pids }, 5), 'a child was killed';
is figure(), $n, 'nothing is lost with it';
refused($h->connect, 10) for 1 .. $CLIENTS;
ok wait_for(sub { logged() == $n + 10 * $CLIENTS }, 5), 'more are refused';
is figure(), $n + 10 * $CLIENTS, 'and counted';

done_testing;
