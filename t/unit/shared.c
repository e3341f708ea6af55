/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared segment: what is published is seen whole by every process, the
 * spare block comes clean and its memory goes back, and report, figures and
 * history say what they were told, whatever the clock does.
 */
#include "banlist/shared.h"

#include "tap.h"

#include <errno.h>
#include <sys/wait.h>

#define MEMORY ((size_t)8 << 20)

static const hash_seed_t seed = {
    {UINT64_C(0x8c90f1f1b5a3c6d1), UINT64_C(0x3b1f0e9cd2a47785),
     UINT64_C(0xe5d2086a4f9b3c17), UINT64_C(0x5a7c91e3086df42b)}};

static shared_t create(size_t memory)
{
    shared_t s;

    if (shared_create(&s, memory, &seed) != 0) {
        perror("shared_create");
        exit(1);
    }
    return s;
}

static prefix_t numbered(uint32_t i)
{
    prefix_t p = {(UINT64_C(0x0b000000) + i) << 32, 0, 32, 0};

    return p;
}

static int has(const shared_t *s, uint32_t i)
{
    prefix_t p = numbered(i);
    table_match_t m;

    return shared_find(s, &p, 0, &m);
}

static void insert(const table_t *t, uint32_t i)
{
    table_entry_t e;

    memset(&e, 0, sizeof e);
    e.prefix = numbered(i);
    e.until = TABLE_FOREVER;
    e.line = i + 1;
    table_insert(t, &e, 1);
}

static int all_zero(const table_t *t, size_t size)
{
    const unsigned char *p = t->base;

    for (size_t i = 0; i < size; i++) {
        if (p[i])
            return 0;
    }
    return 1;
}

static void fill(const table_t *t, const table_plan_t *plan, uint32_t first,
                 uint32_t last)
{
    table_init(t, plan);
    for (uint32_t i = first; i <= last; i++)
        insert(t, i);
}

/* Builds first..last in the spare block; whether that came clean. */
static int build(const shared_t *s, uint32_t first, uint32_t last)
{
    table_plan_t plan = {.prefixes = {{last - first + 1, 0}}};
    table_t t;
    int clean;

    if (shared_spare(s, &plan, &t) != 0)
        return 0;
    clean = all_zero(&t, table_bytes(&plan));
    fill(&t, &plan, first, last);
    return clean;
}

static void test_publish(void)
{
    const table_plan_t one = {.prefixes = {{1, 0}}};
    shared_t s = create(MEMORY);
    table_match_t m;
    table_t t;

    ok(shared_is_ours(&s), "a segment of ours");
    is_int((intmax_t)shared_serial(&s), 0, "nothing published");
    is_int(has(&s, 1), 0, "nobody is in it");
    is_int(shared_find_name(&s, "a.example", 9, 0, &m), 0, "no name");
    is_int(shared_has_names(&s, 0, 0), 0, "none at all");
    is_int(shared_current(&s, &one, &t), ENOSPC, "and nothing to insert into");

    ok(build(&s, 1, 100), "the spare block comes clean");
    is_int(has(&s, 1), 0, "built is not published");
    shared_publish(&s);
    is_int(has(&s, 1) + has(&s, 100), 2, "published");
    is_int(has(&s, 101), 0, "and no more than that");
    ok(build(&s, 200, 300), "the other one too");
    is_int(has(&s, 1) + has(&s, 200), 1, "the old one is in force meanwhile");
    shared_publish(&s);
    is_int(has(&s, 1) + has(&s, 200), 1, "then the new one");
    is_int(has(&s, 200), 1, "alone");
    ok(build(&s, 1, 10), "and the first block comes clean again");
    ok(build(&s, 1, 10), "also when it was given up half built");
    is_int(shared_current(&s, &one, &t), 0, "the table in force");
    insert(&t, 777);
    is_int(has(&s, 777), 1, "takes an entry in place");
    is_int((intmax_t)shared_serial(&s), 2, "without another serial");
    shared_destroy(&s);
    ok(!shared_is_ours(&s), "a destroyed one is nobody's");
}

static void test_processes(void)
{
    shared_t s = create(MEMORY);
    int to_child[2], status = 0;
    char byte;
    pid_t pid;

    if (pipe(to_child) != 0 || (pid = fork()) < 0) {
        perror("fork");
        exit(1);
    }
    if (pid == 0) {
        int good = read(to_child[0], &byte, 1) == 1 && has(&s, 5);

        shared_count(&s, 1, SHARED_REFUSED);
        _exit(good ? 0 : 1);
    }
    build(&s, 1, 10);
    shared_publish(&s);
    shared_count(&s, 2, SHARED_REFUSED);
    ok(write(to_child[1], "", 1) == 1 && waitpid(pid, &status, 0) == pid
           && status == 0,
       "another process sees what is published later");
    is_int((intmax_t)shared_figure(&s, SHARED_REFUSED), 2,
           "and its figures are added");
    is_int((intmax_t)shared_figure(&s, SHARED_CLOSED), 0, "each to its own");
    shared_destroy(&s);
}

/* Pages of the process that are there, in a segment. */
static size_t pages_there(const shared_t *s)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = s->size / page, sum = 0;
    unsigned char *there = malloc(n);

    if (!there || mincore(s->head, s->size, there) != 0)
        exit(1);
    for (size_t i = 0; i < n; i++)
        sum += there[i] & 1;
    free(there);
    return sum;
}

