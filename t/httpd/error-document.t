#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A refusal is taken once for the request that the client sent: its
# ErrorDocument is served, with the marks, and neither subrequests nor
# internal redirects are refused in turn.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Clients;
use BanList::Test;
use Test::More;

my @NAMES = qw(BANLIST_MATCH BANLIST_ACTION REDIRECT_BANLIST_MATCH
    REDIRECT_STATUS);
my $ECHO = join ' ', map { "<!--#echo var=\"$_\" -->" } @NAMES;

my $CONF = <<'END';
TypesConfig /dev/null
BanListFile banned
AddType text/html .shtml
AddOutputFilter INCLUDES .shtml
<Directory "@ROOT@/htdocs">
    Options +Includes +FollowSymLinks
</Directory>
Header always set X-Match "%{BANLIST_MATCH}e" env=BANLIST_MATCH
ErrorDocument 403 /error.shtml
ErrorDocument 404 /not-found.html
BanListExempt "%{REQUEST_URI} =~ m#^/open/#"
<Directory "@ROOT@/htdocs/open/moved">
    RewriteEngine On
    RewriteRule .* /inner.html
</Directory>
CustomLog logs/clean "%>s %r" env=!BANLIST_MATCH
CustomLog logs/banned "%>s %r" env=BANLIST_MATCH
END

my %FILES = (
    banned => "127.0.0.0/29 -\n",
    'htdocs/error.shtml'     => "sorry: $ECHO\n",
    'htdocs/not-found.html'  => "not here\n",
    'htdocs/inner.html'      => "inner\n",
    'htdocs/open/page.shtml' => 'outer <!--#include virtual="/inner.html" -->',
    'htdocs/open/moved/x'    => "x\n",
    'htdocs/open/folder/index.html' => "index\n",
);

each_mpm {
    my $mpm = shift;
    my $h = BanList::Httpd->new(mpm => $mpm, files => \%FILES,
        modules => [qw(include headers rewrite mime)], conf => $CONF,
        vhosts => ['localhost' => '',
            'text.test' => 'ErrorDocument 403 "go away"',
            'lost.test' => 'ErrorDocument 403 /nothing-here']);
    $h->start;
    my ($client, $other) = qw(127.0.0.5 127.0.0.9);

    my $got = $h->get('/', from => $client);
    is $got->{status}, 403, 'refused';
    is $got->{body}, "sorry: 127.0.0.0/29 403 127.0.0.0/29 403\n",
        'with the page, which has the marks';
    is $got->{headers}{'x-match'}, '127.0.0.0/29', 'and so has the header';
    is logged($h, 'BL0101'), 1, 'refused once';

    $got = $h->get('/error.shtml', from => $client);
    is $got->{status}, 403, 'the page itself is refused like any other';
    like $got->{body}, qr/^sorry/, 'with itself';
    is logged($h, 'BL0101'), 2, 'once';

    $got = $h->get('/', from => $client, headers => { Host => 'text.test' });
    is $got->{status}, 403, 'a text';
    is $got->{body}, 'go away', 'is the body';
    $got = $h->get('/', from => $client, headers => { Host => 'lost.test' });
    is $got->{status}, 403, 'a page that is not there';
    like $got->{body}, qr/additionally/i, 'leaves httpd\'s own';
    is logged($h, 'BL0101'), 4, 'each refused once';

    $got = $h->get('/', from => $other);
    is $got->{status}, 200, 'a neighbour is served';
    is $got->{headers}{'x-match'}, undef, 'without a mark';
    $got = $h->get('/error.shtml', from => $other);
    is $got->{body}, "sorry: (none) (none) (none) (none)\n",
        'nor has the page one for him';

    for (['/open/page.shtml', 200, "outer inner\n", 'a subrequest'],
        ['/open/none', 404, "not here\n", 'an ErrorDocument of another kind'],
        ['/open/moved/x', 200, "inner\n", 'a rewrite'],
        ['/open/folder/', 200, "index\n", 'a DirectoryIndex']) {
        my ($path, $status, $body, $name) = @$_;
        $got = $h->get($path, from => $client);
        is $got->{status}, $status, "exempt, with $name inside: not refused";
        is $got->{body}, $body, 'served';
        is $got->{headers}{'x-match'}, '127.0.0.0/29', 'and marked';
    }
    is logged($h, 'BL0101'), 4, 'none of them is a refusal';

    ok wait_for(sub { $h->read_file('logs/banned') =~ m{folder} }, 5),
        'the marks choose the log';
    is $h->read_file('logs/clean'), join('', map {
        "200 GET $_ HTTP/1.1\n" } qw(/ /error.shtml)), 'in which there is no banned client';
    $h->stop;
};

done_testing;
