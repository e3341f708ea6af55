/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says of a list's file, and the clock by which it is judged.
 */
#ifndef BANLIST_NOTICE_H
#define BANLIST_NOTICE_H

#include <stdint.h>

#define LOADER_SECOND INT64_C(1000000000)
#define LOADER_STILL LOADER_SECOND
#define LOADER_NEVER INT64_MAX

typedef struct loader_clock_t { /* nanoseconds */
    int64_t mono;               /* CLOCK_MONOTONIC */
    int64_t wall;               /* CLOCK_REALTIME */
    int64_t heard; /* the same, when the kernel's notices were taken */
} loader_clock_t;

/* What the kernel said of the file since the last look. */
#define LOADER_CHANGED 1u /* somebody wrote, or the name is another file */
#define LOADER_CLOSED 2u  /* and whoever did has closed it since */
#define LOADER_DEAF 4u    /* the kernel would not say: rely on looking */
#define LOADER_OPEN 8u    /* somebody wrote, and has not closed it */
/* Another file has come under the name, and nothing was heard of it since. */
#define LOADER_MOVED 16u
/* Another file is there, or notices were lost: whoever writes it may be at it,
 * and what was heard before was of the one before. */
#define LOADER_UNHEARD 32u

/* Takes what notices there are by now; whether more was heard of the file than
 * the hints of this look say.  Before a file is taken for what its writer
 * wanted, what was seen of it must not be the next writer's.  What was heard
 * is for the next look, which is due at once. */
typedef int loader_listen_t(void *ctx);

#endif /* BANLIST_NOTICE_H */
