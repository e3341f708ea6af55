/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader of one list, driven without httpd and with a clock of its own:
 * what is read on and what anew, what counts and since when, what trouble
 * leaves in force, and how a loader goes on where another one was killed.
 */
#include "banlist/loader.h"
#include "banlist/source.h"

#include "tap.h"

#include <sys/stat.h>
#include <time.h>

#define SECOND LOADER_SECOND
#define MEMORY ((size_t)2 << 20)
#define HEARD (LOADER_CHANGED | LOADER_CLOSED)

static char root[] = "/tmp/banlist-XXXXXX";
static char path[64], other[64];
static shared_t segment;
static loader_t *loader;
static shared_report_t report;
static int trouble_ended;

/* ---- files ---- */

static void write_with(const char *to, int flags, const char *text)
{
    int fd = open(to, O_WRONLY | O_CREAT | flags, 0644);
    size_t len = strlen(text);

    if (fd < 0 || write(fd, text, len) != (ssize_t)len || close(fd) != 0) {
        perror(to);
        exit(1);
    }
}

static void rewrite(const char *text)
{
    write_with(path, O_TRUNC, text);
}

static void append(const char *text)
{
    write_with(path, O_APPEND, text);
}

static void replace(const char *text)
{
    write_with(other, O_TRUNC, text);
    if (rename(other, path) != 0)
        exit(1);
}

static void clear_away(void)
{
    if (unlink(path) != 0)
        (void)rmdir(path);
    unlink(other);
}

/* So many lines that begin at 11.0.0.1 */
static char *lines(int n)
{
    char *text = malloc((size_t)n * 16 + 1), *p = text;

    *p = '\0';
    for (int i = 1; i <= n; i++) {
        p += sprintf(p, "11.%d.%d.%d\n", i >> 16 & 255, i >> 8 & 255, i & 255);
    }
    return text;
}

/* ---- the loader ---- */

static void begin(size_t memory)
{
    hash_seed_t seed;

    if (shared_make_seed(&seed) || shared_create(&segment, memory, &seed))
        exit(1);
    loader = loader_create(path, &segment, 128);
    clear_away();
}

static void end(void)
{
    loader_destroy(loader);
    shared_destroy(&segment);
    clear_away();
}

/* Another one takes its place. */
static void succeed(int bare_ipv6_plen)
{
    loader_destroy(loader);
    loader = loader_create(path, &segment, bare_ipv6_plen);
}

/* A look so many nanoseconds from now. */
static loader_news_e look_once(unsigned hints, int64_t later)
{
    loader_clock_t now;
    loader_news_e news;

    loader_clock(&now);
    now.mono += later;
    now.wall += later;
    news = loader_look(loader, &now, hints, &trouble_ended);
    shared_report(&segment, &report);
    return news;
}

/* A look, and where it says that another is due within two ticks of a clock
 * that one too, as the loader process does. */
static loader_news_e look_at(unsigned hints, int64_t later)
{
    loader_news_e news = look_once(hints, later);
    struct timespec t = {0, 9 * SECOND / 1000};
    loader_clock_t now;

    loader_clock(&now);
    if (news != LOADER_NOTHING
        || loader_due(loader) > now.mono + later + SECOND / 100)
        return news;
    nanosleep(&t, NULL);
    return look_once(0, later);
}

static loader_news_e look(void)
{
    return look_at(HEARD, 0);
}

/* Long enough for the file system's clock to move on. */
static void let_be(int ms)
{
    struct timespec t = {0, ms * 1000000L};

    nanosleep(&t, NULL);
}

static int has(const char *text)
{
    prefix_t p;
    table_match_t m;

    if (prefix_parse(&p, NULL, text, strlen(text)))
        exit(1);
    return shared_find(&segment, &p, 0, &m);
}

static int line_of(const char *text)
{
    prefix_t p;
    table_match_t m;

    if (prefix_parse(&p, NULL, text, strlen(text)))
        exit(1);
    return shared_find(&segment, &p, 0, &m) ? (int)m.line : 0;
}

/* ---- tests ---- */

