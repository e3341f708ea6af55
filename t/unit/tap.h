/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TAP for the unit tests in C, and memory that ends where it must not be
 * read on.  Each test is one program: checks, then "return done();".
 */
#ifndef TAP_H
#define TAP_H

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TAP_UNUSED __attribute__((unused))
#define TAP_PRINTF(f, a) __attribute__((format(printf, f, a), unused))

static int tap_count;
static int tap_failed;

TAP_PRINTF(2, 0)
static void tap_comment(FILE *to, const char *format, va_list args)
{
    fputs("# ", to);
    vfprintf(to, format, args);
    fputc('\n', to);
}

TAP_PRINTF(1, 2)
static void note(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tap_comment(stdout, format, args);
    va_end(args);
}

TAP_PRINTF(1, 2)
static void diag(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    va_start(args, format);
    tap_comment(stderr, format, args);
    va_end(args);
}

/* A test's name stands on one line, without what TAP gives a meaning. */
static void tap_name(const char *format, va_list args)
{
    char name[256];
    char *p;

    vsnprintf(name, sizeof(name), format, args);
    for (p = name; *p; ++p) {
        int plain = *p >= ' ' && *p <= '~' && *p != '#' && *p != '\\';

        putchar(plain ? *p : '.');
    }
    putchar('\n');
}

static int tap_result(int good, const char *format, va_list args)
{
    printf("%sok %d - ", good ? "" : "not ", ++tap_count);
    tap_name(format, args);
    fflush(stdout);
    tap_failed += !good;
    return good;
}

TAP_PRINTF(2, 3)
static int ok(int good, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tap_result(good, format, args);
    va_end(args);
    return good;
}

/* Either string may be NULL. */
TAP_PRINTF(3, 4)
static int is_str(const char *got, const char *want, const char *format, ...)
{
    int good = got && want ? !strcmp(got, want) : got == want;
    va_list args;

    va_start(args, format);
    tap_result(good, format, args);
    va_end(args);
    if (!good) {
        diag("got:  %s", got ? got : "(none)");
        diag("want: %s", want ? want : "(none)");
    }
    return good;
}

TAP_PRINTF(3, 4)
static int is_int(intmax_t got, intmax_t want, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tap_result(got == want, format, args);
    va_end(args);
    if (got != want) {
        diag("got:  %" PRIdMAX, got);
        diag("want: %" PRIdMAX, want);
    }
    return got == want;
}

/* The plan, and the exit status; a program that checked nothing fails. */
TAP_UNUSED
static int done(void)
{
    printf("1..%d\n", tap_count);
    return tap_failed || !tap_count;
}

/* How often to do what is done n times: $BANLIST_FEWER times less, where
 * something makes all programs slow. */
TAP_UNUSED
static int many(int n)
{
    const char *fewer = getenv("BANLIST_FEWER");

    return fewer && atoi(fewer) > 0 ? n / atoi(fewer) : n;
}

/* GUARD_MAX bytes between two pages that nobody can touch. */
#define GUARD_MAX (1 << 20)

static char *guard_area(void)
{
    static char *area;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *all;
    int zero; /* plain -std=c11 hides MAP_ANONYMOUS */

    if (area) {
        return area;
    }
    zero = open("/dev/zero", O_RDWR);
    all = mmap(NULL, GUARD_MAX + 2 * page, PROT_NONE, MAP_PRIVATE, zero, 0);
    close(zero);
    if (all == MAP_FAILED
        || mprotect(all + page, GUARD_MAX, PROT_READ | PROT_WRITE)) {
        perror("guard_area");
        exit(1);
    }
    area = all + page;
    return area;
}

static void guard_check(size_t len)
{
    if (len > GUARD_MAX) {
        fprintf(stderr, "guard_copy: %zu bytes are too many\n", len);
        exit(1);
    }
}

/* A copy whose end is followed by a page that cannot be read.  It lasts
 * until the next copy of either kind; bytes may lie in the last one. */
TAP_UNUSED
static char *guard_copy(const void *bytes, size_t len)
{
    guard_check(len);
    return memmove(guard_area() + GUARD_MAX - len, bytes, len);
}

/* The same, with such a page in front of its beginning. */
TAP_UNUSED
static char *guard_copy_behind(const void *bytes, size_t len)
{
    guard_check(len);
    return memmove(guard_area(), bytes, len);
}

#endif /* TAP_H */
