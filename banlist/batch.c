/* SPDX-License-Identifier: Apache-2.0 */
#include "batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void batch_init(batch_t *b, const hash_seed_t *seed, size_t limit)
{
    memset(b, 0, sizeof *b);
    b->seed = seed;
    b->limit = limit;
}

static void items_free(batch_items_t *v)
{
    free(v->item);
    memset(v, 0, sizeof *v);
}

void batch_free(batch_t *b)
{
    records_heap_free(&b->heap);
    memset(b->prefixes, 0, sizeof b->prefixes);
    items_free(&b->names);
    items_free(&b->text);
}

static void fail(batch_t *b, int error)
{
    b->error = error;
    batch_free(b);
}

/* Whether more is to be had.  This is when it is asked whether the table
 * could still hold the batch: a file without end must not fill the memory. */
static int may_grow(batch_t *b)
{
    size_t bytes = table_bytes(&b->plan);

    if (!bytes || bytes > b->limit) {
        b->over = 1;
        batch_free(b);
    }
    return !b->over;
}

static int grow(batch_t *b, batch_items_t *v, size_t n, size_t size)
{
    size_t room = v->room ? v->room : 64;
    void *item;

    if (!may_grow(b))
        return 0;
    while (room < v->n + n)
        room *= 2;
    item = realloc(v->item, room * size);
    if (!item) {
        fail(b, ENOMEM);
        return 0;
    }
    v->item = item;
    v->room = room;
    return 1;
}

/* Room for n more items of this size, or NULL. */
static inline void *more(batch_t *b, batch_items_t *v, size_t n, size_t size)
{
    void *place;

    if (b->over || b->error || (v->n + n > v->room && !grow(b, v, n, size)))
        return NULL;
    place = (char *)v->item + v->n * size;
    v->n += n;
    return place;
}

/* Room for a record at the end of its part.  0 if there is none. */
static int grow_part(batch_t *b, records_part_t *part, unsigned words)
{
    if (b->over || b->error)
        return 0;
    if (records_heap_is_used_up(&b->heap)) {
        if (!may_grow(b))
            return 0;
        if (records_heap_grow(&b->heap) != 0) {
            fail(b, ENOMEM);
            return 0;
        }
    }
    records_part_grow(part, &b->heap, words);
    return 1;
}

/* The reader's 0 is for ever; the table keeps 32 bits, up to 2106. */
static uint32_t end_of(const reader_entry_t *e)
{
    if (!e->until || e->until >= TABLE_FOREVER)
        return TABLE_FOREVER;
    return e->until < 1 ? 1 : (uint32_t)e->until;
}

static uint32_t line_of(const reader_entry_t *e)
{
    return e->line < TABLE_LINE_MAX ? (uint32_t)e->line : TABLE_LINE_MAX;
}

/* How far ahead of its next record the memory of a part is fetched: by the
 * time that as many have gone into this one of the parts, it is there. */
#define FETCH (64 / sizeof(uint32_t))

SLOT_PER_FAMILY void add_kind(batch_t *b, const reader_entry_t *e, int is_ipv6,
                              int has_end)
{
    const unsigned words = slot_record_words(is_ipv6, has_end);
    records_part_t *part = b->prefixes[is_ipv6][e->except][has_end].part
                           + set_part(b->seed, &e->prefix);

    if (part->next == part->end && !grow_part(b, part, words))
        return;
    slot_record(part->next, &e->prefix, is_ipv6, line_of(e), has_end,
                end_of(e));
    part->next += words;
    __builtin_prefetch(part->next + FETCH, 1);
}

static void add_prefix(batch_t *b, const reader_entry_t *e)
{
    const int is_ipv6 = e->prefix.is_ipv6;

    b->plan.prefixes[is_ipv6][e->except]++;
    if (end_of(e) != TABLE_FOREVER) {
        b->plan.ends[is_ipv6][e->except]++;
        if (is_ipv6)
            add_kind(b, e, 1, 1);
        else
            add_kind(b, e, 0, 1);
    }
    else if (is_ipv6) {
        add_kind(b, e, 1, 0);
    }
    else {
        add_kind(b, e, 0, 0);
    }
}

static void add_name(batch_t *b, const reader_entry_t *e)
{
    size_t place = b->text.n;
    char *text = more(b, &b->text, e->name_len, 1);
    batch_name_t *name = more(b, &b->names, 1, sizeof *name);

    b->plan.names[e->except]++;
    b->plan.name_bytes += e->name_len;
    if (text && name) {
        memcpy(text, e->name, e->name_len);
        *name = (batch_name_t){place, end_of(e), line_of(e),
                               (uint8_t)e->name_len, (uint8_t)e->except};
    }
}

void batch_add(batch_t *b, const reader_entry_t *e)
{
    b->entries += e->first != 0;
    if (e->kind == READER_NAME)
        add_name(b, e);
    else
        add_prefix(b, e);
}

static size_t insert_records(void *ctx, const uint32_t *records, size_t n)
{
    return table_insert_records(ctx, records, n);
}

static int insert_prefixes(const batch_t *b, const table_t *t)
{
    for (int i = 0; i < 8; i++) {
        table_goal_t goal = {t, i / 4, i / 2 % 2, i % 2};

        if (!records_each(&b->prefixes[goal.is_ipv6][goal.except][goal.has_end],
                          slot_record_words(goal.is_ipv6, goal.has_end),
                          insert_records, &goal))
            return 0;
    }
    return 1;
}

static int insert_names(const batch_t *b, const table_t *t)
{
    const batch_name_t *name = b->names.item;

    for (size_t i = 0; i < b->names.n; i++, name++) {
        table_entry_t e = {.name = (const char *)b->text.item + name->text,
                           .name_len = name->len,
                           .until = name->until,
                           .line = name->line,
                           .except = name->except};

        if (table_insert(t, &e, 1) != 1)
            return 0;
    }
    return 1;
}

int batch_insert(const batch_t *b, const table_t *t)
{
    return insert_prefixes(b, t) && insert_names(b, t) ? 0 : -1;
}
