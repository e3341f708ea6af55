#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What a banned client's request is marked with and what follows from the
# marks: BanListExempt, DetectionOnly, the environment, headers, ErrorDocument
# pages, logs without refused requests, `Require not banned`.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Test;
use Test::More;

my $BANNED = '127.0.0.7';

sub vhost {
    my ($name, @lines) = @_;
    return ("$name.test" => join "\n", @lines);
}

# A file that is not there: evaluating this is an error that is logged.
my $COSTLY = q{BanListExempt "file('/nonexistent/x') == 'x'"};
my $GUARDED = "<Location /guarded>\n<RequireAll>\nRequire all granted\n"
    . "Require not banned\n</RequireAll>\n</Location>\n"
    . "<Location /trap>\nRequire banned\n</Location>";

sub server {
    my $mpm = shift;
    return BanList::Httpd->new(
        mpm     => $mpm,
        modules => [qw(headers include)],
        files   => {
            'banned'             => "127.0.0.0/29 -\n",
            'allowed'            => "127.0.0.5\n",
            'htdocs/guarded'     => "guarded\n",
            'htdocs/trap'        => "trap\n",
            'htdocs/error.shtml' => 'match <!--#echo var="BANLIST_MATCH" --> '
                . 'action <!--#echo var="BANLIST_ACTION" --> '
                . 'file <!--#echo var="BANLIST_FILE" -->' . "\n",
            'htdocs/.well-known/x' => "well known\n",
            'htdocs/secret.html'   => "secret\n",
        },
        conf => join("\n", 'BanListFile banned', 'BanListAllow 127.0.0.1',
            'BanListAllowFile allowed',
            'CustomLog logs/clean_log "%a %>s %U" env=!BANLIST_MATCH',
            'Header always set X-BanList-Match "%{BANLIST_MATCH}e" '
                . 'env=BANLIST_MATCH'),
        vhosts => [
            vhost('plain'),
            vhost('page', '<Location /error.shtml>', 'Options +Includes',
                'SetOutputFilter INCLUDES', '</Location>',
                'ErrorDocument 403 /error.shtml'),
            vhost('exempt', 'BanListAction close',
                'BanListExempt "%{REQUEST_URI} =~ m#^/\.well-known/#"'),
            vhost('slashes', 'BanListAction close', 'MergeSlashes Off',
                'AllowEncodedSlashes On',
                'BanListExempt "%{REQUEST_URI} =~ m#^/\.well-known/#"'),
            vhost('costly', $COSTLY),
            vhost('detect', 'BanListEngine DetectionOnly', 'BanListAction drop'),
            vhost('off', 'BanListEngine Off'),
            vhost('guard', 'BanListEngine DetectionOnly', $GUARDED),
            vhost('guard-off', 'BanListEngine Off', $GUARDED),
        ],
    )->start;
}

sub ask {
    my ($h, $host, $path, $from) = @_;
    return $h->get($path, from => $from,
        headers => { Host => "$host.test" });
}

sub figure { my ($h, $what) = @_; scalar(() = $h->error_log =~ /$what/g) }

