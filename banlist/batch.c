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
static int grow_part(batch_t *b, records_part_t *part, int is_ipv6)
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
    records_part_grow(part, &b->heap, is_ipv6);
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

static void add_prefix(batch_t *b, const reader_entry_t *e)
{
    int is_ipv6 = e->prefix.is_ipv6;
    unsigned words = SET_RECORD_WORDS(is_ipv6);
    uint32_t record[SET_RECORD_WORDS_MAX];
    records_part_t *part = b->prefixes[is_ipv6][e->except].part;

    b->plan.prefixes[is_ipv6][e->except]++;
    set_record(record, b->seed, &e->prefix, end_of(e), line_of(e));
    part += set_record_part(record, is_ipv6);
    if (part->next == part->end && !grow_part(b, part, is_ipv6))
        return;
    for (unsigned i = 0; i < words; i++)
        part->next[i] = record[i];
    part->next += words;
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

typedef struct goal_t { /* where records go */
    const table_t *table;
    int is_ipv6;
    int except;
} goal_t;

static size_t insert_records(void *ctx, const uint32_t *records, size_t n)
{
    const goal_t *goal = ctx;

    return table_insert_records(goal->table, goal->is_ipv6, goal->except,
                                records, n);
}

static int insert_prefixes(const batch_t *b, const table_t *t)
{
    for (int six = 0; six < 2; six++) {
        for (int except = 0; except < 2; except++) {
            goal_t goal = {t, six, except};

            if (!records_each(&b->prefixes[six][except], six, insert_records,
                              &goal))
                return 0;
        }
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
