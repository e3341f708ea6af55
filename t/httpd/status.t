#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The status page: all formats show the same figures, each in its own sound
# form; an address gets the answer that its requests get; nothing from
# outside is more than text.  And mod_status's short form.
use strict;
use warnings;

use Digest::SHA qw(sha256_base64);
use FindBin;
use JSON::PP ();
use lib "$FindBin::Bin/../lib";

use BanList::Peers;
use BanList::Test;
use Test::More;

my $PAGE = '/banlist-status';
my $CONF_PAGES = <<'END';
<Location "/banlist-status">
    SetHandler banlist-status
</Location>
<Location "/server-status">
    SetHandler server-status
</Location>
END
my $json = JSON::PP->new->utf8;

sub page {
    my ($h, $query, %opt) = @_;
    return $h->get($PAGE . (defined $query ? "?$query" : ''), %opt);
}

sub json { return $json->decode(page(shift, join '&', 'format=json', @_)->{body}) }

sub auto {
    my $body = page(shift, join '&', 'auto', @_)->{body};
    return map { /^([^:]+): (.*)$/ ? ($1 => $2) : (bad => $_) }
        split /\n/, $body;
}

sub escaped {
    my $text = shift;
    $text =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ge;
    return $text;
}

# --- Under each MPM ----------------------------------------------------------

each_mpm {
    my $h = BanList::Httpd->new(
        mpm => shift, modules => ['status'], files => {
            banned => "127.0.0.9\n192.0.2.0/24\n" },
        conf => "BanListFile banned missing\n$CONF_PAGES",
    );
    $h->start;
    is $h->get('/', from => '127.0.0.9')->{status}, 403, 'refused'
        for 1 .. 3;

    my $got = page($h);
    is $got->{status}, 200, 'a page';
    like $got->{headers}{'content-type'}, qr{^text/html; charset=utf-8}i,
        'of HTML';
    my $head = page($h, undef, method => 'HEAD');
    is "$head->{status} $head->{body}", '200 ', 'HEAD';
    for my $method (qw(POST PUT DELETE OPTIONS PATCH)) {
        $got = page($h, undef, method => $method, body => 'x');
        is $got->{status}, 405, "$method is not allowed";
        like $got->{headers}{allow}, qr/GET/, 'GET is';
    }
    is page($h, undef, from => '127.0.0.9')->{status}, 403,
        'a banned client is refused here too';

    my %auto = auto($h);
    is $auto{refused_requests}, 4, 'refusals counted';
    is $auto{refused_last_hour}, 4, 'and those of the last hour';
    is $auto{'list.1.entries'}, 2, 'entries';
    is $auto{'list.2.state'}, 'missing', 'a file that is not there';
    $h->graceful;
    %auto = auto($h);
    is $auto{refused_requests}, 4, 'the figures outlive a restart';

    $got = $h->get('/server-status?auto')->{body};
    like $got, qr/^BanListLists: 2$/m, 'mod_status has the lists';
    like $got, qr/^BanListListsInTrouble: 1$/m, 'the trouble';
    like $got, qr/^BanListEntries: 2$/m, 'the entries';
    like $got, qr/^BanListRefusedRequests: 4$/m, 'and the refusals';
    $got = $h->get('/server-status')->{body};
    like $got, qr/2 lists: 2 entries, 0 bad lines/, 'in HTML too';
    like $got, qr{In trouble: \S+/missing is missing}, 'trouble and all';
};

# --- Formats ----------------------------------------------------------------

