/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BanListConnection: a banned peer's connection is refused as it is made,
 * before a TLS handshake has cost anything, and before httpd reads a byte.
 *
 * This is the only check that meets clients who never send a whole request.
 * It knows the TCP peer alone: a client behind a proxy is the request
 * check's.
 */

#include "banlist_httpd.h"

#include "http_connection.h"

/* Streams of HTTP/2 and connections that mod_proxy makes come by here too,
 * the latter with a server as the peer; only an MPM gives a scoreboard. */
static int is_from_client(const conn_rec *c)
{
    return !c->master && c->sbh;
}

static int refused(conn_rec *c, apr_socket_t *socket)
{
    const banlist_conf_t *conf = banlist_conf(c->base_server);
    banlist_end_e end = banlist_conf_action(conf, 0)->end;
    banlist_match_t m;
    prefix_t peer;

    if (BANLIST_SET(conf->connection, 0) == 0
        || BANLIST_SET(conf->engine, BANLIST_ON) != BANLIST_ON || !conf->lists
        || !is_from_client(c) || !banlist_address(c->client_addr, &peer)
        || !banlist_match(conf, &peer, apr_time_sec(apr_time_now()), &m))
        return 0;
    banlist_tell_connection(c, &m, end);
    banlist_prepare_end(socket, end);
    return 1;
}

/* DONE would crash httpd here. */
static int pre_connection(conn_rec *c, void *socket)
{
    return refused(c, socket) ? HTTP_FORBIDDEN : DECLINED;
}

static int process_connection(conn_rec *c)
{
    if (c->keepalives || !refused(c, ap_get_conn_socket(c)))
        return DECLINED;
    c->aborted = 1;
    if (c->cs)
        c->cs->state = CONN_STATE_LINGER;
    return OK;
}

/* Until 2.4.50 the event MPM went on with a connection that was refused in
 * pre_connection. */
static int pre_connection_refuses(void)
{
    ap_version_t version;

    ap_get_server_revision(&version);
    return version.patch >= 50;
}

void banlist_connection_hooks(void)
{
    static const char *const before_ssl[] = {"mod_ssl.c", NULL};

    if (pre_connection_refuses())
        ap_hook_pre_connection(pre_connection, NULL, before_ssl,
                               APR_HOOK_FIRST);
    else
        ap_hook_process_connection(process_connection, NULL, before_ssl,
                                   APR_HOOK_FIRST);
}
