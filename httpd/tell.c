/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of a refusal: the list's figures, and a line in the error log
 * at "info".
 *
 * No wording here may be one that fail2ban's stock filters match, or a banned
 * client would earn itself another ban by each refusal; a test holds all of
 * them against these lines.  And an attack may not fill the disk: a process
 * writes a few lines a second, then how many more there were.
 */

#include "banlist_httpd.h"

#include <stdatomic.h>

#define LINES_A_SECOND 10

/* A second, and in the low half how often it was asked for a line. */
static _Atomic uint64_t window;

static void tell_left_out(server_rec *s, uint32_t asked)
{
    if (asked > LINES_A_SECOND) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     "BL0105: banlist: %u more refusals in one second are "
                     "not shown",
                     asked - LINES_A_SECOND);
    }
}

static int may_tell(server_rec *s)
{
    uint64_t second = (uint64_t)apr_time_sec(apr_time_now());
    uint64_t old = atomic_load_explicit(&window, memory_order_relaxed), asked;

    do {
        asked = old >> 32 == second ? (uint32_t)old + UINT64_C(1) : 1;
    } while (!atomic_compare_exchange_weak_explicit(
        &window, &old, second << 32 | asked, memory_order_relaxed,
        memory_order_relaxed));
    if (asked == 1)
        tell_left_out(s, (uint32_t)old);
    return asked <= LINES_A_SECOND;
}

static void count(const banlist_match_t *m, shared_figure_e figure)
{
    shared_count(&m->list->segment, banlist_lists_figure_slot(), figure);
}

void banlist_tell_request(request_rec *r, const banlist_verdict_t *v)
{
    int refused = v->action != NULL;

    count(&v->match, refused ? SHARED_REFUSED : SHARED_MARKED);
    if ((!refused && banlist_conf(r->server)->engine != BANLIST_DETECT)
        || !APLOGrinfo(r) || !may_tell(r->server))
        return;
    if (refused) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "BL0101: banlist: request refused: %s is in %s line %u "
                      "(%s)",
                      v->match.text, v->match.list->path, v->match.entry.line,
                      v->action->name);
    }
    else {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "BL0103: banlist: request would be refused: %s is in "
                      "%s line %u",
                      v->match.text, v->match.list->path, v->match.entry.line);
    }
}

void banlist_tell_connection(conn_rec *c, const banlist_match_t *m,
                             banlist_end_e end)
{
    static const char *const name[] = {"close", "close", "reset", "drop"};
    char text[PREFIX_TEXT_MAX];

    count(m, SHARED_CLOSED);
    if (!APLOGcinfo(c) || !may_tell(c->base_server))
        return;
    ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, c,
                  "BL0102: banlist: connection refused: %s is in %s line %u "
                  "(%s)",
                  prefix_format(text, &m->entry.prefix), m->list->path,
                  m->entry.line, name[end]);
}
