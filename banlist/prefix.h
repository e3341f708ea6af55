/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address prefixes, and their text.
 *
 * A prefix is an address and the number of its leading bits that count
 * (plen).  A single address is a prefix of the family's full length.  Host
 * bits are always clear, so two prefixes are the same set of addresses
 * exactly when their bytes are the same.
 *
 * Everything here is pure: no allocation, no global state, no errno.  Any
 * thread of any process may call it at any time.
 */
#ifndef BANLIST_PREFIX_H
#define BANLIST_PREFIX_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* The address as 128 bits in the machine's byte order, first bit of the
 * address in the highest bit of hi.  IPv4 stands in the upper 32 bits of hi,
 * all else zero; so one set of bit operations serves both families. */
typedef struct prefix_t {
    uint64_t hi;
    uint64_t lo;
    uint8_t plen;    /* 1 to 32, or 1 to 128 */
    uint8_t is_ipv6; /* 0 or 1; an IPv4-mapped address is never IPv6 here */
} prefix_t;

/* "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128" and its NUL fit in it. */
#define PREFIX_TEXT_MAX 48

static inline unsigned prefix_plen_max(int is_ipv6)
{
    return is_ipv6 ? 128 : 32;
}

/* Clears every bit behind the first plen (0 to 128). */
static inline void prefix_mask(uint64_t *hi, uint64_t *lo, unsigned plen)
{
    if (plen <= 64) {
        *hi &= plen ? ~UINT64_C(0) << (64 - plen) : 0;
        *lo = 0;
    }
    else if (plen < 128) {
        *lo &= ~UINT64_C(0) << (128 - plen);
    }
}

/* An IPv4 address in the byte order of the machine, of which plen bits count
 * and the others are 0. */
static inline void prefix_set_ipv4(prefix_t *out, uint32_t address,
                                   unsigned plen)
{
    out->hi = (uint64_t)address << 32;
    out->lo = 0;
    out->plen = (uint8_t)plen;
    out->is_ipv6 = 0;
}

/* From an address in network byte order: 4 bytes (as in struct in_addr) or
 * 16 (struct in6_addr).  ::ffff:a.b.c.d becomes the IPv4 address. */
static inline void prefix_from_ipv4(prefix_t *out, const void *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;

    prefix_set_ipv4(out,
                    (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16
                        | (uint32_t)b[2] << 8 | b[3],
                    32);
}
void prefix_from_ipv6(prefix_t *out, const void *bytes);

/* Whether every address of inner is one of outer. */
int prefix_covers(const prefix_t *outer, const prefix_t *inner);

/*
 * Reads text[0..len), which must be whole an address or a prefix:
 *   192.0.2.7   192.0.2.0/24   192.0.2.0/255.255.255.0
 *   2001:db8::7   [2001:db8::7]   2001:db8::/32   ::ffff:192.0.2.0/120
 * IPv6 text is RFC 4291 section 2.2; IPv4 is four decimal octets without
 * leading zeros.  Host bits are cleared.  If *bare is not NULL it says
 * whether the text had no length.  Returns NULL, or the reason in words
 * (a static string, to stand behind "LINE: ") with *out undefined.
 */
const char *prefix_parse(prefix_t *out, int *bare, const char *text,
                         size_t len);

/* The part of scan_prefix() (scan.h) that is no bare IPv4 address: an IPv4
 * address of len bytes and its length, or (len 0) all else. */
size_t prefix_scan_further(prefix_t *out, int *bare, const char *text,
                           uint32_t ipv4, size_t len);

/*
 * The prefixes that make up first..last (both single addresses of the same
 * family, first <= last), in rising order: at most 62 for IPv4, 254 for IPv6.
 * Hands each to emit.  Returns how many.  An IPv6 range that passes over the
 * IPv4-mapped addresses has IPv6 pieces there, which are nobody's address.
 */
int prefix_from_range(const prefix_t *first, const prefix_t *last,
                      void (*emit)(void *ctx, const prefix_t *p), void *ctx);

/* Canonical text: RFC 5952 for IPv6; "/plen" only where it is not the full
 * length.  Writes a NUL; buf holds PREFIX_TEXT_MAX bytes.  Returns buf. */
char *prefix_format(char *buf, const prefix_t *p);

#pragma GCC visibility pop

#endif /* BANLIST_PREFIX_H */
