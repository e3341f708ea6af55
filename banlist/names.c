/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"

typedef _Atomic unsigned char text_t;

#define SLOT_WORDS 3

uint64_t names_bytes(uint64_t n)
{
    return block_round(block_slots(n) * SLOT_WORDS * 4);
}

void names_init(names_t *names, uint64_t at, uint64_t n)
{
    word_set(&names->slots_at, (uint32_t)at);
    word_set(&names->slots, (uint32_t)block_slots(n));
}

uint64_t names_text_bytes(uint64_t n, uint64_t bytes)
{
    return block_round((bytes + n) * 5 / 4 + 1024);
}

void names_text_init(names_text_t *text, uint64_t at, uint64_t n,
                     uint64_t bytes)
{
    word_set(&text->at, (uint32_t)at);
    word_set(&text->size, (uint32_t)names_text_bytes(n, bytes));
}

typedef struct view_t { /* the parts, their places checked */
    const hash_seed_t *seed;
    word_t *slots;
    uint32_t count;
    text_t *text;
    uint32_t text_size;
} view_t;

static int view_of(const block_t *b, names_t *names, names_text_t *text,
                   view_t *v)
{
    uint32_t slots_at = word_get(&names->slots_at);
    uint32_t text_at = word_get(&text->at);

    v->seed = b->seed;
    v->count = word_get(&names->slots);
    v->slots = block_at(b, slots_at);
    v->text = block_at(b, text_at);
    v->text_size = word_get(&text->size);
    return block_has(b, slots_at, v->count, (size_t)SLOT_WORDS * 4)
           && block_has(b, text_at, v->text_size, 1);
}

static inline unsigned char text_get(text_t *c)
{
    return atomic_load_explicit(c, memory_order_acquire);
}

static inline void text_set(text_t *c, unsigned char v)
{
    atomic_store_explicit(c, v, memory_order_release);
}

static int text_is(const view_t *v, uint32_t place, const char *name,
                   size_t len)
{
    if ((uint64_t)place + 1 + len > v->text_size
        || text_get(v->text + place) != len)
        return 0;
    for (size_t i = 0; i < len; i++) {
        if (text_get(v->text + place + 1 + i) != (unsigned char)name[i])
            return 0;
    }
    return 1;
}

static void text_put(const view_t *v, uint32_t place, const char *name,
                     size_t len)
{
    text_set(v->text + place, (unsigned char)len);
    for (size_t i = 0; i < len; i++)
        text_set(v->text + place + 1 + i, (unsigned char)name[i]);
}

/* The slot of the name, or the empty one where it would stand, or NULL. */
static word_t *slot_seek(const view_t *v, const char *name, size_t len,
                         uint32_t *meta)
{
    uint32_t i =
        block_pick((uint32_t)(hash_text(v->seed, name, len) >> 32), v->count);

    for (uint32_t tries = v->count; tries; tries--) {
        word_t *slot = v->slots + (size_t)i * SLOT_WORDS;

        *meta = word_get(slot + 2);
        if (!*meta || text_is(v, word_get(slot), name, len))
            return slot;
        if (++i == v->count)
            i = 0;
    }
    return NULL;
}

/* Text, place and end first, the word that makes it a slot in use last. */
static int slot_take(const view_t *v, word_t *slot, names_t *names,
                     names_text_t *text, const names_entry_t *e)
{
    uint32_t place = word_get(&text->used), used = word_get(&names->used);

    if (!slot || block_nearly_full(used, v->count)
        || (uint64_t)place + 1 + e->len > v->text_size)
        return 0;
    text_put(v, place, e->name, e->len);
    word_set(&text->used, place + 1 + (uint32_t)e->len);
    word_set(slot, place);
    word_set(slot + 1, e->until);
    word_set(slot + 2, e->line << 1 | 1);
    word_set(&names->used, used + 1);
    return 1;
}

int names_insert(const block_t *b, names_t *names, names_text_t *text,
                 const names_entry_t *e)
{
    uint32_t meta;
    word_t *slot;
    view_t v;

    if (!view_of(b, names, text, &v))
        return 0;
    slot = slot_seek(&v, e->name, e->len, &meta);
    if (!slot || !meta) {
        if (!slot_take(&v, slot, names, text, e))
            return 0;
    }
    else if (word_get(slot + 1) < e->until) {
        word_set(slot + 1, e->until);
        word_set(slot + 2, e->line << 1 | 1);
    }
    if (word_get(&names->last_end) < e->until)
        word_set(&names->last_end, e->until);
    return 1;
}

static int find_exactly(const view_t *v, const char *name, size_t len,
                        int64_t now, names_entry_t *found)
{
    uint32_t meta;
    word_t *slot = slot_seek(v, name, len, &meta);

    if (!slot || !meta)
        return 0;
    found->until = word_get(slot + 1);
    if (now >= found->until && found->until != UINT32_MAX)
        return 0;
    found->name = name;
    found->len = len;
    found->line = meta >> 1;
    return 1;
}

int names_find(const block_t *b, names_t *names, names_text_t *text,
               const char *name, size_t len, int64_t now, names_entry_t *found)
{
    view_t v;

    if (!names_live(names, now) || !view_of(b, names, text, &v))
        return 0;
    if (find_exactly(&v, name, len, now, found))
        return 1;
    for (size_t i = 1; i < len; i++) {
        if (name[i] == '.' && find_exactly(&v, name + i, len - i, now, found))
            return 1;
    }
    return 0;
}

int names_live(names_t *names, int64_t now)
{
    uint32_t last_end = word_get(&names->last_end);

    return now < last_end || last_end == UINT32_MAX;
}
