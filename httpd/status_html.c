/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status page for people: one page, no script, nothing fetched.
 *
 * Whatever comes from outside (paths, lines, the query) goes through esc(),
 * and the Content-Security-Policy lets nothing run should that be forgotten:
 * the style sheet alone is let in, by its hash.
 */

#include "status.h"

#include "http_protocol.h"

/* clang-format off */
#define STYLE \
    ":root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--text:#1b1f24;" \
    "--dim:#5b6570;--line:#dde1e6;--good:#116329;--good-bg:#dafbe1;" \
    "--bad:#a40e26;--bad-bg:#ffebe9;--note:#7d4e00;--note-bg:#fff8c5;" \
    "--bar:#b3412c;--link:#0550ae}" \
    "@media(prefers-color-scheme:dark){:root{--bg:#0f1317;--card:#181d23;" \
    "--text:#e4e8ec;--dim:#98a3ae;--line:#2e353d;--good:#7ee2a0;" \
    "--good-bg:#12321f;--bad:#ffa8a0;--bad-bg:#4a1a1c;--note:#ecc25f;" \
    "--note-bg:#3a2d0c;--bar:#e8735c;--link:#79b8ff}}" \
    "*{box-sizing:border-box}" \
    "body{margin:0 auto;padding:1.5rem 1rem;max-width:60rem;" \
    "background:var(--bg);color:var(--text);font:16px/1.5 system-ui," \
    "sans-serif;overflow-wrap:anywhere}" \
    "h1{font-size:1.5rem;margin:0 0 .25rem}" \
    "h2{font-size:1.1rem;margin:0 0 .75rem}" \
    "h3{font-size:1rem;margin:0 0 .5rem}" \
    "p{margin:.25rem 0}a{color:var(--link)}" \
    "code,input{font-family:ui-monospace,monospace;font-size:.95em}" \
    "code{unicode-bidi:isolate}" \
    ".dim{color:var(--dim);font-size:.875rem}" \
    "header,#state{margin-bottom:1rem}" \
    "section{background:var(--card);border:1px solid var(--line);" \
    "border-radius:.5rem;padding:1rem;margin-bottom:1rem}" \
    ".state{display:inline-block;padding:.1rem .6rem;border-radius:1rem;" \
    "font-weight:600;font-size:.875rem}" \
    ".good{color:var(--good);background:var(--good-bg)}" \
    ".bad{color:var(--bad);background:var(--bad-bg)}" \
    ".note{color:var(--note);background:var(--note-bg)}" \
    ".answer{border-radius:.375rem;padding:.6rem .8rem;margin-top:.75rem}" \
    "form{display:flex;flex-wrap:wrap;gap:.5rem}" \
    "label{flex:1 0 100%;font-weight:600}" \
    "input{flex:1 1 12rem;min-width:0}" \
    "input,button{padding:.5rem .75rem;border:1px solid var(--dim);" \
    "border-radius:.375rem;background:var(--bg);color:var(--text);" \
    "font-size:1rem}" \
    "button{background:var(--link);border-color:var(--link);" \
    "color:var(--card);font-weight:600;cursor:pointer}" \
    ".tiles{display:grid;gap:.75rem;margin-bottom:1rem;" \
    "grid-template-columns:repeat(4,1fr)}" \
    ".tiles section{margin:0}" \
    ".tiles b{display:block;font-size:1.5rem;line-height:1.3}" \
    "svg{display:block;width:100%;height:7rem;border-bottom:1px solid " \
    "var(--line)}rect{fill:var(--bar)}rect.slot{fill:transparent}" \
    "g:hover .slot{fill:var(--line)}" \
    ".axis{display:flex;justify-content:space-between}" \
    ".head{display:flex;flex-wrap:wrap;gap:.25rem .75rem;" \
    "align-items:center;justify-content:space-between}" \
    ".head h3{margin:0}" \
    "dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(16rem," \
    "1fr));gap:.5rem 1.5rem;margin:.75rem 0 0}" \
    "dt{color:var(--dim);font-size:.875rem}dd{margin:0}" \
    "table{border-collapse:collapse;width:100%;margin-top:.75rem;" \
    "font-size:.9375rem}caption{text-align:left;font-weight:600}" \
    "th,td{text-align:left;vertical-align:top;padding:.3rem .75rem .3rem 0;" \
    "border-top:1px solid var(--line)}th{color:var(--dim);font-weight:400}" \
    "th,td{overflow-wrap:normal}td code,td:last-child{overflow-wrap:" \
    "anywhere}td:first-child code{overflow-wrap:normal}" \
    ".num{width:1%;white-space:nowrap}" \
    "@media(max-width:40rem){.tiles{grid-template-columns:1fr 1fr}}" \
    "@media(max-width:30rem){body{padding:1rem .5rem}" \
    "dl{grid-template-columns:1fr}.stack th{display:none}" \
    ".stack td{display:block;border:0;padding:0}" \
    ".stack td:first-child code{overflow-wrap:anywhere}" \
    ".stack td::before{content:attr(data-name)' ';color:var(--dim)}" \
    ".stack tr+tr{display:block;border-top:1px solid var(--line);" \
    "padding:.4rem 0}}"
