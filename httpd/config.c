/* SPDX-License-Identifier: Apache-2.0 */
/* The directives: read, checked, merged. */

#include "banlist_httpd.h"

#include "http_main.h"
#include "http_protocol.h"
#include "apr_lib.h"

#include <stdlib.h>

static banlist_action_t action_unset(void)
{
    banlist_action_t a = {BANLIST_STATUS, HTTP_FORBIDDEN, NULL};

    return a;
}

void *banlist_conf_create(apr_pool_t *p, server_rec *s)
{
    banlist_conf_t *conf = apr_pcalloc(p, sizeof *conf);

    (void)s;
    conf->engine = BANLIST_UNSET;
    conf->files = apr_array_make(p, 2, sizeof(const char *));
    conf->allow_files = apr_array_make(p, 1, sizeof(const char *));
    conf->allow = apr_array_make(p, 4, sizeof(prefix_t));
    conf->direct = action_unset();
    conf->proxied = action_unset();
    conf->exempt = NULL;
    conf->exempt_text = NULL;
    conf->connection = BANLIST_UNSET;
    conf->ipv6_prefix = BANLIST_UNSET;
    conf->hostnames = BANLIST_UNSET;
    conf->interval = BANLIST_UNSET;
    conf->memory = BANLIST_UNSET;
    conf->lists = NULL;
    conf->allow_lists = NULL;
    return conf;
}

/* DIRECT and PROXIED are one directive: they are overridden together. */
void *banlist_conf_merge(apr_pool_t *p, void *basev, void *addv)
{
    banlist_conf_t *base = basev, *add = addv;
    banlist_conf_t *conf = apr_pcalloc(p, sizeof *conf);
    const banlist_conf_t *action = add->direct.name ? add : base;

    conf->engine = BANLIST_SET(add->engine, base->engine);
    conf->files = apr_array_append(p, base->files, add->files);
    conf->allow_files =
        apr_array_append(p, base->allow_files, add->allow_files);
    conf->allow = apr_array_append(p, base->allow, add->allow);
    conf->direct = action->direct;
    conf->proxied = action->proxied;
    conf->exempt = add->exempt ? add->exempt : base->exempt;
    conf->exempt_text = add->exempt ? add->exempt_text : base->exempt_text;
    conf->connection = BANLIST_SET(add->connection, base->connection);
    conf->ipv6_prefix = BANLIST_SET(add->ipv6_prefix, base->ipv6_prefix);
    conf->hostnames = BANLIST_SET(add->hostnames, base->hostnames);
    conf->interval = base->interval;
    conf->memory = base->memory;
    conf->lists = NULL;
    conf->allow_lists = NULL;
    return conf;
}

const banlist_action_t *banlist_conf_action(const banlist_conf_t *conf,
                                            int proxied)
{
    static const banlist_action_t forbidden = {BANLIST_STATUS, HTTP_FORBIDDEN,
                                               "403"};

    if (proxied && conf->proxied.name)
        return &conf->proxied;
    /* A proxy that gets no answer counts its backend as broken. */
    if (!conf->direct.name || (proxied && conf->direct.end != BANLIST_STATUS))
        return &forbidden;
    return &conf->direct;
}

/* ---- reading ---- */

static banlist_conf_t *conf_of(cmd_parms *cmd)
{
    return banlist_conf(cmd->server);
}

static const char *bad_value(cmd_parms *cmd, const char *value,
                             const char *want)
{
    return apr_psprintf(cmd->pool, "%s: '%s' is not %s", cmd->cmd->name, value,
                        want);
}

static const char *set_engine(cmd_parms *cmd, void *dummy, const char *arg)
{
    banlist_conf_t *conf = conf_of(cmd);

    (void)dummy;
    if (ap_cstr_casecmp(arg, "on") == 0)
        conf->engine = BANLIST_ON;
    else if (ap_cstr_casecmp(arg, "off") == 0)
        conf->engine = BANLIST_OFF;
    else if (ap_cstr_casecmp(arg, "detectiononly") == 0)
        conf->engine = BANLIST_DETECT;
    else
        return bad_value(cmd, arg, "On, Off or DetectionOnly");
    return NULL;
}

