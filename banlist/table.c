/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <string.h>

static inline table_head_t *head_of(const table_t *t)
{
    return t->base;
}

/* ---- layout ---- */

/* Bytes before the ends, which come last. */
static uint64_t bytes_before_ends(const table_plan_t *plan)
{
    uint64_t bytes = block_round(sizeof(table_head_t));

    for (int i = 0; i < 2; i++) {
        bytes += set_bytes(plan->prefixes[i][0], i)
                 + set_bytes(plan->prefixes[i][1], i)
                 + names_bytes(plan->names[i]);
    }
    return bytes
           + names_text_bytes(plan->names[0] + plan->names[1],
                              plan->name_bytes);
}

/* Of all sets, or of those alone that have an end. */
static uint64_t bytes_of_ends(const table_plan_t *plan, int all)
{
    uint64_t bytes = 0;

    for (int i = 0; i < 4; i++) {
        if (all || plan->ends[i / 2][i % 2])
            bytes += set_ends_bytes(plan->prefixes[i / 2][i % 2]);
    }
    return bytes;
}

size_t table_bytes(const table_plan_t *plan)
{
    const uint64_t limit = UINT32_MAX / 2; /* words count the entries */
    uint64_t bytes;

    for (int i = 0; i < 2; i++) {
        if (plan->prefixes[i][0] > limit || plan->prefixes[i][1] > limit
            || plan->names[i] > limit)
            return 0;
    }
    bytes = bytes_before_ends(plan) + bytes_of_ends(plan, 1);
    if (names_text_bytes(plan->names[0] + plan->names[1], plan->name_bytes)
            > UINT32_MAX
        || bytes / 8 > UINT32_MAX || bytes > SIZE_MAX)
        return 0;
    return (size_t)bytes;
}

size_t table_bytes_used(const table_plan_t *plan)
{
    return (size_t)(bytes_before_ends(plan) + bytes_of_ends(plan, 0));
}

void table_init(const table_t *t, const table_plan_t *plan)
{
    table_head_t *head = head_of(t);
    uint64_t at = block_round(sizeof *head) / 8;
    uint64_t ends_at[2]; /* where the next ones go, [has_ends] */

    ends_at[1] = bytes_before_ends(plan) / 8;
    ends_at[0] = ends_at[1] + bytes_of_ends(plan, 0) / 8;
    for (int six = 0; six < 2; six++) {
        for (int except = 0; except < 2; except++) {
            uint64_t n = plan->prefixes[six][except];
            uint64_t *ends = ends_at + (plan->ends[six][except] != 0);

            set_init(&head->set[six][except], at, *ends, n, six);
            at += set_bytes(n, six) / 8;
            *ends += set_ends_bytes(n) / 8;
        }
    }
    for (int except = 0; except < 2; except++) {
        names_init(&head->names[except], at, plan->names[except]);
        at += names_bytes(plan->names[except]) / 8;
    }
    names_text_init(&head->text, at, plan->names[0] + plan->names[1],
                    plan->name_bytes);
}

/* ---- finding ---- */

int table_find_in(const table_t *t, int except, const prefix_t *addr,
                  uint64_t lens, int64_t now, table_match_t *m)
{
    set_t *set = &head_of(t)->set[addr->is_ipv6][except];
    set_entry_t found;

    if (!set_find(t, set, addr, lens, now, &found))
        return 0;
    m->prefix = found.prefix;
    m->until = found.until;
    m->line = found.line;
    return 1;
}

static int find_name(const table_t *t, int except, const char *name, size_t len,
                     int64_t now, table_match_t *m)
{
    table_head_t *head = head_of(t);
    names_entry_t found;

    if (!names_find(t, &head->names[except], &head->text, name, len, now,
                    &found))
        return 0;
    m->until = found.until;
    m->line = found.line;
    memcpy(m->name, found.name, found.len);
    m->name[found.len] = '\0';
    return 1;
}

int table_find_name(const table_t *t, const char *name, size_t len, int64_t now,
                    table_match_t *m)
{
    m->except = 0;
    if (!len || len > TABLE_NAME_MAX)
        return 0;
    m->except = find_name(t, 1, name, len, now, m);
    return !m->except && find_name(t, 0, name, len, now, m);
}

int table_has_names(const table_t *t, int except, int64_t now)
{
    return names_live(&head_of(t)->names[except], now);
}

