#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What may stand in a list's place, and what may stand in it: a FIFO, a
# device, a directory, a dangling symlink; noise, ten million bad lines, a line
# of 1 GB, a file of 4 GB, one that grows without end; a folder that is
# removed and made again.  At worst that list is wrong: the other one of the
# same server is in force, and sees its changes, all the time.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use File::Path qw(remove_tree);
use POSIX qw(mkfifo);
use Test::More;
use Time::HiRes qw(sleep time);

use BanList::Clients;
use BanList::Httpd;
use BanList::Process qw(wait_for);

my $BAD_LINES = 10_000_000;
my $LOADER_MAX = 64; # MB at most, whatever it reads
my $n = 0;

my $h = BanList::Httpd->new(modules => ['remoteip'], processes => 2,
    files => { 'a/banned' => "10.0.0.1 -\n", 'b/banned' => "10.9.0.0 -\n" },
    conf => "${TRUST_PROXY}BanListFile a/banned b/banned\n"
        . "BanListInterval 500ms\n"
        . "<Location /status>\nSetHandler banlist-status\n</Location>\n");
$h->start;
my $file = $h->path('a/banned');
gets($h, '10.0.0.1', 403, 'a list');

# The other list has seen nothing of it.
sub other_is_well {
    my ($what, $within) = @_;
    $n++;
    $h->append_file('b/banned', "10.9.0.$n -\n");
    comes_to_get($h, "10.9.0.$n", 403, "$what: the other list is well",
        within => $within || 5);
}

sub recovers {
    my ($what, %opt) = @_;
    unlink $file;
    rmdir $file;
    $n++;
    $h->replace_file('a/banned', "10.0.0.1 -\n10.8.0.$n -\n");
    comes_to_get($h, "10.8.0.$n", 403, "$what: a file again, and read",
        within => 10, %opt);
}

sub stands_in_place {
    my ($what, $make) = @_;
    unlink $file;
    $make->() or die "$what: $!";
    sleep 0.7;
    gets($h, '10.0.0.1', 403, "$what: the last good list stays");
    other_is_well($what);
    recovers($what);
}

stands_in_place('a FIFO', sub { mkfifo($file, 0644) });
stands_in_place('a device', sub { symlink '/dev/zero', $file });
stands_in_place('a directory', sub { mkdir $file });
stands_in_place('a dangling symlink', sub { symlink '/none/there', $file });
stands_in_place('a symlink to itself', sub { symlink $file, $file });
stands_in_place('a file that may not be read', sub {
    $h->write_file('a/banned', "10.0.0.99\n");
    chmod 0, $file;
}) unless $>;

sub contains {
    my ($what, $write, $within) = @_;
    $write->();
    comes_to_get($h, '10.7.0.1', 403, "$what: what is good in it counts",
        within => $within || 20);
    gets($h, '10.7.0.9', 200, 'and nothing else');
    other_is_well($what, $within);
    recovers($what, within => $within || 10);
}

srand 20240301;
contains('noise', sub {
    my $noise = join '', map { pack 'N', int rand 2**32 } 1 .. 250_000;
    $h->replace_file('a/banned', "10.7.0.1\n$noise\n10.7.0.2\n");
});
# Ten million, of which each is told of, but few by name; all the while the
# other list is in force.
sub bad_lines {
    my $start = length $h->error_log;
    open my $out, '>', "$file.new" or die $!;
    print $out "10.7.0.1\n";
    print $out "1.2.3.400\n" x 10_000 for 1 .. $BAD_LINES / 10_000;
    close $out or die $!;
    rename "$file.new", $file or die $!;
    my ($asked, $wrong, $slowest) = (0, 0, 0);
    my $came = wait_for(sub {
        my $at = time;
        $asked++;
        $wrong += answer($h, '10.9.0.0') != 403;
        $slowest = time - $at if time - $at > $slowest;
        return answer($h, '10.7.0.1') == 403;
    }, 60);
    ok $came, 'bad lines: what is good among them counts';
    note "after @{[$came // '?']} s, $asked answers meanwhile, "
        . "the slowest after $slowest s";
    is $wrong, 0, 'the other list is in force meanwhile';
    cmp_ok $slowest, '<', 5, 'and nobody waits';
    other_is_well('bad lines', 20);
    my ($page) = grep { /a\/banned/ } split /\n(?=list\.\d+\.path)/,
        $h->get('/status?auto')->{body};
    my @told = $page =~ /^list\.\d+\.bad_lines: (\d+)$/mg;
    is "@told", $BAD_LINES, 'the status page has them all';
    my $said = substr $h->error_log, $start;
    is scalar(() = $said =~ /BL0012: .*a\/banned: $BAD_LINES bad lines/g), 1,
        'so has one line of the error log';
    is join(' ', $said =~ /BL0013: .*a\/banned line (\d+): /g), '2 3 4 5 6',
        'and the first few have one each';
    cmp_ok scalar(grep { !/BL0101/ } split /\n/, $said), '<', 20,
        'which is all but for refusals';
    recovers('bad lines', within => 60);
}
bad_lines();

# Sparse: nothing of it is on the disk.
sub sparse {
    my ($size, $behind) = @_;
    open my $out, '>', "$file.new" or die $!;
    syswrite $out, "10.7.0.1\n";
    sysseek $out, $size, 0;
    syswrite $out, $behind;
    close $out;
    rename "$file.new", $file or die $!;
}

contains('a line of 1 GB', sub { sparse(2**30, "\n10.7.0.2\n") }, 60);
contains('a file of 4 GB', sub { sparse(2**32, "\n10.7.0.2\n") }, 120);

# One that grows faster than anybody could read it all again.
{
    defined(my $pid = fork) or die $!;
    if (!$pid) {
        open my $out, '>>', $file or POSIX::_exit(1);
        my $end = time + 6;
        while (time < $end) {
            syswrite $out, "10.99.0.1 and so on\n" x 50;
            sleep 0.0005;
        }
        POSIX::_exit(0);
    }
    comes_to_get($h, '10.99.0.1', 403, 'growth without end: is read');
    $h->append_file('a/banned', "10.7.1.1 -\n");
    comes_to_get($h, '10.7.1.1', 403, 'a ban in the midst of it');
    other_is_well('growth without end');
    kill 'KILL', $pid;
    waitpid $pid, 0;
    recovers('growth without end', within => 30);
}

rename $h->path('a'), $h->path('gone') or die $!;
remove_tree($h->path('gone'));
sleep 0.7;
gets($h, '10.0.0.1', 403, 'without its folder: the last good list stays');
other_is_well('without its folder');
$h->write_file('a/banned', "10.0.0.1 -\n10.7.2.1 -\n");
comes_to_get($h, '10.7.2.1', 403, 'the folder made again');
$h->append_file('a/banned', "10.7.2.2 -\n");
comes_to_get($h, '10.7.2.2', 403, 'and watched');

my ($peak) = map { /^VmHWM:\s+(\d+)/ ? $1 / 1024 : () }
    split /\n/, $h->read_file('/proc/' . ($h->loader_pids)[0] . '/status');
note "the loader took $peak MB at most";
cmp_ok $peak, '<', $LOADER_MAX, 'the loader stayed small';
is scalar($h->loader_pids), 1, 'one loader';
unlike $h->error_log, qr/BL0006/, 'the same all the time';
$h->stop;
done_testing;
