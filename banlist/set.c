/* SPDX-License-Identifier: Apache-2.0 */
#include "set.h"

/* What differs between the families is a constant to the compiler: a function
 * that takes is_ipv6 is inlined into the public ones, which call it once for
 * each family. */
#define PER_FAMILY static inline __attribute__((always_inline))

/* Kept out of line, so that the way of most requests saves no registers for
 * it. */
#define FURTHER static __attribute__((noinline))

/* Records whose words are fetched ahead of their use. */
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

void set_init(set_t *set, uint64_t at, uint64_t n, int is_ipv6)
{
    uint64_t filter_at = at + top_bytes(n, is_ipv6) / 8;
    uint64_t slots_at = filter_at + filter_words(n, is_ipv6);

    word_set(&set->top_at, (uint32_t)at);
    word_set(&set->top_bits, top_bits(n));
    word_set(&set->filter_at, (uint32_t)filter_at);
    word_set(&set->filter_mask, (uint32_t)(filter_words(n, is_ipv6) - 1));
    word_set(&set->slots_at, (uint32_t)slots_at);
    word_set(&set->slots, (uint32_t)block_slots(n));
}

typedef struct view_t { /* a set's parts, their places checked */
    const hash_seed_t *seed;
    word64_t *filter;
    word_t *slots;
    uint32_t filter_mask;
    uint32_t count;
    word_t *top; /* IPv4 alone */
    uint32_t top_bits;
} view_t;

PER_FAMILY int view_of(const block_t *b, set_t *set, int is_ipv6, view_t *v)
{
    uint32_t filter_at = word_get(&set->filter_at);
    uint32_t slots_at = word_get(&set->slots_at);

    v->seed = b->seed;
    v->filter_mask = word_get(&set->filter_mask);
    v->count = word_get(&set->slots);
    v->filter = block_at(b, filter_at);
    v->slots = block_at(b, slots_at);
    v->top = is_ipv6 ? NULL : block_at(b, word_get(&set->top_at));
    v->top_bits = is_ipv6 ? 0 : word_get(&set->top_bits) & 31;
    return block_has(b, filter_at, (uint64_t)v->filter_mask + 1, 8)
           && block_has(b, slots_at, v->count, slot_words(is_ipv6) * 4);
}

/* ---- slots ---- */

PER_FAMILY unsigned key_words(int is_ipv6)
{
    return is_ipv6 ? 4 : 1;
}

/* What a slot holds of a prefix, in as many words of key.  Returns what the
 * last word of the slot says of it. */
PER_FAMILY uint32_t key_make(uint32_t *key, const prefix_t *p, int is_ipv6)
{
    uint64_t hi = p->hi, lo = p->lo;
    uint32_t full = p->plen == prefix_plen_max(is_ipv6);

    if (p->plen < 64)
        hi |= full ? 0 : UINT64_C(1) << (63 - p->plen);
    else if (!full)
        lo |= UINT64_C(1) << (127 - p->plen);
    key[0] = (uint32_t)(hi >> 32);
    if (is_ipv6) {
        key[1] = (uint32_t)hi;
        key[2] = (uint32_t)(lo >> 32);
        key[3] = (uint32_t)lo;
    }
    return full;
}

/* The prefix again, of which the key was made. */
PER_FAMILY void key_read(const uint32_t *key, uint32_t full, int is_ipv6,
                         prefix_t *p)
{
    p->hi = (uint64_t)key[0] << 32 | (is_ipv6 ? key[1] : 0);
    p->lo = is_ipv6 ? (uint64_t)key[2] << 32 | key[3] : 0;
    p->is_ipv6 = (uint8_t)is_ipv6;
    if (full) {
        p->plen = (uint8_t)prefix_plen_max(is_ipv6);
    }
    else if (p->lo) {
        p->plen = (uint8_t)(127 - __builtin_ctzll(p->lo));
        p->lo &= p->lo - 1;
    }
    else {
        p->plen = (uint8_t)(63 - __builtin_ctzll(p->hi));
        p->hi &= p->hi - 1;
    }
}

