/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long list that grows: what one more line costs, counted in bytes that are
 * read, and that an edit of what was there before is found all the same,
 * however it is hidden behind growth.
 */
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "banlist/loader.h"
#include "tap.h"

#define SECOND LOADER_SECOND
#define MS (SECOND / 1000)

/* In lines.  Of a short list all is looked at again each time. */
#define LONG 300000
#define MORE 26000
#define SHORT 1000
#define LINE 17 /* bytes of one */

static char folder[] = "/tmp/banlist-XXXXXX";
static char path[64];
static shared_t segment;
static loader_t *loader;
static loader_clock_t now;
static int64_t bytes_read;
static int edit_at_fstat; /* the nth line is edited while the file is read */

ssize_t pread(int fd, void *to, size_t len, off_t at)
{
    ssize_t got = (ssize_t)syscall(SYS_pread64, fd, to, len, at);

    bytes_read += got;
    return got;
}

static void edit(int n);

int fstat(int fd, struct stat *st)
{
    int n = edit_at_fstat;

    edit_at_fstat = 0;
    if (n && bytes_read)
        edit(n);
    else
        edit_at_fstat = n;
    return (int)syscall(SYS_newfstatat, fd, "", st, 0x1000 /* AT_EMPTY_PATH */);
}

/* ---- the file ---- */

/* The LINE bytes that ban the nth address of net, which has two digits. */
static void line_of(char text[64], int net, int n)
{
    snprintf(text, 64, "%d.%d.%d.%d -\n", net, 100 + n / 22500,
             100 + n / 150 % 150, 100 + n % 150);
}

static void put(int flags, int64_t at, int net, int first, int n)
{
    FILE *f;
    char text[64];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);

    if (fd < 0 || !(f = fdopen(fd, "w")) || (at >= 0 && fseek(f, at, SEEK_SET)))
        abort();
    for (int i = 0; i < n; i++) {
        line_of(text, net, first + i);
        fwrite(text, 1, LINE, f);
    }
    if (fclose(f) != 0)
        abort();
}

/* The nth line of the file bans another, in as many bytes. */
static void edit(int n)
{
    put(0, (int64_t)n * LINE, 11, n, 1);
}

static void append(int net, int n)
{
    put(O_APPEND, -1, net, n, 1);
}

static int is_banned(int net, int n)
{
    char text[64];
    table_match_t m;
    prefix_t p;

    line_of(text, net, n);
    return !prefix_parse(&p, NULL, text, strcspn(text, " "))
           && shared_find(&segment, &p, 1, &m);
}

/* ---- looks ---- */

static void pass(int64_t time)
{
    now.mono += time;
    now.wall += time;
    now.heard = now.wall;
}

static loader_news_e look(unsigned hints)
{
    bytes_read = 0;
    return loader_look(loader, &now, hints, NULL);
}

static loader_news_e look_when_due(void)
{
    pass(loader_due(loader) - now.mono);
    return look(0);
}

static shared_how_e how(void)
{
    shared_report_t r;

    shared_report(&segment, &r);
    return r.how;
}

/* So many lines, of net 10, are in force and were long ago. */
static void begin(int lines)
{
    hash_seed_t seed;

    put(O_TRUNC, -1, 10, 0, lines);
    if (shared_make_seed(&seed) != 0
        || shared_create(&segment, (size_t)16 << 20, &seed) != 0
        || !(loader = loader_create(path, &segment, 128)))
        abort();
    loader_clock(&now);
    pass(10 * SECOND);
    if (look(LOADER_CHANGED | LOADER_CLOSED) != LOADER_LOADED
        || !is_banned(10, 0) || !is_banned(10, lines - 1))
        abort();
    pass(10 * SECOND);
}

static void end(void)
{
    loader_destroy(loader);
    shared_destroy(&segment);
    unlink(path);
}

/* ---- the situations ---- */

static void one_more_line(void)
{
    begin(LONG);
    append(12, 1);
    is_int(look(LOADER_CHANGED | LOADER_CLOSED), LOADER_LOADED,
           "one more line is in force at once");
    ok(is_banned(12, 1) && how() == SHARED_APPENDED, "read on");
    ok(bytes_read < 512 * 1024, "for %jd bytes read, not for all that was",
       (intmax_t)bytes_read);
    is_int(loader_due(loader) - now.mono,
           900 * MS + SECOND * LONG * LINE / 200000000,
           "it is proven within a second, or one more for each 200 MB");
    is_int(look_when_due(), LOADER_NOTHING, "which is no news");
    ok(bytes_read >= LONG * LINE, "though %jd bytes are read",
       (intmax_t)bytes_read);
    ok(loader_due(loader) == LOADER_NEVER, "and once is enough");
    end();
}

static void many_more_lines(void)
{
    int64_t all = 0;
    int looks = 0, missing = 0;

    begin(LONG);
    for (; looks < 200; looks++) {
        append(12, looks);
        look(LOADER_CHANGED | LOADER_CLOSED);
        all += bytes_read;
        missing += !is_banned(12, looks);
        pass(10 * MS);
    }
    is_int(missing, 0, "a line each hundredth of a second: all at once");
    ok(all / looks < 512 * 1024, "for %jd bytes each, with their proofs",
       (intmax_t)(all / looks));
    end();
}

