/* SPDX-License-Identifier: Apache-2.0 */
#include "set.h"

/* What differs between the families is a constant to the compiler: a function
 * that takes is_ipv6 is inlined into the public ones, which call it once for
 * each family. */
#define PER_FAMILY static inline __attribute__((always_inline))

#define TOP_WORDS 65536
/* From here on a top costs less than what it spares. */
#define TOP_MIN 16384

/* Entries whose slots and filter words are fetched ahead of their use. */
#define AHEAD 16

/* ---- layout ---- */

static inline size_t slot_words(int is_ipv6)
{
    return is_ipv6 ? 6 : 3;
}

static uint64_t slot_bytes(uint64_t n, int is_ipv6)
{
    return block_round(block_slots(n) * slot_words(is_ipv6) * 4);
}

/* At least 16 filter bits an entry; for IPv6, which has more lengths in use
 * and so more chances to be wrong, four times as many. */
static uint64_t filter_words(uint64_t n, int is_ipv6)
{
    uint64_t words = 16;

    while (words < (is_ipv6 ? n : n / 4))
        words *= 2;
    return words;
}

static int has_top(uint64_t n, int is_ipv6)
{
    return !is_ipv6 && n >= TOP_MIN;
}

uint64_t set_bytes(uint64_t n, int is_ipv6)
{
    return filter_words(n, is_ipv6) * 8 + slot_bytes(n, is_ipv6)
           + (has_top(n, is_ipv6) ? TOP_WORDS * 4 : 0);
}

void set_init(set_t *set, uint64_t at, uint64_t n, int is_ipv6)
{
    uint64_t slots_at = at + filter_words(n, is_ipv6);
    uint64_t top_at = slots_at + slot_bytes(n, is_ipv6) / 8;

    word_set(&set->filter_at, (uint32_t)at);
    word_set(&set->filter_mask, (uint32_t)(filter_words(n, is_ipv6) - 1));
    word_set(&set->slots_at, (uint32_t)slots_at);
    word_set(&set->slots, (uint32_t)block_slots(n));
    word_set(&set->top_at, has_top(n, is_ipv6) ? (uint32_t)top_at : 0);
}

typedef struct view_t { /* a set's parts, their places checked */
    const hash_seed_t *seed;
    word64_t *filter;
    word_t *slots;
    word_t *top;     /* NULL: none */
    uint64_t odd_hi; /* of the filter's hash */
    uint64_t odd_lo;
    uint32_t filter_mask;
    uint32_t count;
} view_t;

PER_FAMILY int view_of(const block_t *b, set_t *set, int is_ipv6, view_t *v)
{
    uint32_t filter_at = word_get(&set->filter_at);
    uint32_t slots_at = word_get(&set->slots_at);
    uint32_t top_at = is_ipv6 ? 0 : word_get(&set->top_at);

    v->seed = b->seed;
    v->odd_hi = b->seed->k[2] | 1;
    v->odd_lo = b->seed->k[3] | 1;
    v->filter_mask = word_get(&set->filter_mask);
    v->count = word_get(&set->slots);
    v->filter = block_at(b, filter_at);
    v->slots = block_at(b, slots_at);
    v->top = top_at ? block_at(b, top_at) : NULL;
    return block_has(b, filter_at, (uint64_t)v->filter_mask + 1, 8)
           && block_has(b, slots_at, v->count, slot_words(is_ipv6) * 4)
           && (!top_at || block_has(b, top_at, TOP_WORDS, 4));
}

/* ---- slots ---- */

/* What a slot holds of a prefix. */
typedef struct slot_key_t {
    uint32_t word[4];
    uint32_t full;
} slot_key_t;

PER_FAMILY void key_make(slot_key_t *key, const prefix_t *p, int is_ipv6)
{
    uint64_t hi = p->hi, lo = p->lo;

    key->full = p->plen == prefix_plen_max(is_ipv6);
    if (!is_ipv6) {
        if (!key->full)
            hi |= UINT64_C(1) << (63 - p->plen);
        key->word[0] = (uint32_t)(hi >> 32);
        return;
    }
    if (p->plen < 64)
        hi |= UINT64_C(1) << (63 - p->plen);
    else if (p->plen < 128)
        lo |= UINT64_C(1) << (127 - p->plen);
    key->word[0] = (uint32_t)(hi >> 32);
    key->word[1] = (uint32_t)hi;
    key->word[2] = (uint32_t)(lo >> 32);
    key->word[3] = (uint32_t)lo;
}

