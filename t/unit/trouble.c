/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader of one list, through what can happen to a file and to loaders:
 * growth that never pauses, times from the future and clocks that are set,
 * a rewrite that is stopped half way, and reading that kills whoever does it.
 */
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "banlist/loader.h"
#include "banlist/source.h"
#include "tap.h"

#define SECOND LOADER_SECOND
#define MS (SECOND / 1000)

static char folder[] = "/tmp/banlist-XXXXXX";
static char path[64], temporary[64];
static shared_t segment;
static loader_t *loader;
static loader_clock_t now;

/* ---- hooks in the place of the C library's calls ---- */

static int grow_at_fstat; /* somebody appends while the file is read */
static int die_at_pread;
static int die_at_clock;

static void append(const char *text);

static int whole_seconds; /* are all that the file system keeps of times */

static int stat_as_kept(int fd, const char *name, struct stat *st, int flags)
{
    int status = (int)syscall(SYS_newfstatat, fd, name, st, flags);

    if (whole_seconds)
        st->st_mtim.tv_nsec = st->st_ctim.tv_nsec = 0;
    return status;
}

int fstat(int fd, struct stat *st)
{
    if (grow_at_fstat) {
        grow_at_fstat--;
        append("198.51.100.9 -\n");
    }
    return stat_as_kept(fd, "", st, 0x1000 /* AT_EMPTY_PATH */);
}

int stat(const char *restrict name, struct stat *restrict st)
{
    return stat_as_kept(AT_FDCWD, name, st, 0);
}

ssize_t pread(int fd, void *to, size_t len, off_t at)
{
    if (die_at_pread)
        raise(SIGKILL);
    return (ssize_t)syscall(SYS_pread64, fd, to, len, at);
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    if (die_at_clock)
        raise(SIGKILL);
    return (int)syscall(SYS_clock_gettime, clock, t);
}

static int truncated_at_lseek; /* somebody's truncate() comes to its end */

static void set_time(int64_t at);

off_t lseek(int fd, off_t at, int whence)
{
    if (truncated_at_lseek) {
        truncated_at_lseek = 0;
        set_time(now.wall + MS);
    }
    return (off_t)syscall(SYS_lseek, fd, at, whence);
}

/* ---- files and looks ---- */

static void put(const char *text, int flags)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
    close(fd);
}

static void append(const char *text)
{
    put(text, O_APPEND);
}

static void set_time(int64_t at)
{
    struct timespec times[2];

    times[0].tv_sec = (time_t)(at / SECOND);
    times[0].tv_nsec = at % SECOND;
    times[1] = times[0];
    if (utimensat(AT_FDCWD, path, times, 0) != 0)
        abort();
}

/* In place; as old as its age says (below 0: from the future). */
static void write_aged(const char *text, int64_t age)
{
    put(text, O_TRUNC);
    set_time(now.wall - age);
}

static void pass(int64_t time)
{
    now.mono += time;
    now.wall += time;
    now.heard = now.wall;
}

static loader_news_e look(unsigned hints)
{
    return loader_look(loader, &now, hints, NULL);
}

static int is_banned(const char *text)
{
    table_match_t m;
    prefix_t p;

    return !prefix_parse(&p, NULL, text, strlen(text))
           && shared_find(&segment, &p, 1, &m);
}

static void begin(void)
{
    hash_seed_t seed = {{1, 2, 3, 4}};

    if (shared_create(&segment, SHARED_MIN, &seed) != 0
        || !(loader = loader_create(path, &segment, 128)))
        abort();
    loader_clock(&now);
    pass(10 * SECOND); /* whatever is written from here on was long ago */
}

static void end(void)
{
    loader_destroy(loader);
    shared_destroy(&segment);
    unlink(path);
}

/* ---- the situations ---- */

static void growth_without_pause(void)
{
    put("192.0.2.1 -\n", O_TRUNC);
    begin();
    is_int(look(0), LOADER_LOADED, "loaded");
    append("192.0.2.2 -\n");
    grow_at_fstat = 1000;
    for (int i = 0; i < 3; i++)
        look(LOADER_CHANGED);
    ok(grow_at_fstat < 1000, "somebody appended at each look");
    grow_at_fstat = 0;
    ok(is_banned("192.0.2.2") && is_banned("198.51.100.9"),
       "what was appended counts though it never pauses");
    end();
}

