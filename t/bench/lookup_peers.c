/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same lookups in the peers' own structures, in their own programs.
 *
 * A library that nginx and haproxy preload and httpd loads behind
 * mod_security2: it calls the functions that these export, measures, and
 * ends the process.  Nothing of theirs is copied; what is declared here is
 * how their functions are called.  $BENCH_KIND and $BENCH_COUNT say what to
 * fill the structure with.
 */
#include "lookup.h"

#include <dlfcn.h>
#include <unistd.h>

static void *symbol(const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);

    if (!found) {
        fprintf(stderr, "lookup_peers: no %s\n", name);
        _exit(1);
    }
    return found;
}

/* dlsym() hands out functions as void *; the way POSIX tells to take them */
#define TAKE(fn, name) (*(void **)&(fn) = symbol(name))

static void to_bytes(const lookup_key_t *key, unsigned char bytes[16])
{
    uint64_t hi = __builtin_bswap64(key->hi), lo = __builtin_bswap64(key->lo);

    memcpy(bytes, &hi, 8);
    memcpy(bytes + 8, &lo, 8);
}

static void each(entry_kind_e kind, uint32_t count,
                 void (*add)(void *ctx, const entry_t *e), void *ctx)
{
    for (uint32_t i = 0; i < count; i++) {
        entry_t e;

        entry_make(&e, kind, i);
        add(ctx, &e);
    }
}

/* ---- nginx: the tree that `geo` looks up in ---- */

typedef struct nginx_t {
    void *tree;
    intptr_t (*insert)(void *tree, uint32_t key, uint32_t mask, uintptr_t v);
    uintptr_t (*find)(void *tree, uint32_t key);
    intptr_t (*insert6)(void *tree, unsigned char *key, unsigned char *mask,
                        uintptr_t v);
    uintptr_t (*find6)(void *tree, unsigned char *key);
} nginx_t;

static void nginx_add(void *ctx, const entry_t *e)
{
    nginx_t *n = ctx;
    entry_t all = {~UINT64_C(0), ~UINT64_C(0), e->plen, e->is_ipv6};
    unsigned char key[16], mask[16];

    entry_cut(&all);
    if (!e->is_ipv6) {
        n->insert(n->tree, (uint32_t)(e->hi >> 32), (uint32_t)(all.hi >> 32),
                  1);
        return;
    }
    to_bytes(&(lookup_key_t){e->hi, e->lo}, key);
    to_bytes(&(lookup_key_t){all.hi, all.lo}, mask);
    n->insert6(n->tree, key, mask, 1);
}

static int nginx_find(void *ctx, const lookup_key_t *key)
{
    nginx_t *n = ctx;

    return n->find(n->tree, (uint32_t)(key->hi >> 32)) != UINTPTR_MAX;
}

static int nginx_find6(void *ctx, const lookup_key_t *key)
{
    nginx_t *n = ctx;
    unsigned char bytes[16];

    to_bytes(key, bytes);
    return n->find6(n->tree, bytes) != UINTPTR_MAX;
}

static void nginx(const char *name, entry_kind_e kind, uint32_t count)
{
    static char log[4096];
    nginx_t n;
    void *(*create_pool)(size_t size, void *log);
    void *(*create_tree)(void *pool, intptr_t preallocate);

    TAKE(create_pool, "ngx_create_pool");
    TAKE(create_tree, "ngx_radix_tree_create");
    TAKE(n.insert, "ngx_radix32tree_insert");
    TAKE(n.find, "ngx_radix32tree_find");
    TAKE(n.insert6, "ngx_radix128tree_insert");
    TAKE(n.find6, "ngx_radix128tree_find");
    *(uintptr_t *)symbol("ngx_pagesize") = 4096;
    *(uintptr_t *)symbol("ngx_pagesize_shift") = 12;
    n.tree = create_tree(create_pool(16384, log), -1);
    each(kind, count, nginx_add, &n);
    lookup_measure("nginx", name, strchr(name, '6') ? nginx_find6 : nginx_find,
                   &n);
}

/* ---- HAProxy: the tree that `acl -f` looks up in ---- */

typedef struct haproxy_node_t { /* how the library lays its nodes */
    void *links[4];
    short bit;
    unsigned short plen;
    unsigned char key[16] __attribute__((aligned(sizeof(void *))));
} haproxy_node_t;

typedef struct haproxy_t {
    void *root[2];
    void *(*insert)(void *root, void *node, unsigned len);
    void *(*find)(void *root, const void *key);
} haproxy_t;