each_mpm {
    my $mpm = shift;
    my $h = server($mpm);

    subtest 'a refused request' => sub {
        my $got = ask($h, 'plain', '/refused', $BANNED);
        is $got->{status}, 403, 'refused';
        is $got->{headers}{'x-banlist-match'}, '127.0.0.0/29',
            'the entry in a header';
        $got = ask($h, 'page', '/x', $BANNED);
        is $got->{body}, "match 127.0.0.0/29 action 403 file "
            . $h->path('banned') . "\n", 'all marks in the ErrorDocument';
        $got = ask($h, 'page', '/error.shtml', $BANNED);
        is $got->{status}, 403, 'the ErrorDocument itself is refused too';
        like $got->{body}, qr/^match 127/, 'and shown';
        is ask($h, 'plain', '/', '127.0.0.1')->{status}, 200,
            'BanListAllow wins';
        is ask($h, 'plain', '/', '127.0.0.5')->{status}, 200,
            'BanListAllowFile wins';
    };

    subtest 'BanListExempt' => sub {
        my $got = ask($h, 'exempt', '/.well-known/x', $BANNED);
        is $got->{body}, "well known\n", 'where it is true: served';
        is $got->{headers}{'x-banlist-match'}, '127.0.0.0/29', 'and marked';
        ok wait_for(sub { $h->access_log =~ m{GET /.well-known/x \S+ 127\.0\.0\.0/29 none$}m }, 5),
            'the action is none';
        is ask($h, 'exempt', '/', $BANNED)->{end}, 'fin', 'elsewhere: closed';
        is ask($h, 'costly', '/', '127.0.0.9')->{status}, 200, 'not banned';
        is figure($h, 'BL0201'), 0, 'not evaluated for that';
        is ask($h, 'costly', '/', $BANNED)->{status}, 403,
            'banned, and an error in it: refused';
        is figure($h, 'BL0201'), 1, 'and said';
    };

    subtest 'DetectionOnly' => sub {
        my $got = ask($h, 'detect', '/detected', $BANNED);
        is $got->{status}, 404, 'refuses nothing';
        is $got->{headers}{'x-banlist-match'}, '127.0.0.0/29', 'marks';
        is figure($h, 'BL0103: banlist: request would be refused'), 1, 'says it';
        $got = ask($h, 'off', '/off', $BANNED);
        is $got->{status}, 404, 'Off refuses nothing';
        is $got->{headers}{'x-banlist-match'}, undef, 'and does not mark';
    };

    subtest 'Require' => sub {
        for my $host (qw(guard guard-off)) {
            is ask($h, $host, '/guarded', $BANNED)->{status}, 403,
                "$host: Require not banned, and banned";
            is ask($h, $host, '/guarded', '127.0.0.9')->{status}, 200,
                'not banned';
            is ask($h, $host, '/guarded', '127.0.0.5')->{status}, 200,
                'allowed';
            is ask($h, $host, '/', $BANNED)->{status}, 200, 'elsewhere';
            is ask($h, $host, '/trap', $BANNED)->{status}, 200,
                'Require banned, and banned';
            is ask($h, $host, '/trap', '127.0.0.9')->{status}, 403,
                'and not banned';
        }
        $h->configure(conf => "$h->{conf}\n<Location /x>\nRequire banned twice\n"
            . '</Location>');
        my ($status, $said) = $h->run('-t');
        isnt $status, 0, 'an argument is a config error';
        like $said, qr/Require banned: 'twice'/, 'that names it';
    };

    # After the others: this uses up the log lines of its second.
    subtest 'BanListExempt sees the path that httpd will serve' => sub {
        for my $path (qw(/.well-known/../secret.html
            /.well-known/%2e%2e/secret.html /.well-known/.%2E/secret.html
            /%2ewell-known/../secret.html /.well-known//../../secret.html
            //.well-known/..//secret.html /.well-known/%2f../secret.html
            /.well-known/..%2fsecret.html /.well-known/%2f..%2f../secret.html
            /.well-known/../../.well-known/x /.well-known/%zz
            /.well-known/%00)) {
            for my $host (qw(exempt slashes)) {
                is ask($h, $host, $path, $BANNED)->{end}, 'fin',
                    "$host: $path is refused";
            }
        }
        for my $path (qw(/./.well-known/x /%2ewell%2Dknown/x /y/../.well-known/x
            /.well-known/../.well-known/x //.well-known//x)) {
            is ask($h, 'exempt', $path, $BANNED)->{body}, "well known\n",
                "$path is served";
        }
        is ask($h, 'slashes', '/y//../.well-known/x', $BANNED)->{end}, 'fin',
            'slashes are merged only where httpd does';
    };

    my $log = $h->read_file('logs/clean_log');
    unlike $log, qr/^127\.0\.0\.7 \d+ \/(?:refused|detected|x)$/m,
        'no marked request in the log with env=!BANLIST_MATCH';
    like $log, qr/^127\.0\.0\.9 200 /m, 'the others are in it';
};

done_testing;
