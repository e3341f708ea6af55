/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BanListHostnames: does a client's name ban it, or save it?
 *
 * A name is believed when the address gives the name and the name gives the
 * address (a double reverse query).  It is asked for only where a list holds
 * a name that would change the verdict that the address alone has.
 *
 * The system's resolver may take half a minute to say nothing, and a request
 * must not wait for that.  So each query has a thread of its own, and the
 * request waits HOSTNAME_WAIT at most; after a query that took longer none is
 * made for HOSTNAME_PAUSE, and no more than HOSTNAME_QUERIES are under way in
 * one process.  Without an answer the address decides alone.
 *
 * ap_get_useragent_host() is not used: besides waiting, it leaves the name
 * where the access log's %h takes it from, and fail2ban reads that log.
 *
 * The weakness that is known: a list with a name in it costs a query for
 * every new connection, and for every request that came through a proxy.
 */

#include "banlist_httpd.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOSTNAME_WAIT apr_time_from_sec(1)
#define HOSTNAME_PAUSE apr_time_from_sec(10)
#define HOSTNAME_QUERIES 16
#define HOSTNAME_LOG apr_time_from_sec(60)

/* In c->notes: what a client that is the connection's peer is called. */
#define NOTE "banlist-hostname"

typedef struct query_t {
    prefix_t addr;
    pthread_cond_t over; /* signalled when done is set */
    int done;
    int forsaken;          /* nobody waits: its thread frees it */
    int error;             /* of getnameinfo(): 0, or why there is no answer */
    char name[NI_MAXHOST]; /* "": it has none that is true */
} query_t;

/* Of this process; the lock is also that of done and forsaken. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int under_way;
static apr_time_t paused_until;
static apr_time_t log_again;

/* ---- a query, in its own thread ---- */

static socklen_t address_out(const prefix_t *addr, struct sockaddr_storage *to)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;

    memset(to, 0, sizeof *to);
    if (!addr->is_ipv6) {
        v4->sin_family = AF_INET;
        v4->sin_addr.s_addr = htonl((uint32_t)(addr->hi >> 32));
        return sizeof *v4;
    }
    v6->sin6_family = AF_INET6;
    for (int i = 0; i < 16; i++) {
        uint64_t half = i < 8 ? addr->hi : addr->lo;

        v6->sin6_addr.s6_addr[i] = (unsigned char)(half >> (56 - i % 8 * 8));
    }
    return sizeof *v6;
}

static int address_in(const struct sockaddr *from, prefix_t *addr)
{
    if (from->sa_family == AF_INET)
        prefix_from_ipv4(addr, &((const struct sockaddr_in *)from)->sin_addr);
    else if (from->sa_family == AF_INET6)
        prefix_from_ipv6(addr, &((const struct sockaddr_in6 *)from)->sin6_addr);
    else
        return 0;
    return 1;
}

/* The resolver's error codes that say "there is none". */
static int is_answer(int error)
{
#ifdef EAI_NODATA
    if (error == EAI_NODATA)
        return 1;
#endif
    return error == EAI_NONAME;
}

/* Whether the name gives the address. */
static int name_is_true(const query_t *q, int *error)
{
    struct addrinfo hints, *all, *one;
    prefix_t addr;
    int found = 0;

    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    *error = getaddrinfo(q->name, NULL, &hints, &all);
    if (*error)
        return 0;
    for (one = all; one && !found; one = one->ai_next) {
        found =
            address_in(one->ai_addr, &addr) && prefix_covers(&q->addr, &addr);
    }
    freeaddrinfo(all);
    return found;
}

/* As lists have it: lower case, no trailing dot. */
static void name_fold(char *name)
{
    size_t len = strlen(name);

    if (len && name[len - 1] == '.')
        name[len - 1] = '\0';
    ap_str_tolower(name);
}

static void query_free(query_t *q)
{
    pthread_cond_destroy(&q->over);
    free(q);
}

static void *query_run(void *data)
{
    query_t *q = data;
    struct sockaddr_storage sa;
    socklen_t len = address_out(&q->addr, &sa);
    int forsaken;

    q->error = getnameinfo((struct sockaddr *)&sa, len, q->name, sizeof q->name,
                           NULL, 0, NI_NAMEREQD);
    if (q->error || !name_is_true(q, &q->error))
        q->name[0] = '\0';
    if (is_answer(q->error))
        q->error = 0;
    name_fold(q->name);

    pthread_mutex_lock(&lock);
    under_way--;
    q->done = 1;
    forsaken = q->forsaken;
    pthread_cond_signal(&q->over);
    pthread_mutex_unlock(&lock);
    if (forsaken)
        query_free(q);
    return NULL;
}

/* ---- a request's side ---- */

/* The thread takes no signals: those are for httpd's own threads. */
static int thread_start(query_t *q)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    int err;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&thread, &attr, query_run, q);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return err;
}