PER_FAMILY uint32_t slot_meta(word_t *slot, int is_ipv6)
{
    /* acquires what slot_publish() wrote */
    return word_get(slot + key_words(is_ipv6) + 1);
}

PER_FAMILY int slot_has(word_t *slot, uint32_t meta, const uint32_t *key,
                        uint32_t full, int is_ipv6)
{
    for (unsigned i = 0; i < key_words(is_ipv6); i++) {
        if (word_get(slot + i) != key[i])
            return 0;
    }
    return (meta & 1) == full;
}

/* Key and end first, the word that makes it a slot in use last. */
PER_FAMILY void slot_publish(word_t *slot, const uint32_t *record, int is_ipv6)
{
    for (unsigned i = 0; i < slot_words(is_ipv6); i++)
        word_set(slot + i, record[i]);
}

/* The later end counts, with its line. */
PER_FAMILY void slot_extend(word_t *slot, const uint32_t *record, int is_ipv6)
{
    unsigned words = key_words(is_ipv6);

    if (word_get(slot + words) < record[words]) {
        word_set(slot + words, record[words]);
        word_set(slot + words + 1, record[words + 1]);
    }
}

PER_FAMILY word_t *slot_first(const view_t *v, uint32_t hash, int is_ipv6)
{
    return v->slots + block_pick(hash, v->count) * slot_words(is_ipv6);
}

/* The slot of the key, or the empty one where it would stand, or NULL if
 * neither is to be found. */