static const char *add_path(cmd_parms *cmd, apr_array_header_t *to,
                            const char *arg)
{
    const char *path = *arg ? ap_server_root_relative(cmd->pool, arg) : NULL;

    if (!path)
        return bad_value(cmd, arg, "a path that ServerRoot resolves");
    APR_ARRAY_PUSH(to, const char *) = path;
    return NULL;
}

static const char *add_file(cmd_parms *cmd, void *dummy, const char *arg)
{
    (void)dummy;
    return add_path(cmd, conf_of(cmd)->files, arg);
}

static const char *add_allow_file(cmd_parms *cmd, void *dummy, const char *arg)
{
    (void)dummy;
    return add_path(cmd, conf_of(cmd)->allow_files, arg);
}

static const char *add_allow(cmd_parms *cmd, void *dummy, const char *arg)
{
    prefix_t *p = apr_array_push(conf_of(cmd)->allow);
    const char *reason = prefix_parse(p, NULL, arg, strlen(arg));

    (void)dummy;
    if (!reason)
        return NULL;
    return apr_psprintf(cmd->pool, "%s: '%s' is not an address or a prefix: %s",
                        cmd->cmd->name, arg, reason);
}

static int read_action(banlist_action_t *a, const char *arg)
{
    static const struct {
        const char *name;
        banlist_end_e end;
    } ends[] = {{"close", BANLIST_CLOSE},
                {"reset", BANLIST_RESET},
                {"drop", BANLIST_DROP}};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (ap_cstr_casecmp(arg, ends[i].name) == 0) {
            a->end = ends[i].end;
            a->status = 0;
            a->name = ends[i].name;
            return 1;
        }
    }
    if (!apr_isdigit(arg[0]) || !apr_isdigit(arg[1]) || !apr_isdigit(arg[2])
        || arg[3])
        return 0;
    a->end = BANLIST_STATUS;
    a->status = atoi(arg);
    a->name = arg;
    return a->status >= 400 && a->status <= 599;
}

/* httpd has names for some statuses only, and sends 500 for the rest.  It
 * reads its configuration twice at start, and for a test once. */
static void tell_unknown(cmd_parms *cmd, const banlist_action_t *a)
{
    if (!a->status || atoi(ap_get_status_line(a->status)) == a->status
        || (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG
            && ap_state_query(AP_SQ_RUN_MODE) != AP_SQ_RM_CONFIG_TEST))
        return;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, cmd->server,
                 "BL0108: banlist: %s line %d: %s: httpd has no status %s, the "
                 "answer will be 500",
                 cmd->directive->filename, cmd->directive->line_num,
                 cmd->cmd->name, a->name);
}

static const char *set_action(cmd_parms *cmd, void *dummy, const char *direct,
                              const char *proxied)
{
    static const char want[] = "a status from 400 to 599, close, reset or drop";
    banlist_conf_t *conf = conf_of(cmd);

    (void)dummy;
    if (!read_action(&conf->direct, direct))
        return bad_value(cmd, direct, want);
    conf->proxied = action_unset();
    if (proxied && !read_action(&conf->proxied, proxied))
        return bad_value(cmd, proxied, want);
    tell_unknown(cmd, &conf->direct);
    if (proxied)
        tell_unknown(cmd, &conf->proxied);
    return NULL;
}

static const char *set_exempt(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *err = NULL;

    (void)dummy;
    conf_of(cmd)->exempt = ap_expr_parse_cmd(cmd, arg, 0, &err, NULL);
    conf_of(cmd)->exempt_text = arg;
    if (!err)
        return NULL;
    return apr_psprintf(cmd->pool, "%s: '%s' is not an expression: %s",
                        cmd->cmd->name, arg, err);
}

/* httpd's own flags do not say what the value was. */
static const char *set_flag(cmd_parms *cmd, int *flag, const char *arg)
{
    int on = ap_cstr_casecmp(arg, "on") == 0;

    if (!on && ap_cstr_casecmp(arg, "off") != 0)
        return bad_value(cmd, arg, "On or Off");
    *flag = on;
    return NULL;
}

