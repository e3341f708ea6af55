/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's verdicts are the oracle's: many small lists of every form,
 * each asked for the first and last address of every entry, one below and
 * one above, addresses inside and anywhere, at the second before an end, at
 * it and after it, and again after lines were appended.
 *
 * The number of lookups is the argument or $ORACLE_LOOKUPS.
 */
#include "engine.h"

#define SEED UINT64_C(20240607)
#define LOOKUPS 1000000
#define LINES_MAX 96
#define TEXT_MAX (LINES_MAX * 160)
#define LARGE 16400
#define NOW 1767225600LL

static uint64_t random_state = SEED;

static uint32_t below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 32) * n >> 32);
}

/* ---- the oracle itself ---- */

static void read_one(const char *line, int plen, const char *want)
{
    naive_entry_t e;
    char got[256] = "bad", first[64], last[64];
    int what = naive_line(line, plen, &e);

    if (what == 0)
        strcpy(got, "nothing");
    if (what == 1) {
        int family = e.size == 4 ? AF_INET : AF_INET6;

        inet_ntop(family, e.first, first, sizeof first);
        inet_ntop(family, e.last, last, sizeof last);
        snprintf(got, sizeof got, "%s%s-%s %lld", e.except ? "!" : "", first,
                 last, e.until);
    }
    is_str(got, want, "the oracle reads %s", line);
}