static void haproxy_add(void *ctx, const entry_t *e)
{
    haproxy_t *h = ctx;
    haproxy_node_t *node = calloc(1, sizeof *node);

    node->plen = (unsigned short)e->plen;
    to_bytes(&(lookup_key_t){e->hi, e->lo}, node->key);
    h->insert(h->root, node, e->is_ipv6 ? 16 : 4);
}

static int haproxy_find(void *ctx, const lookup_key_t *key)
{
    haproxy_t *h = ctx;
    unsigned char bytes[16];

    to_bytes(key, bytes);
    return h->find(h->root, bytes) != NULL;
}

static void haproxy(const char *name, entry_kind_e kind, uint32_t count)
{
    static haproxy_t h; /* an empty root is all zero */

    TAKE(h.insert, "ebmb_insert_prefix");
    TAKE(h.find, "ebmb_lookup_longest");
    each(kind, count, haproxy_add, &h);
    lookup_measure("HAProxy", name, haproxy_find, &h);
}

/* ---- mod_security2: the tree of @ipMatchFromFile ---- */

typedef struct modsecurity_t {
    void *tree[2]; /* IPv4, IPv6 */
    void *request; /* its functions ask this how much to log */
    void *(*add)(unsigned char *ip, unsigned bits, void *tree,
                 unsigned char plen);
    void *(*find)(void *request, unsigned char *ip, unsigned bits, void *tree);
} modsecurity_t;

static void modsecurity_add(void *ctx, const entry_t *e)
{
    modsecurity_t *m = ctx;
    unsigned char bytes[16];

    to_bytes(&(lookup_key_t){e->hi, e->lo}, bytes);
    m->add(bytes, e->is_ipv6 ? 128 : 32, m->tree[e->is_ipv6],
           (unsigned char)e->plen);
}

static int modsecurity_find(void *ctx, const lookup_key_t *key)
{
    modsecurity_t *m = ctx;
    unsigned char bytes[16];

    to_bytes(key, bytes);
    return m->find(m->request, bytes, 32, m->tree[0]) != NULL;
}

static int modsecurity_find6(void *ctx, const lookup_key_t *key)
{
    modsecurity_t *m = ctx;
    unsigned char bytes[16];

    to_bytes(key, bytes);
    return m->find(m->request, bytes, 128, m->tree[1]) != NULL;
}

static void modsecurity(const char *name, entry_kind_e kind, uint32_t count)
{
    static void *zero[1024], *request[1024];
    modsecurity_t m;
    void *pool = NULL, **root = NULL;
    char *error = NULL;
    int (*create_pool)(void **pool, void *parent, void *abort, void *allocator);
    int (*create)(void *pool, void ***root, char **error);

    TAKE(create_pool, "apr_pool_create_ex");
    TAKE(create, "create_radix_tree");
    TAKE(m.add, "CPTAddElement");
    TAKE(m.find, "CPTFindElement");
    /* Wherever it looks, the level of its debug log is 0. */
    for (int i = 0; i < 1024; i++)
        request[i] = zero;
    m.request = request;
    if (create_pool(&pool, NULL, NULL, NULL) || create(pool, &root, &error)) {
        fputs("lookup_peers: no tree of mod_security2's\n", stderr);
        _exit(1);
    }
    m.tree[0] = root[1]; /* { pool, IPv4, IPv6 } */
    m.tree[1] = root[2];
    each(kind, count, modsecurity_add, &m);
    lookup_measure("ModSecurity", name,
                   strchr(name, '6') ? modsecurity_find6 : modsecurity_find,
                   &m);
}

__attribute__((constructor)) static void measure(void)
{
    const char *name = getenv("BENCH_KIND"), *count = getenv("BENCH_COUNT");
    int kind = name ? entry_kind(name) : -1;
    uint32_t n = count ? (uint32_t)atol(count) : 0;

    if (kind < 0 || !n)
        return;
    if (dlsym(RTLD_DEFAULT, "ngx_radix_tree_create"))
        nginx(name, (entry_kind_e)kind, n);
    else if (dlsym(RTLD_DEFAULT, "ebmb_insert_prefix"))
        haproxy(name, (entry_kind_e)kind, n);
    else if (dlsym(RTLD_DEFAULT, "CPTAddElement"))
        modsecurity(name, (entry_kind_e)kind, n);
    else
        return; /* a program on the way there: a shell, env, … */
    _exit(0);
}
