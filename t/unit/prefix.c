/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An address or prefix is read exactly as it is written, or refused with the
 * reason; inet_pton() and a naive cover of ranges are the oracles.
 */
#define _DEFAULT_SOURCE
#include <arpa/inet.h>
#include <strings.h>

#include "banlist/prefix.h"
#include "banlist/scan.h"
#include "tap.h"

#define SEED 20240229u

static uint32_t random_state = SEED;

static uint32_t random32(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static const char *parse(prefix_t *out, int *bare, const char *text,
                         size_t len)
{
    const char *ahead = prefix_parse(out, bare, guard_copy_behind(text, len),
                                     len);
    const char *reason = prefix_parse(out, bare, guard_copy(text, len), len);

    return ahead == reason ? reason : "differs with its place in memory";
}

/* "canonical text", "canonical text bare", or "bad: reason". */
static const char *verdict(const char *text, size_t len)
{
    static char buf[128];
    char canonical[PREFIX_TEXT_MAX];
    prefix_t p;
    int bare = -1;
    const char *reason = parse(&p, &bare, text, len);

    if (reason) {
        snprintf(buf, sizeof(buf), "bad: %s", reason);
    }
    else {
        snprintf(buf, sizeof(buf), "%s%s", prefix_format(canonical, &p),
                 bare ? " bare" : "");
    }
    return buf;
}

static const struct {
    const char *text;
    const char *want;
} accepted[] = {
    { "192.0.2.7", "192.0.2.7 bare" },
    { "0.0.0.0", "0.0.0.0 bare" },
    { "255.255.255.255", "255.255.255.255 bare" },
    { "192.0.2.7/32", "192.0.2.7" },
    { "192.0.2.0/24", "192.0.2.0/24" },
    { "192.0.2.255/24", "192.0.2.0/24" },
    { "255.255.255.255/1", "128.0.0.0/1" },
    { "192.0.2.7/31", "192.0.2.6/31" },
    { "192.0.2.7/255.255.255.0", "192.0.2.0/24" },
    { "192.0.2.7/255.255.255.255", "192.0.2.7" },
    { "192.0.2.7/128.0.0.0", "128.0.0.0/1" },
    { "192.0.2.7/255.255.254.0", "192.0.2.0/23" },
    { "2001:db8::7", "2001:db8::7 bare" },
    { "[2001:db8::7]", "2001:db8::7 bare" },
    { "[2001:db8::7]/32", "2001:db8::/32" },
    { "2001:DB8:0:0:0:0:0:7", "2001:db8::7 bare" },
    { "2001:0db8:0000:0000:0000:0000:0000:0007", "2001:db8::7 bare" },
    { "2001:db8::/32", "2001:db8::/32" },
    { "2001:db8:ffff::1/32", "2001:db8::/32" },
    { "2001:db8::7/128", "2001:db8::7" },
    { "2001:db8:0:0:ffff::/65", "2001:db8:0:0:8000::/65" },
    { "2001:db8::1/64", "2001:db8::/64" },
    { "ffff::/1", "8000::/1" },
    { "::", ":: bare" },
    { "::1", "::1 bare" },
    { "1::", "1:: bare" },
    { "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8 bare" },
    { "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0 bare" },
    { "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8 bare" },
    { "1:0:0:4:5:0:0:8", "1::4:5:0:0:8 bare" },
    { "1:0:0:4:0:0:0:8", "1:0:0:4::8 bare" },
    { "1:2:3:4:5:6:192.0.2.7", "1:2:3:4:5:6:c000:207 bare" },
    { "64:ff9b::192.0.2.7", "64:ff9b::c000:207 bare" },
    { "64:ff9b::192.0.2.7/96", "64:ff9b::/96" },
    { "::ffff:192.0.2.7", "192.0.2.7 bare" },
    { "::FFFF:c000:207", "192.0.2.7 bare" },
    { "[::ffff:192.0.2.7]", "192.0.2.7 bare" },
    { "0:0:0:0:0:ffff:192.0.2.7", "192.0.2.7 bare" },
    { "::ffff:192.0.2.7/128", "192.0.2.7" },
    { "::ffff:192.0.2.7/120", "192.0.2.0/24" },
    { "::ffff:192.0.2.7/97", "128.0.0.0/1" },
    { "::ffff:192.0.2.7/95", "::fffe:0:0/95" },
    { "::ffff:192.0.2.7/64", "::/64" },
    { "::192.0.2.7", "::c000:207 bare" }
};

#define OCTETS "bad: an IPv4 address has four octets"
#define NO_ADDRESS "bad: not an address"
#define ZONE "bad: a zone id cannot be banned"
#define ZERO "bad: a prefix length of 0 would cover every address"
#define EMPTY_GROUP "bad: an empty IPv6 group"
#define MANY_GROUPS "bad: more than eight IPv6 groups"

static const struct {
    const char *text;
    const char *want;
} refused[] = {
    { "", NO_ADDRESS },
    { "-", NO_ADDRESS },
    { " 192.0.2.7", NO_ADDRESS },
    { "192.0.2.7 ", NO_ADDRESS },
    { "192.0.2.7x", NO_ADDRESS },
    { "192.0.2.7,", NO_ADDRESS },
    { "192,0.2.7", NO_ADDRESS },
    { "+192.0.2.7", NO_ADDRESS },
    { "192.0.2.-7", NO_ADDRESS },
    { "0x7f.0.0.1", NO_ADDRESS },
    { "example.net", NO_ADDRESS },
    { "192.0.2.256", "bad: octet over 255" },
    { "256.0.2.7", "bad: octet over 255" },
    { "192.0.2.1000", "bad: octet over 255" },
    { "192.0.2.4294967297", "bad: octet over 255" },
    { "3221225991", "bad: octet over 255" },
    { "192.0.2.07", "bad: leading zero in an octet" },
    { "192.00.2.7", "bad: leading zero in an octet" },
    { "010.0.2.7", "bad: leading zero in an octet" },
    { "192", OCTETS },
    { "192.0.2", OCTETS },
    { "192.0.2.7.9", OCTETS },
    { "192.0.2.7.", OCTETS },
    { "192.0.2.", OCTETS },
    { "192.", OCTETS },
    { "192..2.7", "bad: empty octet" },
    { ".192.0.2.7", "bad: empty octet" },
    { "192.0.2.7/", "bad: no digits after the slash" },
    { "192.0.2.7/33", "bad: prefix length over 32" },
    { "192.0.2.7/4294967328", "bad: prefix length over 32" },
    { "192.0.2.7/99999999999999999999", "bad: prefix length over 32" },
    { "192.0.2.7/0", ZERO },
    { "192.0.2.7/0.0.0.0", ZERO },
    { "192.0.2.7/00", "bad: leading zero in the prefix length" },
    { "192.0.2.7/08", "bad: leading zero in the prefix length" },
    { "192.0.2.7/-1", "bad: not a number after the slash" },
    { "192.0.2.7/+8", "bad: not a number after the slash" },
    { "192.0.2.7/ 8", "bad: not a number after the slash" },
    { "192.0.2.7/8x", "bad: not a number after the slash" },
    { "192.0.2.7/24/24", "bad: not a number after the slash" },
    { "192.0.2.7/abc", "bad: not a number after the slash" },
    { "/24", NO_ADDRESS },
    { "192.0.2.7/255.0.255.0", "bad: a netmask with a gap in it" },
    { "192.0.2.7/0.0.0.255", "bad: a netmask with a gap in it" },
    { "192.0.2.7/255.255.255.1", "bad: a netmask with a gap in it" },
    { "192.0.2.7/255.255.255", "bad: not a netmask behind the slash" },
    { "192.0.2.7/255.255.256.0", "bad: not a netmask behind the slash" },
    { "192.0.2.7/24.", "bad: not a netmask behind the slash" },
    { "192.0.2.7%eth0", ZONE },
    { "fe80::1%eth0", ZONE },
    { "fe80::%1", ZONE },
    { "[fe80::1%eth0]", ZONE },
    { "fe80::1%eth0/64", ZONE },
    { "::ffff:192.0.2.7%eth0", ZONE },
    { "2001:db8::/", "bad: no digits after the slash" },
    { "2001:db8::/129", "bad: prefix length over 128" },
    { "::ffff:192.0.2.7/129", "bad: prefix length over 128" },
    { "2001:db8::/0", ZERO },
    { "::/0", ZERO },
    { "::ffff:192.0.2.7/0", ZERO },
    { "::ffff:192.0.2.7/96", ZERO },
    { "2001:db8::/ffff::", "bad: not a number after the slash" },
    { "2001:db8::/255.255.0.0", "bad: not a number after the slash" },
    { ":", EMPTY_GROUP },
    { ":1", EMPTY_GROUP },
    { ":1::", EMPTY_GROUP },
    { ":::", EMPTY_GROUP },
    { "1:", EMPTY_GROUP },
    { "::1:", EMPTY_GROUP },
    { "1:2:3:4:5:6:7:", EMPTY_GROUP },
    { "1:::2", EMPTY_GROUP },
    { "[]", EMPTY_GROUP },
    { "1::2::3", "bad: \"::\" stands twice" },
    { "::1::", "bad: \"::\" stands twice" },
    { "::::", EMPTY_GROUP },
    { "1:2:3:4:5:6:7", "bad: fewer than eight IPv6 groups" },
    { "1:2", "bad: fewer than eight IPv6 groups" },
    { "1:192.0.2.7", "bad: fewer than eight IPv6 groups" },
    { "[192.0.2.7]", "bad: fewer than eight IPv6 groups" },
    { "1:2:3:4:5:6:7:8:9", MANY_GROUPS },
    { "1:2:3:4:5:6:7:8:", MANY_GROUPS },
    { "1:2:3:4:5:6:7:192.0.2.7", MANY_GROUPS },
    { "::1:2:3:4:5:6:7:8:9", MANY_GROUPS },
    { "1:2:3:4:5:6:7:8::", "bad: \"::\" beside eight IPv6 groups" },
    { "::1:2:3:4:5:6:7:8", "bad: \"::\" beside eight IPv6 groups" },
    { "1:2:3:4::5:6:7:8", "bad: \"::\" beside eight IPv6 groups" },
    { "2001:db8::12345", "bad: more than four digits in an IPv6 group" },
    { "02001::", "bad: more than four digits in an IPv6 group" },
    { "2001:db8::g", NO_ADDRESS },
    { "2001:db8::7-", NO_ADDRESS },
    { "2001:db8::7 ", NO_ADDRESS },
    { "::192.0.2.7:1", NO_ADDRESS },
    { "::192.0.2", OCTETS },
    { "::192.0.2.256", "bad: octet over 255" },
    { "::192.0.2.07", "bad: leading zero in an octet" },
    { "[2001:db8::7", "bad: '[' without its ']'" },
    { "[2001:db8::7]x", "bad: '[' without its ']'" },
    { "[", "bad: '[' without its ']'" },
    { "2001:db8::7]", NO_ADDRESS },
    { "[[2001:db8::7]]", NO_ADDRESS }
};

static void test_tables(void)
{
    size_t i;

    for (i = 0; i < sizeof(accepted) / sizeof(*accepted); ++i) {
        is_str(verdict(accepted[i].text, strlen(accepted[i].text)),
               accepted[i].want, "accepted: %s", accepted[i].text);
    }
    for (i = 0; i < sizeof(refused) / sizeof(*refused); ++i) {
        is_str(verdict(refused[i].text, strlen(refused[i].text)),
               refused[i].want, "refused: %s", refused[i].text);
    }
    is_str(verdict("192.0.2.7\0", 10), NO_ADDRESS, "refused: NUL behind");
    is_str(verdict("192.0\0.2.7", 10), NO_ADDRESS, "refused: NUL within");
}

static void test_every_length(void)
{
    char text[64], want[64];
    unsigned plen;
    int wrong = 0;

    for (plen = 1; plen <= 32; ++plen) {
        struct in_addr mask = { htonl(~0u << (32 - plen)) };

        sprintf(text, "255.255.255.255/%u", plen);
        sprintf(want, "%s", verdict(text, strlen(text)));
        sprintf(text, "255.255.255.255/%s", inet_ntoa(mask));
        wrong += strcmp(verdict(text, strlen(text)), want) != 0;
        sprintf(text, plen < 32 ? "%s/%u" : "%s", inet_ntoa(mask), plen);
        wrong += strcmp(text, want) != 0;
        sprintf(text, "::ffff:255.255.255.255/%u", plen + 96);
        wrong += strcmp(verdict(text, strlen(text)), want) != 0;
    }
    is_int(wrong, 0, "IPv4 lengths 1 to 32, as number, netmask and mapped");
}

static void to_bytes(unsigned char *bytes, const prefix_t *p)
{
    int i;

    for (i = 0; i < 8; ++i) {
        bytes[i] = (unsigned char)(p->hi >> (56 - 8 * i));
        bytes[8 + i] = (unsigned char)(p->lo >> (56 - 8 * i));
    }
}

static int same(const prefix_t *a, const prefix_t *b)
{
    return a->hi == b->hi && a->lo == b->lo && a->plen == b->plen
           && a->is_ipv6 == b->is_ipv6;
}

/* Whether prefix_parse() and inet_pton() think the same of bare text. */
static int agrees_with_inet_pton(const char *text)
{
    unsigned char bytes[16];
    prefix_t p, want;
    const char *reason = parse(&p, NULL, text, strlen(text));

    if (inet_pton(AF_INET, text, bytes) == 1) {
        prefix_from_ipv4(&want, bytes);
    }
    else if (inet_pton(AF_INET6, text, bytes) == 1) {
        prefix_from_ipv6(&want, bytes);
    }
    else {
        return reason != NULL;
    }
    return !reason && same(&p, &want);
}

static void random_bytes(unsigned char *bytes, int len)
{
    uint32_t zeros = random32();
    int i;

    for (i = 0; i < len; ++i) {
        bytes[i] = zeros >> (i / 2) & 1 ? 0 : (unsigned char)random32();
    }
    if (len == 16 && !(zeros >> 28)) {
        memcpy(bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
    }
}

static void test_oracle_valid(void)
{
    char text[INET6_ADDRSTRLEN], ours[PREFIX_TEXT_MAX];
    unsigned char bytes[16];
    prefix_t p;
    int i, wrong = 0, other_text = 0;

    for (i = 0; i < 200000; ++i) {
        int is_ipv6 = i & 1;

        random_bytes(bytes, is_ipv6 ? 16 : 4);
        inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, bytes, text, sizeof(text));
        if (!agrees_with_inet_pton(text)) {
            diag("inet_pton does not agree on %s", text);
            ++wrong;
        }
        is_ipv6 ? prefix_from_ipv6(&p, bytes) : prefix_from_ipv4(&p, bytes);
        /* inet_ntop() writes an IPv4 tail in places where RFC 5952 has none */
        if (is_ipv6 == p.is_ipv6 && !(is_ipv6 && strchr(text, '.'))
            && strcmp(prefix_format(ours, &p), text)) {
            diag("inet_ntop says %s, not %s", text, ours);
            ++other_text;
        }
    }
    is_int(wrong, 0, "inet_pton agrees on 200000 random valid addresses");
    is_int(other_text, 0, "inet_ntop writes them alike");
}

static void test_oracle_mutated(void)
{
    static const char bytes[] = "0123456789abcdefF:::...%[]-";
    static const char *const seeds[] = {
        "192.0.2.7", "10.20.30.40", "255.255.255.255", "2001:db8::7",
        "1:2:3:4:5:6:7:8", "::", "::ffff:192.0.2.7", "1::8", "a:b:c:d::1.2.3.4"
    };
    char text[80];
    int i, k, wrong = 0;

    for (i = 0; i < 500000 && wrong < 5; ++i) {
        strcpy(text, seeds[random32() % (sizeof(seeds) / sizeof(*seeds))]);
        for (k = (int)(random32() % 3); k >= 0; --k) {
            size_t len = strlen(text);
            size_t where = random32() % (len + 1);
            char byte = bytes[random32() % (sizeof(bytes) - 1)];

            if (random32() & 1) {
                memmove(text + where + 1, text + where, len - where + 1);
                text[where] = byte;
            }
            else if (where < len) {
                text[where] = byte;
            }
        }
        /* "[...]" is ours alone */
        if (text[0] != '[' && !agrees_with_inet_pton(text)) {
            diag("inet_pton does not agree on %s", text);
            ++wrong;
        }
    }
    is_int(wrong, 0, "inet_pton agrees on 500000 spoilt addresses");
}

static void random_prefix(prefix_t *p)
{
    unsigned char bytes[16];
    int is_ipv6 = (int)(random32() & 1);
    unsigned plen = 1 + random32() % prefix_plen_max(is_ipv6);

    random_bytes(bytes, 16);
    is_ipv6 ? prefix_from_ipv6(p, bytes) : prefix_from_ipv4(p, bytes);
    if (plen < p->plen) {
        p->plen = (uint8_t)plen;
    }
    prefix_mask(&p->hi, &p->lo, p->plen);
}

static void test_round_trip(void)
{
    char text[PREFIX_TEXT_MAX];
    prefix_t p, back;
    int i, wrong = 0;

    for (i = 0; i < 200000; ++i) {
        random_prefix(&p);
        prefix_format(text, &p);
        if (parse(&back, NULL, text, strlen(text)) || !same(&p, &back)) {
            diag("%s does not come back", text);
            ++wrong;
        }
    }
    is_int(wrong, 0, "200000 random prefixes: text and back");
    is_str(prefix_format(text, &(prefix_t){ ~UINT64_C(0), ~UINT64_C(1), 127,
                                            1 }),
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127", "the longest text");
}

static int bit(const unsigned char *bytes, unsigned n)
{
    return bytes[n / 8] >> (7 - n % 8) & 1;
}

/* Bit by bit. */
static int covers_naively(const prefix_t *outer, const prefix_t *inner)
{
    unsigned char a[16], b[16];
    unsigned n;

    to_bytes(a, outer);
    to_bytes(b, inner);
    for (n = 0; n < outer->plen; ++n) {
        if (bit(a, n) != bit(b, n)) {
            return 0;
        }
    }
    return outer->is_ipv6 == inner->is_ipv6 && outer->plen <= inner->plen;
}

static void test_covers(void)
{
    prefix_t outer, inner;
    int i, wrong = 0, covered = 0;

    for (i = 0; i < 200000; ++i) {
        random_prefix(&outer);
        random_prefix(&inner);
        if (i & 1) {
            inner = outer;
            inner.plen = (uint8_t)(1 + random32()
                                       % prefix_plen_max(outer.is_ipv6));
            prefix_mask(&inner.hi, &inner.lo, inner.plen);
        }
        covered += prefix_covers(&outer, &inner);
        wrong += prefix_covers(&outer, &inner)
                 != covers_naively(&outer, &inner);
    }
    is_int(wrong, 0, "covers: as bit by bit");
    ok(covered > 10000 && covered < 190000, "covers: both verdicts were met");
}

static void test_from_bytes(void)
{
    char text[PREFIX_TEXT_MAX];
    unsigned char bytes[16];
    prefix_t p;

    inet_pton(AF_INET, "192.0.2.7", bytes);
    prefix_from_ipv4(&p, guard_copy(bytes, 4));
    is_str(prefix_format(text, &p), "192.0.2.7", "from 4 bytes");
    inet_pton(AF_INET6, "2001:db8::7", bytes);
    prefix_from_ipv6(&p, guard_copy(bytes, 16));
    is_str(prefix_format(text, &p), "2001:db8::7", "from 16 bytes");
    inet_pton(AF_INET6, "::ffff:192.0.2.7", bytes);
    prefix_from_ipv6(&p, guard_copy(bytes, 16));
    is_str(prefix_format(text, &p), "192.0.2.7", "from 16 bytes, mapped");
}

/* The pieces of a range, as they come. */
typedef struct pieces_t {
    int count;
    int wrong;
    prefix_t last; /* the last address of the piece before */
    prefix_t piece[256];
} pieces_t;

static void collect(void *ctx, const prefix_t *p)
{
    pieces_t *pieces = ctx;

    if (pieces->count < 256) {
        pieces->piece[pieces->count] = *p;
    }
    ++pieces->count;
}

static uint32_t ipv4_of(const prefix_t *p)
{
    return (uint32_t)(p->hi >> 32);
}

static void set_ipv4(prefix_t *p, uint32_t ipv4)
{
    ipv4 = htonl(ipv4);
    prefix_from_ipv4(p, &ipv4);
}

/* Whether the pieces are first..last, in order, each address once, and no
 * two of them could be one. */
static int is_exact(const pieces_t *got, uint64_t first, uint64_t last)
{
    uint64_t next = first;
    int i;

    for (i = 0; i < got->count; ++i) {
        const prefix_t *p = &got->piece[i];
        const prefix_t *before = i ? p - 1 : NULL;

        if (ipv4_of(p) != next || p->plen < 1 || p->plen > 32) {
            return 0;
        }
        if (before && before->plen == p->plen && p->plen > 1
            && !(ipv4_of(before) >> (32 - p->plen) & 1)) {
            return 0;
        }
        next += UINT64_C(1) << (32 - p->plen);
    }
    return next == last + 1;
}

static int range_is_exact(uint32_t from, uint32_t to, int *count)
{
    prefix_t first, last;
    pieces_t got = { .count = 0 };

    set_ipv4(&first, from);
    set_ipv4(&last, to);
    *count = prefix_from_range(&first, &last, collect, &got);
    return *count == got.count && is_exact(&got, from, to);
}

static void test_ranges_ipv4(void)
{
    uint32_t from, to;
    int i, count, wrong = 0;

    for (from = 0; from < 128; ++from) {
        for (to = from; to < 128; ++to) {
            wrong += !range_is_exact(0xc0000200u + from, 0xc0000200u + to,
                                     &count);
        }
    }
    is_int(wrong, 0, "every range within 128 addresses");
    for (wrong = 0, i = 0; i < 100000; ++i) {
        from = random32();
        to = i & 1 ? random32() : from + (random32() & 0xffff);
        if (from <= to) {
            wrong += !range_is_exact(from, to, &count) || count > 62;
        }
    }
    is_int(wrong, 0, "random ranges of any width");
    ok(range_is_exact(1, 0xfffffffeu, &count), "0.0.0.1-255.255.255.254");
    is_int(count, 62, "is the longest cover");
    ok(range_is_exact(0, 0xffffffffu, &count), "the whole family");
    is_int(count, 2, "is two halves");
    ok(range_is_exact(0xffffffffu, 0xffffffffu, &count), "the last address");
    is_int(count, 1, "is one prefix");
}

static const char *ipv6_range(const char *from, const char *to)
{
    static char text[256 * PREFIX_TEXT_MAX];
    char one[PREFIX_TEXT_MAX];
    pieces_t got = { .count = 0 };
    prefix_t first, last;
    size_t len = 0;
    int i;

    prefix_parse(&first, NULL, from, strlen(from));
    prefix_parse(&last, NULL, to, strlen(to));
    prefix_from_range(&first, &last, collect, &got);
    for (i = 0; i < got.count; ++i) {
        len += (size_t)sprintf(text + len, "%s ",
                               prefix_format(one, &got.piece[i]));
    }
    return text;
}

static void add(prefix_t *p, uint64_t n)
{
    p->lo += n;
    p->hi += p->lo < n;
}

/* Naively: every address of a small range is in exactly one piece, and its
 * neighbours on both sides are in none. */
static int ipv6_range_is_exact(const prefix_t *first, unsigned width)
{
    pieces_t got = { .count = 0 };
    prefix_t p = *first;
    prefix_t last = *first;
    unsigned n;
    int i;

    add(&last, width);
    prefix_from_range(first, &last, collect, &got);
    p.hi -= !p.lo;
    --p.lo;
    for (n = 0; n < width + 3; ++n, add(&p, 1)) {
        int covered = 0;

        for (i = 0; i < got.count; ++i) {
            covered += prefix_covers(&got.piece[i], &p);
        }
        if (covered != (n > 0 && n < width + 2)) {
            return 0;
        }
    }
    return 1;
}

static void test_ranges_ipv6(void)
{
    prefix_t first;
    pieces_t got = { .count = 0 };
    prefix_t last;
    unsigned i, wrong = 0;

    for (i = 0; i < 2000; ++i) {
        memset(&first, 0, sizeof(first));
        first.hi = UINT64_C(0x20010db800000000) + (i & 1);
        first.lo = i % 3 ? random32() : 0 - (uint64_t)(random32() % 300);
        first.plen = 128;
        first.is_ipv6 = 1;
        wrong += !ipv6_range_is_exact(&first, random32() % 400);
    }
    is_int(wrong, 0, "small ranges, also over the 64th bit");
    is_str(ipv6_range("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
           "2001:db8::/32 ", "a range that is a prefix");
    is_str(ipv6_range("2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:1::1"),
           "2001:db8::ffff:ffff:ffff:ffff 2001:db8:0:1::/127 ",
           "over the 64th bit");
    is_str(ipv6_range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
           "::/1 8000::/1 ", "the whole family");
    prefix_parse(&first, NULL, "::1", 3);
    prefix_parse(&last, NULL, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 39);
    is_int(prefix_from_range(&first, &last, collect, &got), 254,
           "the longest cover");
    is_int(got.count, 254, "is handed over piece by piece");
}

/* Whether scan_prefix() reads from the front of text what prefix_parse()
 * does; *len: how much of it. */
static int scans_alike(const char *text, size_t *len)
{
    char room[PREFIX_TEXT_MAX + 80];
    prefix_t scanned, parsed;
    int bare = -1;
    int parsed_bare = -1;

    memset(room, '1', sizeof(room));
    memcpy(room, text, strlen(text) + 1);
    *len = scan_prefix(&scanned, &bare, guard_copy(room, PREFIX_TEXT_MAX));
    if (!*len) {
        return 1;
    }
    return !parse(&parsed, &parsed_bare, room, *len)
           && same(&scanned, &parsed) && bare == parsed_bare;
}

static void test_scan(void)
{
    static const char bytes[] = "0123456789abcdefF::::.../// -,;\n\0%[]\xff";
    char text[80] = ""; /* what its end gives way to is known, too */
    size_t len, i;
    prefix_t p;
    int n, k, whole = 0, wrong = 0, scanned = 0;

    for (i = 0; i < sizeof(accepted) / sizeof(*accepted); ++i) {
        wrong += !scans_alike(accepted[i].text, &len);
    }
    for (i = 0; i < sizeof(refused) / sizeof(*refused); ++i) {
        wrong += !scans_alike(refused[i].text, &len);
    }
    is_int(wrong, 0, "scanned as parsed: the tables");
    for (n = 0; n < 500000 && wrong < 5; ++n) {
        random_prefix(&p);
        prefix_format(text, &p);
        whole += scans_alike(text, &len) && len == strlen(text);
        whole += *text == ':'; /* rare: not read by scan_prefix() */
        for (k = (int)(random32() % 3); k >= 0; --k) {
            text[random32() % (strlen(text) + 1)] =
                bytes[random32() % (sizeof(bytes) - 1)];
            text[PREFIX_TEXT_MAX] = '\0';
        }
        if (!scans_alike(text, &len)) {
            diag("not scanned as parsed: %s", text);
            ++wrong;
        }
        scanned += len > 0;
    }
    is_int(whole, n, "random prefixes are scanned whole");
    is_int(wrong, 0, "and, spoilt, read as prefix_parse() reads them");
    ok(scanned > n / 10 && scanned < n, "both verdicts were met");
}

int main(void)
{
    note("seed %u", SEED);
    test_tables();
    test_every_length();
    test_from_bytes();
    test_oracle_valid();
    test_oracle_mutated();
    test_round_trip();
    test_scan();
    test_covers();
    test_ranges_ipv4();
    test_ranges_ipv6();
    return done();
}
