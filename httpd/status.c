/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status page (SetHandler banlist-status) and mod_status's short form:
 * hooks and the query.  The figures come from figures.c, each format is
 * written by a room of its own.
 */

#include "status.h"

#include "http_protocol.h"
#include "http_request.h"
#include "mod_status.h"

#define HANDLER "banlist-status"

typedef struct format_t {
    const char *name;
    const char *type;
    void (*write)(request_rec *r, const figures_t *f);
} format_t;

static const format_t formats[] = {
    {"html", "text/html; charset=utf-8", status_html},
    {"auto", "text/plain; charset=utf-8", status_text_auto},
    {"json", "application/json", status_text_json},
    {"prometheus", "text/plain; version=0.0.4; charset=utf-8",
     status_text_prometheus},
};

static const format_t *format_named(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].name, name) == 0)
            return formats + i;
    }
    return NULL;
}

/* ?auto, ?format=NAME, ?ip=ADDR, together as anybody likes; what else
 * stands there is passed over.  0: it cannot be read. */
static int read_query(request_rec *r, const format_t **format, const char **ip)
{
    const char *rest = r->args ? r->args : "";

    *format = formats;
    *ip = NULL;
    while (*rest) {
        char *value = ap_getword(r->pool, &rest, '&');
        const char *key = ap_getword(r->pool, (const char **)&value, '=');

        if (ap_unescape_urlencoded(value) != OK)
            return 0;
        if (strcmp(key, "auto") == 0)
            *format = format_named("auto");
        else if (strcmp(key, "format") == 0)
            *format = format_named(value);
        else if (strcmp(key, "ip") == 0 && *value)
            *ip = value;
        if (!*format)
            return 0;
    }
    return 1;
}

static void set_headers(request_rec *r, const format_t *format)
{
    apr_table_t *h = r->headers_out;

    ap_set_content_type(r, format->type);
    apr_table_setn(h, "Cache-Control", "no-store");
    apr_table_setn(h, "X-Content-Type-Options", "nosniff");
    apr_table_setn(h, "Referrer-Policy", "no-referrer");
    apr_table_setn(h, "Content-Security-Policy",
                   "default-src 'none'; frame-ancestors 'none'");
}

BANLIST_FURTHER static int show(request_rec *r)
{
    const format_t *format;
    figures_t *f;
    const char *ip;

    ap_allow_standard_methods(r, REPLACE_ALLOW, M_GET, -1);
    if (r->method_number != M_GET)
        return HTTP_METHOD_NOT_ALLOWED;
    if (!read_query(r, &format, &ip))
        return HTTP_BAD_REQUEST;
    f = figures_gather(r->pool, r->server);
    f->answer = ip ? answer_find(r->pool, f, r->server, ip) : NULL;
    if (f->answer && f->answer->verdict == ANSWER_NO_ADDRESS)
        r->status = HTTP_BAD_REQUEST;
    set_headers(r, format);
    format->write(r, f);
    return OK;
}

/* Every request that is served comes by here. */
static int handler(request_rec *r)
{
    if (!r->handler || *r->handler != *HANDLER
        || strcmp(r->handler, HANDLER) != 0)
        return DECLINED;
    return show(r);
}

static int status_hook(request_rec *r, int flags)
{
    const figures_t *f = figures_gather(r->pool, r->server);

    if (flags & AP_STATUS_SHORT)
        status_text_auto_short(r, f);
    else
        status_html_short(r, f);
    return OK;
}

void banlist_status_hooks(void)
{
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ap, status_hook, status_hook, NULL, NULL,
                      APR_HOOK_MIDDLE);
}
