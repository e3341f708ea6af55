/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table says what a list of entries says that is searched from end to
 * end, through any sequence of inserts, lookups and seconds that pass, until
 * it is full and after.
 *
 * An input is the plan, the seed, and the sequence.  Addresses and names are
 * drawn from few bits, so that they meet.
 */
#include "banlist/table.h"
#include "fuzz.h"
#include "t/unit/tap.h"

#define ENTRIES_MAX 1024

/* ---- the model ---- */

typedef struct model_entry_t {
    prefix_t prefix;
    char name[TABLE_NAME_MAX + 1]; /* "": a prefix */
    uint32_t until;
    uint32_t line;
    int except;
} model_entry_t;

typedef struct model_t {
    model_entry_t entry[ENTRIES_MAX];
    int n;
} model_t;

static int same_prefix(const prefix_t *a, const prefix_t *b)
{
    return a->hi == b->hi && a->lo == b->lo && a->plen == b->plen
           && a->is_ipv6 == b->is_ipv6;
}

static model_entry_t *model_same(model_t *m, const model_entry_t *e)
{
    for (int i = 0; i < m->n; i++) {
        model_entry_t *old = m->entry + i;

        if (old->except == e->except && !strcmp(old->name, e->name)
            && (*e->name || same_prefix(&old->prefix, &e->prefix)))
            return old;
    }
    return NULL;
}

static void model_insert(model_t *m, const model_entry_t *e)
{
    model_entry_t *old = model_same(m, e);

    if (!old) {
        m->entry[m->n++] = *e;
    }
    else if (old->until < e->until) {
        old->until = e->until;
        old->line = e->line;
    }
}

static int bit(const prefix_t *p, unsigned i)
{
    return (int)((i < 64 ? p->hi >> (63 - i) : p->lo >> (127 - i)) & 1);
}

static int covers(const prefix_t *outer, const prefix_t *inner)
{
    if (outer->is_ipv6 != inner->is_ipv6 || outer->plen > inner->plen)
        return 0;
    for (unsigned i = 0; i < outer->plen; i++) {
        if (bit(outer, i) != bit(inner, i))
            return 0;
    }
    return 1;
}

static int name_covers(const char *entry, const char *name)
{
    size_t have = strlen(name), want = strlen(entry);

    if (!strcmp(entry, name))
        return 1;
    return *entry == '.' && have > want && !strcmp(name + have - want, entry);
}

static int is_live(const model_entry_t *e, int64_t now)
{
    return e->until == TABLE_FOREVER || now < e->until;
}

/* Of those that match, the longest. */
static const model_entry_t *model_find(const model_t *m, int except,
                                       const model_entry_t *client, int64_t now)
{
    const model_entry_t *best = NULL;

    for (int i = 0; i < m->n; i++) {
        const model_entry_t *e = m->entry + i;
        int longer;

        if (e->except != except || !is_live(e, now)
            || !*e->name != !*client->name)
            continue;
        if (*e->name ? !name_covers(e->name, client->name)
                     : !covers(&e->prefix, &client->prefix))
            continue;
        longer = !best
                 || (*e->name ? strlen(e->name) > strlen(best->name)
                              : e->prefix.plen > best->prefix.plen);
        if (longer)
            best = e;
    }
    return best;
}

static void model_counts(const model_t *m, table_counts_t *c)
{
    memset(c, 0, sizeof(*c));
    for (int i = 0; i < m->n; i++) {
        const model_entry_t *e = m->entry + i;
        int six = e->prefix.is_ipv6;

        if (*e->name) {
            c->names[e->except]++;
            continue;
        }
        c->prefixes[six][e->except]++;
        c->addresses[six][e->except] += e->prefix.plen == prefix_plen_max(six);
    }
}

/* ---- what the input says ---- */

