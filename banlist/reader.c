/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ways through a line.  Nearly every line of a large list is plain: an
 * address or a prefix, perhaps with " -" and then " until=" behind it.
 * plain_line() reads those in one pass and takes nothing else.  All other
 * lines go through read_line(), which knows every form and would say the same
 * of a plain one.
 */
#include <string.h>

#include "reader.h"
#include "scan.h"

#define UNTIL_DIGITS_MAX 18 /* fits int64_t */
#define NAME_MAX_BYTES 253  /* without a leading dot */
#define LABEL_MAX_BYTES 63
#define PLAIN_LINE_MAX (PREFIX_TEXT_MAX + 32) /* " - until=", CR, newline */
#define NOT_A_HOST "neither an address nor a host name"

/* What a byte means in or behind the subject of a line. */
enum { STOPS = 1, NEVER_IN_NAME = 2, DASH = 4 };

static const unsigned char byte_class[256] = {
    [' '] = STOPS, ['\t'] = STOPS,        [';'] = STOPS,         ['#'] = STOPS,
    [','] = STOPS, [':'] = NEVER_IN_NAME, ['/'] = NEVER_IN_NAME, ['-'] = DASH};

/* One line under work. */
typedef struct line_t {
    const reader_t *reader;
    const reader_sink_t *sink;
    const char *text;
    size_t len;
    int says_nothing;
    reader_entry_t entry;
    char name[READER_NAME_MAX];
} line_t;

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static int is_comment(char c)
{
    return c == '#' || c == ';';
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && is_blank(*p)) {
        ++p;
    }
    return p;
}

static const char *skip_word(const char *p, const char *end)
{
    while (p < end && !is_blank(*p) && !is_comment(*p)) {
        ++p;
    }
    return p;
}

static int starts_with(const char *p, const char *end, const char *what,
                       size_t len)
{
    return (size_t)(end - p) >= len && !memcmp(p, what, len);
}

/* What stands behind a phrase, or NULL if it does not stand at p.  In a
 * phrase ' ' is any run of blanks, '*' any word. */
static const char *skip_phrase(const char *p, const char *end,
                               const char *phrase)
{
    const char *start;

    for (; *phrase; ++phrase) {
        start = p;
        if (*phrase == ' ') {
            p = skip_blanks(p, end);
        }
        else if (*phrase == '*') {
            p = skip_word(p, end);
        }
        else if (p < end && to_lower(*p) == *phrase) {
            ++p;
        }
        if (p == start) {
            return NULL;
        }
    }
    return p;
}

/* Where the address begins, behind the words of other programs' lists. */
static const char *skip_key_words(const char *p, const char *end)
{
    static const char *const phrases[] = {
        "deny from ", "deny ", "all:", "all :", "require not ip ", "add * "};
    size_t i;

    if (p < end && is_digit(*p)) {
        return p;
    }
    for (i = 0; i < sizeof(phrases) / sizeof(*phrases); ++i) {
        const char *behind = skip_phrase(p, end, phrases[i]);

        if (behind) {
            return skip_blanks(behind, end);
        }
    }
    return p;
}

/* A bare IPv6 address to its prefix. */
static void widen(prefix_t *p, const reader_t *r)
{
    p->plen = (uint8_t)r->bare_ipv6_plen;
    prefix_mask(&p->hi, &p->lo, p->plen);
}

static const char *read_prefix(line_t *line, const char *p, const char *end)
{
    reader_entry_t *e = &line->entry;
    int bare;
    const char *reason = prefix_parse(&e->prefix, &bare, p, (size_t)(end - p));

    if (!reason && bare && e->prefix.is_ipv6 && !e->except) {
        widen(&e->prefix, line->reader);
    }
    e->kind = READER_PREFIX;
    return reason;
}

static const char *read_range_end(prefix_t *out, const char *p, const char *end)
{
    int bare;
    const char *reason = prefix_parse(out, &bare, p, (size_t)(end - p));

    if (p == end) {
        return "a range without both its ends";
    }
    return reason || bare ? reason : "a range between prefixes";
}

static int is_whole_family(const prefix_t *first, const prefix_t *last)
{
    uint64_t all = ~UINT64_C(0);

    if (first->hi || first->lo) {
        return 0;
    }
    return first->is_ipv6 ? last->hi == all && last->lo == all
                          : last->hi >> 32 == 0xffffffff;
}