static void test_growth(void)
{
    begin(MEMORY);
    is_int(look(), LOADER_TROUBLE, "no file: trouble");
    is_int(report.state, SHARED_MISSING, "it is missing");
    is_int(look(), LOADER_NOTHING, "which is news once");
    rewrite("10.0.0.1\n10.0.0.2 -\n");
    is_int(look(), LOADER_LOADED, "there it is");
    is_int(trouble_ended, 1, "and trouble has ended");
    is_int(report.how, SHARED_FULL, "read from its beginning");
    is_int((intmax_t)report.entries, 2, "two entries");
    is_int((intmax_t)report.lines, 2, "on two lines");
    is_int((intmax_t)report.bytes, 20, "in twenty bytes");
    is_int(report.loader_pid == (uint32_t)getpid(), 1, "by this process");
    is_int(look(), LOADER_NOTHING, "no change, no news");

    append("10.0.0.3\n\nnonsense!\n10.0.0.4\n");
    is_int(look(), LOADER_LOADED, "grown");
    is_int(trouble_ended, 0, "no trouble to end");
    is_int(report.how, SHARED_APPENDED, "read on");
    is_int((intmax_t)shared_serial(&segment), 1, "into the same table");
    is_int(has("10.0.0.1") + has("10.0.0.3") + has("10.0.0.4"), 3, "all hold");
    is_int(line_of("10.0.0.4"), 6, "lines count on");
    is_int((intmax_t)report.bad, 1, "so do bad ones");
    is_int((intmax_t)report.bad_line[0].line, 5, "with their line");
    is_str(report.bad_line[0].text, "nonsense!", "and their text");
    is_int((intmax_t)report.loads * 10 + (intmax_t)report.appends, 11,
           "one load, one append");

    append("10.0.0.5 until=9999999999\n");
    is_int(look(), LOADER_LOADED, "the first ends");
    is_int(report.how, SHARED_APPENDED, "read on as well");
    is_int(has("10.0.0.5"), 1, "and in force");

    rewrite(
        "10.0.0.1\n10.0.9.2 -\n10.0.0.3\n\nnonsense!\n10.0.0.4\n10.0.0.5\n");
    is_int(look(), LOADER_LOADED, "longer, but its beginning is another");
    is_int(report.how, SHARED_FULL, "read anew");
    is_int(has("10.0.0.2") * 10 + has("10.0.9.2"), 1, "what went is gone");
    is_int((intmax_t)report.bad, 1, "and the bad lines counted afresh");
    rewrite("10.0.0.1\n");
    is_int(look(), LOADER_LOADED, "shorter");
    is_int(has("10.0.0.5") * 10 + has("10.0.0.1"), 1, "is what it is");
    rewrite("");
    is_int(look(), LOADER_LOADED, "empty");
    is_int(has("10.0.0.1"), 0, "nobody is in it");
    is_int(report.state, SHARED_LOADED, "and that is no trouble");
    end();
}

/* A file system with a coarse clock: to the loader the file seems to be the
 * one that it has read. */
static void forget_change(const source_sign_t *before)
{
    unsigned char *p = shared_progress(&segment);
    source_sign_t after;
    int error;

    source_stat(path, &after, &error);
    for (size_t i = 0; i + sizeof after <= SHARED_PROGRESS_SIZE; i++) {
        if (memcmp(p + i, before, sizeof *before) == 0)
            memcpy(p + i, &after, sizeof after);
    }
}

/* An edit of the same size just after a look, without a new sign. */
static void edit_unsigned(const char *text)
{
    source_sign_t before;
    int error;

    source_stat(path, &before, &error);
    rewrite(text);
    forget_change(&before);
}

static void test_same_tick(void)
{
    int wrong = 0;

    begin(MEMORY);
    for (int i = 0; i < 200; i++) {
        rewrite(i % 2 ? "10.0.0.1\n" : "10.0.0.2\n");
        look();
        wrong += has("10.0.0.1") != i % 2 || has("10.0.0.2") == i % 2;
    }
    is_int(wrong, 0, "edits of the same size, as fast as they come");
    edit_unsigned("10.0.0.3\n");
    is_int(look(), LOADER_LOADED, "one within the tick of a clock, heard of");
    is_int(has("10.0.0.3"), 1, "is seen");
    edit_unsigned("10.0.0.4\n");
    is_int(look_at(LOADER_DEAF | LOADER_CLOSED, 0), LOADER_LOADED,
           "and one where nothing is heard");
    is_int(has("10.0.0.4"), 1, "too");
    end();
}