static void test_naive_reader(void)
{
    static const char *const cases[][2] = {
        {"192.0.2.7 -", "192.0.2.7-192.0.2.7 0"},
        {"  192.0.2.7", "192.0.2.7-192.0.2.7 0"},
        {"192.0.2.7/24 x", "192.0.2.0-192.0.2.255 0"},
        {"192.0.2.7/25", "192.0.2.0-192.0.2.127 0"},
        {"192.0.2.7/255.255.255.0", "192.0.2.0-192.0.2.255 0"},
        {"192.0.2.7/255.0.255.0", "bad"},
        {"128.0.0.0/1", "128.0.0.0-255.255.255.255 0"},
        {"192.0.2.10-192.0.2.20", "192.0.2.10-192.0.2.20 0"},
        {"192.0.2.20-192.0.2.10", "bad"},
        {"0.0.0.0-255.255.255.255", "bad"},
        {"192.0.2.7 - until=99", "192.0.2.7-192.0.2.7 99"},
        {"192.0.2.7 until=0", "192.0.2.7-192.0.2.7 1"},
        {"!192.0.2.9", "!192.0.2.9-192.0.2.9 0"},
        {"192.0.2.7 1;", "192.0.2.7-192.0.2.7 0"},
        {"192.0.2.7 0;", "nothing"},
        {"\\192.0.2.7 1;", "192.0.2.7-192.0.2.7 0"},
        {"deny 192.0.2.7;", "192.0.2.7-192.0.2.7 0"},
        {"Deny from 192.0.2.7", "192.0.2.7-192.0.2.7 0"},
        {"ALL: 192.0.2.7", "192.0.2.7-192.0.2.7 0"},
        {"Require not ip 192.0.2.7", "192.0.2.7-192.0.2.7 0"},
        {"add SET 192.0.2.7", "192.0.2.7-192.0.2.7 0"},
        {"1.10.16.0/20 ; SBL256894", "1.10.16.0-1.10.31.255 0"},
        {"{\"cidr\":\"1.10.16.0/20\",\"x\":1}", "1.10.16.0-1.10.31.255 0"},
        {"2001:db8::7", "2001:db8::-2001:db8::ffff:ffff:ffff:ffff 0"},
        {"[2001:db8::7]", "2001:db8::-2001:db8::ffff:ffff:ffff:ffff 0"},
        {"!2001:db8::7", "!2001:db8::7-2001:db8::7 0"},
        {"add8::7/128 x y", "add8::7-add8::7 0"},
        {"2001:db8::7/127", "2001:db8::6-2001:db8::7 0"},
        {"2001:db8::1-2001:db8::3", "2001:db8::1-2001:db8::3 0"},
        {"::ffff:192.0.2.7", "192.0.2.7-192.0.2.7 0"},
        {"::ffff:192.0.2.7/120", "192.0.2.0-192.0.2.255 0"},
        {"::ffff:192.0.2.7/96", "bad"},
        {"::ffff:192.0.2.7/80", "::-::ffff:255.255.255.255 0"},
        {"{\"cidr\":\"192.0.2.1-192.0.2.2\"}", "bad"},
        {"# 192.0.2.7", "nothing"},
        {"", "nothing"},
        {"192.0.2.256", "bad"},
        {"192.0.2.07", "bad"},
        {"192.0.2.7/", "bad"},
        {"192.0.2.7/33", "bad"},
        {"192.0.2.7/0", "bad"},
        {"192.0.2", "bad"},
        {"fe80::1%eth0", "bad"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        read_one(cases[i][0], 64, cases[i][1]);
}

static void find_one(const naive_list_t *list, const char *text, long long now,
                     const char *want)
{
    unsigned char addr[16];
    int size = naive_address(text, addr);
    naive_verdict_t v = naive_find(list, addr, size, now);
    char got[64];

    snprintf(got, sizeof got, "%s /%d %lld",
             v.banned     ? "banned"
             : v.excepted ? "excepted"
                          : "no",
             v.plen, v.until);
    is_str(got, want, "the oracle finds %s at %lld", text, now);
}

static void test_naive_search(void)
{
    naive_list_t list = {0};
    long counts[2][2];
    unsigned char addr[16] = {192, 0, 2, 255};

    naive_read(&list,
               "192.0.2.0/24\n192.0.2.8/30 until=50\n"
               "192.0.2.8/30 until=60\n!192.0.2.9 until=70\nx\n\n"
               "10.0.0.1-10.0.0.3\n2001:db8::/32\n::/64\n",
               128);
    is_int((intmax_t)list.n, 7, "entries");
    is_int(list.lines, 9, "lines");
    is_int(list.bad, 1, "bad lines");
    find_one(&list, "192.0.1.255", 1, "no /0 0");
    find_one(&list, "192.0.2.0", 1, "banned /24 0");
    find_one(&list, "192.0.2.8", 59, "banned /30 60");
    find_one(&list, "192.0.2.8", 60, "banned /24 0");
    find_one(&list, "192.0.2.9", 69, "excepted /32 70");
    find_one(&list, "192.0.2.9", 70, "banned /24 0");
    find_one(&list, "192.0.3.0", 1, "no /0 0");
    find_one(&list, "10.0.0.0", 1, "no /0 0");
    find_one(&list, "10.0.0.1", 1, "banned /-1 0");
    find_one(&list, "10.0.0.3", 1, "banned /-1 0");
    find_one(&list, "10.0.0.4", 1, "no /0 0");
    find_one(&list, "2001:db8:ffff::", 1, "banned /32 0");
    find_one(&list, "2001:db9::", 1, "no /0 0");
    find_one(&list, "::ffff:192.0.2.0", 1, "banned /24 0");
    find_one(&list, "::ffff:1.2.3.4", 1, "no /0 0");
    list.n = 4;
    naive_counts(&list, counts);
    is_int(counts[0][0], 2, "distinct prefixes");
    is_int(counts[0][1], 1, "distinct exceptions");
    naive_step(addr, 4, 1);
    is_int(addr[2] << 8 | addr[3], 3 << 8, "one above 192.0.2.255");
    naive_step(addr, 4, -1);
    is_int(addr[2] << 8 | addr[3], 2 << 8 | 255, "one below 192.0.3.0");
    naive_free(&list);
}

/* ---- lists ---- */

/* What a list's addresses have in common. */
typedef struct field_t {
    unsigned char base[16];
    int size;
    int spread; /* so many of the last bits differ */
    int with_ranges;
    int bare_ipv6_plen;
} field_t;

static void random_bytes(unsigned char *to)
{
    for (int i = 0; i < 16; i++)
        to[i] = (unsigned char)below(256);
}

static void make_field(field_t *f)
{
    static const int bare[] = {128, 128, 128, 64, 56, 48, 127, 1};

    random_bytes(f->base);
    f->size = below(2) ? 4 : 16;
    if (below(8) == 0)
        memset(f->base, below(2) ? 255 : 0, 16);
    f->spread = 1 + (int)below((uint32_t)f->size * 8);
    if (below(2))
        f->spread = 1 + (int)below(12);
    f->with_ranges = below(4) == 0;
    f->bare_ipv6_plen = bare[below(8)];
}

static void field_address(const field_t *f, unsigned char addr[16])
{
    unsigned char noise[16];

    random_bytes(noise);
    memcpy(addr, f->base, 16);
    for (int i = f->size * 8 - f->spread; i < f->size * 8; i++)
        addr[i / 8] ^= noise[i / 8] & (128 >> i % 8);
}

/* IPv4 now and then as it is mapped. */
static void put_address(char *to, const unsigned char *addr, int size,
                        int *mapped)
{
    char text[64];

    inet_ntop(size == 4 ? AF_INET : AF_INET6, addr, text, sizeof text);
    *mapped = size == 4 && below(10) == 0;
    sprintf(to, "%s%s", *mapped ? "::ffff:" : "", text);
}

static void put_prefix(const field_t *f, char *to)
{
    unsigned char addr[16];
    char text[64];
    int bits = f->size * 8, plen, mapped;

    field_address(f, addr);
    put_address(text, addr, f->size, &mapped);
    plen = below(2) ? 1 + (int)below((uint32_t)bits)
                    : bits - (int)below((uint32_t)f->spread + 1);
    if (plen < 1)
        plen = 1;
    if (below(3) == 0)
        sprintf(to, f->size == 16 && below(3) == 0 ? "[%s]" : "%s", text);
    else if (f->size == 4 && !mapped && below(8) == 0)
        sprintf(to, "%s/%u.%u.%u.%u", text,
                plen > 24   ? 255
                : plen > 16 ? 255
                : plen > 8  ? 255
                            : 256 - (1 << (8 - plen)),
                plen >= 16  ? 255
                : plen <= 8 ? 0
                            : 256 - (1 << (16 - plen)),
                plen >= 24   ? 255
                : plen <= 16 ? 0
                             : 256 - (1 << (24 - plen)),
                plen <= 24 ? 0 : 256 - (1 << (32 - plen)));
    else
        sprintf(to, "%s/%d", text, plen + (mapped ? 96 : 0));
}

static void put_range(const field_t *f, char *to)
{
    unsigned char a[16], b[16];
    char first[64], last[64];
    int mapped;

    field_address(f, a);
    field_address(f, b);
    if (below(3) == 0) {
        memcpy(b, a, 16);
        for (uint32_t n = below(40); n; n--)
            naive_step(b, f->size, 1);
    }
    if (naive_compare(a, b, f->size) > 0) {
        put_address(first, b, f->size, &mapped);
        put_address(last, a, f->size, &mapped);
    }
    else {
        put_address(first, a, f->size, &mapped);
        put_address(last, b, f->size, &mapped);
    }
    sprintf(to, "%s-%s", first, last);
}

static void put_end(char *to)
{
    switch (below(8)) {
    case 0:
        strcpy(to, " until=0");
        break;
    case 1:
        strcpy(to, " until=99999999999");
        break;
    case 2:
    case 3:
    case 4:
        sprintf(to, " until=%lld", NOW - 1 + (long long)below(4));
        break;
    default:
        *to = '\0';
    }
}

/* One line, most often an entry. */
static char *put_line(const field_t *f, char *to)
{
    static const char *const forms[] = {
        "%s -",
        "%s",
        " %s",
        "\t%s x y",
        "%s -",
        "%s",
        "deny %s;",
        "ALL: %s",
        "Require not ip %s",
        "Deny from %s",
        "add SET %s",
        "\\%s 1;",
        "%s 1;",
        "{\"cidr\":\"%s\"}",
        "%s ; SBL1",
    };
    static const char *const others[] = {
        "# 192.0.2.7",
        "",
        "; x",
        "192.0.2.256",
        "1.2.3.4/33",
        "1.2.3",
        "::1::",
        "0.0.0.0/0",
        "::ffff:1.2.3.4/96",
        "0.0.0.0-255.255.255.255",
        "::/0",
        "1.2.3.04",
        "192.0.2.9 0;",
        "fe80::1%eth0",
    };
    char text[160], end[40];
    size_t form = below(sizeof forms / sizeof *forms);

    if (below(12) == 0) {
        strcpy(text, others[below(sizeof others / sizeof *others)]);
        return to + sprintf(to, "%s\n", text);
    }
    if (f->with_ranges && below(3) == 0)
        put_range(f, text);
    else
        put_prefix(f, text);
    put_end(end);
    if (strchr(forms[form], ';'))
        *end = '\0'; /* it would stand in a comment */
    if (below(8) == 0)
        to += sprintf(to, "!%s", text);
    else
        to += sprintf(to, forms[form], text);
    return to + sprintf(to, "%s\n", end);
}

/* Now and then a line that was there, with another end. */
static void put_lines(const field_t *f, char *text, uint32_t n)
{
    char *line = text, *next = text;

    while (n--) {
        if (next > text && below(6) == 0)
            next = next + sprintf(next, "%.*s", (int)(next - line), line);
        else {
            line = next;
            next = put_line(f, next);
        }
    }
}

/* ---- lookups ---- */

typedef struct tally_t {
    long lookups;
    long lists;
    long large;
    long appends;
    long entries;
    long wrong;
} tally_t;

static void look(tally_t *t, const engine_t *en, const naive_list_t *list,
                 const unsigned char *addr, int size, long long now)
{
    const char *what = engine_differs(en, list, addr, size, now);
    char text[64];

    t->lookups++;
    if (*what && t->wrong++ < 2) {
        inet_ntop(size == 4 ? AF_INET : AF_INET6, addr, text, sizeof text);
        diag("%s at %lld: differs in: %s", text, now, what);
        for (size_t i = 0; i < list->n && i < 100; i++) {
            const naive_entry_t *e = list->entry + i;
            char a[64], b[64];
            int family = e->size == 4 ? AF_INET : AF_INET6;

            diag("  line %ld: %s%s-%s /%d until %lld", e->line,
                 e->except ? "!" : "", inet_ntop(family, e->first, a, sizeof a),
                 inet_ntop(family, e->last, b, sizeof b), e->plen, e->until);
        }
    }
}

/* At the second before an end, at it, and after it. */
static void look_thrice(tally_t *t, const engine_t *en,
                        const naive_list_t *list, const unsigned char *addr,
                        int size)
{
    for (long long now = NOW - 1; now <= NOW + 1; now++)
        look(t, en, list, addr, size, now);
}

/* As a dual-stack listener hands it over. */
static void look_mapped(tally_t *t, const engine_t *en,
                        const naive_list_t *list, const unsigned char *addr)
{
    unsigned char mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255};
    naive_verdict_t want = naive_find(list, addr, 4, NOW);
    table_match_t m;
    prefix_t p;

    memcpy(mapped + 12, addr, 4);
    prefix_from_ipv6(&p, mapped);
    t->wrong += shared_find(&en->segment, &p, NOW, &m) != want.banned;
    t->lookups++;
}

/* An IPv4-mapped address is asked for as what it is. */
static int family_of(unsigned char addr[16], int size)
{
    char text[64];

    if (size == 4)
        return 4;
    inet_ntop(AF_INET6, addr, text, sizeof text);
    return naive_address(text, addr);
}

static void look_around(tally_t *t, const engine_t *en,
                        const naive_list_t *list, const naive_entry_t *e)
{
    unsigned char addr[16];
    int size;

    for (int i = 0; i < 4; i++) {
        memcpy(addr, i < 2 ? e->first : e->last, 16);
        if (i % 3 == 0)
            naive_step(addr, e->size, i ? 1 : -1);
        size = family_of(addr, e->size);
        look_thrice(t, en, list, addr, size);
        if (size == 4)
            look_mapped(t, en, list, addr);
    }
}

static void look_all(tally_t *t, const engine_t *en, const naive_list_t *list,
                     const field_t *f)
{
    unsigned char addr[16];
    int size;

    for (size_t i = 0; i < list->n; i++)
        look_around(t, en, list, list->entry + i);
    for (int i = 0; i < 300; i++) {
        field_address(f, addr);
        size = family_of(addr, f->size);
        look(t, en, list, addr, size, NOW - 1 + below(3));
        random_bytes(addr);
        size = below(2) ? 4 : 16;
        look(t, en, list, addr, size, NOW);
    }
}

static void check_counts(tally_t *t, const engine_t *en,
                         const naive_list_t *list)
{
    const shared_report_t *r = &en->report;
    long counts[2][2];
    int same;

    naive_counts(list, counts);
    same = r->entries == list->n && (long)r->bad == list->bad
           && (long)r->lines == list->lines;
    for (int i = 0; i < 4 && !list->ranges; i++) {
        same &= (long)r->counts.prefixes[i / 2][i % 2] == counts[i / 2][i % 2];
    }
    if (!same && t->wrong++ < 5) {
        diag("%ju entries of %zu, %ju bad lines of %ld, %ju lines of %ld",
             (uintmax_t)r->entries, list->n, (uintmax_t)r->bad, list->bad,
             (uintmax_t)r->lines, list->lines);
        for (uint64_t i = 0; i < r->bad && i < SHARED_BAD_MAX; i++)
            diag("  %s: %s", r->bad_line[i].reason, r->bad_line[i].text);
    }
}

/* So many entries that the table is laid out as for a large list; all of
 * them ended long ago. */
static const char *ended_lines(const field_t *f)
{
    static char text[LARGE * 40];
    unsigned char addr[16];
    char *next = text;

    for (int i = 0; i < LARGE; i++) {
        random_bytes(addr);
        if (i % 2)
            field_address(f, addr);
        next += sprintf(next, "%d.%d.%d.%d until=1\n", addr[0], addr[1],
                        addr[2], addr[3]);
    }
    return text;
}

static void check_appended(tally_t *t, engine_t *en, naive_list_t *list,
                           const field_t *f, const char *more)
{
    naive_read(list, more, f->bare_ipv6_plen);
    engine_must(engine_load(en, more, "a"), "the lines were not loaded");
    t->appends += en->report.how == SHARED_APPENDED;
    look_all(t, en, list, f);
}

static void check_list(tally_t *t, const field_t *f, const char *text,
                       const char *more, int large)
{
    const char *ended = large ? ended_lines(f) : "";
    engine_t en;
    naive_list_t list = {0};
    size_t n;

    engine_start(&en, large ? 4 * SHARED_MIN : SHARED_MIN, random_state,
                 f->bare_ipv6_plen);
    naive_read(&list, text, f->bare_ipv6_plen);
    n = list.n;
    naive_read(&list, ended, f->bare_ipv6_plen);
    engine_write(&en, text, "w");
    engine_must(engine_load(&en, ended, "a"), "the list was not loaded");
    check_counts(t, &en, &list);
    list.n = n; /* no verdict depends on the rest, and it takes long */
    look_all(t, &en, &list, f);
    if (*more)
        check_appended(t, &en, &list, f, more);
    if (*more && !large)
        check_counts(t, &en, &list);
    t->lists++;
    t->large += large;
    t->entries += (long)list.n;
    naive_free(&list);
    engine_stop(&en);
}

static void random_list(tally_t *t)
{
    char text[TEXT_MAX], more[TEXT_MAX] = "";
    field_t f;

    make_field(&f);
    put_lines(&f, text, 1 + below(LINES_MAX / 2));
    if (below(2))
        put_lines(&f, more, 1 + below(12));
    check_list(t, &f, text, more, f.size == 4 && below(16) == 0);
}

/* Each length of a family by itself, and all of them one in the other. */
static void every_length(tally_t *t, int size)
{
    static char all[129 * 64];
    char text[128], address[64], *next = all;
    field_t f;

    for (int plen = size * 8; plen >= 1; plen--) {
        make_field(&f);
        f.size = size;
        f.spread = 12;
        inet_ntop(size == 4 ? AF_INET : AF_INET6, f.base, address,
                  sizeof address);
        sprintf(text, "%s/%d\n", address, plen);
        check_list(t, &f, text, "", size == 4 && plen % 4 == 0);
    }
    for (int plen = size * 8; plen >= 1; plen--) {
        next += sprintf(next, "%s/%d until=%lld\n", address, plen,
                        NOW - 2 + (long long)below(5));
    }
    for (int i = 0; i < 20; i++)
        check_list(t, &f, all, i & 1 ? all : "", size == 4 && i < 4);
}

int main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : getenv("ORACLE_LOOKUPS");
    long lookups = wanted ? atol(wanted) : LOOKUPS;
    tally_t t = {0, 0, 0, 0, 0, 0};

    note("seed %ju, %ld lookups", (uintmax_t)SEED, lookups);
    test_naive_reader();
    test_naive_search();
    every_length(&t, 4);
    every_length(&t, 16);
    is_int(t.wrong, 0, "every prefix length of both families");
    while (t.lookups < lookups)
        random_list(&t);
    note("%ld lookups, %ld lists (%ld large), %ld entries, %ld appended to",
         t.lookups, t.lists, t.large, t.entries, t.appends);
    is_int(t.wrong, 0, "%ld lookups: the engine says what the oracle says",
           t.lookups);
    ok(t.appends > 20, "some after lines were appended");
    return done();
}
