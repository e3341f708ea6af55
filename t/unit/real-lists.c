/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists that other people publish: the engine counts in them what the oracle
 * counts, and bans whom the oracle bans.
 *
 * They are not ours to ship: $BANLIST_LISTS or ../shared/lists is the folder.
 */
#include "engine.h"

#include <dirent.h>
#include <sys/stat.h>

#define FOLDER "../shared/lists"
#define SEED 20240607u
#define NOW 1767225600LL
/* How many entries the oracle compares for one list: about a second. */
#define EFFORT 200000000L

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    char *text;

    engine_must(f && fstat(fileno(f), &st) == 0, path);
    text = calloc(1, (size_t)st.st_size + 1);
    engine_must(text != NULL, "memory");
    engine_must(fread(text, 1, (size_t)st.st_size, f) == (size_t)st.st_size,
                path);
    fclose(f);
    return text;
}

static void check_counts(const engine_t *en, const naive_list_t *list,
                         const char *name)
{
    const shared_report_t *r = &en->report;
    long counts[2][2], full[2] = {0, 0};
    naive_list_t single = {0};

    naive_counts(list, counts);
    ok(list->n > 0, "%s: there are entries", name);
    is_int((intmax_t)r->entries, (intmax_t)list->n, "%s: entries", name);
    is_int((intmax_t)r->bad, list->bad, "%s: bad lines", name);
    is_int((intmax_t)r->lines, list->lines, "%s: lines", name);
    for (int six = 0; six < 2; six++) {
        is_int((intmax_t)r->counts.prefixes[six][0], counts[six][0],
               "%s: distinct prefixes of IPv%d", name, six ? 6 : 4);
    }
    single.entry = malloc((list->n + 1) * sizeof *single.entry);
    engine_must(single.entry != NULL, "memory");
    for (size_t i = 0; i < list->n; i++) {
        if (list->entry[i].plen == list->entry[i].size * 8)
            single.entry[single.n++] = list->entry[i];
    }
    naive_counts(&single, counts);
    for (int six = 0; six < 2; six++) {
        full[six] = counts[six][0];
        is_int((intmax_t)r->counts.addresses[six][0], full[six],
               "%s: of them, addresses of IPv%d", name, six ? 6 : 4);
    }
    naive_free(&single);
}

typedef struct tally_t {
    long lookups;
    long banned;
    long wrong;
} tally_t;

static void look(tally_t *t, const engine_t *en, const naive_list_t *list,
                 const unsigned char *addr, int size)
{
    const char *what = engine_differs(en, list, addr, size, NOW);

    t->lookups++;
    t->banned += naive_find(list, addr, size, NOW).banned;
    if (*what && t->wrong++ < 5) {
        char text[64];

        diag("%s differs in: %s",
             inet_ntop(size == 4 ? AF_INET : AF_INET6, addr, text, sizeof text),
             what);
    }
}

/* First and last of an entry, one below and one above. */
static void look_around(tally_t *t, const engine_t *en,
                        const naive_list_t *list, const naive_entry_t *e)
{
    unsigned char addr[16];

    for (int i = 0; i < 4; i++) {
        memcpy(addr, i < 2 ? e->first : e->last, 16);
        if (i % 3 == 0)
            naive_step(addr, e->size, i ? 1 : -1);
        look(t, en, list, addr, e->size);
    }
}

static void check_verdicts(const engine_t *en, const naive_list_t *list,
                           const char *name)
{
    long lookups = EFFORT / 2 / (long)(list->n + 1) + 100;
    tally_t t = {0, 0, 0};

    while (t.lookups < lookups) {
        const naive_entry_t *e =
            list->entry + (size_t)random() % (list->n ? list->n : 1);
        unsigned char addr[16];

        look_around(&t, en, list, e);
        memcpy(addr, e->first, 16);
        for (int i = 1 + (int)(random() % 3); i < e->size; i++)
            addr[i] = (unsigned char)random();
        look(&t, en, list, addr, e->size);
    }
    note("%s: %zu entries, %ld lookups, %ld banned", name, list->n, t.lookups,
         t.banned);
    is_int(t.wrong, 0, "%s: the engine bans whom the oracle bans", name);
}

static void check_list(const char *folder, const char *name)
{
    char path[4096];
    engine_t en;
    naive_list_t list = {0};
    char *text;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    text = read_file(path);
    naive_read(&list, text, 128);
    engine_start(&en, (size_t)64 << 20, SEED, 128);
    ok(engine_load(&en, text, "w"), "%s: loaded", name);
    check_counts(&en, &list, name);
    if (list.n)
        check_verdicts(&en, &list, name);
    engine_stop(&en);
    naive_free(&list);
    free(text);
}

int main(void)
{
    const char *folder = getenv("BANLIST_LISTS");
    struct dirent **names;
    int n, lists = 0;

    folder = folder ? folder : FOLDER;
    n = scandir(folder, &names, NULL, alphasort);
    if (n < 0) {
        printf("1..0 # SKIP no folder of lists: $BANLIST_LISTS or %s\n",
               FOLDER);
        return 0;
    }
    note("seed %u", SEED);
    srandom(SEED);
    for (int i = 0; i < n; i++) {
        if (strchr(names[i]->d_name, '.') && names[i]->d_name[0] != '.') {
            check_list(folder, names[i]->d_name);
            lists++;
        }
        free(names[i]);
    }
    free(names);
    ok(lists > 0, "there were lists");
    return done();
}