/* clang-format on */

/* Of the bytes of STYLE; t/httpd/status.t says what it should be. */
#define STYLE_SHA256 "PUzDH4HWkQdGK7Nr9iajm74NY7naIb9OsO15+P/zyN0="

#define POLICY                                                                 \
    "default-src 'none'; style-src 'sha256-" STYLE_SHA256 "'; "                \
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

#define SERVERS_SHOWN 3

/* ---- texts ---- */

static const char *esc(request_rec *r, const char *text)
{
    return ap_escape_html(r->pool, text);
}

/* "1,234,567" */
static const char *count(request_rec *r, apr_uint64_t n)
{
    char *text = apr_psprintf(r->pool, "%" APR_UINT64_T_FMT, n);
    size_t len = strlen(text);
    char *grouped = apr_palloc(r->pool, len + len / 3 + 1), *to = grouped;

    for (size_t i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = text[i];
    }
    *to = '\0';
    return grouped;
}

/* "1 line", "1,234 lines" */
static const char *counted(request_rec *r, apr_uint64_t n, const char *one,
                           const char *many)
{
    return apr_pstrcat(r->pool, count(r, n), " ", n == 1 ? one : many, NULL);
}

/* "1.5 MiB" */
static const char *bytes(request_rec *r, apr_uint64_t n)
{
    static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)n;
    int i = 0;

    while (value >= 1024 && i < 4) {
        value /= 1024;
        i++;
    }
    return i ? apr_psprintf(r->pool, "%.1f %s", value, unit[i])
             : counted(r, n, "byte", "bytes");
}

/* "5 s", "3 min", "2 h 5 min", "4 d 3 h" */
static const char *duration(request_rec *r, apr_int64_t s)
{
    if (s < 60)
        return apr_psprintf(r->pool, "%d s", s < 0 ? 0 : (int)s);
    if (s < 3600)
        return apr_psprintf(r->pool, "%d min", (int)(s / 60));
    if (s < 86400)
        return apr_psprintf(r->pool, "%d h %d min", (int)(s / 3600),
                            (int)(s % 3600 / 60));
    return apr_psprintf(r->pool, "%" APR_INT64_T_FMT " d %d h", s / 86400,
                        (int)(s % 86400 / 3600));
}

/* "2026-01-01 00:00:00 UTC (5 s ago)" */
static const char *when(request_rec *r, const figures_t *f, apr_uint64_t t)
{
    if (!t)
        return "never";
    return apr_psprintf(r->pool, "%s (%s ago)",
                        figures_time(r->pool, (apr_time_t)t),
                        duration(r, apr_time_sec(f->now - (apr_time_t)t)));
}

