/* SPDX-License-Identifier: Apache-2.0 */
#include "loader.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "batch.h"
#include "settle.h"
#include "source.h"

#define MS (LOADER_SECOND / 1000)
/* A file by which so many loaders died is left alone for a minute, and once
 * it has changed for a few seconds. */
#define DEATHS_MAX 3
#define REST (60 * LOADER_SECOND)
#define REST_CHANGED (5 * LOADER_SECOND)
#define RETRY (20 * MS)

/* How long growth may be in force before it is proven: this, and a second for
 * each 200 MB, so that proving takes no more than a seventh of the time where
 * no more than 1.5 GB are read in a second. */
#define PROOF_DELAY (900 * MS)
#define PROOF_DELAY_PER_BYTE 5

/* What stands behind the table in force, kept in the segment so that the
 * next loader can read on. */
typedef struct progress_t {
    _Atomic uint32_t unsure; /* set while the table and this may disagree */
    uint32_t loaded;
    int32_t bare_ipv6_plen;
    uint32_t same_tick; /* the file may change without a new sign */
    uint32_t unproven;  /* not all that was there when it grew was read again */
    source_sign_t sign;
    source_place_t place;
    uint64_t entries;
    uint64_t tail_counted; /* the unfinished line counts as it stands... */
    uint64_t tail_hash;
    uint64_t tail_entries; /* ...as so many entries */
    uint64_t tail_bad;     /* ...and bad lines */
} progress_t;

/* Of a loader that is reading: it does not come back from a death. */
typedef struct attempt_t {
    _Atomic uint32_t begun; /* attempts in a row of which none came back */
    source_sign_t sign;     /* of the file at the last */
    int64_t at;             /* when that was, on the monotonic clock */
} attempt_t;

typedef struct kept_t { /* what outlives a loader */
    progress_t progress;
    attempt_t attempt;
} kept_t;

_Static_assert(sizeof(kept_t) <= SHARED_PROGRESS_SIZE, "must fit");

struct loader_t {
    char *path;
    char *buffer;
    shared_t segment;
    progress_t *progress; /* in the segment */
    attempt_t *attempt;   /* and so is this */
    shared_report_t report;
    settle_t settle;
    int bare_ipv6_plen;
    int64_t due;
    int64_t prove_at;      /* no growth is believed unproven from then on */
    source_sign_t refused; /* of a file that did not fit: not tried again */
};

static int64_t clock_read(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * LOADER_SECOND + t.tv_nsec;
}

void loader_clock(loader_clock_t *now)
{
    now->mono = clock_read(CLOCK_MONOTONIC);
    now->wall = clock_read(CLOCK_REALTIME);
    now->heard = now->wall;
}

/* ---- what is read ---- */

typedef struct intake_t {
    batch_t batch;
    uint64_t bad;
    shared_bad_t bad_line[SHARED_BAD_MAX];
} intake_t;

static void copy_text(char *to, size_t room, const char *from, size_t len)
{
    if (len > room - 1)
        len = room - 1;
    memcpy(to, from, len);
    to[len] = '\0';
    for (size_t i = 0; i < len; i++) {
        if (to[i] == '\0')
            to[i] = ' ';
    }
}

static void intake_entry(void *ctx, const reader_entry_t *e, const char *text,
                         size_t len)
{
    intake_t *in = ctx;

    (void)text;
    (void)len;
    batch_add(&in->batch, e);
}

static void intake_bad(void *ctx, uint64_t line, const char *reason,
                       const char *text, size_t len)
{
    intake_t *in = ctx;

    if (in->bad < SHARED_BAD_MAX) {
        shared_bad_t *bad = &in->bad_line[in->bad];

        bad->line = line;
        copy_text(bad->reason, sizeof bad->reason, reason, strlen(reason));
        copy_text(bad->text, sizeof bad->text, text, len);
    }
    in->bad++;
}

static void intake_init(intake_t *in, reader_sink_t *sink, const shared_t *s)
{
    memset(in->bad_line, 0, sizeof in->bad_line);
    in->bad = 0;
    batch_init(&in->batch, shared_seed(s), shared_block_size(s));
    sink->ctx = in;
    sink->entry = intake_entry;
    sink->bad = intake_bad;
}

/* ---- the report ---- */

