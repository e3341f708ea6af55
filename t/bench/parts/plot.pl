# SPDX-License-Identifier: Apache-2.0
# What a request of a new client costs, against the size of the list, for
# everybody who gets there; drawn into docs/cost.svg.
use strict;
use warnings;

use Bench;
use FindBin;
use Time::HiRes qw(time);

my @SIZES    = map { 10**$_ } 1 .. 7;
my $PATIENCE = 60;      # seconds that a server may take to start
my $SLOWEST  = 500_000; # µs that a request may cost
my %title    = SERVERS;
my @NAMES    = qw(txt require haproxy modsecurity dbm nginx banlist);

# Whether ten times as many can be expected to get there.
sub goes_on {
    my ($started, $cost) = @_;
    return $started * 10 < $PATIENCE && $cost * 10 < $SLOWEST;
}

my $plain = server('plain', 0);
cost($plain, 0.3);
my $base = median(map { cost($plain, 0.3) } 1 .. 9);

# Each point is taken by turns with httpd without a list, so that one curve
# does not show the machine in another mood than the next.
sub measure {
    my ($name, $n) = @_;
    my $start = time;
    my $server = eval { server($name, $n) } or return;
    my $took = time - $start;
    cost($server, 0.2);
    my ($ratio) = pairs(3, sub { cost($server, 0.3) },
        sub { cost($plain, 0.3) });
    return ($took, $ratio * $base);
}

sub curve {
    my $name = shift;
    my %cost;
    say_progress($title{$name});
    for my $n (@SIZES) {
        my ($took, $cost) = measure($name, $n) or last;
        $cost{$n} = $cost;
        say_progress(sprintf '%s entries: up in %.1f s, %.1f µs',
            with_commas($n), $took, $cost);
        last unless goes_on($took, $cost);
    }
    return \%cost;
}

my %curve = (map({ $_ => curve($_) } @NAMES),
    plain => { map { $_ => $base } @SIZES[0, -1] });

my $data = folder() . '/cost.dat';
open my $out, '>', $data or die "$data: $!\n";
for my $name ('plain', @NAMES) {
    my $cost = $curve{$name};
    print $out "\"$title{$name}\"\n",
        map({ "$_ $cost->{$_}\n" } sort { $a <=> $b } keys %$cost), "\n\n";
}
close $out;
system('gnuplot', '-e', "data='$data'; svg='$FindBin::Bin/../../docs/cost.svg'",
    "$FindBin::Bin/cost.gnuplot") == 0 or die "gnuplot failed\n";

table('CPU µs of a request of a new client, by entries in the list',
    ['', map { with_commas($_) } @SIZES],
    [$title{plain}, sprintf('%.1f', $base), ('') x $#SIZES],
    map {
        my $of = $curve{$_};
        [$title{$_}, map { $of->{$_} ? sprintf '%.1f', $of->{$_} : '–' } @SIZES]
    } reverse @NAMES);
1;
