/* SPDX-License-Identifier: Apache-2.0 */
/* The formats of the status page: each writes the same figures to r. */
#ifndef BANLIST_STATUS_H
#define BANLIST_STATUS_H

#include "answer.h"
#include "figures.h"

#pragma GCC visibility push(hidden)

/* status_html.c; sets its own Content-Security-Policy. */
void status_html(request_rec *r, const figures_t *f);

/* mod_status's page. */
void status_html_short(request_rec *r, const figures_t *f);

/* status_text.c */
void status_text_auto(request_rec *r, const figures_t *f);
void status_text_auto_short(request_rec *r, const figures_t *f);
void status_text_json(request_rec *r, const figures_t *f);
void status_text_prometheus(request_rec *r, const figures_t *f);

#pragma GCC visibility pop

#endif /* BANLIST_STATUS_H */