static void report_state(loader_t *l, shared_state_e state, int error,
                         const loader_clock_t *now)
{
    if (l->report.state != state || l->report.error != error) {
        l->report.state = state;
        l->report.error = error;
        l->report.since = now->wall / 1000;
    }
    l->report.loader_pid = (uint32_t)getpid();
    shared_set_report(&l->segment, &l->report);
}

static loader_news_e trouble(loader_t *l, shared_state_e state, int error,
                             const loader_clock_t *now)
{
    int known = l->report.state == state && l->report.error == error;

    settle_end(&l->settle);
    report_state(l, state, error, now);
    return known ? LOADER_NOTHING : LOADER_TROUBLE;
}

/* The file is there and its list in force. */
static loader_news_e well(loader_t *l, const loader_clock_t *now,
                          loader_news_e news)
{
    int recovered = l->report.state != SHARED_LOADED;

    settle_end(&l->settle);
    l->settle.heard_close = 0; /* of what is in force now */
    if (recovered || news == LOADER_LOADED)
        report_state(l, SHARED_LOADED, 0, now);
    return recovered && news == LOADER_NOTHING ? LOADER_RECOVERED : news;
}

static void report_bad(loader_t *l, const intake_t *in, uint64_t before)
{
    for (uint64_t i = 0; i < in->bad && before + i < SHARED_BAD_MAX; i++) {
        if (i < SHARED_BAD_MAX)
            l->report.bad_line[before + i] = in->bad_line[i];
    }
    l->report.bad = before + in->bad;
}

static void report_load(loader_t *l, const table_t *t, const intake_t *in,
                        shared_how_e how, const loader_clock_t *start)
{
    shared_report_t *r = &l->report;
    const progress_t *p = l->progress;
    loader_clock_t now;

    loader_clock(&now);
    if (how == SHARED_FULL) {
        memset(r->bad_line, 0, sizeof r->bad_line);
        report_bad(l, in, 0);
        r->loads++;
    }
    else {
        report_bad(l, in, r->bad);
        r->appends++;
    }
    r->how = how;
    r->loaded_at = now.wall / 1000;
    r->took = (now.mono - start->mono) / 1000;
    r->mtime = p->sign.mtime / 1000;
    r->lines = p->place.reader.line + p->tail_counted;
    r->bytes = (uint64_t)p->sign.size;
    r->entries = p->entries;
    r->needed = 0;
    r->needed_entries = 0;
    r->memory = table_memory(t);
    table_counts(t, &r->counts);
    shared_set_report(&l->segment, r);
}

/* ---- putting it in force ---- */

/* A loader killed between these two leaves a mark by which the next one
 * knows to read everything anew: the table, the progress and the report's
 * counts belong together. */
static void unsure_begin(progress_t *p)
{
    atomic_store_explicit(&p->unsure, 1, memory_order_seq_cst);
    atomic_signal_fence(memory_order_seq_cst);
}

static void unsure_end(progress_t *p)
{
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&p->unsure, 0, memory_order_release);
}

static void progress_set(progress_t *p, const progress_t *next)
{
    progress_t copy = *next;

    atomic_store_explicit(&copy.unsure, 1, memory_order_relaxed);
    memcpy(p, &copy, sizeof copy);
}

/* The file changed while it was read, or could not be read to its end: not
 * a trouble yet, but for another look soon. */
static loader_news_e look_again(loader_t *l, const loader_clock_t *now)
{
    l->due = now->mono + RETRY;
    return LOADER_NOTHING;
}

/* Whether what was read into next was there all the time: the file is as it
 * was, or has only grown meanwhile. */
static int read_whole(loader_t *l, int fd, const progress_t *next)
{
    return source_unchanged(fd, &next->sign)
           || source_same_bytes(fd, l->buffer, &next->place,
                                shared_seed(&l->segment));
}

static loader_news_e too_big(loader_t *l, const intake_t *in,
                             const source_sign_t *sign,
                             const loader_clock_t *now)
{
    size_t bytes = table_bytes(&in->batch.plan);
    const table_plan_t *plan = &in->batch.plan;

    if (!source_may_share_tick(sign, settle_still_for(&l->settle, sign, now)))
        l->refused = *sign;
    l->report.needed = bytes ? shared_memory_for(bytes) : UINT64_MAX;
    l->report.needed_entries = plan->names[0] + plan->names[1]
                               + plan->prefixes[0][0] + plan->prefixes[0][1]
                               + plan->prefixes[1][0] + plan->prefixes[1][1];
    return trouble(l, SHARED_TOO_BIG, 0, now);
}

