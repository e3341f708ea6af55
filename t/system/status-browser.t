#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The status page in a browser: an address is looked up through the form; the
# page is styled, light and dark, fits a telephone, and runs nothing that
# stands in a list or in the query.  $BANLIST_SHOTS is a folder for
# screenshots, for whoever wants to look at them.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Browser;
use BanList::Test;
use Test::More;

my $missing = BanList::Browser::missing();
plan skip_all => $missing if $missing;

my $evil = '<img src=x onerror=document.title=666><script>666</script>';
my $h = BanList::Httpd->new(
    conf => <<'END',
BanListFile banned missing
BanListAllow 10.0.0.0/8
<Location "/banlist-status">
    SetHandler banlist-status
</Location>
END
    files => { banned => join '', map { "$_\n" }
        (map { "198.51.100.$_ -" } 1 .. 200), '127.0.0.9',
        '192.0.2.7 until=1999999999', '10.1.1.1', '1.2.3.400', $evil },
);
$h->start;
$h->get('/', from => '127.0.0.9') for 1 .. 7;
my $page = 'http://127.0.0.1:' . $h->port . '/banlist-status';

sub shot {
    my ($b, $name) = @_;
    $b->screenshot("$ENV{BANLIST_SHOTS}/$name.png") if $ENV{BANLIST_SHOTS};
}

# What holds in every shape of the page.
sub sound {
    my $b = shift;
    is $b->value('document.title'), 'Banned clients', 'the title is ours';
    is $b->value('document.images.length + document.scripts.length'), 0,
        'a bad line is text, not markup';
    is $b->value('document.querySelectorAll("svg g").length'), 60,
        'a bar for each minute';
    cmp_ok $b->value('document.documentElement.scrollWidth'), '<=',
        $b->{width}, 'nothing sticks out';
    is join("\n", $b->complaints), '', 'the browser has no complaint';
}

subtest 'an address looked up through the form' => sub {
    my $b = BanList::Browser->new;
    $b->open($page);
    $b->type('#ip', '192.0.2.7');
    $b->click('button');
    ok wait_for(sub { $b->url =~ /\?ip=192\.0\.2\.7$/ }, 10), 'asked by GET';
    my $answer = $b->text('#answer');
    like $answer, qr/^192\.0\.2\.7 is banned /, 'banned';
    like $answer, qr{by 192\.0\.2\.7 in /\S+/banned line 202, until 2033-05-18 },
        'by what, and until when';
    like $b->text('#state'), qr/Trouble with 1 of 2 lists/,
        'the state in words';
    isnt $b->css('#answer', 'background-color'), 'rgba(0, 0, 0, 0)',
        'and colour: the style is in force';
    sound($b);
    shot($b, 'light');

    $b->open("$page?ip=10.1.1.1");
    like $b->text('#answer'), qr{not banned .*BanListAllow 10\.0\.0\.0/8},
        'an allowed one';
    (my $query = $evil) =~ s/([^\w.])/sprintf '%%%02x', ord $1/ge;
    $b->open("$page?ip=$query");
    like $b->text('#answer'), qr/^"<img .*not an address/,
        'what is none is shown as it is';
    is $b->value('document.getElementById("ip").value'), $evil,
        'and stays in the form';
    is $b->value('document.images.length + document.scripts.length'), 0,
        'as text';
};

subtest 'in the dark' => sub {
    my $b = BanList::Browser->new(dark => 1);
    $b->open("$page?ip=10.1.1.1");
    like $b->css('body', 'background-color'), qr/^rgba?\(\d\d?, \d\d?, \d\d?\b/,
        'dark';
    sound($b);
    shot($b, 'dark');
};

subtest 'on a telephone' => sub {
    my $b = BanList::Browser->new(width => 360, height => 800);
    $b->open("$page?ip=192.0.2.7");
    sound($b);
    shot($b, 'narrow');
};

done_testing;
