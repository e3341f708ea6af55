/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records (set.h) that wait to be inserted, by the part of the slots that
 * they will go to; those of one part in the order in which they came.
 *
 * A long list takes as much memory here as in its table, for a moment.  It is
 * taken from the system in large pieces, in huge pages where there are some,
 * and given back whole.  One thread.
 */
#ifndef BANLIST_RECORDS_H
#define BANLIST_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#include "set.h"

#pragma GCC visibility push(hidden)

#define RECORDS_PARTS (1u << SET_PART_BITS)

typedef struct records_heap_t { /* all zero: empty */
    char *free;
    char *end;
    struct records_slab_t *slabs;
    size_t last_size;
} records_heap_t;

typedef struct records_part_t {
    uint32_t *next; /* where the next record goes, in the last chunk */
    uint32_t *end;
    struct records_chunk_t *first;
    struct records_chunk_t *last;
} records_part_t;

typedef struct records_t { /* all of as many words; all zero: none */
    records_part_t part[RECORDS_PARTS];
} records_t;

/* Whether the heap must ask the system for more before the next chunk. */
int records_heap_is_used_up(const records_heap_t *heap);

/* 0 or ENOMEM. */
int records_heap_grow(records_heap_t *heap);
void records_heap_free(records_heap_t *heap);

/* A chunk for this part of records of so many words, from the heap, which must
 * not be used up. */
void records_part_grow(records_part_t *part, records_heap_t *heap,
                       unsigned words);

/* Hands over all records, part after part, some at a time; take() returns how
 * many of n it took.  Whether it took all. */
int records_each(const records_t *r, unsigned words,
                 size_t (*take)(void *ctx, const uint32_t *records, size_t n),
                 void *ctx);

#pragma GCC visibility pop

#endif /* BANLIST_RECORDS_H */
