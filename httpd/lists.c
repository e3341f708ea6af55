/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which lists there are, and their memory.
 *
 * A list's segment must outlive a restart: the processes of before go on
 * using it, and the new ones start with what is loaded.  So the registry is
 * kept in the process's own pool, found again by its name; the module's
 * statics are gone when httpd loads it anew, and so are its functions, which
 * is why nothing in the registry points at code.
 *
 * A list is a path and the BanListIPv6Prefix it is read with.  When
 * BanListMemory changes, a list gets a new segment; the old one is kept
 * loaded while there may be processes that use it, and so is the segment of a
 * list that is named no longer.
 */

#include "banlist_httpd.h"

#include "apr_shm.h"
#include "ap_mpm.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

/* With the layout's number: another version of the module starts afresh. */
#define REGISTRY_KEY "mod_banlist-registry-4"

typedef struct kept_t {
    banlist_list_t list;
    size_t memory;
    unsigned used; /* the configuration that last named it */
} kept_t;

typedef struct registry_t {
    apr_pool_t *pool;
    apr_array_header_t *kept; /* kept_t * */
    unsigned configuration;   /* counts them */
    hash_seed_t seed;
    apr_shm_t *owners; /* owners_t */
} registry_t;

typedef struct owner_t { /* a process that serves */
    _Atomic pid_t pid;   /* 0: none */
    _Atomic unsigned configuration;
} owner_t;

typedef struct owners_t {
    owner_t slot[SHARED_FIGURE_SLOTS];
    _Atomic unsigned shared; /* some process found no slot of its own */
} owners_t;

static registry_t *registry;
static apr_array_header_t *all_lists;
static unsigned figure_slot;

static apr_status_t registry_create(apr_pool_t *pool)
{
    apr_status_t rv;

    registry = apr_pcalloc(pool, sizeof *registry);
    rv = shared_make_seed(&registry->seed);
    if (rv == APR_SUCCESS) {
        rv = apr_shm_create(&registry->owners, sizeof(owners_t), NULL, pool);
    }
    if (rv != APR_SUCCESS) {
        registry = NULL;
        return rv;
    }
    memset(apr_shm_baseaddr_get(registry->owners), 0, sizeof(owners_t));
    registry->pool = pool;
    registry->kept = apr_array_make(pool, 8, sizeof(kept_t *));
    return apr_pool_userdata_setn(registry, REGISTRY_KEY, apr_pool_cleanup_null,
                                  pool);
}

static apr_status_t registry_open(apr_pool_t *pool)
{
    void *found = NULL;

    apr_pool_userdata_get(&found, REGISTRY_KEY, pool);
    registry = found;
    return registry ? APR_SUCCESS : registry_create(pool);
}

static int kept_is(const kept_t *k, const char *path, int plen, size_t memory)
{
    return k->memory == memory && k->list.bare_ipv6_plen == plen
           && strcmp(k->list.path, path) == 0
           && shared_is_ours(&k->list.segment);
}

static kept_t *kept_find(const char *path, int plen, size_t memory)
{
    for (int i = 0; i < registry->kept->nelts; i++) {
        kept_t *k = APR_ARRAY_IDX(registry->kept, i, kept_t *);

        if (kept_is(k, path, plen, memory))
            return k;
    }
    return NULL;
}

static kept_t *kept_create(server_rec *s, const char *path, int plen,
                           size_t memory)
{
    shared_t segment;
    int err = shared_create(&segment, memory, &registry->seed);
    kept_t *k;

    if (err) {
        ap_log_error(APLOG_MARK, APLOG_ERR, err, s,
                     "BL0002: banlist: %s is not used: no %" APR_SIZE_T_FMT
                     " bytes of address space could be set aside for it "
                     "(BanListMemory)",
                     path, memory);
        return NULL;
    }
    k = apr_pcalloc(registry->pool, sizeof *k);
    k->list.path = apr_pstrdup(registry->pool, path);
    k->list.bare_ipv6_plen = plen;
    k->list.segment = segment;
    k->memory = memory;
    APR_ARRAY_PUSH(registry->kept, kept_t *) = k;
    return k;
}

static owners_t *owners(void)
{
    return registry ? apr_shm_baseaddr_get(registry->owners) : NULL;
}

static int is_alive(pid_t pid)
{
    return pid && (kill(pid, 0) == 0 || errno != ESRCH);
}

/* The oldest configuration that a process which serves may have: the one
 * before at least, whose processes may not have told of themselves yet.  Once
 * there were more processes than slots nobody knows, and all is kept. */
