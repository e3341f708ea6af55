/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of the C library that fail on order: fault.c stands in their place.
 *
 * It is linked into t/fault/engine.c, and loaded with LD_PRELOAD into a
 * server (t/fault/loader.t), where $BANLIST_FAULT names a file that holds a
 * fault_t for all its processes, changed while they run.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdint.h>

#define FAULT_CALLS(CALL)                                                      \
    CALL(malloc)                                                               \
    CALL(calloc)                                                               \
    CALL(realloc)                                                              \
    CALL(open)                                                                 \
    CALL(stat)                                                                 \
    CALL(fstat)                                                                \
    CALL(pread)                                                                \
    CALL(read)                                                                 \
    CALL(mmap)                                                                 \
    CALL(madvise)                                                              \
    CALL(ftruncate)                                                            \
    CALL(memfd_create)                                                         \
    CALL(getrandom)                                                            \
    CALL(inotify_init1)                                                        \
    CALL(inotify_add_watch)                                                    \
    CALL(ppoll)                                                                \
    CALL(opendir)                                                              \
    CALL(fork)                                                                 \
    CALL(pipe)                                                                 \
    CALL(write)                                                                \
    CALL(lstat)                                                                \
    CALL(lseek)                                                                \
    CALL(poll)                                                                 \
    CALL(inotify_rm_watch)

typedef enum fault_call_e {
    FAULT_NONE = 0,
#define CALL(name) FAULT_##name,
    FAULT_CALLS(CALL)
#undef CALL
        FAULT_END
} fault_call_e;

typedef struct fault_t {
    _Atomic int32_t call; /* fault_call_e */
    _Atomic int32_t left; /* so many calls go well first */
    _Atomic int32_t more; /* and so many then fail */
    _Atomic int32_t error;
    _Atomic int32_t hits;   /* that have failed */
    _Atomic int32_t loader; /* only of the process of that name */
    _Atomic int64_t clock;  /* seconds by which the clock was set */
} fault_t;

extern fault_t *fault;

extern const char *const fault_name[FAULT_END];

#endif /* FAULT_H */
