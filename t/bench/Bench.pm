# SPDX-License-Identifier: Apache-2.0
#
# What the parts of the benchmark share: lists, servers with a list, the load
# on them, what they cost, and the tables it all ends in.
#
# Servers run on the first of two cores and clients on the second.  What a
# request costs is the processor time of the server's processes (schedstat),
# which other work on the machine disturbs least.
package Bench;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use Time::HiRes qw(sleep time);

use BanList::Httpd;
use BanList::Peers;
use BanList::Process qw(wait_for);

our @EXPORT = qw(list folder program server SERVERS pinned client cpu_of
    cost pairs median quantile capture say_progress table row seconds_of
    pss wait_for with_commas address);

my $tree = abs_path(dirname(__FILE__) . '/../..');
my $bin  = "$tree/build/bench";

sub program { "$bin/$_[0]" }

# --- Words ------------------------------------------------------------------

my @out;

sub say_progress { print STDERR "  @_\n" }

sub with_commas {
    my $n = reverse shift;
    $n =~ s/(\d{3})(?=\d)/$1,/g;
    return scalar reverse $n;
}

# A Markdown table, at once to standard output and into the report.
sub table {
    my ($title, $head, @rows) = @_;
    my $text = "\n### $title\n\n";
    $text .= '| ' . join(' | ', @$_) . " |\n"
        for $head, [map { $_ ? '---:' : '---' } 0 .. $#$head], @rows;
    print $text;
    push @out, $text;
}

my @rows;

# A line of the main table: what, figure, reach, whether it is met (undef:
# there is no reach, or it could not be measured).
sub row {
    my ($what, $figure, $reach, $met) = @_;
    my $verdict = !defined $met ? '' : $met ? 'met' : 'not met';
    push @rows, [$what, $figure, $reach, $verdict];
    say_progress("$what: $figure ($reach" . ($verdict ? ": $verdict)" : ')'));
}

sub rows   { @rows }
sub report { join '', @out }

# --- Numbers ----------------------------------------------------------------

sub quantile {
    my ($q, @n) = @_;
    @n = sort { $a <=> $b } @n;
    my $at = int $q * @n;
    return $n[$at > $#n ? $#n : $at];
}

sub median {
    my @n = sort { $a <=> $b } @_;
    return @n % 2 ? $n[$#n / 2] : ($n[@n / 2 - 1] + $n[@n / 2]) / 2;
}

# Measures A and B by turns, each first as often as second; the median of the
# ratios, and of A's figures and B's.
sub pairs {
    my ($n, $first, $second) = @_;
    my (@a, @b, @ratio);
    for my $i (1 .. $n) {
        my @order = $i % 2 ? (0, 1) : (1, 0);
        my @got;
        $got[$_] = ($first, $second)[$_]->() for @order;
        push @a,     $got[0];
        push @b,     $got[1];
        push @ratio, $got[0] / $got[1];
    }
    return (median(@ratio), median(@a), median(@b));
}

# --- Processes --------------------------------------------------------------

sub _affinity {
    my $cores = shift;
    system("taskset -cp $cores $$ >/dev/null 2>&1");
}

# Runs the code, and what it starts, on these cores: '0', '1' or '0,1'.
sub pinned {
    my ($cores, $code) = @_;
    _affinity($cores);
    my @got = eval { wantarray ? $code->() : scalar $code->() };
    my $error = $@;
    chomp(my $last = `nproc --all`);
    _affinity('0-' . ($last - 1));
    die $error if $error;
    return wantarray ? @got : $got[0];
}

# What a command says; undef where it fails.
sub capture {
    my @command = @_;
    open my $out, '-|', @command or return undef;
    local $/;
    my $said = <$out>;
    return close $out ? $said // '' : undef;
}

# The seconds (wall, processor) that a command takes.
sub seconds_of {
    my ($command) = @_;
    my $start = time;
    my @before = (times)[2, 3];
    system("$command >/dev/null 2>&1");
    my @after = (times)[2, 3];
    return (time - $start,
        $after[0] - $before[0] + $after[1] - $before[1]);
}

sub _schedstat {
    my $pid = shift;
    my $ns = 0;
    for my $file (glob "/proc/$pid/task/*/schedstat") {
        open my $in, '<', $file or next;
        $ns += (split ' ', <$in> // '0')[0];
    }
    return $ns / 1e9;
}

# Seconds of processor time so far, of a server's processes or of the pids.
sub cpu_of {
    my ($server, @pids) = @_;
    @pids = ($server->pid, keys %{ $server->children }) unless @pids;
    my $sum = 0;
    $sum += _schedstat($_) for @pids;
    return $sum;
}

# Bytes of memory: each page shared out among those who have it.
sub pss {
    my $server = shift;
    my $sum = 0;
    for my $pid ($server->pid, keys %{ $server->children }) {
        open my $in, '<', "/proc/$pid/smaps_rollup" or next;
        while (defined(my $line = <$in>)) {
            $sum += 1024 * $1 if $line =~ /^Pss:\s+(\d+)/;
        }
    }
    return $sum;
}

# --- Lists ------------------------------------------------------------------

my $folder;

# A folder that ends with the run.
sub folder {
    $folder ||= BanList::Process->new;
    return $folder->root;
}

my %form = (map => ['', ' -'], nginx => ['', ' 1;'], bare => ['', '']);

# The path of a list of n entries (ipv4, ipv6, mixed) in a form.
sub list {
    my ($kind, $n, $form) = @_;
    my $path = folder() . "/$kind-$n." . ($form || 'map');
    return $path if -e $path;
    my ($before, $behind) = @{ $form{ $form || 'map' } };
    open my $out, '>', $path or die "$path: $!\n";
    defined(my $pid = fork) or die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>&', $out;
        exec program('list'), $kind, $n, $before, $behind
            or POSIX::_exit(127);
    }
    waitpid $pid, 0;
    $? == 0 or die "no list\n";
    # No file that is measured may be a half-written one.
    utime time - 60, time - 60, $path;
    return $path;
}

# The i-th address of the IPv4 lists.
sub address {
    my $i = shift;
    open my $in, '<', list('ipv4', 1000) or die $!;
    my @lines = <$in>;
    return (split ' ', $lines[$i])[0];
}

# --- Servers ----------------------------------------------------------------

my $remoteip = <<'END';
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.1
LogLevel warn
END

my $recipe = <<'END';
RewriteEngine On
RewriteMap hosts-deny MAP
RewriteCond ${hosts-deny:%{REMOTE_ADDR}|NOT-FOUND} !=NOT-FOUND [OR]
RewriteCond ${hosts-deny:%{REMOTE_HOST}|NOT-FOUND} !=NOT-FOUND
RewriteRule ^(.*)$ /error.html [F,L]
END

sub _httpd {
    my (%opt) = @_;
    return BanList::Httpd->new(
        banlist => 0, processes => 1, threads => 64, %opt,
        modules => ['remoteip', @{ $opt{modules} || [] }],
        conf    => $remoteip . ($opt{conf} // ''))->start;
}

sub _banlist {
    my ($n, %opt) = @_;
    my $path = delete $opt{list} || list('ipv4', $n);
    return _httpd(%opt, banlist => 'last',
        conf => "BanListMemory 4G\nBanListFile $path\n");
}

sub _recipe {
    my ($map, %opt) = @_;
    (my $conf = $recipe) =~ s/MAP/$map/;
    return _httpd(%opt, modules => ['rewrite'], conf => $conf);
}

sub _txt {
    my ($n, %opt) = @_;
    return _recipe('txt:' . list('ipv4', $n), %opt);
}

sub _dbm {
    my ($n, %opt) = @_;
    my $path = folder() . "/ipv4-$n.dbm";
    if (!-e "$path.pag") {
        my $said = capture('sh', '-c', "httxt2dbm -i '@{[list('ipv4', $n)]}' "
            . "-o '$path' 2>&1") // die "httxt2dbm failed\n";
    }
    return _recipe("dbm:$path", %opt);
}

sub _require {
    my ($n, %opt) = @_;
    my $conf = "<Location \"/\">\n<RequireAll>\nRequire all granted\n";
    open my $in, '<', list('ipv4', $n, 'bare') or die $!;
    chomp(my @addresses = <$in>);
    # By the hundred: with a line for each, httpd is quadratic in reading it.
    while (my @some = splice @addresses, 0, 100) {
        $conf .= "Require not ip @some\n";
    }
    return _httpd(%opt, modules => ['authz_host'],
        conf => "$conf</RequireAll>\n</Location>\n");
}

sub _modsecurity {
    my ($n, %opt) = @_;
    my $list = list('ipv4', $n, 'bare');
    return _httpd(%opt, modules => ['unique_id'],
        env  => { LD_LIBRARY_PATH => BanList::Peers::env('PEERS_LIBRARIES') },
        conf => <<"END");
LoadModule security2_module @{[BanList::Peers::env('MOD_SECURITY2')]}
SecRuleEngine On
SecRule REMOTE_ADDR "\@ipMatchFromFile $list" "id:1,phase:1,deny,nolog"
END
}

sub _nginx {
    my ($n, %opt) = @_;
    my $list = list('ipv4', $n, 'nginx');
    my $root = folder();
    open my $page, '>', "$root/index.html" or die $!;
    print $page "hello\n";
    close $page;
    return BanList::Peers::nginx(
        main => "worker_processes @{[$opt{processes} || 1]};",
        conf => <<"END");
geo \$banned { default 0; include $list; }
server {
    listen 127.0.0.1:\@PORT\@;
    root $root;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Forwarded-For;
    keepalive_requests 100000000;
    if (\$banned) { return 403; }
}
END
}

sub _haproxy {
    my $list = list('ipv4', $_[0], 'bare');
    return BanList::Peers::haproxy(conf => <<"END");
    nbthread 1
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 5s
frontend all
    bind 127.0.0.1:\@PORT\@
    http-request deny if { hdr_ip(X-Forwarded-For) -f $list }
    http-request return status 200 content-type text/plain string hello
END
}

# What is compared, by name: its title, and what starts one with n entries.
my %server = (
    plain       => ['httpd without a list', sub { _httpd(@_[1 .. $#_]) }],
    banlist     => ['mod_banlist',          \&_banlist],
    txt         => ['RewriteMap txt:',      \&_txt],
    dbm         => ['RewriteMap dbm:',      \&_dbm],
    require     => ['Require not ip',       \&_require],
    modsecurity => ['mod_security2 @ipMatchFromFile', \&_modsecurity],
    nginx       => ['nginx geo',            \&_nginx],
    haproxy     => ['HAProxy acl -f',       \&_haproxy],
);

sub SERVERS { map { $_ => $server{$_}[0] } keys %server }

# A running server of that name with n IPv4 addresses in its list.
sub server {
    my ($name, $n, %opt) = @_;
    my $cores = delete $opt{cores} // 0;
    return pinned($cores, sub { $server{$name}[1]->($n, %opt) });
}

# --- Load -------------------------------------------------------------------

# The client's report on the server: a hash.
sub client {
    my ($server, @options) = @_;
    my $said = capture('taskset', '-c', 1, program('client'), @options,
        $server->port) // die "the client failed\n";
    return { map { split ' ', $_, 2 } split /\n/, $said };
}

my $seed = 0;

# Microseconds of processor time for a request of a client never seen before.
sub cost {
    my ($server, $seconds) = @_;
    my $before = cpu_of($server);
    my $got = client($server, '-c', 4, '-s', ++$seed, '-t', $seconds);
    return 1e6 * (cpu_of($server) - $before) / $got->{requests};
}

1;
