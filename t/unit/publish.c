/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publish protocol under stress: several processes of several threads
 * look up without pause while one writer builds, publishes, inserts, grows
 * and shrinks, and is killed at any moment.  A torn or recycled read shows:
 *
 * - what every block holds is always found, what none holds never;
 * - the end and the line of an entry are made of its address and of the
 *   number of the block (its version), so an answer that mixes two entries
 *   or two blocks does not add up;
 * - no thread ever sees a version older than one that it has seen;
 * - what was inserted in place is found from then on.
 *
 * $BANLIST_SECONDS (2): how long the whole runs.
 */
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "banlist/shared.h"
#include "tap.h"

#define ALWAYS 48    /* addresses of each family in every block */
#define FILLERS 3000 /* at most; how many is what makes a layout another */
#define INSERTS 40   /* in place, behind each publishing */
#define PROCESSES 3
#define THREADS 2
#define RENEWED 7 /* an address whose end is raised in place */

/* What readers tell their parent, and the writer its readers. */
typedef struct board_t {
    _Atomic int stop;
    _Atomic uint64_t promise; /* version << 16 | inserted so far */
    _Atomic uint64_t answers;
    _Atomic uint64_t missing;  /* a banned one was not found */
    _Atomic uint64_t invented; /* one that is banned nowhere was */
    _Atomic uint64_t mixed;    /* end, line and address do not agree */
    _Atomic uint64_t backward;
    _Atomic uint64_t lost; /* inserted, told, and not found */
} board_t;

static board_t *board;
static shared_t segment;
static int refuse_remove; /* as a system without MADV_REMOVE does */

/* In the place of the C library's. */
int madvise(void *at, size_t len, int advice)
{
    if (refuse_remove && advice == MADV_REMOVE) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_madvise, at, len, advice);
}

/* ---- what there is to find ---- */

static prefix_t always(unsigned i, int is_ipv6)
{
    uint32_t v4 = htobe32(0x0a000000u + i * 37u);
    unsigned char v6[16] = {0x20, 1, 0x0d, 0xb8, 0, 0, 0, (unsigned char)i};
    prefix_t p;

    if (is_ipv6)
        prefix_from_ipv6(&p, v6);
    else
        prefix_from_ipv4(&p, &v4);
    return p;
}

static prefix_t from_number(uint32_t n)
{
    uint32_t v4 = htobe32(n);
    prefix_t p;

    prefix_from_ipv4(&p, &v4);
    return p;
}

static prefix_t inserted(uint64_t version, unsigned i)
{
    return from_number(0xc0000000u + (uint32_t)(version % 4096) * 256 + i);
}

static uint32_t tag_of(const prefix_t *p)
{
    uint64_t h = (p->hi ^ p->lo ^ p->is_ipv6) * UINT64_C(0x9e3779b97f4a7c15);

    return (uint32_t)(h >> 54); /* 10 bits */
}

static uint32_t told(const prefix_t *p, uint64_t version)
{
    return (uint32_t)(version << 10) | tag_of(p);
}

/* Every second version is built without an end: the first one comes in while
 * it is read. */
static uint32_t end_as_built(uint32_t line)
{
    return line >> 10 & 1 ? line : TABLE_FOREVER;
}

/* ---- readers ---- */

static void wrong(_Atomic uint64_t *kind)
{
    atomic_fetch_add_explicit(kind, 1, memory_order_relaxed);
}

typedef struct reader_state_t {
    uint64_t version;
    unsigned turn;
} reader_state_t;

static void check_always(reader_state_t *r, unsigned i, int is_ipv6)
{
    prefix_t p = always(i, is_ipv6);
    table_match_t m;
    uint64_t version;
    uint32_t end;

    if (!shared_find(&segment, &p, 1, &m)) {
        wrong(&board->missing);
        return;
    }
    version = m.line >> 10;
    end = end_as_built(m.line);
    if (m.line != told(&p, version) || m.prefix.hi != p.hi
        || m.prefix.lo != p.lo
        || (m.until != end
            && !(i == RENEWED && version & 1 && m.until == end + 1024)))
        wrong(&board->mixed);
    if (version < r->version)
        wrong(&board->backward);
    r->version = version;
}

