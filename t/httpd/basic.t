#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The harness itself, with the module where it is built: a private httpd
# serves, restarts gracefully under an open connection, and leaves nothing.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Test;
use Test::More;

each_mpm {
    my $mpm = shift;
    my $h = BanList::Httpd->new(
        mpm       => $mpm,
        processes => 3,
        banlist   => -e BanList::Httpd::module() ? 'last' : 0,
        vhosts    => ['a.test' => '', 'b.test' => 'Redirect gone /'],
    );
    $h->configure(modules => ['alias']);
    my ($status, $said) = $h->run('-t');
    is $status, 0, 'the configuration is sound' or diag $said;

    $h->start;
    my $got = $h->get('/');
    is $got->{status}, 200,       'served';
    is $got->{body},   "hello\n", 'with the page';
    is $got->{end},    'fin',     'and the connection closed';
    is $h->get('/', headers => { Host => 'b.test' })->{status}, 410,
        'a virtual host by its name';

    $h->get('/index.html', from => '127.0.0.5');
    ok wait_for(sub { $h->access_log =~ /^127\.0\.0\.5 /m }, 2),
        'the client has the address it binds to';

    ok wait_for(sub { $h->pids == 3 }, 5), 'the children asked for';
    my %old = map { $_ => 1 } $h->pids;
    my $open = $h->connect;
    is $open->request('/')->{end}, 'open', 'kept alive';
    $h->graceful;
    ok wait_for(sub { grep { !$old{$_} } $h->pids }, 5), 'new children';
    is $h->get('/')->{status}, 200, 'served after a graceful restart';

    my ($root, $pid, @pids) = ($h->root, $h->pid, $h->pids);
    $open->close;
    $h->stop;
    ok wait_for(sub { !grep { -e "/proc/$_" } $pid, @pids }, 5),
        'no process left after the stop';
    undef $h;
    ok !-e $root, 'and no file';
};

done_testing;
