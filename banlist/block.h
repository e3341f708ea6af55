/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a block of memory that readers and one writer share.
 *
 * Every word that both touch is atomic.  Loads acquire and stores release
 * throughout: that costs nothing on x86, and it lets shared.c order all of
 * them against a block's serial without a fence.
 *
 * Places in a block are counted in units of 8 bytes from its start, and
 * checked against its size before they are used: a reader may be in a block
 * that is being built anew, and then reads whatever stands there.
 */
#ifndef BANLIST_BLOCK_H
#define BANLIST_BLOCK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"

typedef _Atomic uint32_t word_t;
typedef _Atomic uint64_t word64_t;

_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2,
               "processes share these words: they must be lock-free");

typedef struct block_t {
    void *base;              /* 8-byte aligned */
    size_t size;             /* bytes that may be touched */
    const hash_seed_t *seed; /* the same for all who use the block */
} block_t;

static inline uint32_t word_get(word_t *w)
{
    /* acquire: pairs with word_set() */
    return atomic_load_explicit(w, memory_order_acquire);
}

static inline void word_set(word_t *w, uint32_t v)
{
    /* release: pairs with word_get() */
    atomic_store_explicit(w, v, memory_order_release);
}

static inline uint64_t word64_get(word64_t *w)
{
    /* acquire: pairs with word64_or() */
    return atomic_load_explicit(w, memory_order_acquire);
}

/* One writer: what it reads here nobody else has changed.  It stores what was
 * there already too: a branch on that is one that nobody can predict. */
static inline void word64_or(word64_t *w, uint64_t bits)
{
    uint64_t old = atomic_load_explicit(w, memory_order_relaxed);

    atomic_store_explicit(w, old | bits, memory_order_release);
}

static inline void word_or(word_t *w, uint32_t bits)
{
    uint32_t old = atomic_load_explicit(w, memory_order_relaxed);

    atomic_store_explicit(w, old | bits, memory_order_release);
}

static inline void *block_at(const block_t *b, uint32_t units)
{
    return (char *)b->base + (size_t)units * 8;
}

/* Whether count things of size bytes each, from units on, are in the block. */
static inline int block_has(const block_t *b, uint32_t units, uint64_t count,
                            size_t size)
{
    return (uint64_t)units * 8 + count * size <= b->size;
}

static inline uint64_t block_round(uint64_t bytes)
{
    return (bytes + 7) & ~UINT64_C(7);
}

/* Which of count, in proportion to the hash. */
static inline uint32_t block_pick(uint32_t hash, uint32_t count)
{
    return (uint32_t)((uint64_t)hash * count >> 32);
}

/* Open addressing: slots for n entries, with room for a quarter more, which
 * is what later lines append to before the list has to be built anew. */
static inline uint64_t block_slots(uint64_t n)
{
    return n + n / 4 + 64;
}

/* Nine slots in ten at most, so that probes stay short. */
static inline uint32_t block_slots_usable(uint32_t slots)
{
    return slots - slots / 10;
}

static inline int block_nearly_full(uint32_t used, uint32_t slots)
{
    return used >= block_slots_usable(slots);
}

#endif /* BANLIST_BLOCK_H */