static query_t *query_create(const prefix_t *addr)
{
    query_t *q = calloc(1, sizeof *q);
    pthread_condattr_t attr;

    if (!q)
        return NULL;
    q->addr = *addr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->over, &attr);
    pthread_condattr_destroy(&attr);
    return q;
}

/* Under the lock: starts the thread if a query may be made now. */
static int query_begin(query_t *q, apr_time_t now, const char **why)
{
    if (now < paused_until)
        *why = "an answer was slow a moment ago";
    else if (under_way >= HOSTNAME_QUERIES)
        *why = "too many queries wait for their answers";
    else if (thread_start(q) != 0)
        *why = "no thread could be started";
    else
        return ++under_way;
    return 0;
}

/* Under the lock: waits for the answer; whether it came in time. */
static int query_wait(query_t *q, const char **why)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += apr_time_sec(HOSTNAME_WAIT);
    while (!q->done) {
        if (pthread_cond_timedwait(&q->over, &lock, &until) == ETIMEDOUT)
            break;
    }
    if (!q->done) {
        q->forsaken = 1;
        paused_until = apr_time_now() + HOSTNAME_PAUSE;
        *why = "no answer within a second, none is asked for in the next ten";
    }
    return q->done;
}

/* The name of the address, "" if it has none that is true; NULL if that is
 * not known in time, and *why then. */
static const char *ask(apr_pool_t *p, const prefix_t *addr, apr_time_t now,
                       const char **why)
{
    const char *name = NULL;
    query_t *q = query_create(addr);
    int begun, answered;

    if (!q) {
        *why = "no memory";
        return NULL;
    }
    pthread_mutex_lock(&lock);
    begun = query_begin(q, now, why);
    answered = begun && query_wait(q, why);
    pthread_mutex_unlock(&lock);
    if (begun && !answered)
        return NULL; /* q is its thread's now */
    if (answered && q->error)
        *why = gai_strerror(q->error);
    else if (answered)
        name = apr_pstrdup(p, q->name);
    query_free(q);
    return name;
}

static void complain(request_rec *r, const char *why, apr_time_t now)
{
    int may;

    pthread_mutex_lock(&lock);
    may = now >= log_again;
    if (may)
        log_again = now + HOSTNAME_LOG;
    pthread_mutex_unlock(&lock);
    if (may) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "BL0301: banlist: a client's name could not be looked "
                      "up, its address decides alone: %s",
                      why);
    }
}

/* A peer is asked for once a connection, a proxy's client each time. */
static const char *client_name(request_rec *r, const prefix_t *addr)
{
    conn_rec *c = r->connection;
    int is_peer = r->useragent_addr == c->client_addr;
    const char *name = is_peer ? apr_table_get(c->notes, NOTE) : NULL;
    const char *why = NULL;
    apr_time_t now;

    if (name)
        return name;
    now = apr_time_now();
    name = ask(r->pool, addr, now, &why);
    if (!name)
        complain(r, why, now);
    else if (is_peer)
        apr_table_set(c->notes, NOTE, name);
    return name;
}

/* ---- the verdict ---- */

static int any_has_names(const banlist_conf_t *conf, int64_t now)
{
    for (int i = 0; i < conf->lists->nelts; i++) {
        if (shared_has_names(
                &APR_ARRAY_IDX(conf->lists, i, banlist_list_t *)->segment, 0,
                now))
            return 1;
    }
    return 0;
}

/* Whether the client's name could change what its address says. */
static int name_matters(const banlist_conf_t *conf, const prefix_t *addr,
                        int64_t now, int banned, const banlist_match_t *m)
{
    if (banned)
        return shared_has_names(&m->list->segment, 1, now);
    return any_has_names(conf, now) && !banlist_allowed(conf, addr, now);
}

/* A list's exceptions, by address or by name, are for all of that list. */
static int list_bans(const banlist_list_t *list, const prefix_t *addr,
                     const char *name, int64_t now, table_match_t *m)
{
    table_match_t by_name;
    int banned, named;

    m->name[0] = '\0';
    banned = shared_find(&list->segment, addr, now, m);
    if (m->except)
        return 0;
    named = shared_find_name(&list->segment, name, strlen(name), now, &by_name);
    if (by_name.except)
        return 0;
    if (!banned && named)
        *m = by_name;
    return banned || named;
}

int banlist_hostname_match(request_rec *r, const prefix_t *addr, int64_t now,
                           int banned, banlist_match_t *m)
{
    const banlist_conf_t *conf = banlist_conf(r->server);
    const char *name;

    if (!name_matters(conf, addr, now, banned, m))
        return banned;
    name = client_name(r, addr);
    if (!name || !*name)
        return banned;
    for (int i = 0; i < conf->lists->nelts; i++) {
        m->list = APR_ARRAY_IDX(conf->lists, i, banlist_list_t *);
        m->text = NULL;
        if (list_bans(m->list, addr, name, now, &m->entry))
            return 1;
    }
    return 0;
}