PER_FAMILY unsigned key_words(int is_ipv6)
{
    return is_ipv6 ? 4 : 1;
}

PER_FAMILY uint32_t slot_meta(word_t *slot, int is_ipv6)
{
    /* acquires what slot_publish() wrote */
    return word_get(slot + key_words(is_ipv6) + 1);
}

PER_FAMILY int slot_has(word_t *slot, uint32_t meta, const slot_key_t *key,
                        int is_ipv6)
{
    for (unsigned i = 0; i < key_words(is_ipv6); i++) {
        if (word_get(slot + i) != key->word[i])
            return 0;
    }
    return (meta & 1) == key->full;
}

/* Key and end first, the word that makes it a slot in use last. */
PER_FAMILY void slot_publish(word_t *slot, const slot_key_t *key,
                             const set_entry_t *e, int is_ipv6)
{
    unsigned words = key_words(is_ipv6);

    for (unsigned i = 0; i < words; i++)
        word_set(slot + i, key->word[i]);
    word_set(slot + words, e->until);
    word_set(slot + words + 1, e->line << 1 | key->full);
}

/* The later end counts, with its line. */
PER_FAMILY void slot_extend(word_t *slot, uint32_t meta, const set_entry_t *e,
                            int is_ipv6)
{
    unsigned words = key_words(is_ipv6);

    if (word_get(slot + words) < e->until) {
        word_set(slot + words, e->until);
        word_set(slot + words + 1, e->line << 1 | (meta & 1));
    }
}

/* The slot of the key, or the empty one where it would stand, or NULL if
 * neither is to be found. */
PER_FAMILY word_t *slot_seek(const view_t *v, uint64_t hash,
                             const slot_key_t *key, int is_ipv6, uint32_t *meta)
{
    size_t stride = slot_words(is_ipv6);
    word_t *slot = v->slots + block_pick(hash, v->count) * stride;
    word_t *end = v->slots + v->count * stride;

    for (uint32_t tries = v->count; tries; tries--) {
        *meta = slot_meta(slot, is_ipv6);
        if (!*meta || slot_has(slot, *meta, key, is_ipv6))
            return slot;
        slot += stride;
        if (slot == end)
            slot = v->slots;
    }
    return NULL;
}

/* ---- filter and top ---- */

/* prefix_mask() for a length of at least 1. */
PER_FAMILY void cut(uint64_t *hi, uint64_t *lo, unsigned plen, int is_ipv6)
{
    if (!is_ipv6 || plen <= 64) {
        *hi &= ~UINT64_C(0) << (64 - plen);
        *lo = 0;
    }
    else {
        *lo &= ~UINT64_C(0) << (128 - plen);
    }
}

static inline uint64_t three_bits(uint64_t hash)
{
    return UINT64_C(1) << (hash >> 58) | UINT64_C(1) << (hash >> 52 & 63)
           | UINT64_C(1) << (hash >> 46 & 63);
}

/* A prefix's bits in the word of its step: a hash of their own, because many
 * more lengths are asked of the filter than of the slots, and a product is
 * enough here. */
PER_FAMILY uint64_t filter_bits(const view_t *v, uint64_t hi, uint64_t lo,
                                unsigned plen, int is_ipv6)
{
    uint64_t h = (hi + plen) * v->odd_hi;

    return three_bits(is_ipv6 ? h + lo * v->odd_lo : h);
}

/* Where the step of a length begins.  The bases are chosen so that most groups
 * are empty for an address drawn at random: networks are given out from /28 or
 * so on in IPv6. */
PER_FAMILY unsigned base_of(unsigned plen, int is_ipv6)
{
    if (!is_ipv6)
        return plen >= 24 ? 24 : plen & 16;
    if (plen >= 64)
        return plen >= 96 ? 96 : 64;
    if (plen >= 28)
        return plen >= 48 ? 48 : plen >= 32 ? 32 : 28;
    return plen & 16;
}

/* Of the addresses that share a step's word: those that are the same up to
 * the base.  Its lower bits choose the word, its upper ones are the group's
 * own bits in it. */
