/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table: each prefix length of both families answers for exactly the
 * addresses that it covers, ends and exceptions count, a full table says so
 * and stays whole, and a block that holds garbage is never left.
 */
#include "banlist/table.h"

#include "tap.h"

static const hash_seed_t seed = {
    {UINT64_C(0x8c90f1f1b5a3c6d1), UINT64_C(0x3b1f0e9cd2a47785),
     UINT64_C(0xe5d2086a4f9b3c17), UINT64_C(0x5a7c91e3086df42b)}};

static table_t make(const table_plan_t *plan)
{
    table_t t;

    t.size = table_bytes(plan);
    t.base = calloc(1, t.size);
    t.seed = &seed;
    table_init(&t, plan);
    return t;
}

static table_t make_for(uint64_t n)
{
    table_plan_t plan = {
        .prefixes = {{n, n}, {n, n}}, .names = {n, n}, .name_bytes = 20 * n};

    return make(&plan);
}

static prefix_t prefix_of(const char *text)
{
    prefix_t p;
    const char *reason = prefix_parse(&p, NULL, text, strlen(text));

    if (reason) {
        diag("%s: %s", text, reason);
        exit(1);
    }
    return p;
}

static table_entry_t entry_of(const char *text)
{
    table_entry_t e;

    memset(&e, 0, sizeof e);
    e.prefix = prefix_of(text);
    e.until = TABLE_FOREVER;
    e.line = 1;
    return e;
}

static size_t put(const table_t *t, const char *text, uint32_t until,
                  uint32_t line, int except)
{
    table_entry_t e = entry_of(text);

    e.until = until;
    e.line = line;
    e.except = except;
    return table_insert(t, &e, 1);
}

static size_t put_name(const table_t *t, const char *name, uint32_t until,
                       uint32_t line, int except)
{
    table_entry_t e;

    memset(&e, 0, sizeof e);
    e.name = name;
    e.name_len = strlen(name);
    e.until = until;
    e.line = line;
    e.except = except;
    return table_insert(t, &e, 1);
}

/* What is found for the address, as text; "" for nothing. */
static const char *found(const table_t *t, const char *text, int64_t now)
{
    static char buf[PREFIX_TEXT_MAX];
    prefix_t p = prefix_of(text);
    table_match_t m;

    memset(&m, 0, sizeof m);
    return table_find(t, &p, now, &m) ? prefix_format(buf, &m.prefix) : "";
}

static void flip(prefix_t *p, unsigned bit)
{
    if (bit < 64)
        p->hi ^= UINT64_C(1) << (63 - bit);
    else
        p->lo ^= UINT64_C(1) << (127 - bit);
}

static void set_behind(prefix_t *p, unsigned plen, unsigned max)
{
    for (unsigned bit = plen; bit < max; bit++)
        flip(p, bit);
}

/* One entry of this length: its first and last address are found, and no
 * address that differs in one of its bits is. */
static int holds_exactly(const char *address, unsigned plen)
{
    table_t t = make_for(1);
    table_entry_t e = entry_of(address);
    unsigned max = prefix_plen_max(e.prefix.is_ipv6);
    prefix_t first, last;
    table_match_t m;
    int good;

    prefix_mask(&e.prefix.hi, &e.prefix.lo, plen);
    e.prefix.plen = (uint8_t)plen;
    first = e.prefix;
    first.plen = (uint8_t)max;
    last = first;
    set_behind(&last, plen, max);
    good = table_insert(&t, &e, 1) == 1 && table_find(&t, &first, 0, &m)
           && m.prefix.plen == plen && m.prefix.hi == e.prefix.hi
           && m.prefix.lo == e.prefix.lo && table_find(&t, &last, 0, &m);
    for (unsigned bit = 0; bit < plen; bit++) {
        prefix_t other = bit % 2 ? first : last;

        flip(&other, bit);
        good = good && !table_find(&t, &other, 0, &m);
    }
    free(t.base);
    return good;
}