static const char *set_connection(cmd_parms *cmd, void *dummy, const char *arg)
{
    (void)dummy;
    return set_flag(cmd, &conf_of(cmd)->connection, arg);
}

static const char *set_hostnames(cmd_parms *cmd, void *dummy, const char *arg)
{
    (void)dummy;
    return set_flag(cmd, &conf_of(cmd)->hostnames, arg);
}

static const char *set_ipv6_prefix(cmd_parms *cmd, void *dummy, const char *arg)
{
    char *end;
    apr_int64_t n = apr_strtoi64(arg, &end, 10);

    (void)dummy;
    if (!apr_isdigit(*arg) || *end || n < 1 || n > 128)
        return bad_value(cmd, arg, "a prefix length from 1 to 128");
    conf_of(cmd)->ipv6_prefix = (int)n;
    return NULL;
}

static const char *set_interval(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_interval_time_t interval;

    (void)dummy;
    if (err)
        return err;
    if (!apr_isdigit(*arg)
        || ap_timeout_parameter_parse(arg, &interval, "s") != APR_SUCCESS
        || interval < BANLIST_MIN_INTERVAL
        || interval > apr_time_from_sec(86400))
        return bad_value(cmd, arg, "a time from 10ms to 24h");
    conf_of(cmd)->interval = interval;
    return NULL;
}

/* What stands behind the number, as a power of two; -1 for what is none. */
static int unit_shift(const char *unit)
{
    static const char units[] = "kmg";
    const char *found;

    if (!*unit)
        return 0;
    found = strchr(units, apr_tolower(*unit));
    return found && !unit[1] ? 10 * (int)(found - units + 1) : -1;
}

static const char *set_memory(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_int64_t n, max = APR_INT64_C(1) << (sizeof(size_t) > 4 ? 40 : 30);
    char *end;
    int shift;

    (void)dummy;
    if (err)
        return err;
    n = apr_strtoi64(arg, &end, 10);
    shift = unit_shift(end);
    if (!apr_isdigit(*arg) || shift < 0 || n > max >> shift
        || n << shift < (apr_int64_t)SHARED_MIN)
        return bad_value(cmd, arg,
                         "an amount of at least 1M, in bytes or "
                         "with K, M or G behind it");
    conf_of(cmd)->memory = n << shift;
    return NULL;
}

/* ---- telling ---- */

static const char *engine_text(int engine)
{
    static const char *const text[] = {"Off", "On", "DetectionOnly"};

    return text[BANLIST_SET(engine, BANLIST_ON)];
}

static const char *flag_text(int flag)
{
    return BANLIST_SET(flag, 0) ? "On" : "Off";
}

static const char *action_text(apr_pool_t *p, const banlist_conf_t *conf)
{
    const char *direct = banlist_conf_action(conf, 0)->name;
    const char *proxied = banlist_conf_action(conf, 1)->name;

    return strcmp(direct, proxied) == 0
               ? direct
               : apr_pstrcat(p, direct, " ", proxied, NULL);
}

static const char *interval_text(apr_pool_t *p, apr_interval_time_t t)
{
    int whole = t % APR_USEC_PER_SEC == 0;

    return apr_psprintf(p, "%" APR_TIME_T_FMT "%s",
                        whole ? apr_time_sec(t) : apr_time_as_msec(t),
                        whole ? "s" : "ms");
}

static const char *memory_text(apr_pool_t *p, apr_int64_t bytes)
{
    int shift = 0;

    while (shift < 30 && bytes % (APR_INT64_C(1) << (shift + 10)) == 0)
        shift += 10;
    return apr_psprintf(p, "%" APR_INT64_T_FMT "%.*s", bytes >> shift,
                        shift != 0, &"KMG"[shift ? shift / 10 - 1 : 0]);
}

/* Paths of any length each have a row of their own. */
static void add_texts(apr_table_t *t, const char *name,
                      const apr_array_header_t *texts)
{
    for (int i = 0; i < texts->nelts; i++)
        apr_table_addn(t, name, APR_ARRAY_IDX(texts, i, const char *));
}

