/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any number of writers may be at work on one file, and servers read it all
 * the while.  A writer holds flock() on FILE.lock, a file of its own that is
 * never removed: what is locked must not be what a rename replaces.  `add`
 * appends by one write(); `remove` and `flush` write a new file beside the old
 * and rename it over that.  So a reader, who takes no lock, sees the old bytes
 * or the new, and at worst the beginning of one write.
 *
 * The weakness that is known: a program that appends without the lock.  What
 * it appends until just after a rename is carried over to the new file; what
 * it then still writes to the old one is lost.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "complain.h"
#include "list.h"

#define STILL_MS 1000 /* as long as a server waits for such a line */
#define PAUSE_MS 20

void list_close(list_t *list)
{
    free(list->buf);
    close(list->fd);
    close(list->lock);
}

static int list_read(list_t *list)
{
    size_t size = (size_t)list->st.st_size;
    ssize_t got = 1;

    list->buf = must_have(malloc(size + 1));
    list->len = 0;
    while (list->len < size && got > 0) {
        got = read(list->fd, list->buf + list->len, size - list->len);
        list->len += got > 0 ? (size_t)got : 0;
    }
    return got < 0 ? ERROR : DONE;
}

/* A FIFO must not keep us waiting, nor a terminal become ours. */
static int file_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, mode);
}

int list_open(list_t *list, const char *path, int flags)
{
    const char *reason = NULL;

    list->buf = NULL;
    list->fd = file_open(path, flags, 0);
    if (list->fd >= 0 && fstat(list->fd, &list->st) == 0) {
        if (!S_ISREG(list->st.st_mode)) {
            reason = "not a regular file";
        }
        else if (list_read(list) == DONE) {
            return DONE;
        }
    }
    complain(path, reason ? reason : strerror(errno));
    list_close(list);
    return ERROR;
}

/* Opens the lock beside the list.  A new one gets the list's owner, group and
 * mode: who may read it may hold it, and that should be nobody else. */
