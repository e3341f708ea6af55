/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every line form says what it should, every malformed line is told with its
 * number and the reason, neither changes what another line says, and it
 * makes no difference in what pieces the bytes come.
 */
#include "banlist/reader.h"
#include "tap.h"

#define SEED 20240301u
#define LOG_MAX (1 << 18)
#define BOM "\xef\xbb\xbf"

static uint32_t random_state = SEED;

static uint32_t random32(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

/* What a reader said, as text: "LINE verdict | LINE verdict | ...". */
typedef struct heard_t {
    size_t len;
    uint64_t bad;       /* calls of bad() */
    size_t text_bytes;  /* of all lines handed over */
    reader_t reader;
    char log[LOG_MAX];
} heard_t;

TAP_PRINTF(2, 3)
static void hear(heard_t *h, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    h->len += (size_t)vsnprintf(h->log + h->len, LOG_MAX - h->len, format,
                                args);
    va_end(args);
    if (h->len >= LOG_MAX) {
        fprintf(stderr, "the log is full\n");
        exit(1);
    }
}

static void hear_subject(heard_t *h, const reader_entry_t *e)
{
    char a[PREFIX_TEXT_MAX], b[PREFIX_TEXT_MAX];

    if (e->kind == READER_NAME) {
        hear(h, "name %.*s", (int)e->name_len, e->name);
        return;
    }
    if (e->kind == READER_RANGE && e->first) {
        hear(h, "range %s-%s: ", prefix_format(a, &e->first_addr),
             prefix_format(b, &e->last));
    }
    hear(h, "%s", prefix_format(a, &e->prefix));
}

static void hear_entry(void *ctx, const reader_entry_t *e, const char *text,
                       size_t len)
{
    heard_t *h = ctx;

    if (e->first) {
        hear(h, "%s%" PRIu64 " %s", h->len ? " | " : "", e->line,
             e->except ? "!" : "");
        h->text_bytes += len;
    }
    else {
        hear(h, " ");
    }
    hear_subject(h, e);
    if (e->until) {
        hear(h, " until=%" PRId64, e->until);
    }
    if (memchr(text, '\n', len) || (len && text[len - 1] == '\r')) {
        hear(h, " with its newline");
    }
}

static void hear_bad(void *ctx, uint64_t line, const char *reason,
                     const char *text, size_t len)
{
    heard_t *h = ctx;

    ++h->bad;
    h->text_bytes += len;
    hear(h, "%s%" PRIu64 " bad: %s", h->len ? " | " : "", line, reason);
    if (memchr(text, '\n', len) || len > READER_LINE_MAX) {
        hear(h, " with its newline");
    }
}

static void begin(heard_t *h, int bare_ipv6_plen)
{
    h->len = 0;
    h->log[0] = '\0';
    h->bad = 0;
    h->text_bytes = 0;
    reader_init(&h->reader, bare_ipv6_plen);
}

/* Reads text as one that has a file come in chunks of this size. */
static void read_chunks(heard_t *h, int bare_ipv6_plen, const char *text,
                        size_t len, size_t chunk)
{
    const reader_sink_t sink = { h, hear_entry, hear_bad };
    const char *left = text;
    const char *end = text;
    size_t used, all;

    begin(h, bare_ipv6_plen);
    while (end < text + len) {
        end += (size_t)(text + len - end) < chunk
               ? (size_t)(text + len - end) : chunk;
        all = (size_t)(end - left);
        used = reader_feed(&h->reader, &sink, guard_copy(left, all), all);
        if (used > all || all - used > READER_LINE_MAX + 1) {
            hear(h, " reader_feed left %zd of %zu", all - used, all);
            return;
        }
        left += used;
    }
    all = (size_t)(end - left);
    reader_finish(&h->reader, &sink, guard_copy_behind(left, all), all);
    if (h->bad != h->reader.bad || h->reader.in_long_line) {
        hear(h, " the count of bad lines is wrong");
    }
}

static const char *heard(const char *text, size_t len)
{
    static heard_t h;

    read_chunks(&h, 128, text, len, len ? len : 1);
    return h.log;
}

typedef struct form_t {
    const char *text;
    const char *want; /* "": nothing */
} form_t;

static const form_t said[] = {
    { "", "" },
    { " \t ", "" },
    { "# comment", "" },
    { "; comment", "" },
    { "  # 192.0.2.7", "" },
    { "\t;192.0.2.7", "" },
    { "#", "" },

    { "192.0.2.7", "192.0.2.7" },
    { "192.0.2.7 -", "192.0.2.7" },
    { "192.0.2.7\t-", "192.0.2.7" },
    { "192.0.2.7 - ", "192.0.2.7" },
    { "192.0.2.7 -x", "192.0.2.7" },
    { "192.0.2.7 ", "192.0.2.7" },
    { "192.0.2.7;", "192.0.2.7" },
    { "192.0.2.7#", "192.0.2.7" },
    { "192.0.2.7,", "192.0.2.7" },
    { "192.0.2.7,2024-02-29,ssh", "192.0.2.7" },
    { "192.0.2.7 # 198.51.100.7", "192.0.2.7" },
    { "192.0.2.7 anything, at all", "192.0.2.7" },
    { "192.0.2.7 0", "192.0.2.7" },
    { "192.0.2.7 00;", "192.0.2.7" },
    { "0.0.0.0", "0.0.0.0" },
    { "255.255.255.255 -", "255.255.255.255" },
    { "192.0.2.0/24", "192.0.2.0/24" },
    { "192.0.2.7/24 -", "192.0.2.0/24" },
    { "192.0.2.7/32", "192.0.2.7" },
    { "192.0.2.0/255.255.255.0", "192.0.2.0/24" },
    { "192.0.2.9/255.255.255.0 -", "192.0.2.0/24" },
    { "1.10.16.0/20 ; SBL256894", "1.10.16.0/20" },
    { "1.10.16.0/20;SBL256894", "1.10.16.0/20" },

    { "2001:db8::7", "2001:db8::7" },
    { "2001:DB8:0::0:7 -", "2001:db8::7" },
    { "[2001:db8::7]", "2001:db8::7" },
    { "[2001:db8::7] -", "2001:db8::7" },
    { "[2001:db8::7]/64", "2001:db8::/64" },
    { "2001:db8::7;", "2001:db8::7" },
    { "2001:db8::7,x", "2001:db8::7" },
    { "2001:db8::/32", "2001:db8::/32" },
    { "2001:db8::7/32 ; SBL1", "2001:db8::/32" },
    { "add::1", "add::1" },
    { "dead::", "dead::" },
    { "::", "::" },
    { "::ffff:192.0.2.7", "192.0.2.7" },
    { "[::ffff:192.0.2.7] -", "192.0.2.7" },
    { "::ffff:c000:207", "192.0.2.7" },
    { "::ffff:192.0.2.7/120", "192.0.2.0/24" },
    { "::ffff:192.0.2.7/95", "::fffe:0:0/95" },

    { "192.0.2.10-192.0.2.20", "range 192.0.2.10-192.0.2.20: "
      "192.0.2.10/31 192.0.2.12/30 192.0.2.16/30 192.0.2.20" },
    { "192.0.2.0-192.0.2.255 -",
      "range 192.0.2.0-192.0.2.255: 192.0.2.0/24" },
    { "192.0.2.7-192.0.2.7", "range 192.0.2.7-192.0.2.7: 192.0.2.7" },
    { "0.0.0.0-127.255.255.255", "range 0.0.0.0-127.255.255.255: 0.0.0.0/1" },
    { "192.0.2.6-192.0.2.7;", "range 192.0.2.6-192.0.2.7: 192.0.2.6/31" },
    { "::ffff:192.0.2.6-192.0.2.7",
      "range 192.0.2.6-192.0.2.7: 192.0.2.6/31" },
    { "2001:db8::7-2001:db8::8",
      "range 2001:db8::7-2001:db8::8: 2001:db8::7 2001:db8::8" },
    { "[2001:db8::6]-[2001:db8::7]",
      "range 2001:db8::6-2001:db8::7: 2001:db8::6/127" },
    { "192.0.2.6-192.0.2.8 until=9", "range 192.0.2.6-192.0.2.8: "
      "192.0.2.6/31 until=9 192.0.2.8 until=9" },

    { "192.0.2.7 until=1767225600", "192.0.2.7 until=1767225600" },
    { "192.0.2.7 - until=1767225600", "192.0.2.7 until=1767225600" },
    { "192.0.2.7 -  \tuntil=5 x", "192.0.2.7 until=5" },
    { "192.0.2.7 until=5;", "192.0.2.7 until=5" },
    { "192.0.2.7 until=5# x", "192.0.2.7 until=5" },
    { "192.0.2.7, until=5", "192.0.2.7 until=5" },
    { "192.0.2.7,x until=5", "192.0.2.7 until=5" },
    { "192.0.2.7 until=007", "192.0.2.7 until=7" },
    { "192.0.2.7 until=0", "192.0.2.7 until=1" },
    { "192.0.2.7 until=1", "192.0.2.7 until=1" },
    { "192.0.2.7 until=999999999999999999",
      "192.0.2.7 until=999999999999999999" },
    { "2001:db8::/32 until=5", "2001:db8::/32 until=5" },
    { "bad.example.net until=5", "name bad.example.net until=5" },
    { "!192.0.2.9 until=5", "!192.0.2.9 until=5" },
    { "deny 192.0.2.7 until=5;", "192.0.2.7 until=5" },
    { "192.0.2.7 # until=5", "192.0.2.7" },
    { "192.0.2.7 ; until=x", "192.0.2.7" },
    { "192.0.2.7 1; until=5", "192.0.2.7" },
    { "192.0.2.7 x,until=5", "192.0.2.7" },
    { "192.0.2.7 notuntil=x", "192.0.2.7" },
    { "192.0.2.7 until", "192.0.2.7" },

    { "!192.0.2.9", "!192.0.2.9" },
    { "! 192.0.2.9", "!192.0.2.9" },
    { "!\t192.0.2.0/28 -", "!192.0.2.0/28" },
    { "!2001:db8::7", "!2001:db8::7" },
    { "![2001:db8::7]", "!2001:db8::7" },
    { "!192.0.2.9 0;", "!192.0.2.9" },
    { "!192.0.2.6-192.0.2.8",
      "!range 192.0.2.6-192.0.2.8: 192.0.2.6/31 192.0.2.8" },
    { "!good.example.net", "!name good.example.net" },

    { "192.0.2.7 1;", "192.0.2.7" },
    { "192.0.2.7  1 ;", "192.0.2.7" },
    { "\\192.0.2.7 1;", "192.0.2.7" },
    { "\\2001:db8::7 1;", "2001:db8::7" },
    { "192.0.2.0/24 1; # x", "192.0.2.0/24" },
    { "192.0.2.6-192.0.2.7 1;", "range 192.0.2.6-192.0.2.7: 192.0.2.6/31" },
    { "192.0.2.7 0;", "" },
    { "192.0.2.7\t0 ;", "" },
    { "\\192.0.2.7 0;", "" },
    { "2001:db8::/32 0;", "" },
    { "192.0.2.6-192.0.2.7 0;", "" },
    { "bad.example.net 0;", "" },
    { "192.0.2.7 10;", "192.0.2.7" },
    { "192.0.2.7 ;0;", "192.0.2.7" },
    { "deny 192.0.2.7 0;", "192.0.2.7" },

    { "deny 192.0.2.7;", "192.0.2.7" },
    { "DENY\t192.0.2.0/24 ;", "192.0.2.0/24" },
    { "deny 2001:db8::7;", "2001:db8::7" },
    { "ALL: 192.0.2.7", "192.0.2.7" },
    { "ALL:192.0.2.7", "192.0.2.7" },
    { "all : 192.0.2.7", "192.0.2.7" },
    { "ALL: [2001:db8::7]", "2001:db8::7" },
    { "ALL: [2001:db8::]/32", "2001:db8::/32" },
    { "ALL:2001:db8::7", "2001:db8::7" },
    { "ALL: 192.0.2.0/255.255.255.0", "192.0.2.0/24" },
    { "ALL: .example.net", "name .example.net" },
    { "Require not ip 192.0.2.7", "192.0.2.7" },
    { "require  NOT\tip   2001:db8::/32", "2001:db8::/32" },
    { "Require not ip 192.0.2.0/24", "192.0.2.0/24" },
    { "Deny from 192.0.2.7", "192.0.2.7" },
    { "deny  from  192.0.2.7", "192.0.2.7" },
    { "Deny from 192.0.2.6-192.0.2.7",
      "range 192.0.2.6-192.0.2.7: 192.0.2.6/31" },
    { "add SET 192.0.2.7", "192.0.2.7" },
    { "add f2b-sshd 192.0.2.7 timeout 600", "192.0.2.7" },
    { "ADD a.b 2001:db8::7", "2001:db8::7" },
    { "add SET 192.0.2.6-192.0.2.7",
      "range 192.0.2.6-192.0.2.7: 192.0.2.6/31" },
    { "add SET 192.0.2.7,tcp:80", "192.0.2.7" },

    { "{\"cidr\":\"1.10.16.0/20\",\"sblid\":\"SBL256894\",\"rir\":\"apnic\"}",
      "1.10.16.0/20" },
    { " { \"sblid\" : \"a\\\"b\\\\\" ,\t\"cidr\" : \"1.10.16.0\\/20\" } ",
      "1.10.16.0/20" },
    { "{\"n\":1.5e-3,\"t\":true,\"cidr\":\"2001:db8::/32\"},",
      "2001:db8::/32" },
    { "{\"cidr\":\"192.0.2.7\"} until=5", "192.0.2.7 until=5" },
    { "{\"type\":\"cidr\",\"cidr\":\"192.0.2.7\"}", "192.0.2.7" },
    { "{\"cidr\":\"192.0.2.7\",\"type\":\"metadata\"}", "192.0.2.7" },
    { "{\"type\":\"metadata\",\"timestamp\":1709164800,\"size\":9,"
      "\"copyright\":\"(c) \xc3\xa9 {\",\"terms\":\"https://x/\"}", "" },
    { "{ \"size\":9, \"type\" : \"metadata\" }", "" },

    { "bad.example.net", "name bad.example.net" },
    { "bad.example.net -", "name bad.example.net" },
    { "BAD.Example.NET -", "name bad.example.net" },
    { "bad.example.net. -", "name bad.example.net" },
    { ".example.net -", "name .example.net" },
    { ".example.net.", "name .example.net" },
    { ".localhost", "name .localhost" },
    { "bad.example.net;", "name bad.example.net" },
    { "a_b.x-1.example", "name a_b.x-1.example" },
    { "7.2.0.192.in-addr.arpa", "name 7.2.0.192.in-addr.arpa" },
    { "192-0-2-7.example.net", "name 192-0-2-7.example.net" },
    { "1.2.3.4-1.2.3.5.example.net", "name 1.2.3.4-1.2.3.5.example.net" },
    { "xn--bcher-kva.example", "name xn--bcher-kva.example" },
    { "deny.example.net", "name deny.example.net" },
    { "all.example.net", "name all.example.net" }
};

#define HOST "bad: neither an address nor a host name"
#define OCTETS "bad: an IPv4 address has four octets"
#define FAR_OCTET "bad: octet over 255"
#define ZERO_OCTET "bad: leading zero in an octet"
#define NO_ADDRESS "bad: not an address"
#define ZONE "bad: a zone id cannot be banned"
#define ZERO "bad: a prefix length of 0 would cover every address"
#define NO_LENGTH "bad: no digits after the slash"
#define NO_DIGITS "bad: until= needs 1 to 18 digits"
#define NO_SECONDS "bad: until= needs a whole number of seconds"
#define TWO_ENDS "bad: a range without both its ends"
#define BACKWARDS "bad: a range that ends before it begins"
#define FAMILIES "bad: a range between IPv4 and IPv6"
#define EVERYTHING "bad: a range of every address"
#define NOT_JSON "bad: not a flat JSON object"
#define NO_CIDR "bad: a JSON object without \"cidr\""
#define NO_END "bad: a JSON object without its end"

static const form_t refused[] = {
    { "192.0.2.256", FAR_OCTET },
    { "1.2.3.400 -", FAR_OCTET },
    { "300.0.2.7", FAR_OCTET },
    { "192.0.2.1234", FAR_OCTET },
    { "192.0.2.07", ZERO_OCTET },
    { "192.0.02.7 -", ZERO_OCTET },
    { "00.0.2.7", ZERO_OCTET },
    { "192.0.2", OCTETS },
    { "1.2.3.", OCTETS },
    { "1.2.3.4.5", OCTETS },
    { "1.2.3.4.", OCTETS },
    { "192", OCTETS },
    { "1..2.3", "bad: empty octet" },
    { "192.0.2.7x", NO_ADDRESS },
    { "192.0.2.7:80", NO_ADDRESS },
    { "192.0.2.7|x", NO_ADDRESS },
    { "192.0.2.7\r\r", NO_ADDRESS },
    { "192.0.2.7\v", NO_ADDRESS },
    { "192.0.2.7\xc2\xa0-", NO_ADDRESS },
    { "0x7f.0.0.1", NO_ADDRESS },
    { "1.2.3.4/", NO_LENGTH },
    { "1.2.3.4/ 24", NO_LENGTH },
    { "1.2.3.4/;", NO_LENGTH },
    { "2001:db8::/", NO_LENGTH },
    { "1.2.3.4/33", "bad: prefix length over 32" },
    { "2001:db8::/129", "bad: prefix length over 128" },
    { "1.2.3.4/x", "bad: not a number after the slash" },
    { "1.2.3.4/024", "bad: leading zero in the prefix length" },
    { "1.2.3.4/0", ZERO },
    { "0.0.0.0/0 -", ZERO },
    { "::/0", ZERO },
    { "0.0.0.0/0.0.0.0", ZERO },
    { "::ffff:0.0.0.0/96", ZERO },
    { "192.0.2.0/255.0.255.0", "bad: a netmask with a gap in it" },
    { "192.0.2.0/255.255.255", "bad: not a netmask behind the slash" },
    { "fe80::1%eth0", ZONE },
    { "fe80::1%br-lan", ZONE },
    { "fe80::1%eth0.example -", ZONE },
    { "192.0.2.7%eth0", ZONE },
    { "2001:db8::7::", "bad: \"::\" stands twice" },
    { "2001:db8", "bad: fewer than eight IPv6 groups" },
    { "2001:db8::7]", NO_ADDRESS },
    { "[2001:db8::7", "bad: '[' without its ']'" },
    { "[192.0.2.7]", "bad: fewer than eight IPv6 groups" },

    { "192.0.2.20-192.0.2.10", BACKWARDS },
    { "2001:db8::8-2001:db8::7", BACKWARDS },
    { "192.0.2.7-2001:db8::7", FAMILIES },
    { "::-192.0.2.7", FAMILIES },
    { "0.0.0.0-255.255.255.255", EVERYTHING },
    { "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", EVERYTHING },
    { "::ffff:0.0.0.0-::ffff:255.255.255.255", EVERYTHING },
    { "192.0.2.7-", TWO_ENDS },
    { "192.0.2.7- 192.0.2.9", TWO_ENDS },
    { "-192.0.2.7", TWO_ENDS },
    { "- 192.0.2.7", TWO_ENDS },
    { "192.0.2.0/24-192.0.3.0/24", "bad: a range between prefixes" },
    { "192.0.2.7-9", OCTETS },
    { "1.2.3.4-1.2.3.5-1.2.3.6", NO_ADDRESS },
    { "192.0.2.7-192.0.2.300", FAR_OCTET },
    { "192.0.2.07-192.0.2.9", ZERO_OCTET },

    { "192.0.2.7 until=", NO_DIGITS },
    { "192.0.2.7 until=;", NO_DIGITS },
    { "192.0.2.7 until=1234567890123456789", NO_DIGITS },
    { "192.0.2.7 until=x", NO_SECONDS },
    { "192.0.2.7 until=5x", NO_SECONDS },
    { "192.0.2.7 until=5,", NO_SECONDS },
    { "192.0.2.7 until=-5", NO_SECONDS },
    { "192.0.2.7 until=+5", NO_SECONDS },
    { "192.0.2.7 until=5.0", NO_SECONDS },
    { "192.0.2.7 - until=2026-01-01", NO_SECONDS },
    { "192.0.2.6-192.0.2.9 until=x", NO_SECONDS },
    { "bad.example.net until=x", NO_SECONDS },
    { "192.0.2.7 until=5 until=6", "bad: until= stands twice" },

    { "!", "bad: no address" },
    { "! # x", "bad: no address" },
    { "!!192.0.2.7", NO_ADDRESS },
    { "!deny 192.0.2.7", HOST },
    { "!192.0.2.256", FAR_OCTET },
    { "\\", "bad: no address" },
    { "\\ 192.0.2.7", "bad: no address" },
    { "\\deny 192.0.2.7", HOST },
    { ", 192.0.2.7", "bad: no address" },
    { "192.0.2.256 0;", FAR_OCTET },
    { "default 0;", HOST },

    { "deny", HOST },
    { "deny ;", "bad: no address" },
    { "deny all;", HOST },
    { "deny192.0.2.7", NO_ADDRESS },
    { "Deny from", HOST },
    { "Deny from env=x", HOST },
    { "Deny from 192.0.2", OCTETS },
    { "allow 192.0.2.7;", HOST },
    { "Allow from 192.0.2.7", HOST },
    { "ALL:", "bad: no address" },
    { "ALL: ALL", HOST },
    { "ALL: 192.0.2.", OCTETS },
    { "sshd: 192.0.2.7", NO_ADDRESS },
    { "Require ip 192.0.2.7", HOST },
    { "Require not host bad.example.net", HOST },
    { "Require not ip", HOST },
    { "add SET", HOST },
    { "add 192.0.2.7", HOST },
    { "del SET 192.0.2.7", HOST },

    { "{}", NOT_JSON },
    { "{", NOT_JSON },
    { "{\"cidr\"}", NOT_JSON },
    { "{\"cidr\":}", NOT_JSON },
    { "{\"cidr\":\"192.0.2.7}", NOT_JSON },
    { "{\"cidr\":\"192.0.2.7\\\"}", NOT_JSON },
    { "{\"cidr\":\"192.0.2.7\",}", NOT_JSON },
    { "{\"cidr\":[\"192.0.2.7\"]}", NOT_JSON },
    { "{\"a\":{\"cidr\":\"192.0.2.7\"}}", NOT_JSON },
    { "{\"cidr\\", NOT_JSON },
    { "{cidr:\"192.0.2.7\"}", NOT_JSON },
    { "{\"cidr\":\"192.0.2.7\"", NO_END },
    { "{\"cidr\":\"192.0.2.7\" \"a\":1}", NO_END },
    { "{\"type\":\"metadata\"", NO_END },
    { "{\"cidr\":\"192.0.2.7\"}}", "bad: something right behind the JSON "
      "object" },
    { "{\"ip\":\"192.0.2.7\"}", NO_CIDR },
    { "{\"type\":\"other\"}", NO_CIDR },
    { "{\"type\":1}", NO_CIDR },
    { "{\"x\":\"metadata\"}", NO_CIDR },
    { "{\"CIDR\":\"192.0.2.7\"}", NO_CIDR },
    { "{\"cidr\":\"192.0.2.7\",\"cidr\":\"192.0.2.8\"}",
      "bad: \"cidr\" stands twice" },
    { "{\"cidr\":\"\"}", NO_ADDRESS },
    { "{\"cidr\":5}", NO_ADDRESS },
    { "{\"cidr\":\" 192.0.2.7\"}", NO_ADDRESS },
    { "{\"cidr\":\"bad.example.net\"}", NO_ADDRESS },
    { "{\"cidr\":\"192.0.2.0/0\"}", ZERO },
    { "{\"cidr\":\"192.0.2.256\"}", FAR_OCTET },
    { "{\"cidr\":\"192.0.2.7\"} until=x", NO_SECONDS },
    { "!{\"cidr\":\"192.0.2.7\"}", NO_ADDRESS },
    { "[", "bad: '[' without its ']'" },
    { "{\"cidr\":\"00000000000000000000000000000000000000000000000000000000"
      "00000000000000000000000000000000000000000000000000\"}",
      "bad: not an address in \"cidr\"" },

    { "localhost", HOST },
    { "localhost.", HOST },
    { ".", "bad: empty octet" },
    { "..", "bad: empty octet" },
    { "a..example", HOST },
    { "..example", HOST },
    { "example.net..", NO_ADDRESS },
    { "*.example.net", HOST },
    { "b\xc3\xbc" "cher.example", HOST },
    { "bad.example.net/24", NO_ADDRESS },
    { "bad.example.net:80", NO_ADDRESS },
    { "bad.example.net|x", HOST },
    { "bad.example.7", NO_ADDRESS },
    { "1.2.3.4x", NO_ADDRESS },
    { "http://bad.example.net/", NO_ADDRESS },
    { "?", NO_ADDRESS },
    { "<html>", NO_ADDRESS }
};

/* Hands text as line 2 between two others, spaced and ended this way. */
static const char *between(const char *before, const char *text, size_t len,
                           const char *behind)
{
    static char doc[2 * READER_LINE_MAX];
    int front = sprintf(doc, "198.51.100.1\n%s", before);
    size_t all = (size_t)front + len;

    memcpy(doc + front, text, len);
    all += (size_t)sprintf(doc + all, "%s\n198.51.100.2 -\n", behind);
    return heard(doc, all);
}

/* What is heard of such a document. */
static const char *with_neighbours(const char *want)
{
    static char log[1024];

    snprintf(log, sizeof(log), "1 198.51.100.1%s%s | 3 198.51.100.2",
             *want ? " | 2 " : "", want);
    return log;
}

/* A line says the same wherever blanks, BOM, CR or the end of file are. */
static void test_form(const char *text, size_t len, const char *want)
{
    static const char *const before[] = { "", "  \t", BOM, BOM " " };
    char first[1024], name[512];
    size_t i;

    snprintf(name, sizeof(name), "%s: %s", *want ? want : "nothing", text);
    for (i = 0; i < sizeof(before) / sizeof(*before); ++i) {
        if (strcmp(between(before[i], text, len, ""), with_neighbours(want))
            || strcmp(between(before[i], text, len, "\r"),
                      with_neighbours(want))) {
            is_str(between(before[i], text, len, ""), with_neighbours(want),
                   "%s (and with CR)", name);
            return;
        }
    }
    snprintf(first, sizeof(first), "%s%s", *want ? "1 " : "", want);
    is_str(heard(text, len), first, "%s", name);
}

static void test_forms(void)
{
    size_t i;

    for (i = 0; i < sizeof(said) / sizeof(*said); ++i) {
        test_form(said[i].text, strlen(said[i].text), said[i].want);
    }
    for (i = 0; i < sizeof(refused) / sizeof(*refused); ++i) {
        test_form(refused[i].text, strlen(refused[i].text), refused[i].want);
    }
    test_form("192.0.2.7\0", 10, "bad: a NUL byte");
    test_form("\0", 1, "bad: a NUL byte");
    test_form("192.0.2.7 -\0", 12, "bad: a NUL byte");
    test_form("# \0 in a comment", 16, "bad: a NUL byte");
    test_form("192.0.2.7 # \0", 13, "bad: a NUL byte");
    is_str(heard("", 0), "", "an empty file");
    is_str(heard("\n\r\n\n192.0.2.7\n", 14), "4 192.0.2.7",
           "empty lines are counted");
    is_str(heard(BOM, 3), "", "a BOM and nothing else");
    is_str(heard("\xef\xbb" "192.0.2.7\n", 12), "1 bad: not an address",
           "half a BOM");
    is_str(heard(BOM BOM "192.0.2.7\n", 16), "1 bad: not an address",
           "two BOMs");
}

static char *put_many(char *p, char c, int n)
{
    memset(p, c, (size_t)n);
    return p + n;
}

#define LONG_NAME "1 bad: a host name over 253 bytes"

/* A name of this many labels of 63, and one of last bytes. */
static void test_long_name(int labels, int last, int is_good)
{
    char text[512], want[600];
    char *p = text;
    int i;

    for (i = 0; i < labels; ++i) {
        p = put_many(p, 'a', 63);
        *p++ = '.';
    }
    p = put_many(p, 'b', last);
    *p = '\0';
    snprintf(want, sizeof(want), "1 name %s", text);
    is_str(heard(text, (size_t)(p - text)),
           is_good ? want : last > 63 ? "1 " HOST : LONG_NAME,
           "a name of %d bytes, last label %d", (int)(p - text), last);
    memmove(text + 1, text, (size_t)(p + 1 - text));
    text[0] = '.';
    snprintf(want, sizeof(want), "1 name %s", text);
    strcat(text, ".");
    is_str(heard(text, strlen(text)),
           is_good ? want : last > 63 ? "1 " HOST : LONG_NAME,
           "the same between dots");
}

static void test_long_names(void)
{
    test_long_name(1, 63, 1);
    test_long_name(1, 64, 0);
    test_long_name(3, 61, 1);
    test_long_name(3, 62, 0);
    test_long_name(3, 63, 0);
}

/* "192.0.2.7" and blanks up to len bytes, then what ends the line. */
static char *put_wide_line(char *p, size_t len, const char *end)
{
    memset(p, ' ', len);
    memcpy(p, "192.0.2.7", 9);
    strcpy(p + len, end);
    return p + len + strlen(end);
}

static void test_line_limit(void)
{
    static const struct {
        size_t len;
        const char *end;
        int is_good;
    } wide[] = {
        { 4095, "\n", 1 }, { 4096, "\n", 1 }, { 4096, "\r\n", 1 },
        { 4097, "\n", 0 }, { 4097, "\r\n", 0 }, { 4098, "\n", 0 },
        { 20000, "\n", 0 }, { 4096, "", 1 }, { 4096, "\r", 1 },
        { 4096, "\rx\n", 0 }, { 4097, "", 0 }, { 4098, "", 0 }, { 20000, "", 0 }
    };
    static const size_t chunks[] = {
        1, 7, 4095, 4096, 4097, 4098, 4099, 5000, 8192, 100000
    };
    static char doc[40000];
    static heard_t h;
    char want[128];
    size_t i, k;
    int wrong;

    for (i = 0; i < sizeof(wide) / sizeof(*wide); ++i) {
        char *p = put_wide_line(doc, wide[i].len, wide[i].end);

        if (strchr(wide[i].end, '\n')) {
            strcpy(p, "192.0.2.8\n");
        }
        snprintf(want, sizeof(want), "1 %s%s",
                 wide[i].is_good ? "192.0.2.7" : "bad: a line over 4096 bytes",
                 strchr(wide[i].end, '\n') ? " | 2 192.0.2.8" : "");
        for (wrong = 0, k = 0; k < sizeof(chunks) / sizeof(*chunks); ++k) {
            read_chunks(&h, 128, doc, strlen(doc), chunks[k]);
            if (strcmp(h.log, want)) {
                diag("in chunks of %zu: %s", chunks[k], h.log);
                ++wrong;
            }
        }
        is_int(wrong, 0, "%zu bytes, %s%s: %s", wide[i].len,
               strchr(wide[i].end, '\r') ? "CR" : "no CR",
               strchr(wide[i].end, '\n') ? "" : ", end of file", want);
    }
}

/* Every form of the tables, one after the other. */
static size_t all_forms(char *doc)
{
    char *p = doc;
    size_t i;

    for (i = 0; i < sizeof(said) / sizeof(*said); ++i) {
        p += sprintf(p, "%s%s%s\n", i % 5 ? "" : " ", said[i].text,
                     i % 3 ? "" : "\r");
    }
    for (i = 0; i < sizeof(refused) / sizeof(*refused); ++i) {
        p += sprintf(p, "%s\n192.0.2.%zu -\n", refused[i].text, i);
    }
    p += sprintf(p, "203.0.113.7");
    return (size_t)(p - doc);
}

static int differs(const heard_t *a, const heard_t *b)
{
    return a->text_bytes != b->text_bytes || a->reader.line != b->reader.line
           || a->bad != b->bad || strcmp(a->log, b->log) != 0;
}

static void test_chunks(void)
{
    static char doc[1 << 16];
    static heard_t whole, pieces;
    size_t len = all_forms(doc);
    size_t chunk, wrong = 0;

    read_chunks(&whole, 128, doc, len, len);
    for (chunk = 1; chunk < len; ++chunk) {
        read_chunks(&pieces, 128, doc, len, chunk);
        if (differs(&whole, &pieces)) {
            diag("chunks of %zu are read otherwise", chunk);
            ++wrong;
        }
    }
    is_int((intmax_t)wrong, 0, "chunks of 1 to %zu bytes: as in one", len);
    is_int((intmax_t)whole.bad,
           (intmax_t)(sizeof(refused) / sizeof(*refused)),
           "all bad lines were counted");
    ok(strstr(whole.log, " 203.0.113.7") != NULL,
       "and the last line was read");
}

static void test_random_bytes(void)
{
    static const char *const words[] = {
        "192.0.2.7", "2001:db8::7", "/24", "-", " -", "\n", "\r\n", " ", "!",
        "until=", "12", "0;", "1;", ";", "#", ",", "deny ", "ALL:", "add ",
        "from ", "{\"cidr\":\"", "\"}", "\"", ".", ":", "::", "[", "]", "%",
        "example.net", "\\", BOM, "255", "0", "\n", "\n"
    };
    static char doc[1 << 12];
    static heard_t whole, pieces;
    int n = many(20000);
    int i, wrong = 0;

    for (i = 0; i < n; ++i) {
        size_t len = 0;

        while (len < 200 + random32() % 200) {
            const char *word = words[random32() % (sizeof(words)
                                                   / sizeof(*words))];

            if (random32() % 50) {
                strcpy(doc + len, word);
                len += strlen(word);
            }
            else {
                doc[len++] = (char)random32();
            }
        }
        read_chunks(&whole, 1 + (int)(random32() % 128), doc, len, len);
        read_chunks(&pieces, whole.reader.bare_ipv6_plen, doc, len,
                    1 + random32() % 40);
        wrong += differs(&whole, &pieces);
    }
    is_int(wrong, 0, "%d random documents: chunks as in one", n);
}

#define MORE_LINES 100 /* so many that the short way looks at all of it */

/* reader_feed() with more lines behind takes the short way where it can;
 * reader_finish() never does. */
static int ways_differ(const char *text, size_t len)
{
    static heard_t by_short_way, by_long_way;
    const reader_sink_t sink = { &by_long_way, hear_entry, hear_bad };
    char doc[256];

    memcpy(doc, text, len);
    memset(doc + len, '\n', MORE_LINES);
    read_chunks(&by_short_way, 56, doc, len + MORE_LINES, len + MORE_LINES);
    begin(&by_long_way, 56);
    if (len) {
        reader_finish(&by_long_way.reader, &sink, guard_copy(text, len), len);
    }
    return strcmp(by_short_way.log, by_long_way.log) != 0
           || by_short_way.text_bytes != by_long_way.text_bytes;
}

static int put_ipv4(char *text)
{
    return sprintf(text, "%u.%u.%u.%u", random32() % 300, random32() % 300,
                   random32() % 30, random32() % 300);
}

/* Mostly of eight groups, or fewer and "::". */
static int put_ipv6(char *text)
{
    int count = random32() & 1 ? 8 : (int)(1 + random32() % 8);
    int gap = count < 8 || !(random32() % 8) ? (int)(random32() % 8) : -1;
    int i, len = 0;

    for (i = 0; i < count; ++i) {
        len += sprintf(text + len, random32() % 8 ? "%x%s" : "%04X%s",
                       random32() % 0x10000 >> random32() % 16,
                       i == gap ? "::" : i < count - 1 ? ":" : "");
    }
    return len;
}

/* The nearly plain line that a test is about. */
static int put_plain(char *text, int is_ipv6)
{
    int len = is_ipv6 ? put_ipv6(text) : put_ipv4(text);

    if (random32() & 1) {
        len += sprintf(text + len, "/%u", random32() % (is_ipv6 ? 140 : 40));
    }
    if (random32() & 1) {
        len += sprintf(text + len, " -");
    }
    if (!(random32() % 3)) {
        len += sprintf(text + len, " until=%0*u", (int)(random32() % 21),
                       random32() >> random32() % 32);
    }
    return len + sprintf(text + len, random32() & 1 ? "\r" : "");
}

static void test_two_ways(int is_ipv6)
{
    static const char bytes[] = "0123456789012345678900..../-; \t\r#x,!:\0af:";
    char text[128];
    int n = many(300000);
    int i, k, wrong = 0;

    for (i = 0; i < n && wrong < 5; ++i) {
        int len = put_plain(text, is_ipv6);

        for (k = (int)(random32() % 3); k > 0; --k) {
            text[random32() % (unsigned)len] =
                bytes[random32() % (sizeof(bytes) - 1)];
        }
        len -= random32() % 8 ? 0 : (int)(random32() % (unsigned)len);
        if (ways_differ(text, (size_t)len)) {
            diag("read in two ways: %.*s", len, text);
            ++wrong;
        }
    }
    is_int(wrong, 0, "%d plain and nearly plain lines of IPv%d: both ways "
           "alike", n, is_ipv6 ? 6 : 4);
}

/* The tables' lines and what may stand behind a plain one. */
static void test_forms_two_ways(void)
{
    size_t i, wrong = 0;

    for (i = 0; i < sizeof(said) / sizeof(*said); ++i) {
        wrong += (size_t)ways_differ(said[i].text, strlen(said[i].text));
    }
    for (i = 0; i < sizeof(refused) / sizeof(*refused); ++i) {
        wrong += (size_t)ways_differ(refused[i].text, strlen(refused[i].text));
    }
    is_int((intmax_t)wrong, 0, "every form: both ways alike");
}

static void test_every_octet(void)
{
    static heard_t h;
    static char doc[1 << 16], want[1 << 16];
    size_t len = 0, want_len = 0;
    int i;

    for (i = 0; i < 1000; ++i) {
        len += (size_t)sprintf(doc + len, "%d.0.%d.%d -\n", i % 256, i, i);
        want_len += (size_t)sprintf(want + want_len, "%s%d ", i ? " | " : "",
                                    i + 1);
        want_len += (size_t)(i < 256
                             ? sprintf(want + want_len, "%d.0.%d.%d", i, i, i)
                             : sprintf(want + want_len, FAR_OCTET));
    }
    read_chunks(&h, 128, doc, len, len);
    ok(!strcmp(h.log, want), "octets 0 to 999, each in its line");
    is_int((intmax_t)h.bad, 1000 - 256, "those over 255 are bad");
}

static const char *heard_with_plen(int plen, const char *text)
{
    static heard_t h;

    read_chunks(&h, plen, text, strlen(text), strlen(text));
    return h.log;
}

static void test_bare_ipv6(void)
{
    is_str(heard_with_plen(64, "2001:db8::7 -\n"), "1 2001:db8::/64",
           "a bare IPv6 address is its prefix");
    is_str(heard_with_plen(64, "[2001:db8::7]\n"), "1 2001:db8::/64",
           "also in brackets");
    is_str(heard_with_plen(56, "{\"cidr\":\"2001:db8:0:ff::7\"}\n"),
           "1 2001:db8::/56", "and in JSON");
    is_str(heard_with_plen(1, "deny ffff::7;\n"), "1 8000::/1",
           "down to a length of 1");
    is_str(heard_with_plen(64, "2001:db8::7/128\n2001:db8::7/96\n"),
           "1 2001:db8::7 | 2 2001:db8::/96", "not one with its own length");
    is_str(heard_with_plen(64, "2001:db8::6-2001:db8::7\n"),
           "1 range 2001:db8::6-2001:db8::7: 2001:db8::6/127",
           "not a range");
    is_str(heard_with_plen(64, "!2001:db8::7\n"), "1 !2001:db8::7",
           "not an exception");
    is_str(heard_with_plen(64, "192.0.2.7\n::ffff:192.0.2.7\n"),
           "1 192.0.2.7 | 2 192.0.2.7", "not an IPv4 address, mapped or not");
}

/* What a loader does: go on behind what it has read, and try the unfinished
 * last line with a copy. */
static void test_going_on(void)
{
    static heard_t h;
    const reader_sink_t sink = { &h, hear_entry, hear_bad };
    reader_t copy;

    begin(&h, 128);
    is_int((intmax_t)reader_feed(&h.reader, &sink, "192.0.2.7\n192.0.2.4", 19),
           10, "an unfinished line is left to the caller");
    is_str(h.log, "1 192.0.2.7", "and says nothing yet");
    copy = h.reader;
    reader_finish(&h.reader, &sink, "192.0.2.4", 9);
    is_str(h.log, "1 192.0.2.7 | 2 192.0.2.4", "reader_finish() reads it");
    h.reader = copy;
    reader_feed(&h.reader, &sink, "192.0.2.41\n", 11);
    is_str(h.log, "1 192.0.2.7 | 2 192.0.2.4 | 2 192.0.2.41",
           "a copy goes on where it was made, with the same line");
    reader_finish(&h.reader, &sink, "", 0);
    is_int((intmax_t)h.reader.line, 2, "no bytes at the end: no line");
    is_int((intmax_t)reader_feed(&h.reader, &sink, NULL, 0), 0,
           "no bytes to feed: none used");
}

/* text[0..len) as handed to the sink. */
static void keep_text(void *ctx, const reader_entry_t *e, const char *text,
                      size_t len)
{
    (void)e;
    snprintf(ctx, 128, "%.*s", (int)len, text);
}

static void keep_bad_text(void *ctx, uint64_t line, const char *reason,
                          const char *text, size_t len)
{
    (void)line;
    (void)reason;
    snprintf(ctx, 128, "%.*s", (int)len, text);
}

static void test_text(void)
{
    static const char *const lines[] = {
        "192.0.2.7 -", "2001:db8::7/64 until=5", BOM " deny 192.0.2.7; # x", "192.0.2.256 x", "localhost"
    };
    char text[128], doc[256];
    const reader_sink_t sink = { text, keep_text, keep_bad_text };
    reader_t reader;
    size_t i;

    for (i = 0; i < 2 * sizeof(lines) / sizeof(*lines); ++i) {
        int len = sprintf(doc, "%s%s\n", lines[i / 2], i & 1 ? "\r" : "");

        text[0] = '\0';
        memset(doc + len, '\n', MORE_LINES);
        len += MORE_LINES;
        reader_init(&reader, 128);
        reader_feed(&reader, &sink, doc, (size_t)len);
        is_str(text, lines[i / 2], "the whole line is handed over%s: %s",
               i & 1 ? ", without its CR" : "", lines[i / 2]);
    }
}

/* A random prefix in each form in which an address may stand. */
static void test_round_trip(void)
{
    static const char *const forms[] = {
        "%s", "%s -", " %s;", "\\%s 1;", "deny %s;", "ALL: %s", "add x %s",
        "Require not ip %s", "Deny from %s", "%s # x", "{\"cidr\":\"%s\"}"
    };
    char text[PREFIX_TEXT_MAX], line[128], want[128];
    prefix_t p = { 0, 0, 0, 0 };
    int n = many(50000);
    int i, wrong = 0;

    for (i = 0; i < n; ++i) {
        p.is_ipv6 = (uint8_t)(random32() & 1);
        p.plen = (uint8_t)(1 + random32() % prefix_plen_max(p.is_ipv6));
        p.hi = (uint64_t)random32() << 32 | (p.is_ipv6 ? random32() : 0);
        p.lo = p.is_ipv6 ? (uint64_t)random32() << 32 | random32() : 0;
        prefix_mask(&p.hi, &p.lo, p.plen);
        prefix_format(text, &p);
        snprintf(line, sizeof(line),
                 forms[(size_t)i % (sizeof(forms) / sizeof(*forms))], text);
        snprintf(want, sizeof(want), "1 %s", text);
        wrong += strcmp(heard(line, strlen(line)), want) != 0;
    }
    is_int(wrong, 0, "%d random prefixes, in each form", n);
}

int main(void)
{
    note("seed %u", SEED);
    test_forms();
    test_long_names();
    test_line_limit();
    test_going_on();
    test_text();
    test_bare_ipv6();
    test_every_octet();
    test_two_ways(0);
    test_two_ways(1);
    test_forms_two_ways();
    test_chunks();
    test_random_bytes();
    test_round_trip();
    return done();
}
