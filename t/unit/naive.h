/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oracle: a list read in the plainest way there is, and searched from
 * end to end.  It shares no code with the engine: text goes through sscanf()
 * and inet_pton(), and each entry is two addresses, first and last, compared
 * byte by byte.
 *
 * It knows the forms of README.md's "The list file" but host names.
 */
#ifndef NAIVE_H
#define NAIVE_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAIVE __attribute__((unused)) static

/* In 2106: what ends then or later is for ever. */
#define NAIVE_END_MAX 0xffffffffLL

typedef struct naive_entry_t {
    unsigned char first[16]; /* IPv4 uses 4 */
    unsigned char last[16];
    int size; /* 4 or 16 bytes */
    int plen; /* -1: a range */
    int except;
    long long until; /* 0: for ever */
    long line;
} naive_entry_t;

typedef struct naive_list_t {
    naive_entry_t *entry;
    size_t n;
    size_t room;
    long lines;
    long bad;
    int ranges;
} naive_list_t;

/* ---- the reader ---- */

/* An address; an IPv4-mapped one is IPv4.  Its size in bytes, or 0. */
NAIVE int naive_address(const char *text, unsigned char out[16])
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0,   0,
                                             0, 0, 0, 0, 255, 255};
    char inner[128];

    memset(out, 0, 16);
    if (inet_pton(AF_INET, text, out) == 1)
        return 4;
    if (sscanf(text, "[%100[^]]]", inner) == 1 && strchr(text, ']')
        && !strchr(text, ']')[1])
        text = inner;
    if (inet_pton(AF_INET6, text, out) != 1)
        return 0;
    if (memcmp(out, mapped, 12) != 0)
        return 16;
    memmove(out, out + 12, 4);
    memset(out + 4, 0, 12);
    return 4;
}

/* "24", or "255.255.255.0" for IPv4; -1 for anything else. */
NAIVE int naive_plen(const char *text, int written_size)
{
    unsigned char mask[4];
    char behind;
    int plen;

    if (written_size == 4 && inet_pton(AF_INET, text, mask) == 1) {
        for (plen = 0; plen < 32; plen++) {
            if (!(mask[plen / 8] & 128 >> plen % 8))
                break;
        }
        for (int i = plen; i < 32; i++) {
            if (mask[i / 8] & 128 >> i % 8)
                return -1;
        }
        return plen;
    }
    if (strspn(text, "0123456789") != strlen(text) || strlen(text) > 3
        || (text[0] == '0' && text[1])
        || sscanf(text, "%d%c", &plen, &behind) != 1)
        return -1;
    return plen <= written_size * 8 ? plen : -1;
}

NAIVE void naive_spread(naive_entry_t *e)
{
    memcpy(e->last, e->first, 16);
    for (int i = e->plen; i < e->size * 8; i++) {
        e->first[i / 8] &= (unsigned char)~(128 >> i % 8);
        e->last[i / 8] |= (unsigned char)(128 >> i % 8);
    }
}

NAIVE int naive_prefix(const char *text, int bare_ipv6_plen, naive_entry_t *e)
{
    char address[256] = "", plen[256] = "";
    int slash = strchr(text, '/') != NULL;
    int written = strchr(text, ':') ? 16 : 4;

    if (sscanf(text, "%200[^/]/%200s", address, plen) < 1)
        return 0;
    e->size = naive_address(address, e->first);
    if (!e->size)
        return 0;
    e->plen = e->size * 8;
    if (slash)
        e->plen = naive_plen(plen, written);
    else if (e->size == 16 && !e->except)
        e->plen = bare_ipv6_plen;
    if (slash && written > e->size) { /* mapped */
        if (e->plen < 96) {           /* far more than the mapped addresses */
            if (e->plen < 1)
                return 0;
            e->size = 16;
            inet_pton(AF_INET6, address, e->first);
        }
        else {
            e->plen -= 96;
        }
    }
    if (e->plen < 1)
        return 0;
    naive_spread(e);
    return 1;
}

/* -1, 0, 1: a is below, equal to, above b. */
NAIVE int naive_compare(const unsigned char *a, const unsigned char *b,
                        int size)
{
    for (int i = 0; i < size; i++) {
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}

NAIVE int naive_range(const char *text, naive_entry_t *e)
{
    char first[256] = "", last[256] = "";

    if (sscanf(text, "%200[^-]-%200s", first, last) != 2)
        return 0;
    e->size = naive_address(first, e->first);
    e->plen = -1;
    if (!e->size || naive_address(last, e->last) != e->size
        || naive_compare(e->first, e->last, e->size) > 0)
        return 0;
    for (int i = 0; i < e->size; i++) { /* everybody is nobody's ban */
        if (e->first[i] != 0 || e->last[i] != 255)
            return 1;
    }
    return 0;
}

/* Takes away the words in front of the address. */
NAIVE const char *naive_subject(const char *line, char word[256])
{
    static const char *const forms[] = {
        "deny from %255s",
        "Deny from %255s",
        "deny %255s",
        "ALL: %255s",
        "Require not ip %255s",
        "add%*[ ]%*s %255s",
        "{\"cidr\":\"%255[^\"]",
        "\\%255s",
        "%255s",
    };

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (sscanf(line, forms[i], word) == 1) {
            word[strcspn(word, ";,#")] = '\0';
            return word;
        }
    }
    return "";
}

