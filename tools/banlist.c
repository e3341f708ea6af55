/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command banlist: looks at list files and changes them, for people and
 * for fail2ban's actions.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../banlist/loader.h"
#include "complain.h"
#include "list.h"

#ifndef BANLIST_VERSION
#define BANLIST_VERSION "0"
#endif

#define SHOWN_MAX 60                    /* bytes of a bad line */
#define UNTIL_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define ENTRY_TEXT_MAX (READER_NAME_MAX + 2 * PREFIX_TEXT_MAX)
/* Address space for a list that is looked up in; it costs nothing. */
#define FIND_MEMORY ((size_t)1 << (sizeof(size_t) > 4 ? 35 : 30))

/* An entry named on the command line. */
typedef struct wanted_t {
    char text[ENTRY_TEXT_MAX]; /* canonical; first, for it is the key */
    const char *arg;
    reader_kind_e kind;
    prefix_t prefix;
    int settled; /* the file has it, with as late an end */
} wanted_t;

/* What the command line asks for. */
typedef struct job_t {
    const char *path;
    wanted_t *wanted;
    int count;
    int64_t until;  /* the least end of lines that are meant; 0: for ever */
    const char *by; /* whose lines are meant; NULL: anyone's */
    int hit;        /* the line just read is one of them */
} job_t;

/* Writes the canonical text, by which entries are told apart, and a NUL. */
static void entry_format(char out[ENTRY_TEXT_MAX], const reader_entry_t *e)
{
    if (e->except) {
        *out++ = '!';
    }
    if (e->kind == READER_NAME) {
        memcpy(out, e->name, e->name_len);
        out[e->name_len] = '\0';
    }
    else {
        prefix_format(out,
                      e->kind == READER_RANGE ? &e->first_addr : &e->prefix);
    }
    if (e->kind == READER_RANGE) {
        out += strlen(out);
        *out++ = '-';
        prefix_format(out, &e->last);
    }
}

static void wanted_entry(void *ctx, const reader_entry_t *e, const char *text,
                         size_t len)
{
    wanted_t *w = ctx;

    (void)text, (void)len;
    entry_format(w->text, e);
    w->kind = e->kind;
    w->prefix = e->prefix;
}

static void wanted_bad(void *ctx, uint64_t line, const char *reason,
                       const char *text, size_t len)
{
    const wanted_t *w = ctx;

    (void)line, (void)text, (void)len;
    complain(w->arg, reason);
}

static int wanted_read(wanted_t *w, const char *arg)
{
    const reader_sink_t sink = {w, wanted_entry, wanted_bad};
    reader_t reader;

    w->arg = arg;
    reader_init(&reader, LIST_BARE_PLEN);
    /* A line may go on behind its entry, an argument may not. */
    if (!strpbrk(arg, "#;,{ \t\r\n")) {
        reader_finish(&reader, &sink, arg, strlen(arg));
    }
    if (*w->text) {
        return DONE;
    }
    return reader.bad ? ERROR : complain(arg, "neither address nor host name");
}

static int wanted_read_all(job_t *job, char **args, int count)
{
    int i;

    job->count = count;
    job->wanted = must_have(calloc((size_t)count + 1, sizeof(*job->wanted)));
    for (i = 0; i < count; i++) {
        if (wanted_read(&job->wanted[i], args[i]) != DONE) {
            return ERROR;
        }
    }
    return DONE;
}

