/* SPDX-License-Identifier: Apache-2.0 */
/* A list file in the command's hands: read whole, locked and changed. */
#ifndef BANLIST_LIST_H
#define BANLIST_LIST_H

#include <limits.h>
#include <stddef.h>
#include <sys/stat.h>

#include "../banlist/reader.h"

#define LIST_BARE_PLEN 128 /* a bare address is itself */

/* A list file, read whole. */
typedef struct list_t {
    char path[PATH_MAX];
    int fd;
    int lock; /* -1: not locked */
    struct stat st;
    char *buf;
    size_t len;
} list_t;

/* Each returns DONE, or ERROR and has said why. */

/* Opens a regular file and reads it. */
int list_open(list_t *list, const char *path, int flags);
void list_close(list_t *list);

/* Locks a list and reads it, to be changed.  Symbolic links are followed, so
 * that a rename replaces the file and not the link. */
int list_begin(list_t *list, const char *path, int flags);

/* Waits, for a second at most, for the last line to get its newline while
 * whoever writes it may still be at work: what is appended would end it. */
int list_settle(list_t *list);
int list_is_unfinished(const list_t *list);

/* Appends by one write(), and takes that back if it was cut short: half a line
 * could be another address. */
int list_append(const list_t *list, const char *buf, size_t len);

/* Puts a file that holds list->buf in the list's place. */
int list_replace(const list_t *list);

/* Hands the lines to the sink one by one.  Those for which it sets *hit are
 * taken out of list->buf. */
void list_filter(list_t *list, const reader_sink_t *sink, int *hit);

/* Hands the sink one line, counted from 1, if it is there. */
void list_line(const list_t *list, const reader_sink_t *sink, uint64_t line);

#endif /* BANLIST_LIST_H */
