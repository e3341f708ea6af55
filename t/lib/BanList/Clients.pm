# SPDX-License-Identifier: Apache-2.0
#
# Clients by their addresses, and what a server answers them.
#
#   use BanList::Clients;
#   my $h = BanList::Httpd->new(modules => ["remoteip"],
#       conf => "$TRUST_PROXY BanListFile banned");
#   gets($h, '10.0.0.1', 200, 'a neighbour');            # now
#   comes_to_get($h, '10.0.0.1', 403, 'a ban');          # within $SOON
#
# An address of 127.0.0.0/8 is a client itself; any other comes through a
# trusted proxy, 127.0.0.1, which names it in X-Forwarded-For.
package BanList::Clients;

use strict;
use warnings;

use Exporter 'import';
use Test::More ();

use BanList::Process qw(wait_for watch_for);

our @EXPORT = qw($SOON $TRUST_PROXY answer gets comes_to_get stays logged
    comes_to_be_logged);

# A few milliseconds is what the kernel's notice takes; the machine may be
# busy.  Tests of a notice set BanListInterval well above it.
our $SOON = 5;

our $TRUST_PROXY = "RemoteIPHeader X-Forwarded-For\n"
    . "RemoteIPInternalProxy 127.0.0.1\n";

sub answer {
    my ($h, $client, %opt) = @_;
    my $path = delete $opt{path} // '/';
    return $h->get($path, from => $client, %opt)->{status}
        if $client =~ /^127\./;
    my $headers = $opt{headers} || {};
    return $h->get($path, %opt, from => '127.0.0.1',
        headers => { %$headers, 'X-Forwarded-For' => $client })->{status};
}

sub gets {
    my ($h, $client, $status, $name, %opt) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::is(answer($h, $client, %opt), $status, $name);
}

sub comes_to_get {
    my ($h, $client, $status, $name, %opt) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $limit = delete $opt{within} // $SOON;
    return Test::More::ok(
        wait_for(sub { answer($h, $client, %opt) == $status }, $limit), $name);
}

# The same answer all along, for so many seconds.
sub stays {
    my ($h, $client, $status, $seconds, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $other;
    watch_for(sub {
        my $got = answer($h, $client);
        $other = $got if $got != $status;
        return defined $other;
    }, $seconds);
    return Test::More::is($other, undef, $name);
}

# How many lines of the error log say it.
sub logged {
    my ($h, $what) = @_;
    my @lines = grep { /$what/ } split /\n/, $h->error_log;
    return scalar @lines;
}

# The log comes to have so many such lines, and has no more of them then.
sub comes_to_be_logged {
    my ($h, $what, $times, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    wait_for(sub { logged($h, $what) >= $times }, $SOON);
    return Test::More::is(logged($h, $what), $times, $name);
}

1;