static int wanted_order(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Sorts them, and leaves one of each. */
static void wanted_sort(job_t *job)
{
    wanted_t *w = job->wanted;
    int i, kept = 0;

    qsort(w, (size_t)job->count, sizeof(*w), wanted_order);
    for (i = 0; i < job->count; i++) {
        kept += i > 0 && wanted_order(&w[kept], &w[i]) != 0;
        w[kept] = w[i];
    }
    job->count = i ? kept + 1 : 0;
}

/* Whether a line ends in " by=NAME". */
static int is_by(const char *text, size_t len, const char *name)
{
    size_t name_len = strlen(name);

    while (len > 0 && isspace((unsigned char)text[len - 1])) {
        len--;
    }
    return len > name_len + 4
           && memcmp(text + len - name_len, name, name_len) == 0
           && memcmp(text + len - name_len - 4, " by=", 4) == 0;
}

static void job_entry(void *ctx, const reader_entry_t *e, const char *text,
                      size_t len)
{
    job_t *job = ctx;
    char key[ENTRY_TEXT_MAX];
    wanted_t *w;

    if (!e->first || (job->by && !is_by(text, len, job->by))
        || (e->until && (!job->until || e->until < job->until))) {
        return;
    }
    entry_format(key, e);
    w = bsearch(key, job->wanted, (size_t)job->count, sizeof(*w), wanted_order);
    if (w) {
        w->settled = 1;
    }
    job->hit = w || !job->count;
}

static void job_bad(void *ctx, uint64_t line, const char *reason,
                    const char *text, size_t len)
{
    (void)ctx, (void)line, (void)reason, (void)text, (void)len;
}

/* ---- check, find ---- */

typedef struct check_t {
    const char *path;
    uint64_t ipv4, ipv6, names, bad;
} check_t;

static void check_entry(void *ctx, const reader_entry_t *e, const char *text,
                        size_t len)
{
    check_t *c = ctx;

    (void)text, (void)len;
    if (e->first) {
        ++*(e->kind == READER_NAME ? &c->names
            : e->prefix.is_ipv6    ? &c->ipv6
                                   : &c->ipv4);
    }
}

static void check_bad(void *ctx, uint64_t line, const char *reason,
                      const char *text, size_t len)
{
    check_t *c = ctx;
    size_t i;

    c->bad++;
    printf("%s:%" PRIu64 ": %s: \"", c->path, line, reason);
    for (i = 0; i < len && i < SHOWN_MAX; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            printf("\\x%02x", (unsigned char)text[i]);
        }
        else {
            printf(strchr("\"\\", text[i]) ? "\\%c" : "%c", text[i]);
        }
    }
    printf("\"%s\n", i < len ? "..." : "");
}

static int check_file(const char *path)
{
    check_t c = {path, 0, 0, 0, 0};
    const reader_sink_t sink = {&c, check_entry, check_bad};
    list_t list = {.lock = -1};
    uint64_t all;

    if (list_open(&list, path, O_RDONLY) != DONE) {
        return ERROR;
    }
    list_filter(&list, &sink, &(int){0});
    list_close(&list);
    all = c.ipv4 + c.ipv6 + c.names;
    printf("%s: %" PRIu64 " %s (%" PRIu64 " IPv4, %" PRIu64 " IPv6, %" PRIu64
           " host %s), %" PRIu64 " bad %s\n",
           path, all, all == 1 ? "entry" : "entries", c.ipv4, c.ipv6, c.names,
           c.names == 1 ? "name" : "names", c.bad,
           c.bad == 1 ? "line" : "lines");
    return c.bad ? NO : DONE;
}

static int do_check(char **files, int count)
{
    int i, one, rv = DONE;

    for (i = 0; i < count; i++) {
        one = check_file(files[i]);
        rv = one > rv ? one : rv;
    }
    return rv;
}

/* The range on the line that matched, of which a piece did. */
typedef struct range_t {
    const table_match_t *match;
    char text[ENTRY_TEXT_MAX];
} range_t;

static void range_entry(void *ctx, const reader_entry_t *e, const char *text,
                        size_t len)
{
    range_t *r = ctx;

    (void)text, (void)len;
    if (e->kind == READER_RANGE && prefix_covers(&e->prefix, &r->match->prefix)
        && prefix_covers(&r->match->prefix, &e->prefix)) {
        entry_format(r->text, e);
    }
}

/* " (RANGE)", by which `remove` knows the line, or nothing. */
static void print_range(const list_t *list, const table_match_t *m)
{
    range_t r = {m, ""};
    const reader_sink_t sink = {&r, range_entry, job_bad};

    list_line(list, &sink, m->line);
    if (*r.text) {
        printf(" (%s)", r.text);
    }
}