static void time_from_the_future(void)
{
    begin();
    write_aged("192.0.2.1 -\n192.0.2.2", -3600 * SECOND);
    look(LOADER_CHANGED);
    ok(is_banned("192.0.2.1") && !is_banned("192.0.2.2"),
       "a file from the future: its whole lines count");
    ok(loader_due(loader) - now.mono <= 2 * SECOND,
       "and it is looked at again soon");
    pass(SECOND + 2 * MS);
    look(0);
    ok(is_banned("192.0.2.2"), "the last one once it was still for a second");
    pass(SECOND);
    look(LOADER_DEAF);
    pass(SECOND);
    look(LOADER_DEAF);
    ok(loader_due(loader) - now.mono >= SECOND,
       "nor is it read over and over where there are no notices");
    end();
}

static void clock_set_back(void)
{
    begin();
    write_aged("192.0.2.1 -\n", 0);
    look(LOADER_CHANGED);
    now.wall -= 3600 * SECOND;
    now.heard = now.wall;
    append("192.0.2.2 -\n");
    look(LOADER_CHANGED | LOADER_CLOSED);
    ok(is_banned("192.0.2.2"), "an hour back: an append is seen");
    put("192.0.2.3 -\n", O_TRUNC);
    look(LOADER_CHANGED | LOADER_CLOSED);
    pass(60 * MS);
    look(0);
    ok(is_banned("192.0.2.3") && !is_banned("192.0.2.1"), "and a rewrite");
    now.wall += 7200 * SECOND;
    now.heard = now.wall;
    put("192.0.2.4 -\n", O_TRUNC);
    look(LOADER_CHANGED | LOADER_OPEN);
    ok(is_banned("192.0.2.3"), "two hours forward: a rewrite is waited for");
    look(LOADER_CHANGED | LOADER_CLOSED);
    pass(10 * MS);
    look(0);
    ok(is_banned("192.0.2.4") && !is_banned("192.0.2.3"),
       "and seen when it is done");
    end();
}

static void stopped_half_way(void)
{
    begin();
    write_aged("192.0.2.1 -\n192.0.2.2 -\n", SECOND);
    look(LOADER_CHANGED | LOADER_CLOSED);
    write_aged("192.0.2.1 -\n", 0);
    look(LOADER_CHANGED | LOADER_OPEN);
    pass(200 * MS);
    look(0);
    ok(is_banned("192.0.2.2"),
       "a rewrite that somebody is heard to be at is waited for");
    pass(2 * SECOND);
    look(0);
    ok(is_banned("192.0.2.2"), "also one that stalls for seconds");
    pass(3 * SECOND);
    look(0);
    ok(!is_banned("192.0.2.2"), "but not for ever");
    write_aged("192.0.2.1 -\n192.0.2.4 -\n192.0.2.7 -\n", 0);
    look(LOADER_CHANGED | LOADER_OPEN);
    pass(600 * MS);
    look(0);
    ok(is_banned("192.0.2.7"), "one that is as long as before counts sooner");
    write_aged("192.0.2.1 -\n192.0.2.3 -\n", 0);
    look(LOADER_CHANGED | LOADER_CLOSED);
    pass(10 * MS);
    look(0);
    ok(is_banned("192.0.2.3"), "one that is closed counts two ticks later");
    now.heard -= 50 * MS;
    write_aged("", 0);
    look(LOADER_CHANGED | LOADER_CLOSED);
    ok(is_banned("192.0.2.3"),
       "not if it was written to since the close was heard");
    end();
}

/* What was heard of a file says nothing of the one in its place. */
static void made_anew(void)
{
    begin();
    write_aged("192.0.2.1 -\n", SECOND);
    look(LOADER_CHANGED | LOADER_CLOSED);
    write_aged("192.0.2.2 -\n", 0);
    look(LOADER_CHANGED | LOADER_CLOSED);
    look(LOADER_CHANGED | LOADER_UNHEARD);
    pass(400 * MS);
    look(0);
    ok(is_banned("192.0.2.1"), "made anew behind the close that was heard: "
                               "its writer may be at it");
    pass(200 * MS);
    look(0);
    ok(is_banned("192.0.2.2"), "but for half a second");
    write_aged("192.0.2.3 -\n", 0);
    look(LOADER_UNHEARD | LOADER_CLOSED);
    pass(10 * MS);
    look(0);
    ok(is_banned("192.0.2.3"), "closed since it was made: two ticks later");
    write_aged("192.0.2.4 -\n", 60 * SECOND);
    look(LOADER_CHANGED | LOADER_UNHEARD);
    pass(60 * MS);
    look(0);
    ok(is_banned("192.0.2.4"),
       "one that was changed later than written to "
       "was put there whole: as where nothing is heard");
    end();
}