static const char *took(request_rec *r, apr_uint64_t us)
{
    return us < 1000000 ? apr_psprintf(r->pool, "%.*f ms", us < 10000 ? 2 : 0,
                                       (double)us / 1e3)
                        : apr_psprintf(r->pool, "%.1f s", (double)us / 1e6);
}

static const figures_list_t *list_at(const figures_t *f, int i)
{
    return &APR_ARRAY_IDX(f->lists, i, figures_list_t);
}

/* ---- the top of the page ---- */

static void top(request_rec *r, const figures_t *f)
{
    ap_rputs("<!DOCTYPE html>\n<html lang=\"en\"><head>"
             "<meta charset=\"utf-8\">"
             "<meta name=\"viewport\" content=\"width=device-width\">"
             "<title>Banned clients</title>\n<style>" STYLE
             "</style></head>\n<body>\n<header><h1>Banned clients</h1>\n",
             r);
    ap_rprintf(r,
               "<p class=\"dim\">%s &middot; mod_banlist " BANLIST_VERSION
               " &middot; %s</p></header>\n<main>\n",
               esc(r, f->server), figures_time(r->pool, f->now));
}

static void state(request_rec *r, const figures_t *f)
{
    const char *engine = apr_table_get(f->settings, "BanListEngine");

    ap_rputs("<p id=\"state\">", r);
    if (!f->lists->nelts)
        ap_rputs("<span class=\"state note\">No list: BanListFile names "
                 "none</span>",
                 r);
    else if (f->troubled)
        ap_rprintf(r,
                   "<span class=\"state bad\">Trouble with %d of %d "
                   "list%s</span>",
                   f->troubled, f->lists->nelts,
                   f->lists->nelts == 1 ? "" : "s");
    else
        ap_rprintf(
            r, "<span class=\"state good\">%s loaded</span>",
            f->lists->nelts == 1
                ? "The list is"
                : apr_psprintf(r->pool, "All %d lists are", f->lists->nelts));
    if (strcmp(engine, "On") != 0)
        ap_rprintf(r,
                   " <span class=\"state note\">BanListEngine is %s: "
                   "nobody is refused here</span>",
                   engine);
    ap_rputs("</p>\n", r);
}

static void hit(request_rec *r, const answer_hit_t *h)
{
    ap_rprintf(r,
               "<tr><td data-name=\"Entry\"><code>%s%s</code>%s"
               "<td data-name=\"Where\"><code>%s</code> line "
               "%" APR_UINT64_T_FMT "<td data-name=\"Ends\">%s"
               "<td data-name=\"Counts here\">%s</tr>\n",
               h->except ? "!" : "", esc(r, h->entry),
               h->allows ? " allowed" : "", esc(r, h->list->path), h->line,
               h->until ? figures_time(r->pool, apr_time_from_sec(h->until))
                        : "never",
               h->here ? "yes" : "no");
}

static void hits(request_rec *r, const figures_t *f)
{
    const apr_array_header_t *all = f->answer->hits;

    if (!all->nelts)
        return;
    ap_rputs("<table id=\"matches\" class=\"stack\"><caption>Entries that "
             "have it</caption><tr><th>Entry<th>Where<th>Ends<th>Counts "
             "here</tr>\n",
             r);
    for (int i = 0; i < all->nelts; i++)
        hit(r, &APR_ARRAY_IDX(all, i, answer_hit_t));
    ap_rputs("</table>\n", r);
}

