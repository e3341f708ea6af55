#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# 1,000 virtual hosts on 200 files: the server starts soon, each file is
# loaded once, and each host asks its own lists.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use Time::HiRes qw(time);

use BanList::Clients;
use BanList::Httpd;

my ($HOSTS, $FILES) = (1000, 200);
my %files = map {
    my $n = $_;
    ("list$n" => join '', map { "10.$n.$_.1 -\n" } 0 .. 99)
} 0 .. $FILES - 1;
my $h = BanList::Httpd->new(modules => ['remoteip'], files => \%files,
    processes => 2, conf => $TRUST_PROXY,
    vhosts => [map { ("h$_.test" => 'BanListFile list' . $_ % $FILES) }
        0 .. $HOSTS - 1]);
my $start = time;
$h->start;
cmp_ok time - $start, '<', 20, 'it starts soon';

sub host { (headers => { Host => "h$_[0].test" }) }

for my $n (0, 1, 199, 200, 567, 999) {
    my $list = $n % $FILES;
    my $other = ($list + 1) % $FILES;
    gets($h, "10.$list.50.1", 403, "host $n has its list", host($n));
    gets($h, "10.$other.50.1", 200, 'and no other', host($n));
}
is scalar(() = $h->error_log =~ /BL0010: /g), $FILES, 'each was loaded once';
$h->append_file('list67', "172.16.0.1 -\n");
comes_to_get($h, '172.16.0.1', 403, 'a change is seen', host(67));
comes_to_get($h, '172.16.0.1', 403, 'by all who have the file', host(867));
gets($h, '172.16.0.1', 200, 'and by nobody else', host(68));

$start = time;
$h->graceful;
cmp_ok time - $start, '<', 20, 'it restarts soon';
gets($h, '172.16.0.1', 403, 'with what it knew', host(67));
$h->stop;
done_testing;
