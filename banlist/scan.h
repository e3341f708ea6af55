/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scanning: the fast way to read an address from the front of a text, for the
 * usual ways to write it.  What it does not take, prefix_parse() (prefix.h)
 * reads, or says why not.
 *
 * Of 16 bytes at once it is made out where the digits and the dots are; then
 * four octets are taken without a branch, as a branch on the length of an
 * octet is one that nobody can predict.  In line, for nearly every line of a
 * large list comes by here.  Pure functions; any thread.
 */
#ifndef BANLIST_SCAN_H
#define BANLIST_SCAN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "prefix.h"

#pragma GCC visibility push(hidden)

static inline uint32_t scan_load32(const char *text)
{
    const unsigned char *b = (const unsigned char *)text;

    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16
           | (uint32_t)b[3] << 24;
}

/* Where what stands in the next 16 bytes: bit i for text[i]. */
typedef struct scan_marks_t {
    uint32_t stops; /* no decimal digits */
    uint32_t dots;
    uint32_t zeros;
} scan_marks_t;

#ifdef __SSE2__
static inline uint32_t scan_equal(__m128i bytes, char c)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)));
}

static inline scan_marks_t scan_marks(const char *text)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)text);
    /* the ten digits become the ten least values of a signed byte */
    __m128i value = _mm_add_epi8(bytes, _mm_set1_epi8(128 - '0'));
    __m128i over_9 = _mm_cmpgt_epi8(value, _mm_set1_epi8(-128 + 9));

    return (scan_marks_t){(uint32_t)_mm_movemask_epi8(over_9),
                          scan_equal(bytes, '.'), scan_equal(bytes, '0')};
}
#else
#define SCAN_ONES UINT64_C(0x0101010101010101)

/* Which of eight bytes are more than max, which is below 128: none can carry
 * into the next, as their highest bits are put aside. */
static inline uint32_t scan_over(uint64_t bytes, unsigned max)
{
    uint64_t over = (bytes & SCAN_ONES * 0x7f) + SCAN_ONES * (0x7f - max);
    uint64_t highest = (bytes | over) & SCAN_ONES * 0x80;

    return (uint32_t)((highest >> 7) * UINT64_C(0x0102040810204080) >> 56);
}

static inline scan_marks_t scan_marks_of_8(const char *text)
{
    uint64_t bytes = scan_load32(text) | (uint64_t)scan_load32(text + 4) << 32;

    return (scan_marks_t){scan_over(bytes ^ SCAN_ONES * '0', 9),
                          scan_over(bytes ^ SCAN_ONES * '.', 0) ^ 0xff,
                          scan_over(bytes ^ SCAN_ONES * '0', 0) ^ 0xff};
}

static inline scan_marks_t scan_marks(const char *text)
{
    scan_marks_t low = scan_marks_of_8(text), high = scan_marks_of_8(text + 8);

    return (scan_marks_t){low.stops | high.stops << 8,
                          low.dots | high.dots << 8,
                          low.zeros | high.zeros << 8};
}
#endif

typedef struct scan_octets_t {
    const char *text;
    unsigned start; /* of the next octet */
    uint32_t stops; /* bit i: an octet can end at text[i] */
} scan_octets_t;

/* The digits of an octet, in the upper bytes.  It is known ahead where it
 * ends: nothing branches by its length, as guessing that wrong would cost more
 * than all else. */
static inline uint64_t scan_octet(scan_octets_t *o)
{
    unsigned end = (unsigned)__builtin_ctz(o->stops);
    uint32_t digits = (scan_load32(o->text + o->start) ^ 0x30303030)
                      << (8 * (o->start - end) & 31);

    o->stops &= o->stops - 1;
    o->start = end + 1;
    return digits;
}

/* Whether there are four octets of one to three digits, without a 0 in front,
 * and dots between them; behind: the stops behind the third. */
static inline int scan_are_octets(const scan_marks_t *m, uint32_t stops,
                                  uint32_t behind)
{
    uint32_t range = behind ^ (behind - 1); /* up to the fourth stop */
    uint32_t empty = stops & (stops << 1 | 1);
    uint32_t led_by_0 = m->zeros & (m->dots << 1 | 1) & ~(stops >> 1);
    uint32_t pairs = ~stops & ~stops >> 1;
    uint32_t four = pairs & pairs >> 2;

    return !(((empty | led_by_0 | four) & range)
             | ((stops ^ behind) & ~m->dots));
}

/* Of two octets side by side in the halves of a number, whether one is over
 * 255: as numbers of three digits each, the first of them the highest. */
static inline uint64_t scan_over_255(uint64_t digits)
{
    const uint64_t guard = UINT64_C(0x8000000080000000);

    /* each half borrows from its own guard bit alone */
    return ~((guard | 0x0002050500020505) - __builtin_bswap64(digits)) & guard;
}

/* The two, one after the other: units, ten times the tens and a hundred times
 * the hundreds meet in the highest byte of each half. */
static inline uint32_t scan_value(uint64_t digits)
{
    uint64_t sums = digits * (1 | 10 << 8 | 100 << 16);

    return (uint32_t)(sums >> 24 & 0xff) << 8 | (uint32_t)(sums >> 56);
}

/* The length of the IPv4 address at the front of text, or 0. */
static inline size_t scan_ipv4(uint32_t *ipv4, const char *text)
{
    const scan_marks_t marks = scan_marks(text);
    /* the last bits are there to be found, too far behind for an octet */
    const uint32_t stops = marks.stops | 0xf0000000;
    scan_octets_t o = {text, 0, stops};
    uint64_t first, second;
    uint32_t behind;

    first = scan_octet(&o);
    first |= scan_octet(&o) << 32;
    second = scan_octet(&o);
    behind = o.stops;
    second |= scan_octet(&o) << 32;
    if (!scan_are_octets(&marks, stops, behind) || scan_over_255(first)
        || scan_over_255(second)) {
        return 0;
    }
    *ipv4 = scan_value(first) << 16 | scan_value(second);
    return o.start - 1;
}

/*
 * Reads what prefix_parse() would, from the front of a text of unknown length
 * of which PREFIX_TEXT_MAX bytes can be read, and returns how many bytes it
 * has.  0 (with *out and *bare undefined) where prefix_parse() must look, be
 * it to say why not.  Whether it ends there is the caller's to judge by the
 * next byte: "192.0.2.7" is also the front of "192.0.2.7-192.0.2.9" and
 * "192.0.2.7.example.net".
 */
static inline size_t scan_prefix(prefix_t *out, int *bare, const char *text)
{
    uint32_t ipv4 = 0;
    size_t len = scan_ipv4(&ipv4, text);

    if (!len || text[len] == '/')
        return prefix_scan_further(out, bare, text, ipv4, len);
    *bare = 1;
    prefix_set_ipv4(out, ipv4, 32);
    return len;
}

#pragma GCC visibility pop

#endif /* BANLIST_SCAN_H */
