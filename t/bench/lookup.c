/* SPDX-License-Identifier: Apache-2.0 */
/* lookup KIND COUNT: our table, through the segment as a request does it. */
#include "lookup.h"

#include "banlist/shared.h"

static int find(void *ctx, const lookup_key_t *key)
{
    static const int64_t now = 1700000000;
    shared_t *s = ctx;
    table_match_t m;
    prefix_t address = {key->hi, key->lo, 32, 0};

    return shared_find(s, &address, now, &m);
}

static int find6(void *ctx, const lookup_key_t *key)
{
    static const int64_t now = 1700000000;
    shared_t *s = ctx;
    table_match_t m;
    prefix_t address = {key->hi, key->lo, 128, 1};

    return shared_find(s, &address, now, &m);
}

static int build(shared_t *s, entry_kind_e kind, uint32_t count)
{
    table_plan_t plan = {.names = {0, 0}};
    table_t t;

    plan.prefixes[kind == ENTRY_IPV6 || kind == ENTRY_MIXED6][0] = count;
    if (shared_spare(s, &plan, &t))
        return -1;
    table_init(&t, &plan);
    for (uint32_t i = 0; i < count; i++) {
        table_entry_t e = {.until = TABLE_FOREVER, .line = i + 1};
        entry_t made;

        entry_make(&made, kind, i);
        e.prefix = (prefix_t){made.hi, made.lo, (uint8_t)made.plen,
                              (uint8_t)made.is_ipv6};
        if (table_insert(&t, &e, 1) != 1)
            return -1;
    }
    shared_publish(s);
    return 0;
}

int main(int argc, char **argv)
{
    int kind = argc == 3 ? entry_kind(argv[1]) : -1;
    hash_seed_t seed;
    shared_t s;

    if (kind < 0) {
        fputs("usage: lookup ipv4|ipv6|mixed|mixed6 COUNT\n", stderr);
        return 2;
    }
    if (shared_make_seed(&seed) || shared_create(&s, (size_t)4 << 30, &seed)
        || build(&s, (entry_kind_e)kind, (uint32_t)atol(argv[2]))) {
        fputs("lookup: no memory\n", stderr);
        return 1;
    }
    lookup_measure("mod_banlist", argv[1], strchr(argv[1], '6') ? find6 : find,
                   &s);
    shared_destroy(&s);
    return 0;
}