/* ---- inserting ---- */

static int slots_for(word_t *used, word_t *slots, uint64_t n)
{
    return word_get(used) + n <= block_slots_usable(word_get(slots));
}

int table_has_room(const table_t *t, const table_plan_t *plan)
{
    table_head_t *head = head_of(t);
    uint64_t names = plan->names[0] + plan->names[1];

    for (int i = 0; i < 2; i++) {
        for (int except = 0; except < 2; except++) {
            set_t *set = &head->set[i][except];

            if (!slots_for(&set->used, &set->slots, plan->prefixes[i][except]))
                return 0;
        }
        if (!slots_for(&head->names[i].used, &head->names[i].slots,
                       plan->names[i]))
            return 0;
    }
    return word_get(&head->text.used) + names + plan->name_bytes
           <= word_get(&head->text.size);
}

/* Bytes that its ends take. */
static size_t ends_of(set_t *set)
{
    return block_round(word_get(&set->slots) * sizeof(word_t));
}

void *table_first_ends(const table_t *t, const table_plan_t *plan, int is_ipv6,
                       int except, size_t *size)
{
    set_t *set = &head_of(t)->set[is_ipv6][except];

    if (!plan->ends[is_ipv6][except] || word_get(&set->has_ends))
        return NULL;
    *size = ends_of(set);
    return block_at(t, word_get(&set->ends_at));
}

size_t table_insert_records(const table_goal_t *goal, const uint32_t *records,
                            size_t n)
{
    const table_t *t = goal->table;

    return set_insert(t, &head_of(t)->set[goal->is_ipv6][goal->except],
                      goal->is_ipv6, goal->has_end, records, n);
}

#define AT_ONCE 64

static int same_goal(const table_entry_t *a, const table_entry_t *b)
{
    return !b->name && a->prefix.is_ipv6 == b->prefix.is_ipv6
           && a->except == b->except
           && (a->until == TABLE_FOREVER) == (b->until == TABLE_FOREVER);
}

/* As many of the first entries as go into one set. */
static size_t insert_prefixes(const table_t *t, const table_entry_t *e,
                              size_t n, size_t *done)
{
    const table_goal_t goal = {t, e->prefix.is_ipv6, e->except,
                               e->until != TABLE_FOREVER};
    const unsigned words = slot_record_words(goal.is_ipv6, goal.has_end);
    uint32_t records[AT_ONCE * SLOT_RECORD_WORDS_MAX];
    size_t run = 0;

    for (; run < n && run < AT_ONCE && same_goal(e, e + run); run++) {
        slot_record(records + run * words, &e[run].prefix, goal.is_ipv6,
                    e[run].line, goal.has_end, e[run].until);
    }
    *done += table_insert_records(&goal, records, run);
    return run;
}

static size_t insert_name(const table_t *t, const table_entry_t *e,
                          size_t *done)
{
    table_head_t *head = head_of(t);
    names_entry_t name = {e->name, e->name_len, e->until, e->line};

    *done +=
        (size_t)names_insert(t, &head->names[e->except], &head->text, &name);
    return 1;
}

size_t table_insert(const table_t *t, const table_entry_t *e, size_t n)
{
    size_t done = 0, tried = 0;

    while (tried < n && done == tried) {
        const table_entry_t *next = e + tried;

        tried += next->name ? insert_name(t, next, &done)
                            : insert_prefixes(t, next, n - tried, &done);
    }
    return done;
}

void table_counts(const table_t *t, table_counts_t *out)
{
    table_head_t *head = head_of(t);

    for (int i = 0; i < 2; i++) {
        for (int except = 0; except < 2; except++) {
            set_t *set = &head->set[i][except];

            out->prefixes[i][except] = word_get(&set->used);
            out->addresses[i][except] = word_get(&set->single);
        }
        out->names[i] = word_get(&head->names[i].used);
    }
}

size_t table_memory(const table_t *t)
{
    table_head_t *head = head_of(t);
    size_t ends_at = SIZE_MAX, ends = 0;

    for (int i = 0; i < 4; i++) {
        set_t *set = &head->set[i / 2][i % 2];
        size_t at = (size_t)word_get(&set->ends_at) * 8;

        if (at < ends_at)
            ends_at = at;
        if (word_get(&set->has_ends))
            ends += ends_of(set);
    }
    return ends_at + ends;
}