static void check_never(unsigned turn)
{
    prefix_t p = from_number(0x0a000000u + (turn % ALWAYS) * 37u + 1);
    prefix_t q = from_number(0x0b000000u + turn * 2654435761u % 0x1000000u);
    table_match_t m;

    if (shared_find(&segment, &p, 1, &m) || shared_find(&segment, &q, 1, &m))
        wrong(&board->invented);
}

static void check_inserted(void)
{
    uint64_t before = atomic_load(&board->promise);
    uint64_t version = before >> 16;
    unsigned n = before & 0xffff;
    table_match_t m;
    prefix_t p;
    int found;

    if (!n)
        return;
    p = inserted(version, n - 1);
    found = shared_find(&segment, &p, 1, &m);
    if (found && (m.line != told(&p, m.line >> 10) || m.until != m.line))
        wrong(&board->mixed);
    if (!found && atomic_load(&board->promise) >> 16 == version)
        wrong(&board->lost);
}

static void check_names(unsigned turn)
{
    static const char banned[] = "a.very.bad.example.net";
    table_match_t m;

    if (!shared_find_name(&segment, banned, sizeof banned - 1, 1, &m))
        wrong(&board->missing);
    if (!shared_has_names(&segment, 0, 1))
        wrong(&board->missing);
    if (shared_find_name(&segment, banned, 6 + turn % 8, 1, &m))
        wrong(&board->invented);
}

static void *reader_main(void *unused)
{
    reader_state_t r = {0, 0};

    (void)unused;
    while (!atomic_load_explicit(&board->stop, memory_order_relaxed)) {
        check_always(&r, r.turn % ALWAYS, 0);
        check_always(&r, r.turn % ALWAYS, 1);
        check_never(r.turn);
        check_inserted();
        if (r.turn % 8 == 0)
            check_names(r.turn);
        r.turn++;
        if (r.turn % 64 == 0)
            atomic_fetch_add(&board->answers, 64 * 5);
    }
    return NULL;
}

static void readers_start(pthread_t *thread, int n)
{
    for (int i = 0; i < n; i++) {
        if (pthread_create(thread + i, NULL, reader_main, NULL) != 0)
            abort();
    }
}

static void readers_join(const pthread_t *thread, int n)
{
    for (int i = 0; i < n; i++)
        pthread_join(thread[i], NULL);
}

static pid_t reader_process(void)
{
    pthread_t thread[THREADS];
    pid_t pid = fork();

    if (pid == 0) {
        readers_start(thread, THREADS);
        readers_join(thread, THREADS);
        _exit(0);
    }
    return pid;
}

/* ---- the writer ---- */

static void put(const table_t *t, prefix_t p, uint64_t version, int as_built)
{
    table_entry_t e = {.prefix = p};

    e.until = e.line = told(&p, version);
    if (as_built)
        e.until = end_as_built(e.line);
    if (table_insert(t, &e, 1) != 1)
        abort();
}

static void put_name(const table_t *t, uint64_t version)
{
    table_entry_t e = {.name = ".bad.example.net", .name_len = 16};

    e.until = e.line = (uint32_t)(version << 10) | 1;
    if (table_insert(t, &e, 1) != 1)
        abort();
}

static void build(uint64_t version)
{
    unsigned fillers = (unsigned)(version * 2654435761u % FILLERS);
    table_plan_t plan = {.prefixes = {{ALWAYS + fillers, 0}, {ALWAYS, 0}},
                         .ends = {{version & 1, 0}, {version & 1, 0}},
                         .names = {1, 0},
                         .name_bytes = 16};
    table_t t;

    if (shared_spare(&segment, &plan, &t) != 0)
        abort();
    table_init(&t, &plan);
    for (unsigned i = 0; i < fillers; i++)
        put(&t, from_number(0x0c000000u + i * 7919u), version, 1);
    for (unsigned i = 0; i < ALWAYS; i++) {
        put(&t, always(i, 0), version, 1);
        put(&t, always(i, 1), version, 1);
    }
    put_name(&t, version);
    shared_publish(&segment);
}

static void renew(const table_t *t, uint64_t version)
{
    table_entry_t e = {.prefix = always(RENEWED, 0)};

    e.line = told(&e.prefix, version);
    e.until = e.line + 1024;
    if (table_insert(t, &e, 1) != 1)
        abort();
}

