#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Nothing is forgotten: the code, conf/banlist.conf, docs/mod_banlist.md and .8
# (and README.md, if it has a table of them) name the same directives with the
# same defaults and contexts; every field of the configuration is created and
# merged; every line of the error log, metric and environment variable is in
# the documentation.  A check that finds nothing to check fails.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use BanList::Httpd;
use Test::More;

chdir "$FindBin::Bin/.." or die $!;

sub slurp {
    my $file = shift;
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    return <$in>;
}

sub slurp_all { join '', map { slurp($_) } @_ }

my $code = slurp('httpd/config.c');
my $conf = slurp('conf/banlist.conf');
my $docs = slurp('docs/mod_banlist.md');
my @sources = grep { /\.c$/ } glob('*.c httpd/*.c');

# Whether two sets of names are the same, and not empty.
sub same_names {
    my ($got, $expected, $what) = @_;
    my %count = map { $_ => 1 } @$got;
    is @$got, keys %count, "$what: none twice";
    ok scalar(@$got), "$what: some were found";
    is_deeply [sort @$got], [sort @$expected], $what;
}

# --- What the code has: name => { default, global } -------------------------

my ($table) = $code =~ /\bbanlist_commands\[\] = \{(.*?)^\s*\{NULL/ms;
my %directive;
while ($table =~ /AP_INIT_\w+\("(\w+)",\s*(\w+),/g) {
    my ($name, $function) = ($1, $2);
    my ($body) = $code =~ /^static const char \*$function\(.*?^\{(.*?)^\}/ms;
    $directive{$name} = { default => 'none',
        global => ($body // die "no $function") =~ /\bGLOBAL_ONLY\b/ ? 1 : 0 };
}
my @names = sort keys %directive;

# The defaults as the module itself tells them; what has none has no row.
sub settings_of {
    my $h = BanList::Httpd->new(@_);
    my ($status, $said) = $h->run('-t', '-D', 'DUMP_BANLIST');
    is $status, 0, 'httpd takes it' or diag $said;
    my ($server) = $said =~ /^  main server [^\n]*\n((?:    [^\n]*\n)*)/m;
    return ($server // '') =~ /^    (\w+) (.*)$/mg;
}

my %told = settings_of();
$directive{$_}{default} = $told{$_} for keys %told;

subtest 'code' => sub {
    cmp_ok scalar(@names), '>', 0, 'directives were found';
    my $table_rows = () = $table =~ /AP_INIT_/g;
    is scalar(@names), $table_rows, 'and every row of the table was read';
    ok exists $directive{$_}, "$_ is told of, and in the table"
        for sort keys %told;
    ok scalar(grep { $_->{default} ne 'none' } values %directive),
        'there are defaults';
    ok scalar(grep { $_->{global} } values %directive),
        'and directives for the main server alone';
};

# --- conf/banlist.conf ------------------------------------------------------

# A directive stands behind the comment that explains it, live or commented
# out; "Default: none" there means that its value is an example.
sub reference {
    my %found;
    while ($conf =~ /((?:^ +\# [^\n]*\n)+)^ +\#?(BanList\w+) ([^\n]*)$/mg) {
        my ($comment, $name, $value) = ($1, $2, $3);
        $found{$name} = {
            default => $comment =~ /Default: none/ ? 'none' : $value,
            global  => $comment =~ /Main server only/ ? 1 : 0,
        };
    }
    return \%found;
}

subtest 'conf/banlist.conf' => sub {
    my $found = reference();
    my @lines = $conf =~ /^ +#?(BanList\w+) /mg;
    same_names(\@lines, \@names, 'directives');
    for my $name (@names) {
        is_deeply $found->{$name}, $directive{$name}, $name;
    }
};

# --- docs/mod_banlist.md ----------------------------------------------------

# name => { Description => …, Syntax => …, example => … }
sub documented {
    my %found;
    while ($docs =~ /^## (BanList\w+) Directive\n(.*?)(?=^## )/msg) {
        my ($name, $text) = ($1, $2);
        my %row = $text =~ /^\| (\w+): \| (.*?) \|$/mg;
        ($row{example}) = $text =~ /^```apache\n(.*?)^```$/ms;
        s/\\\|/|/g, s/^`|`$//g for values %row;
        $found{$name} = \%row;
    }
    return \%found;
}

my $documented = documented();

subtest 'docs/mod_banlist.md' => sub {
    my @sections = $docs =~ /^## (BanList\w+) Directive$/mg;
    same_names(\@sections, \@names, 'directives');
    my ($index) = $docs =~ /^Directives: (.*?)\n\n/ms;
    same_names([$index =~ /\[(BanList\w+)\]/g], \@names, 'index');
    for my $name (@names) {
        my $row = $documented->{$name};
        ok length($row->{$_} // ''), "$name has $_"
            for qw(Description Syntax Default Context Module Compatibility);
        like $row->{Syntax}, qr/^$name \S/, "${name}'s Syntax";
        like $row->{example}, qr/^\s*$name\s+\S/m, "${name}'s example";
        my $default = $directive{$name}{default};
        is $row->{Default}, $default eq 'none' ? $default : "$name $default",
            "${name}'s Default";
        is $row->{Context}, 'server config'
            . ($directive{$name}{global} ? '' : ', virtual host'),
            "${name}'s Context";
    }
};

subtest 'what the documentation shows works' => sub {
    my @examples = grep { !/^LoadModule/ } $docs =~ /^```apache\n(.*?)^```$/msg;
    cmp_ok scalar(@examples), '>', @names, 'examples were found';
    my $n = 0;
    for my $example (@examples) {
        my $h = BanList::Httpd->new(
            modules => [qw(authz_host remoteip)], conf => $example);
        my ($status, $said) = $h->run('-t');
        is $status, 0, 'example ' . ++$n or diag "$example\n$said";
    }
};

subtest 'httpd -t -D DUMP_BANLIST tells of each' => sub {
    my @lines = map { $documented->{$_}{example} =~ /^\s*($_\s+.*)$/m } @names;
    my %row = settings_of(conf => join "\n", @lines);
    same_names([keys %row], \@names, 'directives');
};

subtest 'the context is the one that counts' => sub {
    for my $name (@names) {
        my ($value) = $documented->{$name}{example} =~ /^\s*$name\s+(.*)$/m;
        my $h = BanList::Httpd->new(vhosts => ['a.test' => "$name $value"]);
        my ($status, $said) = $h->run('-t');
        is $status != 0 ? 1 : 0, $directive{$name}{global},
            "$name in a virtual host" or diag $said;
    }
};

# --- docs/mod_banlist.8 -----------------------------------------------------

subtest 'docs/mod_banlist.8' => sub {
    my $page = slurp('docs/mod_banlist.8');
    my @items = $page =~ /^\.It Cm (BanList\w+) /mg;
    same_names(\@items, \@names, 'directives');
    while ($page =~ /^\.It Cm (BanList\w+) .*?\n(.*?)(?=^\.(?:It|El))/msg) {
        my ($name, $text) = ($1, $2);
        my ($default) = $text =~ /Default:\s(?:\.Cm )?(\w+)/;
        is $default // 'none', $directive{$name}{default}, $name;
        is $text =~ /main\sserver\sonly/ ? 1 : 0, $directive{$name}{global},
            "${name}'s context";
    }
};

# --- README.md --------------------------------------------------------------

# Rows of the form | `BanListEngine` | … | `On` | … |, below a head that says
# which column has the default.
subtest 'README.md' => sub {
    my $readme = -e 'README.md' ? slurp('README.md') : '';
    my @rows = $readme =~ /^(\| *`?BanList\w+`? *\|.*)$/mg
        or die "README.md has no table of directives\n";
    my ($head) = $readme =~ /^(\|.*)\n\|[-|: ]+\n\| *`?BanList\w+`? *\|/m;
    my @head = map { lc } split / *(?<!\\)\| */, $head;
    my ($column) = grep { $head[$_] eq 'default' } 0 .. $#head;
    my %found;
    for my $row (@rows) {
        my @cell = split / *(?<!\\)\| */, $row;
        my ($name) = $cell[1] =~ /(BanList\w+)/;
        $found{$name} = defined $column ? $cell[$column] =~ tr/`//dr : undef;
    }
    same_names([map { /(BanList\w+)/ } @rows], \@names, 'directives');
    return unless defined $column;
    is $found{$_}, $directive{$_}{default}, "${_}'s default" for @names;
};

# --- The configuration's fields ---------------------------------------------

subtest 'every field is created and merged' => sub {
    my $header = slurp('httpd/banlist_httpd.h') =~ s{/\*.*?\*/}{}gsr;
    my ($struct) = $header
        =~ /^typedef struct banlist_conf_t \{(.*?)^\} banlist_conf_t;/ms;
    my @fields = ($struct // '') =~ /(\w+);/g;
    cmp_ok scalar(@fields), '>=', @names, 'fields were found';
    for my $function (qw(banlist_conf_create banlist_conf_merge)) {
        my ($body) = $code =~ /^void \*$function\(.*?^\{(.*?)^\}/ms;
        like $body, qr/^    conf->$_ =/m, "$function: $_" for @fields;
    }
};

# --- What is logged, counted and marked -------------------------------------

sub unique { my %seen; return grep { !$seen{$_}++ } @_ }

subtest 'every code of the error log is explained' => sub {
    my @logged = slurp_all(@sources) =~ /"(BL\d{4}): banlist: /g;
    same_names([$docs =~ /^\| (BL\d{4}) \|/mg], \@logged, 'codes');
};

subtest 'every metric is named' => sub {
    my @metrics = unique(slurp_all(glob 'httpd/figures.c httpd/status_text.c')
        =~ /"(banlist_(?:info|lists\w*|list_\w+))"/g);
    my ($list) = $docs =~ /^The metrics: (.*?)\n\n/ms;
    same_names([$list =~ /`(\w+)`/g], \@metrics, 'metrics');
};

subtest 'every environment variable is named' => sub {
    my @marks = unique(slurp('httpd/verdict.c') =~ /"(BANLIST_\w+)"/g);
    same_names([$docs =~ /^\| `(BANLIST_\w+)` \|/mg], \@marks, 'variables');
};

done_testing;