static int lock_open(const char *path, const struct stat *st)
{
    int fd = file_open(path, O_RDONLY | O_CREAT | O_EXCL, 0600);

    if (fd < 0 && errno == EEXIST) {
        return file_open(path, O_RDONLY | O_NOFOLLOW, 0);
    }
    if (fd >= 0
        && ((fchown(fd, st->st_uid, st->st_gid) != 0 && errno != EPERM)
            || fchmod(fd, st->st_mode & 0777) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

int list_begin(list_t *list, const char *path, int flags)
{
    char lock[PATH_MAX + 8];

    if (flags & O_CREAT) { /* first, for the lock takes after the list */
        close(file_open(path, O_WRONLY | O_CREAT, 0640));
    }
    if (!realpath(path, list->path) || stat(list->path, &list->st) != 0) {
        return complain_errno(path);
    }
    if (!S_ISREG(list->st.st_mode)) {
        return complain(path, "not a regular file");
    }
    snprintf(lock, sizeof(lock), "%s.lock", list->path);
    list->lock = lock_open(lock, &list->st);
    if (list->lock < 0 || flock(list->lock, LOCK_EX) != 0) {
        complain_errno(lock);
        close(list->lock);
        return ERROR;
    }
    return list_open(list, list->path, flags & ~O_CREAT);
}

int list_is_unfinished(const list_t *list)
{
    return list->len > 0 && list->buf[list->len - 1] != '\n';
}

static int is_still(const list_t *list)
{
    struct timespec now;
    int64_t age;

    clock_gettime(CLOCK_REALTIME, &now);
    age = (int64_t)(now.tv_sec - list->st.st_mtim.tv_sec) * 1000
          + (now.tv_nsec - list->st.st_mtim.tv_nsec) / 1000000;
    return age >= STILL_MS;
}

int list_settle(list_t *list)
{
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    int left = STILL_MS / PAUSE_MS;

    for (; left && list_is_unfinished(list) && !is_still(list); left--) {
        nanosleep(&pause, NULL);
        free(list->buf);
        list->buf = NULL;
        if (lseek(list->fd, 0, SEEK_SET) != 0 || fstat(list->fd, &list->st) != 0
            || list_read(list) != DONE) {
            return complain_errno(list->path);
        }
    }
    return DONE;
}

int list_append(const list_t *list, const char *buf, size_t len)
{
    ssize_t done;
    off_t end;
    struct stat st;

    errno = ENOSPC; /* what it means to be cut short */
    done = write(list->fd, buf, len);
    if (done == (ssize_t)len) {
        return DONE;
    }
    complain_errno(list->path);
    end = lseek(list->fd, 0, SEEK_CUR);
    if (done > 0
        && (fstat(list->fd, &st) != 0 || st.st_size != end
            || ftruncate(list->fd, end - done) != 0)) {
        complain(list->path, "half a line stands in it");
    }
    return ERROR;
}

static int put(int fd, const char *buf, size_t len)
{
    errno = ENOSPC;
    return write(fd, buf, len) == (ssize_t)len;
}

/* Whether the new file fd could be made what is to replace the list. */
static int fill_like(int fd, const list_t *list)
{
    return fchown(fd, list->st.st_uid, list->st.st_gid) == 0
           && fchmod(fd, list->st.st_mode & 07777) == 0
           && put(fd, list->buf, list->len) && fsync(fd) == 0;
}

/* Somebody without the lock may have appended to the old file while the new
 * one was written: those lines go on.  Whether they could. */
static int carry_over(const list_t *list, int fd)
{
    char buf[8192];
    ssize_t got;

    do {
        got = read(list->fd, buf, sizeof(buf));
    } while (got > 0 && put(fd, buf, (size_t)got));
    return got == 0;
}

int list_replace(const list_t *list)
{
    char temp[PATH_MAX + 16];
    sigset_t all;
    int fd, rv = DONE;

    snprintf(temp, sizeof(temp), "%s.banlist-new", list->path);
    /* No signal is to leave it lying about.  One that a SIGKILL left is
     * nobody's: we have the lock. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    unlink(temp);
    fd = file_open(temp, O_WRONLY | O_APPEND | O_CREAT | O_EXCL, 0600);
    if (fd < 0) {
        return complain_errno(temp);
    }
    if (!fill_like(fd, list) || rename(temp, list->path) != 0) {
        rv = complain_errno(temp);
        unlink(temp);
    }
    else if (!carry_over(list, fd)) {
        rv = complain_errno(list->path);
    }
    close(fd);
    return rv;
}

void list_filter(list_t *list, const reader_sink_t *sink, int *hit)
{
    char *line = list->buf, *end = list->buf + list->len, *to = list->buf;
    char *newline;
    reader_t reader;
    size_t len;

    reader_init(&reader, LIST_BARE_PLEN);
    for (; line < end; line += len) {
        *hit = 0;
        newline = memchr(line, '\n', (size_t)(end - line));
        len = (size_t)((newline ? newline + 1 : end) - line);
        if (!newline || !reader_feed(&reader, sink, line, len)) {
            reader_finish(&reader, sink, line, len);
        }
        if (!*hit) {
            memmove(to, line, len);
            to += len;
        }
    }
    list->len = (size_t)(to - list->buf);
}

void list_line(const list_t *list, const reader_sink_t *sink, uint64_t line)
{
    const char *at = list->buf, *end, *newline = at;
    reader_t reader;

    if (!at) {
        return;
    }
    end = at + list->len;
    reader_init(&reader, LIST_BARE_PLEN);
    for (; newline && reader.line + 1 < line; reader.line++) {
        newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    newline = memchr(at, '\n', (size_t)(end - at));
    reader_finish(&reader, sink, at, (size_t)((newline ? newline : end) - at));
}