/* An address with few bits that differ, spread over all 32 or 128. */
static void take_prefix(fuzz_input_t *in, prefix_t *p)
{
    uint8_t how = fuzz_byte(in);

    p->is_ipv6 = how & 1;
    p->hi = p->lo = 0;
    if (how & 2) {
        p->hi = fuzz_number(in, p->is_ipv6 ? 8 : 4) << (p->is_ipv6 ? 0 : 32);
        p->lo = p->is_ipv6 ? fuzz_number(in, 8) : 0;
    }
    else {
        for (uint8_t bits = fuzz_byte(in), i = 0; i < 8; i++, bits >>= 1) {
            unsigned place = i * (p->is_ipv6 ? 17u : 4u);

            if (bits & 1 && place < 64)
                p->hi |= UINT64_C(1) << (63 - place);
            else if (bits & 1)
                p->lo |= UINT64_C(1) << (127 - place);
        }
    }
    p->plen = (uint8_t)(1 + fuzz_byte(in) % prefix_plen_max(p->is_ipv6));
    if (how & 4)
        p->plen = (uint8_t)prefix_plen_max(p->is_ipv6);
    prefix_mask(&p->hi, &p->lo, p->plen);
}

static void take_name(fuzz_input_t *in, char *name, int may_begin_with_dot)
{
    static const char *const label[] = {"a", "b", "net", "example"};
    uint8_t how = fuzz_byte(in);
    int n = 1 + (how >> 1) % 4;

    *name = '\0';
    for (int i = 0; i < n; i++) {
        if (i || (may_begin_with_dot && how & 1))
            strcat(name, ".");
        strcat(name, label[fuzz_byte(in) % 4]);
    }
    if (how >= 0xf0) { /* long ones */
        while (strlen(name) < TABLE_NAME_MAX - 9)
            strcat(name, ".example");
    }
}

static void take_client(fuzz_input_t *in, model_entry_t *e, int name)
{
    memset(e, 0, sizeof(*e));
    if (name)
        take_name(in, e->name, 0);
    else
        take_prefix(in, &e->prefix);
}

static uint32_t take_until(fuzz_input_t *in, int64_t now)
{
    uint8_t b = fuzz_byte(in);

    if (b & 0x80)
        return TABLE_FOREVER;
    return (uint32_t)(now + (b & 0x40 ? b & 0x3f : (b & 0x3f) % 5 - 2));
}

/* ---- the sequence ---- */

typedef struct world_t {
    table_t table;
    model_t model;
    int64_t now;
    uint32_t line;
} world_t;

static void insert(world_t *w, fuzz_input_t *in, int name)
{
    model_entry_t e;
    table_entry_t entry;

    memset(&e, 0, sizeof(e));
    e.except = fuzz_byte(in) % 4 == 3;
    if (name)
        take_name(in, e.name, 1);
    else
        take_prefix(in, &e.prefix);
    e.until = take_until(in, w->now);
    e.line = ++w->line;
    entry = (table_entry_t){e.prefix,       *e.name ? e.name : NULL,
                            strlen(e.name), e.until,
                            e.line,         e.except};
    if (w->model.n == ENTRIES_MAX)
        return;
    if (table_insert(&w->table, &entry, 1) == 1)
        model_insert(&w->model, &e);
    else /* full: only what is there already may come again */
        REQUIRE(!model_same(&w->model, &e));
}

static void look_up(const world_t *w, const model_entry_t *client, int64_t now)
{
    const model_entry_t *except = model_find(&w->model, 1, client, now);
    const model_entry_t *ban = model_find(&w->model, 0, client, now);
    const model_entry_t *want = except ? except : ban;
    table_match_t m;
    int found = *client->name ? table_find_name(&w->table, client->name,
                                                strlen(client->name), now, &m)
                              : table_find(&w->table, &client->prefix, now, &m);

    REQUIRE(found == (ban && !except));
    REQUIRE(m.except == !!except);
    if (!want)
        return;
    REQUIRE(m.until == want->until && m.line == want->line);
    if (*client->name)
        REQUIRE(!strcmp(m.name, want->name));
    else
        REQUIRE(same_prefix(&m.prefix, &want->prefix));
}

static void require_counts(const world_t *w)
{
    table_counts_t want, got;

    memset(&got, 0, sizeof(got));
    model_counts(&w->model, &want);
    table_counts(&w->table, &got);
    REQUIRE(!memcmp(&want, &got, sizeof(want)));
}

