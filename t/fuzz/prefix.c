/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prefix parser says of every text what inet_pton() and a plain reading
 * of the length say, its canonical text reads back as the same prefix, and a
 * range falls into prefixes that are exactly it.
 *
 * An input is a kind and the text, or a kind and two addresses.
 */
#include "banlist/scan.h"
#include "fuzz.h"
#include "t/unit/tap.h"

#include <arpa/inet.h>

typedef unsigned __int128 u128_t;

#define TEXT_MAX 256

/* ---- the plain reading ---- */

typedef struct plain_t {
    u128_t bits; /* IPv4 in the lower 32 */
    int six;
    int plen;
    int bare;
} plain_t;

static u128_t join(const unsigned char *bytes, int n)
{
    u128_t value = 0;

    for (int i = 0; i < n; i++)
        value = value << 8 | bytes[i];
    return value;
}

static int plain_address(plain_t *out, const char *text)
{
    unsigned char bytes[16];
    char inner[TEXT_MAX];
    size_t len = strlen(text);

    out->six = 0;
    if (inet_pton(AF_INET, text, bytes) == 1) {
        out->bits = join(bytes, 4);
        return 1;
    }
    strcpy(inner, text);
    if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
        inner[len - 1] = '\0';
        memmove(inner, inner + 1, len - 1);
    }
    out->six = 1;
    if (inet_pton(AF_INET6, inner, bytes) != 1)
        return 0;
    out->bits = join(bytes, 16);
    return 1;
}

/* A decimal number without a sign or leading zeros; -1 for anything else. */
static int plain_number(const char *text)
{
    size_t len = strspn(text, "0123456789");

    if (!len || len > 3 || text[len] || (text[0] == '0' && len > 1))
        return -1;
    return atoi(text);
}

static int plain_netmask(const char *text)
{
    unsigned char bytes[4];
    uint32_t mask;
    int plen = 0;

    if (inet_pton(AF_INET, text, bytes) != 1)
        return -1;
    mask = (uint32_t)join(bytes, 4);
    while (plen < 32 && mask >> (31 - plen) & 1)
        plen++;
    return plen == 32 || !(mask << plen) ? plen : -1;
}

static int plain_parse(plain_t *out, const char *text)
{
    char address[TEXT_MAX];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);

    memcpy(address, text, len);
    address[len] = '\0';
    if (!plain_address(out, address))
        return 0;
    out->bare = !slash;
    out->plen = out->six ? 128 : 32;
    if (slash) {
        int max = out->plen;

        out->plen = !out->six && strchr(slash, '.') ? plain_netmask(slash + 1)
                                                    : plain_number(slash + 1);
        if (out->plen < 0 || out->plen > max)
            return 0;
    }
    if (out->six && out->plen >= 96 && out->bits >> 32 == 0xffff) {
        out->six = 0;
        out->plen -= 96;
    }
    return out->plen > 0;
}

/* ---- against the parser ---- */

static u128_t bits_of(const prefix_t *p)
{
    u128_t all = (u128_t)p->hi << 64 | p->lo;

    return p->is_ipv6 ? all : all >> 96;
}

static void require_sound(const prefix_t *p)
{
    int max = p->is_ipv6 ? 128 : 32;

    REQUIRE(p->is_ipv6 <= 1 && p->plen >= 1 && p->plen <= max);
    if (p->plen < max)
        REQUIRE(bits_of(p) << (128 - max + p->plen) == 0);
    if (!p->is_ipv6)
        REQUIRE(!p->lo && !(uint32_t)p->hi);
}

static void require_same(const prefix_t *p, const plain_t *plain)
{
    int host = (plain->six ? 128 : 32) - plain->plen;
    u128_t bits = plain->six ? plain->bits : (uint32_t)plain->bits;

    REQUIRE(p->is_ipv6 == plain->six && p->plen == plain->plen);
    REQUIRE(bits_of(p) == (bits >> host) << host);
}

static void require_round_trip(const prefix_t *p)
{
    char text[PREFIX_TEXT_MAX];
    prefix_t again;
    int bare;

    prefix_format(text, p);
    REQUIRE(strlen(text) < PREFIX_TEXT_MAX);
    REQUIRE(!prefix_parse(&again, &bare, text, strlen(text)));
    REQUIRE(again.hi == p->hi && again.lo == p->lo && again.plen == p->plen
            && again.is_ipv6 == p->is_ipv6);
    REQUIRE(bare == !strchr(text, '/'));
}

