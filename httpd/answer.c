/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include "apr_lib.h"

typedef struct question_t {
    const char *text; /* canonical */
    prefix_t addr;
    const char *name; /* not NULL: a host name instead */
    apr_int64_t now;
} question_t;

static int counts_in(const apr_array_header_t *lists, const banlist_list_t *l)
{
    for (int i = 0; lists && i < lists->nelts; i++) {
        if (APR_ARRAY_IDX(lists, i, const banlist_list_t *) == l)
            return 1;
    }
    return 0;
}

static int find(const question_t *q, const shared_t *s, table_match_t *m)
{
    return q->name ? shared_find_name(s, q->name, strlen(q->name), q->now, m)
                   : shared_find(s, &q->addr, q->now, m);
}

/* A name in an allow file saves nobody: anybody can name his own address. */
static void add_hit(apr_pool_t *p, answer_t *a, const figures_list_t *l,
                    const question_t *q, const banlist_conf_t *conf)
{
    banlist_match_t m = {l->list, {.name = ""}, NULL};
    answer_hit_t hit = {.list = l};

    if (!find(q, &l->list->segment, &m.entry) && !m.entry.except)
        return;
    hit.except = m.entry.except;
    hit.entry = banlist_match_text(p, &m);
    hit.line = m.entry.line;
    hit.until = m.entry.until == TABLE_FOREVER ? 0 : m.entry.until;
    for (hit.allows = 0; hit.allows < 2; hit.allows++) {
        hit.here =
            counts_in(hit.allows ? conf->allow_lists : conf->lists, l->list)
            && !(q->name && hit.allows);
        if (hit.allows ? l->allows : l->bans)
            APR_ARRAY_PUSH(a->hits, answer_hit_t) = hit;
    }
}

static const answer_hit_t *
hit_here(const answer_t *a, const banlist_list_t *list, int allows, int except)
{
    for (int i = 0; i < a->hits->nelts; i++) {
        const answer_hit_t *hit = &APR_ARRAY_IDX(a->hits, i, answer_hit_t);

        if (hit->here && hit->allows == allows && hit->except == except
            && (!list || hit->list->list == list))
            return hit;
    }
    return NULL;
}

static const char *allowed_by(apr_pool_t *p, const banlist_conf_t *conf,
                              const prefix_t *addr)
{
    for (int i = 0; i < conf->allow->nelts; i++) {
        const prefix_t *allow = &APR_ARRAY_IDX(conf->allow, i, prefix_t);
        char text[PREFIX_TEXT_MAX];

        if (prefix_covers(allow, addr))
            return apr_pstrdup(p, prefix_format(text, allow));
    }
    return NULL;
}

static const char *until_text(apr_pool_t *p, const answer_hit_t *hit)
{
    return hit->until ? apr_psprintf(
               p, "until %s", figures_time(p, apr_time_from_sec(hit->until)))
                      : "for ever";
}

static const char *hit_text(apr_pool_t *p, const answer_hit_t *hit)
{
    return apr_psprintf(p, "%s%s in %s line %" APR_UINT64_T_FMT ", %s",
                        hit->except ? "!" : "", hit->entry, hit->list->path,
                        hit->line, until_text(p, hit));
}

static const char *banned_text(apr_pool_t *p, const answer_t *a,
                               const banlist_conf_t *conf)
{
    const char *direct = banlist_conf_action(conf, 0)->name;
    const char *proxied = banlist_conf_action(conf, 1)->name;

    if (!a->refused && a->is_name && conf->hostnames != 1)
        return "BanListHostnames is Off, so nobody is refused by a name.";
    if (!a->refused) {
        return apr_psprintf(p, "BanListEngine is %s, so it is not refused.",
                            conf->engine == BANLIST_OFF ? "Off"
                                                        : "DetectionOnly");
    }
    return apr_psprintf(
        p, "It gets: %s%s%s%s.%s", direct,
        strcmp(direct, proxied) ? ", behind a trusted proxy: " : "",
        strcmp(direct, proxied) ? proxied : "",
        conf->connection == 1 ? "; BanListConnection also closes its "
                                "connection at once"
                              : "",
        conf->exempt ? " Requests for which BanListExempt is true are let "
                       "through."
                     : "");
}

/* What a server that does not ban it may still know of it. */
static const char *not_banned_text(apr_pool_t *p, const answer_t *a,
                                   const banlist_conf_t *conf)
{
    const answer_hit_t *except = hit_here(a, NULL, 0, 1);
    int elsewhere = 0;

    for (int i = 0; i < a->hits->nelts; i++) {
        const answer_hit_t *hit = &APR_ARRAY_IDX(a->hits, i, answer_hit_t);

        elsewhere |= !hit->here && !hit->allows && !hit->except;
    }
    return apr_pstrcat(
        p, except ? "An exception says so: " : "No list here has it",
        except ? hit_text(p, except) : "", ".",
        a->allow ? " And BanListAllow has it: " : "", a->allow ? a->allow : "",
        a->allow ? "." : "",
        elsewhere ? " A list of another server bans it there." : "",
        conf->hostnames == 1 && !a->is_name
            ? " The lists' host names are matched too, but DNS is not asked "
              "here: look up the name that it gives this address."
            : "",
        NULL);
}

