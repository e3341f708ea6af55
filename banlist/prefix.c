/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text is read through a cursor that never passes the end it was given; each
 * helper takes what is its own from the front and says NULL, or why not.
 * Whoever called the last of them checks that nothing is left over.
 */
#include <string.h>

#include "prefix.h"

#define NOT_AN_ADDRESS "not an address"
#define FOUR_OCTETS "an IPv4 address has four octets"
#define LENGTH_ZERO "a prefix length of 0 would cover every address"

typedef struct cursor_t {
    const char *p;
    const char *end;
} cursor_t;

static unsigned digit_value(char c)
{
    return (unsigned)(unsigned char)c - '0';
}

/* One more than the value of a hexadecimal digit; 0 for any other byte. */
static const unsigned char hex_digit[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
    ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
    ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
    ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16};

static int at(const cursor_t *in, char c)
{
    return in->p < in->end && *in->p == c;
}

/* What is wrong where neither a digit nor a separator stands. */
static const char *unexpected(const cursor_t *in)
{
    return at(in, '%') ? "a zone id cannot be banned" : NOT_AN_ADDRESS;
}

static const char *read_octet(cursor_t *in, uint32_t *ipv4)
{
    const char *start = in->p;
    unsigned value = 0;

    while (in->p < in->end && digit_value(*in->p) <= 9) {
        value = value * 10 + digit_value(*in->p++);
        if (value > 255) {
            return "octet over 255";
        }
        if (*start == '0' && in->p - start > 1) {
            return "leading zero in an octet";
        }
    }
    if (in->p == start) {
        return at(in, '.') ? "empty octet" : unexpected(in);
    }
    *ipv4 = *ipv4 << 8 | value;
    return NULL;
}

static const char *read_dot(cursor_t *in)
{
    if (in->p < in->end && *in->p != '.') {
        return unexpected(in);
    }
    if (in->end - in->p < 2) {
        return FOUR_OCTETS;
    }
    ++in->p;
    return NULL;
}

static const char *read_ipv4(cursor_t *in, uint32_t *ipv4)
{
    const char *reason = NULL;
    int i;

    *ipv4 = 0;
    for (i = 0; i < 4 && !reason; ++i) {
        if (i) {
            reason = read_dot(in);
        }
        if (!reason) {
            reason = read_octet(in, ipv4);
        }
    }
    if (!reason && in->p < in->end) {
        reason = *in->p == '.' ? FOUR_OCTETS : unexpected(in);
    }
    return reason;
}

static const char *read_group(cursor_t *in, uint16_t *group)
{
    const char *start = in->p;
    const char *p = start;
    unsigned value = 0;
    unsigned digit;

    while (p < in->end && (digit = hex_digit[(unsigned char)*p])) {
        value = value << 4 | (digit - 1);
        ++p;
    }
    in->p = p;
    if (p - start > 4) {
        return "more than four digits in an IPv6 group";
    }
    if (p == start) {
        return p == in->end || *p == ':' ? "an empty IPv6 group"
                                         : unexpected(in);
    }
    *group = (uint16_t)value;
    return NULL;
}

typedef struct groups_t {
    uint16_t group[8];
    int count;
    int gap; /* how many stand in front of "::"; -1 without one */
} groups_t;

static const char *read_ipv4_tail(cursor_t *in, groups_t *g)
{
    uint32_t ipv4;
    const char *reason = read_ipv4(in, &ipv4);

    if (!reason && g->count > 6) {
        reason = "more than eight IPv6 groups";
    }
    if (!reason) {
        g->group[g->count++] = (uint16_t)(ipv4 >> 16);
        g->group[g->count++] = (uint16_t)ipv4;
    }
    return reason;
}

/* Takes what stands in front of a group: "::", ':', or nothing at first. */
static const char *read_separator(cursor_t *in, groups_t *g)
{
    if (in->end - in->p >= 2 && in->p[0] == ':' && in->p[1] == ':') {
        if (g->gap >= 0) {
            return "\"::\" stands twice";
        }
        g->gap = g->count;
        in->p += 2;
    }
    else if (g->count) {
        if (*in->p != ':') {
            return unexpected(in);
        }
        ++in->p;
    }
    return NULL;
}

