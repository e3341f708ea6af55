#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
#
# The command banlist: what each subcommand says, writes and returns.
use strict;
use warnings;

use Cwd qw(abs_path);
use Fcntl qw(:flock);
use File::Basename qw(dirname);
use POSIX qw(mkfifo strftime);
use Test::More;

use BanList::Process qw(wait_for);

my $tree = abs_path(dirname(__FILE__) . '/../..');
my $program = $ENV{BANLIST_COMMAND} || "$tree/build/banlist";
my $dir = BanList::Process->new(log => 'log');
my $root = $dir->root;
chdir $root or die "chdir: $!";
END { chdir "/" } # or the folder could not be removed

# (exit status, stdout, stderr) of the command with these arguments.
sub banlist {
    my @args = @_;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>', 'out' or die;
        open STDERR, '>', 'err' or die;
        exec $program, @args or POSIX::_exit(127);
    }
    waitpid $pid, 0;
    my $status = $?;
    return ($status & 127 ? "signal $status" : $status >> 8,
        map { $dir->read_file($_) } qw(out err));
}

# What: arguments => exit status, stdout; stderr is to match where given.
sub runs {
    my ($what, $args, $status, $out, $err) = @_;
    my @got = banlist(@$args);
    is_deeply([@got[0, 1]], [$status, $out // ''], $what)
        or diag("stderr: $got[2]");
    return like($got[2], $err, "$what: complaint") if $err;
    return is($got[2], '', "$what: no complaint");
}

sub list { $dir->write_file('list', join '', map { "$_\n" } @_) }

sub holds {
    my ($what, @lines) = @_;
    is($dir->read_file('list'), join('', map { "$_\n" } @lines), $what);
}

sub left_over { grep { !/^(?:list(?:\.lock)?|out|err|log|link)$/ } glob '*' }

subtest usage => sub {
    runs('--help', ['--help'], 0, (banlist('--help'))[1]);
    like((banlist('--help'))[1], qr/banlist $_ FILE/, "it names $_")
        for qw(check find add remove flush);
    like((banlist('--version'))[1], qr/\Abanlist \d\S*\n\z/, '--version');
    list();
    runs("'@$_'", $_, 2, '', qr/usage:/)
        for [], ['frobnicate'], ['check'], ['find', 'list'], ['add', 'list'],
            ['remove', 'list'], ['flush'], [qw(flush list 192.0.2.7)],
            [qw(check --for 1 list)], [qw(find list 192.0.2.7 --for 1)],
            [qw(remove list 192.0.2.7 --until 9)],
            [qw(add list 192.0.2.7 --for)], [qw(add list 192.0.2.7 --huh)];
    runs("'@$_'", $_, 2, '', qr/bad value/)
        for map { ['add', 'list', '192.0.2.7', @$_] }
            [qw(--for week)], ['--for', ''], [qw(--for 99999999999999999999)],
            [qw(--for 9223372036854775807)], [qw(--until 0)],
            [qw(--until -1)], [qw(--until 2026-02-30T00:00:00Z)],
            [qw(--until 2026-01-01T00:00:00)], [qw(--until tomorrow)],
            ['--until', '2026-01-01T00:00:00Z '], ['--by', ''],
            ['--by', 'a b'], ['--by', "a\nb"];
    runs('two ends', [qw(add list 192.0.2.7 --for 1 --until 99)], 2, '',
        qr/one end/);
    runs("address '$_'", ['add', 'list', $_], 2, '', qr/\Q$_\E: /)
        for '192.0.2.256', '1.2.3.4/', '0.0.0.0/0', '1.2.3.4,5', '1.2.3.4 -',
            'localhost', '1.2.3.4#', '{"cidr":"1.2.3.4"}', 'fe80::1%lo';
    runs('an empty address', ['add', 'list', ''], 2, '', qr{neither});
    holds('nothing of it was written');
};

subtest check => sub {
    list('# a comment', '', '192.0.2.7 -', '192.0.2.0/24', '2001:db8::7',
        '192.0.2.10-192.0.2.20', '.example.net -', '!192.0.2.9');
    runs('a good list', [qw(check list)], 0,
        "list: 6 entries (4 IPv4, 1 IPv6, 1 host name), 0 bad lines\n");
    list('192.0.2.7', "1.2.3.4/\r", "say \"\\\x01\xe9" . 'x' x 80);
    runs('two bad lines', [qw(check list)], 1,
        qq{list:2: } . reason(2) . qq{: "1.2.3.4/"\n}
        . qq{list:3: } . reason(3) . ': "say \"\\\\\x01\xe9'
        . ('x' x 52) . qq{"...\n}
        . "list: 1 entry (1 IPv4, 0 IPv6, 0 host names), 2 bad lines\n");
    list('a.example.org', 'b.example.org', '1.2.3');
    like((banlist(qw(check list)))[1], qr/^list: 2 entries \(0 IPv4, /m,
        'plural');
    like((banlist(qw(check list)))[1], qr/, 2 host names\), 1 bad line$/m,
        'and singular');
    $dir->write_file('list', '192.0.2.7');
    runs('a last line without its newline', [qw(check list)], 0,
        "list: 1 entry (1 IPv4, 0 IPv6, 0 host names), 0 bad lines\n");
    list();
    runs('two files, one missing', [qw(check missing list)], 2,
        "list: 0 entries (0 IPv4, 0 IPv6, 0 host names), 0 bad lines\n",
        qr/missing: No such file/);
    runs('a folder', ['check', $root], 2, '', qr/not a regular file/);
    mkfifo 'fifo', 0600 or die "mkfifo: $!";
    runs('a FIFO does not hang', [qw(check fifo)], 2, '',
        qr/not a regular file/);
    unlink 'fifo';
};

# Reasons are the reader's words; here only their place matters.
sub reason {
    my ($text) = (banlist(qw(check list)))[1] =~ /^list:$_[0]: (.*?): "/m;
    return $text // 'no reason';
}

subtest find => sub {
    my $until = time + 1000;
    my $then = strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $until);
    list('192.0.2.0/24 -', '!192.0.2.9', "198.51.100.7 - until=$until",
        '198.51.100.8 until=1', '2001:db8::/32', 'bad.example.net -',
        '.example.org -', '192.0.2.7');
    runs('banned', [qw(find list 192.0.2.5 192.0.2.7)], 0,
        "192.0.2.5: banned by 192.0.2.0/24 at list:1, for ever\n"
        . "192.0.2.7: banned by 192.0.2.7 at list:8, for ever\n");
    runs('banned for a time', [qw(find list 198.51.100.7)], 0,
        "198.51.100.7: banned by 198.51.100.7 at list:3, until $then"
        . " ($until)\n");
    runs('not banned', [qw(find list 198.51.100.9 198.51.100.8)], 1,
        "198.51.100.9: not banned\n198.51.100.8: not banned\n");
    runs('excepted', [qw(find list 192.0.2.9)], 1,
        "192.0.2.9: not banned: excepted by 192.0.2.9 at list:2\n");
    runs('IPv6, mapped too',
        [qw(find list 2001:DB8::1 ::ffff:192.0.2.5)], 0,
        "2001:DB8::1: banned by 2001:db8::/32 at list:5, for ever\n"
        . "::ffff:192.0.2.5: banned by 192.0.2.0/24 at list:1, for ever\n");
    runs('prefixes', [qw(find list 192.0.2.128/25 192.0.2.0/23)], 1,
        "192.0.2.128/25: banned by 192.0.2.0/24 at list:1, for ever\n"
        . "192.0.2.0/23: not banned\n");
    runs('names',
        [qw(find list BAD.example.net a.b.example.org x.example.net)], 1,
        "BAD.example.net: banned by bad.example.net at list:6, for ever\n"
        . "a.b.example.org: banned by .example.org at list:7, for ever\n"
        . "x.example.net: not banned\n");
    runs('a range', [qw(find list 192.0.2.1-192.0.2.2)], 2, '', qr/./);
    list('# none', '192.0.2.10-192.0.2.20 -', '!192.0.2.18-192.0.2.19',
        '198.51.100.0-198.51.100.255', '192.0.2.16/31');
    runs('by a range', [qw(find list 192.0.2.14 198.51.100.1)], 0,
        '192.0.2.14: banned by 192.0.2.12/30 (192.0.2.10-192.0.2.20) at '
        . "list:2, for ever\n198.51.100.1: banned by 198.51.100.0/24 "
        . "(198.51.100.0-198.51.100.255) at list:4, for ever\n");
    runs('by a prefix in one', [qw(find list 192.0.2.16)], 0,
        "192.0.2.16: banned by 192.0.2.16/31 at list:5, for ever\n");
    runs('excepted by one', [qw(find list 192.0.2.18)], 1, '192.0.2.18: '
        . 'not banned: excepted by 192.0.2.18/31 '
        . "(!192.0.2.18-192.0.2.19) at list:3\n");
    runs('an exception', [qw(find list !192.0.2.1)], 2, '', qr/./);
    runs('no list', [qw(find missing 192.0.2.1)], 2, '',
        qr/missing: No such file/);
    runs('a folder', ['find', $root, '192.0.2.1'], 2, '', qr/regular/);
};

subtest 'find, in a file that is written to all the while' => sub {
    list(map { sprintf '10.%d.%d.%d', $_ >> 16, $_ >> 8 & 255, $_ & 255 }
        1 .. 50_000);
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open my $out, '+<', 'list' or POSIX::_exit(1);
        for my $n (1 .. 100_000) { # now and then there is time to read it
            select undef, undef, undef, 0.001 + rand(1) ** 4 / 5;
            sysseek $out, 0, 0;
            syswrite $out, '10.0.0.' . $n % 10;
        }
        POSIX::_exit(0);
    }
    my @failed = grep { $_->[0] }
        map { [banlist(qw(find list 10.0.9.9))] } 1 .. 20;
    kill 'KILL', $pid;
    waitpid $pid, 0;
    is(scalar(@failed), 0, 'is answered') or diag($failed[0][2]);
};

subtest add => sub {
    unlink 'list', 'list.lock';
    my $umask = umask 022;
    runs('to no file', [qw(add list 192.0.2.7)], 0);
    umask $umask;
    holds('makes it', '192.0.2.7 -');
    is(sprintf('%04o', (stat 'list')[2] & 07777), '0640', 'with mode 0640');
    is(sprintf('%04o', (stat 'list.lock')[2] & 07777), '0640',
        'and a lock with that mode');
    runs('again', [qw(add list 192.0.2.7 192.0.2.7/32 ::ffff:192.0.2.7)], 0);
    holds('once is enough', '192.0.2.7 -');
    runs('with an end', [qw(add list 192.0.2.7 --for 100)], 0);
    holds('for ever is later than any end', '192.0.2.7 -');

    list();
    runs('every kind', ['add', 'list', '2001:DB8:0::7', '192.0.2.9/24',
        '192.0.2.10-192.0.2.20', 'BAD.Example.net.', '.example.org',
        '!192.0.2.9', '[2001:db8::8]', '192.0.2.0/255.255.255.0'], 0);
    is_deeply([sort split /\n/, $dir->read_file('list')],
        [sort map { "$_ -" } '2001:db8::7', '192.0.2.0/24',
            '192.0.2.10-192.0.2.20', 'bad.example.net', '.example.org',
            '!192.0.2.9', '2001:db8::8'], 'canonical, and each once');

    list();
    runs('until, in Unix time', [qw(add list 192.0.2.7 --until 4102444800)],
        0);
    runs('until, as a date',
        [qw(add --until 2100-01-02T00:00:00Z list 192.0.2.8)], 0);
    holds('both', '192.0.2.7 - until=4102444800',
        '192.0.2.8 - until=4102531200');
    runs('the same end', [qw(add list 192.0.2.7 --until 4102444800)], 0);
    runs('an earlier end', [qw(add list 192.0.2.7 --for 100)], 0);
    holds('change nothing', '192.0.2.7 - until=4102444800',
        '192.0.2.8 - until=4102531200');
    runs('a later end', [qw(add list 192.0.2.7 --until 4102444801)], 0);
    runs('no end', [qw(add list 192.0.2.8 --for -1)], 0);
    holds('are added', '192.0.2.7 - until=4102444800',
        '192.0.2.8 - until=4102531200', '192.0.2.7 - until=4102444801',
        '192.0.2.8 -');

    list();
    my $now = time;
    runs('for a time', [qw(add list 192.0.2.7 --for 60)], 0);
    my ($until) = $dir->read_file('list') =~ /\A192\.0\.2\.7 - until=(\d+)\n\z/;
    ok($until && $until >= $now + 60 && $until <= time + 60, 'its end');
    runs('no time', [qw(add list 192.0.2.8 --for 0)], 0);
    like($dir->read_file('list'), qr/^192\.0\.2\.8 -$/m, 'is for ever');

    list();
    runs('by a name', [qw(add list 192.0.2.7 --by jail.one)], 0);
    runs('by it again', [qw(add list 192.0.2.7 --by jail.one)], 0);
    runs('by another', [qw(add list 192.0.2.7 --by jail --for -1)], 0);
    runs('by nobody', [qw(add list 192.0.2.7)], 0);
    holds('each its own line', '192.0.2.7 - by=jail.one',
        '192.0.2.7 - by=jail');

    $dir->write_file('list', "192.0.2.7 -\r\n198.51.100.1");
    runs('behind a last line without its newline',
        [qw(add list 192.0.2.7 192.0.2.8 192.0.2.9)], 0);
    is($dir->read_file('list'), "192.0.2.7 -\r\n198.51.100.1\n192.0.2.8 -\n"
        . "192.0.2.9 -\n", 'ends that line first');

    $dir->write_file('list', "192.0.2.7 -\n198.51.100.1");
    my $pid = fork // die "fork: $!";
    exec $program, qw(add list 192.0.2.8) unless $pid;
    select undef, undef, undef, 0.3;
    is($dir->read_file('list'), "192.0.2.7 -\n198.51.100.1",
        'a line that may still be written is waited for');
    $dir->append_file('list', "7 -\n");
    waitpid $pid, 0;
    is($?, 0, 'it was finished');
    is($dir->read_file('list'),
        "192.0.2.7 -\n198.51.100.17 -\n192.0.2.8 -\n", 'by its writer');
    mkdir 'folder' or die "mkdir: $!";
    for my $args (['add', 'folder', '192.0.2.7'],
            ['remove', 'folder', '192.0.2.7'], ['flush', 'folder']) {
        runs("$args->[0] of a folder", $args, 2, '', qr/./);
    }
    ok(!-e 'folder.lock', 'leaves no lock beside it');
    rmdir 'folder';
    runs('in no folder', ['add', 'no/list', '192.0.2.7'], 2, '',
        qr/No such file/);
};

subtest 'add, disk full' => sub {
    list('192.0.2.7 -');
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDERR, '>', 'err';
        $SIG{XFSZ} = 'IGNORE';
        exec 'sh', '-c', 'ulimit -f 1 && exec "$@"', 'sh', $program, 'add',
            'list', map { "198.51.100.$_" } 1 .. 250;
    }
    waitpid $pid, 0;
    is($? >> 8, 2, 'is an error');
    like($dir->read_file('err'), qr/list: /, 'which is told');
    holds('and leaves no half line', '192.0.2.7 -');
};