static int find_one(const shared_t *s, const list_t *list, const char *path,
                    const wanted_t *w)
{
    char entry[PREFIX_TEXT_MAX], end[32];
    int banned, is_name = w->kind == READER_NAME;
    int64_t now = time(NULL);
    table_match_t m;

    if (w->kind == READER_RANGE || *w->text == '!') {
        return complain(w->arg, "can be no client");
    }
    banned = is_name ? shared_find_name(s, w->text, strlen(w->text), now, &m)
                     : shared_find(s, &w->prefix, now, &m);
    if (!banned && !m.except) {
        printf("%s: not banned\n", w->arg);
        return NO;
    }
    printf("%s: %s by %s", w->arg, banned ? "banned" : "not banned: excepted",
           is_name ? m.name : prefix_format(entry, &m.prefix));
    if (!is_name) {
        print_range(list, &m);
    }
    printf(" at %s:%" PRIu32, path, m.line);
    if (banned && m.until != TABLE_FOREVER) {
        strftime(end, sizeof(end), "%Y-%m-%dT%H:%M:%SZ",
                 gmtime(&(time_t){m.until}));
        printf(", until %s (%" PRIu32 ")", end, m.until);
    }
    puts(banned && m.until == TABLE_FOREVER ? ", for ever" : "");
    return banned ? DONE : NO;
}

/* Loads the list just as a server does.  One that is written to while it is
 * read is not taken: it is read again, but not for ever. */
static int find_load(const shared_t *s, const char *path)
{
    const struct timespec pause = {0, 20000000};
    loader_t *loader = must_have(loader_create(path, s, LIST_BARE_PLEN));
    loader_clock_t now;
    shared_report_t report;
    int left = 100;

    do {
        loader_clock(&now);
        loader_look(loader, &now, LOADER_CHANGED | LOADER_CLOSED, NULL);
        shared_report(s, &report);
    } while (report.state == SHARED_NEVER && --left
             && nanosleep(&pause, NULL) == 0);
    loader_destroy(loader);
    switch (report.state) {
    case SHARED_LOADED:
        return DONE;
    case SHARED_NEVER:
        return complain(path, "changes while it is read");
    case SHARED_MISSING:
        return complain(path, strerror(ENOENT));
    case SHARED_UNREADABLE:
        return complain(path, strerror(report.error));
    default:
        return complain(path, loader_state_text(report.state));
    }
}

static int do_find(job_t *job)
{
    hash_seed_t seed;
    shared_t s;
    list_t list = {.lock = -1};
    int i, one, rv = DONE;

    if ((errno = shared_make_seed(&seed)) != 0
        || (errno = shared_create(&s, FIND_MEMORY, &seed)) != 0) {
        return complain_errno("memory");
    }
    if (find_load(&s, job->path) != DONE
        || list_open(&list, job->path, O_RDONLY) != DONE) {
        return ERROR;
    }
    for (i = 0; i < job->count; i++) {
        one = find_one(&s, &list, job->path, &job->wanted[i]);
        rv = one > rv ? one : rv;
    }
    list_close(&list);
    return rv;
}

/* ---- add, remove, flush ---- */

/* The lines to append, *len bytes. */
static char *add_text(const job_t *job, const list_t *list, size_t *len)
{
    int unfinished = list_is_unfinished(list);
    char *buf = NULL;
    FILE *f = must_have(open_memstream(&buf, len));
    const wanted_t *w;

    for (w = job->wanted; w < job->wanted + job->count; w++) {
        if (w->settled) {
            continue;
        }
        fprintf(f, "%s%s -", unfinished ? "\n" : "", w->text);
        if (job->until) {
            fprintf(f, " until=%" PRId64, job->until);
        }
        fprintf(f, "%s%s\n", job->by ? " by=" : "", job->by ? job->by : "");
        unfinished = 0;
    }
    return fclose(f) == 0 ? buf : must_have(NULL);
}