static void test_lengths(void)
{
    static const char *const address[] = {"170.85.170.85",
                                          "aa55:a5:aa:aa55:55a:aa55:1:aa55",
                                          "255.255.255.255", "::1:0:0:0"};

    for (size_t i = 0; i < sizeof address / sizeof *address; i++) {
        unsigned max = strchr(address[i], ':') ? 128 : 32, bad = 0;

        for (unsigned plen = 1; plen <= max; plen++) {
            if (!holds_exactly(address[i], plen)) {
                diag("%s/%u", address[i], plen);
                bad++;
            }
        }
        is_int(bad, 0, "%s: every length from 1 to %u", address[i], max);
    }
}

static void test_longest(void)
{
    table_t t = make_for(40);
    char text[64];
    int wrong = 0;

    for (int plen = 1; plen <= 32; plen++) {
        snprintf(text, sizeof text, "10.255.255.255/%d", plen);
        put(&t, text, (uint32_t)(1000 + plen), 1, 0);
    }
    for (int now = 1000; now <= 1032; now++) {
        prefix_t addr = prefix_of("10.255.255.255");
        table_match_t m;
        int is = table_find(&t, &addr, now, &m);

        /* At 1032 the last of them has ended. */
        wrong += is != (now < 1032) || (is && m.prefix.plen != 32);
    }
    is_int(wrong, 0, "the longest that has not ended is told");
    put(&t, "10.255.255.255", 1001, 2, 0);
    is_str(found(&t, "10.255.255.255", 1031), "10.255.255.255",
           "an earlier end changes nothing");
    is_str(found(&t, "10.255.255.254", 1030), "10.255.255.254/31",
           "another address has its own longest");
    is_str(found(&t, "10.255.255.254", 1031), "", "until that ends");
    free(t.base);
}

static void test_ends(void)
{
    table_t t = make_for(4);
    prefix_t a = prefix_of("192.0.2.1");
    table_match_t m;

    is_int(table_find(&t, &a, 0, &m), 0, "an empty table has nobody");
    put(&t, "192.0.2.1", 100, 7, 0);
    is_int(table_find(&t, &a, 99, &m), 1, "before its end");
    is_int(m.until, 100, "which is told");
    is_int(m.line, 7, "and the line");
    is_int(table_find(&t, &a, 100, &m), 0, "at its end");
    put(&t, "192.0.2.1", 200, 9, 0);
    is_int(table_find(&t, &a, 150, &m), 1, "a later end counts");
    is_int(m.line, 9, "with its line");
    put(&t, "192.0.2.1", 120, 11, 0);
    table_find(&t, &a, 150, &m);
    is_int(m.line, 9, "an earlier one does not");
    put(&t, "192.0.2.1", TABLE_FOREVER, TABLE_LINE_MAX, 0);
    is_int(table_find(&t, &a, INT64_C(1) << 40, &m), 1,
           "for ever is longer than 32 bits");
    is_int(m.line, TABLE_LINE_MAX, "the highest line");
    put(&t, "192.0.2.2", 0, 1, 0);
    is_str(found(&t, "192.0.2.2", 0), "", "one that has ended always");
    free(t.base);
}

static void test_exceptions(void)
{
    table_t t = make_for(4);
    prefix_t a = prefix_of("192.0.2.9");
    table_match_t m;

    put(&t, "192.0.2.9", TABLE_FOREVER, 1, 0);
    put(&t, "192.0.2.0/24", 100, 2, 1);
    is_int(table_find(&t, &a, 50, &m), 0, "a shorter exception wins");
    is_int(m.except, 1, "and says so");
    is_int(m.line, 2, "by its line");
    is_int(table_find(&t, &a, 100, &m), 1, "until it ends");
    is_int(m.except, 0, "and that is no exception");
    put(&t, "2001:db8::/32", TABLE_FOREVER, 3, 0);
    put(&t, "2001:db8::1", TABLE_FOREVER, 4, 1);
    is_str(found(&t, "2001:db8::1", 0), "", "an exception in IPv6");
    is_str(found(&t, "2001:db8::2", 0), "2001:db8::/32", "is one address");
    free(t.base);
}

