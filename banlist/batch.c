/* SPDX-License-Identifier: Apache-2.0 */
#include "batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void batch_init(batch_t *b, size_t limit)
{
    memset(b, 0, sizeof *b);
    b->limit = limit;
}

static void items_free(batch_items_t *v)
{
    free(v->item);
    memset(v, 0, sizeof *v);
}

void batch_free(batch_t *b)
{
    items_free(&b->v4);
    items_free(&b->v6);
    items_free(&b->names);
    items_free(&b->text);
}

/* When a vector is about to grow is when it is asked whether the table
 * could still hold the batch: a file without end must not fill the memory. */
static int grow(batch_t *b, batch_items_t *v, size_t n, size_t size)
{
    size_t room = v->room ? v->room : 64;
    size_t bytes = table_bytes(&b->plan);
    void *item;

    if (!bytes || bytes > b->limit) {
        b->over = 1;
        batch_free(b);
        return 0;
    }
    while (room < v->n + n)
        room *= 2;
    item = realloc(v->item, room * size);
    if (!item) {
        b->error = ENOMEM;
        batch_free(b);
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
    const prefix_t *p = &e->prefix;

    b->plan.prefixes[p->is_ipv6][e->except]++;
    if (p->is_ipv6) {
        batch_v6_t *v6 = more(b, &b->v6, 1, sizeof *v6);

        if (v6) {
            *v6 = (batch_v6_t){p->hi,      p->lo,   end_of(e),
                               line_of(e), p->plen, (uint8_t)e->except};
        }
    }
    else {
        batch_v4_t *v4 = more(b, &b->v4, 1, sizeof *v4);

        if (v4) {
            *v4 = (batch_v4_t){(uint32_t)(p->hi >> 32), end_of(e), line_of(e),
                               p->plen, (uint8_t)e->except};
        }
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

#define AT_ONCE 256

static void take_v4(const batch_t *b, size_t i, table_entry_t *e)
{
    const batch_v4_t *v4 = (const batch_v4_t *)b->v4.item + i;

    e->prefix = (prefix_t){(uint64_t)v4->address << 32, 0, v4->plen, 0};
    e->name = NULL;
    e->until = v4->until;
    e->line = v4->line;
    e->except = v4->except;
}

static void take_v6(const batch_t *b, size_t i, table_entry_t *e)
{
    const batch_v6_t *v6 = (const batch_v6_t *)b->v6.item + i;

    e->prefix = (prefix_t){v6->hi, v6->lo, v6->plen, 1};
    e->name = NULL;
    e->until = v6->until;
    e->line = v6->line;
    e->except = v6->except;
}

static void take_name(const batch_t *b, size_t i, table_entry_t *e)
{
    const batch_name_t *name = (const batch_name_t *)b->names.item + i;

    e->name = (const char *)b->text.item + name->text;
    e->name_len = name->len;
    e->until = name->until;
    e->line = name->line;
    e->except = name->except;
}

static int insert_all(const batch_t *b, const table_t *t, size_t n,
                      void (*take)(const batch_t *b, size_t i,
                                   table_entry_t *e))
{
    table_entry_t e[AT_ONCE];

    for (size_t done = 0; done < n; done += AT_ONCE) {
        size_t some = n - done < AT_ONCE ? n - done : AT_ONCE;

        for (size_t i = 0; i < some; i++)
            take(b, done + i, e + i);
        if (table_insert(t, e, some) < some)
            return -1;
    }
    return 0;
}

int batch_insert(const batch_t *b, const table_t *t)
{
    if (insert_all(b, t, b->v4.n, take_v4) || insert_all(b, t, b->v6.n, take_v6)
        || insert_all(b, t, b->names.n, take_name))
        return -1;
    return 0;
}