my $evil = qq{"><script>alert('&amp;')</script>};
my $h = BanList::Httpd->new(
    modules => ['alias'],
    conf => <<"END",
BanListFile banned "b\\"<i>&d"
BanListAllow 10.0.0.0/8
BanListAllowFile allowed
BanListInterval 20ms
$CONF_PAGES
END
    vhosts => [
        'a.test' => '',
        'b.test' => "BanListFile other\nBanListAction reset 451\n"
            . "BanListAllow 192.0.2.7",
        'c.test' => 'BanListEngine DetectionOnly',
        'd.test' => 'BanListEngine Off',
    ],
    files => {
        banned => "# comment\n192.0.2.7 until=1999999999\n192.0.2.0/28\n"
            . "2001:db8::/32\n2001:db8::7\n!192.0.2.9\n!192.0.2.12/31\n"
            . "bad.example.net\n127.0.0.9\n10.1.1.1\n198.51.100.7\n"
            . "1.2.3.400\n$evil\n\xff\x1b[31m \xe2\x80\xae \xc3\xa9 \\\n"
            . "x\ny\nz\n192.0.2.200 until=5\n127.0.0.8 -\n!127.0.0.8\n",
        qq{b"<i>&d} => "203.0.113.5\n",
        allowed     => "198.51.100.0/24 until=1999999999\n127.0.0.7\n",
        other       => "203.0.113.9\n127.0.0.6\n127.0.0.7\n",
    },
);
$h->start;
$h->get('/', from => '127.0.0.9') for 1 .. 5;
$h->append_file('allowed', "203.0.113.77\n");
wait_for(sub { json($h)->{lists}[2]{entries} == 3 }, 5);

subtest 'headers' => sub {
    for (['', 'text/html; charset=utf-8'], ['auto', 'text/plain'],
        ['format=json', 'application/json'],
        ['format=prometheus', 'text/plain; version=0.0.4'],
        ['format=html', 'text/html'], ['format=auto', 'text/plain']) {
        my ($query, $type) = @$_;
        my $got = page($h, $query);
        my $headers = $got->{headers};
        like $headers->{'content-type'}, qr/^\Q$type\E/i, "type of ?$query";
        is $headers->{'cache-control'}, 'no-store', 'not stored';
        is $headers->{'x-content-type-options'}, 'nosniff', 'not guessed at';
        like $headers->{'content-security-policy'},
            qr/^default-src 'none';/, 'nothing runs';
        unlike $headers->{'content-security-policy'}, qr/unsafe|script/,
            'whatever stands in it';
    }
    is page($h, 'format=xml')->{status}, 400, 'a format that there is not';
    is page($h, 'ip=%zz')->{status}, 400, 'an escape that is none';
    is page($h, 'ip=1.2.3.4%00')->{status}, 400, 'a NUL';
    is page($h, 'nobody=knows&ip=')->{status}, 200, 'what is passed over';
};

subtest 'the style sheet is let in by its hash' => sub {
    my $got = page($h);
    my ($style) = $got->{body} =~ m{<style>(.*?)</style>}s;
    my ($hash) =
        $got->{headers}{'content-security-policy'} =~ /'sha256-([^']+)'/;
    is $hash, sha256_base64($style) . '=',
        'STYLE_SHA256 is the hash of STYLE';
};

# HTML shows people's numbers: those are looked for by their words.
subtest 'the same figures in all formats' => sub {
    my $j = json($h);
    my %auto = auto($h);
    my $prometheus = page($h, 'format=prometheus')->{body};
    my $html = page($h)->{body};
    is $auto{bad}, undef, 'key: value lines alone';
    is scalar(@{ $j->{lists} }), 4, 'all lists of all servers, once';
    is $auto{lists}, 4, 'in ?auto';
    like $prometheus, qr/^banlist_lists 4$/m, 'and in Prometheus';
    my $first = $j->{lists}[0];
    my %expect = (ipv4_addresses => 6, ipv4_prefixes => 1,
        ipv6_addresses => 1, ipv6_prefixes => 1, names => 1,
        ipv4_address_exceptions => 2, ipv4_prefix_exceptions => 1,
        bad_lines => 6, full_loads => 1, appends => 0,
        refused_requests => 5, refused_connections => 0,
        refused_last_hour => 5, marked => 0);
    is $first->{$_}, $expect{$_}, "$_ $expect{$_}" for sort keys %expect;
    is $j->{lists}[2]{last_load}, 'appended', 'how it was last loaded';

    my $compared = 0;
    for my $i (0 .. $#{ $j->{lists} }) {
        my $list = $j->{lists}[$i];
        my $n = $i + 1;
        for my $key (grep { !ref $list->{$_} } sort keys %$list) {
            next unless defined $list->{$key};
            my $value = $auto{"list.$n.$key"};
            my $same = $list->{$key} =~ /^\d[\d.]*(?:e-\d+)?$/
                ? $value == $list->{$key} : $value eq $list->{$key};
            ok $same, "list $n: $key is $value" or diag $list->{$key};
            $compared++;
        }
        my $sum = 0;
        $sum += $_ for @{ $list->{refused_by_minute} };
        is $sum, $list->{refused_last_hour}, 'the minutes make the hour';
        my $bytes = $list->{file_bytes};
        like $html, qr/\b$bytes byte/, 'in HTML';
        like $prometheus, qr/^banlist_list_file_bytes\{.*\} $bytes$/m,
            'and in Prometheus';
    }
    cmp_ok $compared, '>', 100, "$compared figures compared";
    my $exception = 'family="ipv4",kind="prefix",exception="yes"';
    my %metric = (
        lines                  => 'lines',
        entries                => 'entry_lines',
        bad_lines              => 'bad_lines',
        memory_bytes           => 'memory_bytes',
        full_loads             => ['loads_total', 'how="full"'],
        names                  => ['entries', 'kind="name",exception="no"'],
        ipv4_prefix_exceptions => ['entries', $exception],
        refused_requests       => ['refusals_total', 'what="request"'],
        refused_last_hour      => 'refusals_last_hour',
        last_load_seconds      => 'last_load_duration_seconds',
    );
    my $path = $first->{path};
    for my $key (sort keys %metric) {
        my ($name, $label) = ref $metric{$key} ? @{ $metric{$key} }
            : ($metric{$key}, '');
        my ($value) = $prometheus =~ /^banlist_list_$name\{list="\Q$path\E",
            [^}]*$label\}\ (\S+)$/mx;
        cmp_ok $value // -1, '==', $first->{$key}, "$key in Prometheus";
    }
    like $html, qr/6 IPv4 addresses, 1 IPv4 prefix, 1 IPv6 address, /,
        'entries by kind in HTML';
    like $html, qr/>5 requests</, 'refusals in HTML';
    like $html, qr/6 bad lines/, 'bad lines in HTML';
    is scalar(() = $html =~ /<g>/g), 60, 'and a bar for each minute';
};

