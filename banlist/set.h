/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of prefixes of one family in a block:
 *
 *     [ top, IPv4 alone ][ filter: 64-bit words ][ slots ]
 *
 * A lookup asks which prefix lengths can hold the address and probes the
 * slots for those alone, longest first.
 *
 * TOP.  A word for each value of the first bits of an address, in which bit
 * plen - 1 says that a prefix of this length is there.  Lengths up to as many
 * bits it tells exactly; of the longer ones it leaves the few that occur
 * beneath.  Where the word is 0 that is the answer.
 *
 * FILTER.  The lengths from one base up to the next (a step) share one word,
 * found by the address cut to the base.  In it each entry has set three bits
 * for its group (the address cut to the base) and three for itself; so a step
 * costs one load where the group is empty, and an address that is not in the
 * set costs a few loads however many lengths the set has.
 *
 * SLOTS.  Open addressing, probed for the lengths that are left, longest
 * first.  A slot (slot.h) is 2 words of 32 bits for IPv4 and 5 for IPv6.
 *
 * ENDS.  A word for each slot, elsewhere in the block.  Most lists have no
 * end in them; as long as none has come in, nobody touches these words, and
 * they take no memory.
 *
 * RECORDS.  What goes in is a slot as it will stand, and behind it the end if
 * it has one.  Whoever has many of them brings them sorted, roughly will do,
 * by set_part(): then they go into slots that lie side by side, and the
 * processor's caches hold them.
 *
 * READERS AND THE WRITER.  Of a slot the end is written first, then the key;
 * it becomes visible by its last word (slot_publish() releases, slot_meta()
 * acquires).  Filter and top follow; a reader in between does not find the
 * entry yet.
 *
 * The weakness that is known: entries so dense that they fill a step's word
 * (hundreds in one /24, thousands in one IPv6 /96) make the filter useless
 * for their neighbourhood; a lookup there costs one probe for each length in
 * use.
 */
#ifndef BANLIST_SET_H
#define BANLIST_SET_H

#include "block.h"
#include "prefix.h"
#include "slot.h"

#pragma GCC visibility push(hidden)

#define SET_LENS 3

typedef struct set_t { /* in the block; all zero is an empty set of none */
    word_t filter_at;
    word_t filter_mask; /* words in the filter, a power of two, less one */
    word_t slots_at;
    word_t slots; /* how many there are */
    word_t ends_at;
    word_t has_ends; /* ends may not be zero: somebody has one */
    word_t top_at;
    word_t top_bits;         /* of an address that choose a word of the top */
    word_t last_end;         /* the latest end: once it is past, none is left */
    word64_t lens[SET_LENS]; /* bit i of word w: length 64 * w + i is in */
    word_t used;             /* lookups read what is before this */
    word_t single;           /* of these, of full length */
} set_t;

typedef struct set_entry_t {
    prefix_t prefix;
    uint32_t until; /* Unix time in seconds; UINT32_MAX: for ever */
    uint32_t line;  /* 1 to 2^31 - 1 */
} set_entry_t;

/* Bytes that a set of n prefixes takes in a block, without its ends. */
uint64_t set_bytes(uint64_t n, int is_ipv6);

/* Bytes that the ends of such a set take, where it has any. */
uint64_t set_ends_bytes(uint64_t n);

/* Lays an empty one into the zero bytes from the place at on, and its ends
 * into those from ends_at on (units). */
void set_init(set_t *set, uint64_t at, uint64_t ends_at, uint64_t n,
              int is_ipv6);

/* Of 2^SET_PART_BITS parts of a set's slots, whatever its size and its ends,
 * the one that the prefix goes to. */
#define SET_PART_BITS 6
static inline unsigned set_part(const hash_seed_t *seed, const prefix_t *p)
{
    return slot_hash(seed, p) >> (32 - SET_PART_BITS);
}

/* Inserts n records of the family, all with an end or all without; an entry
 * that is there already keeps the later end, with its line.  Returns how many
 * were done: fewer when it is full.  Before the first with an end, all bytes
 * of the ends must be sure to be had.  Writer only. */
size_t set_insert(const block_t *b, set_t *set, int is_ipv6, int has_end,
                  const uint32_t *records, size_t n);

/* Whether any entry can still count: not once the latest end is past. */
static inline int set_live(set_t *set, int64_t now)
{
    uint32_t last_end = word_get(&set->last_end);

    return now < last_end || last_end == UINT32_MAX;
}

/* The lengths that an entry which covers the prefix can have, for set_find();
 * 0: surely there is none, which is the answer for most clients of most
 * sites.  Any reader. */
uint64_t set_lens(const block_t *b, set_t *set, const prefix_t *p);

/* Whether an entry that has not ended by now covers the prefix; the longest
 * one then is *found.  lens: what set_lens() says, and not 0.  Any reader. */
int set_find(const block_t *b, set_t *set, const prefix_t *p, uint64_t lens,
             int64_t now, set_entry_t *found);

#pragma GCC visibility pop

#endif /* BANLIST_SET_H */