PER_FAMILY uint64_t group_hash(const view_t *v, uint64_t hi, uint64_t lo,
                               unsigned base, int is_ipv6)
{
    if (!is_ipv6 || base < 64)
        hi &= ~(~UINT64_C(0) >> base);
    lo = is_ipv6 && base > 64 ? lo & ~(~UINT64_C(0) >> (base - 64)) : 0;
    return hash_fold(hi ^ v->seed->k[0], (lo + base) ^ v->seed->k[1]);
}

static inline word64_t *group_word(const view_t *v, uint64_t hash)
{
    return v->filter + (hash & v->filter_mask);
}

static void top_mark(word_t *top, const prefix_t *p)
{
    uint32_t first = (uint32_t)(p->hi >> 48);
    uint32_t n = p->plen < 16 ? UINT32_C(1) << (16 - p->plen) : 1;

    for (uint32_t i = 0; i < n; i++)
        word_or(top + first + i, UINT32_C(1) << (p->plen - 1));
}

/* ---- finding ---- */

static inline uint64_t slot_hash(const view_t *v, const prefix_t *p)
{
    return hash_prefix(v->seed, p->hi, p->lo, p->plen);
}

PER_FAMILY int probe(const view_t *v, const prefix_t *p, int is_ipv6,
                     int64_t now, set_entry_t *found)
{
    slot_key_t key;
    uint32_t meta;
    word_t *slot;

    key_make(&key, p, is_ipv6);
    slot = slot_seek(v, slot_hash(v, p), &key, is_ipv6, &meta);
    if (!slot || !meta)
        return 0;
    found->until = word_get(slot + key_words(is_ipv6));
    if (now >= found->until && found->until != UINT32_MAX)
        return 0;
    found->prefix = *p;
    found->line = meta >> 1;
    return 1;
}

/* The lengths from 64 * part on that p may be under, bit i for 64 * part + i;
 * p is under none that is longer than itself. */
PER_FAMILY uint64_t lens_at(const view_t *v, set_t *set, unsigned part,
                            const prefix_t *p, int is_ipv6)
{
    unsigned longest = p->plen - 64 * part;
    uint64_t lens = !is_ipv6 && v->top
                        ? (uint64_t)word_get(v->top + (p->hi >> 48)) << 1
                        : word64_get(&set->lens[part]);

    return longest < 63 ? lens & ((UINT64_C(2) << longest) - 1) : lens;
}

typedef struct step_t { /* where a lookup is */
    unsigned base;
    uint64_t word; /* 0: nothing in any of its lengths */
} step_t;

PER_FAMILY void step_enter(const view_t *v, const prefix_t *p, unsigned plen,
                           int is_ipv6, step_t *step)
{
    uint64_t hash, bits;

    step->base = base_of(plen, is_ipv6);
    hash = group_hash(v, p->hi, p->lo, step->base, is_ipv6);
    bits = three_bits(hash);
    step->word = word64_get(group_word(v, hash));
    if ((step->word & bits) != bits)
        step->word = 0;
}

/* The lengths before the step. */
static inline uint64_t before_step(const step_t *step, unsigned part)
{
    return step->base > 64 * part
               ? (UINT64_C(1) << (step->base - 64 * part)) - 1
               : 0;
}

/* Looks for what the prefix is under among these lengths, longest first. */
PER_FAMILY int find_among(const view_t *v, uint64_t lens, unsigned part,
                          const prefix_t *of, int is_ipv6, int64_t now,
                          step_t *step, set_entry_t *found)
{
    while (lens) {
        unsigned top = 63 - (unsigned)__builtin_clzll(lens);
        unsigned plen = 64 * part + top;
        uint64_t hi = of->hi, lo = of->lo, bits;

        if (plen < step->base)
            step_enter(v, of, plen, is_ipv6, step);
        if (!step->word) {
            lens &= before_step(step, part);
            continue;
        }
        lens ^= UINT64_C(1) << top;
        cut(&hi, &lo, plen, is_ipv6);
        bits = filter_bits(v, hi, lo, plen, is_ipv6);
        if ((step->word & bits) == bits) {
            prefix_t p = {hi, lo, (uint8_t)plen, (uint8_t)is_ipv6};

            if (probe(v, &p, is_ipv6, now, found))
                return 1;
        }
    }
    return 0;
}

