/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `Require banned`, and so `Require not banned`, for a part of a server whose
 * engine is Off or DetectionOnly: elsewhere no banned client gets this far.
 */

#include "banlist_httpd.h"

#include "http_request.h"
#include "ap_provider.h"
#include "mod_auth.h"

/* With the engine off no verdict was taken; what is asked here is answered
 * all the same, or a directory would be open that was thought guarded. */
static int is_banned(request_rec *r)
{
    const banlist_conf_t *conf = banlist_conf(r->server);
    banlist_match_t ignored;
    prefix_t addr;

    if (banlist_verdict(r))
        return 1;
    return BANLIST_SET(conf->engine, BANLIST_ON) == BANLIST_OFF && conf->lists
           && banlist_address(r->useragent_addr, &addr)
           && banlist_match(conf, &addr, apr_time_sec(r->request_time),
                            &ignored);
}

static authz_status check_banned(request_rec *r, const char *line,
                                 const void *parsed)
{
    (void)line;
    (void)parsed;
    return is_banned(r) ? AUTHZ_GRANTED : AUTHZ_DENIED;
}

static const char *parse_banned(cmd_parms *cmd, const char *line,
                                const void **parsed)
{
    (void)parsed;
    if (!*line)
        return NULL;
    return apr_psprintf(cmd->pool,
                        "Require banned: '%s' is one word too many: it takes "
                        "no argument",
                        line);
}

static const authz_provider provider = {check_banned, parse_banned};

void banlist_authz_hooks(apr_pool_t *p)
{
    ap_register_auth_provider(p, AUTHZ_PROVIDER_GROUP, "banned",
                              AUTHZ_PROVIDER_VERSION, &provider,
                              AP_AUTH_INTERNAL_PER_CONF);
}