static const char *read_range(line_t *line, const char *p, const char *dash,
                              const char *end)
{
    prefix_t *first = &line->entry.first_addr;
    prefix_t *last = &line->entry.last;
    const char *reason = read_range_end(first, p, dash);

    if (!reason) {
        reason = read_range_end(last, dash + 1, end);
    }
    if (reason) {
        return reason;
    }
    if (first->is_ipv6 != last->is_ipv6) {
        return "a range between IPv4 and IPv6";
    }
    if (first->hi > last->hi
        || (first->hi == last->hi && first->lo > last->lo)) {
        return "a range that ends before it begins";
    }
    line->entry.kind = READER_RANGE;
    return is_whole_family(first, last) ? "a range of every address" : NULL;
}

/* The last label of p..end, which ends before any trailing dot. */
static const char *last_label(const char *p, const char *end)
{
    const char *label = end;

    while (label > p && label[-1] != '.') {
        --label;
    }
    return label;
}

/* Where the subject of a line ends; *seen: what bytes it has. */
static const char *scan_subject(const char *p, const char *end, unsigned *seen)
{
    unsigned all = 0;
    unsigned one;

    for (; p < end; ++p) {
        one = byte_class[(unsigned char)*p];
        if (one & STOPS) {
            break;
        }
        all |= one;
    }
    *seen = all;
    return p;
}

/* Whether a name is meant.  No top-level domain begins with a digit, so
 * 1.2.3, 1.2.3.400 and 1.2.3.4x are told as the bad addresses they are. */
static int looks_like_name(const char *p, const char *end, unsigned seen)
{
    const char *label;

    if (seen & NEVER_IN_NAME) {
        return 0;
    }
    label = last_label(p, end[-1] == '.' ? end - 1 : end);
    return to_lower(*label) >= 'a' && to_lower(*label) <= 'z';
}

static int is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
}

/* Copies p..end to out in lower case.  Whether it is one or more labels with
 * a dot between each two; *dots: how many dots. */
static int copy_labels(char *out, const char *p, const char *end, int *dots)
{
    size_t label = 0;

    for (*dots = 0; p < end; ++p) {
        char c = to_lower(*p);

        if (c == '.' && label) {
            ++*dots;
            label = 0;
        }
        else if (!is_name_byte(c) || ++label > LABEL_MAX_BYTES) {
            return 0;
        }
        *out++ = c;
    }
    return label > 0;
}

static const char *read_name(line_t *line, const char *p, const char *end)
{
    int leading_dot = *p == '.';
    char *out = line->name;
    int dots;

    if (leading_dot) {
        *out++ = *p++;
    }
    if (p < end && end[-1] == '.') {
        --end;
    }
    if (end - p > NAME_MAX_BYTES) {
        return "a host name over 253 bytes";
    }
    if (!copy_labels(out, p, end, &dots) || !(dots || leading_dot)) {
        return NOT_A_HOST;
    }
    line->entry.kind = READER_NAME;
    line->entry.name = line->name;
    line->entry.name_len = (size_t)(end - p + leading_dot);
    return NULL;
}

/* What a line is about: an address, a prefix, a range or a name. */
static const char *read_subject(line_t *line, const char *p, const char *end,
                                unsigned seen)
{
    if (p == end) {
        return "no address";
    }
    if (looks_like_name(p, end, seen)) {
        return read_name(line, p, end);
    }
    if (seen & DASH) {
        return read_range(line, p, memchr(p, '-', (size_t)(end - p)), end);
    }
    return read_prefix(line, p, end);
}

static const char *read_until(int64_t *until, const char *p, const char *end)
{
    int64_t value = 0;

    if (*until) {
        return "until= stands twice";
    }
    if (p == end || end - p > UNTIL_DIGITS_MAX) {
        return "until= needs 1 to 18 digits";
    }
    for (; p < end; ++p) {
        if (!is_digit(*p)) {
            return "until= needs a whole number of seconds";
        }
        value = value * 10 + (*p - '0');
    }
    *until = value ? value : 1;
    return NULL;
}

/* What stands behind the subject: until= counts, up to a comment. */
static const char *read_rest(line_t *line, const char *p, const char *end)
{
    const char *reason = NULL;

    p = skip_word(p, end);
    while (!reason && p < end && is_blank(*p)) {
        const char *word = skip_blanks(p, end);

        p = skip_word(word, end);
        if (starts_with(word, p, "until=", 6)) {
            reason = read_until(&line->entry.until, word + 6, p);
        }
    }
    return reason;
}

/* nginx's value 0, which turns an entry of a geo or map block off. */
static int is_nginx_off(const char *p, const char *end)
{
    p = skip_blanks(p, end);
    if (p == end || *p != '0') {
        return 0;
    }
    p = skip_blanks(p + 1, end);
    return p < end && *p == ';';
}