static unsigned oldest_in_use(void)
{
    unsigned oldest = registry->configuration - 1;
    owners_t *all = owners();

    if (atomic_load(&all->shared))
        return 0;
    for (int i = 0; i < SHARED_FIGURE_SLOTS; i++) {
        owner_t *owner = all->slot + i;
        unsigned configuration = atomic_load(&owner->configuration);

        if (configuration < oldest && is_alive(atomic_load(&owner->pid)))
            oldest = configuration;
    }
    return oldest;
}

/* Frees what no process uses any more. */
static void registry_sweep(void)
{
    apr_array_header_t *kept = registry->kept;
    unsigned oldest = oldest_in_use();
    int left = 0;

    for (int i = 0; i < kept->nelts; i++) {
        kept_t *k = APR_ARRAY_IDX(kept, i, kept_t *);

        if (k->used >= oldest)
            APR_ARRAY_IDX(kept, left++, kept_t *) = k;
        else
            shared_destroy(&k->list.segment);
    }
    kept->nelts = left;
}

static int listed(const apr_array_header_t *lists, const banlist_list_t *l)
{
    for (int i = 0; i < lists->nelts; i++) {
        if (APR_ARRAY_IDX(lists, i, banlist_list_t *) == l)
            return 1;
    }
    return 0;
}

static apr_array_header_t *lists_for(apr_pool_t *p, server_rec *s,
                                     const apr_array_header_t *files,
                                     size_t memory)
{
    int plen =
        BANLIST_SET(banlist_conf(s)->ipv6_prefix, BANLIST_DEFAULT_IPV6_PREFIX);
    apr_array_header_t *lists =
        apr_array_make(p, files->nelts, sizeof(banlist_list_t *));

    for (int i = 0; i < files->nelts; i++) {
        const char *path = APR_ARRAY_IDX(files, i, const char *);
        kept_t *k = kept_find(path, plen, memory);

        if (!k)
            k = kept_create(s, path, plen, memory);
        if (k && !listed(lists, &k->list)) {
            k->used = registry->configuration;
            APR_ARRAY_PUSH(lists, banlist_list_t *) = &k->list;
        }
    }
    return lists;
}

void banlist_lists_make(apr_pool_t *p, server_rec *main_server)
{
    size_t memory = (size_t)BANLIST_SET(banlist_conf(main_server)->memory,
                                        BANLIST_DEFAULT_MEMORY);
    apr_status_t rv = registry_open(main_server->process->pool);

    all_lists = apr_array_make(p, 8, sizeof(banlist_list_t));
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, main_server,
                     "BL0001: banlist: no list is used, nobody is refused: "
                     "the memory that all processes share cannot be had");
        return;
    }
    registry->configuration++;
    for (server_rec *s = main_server; s; s = s->next) {
        banlist_conf_t *conf = banlist_conf(s);

        if (conf->lists)
            continue; /* a virtual host without a directive of its own */
        conf->lists = lists_for(p, s, conf->files, memory);
        conf->allow_lists = lists_for(p, s, conf->allow_files, memory);
    }
    registry_sweep();
    for (int i = 0; i < registry->kept->nelts; i++) {
        kept_t *k = APR_ARRAY_IDX(registry->kept, i, kept_t *);

        k->list.current = k->used == registry->configuration;
        APR_ARRAY_PUSH(all_lists, banlist_list_t) = k->list;
    }
}

const apr_array_header_t *banlist_lists_all(void)
{
    return all_lists;
}

/* ---- figure slots ---- */

static apr_status_t release_figures(void *slot)
{
    atomic_store(&owners()->slot[(apr_uintptr_t)slot].pid, 0);
    return APR_SUCCESS;
}

/* A slot that is free, or whose owner is gone without saying so. */
static int claim(owner_t *slot)
{
    pid_t owner = atomic_load(&slot->pid);

    if (is_alive(owner)
        || !atomic_compare_exchange_strong(&slot->pid, &owner, getpid()))
        return 0;
    atomic_store(&slot->configuration, registry->configuration);
    return 1;
}

void banlist_lists_claim_figures(apr_pool_t *pchild)
{
    owners_t *all = owners();

    if (!all)
        return;
    for (apr_uintptr_t i = 0; i < SHARED_FIGURE_SLOTS; i++) {
        if (claim(all->slot + i)) {
            figure_slot = (unsigned)i;
            apr_pool_cleanup_register(pchild, (void *)i, release_figures,
                                      apr_pool_cleanup_null);
            return;
        }
    }
    /* More processes than slots: sharing one is slower, and as right. */
    atomic_store(&all->shared, 1);
    figure_slot = (unsigned)getpid() % SHARED_FIGURE_SLOTS;
}

unsigned banlist_lists_figure_slot(void)
{
    return figure_slot;
}
