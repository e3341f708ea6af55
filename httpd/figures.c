/* SPDX-License-Identifier: Apache-2.0 */
#include "figures.h"

#include "http_main.h"

#include "../banlist/loader.h"

#define ENTRIES "banlist_list_entries"
#define ENTRIES_HELP                                                           \
    "Distinct addresses, prefixes and host names; one that has ended "         \
    "counts until the file is rewritten."

#define LABELS(family, kind, exception)                                        \
    "family=\"" family "\",kind=\"" kind "\",exception=\"" exception "\""

const figures_row_t figures_row[FIGURES_N] = {
    [FIGURES_IPV4_ADDRESSES] = {"ipv4_addresses", ENTRIES,
                                LABELS("ipv4", "address", "no"), "gauge",
                                ENTRIES_HELP, 0, 1},
    [FIGURES_IPV4_PREFIXES] = {"ipv4_prefixes", ENTRIES,
                               LABELS("ipv4", "prefix", "no"), "gauge", NULL, 0,
                               1},
    [FIGURES_IPV6_ADDRESSES] = {"ipv6_addresses", ENTRIES,
                                LABELS("ipv6", "address", "no"), "gauge", NULL,
                                0, 1},
    [FIGURES_IPV6_PREFIXES] = {"ipv6_prefixes", ENTRIES,
                               LABELS("ipv6", "prefix", "no"), "gauge", NULL, 0,
                               1},
    [FIGURES_NAMES] = {"names", ENTRIES, LABELS("name", "name", "no"), "gauge",
                       NULL, 0, 1},
    [FIGURES_IPV4_ADDRESS_EXCEPTIONS] = {"ipv4_address_exceptions", ENTRIES,
                                         LABELS("ipv4", "address", "yes"),
                                         "gauge", NULL, 0, 1},
    [FIGURES_IPV4_PREFIX_EXCEPTIONS] = {"ipv4_prefix_exceptions", ENTRIES,
                                        LABELS("ipv4", "prefix", "yes"),
                                        "gauge", NULL, 0, 1},
    [FIGURES_IPV6_ADDRESS_EXCEPTIONS] = {"ipv6_address_exceptions", ENTRIES,
                                         LABELS("ipv6", "address", "yes"),
                                         "gauge", NULL, 0, 1},
    [FIGURES_IPV6_PREFIX_EXCEPTIONS] = {"ipv6_prefix_exceptions", ENTRIES,
                                        LABELS("ipv6", "prefix", "yes"),
                                        "gauge", NULL, 0, 1},
    [FIGURES_NAME_EXCEPTIONS] = {"name_exceptions", ENTRIES,
                                 LABELS("name", "name", "yes"), "gauge", NULL,
                                 0, 1},
    [FIGURES_ENTRIES] = {"entries", "banlist_list_entry_lines", NULL, "gauge",
                         "Lines that name somebody, doubles included.", 0, 1},
    [FIGURES_LINES] = {"lines", "banlist_list_lines", NULL, "gauge",
                       "Lines of the file, comments included.", 0, 1},
    [FIGURES_BAD_LINES] = {"bad_lines", "banlist_list_bad_lines", NULL, "gauge",
                           "Lines that could not be read and have no effect.",
                           0, 1},
    [FIGURES_FILE_BYTES] = {"file_bytes", "banlist_list_file_bytes", NULL,
                            "gauge", "Size of the file as it was last loaded.",
                            0, 1},
    [FIGURES_FILE_TIME] = {"file_time",
                           "banlist_list_file_modified_timestamp_seconds", NULL,
                           "gauge",
                           "When the file was changed, as it was last loaded.",
                           1, 0},
    [FIGURES_MEMORY_BYTES] = {"memory_bytes", "banlist_list_memory_bytes", NULL,
                              "gauge", "Memory of the table in force.", 0, 1},
    [FIGURES_STATE_SINCE] = {"state_since",
                             "banlist_list_state_since_timestamp_seconds", NULL,
                             "gauge", "When the state of the file began.", 1,
                             0},
    [FIGURES_LAST_LOAD_TIME] = {"last_load_time",
                                "banlist_list_last_load_timestamp_seconds",
                                NULL, "gauge",
                                "When the list was last loaded; 0: never.", 1,
                                0},
    [FIGURES_LAST_LOAD_SECONDS] = {"last_load_seconds",
                                   "banlist_list_last_load_duration_seconds",
                                   NULL, "gauge", "How long that took.", 1, 0},
    [FIGURES_FULL_LOADS] = {"full_loads", "banlist_list_loads_total",
                            "how=\"full\"", "counter",
                            "Loads: of the whole file, or of what was "
                            "appended.",
                            0, 1},
    [FIGURES_APPENDS] = {"appends", "banlist_list_loads_total",
                         "how=\"appended\"", "counter", NULL, 0, 1},
    [FIGURES_REFUSED_REQUESTS] = {"refused_requests",
                                  "banlist_list_refusals_total",
                                  "what=\"request\"", "counter",
                                  "Requests and connections refused.", 0, 1},
    [FIGURES_REFUSED_CONNECTIONS] = {"refused_connections",
                                     "banlist_list_refusals_total",
                                     "what=\"connection\"", "counter", NULL, 0,
                                     1},
    [FIGURES_MARKED] = {"marked", "banlist_list_marked_total", NULL, "counter",
                        "Requests of banned clients that were marked and not "
                        "refused (DetectionOnly, BanListExempt).",
                        0, 1},
    [FIGURES_REFUSED_LAST_HOUR] = {"refused_last_hour",
                                   "banlist_list_refusals_last_hour", NULL,
                                   "gauge",
                                   "Refusals within the last 60 minutes.", 0,
                                   1},
};

