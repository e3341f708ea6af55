/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list in memory that all processes of a server share.
 *
 *     [ head: serial, seed, report, figures ][ block 0 ][ block 1 ]
 *
 * The one writer (the loader process) builds a whole new table in the block
 * that is not in force, then publishes it by raising the serial: its lowest
 * bit says which block is in force.  Single entries are inserted into the
 * block in force (table.h says how that is seen).
 *
 * READERS take no lock, wait for nobody and write nothing: shared_find()
 * notes the serial, looks up, and looks up again if the serial has moved
 * meanwhile.  That is right because the writer touches a block only after
 * the serial has left it: whoever read a byte of a block being rebuilt also
 * finds the serial moved.  (shared_publish() stores the serial, then every
 * store to the old block releases; a reader's loads acquire, then it loads
 * the serial.  t/model/publish.pml is the proof, t/unit/publish.c the stress.)
 *
 * ONE WRITER at a time is the callers' affair: the parent sees the old loader
 * gone before it starts the next.  A writer that is killed leaves what is
 * published whole, and its successor begins the spare block afresh.
 *
 * The mapping is made before fork() and inherited; nothing in it is a
 * pointer.  Functions that can fail return 0 or an errno value, and then
 * nothing has changed.
 */
#ifndef BANLIST_SHARED_H
#define BANLIST_SHARED_H

#include <stddef.h>
#include <stdint.h>

#include "table.h"

#pragma GCC visibility push(hidden)

#define SHARED_FIGURE_SLOTS 256 /* processes that count apart; more share */
#define SHARED_BAD_MAX 5        /* bad lines that are kept with their text */
#define SHARED_MINUTES 60

typedef enum shared_state_e {
    SHARED_NEVER = 0, /* nothing was ever loaded */
    SHARED_LOADED,
    SHARED_MISSING,     /* there is no such file */
    SHARED_UNREADABLE,  /* error says why */
    SHARED_NOT_REGULAR, /* a directory, a FIFO, a device, a socket */
    SHARED_TOO_BIG      /* needs more memory than is set aside */
} shared_state_e;

typedef enum shared_how_e {
    SHARED_FULL = 0, /* read and built anew */
    SHARED_APPENDED  /* read on from where the file had ended */
} shared_how_e;

typedef struct shared_bad_t {
    uint64_t line;
    char reason[56];
    char text[64]; /* the line, cut; any bytes but NUL */
} shared_bad_t;

/* What there is to say of a list; the loader writes it, anybody reads it.
 * Times are Unix time in microseconds, 0 for never. */
typedef struct shared_report_t {
    uint32_t state; /* shared_state_e: of the file, now */
    int32_t error;  /* errno of SHARED_UNREADABLE */
    int64_t since;  /* when that state began */
    uint32_t how;   /* shared_how_e: the last load */
    uint32_t loader_pid;
    int64_t loaded_at;
    int64_t took;   /* microseconds */
    int64_t mtime;  /* of the file, when it was last loaded */
    uint64_t loads; /* full ones */
    uint64_t appends;
    uint64_t lines;
    uint64_t bytes;   /* of the file */
    uint64_t entries; /* lines that named somebody, doubles included */
    uint64_t bad;
    uint64_t memory; /* bytes in use of the block in force */
    uint64_t needed; /* SHARED_TOO_BIG: bytes that BanListMemory lacks:
                          * the value it should at least have */
    uint64_t needed_entries;
    table_counts_t counts;
    shared_bad_t bad_line[SHARED_BAD_MAX];
} shared_report_t;

typedef enum shared_figure_e {
    SHARED_REFUSED = 0, /* answered with a status or an aborted connection */
    SHARED_CLOSED,      /* refused when the connection was made */
    SHARED_MARKED,      /* DetectionOnly or BanListExempt: marked alone */
    SHARED_FIGURES
} shared_figure_e;

typedef struct shared_history_t {
    int64_t minute;                   /* Unix time / 60 of the newest */
    uint64_t refused[SHARED_MINUTES]; /* by shared_minute_index() */
    uint64_t noted; /* of all refusals, those that were noted so far */
} shared_history_t;

/* Where a minute stands in it, of a clock that nobody has set (1970) too. */
static inline int shared_minute_index(int64_t minute)
{
    return (int)((minute % SHARED_MINUTES + SHARED_MINUTES) % SHARED_MINUTES);
}

struct shared_head_t;

typedef struct shared_t { /* one process's handle; may be copied freely */
    struct shared_head_t *head;
    size_t size;       /* bytes mapped */
    size_t block_size; /* bytes that a block may have */
} shared_t;

/* Sets memory bytes of address space aside (at least SHARED_MIN), which all
 * processes forked from this one share.  Memory is used as blocks fill. */
#define SHARED_MIN ((size_t)1 << 20)
int shared_create(shared_t *s, size_t memory, const hash_seed_t *seed);
void shared_destroy(shared_t *s);

/* Whether the mapping is one of ours and of this version: after a restart
 * another version of the module may find what the last one left. */
int shared_is_ours(const shared_t *s);

const hash_seed_t *shared_seed(const shared_t *s);

/* A random seed from the system.  0 or an errno value. */
int shared_make_seed(hash_seed_t *seed);

/* ---- readers: any process, any thread ---- */

/* As table_find(), table_find_name() and table_has_names(), of the table in
 * force.  Before anything is published: 0. */
int shared_find(const shared_t *s, const prefix_t *addr, int64_t now,
                table_match_t *m);
int shared_find_name(const shared_t *s, const char *name, size_t len,
                     int64_t now, table_match_t *m);
int shared_has_names(const shared_t *s, int except, int64_t now);

/* A copy as it stood at one moment. */
void shared_report(const shared_t *s, shared_report_t *out);
void shared_history(const shared_t *s, shared_history_t *out);

uint64_t shared_serial(const shared_t *s);

/* ---- figures: any process, any thread ---- */

/* Adds one to a figure.  slot: this process's own, below
 * SHARED_FIGURE_SLOTS, so that no two processes write the same line. */
void shared_count(const shared_t *s, unsigned slot, shared_figure_e figure);

/* The sum over all slots. */
uint64_t shared_figure(const shared_t *s, shared_figure_e figure);

/* ---- the writer: the loader process alone ---- */

/* Bytes that one block may have. */
size_t shared_block_size(const shared_t *s);

/* The memory setting that a block of this size would need. */
size_t shared_memory_for(size_t block_size);

/* The block not in force, all zero, for a table of this plan, whose
 * table_bytes() are at most shared_block_size().  ENOMEM where the system has
 * not that much. */
int shared_spare(const shared_t *s, const table_plan_t *plan, table_t *t);

/* Puts the spare block in force and frees the memory of the other. */
void shared_publish(const shared_t *s);

/* The table in force, to insert what is planned into.  ENOSPC where there is
 * none or it has not the room, ENOMEM where the system has not. */
int shared_current(const shared_t *s, const table_plan_t *plan, table_t *t);

void shared_set_report(const shared_t *s, const shared_report_t *r);

/* Once a minute or oftener: notes what was refused since the last call. */
void shared_set_history(const shared_t *s, int64_t now);

/* Room that is the writer's own and outlives it: what it must know to read
 * on where the last one stopped.  All zero at first. */
#define SHARED_PROGRESS_SIZE 1024
void *shared_progress(const shared_t *s);

#pragma GCC visibility pop

#endif /* BANLIST_SHARED_H */