static void test_tail(void)
{
    begin(MEMORY);
    rewrite("10.0.0.1\n10.0.0.2");
    is_int(look(), LOADER_LOADED, "an unfinished line behind a whole one");
    is_int(has("10.0.0.1") * 10 + has("10.0.0.2"), 10, "does not count yet");
    ok(loader_due(loader) != LOADER_NEVER, "but is waited for");
    is_int(look_at(0, SECOND * 9 / 10), LOADER_NOTHING, "not yet");
    is_int(look_at(0, SECOND * 11 / 10), LOADER_LOADED, "a second later");
    is_int(has("10.0.0.2"), 1, "it counts");
    is_int((intmax_t)report.entries, 2, "as an entry");
    is_int((intmax_t)report.lines, 2, "and a line");
    is_int(look_at(0, SECOND * 2), LOADER_NOTHING, "once");

    append("\n10.0.0.3\n");
    is_int(look(), LOADER_LOADED, "finished, and another behind it");
    is_int(report.how, SHARED_APPENDED, "read on");
    is_int((intmax_t)report.entries, 3, "each counted once");
    is_int((intmax_t)report.lines, 3, "also as lines");

    append("10.0.0.4");
    look_at(0, SECOND * 2);
    append("0\n");
    is_int(look(), LOADER_LOADED, "finished otherwise");
    is_int(has("10.0.0.4") * 10 + has("10.0.0.40"), 1, "it is another entry");
    is_int((intmax_t)report.entries, 4, "and one");

    append("bad!");
    look_at(0, SECOND * 2);
    is_int((intmax_t)report.bad, 1, "an unfinished bad line");
    append("\r\n10.0.0.5\r");
    look_at(0, SECOND * 4);
    is_int((intmax_t)report.bad, 1, "finished, is the same bad line");
    is_int(has("10.0.0.5"), 1, "a CR ends an unfinished line too");
    append("\n10.0.0.6\n");
    look();
    is_int((intmax_t)report.entries, 6, "and its newline adds none");

    append("10.0.0.7");
    look_at(0, SECOND * 2);
    succeed(128);
    is_int(look_at(0, SECOND * 2), LOADER_NOTHING, "another loader: no news");
    append("1\n");
    look();
    is_int(has("10.0.0.7") * 10 + has("10.0.0.71"), 1, "and no error");
    end();
}

static void test_trouble(void)
{
    char *many = lines(60000);

    begin(MEMORY);
    rewrite("10.0.0.1\n");
    look();
    unlink(path);
    is_int(look(), LOADER_TROUBLE, "removed");
    is_int(has("10.0.0.1"), 1, "the last good list stays");
    mkdir(path, 0755);
    is_int(look(), LOADER_TROUBLE, "a directory is another trouble");
    is_int(report.state, SHARED_NOT_REGULAR, "not a file");
    rmdir(path);
    mkfifo(path, 0644);
    is_int(look(), LOADER_NOTHING, "a FIFO is the same");
    unlink(path);
    (void)!symlink(path, path);
    is_int(look(), LOADER_TROUBLE, "a symlink to itself");
    is_int(report.state, SHARED_UNREADABLE, "cannot be read");
    ok(report.error != 0, "for a reason");
    unlink(path);
    (void)!symlink("/dev/zero", path);
    is_int(look(), LOADER_TROUBLE, "a device");
    is_int(report.state, SHARED_NOT_REGULAR, "is no list");
    unlink(path);
    (void)!symlink(other, path);
    write_with(other, O_TRUNC, "10.0.0.1\n");
    ok(look() != LOADER_NOTHING, "a symlink to one");
    is_int(trouble_ended, 1, "ends it");
    rename(path, other);
    look();
    unlink(other);
    rewrite("10.0.0.1\n");
    look();
    rename(path, other);
    is_int(look(), LOADER_TROUBLE, "moved away");
    rename(other, path);
    is_int(look(), LOADER_RECOVERED, "and back: recovered, nothing to load");
    is_int(trouble_ended, 1, "which ends it too");
    is_int(has("10.0.0.1"), 1, "the list all the while");

    replace(many);
    is_int(look(), LOADER_TROUBLE, "too many");
    is_int(report.state, SHARED_TOO_BIG, "for the memory");
    is_int((intmax_t)report.needed_entries, 60000, "this many");
    ok(report.needed > MEMORY && report.needed < 8 * MEMORY,
       "which need %d bytes", (int)report.needed);
    is_int(has("10.0.0.1") * 10 + has("11.0.0.1"), 10, "the last good list");
    succeed(128);
    is_int(look(), LOADER_NOTHING, "another loader finds no news in it");
    replace("10.0.0.2\n");
    is_int(look(), LOADER_LOADED, "one that fits");
    is_int(report.state, SHARED_LOADED, "all is well");
    is_int((intmax_t)report.needed, 0, "nothing is needed");
    free(many);
    end();
}

/* Bytes that this process has read, by the kernel's count. */
static long bytes_read(void)
{
    FILE *io = fopen("/proc/self/io", "r");
    long n = -1;

    if (!io || fscanf(io, "rchar: %ld", &n) != 1)
        n = -1;
    if (io)
        fclose(io);
    return n;
}

