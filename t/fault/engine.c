/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each call of memory and of the system that the engine makes fails in turn,
 * the first, the second and so on, once or from then on: the last good list
 * stays in force each time, and what the file says is in force soon after
 * the calls go well again.
 */
#include <errno.h>
#include <sys/stat.h>

#include "banlist/loader.h"
#include "fault.h"
#include "t/unit/tap.h"

#define MS (LOADER_SECOND / 1000)
#define ALL 1000000
#define TURNS_MAX 200

static char folder[] = "/tmp/banlist-XXXXXX";
static char path[64], other[64];
static shared_t segment;
static loader_t *loader;
static loader_clock_t now;
static unsigned long long lost, never_recovered, wild;

/* What the calls say when they fail, but an interruption, which is none. */
static const struct {
    int call;
    int error;
} calls[] = {{FAULT_malloc, ENOMEM},       {FAULT_calloc, ENOMEM},
             {FAULT_realloc, ENOMEM},      {FAULT_open, EMFILE},
             {FAULT_stat, EACCES},         {FAULT_fstat, EIO},
             {FAULT_pread, EIO},           {FAULT_read, EIO},
             {FAULT_mmap, ENOMEM},         {FAULT_madvise, ENOMEM},
             {FAULT_madvise, EINVAL}, /* what an old kernel knows nothing of */
             {FAULT_memfd_create, ENOMEM}, {FAULT_ftruncate, ENOMEM},
             {FAULT_getrandom, ENOMEM},    {FAULT_lseek, EINVAL}};

static void arm(size_t which, int nth, int more)
{
    fault->hits = 0;
    fault->error = calls[which].error;
    fault->left = nth;
    fault->more = more;
    fault->call = calls[which].call;
}

static int disarm(void)
{
    fault->call = FAULT_NONE;
    return fault->hits;
}

/* ---- files ---- */

static void write_lines(const char *to, int flags, int lines, int third)
{
    FILE *out = fopen(to, flags & O_APPEND ? "a" : "w");

    if (!out)
        abort();
    if (!(flags & O_APPEND))
        fputs("192.0.2.1 -\n", out); /* always there */
    for (int i = 0; i < lines; i++)
        fprintf(out, "10.%d.%d.%d -\n2001:db8::%x\n", third, i >> 8, i & 255,
                i);
    fprintf(out, "name%d.example.net\n", third);
    fclose(out);
}

static int is_banned(const char *text)
{
    table_match_t m;
    prefix_t p;

    return !prefix_parse(&p, NULL, text, strlen(text))
           && shared_find(&segment, &p, 1, &m);
}

static void pass(int64_t time)
{
    now.mono += time;
    now.wall += time;
    now.heard = now.wall;
}

static void look(void)
{
    pass(100 * MS);
    (void)loader_look(loader, &now, LOADER_CHANGED | LOADER_CLOSED, NULL);
    lost += !is_banned("192.0.2.1");
    wild += is_banned("203.0.113.1") + is_banned("10.9.0.0");
}

/* ---- one turn ---- */

typedef void (*change_t)(void);

static void change_append(void)
{
    write_lines(path, O_APPEND, 300, 2);
}

/* The first end of a list is the first use of some memory. */
static void change_append_ends(void)
{
    FILE *out = fopen(path, "a");

    if (!out || fputs("10.2.0.7 until=9999999999\n", out) < 0 || fclose(out))
        abort();
}

static void change_replace(void)
{
    write_lines(other, 0, 700, 2);
    if (rename(other, path) != 0)
        abort();
}

static void change_rewrite(void)
{
    write_lines(path, 0, 200, 2);
}

/* More than the table in force has room for: it is built anew. */
static void change_much(void)
{
    write_lines(path, O_APPEND, 3000, 2);
}

static void start(void)
{
    hash_seed_t seed = {{1, 2, 3, 4}};

    write_lines(path, 0, 500, 1);
    if (shared_create(&segment, SHARED_MIN, &seed) != 0
        || !(loader = loader_create(path, &segment, 128)))
        abort();
    loader_clock(&now);
    pass(10 * LOADER_SECOND);
    look();
}

static void end(void)
{
    loader_destroy(loader);
    shared_destroy(&segment);
}

/* Whether the call was made so often at all. */
static int one_turn(change_t change, size_t which, int nth, int more)
{
    int hits;

    start();
    change();
    arm(which, nth, more);
    look();
    look();
    hits = disarm();
    for (int i = 0; i < 12; i++)
        look();
    never_recovered += !is_banned("10.2.0.7");
    end();
    return hits;
}

static void all_turns(const char *what, change_t change)
{
    int made = 0;

    lost = never_recovered = wild = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        int nth = 0;

        while (nth < TURNS_MAX && one_turn(change, i, nth, 1)) {
            one_turn(change, i, nth, ALL);
            nth++;
        }
        made += nth;
    }
    note("%s: %d calls failed in turn, once and for good", what, made);
    ok(made > 5, "%s: calls were made", what);
    is_int((intmax_t)lost, 0, "%s: the last good list stays", what);
    is_int((intmax_t)wild, 0, "%s: nobody else is banned", what);
    is_int((intmax_t)never_recovered, 0, "%s: and the new one comes", what);
}

/* What fails at the start is said, and tried again by whoever called. */
static void creation(void)
{
    hash_seed_t seed;
    int made = 0, sound = 1;

    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        for (int nth = 0; nth < TURNS_MAX; nth++) {
            int hits, err;

            segment.head = NULL;
            loader = NULL;
            arm(i, nth, 1);
            err = shared_make_seed(&seed);
            if (!err)
                err = shared_create(&segment, SHARED_MIN, &seed);
            if (!err)
                loader = loader_create(path, &segment, 128);
            hits = disarm();
            sound &= loader ? shared_is_ours(&segment) : hits > 0;
            end();
            made += hits;
            if (!hits)
                break;
        }
    }
    ok(made > 4, "creation: calls were made");
    ok(sound, "creation: all or an error");
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/banned", folder);
    snprintf(other, sizeof other, "%s/banned.new", folder);
    creation();
    all_turns("an append", change_append);
    all_turns("a first end", change_append_ends);
    all_turns("a large append", change_much);
    all_turns("a rename over it", change_replace);
    all_turns("a rewrite in place", change_rewrite);
    unlink(path);
    rmdir(folder);
    return done();
}
