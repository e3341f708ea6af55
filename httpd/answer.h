/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is this address banned, by what, and until when; and if not, why not?
 *
 * The verdict is the one that requests get, by the same function.  Texts are
 * clean as those of figures.h are.
 */
#ifndef BANLIST_ANSWER_H
#define BANLIST_ANSWER_H

#include "figures.h"

#pragma GCC visibility push(hidden)

/* An entry that has to do with the address that was asked for. */
typedef struct answer_hit_t {
    const figures_list_t *list;
    int allows; /* of an allow list */
    int except; /* a line with '!' */
    int here;   /* of a list that counts in the server that was asked */
    const char *entry;
    apr_uint64_t line;
    apr_int64_t until; /* Unix time; 0: for ever */
} answer_hit_t;

typedef enum answer_verdict_e {
    ANSWER_NO_ADDRESS,
    ANSWER_NOT_BANNED,
    ANSWER_BANNED,
    ANSWER_SAVED /* a list bans it, BanListAllow or an allow file does not */
} answer_verdict_e;

typedef struct answer_t {
    const char *asked;
    const char *address; /* or name; canonical; NULL: none */
    int is_name;
    answer_verdict_e verdict;
    const char *verdict_key;   /* "not_banned" */
    const char *text;          /* the answer in a sentence or a few */
    int refused;               /* banned, and the settings say so */
    const answer_hit_t *by;    /* what bans it here; NULL: nothing */
    const char *allow;         /* the BanListAllow that saves it, or NULL */
    const answer_hit_t *saver; /* the allow file's entry, or NULL */
    apr_array_header_t *hits;  /* answer_hit_t, of all servers */
} answer_t;

/* asked: an address, a prefix or a host name, as somebody typed it.  s: the
 * server whose lists count. */
const answer_t *answer_find(apr_pool_t *p, const figures_t *f,
                            const server_rec *s, const char *asked);

#pragma GCC visibility pop

#endif /* BANLIST_ANSWER_H */
