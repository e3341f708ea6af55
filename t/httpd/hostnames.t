#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# BanListHostnames: a name in a list bans the client that truly has it, an
# excepted one saves it, nobody is asked for a name that changes nothing, and
# a resolver that is slow or gone holds no request up.
#
# The resolver is t/httpd/resolver.c, which notes each query.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Test;
use Test::More;
use Time::HiRes qw(time);

my $library = dirname(abs_path(BanList::Httpd::module())) . '/t/resolver.so';
-e $library or die "no $library: run make tests\n";

my $names = <<'END';
127.0.0.5 Bad.Example.NET.
Bad.Example.NET. 127.0.0.5
127.0.0.6 bad.example.net
bad.example.net 127.0.0.5
127.0.0.7 a.b.example.org
a.b.example.org 127.0.0.7
127.0.0.8 example.org
example.org 127.0.0.8
127.0.0.9 notexample.org
notexample.org 127.0.0.9
127.0.0.10 again
127.0.0.11 good.example.net
good.example.net 127.0.0.11
delay 3
127.0.0.20 bad.example.net
END

sub new_server {
    my %opt = @_;
    my $h = BanList::Httpd->new(
        processes => 1, threads => 4,
        %opt,
        files => { banned => '', other => '', resolver => $names,
            %{ $opt{files} || {} } },
    );
    $h->{env}{LD_PRELOAD} =
        join ' ', grep { $_ } $ENV{BANLIST_PRELOAD}, $library;
    $h->{env}{BANLIST_RESOLVER} = $h->path('resolver');
    # httpd's children are another user.
    $h->write_file('resolver.log', '');
    chmod 0666, $h->path('resolver.log');
    return $h->start;
}

# What was asked since the last call.
sub queries {
    my $h = shift;
    my @asked = split ' ', $h->read_file('resolver.log');
    $h->write_file('resolver.log', '');
    return "@asked";
}

my $serial = 0;

# Puts these lines in force: an address that nobody else has tells when.
sub set_list {
    my ($h, $name, @lines) = @_;
    my $probe = '127.0.1.' . ++$serial;
    $h->replace_file($name, join '', map { "$_\n" } @lines, "$probe -");
    wait_for(sub { $h->get('/', from => $probe,
        headers => { Host => 'all.test' })->{status} == 403 }, 10)
        or die "$name was not loaded\n";
    queries($h);
}

sub complaints { my @n = $_[0]->error_log =~ /BL0301/g; scalar @n }

