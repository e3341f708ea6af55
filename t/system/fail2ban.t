#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
#
# The whole of it, as a site runs it: a client misbehaves through a real
# HAProxy, httpd with the module logs it, a real fail2ban-server reads that
# log and writes the list, and the client is refused while its neighbour is
# served; when its ban is over it is served again.  With the shipped action,
# with and without the command banlist, and with the action of the recipe
# that the module replaces.  The configuration is the shipped one, with other
# paths, addresses and times.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;

use BanList::Connection;
use BanList::Httpd;
use BanList::Peers;
use BanList::Process qw(wait_for);

my $tree = abs_path(dirname(__FILE__) . '/../..');
my $command = $ENV{BANLIST_COMMAND} || "$tree/build/banlist";
my $user = BanList::Httpd::user() || getpwuid $>;
my $group = getgrgid((getpwnam $user)[3]);

# A file of conf/ with some of its words changed; each must be in it.
sub shipped {
    my ($name, @changes) = @_;
    open my $in, '<', "$tree/conf/$name" or die "$name: $!\n";
    my $text = do { local $/; <$in> };
    while (my ($from, $to) = splice @changes, 0, 2) {
        $text =~ s/\Q$from\E/$to/g or die "$name: no $from in it\n";
    }
    return $text;
}

sub start_httpd {
    my $vhost = shipped('apache/behind-proxy.conf',
        '*:80' => '*:@PORT@', '10.10.1.25' => '127.0.0.1',
        '/var/www/html' => '@ROOT@/htdocs', '${APACHE_LOG_DIR}' => 'logs',
        '/etc/apache2/banned-hosts' => '@ROOT@/list/banned');
    my $h = BanList::Httpd->new(modules => [qw(remoteip headers)],
        conf => 'LogFormat "%h %l %u %t \"%r\" %>s %O" combined'
            . "\n$vhost",
        files => { 'list/.keep' => '', 'logs/fail2ban.log' => '' });
    return $h->start;
}

# Loopback clients are the ones to tell of, here.
sub start_haproxy {
    my ($h, @changes) = @_;
    return BanList::Peers::haproxy(conf => shipped('haproxy/haproxy.cfg',
        'bind :80' => 'bind 127.0.0.1:@PORT@',
        '127.0.0.0/8' => '192.0.2.1/32',
        '10.10.1.30:80' => '127.0.0.1:' . $h->port, @changes));
}

sub start_fail2ban {
    my ($h, $action) = @_;
    my $root = $h->root;
    return BanList::Peers::fail2ban(files => {
        'action.d/apache-banlist.conf' =>
            shipped('fail2ban/action.d/apache-banlist.conf'),
        'action.d/recipe.conf' => <<'END',
[Definition]
actionstart = touch <file>
              chown <owner> <file> && chmod 0640 <file>
actionban = printf '<ip> -\n' >> <file>
actionunban = sed -i '/^<ip> -$/d' <file>
END
        'jail.d/apache-banlist.conf' =>
            shipped('fail2ban/jail.d/apache-banlist.conf'),
        'jail.local' => <<END,
[apache-banlist]
logpath = $root/logs/fail2ban.log
bantime = 12
ignoreself = false
action = $action, file="$root/list/banned", owner="$user", group="$group"]
END
    });
}

sub get {
    my ($proxy, $from, $path, @headers) = @_;
    my $c = BanList::Connection->new(host => '127.0.0.1',
        port => $proxy->port, from => $from) || return { status => 0 };
    return $c->request($path, timeout => 3,
        headers => [@headers, Connection => 'close']);
}

sub status { return get(@_)->{status} }

sub site {
    my ($h, $proxy, $f) = @_;
    my ($bad, $good) = ('127.0.0.5', '127.0.0.6');
    is(status($proxy, $_, '/'), 200, "$_ is served") for $bad, $good;
    is(status($proxy, $bad, '/wp-login.php'), 404, 'one tries a door')
        for 1 .. 3;
    ok(wait_for(sub { status($proxy, $bad, '/') == 403 }, 20),
        'and is refused');
    is(status($proxy, $good, '/'), 200, 'its neighbour is served');
    is(status($proxy, $bad, '/', 'X-Forwarded-For', $good,
        'X-Real-IP', $good), 403, 'it cannot pass for its neighbour');
    is(status($proxy, $good, '/', 'X-Forwarded-For', $bad), 200,
        'nor can its neighbour be taken for it');
    like($h->read_file('list/banned'), qr/^\Q$bad\E -/m, 'the list has it');
    my $log = $h->read_file('logs/fail2ban.log');
    like($log, qr/^\Q$bad\E .* 404 /m, 'the log has the real address');
    unlike($log, qr/ 403 /, 'and no request that was refused');
    like($h->read_file('logs/access.log'), qr/^\Q$bad\E .* 403 /m,
        'which the access log has');
    ok(!exists get($proxy, $good, '/')->{headers}{'x-banlist-match'}
        && !exists get($proxy, $bad, '/')->{headers}{'x-banlist-match'},
        "the proxy's mark is nobody else's");
    ok(wait_for(sub { status($proxy, $bad, '/') == 200 }, 30),
        'the ban over, it is served again');
    ok(wait_for(sub { $h->read_file('list/banned') !~ /^\Q$bad\E/m }, 20),
        'and is gone from the list');
}

my @drop = ('    http-response silent-drop if { res.hdr(X-BanList-Match) -m'
    . " found }\n" => '');
my %actions = (
    'the shipped action' => "apache-banlist[banlist=\"$command\"",
    'the shipped action, without the command'
        => 'apache-banlist[banlist="no-such-command"',
    "the recipe's own action" => 'recipe[name="recipe"',
);
for my $name (sort keys %actions) {
    subtest $name => sub {
        my $h = start_httpd();
        my $proxy = start_haproxy($h, @drop);
        my $f = start_fail2ban($h, $actions{$name});
        site($h, $proxy, $f);
        $_->stop for $f, $proxy, $h;
    };
}

subtest 'dropped at the edge' => sub {
    my $h = start_httpd();
    my $proxy = start_haproxy($h);
    is(status($proxy, '127.0.0.5', '/'), 200, 'served');
    $h->append_file('list/banned', "127.0.0.5 -\n");
    ok(wait_for(sub { get($proxy, '127.0.0.5', '/')->{status} == 0 }, 10),
        'banned, it gets no answer at all');
    my $answer = get($proxy, '127.0.0.6', '/');
    is($answer->{status}, 200, 'its neighbour is served');
    ok(!exists $answer->{headers}{'x-banlist-match'}, 'without a mark');
    $_->stop for $proxy, $h;
};

done_testing;