static const char *read_text_line(line_t *line, const char *p, const char *end)
{
    const char *start = p;
    const char *behind, *reason;
    unsigned seen;

    if (*p == '!') {
        line->entry.except = 1;
        p = skip_blanks(p + 1, end);
    }
    else if (*p == '\\') {
        start = ++p;
    }
    else {
        p = skip_key_words(p, end);
    }
    behind = scan_subject(p, end, &seen);
    reason = read_subject(line, p, behind, seen);
    if (!reason) {
        reason = read_rest(line, behind, end);
    }
    line->says_nothing = p == start && is_nginx_off(behind, end);
    return reason;
}

typedef struct json_string_t {
    const char *p;
    const char *end;
} json_string_t;

/* The string at *p, without its quotes and with its escapes; 0 if there is
 * none. */
static int json_string(json_string_t *out, const char **p, const char *end)
{
    const char *q = *p;

    if (q == end || *q != '"') {
        return 0;
    }
    out->p = ++q;
    while (q < end && *q != '"') {
        q += *q == '\\' && end - q > 1 ? 2 : 1;
    }
    out->end = q;
    *p = q < end ? q + 1 : q;
    return q < end;
}

static int json_is(const json_string_t *s, const char *what, size_t len)
{
    return (size_t)(s->end - s->p) == len && !memcmp(s->p, what, len);
}

/* A value that is no object and no array; *out is empty for a bare word. */
static int json_value(json_string_t *out, const char **p, const char *end)
{
    const char *q = *p;

    if (q < end && *q == '"') {
        return json_string(out, p, end);
    }
    while (q < end
           && (is_digit(*q) || (*q >= 'a' && *q <= 'z') || *q == '.'
               || *q == '-' || *q == '+' || *q == 'E')) {
        ++q;
    }
    out->p = out->end = q;
    if (q == *p) {
        return 0;
    }
    *p = q;
    return 1;
}

static int json_colon(const char **p, const char *end)
{
    *p = skip_blanks(*p, end);
    if (*p == end || **p != ':') {
        return 0;
    }
    *p = skip_blanks(*p + 1, end);
    return 1;
}

/* JSON may write '/' as "\/". */
static const char *read_json_prefix(line_t *line, const json_string_t *s)
{
    char text[2 * PREFIX_TEXT_MAX];
    size_t len = 0;
    const char *p;

    for (p = s->p; p < s->end; ++p) {
        if (*p == '\\' && s->end - p > 1 && p[1] == '/') {
            ++p;
        }
        if (len == sizeof(text)) {
            return "not an address in \"cidr\"";
        }
        text[len++] = *p;
    }
    return read_prefix(line, text, text + len);
}

/* Spamhaus's line: {"cidr":"1.10.16.0/20","sblid":"SBL256894"}.  Its line of
 * metadata says nothing. */
static const char *read_json_line(line_t *line, const char *p, const char *end)
{
    json_string_t key, value;
    json_string_t prefix = {NULL, NULL};
    int metadata = 0;
    const char *reason;

    do {
        p = skip_blanks(p + 1, end);
        if (!json_string(&key, &p, end) || !json_colon(&p, end)
            || !json_value(&value, &p, end)) {
            return "not a flat JSON object";
        }
        if (json_is(&key, "cidr", 4)) {
            if (prefix.p) {
                return "\"cidr\" stands twice";
            }
            prefix = value;
        }
        else if (json_is(&key, "type", 4)) {
            metadata = json_is(&value, "metadata", 8);
        }
        p = skip_blanks(p, end);
    } while (p < end && *p == ',');

    if (p == end || *p++ != '}') {
        return "a JSON object without its end";
    }
    if (p < end && !(byte_class[(unsigned char)*p] & STOPS)) {
        return "something right behind the JSON object";
    }
    if (!prefix.p) {
        line->says_nothing = metadata;
        return metadata ? NULL : "a JSON object without \"cidr\"";
    }
    reason = read_json_prefix(line, &prefix);
    return reason ? reason : read_rest(line, p, end);
}

/* Fills line->entry, or sets line->says_nothing; or why not. */
static const char *read_form(line_t *line)
{
    const char *p = line->text;
    const char *end = p + line->len;

    if (line->len > READER_LINE_MAX) {
        line->len = READER_LINE_MAX;
        return "a line over 4096 bytes";
    }
    if (memchr(p, '\0', line->len)) {
        return "a NUL byte";
    }
    if (starts_with(p, end, "\xef\xbb\xbf", 3)) {
        p += 3;
    }
    p = skip_blanks(p, end);
    if (p == end || is_comment(*p)) {
        line->says_nothing = 1;
        return NULL;
    }
    return *p == '{' ? read_json_line(line, p, end)
                     : read_text_line(line, p, end);
}

static void emit_piece(void *ctx, const prefix_t *piece)
{
    line_t *line = ctx;

    line->entry.prefix = *piece;
    line->sink->entry(line->sink->ctx, &line->entry, line->text, line->len);
    line->entry.first = 0;
}

