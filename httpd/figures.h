/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What there is to say of the lists and of one address, gathered once, for
 * whoever shows it: the status page in each of its formats, mod_status.
 *
 * Each figure is a row of figures_row[], by which all formats name it, so
 * that none can be forgotten in one.  All texts are clean: valid UTF-8
 * without control characters, whatever stood in a file, in a path or in the
 * query; a format only escapes what is special to it.
 */
#ifndef BANLIST_FIGURES_H
#define BANLIST_FIGURES_H

#include "banlist_httpd.h"

#pragma GCC visibility push(hidden)

typedef enum figures_id_e {
    FIGURES_IPV4_ADDRESSES,
    FIGURES_IPV4_PREFIXES,
    FIGURES_IPV6_ADDRESSES,
    FIGURES_IPV6_PREFIXES,
    FIGURES_NAMES,
    FIGURES_IPV4_ADDRESS_EXCEPTIONS,
    FIGURES_IPV4_PREFIX_EXCEPTIONS,
    FIGURES_IPV6_ADDRESS_EXCEPTIONS,
    FIGURES_IPV6_PREFIX_EXCEPTIONS,
    FIGURES_NAME_EXCEPTIONS,
    FIGURES_ENTRIES,
    FIGURES_LINES,
    FIGURES_BAD_LINES,
    FIGURES_FILE_BYTES,
    FIGURES_FILE_TIME,
    FIGURES_MEMORY_BYTES,
    FIGURES_STATE_SINCE,
    FIGURES_LAST_LOAD_TIME,
    FIGURES_LAST_LOAD_SECONDS,
    FIGURES_FULL_LOADS,
    FIGURES_APPENDS,
    FIGURES_REFUSED_REQUESTS,
    FIGURES_REFUSED_CONNECTIONS,
    FIGURES_MARKED,
    FIGURES_REFUSED_LAST_HOUR,
    FIGURES_N
} figures_id_e;

typedef struct figures_row_t {
    const char *key;    /* "ipv4_addresses" */
    const char *metric; /* Prometheus's name; rows of one stand together */
    const char *labels; /* what tells this row from the metric's others */
    const char *type;   /* "gauge", "counter" */
    const char *help;   /* in the metric's first row */
    int is_time;        /* microseconds, shown in seconds */
    int summed;         /* makes sense added up over the lists */
} figures_row_t;

extern const figures_row_t figures_row[FIGURES_N];

typedef struct figures_bad_t {
    apr_uint64_t line;
    const char *reason;
    const char *text;
} figures_bad_t;

typedef struct figures_list_t {
    const banlist_list_t *list;
    const char *path;
    int bans;                    /* some server's BanListFile */
    int allows;                  /* some server's BanListAllowFile */
    apr_array_header_t *servers; /* const char *: whose list it is */
    shared_state_e state;
    const char *state_key;  /* "not_regular" */
    const char *state_text; /* "not a regular file" */
    const char *trouble;    /* what is wrong, and what holds; NULL: nothing */
    const char *how;        /* the last load: "full", "appended", "never" */
    apr_uint64_t value[FIGURES_N];
    apr_uint64_t minute[SHARED_MINUTES]; /* refusals; the last one is now's */
    apr_array_header_t *bad;             /* figures_bad_t */
} figures_list_t;

typedef struct figures_t {
    apr_time_t now;
    const char *server; /* the one that serves the page */
    int servers;        /* how many there are */
    apr_table_t *settings;
    apr_array_header_t *lists; /* figures_list_t, of all servers */
    int troubled;              /* how many of them are not loaded */
    apr_uint64_t all[FIGURES_N];
    apr_uint64_t minute[SHARED_MINUTES];
    const struct answer_t *answer; /* NULL: nobody asked */
} figures_t;

/* s: the server that serves the page.  There is no answer in it yet. */
figures_t *figures_gather(apr_pool_t *p, const server_rec *s);

/* "loaded", "not_regular": for programs. */
#define FIGURES_STATES (SHARED_TOO_BIG + 1)
const char *figures_state_key(shared_state_e state);

/* Valid UTF-8 without control characters; others become "\x1b". */
const char *figures_clean(apr_pool_t *p, const char *text);

/* The decimal text of a figure: "12", "1767225600.000000". */
const char *figures_text(apr_pool_t *p, figures_id_e id, apr_uint64_t value);

/* "2026-01-01 00:00:00 UTC" */
const char *figures_time(apr_pool_t *p, apr_time_t t);

#pragma GCC visibility pop

#endif /* BANLIST_FIGURES_H */