static void test_cost(void)
{
    char *some = lines(20000), *many = lines(200000);
    long before, first, again;

    begin(MEMORY);
    rewrite(some);
    look();
    let_be(50);
    look(); /* nothing can be written in the tick of the last sign now */
    before = bytes_read();
    look();
    again = bytes_read() - before;
    ok(before < 0 || again < 1000, "a look at what is unchanged: %ld bytes",
       again);
    append("10.0.0.1\n");
    look();
    is_int(report.how, SHARED_APPENDED, "one more");

    rewrite("10.0.0.1\n");
    look();
    append(many);
    let_be(50);
    before = bytes_read();
    is_int(look(), LOADER_TROUBLE, "grown too big");
    first = bytes_read() - before;
    look();
    again = bytes_read() - before - first;
    ok(before < 0 || (first > 100000 && again < 1000),
       "is read once, not at every look: %ld bytes, %ld bytes", first, again);
    is_int(has("10.0.0.1") * 10 + has("11.0.0.1"), 10, "the last good list");
    append("10.0.0.2\n");
    look();
    is_int(report.state, SHARED_TOO_BIG, "one more line is too big still");
    is_int((intmax_t)report.needed_entries, 200002, "and counted");
    rewrite("10.0.0.3\n");
    look();
    is_int(has("10.0.0.3"), 1, "until it fits");
    free(some);
    free(many);
    end();
}

static void test_table_full(void)
{
    char *some = lines(2000), *many = lines(60000);

    begin(MEMORY);
    rewrite("10.0.0.1\n");
    look();
    append(many);
    is_int(look(), LOADER_TROUBLE, "a few more than the memory has room for");
    is_int(has("10.0.0.1") * 10 + has("11.0.0.1"), 10,
           "and not one of them is in force");
    rewrite("10.0.0.1\n");
    look();
    append(some);
    is_int(look(), LOADER_LOADED, "more lines than the table has room for");
    is_int(report.how, SHARED_FULL, "are built anew");
    is_int(has("10.0.0.1") + has("11.0.0.1") + has("11.0.7.208"), 3, "whole");
    is_int((intmax_t)report.entries, 2001, "all of them");
    free(some);
    free(many);
    end();
}

static void test_successor(void)
{
    uint32_t *unsure;

    begin(MEMORY);
    rewrite("10.0.0.1\n2001:db8::1\n");
    look();
    succeed(128);
    is_int(look(), LOADER_NOTHING, "a successor goes on: no news");
    append("10.0.0.2\n");
    is_int(look(), LOADER_LOADED, "and reads on");
    is_int(report.how, SHARED_APPENDED, "from where the other had been");
    is_int((intmax_t)report.entries, 3, "its entries too");
    rename(path, other);
    look();
    succeed(128);
    is_int(look(), LOADER_NOTHING, "trouble is not told of twice");
    rename(other, path);
    is_int(look(), LOADER_RECOVERED, "its end is");

    /* The first word of the writer's room: killed in the middle. */
    unsure = shared_progress(&segment);
    *unsure = 1;
    succeed(128);
    is_int(look(), LOADER_LOADED, "one that was killed leaves doubts");
    is_int(report.how, SHARED_FULL, "all is read anew");
    is_int((intmax_t)*unsure, 0, "and is certain then");
    is_int(has("10.0.0.1") + has("10.0.0.2"), 2, "and whole");

    succeed(64);
    is_int(has("2001:db8::2"), 0, "a bare IPv6 address");
    is_int(look(), LOADER_LOADED, "another length for these: read anew");
    is_int(has("2001:db8::2"), 1, "is a /64 now");
    end();
}

/* Somebody fills the file again, in place and slowly. */
static void test_unsettled(void)
{
    begin(MEMORY);
    rewrite("10.0.0.1\n10.0.0.2\n");
    look();
    rewrite("10.0.0.3\n");
    is_int(look_at(LOADER_CHANGED, 0), LOADER_NOTHING, "half rewritten: wait");
    is_int(has("10.0.0.1"), 1, "the old list is in force");
    ok(loader_due(loader) != LOADER_NEVER, "for a while");
    append("10.0.0.2\n");
    is_int(look_at(LOADER_CLOSED, 0), LOADER_LOADED, "closed: done");
    is_int(has("10.0.0.1") * 100 + has("10.0.0.2") * 10 + has("10.0.0.3"), 11,
           "the new list");

    rewrite("10.0.0.4\n");
    is_int(look_at(LOADER_DEAF, 0), LOADER_NOTHING,
           "heard nothing of, after a close that was: wait");
    is_int(look_at(LOADER_DEAF, SECOND / 10), LOADER_LOADED,
           "until it is still");
    is_int(has("10.0.0.4"), 1, "the new list");

    rewrite("10.0.0.5\n");
    look_at(LOADER_CHANGED, 0);
    unlink(path);
    look_at(LOADER_CHANGED, SECOND);
    rewrite("10.0.0.6\n");
    is_int(look_at(LOADER_CHANGED, 0), LOADER_NOTHING,
           "what was waited for before counts for nothing");
    end();
}