static int has_name(const table_t *t, const char *name, int64_t now)
{
    table_match_t m;

    return table_find_name(t, name, strlen(name), now, &m);
}

static void test_names(void)
{
    table_t t = make_for(8);
    char longest[TABLE_NAME_MAX + 2];

    is_int(table_has_names(&t, 0, 0), 0, "no names");
    put_name(&t, "bad.example.net", TABLE_FOREVER, 1, 0);
    put_name(&t, ".example.org", 100, 2, 0);
    put_name(&t, "good.example.org", TABLE_FOREVER, 3, 1);
    is_int(table_has_names(&t, 0, 0), 1, "names");
    ok(has_name(&t, "bad.example.net", 0), "a name");
    ok(!has_name(&t, "x.bad.example.net", 0), "not those below it");
    ok(!has_name(&t, "ad.example.net", 0), "not its end");
    ok(has_name(&t, "a.example.org", 0), "a leading dot: below it");
    ok(has_name(&t, "a.b.example.org", 0), "at any depth");
    ok(!has_name(&t, "example.org", 0), "not itself");
    ok(!has_name(&t, "badexample.org", 0), "nor what only ends like it");
    ok(!has_name(&t, "good.example.org", 0), "an exception");
    ok(!has_name(&t, "a.example.org", 100), "until its end");
    ok(!has_name(&t, "", 0), "the empty name");
    memset(longest, 'a', sizeof longest);
    longest[TABLE_NAME_MAX] = '\0';
    is_int(put_name(&t, longest, TABLE_FOREVER, 4, 0), 1, "the longest name");
    ok(has_name(&t, longest, 0), "is found");
    longest[TABLE_NAME_MAX] = 'a';
    longest[TABLE_NAME_MAX + 1] = '\0';
    ok(!has_name(&t, longest, 0), "one too long is not");
    free(t.base);
}

static prefix_t numbered(uint64_t i, int is_ipv6)
{
    prefix_t p = {0, 0, 32, 0};

    if (is_ipv6)
        p = (prefix_t){UINT64_C(0x20010db8) << 32, i, 128, 1};
    else
        p.hi = (UINT64_C(0x0b000000) + i) << 32;
    return p;
}

static uint64_t fill(const table_t *t, int is_ipv6, uint64_t most)
{
    table_entry_t e = entry_of("192.0.2.1");
    uint64_t n = 0;

    for (; n < most; n++) {
        e.prefix = numbered(n, is_ipv6);
        if (table_insert(t, &e, 1) != 1)
            break;
    }
    return n;
}

static uint64_t held(const table_t *t, int is_ipv6, uint64_t n)
{
    uint64_t sum = 0;
    table_match_t m;

    for (uint64_t i = 0; i < n; i++) {
        prefix_t p = numbered(i, is_ipv6);

        sum += (uint64_t)table_find(t, &p, 0, &m);
    }
    return sum;
}

static void test_full(int is_ipv6)
{
    table_t t = make_for(1000);
    uint64_t n = fill(&t, is_ipv6, 100000);
    prefix_t beyond = numbered(n, is_ipv6);
    table_entry_t three[3];
    table_counts_t counts;
    table_match_t m;

    ok(n >= 1000 && n < 2000, "IPv%d: what was planned fits, %d do",
       is_ipv6 ? 6 : 4, (int)n);
    is_int((intmax_t)held(&t, is_ipv6, n), (intmax_t)n, "all are in it");
    is_int(table_find(&t, &beyond, 0, &m), 0, "the one too many is not");
    table_counts(&t, &counts);
    is_int((intmax_t)counts.addresses[is_ipv6][0], (intmax_t)n, "and counted");

    three[0] = entry_of("192.0.2.1");
    three[0].prefix = numbered(0, is_ipv6);
    three[1] = three[0];
    three[1].prefix = beyond;
    three[2] = three[0];
    is_int((intmax_t)table_insert(&t, three, 3), 1,
           "one that is there goes into a full table, one that is not ends it");
    free(t.base);
}

