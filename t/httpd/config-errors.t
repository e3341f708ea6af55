#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A directive in the wrong place or with a bad value keeps the configuration
# from being sound, and the error names the directive and the value.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Test;
use Test::More;

# Each with a value that is right.
my %RIGHT = (
    BanListEngine     => 'DetectionOnly',
    BanListFile       => 'a b',
    BanListAllow      => '192.0.2.1 2001:db8::/32 ::ffff:192.0.2.0/120',
    BanListAllowFile  => 'a b',
    BanListAction     => 'drop 429',
    BanListExempt     => '"%{REQUEST_URI} == \'/x\'"',
    BanListConnection => 'On',
    BanListIPv6Prefix => '64',
    BanListHostnames  => 'On',
    BanListInterval   => '250ms',
    BanListMemory     => '64M',
);

my %GLOBAL = map { $_ => 1 } qw(BanListInterval BanListMemory);

my %WRONG = (
    BanListEngine     => ['Perhaps', '1'],
    BanListFile       => ["''"],
    BanListAllow      => ['192.0.2.256', '192.0.2.0/33', '192.0.2.0/0',
        '192.0.2.01', 'example.net', '2001:db8::/129', 'fe80::1%lo',
        '192.0.2.1/'],
    BanListAllowFile  => ["''"],
    BanListAction     => ['200', '399', '600', '403x', '0403', 'explode',
        '403 explode', 'drop 200'],
    BanListExempt     => ['"%{REQUEST_URI} =="', '"(("'],
    BanListConnection => ['Perhaps'],
    BanListIPv6Prefix => ['0', '129', '-1', '64x', '/64', '0x40'],
    BanListHostnames  => ['Perhaps'],
    BanListInterval   => ['9ms', '0', '-1', 'often', '1y', '25h',
        '99999999999999999999'],
    BanListMemory     => ['0', '1023K', '-1', 'much', '64X', '64MB', '9999G',
        '99999999999999999999', '99999999999999999999999G'],
);

# What the message must have of a value: its last word, without quotes.
sub word_of {
    my @words = split ' ', shift;
    return @words > 1 && $words[0] !~ /^"/ ? $words[-1] : "@words";
}

sub unsound {
    my ($h, $conf, @says) = @_;
    $h->configure(conf => $conf);
    my ($status, $said) = $h->run('-t');
    my @missing = grep { index($said, $_) < 0 } @says;
    ok $status != 0 && !@missing, "unsound: $conf" or diag $said;
}

# The configuration is read the same under each MPM.
my $h = BanList::Httpd->new;
for my $name (sort keys %RIGHT) {
    my $line = "$name $RIGHT{$name}\n";
    $h->configure(conf => $line);
    my ($status, $said) = $h->run('-t');
    is $status, 0, "sound: $name $RIGHT{$name}" or diag $said;

    my $vhost = "<VirtualHost *:1>\n$line</VirtualHost>\n";
    $h->configure(conf => $vhost);
    ($status, $said) = $h->run('-t');
    $GLOBAL{$name} ? unsound($h, $vhost, $name)
        : is $status, 0, "$name in a virtual host" or diag $said;
    unsound($h, "<$_>\n$line</" . (split)[0] . ">\n", $name)
        for "Directory \"@{[$h->root]}\"", 'Location "/"', 'Files "x"';

    for my $value (@{ $WRONG{$name} || BAIL_OUT("no wrong value of $name") }) {
        (my $word = word_of($value)) =~ tr/"'//d;
        unsound($h, "$name $value\n", $name, $word);
    }
}

# What httpd sends as 500 is told of, and no more than that.
for my $case (['499', '499'], ['drop 418', '418'], ['599 503', '599'], ['403 503']) {
    my ($value, $unknown) = @$case;
    $h->configure(conf => "BanListAction $value\n");
    my ($status, $said) = $h->run('-t');
    is $status, 0, "sound: BanListAction $value" or diag $said;
    my @told = $said =~ /BL0108.*?: BanListAction: (.*)/g;
    is scalar(@told), $unknown ? 1 : 0, 'told once, if at all' or diag $said;
    like $told[0], qr/^httpd has no status $unknown\b.*500/, 'which'
        if $unknown;
}

# .htaccess is read when a request comes.
each_mpm {
    my $mpm = shift;
    my $names = 0;
    my $server = BanList::Httpd->new(mpm => $mpm, conf =>
        "<Directory \"\@ROOT\@/htdocs\">\nAllowOverride All\n</Directory>\n"
            . "BanListAction 499\n");
    $server->start;
    is scalar(() = $server->error_log =~ /BL0108/g), 1,
        'a status that httpd does not have: told of once at start';
    for my $name (sort keys %RIGHT) {
        $server->write_file('htdocs/.htaccess', "$name $RIGHT{$name}\n");
        is $server->get('/')->{status}, 500, "$name in .htaccess";
        like $server->error_log, qr/htaccess: $name not allowed here/,
            'and the log says so';
    }
    $server->stop;
};

done_testing;