/* Counts the unfinished line at the start of the buffer as it stands. */
static void take_tail(loader_t *l, const intake_t *in,
                      const reader_sink_t *sink, progress_t *p)
{
    reader_t copy = p->place.reader;
    uint64_t entries = in->batch.entries, bad = in->bad;

    reader_finish(&copy, sink, l->buffer, p->place.tail);
    p->tail_counted = 1;
    p->tail_entries = in->batch.entries - entries;
    p->tail_bad = in->bad - bad;
    p->tail_hash =
        hash_text(shared_seed(&l->segment), l->buffer, p->place.tail);
}

/* It has been finished, and was read once more as a whole line. */
static void drop_tail(progress_t *p)
{
    if (!p->tail_counted)
        return;
    p->entries -= p->tail_entries;
    p->tail_counted = 0;
}

/* Of a file that is another by now the unfinished line is nobody's concern. */
static void tail_due(loader_t *l, const source_sign_t *sign,
                     const loader_clock_t *now)
{
    const progress_t *p = l->progress;
    int64_t still = settle_still_for(&l->settle, sign, now);
    int64_t due =
        now->mono + (still < LOADER_STILL ? LOADER_STILL - still : 0) + MS;

    if (p->place.tail && !p->tail_counted && source_sign_same(sign, &p->sign)
        && due < l->due)
        l->due = due;
}

static loader_news_e build(loader_t *l, intake_t *in, progress_t *next,
                           const loader_clock_t *start)
{
    size_t bytes = table_bytes(&in->batch.plan);
    table_t t;
    int err;

    if (in->batch.over || !bytes || bytes > shared_block_size(&l->segment))
        return too_big(l, in, &next->sign, start);
    err = in->batch.error ? in->batch.error
                          : shared_spare(&l->segment, &in->batch.plan, &t);
    if (err) {
        l->due = start->mono + LOADER_SECOND;
        return trouble(l, SHARED_UNREADABLE, err, start);
    }
    table_init(&t, &in->batch.plan);
    if (batch_insert(&in->batch, &t) != 0)
        return too_big(l, in, &next->sign, start);
    l->prove_at = LOADER_NEVER;
    unsure_begin(l->progress);
    shared_publish(&l->segment);
    progress_set(l->progress, next);
    report_load(l, &t, in, SHARED_FULL, start);
    unsure_end(l->progress);
    return LOADER_LOADED;
}

/* Reads the whole file anew. */
static loader_news_e rebuild(loader_t *l, int fd, const source_sign_t *sign,
                             const loader_clock_t *now)
{
    intake_t in;
    reader_sink_t sink;
    reader_t reader;
    progress_t next;
    loader_news_e news;
    int err;

    memset(&next, 0, sizeof next);
    intake_init(&in, &sink, &l->segment);
    reader_init(&reader, l->bare_ipv6_plen);
    source_place_init(&next.place, shared_seed(&l->segment), &reader);
    next.loaded = 1;
    next.bare_ipv6_plen = l->bare_ipv6_plen;
    next.sign = *sign;
    err = source_read_lines(fd, l->buffer, (uint64_t)sign->size, &sink,
                            &next.place);
    if (!err && next.place.tail
        && settle_still_for(&l->settle, sign, now) >= LOADER_STILL)
        take_tail(l, &in, &sink, &next);
    next.entries = in.batch.entries;
    next.same_tick = (uint32_t)source_may_share_tick(
        sign, settle_still_for(&l->settle, sign, now));
    if (err && err != ESTALE)
        news = trouble(l, SHARED_UNREADABLE, err, now);
    else if (err || !read_whole(l, fd, &next))
        news = look_again(l, now);
    else
        news = build(l, &in, &next, now);
    batch_free(&in.batch);
    return news;
}

/* ---- growth ---- */

/*
 * Whether what was read is still there, as far as it must be known now.
 *
 * To read all of it again for each line more would make the line cost what the
 * file costs.  So of a file that has grown the last of the old bytes are looked
 * at, by which one written anew is told; an edit of bytes further up, in the
 * same look as the growth, is found by the proof that follows.
 */
