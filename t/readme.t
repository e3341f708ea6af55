#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The section "The list file" of README.md is true: the reader takes every
# line form in its first block, which are all that the contract has, and
# refuses all in its second block for the reason given there.  The ten lines of
# "Configure it" are taken by httpd.
#
# A block's line is one or more forms with three blanks or more between each
# two, and a comment: "FORM   FORM   # what it is".
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use BanList::Httpd;

my $tree = abs_path("$FindBin::Bin/..");
my $command = $ENV{BANLIST_COMMAND} || "$tree/build/banlist";
-x $command or die "no $command: run make\n";
my $folder = tempdir(CLEANUP => 1);

# What the contract promises to take.
my @contract = ('192.0.2.7 -', '192.0.2.7', '2001:db8::7', '[2001:db8::7]',
    '192.0.2.0/24', '2001:db8::/32', '192.0.2.0/255.255.255.0',
    '192.0.2.10-192.0.2.20', '192.0.2.7 until=1767225600', '!192.0.2.9',
    '192.0.2.7 1;', '192.0.2.7 0;', '\192.0.2.7 1;', 'deny 192.0.2.7;',
    'ALL: 192.0.2.7', 'Require not ip 192.0.2.7', 'Deny from 192.0.2.7',
    'add SET 192.0.2.7', '1.10.16.0/20 ; SBL256894',
    '{"cidr":"1.10.16.0/20","sblid":"SBL256894"}', 'bad.example.net -',
    '.example.net -');

sub section {
    my ($file, $name) = (@_, 'The list file');
    open my $in, '<:raw', "$tree/$file" or return;
    local $/;
    my ($text) = <$in> =~ /^## \Q$name\E\n(.*?)(?=^## |\z)/ms;
    return $text;
}

# A block's lines: [text as it stands, comment, form …].
sub lines_of {
    my @lines;
    for my $line (split /\n/, shift) {
        next if $line =~ /^\s*$/;
        my ($forms, $comment) = $line =~ /^(.*?)(?:\s{2,}# (.*))?$/;
        push @lines, [$line, $comment // '', split /\s{3,}/, $forms];
    }
    return @lines;
}

# What `banlist check` says of a file with this one line: (status, words).
sub check {
    my $path = "$folder/list";
    open my $out, '>:raw', $path or die "$path: $!";
    print $out shift, "\n";
    close $out;
    open my $said, '-|', $command, 'check', $path or die "$command: $!";
    local $/;
    my $words = <$said>;
    close $said;
    return ($? >> 8, $words);
}

# README.md takes the fragment over word for word.
my ($file) = grep { section($_) } 'README.md', 'docs/list-file-fragment.md';
ok $file, 'there is a section "The list file"' or BAIL_OUT('no section');
note $file;
my ($taken, $refused) = section($file) =~ /^```\w*\n(.*?)^```$/msg;
my @taken   = lines_of($taken   // '');
my @refused = lines_of($refused // '');

my %there;
for my $line (@taken) {
    my ($text, $comment, @forms) = @$line;
    for my $form (@forms) {
        $there{$form} = 1;
        my $entries = $form =~ / 0;$/ ? '0 entries' : '1 entry';
        my ($status, $said) = check($form);
        is $status, 0, "taken: $form" or diag $said;
        like $said, qr/: \Q$entries\E /, "$entries";
        is +(check("$form  # $comment"))[0], 0, 'with its comment';
    }
}
ok $there{$_}, "the contract's form is there: $_" for @contract;

ok scalar(@refused), 'there are lines that are refused';
for my $line (@refused) {
    my ($text, $comment, @forms) = @$line;
    for my $form (@forms) {
        my ($status, $said) = check($form);
        is $status, 1, "refused: $form";
        like $said, qr/:1: [^"]*\Q$comment\E/, $comment;
    }
}

# Only the paths and Debian's own variable are another here.
my ($ten) = section('README.md', 'Configure it')
    =~ /^(    .*\n(?:(?:    .*)?\n)*)/m;
my $h = BanList::Httpd->new(banlist => 0);
my ($modules) = $h->read_file('conf/httpd.conf')
    =~ m{^LoadModule unixd_module (.*)/}m;
$modules //= '/usr/lib/apache2/modules';
my $ours = BanList::Httpd::module();
is +($ten =~ s{ /usr/lib/apache2/modules/mod_banlist\.so$}{ $ours}m), 1,
    "the module's path";
is +($ten =~ s{ /usr/lib/apache2/modules/}{ $modules/}), 1, "mod_remoteip's";
is +($ten =~ s{ /etc/apache2/banned-hosts}{ banned-hosts}), 1, "the list's";
is +($ten =~ s/\$\{APACHE_LOG_DIR\}/logs/), 1, "the log's";
my @lines = grep { /\S/ } split /\n/, $ten;
cmp_ok scalar(@lines), '<=', 10, 'ten lines';
$h->configure(conf => "LogFormat \"%h\" combined\n$ten");
my ($status, $said) = $h->run('-t');
is $status, 0, 'which httpd takes' or diag $said;
unlike $said, qr/AH\d+|\[warn\]/, 'without a warning of its own';

my $prose = 1;
open my $in, '<', "$tree/README.md" or die $!;
while (<$in>) {
    $prose = !$prose if /^```/;
    next if !$prose || /^(?:\||    |@@)/;
    cmp_ok length, '<=', 80, "README.md:$.: the line is not too long" or last;
}

done_testing;
