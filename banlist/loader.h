/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader of one list: looks at its file, reads what is new, and puts it
 * in force in the shared segment.
 *
 * It decides by looking, never by waiting: loader_look() does what there is
 * to do and returns; loader_due() says when it wants to look again though
 * nothing has been heard of the file.  Whoever calls it brings the clock and
 * the kernel's notices.
 *
 * What it promises:
 * - Growth is proven.  A file that has grown is read on from its old end only
 *   if the last of its old bytes hash as they did, and read anew when it turns
 *   out within a second (two for 220 MB) that not all of them do; any other
 *   that has changed is read anew at once.
 * - Nothing half is in force.  Entries go into a table only when the file
 *   was the same before and after it was read, and a file that somebody is
 *   rewriting in place is left alone until it is closed, or still for 50 ms;
 *   half a second where the kernel has told of an open writer, 5 seconds
 *   where the file is shorter than what is loaded besides.  Whoever writes on
 *   for more than a second (5 while it is shorter), or stalls for longer than
 *   that, does have half a list in force until the rest is there.
 * - The last good list stays.  Trouble of any kind (missing, unreadable, not
 *   a file, too big, no memory) changes the report, not the table.  A file
 *   of which loaders die is given a rest.
 * - A last line without its newline counts once the file has been still for
 *   LOADER_STILL.
 *
 * The file is read(), never mapped; it is opened without blocking, and only
 * if it is a regular file.  One thread; one loader for a segment at a time.
 * Plain POSIX calls rather than apr: the engine is tested without httpd, the
 * nanoseconds of mtime and ctime matter, and a process that lives for months
 * must not grow a pool by a little at each look.
 */
#ifndef BANLIST_LOADER_H
#define BANLIST_LOADER_H

#include <errno.h>
#include <stdint.h>

#include "notice.h"
#include "reader.h"
#include "shared.h"

#pragma GCC visibility push(hidden)

/* In a report, the error of SHARED_UNREADABLE: one loader after the other
 * died while it read the file, so it is left alone for a while. */
#define LOADER_DIED ECANCELED

void loader_clock(loader_clock_t *now);

typedef enum loader_news_e {
    LOADER_NOTHING,  /* as it was, or not ready yet */
    LOADER_LOADED,   /* the report says how */
    LOADER_TROUBLE,  /* began, or became another: the report says which */
    LOADER_RECOVERED /* trouble ended and the list is as it was before */
} loader_news_e;

typedef struct loader_t loader_t;

/* For the list at path in the segment s (which must outlive it), made by
 * this loader or one before it.  bare_ipv6_plen: as for reader_init().
 * NULL: no memory. */
loader_t *loader_create(const char *path, const shared_t *s,
                        int bare_ipv6_plen);
void loader_destroy(loader_t *l);

/* How it asks, before it reads a file anew.  Without, it trusts the hints. */
void loader_listen(loader_t *l, loader_listen_t *listen, void *ctx);

/* On LOADER_LOADED *trouble_ended says whether trouble ended with it; may be
 * NULL. */
loader_news_e loader_look(loader_t *l, const loader_clock_t *now,
                          unsigned hints, int *trouble_ended);

/* When to look again whatever happens, on the monotonic clock. */
int64_t loader_due(const loader_t *l);

/*
 * Reads a whole file through a reader, for whoever wants to know what is in
 * it and not to serve it.  The last line counts without its newline if the
 * file is still.  state and error as in a shared_report_t.
 */
shared_state_e loader_scan(const char *path, reader_t *r,
                           const reader_sink_t *sink, int *error);

/* Words for a state: "missing", "not a regular file", … */
const char *loader_state_text(shared_state_e state);

#pragma GCC visibility pop

#endif /* BANLIST_LOADER_H */
