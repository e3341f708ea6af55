/* SPDX-License-Identifier: Apache-2.0 */
/* The status page for programs: key: value lines, JSON, Prometheus. */

#include "status.h"

#include "http_protocol.h"

/* The text with a backslash in front of each of these characters. */
static const char *escape(apr_pool_t *p, const char *text, const char *special)
{
    char *escaped = apr_palloc(p, 2 * strlen(text) + 1), *to = escaped;

    for (; *text; text++) {
        if (strchr(special, *text))
            *to++ = '\\';
        *to++ = *text;
    }
    *to = '\0';
    return escaped;
}

static const char *role(const figures_list_t *l)
{
    return l->bans && l->allows ? "ban and allow" : l->allows ? "allow" : "ban";
}

static const figures_list_t *list_at(const figures_t *f, int i)
{
    return &APR_ARRAY_IDX(f->lists, i, figures_list_t);
}

/* ---- ?auto ---- */

static void auto_figures(request_rec *r, const char *prefix,
                         const apr_uint64_t *value, int summed_alone)
{
    for (int id = 0; id < FIGURES_N; id++) {
        if (figures_row[id].summed || !summed_alone)
            ap_rprintf(r, "%s%s: %s\n", prefix, figures_row[id].key,
                       figures_text(r->pool, id, value[id]));
    }
}

static void auto_list(request_rec *r, const char *prefix,
                      const figures_list_t *l)
{
    ap_rprintf(r, "%spath: %s\n", prefix, l->path);
    ap_rprintf(r, "%srole: %s\n", prefix, role(l));
    ap_rprintf(r, "%sipv6_prefix: %d\n", prefix, l->list->bare_ipv6_plen);
    ap_rprintf(r, "%sservers: %d\n", prefix, l->servers->nelts);
    ap_rprintf(r, "%sstate: %s\n", prefix, l->state_key);
    if (l->trouble)
        ap_rprintf(r, "%strouble: %s\n", prefix, l->trouble);
    ap_rprintf(r, "%slast_load: %s\n", prefix, l->how);
    auto_figures(r, prefix, l->value, 0);
    for (int i = 0; i < l->bad->nelts; i++) {
        const figures_bad_t *bad = &APR_ARRAY_IDX(l->bad, i, figures_bad_t);

        ap_rprintf(r, "%sbad_line: %" APR_UINT64_T_FMT ": %s: %s\n", prefix,
                   bad->line, bad->reason, bad->text);
    }
}

static void auto_hit(request_rec *r, const char *prefix,
                     const answer_hit_t *hit)
{
    ap_rprintf(r, "%sentry: %s\n", prefix, hit->entry);
    ap_rprintf(r, "%sfile: %s\n", prefix, hit->list->path);
    ap_rprintf(r, "%sline: %" APR_UINT64_T_FMT "\n", prefix, hit->line);
    if (hit->until)
        ap_rprintf(r, "%suntil: %" APR_INT64_T_FMT "\n", prefix, hit->until);
    else
        ap_rprintf(r, "%suntil: for ever\n", prefix);
}

static void auto_answer(request_rec *r, const figures_t *f)
{
    const answer_t *a = f->answer;

    ap_rprintf(r, "answer.asked: %s\n", a->asked);
    ap_rprintf(r, "answer.server: %s\n", f->server);
    if (a->address)
        ap_rprintf(r, "answer.address: %s\n", a->address);
    ap_rprintf(r, "answer.verdict: %s\n", a->verdict_key);
    ap_rprintf(r, "answer.refused: %s\n", a->refused ? "yes" : "no");
    ap_rprintf(r, "answer.text: %s\n", a->text);
    if (a->by)
        auto_hit(r, "answer.", a->by);
    if (a->allow)
        ap_rprintf(r, "answer.allow: %s\n", a->allow);
    for (int i = 0; i < a->hits->nelts; i++) {
        const answer_hit_t *hit = &APR_ARRAY_IDX(a->hits, i, answer_hit_t);
        const char *prefix = apr_psprintf(r->pool, "answer.match.%d.", i + 1);

        ap_rprintf(r, "%skind: %s%s\n", prefix, hit->allows ? "allow" : "ban",
                   hit->except ? " exception" : "");
        ap_rprintf(r, "%shere: %s\n", prefix, hit->here ? "yes" : "no");
        auto_hit(r, prefix, hit);
    }
}