static void edited(void)
{
    begin(LONG);
    edit(0);
    is_int(look(LOADER_CHANGED | LOADER_CLOSED), LOADER_LOADED,
           "an edit that leaves the size as it is");
    ok(is_banned(11, 0) && !is_banned(10, 0), "is in force at once");
    edit(LONG - 1);
    pass(SECOND);
    look(LOADER_CHANGED | LOADER_CLOSED);
    ok(is_banned(11, LONG - 1) && !is_banned(10, LONG - 1),
       "of the last line too");
    edit(LONG - 1000);
    append(12, 1);
    pass(SECOND);
    look(LOADER_CHANGED | LOADER_CLOSED);
    ok(is_banned(12, 1) && is_banned(11, LONG - 1000) && how() == SHARED_FULL,
       "one near the end is seen though the file grew");
    end();
}

/* What is recent stays so however it came: 64,600 bytes before the end. */
static void edited_behind_small_steps(void)
{
    int missed = 0;

    for (int steps = 20; steps <= 60; steps += 7) {
        int lines = LONG + steps * 200;

        begin(LONG);
        for (int n = LONG; n < lines; n += 200) {
            put(O_APPEND, -1, 12, n, 200);
            look(LOADER_CHANGED | LOADER_CLOSED);
        }
        edit(lines - 3800);
        append(13, 1);
        pass(SECOND / 2);
        look(LOADER_CHANGED | LOADER_CLOSED);
        missed += !is_banned(11, lines - 3800);
        end();
    }
    is_int(missed, 0, "an edit near the end is seen after many small steps");
}

static void edited_as_it_grew(void)
{
    begin(LONG);
    edit(0);
    append(12, 1);
    look(LOADER_CHANGED | LOADER_CLOSED);
    ok(is_banned(12, 1), "edited and longer: what is new is in force at once");
    ok(loader_due(loader) - now.mono <= SECOND, "a second later");
    look_when_due();
    ok(is_banned(11, 0) && !is_banned(10, 0) && is_banned(12, 1),
       "the edit is");
    ok(loader_due(loader) == LOADER_NEVER, "and nothing is left to do");
    end();
}

static void edited_and_growing(void)
{
    begin(LONG);
    edit(0);
    for (int i = 0; i < 250 && !is_banned(11, 0); i++) {
        append(12, i);
        look(LOADER_CHANGED | LOADER_OPEN);
        pass(10 * MS);
    }
    ok(is_banned(11, 0) && !is_banned(10, 0),
       "growth without a pause hides an edit for no longer than that and the "
       "second for which a writer is waited for");
    end();
}

/* What is new is long, and under somebody's hands. */
static void edited_as_it_was_read(void)
{
    begin(LONG);
    put(O_APPEND, -1, 12, LONG, MORE);
    usleep(20000); /* a tick of the file system's clock */
    edit_at_fstat = LONG;
    look(LOADER_CHANGED | LOADER_OPEN);
    is_int(edit_at_fstat, 0, "edited while it was read");
    ok(!is_banned(12, LONG), "what was read is not in force");
    pass(20 * MS);
    look(LOADER_CHANGED | LOADER_CLOSED);
    ok(is_banned(11, LONG) && is_banned(12, LONG + MORE - 1),
       "but what is there by now");
    end();
}

static void edited_short(void)
{
    begin(SHORT);
    edit(0);
    append(12, 1);
    look(LOADER_CHANGED | LOADER_CLOSED);
    ok(is_banned(11, 0) && !is_banned(10, 0) && is_banned(12, 1),
       "a short list: at once");
    append(12, 2);
    look(LOADER_CHANGED | LOADER_CLOSED);
    ok(is_banned(12, 2) && loader_due(loader) == LOADER_NEVER,
       "it has nothing to be proven later");
    end();
}

static void killed_before_the_proof(void)
{
    begin(LONG);
    edit(0);
    append(12, 1);
    look(LOADER_CHANGED | LOADER_CLOSED);
    loader_destroy(loader);
    loader = loader_create(path, &segment, 128);
    look(LOADER_UNHEARD);
    pass(SECOND);
    look(0);
    ok(is_banned(11, 0) && !is_banned(10, 0),
       "the next loader proves what the last one could not");
    end();
}

static void gone_before_the_proof(void)
{
    begin(LONG);
    append(12, 1);
    look(LOADER_CHANGED | LOADER_CLOSED);
    unlink(path);
    pass(2 * SECOND);
    is_int(look(0), LOADER_TROUBLE, "a file that is gone by then");
    ok(is_banned(12, 1), "is what it was");
    ok(loader_due(loader) > now.mono, "and asks for no look without end");
    end();
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/banned", folder);
    one_more_line();
    many_more_lines();
    edited();
    edited_behind_small_steps();
    edited_as_it_grew();
    edited_and_growing();
    edited_as_it_was_read();
    edited_short();
    killed_before_the_proof();
    gone_before_the_proof();
    rmdir(folder);
    return done();
}
