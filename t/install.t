#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# make install and make uninstall, on Debian's layout and on Red Hat's: what
# is put where, that httpd takes it from there, and that an edited
# configuration is the one thing that stays.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Find ();
use FindBin;
use lib "$FindBin::Bin/lib";

use BanList::Httpd;
use Test::More;

chdir "$FindBin::Bin/.." or die $!;
delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS DESTDIR PREFIX)};

my ($apxs) = grep { -x } map { ("$_/apxs", "$_/apxs2") }
    split /:/, $ENV{PATH} or die "apxs is not here\n";
my $built = dirname(BanList::Httpd::module());

my %layout = (
    Debian => {
        sysconf => '/etc/apache2', modules => '/usr/lib/apache2/modules',
        load => 'etc/apache2/mods-available/banlist.load',
        conf => 'etc/apache2/mods-available/banlist.conf',
        user => 'www-data',
    },
    'Red Hat' => {
        sysconf => '/etc/httpd/conf', modules => '/usr/lib64/httpd/modules',
        load => 'etc/httpd/conf.modules.d/10-banlist.conf',
        conf => 'etc/httpd/conf.d/banlist.conf',
        user => 'apache',
    },
);

# An apxs that has other paths than the one that is here.
sub fake_apxs {
    my ($d, $l) = @_;
    my $path = $d->write_file('apxs', <<"END");
#!/bin/sh
case \$2 in
SYSCONFDIR) echo '$l->{sysconf}' ;;
LIBEXECDIR) echo '$l->{modules}' ;;
*) exec '$apxs' "\$@" ;;
esac
END
    chmod 0755, $path;
    return $path;
}

# make with these words; what it said.
sub make {
    my ($d, @words) = @_;
    my $log = $d->path('make.log');
    my $status = system('sh', '-c', 'log=$1; shift; exec "$@" >"$log" 2>&1',
        'sh', $log, 'make', "BUILD=$built", "APXS=@{[$d->path('apxs')]}",
        "DESTDIR=@{[$d->path('to')]}", 'PREFIX=/usr', @words);
    my $said = $d->read_file('make.log');
    is $status, 0, "make @words" or diag $said;
    return $said;
}

sub files {
    my ($d) = @_;
    my $to = $d->path('to');
    my @found;
    File::Find::find(sub {
        push @found, $File::Find::name =~ s{^\Q$to\E/}{}r if -l || -f;
    }, $to);
    return [sort @found];
}

sub mode { sprintf '%04o', (stat $_[0])[2] & 07777 }

for my $name (sort keys %layout) {
    my $l = $layout{$name};
    subtest $name => sub {
        my $d = BanList::Process->new(log => 'log');
        fake_apxs($d, $l);
        # Whatever an administrator's umask is, httpd and fail2ban can read.
        my $umask = umask 077;
        make($d, 'install');
        umask $umask;

        my $module = substr("$l->{modules}/mod_banlist.so", 1);
        my $action = 'etc/fail2ban/action.d/apache-banlist.conf';
        my @expected = sort $module, $l->{load}, $l->{conf}, $action,
            'usr/bin/banlist', 'usr/share/man/man1/banlist.1',
            'usr/share/man/man8/mod_banlist.8';
        is_deeply files($d), \@expected, 'these files';
        is mode($d->path("to/$_")), $_ eq 'usr/bin/banlist' ? '0755' : '0644',
            "mode of $_" for @expected;

        my ($etc) = $l->{sysconf} =~ m{^(/etc/\w+)};
        like $d->read_file("to/$l->{load}"),
            qr{^LoadModule banlist_module /\Q$module\E$}m,
            'the module is loaded from where it is';
        my $conf = $d->read_file("to/$l->{conf}");
        like $conf, qr{^ *BanListFile \Q$etc\E/banned-hosts$}m, 'the list';
        like $d->read_file("to/$action"), qr{^file = \Q$etc\E/banned-hosts$}m,
            'the same for fail2ban';
        like $d->read_file("to/$action"), qr{^owner = $l->{user}$}m,
            "which belongs to httpd's user";
        {
            local $ENV{BANLIST_MODULE} = $d->path("to/$module");
            my $h = BanList::Httpd->new(conf => $conf);
            my ($status, $said) = $h->run('-t');
            is $status, 0, 'httpd takes both' or diag $said;
        }

        $d->append_file("to/$l->{conf}", "# mine\n");
        like make($d, 'install'), qr/^kept: .*banlist\.conf$/m,
            'installed again';
        is $d->read_file("to/$l->{conf}"), "$conf# mine\n",
            'an edited configuration stays';
        like make($d, 'uninstall'), qr/^kept: .*banlist\.conf$/m,
            'uninstalled';
        is_deeply files($d), [$l->{conf}], 'and stays then too';

        unlink $d->path("to/$l->{conf}");
        make($d, 'install');
        if ($name eq 'Debian') {
            my $enabled = $d->path('to/etc/apache2/mods-enabled');
            mkdir $enabled or die $!;
            symlink "../mods-available/banlist.$_", "$enabled/banlist.$_"
                for qw(load conf);
        }
        make($d, 'uninstall');
        is_deeply files($d), [], 'nothing is left of an unedited one';
        make($d, 'uninstall');
    };
}

done_testing;