void status_text_auto(request_rec *r, const figures_t *f)
{
    ap_rprintf(r, "version: " BANLIST_VERSION "\n");
    ap_rprintf(r, "server: %s\n", f->server);
    ap_rprintf(r, "time: %" APR_TIME_T_FMT "\n", apr_time_sec(f->now));
    ap_rprintf(r, "engine: %s\n", apr_table_get(f->settings, "BanListEngine"));
    if (f->answer)
        auto_answer(r, f);
    ap_rprintf(r, "lists: %d\n", f->lists->nelts);
    ap_rprintf(r, "lists_in_trouble: %d\n", f->troubled);
    auto_figures(r, "", f->all, 1);
    for (int i = 0; i < f->lists->nelts; i++) {
        auto_list(r, apr_psprintf(r->pool, "list.%d.", i + 1), list_at(f, i));
    }
}

void status_text_auto_short(request_rec *r, const figures_t *f)
{
    static const struct {
        const char *key;
        figures_id_e id;
    } shown[] = {{"BanListEntries", FIGURES_ENTRIES},
                 {"BanListBadLines", FIGURES_BAD_LINES},
                 {"BanListRefusedRequests", FIGURES_REFUSED_REQUESTS},
                 {"BanListRefusedConnections", FIGURES_REFUSED_CONNECTIONS},
                 {"BanListRefusedLastHour", FIGURES_REFUSED_LAST_HOUR},
                 {"BanListMarked", FIGURES_MARKED}};

    ap_rprintf(r, "BanListLists: %d\n", f->lists->nelts);
    ap_rprintf(r, "BanListListsInTrouble: %d\n", f->troubled);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        ap_rprintf(r, "%s: %s\n", shown[i].key,
                   figures_text(r->pool, shown[i].id, f->all[shown[i].id]));
}

/* ---- ?format=json ---- */

/* "key":"text", with the comma behind it. */
static void json_text(request_rec *r, const char *key, const char *text)
{
    if (text)
        ap_rprintf(r, "\"%s\":\"%s\",", key, escape(r->pool, text, "\"\\"));
    else
        ap_rprintf(r, "\"%s\":null,", key);
}

static void json_figures(request_rec *r, const apr_uint64_t *value,
                         int summed_alone)
{
    for (int id = 0; id < FIGURES_N; id++) {
        if (figures_row[id].summed || !summed_alone)
            ap_rprintf(r, "\"%s\":%s,", figures_row[id].key,
                       figures_text(r->pool, id, value[id]));
    }
}

static void json_minutes(request_rec *r, const apr_uint64_t *minute)
{
    ap_rputs("\"refused_by_minute\":[", r);
    for (int i = 0; i < SHARED_MINUTES; i++)
        ap_rprintf(r, "%s%" APR_UINT64_T_FMT, i ? "," : "", minute[i]);
    ap_rputs("]", r);
}

static void json_texts(request_rec *r, const char *key,
                       const apr_array_header_t *texts)
{
    ap_rprintf(r, "\"%s\":[", key);
    for (int i = 0; i < texts->nelts; i++)
        ap_rprintf(
            r, "%s\"%s\"", i ? "," : "",
            escape(r->pool, APR_ARRAY_IDX(texts, i, const char *), "\"\\"));
    ap_rputs("],", r);
}

static void json_bad(request_rec *r, const apr_array_header_t *all)
{
    ap_rputs("\"first_bad_lines\":[", r);
    for (int i = 0; i < all->nelts; i++) {
        const figures_bad_t *bad = &APR_ARRAY_IDX(all, i, figures_bad_t);

        ap_rputs(i ? ",{" : "{", r);
        json_text(r, "reason", bad->reason);
        json_text(r, "text", bad->text);
        ap_rprintf(r, "\"line\":%" APR_UINT64_T_FMT "}", bad->line);
    }
    ap_rputs("],", r);
}

static void json_list(request_rec *r, const figures_list_t *l)
{
    ap_rputs("{", r);
    json_text(r, "path", l->path);
    json_text(r, "role", role(l));
    ap_rprintf(r, "\"ipv6_prefix\":%d,", l->list->bare_ipv6_plen);
    json_texts(r, "servers", l->servers);
    json_text(r, "state", l->state_key);
    json_text(r, "trouble", l->trouble);
    json_text(r, "last_load", l->how);
    json_figures(r, l->value, 0);
    json_bad(r, l->bad);
    json_minutes(r, l->minute);
    ap_rputs("}", r);
}

/* The members that tell an entry; a comma behind each. */
static void json_hit(request_rec *r, const answer_hit_t *hit)
{
    json_text(r, "entry", hit->entry);
    json_text(r, "file", hit->list->path);
    ap_rprintf(r, "\"line\":%" APR_UINT64_T_FMT ",", hit->line);
    if (hit->until)
        ap_rprintf(r, "\"until\":%" APR_INT64_T_FMT ",", hit->until);
    else
        ap_rputs("\"until\":null,", r);
}