static void require_has_names(const world_t *w)
{
    for (int except = 0; except < 2; except++) {
        int live = 0;

        for (int i = 0; i < w->model.n; i++) {
            const model_entry_t *e = w->model.entry + i;

            live |= *e->name && e->except == except && is_live(e, w->now);
        }
        REQUIRE(table_has_names(&w->table, except, w->now) == live);
    }
}

/* One below and one above, first and last of an entry. */
static void look_around(world_t *w, fuzz_input_t *in)
{
    const model_entry_t *e;
    model_entry_t c;
    uint64_t hi, lo;

    if (!w->model.n)
        return;
    e = w->model.entry + fuzz_number(in, 2) % (unsigned)w->model.n;
    c = *e;
    if (*e->name) {
        if (*c.name == '.')
            memmove(c.name, c.name + 1, strlen(c.name));
        look_up(w, &c, w->now);
        return;
    }
    c.prefix.plen = (uint8_t)prefix_plen_max(e->prefix.is_ipv6);
    look_up(w, &c, w->now);
    hi = lo = ~UINT64_C(0);
    prefix_mask(&hi, &lo, e->prefix.plen);
    if (!e->prefix.is_ipv6) {
        c.prefix.hi |= ~hi & ~UINT64_C(0xffffffff);
        look_up(w, &c, w->now);
        c.prefix.hi += UINT64_C(1) << 32;
        look_up(w, &c, w->now);
        c.prefix.hi = e->prefix.hi - (UINT64_C(1) << 32);
    }
    else {
        c.prefix.hi |= ~hi;
        c.prefix.lo |= ~lo;
        look_up(w, &c, w->now);
        c.prefix.hi += !++c.prefix.lo;
        look_up(w, &c, w->now);
        c.prefix.lo = e->prefix.lo - 1;
        c.prefix.hi = e->prefix.hi - !e->prefix.lo;
    }
    look_up(w, &c, w->now);
    for (int64_t t = -1; e->until != TABLE_FOREVER && t <= 1; t++)
        look_up(w, e, e->until + t);
}

static void step(world_t *w, fuzz_input_t *in)
{
    model_entry_t client;
    uint8_t what = fuzz_byte(in);

    switch (what % 8) {
    case 0:
    case 1:
    case 2:
        insert(w, in, 0);
        break;
    case 3:
        insert(w, in, 1);
        break;
    case 4:
    case 5:
        take_client(in, &client, what % 8 == 5);
        look_up(w, &client, w->now);
        break;
    case 6:
        w->now += what >> 3;
        require_counts(w);
        require_has_names(w);
        break;
    default:
        look_around(w, in);
    }
}

/* Zeros, with a page behind them that cannot be touched. */
static void *block_of(size_t size)
{
    REQUIRE(size <= GUARD_MAX && size % 8 == 0);
    return memset(guard_area() + GUARD_MAX - size, 0, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static world_t w;
    fuzz_input_t in = {data, size};
    hash_seed_t seed;
    table_plan_t plan;

    memset(&plan, 0, sizeof(plan));
    w.now = 1700000000;
    w.line = 0;
    w.model.n = 0;
    for (int i = 0; i < 2; i++) {
        plan.prefixes[i][0] = fuzz_byte(&in);
        plan.prefixes[i][1] = fuzz_byte(&in) / 4;
        plan.names[i] = fuzz_byte(&in) / 8;
    }
    if (plan.prefixes[0][0] == 255) /* large sets are laid out otherwise */
        plan.prefixes[0][0] = 16384;
    plan.name_bytes = 8 * (plan.names[0] + plan.names[1]);
    for (int i = 0; i < 4; i++)
        seed.k[i] = fuzz_byte(&in) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    w.table.size = table_bytes(&plan);
    w.table.base = block_of(w.table.size);
    w.table.seed = &seed;
    table_init(&w.table, &plan);
    while (in.left)
        step(&w, &in);
    require_counts(&w);
    require_has_names(&w);
    for (int i = 0; i < w.model.n; i++)
        look_up(&w, w.model.entry + i, w.now);
    return 0;
}
