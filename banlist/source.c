/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Two writes this close can leave the same mtime behind... */
#define SAME_TICK (SOURCE_SECOND / 50)
/* ...and this close where the file system keeps whole seconds. */
#define SAME_SECOND (2 * SOURCE_SECOND)

/* A file that changes without pause has no sign that holds. */
#define SIGN_TRIES 4

/* ---- signs ---- */

static int64_t nanoseconds(const struct timespec *t)
{
    return (int64_t)t->tv_sec * SOURCE_SECOND + t->tv_nsec;
}

static void sign_of(const struct stat *st, source_sign_t *sign)
{
    memset(sign, 0, sizeof *sign);
    sign->dev = (uint64_t)st->st_dev;
    sign->ino = (uint64_t)st->st_ino;
    sign->size = (int64_t)st->st_size;
    sign->mtime = nanoseconds(&st->st_mtim);
    sign->ctime = nanoseconds(&st->st_ctim);
}

int source_sign_same(const source_sign_t *a, const source_sign_t *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

int source_sign_same_file(const source_sign_t *a, const source_sign_t *b)
{
    return a->dev == b->dev && a->ino == b->ino;
}

static int64_t changed_at(const source_sign_t *sign)
{
    return sign->mtime > sign->ctime ? sign->mtime : sign->ctime;
}

int64_t source_still_for(const source_sign_t *sign, int64_t wall)
{
    return source_newer(sign, wall) ? 0 : wall - changed_at(sign);
}

int source_newer(const source_sign_t *sign, int64_t wall)
{
    return changed_at(sign) > wall;
}

int source_may_share_tick(const source_sign_t *sign, int64_t still)
{
    int whole_seconds =
        sign->mtime % SOURCE_SECOND == 0 && sign->ctime % SOURCE_SECOND == 0;

    return still < (whole_seconds ? SAME_SECOND : SAME_TICK);
}

int64_t source_renamed_at(const char *path)
{
    const char *slash = strrchr(path, '/');
    char directory[PATH_MAX];
    struct stat st;

    if (!slash || (size_t)(slash - path) + 2 > sizeof directory)
        return -1;
    memcpy(directory, path, (size_t)(slash - path) + 1);
    directory[slash - path + 1] = '\0';
    return stat(directory, &st) == 0 ? nanoseconds(&st.st_mtim) : -1;
}

int source_unchanged(int fd, const source_sign_t *sign)
{
    struct stat st;
    source_sign_t after;

    if (fstat(fd, &st) != 0)
        return 0;
    sign_of(&st, &after);
    return source_sign_same(sign, &after);
}

/* Whoever truncates holds the file until its times are new too.  Looking for
 * a hole waits for that (ext4, btrfs, tmpfs), or reading does (XFS). */
static void wait_for_truncate(int fd)
{
    char byte;

#ifdef SEEK_HOLE
    (void)lseek(fd, 0, SEEK_HOLE);
#endif
    (void)!pread(fd, &byte, 1, 0);
}

int source_sign_again(int fd, source_sign_t *sign)
{
    struct stat st;
    source_sign_t before;

    for (int i = 0; i < SIGN_TRIES; i++) {
        before = *sign;
        wait_for_truncate(fd);
        if (fstat(fd, &st) != 0)
            return errno;
        sign_of(&st, sign);
        if (source_sign_same(sign, &before))
            break;
    }
    return 0;
}

/* ---- opening ---- */

static source_kind_e kind_of_errno(int err)
{
    return err == ENOENT || err == ENOTDIR ? SOURCE_MISSING : SOURCE_UNREADABLE;
}

static source_kind_e kind_of_stat(const struct stat *st)
{
    return S_ISREG(st->st_mode) ? SOURCE_FILE : SOURCE_OTHER;
}

source_kind_e source_stat(const char *path, source_sign_t *sign, int *error)
{
    struct stat st;

    *error = 0;
    if (stat(path, &st) != 0) {
        *error = errno;
        return kind_of_errno(*error);
    }
    sign_of(&st, sign);
    return kind_of_stat(&st);
}

/* Whoever calls this has called source_stat() first, because opening a device
 * may do something; O_NONBLOCK and the second look are for what took the
 * file's place since. */
source_kind_e source_open(const char *path, int *fd, source_sign_t *sign,
                          int *error)
{
    struct stat st;
    source_kind_e kind;

    *error = 0;
    *fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &st) != 0) {
        *error = errno;
        kind = kind_of_errno(*error);
    }
    else {
        sign_of(&st, sign);
        kind = kind_of_stat(&st);
    }
    if (kind != SOURCE_FILE && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return kind;
}

/* ---- reading ---- */

int64_t source_read_at(int fd, char *buf, size_t len, uint64_t at)
{
    size_t have = 0;

    while (have < len) {
        ssize_t got = pread(fd, buf + have, len - have, (off_t)(at + have));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (int64_t)have;
}

void source_place_init(source_place_t *place, const hash_seed_t *seed,
                       const reader_t *reader)
{
    memset(place, 0, sizeof *place);
    place->reader = *reader;
    hash_stream_init(&place->hash, seed);
    place->mark[0] = place->mark[1] = place->hash;
}

static void move_marks(source_place_t *place)
{
    if (place->hash.length - place->mark[1].length < SOURCE_RECENT)
        return;
    place->mark[0] = place->mark[1];
    place->mark[1] = place->hash;
}

int source_read_lines(int fd, char *buffer, uint64_t end,
                      const reader_sink_t *sink, source_place_t *place)
{
    size_t left = 0;
    uint64_t at = place->bytes;

    while (at < end) {
        uint64_t rest = end - at;
        size_t want = SOURCE_BUFFER - left;
        int64_t got;
        size_t done;

        if (want > rest)
            want = (size_t)rest;
        got = source_read_at(fd, buffer + left, want, at);
        if (got < 0)
            return errno;
        if ((size_t)got < want)
            return ESTALE;
        at += want;
        left += want;
        done = reader_feed(&place->reader, sink, buffer, left);
        move_marks(place);
        hash_stream_add(&place->hash, buffer, done);
        place->bytes += done;
        left -= done;
        memmove(buffer, buffer + done, left);
    }
    place->tail = left;
    return 0;
}

/* Whether the bytes that made hash what it is at place are still there. */
static int same_since(int fd, char *buffer, hash_stream_t hash,
                      const source_place_t *place)
{
    while (hash.length < place->bytes) {
        uint64_t rest = place->bytes - hash.length;
        size_t want = rest < SOURCE_BUFFER ? (size_t)rest : SOURCE_BUFFER;

        if (source_read_at(fd, buffer, want, hash.length) != (int64_t)want)
            return 0;
        hash_stream_add(&hash, buffer, want);
    }
    return hash_stream_value(&hash) == hash_stream_value(&place->hash);
}

int source_same_bytes(int fd, char *buffer, const source_place_t *place,
                      const hash_seed_t *seed)
{
    hash_stream_t hash;

    hash_stream_init(&hash, seed);
    return same_since(fd, buffer, hash, place);
}

int source_same_recent(int fd, char *buffer, const source_place_t *since,
                       const source_place_t *place)
{
    return same_since(fd, buffer, since->mark[0], place);
}

int source_all_is_recent(const source_place_t *place)
{
    return place->mark[0].length == 0;
}