static void question(request_rec *r, const figures_t *f)
{
    static const char *const colour[] = {[ANSWER_NO_ADDRESS] = "note",
                                         [ANSWER_NOT_BANNED] = "good",
                                         [ANSWER_BANNED] = "bad",
                                         [ANSWER_SAVED] = "good"};
    const answer_t *a = f->answer;

    ap_rprintf(r,
               "<section><form method=\"get\"><label for=\"ip\">Is this "
               "address banned?</label><input id=\"ip\" name=\"ip\" "
               "value=\"%s\" placeholder=\"192.0.2.7, 2001:db8::7\" "
               "autocomplete=\"off\" spellcheck=\"false\" required>"
               "<button>Look it up</button></form>\n",
               a ? esc(r, a->asked) : "");
    if (a) {
        ap_rprintf(r, "<p id=\"answer\" class=\"answer %s\">%s</p>\n",
                   colour[a->verdict], esc(r, a->text));
        hits(r, f);
    }
    ap_rputs("</section>\n", r);
}

static void tile(request_rec *r, const char *name, apr_uint64_t n)
{
    ap_rprintf(r, "<section><b>%s</b><span class=\"dim\">%s</span></section>\n",
               count(r, n), name);
}

static void tiles(request_rec *r, const figures_t *f)
{
    const apr_uint64_t *all = f->all;

    ap_rputs("<div class=\"tiles\">\n", r);
    tile(r, "entries", all[FIGURES_ENTRIES]);
    tile(r, "bad lines", all[FIGURES_BAD_LINES]);
    tile(r, "refused in all",
         all[FIGURES_REFUSED_REQUESTS] + all[FIGURES_REFUSED_CONNECTIONS]);
    tile(r, "refused in the last hour", all[FIGURES_REFUSED_LAST_HOUR]);
    ap_rputs("</div>\n", r);
}

/* ---- refusals a minute ---- */

static apr_uint64_t busiest(const figures_t *f)
{
    apr_uint64_t most = 0;

    for (int i = 0; i < SHARED_MINUTES; i++)
        most = f->minute[i] > most ? f->minute[i] : most;
    return most;
}

/* A bar as wide as its minute, with the minute's name as a hint. */
static void bar(request_rec *r, const figures_t *f, int i, apr_uint64_t most)
{
    apr_uint64_t n = f->minute[i];
    double height = most ? 100.0 * (double)n / (double)most : 0;
    apr_time_t t = f->now - apr_time_from_sec(60 * (SHARED_MINUTES - 1 - i));
    const char *name = figures_time(r->pool, t);

    if (n && height < 2)
        height = 2;
    ap_rprintf(r,
               "<g><title>%.5s UTC: %s refused</title><rect class=\"slot\" "
               "x=\"%d\" width=\"10\" height=\"100\"/>",
               name + 11, count(r, n), 10 * i);
    if (n)
        ap_rprintf(r, "<rect x=\"%d\" y=\"%.1f\" width=\"8\" height=\"%.1f\"/>",
                   10 * i + 1, 100 - height, height);
    ap_rputs("</g>\n", r);
}

static void chart(request_rec *r, const figures_t *f)
{
    apr_uint64_t most = busiest(f);
    const char *peak = count(r, most);

    ap_rprintf(r,
               "<section><h2>Refusals a minute</h2>\n"
               "<p class=\"dim\">at most %s</p>\n"
               "<svg viewBox=\"0 0 600 100\" preserveAspectRatio=\"none\" "
               "role=\"img\" aria-label=\"Refusals a minute over the last "
               "hour: %s in all, at most %s in one\">\n",
               peak, count(r, f->all[FIGURES_REFUSED_LAST_HOUR]), peak);
    for (int i = 0; i < SHARED_MINUTES; i++)
        bar(r, f, i, most);
    ap_rputs("</svg><p class=\"axis dim\"><span>an hour ago</span>"
             "<span>now</span></p></section>\n",
             r);
}

/* ---- the lists ---- */

static void term(request_rec *r, const char *name, const char *text)
{
    ap_rprintf(r, "<div><dt>%s</dt><dd>%s</dd></div>\n", name, text);
}

