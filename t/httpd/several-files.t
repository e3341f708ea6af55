#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Several files for one server, a virtual host's added to the main server's:
# each list counts for itself, and trouble with one leaves the others alone.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Test;
use Test::More;

each_mpm {
    my $h = BanList::Httpd->new(
        mpm     => shift,
        modules => ['remoteip'],
        files   => {
            one   => "203.0.113.1 -\n!203.0.113.2\n",
            two   => "203.0.113.2 -\n",
            three => "203.0.113.3 -\n",
            own   => "203.0.113.4 -\n",
        },
        conf => <<'END',
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.1
BanListFile "@ROOT@/one" "@ROOT@/two"
BanListFile three missing
LogFormat "%a %{BANLIST_FILE}e" file
CustomLog logs/files file
END
        vhosts => [
            'main.test'  => '',
            'more.test'  => 'BanListFile own one',
            'again.test' => 'BanListFile own',
        ],
    )->start;
    # The last digits of those refused.
    my $refused = sub {
        my $host = shift;
        return join '', grep {
            $h->get('/', headers => { Host => $host,
                'X-Forwarded-For' => "203.0.113.$_" })->{status} == 403
        } 1 .. 6;
    };

    is $refused->('main.test'), '123', 'all lists of the main server';
    is $refused->('more.test'), '1234', 'and its own in a virtual host';
    is $refused->('again.test'), '1234', 'in another the same file';
    my $root = $h->root;
    ok wait_for(sub {
        my $log = $h->read_file('logs/files');
        4 == grep { $log =~ /^\Q$_\E$/m } "203.0.113.1 $root/one",
            "203.0.113.2 $root/two", "203.0.113.3 $root/three",
            "203.0.113.4 $root/own";
    }, 5), 'each is banned by its file'
        or diag $h->read_file('logs/files');

    $h->write_file('missing', "203.0.113.5 -\n");
    ok wait_for(sub { $refused->('main.test') eq '1235' }, 10),
        'a file that appears';
    $h->append_file('own', "203.0.113.6 -\n");
    ok wait_for(sub { $refused->('again.test') eq '123456' }, 10),
        'a line added to a shared file';
    is $refused->('more.test'), '123456', 'counts in both';
    is $refused->('main.test'), '1235', 'and not in the main server';
    unlink $h->path('two');
    $h->write_file('three', '');
    ok wait_for(sub { $refused->('main.test') eq '125' }, 10),
        'one file missing, one empty: the rest goes on';
    $h->stop;
};

done_testing;