static void test_never_settled(void)
{
    loader_clock_t now;
    int64_t start;
    int loaded = 0;

    begin(MEMORY);
    rewrite("10.0.0.1\n");
    look();
    rewrite("10.0.0.2\n");
    loader_clock(&now);
    start = now.mono;
    while (!loaded && now.mono - start < 3 * SECOND) {
        append("#\n");
        loaded = look_at(LOADER_CHANGED, 0) == LOADER_LOADED;
        let_be(10);
        loader_clock(&now);
    }
    is_int(loaded, 1, "nobody holds a list up by never closing it");
    is_int(has("10.0.0.1") * 10 + has("10.0.0.2"), 1, "the new list");
    end();
}

typedef struct scanned_t {
    int entries;
    int bad;
} scanned_t;

static void scan_entry(void *ctx, const reader_entry_t *e, const char *text,
                       size_t len)
{
    scanned_t *s = ctx;

    (void)e, (void)text, (void)len;
    s->entries++;
}

static void scan_bad(void *ctx, uint64_t line, const char *reason,
                     const char *text, size_t len)
{
    scanned_t *s = ctx;

    (void)line, (void)reason, (void)text, (void)len;
    s->bad++;
}

static void test_scan(void)
{
    scanned_t got = {0, 0};
    reader_sink_t sink = {&got, scan_entry, scan_bad};
    reader_t r;
    int error;

    clear_away();
    reader_init(&r, 128);
    is_int(loader_scan(path, &r, &sink, &error), SHARED_MISSING, "no file");
    rewrite("10.0.0.1\nbad!\n10.0.0.2");
    is_int(loader_scan(path, &r, &sink, &error), SHARED_LOADED, "a scan");
    is_int(got.entries * 10 + got.bad, 11, "of whole lines");
    let_be(600);
    let_be(600);
    reader_init(&r, 128);
    loader_scan(path, &r, &sink, &error);
    is_int(got.entries, 3, "and the last one when it is still");
    is_int((intmax_t)r.line, 3, "it is a line then");
    clear_away();
    for (int state = SHARED_NEVER; state <= SHARED_TOO_BIG; state++) {
        const char *text = loader_state_text((shared_state_e)state);

        ok(text && *text, "a word for state %d: %s", state, text);
    }
}

/* Of 64 bytes and then a stripe that is made to wipe out what was before. */
static uint64_t hash_before_stripe(const hash_seed_t *seed, char first)
{
    static const uint64_t odd[4] = {
        UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xc2b2ae3d27d4eb4f),
        UINT64_C(0x165667b19e3779f9), UINT64_C(0xd6e8feb86659fd93)};
    hash_stream_t s;
    char bytes[128];

    memset(bytes, first, sizeof bytes);
    for (int i = 0; i < 4; i++)
        memcpy(bytes + 64 + 16 * i + 8, odd + i, sizeof *odd);
    hash_stream_init(&s, seed);
    hash_stream_add(&s, bytes, 64);
    for (int i = 0; i < 4; i++)
        memset(bytes + 64 + 16 * i, 'c', 8);
    hash_stream_add(&s, bytes + 64, 64);
    return hash_stream_value(&s);
}

static void test_hash(void)
{
    hash_seed_t seed;

    if (shared_make_seed(&seed))
        exit(1);
    ok(hash_before_stripe(&seed, 'a') != hash_before_stripe(&seed, 'b'),
       "no bytes, however they are chosen, hide those before them");
}

int main(void)
{
    if (!mkdtemp(root)) {
        perror(root);
        return 1;
    }
    snprintf(path, sizeof path, "%s/list", root);
    snprintf(other, sizeof other, "%s/other", root);
    test_growth();
    test_same_tick();
    test_tail();
    test_trouble();
    test_cost();
    test_table_full();
    test_successor();
    test_unsettled();
    test_never_settled();
    test_scan();
    test_hash();
    rmdir(root);
    return done();
}
