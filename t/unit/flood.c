/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A million distinct banned addresses of one IPv6 /64: what an attacker who
 * holds one can make of it.  They fit the memory that lists have by default,
 * and are found, and nobody else is.  t/system/flood.t has valgrind count
 * what a lookup costs: flood N asks of N addresses and checks nothing else.
 */
#include <time.h>

#include "banlist/shared.h"
#include "tap.h"

#define MILLION 1000000
#define ASKED 20000

static shared_t segment;

static prefix_t address(uint64_t net, uint64_t host)
{
    return (prefix_t){net, host, 128, 1};
}

/* Spread over the /64, none twice. */
static uint64_t host_of(uint32_t i)
{
    return i * UINT64_C(0x9e3779b97f4a7c15);
}

static int64_t processor_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#define NET UINT64_C(0x20010db800000001)

static void fill(const table_t *t, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        table_entry_t e = {.prefix = address(NET, host_of(i)),
                           .until = TABLE_FOREVER,
                           .line = i + 1};

        if (table_insert(t, &e, 1) != 1)
            abort();
    }
}

static size_t build(uint32_t n)
{
    table_plan_t plan = {.prefixes = {{0, 0}, {n, 0}}};
    size_t bytes = table_bytes(&plan);
    table_t t;

    if (shared_spare(&segment, &plan, &t) != 0)
        abort();
    table_init(&t, &plan);
    fill(&t, n);
    shared_publish(&segment);
    return bytes;
}

/* Nanoseconds of processor time for one lookup. */
__attribute__((noinline)) static int64_t cost(uint64_t net, uint32_t from,
                                              uint32_t n, int want)
{
    int64_t start = processor_time();
    uint32_t wrong = 0;

    for (uint32_t i = 0; i < ASKED; i++) {
        prefix_t p = address(net, host_of(from + i * 7919u % n));
        table_match_t m;

        wrong += shared_find(&segment, &p, 1, &m) != want;
    }
    is_int(wrong, 0, "%s", want ? "the banned are found" : "no others are");
    return (processor_time() - start) / ASKED;
}

static void costs(const char *what, uint32_t n)
{
    int64_t banned = cost(NET, 0, n, 1);
    int64_t near = cost(NET, MILLION, MILLION, 0);
    int64_t far = cost(NET ^ UINT64_C(0x500000000), 0, MILLION, 0);

    note("%s: %" PRId64 " ns for a banned one, %" PRId64 " for a neighbour, "
         "%" PRId64 " for a stranger",
         what, banned, near, far);
}

int main(int argc, char **argv)
{
    hash_seed_t seed;
    size_t bytes;

    if (shared_make_seed(&seed) != 0
        || shared_create(&segment, (size_t)256 << 20, &seed) != 0)
        return 1;
    if (argc == 2) {
        build((uint32_t)atoi(argv[1]));
        costs("asked", (uint32_t)atoi(argv[1]));
        return done();
    }
    build(1000);
    costs("a thousand", 1000);
    bytes = build(MILLION);
    ok(bytes <= shared_block_size(&segment), "%zu MB hold a million",
       bytes >> 20);
    costs("a million", MILLION);
    return done();
}
