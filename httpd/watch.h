/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's notices about files: inotify on Linux, nothing elsewhere.
 *
 * A file is watched itself, and so is the directory that its name stands in:
 * a rename puts another file under the name, and one that is made anew may be
 * written and closed before it is watched.  Notices are hints: the loader
 * decides by looking.
 */
#ifndef BANLIST_WATCH_H
#define BANLIST_WATCH_H

#pragma GCC visibility push(hidden)

typedef struct watch_t watch_t; /* all that is watched */
typedef struct watch_file_t {   /* one file; the caller owns it */
    const char *path;           /* absolute; must outlive the watch */
    unsigned hints;             /* LOADER_CHANGED, …: what was heard since
                                 * the caller took it */
    int file;                   /* watch descriptors, -1: none */
    int directory;
    struct watch_file_t *next;
} watch_file_t;

/* NULL with errno set when the kernel gives none. */
watch_t *watch_create(void);

void watch_add(watch_t *w, watch_file_t *f, const char *path);

/* Watches again what has become another file or directory, or has only now
 * come into being.  0, or an errno value: the kernel will not watch it. */
int watch_renew(watch_t *w, watch_file_t *f);

/* Waits for notices, at most so many nanoseconds, and takes them all.
 * w may be NULL: waits alone. */
void watch_wait(watch_t *w, long long nanoseconds);

#pragma GCC visibility pop

#endif /* BANLIST_WATCH_H */