/* 1: an entry; 0: the line says nothing; -1: it is bad. */
NAIVE int naive_line(const char *line, int bare_ipv6_plen, naive_entry_t *e)
{
    char word[256];
    const char *until = strstr(line, " until=");
    const char *subject;
    int off = 0;

    memset(e, 0, sizeof *e);
    line += strspn(line, " \t");
    if (!*line || *line == '#' || *line == ';')
        return 0;
    e->except = *line == '!';
    subject = naive_subject(line + e->except, word);
    if (strchr(subject, '-') && *line == '{') /* "cidr" is no range */
        return -1;
    if (strchr(subject, '-') ? !naive_range(subject, e)
                             : !naive_prefix(subject, bare_ipv6_plen, e))
        return -1;
    if (until) {
        if (sscanf(until, " until=%lld", &e->until) != 1)
            return -1;
        if (!e->until)
            e->until = 1;
        if (e->until >= NAIVE_END_MAX)
            e->until = 0;
    }
    sscanf(line, "%*s 0;%n", &off);
    return off ? 0 : 1;
}

NAIVE void naive_add(naive_list_t *list, const naive_entry_t *e)
{
    if (list->n == list->room) {
        list->room = list->room * 2 + 64;
        list->entry = realloc(list->entry, list->room * sizeof *e);
        if (!list->entry)
            abort();
    }
    list->ranges += e->plen < 0;
    list->entry[list->n++] = *e;
}

/* No line is longer than 4,000 bytes. */
NAIVE void naive_read(naive_list_t *list, const char *text, int bare_ipv6_plen)
{
    char line[4001];

    while (*text) {
        size_t len = strcspn(text, "\n");
        naive_entry_t e;
        int what;

        snprintf(line, sizeof line, "%.*s", (int)len, text);
        what = naive_line(line, bare_ipv6_plen, &e);
        e.line = ++list->lines;
        list->bad += what < 0;
        if (what == 1)
            naive_add(list, &e);
        text += len + (text[len] == '\n');
    }
}

NAIVE void naive_free(naive_list_t *list)
{
    free(list->entry);
    memset(list, 0, sizeof *list);
}

/* ---- the search ---- */

NAIVE int naive_is_live(const naive_entry_t *e, long long now)
{
    return !e->until || now < e->until;
}

NAIVE int naive_covers(const naive_entry_t *e, const unsigned char *addr,
                       int size)
{
    return e->size == size && naive_compare(e->first, addr, size) <= 0
           && naive_compare(addr, e->last, size) <= 0;
}

typedef struct naive_verdict_t {
    int banned;
    int excepted;
    int plen;        /* of the longest that decides; -1: a range was among */
    long long until; /* of it: the latest end; 0: for ever */
} naive_verdict_t;

NAIVE void naive_consider(naive_verdict_t *v, const naive_entry_t *e)
{
    if (e->plen > v->plen) {
        v->plen = e->plen;
        v->until = e->until;
    }
    else if (e->plen == v->plen && v->until
             && (!e->until || e->until > v->until)) {
        v->until = e->until;
    }
}

/* addr: size bytes, IPv4 never as mapped IPv6. */
NAIVE naive_verdict_t naive_find(const naive_list_t *list,
                                 const unsigned char *addr, int size,
                                 long long now)
{
    naive_verdict_t v[2] = {{0, 0, 0, 0}, {0, 0, 0, 0}};
    int ranges = 0, found[2] = {0, 0};

    for (size_t i = 0; i < list->n; i++) {
        const naive_entry_t *e = list->entry + i;

        if (!naive_covers(e, addr, size) || !naive_is_live(e, now))
            continue;
        found[e->except] = 1;
        ranges |= e->plen < 0;
        naive_consider(v + e->except, e);
    }
    v[found[1]].banned = found[0] && !found[1];
    v[found[1]].excepted = found[1];
    if (ranges)
        v[found[1]].plen = -1;
    return v[found[1]];
}

/* ---- counts ---- */

NAIVE int naive_order(const void *av, const void *bv)
{
    const naive_entry_t *a = av, *b = bv;

    if (a->size != b->size)
        return a->size - b->size;
    if (a->except != b->except)
        return a->except - b->except;
    if (a->plen != b->plen)
        return a->plen - b->plen;
    return naive_compare(a->first, b->first, a->size);
}

/* Distinct prefixes, [is_ipv6][except]; of a list without ranges. */
NAIVE void naive_counts(const naive_list_t *list, long counts[2][2])
{
    naive_entry_t *sorted = malloc((list->n + 1) * sizeof *sorted);

    if (!sorted)
        abort();
    if (list->n)
        memcpy(sorted, list->entry, list->n * sizeof *sorted);
    qsort(sorted, list->n, sizeof *sorted, naive_order);
    memset(counts, 0, 4 * sizeof(long));
    for (size_t i = 0; i < list->n; i++) {
        if (!i || naive_order(sorted + i - 1, sorted + i) != 0)
            counts[sorted[i].size == 16][sorted[i].except]++;
    }
    free(sorted);
}

/* ---- addresses ---- */

/* One above or (step -1) one below; the ends of the family meet. */
NAIVE void naive_step(unsigned char *addr, int size, int step)
{
    for (int i = size - 1; i >= 0; i--) {
        addr[i] = (unsigned char)(addr[i] + step);
        if (addr[i] != (step > 0 ? 0 : 255))
            return;
    }
}

#endif /* NAIVE_H */