static void add_prefixes(apr_table_t *t, const char *name,
                         const apr_array_header_t *prefixes)
{
    char text[PREFIX_TEXT_MAX];

    for (int i = 0; i < prefixes->nelts; i++)
        apr_table_add(
            t, name,
            prefix_format(text, &APR_ARRAY_IDX(prefixes, i, prefix_t)));
}

const char *banlist_conf_server(apr_pool_t *p, const server_rec *s)
{
    const char *name = s->server_hostname ? s->server_hostname : "?";
    unsigned port = s->is_virtual && s->addrs ? s->addrs->host_port : s->port;

    return port ? apr_psprintf(p, "%s:%u", name, port) : name;
}

apr_table_t *banlist_conf_settings(apr_pool_t *p, const server_rec *s)
{
    const banlist_conf_t *conf = banlist_conf(s);
    const banlist_conf_t *whole = banlist_conf(ap_server_conf);
    apr_table_t *t = apr_table_make(p, 16);

    apr_table_addn(t, "BanListEngine", engine_text(conf->engine));
    add_texts(t, "BanListFile", conf->files);
    add_prefixes(t, "BanListAllow", conf->allow);
    add_texts(t, "BanListAllowFile", conf->allow_files);
    apr_table_addn(t, "BanListAction", action_text(p, conf));
    if (conf->exempt)
        apr_table_addn(t, "BanListExempt", conf->exempt_text);
    apr_table_addn(t, "BanListConnection", flag_text(conf->connection));
    apr_table_addn(t, "BanListIPv6Prefix",
                   apr_itoa(p, BANLIST_SET(conf->ipv6_prefix,
                                           BANLIST_DEFAULT_IPV6_PREFIX)));
    apr_table_addn(t, "BanListHostnames", flag_text(conf->hostnames));
    apr_table_addn(t, "BanListInterval",
                   interval_text(p, BANLIST_SET(whole->interval,
                                                BANLIST_DEFAULT_INTERVAL)));
    apr_table_addn(
        t, "BanListMemory",
        memory_text(p, BANLIST_SET(whole->memory, BANLIST_DEFAULT_MEMORY)));
    return t;
}

const command_rec banlist_commands[] = {
    AP_INIT_TAKE1("BanListEngine", set_engine, NULL, RSRC_CONF,
                  "On, Off, or DetectionOnly: mark and log, refuse nothing"),
    AP_INIT_ITERATE("BanListFile", add_file, NULL, RSRC_CONF,
                    "Files of banned hosts"),
    AP_INIT_ITERATE("BanListAllow", add_allow, NULL, RSRC_CONF,
                    "Addresses and prefixes that are never refused"),
    AP_INIT_ITERATE("BanListAllowFile", add_allow_file, NULL, RSRC_CONF,
                    "Files of hosts that are never refused"),
    AP_INIT_TAKE12("BanListAction", set_action, NULL, RSRC_CONF,
                   "What a banned client gets: a status, close, reset or "
                   "drop; and what it gets behind a proxy"),
    AP_INIT_TAKE1("BanListExempt", set_exempt, NULL, RSRC_CONF,
                  "An expression: requests for which it is true are marked, "
                  "not refused"),
    AP_INIT_TAKE1("BanListConnection", set_connection, NULL, RSRC_CONF,
                  "Whether the TCP peer is tested when it connects"),
    AP_INIT_TAKE1("BanListIPv6Prefix", set_ipv6_prefix, NULL, RSRC_CONF,
                  "How long a prefix a bare IPv6 address in a list bans"),
    AP_INIT_TAKE1("BanListHostnames", set_hostnames, NULL, RSRC_CONF,
                  "Whether host names in a list are matched, by DNS"),
    AP_INIT_TAKE1("BanListInterval", set_interval, NULL, RSRC_CONF,
                  "How often the files are looked at without being told"),
    AP_INIT_TAKE1("BanListMemory", set_memory, NULL, RSRC_CONF,
                  "Address space set aside for each list"),
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL}};
