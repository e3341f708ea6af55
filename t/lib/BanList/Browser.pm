# SPDX-License-Identifier: Apache-2.0
#
# A headless Chromium of our own, spoken to through chromedriver (the W3C
# WebDriver protocol: JSON over HTTP).
#
#   plan skip_all => $why if my $why = BanList::Browser::missing();
#   my $b = BanList::Browser->new(width => 360, height => 800, dark => 1);
#   $b->open($url);
#   $b->type('#ip', '192.0.2.7');
#   $b->click('button');
#   $b->text('#answer');
package BanList::Browser;

use strict;
use warnings;
use parent 'BanList::Process';

use JSON::PP ();
use MIME::Base64 qw(decode_base64);

use BanList::Connection;
use BanList::Process qw(wait_for);

my $json = JSON::PP->new->utf8;
my $ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

sub _find {
    my ($path) = grep { -x } map {
        my $name = $_;
        map { "$_/$name" } split /:/, $ENV{PATH};
    } @_;
    return $path;
}

# Why there is no browser here, or undef.
sub missing {
    return 'no chromedriver: run t/setup browser' unless _find('chromedriver');
    return _find(qw(chromium chromium-browser)) ? undef
        : 'no chromium: run t/setup browser';
}

sub new {
    my ($class, %opt) = @_;
    my $self = $class->SUPER::new(width => 1000, height => 1000,
        log => 'log', %opt);
    # It writes below its home and looks for a desktop.
    $self->{env} = { HOME => $self->{root}, DISPLAY => undef };
    $self->spawn(_find('chromedriver'), '--port=0');
    wait_for(sub { $self->_port || !$self->alive }, 60);
    $self->_port or die "chromedriver did not start:\n" . $self->tail;
    my @args = (qw(--headless --no-sandbox --disable-gpu --disable-quic
        --no-first-run --disable-background-networking
        --disable-component-update --disable-sync --disable-dev-shm-usage
        --hide-scrollbars), "--user-data-dir=$self->{root}/profile");
    my $got = $self->_ask(POST => '/session', { capabilities => {
        alwaysMatch => {
            'goog:loggingPrefs' => { browser => 'ALL' },
            'goog:chromeOptions' => {
                binary => _find(qw(chromium chromium-browser)),
                args   => \@args,
            },
        },
    } });
    $self->{session} = $got->{sessionId};
    $self->devtools('Emulation.setDeviceMetricsOverride', {
        width => $self->{width}, height => $self->{height},
        deviceScaleFactor => 1, mobile => JSON::PP::false });
    $self->devtools('Emulation.setEmulatedMedia', { features => [{
        name  => 'prefers-color-scheme',
        value => $self->{dark} ? 'dark' : 'light' }] });
    return $self;
}

sub _port {
    my $self = shift;
    return $self->{port} ||= ($self->tail =~ /started .*on port (\d+)/)[0];
}

sub _ask {
    my ($self, $method, $path, $body) = @_;
    my $connection = BanList::Connection->new(host => '127.0.0.1',
        port => $self->_port) or die "chromedriver is gone\n";
    my $got = $connection->request($path, method => $method, timeout => 60,
        headers => { 'Content-Type' => 'application/json' },
        defined $body ? (body => $json->encode($body)) : ());
    my $value = eval { $json->decode($got->{body})->{value} };
    die "$method $path: $got->{status} $got->{body}\n"
        if $got->{status} != 200;
    return $value;
}

sub _tell {
    my ($self, $method, $path, $body) = @_;
    return $self->_ask($method, "/session/$self->{session}$path", $body);
}

sub devtools {
    my ($self, $command, $params) = @_;
    return $self->_tell(POST => '/goog/cdp/execute',
        { cmd => $command, params => $params });
}

sub open { $_[0]->_tell(POST => '/url', { url => $_[1] }) }
sub url  { $_[0]->_tell(GET  => '/url') }

sub _element {
    my ($self, $css) = @_;
    return $self->_tell(POST => '/element',
        { using => 'css selector', value => $css })->{$ELEMENT};
}

sub text { $_[0]->_tell(GET => '/element/' . $_[0]->_element($_[1]) . '/text') }

sub type {
    my ($self, $css, $text) = @_;
    $self->_tell(POST => '/element/' . $self->_element($css) . '/value',
        { text => $text });
}

sub click {
    my ($self, $css) = @_;
    $self->_tell(POST => '/element/' . $self->_element($css) . '/click', {});
}

# A computed style.
sub css {
    my ($self, $css, $property) = @_;
    return $self->_tell(GET =>
        '/element/' . $self->_element($css) . "/css/$property");
}

# The value of an expression of JavaScript, which the driver evaluates: what
# the page forbids itself does not matter here.
sub value {
    my ($self, $expression) = @_;
    return $self->_tell(POST => '/execute/sync',
        { script => "return $expression", args => [] });
}

# What the browser complained of.
sub complaints {
    my $self = shift;
    return map { $_->{message} }
        @{ $self->_tell(POST => '/se/log', { type => 'browser' }) };
}

# The whole page, however long, as a PNG.
sub screenshot {
    my ($self, $path) = @_;
    my $got = $self->devtools('Page.captureScreenshot',
        { captureBeyondViewport => JSON::PP::true });
    CORE::open my $out, '>:raw', $path or die "$path: $!\n";
    print $out decode_base64($got->{data});
    close $out;
}

# The browser is a grandchild in a process group of its own: those that are
# left are known by the profile that is theirs alone.
sub stop {
    my $self = shift;
    eval { $self->_ask(DELETE => "/session/$self->{session}") }
        if $self->{session} && $self->alive;
    delete $self->{session};
    $self->SUPER::stop(@_);
    for my $file (glob '/proc/[0-9]*/cmdline') {
        CORE::open my $in, '<', $file or next;
        my ($pid) = $file =~ /(\d+)/;
        kill 'KILL', $pid
            if (<$in> // '') =~ m{--user-data-dir=\Q$self->{root}\E/profile};
    }
}

1;
