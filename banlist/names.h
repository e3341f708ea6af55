/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of host names in a block: slots (open addressing), and the texts that
 * all sets of names in the block share.
 *
 * A slot is [ place of its text ] [ until ] [ line << 1 | 1 ]; a text is one
 * byte of length and the bytes.  A name that begins with a dot stands for
 * every name below it.  Readers and the writer as in set.h.
 */
#ifndef BANLIST_NAMES_H
#define BANLIST_NAMES_H

#include "block.h"

#pragma GCC visibility push(hidden)

#define NAMES_LEN_MAX 255

typedef struct names_t { /* in the block */
    word_t slots_at;
    word_t slots;
    word_t used;
    word_t last_end;
} names_t;

typedef struct names_text_t { /* in the block */
    word_t at;
    word_t size;
    word_t used;
    word_t unused;
} names_text_t;

typedef struct names_entry_t {
    const char *name; /* lower case, 1 to NAMES_LEN_MAX bytes, no NUL */
    size_t len;
    uint32_t until;
    uint32_t line;
} names_entry_t;

uint64_t names_bytes(uint64_t n);
void names_init(names_t *names, uint64_t at, uint64_t n);
uint64_t names_text_bytes(uint64_t n, uint64_t bytes);
void names_text_init(names_text_t *text, uint64_t at, uint64_t n,
                     uint64_t bytes);

/* 0 when it is full.  Writer only. */
int names_insert(const block_t *b, names_t *names, names_text_t *text,
                 const names_entry_t *e);

/* The name itself, or the closest ".domain" that it is below, if that has
 * not ended by now.  found->name points into name. */
int names_find(const block_t *b, names_t *names, names_text_t *text,
               const char *name, size_t len, int64_t now, names_entry_t *found);

/* Whether any has not ended. */
int names_live(names_t *names, int64_t now);

#pragma GCC visibility pop

#endif /* BANLIST_NAMES_H */
