/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader: bytes of a list file in, entries and complaints out.
 *
 * It knows every line form (README.md, "The list file") and nothing of files,
 * tables or time.  It allocates nothing and keeps no pointer into the
 * caller's bytes beyond a call, so a reader may be copied while no call is
 * under way: a copy is how a loader remembers where to go on.
 *
 * One reader belongs to one thread.  Nothing here fails: a line that cannot
 * be read is handed to bad() and has no effect on any other line.
 */
#ifndef BANLIST_READER_H
#define BANLIST_READER_H

#include "prefix.h"

#pragma GCC visibility push(hidden)

#define READER_LINE_MAX 4096 /* bytes, without the newline */
#define READER_NAME_MAX 255  /* bytes of a host name, with a leading dot */

typedef enum reader_kind_e {
    READER_PREFIX, /* an address or a prefix */
    READER_RANGE,  /* one of the prefixes that make up first-last */
    READER_NAME    /* a host name, or (leading dot) every name below it */
} reader_kind_e;

typedef struct reader_entry_t {
    reader_kind_e kind;
    int except;       /* the line began with '!' */
    int first;        /* the first entry of its line: a range hands over many */
    prefix_t prefix;  /* READER_PREFIX, READER_RANGE */
    prefix_t last;    /* READER_RANGE: the range itself, first_addr to last */
    prefix_t first_addr;
    const char *name; /* READER_NAME: lower case, no trailing dot; not ended
                       * by a NUL, and gone after the call */
    size_t name_len;
    int64_t until;    /* Unix time of its end in seconds; 0: for ever.
                       * until=0 and times past are handed over as they stand,
                       * until=0 as 1 (long ended) */
    uint64_t line;    /* from 1 */
} reader_entry_t;

typedef struct reader_sink_t {
    void *ctx;
    /* text[0..len) is the whole line without its newline, for both. */
    void (*entry)(void *ctx, const reader_entry_t *e, const char *text,
                  size_t len);
    void (*bad)(void *ctx, uint64_t line, const char *reason,
                const char *text, size_t len);
} reader_sink_t;

typedef struct reader_t {
    uint64_t line;     /* lines ended so far */
    uint64_t bad;      /* how many of them were bad */
    int bare_ipv6_plen; /* a bare IPv6 address stands for its prefix of this
                         * length (128: for itself) */
    int in_long_line;  /* the rest of a line over the limit is passed over */
} reader_t;

/* bare_ipv6_plen: 1 to 128 (BanListIPv6Prefix). */
void reader_init(reader_t *r, int bare_ipv6_plen);

/*
 * Reads the whole lines in buf[0..len).  Returns how many bytes it is done
 * with; the caller hands what is left, an unfinished line of at most
 * READER_LINE_MAX bytes and its CR, again in front of what follows.
 */
size_t reader_feed(reader_t *r, const reader_sink_t *sink, const char *buf,
                   size_t len);

/* Reads buf[0..len), what reader_feed() left at the end of the file, as the
 * last line.  len may be 0: no line then. */
void reader_finish(reader_t *r, const reader_sink_t *sink, const char *buf,
                   size_t len);

#pragma GCC visibility pop

#endif /* BANLIST_READER_H */
