#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A refused client holds nothing: whatever it still sends or does not send,
# it is answered or closed at once, and the one worker there is serves the
# next client.  A proxy keeps its connection wherever no body is in the way.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use BanList::Test;
use Test::More;
use Time::HiRes qw(sleep time);

# What is asserted to be "at once"; waiting for the body, or lingering over
# it, would be 30 seconds and more.
my $AT_ONCE = patience(1.5);

my $POST = "POST /up HTTP/1.1\r\nHost: localhost\r\n";
my $LENGTH = "Content-Length: 100000000\r\n";

# Sends the head, dribbles a body for as long as the server takes it, and
# meanwhile has another client ask: (answer, how it ended, seconds until the
# other was served).
sub dribble {
    my ($h, $c, $head) = @_;
    my $start = time;
    $c->send($head);
    my $other = $h->get('/', timeout => 20);
    my $served = time - $start;
    is $other->{status}, 200, 'the next client is served';
    my ($answer, $end) = ('', 'open');
    while ($end !~ /fin|rst/ && time - $start < patience(10)) {
        $c->send('x');
        my ($bytes, $now) = $c->read_all(0.2);
        $answer .= $bytes;
        $end = $now;
    }
    return ($answer, $end, $served, time - $start);
}

# As much of a body as the server takes, at full speed.
sub pour {
    my ($c, $head) = @_;
    my $start = time;
    my $sent = 0;
    my $chunk = sprintf "%x\r\n%s\r\n", 65536, 'x' x 65536;
    $c->send("${head}Transfer-Encoding: chunked\r\n\r\n");
    while ($sent < 100e6 && $c->send($chunk)) {
        $sent += 65536;
    }
    my ($answer, $end) = $c->read_all(10);
    return ($answer, $end, $sent, time - $start);
}

sub try_direct {
    my $h = shift;
    for my $case (['a dribbled body', $LENGTH],
        ['Expect: 100-continue', "${LENGTH}Expect: 100-continue\r\n"],
        ['a dribbled chunked body', "Transfer-Encoding: chunked\r\n"]) {
        my ($name, $headers) = @$case;
        my $c = $h->connect(from => '127.0.0.7');
        my ($answer, $end, $served, $took) =
            dribble($h, $c, "$POST$headers\r\n");
        like $answer, qr{\AHTTP/1\.1 403 .*^Connection: close\r}ms,
            "$name: answered";
        unlike $answer, qr/ 100 /, 'and not asked to go on';
        cmp_ok $served, '<', $AT_ONCE, 'the next client did not wait';
        like $end, qr/fin|rst/, 'the connection ended';
        cmp_ok $took, '<', $AT_ONCE, 'at once';
    }
    my ($answer, $end, $sent, $took) =
        pour($h->connect(from => '127.0.0.7'), $POST);
    like $answer, qr{\A(?:HTTP/1\.1 403 |\z)}, 'a poured body: answered or cut';
    cmp_ok $took, '<', patience(4), 'within the two seconds of a short linger';

    my $c = $h->connect(from => '127.0.0.7');
    $c->send("GET /one HTTP/1.1\r\nHost: localhost\r\n\r\n" x 5);
    ($answer) = $c->read_all(10);
    is scalar(() = $answer =~ m{^HTTP/1.1 }mg), 1,
        'of pipelined requests one is answered';

    $c = $h->connect(from => '127.0.0.7');
    my $start = time;
    $c->send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    is +($c->read_all(10))[1], 'fin', 'a client that does not close is closed';
    is $h->get('/')->{status}, 200, 'the next client is served';
    cmp_ok time - $start, '<', $AT_ONCE, 'at once';
}

sub try_aborted {
    my $h = shift;
    for my $action (qw(close reset drop)) {
        my $c = $h->connect(from => '127.0.0.7');
        my $head = "POST /up HTTP/1.1\r\nHost: $action.test\r\n$LENGTH"
            . "Expect: 100-continue\r\n\r\n";
        my ($answer, $end, $served, $took) = dribble($h, $c, $head);
        is $answer, '', "$action: nothing sent";
        cmp_ok $took, '<', $AT_ONCE, 'ended at once';
    }
}

sub try_proxied {
    my $h = shift;
    my $banned = "X-Forwarded-For: 192.0.2.7\r\n";
    my $c = $h->connect;
    my $get = "GET / HTTP/1.1\r\nHost: localhost\r\n";
    $c->send("$get$banned\r\n$get\r\n$get$banned\r\n$get\r\n");
    is join(' ', map { $c->read_response->{status} } 1 .. 4),
        '403 200 403 200', 'pipelined requests, each as its client deserves';
    is $c->request('/', method => 'POST', body => '',
        headers => { 'X-Forwarded-For' => '192.0.2.7' })->{end}, 'open',
        'an empty body keeps the connection';
    is $c->request('/')->{status}, 200, 'which serves on';

    $c = $h->connect;
    my ($answer, $end, $served, $took) =
        dribble($h, $c, "$POST$banned$LENGTH\r\n");
    like $answer, qr{\AHTTP/1\.1 403 .*^Connection: close\r}ms,
        'a dribbled body: answered, the end announced';
    like $end, qr/fin|rst/, 'and the connection ended';
    cmp_ok $took, '<', patience(6), 'after a short linger';
}

# A script that reads what it is given before it answers.
my $SCRIPT = "#!/bin/sh\nbytes=`wc -c`\necho Content-Type: text/plain\necho\n"
    . "echo script: \$bytes\n";

sub try_script {
    my $h = shift;
    my $c = $h->connect(from => '127.0.0.7');
    my ($answer, $end, $served, $took) = dribble($h, $c,
        "POST /up HTTP/1.1\r\nHost: script.test\r\n$LENGTH\r\n");
    like $answer, qr{^HTTP/1\.1 403 .*^script: 0$}ms,
        'an ErrorDocument that reads finds no body';
    cmp_ok $took, '<', $AT_ONCE, 'at once';
}

each_mpm {
    my $mpm = shift;
    my $h = BanList::Httpd->new(
        mpm       => $mpm,
        modules   => [qw(remoteip alias cgi)],
        # One of everything: a client that held it would be noticed.
        processes => 1,
        threads   => 1,
        files     => {
            'banned'     => "127.0.0.7\n192.0.2.7\n",
            'cgi/script' => $SCRIPT,
        },
        conf      => "BanListFile banned\nRemoteIPHeader X-Forwarded-For\n"
            . 'RemoteIPInternalProxy 127.0.0.1',
        vhosts => ['any.test' => '',
            'script.test' => "ScriptAlias /cgi \@ROOT\@/cgi\n"
                . 'ErrorDocument 403 /cgi/script',
            map { ("$_.test" => "BanListAction $_") } qw(close reset drop)],
    );
    chmod 0755, $h->path('cgi/script');
    $h->start;
    subtest 'direct'  => sub { try_direct($h) };
    subtest 'aborted' => sub { try_aborted($h) };
    subtest 'proxied' => sub { try_proxied($h) };
    subtest 'script'  => sub { try_script($h) };
};

done_testing;
