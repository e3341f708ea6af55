/* SPDX-License-Identifier: Apache-2.0 */
#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/random.h>
#endif

#define MAGIC UINT64_C(0x62616e6c69737404) /* "banlist", layout version 4 */
#define ALIGN ((size_t)65536)              /* of a block: no page is larger */
#define LINE 64 /* bytes of a cache line, or of two halves of one */

typedef struct figures_t {
    _Alignas(LINE) _Atomic uint64_t n[SHARED_FIGURES];
} figures_t;

#define REPORT_WORDS (sizeof(shared_report_t) / 8)
_Static_assert(sizeof(shared_report_t) % 8 == 0, "copied by 8 bytes");

typedef struct shared_head_t {
    uint64_t magic;
    uint64_t head_size;
    uint64_t size;
    hash_seed_t seed;
    /* On a line of its own: every lookup loads it, only a rebuild stores. */
    _Alignas(LINE) _Atomic uint64_t serial; /* 0: nothing published */
    /* The writer's: so many bytes of each block may not be zero. */
    _Alignas(LINE) _Atomic uint64_t used[2];
    /* Odd while the report is being written. */
    _Alignas(LINE) _Atomic uint64_t report_turn;
    _Atomic uint64_t report[REPORT_WORDS];
    _Atomic int64_t history_minute;
    _Atomic uint64_t history_sum; /* of the figures, at the last call */
    _Atomic uint64_t history[SHARED_MINUTES];
    _Alignas(LINE) unsigned char progress[SHARED_PROGRESS_SIZE];
    figures_t figures[SHARED_FIGURE_SLOTS];
} shared_head_t;

/* ---- the mapping ---- */

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) & ~(to - 1);
}

static size_t head_bytes(void)
{
    return round_up(sizeof(shared_head_t), ALIGN);
}

size_t shared_block_size(const shared_t *s)
{
    return s->block_size;
}

size_t shared_memory_for(size_t block_size)
{
    return head_bytes() + 2 * round_up(block_size, ALIGN);
}

static char *block_of(const shared_t *s, uint64_t serial)
{
    return (char *)s->head + head_bytes() + (serial & 1) * shared_block_size(s);
}

/* memfd where there is one: until it is used it counts against no limit,
 * and holes can be punched into it. */
static int map_shared(size_t size, void **where)
{
    int flags = MAP_SHARED | MAP_ANONYMOUS, fd = -1;

#ifdef MFD_CLOEXEC
    fd = memfd_create("banlist", MFD_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, (off_t)size) == 0) {
        flags = MAP_SHARED;
    }
    else if (fd >= 0) {
        close(fd);
        fd = -1;
    }
#endif
#ifdef MAP_NORESERVE
    flags |= MAP_NORESERVE;
#endif
    *where = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (fd >= 0)
        close(fd);
    return *where == MAP_FAILED ? errno : 0;
}

int shared_create(shared_t *s, size_t memory, const hash_seed_t *seed)
{
    size_t size = memory < SHARED_MIN ? SHARED_MIN : memory;
    void *where;
    int err;

    if (size < 2 * head_bytes())
        size = 2 * head_bytes();
    size = round_up(size, ALIGN);
    err = map_shared(size, &where);
    if (err)
        return err;
    s->head = where;
    s->size = size;
    s->block_size = ((size - head_bytes()) / 2) & ~(ALIGN - 1);
    s->head->head_size = sizeof(shared_head_t);
    s->head->size = size;
    s->head->seed = *seed;
    s->head->magic = MAGIC;
    return 0;
}

void shared_destroy(shared_t *s)
{
    if (s->head)
        munmap(s->head, s->size);
    s->head = NULL;
}

int shared_is_ours(const shared_t *s)
{
    return s->head && s->head->magic == MAGIC
           && s->head->head_size == sizeof(shared_head_t)
           && s->head->size == s->size;
}

const hash_seed_t *shared_seed(const shared_t *s)
{
    return &s->head->seed;
}

static int seed_without_device(hash_seed_t *seed, int err)
{
#ifdef __linux__
    (void)err;
    return getrandom(seed, sizeof *seed, 0) == sizeof *seed ? 0 : errno;
#else
    (void)seed;
    return err;
#endif
}

int shared_make_seed(hash_seed_t *seed)
{
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return seed_without_device(seed, errno);
    got = read(fd, seed, sizeof *seed);
    close(fd);
    return got == sizeof *seed ? 0 : EIO;
}

/* ---- readers ---- */