/* As sed -i does it, so fast that the file's two times are the same; the time
 * is a millisecond later then. */
static void move_in(const char *text)
{
    source_sign_t sign;
    int error, fd;

    do {
        fd = open(temporary, O_WRONLY | O_CREAT | O_CLOEXEC | O_TRUNC, 0644);
        if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)
            || close(fd) != 0 || rename(temporary, path) != 0)
            abort();
        source_stat(path, &sign, &error);
    } while (sign.mtime != sign.ctime);
    pass(SECOND);
    now.wall = now.heard = sign.ctime + MS;
}

/* A close is heard, and before the next look somebody opens the file anew. */
static void closed_in_one_tick(void)
{
    begin();
    write_aged("192.0.2.1 -\n", SECOND);
    look(LOADER_CHANGED | LOADER_CLOSED);
    write_aged("192.0.2.2 -\n", MS);
    look(LOADER_CHANGED | LOADER_CLOSED);
    ok(is_banned("192.0.2.1"), "closed in the tick of its last write: "
                               "that may be the next writer's");
    ok(loader_due(loader) - now.mono <= 10 * MS, "wait for two ticks");
    pass(4 * MS);
    write_aged("192.0.2.2 -\n192.0.2.1 -\n", 0);
    look(LOADER_CHANGED | LOADER_OPEN);
    pass(20 * MS);
    look(0);
    ok(is_banned("192.0.2.1") && !is_banned("192.0.2.2"), "it was");
    look(LOADER_CHANGED | LOADER_CLOSED);
    ok(is_banned("192.0.2.1") && is_banned("192.0.2.2"),
       "closed some time after it: all of it counts at once");
    end();
}

static int more_heard;

static int heard_more(void *ctx)
{
    (void)ctx;
    return more_heard;
}

/* What is seen of a file is older than what was heard of it last. */
static void heard_meanwhile(void)
{
    begin();
    loader_listen(loader, heard_more, NULL);
    write_aged("192.0.2.1 -\n", SECOND);
    look(LOADER_CHANGED | LOADER_CLOSED);
    write_aged("192.0.2.2 -\n", 0);
    look(LOADER_CHANGED | LOADER_OPEN);
    pass(SECOND / 10);
    more_heard = 1;
    look(LOADER_CHANGED | LOADER_CLOSED);
    ok(is_banned("192.0.2.1"), "another writer is heard before it is read");
    ok(loader_due(loader) <= now.mono, "looked at again at once");
    more_heard = 0;
    look(LOADER_CHANGED | LOADER_OPEN);
    ok(is_banned("192.0.2.1"), "and waited for");
    more_heard = 1;
    for (int i = 0; i < 6; i++) {
        pass(SECOND);
        look(LOADER_CHANGED | LOADER_OPEN);
    }
    ok(!is_banned("192.0.2.1"), "but not for ever");
    end();
}

/* One that would fit is put in the place of one that does not, as long and in
 * the same second. */
static void too_big_in_one_tick(void)
{
    enum { LINES = 200000 };
    char *text = malloc(LINES * 16), *p = text;

    for (int i = 0; i < LINES; i++)
        p += sprintf(p, "10.%d.%d.%d\n", i >> 16, i >> 8 & 255, i & 255);
    begin();
    whole_seconds = 1;
    put(text, O_TRUNC);
    loader_clock(&now);
    is_int(look(LOADER_CHANGED | LOADER_CLOSED), LOADER_TROUBLE, "too big");
    memset(text, '#', (size_t)(p - text) - 1);
    memcpy(text, "192.0.2.1\n", 10);
    put(text, O_TRUNC);
    look(LOADER_CHANGED | LOADER_CLOSED);
    ok(is_banned("192.0.2.1"), "one that looks the same is looked at again");
    whole_seconds = 0;
    free(text);
    end();
}

/* The unfinished line of a list that is rewritten is no reason to wait. */
static void unfinished_and_rewritten(void)
{
    begin();
    write_aged("192.0.2.1 -\n192.0.2", 100 * MS);
    look(LOADER_CHANGED | LOADER_OPEN);
    ok(is_banned("192.0.2.1"), "a list and half a line");
    pass(100 * MS);
    write_aged("192.0.2.2 -\n192.0.2.3 -\n", 0);
    look(LOADER_CHANGED | LOADER_CLOSED);
    ok(loader_due(loader) - now.mono <= 10 * MS,
       "rewritten and closed: it is asked for again in two ticks");
    pass(10 * MS);
    look(0);
    ok(is_banned("192.0.2.3") && !is_banned("192.0.2.1"), "and in force");
    end();
}

