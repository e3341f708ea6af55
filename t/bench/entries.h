/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists and the clients that everything here is measured with: made by
 * arithmetic from a number, so that each program makes the same ones and
 * none has to be stored.
 */
#ifndef BENCH_ENTRIES_H
#define BENCH_ENTRIES_H

#include <stdint.h>
#include <string.h>

typedef struct entry_t {
    uint64_t hi; /* as in prefix_t: IPv4 in the upper 32 bits */
    uint64_t lo;
    unsigned plen;
    int is_ipv6;
} entry_t;

typedef enum entry_kind_e {
    ENTRY_IPV4, /* addresses, each another */
    ENTRY_IPV6,
    ENTRY_MIXED, /* prefixes of all lengths that real lists have */
    ENTRY_MIXED6
} entry_kind_e;

static inline uint64_t entry_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* One to one on 32 bits: different numbers give different addresses. */
static inline uint32_t entry_scramble(uint32_t x)
{
    x = (x ^ x >> 16) * UINT32_C(0x85ebca6b);
    x = (x ^ x >> 13) * UINT32_C(0xc2b2ae35);
    return x ^ x >> 16;
}

/* Whether a client could have it; 10/8 and 127/8 are the proxies' here. */
static inline int entry_is_public(uint32_t address)
{
    uint32_t first = address >> 24;

    return first != 0 && first != 10 && first != 127 && first < 224;
}

static inline uint32_t entry_ipv4(uint32_t i)
{
    uint32_t address = i + UINT32_C(0x5eed1e55);

    do
        address = entry_scramble(address);
    while (!entry_is_public(address));
    return address;
}

static inline uint32_t entry_unscramble(uint32_t x)
{
    x = (x ^ x >> 16) * UINT32_C(0x7ed1b41d);
    x = (x ^ x >> 13 ^ x >> 26) * UINT32_C(0xa5cb9243);
    return x ^ x >> 16;
}

/* Whether an address is one of the first n that entry_ipv4() makes. */
static inline int entry_is_listed(uint32_t address, uint32_t n)
{
    do {
        address = entry_unscramble(address);
        if (address - UINT32_C(0x5eed1e55) < n)
            return 1;
    } while (!entry_is_public(address));
    return 0;
}

/* A client drawn at random; of one with the same seed, the same. */
static inline uint32_t entry_client(uint64_t *seed)
{
    uint32_t address;

    do
        address = (uint32_t)(entry_mix((*seed)++) >> 32);
    while (!entry_is_public(address));
    return address;
}

/* How many of 100,000 prefixes have a length.  The shape is that of published
 * lists put together (abuse feeds of single addresses, Spamhaus DROP, FireHOL's
 * levels, country zones), not counted from one: single addresses lead, then
 * /24, and the short ones are rare. */
static const unsigned entry_lengths4[33] = {
    [8] = 1,     [9] = 1,      [10] = 2,    [11] = 3,    [12] = 6,
    [13] = 12,   [14] = 25,    [15] = 45,   [16] = 180,  [17] = 140,
    [18] = 280,  [19] = 600,   [20] = 1200, [21] = 1300, [22] = 3600,
    [23] = 2600, [24] = 18000, [25] = 600,  [26] = 800,  [27] = 900,
    [28] = 1000, [29] = 1500,  [30] = 1000, [31] = 700,  [32] = 65505};

static const unsigned entry_lengths6[129] = {
    [19] = 1,     [20] = 4,    [21] = 2,     [22] = 5,    [23] = 3,
    [24] = 8,     [25] = 3,    [26] = 6,     [27] = 6,    [28] = 40,
    [29] = 2500,  [30] = 120,  [31] = 100,   [32] = 9000, [33] = 400,
    [34] = 300,   [35] = 250,  [36] = 2500,  [38] = 400,  [40] = 4500,
    [42] = 600,   [44] = 6000, [45] = 400,   [46] = 900,  [47] = 700,
    [48] = 26000, [52] = 60,   [56] = 1500,  [60] = 80,   [64] = 15000,
    [80] = 20,    [96] = 40,   [112] = 60,   [120] = 40,  [124] = 60,
    [126] = 40,   [127] = 30,  [128] = 28322};

static inline unsigned entry_length(const unsigned *lengths, unsigned draw)
{
    unsigned plen = 0;

    while (draw >= lengths[plen])
        draw -= lengths[plen++];
    return plen;
}

static inline void entry_cut(entry_t *e)
{
    if (e->plen <= 64) {
        e->hi &= e->plen ? ~UINT64_C(0) << (64 - e->plen) : 0;
        e->lo = 0;
    }
    else if (e->plen < 128) {
        e->lo &= ~UINT64_C(0) << (128 - e->plen);
    }
}

static inline void entry_make(entry_t *e, entry_kind_e kind, uint32_t i)
{
    unsigned draw =
        (unsigned)(entry_mix(i + UINT64_C(77) * 1000000007) % 100000);

    e->is_ipv6 = kind == ENTRY_IPV6 || kind == ENTRY_MIXED6;
    if (e->is_ipv6) { /* 2000::/3 */
        e->hi = entry_mix(i) >> 3 | UINT64_C(1) << 61;
        e->lo = entry_mix(~(uint64_t)i);
        e->plen = kind == ENTRY_IPV6 ? 128 : entry_length(entry_lengths6, draw);
    }
    else {
        e->hi = (uint64_t)entry_ipv4(i) << 32;
        e->lo = 0;
        e->plen = kind == ENTRY_IPV4 ? 32 : entry_length(entry_lengths4, draw);
    }
    entry_cut(e);
}

static inline int entry_kind(const char *name)
{
    static const char *const names[] = {"ipv4", "ipv6", "mixed", "mixed6"};

    for (int i = 0; i < 4; i++) {
        if (strcmp(name, names[i]) == 0)
            return i;
    }
    return -1;
}

#endif /* BENCH_ENTRIES_H */