/* The groups as they stand; all of the text must be theirs. */
static const char *read_groups(cursor_t *in, groups_t *g)
{
    const char *reason, *start;

    do {
        reason = read_separator(in, g);
        if (reason) {
            return reason;
        }
        if (in->p == in->end && g->gap == g->count) {
            return NULL;
        }
        if (g->count == 8) {
            return "more than eight IPv6 groups";
        }
        start = in->p;
        reason = read_group(in, &g->group[g->count]);
        if (reason) {
            return reason;
        }
        if (at(in, '.')) {
            in->p = start;
            return read_ipv4_tail(in, g);
        }
        ++g->count;
    } while (in->p < in->end);
    return NULL;
}

static uint64_t join_groups(const uint16_t *g)
{
    return (uint64_t)g[0] << 48 | (uint64_t)g[1] << 32 | (uint64_t)g[2] << 16
           | g[3];
}

/* Makes room for the groups that "::" stands for. */
static void spread_groups(groups_t *g)
{
    int skip = 8 - g->count;
    int i;

    for (i = g->count - 1; i >= g->gap; --i) {
        g->group[i + skip] = g->group[i];
        g->group[i] = 0;
    }
}

/* The address of the groups that were read; all others are zero. */
static const char *take_groups(prefix_t *out, groups_t *g)
{
    if (g->gap < 0 && g->count < 8) {
        return "fewer than eight IPv6 groups";
    }
    if (g->gap >= 0 && g->count == 8) {
        return "\"::\" beside eight IPv6 groups";
    }
    if (g->gap >= 0) {
        spread_groups(g);
    }
    out->hi = join_groups(g->group);
    out->lo = join_groups(g->group + 4);
    return NULL;
}

static const char *read_ipv6(cursor_t *in, prefix_t *out)
{
    groups_t g = {{0}, 0, -1};
    const char *reason = read_groups(in, &g);

    return reason ? reason : take_groups(out, &g);
}

static int is_mapped(const prefix_t *p)
{
    return !p->hi && p->lo >> 32 == 0xffff;
}

/* Gives *out, an address in hi and lo, its length and its true family. */
static const char *set_length(prefix_t *out, unsigned plen)
{
    if (out->is_ipv6 && is_mapped(out) && plen >= 96) {
        prefix_set_ipv4(out, (uint32_t)out->lo, plen - 96);
    }
    else {
        out->plen = (uint8_t)plen;
    }
    if (!out->plen) {
        return LENGTH_ZERO;
    }
    prefix_mask(&out->hi, &out->lo, out->plen);
    return NULL;
}

static const char *read_netmask(cursor_t *in, unsigned *plen)
{
    uint32_t mask;
    const char *reason = read_ipv4(in, &mask);

    if (reason) {
        return "not a netmask behind the slash";
    }
    if (~mask & (~mask + 1)) {
        return "a netmask with a gap in it";
    }
    for (*plen = 0; mask; mask <<= 1) {
        ++*plen;
    }
    return NULL;
}

/* The number behind the slash, of an address of the family written. */
static const char *read_length(cursor_t *in, int is_ipv6, unsigned *plen)
{
    const char *start = in->p;

    if (in->p == in->end) {
        return "no digits after the slash";
    }
    if (!is_ipv6 && memchr(in->p, '.', (size_t)(in->end - in->p))) {
        return read_netmask(in, plen);
    }
    for (*plen = 0; in->p < in->end; ++in->p) {
        if (digit_value(*in->p) > 9) {
            return at(in, '%') ? unexpected(in)
                               : "not a number after the slash";
        }
        if (*plen <= 128) {
            *plen = *plen * 10 + digit_value(*in->p);
        }
    }
    if (*start == '0' && in->p - start > 1) {
        return "leading zero in the prefix length";
    }
    if (*plen > prefix_plen_max(is_ipv6)) {
        return is_ipv6 ? "prefix length over 128" : "prefix length over 32";
    }
    return NULL;
}

static int looks_like_ipv6(const cursor_t *in)
{
    const char *p = in->p;

    while (p < in->end && hex_digit[(unsigned char)*p]) {
        ++p;
    }
    return p < in->end && (*p == ':' || *in->p == '[');
}

