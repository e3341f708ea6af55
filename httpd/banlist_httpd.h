/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rooms that speak httpd share: the configuration, the lists as
 * this server knows them, and the verdict on a request.
 *
 * Configuration and lists are made while httpd starts or restarts, by the
 * parent and before it forks; after that everybody only reads them, so any
 * thread may.  A verdict belongs to its request.
 */
#ifndef BANLIST_HTTPD_H
#define BANLIST_HTTPD_H

#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "ap_expr.h"
#include "ap_release.h"
#include "apr_strings.h"
#include "apr_tables.h"

#include "../banlist/shared.h"
#include "../banlist/table.h"

#if AP_SERVER_MAJORVERSION_NUMBER != 2 || AP_SERVER_MINORVERSION_NUMBER != 4
#error "mod_banlist is for Apache httpd 2.4"
#endif

#define BANLIST_VERSION "0.1.0"

/* The module record must be visible to httpd; what follows must not be
 * visible to other modules, which share httpd's symbol space. */
extern module AP_MODULE_DECLARE_DATA banlist_module;
APLOG_USE_MODULE(banlist);

#pragma GCC visibility push(hidden)

#define BANLIST_UNSET (-1)

/* ---- configuration ---- */

typedef enum banlist_engine_e {
    BANLIST_OFF,
    BANLIST_ON,
    BANLIST_DETECT /* DetectionOnly */
} banlist_engine_e;

typedef enum banlist_end_e {
    BANLIST_STATUS, /* answered with an HTTP status */
    BANLIST_CLOSE,  /* the connection ends, nothing is sent */
    BANLIST_RESET,  /* it ends with a TCP RST */
    BANLIST_DROP    /* it ends without a packet to the client */
} banlist_end_e;

typedef struct banlist_action_t {
    banlist_end_e end;
    int status;       /* BANLIST_STATUS: 400 to 599 */
    const char *name; /* as configured: "403", "close"; NULL: unset */
} banlist_action_t;

/* One list file as this server knows it. */
typedef struct banlist_list_t {
    const char *path;
    int bare_ipv6_plen;
    int current; /* named in this configuration, not just in one before */
    shared_t segment;
} banlist_list_t;

typedef struct banlist_conf_t {
    int engine;                      /* banlist_engine_e */
    apr_array_header_t *files;       /* const char *: main server's first */
    apr_array_header_t *allow_files; /* const char * */
    apr_array_header_t *allow;       /* prefix_t */
    banlist_action_t direct;
    banlist_action_t proxied; /* name NULL: follows from direct */
    ap_expr_info_t *exempt;
    const char *exempt_text; /* as configured */
    int connection;
    int ipv6_prefix;
    int hostnames;
    apr_interval_time_t interval; /* server config alone */
    apr_int64_t memory;           /* bytes; server config alone */

    /* Made from the above when all of it has been read; NULL before. */
    apr_array_header_t *lists;       /* banlist_list_t * */
    apr_array_header_t *allow_lists; /* banlist_list_t * */
} banlist_conf_t;

#define BANLIST_DEFAULT_INTERVAL apr_time_from_sec(1)
#define BANLIST_MIN_INTERVAL apr_time_from_msec(10)
#define BANLIST_DEFAULT_MEMORY (APR_INT64_C(256) << 20)
#define BANLIST_DEFAULT_IPV6_PREFIX 128

/* A field that may be unset, as it counts. */
#define BANLIST_SET(field, otherwise)                                          \
    ((field) == BANLIST_UNSET ? (otherwise) : (field))

static inline banlist_conf_t *banlist_conf(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &banlist_module);
}

/* config.c */
extern const command_rec banlist_commands[];
void *banlist_conf_create(apr_pool_t *p, server_rec *s);
void *banlist_conf_merge(apr_pool_t *p, void *base, void *add);

/* What a banned client gets, whether it is itself the TCP peer or not. */
const banlist_action_t *banlist_conf_action(const banlist_conf_t *conf,
                                            int proxied);

/* Every setting of a server as it counts, defaults included: directive and
 * value, for a person to read. */
apr_table_t *banlist_conf_settings(apr_pool_t *p, const server_rec *s);

/* "example.net:80" */
const char *banlist_conf_server(apr_pool_t *p, const server_rec *s);