static void test_room(void)
{
    table_plan_t none = {.names = {0, 0}}, one = none;
    table_t t = make_for(10);

    one.prefixes[0][0] = 1;
    ok(table_has_room(&t, &one), "an empty table has room");
    fill(&t, 0, 100000);
    ok(!table_has_room(&t, &one), "a full one has none");
    ok(table_has_room(&t, &none), "but for nothing");
    one = none;
    one.prefixes[1][0] = 1;
    ok(table_has_room(&t, &one), "and for another family");
    one.prefixes[1][0] = 1000;
    ok(!table_has_room(&t, &one), "which has an end too");
    one = none;
    one.names[0] = 1;
    one.name_bytes = 100;
    ok(table_has_room(&t, &one), "a name");
    one.name_bytes = 10000;
    ok(!table_has_room(&t, &one), "too long a text");
    free(t.base);
}

static void test_full_of_names(void)
{
    table_plan_t plan = {.names = {10, 0}, .name_bytes = 100};
    table_t t = make(&plan);
    char name[64];
    int n = 0, held_names = 0;

    for (; n < 100000; n++) {
        snprintf(name, sizeof name, "host%d.example.net", n);
        if (put_name(&t, name, TABLE_FOREVER, 1, 0) != 1)
            break;
    }
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "host%d.example.net", i);
        held_names += has_name(&t, name, 0);
    }
    ok(n >= 10 && n < 1000, "names: a full table says so, at %d", n);
    is_int(held_names, n, "and has all before");
    free(t.base);
}

static void test_counts(void)
{
    table_t t = make_for(10);
    table_counts_t c;

    put(&t, "192.0.2.1", TABLE_FOREVER, 1, 0);
    put(&t, "192.0.2.1", TABLE_FOREVER, 2, 0);
    put(&t, "192.0.2.0/24", TABLE_FOREVER, 3, 0);
    put(&t, "2001:db8::/32", TABLE_FOREVER, 4, 0);
    put(&t, "2001:db8::1", TABLE_FOREVER, 5, 1);
    put_name(&t, "a.example", TABLE_FOREVER, 6, 1);
    table_counts(&t, &c);
    is_int((intmax_t)c.prefixes[0][0], 2, "IPv4, doubles once");
    is_int((intmax_t)c.addresses[0][0], 1, "of them addresses");
    is_int((intmax_t)c.prefixes[1][0], 1, "IPv6");
    is_int((intmax_t)c.addresses[1][0], 0, "no address");
    is_int((intmax_t)c.addresses[1][1], 1, "an exception");
    is_int((intmax_t)c.names[1], 1, "and a name");
    is_int((intmax_t)c.names[0], 0, "which is not banned");
    free(t.base);
}

/* The end of what bans the address at the time now; -1 if it is not banned. */
static intmax_t found_until(const table_t *t, const char *text, int64_t now)
{
    prefix_t p = prefix_of(text);
    table_match_t m;

    return table_find(t, &p, now, &m) ? (intmax_t)m.until : -1;
}

static void test_plan(void)
{
    table_plan_t none = {.names = {0, 0}};
    table_plan_t most = none;

    ok(table_bytes(&none) > 0 && table_bytes(&none) < 1 << 16,
       "an empty list is small");
    ok(table_bytes(&none) % 8 == 0, "in whole words");
    most.prefixes[0][0] = UINT64_C(1) << 40;
    is_int((intmax_t)table_bytes(&most), 0, "no block can be that large");
    most = none;
    most.name_bytes = UINT64_C(1) << 40;
    is_int((intmax_t)table_bytes(&most), 0, "nor its names");
}