static void turn(uint64_t version)
{
    const table_plan_t plan = {.prefixes = {{INSERTS + 1, 0}},
                               .ends = {{INSERTS + 1, 0}}};
    table_t t;

    atomic_store(&board->promise, version << 16);
    build(version);
    if (shared_current(&segment, &plan, &t) != 0)
        abort();
    for (unsigned i = 0; i < INSERTS; i++) {
        put(&t, inserted(version, i), version, 0);
        atomic_store(&board->promise, version << 16 | (i + 1));
    }
    renew(&t, version);
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void write_for(double time)
{
    double end = seconds() + time;

    do
        turn(shared_serial(&segment) + 1);
    while (seconds() < end);
}

/* Any moment; every other time one soon after a publishing. */
static void wait_to_kill(int kills)
{
    uint64_t serial = shared_serial(&segment);

    for (int i = 0; kills % 2 && i < 5000; i++) {
        if (shared_serial(&segment) != serial)
            break;
        usleep(1000);
    }
    usleep((useconds_t)(kills * 7919) % (kills % 2 ? 500 : 40000));
}

/* A writer after the other, each killed wherever it happens to be. */
static int write_and_be_killed(double time)
{
    double end = seconds() + time;
    int kills = 0;

    do {
        pid_t pid = fork();

        if (pid == 0) {
            write_for(1000);
            _exit(1);
        }
        wait_to_kill(kills);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        kills++;
    } while (seconds() < end);
    return kills;
}

/* ---- the stress ---- */

static void judge(const char *what, uint64_t before)
{
    note("%s: %" PRIu64 " answers, %" PRIu64 " blocks", what,
         atomic_load(&board->answers), shared_serial(&segment) - before);
    ok(atomic_load(&board->answers) > 0, "%s: readers were at it", what);
    is_int((intmax_t)board->missing, 0, "%s: banned ones always found", what);
    is_int((intmax_t)board->invented, 0, "%s: others never", what);
    is_int((intmax_t)board->mixed, 0, "%s: no answer of two halves", what);
    is_int((intmax_t)board->backward, 0, "%s: no old block again", what);
    is_int((intmax_t)board->lost, 0, "%s: what is inserted is found", what);
}

static void begin(void)
{
    hash_seed_t seed = {{1, 2, 3, 4}};

    memset(board, 0, sizeof *board);
    shared_make_seed(&seed);
    if (shared_create(&segment, SHARED_MIN, &seed) != 0)
        abort();
    turn(1);
}

static void stress(const char *what, double time, int killed)
{
    pid_t pid[PROCESSES];
    pthread_t thread[THREADS];
    uint64_t before;

    begin();
    before = shared_serial(&segment);
    for (int i = 0; i < PROCESSES; i++)
        pid[i] = reader_process();
    if (killed) {
        note("%s: %d writers killed", what, write_and_be_killed(time));
    }
    else {
        readers_start(thread, THREADS);
        write_for(time);
    }
    atomic_store(&board->stop, 1);
    if (!killed)
        readers_join(thread, THREADS);
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;

        waitpid(pid[i], &status, 0);
        is_int(status, 0, "%s: reading process %d ran clean", what, i);
    }
    judge(what, before);
    shared_destroy(&segment);
}

/* A reader that does not look at the serial again is caught. */
static void check_the_check(void)
{
    const table_plan_t none = {.names = {0, 0}};
    prefix_t p = always(0, 0);
    table_match_t m;
    table_t held;

    begin();
    shared_current(&segment, &none, &held);
    ok(table_find(&held, &p, 1, &m), "a block in force is whole");
    turn(2);
    ok(!table_find(&held, &p, 1, &m), "one that is not is empty");
    turn(3);
    ok(table_find(&held, &p, 1, &m) && m.line >> 10 == 3,
       "and then recycled: what a torn read would see");
    shared_destroy(&segment);
}

int main(void)
{
    const char *env = getenv("BANLIST_SECONDS");
    double time = env ? atof(env) : 2;

    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        return 1;
    check_the_check();
    stress("pages given back", time * 0.4, 0);
    stress("killed writers", time * 0.3, 1);
    refuse_remove = 1;
    stress("pages cleared by hand", time * 0.3, 0);
    return done();
}
