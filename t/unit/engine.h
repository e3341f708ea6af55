/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine from end to end, for tests that hold it against the oracle: a
 * list file in a folder of its own, the loader that reads it, the segment it
 * is published in.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include "banlist/loader.h"
#include "naive.h"
#include "tap.h"

typedef struct engine_t {
    char folder[64];
    char path[96];
    shared_t segment;
    loader_t *loader;
    shared_report_t report;
} engine_t;

static void engine_must(int holds, const char *what)
{
    if (!holds) {
        printf("Bail out! %s\n", what);
        exit(1);
    }
}

static void engine_start(engine_t *en, size_t memory, uint64_t seed,
                         int bare_ipv6_plen)
{
    hash_seed_t k = {{seed, seed * 3 + 1, seed * 5 + 2, seed * 7 + 3}};

    strcpy(en->folder, "/tmp/banlist-XXXXXX");
    engine_must(mkdtemp(en->folder) != NULL, "mkdtemp");
    snprintf(en->path, sizeof en->path, "%s/list", en->folder);
    engine_must(shared_create(&en->segment, memory, &k) == 0, "memory");
    en->loader = loader_create(en->path, &en->segment, bare_ipv6_plen);
    engine_must(en->loader != NULL, "loader");
}

static void engine_stop(engine_t *en)
{
    loader_destroy(en->loader);
    shared_destroy(&en->segment);
    unlink(en->path);
    rmdir(en->folder);
}

/* Takes up what was written to the file; whether it is in force. */
static int engine_look(engine_t *en)
{
    loader_clock_t now;

    loader_clock(&now);
    loader_look(en->loader, &now, LOADER_CHANGED | LOADER_CLOSED, NULL);
    now.mono += LOADER_SECOND; /* what was waited for, if anything */
    now.wall += LOADER_SECOND;
    loader_look(en->loader, &now, 0, NULL);
    shared_report(&en->segment, &en->report);
    return en->report.state == SHARED_LOADED;
}

/* Writes the file (mode "w") or adds to it ("a"). */
static void engine_write(engine_t *en, const char *text, const char *mode)
{
    FILE *f = fopen(en->path, mode);

    engine_must(f && fputs(text, f) >= 0 && fclose(f) == 0, "no list file");
}

/* The same, and loads it. */
static int engine_load(engine_t *en, const char *text, const char *mode)
{
    engine_write(en, text, mode);
    return engine_look(en);
}

/* "" if the engine's verdict on the address is the oracle's, or what is not. */
static const char *engine_differs(const engine_t *en, const naive_list_t *list,
                                  const unsigned char *addr, int size,
                                  long long now)
{
    naive_verdict_t want = naive_find(list, addr, size, now);
    table_match_t m;
    prefix_t p;
    int found;

    if (size == 4)
        prefix_from_ipv4(&p, addr);
    else
        prefix_from_ipv6(&p, addr);
    found = shared_find(&en->segment, &p, now, &m);
    if (found != want.banned)
        return "banned";
    if (!!m.except != want.excepted)
        return "excepted";
    if (!(want.banned || want.excepted) || want.plen < 0)
        return "";
    if (m.prefix.plen != want.plen)
        return "the entry's length";
    if (m.until != (want.until ? want.until : (long long)TABLE_FOREVER))
        return "the entry's end";
    for (size_t i = 0; i < list->n; i++) {
        const naive_entry_t *e = list->entry + i;

        if (e->line == m.line)
            return e->until == want.until && e->plen == want.plen
                           && e->except == want.excepted
                           && naive_covers(e, addr, size)
                       ? ""
                       : "the entry's line";
    }
    return "a line that there is not";
}

#endif /* ENGINE_H */
