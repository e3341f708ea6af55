/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is this client banned, and what does it get?
 *
 * On the way of every request: no lock, no system call, and no allocation
 * unless the client is banned.
 */

#include "banlist_httpd.h"

#include "http_request.h"

static inline int address_of(const apr_sockaddr_t *sa, prefix_t *out)
{
    switch (sa->family) {
    case APR_INET:
        prefix_from_ipv4(out, &sa->sa.sin.sin_addr);
        return 1;
#if APR_HAVE_IPV6
    case APR_INET6:
        prefix_from_ipv6(out, &sa->sa.sin6.sin6_addr);
        return 1;
#endif
    default:
        return 0;
    }
}

int banlist_address(const apr_sockaddr_t *sa, prefix_t *out)
{
    return address_of(sa, out);
}

int banlist_allowed(const banlist_conf_t *conf, const prefix_t *addr,
                    int64_t now)
{
    table_match_t ignored;

    for (int i = 0; i < conf->allow->nelts; i++) {
        if (prefix_covers(&APR_ARRAY_IDX(conf->allow, i, prefix_t), addr))
            return 1;
    }
    for (int i = 0; i < conf->allow_lists->nelts; i++) {
        const banlist_list_t *l =
            APR_ARRAY_IDX(conf->allow_lists, i, banlist_list_t *);

        if (shared_find(&l->segment, addr, now, &ignored))
            return 1;
    }
    return 0;
}

static inline int match(const banlist_conf_t *conf, const prefix_t *addr,
                        int64_t now, banlist_match_t *m)
{
    const banlist_list_t *const *list =
        (const banlist_list_t *const *)(void *)conf->lists->elts;

    for (int left = conf->lists->nelts; left; left--, list++) {
        if (shared_find(&(*list)->segment, addr, now, &m->entry)) {
            m->list = *list;
            m->text = NULL;
            m->entry.name[0] = '\0';
            return !banlist_allowed(conf, addr, now);
        }
    }
    return 0;
}

int banlist_match(const banlist_conf_t *conf, const prefix_t *addr, int64_t now,
                  banlist_match_t *m)
{
    return match(conf, addr, now, m);
}

const char *banlist_match_text(apr_pool_t *p, const banlist_match_t *m)
{
    char text[PREFIX_TEXT_MAX];

    if (m->entry.name[0])
        return apr_pstrdup(p, m->entry.name);
    return apr_pstrdup(p, prefix_format(text, &m->entry.prefix));
}

/* ---- the verdict on a request ---- */

static const request_rec *sent_by_client(const request_rec *r)
{
    while (r->main || r->prev)
        r = r->main ? r->main : r->prev;
    return r;
}

const banlist_verdict_t *banlist_verdict(const request_rec *r)
{
    return ap_get_module_config(sent_by_client(r)->request_config,
                                &banlist_module);
}

/* mod_remoteip puts an address of its own in the place of the peer's. */
static int is_proxied(const request_rec *r)
{
    return r->useragent_addr != r->connection->client_addr;
}

static int merges_slashes(const request_rec *r)
{
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 84)
    core_server_config *core =
        ap_get_core_module_config(r->server->module_config);

    return core->merge_slashes != AP_CORE_CONFIG_OFF;
#else
    (void)r;
    return 1;
#endif
}

/* Shortens a decoded path as httpd itself will, before it serves anything. */
static int shorten_path(const request_rec *r, char *path)
{
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 109)
    unsigned merge = merges_slashes(r) ? AP_NORMALIZE_MERGE_SLASHES : 0;

    return ap_normalize_path(path, AP_NORMALIZE_NOT_ABOVE_ROOT | merge);
#else
    ap_getparents(path);
    if (merges_slashes(r))
        ap_no2slash(path);
    return 1;
#endif
}

/* The path is still as the client wrote it: "/open/../closed" must not pass
 * for something in /open.  NULL: not one that httpd would serve for sure. */
static char *served_path(const request_rec *r)
{
    char *path = apr_pstrdup(r->pool, r->uri);

    return ap_unescape_url(path) == OK && shorten_path(r, path) ? path : NULL;
}

static int exempt(request_rec *r, const banlist_conf_t *conf)
{
    const char *err = NULL;
    char *as_sent = r->uri, *path;
    int is;

    if (!conf->exempt)
        return 0;
    path = served_path(r);
    if (!path)
        return 0;
    r->uri = path;
    is = ap_expr_exec(r, conf->exempt, &err);
    r->uri = as_sent;
    if (is < 0) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "BL0201: banlist: BanListExempt could not be "
                      "evaluated, the request is refused: %s",
                      err);
    }
    return is > 0;
}

/* For a client that is banned: the rest does not pay for this. */
BANLIST_FURTHER static const banlist_verdict_t *
verdict_make(request_rec *r, const banlist_conf_t *conf,
             const banlist_match_t *m)
{
    banlist_verdict_t *v = apr_palloc(r->pool, sizeof *v);

    v->match = *m;
    v->match.text = banlist_match_text(r->pool, m);
    v->proxied = is_proxied(r);
    v->action = conf->engine == BANLIST_DETECT || exempt(r, conf)
                    ? NULL
                    : banlist_conf_action(conf, v->proxied);
    ap_set_module_config(r->request_config, &banlist_module, v);
    return v;
}

const banlist_verdict_t *banlist_verdict_take(request_rec *r)
{
    const banlist_conf_t *conf = banlist_conf(r->server);
    int64_t now = apr_time_sec(r->request_time);
    banlist_match_t m;
    prefix_t addr;
    int banned;

    if (conf->engine == BANLIST_OFF || !conf->lists
        || !address_of(r->useragent_addr, &addr))
        return NULL;
    banned = match(conf, &addr, now, &m);
    if (BANLIST_SET(conf->hostnames, 0))
        banned = banlist_hostname_match(r, &addr, now, banned, &m);
    return banned ? verdict_make(r, conf, &m) : NULL;
}

void banlist_verdict_mark(request_rec *r, const banlist_verdict_t *v)
{
    apr_table_setn(r->subprocess_env, "BANLIST_MATCH", v->match.text);
    apr_table_setn(r->subprocess_env, "BANLIST_FILE", v->match.list->path);
    apr_table_setn(r->subprocess_env, "BANLIST_ACTION",
                   v->action ? v->action->name : "none");
}
