/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times one structure: a million prefixes, random addresses.
 *
 * "Independent" lookups follow each other as fast as the processor likes: it
 * works on several at once.  A "dependent" one starts when the one before it
 * has ended, misses of the cache and all.  Both go through the same indirect
 * call, so that a structure behind a shared library's edge loses nothing
 * against one linked in.
 */
#ifndef BENCH_LOOKUP_H
#define BENCH_LOOKUP_H

#include "entries.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LOOKUP_CLIENTS (1u << 17) /* others in each round */
#define LOOKUP_ROUNDS 7

typedef struct lookup_key_t {
    uint64_t hi;
    uint64_t lo;
} lookup_key_t;

/* Whether an entry covers the address. */
typedef int (*lookup_find_fn)(void *ctx, const lookup_key_t *key);

static inline double lookup_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nothing behind it starts before all before it has ended. */
static inline void lookup_end(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __asm__ __volatile__("lfence" ::: "memory");
#elif defined(__aarch64__)
    __asm__ __volatile__("dsb sy\n\tisb" ::: "memory");
#else
    __sync_synchronize();
#endif
}

static inline void lookup_clients(lookup_key_t *key, int is_ipv6,
                                  uint64_t *seed)
{
    for (unsigned i = 0; i < LOOKUP_CLIENTS; i++) {
        if (is_ipv6) {
            key[i].hi = entry_mix((*seed)++) >> 3 | UINT64_C(1) << 61;
            key[i].lo = entry_mix((*seed)++);
        }
        else {
            key[i].hi = (uint64_t)entry_client(seed) << 32;
            key[i].lo = 0;
        }
    }
}

static inline double lookup_round(lookup_find_fn find, void *ctx,
                                  const lookup_key_t *key, int dependent,
                                  unsigned *hits)
{
    double start = lookup_now();

    if (dependent) {
        for (unsigned i = 0; i < LOOKUP_CLIENTS; i++) {
            *hits += (unsigned)find(ctx, key + i);
            lookup_end();
        }
    }
    else {
        for (unsigned i = 0; i < LOOKUP_CLIENTS; i++)
            *hits += (unsigned)find(ctx, key + i);
    }
    return (lookup_now() - start) / LOOKUP_CLIENTS;
}

static inline int lookup_less(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;

    return d < 0 ? -1 : d > 0;
}

/* Prints: NAME KIND INDEPENDENT DEPENDENT HITS, in nanoseconds. */
static inline void lookup_measure(const char *name, const char *kind,
                                  lookup_find_fn find, void *ctx)
{
    static lookup_key_t key[LOOKUP_CLIENTS];
    double ns[2][LOOKUP_ROUNDS];
    uint64_t seed = 1234567;
    unsigned hits = 0;

    for (int i = 0; i < 2 * LOOKUP_ROUNDS; i++) {
        lookup_clients(key, strchr(kind, '6') != NULL, &seed);
        ns[i % 2][i / 2] = lookup_round(find, ctx, key, i % 2, &hits);
    }
    qsort(ns[0], LOOKUP_ROUNDS, sizeof ns[0][0], lookup_less);
    qsort(ns[1], LOOKUP_ROUNDS, sizeof ns[1][0], lookup_less);
    printf("%s %s %.1f %.1f %u\n", name, kind, ns[0][LOOKUP_ROUNDS / 2],
           ns[1][LOOKUP_ROUNDS / 2], hits);
    fflush(stdout);
}

#endif /* BENCH_LOOKUP_H */