static void test_memory(void)
{
    const table_entry_t ended = {
        .prefix = numbered(1000000), .until = 1, .line = 1};
    shared_t s = create(MEMORY), small = create(1);
    size_t none = pages_there(&s), full, with_end;
    table_plan_t plan = {.prefixes = {{100000, 0}}};
    table_t t;

    ok(none < 32, "memory that is set aside is not used");
    shared_spare(&s, &plan, &t);
    fill(&t, &plan, 1, 100000);
    shared_publish(&s);
    full = pages_there(&s);
    ok(full > 200, "a long list uses some");
    plan = (table_plan_t){.prefixes = {{1, 0}}, .ends = {{1, 0}}};
    is_int(shared_current(&s, &plan, &t), 0, "room for a first end");
    with_end = pages_there(&s);
    ok(with_end > full, "is memory that was not used before");
    table_insert(&t, &ended, 1);
    is_int((intmax_t)pages_there(&s), (intmax_t)with_end,
           "and all that the end needs");
    plan = (table_plan_t){.prefixes = {{100000, 0}}};
    build(&s, 1, 10);
    shared_publish(&s);
    ok(pages_there(&s) < full / 4, "a short one after it gives it back");

    while (plan.prefixes[0][0]++, table_bytes(&plan) <= shared_block_size(&s)) {
    }
    ok(shared_spare(&s, &plan, &t) != 0, "what does not fit a block");
    plan.prefixes[0][0]--;
    is_int(shared_spare(&s, &plan, &t), 0, "and what just fits");
    is_int(has(&s, 10), 1, "which changes nothing");
    ok(shared_memory_for(shared_block_size(&s)) <= MEMORY
           && shared_memory_for(shared_block_size(&s) + 1) > MEMORY,
       "what a block needs is what it has");
    ok(shared_block_size(&small) > 1000, "there is a least size");
    shared_destroy(&s);
    shared_destroy(&small);
}

static void test_report(void)
{
    shared_t s = create(MEMORY);
    shared_report_t in, out;
    unsigned char *bytes = (unsigned char *)&in;

    shared_report(&s, &out);
    is_int(out.state, SHARED_NEVER, "the report of nothing");
    for (size_t i = 0; i < sizeof in; i++)
        bytes[i] = (unsigned char)(i * 31 + 1);
    shared_set_report(&s, &in);
    shared_report(&s, &out);
    ok(memcmp(&in, &out, sizeof in) == 0, "every byte of it arrives");
    in.state = SHARED_MISSING;
    shared_set_report(&s, &in);
    shared_report(&s, &out);
    is_int(out.state, SHARED_MISSING, "and the next one");
    shared_destroy(&s);
}

static void test_progress(void)
{
    shared_t s = create(MEMORY);
    unsigned char *progress = shared_progress(&s);
    int clean = 1;

    for (size_t i = 0; i < SHARED_PROGRESS_SIZE; i++)
        clean = clean && !progress[i];
    ok(clean, "the writer's room is clean at first");
    memset(progress, 0xff, SHARED_PROGRESS_SIZE);
    build(&s, 1, 10);
    shared_publish(&s);
    shared_count(&s, SHARED_FIGURE_SLOTS - 1, SHARED_MARKED);
    is_int((intmax_t)shared_figure(&s, SHARED_REFUSED), 0,
           "and is nobody else's");
    is_int((intmax_t)shared_figure(&s, SHARED_MARKED), 1, "the last slot");
    is_int(has(&s, 10), 1, "nor is the table's");
    is_int(progress[SHARED_PROGRESS_SIZE - 1], 0xff, "it stays");
    shared_destroy(&s);
}

static void refuse(const shared_t *s, int n)
{
    while (n--)
        shared_count(s, 3, SHARED_REFUSED);
}

static uint64_t in_all(const shared_history_t *h)
{
    uint64_t sum = 0;

    for (int i = 0; i < SHARED_MINUTES; i++)
        sum += h->refused[i];
    return sum;
}

/* Minutes of the hour that begins at the time now. */
static void history_from(int64_t now, const char *name)
{
    shared_t s = create(MEMORY);
    shared_history_t h;
    shared_report_t report;
    int64_t minute = now / 60;

    memset(&report, 0xff, sizeof report);
    shared_set_report(&s, &report);
    shared_set_history(&s, now);
    refuse(&s, 2);
    shared_set_history(&s, now + 60);
    refuse(&s, 3);
    shared_set_history(&s, now + 120);
    shared_set_history(&s, now + 121);
    shared_history(&s, &h);
    is_int((intmax_t)h.minute, (intmax_t)minute + 2, "%s: the minute", name);
    is_int((intmax_t)h.refused[(minute + 1) % 60], 2, "two in one minute");
    is_int((intmax_t)h.refused[(minute + 2) % 60], 3, "three in the next");
    is_int((intmax_t)in_all(&h), 5, "and no more");

    shared_set_history(&s, now + 3600);
    shared_history(&s, &h);
    is_int((intmax_t)in_all(&h), 5, "within the hour");
    shared_set_history(&s, now + 3600 + 60);
    shared_history(&s, &h);
    is_int((intmax_t)in_all(&h), 3, "an hour later the oldest is gone");
    shared_set_history(&s, now + 9999999);
    shared_history(&s, &h);
    is_int((intmax_t)in_all(&h), 0, "and at last all");

    refuse(&s, 4);
    shared_set_history(&s, now);
    shared_history(&s, &h);
    is_int((intmax_t)h.minute, (intmax_t)minute, "a clock set back");
    is_int((intmax_t)in_all(&h), 4, "loses none");
    shared_report(&s, &report);
    is_int(report.bad_line[SHARED_BAD_MAX - 1].text[63], (char)0xff,
           "and nothing beside it is touched");
    shared_destroy(&s);
}

int main(void)
{
    test_publish();
    test_processes();
    test_memory();
    test_report();
    test_progress();
    history_from(1767225600, "2026");
    history_from(7, "a machine without a clock, in 1970");
    return done();
}
