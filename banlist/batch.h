/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch: entries that have been read and are not in a table yet.
 *
 * A table must know its size before the first entry goes in, and nothing
 * may go into one before it is certain that the file was read whole and
 * unchanged; so entries wait here, as they will stand in the table.
 *
 * Memory is the process's own.  One thread.
 */
#ifndef BANLIST_BATCH_H
#define BANLIST_BATCH_H

#include "reader.h"
#include "records.h"
#include "table.h"

#pragma GCC visibility push(hidden)

typedef struct batch_name_t {
    size_t text; /* place in the text */
    uint32_t until;
    uint32_t line;
    uint8_t len;
    uint8_t except;
} batch_name_t;

typedef struct batch_items_t { /* a vector */
    void *item;
    size_t n;
    size_t room;
} batch_items_t;

typedef struct batch_t {
    const hash_seed_t *seed;
    records_t prefixes[2][2][2]; /* [is_ipv6][except][has_end] */
    records_heap_t heap;
    batch_items_t names;
    batch_items_t text;
    table_plan_t plan; /* what is in it; doubles count each time */
    uint64_t entries;  /* lines that named somebody */
    size_t limit;      /* bytes of the table that must hold it */
    int over;          /* it cannot: from here on entries are only counted */
    int error;         /* ENOMEM: some were lost; the batch is of no use */
} batch_t;

/* For a table of this seed, which is not copied. */
void batch_init(batch_t *b, const hash_seed_t *seed, size_t limit);
void batch_free(batch_t *b);

/* Errors are noted in b->error and b->over, to be looked at in the end. */
void batch_add(batch_t *b, const reader_entry_t *e);

/* Inserts all: of one prefix those without an end, then those with one, and of
 * these and of one name those that came first go in first.  0, or -1 when the
 * table is full. */
int batch_insert(const batch_t *b, const table_t *t);

#pragma GCC visibility pop

#endif /* BANLIST_BATCH_H */
