#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The examples in conf/ with the real HAProxy and nginx in front: HAProxy
# drops the client that Apache marks, and no number of banned requests makes
# either of them count a backend as broken.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Peers;
use BanList::Test;
use Test::More;

for my $name (qw(haproxy nginx)) {
    eval { BanList::Peers::program($name) } or plan skip_all => $@;
}

my ($BANNED, $INNOCENT) = qw(127.0.0.7 127.0.0.9);

sub example {
    my $name = shift;
    open my $in, '<', "$FindBin::Bin/../../conf/$name" or die "$name: $!";
    local $/;
    return <$in>;
}

# Replaces what a machine of its own would have there; each must be there.
sub adapted {
    my ($name, @changes) = @_;
    my $text = example($name);
    while (my ($old, $new) = splice @changes, 0, 2) {
        $text =~ s/\Q$old\E/$new/g or die "$name has no '$old'\n";
    }
    return $text;
}

# Two servers of one httpd: two backends for a proxy.
sub apache {
    my $action = shift;
    my $h = BanList::Httpd->new(
        modules => [qw(remoteip headers log_config)],
        ports   => 2,
        files   => { banned => "$BANNED -\n" },
        conf    => join("\n",
            'LogFormat "%a %>s" combined',
            map { adapted('apache/behind-proxy.conf',
                '*:80'                    => "*:\@PORT$_\@",
                '/var/www/html'           => '@ROOT@/htdocs',
                '10.10.1.25'              => '127.0.0.1',
                '/etc/apache2/'           => '@ROOT@/',
                '${APACHE_LOG_DIR}'       => '@ROOT@/logs',
                "BanListFile \@ROOT\@/banned-hosts" =>
                    "BanListFile \@ROOT\@/banned\n$action") } 0, 1),
    );
    return $h->start;
}

# The example keeps local addresses to itself; here all clients are local.
sub haproxy {
    my $h = shift;
    my $text = adapted('haproxy/haproxy.cfg', '127.0.0.0/8' => '127.0.0.99',
        'bind :80' => 'bind 127.0.0.1:@PORT@',
        '10.10.1.30:80' => '127.0.0.1:' . $h->port);
    $text =~ s/^global\n//m or die 'no global';
    return BanList::Peers::haproxy(conf => $text);
}

sub nginx {
    my $h = shift;
    return BanList::Peers::nginx(conf => adapted('nginx/banlist.conf',
        'listen 80'              => 'listen 127.0.0.1:@PORT@',
        'server 10.10.1.30:80;'  => join("\n",
            map { 'server 127.0.0.1:' . $h->port($_) . ';' } 0, 1)));
}

sub ask {
    my ($proxy, $from, %opt) = @_;
    return BanList::Connection->new(host => '127.0.0.1', port => $proxy->port,
        from => $from)->request('/', %opt, headers => { Connection => 'close' });
}

subtest 'HAProxy drops at the edge' => sub {
    my $h = apache('');
    my $p = haproxy($h);
    for my $round (1 .. 3) {
        my $got = ask($p, $BANNED, timeout => 1);
        is $got->{status}, 0, 'the banned client gets no answer';
        like $got->{end}, qr/^(?:timeout|rst)$/,
            "nor the end of its connection: $got->{end}";
        $got = ask($p, $INNOCENT);
        is $got->{status}, 200, 'another client is served';
        is $got->{headers}{'x-banlist-match'}, undef, 'and sees no mark';
    }
    like $h->access_log . $h->read_file('logs/access.log'), qr/^$BANNED 403/m,
        'Apache logged the address that HAProxy told it';
    unlike $h->read_file('logs/fail2ban.log'), qr/^$BANNED/m,
        "not in the log that is fail2ban's";
    unlike $p->read_file('log'), qr/is DOWN/, 'the backend is up';
};

for my $action ('', 'BanListAction drop', 'BanListAction 429') {
    subtest "nginx, two backends, " . ($action || 'the default') => sub {
        my $h = apache($action);
        my $p = nginx($h);
        my %status;
        for (1 .. 40) {
            $status{ ask($p, $BANNED)->{status} }++;
            $status{ ask($p, $INNOCENT)->{status} }++;
            $status{ ask($p, $BANNED, method => 'POST', body => 'x' x 5000)
                ->{status} }++;
        }
        my $refused = $action =~ /429/ ? 429 : 403;
        is_deeply \%status, { 200 => 40, $refused => 80 },
            'each client gets what it deserves';
        unlike $p->read_file('error.log'), qr/upstream/,
            'no backend was ever taken out';
    };
}

subtest 'nginx would notice' => sub {
    my $h = apache('BanListAction close close');
    my $p = nginx($h);
    ask($p, $BANNED);
    like $p->read_file('error.log'), qr/upstream prematurely closed/,
        'a backend that aborts is taken out';
    is ask($p, $INNOCENT)->{status}, 502, 'from everybody';
};

done_testing;