subtest 'Prometheus' => sub {
    my $text = page($h, 'format=prometheus')->{body};
    my $program = BanList::Peers::program('promtool');
    $h->write_file('metrics', $text);
    my $said = `$program check metrics < @{[$h->path('metrics')]} 2>&1`;
    is $said, '', 'promtool check metrics finds nothing';
    is $?, 0, 'and is content';
    my %seen;
    is join("\n", grep { !/^#/ && /^(.*) \S+$/ && $seen{$1}++ }
        split /\n/, $text), '', 'no sample twice';
};

subtest 'nothing from outside is more than text' => sub {
    my $ip = escaped($evil);
    my $html = page($h, "ip=$ip")->{body};
    unlike $html, qr/<script/i, 'no script in HTML';
    unlike $html, qr/<i>/, 'no markup of a path';
    is scalar(() = $html =~ /&lt;script&gt;alert/g), 3,
        'a bad line and the query, shown as they are';
    unlike $html, qr/[^\x20-\x7e\n\x80-\xff]/, 'no control character';
    utf8::decode(my $decoded = $html);
    ok utf8::is_utf8($decoded), 'valid UTF-8';
    like $html, qr/\\xff\\x1b\[31m \\xe2\\x80\\xae \xc3\xa9 \\/,
        'what is not to be seen is spelt';

    my $j = json($h, "ip=$ip");
    is $j->{answer}{asked}, $evil, 'JSON';
    like $j->{lists}[1]{path}, qr/b"<i>&d$/, 'a path';
    is $j->{lists}[0]{first_bad_lines}[1]{text}, $evil, 'a bad line';
    my %auto = auto($h, 'ip=1.2.3.4%0d%0aanswer.verdict:%20banned');
    is $auto{'answer.verdict'}, 'no_address', 'no line can be put in ?auto';
};

# --- The answer -------------------------------------------------------------

# What ?ip= says is what the client itself meets.
subtest 'an answer is what requests get' => sub {
    my %known = ('127.0.0.9' => 'banned', '127.0.0.8' => 'not_banned',
        '127.0.0.7' => 'not_banned', '127.0.0.6' => 'not_banned');
    for my $host (qw(a.test b.test c.test d.test)) {
        for my $ip (sort keys %known) {
            my %as = (headers => { Host => $host });
            my $answer = $json->decode(
                page($h, "format=json&ip=$ip", %as)->{body})->{answer};
            my $got = $h->get('/', from => $ip, %as);
            my $met = $got->{status} == 200 ? 0 : 1;
            is $answer->{refused} ? 1 : 0, $met,
                "$ip on $host: $answer->{verdict}";
            is $answer->{verdict}, $known{$ip}, 'as expected'
                if $host eq 'a.test';
            like $answer->{server}, qr/^\Q$host\E:\d+$/, 'by its server';
        }
    }
};

subtest 'what an answer tells' => sub {
    my %as = (headers => { Host => 'b.test' });
    my $ask = sub {
        my ($ip, @as) = @_;
        return $json->decode(
            page($h, 'format=json&ip=' . escaped($ip), @as)->{body})->{answer};
    };
    my $a = $ask->('192.0.2.7');
    is $a->{verdict}, 'banned', 'banned';
    is $a->{entry},   '192.0.2.7', 'by the longest prefix';
    like $a->{file}, qr{/banned$}, 'in its file';
    is $a->{line},  2,          'its line';
    is $a->{until}, 1999999999, 'until then';
    like $a->{text}, qr/until 2033-05-18 03:33:19 UTC\. It gets: 403/,
        'all of it in words';
    $a = $ask->('192.0.2.1');
    is $a->{entry}, '192.0.2.0/28', 'by a prefix';
    is $a->{until}, undef,          'for ever';
    is $ask->(" 2001:DB8:0:0::7\t")->{address}, '2001:db8::7',
        'canonical, blanks and all';
    is $ask->('::ffff:192.0.2.7')->{entry}, '192.0.2.7', 'IPv4-mapped';
    is $ask->('192.0.2.200')->{verdict}, 'not_banned', 'a ban that has ended';

    $a = $ask->('192.0.2.9');
    is $a->{verdict}, 'not_banned', 'an exception';
    like $a->{text}, qr/exception says so: !192\.0\.2\.9 in \S+ line 6/,
        'is named';
    is scalar(grep { $_->{exception} } @{ $a->{matches} }), 1, 'and marked';
    $a = $ask->('10.1.1.1');
    is $a->{verdict}, 'allowed', 'BanListAllow saves it';
    is $a->{allow}, '10.0.0.0/8', 'and is named';
    is $a->{line}, 10, 'with what would have banned it';
    $a = $ask->('198.51.100.7');
    is $a->{verdict}, 'allowed', 'an allow file saves it';
    like $a->{text}, qr{allowed by 198\.51\.100\.0/24 in \S+/allowed line 1},
        'and is named';

    $a = $ask->('203.0.113.9', headers => { Host => 'a.test' });
    is $a->{verdict}, 'not_banned', "another server's list";
    like $a->{text}, qr/list of another server/, 'is told of';
    like $a->{matches}[0]{servers}[0], qr/^b\.test:/, 'with whose it is';
    ok !$a->{matches}[0]{here}, 'and that it does not count here';
    $a = $ask->('203.0.113.9', %as);
    is $a->{verdict}, 'banned', 'there it does';
    like $a->{text}, qr/gets: reset, behind a trusted proxy: 451/,
        'with its own action';
    $a = $ask->('192.0.2.7', headers => { Host => 'c.test' });
    like $a->{text}, qr/BanListEngine is DetectionOnly, so it is not refused/,
        'an engine that only looks on';

    $a = $ask->('Bad.Example.net.');
    is $a->{verdict}, 'banned', 'a host name';
    is $a->{line}, 8, 'in its line';
    like $a->{text}, qr/BanListHostnames is Off, so nobody is refused/,
        'counts where names do';
    is $ask->('good.example.net')->{verdict}, 'not_banned', 'another';

    my %auto = auto($h, 'ip=192.0.2.7');
    is $auto{'answer.verdict'}, 'banned', '?auto answers too';
    is $auto{'answer.line'}, 2, 'in full';
    my $got = page($h, 'ip=192.0.2.7x');
    is $got->{status}, 400, 'no address';
    like $got->{body}, qr/&quot;192\.0\.2\.7x&quot; is not an address: \w/,
        'and why';
};

# --- Trouble ----------------------------------------------------------------

subtest 'trouble with a file' => sub {
    my $list = sub { (grep { $_->{path} =~ /other$/ } @{ json($h)->{lists} })[0] };
    my $becomes = sub {
        my $state = shift;
        ok wait_for(sub { $list->()->{state} eq $state }, 10), $state;
    };
    is $list->()->{trouble}, undef, 'none at first';
    unlink $h->path('other');
    $becomes->('missing');
    like $list->()->{trouble}, qr/missing; the last good list stays in force/,
        'in words';
    like page($h)->{body}, qr/Trouble with 1 of 4 lists/, 'at the top';
    is $list->()->{entries}, 3, 'what is in force is shown';
    mkdir $h->path('other');
    $becomes->('not_regular');
    like page($h, 'format=prometheus')->{body},
        qr/^banlist_list_state\{.*state="not_regular"\} 1$/m, 'in Prometheus';
    rmdir $h->path('other');
    $h->write_file('other', '');
    $becomes->('loaded');
    like page($h)->{body}, qr/All 4 lists are loaded/, 'well again';
    is $list->()->{entries}, 0, 'and empty';
};

done_testing;