static void json_answer(request_rec *r, const figures_t *f)
{
    const answer_t *a = f->answer;

    ap_rputs("\"answer\":{", r);
    json_text(r, "asked", a->asked);
    json_text(r, "server", f->server);
    json_text(r, "address", a->address);
    json_text(r, "verdict", a->verdict_key);
    ap_rprintf(r, "\"refused\":%s,", a->refused ? "true" : "false");
    json_text(r, "text", a->text);
    if (a->by)
        json_hit(r, a->by);
    json_text(r, "allow", a->allow);
    ap_rputs("\"matches\":[", r);
    for (int i = 0; i < a->hits->nelts; i++) {
        const answer_hit_t *hit = &APR_ARRAY_IDX(a->hits, i, answer_hit_t);

        ap_rputs(i ? ",{" : "{", r);
        json_text(r, "kind", hit->allows ? "allow" : "ban");
        json_texts(r, "servers", hit->list->servers);
        json_hit(r, hit);
        ap_rprintf(r, "\"exception\":%s,\"here\":%s}",
                   hit->except ? "true" : "false",
                   hit->here ? "true" : "false");
    }
    ap_rputs("]},", r);
}

void status_text_json(request_rec *r, const figures_t *f)
{
    ap_rputs("{", r);
    json_text(r, "version", BANLIST_VERSION);
    json_text(r, "server", f->server);
    ap_rprintf(r, "\"time\":%" APR_TIME_T_FMT ",", apr_time_sec(f->now));
    json_text(r, "engine", apr_table_get(f->settings, "BanListEngine"));
    if (f->answer)
        json_answer(r, f);
    ap_rprintf(r, "\"lists_in_trouble\":%d,", f->troubled);
    ap_rputs("\"all\":{", r);
    json_figures(r, f->all, 1);
    json_minutes(r, f->minute);
    ap_rputs("},\"lists\":[", r);
    for (int i = 0; i < f->lists->nelts; i++) {
        ap_rputs(i ? ",\n" : "\n", r);
        json_list(r, list_at(f, i));
    }
    ap_rputs("]}\n", r);
}

/* ---- ?format=prometheus ---- */

static void metric(request_rec *r, const char *name, const char *type,
                   const char *help)
{
    ap_rprintf(r, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A path may be two lists: read with two values of BanListIPv6Prefix. */
static void sample(request_rec *r, const char *name, const figures_list_t *l,
                   const char *labels, const char *value)
{
    ap_rprintf(r, "%s{list=\"%s\",role=\"%s\",ipv6_prefix=\"%d\"%s%s} %s\n",
               name, escape(r->pool, l->path, "\"\\"), role(l),
               l->list->bare_ipv6_plen, labels ? "," : "", labels ? labels : "",
               value);
}

static void prometheus_states(request_rec *r, const figures_t *f)
{
    metric(r, "banlist_list_state", "gauge",
           "State of the list's file: 1 for the one that it is in.");
    for (int i = 0; i < f->lists->nelts; i++) {
        for (int state = 0; state < FIGURES_STATES; state++) {
            sample(
                r, "banlist_list_state", list_at(f, i),
                apr_psprintf(r->pool, "state=\"%s\"", figures_state_key(state)),
                state == (int)list_at(f, i)->state ? "1" : "0");
        }
    }
}

void status_text_prometheus(request_rec *r, const figures_t *f)
{
    metric(r, "banlist_info", "gauge", "Version of mod_banlist.");
    ap_rputs("banlist_info{version=\"" BANLIST_VERSION "\"} 1\n", r);
    metric(r, "banlist_lists", "gauge", "Lists of all servers.");
    ap_rprintf(r, "banlist_lists %d\n", f->lists->nelts);
    metric(r, "banlist_lists_in_trouble", "gauge",
           "Lists whose file is not loaded as it is.");
    ap_rprintf(r, "banlist_lists_in_trouble %d\n", f->troubled);
    prometheus_states(r, f);
    for (int id = 0; id < FIGURES_N; id++) {
        const figures_row_t *row = figures_row + id;

        if (row->help)
            metric(r, row->metric, row->type, row->help);
        for (int i = 0; i < f->lists->nelts; i++)
            sample(r, row->metric, list_at(f, i), row->labels,
                   figures_text(r->pool, id, list_at(f, i)->value[id]));
    }
}
