/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a file that has to be read anew may be: not while somebody is
 * filling it again, for what is there then is no list of theirs.
 *
 * Told by how long the file has been still, and by the kernel's notices, of
 * which none is proof: one may have been missed, or be of the writer before.
 * Pure but for two looks, at the notices and at the file's directory.
 */
#ifndef BANLIST_SETTLE_H
#define BANLIST_SETTLE_H

#include "notice.h"
#include "source.h"

#pragma GCC visibility push(hidden)

typedef struct settle_t { /* of one file; all zero but for unheard at first */
    loader_listen_t *listen;
    void *listen_ctx;
    int deaf;        /* nothing is heard at all */
    int unheard;     /* nothing was heard yet: somebody may write */
    int heard_open;  /* the last thing heard is that somebody writes... */
    int heard_close; /* ...or has closed, and when, on the wall clock */
    int heard_moved; /* ...or that it came from elsewhere */
    int64_t closed_at;
    source_sign_t seen;   /* the file's, at the last look... */
    int64_t seen_at;      /* ...the first time that it was this */
    int64_t seen_not_yet; /* ...and the last time that it was not, or 0 */
    int64_t looked_at;
    int64_t unsettled; /* when a rewrite in place was first seen, or 0 */
} settle_t;

/* The hints of a look, and when their notices were taken. */
void settle_hear(settle_t *s, unsigned hints, int64_t heard_at);

/* What a look saw. */
void settle_see(settle_t *s, const source_sign_t *sign,
                const loader_clock_t *now);

/* How long the file has been still, in nanoseconds. */
int64_t settle_still_for(const settle_t *s, const source_sign_t *sign,
                         const loader_clock_t *now);

/* Whether the file may be read anew; if not, when to ask again is *due, on
 * the monotonic clock.  before: bytes of the file that is loaded. */
int settle_is_settled(settle_t *s, const char *path, const source_sign_t *sign,
                      int64_t before, const loader_clock_t *now, int64_t *due);

/* What was waited for, if anything, is over. */
void settle_end(settle_t *s);

#pragma GCC visibility pop

#endif /* BANLIST_SETTLE_H */
