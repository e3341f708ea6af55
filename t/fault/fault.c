/* SPDX-License-Identifier: Apache-2.0 */
#include "fault.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LOADER "banlist-loader"

const char *const fault_name[FAULT_END] = {"none",
#define CALL(name) #name,
                                           FAULT_CALLS(CALL)
#undef CALL
};

static fault_t none;
fault_t *fault = &none;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("BANLIST_FAULT");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR) : -1;
    void *at;

    if (fd < 0)
        return;
    at = (void *)syscall(SYS_mmap, NULL, sizeof *fault, PROT_READ | PROT_WRITE,
                         MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (at != MAP_FAILED)
        fault = at;
}

static int is_loader(void)
{
    char name[16] = "";

    prctl(PR_GET_NAME, name);
    return strcmp(name, LOADER) == 0;
}

static int fails(fault_call_e call)
{
    if (atomic_load_explicit(&fault->call, memory_order_relaxed) != (int)call
        || (fault->loader && !is_loader())
        || atomic_fetch_sub(&fault->left, 1) > 0
        || atomic_fetch_sub(&fault->more, 1) <= 0)
        return 0;
    fault->hits++;
    errno = fault->error;
    return 1;
}

/* ---- memory: the C library's own, under its other names ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size)
{
    return fails(FAULT_malloc) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails(FAULT_calloc) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    return fails(FAULT_realloc) ? NULL : __libc_realloc(p, size);
}

/* ---- system calls ---- */

int open(const char *path, int flags, ...)
{
    va_list args;
    int mode;

    va_start(args, flags);
    mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, int) : 0;
    va_end(args);
    return fails(FAULT_open)
               ? -1
               : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int stat(const char *path, struct stat *st)
{
    return fails(FAULT_stat)
               ? -1
               : (int)syscall(SYS_newfstatat, AT_FDCWD, path, st, 0);
}

int lstat(const char *path, struct stat *st)
{
    return fails(FAULT_lstat) ? -1
                              : (int)syscall(SYS_newfstatat, AT_FDCWD, path, st,
                                             AT_SYMLINK_NOFOLLOW);
}

int fstat(int fd, struct stat *st)
{
    return fails(FAULT_fstat)
               ? -1
               : (int)syscall(SYS_newfstatat, fd, "", st, AT_EMPTY_PATH);
}

ssize_t pread(int fd, void *to, size_t len, off_t at)
{
    return fails(FAULT_pread) ? -1 : syscall(SYS_pread64, fd, to, len, at);
}

off_t lseek(int fd, off_t at, int whence)
{
    return fails(FAULT_lseek) ? -1 : (off_t)syscall(SYS_lseek, fd, at, whence);
}

ssize_t read(int fd, void *to, size_t len)
{
    return fails(FAULT_read) ? -1 : syscall(SYS_read, fd, to, len);
}

ssize_t write(int fd, const void *from, size_t len)
{
    return fails(FAULT_write) ? -1 : syscall(SYS_write, fd, from, len);
}

void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t from)
{
    return fails(FAULT_mmap)
               ? MAP_FAILED
               : (void *)syscall(SYS_mmap, at, len, prot, flags, fd, from);
}

int madvise(void *at, size_t len, int advice)
{
    return fails(FAULT_madvise) ? -1
                                : (int)syscall(SYS_madvise, at, len, advice);
}

int ftruncate(int fd, off_t len)
{
    return fails(FAULT_ftruncate) ? -1 : (int)syscall(SYS_ftruncate, fd, len);
}

int memfd_create(const char *name, unsigned flags)
{
    return fails(FAULT_memfd_create)
               ? -1
               : (int)syscall(SYS_memfd_create, name, flags);
}

ssize_t getrandom(void *to, size_t len, unsigned flags)
{
    return fails(FAULT_getrandom) ? -1 : syscall(SYS_getrandom, to, len, flags);
}

int inotify_init1(int flags)
{
    return fails(FAULT_inotify_init1) ? -1
                                      : (int)syscall(SYS_inotify_init1, flags);
}

int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
    return fails(FAULT_inotify_add_watch)
               ? -1
               : (int)syscall(SYS_inotify_add_watch, fd, path, mask);
}

int ppoll(struct pollfd *p, nfds_t n, const struct timespec *t,
          const sigset_t *mask)
{
    struct timespec copy;

    if (fails(FAULT_ppoll))
        return -1;
    if (t)
        copy = *t;
    return (int)syscall(SYS_ppoll, p, n, t ? &copy : NULL, mask,
                        sizeof(uint64_t));
}

int inotify_rm_watch(int fd, int wd)
{
    return fails(FAULT_inotify_rm_watch)
               ? -1
               : (int)syscall(SYS_inotify_rm_watch, fd, wd);
}

int poll(struct pollfd *p, nfds_t n, int milliseconds)
{
    return fails(FAULT_poll) ? -1 : (int)syscall(SYS_poll, p, n, milliseconds);
}

int pipe(int fds[2])
{
    return fails(FAULT_pipe) ? -1 : (int)syscall(SYS_pipe2, fds, 0);
}

extern pid_t __fork(void);

pid_t fork(void)
{
    return fails(FAULT_fork) ? -1 : __fork();
}

DIR *opendir(const char *path)
{
    DIR *(*next)(const char *) =
        (DIR * (*)(const char *)) dlsym(RTLD_NEXT, "opendir");

    return fails(FAULT_opendir) ? NULL : next(path);
}

/* ---- the clock ---- */

int clock_gettime(clockid_t clock, struct timespec *t)
{
    int got = (int)syscall(SYS_clock_gettime, clock, t);

    if (clock == CLOCK_REALTIME)
        t->tv_sec += fault->clock;
    return got;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    int got = (int)syscall(SYS_gettimeofday, t, zone);

    t->tv_sec += fault->clock;
    return got;
}

time_t time(time_t *to)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    if (to)
        *to = t.tv_sec;
    return t.tv_sec;
}