static inline uint64_t serial_of(const shared_t *s)
{
    /* acquire: pairs with the release in shared_publish() */
    return atomic_load_explicit(&s->head->serial, memory_order_acquire);
}

uint64_t shared_serial(const shared_t *s)
{
    return serial_of(s);
}

static inline void table_at(const shared_t *s, uint64_t serial, table_t *t)
{
    t->base = block_of(s, serial);
    t->size = shared_block_size(s);
    t->seed = &s->head->seed;
}

/* The table in force; 0 if there is none. */
static inline uint64_t enter(const shared_t *s, table_t *t)
{
    uint64_t serial = serial_of(s);

    table_at(s, serial, t);
    return serial;
}

/* Whether what was read since enter() is the truth.  The loads before were
 * acquiring ones, so this one cannot come before them. */
static inline int left_whole(const shared_t *s, uint64_t serial)
{
    return serial_of(s) == serial;
}

int shared_find(const shared_t *s, const prefix_t *addr, int64_t now,
                table_match_t *m)
{
    const shared_t own = *s;
    table_t t;
    uint64_t serial;
    int found;

    do {
        serial = enter(&own, &t);
        m->except = 0;
        found = serial ? table_find(&t, addr, now, m) : 0;
    } while (!left_whole(&own, serial));
    return found;
}

int shared_find_name(const shared_t *s, const char *name, size_t len,
                     int64_t now, table_match_t *m)
{
    table_t t;
    uint64_t serial;
    int found;

    do {
        serial = enter(s, &t);
        m->except = 0;
        found = serial ? table_find_name(&t, name, len, now, m) : 0;
    } while (!left_whole(s, serial));
    return found;
}

int shared_has_names(const shared_t *s, int except, int64_t now)
{
    table_t t;
    uint64_t serial;
    int has;

    do {
        serial = enter(s, &t);
        has = serial ? table_has_names(&t, except, now) : 0;
    } while (!left_whole(s, serial));
    return has;
}

void shared_report(const shared_t *s, shared_report_t *out)
{
    shared_head_t *head = s->head;
    uint64_t *words = (uint64_t *)out;
    uint64_t turn;

    do {
        /* acquire: pairs with the last store of shared_set_report() */
        turn = atomic_load_explicit(&head->report_turn, memory_order_acquire);
        for (size_t i = 0; i < REPORT_WORDS; i++) {
            words[i] =
                atomic_load_explicit(&head->report[i], memory_order_acquire);
        }
    } while (turn % 2 == 0
             && turn
                    != atomic_load_explicit(&head->report_turn,
                                            memory_order_acquire));
    /* An odd turn is a loader in the middle of it, or one that was killed
     * there: a report half old, half new is better than waiting. */
}

void shared_history(const shared_t *s, shared_history_t *out)
{
    shared_head_t *head = s->head;

    out->minute =
        atomic_load_explicit(&head->history_minute, memory_order_acquire);
    for (int i = 0; i < SHARED_MINUTES; i++) {
        out->refused[i] =
            atomic_load_explicit(&head->history[i], memory_order_relaxed);
    }
    out->noted = atomic_load_explicit(&head->history_sum, memory_order_relaxed);
}

/* ---- figures ---- */

void shared_count(const shared_t *s, unsigned slot, shared_figure_e figure)
{
    atomic_fetch_add_explicit(&s->head->figures[slot].n[figure], 1,
                              memory_order_relaxed);
}

uint64_t shared_figure(const shared_t *s, shared_figure_e figure)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < SHARED_FIGURE_SLOTS; i++) {
        sum += atomic_load_explicit(&s->head->figures[i].n[figure],
                                    memory_order_relaxed);
    }
    return sum;
}

/* ---- the writer ---- */

/* A reader may still be in the block.  These stores release, as all to a
 * block do: whoever sees one of them sees the serial that came before. */
static void clear(char *block, size_t size)
{
    _Atomic uint64_t *word = (_Atomic uint64_t *)(void *)block;

    for (size_t i = 0; i < size / sizeof *word; i++)
        atomic_store_explicit(word + i, 0, memory_order_release);
}

static void free_block(const shared_t *s, uint64_t serial)
{
    _Atomic uint64_t *used = &s->head->used[serial & 1];
    char *block = block_of(s, serial);
    int removed = 0;

#ifdef MADV_REMOVE
    removed = madvise(block, shared_block_size(s), MADV_REMOVE) == 0;
#endif
    if (!removed)
        clear(block, atomic_load(used));
    atomic_store(used, 0);
}