static const char *servers(request_rec *r, const figures_t *f,
                           const figures_list_t *l)
{
    const char *text = "";
    int n = l->servers->nelts;

    if (n == f->servers)
        return "all servers";
    for (int i = 0; i < n && i < SERVERS_SHOWN; i++) {
        text = apr_pstrcat(r->pool, text, i ? ", " : "",
                           APR_ARRAY_IDX(l->servers, i, const char *), NULL);
    }
    if (n > SERVERS_SHOWN)
        text = apr_psprintf(r->pool, "%s and %d more", text, n - SERVERS_SHOWN);
    return esc(r, text);
}

static const char *kinds(request_rec *r, const figures_list_t *l, int except)
{
    const apr_uint64_t *v =
        l->value
        + (except ? FIGURES_IPV4_ADDRESS_EXCEPTIONS : FIGURES_IPV4_ADDRESSES);
    static const char *const one[] = {"IPv4 address", "IPv4 prefix",
                                      "IPv6 address", "IPv6 prefix",
                                      "host name"};
    static const char *const many[] = {"IPv4 addresses", "IPv4 prefixes",
                                       "IPv6 addresses", "IPv6 prefixes",
                                       "host names"};
    const char *text = NULL;

    for (int i = 0; i < 5; i++) {
        if (v[i])
            text = apr_pstrcat(r->pool, text ? text : "", text ? ", " : "",
                               counted(r, v[i], one[i], many[i]), NULL);
    }
    return text;
}

static void bad_lines(request_rec *r, const figures_list_t *l)
{
    apr_uint64_t all = l->value[FIGURES_BAD_LINES];

    if (!l->bad->nelts)
        return;
    ap_rprintf(r,
               "<table><caption>%s, without effect</caption>"
               "<tr><th class=\"num\">Line<th>Reason<th>Text</tr>\n",
               counted(r, all, "bad line", "bad lines"));
    for (int i = 0; i < l->bad->nelts; i++) {
        const figures_bad_t *bad = &APR_ARRAY_IDX(l->bad, i, figures_bad_t);

        ap_rprintf(r,
                   "<tr><td class=\"num\">%s<td>%s<td><code>%s</code></tr>\n",
                   count(r, bad->line), esc(r, bad->reason), esc(r, bad->text));
    }
    ap_rputs("</table>\n", r);
    if (all > (apr_uint64_t)l->bad->nelts)
        ap_rprintf(r,
                   "<p class=\"dim\">All of them: <code>banlist check "
                   "%s</code></p>\n",
                   esc(r, l->path));
}

static const char *last_load(request_rec *r, const figures_t *f,
                             const figures_list_t *l)
{
    const apr_uint64_t *v = l->value;

    if (!v[FIGURES_LAST_LOAD_TIME])
        return "never";
    return apr_psprintf(r->pool, "%s, %s in %s",
                        when(r, f, v[FIGURES_LAST_LOAD_TIME]),
                        strcmp(l->how, "full") ? "appended" : "in full",
                        took(r, v[FIGURES_LAST_LOAD_SECONDS]));
}

static const char *refusals(request_rec *r, const apr_uint64_t *v)
{
    const char *text =
        counted(r, v[FIGURES_REFUSED_REQUESTS], "request", "requests");

    if (v[FIGURES_REFUSED_CONNECTIONS])
        text = apr_pstrcat(r->pool, text, ", ",
                           counted(r, v[FIGURES_REFUSED_CONNECTIONS],
                                   "connection", "connections"),
                           NULL);
    if (v[FIGURES_MARKED])
        text = apr_pstrcat(r->pool, text, "; ", count(r, v[FIGURES_MARKED]),
                           " marked and not refused", NULL);
    return text;
}