static int is_zero(const table_t *t, size_t from, size_t to)
{
    const char *p = t->base;

    while (from < to && !p[from])
        from++;
    return from >= to;
}

/* Ends take memory in the sets that have some, and nowhere else. */
static void test_memory_of_ends(void)
{
    table_plan_t plan = {.prefixes = {{100, 100}, {100, 0}}};
    size_t without = table_bytes_used(&plan), size = 0;
    table_t t = make(&plan);
    void *place;

    put(&t, "192.0.2.1", TABLE_FOREVER, 1, 0);
    put(&t, "2001:db8::1", TABLE_FOREVER, 2, 0);
    ok(without < table_bytes(&plan) && is_zero(&t, without, t.size),
       "without an end their memory is not touched");
    is_int((intmax_t)table_memory(&t), (intmax_t)without, "nor counted");
    ok(!table_first_ends(&t, &plan, 0, 0, &size), "nobody will need it");
    plan.ends[0][0] = 1;
    place = table_first_ends(&t, &plan, 0, 0, &size);
    ok(place && size >= 100 * 4 && (char *)place >= (char *)t.base + without
           && (char *)place + size <= (char *)t.base + t.size,
       "or somebody will");
    put(&t, "192.0.2.2", 1000, 3, 0);
    ok(!table_first_ends(&t, &plan, 0, 0, &size), "and then has it");
    ok(table_memory(&t) > without && table_memory(&t) < t.size,
       "which is counted, for this set alone");
    is_int(found_until(&t, "192.0.2.1", 2000), TABLE_FOREVER, "no end");
    is_int(found_until(&t, "192.0.2.2", 999), 1000, "beside one that has");
    is_int(found_until(&t, "192.0.2.2", 1000), -1, "and is over");
    put(&t, "192.0.2.1", 1000, 4, 0);
    is_int(found_until(&t, "192.0.2.1", 2000), TABLE_FOREVER,
           "none is later than any");
    put(&t, "192.0.2.2", TABLE_FOREVER, 5, 0);
    is_int(found_until(&t, "192.0.2.2", 2000), TABLE_FOREVER,
           "whichever came first");
    free(t.base);

    t = make(&plan);
    ok(table_bytes_used(&plan) > without
           && (char *)table_first_ends(&t, &plan, 0, 0, &size) + size
                  <= (char *)t.base + table_bytes_used(&plan),
       "what is planned with ends has their memory in front");
    free(t.base);
}

/* A reader may see a block that is being built anew: any bytes.  It ends at
 * a page that cannot be touched. */
static void test_garbage(void)
{
    enum { SIZE = 1 << 16, ROUNDS = 3000 };
    static unsigned char bytes[SIZE];
    uint64_t x = 88172645463325252u;
    prefix_t six = prefix_of("2001:db8::1"), four = prefix_of("192.0.2.1");
    table_match_t m;

    for (int round = 0; round < ROUNDS; round++) {
        table_t t = {NULL, SIZE, &seed};

        for (size_t i = 0; i < 600; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            bytes[i] = round % 3 && i % 4 > 1 ? 0 : (unsigned char)x;
        }
        t.base = guard_copy(bytes, SIZE);
        (void)table_find(&t, &four, 0, &m);
        (void)table_find(&t, &six, 0, &m);
        (void)table_find_name(&t, "a.example.net", 13, 0, &m);
    }
    ok(1, "lookups in garbage stay in the block");
}

int main(void)
{
    test_plan();
    test_memory_of_ends();
    test_lengths();
    test_longest();
    test_ends();
    test_exceptions();
    test_names();
    test_full(0);
    test_full(1);
    test_full_of_names();
    test_room();
    test_counts();
    test_garbage();
    return done();
}