static const char *read_address(cursor_t *in, prefix_t *out)
{
    const char *reason;
    uint32_t ipv4;

    out->is_ipv6 = looks_like_ipv6(in);
    if (!out->is_ipv6) {
        reason = read_ipv4(in, &ipv4);
        prefix_set_ipv4(out, ipv4, 32);
        return reason;
    }
    if (*in->p == '[') {
        if (in->end[-1] != ']') {
            return "'[' without its ']'";
        }
        ++in->p;
        --in->end;
    }
    return read_ipv6(in, out);
}

const char *prefix_parse(prefix_t *out, int *bare, const char *text, size_t len)
{
    const char *slash = len ? memchr(text, '/', len) : NULL;
    cursor_t address = {text, slash ? slash : text + len};
    const char *reason = read_address(&address, out);
    unsigned plen = prefix_plen_max(out->is_ipv6);

    if (!reason && slash) {
        cursor_t length = {slash + 1, text + len};

        reason = read_length(&length, out->is_ipv6, &plen);
    }
    if (bare) {
        *bare = !slash;
    }
    return reason ? reason : set_length(out, plen);
}

static inline const char *scan_group(const char *p, uint16_t *group)
{
    const char *end = p + 4;
    unsigned value = 0;
    unsigned digit;

    for (; p < end && (digit = hex_digit[(unsigned char)*p]); ++p) {
        value = value * 16 + digit - 1;
    }
    *group = (uint16_t)value;
    return p;
}

/* Only what begins with a group. */
static size_t scan_ipv6(prefix_t *out, const char *text)
{
    groups_t g = {{0}, 0, -1};
    const char *start = text;
    const char *p = scan_group(start, g.group);

    while (p > start && ++g.count < 8 && *p == ':') {
        start = ++p;
        if (*p == ':') {
            if (g.gap >= 0) {
                return 0;
            }
            g.gap = g.count;
            start = ++p;
        }
        p = scan_group(p, &g.group[g.count]);
    }
    if (p == start && g.gap != g.count) {
        return 0;
    }
    return take_groups(out, &g) ? 0 : (size_t)(p - text);
}

/* The slash and the number behind it, which may be up to *plen. */
static size_t scan_length(const char *text, unsigned *plen)
{
    unsigned value = 0;
    size_t len;

    for (len = 1; len < 4 && digit_value(text[len]) <= 9; ++len) {
        value = value * 10 + digit_value(text[len]);
    }
    if (len == 1 || text[1] == '0' || value > *plen) {
        return 0;
    }
    *plen = value;
    return len;
}

/* With the length behind it, if there is one. */
static size_t scan_behind(prefix_t *out, int bare, const char *text, size_t len)
{
    unsigned plen = prefix_plen_max(out->is_ipv6);
    size_t more = bare ? 0 : scan_length(text + len, &plen);

    return (bare || more) && !set_length(out, plen) ? len + more : 0;
}

size_t prefix_scan_further(prefix_t *out, int *bare, const char *text,
                           uint32_t ipv4, size_t len)
{
    out->is_ipv6 = !len;
    if (len) {
        prefix_set_ipv4(out, ipv4, 32);
    }
    else {
        len = scan_ipv6(out, text);
    }
    *bare = text[len] != '/';
    return len ? scan_behind(out, *bare, text, len) : 0;
}

static uint64_t join_bytes(const unsigned char *b)
{
    uint64_t value = 0;
    int i;

    for (i = 0; i < 8; ++i) {
        value = value << 8 | b[i];
    }
    return value;
}

void prefix_from_ipv6(prefix_t *out, const void *bytes)
{
    const unsigned char *b = bytes;

    out->hi = join_bytes(b);
    out->lo = join_bytes(b + 8);
    out->plen = 128;
    out->is_ipv6 = 1;
    if (is_mapped(out)) {
        prefix_set_ipv4(out, (uint32_t)out->lo, 32);
    }
}

int prefix_covers(const prefix_t *outer, const prefix_t *inner)
{
    uint64_t hi = inner->hi;
    uint64_t lo = inner->lo;

    if (outer->is_ipv6 != inner->is_ipv6 || outer->plen > inner->plen) {
        return 0;
    }
    prefix_mask(&hi, &lo, outer->plen);
    return hi == outer->hi && lo == outer->lo;
}