static int old_bytes_hold(loader_t *l, int fd, const source_sign_t *sign,
                          const loader_clock_t *now)
{
    const progress_t *p = l->progress;
    int64_t delay =
        PROOF_DELAY + PROOF_DELAY_PER_BYTE * (int64_t)p->place.bytes;

    if (!source_same_recent(fd, l->buffer, &p->place, &p->place))
        return 0;
    if (source_all_is_recent(&p->place)) {
        l->prove_at = LOADER_NEVER;
        return 1;
    }
    if (sign->size > p->sign.size && now->mono < l->prove_at) {
        if (l->prove_at == LOADER_NEVER)
            l->prove_at = now->mono + delay;
        return 1;
    }
    l->prove_at = LOADER_NEVER;
    if (source_same_bytes(fd, l->buffer, &p->place, shared_seed(&l->segment)))
        return 1;
    l->prove_at = now->mono;
    return 0;
}

/* Whether an unfinished line that was counted is still the same line, ended
 * by now or not: 1, or 0 when only reading anew can tell what counts. */
static int tail_holds(loader_t *l, int fd, const source_sign_t *sign)
{
    const progress_t *p = l->progress;
    uint64_t behind = (uint64_t)sign->size - p->place.bytes;
    char *b = l->buffer;
    size_t want = p->place.tail + 2;

    if (!p->tail_counted)
        return 1;
    if (behind < p->place.tail)
        return 0;
    if (behind < want)
        want = (size_t)behind;
    if (source_read_at(fd, b, want, p->place.bytes) != (int64_t)want
        || hash_text(shared_seed(&l->segment), b, p->place.tail)
               != p->tail_hash)
        return 0;
    return want == p->place.tail || b[p->place.tail] == '\n'
           || (b[p->place.tail] == '\r' && want > p->place.tail + 1
               && b[p->place.tail + 1] == '\n');
}

/* Inserts into the table in force.  0 when it is full. */
static int append(loader_t *l, const intake_t *in, progress_t *next,
                  const loader_clock_t *start)
{
    table_t t;

    if (in->batch.over || in->batch.error
        || shared_current(&l->segment, &in->batch.plan, &t) != 0)
        return 0;
    unsure_begin(l->progress);
    if (batch_insert(&in->batch, &t) != 0)
        return 0;
    next->entries += in->batch.entries;
    if (l->progress->tail_counted
        && next->place.bytes != l->progress->place.bytes)
        l->report.bad -= l->progress->tail_bad; /* as in drop_tail() */
    progress_set(l->progress, next);
    report_load(l, &t, in, SHARED_APPENDED, start);
    unsure_end(l->progress);
    return 1;
}

typedef enum grown_e {
    GROWN_SAME,     /* nothing new in it */
    GROWN_MORE,     /* new lines are in force */
    GROWN_CHANGING, /* under our hands: look again */
    GROWN_NOT       /* to be read anew */
} grown_e;

static int new_in(const intake_t *in, const progress_t *before,
                  const progress_t *after)
{
    return in->batch.entries || in->bad
           || before->place.bytes != after->place.bytes;
}

/* Reads on from where the file had ended. */
static grown_e read_on(loader_t *l, int fd, const source_sign_t *sign,
                       const loader_clock_t *now)
{
    intake_t in;
    reader_sink_t sink;
    progress_t next = *l->progress;
    int unchanged; /* -1: the file could not be read to the end it had */
    grown_e grown;

    intake_init(&in, &sink, &l->segment);
    next.sign = *sign;
    next.unproven = l->prove_at != LOADER_NEVER;
    next.same_tick = (uint32_t)source_may_share_tick(
        sign, settle_still_for(&l->settle, sign, now));
    unchanged = source_read_lines(fd, l->buffer, (uint64_t)sign->size, &sink,
                                  &next.place)
                    ? -1
                    : source_unchanged(fd, sign);
    if (unchanged < 0
        || (!unchanged
            && !source_same_recent(fd, l->buffer, &l->progress->place,
                                   &next.place))) {
        grown = GROWN_CHANGING;
    }
    else {
        if (next.place.bytes != l->progress->place.bytes)
            drop_tail(&next);
        if (unchanged && next.place.tail && !next.tail_counted
            && settle_still_for(&l->settle, sign, now) >= LOADER_STILL)
            take_tail(l, &in, &sink, &next);
        if (!new_in(&in, l->progress, &next)) {
            unsure_begin(l->progress);
            progress_set(l->progress, &next);
            unsure_end(l->progress);
            grown = GROWN_SAME;
        }
        else {
            grown = append(l, &in, &next, now) ? GROWN_MORE : GROWN_NOT;
        }
    }
    batch_free(&in.batch);
    return grown;
}

