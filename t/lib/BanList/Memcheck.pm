# SPDX-License-Identifier: Apache-2.0
#
# valgrind's memcheck over a program and whatever it forks: each process has
# a log of its own in one folder, and what stands there is a finding.
#
#   my @command = BanList::Memcheck::command($folder);
#   system @command, 'build/t/unit/table';
#   print BanList::Memcheck::findings($folder);
package BanList::Memcheck;

use strict;
use warnings;

# Why it cannot be run here, or undef.
sub missing {
    return system('valgrind --version >/dev/null 2>&1')
        ? 'no valgrind: run t/setup test' : undef;
}

# The words in front of a command.  Nothing is suppressed: httpd and the C
# library are clean themselves.  What they execute is not followed, for none
# of it is ours.  httpd unloads the module as it restarts and ends, hence
# keep-debuginfo.
#
# A pool of APR is one piece here: a step from one of its pieces into the next
# is not seen.
sub command {
    my $folder = shift;
    return (qw(valgrind -q --error-exitcode=99 --keep-debuginfo=yes
        --leak-check=full --show-leak-kinds=definite
        --errors-for-leak-kinds=definite --num-callers=24 --vgdb=no),
        "--log-file=$folder/%p");
}

sub logs { my @logs = glob "$_[0]/*"; return @logs }

# With -q valgrind writes nothing but what it finds, and what it does not
# know of the kernel, which is no finding.
sub findings {
    my @found;
    for my $log (logs(@_)) {
        open my $in, '<', $log or die "$log: $!\n";
        local $/;
        my $text = <$in> // '';
        $text =~ s/^[=-]{2}\d+[=-]{2} Warning: noted but unhandled .*\n
            (?:[=-]{2}\d+[=-]{2}\ {4}.*\n)*//gmx;
        push @found, $text if $text =~ /\S/;
    }
    return @found;
}

1;