/* *out: the last address of the prefix of this length that p lies in. */
static void last_address(prefix_t *out, const prefix_t *p, unsigned plen)
{
    uint64_t hi = ~UINT64_C(0);
    uint64_t lo = ~UINT64_C(0);

    prefix_mask(&hi, &lo, plen);
    *out = *p;
    out->hi |= p->is_ipv6 ? ~hi : ~hi & ~UINT64_C(0xffffffff);
    out->lo |= p->is_ipv6 ? ~lo : 0;
}

static int is_after(const prefix_t *a, const prefix_t *b)
{
    return a->hi > b->hi || (a->hi == b->hi && a->lo > b->lo);
}

static int starts_at(const prefix_t *p, unsigned plen)
{
    uint64_t hi = p->hi;
    uint64_t lo = p->lo;

    prefix_mask(&hi, &lo, plen);
    return hi == p->hi && lo == p->lo;
}

static void next_address(prefix_t *p)
{
    if (!p->is_ipv6) {
        p->hi += UINT64_C(1) << 32;
    }
    else if (!++p->lo) {
        ++p->hi;
    }
}

int prefix_from_range(const prefix_t *first, const prefix_t *last,
                      void (*emit)(void *ctx, const prefix_t *p), void *ctx)
{
    prefix_t at_hand = *first;
    prefix_t end, wider;
    int count = 0;

    for (;;) {
        end = at_hand;
        /* the widest prefix that begins here and does not pass last */
        while (at_hand.plen > 1 && starts_at(&at_hand, at_hand.plen - 1u)) {
            last_address(&wider, &at_hand, at_hand.plen - 1u);
            if (is_after(&wider, last)) {
                break;
            }
            --at_hand.plen;
            end = wider;
        }
        emit(ctx, &at_hand);
        ++count;
        if (!is_after(last, &end)) {
            return count;
        }
        at_hand.hi = end.hi;
        at_hand.lo = end.lo;
        at_hand.plen = first->plen;
        next_address(&at_hand);
    }
}

static char *put_decimal(char *p, unsigned value)
{
    if (value >= 100) {
        *p++ = (char)('0' + value / 100);
    }
    if (value >= 10) {
        *p++ = (char)('0' + value / 10 % 10);
    }
    *p++ = (char)('0' + value % 10);
    return p;
}

static char *put_ipv4(char *p, uint32_t ipv4)
{
    int shift;

    for (shift = 24; shift >= 0; shift -= 8) {
        p = put_decimal(p, ipv4 >> shift & 255);
        *p++ = '.';
    }
    return p - 1;
}

static char *put_group(char *p, unsigned value)
{
    int shift = 12;

    while (shift && !(value >> shift)) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        *p++ = "0123456789abcdef"[value >> shift & 15];
    }
    return p;
}

/* The run of zeros that "::" stands for: the first of the longest, and of
 * two groups at least (RFC 5952 section 4.2).  *len is 0 if there is none. */
static int longest_gap(const unsigned *group, int *len)
{
    int start = 0;
    int i, run = 0;

    *len = 0;
    for (i = 0; i < 8; ++i) {
        run = group[i] ? 0 : run + 1;
        if (run > 1 && run > *len) {
            *len = run;
            start = i + 1 - run;
        }
    }
    return start;
}

static char *put_ipv6(char *p, const prefix_t *address)
{
    unsigned group[8];
    int gap, gap_len, i;

    for (i = 0; i < 8; ++i) {
        uint64_t half = i < 4 ? address->hi : address->lo;

        group[i] = (unsigned)(half >> (48 - i % 4 * 16)) & 0xffff;
    }
    gap = longest_gap(group, &gap_len);
    for (i = 0; i < 8; ++i) {
        if (gap_len && i == gap) {
            *p++ = ':';
            *p++ = ':';
            i += gap_len - 1;
            continue;
        }
        if (i && !(gap_len && i == gap + gap_len)) {
            *p++ = ':';
        }
        p = put_group(p, group[i]);
    }
    return p;
}

char *prefix_format(char *buf, const prefix_t *p)
{
    char *end =
        p->is_ipv6 ? put_ipv6(buf, p) : put_ipv4(buf, (uint32_t)(p->hi >> 32));

    if (p->plen < prefix_plen_max(p->is_ipv6)) {
        *end++ = '/';
        end = put_decimal(end, p->plen);
    }
    *end = '\0';
    return buf;
}
