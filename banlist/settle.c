/* SPDX-License-Identifier: Apache-2.0 */
#include "settle.h"

#define MS (LOADER_SECOND / 1000)
/* A rewrite in place, of which no close was heard, is over after this. */
#define SETTLE (50 * MS)
/* ...and one that somebody is heard to be at, after this. */
#define SETTLE_HEARD (500 * MS)
/* Of one whose writer has closed it, or that was moved here, the last write
 * was the last after two ticks of the file system's clock: within one tick
 * another writer's would look like it. */
#define SETTLE_DONE (8 * MS)
/* Nobody holds a list up for longer than this by never closing it... */
#define SETTLE_MAX LOADER_SECOND
/* ...nor, while it is heard to be shorter than it was, than this. */
#define SETTLE_SHORT (5 * LOADER_SECOND)

static int64_t still_by_us(const settle_t *s, const source_sign_t *sign,
                           const loader_clock_t *now)
{
    return source_sign_same(sign, &s->seen) ? now->mono - s->seen_at : 0;
}

/* How long the file has been still.  Its own times are on a clock that is
 * not ours, or that was set; what we have watched ourselves counts too. */
int64_t settle_still_for(const settle_t *s, const source_sign_t *sign,
                         const loader_clock_t *now)
{
    int64_t by_file = source_still_for(sign, now->wall);
    int64_t by_us = still_by_us(s, sign, now);
    int64_t at_most = now->mono - s->seen_not_yet;

    if (s->seen_not_yet && by_file > at_most)
        by_file = at_most;
    return by_file > by_us ? by_file : by_us;
}

void settle_see(settle_t *s, const source_sign_t *sign,
                const loader_clock_t *now)
{
    if (!source_sign_same(sign, &s->seen)) {
        s->seen = *sign;
        s->seen_at = now->mono;
        s->seen_not_yet = s->looked_at;
    }
    s->looked_at = now->mono;
}

void settle_hear(settle_t *s, unsigned hints, int64_t heard_at)
{
    s->deaf = (hints & LOADER_DEAF) != 0;
    if (hints & (LOADER_CHANGED | LOADER_OPEN | LOADER_UNHEARD))
        s->heard_close = s->heard_moved = 0;
    if (hints & LOADER_UNHEARD) {
        s->heard_open = 0;
        s->unheard = 1;
    }
    if (hints & LOADER_OPEN)
        s->heard_open = 1;
    if (hints & (LOADER_MOVED | LOADER_CLOSED)) {
        s->heard_open = s->unheard = 0;
        s->heard_moved = !(hints & LOADER_CLOSED);
        s->closed_at = heard_at;
    }
    if (hints & LOADER_CLOSED)
        s->heard_close = 1;
}

/* Whether a file that was moved here was written to where it is: that goes
 * unheard until it is watched. */
static int written_since(const char *path, const source_sign_t *sign)
{
    int64_t renamed_at = source_renamed_at(path);

    return renamed_at >= 0 && sign->mtime > renamed_at + SETTLE_DONE;
}

/* How long the file must have been still, as far as is heard of whoever wrote
 * it.  One that was moved here is written to no more if it was moved after it
 * was written; where nothing was heard of how it came, such a change behind its
 * last write tells of a rename or a link, and it is judged by rest alone. */
static int64_t settle_time(const settle_t *s, const char *path,
                           const source_sign_t *sign, int64_t before)
{
    int is_done = !source_newer(sign, s->closed_at);

    if (is_done && s->heard_moved && sign->mtime < sign->ctime)
        return 0;
    if (s->heard_moved && written_since(path, sign))
        return SETTLE_HEARD;
    if (is_done && (s->heard_close || s->heard_moved))
        return SETTLE_DONE;
    if (s->deaf)
        return SETTLE;
    if (s->heard_open && sign->size < before)
        return SETTLE_SHORT;
    if (s->heard_open || sign->size == 0)
        return SETTLE_HEARD;
    return s->unheard && sign->mtime >= sign->ctime ? SETTLE_HEARD : SETTLE;
}

int settle_is_settled(settle_t *s, const char *path, const source_sign_t *sign,
                      int64_t before, const loader_clock_t *now, int64_t *due)
{
    int64_t still = settle_still_for(s, sign, now);
    int64_t settle = settle_time(s, path, sign, before);
    int64_t at_most = settle > SETTLE_MAX ? settle : SETTLE_MAX;

    /* A file that is being truncated is short before its time is new. */
    if (sign->size < before && !s->heard_close && !s->heard_moved)
        still = still_by_us(s, sign, now);
    if (s->listen && s->listen(s->listen_ctx)) {
        still = settle;
    }
    else if (still >= settle) {
        s->heard_open = s->unheard = 0;
        return 1;
    }
    if (!s->unsettled)
        s->unsettled = now->mono;
    if (now->mono - s->unsettled >= at_most)
        return 1;
    *due = now->mono + settle - still;
    if (*due > s->unsettled + at_most)
        *due = s->unsettled + at_most;
    return 0;
}

void settle_end(settle_t *s)
{
    s->unsettled = 0;
}
