#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
#
# Each file of conf/ is taken by the program that it is for.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;

use BanList::Httpd;
use BanList::Peers;

my $tree = abs_path(dirname(__FILE__) . '/../..');

sub slurp {
    my $name = shift;
    open my $in, '<', "$tree/conf/$name" or die "$name: $!\n";
    local $/;
    return <$in>;
}

# (exit status, what it said) of a command.
sub run {
    my @command = @_;
    defined(my $pid = open my $out, '-|') or die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }
    my $said = do { local $/; <$out> } // '';
    close $out;
    return ($? >> 8, $said);
}

sub takes {
    my ($what, $status, $said) = @_;
    is($status, 0, $what) or diag($said);
}

sub httpd_takes {
    my ($what, $conf) = @_;
    my $h = BanList::Httpd->new(modules => [qw(authz_host remoteip headers)],
        conf => "LogFormat \"%h\" combined\n$conf");
    takes($what, $h->run('-t', '-D', 'DUMP_VHOSTS'));
}

subtest httpd => sub {
    my $reference = slurp('banlist.conf');
    httpd_takes('banlist.conf', $reference);
    $reference =~ s/^( +)#(?=BanList|<|    \S)/$1/mg;
    is(() = $reference =~ /^ +BanList\w+ /mg, 11,
        'every directive is in it');
    httpd_takes('banlist.conf with every line of it live', $reference);

    my $vhost = slurp('apache/behind-proxy.conf');
    $vhost =~ s/\$\{APACHE_LOG_DIR\}/logs/g;
    httpd_takes('apache/behind-proxy.conf', $vhost);

    my $load = slurp('banlist.load');
    my $module = BanList::Httpd::module();
    ok($load =~ s{^LoadModule banlist_module \K/\S+$}{$module}m,
        'banlist.load names the module');
    my $h = BanList::Httpd->new(banlist => 0, conf => "$load\n"
        . slurp('banlist.conf'));
    takes('banlist.load', $h->run('-t', '-D', 'DUMP_MODULES'));
};

subtest haproxy => sub {
    takes('haproxy.cfg', run(BanList::Peers::program('haproxy'), '-c', '-f',
        "$tree/conf/haproxy/haproxy.cfg"));
};

subtest nginx => sub {
    for my $name (qw(banlist.conf geo.conf)) {
        my $d = BanList::Process->new(log => 'log');
        $d->write_file('banned', "192.0.2.7 1;\n192.0.2.8 0;\n");
        my $conf = slurp("nginx/$name");
        $conf =~ s{/etc/nginx/banned-hosts;}{$d->{root}/banned;};
        # Even -t listens.
        $conf =~ s{listen 80;}{listen unix:$d->{root}/socket;};
        $d->write_file('nginx.conf', "pid $d->{root}/pid;\nevents {}\n"
            . "http {\naccess_log off;\n"
            . join('', map { "${_}_temp_path $d->{root}/$_;\n" }
                qw(client_body proxy fastcgi uwsgi scgi))
            . "$conf\n}\n");
        takes($name, run(BanList::Peers::program('nginx'), '-t', '-q',
            '-p', $d->root, '-e', 'stderr', '-c', $d->path('nginx.conf')));
    }
};

subtest fail2ban => sub {
    my $d = BanList::Process->new(log => 'log');
    my $etc = $d->path('etc');
    system('cp', '-r', BanList::Peers::env('FAIL2BAN_ETC'), $etc) == 0
        or die "cp failed\n";
    unlink glob "$etc/jail.d/*";
    my $log = $d->write_file('fail2ban.log', '');
    my $jail = slurp('fail2ban/jail.d/apache-banlist.conf')
        =~ s{/var/log/apache2/fail2ban\.log}{$log}r;
    $d->write_file("etc/$_", slurp("fail2ban/$_"))
        for 'action.d/apache-banlist.conf';
    $d->write_file('etc/jail.d/apache-banlist.conf', $jail);
    my @client = (BanList::Peers::program('fail2ban-client'), '-c', $etc,
        '-s', $d->path('socket'), '-p', $d->path('pid'));
    takes('action and jail', run(@client, '-t'));
    my (undef, $dump) = run(@client, '-d');
    like($dump, qr/'actionban'/, 'the action is the one that is used');
    like($dump, qr/'$_'/, "it has $_") for qw(actionstart actionflush
        actioncheck actionrepair actionunban actionprolong);

    my ($regex) = $jail =~ /^failregex = (.*)$/m;
    my $time = '[23/Nov/2026:06:34:00 +0000]';
    my %lines = (
        qq{192.0.2.7 - - $time "GET /wp-login.php HTTP/1.1" 404 196} => 1,
        qq{2001:db8::7 - bob $time "POST /x/.env?a HTTP/1.1" 403 9} => 1,
        qq{192.0.2.7 - - $time "GET /wp-login.php HTTP/1.1" 200 196} => 0,
        qq{192.0.2.7 - - $time "GET /page HTTP/1.1" 404 196} => 0,
        qq{192.0.2.7 - - $time "GET / HTTP/1.1" 200 9 "/.env" "x 404"} => 0,
        qq{192.0.2.7 - - $time "GET /\\"GET /.env" 404 200 9} => 0,
    );
    for my $line (sort keys %lines) {
        my ($status, $said) = run(
            BanList::Peers::program('fail2ban-regex'), '-c', $etc,
            $line, $regex);
        my ($matched) = $said =~ /(\d+) matched/;
        is($matched, $lines{$line},
            ($lines{$line} ? 'a failure: ' : 'none: ') . $line);
    }
};

done_testing;