/* ---- texts ---- */

/* Bytes of the character at s; 0 if it is none, or one that is not seen or
 * turns the direction of what follows. */
static size_t character_length(const unsigned char *s)
{
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    unsigned c;

    if (s[0] < 0x80)
        return s[0] >= 0x20 && s[0] != 0x7f;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    c = s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (n == 2)
        return c < 0xa0 ? 0 : n;
    if (n == 4)
        return c < 0x10000 || c > 0x10ffff ? 0 : n;
    return c < 0x800 || (c >= 0xd800 && c < 0xe000)
                   || (c >= 0x2028 && c <= 0x202e)
                   || (c >= 0x2066 && c <= 0x2069)
               ? 0
               : n;
}

const char *figures_clean(apr_pool_t *p, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *s = (const unsigned char *)text;
    char *clean = apr_palloc(p, 4 * strlen(text) + 1), *to = clean;

    while (*s) {
        size_t n = character_length(s);

        if (n) {
            memcpy(to, s, n);
            to += n;
            s += n;
        }
        else {
            *to++ = '\\';
            *to++ = 'x';
            *to++ = hex[*s >> 4];
            *to++ = hex[*s++ & 15];
        }
    }
    *to = '\0';
    return clean;
}

const char *figures_text(apr_pool_t *p, figures_id_e id, apr_uint64_t value)
{
    if (!figures_row[id].is_time)
        return apr_psprintf(p, "%" APR_UINT64_T_FMT, value);
    return apr_psprintf(p, "%" APR_UINT64_T_FMT ".%06d", value / 1000000,
                        (int)(value % 1000000));
}

const char *figures_time(apr_pool_t *p, apr_time_t t)
{
    apr_time_exp_t e;

    if (apr_time_exp_gmt(&e, t) != APR_SUCCESS)
        return "?";
    return apr_psprintf(p, "%04d-%02d-%02d %02d:%02d:%02d UTC",
                        e.tm_year + 1900, e.tm_mon + 1, e.tm_mday, e.tm_hour,
                        e.tm_min, e.tm_sec);
}

/* ---- one list ---- */

const char *figures_state_key(shared_state_e state)
{
    static const char *const key[FIGURES_STATES] = {
        "never", "loaded", "missing", "unreadable", "not_regular", "too_big"};

    return key[state];
}

