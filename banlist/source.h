/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list file as a source of lines: how it is opened, by what a change of it
 * is seen, and how far it has been read.
 *
 * It is read(), never mapped, so that a file cut short under our hands is a
 * short read and not a SIGBUS.  It is opened without blocking, and only if it
 * is a regular file.  Functions say an errno value where they fail.
 */
#ifndef BANLIST_SOURCE_H
#define BANLIST_SOURCE_H

#include <stdint.h>

#include "hash.h"
#include "reader.h"

#pragma GCC visibility push(hidden)

/* Bytes of the buffer that reading goes through: it fits the cache in which
 * the hash and the reader go over it. */
#define SOURCE_BUFFER ((size_t)128 * 1024)

#define SOURCE_SECOND INT64_C(1000000000)

typedef enum source_kind_e {
    SOURCE_FILE,       /* a regular file: all is well */
    SOURCE_MISSING,    /* there is no such file */
    SOURCE_UNREADABLE, /* *error says why */
    SOURCE_OTHER       /* a directory, a FIFO, a device, a socket */
} source_kind_e;

/* All by which a change is seen; two edits within a second, a rename over the
 * file and a symlink turned elsewhere each change one of them. */
typedef struct source_sign_t {
    uint64_t dev;
    uint64_t ino;
    int64_t size;
    int64_t mtime; /* nanoseconds of Unix time */
    int64_t ctime;
} source_sign_t;

/* How many of the last bytes that were read are looked at again to tell a file
 * that has grown from one that was written anew. */
#define SOURCE_RECENT ((uint64_t)64 * 1024)

/* How far a file has been read. */
typedef struct source_place_t {
    uint64_t bytes;        /* whole lines */
    hash_stream_t hash;    /* of these bytes */
    hash_stream_t mark[2]; /* ...and when it was at places before: [0] at the
                            * beginning, or SOURCE_RECENT before or more */
    reader_t reader;       /* behind them */
    uint64_t tail;         /* bytes behind them, of an unfinished line */
} source_place_t;

/* At the beginning of a file. */
void source_place_init(source_place_t *place, const hash_seed_t *seed,
                       const reader_t *reader);

source_kind_e source_stat(const char *path, source_sign_t *sign, int *error);

/* *fd is -1 unless the answer is SOURCE_FILE. */
source_kind_e source_open(const char *path, int *fd, source_sign_t *sign,
                          int *error);

/* When a name was last put into or taken out of the directory that path is
 * in, on the same clock; -1: it cannot be told. */
int64_t source_renamed_at(const char *path);

/* Within truncate() a file is short already while its times are old, and
 * nothing is heard of it.  Makes of *sign one that is not of such a moment, if
 * need be by waiting for its end.  0, or an errno value. */
int source_sign_again(int fd, source_sign_t *sign);

/* Whether the open file is still as *sign says. */
int source_unchanged(int fd, const source_sign_t *sign);

int source_sign_same(const source_sign_t *a, const source_sign_t *b);

/* The same file, whatever is in it now. */
int source_sign_same_file(const source_sign_t *a, const source_sign_t *b);

/* How many nanoseconds the file had been still at the time wall; 0 for a
 * file from the future. */
int64_t source_still_for(const source_sign_t *sign, int64_t wall);

/* Whether it was changed later than that time. */
int source_newer(const source_sign_t *sign, int64_t wall);

/* Whether it could be written once more without a change of its sign, still
 * for so long: a file system's clock is coarse. */
int source_may_share_tick(const source_sign_t *sign, int64_t still);

/* pread() that goes on until len bytes or the end: bytes, or -1 (errno). */
int64_t source_read_at(int fd, char *buf, size_t len, uint64_t at);

/*
 * Reads the whole lines from place->bytes up to the byte end and moves place
 * on.  What is left of an unfinished line then stands at the start of buffer
 * (SOURCE_BUFFER bytes), place->tail bytes of it.  0, or an errno value;
 * ESTALE for a file that ends before end.
 */
int source_read_lines(int fd, char *buffer, uint64_t end,
                      const reader_sink_t *sink, source_place_t *place);

/* Whether the bytes before place are still those that were read. */
int source_same_bytes(int fd, char *buffer, const source_place_t *place,
                      const hash_seed_t *seed);

/* ...and those from SOURCE_RECENT before an older place, since, on: of a file
 * that is short these are all, of any other they tell whether it is the same
 * list still or one written anew. */
int source_same_recent(int fd, char *buffer, const source_place_t *since,
                       const source_place_t *place);

/* Whether that is all there is before place. */
int source_all_is_recent(const source_place_t *place);

#pragma GCC visibility pop

#endif /* BANLIST_SOURCE_H */