static void unfinished_and_emptied(void)
{
    begin();
    write_aged("192.0.2.1 -\n192.0.2", 100 * MS);
    look(LOADER_CHANGED | LOADER_OPEN);
    pass(2 * SECOND);
    write_aged("", 0);
    look(LOADER_CHANGED | LOADER_OPEN);
    ok(is_banned("192.0.2.1"), "half a line, and its file is being emptied");
    ok(loader_due(loader) - now.mono >= 400 * MS,
       "whoever is at it is waited for, not asked without a pause");
    end();
}

/* Within truncate() a file may be short already and its time still old. */
static void short_and_old(void)
{
    begin();
    write_aged("192.0.2.1 -\n192.0.2.2 -\n", 20 * SECOND);
    look(LOADER_CHANGED | LOADER_CLOSED);
    pass(20 * SECOND);
    write_aged("", 10 * SECOND);
    pass(20 * SECOND);
    look(LOADER_CHANGED);
    ok(is_banned("192.0.2.1"), "shorter than before, with an old time: "
                               "its time is yet to be set");
    pass(600 * MS);
    look(0);
    ok(!is_banned("192.0.2.1"), "unless it stays so");
    end();
}

/* The same, where the close of the writer before was heard just now, or that
 * the file was moved here. */
static void truncated(unsigned heard)
{
    begin();
    write_aged("192.0.2.1 -\n192.0.2.2 -\n", 30 * SECOND);
    look(LOADER_CHANGED | LOADER_CLOSED);
    write_aged("", 20 * SECOND);
    truncated_at_lseek = 1;
    look(LOADER_CHANGED | heard);
    ok(!truncated_at_lseek, "short, with an old time: whoever is at it is "
                            "waited for");
    pass(20 * MS);
    look(0);
    ok(is_banned("192.0.2.1"), "and what was heard was of another");
    look(LOADER_CHANGED | LOADER_CLOSED);
    pass(10 * MS);
    look(0);
    ok(!is_banned("192.0.2.1"), "until that one has closed it");
    end();
}

/* Moved here, and written to before anybody watched it. */
static void moved_and_written(void)
{
    struct timespec ticks = {0, 30 * MS};
    source_sign_t sign;
    int error;

    begin();
    write_aged("192.0.2.1 -\n", SECOND);
    look(LOADER_CHANGED | LOADER_CLOSED);
    move_in("192.0.2.2 -\n192.0.2.3 -\n");
    nanosleep(&ticks, NULL);
    put("192.0.2.2 -\n", O_TRUNC);
    source_stat(path, &sign, &error);
    now.wall = now.heard = sign.ctime + MS;
    look(LOADER_CHANGED | LOADER_MOVED);
    pass(100 * MS);
    look(0);
    ok(is_banned("192.0.2.1"), "moved here and written to since: "
                               "the writer may be at it");
    pass(500 * MS);
    look(0);
    ok(is_banned("192.0.2.2") && !is_banned("192.0.2.1"),
       "but for half a second");
    end();
}

static void moved_in_one_tick(void)
{
    struct timespec ticks = {0, 30 * MS};

    begin();
    write_aged("192.0.2.1 -\n", SECOND);
    look(LOADER_CHANGED | LOADER_CLOSED);
    move_in("192.0.2.2 -\n");
    look(LOADER_CHANGED | LOADER_MOVED);
    ok(is_banned("192.0.2.1"), "moved here in the tick of its last write: "
                               "another may follow");
    ok(loader_due(loader) - now.mono <= 10 * MS, "for two ticks");
    pass(loader_due(loader) - now.mono);
    look(0);
    ok(is_banned("192.0.2.2") && !is_banned("192.0.2.1"), "then it counts");
    move_in("");
    look(LOADER_CHANGED | LOADER_MOVED);
    pass(10 * MS);
    look(0);
    ok(!is_banned("192.0.2.2"), "an empty one too");

    move_in("192.0.2.3 -\n");
    look(LOADER_CHANGED | LOADER_MOVED);
    pass(4 * MS);
    append("192.0.2.4 -\n");
    look(LOADER_CHANGED | LOADER_OPEN);
    pass(20 * MS);
    look(0);
    ok(!is_banned("192.0.2.3"), "one whose writer is heard to go on does not");
    look(LOADER_CHANGED | LOADER_CLOSED);
    pass(60 * MS);
    look(0);
    ok(is_banned("192.0.2.4"), "until it has closed");

    move_in("192.0.2.5 -\n");
    look(LOADER_CHANGED | LOADER_MOVED);
    nanosleep(&ticks, NULL);
    append("192.0.2.6 -\n");
    pass(10 * MS);
    look(0);
    ok(!is_banned("192.0.2.5"), "nor one that was seen to change");
    end();
}

