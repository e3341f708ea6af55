# SPDX-License-Identifier: Apache-2.0
# Cost against the size of the list: data=FILE, svg=FILE.  The background is
# left away and all is in middle tones, to be read on white and on black.
set terminal svg size 900,440 dynamic font 'sans-serif,13' \
    linewidth 1.2 name 'cost'
set encoding utf8
set output svg
ink = '#808890'
set border 3 linecolor rgb ink
set tics nomirror textcolor rgb ink
set grid linecolor rgb ink linewidth 0.3 dashtype 3
set logscale xy
set format x '10^{%L}'
set ytics ('10' 10, '100' 100, '1,000' 1e3, '10,000' 1e4, '100,000' 1e5, \
    '1,000,000' 1e6)
set xlabel 'entries in the list' textcolor rgb ink
set ylabel 'µs of processor time for a request of a new client' \
    textcolor rgb ink
set key outside right top noenhanced \
    textcolor rgb ink samplen 2 spacing 1.3
set xrange [10:1e7]
set yrange [5:1e6]
plot data index 0 using 1:2 with lines linewidth 1.5 dashtype 2 \
        linecolor rgb ink title columnheader(1), \
    data index 1 using 1:2 with linespoints linewidth 1.5 pointtype 4 \
        linecolor rgb '#d9534f' title columnheader(1), \
    data index 2 using 1:2 with linespoints linewidth 1.5 pointtype 6 \
        linecolor rgb '#e08e2b' title columnheader(1), \
    data index 3 using 1:2 with linespoints linewidth 1.5 pointtype 8 \
        linecolor rgb '#4d8fd6' title columnheader(1), \
    data index 4 using 1:2 with linespoints linewidth 1.5 pointtype 10 \
        linecolor rgb '#9b6fd0' title columnheader(1), \
    data index 5 using 1:2 with linespoints linewidth 1.5 pointtype 12 \
        linecolor rgb '#b58863' title columnheader(1), \
    data index 6 using 1:2 with linespoints linewidth 1.5 pointtype 2 \
        linecolor rgb '#2a9db0' title columnheader(1), \
    data index 7 using 1:2 with linespoints linewidth 3 pointtype 7 \
        pointsize 0.7 linecolor rgb '#3aa655' title columnheader(1)