static void list(request_rec *r, const figures_t *f, const figures_list_t *l)
{
    const apr_uint64_t *v = l->value;
    const char *entries = kinds(r, l, 0), *exceptions = kinds(r, l, 1);

    ap_rprintf(r,
               "<section class=\"list\"><div class=\"head\"><h3><code>%s"
               "</code></h3><span class=\"state %s\">%s</span></div>\n",
               esc(r, l->path), l->trouble ? "bad" : "good", l->state_text);
    if (l->trouble)
        ap_rprintf(r, "<p class=\"answer bad\">%s. Since %s.</p>\n",
                   esc(r, l->trouble), when(r, f, v[FIGURES_STATE_SINCE]));
    ap_rputs("<dl>", r);
    term(r, l->allows && !l->bans ? "Allows" : "Bans",
         entries ? entries : "nobody");
    if (exceptions)
        term(r, "Exceptions", exceptions);
    if (l->bans)
        term(r, "Refused", refusals(r, v));
    term(r, "Last load", last_load(r, f, l));
    term(r, "File",
         apr_psprintf(r->pool, "%s, %s",
                      counted(r, v[FIGURES_LINES], "line", "lines"),
                      bytes(r, v[FIGURES_FILE_BYTES])));
    term(r, "Memory", bytes(r, v[FIGURES_MEMORY_BYTES]));
    if (f->servers > 1)
        term(r,
             l->allows ? l->bans ? "Bans and allows in" : "Allows in"
                       : "Bans in",
             servers(r, f, l));
    ap_rputs("</dl>\n", r);
    bad_lines(r, l);
    ap_rputs("</section>\n", r);
}

/* ---- the rest ---- */

static int setting(void *rv, const char *name, const char *value)
{
    request_rec *r = rv;

    ap_rprintf(r, "<tr><td><code>%s</code><td><code>%s</code></tr>\n", name,
               esc(r, value));
    return 1;
}

static void rest(request_rec *r, const figures_t *f)
{
    ap_rprintf(r, "<section><h2>Settings of %s</h2><table>\n",
               esc(r, f->server));
    apr_table_do(setting, r, f->settings, NULL);
    ap_rputs("</table></section>\n</main>\n<footer class=\"dim\">The same "
             "for programs: <a href=\"?auto\">key: value</a> &middot; "
             "<a href=\"?format=json\">JSON</a> &middot; "
             "<a href=\"?format=prometheus\">Prometheus</a></footer>\n"
             "</body></html>\n",
             r);
}

void status_html(request_rec *r, const figures_t *f)
{
    apr_table_setn(r->headers_out, "Content-Security-Policy", POLICY);
    top(r, f);
    state(r, f);
    question(r, f);
    tiles(r, f);
    chart(r, f);
    for (int i = 0; i < f->lists->nelts; i++)
        list(r, f, list_at(f, i));
    rest(r, f);
}

void status_html_short(request_rec *r, const figures_t *f)
{
    const apr_uint64_t *all = f->all;

    ap_rprintf(r,
               "<hr>\n<h2>Banned clients (mod_banlist)</h2>\n<dl>\n"
               "<dt>%s: %s, %s</dt>\n"
               "<dt>Refused: %s, %s; %s of them within the last hour</dt>\n",
               counted(r, (apr_uint64_t)f->lists->nelts, "list", "lists"),
               counted(r, all[FIGURES_ENTRIES], "entry", "entries"),
               counted(r, all[FIGURES_BAD_LINES], "bad line", "bad lines"),
               counted(r, all[FIGURES_REFUSED_REQUESTS], "request", "requests"),
               counted(r, all[FIGURES_REFUSED_CONNECTIONS], "connection",
                       "connections"),
               count(r, all[FIGURES_REFUSED_LAST_HOUR]));
    for (int i = 0; i < f->lists->nelts; i++) {
        if (list_at(f, i)->trouble)
            ap_rprintf(r, "<dt>In trouble: %s is %s</dt>\n",
                       esc(r, list_at(f, i)->path),
                       esc(r, list_at(f, i)->trouble));
    }
    ap_rputs("</dl>\n", r);
}
