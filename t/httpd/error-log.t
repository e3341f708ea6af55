#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The error log under attack stays short, and no line of ours, whatever is in
# it, is one that a stock apache filter of fail2ban matches: it would ban the
# banned again at every refusal.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Peers;
use BanList::Test;
use Test::More;

# Every message in the source, as an error log has it, at each level.
sub all_messages {
    my (@lines, %seen);
    for my $file (glob "$FindBin::Bin/../../*.c $FindBin::Bin/../../httpd/*.c") {
        open my $in, '<', $file or die "$file: $!";
        local $/;
        my $text = <$in>;
        $text =~ s/"\s*(?:APR\w+_FMT\s*)?"//g;
        while ($text =~ /"((BL\d{4}): banlist: (?:[^"\\]|\\.)*)"/g) {
            my ($message, $name) = ($1, $2);
            $seen{$name}++;
            $message =~ s/%(?:\.\*)?l*[us]/192.0.2.7/g;
            for my $level (qw(info notice warn error crit)) {
                push @lines, "[Mon Nov 23 07:37:52.362828 2026] [banlist:$level]"
                    . " [pid 7:tid 9] [client 192.0.2.7:4711] $message\n";
            }
        }
    }
    return (\%seen, @lines);
}

sub matched {
    my ($h, $log, $filter) = @_;
    my $command = join ' ', map { "'$_'" } BanList::Peers::program('fail2ban-regex'),
        $log, $filter;
    my ($matched) = `$command 2>&1` =~ /Lines: \d+ lines, \d+ ignored, (\d+) matched/;
    return $matched // 'no answer';
}

subtest 'under attack' => sub {
    each_mpm {
        my $mpm = shift;
        my $h = BanList::Httpd->new(
            mpm       => $mpm,
            processes => 1,
            threads   => 2,
            files     => { banned => "127.0.0.7 -\n" },
            conf      => "BanListFile banned\nBanListAction close",
        )->start;
        my $start = time;
        $h->get('/', from => '127.0.0.7') for 1 .. 400;
        my $seconds = time - $start + 1;
        sleep 1;
        $h->get('/', from => '127.0.0.7');
        my $log = $h->error_log;
        my $lines = () = $log =~ /BL0101/g;
        cmp_ok $lines, '>=', 10, 'refusals are told of';
        cmp_ok $lines, '<=', 10 * ($seconds + 2), 'ten a second at most';
        my $more = 0;
        $more += $1 while $log =~ /BL0105: banlist: (\d+) more refusals/g;
        is $lines + $more, 401, 'the others are counted';
        is scalar(() = $h->access_log =~ / 444 "/g), 401,
            'the access log has them all';
        $h->configure(conf => "$h->{conf}\nLogLevel warn")->graceful;
        my $before = length $h->error_log;
        $h->get('/', from => '127.0.0.7') for 1 .. 5;
        unlike substr($h->error_log, $before), qr/BL01/, 'none at LogLevel warn';
    };
};

subtest "fail2ban's filters" => sub {
    my $filters = BanList::Peers::env('FAIL2BAN_ETC') . '/filter.d';
    my $h = BanList::Process->new(log => 'log', ports => []);
    my ($seen, @lines) = all_messages();
    ok $seen->{$_}, "$_ is among the messages" for qw(BL0101 BL0102 BL0103 BL0105);
    my $ours = $h->write_file('ours', join '', @lines);
    my $theirs = $h->write_file('theirs', '[Mon Nov 23 07:37:52.362828 2026] '
        . '[authz_core:error] [pid 7:tid 9] [client 192.0.2.7:4711] AH01630: '
        . "client denied by server configuration: /var/www/x\n");
    my @filters = glob "$filters/apache-*.conf";
    cmp_ok scalar(@filters), '>', 5, 'stock apache filters';
    is matched($h, $theirs, "$filters/apache-auth.conf"), 1,
        'one of which matches what "Require" says';
    for my $filter (@filters) {
        next if $filter =~ /apache-common/; # definitions for the others
        is matched($h, $ours, $filter), 0,
            ($filter =~ s{.*/}{}r) . ': none of ' . @lines;
    }
};

done_testing;