/* ---- lists.c: the lists' memory, kept over restarts ---- */

/* Gives every server its lists, with memory for each; logs what cannot be
 * had and goes on without.  p: lives until the next restart. */
void banlist_lists_make(apr_pool_t *p, server_rec *main_server);

/* All lists to keep loaded: those of this configuration, and those that only
 * the processes of the one before still use.  Array of banlist_list_t. */
const apr_array_header_t *banlist_lists_all(void);

/* This process's own slot for shared_count(); call in child_init. */
void banlist_lists_claim_figures(apr_pool_t *pchild);
unsigned banlist_lists_figure_slot(void);

/* ---- loader_process.c: the one process that reads the files ---- */

/* Starts it and waits until every list has been read once, so that the first
 * request is guarded.  Its end comes with p's. */
void banlist_loader_start(apr_pool_t *p, server_rec *main_server);

/* For register_hooks: a fork that failed is tried again. */
void banlist_loader_hooks(void);

/* ---- verdict.c ---- */

/* The address in the engine's form; 0 if it has none (a Unix socket). */
int banlist_address(const apr_sockaddr_t *sa, prefix_t *out);

typedef struct banlist_match_t {
    const banlist_list_t *list;
    table_match_t entry;
    const char *text; /* canonical; NULL until somebody asks */
} banlist_match_t;

/* For what few requests come to: the way of the others then saves no
 * registers for it. */
#define BANLIST_FURTHER __attribute__((noinline))

/* Whether a server's allow lists hold the address. */
BANLIST_FURTHER int banlist_allowed(const banlist_conf_t *conf,
                                    const prefix_t *addr, int64_t now);

/* Whether a server's lists ban the address and its allow lists do not. */
int banlist_match(const banlist_conf_t *conf, const prefix_t *addr, int64_t now,
                  banlist_match_t *m);

typedef struct banlist_verdict_t {
    banlist_match_t match;
    const banlist_action_t *action; /* NULL: marked, not refused */
    int proxied;
} banlist_verdict_t;

/* The verdict on the request that the client sent (whatever subrequest or
 * internal redirect r is of it): NULL if it is not banned. */
const banlist_verdict_t *banlist_verdict(const request_rec *r);

/* Takes it; for the client's own request, once. */
const banlist_verdict_t *banlist_verdict_take(request_rec *r);

/* Writes the environment marks into r. */
void banlist_verdict_mark(request_rec *r, const banlist_verdict_t *v);

/* "192.0.2.0/24", ".example.net" */
const char *banlist_match_text(apr_pool_t *p, const banlist_match_t *m);

/* ---- hostname.c: BanListHostnames ---- */

/* What the client's name makes of the answer that banlist_match() gave: the
 * new answer, with *m.  For servers with BanListHostnames On. */
int banlist_hostname_match(request_rec *r, const prefix_t *addr, int64_t now,
                           int banned, banlist_match_t *m);

/* ---- refuse.c: what a banned client gets ---- */

/* Refuses the request as the verdict says; what a hook returns then. */
int banlist_refuse(request_rec *r, const banlist_verdict_t *v);

/* Sets the socket up so that closing it ends the connection in this way. */
void banlist_prepare_end(apr_socket_t *socket, banlist_end_e end);

void banlist_refuse_hooks(void);

/* In post_config and in each child: says once which means "drop" has. */
void banlist_refuse_start(apr_pool_t *p, const server_rec *main_server);
void banlist_refuse_child_start(server_rec *main_server);

/* ---- connection.c: BanListConnection ---- */

void banlist_connection_hooks(void);

/* ---- authz.c: Require banned ---- */

void banlist_authz_hooks(apr_pool_t *p);

/* ---- tell.c: figures and the error log ---- */

/* A request that is refused, or marked alone. */
void banlist_tell_request(request_rec *r, const banlist_verdict_t *v);

/* A connection that is refused as it is made. */
void banlist_tell_connection(conn_rec *c, const banlist_match_t *m,
                             banlist_end_e end);

/* ---- status.c: the status page, mod_status's short form ---- */

void banlist_status_hooks(void);

/* ---- check.c: httpd -t ---- */

void banlist_check_hooks(void);

#pragma GCC visibility pop

#endif /* BANLIST_HTTPD_H */
