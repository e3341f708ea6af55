# SPDX-License-Identifier: Apache-2.0
# One lookup, in our structure and in the peers' own, each in its own program
# (lookup_peers.c): the same prefixes, the same addresses.
use strict;
use warnings;

use Bench;

my $N = 1_000_000;
my $peers = program('lookup_peers.so');
my $libraries = BanList::Peers::env('PEERS_LIBRARIES');

sub measured {
    my ($kind, @command) = @_;
    local $ENV{BENCH_KIND}  = $kind;
    local $ENV{BENCH_COUNT} = $N;
    my $said = pinned(0, sub { capture('timeout', 120, @command) }) // '';
    my ($independent, $dependent, $hits) =
        $said =~ /^\S+ \S+ ([\d.]+) ([\d.]+) (\d+)$/m or return;
    return { ns => [$independent, $dependent], hits => $hits };
}

sub preloaded {
    my ($kind, $name) = @_;
    return measured($kind, 'env', "LD_LIBRARY_PATH=$libraries",
        "LD_PRELOAD=$peers", BanList::Peers::program($name), '-v');
}

sub in_httpd {
    my $kind = shift;
    return if $kind =~ /6/; # its tree is not filled that way
    my $h = BanList::Httpd->new(banlist => 0, modules => ['unique_id'],
        conf => "LoadModule security2_module "
            . BanList::Peers::env('MOD_SECURITY2') . "\nLoadFile $peers\n");
    return measured($kind, 'env', "LD_LIBRARY_PATH=$libraries",
        BanList::Httpd::program(), '-t', '-d', $h->root, '-f',
        $h->path('conf/httpd.conf'));
}

# The peers' trees take long to fill and to ask: with mixed lists alone.
my @rows;
for my $kind (qw(mixed ipv4 mixed6 ipv6)) {
    my %got;
    for (['mod_banlist', sub { measured($kind, program('lookup'), $kind, $N) }],
        ['nginx geo',      sub { preloaded($kind, 'nginx') }],
        ['HAProxy acl -f', sub { preloaded($kind, 'haproxy') }],
        ['mod_security2',  sub { in_httpd($kind) }]) {
        my ($name, $run) = @$_;
        next if $kind !~ /^mixed/ && $name ne 'mod_banlist';
        say_progress("$kind, $name");
        $got{$name} = $run->() or next;
        my $note = $got{$name}{hits} == $got{'mod_banlist'}{hits} ? ''
            : ' (it finds others)';
        push @rows, [$kind, $name . $note,
            map { sprintf '%.0f', $_ } @{ $got{$name}{ns} }];
    }
    next if $kind ne 'mixed';
    my $ours = $got{'mod_banlist'} or die "lookup failed\n";
    row('Lookup, 1,000,000 mixed prefixes, independent',
        sprintf('%.0f ns', $ours->{ns}[0]), '< 60 ns', $ours->{ns}[0] < 60);
    row('… each after the end of the last',
        sprintf('%.0f ns', $ours->{ns}[1]), '< 120 ns', $ours->{ns}[1] < 120);
    my ($best) = sort { $got{$a}{ns}[0] <=> $got{$b}{ns}[0] }
        grep { $_ ne 'mod_banlist' && $got{$_} } keys %got;
    my $times = $got{$best}{ns}[0] / $ours->{ns}[0];
    row("… against the fastest of the others' structures ($best)",
        sprintf('%.1f times as fast', $times), 'ahead', $times > 1);
}
table('A lookup among 1,000,000 entries, in nanoseconds',
    ['list', 'structure', 'independent', 'one after another'], @rows);
1;
