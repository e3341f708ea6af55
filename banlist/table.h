/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table: the prefixes and names of one list, flat in a block of memory
 * that the caller owns.
 *
 *     [ head ][ 4 sets of prefixes ][ 2 sets of names ][ text of the names ]
 *               IPv4, IPv6, each      bans, exceptions
 *               bans, exceptions
 *     [ the ends of the sets of prefixes: first those that have any ]
 *
 * The block may be mapped anywhere, at another address in each process.
 *
 * READERS AND THE WRITER.  One writer inserts while any number of readers
 * look up, without locks (set.h says how).  A reader may even read a block
 * that is being cleared and built anew: it then gets a wrong answer, never a
 * wild access, because each place is checked against the size of the block;
 * shared.h finds out and asks again.  Entries are never taken out: a list
 * that lost one is built anew in another block.
 */
#ifndef BANLIST_TABLE_H
#define BANLIST_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "block.h"
#include "names.h"
#include "prefix.h"
#include "set.h"

#pragma GCC visibility push(hidden)

#define TABLE_FOREVER UINT32_MAX /* the end of an entry that has none */
#define TABLE_LINE_MAX 0x7fffffffu
#define TABLE_NAME_MAX 255

typedef block_t table_t;

typedef struct table_head_t { /* in the block; table.c's own */
    set_t set[2][2];          /* [is_ipv6][except] */
    names_t names[2];
    names_text_t text;
} table_head_t;

/* What a block must have room for. */
typedef struct table_plan_t {
    uint64_t prefixes[2][2]; /* [is_ipv6][except] */
    uint64_t ends[2][2];     /* how many of them have an end */
    uint64_t names[2];       /* [except] */
    uint64_t name_bytes;     /* of all names together */
} table_plan_t;

typedef struct table_entry_t {
    prefix_t prefix;
    const char *name; /* not NULL: a name instead, name_len bytes */
    size_t name_len;
    uint32_t until; /* Unix time in seconds, or TABLE_FOREVER */
    uint32_t line;
    int except; /* 0 or 1 */
} table_entry_t;

typedef struct table_match_t {
    prefix_t prefix; /* the entry that matched; for a name see name */
    uint32_t until;
    uint32_t line;
    int except; /* an exception matched: not banned by this list */
    char name[TABLE_NAME_MAX + 1]; /* set by table_find_name() alone */
} table_match_t;

typedef struct table_counts_t {
    uint64_t prefixes[2][2];  /* distinct ones, [is_ipv6][except] */
    uint64_t addresses[2][2]; /* of them, those of full length */
    uint64_t names[2];
} table_counts_t;

/* Bytes of the block that the plan needs, its slack for appending included;
 * 0 if no block can be that large. */
size_t table_bytes(const table_plan_t *plan);

/* Of these, the bytes from the start on that it will use: the memory of ends
 * that nobody has is not touched. */
size_t table_bytes_used(const table_plan_t *plan);

/* Lays an empty table into t->base, which must be all zero bytes.  t->size
 * must be at least table_bytes(plan). */
void table_init(const table_t *t, const table_plan_t *plan);

/* Whether what is planned surely fits in besides what is there.  Writer only. */
int table_has_room(const table_t *t, const table_plan_t *plan);

/* The memory that the first ends in a set would use: *size bytes that must be
 * sure to be had before what is planned goes in.  NULL if the plan has none
 * for this set, or there are some already.  Writer only. */
void *table_first_ends(const table_t *t, const table_plan_t *plan, int is_ipv6,
                       int except, size_t *size);

/*
 * Inserts n entries; one that is there already keeps the later end, with its
 * line.  Returns how many were done: fewer than n when the table is full,
 * and then it is whole with those in it.  Memory for a first end
 * (table_first_ends()) must be sure to be had.  Writer only.
 */
size_t table_insert(const table_t *t, const table_entry_t *e, size_t n);

/* Where records (slot.h) go, all with an end or all without. */
typedef struct table_goal_t {
    const table_t *table;
    int is_ipv6;
    int except;
    int has_end;
} table_goal_t;

/* The same for n records of prefixes alone, faster. */
size_t table_insert_records(const table_goal_t *goal, const uint32_t *records,
                            size_t n);

/*
 * Whether the list bans the address (a prefix of full length) at the time
 * now, in Unix seconds.  1: banned, by *m.  0: not; m->except says whether
 * that is because of an exception, which then is *m.  The longest prefix
 * that has not ended is the one that is told.  Also answers for a shorter
 * prefix: 1 if one entry covers all of it.
 */
static inline int table_find(const table_t *t, const prefix_t *addr,
                             int64_t now, table_match_t *m);

/* The same for a host name in lower case, without a trailing dot. */
int table_find_name(const table_t *t, const char *name, size_t len, int64_t now,
                    table_match_t *m);

/* Whether a name could match now: [0] banned ones, [1] exceptions. */
int table_has_names(const table_t *t, int except, int64_t now);

void table_counts(const table_t *t, table_counts_t *out);

/* Bytes of the block that are in use. */
size_t table_memory(const table_t *t);

/* ---- inside ---- */

int table_find_in(const table_t *t, int except, const prefix_t *addr,
                  uint64_t lens, int64_t now, table_match_t *m);

static inline int table_may_find(const table_t *t, int except,
                                 const prefix_t *addr, int64_t now,
                                 table_match_t *m)
{
    set_t *set = &((table_head_t *)t->base)->set[addr->is_ipv6][except];
    uint64_t lens = set_live(set, now) ? set_lens(t, set, addr) : 0;

    return lens && table_find_in(t, except, addr, lens, now, m);
}

/* In line, as every request comes by here. */
static inline int table_find(const table_t *t, const prefix_t *addr,
                             int64_t now, table_match_t *m)
{
    m->except = table_may_find(t, 1, addr, now, m);
    return !m->except && table_may_find(t, 0, addr, now, m);
}

#pragma GCC visibility pop

#endif /* BANLIST_TABLE_H */