/* The fast way finds at the front what the other way finds in that. */
static void try_scan(const uint8_t *data, size_t size)
{
    char text[PREFIX_TEXT_MAX] = "";
    prefix_t fast, slow;
    int fast_bare, slow_bare;
    char *guarded;
    size_t len;

    memcpy(text, data, size < sizeof(text) ? size : sizeof(text));
    guarded = guard_copy(text, sizeof(text));
    len = scan_prefix(&fast, &fast_bare, guarded);
    REQUIRE(len <= sizeof(text));
    if (!len)
        return;
    require_sound(&fast);
    REQUIRE(!prefix_parse(&slow, &slow_bare, guarded, len));
    REQUIRE(fast.hi == slow.hi && fast.lo == slow.lo && fast.plen == slow.plen
            && fast.is_ipv6 == slow.is_ipv6 && !fast_bare == !slow_bare);
}

static void try_text(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX];
    char *guarded = guard_copy(data, size);
    prefix_t p;
    plain_t plain = {0, 0, 0, 0};
    int bare = -1;
    const char *reason = prefix_parse(&p, &bare, guarded, size);

    if (!reason) {
        require_sound(&p);
        REQUIRE(!p.is_ipv6 || p.plen < 96 || bits_of(&p) >> 32 != 0xffff);
        require_round_trip(&p);
    }
    else {
        REQUIRE(*reason);
    }
    if (size >= TEXT_MAX || memchr(data, '\0', size)) {
        REQUIRE(size >= TEXT_MAX || reason);
        return;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    REQUIRE(plain_parse(&plain, text) == !reason);
    if (!reason) {
        REQUIRE(bare == plain.bare);
        require_same(&p, &plain);
    }
}

/* ---- ranges ---- */

typedef struct pieces_t {
    u128_t next; /* where the next piece must begin */
    int n;
    int six;
} pieces_t;

static void take_piece(void *ctx, const prefix_t *p)
{
    pieces_t *all = ctx;

    require_sound(p);
    REQUIRE(p->is_ipv6 == all->six && bits_of(p) == all->next);
    all->next += (u128_t)1 << ((all->six ? 128 : 32) - p->plen);
    all->n++;
}

/* Of two addresses, cut to any lengths. */
static void try_covers(fuzz_input_t *in, prefix_t outer, prefix_t inner)
{
    unsigned max = prefix_plen_max(outer.is_ipv6), shift;
    int covers;

    if (outer.is_ipv6 == inner.is_ipv6) {
        outer.plen = (uint8_t)(1 + fuzz_byte(in) % max);
        inner.plen = (uint8_t)(1 + fuzz_byte(in) % max);
        prefix_mask(&outer.hi, &outer.lo, outer.plen);
        prefix_mask(&inner.hi, &inner.lo, inner.plen);
    }
    shift = max - outer.plen;
    covers = outer.is_ipv6 == inner.is_ipv6 && outer.plen <= inner.plen
             && bits_of(&outer) >> shift == bits_of(&inner) >> shift;
    REQUIRE(prefix_covers(&outer, &inner) == covers);
    REQUIRE(prefix_covers(&outer, &outer));
}

static void try_range(fuzz_input_t *in, int six)
{
    unsigned char a[16], b[16];
    prefix_t first, last;
    pieces_t all = {0, 0, 0};

    for (int i = 0; i < 16; i++)
        a[i] = fuzz_byte(in);
    for (int i = 0; i < 16; i++)
        b[i] = fuzz_byte(in);
    if (six) {
        prefix_from_ipv6(&first, a);
        prefix_from_ipv6(&last, b);
    }
    else {
        prefix_from_ipv4(&first, a);
        prefix_from_ipv4(&last, b);
    }
    try_covers(in, first, last);
    if (first.is_ipv6 != last.is_ipv6 || bits_of(&first) > bits_of(&last))
        return;
    /* The reader refuses a range that is the whole family. */
    if (!bits_of(&first) && !(~bits_of(&last) << (first.is_ipv6 ? 0 : 96)))
        return;
    all.next = bits_of(&first);
    all.six = first.is_ipv6;
    REQUIRE(prefix_from_range(&first, &last, take_piece, &all) == all.n);
    REQUIRE(all.n <= (all.six ? 254 : 62));
    REQUIRE(all.next == bits_of(&last) + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input_t in = {data, size};
    uint8_t kind = fuzz_byte(&in);

    if (kind == '4' || kind == '6') {
        try_range(&in, kind == '6');
    }
    else if (in.left <= GUARD_MAX) {
        try_scan(in.p, in.left);
        try_text(in.p, in.left);
    }
    return 0;
}