static int do_add(job_t *job)
{
    const reader_sink_t sink = {job, job_entry, job_bad};
    list_t list;
    size_t len;
    char *text;
    int rv;

    wanted_sort(job);
    if (list_begin(&list, job->path, O_RDWR | O_APPEND | O_CREAT) != DONE) {
        return ERROR;
    }
    if (list_settle(&list) != DONE) {
        list_close(&list);
        return ERROR;
    }
    list_filter(&list, &sink, &(int){0});
    text = add_text(job, &list, &len);
    rv = len ? list_append(&list, text, len) : DONE;
    free(text);
    list_close(&list);
    return rv;
}

/* What is left in the list of an entry that was to be removed. */
typedef struct cover_t {
    const wanted_t *wanted;
    int64_t now;
    uint64_t line; /* 0: nothing covers it */
    char text[ENTRY_TEXT_MAX];
} cover_t;

static void cover_entry(void *ctx, const reader_entry_t *e, const char *text,
                        size_t len)
{
    cover_t *c = ctx;

    (void)text, (void)len;
    if (!c->line && e->kind != READER_NAME && !e->except
        && (!e->until || e->until > c->now)
        && prefix_covers(&e->prefix, &c->wanted->prefix)) {
        entry_format(c->text, e);
        /* The same entry, of somebody else (--by), is no news. */
        c->line = strcmp(c->text, c->wanted->text) != 0 ? e->line : 0;
    }
}

static void tell_missing(const wanted_t *w, list_t *list, const char *path)
{
    cover_t c = {w, time(NULL), 0, ""};
    const reader_sink_t sink = {&c, cover_entry, job_bad};

    if (w->kind == READER_PREFIX && *w->text != '!') {
        list_filter(list, &sink, &(int){0});
    }
    complain(w->arg, "not in the list");
    if (c.line) {
        fprintf(stderr, "banlist: %s: covered by %s at %s:%" PRIu64 "\n",
                w->arg, c.text, path, c.line);
    }
}

/* Takes the job's lines out of its list, or all. */
static int drop(job_t *job, int all)
{
    const reader_sink_t sink = {job, job_entry, job_bad};
    const wanted_t *w;
    list_t list;
    size_t before;
    int rv;

    job->until = 1;
    if (list_begin(&list, job->path, O_RDONLY) != DONE) {
        return ERROR;
    }
    before = list.len;
    list_filter(&list, &sink, &job->hit);
    list.len = all ? 0 : list.len;
    rv = list.len < before ? list_replace(&list) : DONE;
    for (w = job->wanted; w < job->wanted + job->count && rv != ERROR; w++) {
        if (!w->settled) {
            tell_missing(w, &list, job->path);
            rv = NO;
        }
    }
    list_close(&list);
    return rv;
}

static int do_remove(job_t *job)
{
    wanted_sort(job);
    return drop(job, 0);
}

static int do_flush(job_t *job)
{
    return drop(job, !job->by);
}

/* ---- the command line ---- */

static const char usage_text[] =
    "usage: banlist check FILE...\n"
    "       banlist find FILE ADDR...\n"
    "       banlist add FILE ADDR... [--for SECONDS | --until TIME]"
    " [--by NAME]\n"
    "       banlist remove FILE ADDR... [--by NAME]\n"
    "       banlist flush FILE [--by NAME]\n"
    "       banlist --help | --version\n"
    "Exit status: 0 yes or done, 1 no, 2 error.\n";

/* What there is to say where no command is named, or none rightly. */
static int usage(int argc, char **argv)
{
    if (argc == 1 && strcmp(argv[0], "--help") == 0) {
        return fputs(usage_text, stdout) < 0 ? ERROR : DONE;
    }
    if (argc == 1 && strcmp(argv[0], "--version") == 0) {
        return puts("banlist " BANLIST_VERSION) < 0 ? ERROR : DONE;
    }
    fputs(usage_text, stderr);
    return ERROR;
}