PER_FAMILY int find(const block_t *b, set_t *set, const prefix_t *p,
                    int is_ipv6, int64_t now, set_entry_t *found)
{
    step_t step = {129, 0};
    view_t v;

    if (!view_of(b, set, is_ipv6, &v))
        return 0;
    for (unsigned part = p->plen / 64 + 1; part-- > 0;) {
        if (find_among(&v, lens_at(&v, set, part, p, is_ipv6), part, p, is_ipv6,
                       now, &step, found))
            return 1;
    }
    return 0;
}

int set_find(const block_t *b, set_t *set, const prefix_t *p, int64_t now,
             set_entry_t *found)
{
    return p->is_ipv6 ? find(b, set, p, 1, now, found)
                      : find(b, set, p, 0, now, found);
}

/* ---- inserting ---- */

typedef struct aim_t { /* where an entry goes */
    uint64_t hash;     /* of the slot */
    uint64_t group;    /* of the filter word */
} aim_t;

PER_FAMILY void aim(const view_t *v, const prefix_t *p, int is_ipv6, aim_t *a)
{
    a->hash = slot_hash(v, p);
    a->group = group_hash(v, p->hi, p->lo, base_of(p->plen, is_ipv6), is_ipv6);
    __builtin_prefetch(group_word(v, a->group), 1);
    if (!is_ipv6 && v->top)
        __builtin_prefetch(v->top + (p->hi >> 48), 1);
    __builtin_prefetch(
        v->slots + block_pick(a->hash, v->count) * slot_words(is_ipv6), 1);
}

typedef struct sums_t { /* of a set, while entries go in */
    uint32_t used;
    uint32_t single;
    uint32_t last_end;
    uint64_t lens[SET_LENS];
} sums_t;

PER_FAMILY int insert(const view_t *v, const set_entry_t *e, const aim_t *a,
                      int is_ipv6, sums_t *sums)
{
    slot_key_t key;
    uint32_t meta;
    word_t *slot;

    key_make(&key, &e->prefix, is_ipv6);
    slot = slot_seek(v, a->hash, &key, is_ipv6, &meta);
    if (slot && meta) {
        slot_extend(slot, meta, e, is_ipv6);
    }
    else {
        if (!slot || block_nearly_full(sums->used, v->count))
            return 0;
        slot_publish(slot, &key, e, is_ipv6);
        sums->used++;
        sums->single += key.full;
        sums->lens[e->prefix.plen / 64] |= UINT64_C(1) << e->prefix.plen % 64;
        word64_or(group_word(v, a->group),
                  three_bits(a->group)
                      | filter_bits(v, e->prefix.hi, e->prefix.lo,
                                    e->prefix.plen, is_ipv6));
        if (v->top)
            top_mark(v->top, &e->prefix);
    }
    if (sums->last_end < e->until)
        sums->last_end = e->until;
    return 1;
}

PER_FAMILY size_t insert_all(const view_t *v, const set_entry_t *e, size_t n,
                             int is_ipv6, sums_t *sums)
{
    aim_t aims[AHEAD] = {{0, 0}}; /* for -fanalyzer: it takes the loops apart */

    for (size_t done = 0; done < n; done += AHEAD) {
        size_t some = n - done < AHEAD ? n - done : AHEAD;

        for (size_t i = 0; i < some; i++)
            aim(v, &e[done + i].prefix, is_ipv6, aims + i);
        for (size_t i = 0; i < some; i++) {
            if (!insert(v, e + done + i, aims + i, is_ipv6, sums))
                return done + i;
        }
    }
    return n;
}

size_t set_insert(const block_t *b, set_t *set, int is_ipv6,
                  const set_entry_t *e, size_t n)
{
    sums_t sums = {word_get(&set->used),
                   word_get(&set->single),
                   word_get(&set->last_end),
                   {0}};
    view_t v;
    size_t done;

    if (!view_of(b, set, is_ipv6, &v))
        return 0;
    done = is_ipv6 ? insert_all(&v, e, n, 1, &sums)
                   : insert_all(&v, e, n, 0, &sums);
    for (unsigned i = 0; i < SET_LENS; i++)
        word64_or(&set->lens[i], sums.lens[i]);
    word_set(&set->used, sums.used);
    word_set(&set->single, sums.single);
    word_set(&set->last_end, sums.last_end);
    return done;
}