subtest remove => sub {
    my @all = ('# 192.0.2.7 -', '192.0.2.7 -', '', '192.0.2.70 -',
        "192.0.2.7 until=5\r", '192.0.2.0/24', '!192.0.2.7', 'rubbish!',
        'deny 192.0.2.7;', '192.0.2.1-192.0.2.7', 'bad.example.net -',
        '2001:db8::7 - by=x');
    list(@all);
    runs('an address', [qw(remove list 192.0.2.7/32)], 0);
    holds('all its lines, and nothing else', @all[0, 2, 3, 5, 6, 7, 9 .. 11]);
    runs('others', ['remove', 'list', '192.0.2.99/24', '!192.0.2.7',
        '192.0.2.1-192.0.2.7', 'BAD.example.net', '2001:db8:0::7'], 0);
    holds('are gone', @all[0, 2, 3, 7]);
    runs('one that is there, one that is not',
        [qw(remove list 192.0.2.7 192.0.2.70)], 1, '',
        qr/192\.0\.2\.7: not in the list/);
    holds('the one is gone', @all[0, 2, 7]);

    list(map { "192.0.2.7 -$_" } '', ' until=99999999999 by=one', ' by=two',
        ' by=bytwo', " by=two\r");
    runs('by a name', [qw(remove list 192.0.2.7 --by two)], 0);
    holds('its lines alone', '192.0.2.7 -',
        '192.0.2.7 - until=99999999999 by=one', '192.0.2.7 - by=bytwo');
    runs('by another', [qw(remove list 192.0.2.7 --by three)], 1, '',
        qr/not in the list$/);

    @all = ('192.0.2.8 -', '192.0.2.12/30 until=1', '!192.0.2.0/24',
        '192.0.2.10-192.0.2.20');
    list(@all);
    runs('a piece of a range', [qw(remove list 192.0.2.12/31)], 1, '',
        qr/: not in the list\n.*: covered by 192\.0\.2\.10-\S+20 at list:4$/);
    runs('and one that goes', [qw(remove list 192.0.2.8 192.0.2.14)], 1, '',
        qr/192\.0\.2\.14: covered by \S+ at list:3$/);
    holds('lines as they are then', @all[1 .. 3]);

    $dir->write_file('list', "192.0.2.7\n192.0.2.8");
    runs('the last line', [qw(remove list 192.0.2.8)], 0);
    holds('without its newline', '192.0.2.7');
    runs('from no file', [qw(remove missing 192.0.2.8)], 2, '', qr/missing/);
    ok(!-e 'missing', 'makes none');
};