static int parse_number(const char *text, int64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

/* SECONDS from now; 0 and less is for ever, as fail2ban's -1 is. */
static int parse_for(const char *text, int64_t *until)
{
    int64_t now = time(NULL), seconds;
    int fits = parse_number(text, &seconds) && seconds <= UNTIL_MAX - now;

    *until = fits && seconds > 0 ? now + seconds : 0;
    return fits;
}

/* Whether text is a time of the form YYYY-MM-DDTHH:MM:SSZ. */
static int parse_date(const char *text, int64_t *out)
{
    char again[32];
    struct tm tm = {0};

    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon,
               &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec)
        != 6) {
        return 0;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *out = timegm(&tm);
    /* The 30th of February, 2026-1-1 and more do not come back as they were. */
    return strftime(again, sizeof(again), "%Y-%m-%dT%H:%M:%SZ", &tm)
           && strcmp(again, text) == 0;
}

static int parse_until(const char *text, int64_t *until)
{
    return (parse_number(text, until) || parse_date(text, until)) && *until > 0
           && *until <= UNTIL_MAX;
}

/* NAME is to be one word of a line, and to mean nothing to a shell. */
static int parse_by(const char *text, const char **by)
{
    *by = text;
    return *text
           && !text[strspn(text, "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789._:@+-")];
}

typedef struct command_t {
    const char *name;
    int (*run)(job_t *job); /* NULL: do_check() */
    int min, max;           /* arguments behind its name */
    const char *options;    /* letters of those it takes */
} command_t;

static const command_t commands[] = {
    {"check", NULL, 1, INT_MAX, ""},        /* FILE... */
    {"find", do_find, 2, INT_MAX, ""},      /* FILE ADDR... */
    {"add", do_add, 2, INT_MAX, "fub"},     /* FILE ADDR... */
    {"remove", do_remove, 2, INT_MAX, "b"}, /* FILE ADDR... */
    {"flush", do_flush, 1, 1, "b"},         /* FILE */
    {NULL, NULL, 0, 0, NULL},
};

static int options_read(int argc, char **argv, const command_t *cmd, job_t *job)
{
    static const struct option longs[] = {
        {"for", required_argument, NULL, 'f'},
        {"until", required_argument, NULL, 'u'},
        {"by", required_argument, NULL, 'b'},
        {NULL, 0, NULL, 0},
    };
    int letter, ends = 0;

    while ((letter = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (letter == '?' || !strchr(cmd->options, letter)) {
            return usage(0, NULL);
        }
        if (letter != 'b' && ends++) {
            return complain(optarg, "a ban has one end");
        }
        if (!(letter == 'f'   ? parse_for(optarg, &job->until)
              : letter == 'u' ? parse_until(optarg, &job->until)
                              : parse_by(optarg, &job->by))) {
            return complain(optarg, "bad value");
        }
    }
    return DONE;
}

static int command_run(int argc, char **argv)
{
    const command_t *cmd = commands;
    job_t job = {NULL, NULL, 0, 0, NULL, 0};
    int rv;

    while (cmd->name && (argc < 1 || strcmp(cmd->name, argv[0]) != 0)) {
        cmd++;
    }
    if (!cmd->name) {
        return usage(argc, argv);
    }
    if (options_read(argc, argv, cmd, &job) != DONE) {
        return ERROR;
    }
    argc -= optind;
    argv += optind;
    if (argc < cmd->min || argc > cmd->max) {
        return usage(0, NULL);
    }
    if (!cmd->run) {
        return do_check(argv, argc);
    }
    job.path = argv[0];
    rv = wanted_read_all(&job, argv + 1, argc - 1);
    if (rv == DONE) {
        rv = cmd->run(&job);
    }
    free(job.wanted);
    return rv;
}

int main(int argc, char **argv)
{
    int rv = command_run(argc - 1, argv + 1);

    return fflush(stdout) == 0 ? rv : complain_errno("standard output");
}
