/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_banlist: refuses banned clients by the address that mod_remoteip
 * restored, at a cost that does not grow with the list.
 *
 * This is the entrance: which hooks there are and what each calls.  The
 * rooms are in httpd/ (they speak httpd) and banlist/ (the engine, which does
 * not); docs/DESIGN.md shows the whole house.
 */

#include "httpd/banlist_httpd.h"

#include "http_protocol.h"
#include "http_request.h"
#include "mpm_common.h"

/* ---- starting ---- */

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *main_server)
{
    (void)plog;
    (void)ptemp;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG)
        return OK; /* httpd reads its configuration twice at start */
    banlist_lists_make(pconf, main_server);
    banlist_refuse_start(pconf, main_server);
    banlist_loader_start(pconf, main_server);
    return OK; /* whatever became of the lists: the server starts */
}

static void child_init(apr_pool_t *pchild, server_rec *main_server)
{
    banlist_lists_claim_figures(pchild);
    banlist_refuse_child_start(main_server);
}

/* ---- requests ---- */

/* The verdict is taken once, on the request that the client sent.  What httpd
 * makes of it (an ErrorDocument) gets the marks, and is never refused. */
static int post_read_request(request_rec *r)
{
    const banlist_verdict_t *v;

    if (!r->main && !r->prev) {
        v = banlist_verdict_take(r);
        if (v && !v->action)
            banlist_tell_request(r, v);
    }
    else if (!r->main)
        v = banlist_verdict(r);
    else
        return DECLINED;
    if (v)
        banlist_verdict_mark(r, v);
    return DECLINED;
}

/* Refusing here, before anything else handles the request, and not at once
 * in post_read_request, is what lets a proxy's connection stay open. */
static int quick_handler(request_rec *r, int lookup)
{
    /* It is kept with the client's own request and with no other. */
    const banlist_verdict_t *v =
        ap_get_module_config(r->request_config, &banlist_module);

    return v && v->action && !lookup ? banlist_refuse(r, v) : DECLINED;
}

/* ---- the module ---- */

static void register_hooks(apr_pool_t *p)
{
    /* Behind mod_remoteip whichever is loaded first: it hooks in with
     * APR_HOOK_FIRST too. */
    static const char *const after_remoteip[] = {"mod_remoteip.c", NULL};
    /* A cached page is no answer for a banned client. */
    static const char *const before_cache[] = {"mod_cache.c", NULL};

    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    banlist_loader_hooks();
    banlist_status_hooks();
    banlist_check_hooks();
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
    banlist_connection_hooks();
    banlist_refuse_hooks();
    ap_hook_post_read_request(post_read_request, after_remoteip, NULL,
                              APR_HOOK_FIRST);
    ap_hook_quick_handler(quick_handler, NULL, before_cache, APR_HOOK_FIRST);
    banlist_authz_hooks(p);
}

module AP_MODULE_DECLARE_DATA banlist_module = {
    STANDARD20_MODULE_STUFF,
    NULL, /* per-directory configuration: none */
    NULL,
    banlist_conf_create,
    banlist_conf_merge,
    banlist_commands,
    register_hooks,
    AP_MODULE_FLAG_NONE};
