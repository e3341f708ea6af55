/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../banlist/loader.h"

#ifdef __linux__
#include <sys/inotify.h>
#endif

struct watch_t {
    int fd;
    watch_file_t *first;
};

/* ppoll() rather than poll(): its clock is finer than a millisecond. */
static int wait_for(int fd, long long nanoseconds)
{
    struct pollfd p = {fd, POLLIN, 0};
    struct timespec t = {(time_t)(nanoseconds / LOADER_SECOND),
                         (long)(nanoseconds % LOADER_SECOND)};

    return ppoll(&p, fd >= 0, &t, NULL) > 0;
}

void watch_add(watch_t *w, watch_file_t *f, const char *path)
{
    f->path = path;
    f->hints = 0;
    f->file = -1;
    f->directory = -1;
    f->next = w ? w->first : NULL;
    if (w)
        w->first = f;
}

#ifdef __linux__

#define ON_FILE (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB)
#define ON_DIRECTORY                                                           \
    (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE      \
     | IN_ONLYDIR | IN_EXCL_UNLINK)

watch_t *watch_create(void)
{
    watch_t *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0) {
        free(w);
        return NULL;
    }
    return w;
}

static int in_use(const watch_t *w, int wd)
{
    for (const watch_file_t *f = w->first; f; f = f->next) {
        if (f->file == wd || f->directory == wd)
            return 1;
    }
    return 0;
}

/* What was heard last of the file takes the place of what was before. */
static void heard(watch_file_t *f, unsigned how)
{
    f->hints = (f->hints & LOADER_CHANGED) | how;
}

/* Puts a new descriptor in the place of the old one.  A new one means that
 * something else is under the name now: 1. */
static int put(watch_t *w, int *place, int wd)
{
    int old = *place;

    if (wd == old)
        return 0;
    *place = wd;
    if (old >= 0 && !in_use(w, old))
        (void)inotify_rm_watch(w->fd, old);
    return 1;
}

static int directory_watch(watch_t *w, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == path ? 1 : (size_t)(slash - path);
    char *directory = strndup(path, len);
    int wd, err;

    if (!directory)
        return -1;
    wd = inotify_add_watch(w->fd, directory, ON_DIRECTORY);
    err = errno;
    free(directory);
    errno = err;
    return wd;
}

/* What is not there is no failure: the directory tells when it comes, or, if
 * that is missing too, looking does. */
static int failed(int wd)
{
    return wd < 0 && errno != ENOENT && errno != ENOTDIR && errno != EACCES
               ? errno
               : 0;
}

int watch_renew(watch_t *w, watch_file_t *f)
{
    int wd = directory_watch(w, f->path);
    int err = failed(wd), err_file;

    if (put(w, &f->directory, wd))
        f->hints |= LOADER_CHANGED;
    wd = inotify_add_watch(w->fd, f->path, ON_FILE);
    err_file = failed(wd);
    if (put(w, &f->file, wd))
        heard(f, LOADER_CHANGED | LOADER_UNHEARD);
    return err ? err : err_file;
}

static int is_name_of(const watch_file_t *f, const struct inotify_event *e)
{
    return e->len && strcmp(strrchr(f->path, '/') + 1, e->name) == 0;
}

/* Whoever makes a file has it open; whoever makes a link does not. */
static int is_link(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_nlink > 1);
}

static void hear_file(watch_t *w, watch_file_t *f, uint32_t mask)
{
    if (mask & IN_IGNORED)
        f->file = -1;
    if (mask & IN_ATTRIB)
        f->hints |= LOADER_CHANGED;
    if (mask & IN_MODIFY)
        heard(f, LOADER_CHANGED | LOADER_OPEN);
    /* A file that loses a name may be one that a symlink led to, and its
     * directory, which nobody watches, has another there now. */
    if (mask & (IN_ATTRIB | IN_IGNORED))
        (void)watch_renew(w, f);
    if (mask & IN_CLOSE_WRITE)
        heard(f, LOADER_CLOSED);
}

/* The watch may have moved to the new file before its name was heard of, so
 * each of these is behind all that is of the file before. */
static void hear_name(watch_t *w, watch_file_t *f, uint32_t mask)
{
    if (mask & IN_CLOSE_WRITE) {
        heard(f, LOADER_CLOSED);
        return;
    }
    (void)watch_renew(w, f);
    if (mask & IN_MOVED_TO || (mask & IN_CREATE && is_link(f->path)))
        heard(f, LOADER_CHANGED | LOADER_MOVED);
    else if (mask & IN_CREATE)
        heard(f, LOADER_CHANGED | LOADER_OPEN);
    else
        heard(f, LOADER_CHANGED | LOADER_UNHEARD);
}

static void hear(watch_t *w, watch_file_t *f, const struct inotify_event *e)
{
    if (e->mask & IN_Q_OVERFLOW) {
        heard(f, LOADER_CHANGED | LOADER_UNHEARD);
    }
    else if (e->wd == f->file) {
        hear_file(w, f, e->mask);
    }
    else if (e->wd == f->directory && (e->mask & IN_IGNORED)) {
        f->directory = -1;
        f->hints |= LOADER_CHANGED;
    }
    else if (e->wd == f->directory && is_name_of(f, e)) {
        hear_name(w, f, e->mask);
    }
}

void watch_wait(watch_t *w, long long nanoseconds)
{
    _Alignas(struct inotify_event) char buffer[16384];
    ssize_t got;

    if (!w) {
        (void)wait_for(-1, nanoseconds);
        return;
    }
    if (!wait_for(w->fd, nanoseconds))
        return;
    while ((got = read(w->fd, buffer, sizeof buffer)) > 0) {
        for (ssize_t at = 0; at < got;) {
            const struct inotify_event *e = (const void *)(buffer + at);

            for (watch_file_t *f = w->first; f; f = f->next)
                hear(w, f, e);
            at += (ssize_t)(sizeof *e + e->len);
        }
    }
}

#else

watch_t *watch_create(void)
{
    errno = ENOSYS;
    return NULL;
}

int watch_renew(watch_t *w, watch_file_t *f)
{
    (void)w;
    (void)f;
    return ENOSYS;
}

void watch_wait(watch_t *w, long long nanoseconds)
{
    (void)w;
    (void)wait_for(-1, nanoseconds);
}

#endif