static void emit(line_t *line)
{
    if (line->entry.kind == READER_RANGE) {
        prefix_from_range(&line->entry.first_addr, &line->entry.last,
                          emit_piece, line);
    }
    else {
        line->sink->entry(line->sink->ctx, &line->entry, line->text, line->len);
    }
}

/* Reads one line without its newline, but perhaps with its CR. */
static void read_line(reader_t *r, const reader_sink_t *sink, const char *text,
                      size_t len)
{
    line_t line;
    const char *reason;

    line.reader = r;
    line.sink = sink;
    line.text = text;
    line.len = len && text[len - 1] == '\r' ? len - 1 : len;
    line.says_nothing = 0;
    line.entry.except = 0;
    line.entry.first = 1;
    line.entry.until = 0;
    line.entry.line = ++r->line;
    reason = read_form(&line);
    if (reason) {
        ++r->bad;
        sink->bad(sink->ctx, r->line, reason, line.text, line.len);
    }
    else if (!line.says_nothing) {
        emit(&line);
    }
}

/* Reads " until=" and its digits, if they stand at p. */
static const char *plain_until(const char *p, int64_t *until)
{
    const char *start = p + 7;

    *until = 0;
    if (memcmp(p, " until=", 7) != 0) {
        return p;
    }
    for (p = start; p - start < UNTIL_DIGITS_MAX && is_digit(*p); ++p) {
    }
    return read_until(until, start, p) ? NULL : p;
}

/* Reads a plain line into *e, and returns where its newline stands; NULL for
 * any other line.  PLAIN_LINE_MAX bytes can be read at p. */
static const char *plain_line(const reader_t *r, reader_entry_t *e,
                              const char *p, size_t *len)
{
    const char *start = p;
    int bare;

    p += scan_prefix(&e->prefix, &bare, p);
    if (p == start) {
        return NULL;
    }
    if (bare && e->prefix.is_ipv6) {
        widen(&e->prefix, r);
    }
    if (*p == ' ' && p[1] == '-') {
        p += 2;
    }
    p = plain_until(p, &e->until);
    if (!p) {
        return NULL;
    }
    *len = (size_t)(p - start);
    if (*p == '\r') {
        ++p;
    }
    return *p == '\n' ? p : NULL;
}

/* Reads the whole lines in p..end, and returns where what is left begins. */
static const char *read_lines(reader_t *r, const reader_sink_t *sink,
                              const char *p, const char *end)
{
    reader_entry_t plain;
    const char *newline;
    size_t len;

    memset(&plain, 0, sizeof(plain));
    plain.kind = READER_PREFIX;
    plain.first = 1;
    for (; p < end; p = newline + 1) {
        newline =
            end - p < PLAIN_LINE_MAX ? NULL : plain_line(r, &plain, p, &len);
        if (newline) {
            plain.line = ++r->line;
            sink->entry(sink->ctx, &plain, p, len);
            continue;
        }
        newline = memchr(p, '\n', (size_t)(end - p));
        if (!newline) {
            break;
        }
        read_line(r, sink, p, (size_t)(newline - p));
    }
    return p;
}

/* Whether a line that has come this far without its end is over the limit;
 * it is complained of at once, and its rest passed over. */
static int begin_long_line(reader_t *r, const reader_sink_t *sink,
                           const char *text, size_t len)
{
    if (len <= READER_LINE_MAX + 1) {
        return 0;
    }
    read_line(r, sink, text, len);
    --r->line;
    r->in_long_line = 1;
    return 1;
}

void reader_init(reader_t *r, int bare_ipv6_plen)
{
    memset(r, 0, sizeof(*r));
    r->bare_ipv6_plen = bare_ipv6_plen;
}

size_t reader_feed(reader_t *r, const reader_sink_t *sink, const char *buf,
                   size_t len)
{
    const char *p = buf;
    const char *end, *newline;

    if (!len) {
        return 0;
    }
    end = buf + len;
    if (r->in_long_line) {
        newline = memchr(buf, '\n', len);
        if (!newline) {
            return len;
        }
        r->in_long_line = 0;
        ++r->line;
        p = newline + 1;
    }
    p = read_lines(r, sink, p, end);
    if (begin_long_line(r, sink, p, (size_t)(end - p))) {
        p = end;
    }
    return (size_t)(p - buf);
}

void reader_finish(reader_t *r, const reader_sink_t *sink, const char *buf,
                   size_t len)
{
    if (r->in_long_line) {
        r->in_long_line = 0;
        ++r->line;
    }
    else if (len) {
        read_line(r, sink, buf, len);
    }
}