/* Touches no page before it is sure to be there: a page fault that finds no
 * memory is a SIGBUS, this is an errno. */
static int reserve(void *place, size_t size)
{
#ifdef MADV_POPULATE_WRITE
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t before = (uintptr_t)place % page;

    if (madvise((char *)place - before, round_up(before + size, page),
                MADV_POPULATE_WRITE)
        == 0)
        return 0;
    if (errno == ENOMEM || errno == EFAULT)
        return ENOMEM;
#endif
    (void)place;
    (void)size;
    return 0;
}

/* The zero bytes of the block in force that reserve() got some of: the pages
 * that are theirs alone. */
static void release(void *place, size_t size)
{
#ifdef MADV_REMOVE
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t before = round_up((uintptr_t)place, page) - (uintptr_t)place;

    if (size > before + page)
        (void)madvise((char *)place + before, (size - before) & ~(page - 1),
                      MADV_REMOVE);
#else
    (void)place;
    (void)size;
#endif
}

int shared_spare(const shared_t *s, const table_plan_t *plan, table_t *t)
{
    uint64_t spare = serial_of(s) + 1;
    size_t size = table_bytes(plan), used = table_bytes_used(plan);
    int err;

    if (!size || size > shared_block_size(s))
        return ENOMEM;
    free_block(s, spare);
    atomic_store(&s->head->used[spare & 1], used);
    err = reserve(block_of(s, spare), used);
    if (err) {
        free_block(s, spare);
        return err;
    }
    table_at(s, spare, t);
    return 0;
}

void shared_publish(const shared_t *s)
{
    uint64_t serial = serial_of(s);

    /* release: whoever acquires this serial sees the block as built */
    atomic_store_explicit(&s->head->serial, serial + 1, memory_order_release);
    free_block(s, serial);
}

/* Makes sure of memory in the block in force.  How far it is used is noted
 * first: whoever clears it may be the successor of a loader killed in here. */
static int use_more(const shared_t *s, uint64_t serial, void *place,
                    size_t size)
{
    _Atomic uint64_t *used = &s->head->used[serial & 1];
    size_t end = (size_t)((char *)place - block_of(s, serial)) + size;
    int err;

    if (atomic_load(used) < end)
        atomic_store(used, end);
    err = reserve(place, size);
    if (err)
        release(place, size);
    return err;
}

int shared_current(const shared_t *s, const table_plan_t *plan, table_t *t)
{
    uint64_t serial = enter(s, t);
    int err = serial && table_has_room(t, plan) ? 0 : ENOSPC;

    for (int i = 0; i < 4 && !err; i++) {
        size_t size;
        void *place = table_first_ends(t, plan, i / 2, i % 2, &size);

        if (place)
            err = use_more(s, serial, place, size);
    }
    return err;
}

void shared_set_report(const shared_t *s, const shared_report_t *r)
{
    shared_head_t *head = s->head;
    const uint64_t *words = (const uint64_t *)r;
    uint64_t turn =
        atomic_load_explicit(&head->report_turn, memory_order_relaxed) | 1;

    atomic_store_explicit(&head->report_turn, turn, memory_order_relaxed);
    for (size_t i = 0; i < REPORT_WORDS; i++) {
        atomic_store_explicit(&head->report[i], words[i], memory_order_release);
    }
    atomic_store_explicit(&head->report_turn, turn + 1, memory_order_release);
}

void shared_set_history(const shared_t *s, int64_t now)
{
    shared_head_t *head = s->head;
    int64_t minute = now / 60;
    int64_t last =
        atomic_load_explicit(&head->history_minute, memory_order_relaxed);
    uint64_t sum =
        shared_figure(s, SHARED_REFUSED) + shared_figure(s, SHARED_CLOSED);
    uint64_t before =
        atomic_load_explicit(&head->history_sum, memory_order_relaxed);

    if (minute < last || minute - last > SHARED_MINUTES)
        last = minute - SHARED_MINUTES; /* a clock set, or the first call */
    for (int64_t m = last + 1; m <= minute; m++)
        atomic_store_explicit(&head->history[shared_minute_index(m)], 0,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&head->history[shared_minute_index(minute)],
                              sum - before, memory_order_relaxed);
    atomic_store_explicit(&head->history_sum, sum, memory_order_relaxed);
    atomic_store_explicit(&head->history_minute, minute, memory_order_release);
}

void *shared_progress(const shared_t *s)
{
    return s->head->progress;
}