static grown_e grow(loader_t *l, int fd, const source_sign_t *sign,
                    const loader_clock_t *now)
{
    const progress_t *p = l->progress;

    if (!p->loaded || p->unsure || p->bare_ipv6_plen != l->bare_ipv6_plen
        || !source_sign_same_file(sign, &p->sign)
        || (uint64_t)sign->size < p->place.bytes
        || !old_bytes_hold(l, fd, sign, now) || !tail_holds(l, fd, sign))
        return GROWN_NOT;
    return read_on(l, fd, sign, now);
}

/* ---- looking ---- */

/* Notes that reading begins, so that the next loader sees it if this one
 * dies of it.  0 when so many did that the file is left alone for a while. */
static int attempt_begin(loader_t *l, const source_sign_t *sign,
                         const loader_clock_t *now)
{
    attempt_t *a = l->attempt;
    int64_t rest = source_sign_same(sign, &a->sign) ? REST : REST_CHANGED;

    if (a->begun >= DEATHS_MAX && now->mono - a->at < rest) {
        l->due = a->at + rest;
        return 0;
    }
    a->sign = *sign;
    a->at = now->mono;
    atomic_fetch_add(&a->begun, 1);
    return 1;
}

static void attempt_end(loader_t *l)
{
    atomic_store(&l->attempt->begun, 0);
}

/* Whether what is there may be what its writer wanted.  *sign is newer then. */
static int may_rebuild(loader_t *l, int fd, source_sign_t *sign,
                       const loader_clock_t *now)
{
    const progress_t *p = l->progress;

    if (!p->loaded)
        return 1;
    if (sign->size < p->sign.size && source_sign_again(fd, sign) == 0)
        settle_see(&l->settle, sign, now);
    return settle_is_settled(&l->settle, l->path, sign, p->sign.size, now,
                             &l->due);
}

static loader_news_e look_inside(loader_t *l, int fd, source_sign_t *sign,
                                 const loader_clock_t *now)
{
    loader_news_e news = LOADER_NOTHING;

    if (source_sign_same(sign, &l->refused))
        return trouble(l, SHARED_TOO_BIG, 0, now);
    switch (grow(l, fd, sign, now)) {
    case GROWN_SAME:
        news = well(l, now, LOADER_NOTHING);
        break;
    case GROWN_MORE:
        news = well(l, now, LOADER_LOADED);
        break;
    case GROWN_CHANGING:
        news = look_again(l, now);
        break;
    case GROWN_NOT:
        if (!may_rebuild(l, fd, sign, now))
            break;
        news = rebuild(l, fd, sign, now);
        if (news == LOADER_LOADED)
            news = well(l, now, news);
        break;
    }
    if (l->progress->loaded && !l->progress->unsure)
        tail_due(l, sign, now);
    return news;
}

static int wants_inside(const loader_t *l, const source_sign_t *sign,
                        const loader_clock_t *now, unsigned hints)
{
    const progress_t *p = l->progress;

    if (!p->loaded || p->unsure || !source_sign_same(sign, &p->sign)
        || p->bare_ipv6_plen != l->bare_ipv6_plen || l->settle.unsettled)
        return 1;
    if (p->same_tick && (hints & (LOADER_CHANGED | LOADER_DEAF)))
        return 1;
    if (l->prove_at <= now->mono)
        return 1;
    return p->place.tail && !p->tail_counted
           && settle_still_for(&l->settle, sign, now) >= LOADER_STILL;
}

static shared_state_e state_of(source_kind_e kind)
{
    switch (kind) {
    case SOURCE_FILE:
        return SHARED_LOADED;
    case SOURCE_MISSING:
        return SHARED_MISSING;
    case SOURCE_OTHER:
        return SHARED_NOT_REGULAR;
    default:
        return SHARED_UNREADABLE;
    }
}