static const char *trouble_of(apr_pool_t *p, const shared_report_t *r)
{
    const char *what = loader_state_text(r->state), *in_force;

    if (r->state == SHARED_LOADED)
        return NULL;
    in_force = r->loads ? "the last good list stays in force"
                        : "nobody is banned or allowed by it";
    if (r->state == SHARED_TOO_BIG) {
        what = apr_psprintf(p,
                            "too big, with %" APR_UINT64_T_FMT
                            " entries (set BanListMemory to at least "
                            "%" APR_UINT64_T_FMT "M)",
                            r->needed_entries, (r->needed >> 20) + 1);
    }
    else if (r->state == SHARED_UNREADABLE) {
        what = apr_psprintf(p, "%s: %s", what, strerror(r->error));
    }
    return apr_psprintf(p, "%s; %s", what, in_force);
}

static void set_entries(apr_uint64_t *v, const table_counts_t *c)
{
    static const figures_id_e address[2][2] = {
        {FIGURES_IPV4_ADDRESSES, FIGURES_IPV4_ADDRESS_EXCEPTIONS},
        {FIGURES_IPV6_ADDRESSES, FIGURES_IPV6_ADDRESS_EXCEPTIONS}};
    static const figures_id_e prefix[2][2] = {
        {FIGURES_IPV4_PREFIXES, FIGURES_IPV4_PREFIX_EXCEPTIONS},
        {FIGURES_IPV6_PREFIXES, FIGURES_IPV6_PREFIX_EXCEPTIONS}};

    for (int is_ipv6 = 0; is_ipv6 < 2; is_ipv6++) {
        for (int except = 0; except < 2; except++) {
            v[address[is_ipv6][except]] = c->addresses[is_ipv6][except];
            v[prefix[is_ipv6][except]] =
                c->prefixes[is_ipv6][except] - c->addresses[is_ipv6][except];
        }
    }
    v[FIGURES_NAMES] = c->names[0];
    v[FIGURES_NAME_EXCEPTIONS] = c->names[1];
}

static void set_report(apr_uint64_t *v, const shared_report_t *r)
{
    set_entries(v, &r->counts);
    v[FIGURES_ENTRIES] = r->entries;
    v[FIGURES_LINES] = r->lines;
    v[FIGURES_BAD_LINES] = r->bad;
    v[FIGURES_FILE_BYTES] = r->bytes;
    v[FIGURES_FILE_TIME] = (apr_uint64_t)r->mtime;
    v[FIGURES_MEMORY_BYTES] = r->memory;
    v[FIGURES_STATE_SINCE] = (apr_uint64_t)r->since;
    v[FIGURES_LAST_LOAD_TIME] = (apr_uint64_t)r->loaded_at;
    v[FIGURES_LAST_LOAD_SECONDS] = (apr_uint64_t)r->took;
    v[FIGURES_FULL_LOADS] = r->loads;
    v[FIGURES_APPENDS] = r->appends;
}

/* The loader notes the minutes' refusals now and then; what has come since
 * belongs to this minute. */
static void set_refusals(figures_list_t *l, apr_int64_t now)
{
    const shared_t *s = &l->list->segment;
    apr_uint64_t *v = l->value, sum;
    shared_history_t history;

    shared_history(s, &history);
    v[FIGURES_REFUSED_REQUESTS] = shared_figure(s, SHARED_REFUSED);
    v[FIGURES_REFUSED_CONNECTIONS] = shared_figure(s, SHARED_CLOSED);
    v[FIGURES_MARKED] = shared_figure(s, SHARED_MARKED);
    sum = v[FIGURES_REFUSED_REQUESTS] + v[FIGURES_REFUSED_CONNECTIONS];
    for (int i = 0; i < SHARED_MINUTES; i++) {
        apr_int64_t minute = now / 60 - (SHARED_MINUTES - 1) + i;

        if (minute <= history.minute
            && minute > history.minute - SHARED_MINUTES)
            l->minute[i] = history.refused[shared_minute_index(minute)];
        if (i == SHARED_MINUTES - 1 && sum > history.noted)
            l->minute[i] += sum - history.noted;
        v[FIGURES_REFUSED_LAST_HOUR] += l->minute[i];
    }
}

