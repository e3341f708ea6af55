# SPDX-License-Identifier: Apache-2.0
#
# What httpd tests share: each_mpm { … $mpm … }, and from
# BanList::Process wait_for, patience and many.
package BanList::Test;

use strict;
use warnings;

use Exporter 'import';
use Test::More ();

use BanList::Httpd;
use BanList::Process qw(wait_for patience many);

our @EXPORT = qw(each_mpm wait_for patience many);

# Runs the block as a subtest under each MPM ($BANLIST_MPM: under that one).
sub each_mpm (&) {
    my $block = shift;
    for my $mpm (split ' ', $ENV{BANLIST_MPM} || 'event worker prefork') {
        Test::More::subtest($mpm => sub { $block->($mpm) });
    }
}

1;