loader_news_e loader_look(loader_t *l, const loader_clock_t *now,
                          unsigned hints, int *trouble_ended)
{
    int was_troubled = l->report.state > SHARED_LOADED;
    int fd, error;
    source_sign_t sign;
    source_kind_e kind;
    loader_news_e news;

    l->due = LOADER_NEVER;
    settle_hear(&l->settle, hints, now->heard);
    kind = source_stat(l->path, &sign, &error);
    if (kind == SOURCE_FILE)
        settle_see(&l->settle, &sign, now);
    if (kind == SOURCE_FILE && !wants_inside(l, &sign, now, hints)) {
        news = well(l, now, LOADER_NOTHING);
        tail_due(l, &sign, now);
    }
    else if (kind == SOURCE_FILE
             && (kind = source_open(l->path, &fd, &sign, &error))
                    == SOURCE_FILE) {
        if (attempt_begin(l, &sign, now)) {
            news = look_inside(l, fd, &sign, now);
            attempt_end(l);
        }
        else {
            news = trouble(l, SHARED_UNREADABLE, LOADER_DIED, now);
        }
        close(fd);
    }
    else {
        news = trouble(l, state_of(kind), error, now);
    }
    /* Where it has passed, something else stands in the way. */
    if (l->prove_at > now->mono && l->prove_at < l->due)
        l->due = l->prove_at;
    if (trouble_ended)
        *trouble_ended = was_troubled && l->report.state == SHARED_LOADED;
    return news;
}

int64_t loader_due(const loader_t *l)
{
    return l->due;
}

loader_t *loader_create(const char *path, const shared_t *s, int bare_ipv6_plen)
{
    loader_t *l = calloc(1, sizeof *l);
    kept_t *kept;

    if (!l)
        return NULL;
    l->path = strdup(path);
    l->buffer = malloc(SOURCE_BUFFER);
    if (!l->path || !l->buffer) {
        loader_destroy(l);
        return NULL;
    }
    l->segment = *s;
    kept = shared_progress(s);
    l->progress = &kept->progress;
    l->attempt = &kept->attempt;
    l->bare_ipv6_plen = bare_ipv6_plen;
    l->due = LOADER_NEVER;
    l->prove_at = l->progress->unproven ? 0 : LOADER_NEVER;
    l->settle.unheard = 1;
    shared_report(s, &l->report);
    return l;
}

void loader_listen(loader_t *l, loader_listen_t *listen, void *ctx)
{
    l->settle.listen = listen;
    l->settle.listen_ctx = ctx;
}

void loader_destroy(loader_t *l)
{
    if (!l)
        return;
    free(l->path);
    free(l->buffer);
    free(l);
}

shared_state_e loader_scan(const char *path, reader_t *r,
                           const reader_sink_t *sink, int *error)
{
    const hash_seed_t any = {{0}};
    source_place_t place;
    source_sign_t sign;
    char *buffer;
    int fd;
    source_kind_e kind = source_stat(path, &sign, error);

    if (kind == SOURCE_FILE)
        kind = source_open(path, &fd, &sign, error);
    if (kind != SOURCE_FILE)
        return state_of(kind);
    source_place_init(&place, &any, r);
    buffer = malloc(SOURCE_BUFFER);
    *error = buffer ? source_read_lines(fd, buffer, (uint64_t)sign.size, sink,
                                        &place)
                    : ENOMEM;
    close(fd);
    if (*error == ESTALE) /* it shrank meanwhile: what is left was read */
        *error = 0;
    if (!*error && place.tail
        && source_still_for(&sign, clock_read(CLOCK_REALTIME)) >= LOADER_STILL)
        reader_finish(&place.reader, sink, buffer, place.tail);
    *r = place.reader;
    free(buffer);
    return *error ? SHARED_UNREADABLE : SHARED_LOADED;
}

const char *loader_state_text(shared_state_e state)
{
    static const char *const text[] = {"not loaded yet",
                                       "loaded",
                                       "missing",
                                       "unreadable",
                                       "not a regular file",
                                       "too big for BanListMemory"};

    return text[state];
}