static void say(apr_pool_t *p, const figures_t *f, answer_t *a,
                const banlist_conf_t *conf)
{
    const char *saver;

    switch (a->verdict) {
    case ANSWER_NO_ADDRESS:
        break;
    case ANSWER_NOT_BANNED:
        a->verdict_key = "not_banned";
        a->text = apr_psprintf(p, "%s is not banned on %s. %s", a->address,
                               f->server, not_banned_text(p, a, conf));
        break;
    case ANSWER_BANNED:
        a->verdict_key = "banned";
        a->text = apr_psprintf(p, "%s is banned on %s, by %s. %s", a->address,
                               f->server, hit_text(p, a->by),
                               banned_text(p, a, conf));
        break;
    case ANSWER_SAVED:
        a->verdict_key = "allowed";
        saver = a->saver && !a->allow
                    ? hit_text(p, a->saver)
                    : apr_pstrcat(p, "BanListAllow ", a->allow, NULL);
        a->text =
            apr_psprintf(p,
                         "%s is listed (%s) and not banned on %s: it is "
                         "allowed by %s.",
                         a->address, hit_text(p, a->by), f->server, saver);
        break;
    }
}

/* The verdict is the one that requests get, by the same function; the hits
 * then tell why. */
static void judge_address(apr_pool_t *p, answer_t *a, const question_t *q,
                          const banlist_conf_t *conf)
{
    banlist_match_t m;
    int banned = conf->lists && banlist_match(conf, &q->addr, q->now, &m);

    a->by = hit_here(a, banned ? m.list : NULL, 0, 0);
    a->allow = allowed_by(p, conf, &q->addr);
    a->saver = hit_here(a, NULL, 1, 0);
    if (banned && a->by)
        a->verdict = ANSWER_BANNED;
    else if (a->by && (a->allow || a->saver))
        a->verdict = ANSWER_SAVED;
    else
        a->verdict = ANSWER_NOT_BANNED;
}

static void judge_name(answer_t *a)
{
    a->is_name = 1;
    a->by = hit_here(a, NULL, 0, 0);
    a->verdict = a->by ? ANSWER_BANNED : ANSWER_NOT_BANNED;
}

static void judge(apr_pool_t *p, const figures_t *f, answer_t *a,
                  const question_t *q, const banlist_conf_t *conf)
{
    for (int i = 0; i < f->lists->nelts; i++)
        add_hit(p, a, &APR_ARRAY_IDX(f->lists, i, figures_list_t), q, conf);
    if (q->name)
        judge_name(a);
    else
        judge_address(p, a, q, conf);
    a->refused = a->verdict == ANSWER_BANNED
                 && BANLIST_SET(conf->engine, BANLIST_ON) == BANLIST_ON
                 && (!q->name || conf->hostnames == 1);
}

/* ---- the question ---- */

/* Lower case and without the last dot, as the lists have it; NULL if it is
 * no host name: no top domain begins with a digit, a mistyped address does. */
static const char *read_name(apr_pool_t *p, const char *text, size_t len)
{
    char *name = apr_pstrmemdup(p, text, len);
    const char *top;

    if (len && name[len - 1] == '.')
        name[len - 1] = '\0';
    for (char *c = name; *c; c++) {
        *c = apr_tolower(*c);
        if (!apr_isalnum(*c) && !strchr("-._", *c))
            return NULL;
    }
    top = strrchr(name, '.');
    return top && apr_isalpha(top[1]) && len <= TABLE_NAME_MAX ? name : NULL;
}

/* Returns NULL, or why it is no question. */
static const char *read_question(apr_pool_t *p, question_t *q,
                                 const char *asked)
{
    const char *start = asked + strspn(asked, " \t"), *reason;
    size_t len = strlen(start);
    char text[PREFIX_TEXT_MAX];

    while (len && (start[len - 1] == ' ' || start[len - 1] == '\t'))
        len--;
    q->name = NULL;
    reason = prefix_parse(&q->addr, NULL, start, len);
    if (!reason) {
        q->text = apr_pstrdup(p, prefix_format(text, &q->addr));
        return NULL;
    }
    q->name = read_name(p, start, len);
    q->text = q->name;
    return q->name ? NULL : reason;
}

const answer_t *answer_find(apr_pool_t *p, const figures_t *f,
                            const server_rec *s, const char *asked)
{
    const banlist_conf_t *conf = banlist_conf(s);
    answer_t *a = apr_pcalloc(p, sizeof *a);
    question_t q = {.now = apr_time_sec(f->now)};
    const char *reason = read_question(p, &q, asked);

    a->asked = figures_clean(p, asked);
    a->hits = apr_array_make(p, 4, sizeof(answer_hit_t));
    if (reason) {
        a->verdict_key = "no_address";
        a->text =
            apr_psprintf(p, "\"%s\" is not an address: %s.", a->asked, reason);
        return a;
    }
    a->address = q.text;
    judge(p, f, a, &q, conf);
    say(p, f, a, conf);
    return a;
}