subtest flush => sub {
    list('# comment', '192.0.2.7 - by=one', '192.0.2.8 -', '',
        '# by=one', '198.51.100.1 - until=5 by=one');
    runs('by a name', [qw(flush list --by one)], 0);
    holds('its lines alone', '# comment', '192.0.2.8 -', '', '# by=one');
    runs('again', [qw(flush list --by one)], 0);
    runs('all', [qw(flush list)], 0);
    holds('an empty file');
    runs('once more', [qw(flush list)], 0);
    runs('no file', [qw(flush missing)], 2, '', qr/missing/);
};

subtest 'the file stays who it is' => sub {
    list('192.0.2.7 -', '192.0.2.8 -');
    my $other = $> ? $> : (getpwnam 'nobody')[2];
    chown $other, -1, 'list' or die "chown: $!";
    chmod 0604, 'list';
    unlink 'list.lock';
    symlink 'list', 'link' or die "symlink: $!";
    my @before = stat 'list';
    runs('remove by way of a link', [qw(remove link 192.0.2.7)], 0);
    my @after = stat 'list';
    isnt($after[1], $before[1], 'another file');
    is_deeply([@after[2, 4, 5]], [@before[2, 4, 5]], 'same owner and mode');
    is_deeply([(stat 'list.lock')[2, 4, 5]], [@before[2, 4, 5]],
        'so has the lock, which is beside the file');
    ok(-l 'link' && !-e 'link.lock', 'and not beside the link');
    runs('flush by way of a link', [qw(flush link)], 0);
    is_deeply([(stat 'list')[2, 4, 5]], [@before[2, 4, 5]], 'still');
    runs('add by way of a link', [qw(add link 192.0.2.9)], 0);
    holds('reaches the file', '192.0.2.9 -');
    ok(-l 'link', 'the link is a link');
    unlink 'link';
    is_deeply([left_over()], [], 'nothing else is left behind');
};

subtest 'the lock is waited for' => sub {
    list('192.0.2.7 -');
    for my $args ([qw(add list 192.0.2.8)], [qw(remove list 192.0.2.8)],
            [qw(flush list)]) {
        open my $lock, '<', 'list.lock' or die "list.lock: $!";
        flock $lock, LOCK_EX or die "flock: $!";
        my $before = $dir->read_file('list');
        my $pid = fork // die "fork: $!";
        exec $program, @$args unless $pid;
        select undef, undef, undef, 0.2;
        is($dir->read_file('list'), $before, "$args->[0] waits");
        close $lock;
        waitpid $pid, 0;
        is($?, 0, 'and goes on');
    }
    holds('all three were at work');
};

subtest 'output that cannot be written' => sub {
    list();
    is(system("$program check list >/dev/full 2>/dev/null") >> 8, 2,
        'is an error');
};

done_testing;