PER_FAMILY word_t *slot_seek(const view_t *v, uint32_t hash,
                             const uint32_t *key, uint32_t full, int is_ipv6,
                             uint32_t *meta)
{
    size_t stride = slot_words(is_ipv6);
    word_t *slot = slot_first(v, hash, is_ipv6);
    word_t *end = v->slots + v->count * stride;

    for (uint32_t tries = v->count; tries; tries--) {
        *meta = slot_meta(slot, is_ipv6);
        if (!*meta || slot_has(slot, *meta, key, full, is_ipv6))
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
PER_FAMILY uint64_t filter_bits(const hash_seed_t *seed, uint64_t hi,
                                uint64_t lo, unsigned plen, int is_ipv6)
{
    uint64_t h = (hi + plen) * (seed->k[2] | 1);

    return three_bits(is_ipv6 ? h + lo * (seed->k[3] | 1) : h);
}

/* Where the step of a length begins.  The bases are chosen so that most groups
 * are empty for an address drawn at random: networks are given out from /28 or
 * so on in IPv6. */
PER_FAMILY unsigned base_of(unsigned plen, int is_ipv6)
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
PER_FAMILY uint64_t group_hash(const hash_seed_t *seed, uint64_t hi,
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

PER_FAMILY void filter_mark(const view_t *v, uint64_t group, const prefix_t *p,
                            int is_ipv6)
{
    word64_or(group_word(v, group),
              three_bits(group)
                  | filter_bits(v->seed, p->hi, p->lo, p->plen, is_ipv6));
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

static inline void top_mark(const view_t *v, const prefix_t *p)
{
    uint32_t first = (uint32_t)(p->hi >> 32);
    word_t *word = top_at(v, first);
    word_t *end = top_at(v, first | (UINT32_MAX >> (p->plen - 1) >> 1));

    do
        word_or(word, UINT32_C(1) << (p->plen - 1));
    while (++word <= end);
}

/* ---- finding ---- */

static inline uint32_t slot_hash(const hash_seed_t *seed, const prefix_t *p)
{
    return (uint32_t)(hash_prefix(seed, p->hi, p->lo, p->plen) >> 32);
}

PER_FAMILY int probe(const view_t *v, const prefix_t *p, int is_ipv6,
                     int64_t now, set_entry_t *found)
{
    uint32_t key[4], meta;
    uint32_t full = key_make(key, p, is_ipv6);
    word_t *slot =
        slot_seek(v, slot_hash(v->seed, p), key, full, is_ipv6, &meta);

    if (!slot || !meta)
        return 0;
    found->until = word_get(slot + key_words(is_ipv6));
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

PER_FAMILY void record_make(uint32_t *record, const hash_seed_t *seed,
                            const prefix_t *p, int is_ipv6, uint32_t until,
                            uint32_t line)
{
    uint32_t full = key_make(record, p, is_ipv6);

    record += key_words(is_ipv6);
    record[0] = until;
    record[1] = line << 1 | full;
    record[2] = slot_hash(seed, p);
}

void set_record(uint32_t *record, const hash_seed_t *seed, const prefix_t *p,
                uint32_t until, uint32_t line)
{
    if (p->is_ipv6)
        record_make(record, seed, p, 1, until, line);
    else
        record_make(record, seed, p, 0, until, line);
}

typedef struct aim_t { /* where a record goes */
    prefix_t prefix;
    uint64_t group; /* hash of the filter word */
} aim_t;

PER_FAMILY void aim(const view_t *v, const uint32_t *record, int is_ipv6,
                    aim_t *a)
{
    uint32_t hash = record[SET_RECORD_WORDS(is_ipv6) - 1];

    key_read(record, record[key_words(is_ipv6) + 1] & 1, is_ipv6, &a->prefix);
    a->group = group_hash(v->seed, a->prefix.hi, a->prefix.lo,
                          base_of(a->prefix.plen, is_ipv6), is_ipv6);
    __builtin_prefetch(slot_first(v, hash, is_ipv6), 1);
    __builtin_prefetch(group_word(v, a->group), 1);
    if (!is_ipv6)
        __builtin_prefetch(top_at(v, (uint32_t)(a->prefix.hi >> 32)), 1);
}

typedef struct sums_t { /* of a set, while entries go in */
    uint32_t used;
    uint32_t single;
    uint32_t last_end;
    uint64_t lens[SET_LENS];
} sums_t;

PER_FAMILY int insert(const view_t *v, const uint32_t *record, const aim_t *a,
                      int is_ipv6, sums_t *sums)
{
    const prefix_t *p = &a->prefix;
    uint32_t hash = record[SET_RECORD_WORDS(is_ipv6) - 1];
    uint32_t until = record[key_words(is_ipv6)];
    uint32_t full = record[key_words(is_ipv6) + 1] & 1;
    uint32_t meta;
    word_t *slot = slot_seek(v, hash, record, full, is_ipv6, &meta);

    if (slot && meta) {
        slot_extend(slot, record, is_ipv6);
    }
    else {
        if (!slot || block_nearly_full(sums->used, v->count))
            return 0;
        slot_publish(slot, record, is_ipv6);
        sums->used++;
        sums->single += full;
        sums->lens[p->plen / 64] |= UINT64_C(1) << p->plen % 64;
        if (is_ipv6 || p->plen > v->top_bits)
            filter_mark(v, a->group, p, is_ipv6);
        if (!is_ipv6)
            top_mark(v, p);
    }
    if (sums->last_end < until)
        sums->last_end = until;
    return 1;
}

PER_FAMILY size_t insert_all(const view_t *v, const uint32_t *records, size_t n,
                             int is_ipv6, sums_t *sums)
{
    const size_t words = SET_RECORD_WORDS(is_ipv6);
    aim_t aims[AHEAD]; /* of the next records, in a ring */

    for (size_t i = 0; i < n && i < AHEAD; i++)
        aim(v, records + i * words, is_ipv6, aims + i);
    for (size_t i = 0; i < n; i++) {
        aim_t *a = aims + i % AHEAD;

        if (!insert(v, records + i * words, a, is_ipv6, sums))
            return i;
        if (i + AHEAD < n)
            aim(v, records + (i + AHEAD) * words, is_ipv6, a);
    }
    return n;
}

size_t set_insert(const block_t *b, set_t *set, int is_ipv6,
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
    done = is_ipv6 ? insert_all(&v, records, n, 1, &sums)
                   : insert_all(&v, records, n, 0, &sums);
    for (unsigned i = 0; i < SET_LENS; i++)
        word64_or(&set->lens[i], sums.lens[i]);
    word_set(&set->used, sums.used);
    word_set(&set->single, sums.single);
    word_set(&set->last_end, sums.last_end);
    return done;
}