/* A loader of its own, which looks once and dies of it, or not. */
static int other_looks(int dies)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        loader_t *other = loader_create(path, &segment, 128);

        die_at_pread = dies;
        status = loader_look(other, &now, LOADER_CHANGED | LOADER_CLOSED, NULL);
        loader_destroy(other);
        _exit(status);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void reading_that_kills(void)
{
    shared_report_t r;

    begin();
    write_aged("192.0.2.1 -\n", SECOND);
    look(LOADER_CHANGED);
    write_aged("192.0.2.2 -\n", SECOND);
    for (int i = 0; i < 3; i++) {
        is_int(other_looks(1), SIGKILL, "loader %d dies of it", i);
        pass(SECOND);
    }
    is_int(other_looks(1) >> 8, LOADER_TROUBLE, "the next lets it be");
    is_int(look(0), LOADER_TROUBLE, "as all do");
    shared_report(&segment, &r);
    is_int(r.error, LOADER_DIED, "and the report says so");
    ok(is_banned("192.0.2.1"), "the last good list is in force");
    ok(loader_due(loader) > now.mono + 30 * SECOND, "for a while");
    pass(61 * SECOND);
    is_int(look(0), LOADER_LOADED, "then it is tried again");
    ok(is_banned("192.0.2.2"), "and is well now");
    write_aged("192.0.2.3 -\n", SECOND);
    for (int i = 0; i < 4; i++)
        other_looks(1);
    write_aged("192.0.2.4 -\n192.0.2.5\n", SECOND);
    pass(6 * SECOND);
    look(0);
    ok(is_banned("192.0.2.4"), "a file that has changed is tried sooner");
    end();
}

/* Its last line is a bad one, and counted as it stands. */
static void begin_with_bad_tail(void)
{
    begin();
    write_aged("192.0.2.1 -\nbad!", 2 * SECOND);
    look(LOADER_CHANGED | LOADER_CLOSED);
}

static uint64_t bad_lines(void)
{
    shared_report_t r;

    shared_report(&segment, &r);
    return r.bad;
}

static void bad_lines_counted_once(void)
{
    begin_with_bad_tail();
    is_int((intmax_t)bad_lines(), 1, "a bad line");
    append("\n");
    for (int i = 0; i < 3000; i++)
        append("name.example.net\n");
    look(LOADER_CHANGED | LOADER_OPEN);
    look(LOADER_CHANGED | LOADER_OPEN);
    unlink(path);
    look(LOADER_CHANGED);
    ok(bad_lines() <= 1, "is no more nor less by looking again");
    end();
}

static void killed_before_it_reports(void)
{
    pid_t pid;

    begin();
    write_aged("192.0.2.1 -\n", 2 * SECOND);
    look(LOADER_CHANGED | LOADER_CLOSED);
    append("bad!");
    pass(60 * SECOND);
    if ((pid = fork()) == 0) {
        die_at_clock = 1;
        _exit(look(LOADER_CHANGED | LOADER_CLOSED) == LOADER_NOTHING);
    }
    waitpid(pid, NULL, 0);
    loader_destroy(loader);
    loader = loader_create(path, &segment, 128);
    append("\n");
    pass(SECOND);
    look(LOADER_CHANGED | LOADER_CLOSED);
    is_int((intmax_t)bad_lines(), 1, "the next loader counts on");
    end();
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/banned", folder);
    snprintf(temporary, sizeof temporary, "%s/banned.new", folder);
    growth_without_pause();
    time_from_the_future();
    clock_set_back();
    stopped_half_way();
    closed_in_one_tick();
    moved_in_one_tick();
    heard_meanwhile();
    made_anew();
    too_big_in_one_tick();
    unfinished_and_rewritten();
    unfinished_and_emptied();
    short_and_old();
    truncated(LOADER_CLOSED);
    truncated(LOADER_MOVED);
    moved_and_written();
    reading_that_kills();
    bad_lines_counted_once();
    killed_before_it_reports();
    rmdir(folder);
    return done();
}
