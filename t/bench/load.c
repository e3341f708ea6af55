/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load FILE TIMES: what the loader costs, without a server around it.
 *
 * Prints "load WALL CPU ENTRIES" for each full load of the file into a fresh
 * segment, and "append WALL CPU ENTRIES" for each of ten lines added to the
 * file behind the last of them; times in milliseconds.  The file is left as
 * it was.
 */
#include "entries.h"

#include "banlist/loader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double ms_of(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void fail(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

static void look(loader_t *l, const shared_t *s, const char *what)
{
    double wall = ms_of(CLOCK_MONOTONIC), cpu = ms_of(CLOCK_PROCESS_CPUTIME_ID);
    loader_clock_t now;
    shared_report_t report;

    loader_clock(&now);
    if (loader_look(l, &now, LOADER_CHANGED | LOADER_CLOSED, NULL)
        != LOADER_LOADED)
        fail("not loaded");
    wall = ms_of(CLOCK_MONOTONIC) - wall;
    cpu = ms_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    shared_report(s, &report);
    if ((report.how == SHARED_APPENDED) != (*what == 'a'))
        fail("not loaded in that way");
    printf("%s %.3f %.3f %llu\n", what, wall, cpu,
           (unsigned long long)report.entries);
}

static void append(const char *path, uint32_t i)
{
    int fd = open(path, O_WRONLY | O_APPEND);
    uint32_t a = entry_ipv4(0x40000000u + i);

    if (fd < 0
        || dprintf(fd, "%u.%u.%u.%u -\n", a >> 24, a >> 16 & 255, a >> 8 & 255,
                   a & 255)
               < 0)
        fail("cannot append");
    close(fd);
}

static void run(const char *path, const hash_seed_t *seed, size_t memory,
                int last)
{
    shared_t s;
    loader_t *l;

    if (shared_create(&s, memory, seed))
        fail("no address space");
    l = loader_create(path, &s, 128);
    if (!l)
        fail("no memory");
    look(l, &s, "load");
    for (uint32_t i = 0; last && i < 10; i++) {
        append(path, i);
        look(l, &s, "append");
    }
    loader_destroy(l);
    shared_destroy(&s);
}

int main(int argc, char **argv)
{
    hash_seed_t seed;
    struct stat before;
    int times;

    if (argc != 3 || (times = atoi(argv[2])) < 1) {
        fputs("usage: load FILE TIMES\n", stderr);
        return 2;
    }
    if (stat(argv[1], &before) || shared_make_seed(&seed))
        fail("no such file");
    for (int i = 1; i <= times; i++)
        run(argv[1], &seed, (size_t)4 << 30, i == times);
    return truncate(argv[1], before.st_size) != 0;
}
