/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in a slot of a set (set.h), and in a record, which is a slot on
 * its way there: words of 32 bits,
 *
 *     [ address | marker ] [ line << 1 | full ]   and of a record that has an
 *                                                 end [ ~until ]
 *
 * of which the address is 1 word for IPv4 and 4 for IPv6.
 *
 * The length is kept in the address itself: the bit behind the prefix is 1
 * and all behind it are 0.  A prefix of full length has no bit left for that,
 * so "full" says it.  Lines count from 1, so an empty slot is one whose last
 * word is 0.
 *
 * An end is kept inverted, so that 0 is "for ever".
 *
 * Pure functions; any thread.
 */
#ifndef BANLIST_SLOT_H
#define BANLIST_SLOT_H

#include <stdint.h>

#include "hash.h"
#include "prefix.h"

/* What differs between the families is a constant to the compiler: a function
 * that takes is_ipv6 is inlined into others, which call it once for each
 * family. */
#define SLOT_PER_FAMILY static inline __attribute__((always_inline))

SLOT_PER_FAMILY unsigned slot_key_words(int is_ipv6)
{
    return is_ipv6 ? 4 : 1;
}

SLOT_PER_FAMILY unsigned slot_words(int is_ipv6)
{
    return slot_key_words(is_ipv6) + 1;
}

#define SLOT_RECORD_WORDS_MAX 6
SLOT_PER_FAMILY unsigned slot_record_words(int is_ipv6, int has_end)
{
    return slot_words(is_ipv6) + (has_end ? 1 : 0);
}

/* Where the slot of a prefix is looked for. */
static inline uint32_t slot_hash(const hash_seed_t *seed, const prefix_t *p)
{
    return (uint32_t)(hash_prefix(seed, p->hi, p->lo, p->plen) >> 32);
}

/* Makes the key of a prefix.  Returns what the slot's last word says of it. */
SLOT_PER_FAMILY uint32_t slot_key(uint32_t *key, const prefix_t *p, int is_ipv6)
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
SLOT_PER_FAMILY void slot_prefix(prefix_t *p, const uint32_t *key,
                                 uint32_t full, int is_ipv6)
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

/* Whether a slot or record is of a prefix of full length. */
SLOT_PER_FAMILY uint32_t slot_full(const uint32_t *record, int is_ipv6)
{
    return record[slot_key_words(is_ipv6)] & 1;
}

/* line: 1 to 2^31 - 1. */
SLOT_PER_FAMILY void slot_record(uint32_t *record, const prefix_t *p,
                                 int is_ipv6, uint32_t line, int has_end,
                                 uint32_t until)
{
    unsigned words = slot_key_words(is_ipv6);

    record[words] = line << 1 | slot_key(record, p, is_ipv6);
    if (has_end)
        record[words + 1] = ~until;
}

#endif /* BANLIST_SLOT_H */