static void set_bad(apr_pool_t *p, figures_list_t *l, const shared_report_t *r)
{
    apr_uint64_t n = r->bad < SHARED_BAD_MAX ? r->bad : SHARED_BAD_MAX;

    l->bad = apr_array_make(p, SHARED_BAD_MAX, sizeof(figures_bad_t));
    for (apr_uint64_t i = 0; i < n; i++) {
        figures_bad_t *bad = apr_array_push(l->bad);

        bad->line = r->bad_line[i].line;
        bad->reason = figures_clean(
            p, apr_pstrmemdup(p, r->bad_line[i].reason,
                              strnlen(r->bad_line[i].reason,
                                      sizeof r->bad_line[i].reason)));
        bad->text = figures_clean(
            p, apr_pstrmemdup(
                   p, r->bad_line[i].text,
                   strnlen(r->bad_line[i].text, sizeof r->bad_line[i].text)));
    }
}

static void set_list(apr_pool_t *p, figures_list_t *l, apr_int64_t now)
{
    shared_report_t r;

    shared_report(&l->list->segment, &r);
    l->state = r.state;
    l->state_text = loader_state_text(r.state);
    l->state_key = figures_state_key(r.state);
    l->trouble = trouble_of(p, &r);
    l->how = !r.loads                   ? "never"
             : r.how == SHARED_APPENDED ? "appended"
                                        : "full";
    set_report(l->value, &r);
    set_refusals(l, now);
    set_bad(p, l, &r);
}

/* ---- all lists ---- */

static figures_list_t *list_of(apr_pool_t *p, figures_t *f,
                               const banlist_list_t *list)
{
    figures_list_t *l;

    for (int i = 0; i < f->lists->nelts; i++) {
        l = &APR_ARRAY_IDX(f->lists, i, figures_list_t);
        if (l->list == list)
            return l;
    }
    l = apr_array_push(f->lists);
    memset(l, 0, sizeof *l);
    l->list = list;
    l->path = figures_clean(p, list->path);
    l->servers = apr_array_make(p, 2, sizeof(const char *));
    set_list(p, l, apr_time_sec(f->now));
    return l;
}

static void add_lists(apr_pool_t *p, figures_t *f,
                      const apr_array_header_t *lists, const char *server,
                      int allows)
{
    for (int i = 0; lists && i < lists->nelts; i++) {
        figures_list_t *l =
            list_of(p, f, APR_ARRAY_IDX(lists, i, const banlist_list_t *));
        int n = l->servers->nelts;

        if (allows)
            l->allows = 1;
        else
            l->bans = 1;
        if (!n || APR_ARRAY_IDX(l->servers, n - 1, const char *) != server)
            APR_ARRAY_PUSH(l->servers, const char *) = server;
    }
}

static void sum_up(figures_t *f)
{
    for (int i = 0; i < f->lists->nelts; i++) {
        const figures_list_t *l = &APR_ARRAY_IDX(f->lists, i, figures_list_t);

        f->troubled += l->trouble != NULL;
        for (int id = 0; id < FIGURES_N; id++)
            f->all[id] += figures_row[id].summed ? l->value[id] : 0;
        for (int m = 0; m < SHARED_MINUTES; m++)
            f->minute[m] += l->minute[m];
    }
}

static int clean_setting(void *to, const char *name, const char *value)
{
    apr_table_t *t = to;
    apr_pool_t *p = apr_table_elts(t)->pool;

    apr_table_addn(t, name, figures_clean(p, value));
    return 1;
}

/* ---- all of it ---- */

figures_t *figures_gather(apr_pool_t *p, const server_rec *s)
{
    figures_t *f = apr_pcalloc(p, sizeof *f);

    f->now = apr_time_now();
    f->server = figures_clean(p, banlist_conf_server(p, s));
    f->lists = apr_array_make(p, 8, sizeof(figures_list_t));
    f->settings = apr_table_make(p, 16);
    apr_table_do(clean_setting, f->settings, banlist_conf_settings(p, s), NULL);
    for (const server_rec *each = ap_server_conf; each; each = each->next) {
        const banlist_conf_t *conf = banlist_conf(each);
        const char *name = figures_clean(p, banlist_conf_server(p, each));

        f->servers++;
        add_lists(p, f, conf->lists, name, 0);
        add_lists(p, f, conf->allow_lists, name, 1);
    }
    sum_up(f);
    return f;
}
