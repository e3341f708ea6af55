/* SPDX-License-Identifier: Apache-2.0 */
/* How the command ends, and what it says when it cannot do its work. */
#ifndef BANLIST_COMPLAIN_H
#define BANLIST_COMPLAIN_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DONE = 0, NO = 1, ERROR = 2 };

static inline int complain(const char *what, const char *reason)
{
    fflush(stdout);
    fprintf(stderr, "banlist: %s: %s\n", what, reason);
    return ERROR;
}

static inline int complain_errno(const char *what)
{
    return complain(what, strerror(errno));
}

static inline void *must_have(void *p)
{
    if (!p) {
        exit(complain_errno("memory"));
    }
    return p;
}

#endif /* BANLIST_COMPLAIN_H */