each_mpm {
    my $mpm = shift;
    my $h = new_server(
        mpm    => $mpm,
        conf   => <<'END',
BanListFile "@ROOT@/banned" "@ROOT@/other"
BanListHostnames On
BanListAllow 127.0.0.12
CustomLog logs/who "%h %U"
END
        vhosts => [
            'main.test' => '',
            'off.test'  => 'BanListHostnames Off',
            'none.test' => 'BanListEngine Off',
            'all.test'  => "BanListHostnames Off\nBanListAction 403",
        ],
    );
    my $status = sub {
        my ($client, %opt) = @_;
        return $h->get('/', from => $client, %opt)->{status};
    };

    set_list($h, 'banned', '127.0.0.99', '2001:db8::7', '# bad.example.net');
    is $status->('127.0.0.5'), 200, 'no name in any list: served';
    is queries($h), '', 'and not asked for its name';

    set_list($h, 'banned', 'bad.EXAMPLE.net -', '.Example.ORG -',
        '127.0.0.99 -');
    is $status->('127.0.0.5'), 403, 'the name is in the list';
    is queries($h), '127.0.0.5 Bad.Example.NET.', 'asked for in both ways';
    ok wait_for(sub { $h->access_log =~ m{^127\.0\.0\.5 .*bad\.example\.net
        [ ]403$}mx }, 5), 'the entry is named in the log';
    is $status->('127.0.0.6'), 200, 'a name that is not its own';
    is $status->('127.0.0.7'), 403, 'a name below .example.org';
    is $status->('127.0.0.8'), 200, 'example.org itself';
    is $status->('127.0.0.9'), 200, 'notexample.org';
    is $status->('127.0.0.40'), 200, 'no name at all';
    unlike $h->read_file('logs/who'), qr/example/,
        'the access log still has addresses';

    queries($h);
    is $status->('127.0.0.99'), 403, 'banned by its address';
    is $status->('127.0.0.12'), 200, 'allowed';
    is $status->('127.0.0.5', headers => { Host => 'off.test' }), 200,
        'BanListHostnames Off';
    is $status->('127.0.0.5', headers => { Host => 'none.test' }), 200,
        'BanListEngine Off';
    is queries($h), '', 'none of these was asked';
    my $c = $h->connect(from => '127.0.0.8');
    is $c->request('/')->{status}, 200, "request $_ of a connection"
        for 1 .. 3;
    is queries($h), '127.0.0.8 example.org', 'asked once';
    $c->close;

    set_list($h, 'banned', '!good.example.net', '127.0.0.0/27 -');
    is $status->('127.0.0.11'), 200, 'excepted by its name';
    is $status->('127.0.0.5'),  403, 'its neighbours are banned';
    is $status->('127.0.0.40'), 200, 'not banned';
    unlike queries($h), qr/127\.0\.0\.40/, 'and so not asked';
    set_list($h, 'other', '127.0.0.11');
    is $status->('127.0.0.11'), 403, 'the exception is of one file alone';
    set_list($h, 'other', 'good.example.net');
    is $status->('127.0.0.11'), 403, 'another file bans the same name';
    set_list($h, 'other');

    set_list($h, 'banned', 'bad.example.net until=' . int(time + 3));
    is $status->('127.0.0.5'), 403, 'banned until then';
    ok wait_for(sub { $status->('127.0.0.5') == 200 }, 10), 'and no longer';
    queries($h);
    is $status->('127.0.0.5'), 200, 'once the names have ended';
    is queries($h), '', 'nobody is asked';

    set_list($h, 'banned', 'bad.example.net');
    is $status->('127.0.0.10'), 200, 'no answer: served';
    is $status->('127.0.0.10'), 200, 'again';
    is complaints($h), 1, 'told once';

    my $start = time;
    is $status->('127.0.0.20'), 200, 'a slow answer: served';
    cmp_ok time - $start, '<', 2.8, 'before it comes';
    queries($h);
    $start = time;
    is $status->('127.0.0.5'), 200, 'served while names are not asked for';
    cmp_ok time - $start, '<', 2.8, 'at once';
    is queries($h), '', 'no query then';
    is complaints($h), 1, 'told once a minute at most';
    if ($mpm eq 'event') {
        ok wait_for(sub { $status->('127.0.0.5') == 403 }, 20),
            'asked for again after a while';
    }
    $h->stop;
};

subtest 'behind a proxy' => sub {
    my $h = new_server(modules => ['remoteip'], conf => <<'END');
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.1
BanListFile "@ROOT@/banned"
BanListHostnames On
CustomLog logs/who "%h %U"
END
    $h->append_file('resolver', <<'END');
delay 0
2001:db8::7 six.example.net
six.example.net 2001:db8::7
END
    $h->write_file('banned', "bad.example.net -\nsix.example.net -\n");
    my $c = $h->connect;
    my $of = sub {
        $c->request('/', headers => { 'X-Forwarded-For' => shift })->{status};
    };
    ok wait_for(sub { $of->('127.0.0.5') == 403 }, 10), 'the client is asked';
    is $of->('127.0.0.8'), 200, 'another client of the same connection';
    is $of->('127.0.0.5'), 403, 'the first again';
    is $of->('2001:db8::7'), 403, 'IPv6';
    unlike $h->read_file('logs/who'), qr/example/, 'addresses in the log';
    $h->stop;
};

subtest 'a connection has no name' => sub {
    my $h = new_server(conf => <<'END');
BanListFile "@ROOT@/banned"
BanListHostnames On
BanListConnection On
END
    $h->write_file('banned', "bad.example.net -\n");
    my $got;
    ok wait_for(sub {
        $got = $h->get('/', from => '127.0.0.5');
        $got->{status} != 200;
    }, 10), 'banned by its name';
    is $got->{status}, 403, 'when it sends a request, not before';
    $h->stop;
};

done_testing;
