/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever the bytes: the reader stays inside them, says the same in
 * whatever pieces they come, says of each line what it says of that line
 * alone, and hands over only sound entries.
 *
 * An input is the length of bare IPv6 prefixes, a number that decides on the
 * pieces, and the bytes of the file.
 */
#include "banlist/reader.h"
#include "fuzz.h"
#include "t/unit/tap.h"

#define FILE_MAX (1 << 16)

/* What was said, as a hash; and what was said of one line. */
typedef struct said_t {
    uint64_t hash;
    uint64_t entries;
    uint64_t bad;
    uint64_t line;     /* of the last call */
    uint64_t line_add; /* is added to each line's number */
    int bare_ipv6_plen;
} said_t;

static void say(said_t *s, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;

    s->hash = (s->hash ^ len) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < len; i++)
        s->hash = (s->hash ^ p[i]) * UINT64_C(0x100000001b3);
}

static void say_number(said_t *s, uint64_t n)
{
    say(s, &n, sizeof(n));
}

static void say_prefix(said_t *s, const prefix_t *p)
{
    say_number(s, p->hi);
    say_number(s, p->lo);
    say_number(s, (uint64_t)p->plen << 8 | p->is_ipv6);
}

static void require_sound(const prefix_t *p)
{
    uint64_t hi = p->hi, lo = p->lo;

    REQUIRE(p->plen >= 1 && p->plen <= prefix_plen_max(p->is_ipv6));
    prefix_mask(&hi, &lo, p->plen);
    REQUIRE(hi == p->hi && lo == p->lo);
    if (!p->is_ipv6)
        REQUIRE(!p->lo && !(uint32_t)p->hi);
}

static void require_name(const char *name, size_t len)
{
    REQUIRE(len >= 2 && len <= READER_NAME_MAX && name[len - 1] != '.');
    for (size_t i = 0; i < len; i++) {
        REQUIRE(strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", name[i])
                && name[i]);
    }
}

static void say_line(said_t *s, uint64_t line, const char *text, size_t len)
{
    line += s->line_add;
    REQUIRE(line >= 1 && line >= s->line && len <= READER_LINE_MAX);
    s->line = line;
    say_number(s, line);
    say(s, text, len);
}

static void on_entry(void *ctx, const reader_entry_t *e, const char *text,
                     size_t len)
{
    said_t *s = ctx;

    REQUIRE(e->first == (e->line + s->line_add != s->line)
            || e->kind == READER_RANGE);
    REQUIRE(e->until >= 0 && (e->except == 0 || e->except == 1));
    s->entries++;
    say_line(s, e->line, text, len);
    say_number(s, (uint64_t)e->kind << 2 | (unsigned)e->except << 1
                      | (unsigned)!!e->first);
    say_number(s, (uint64_t)e->until);
    if (e->kind == READER_NAME) {
        require_name(e->name, e->name_len);
        say(s, e->name, e->name_len);
        return;
    }
    require_sound(&e->prefix);
    say_prefix(s, &e->prefix);
    if (e->kind == READER_RANGE) {
        REQUIRE(e->first_addr.is_ipv6 == e->last.is_ipv6
                && e->prefix.is_ipv6 == e->last.is_ipv6);
        say_prefix(s, &e->first_addr);
        say_prefix(s, &e->last);
    }
}

static void on_bad(void *ctx, uint64_t line, const char *reason,
                   const char *text, size_t len)
{
    said_t *s = ctx;

    REQUIRE(reason && *reason);
    REQUIRE(line + s->line_add > s->line);
    s->bad++;
    say_line(s, line, text, len);
    say(s, reason, strlen(reason));
}

/* In one piece that ends where nothing may be read. */
static void read_whole(said_t *s, const uint8_t *data, size_t size)
{
    const reader_sink_t sink = {s, on_entry, on_bad};
    reader_t r;
    const char *guarded = guard_copy(data, size);
    size_t done;

    reader_init(&r, s->bare_ipv6_plen);
    done = reader_feed(&r, &sink, guarded, size);
    REQUIRE(done <= size && size - done <= READER_LINE_MAX + 1);
    reader_finish(&r, &sink, guarded + done, size - done);
    REQUIRE(r.bad == s->bad && s->line <= r.line);
}

/* As a loader reads: what a call leaves stands in front of the next piece. */
static void read_pieces(said_t *s, const uint8_t *data, size_t size,
                        uint32_t cuts)
{
    static char kept[FILE_MAX];
    const reader_sink_t sink = {s, on_entry, on_bad};
    reader_t r, copy;
    size_t left = 0, at = 0;

    reader_init(&r, s->bare_ipv6_plen);
    while (at < size) {
        /* not a byte at a time into a long line: what is left is copied */
        size_t piece = (cuts >> 8) % (1u << (cuts >> 28)) + left / 8 + 1, done;
        const char *guarded;

        cuts = cuts * 1664525u + 1013904223u;
        if (piece > size - at)
            piece = size - at;
        memcpy(kept + left, data + at, piece);
        at += piece;
        left += piece;
        guarded = guard_copy(kept, left);
        done = reader_feed(&r, &sink, guarded, left);
        REQUIRE(done <= left && left - done <= READER_LINE_MAX + 1);
        left -= done;
        memcpy(kept, guarded + done, left);
        copy = r;
        r = copy;
    }
    reader_finish(&r, &sink, guard_copy(kept, left), left);
}

static void read_lines_apart(said_t *s, const uint8_t *data, size_t size)
{
    const reader_sink_t sink = {s, on_entry, on_bad};
    const uint8_t *end = data + size;

    while (data < end) {
        const uint8_t *newline = memchr(data, '\n', (size_t)(end - data));
        size_t len = (size_t)((newline ? newline + 1 : end) - data), done;
        const char *guarded = guard_copy(data, len);
        reader_t r;

        reader_init(&r, s->bare_ipv6_plen);
        done = reader_feed(&r, &sink, guarded, len);
        reader_finish(&r, &sink, guarded + done, len - done);
        data += len;
        s->line_add++;
    }
}

static void require_same(const said_t *a, const said_t *b)
{
    REQUIRE(a->entries == b->entries);
    REQUIRE(a->bad == b->bad);
    REQUIRE(a->hash == b->hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input_t in = {data, size};
    said_t whole = {0, 0, 0, 0, 0, fuzz_byte(&in) % 128 + 1};
    said_t pieces = whole, apart = whole;
    uint32_t cuts = (uint32_t)fuzz_number(&in, 4);

    if (in.left > FILE_MAX)
        return 0;
    read_whole(&whole, in.p, in.left);
    read_pieces(&pieces, in.p, in.left, cuts);
    require_same(&whole, &pieces);
    read_lines_apart(&apart, in.p, in.left);
    require_same(&whole, &apart);
    return 0;
}
