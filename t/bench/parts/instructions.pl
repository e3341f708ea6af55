# SPDX-License-Identifier: Apache-2.0
# Instructions that a request costs with the module and without, by
# callgrind: counted inside ap_process_connection() alone, so that neither
# starting nor loading is in it, over the same requests of the same clients, none of them banned.
use strict;
use warnings;

use Bench;
use BanList::Connection;

my $REQUESTS = 2000;
my $LONGEST  = 10_000_000;

sub answers {
    my ($server, $limit) = @_;
    my $c = BanList::Connection->new(host => '127.0.0.1',
        port => $server->port) or return 0;
    return $c->request('/', headers => { Connection => 'close' },
        timeout => $limit)->{status} == 200;
}

sub instructions {
    my $n = shift;
    my $h = BanList::Httpd->new(
        mpm => 'prefork', processes => 1, modules => ['remoteip'],
        banlist => defined $n ? 'last' : 0,
        conf => "RemoteIPHeader X-Forwarded-For\n"
            . "RemoteIPInternalProxy 127.0.0.1\nLogLevel warn\n"
            . (defined $n
                ? "BanListMemory 4G\nBanListFile @{[list('ipv4', $n)]}\n"
                : ''));
    # The sum is all that is wanted, and callgrind says that as it ends.
    my $pid = $h->spawn('valgrind', '--tool=callgrind',
        '--toggle-collect=ap_process_connection',
        '--callgrind-out-file=/dev/null', BanList::Httpd::program(),
        '-X', '-d', $h->root, '-f', $h->path('conf/httpd.conf'));
    wait_for(sub { !$h->alive || answers($h, 300) }, 300) && $h->alive
        or die "httpd under valgrind: " . $h->tail;
    my $got = client($h, '-c', 1, '-n', $REQUESTS, '-u', $LONGEST);
    $got->{ok} >= $REQUESTS - 2 or die "only $got->{ok} answers\n";
    $h->stop('TERM', 120);
    my ($sum) = $h->error_log =~ /^==$pid== Collected : (\d+)/m
        or die "callgrind said nothing\n";
    return $sum / $REQUESTS;
}

my $without = instructions();
my (@rows, %more);
for my $n (10, 1000, 1_000_000, $LONGEST) {
    say_progress('callgrind, ' . with_commas($n));
    my $with = instructions($n);
    $more{$n} = $with - $without;
    push @rows, [with_commas($n), sprintf('%.0f', $with),
        sprintf('%.0f', $without), sprintf '%.0f', $more{$n}];
}
my ($least, $most) = (sort { $a <=> $b } values %more)[0, -1];
row('Instructions more a request (callgrind), at most',
    sprintf('%.0f', $most), '≤ 400', $most <= 400);
row('… from 10 to 10,000,000 entries, most against least',
    sprintf('%.2f', $most / $least), '≤ 1.25', $most / $least <= 1.25);
table('Instructions a request, by callgrind',
    ['entries', 'with', 'without', 'more'], @rows);
1;
