/* SPDX-License-Identifier: Apache-2.0 */
#include "set.h"

/* Kept out of line, so that the way of most requests saves no registers for
 * it. */
#define FURTHER static __attribute__((noinline))

/* Records whose words are fetched ahead of their use. */
#define AHEAD 16

/* ---- layout ---- */

static uint64_t slot_bytes(uint64_t n, int is_ipv6)
{
    return block_round(block_slots(n) * slot_words(is_ipv6) * sizeof(word_t));
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

/* The top has a word for every four entries at least. */
#define TOP_BITS_MIN 10
#define TOP_BITS_MAX 24
static unsigned top_bits(uint64_t n)
{
    unsigned bits = TOP_BITS_MIN;

    while (bits < TOP_BITS_MAX && UINT64_C(1) << bits < n / 4)
        bits++;
    return bits;
}

static uint64_t top_bytes(uint64_t n, int is_ipv6)
{
    return is_ipv6 ? 0 : UINT64_C(4) << top_bits(n);
}

uint64_t set_bytes(uint64_t n, int is_ipv6)
{
    return top_bytes(n, is_ipv6) + filter_words(n, is_ipv6) * 8
           + slot_bytes(n, is_ipv6);
}

uint64_t set_ends_bytes(uint64_t n)
{
    return block_round(block_slots(n) * sizeof(word_t));
}

void set_init(set_t *set, uint64_t at, uint64_t ends_at, uint64_t n,
              int is_ipv6)
{
    uint64_t filter_at = at + top_bytes(n, is_ipv6) / 8;
    uint64_t slots_at = filter_at + filter_words(n, is_ipv6);

    word_set(&set->top_at, (uint32_t)at);
    word_set(&set->top_bits, top_bits(n));
    word_set(&set->filter_at, (uint32_t)filter_at);
    word_set(&set->filter_mask, (uint32_t)(filter_words(n, is_ipv6) - 1));
    word_set(&set->slots_at, (uint32_t)slots_at);
    word_set(&set->slots, (uint32_t)block_slots(n));
    word_set(&set->ends_at, (uint32_t)ends_at);
}

typedef struct view_t { /* a set's parts, their places checked */
    const block_t *block;
    const hash_seed_t *seed;
    set_t *set;
    word64_t *filter;
    word_t *slots;
    uint32_t filter_mask;
    uint32_t count;
    word_t *top; /* IPv4 alone */
    uint32_t top_bits;
} view_t;

SLOT_PER_FAMILY int view_of(const block_t *b, set_t *set, int is_ipv6,
                            view_t *v)
{
    uint32_t filter_at = word_get(&set->filter_at);
    uint32_t slots_at = word_get(&set->slots_at);

    v->block = b;
    v->seed = b->seed;
    v->set = set;
    v->filter_mask = word_get(&set->filter_mask);
    v->count = word_get(&set->slots);
    v->filter = block_at(b, filter_at);
    v->slots = block_at(b, slots_at);
    v->top = is_ipv6 ? NULL : block_at(b, word_get(&set->top_at));
    v->top_bits = is_ipv6 ? 0 : word_get(&set->top_bits) & 31;
    return block_has(b, filter_at, (uint64_t)v->filter_mask + 1, 8)
           && block_has(b, slots_at, v->count,
                        slot_words(is_ipv6) * sizeof(word_t));
}

/* ---- slots ---- */

SLOT_PER_FAMILY word_t *slot_at(const view_t *v, uint32_t i, int is_ipv6)
{
    return v->slots + (size_t)i * slot_words(is_ipv6);
}

SLOT_PER_FAMILY uint32_t slot_meta(word_t *slot, int is_ipv6)
{
    /* acquires what slot_publish() wrote */
    return word_get(slot + slot_key_words(is_ipv6));
}

SLOT_PER_FAMILY int slot_has(word_t *slot, uint32_t meta, const uint32_t *key,
                             uint32_t full, int is_ipv6)
{
    for (unsigned i = 0; i < slot_key_words(is_ipv6); i++) {
        if (word_get(slot + i) != key[i])
            return 0;
    }
    return (meta & 1) == full;
}

/* The word of a slot's end; NULL where it would not be in the block. */
static inline word_t *slot_end(const view_t *v, uint32_t at)
{
    uint32_t ends_at = word_get(&v->set->ends_at);

    return block_has(v->block, ends_at, (uint64_t)at + 1, sizeof(word_t))
               ? (word_t *)block_at(v->block, ends_at) + at
               : NULL;
}

/* The end and the key first, the word that makes it a slot in use last.  A
 * loader that is killed in between leaves an end without a slot behind, which
 * the next entry there would have: its successor builds the list anew. */
SLOT_PER_FAMILY void slot_publish(const view_t *v, uint32_t at,
                                  const uint32_t *record, int is_ipv6,
                                  int has_end)
{
    word_t *slot = slot_at(v, at, is_ipv6);

    if (has_end)
        word_set(slot_end(v, at), record[slot_words(is_ipv6)]);
    for (unsigned i = 0; i < slot_words(is_ipv6); i++)
        word_set(slot + i, record[i]);
}

/* The later end counts, with its line. */
SLOT_PER_FAMILY void slot_extend(const view_t *v, uint32_t at,
                                 const uint32_t *record, int is_ipv6,
                                 int has_end)
{
    const unsigned words = slot_words(is_ipv6);
    uint32_t not_until = has_end ? record[words] : 0;

    if (word_get(&v->set->has_ends) && word_get(slot_end(v, at)) > not_until) {
        word_set(slot_end(v, at), not_until);
        word_set(slot_at(v, at, is_ipv6) + words - 1, record[words - 1]);
    }
}

/* A set without ends has never touched their memory.  This is asked after
 * the slot was found: whoever sees a slot sees that the set has ends. */
static inline uint32_t slot_until(const view_t *v, uint32_t at)
{
    word_t *end = word_get(&v->set->has_ends) ? slot_end(v, at) : NULL;

    return end ? ~word_get(end) : UINT32_MAX;
}

/* Finds the slot of the key from the slot *at on: 1, and *meta its last word;
 * or the empty one where it would stand: 0, and *meta is 0; or neither: 0. */
SLOT_PER_FAMILY int slot_seek(const view_t *v, uint32_t *at,
                              const uint32_t *key, uint32_t full, int is_ipv6,
                              uint32_t *meta)
{
    for (uint32_t tries = v->count; tries; tries--) {
        word_t *slot = slot_at(v, *at, is_ipv6);

        *meta = slot_meta(slot, is_ipv6);
        if (!*meta)
            return 0;
        if (slot_has(slot, *meta, key, full, is_ipv6))
            return 1;
        if (++*at == v->count)
            *at = 0;
    }
    return 0;
}

/* ---- filter and top ---- */

/* prefix_mask() for a length of at least 1. */
SLOT_PER_FAMILY void cut(uint64_t *hi, uint64_t *lo, unsigned plen, int is_ipv6)
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
SLOT_PER_FAMILY uint64_t filter_bits(const hash_seed_t *seed, uint64_t hi,
                                     uint64_t lo, unsigned plen, int is_ipv6)
{
    uint64_t h = (hi + plen) * (seed->k[2] | 1);

    return three_bits(is_ipv6 ? h + lo * (seed->k[3] | 1) : h);
}

/* Where the step of a length begins.  The bases are chosen so that most groups
 * are empty for an address drawn at random: networks are given out from /28 or
 * so on in IPv6. */
SLOT_PER_FAMILY unsigned base_of(unsigned plen, int is_ipv6)
{
    if (!is_ipv6)
        return plen >= 24 ? 24 : plen & 28;
    if (plen >= 64)
        return plen >= 96 ? 96 : 64;
    if (plen >= 28)
        return plen >= 48 ? 48 : plen >= 32 ? 32 : 28;
    return plen & 16;
}

/* Of the addresses that share a step's word: those that are the same up to
 * the base.  Its lower bits choose the word, its upper ones are the group's
 * own bits in it. */
SLOT_PER_FAMILY uint64_t group_hash(const hash_seed_t *seed, uint64_t hi,
                                    uint64_t lo, unsigned base, int is_ipv6)
{
    if (!is_ipv6 || base < 64)
        hi &= ~(~UINT64_C(0) >> base);
    lo = is_ipv6 && base > 64 ? lo & ~(~UINT64_C(0) >> (base - 64)) : 0;
    return hash_fold(hi ^ seed->k[0], (lo + base) ^ seed->k[1]);
}

static inline word64_t *group_word(const view_t *v, uint64_t hash)
{
    return v->filter + (hash & v->filter_mask);
}

/* What an entry sets in the word of its group. */
SLOT_PER_FAMILY uint64_t filter_mark(const view_t *v, uint64_t group,
                                     const prefix_t *p, int is_ipv6)
{
    return three_bits(group)
           | filter_bits(v->seed, p->hi, p->lo, p->plen, is_ipv6);
}

/* The top's word for an address; NULL where it would not be in the block. */
static inline word_t *top_word(const block_t *b, set_t *set, uint32_t address)
{
    uint32_t bits = word_get(&set->top_bits) & 31;
    uint64_t at = (uint64_t)word_get(&set->top_at) * 2
                  + ((uint64_t)address >> (32 - bits));

    return at < b->size / 4 ? (word_t *)b->base + at : NULL;
}

/* Those that the top tells exactly; the filter has none of them. */
static inline uint64_t exact_lens(uint32_t top_bits)
{
    return (UINT64_C(2) << (top_bits & 31)) - 1;
}

static inline uint64_t top_get(const block_t *b, set_t *set, const prefix_t *p)
{
    word_t *top = top_word(b, set, (uint32_t)(p->hi >> 32));

    return top ? (uint64_t)word_get(top) << 1 : 0;
}

/* Writer only: the block is whole. */
static inline word_t *top_at(const view_t *v, uint32_t address)
{
    return v->top + ((uint64_t)address >> (32 - v->top_bits));
}

/* Marks all words under the prefix, of which *word is the first. */
static inline void top_mark(const view_t *v, word_t *word, const prefix_t *p)
{
    uint32_t bit = UINT32_C(1) << (p->plen - 1);
    word_t *end = word;

    if (p->plen < v->top_bits)
        end += (UINT32_C(1) << (v->top_bits - p->plen)) - 1;
    do
        word_or(word, bit);
    while (++word <= end);
}

/* ---- finding ---- */

SLOT_PER_FAMILY int probe(const view_t *v, const prefix_t *p, int is_ipv6,
                          int64_t now, set_entry_t *found)
{
    uint32_t key[4] = {0}, meta;
    uint32_t full = slot_key(key, p, is_ipv6);
    uint32_t at = block_pick(slot_hash(v->seed, p), v->count);

    if (!slot_seek(v, &at, key, full, is_ipv6, &meta))
        return 0;
    found->until = slot_until(v, at);
    if (now >= found->until && found->until != UINT32_MAX)
        return 0;
    found->prefix = *p;
    found->line = meta >> 1;
    return 1;
}

static inline unsigned longest(uint64_t lens)
{
    return (unsigned)__builtin_clzll(lens) ^ 63;
}

/* Of the lengths from 64 * part on, bit i for 64 * part + i, those that p may
 * be under: it is under none that is longer than itself. */
static inline uint64_t up_to(uint64_t lens, unsigned part, const prefix_t *p)
{
    unsigned most = p->plen - 64 * part;

    return most < 63 ? lens & ((UINT64_C(2) << most) - 1) : lens;
}

/* The lengths before the base, of those from 64 * part on. */
static inline uint64_t before(unsigned base, unsigned part)
{
    return base > 64 * part ? (UINT64_C(1) << (base - 64 * part)) - 1 : 0;
}

/* Of the lengths of one IPv4 step those that its word may have. */
static inline uint64_t in_step(const block_t *b, uint64_t at, uint64_t mask,
                               const prefix_t *p, unsigned base, uint64_t lens)
{
    uint64_t hash = group_hash(b->seed, p->hi, p->lo, base, 0);
    uint64_t bits = three_bits(hash);
    uint64_t word = word64_get((word64_t *)b->base + at + (hash & mask));

    if ((word & bits) != bits)
        return 0;
    for (uint64_t rest = lens; rest; rest &= rest - 1) {
        unsigned plen = (unsigned)__builtin_ctzll(rest);
        uint64_t hi = p->hi & ~UINT64_C(0) << (64 - plen);

        bits = filter_bits(b->seed, hi, 0, plen, 0);
        if ((word & bits) != bits)
            lens ^= rest & -rest;
    }
    return lens;
}

/* Of the lengths those that the filter may have, of IPv4. */
FURTHER uint64_t in_steps(const block_t *b, uint64_t at, uint64_t mask,
                          const prefix_t *p, uint64_t lens)
{
    uint64_t left = 0;

    while (lens) {
        unsigned base = base_of(longest(lens), 0);
        uint64_t others = lens & before(base, 0);

        left |= in_step(b, at, mask, p, base, lens ^ others);
        lens = others;
    }
    return left;
}

uint64_t set_lens(const block_t *b, set_t *set, const prefix_t *p)
{
    const uint64_t last_step = ~before(24, 0);
    uint64_t lens, exact, at, mask;

    if (p->is_ipv6)
        return ~UINT64_C(0); /* find_ipv6() looks itself */
    lens = top_get(b, set, p) & ~UINT64_C(0) >> (63 - p->plen);
    exact = lens & exact_lens(word_get(&set->top_bits));
    lens ^= exact;
    if (!lens)
        return exact;
    at = word_get(&set->filter_at);
    mask = word_get(&set->filter_mask);
    if ((at + mask) * 8 >= b->size)
        return 0;
    if (lens & ~last_step)
        exact |= in_steps(b, at, mask, p, lens & ~last_step);
    if (lens & last_step)
        exact |= in_step(b, at, mask, p, 24, lens & last_step);
    return exact;
}

static int find_ipv4(const block_t *b, set_t *set, const prefix_t *of,
                     uint64_t lens, int64_t now, set_entry_t *found)
{
    view_t v;

    if (!view_of(b, set, 0, &v))
        return 0;
    while (lens) {
        unsigned plen = longest(lens);
        prefix_t p = {of->hi, 0, (uint8_t)plen, 0};

        cut(&p.hi, &p.lo, plen, 0);
        if (probe(&v, &p, 0, now, found))
            return 1;
        lens ^= UINT64_C(1) << plen;
    }
    return 0;
}

typedef struct step_t { /* where a lookup of IPv6 is */
    unsigned base;
    uint64_t word; /* 0: nothing in any of its lengths */
} step_t;

static inline void step_enter(const view_t *v, const prefix_t *p, unsigned plen,
                              step_t *step)
{
    uint64_t hash, bits;

    step->base = base_of(plen, 1);
    hash = group_hash(v->seed, p->hi, p->lo, step->base, 1);
    bits = three_bits(hash);
    step->word = word64_get(group_word(v, hash));
    if ((step->word & bits) != bits)
        step->word = 0;
}

/* Looks for what the prefix is under among these lengths, longest first. */
static int find_among(const view_t *v, uint64_t lens, unsigned part,
                      const prefix_t *of, int64_t now, step_t *step,
                      set_entry_t *found)
{
    while (lens) {
        unsigned top = longest(lens);
        unsigned plen = 64 * part + top;
        prefix_t p = {of->hi, of->lo, (uint8_t)plen, 1};
        uint64_t bits;

        if (plen < step->base)
            step_enter(v, of, plen, step);
        if (!step->word) {
            lens &= before(step->base, part);
            continue;
        }
        lens ^= UINT64_C(1) << top;
        cut(&p.hi, &p.lo, plen, 1);
        bits = filter_bits(v->seed, p.hi, p.lo, plen, 1);
        if ((step->word & bits) == bits && probe(v, &p, 1, now, found))
            return 1;
    }
    return 0;
}

static int find_ipv6(const block_t *b, set_t *set, const prefix_t *p,
                     int64_t now, set_entry_t *found)
{
    step_t step = {129, 0};
    view_t v;

    if (!view_of(b, set, 1, &v))
        return 0;
    for (unsigned part = p->plen / 64 + 1; part-- > 0;) {
        uint64_t lens = up_to(word64_get(&set->lens[part]), part, p);

        if (find_among(&v, lens, part, p, now, &step, found))
            return 1;
    }
    return 0;
}

int set_find(const block_t *b, set_t *set, const prefix_t *p, uint64_t lens,
             int64_t now, set_entry_t *found)
{
    return p->is_ipv6 ? find_ipv6(b, set, p, now, found)
                      : find_ipv4(b, set, p, lens, now, found);
}

/* ---- inserting ---- */

typedef struct aim_t { /* where a record goes */
    prefix_t prefix;
    uint32_t slot;    /* where it is looked for first */
    word64_t *filter; /* the word that it marks... */
    uint64_t mark;    /* ...and how */
    word_t *top;      /* the first word that it marks; IPv4 alone */
} aim_t;

/* Most lists are of addresses alone: what differs for those is a constant to
 * the compiler as well (full). */
SLOT_PER_FAMILY void aim_at(const view_t *v, const uint32_t *record,
                            int is_ipv6, uint32_t full, aim_t *a)
{
    prefix_t *p = &a->prefix;
    uint64_t group;

    slot_prefix(p, record, full, is_ipv6);
    a->slot = block_pick(slot_hash(v->seed, p), v->count);
    __builtin_prefetch(slot_at(v, a->slot, is_ipv6), 1);
    group =
        group_hash(v->seed, p->hi, p->lo, base_of(p->plen, is_ipv6), is_ipv6);
    a->filter = group_word(v, group);
    __builtin_prefetch(a->filter, 1);
    a->mark = filter_mark(v, group, p, is_ipv6);
    if (!is_ipv6) {
        a->top = top_at(v, (uint32_t)(p->hi >> 32));
        __builtin_prefetch(a->top, 1);
        if (p->plen <= v->top_bits)
            a->mark = 0;
    }
}

SLOT_PER_FAMILY void aim(const view_t *v, const uint32_t *record, int is_ipv6,
                         aim_t *a)
{
    if (slot_full(record, is_ipv6))
        aim_at(v, record, is_ipv6, 1, a);
    else
        aim_at(v, record, is_ipv6, 0, a);
}

typedef struct sums_t { /* of a set, while entries go in */
    uint32_t used;
    uint32_t single;
    uint32_t last_end;
    uint64_t lens[SET_LENS];
} sums_t;

SLOT_PER_FAMILY int insert_at(const view_t *v, const uint32_t *record,
                              const aim_t *a, int is_ipv6, uint32_t full,
                              int has_end, sums_t *sums)
{
    const prefix_t p = {a->prefix.hi, a->prefix.lo,
                        full ? (uint8_t)prefix_plen_max(is_ipv6)
                             : a->prefix.plen,
                        (uint8_t)is_ipv6};
    uint32_t until = has_end ? ~record[slot_words(is_ipv6)] : UINT32_MAX;
    uint32_t at = a->slot;
    uint32_t meta = 0;

    if (slot_seek(v, &at, record, full, is_ipv6, &meta)) {
        slot_extend(v, at, record, is_ipv6, has_end);
    }
    else {
        if (meta || block_nearly_full(sums->used, v->count))
            return 0;
        slot_publish(v, at, record, is_ipv6, has_end);
        sums->used++;
        sums->single += full;
        sums->lens[p.plen / 64] |= UINT64_C(1) << p.plen % 64;
        word64_or(a->filter, a->mark);
        if (!is_ipv6)
            top_mark(v, a->top, &p);
    }
    if (sums->last_end < until)
        sums->last_end = until;
    return 1;
}

SLOT_PER_FAMILY int insert(const view_t *v, const uint32_t *record,
                           const aim_t *a, int is_ipv6, int has_end,
                           sums_t *sums)
{
    return slot_full(record, is_ipv6)
               ? insert_at(v, record, a, is_ipv6, 1, has_end, sums)
               : insert_at(v, record, a, is_ipv6, 0, has_end, sums);
}

SLOT_PER_FAMILY size_t insert_all(const view_t *v, const uint32_t *records,
                                  size_t n, int is_ipv6, int has_end,
                                  sums_t *sums)
{
    const size_t words = slot_record_words(is_ipv6, has_end);
    aim_t aims[AHEAD] = {{.slot = 0}}; /* of the next records, in a ring */

    for (size_t i = 0; i < n && i < AHEAD; i++)
        aim(v, records + i * words, is_ipv6, aims + i);
    for (size_t i = 0; i < n; i++) {
        aim_t *a = aims + i % AHEAD;

        if (!insert(v, records + i * words, a, is_ipv6, has_end, sums))
            return i;
        if (i + AHEAD < n)
            aim(v, records + (i + AHEAD) * words, is_ipv6, a);
    }
    return n;
}

SLOT_PER_FAMILY size_t insert_kind(const view_t *v, const uint32_t *records,
                                   size_t n, int is_ipv6, int has_end,
                                   sums_t *sums)
{
    return is_ipv6 ? insert_all(v, records, n, 1, has_end, sums)
                   : insert_all(v, records, n, 0, has_end, sums);
}

size_t set_insert(const block_t *b, set_t *set, int is_ipv6, int has_end,
                  const uint32_t *records, size_t n)
{
    sums_t sums = {word_get(&set->used),
                   word_get(&set->single),
                   word_get(&set->last_end),
                   {0}};
    view_t v;
    size_t done;

    if (!view_of(b, set, is_ipv6, &v))
        return 0;
    if (has_end)
        word_set(&set->has_ends, 1);
    done = has_end ? insert_kind(&v, records, n, is_ipv6, 1, &sums)
                   : insert_kind(&v, records, n, is_ipv6, 0, &sums);
    for (unsigned i = 0; i < SET_LENS; i++)
        word64_or(&set->lens[i], sums.lens[i]);
    word_set(&set->used, sums.used);
    word_set(&set->single, sums.single);
    word_set(&set->last_end, sums.last_end);
    return done;
}
