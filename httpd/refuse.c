/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a banned client gets: a status, or the end of its connection.
 *
 * A descriptor is httpd's to close, never ours: another thread may be in the
 * middle of using it.  What is done to one here is what any thread may do at
 * any time: set options, shut it down, disconnect it.
 *
 * An HTTP/2 request runs in another thread than its connection (the master),
 * which waits for it before it goes: so the master's descriptor is there, and
 * all else of the master is left alone.
 */

#include "banlist_httpd.h"

#include "http_connection.h"
#include "http_request.h"
#include "util_filter.h"
#include "apr_portable.h"
#include "apr_shm.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the access log shows for a request that got no answer: nginx's. */
#define STATUS_ABORTED 444

#define ANSWER_FILTER "BANLIST_ANSWER"

/* Microseconds, and how many: a tenth of a second in all. */
#define ANSWER_NAP 200
#define ANSWER_NAPS 500

/* How many connections can be waited for by a single thread each. */
#define WAITS_MAX 64

/* ---- descriptors ---- */

static int descriptor(apr_socket_t *socket)
{
    apr_os_sock_t fd;

    if (!socket || apr_os_sock_get(&fd, socket) != APR_SUCCESS)
        return -1;
    return fd;
}

/* Ties the descriptor to the machine itself: what is sent from now on finds
 * no route to a client elsewhere. */
static int tie_down(int fd)
{
#ifdef SO_BINDTODEVICE
    return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof "lo");
#else
    (void)fd;
    errno = ENOSYS;
    return -1;
#endif
}

/* What is sent from now on dies in the first router.  An IPv6 socket may
 * carry IPv4, hence both. */
static void shorten(int fd)
{
    int hops = 1;

    (void)setsockopt(fd, IPPROTO_IP, IP_TTL, &hops, sizeof hops);
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof hops);
}

/* What the client sent is acknowledged first, if it was not yet: else it
 * would send that again, and the kernel answer with a RST. */
static void hide(int fd)
{
#ifdef TCP_QUICKACK
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
#endif
    if (tie_down(fd) != 0)
        shorten(fd);
}

/* Closing with unsent data thrown away is a RST. */
static void reset_on_close(int fd)
{
    struct linger now = {1, 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void banlist_prepare_end(apr_socket_t *socket, banlist_end_e end)
{
    int fd = descriptor(socket);

    if (end == BANLIST_RESET || end == BANLIST_DROP)
        reset_on_close(fd);
    if (end == BANLIST_DROP)
        hide(fd);
}

/* Ends what goes over a descriptor without closing it, so that whoever waits
 * on it wakes up to a dead connection.  Disconnecting sends the RST at once;
 * a shutdown would send a FIN before it. */
static void end_now(int fd, banlist_end_e end)
{
    struct sockaddr nobody = {0};

    nobody.sa_family = AF_UNSPEC;
    if (end == BANLIST_CLOSE || connect(fd, &nobody, sizeof nobody) != 0)
        (void)shutdown(fd, SHUT_RDWR);
}

/* ---- answers ---- */

/* A body that would have to be read before the next request. */
static int has_body(const request_rec *r)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");

    return apr_table_get(r->headers_in, "Transfer-Encoding")
           || (length && strcmp(length, "0") != 0);
}

/* Nobody shall wait for the body: not httpd, which reads a body to its end
 * before it answers, and not the script behind an ErrorDocument. */
static void forget_body(request_rec *r)
{
    apr_table_unset(r->headers_in, "Content-Length");
    apr_table_unset(r->headers_in, "Transfer-Encoding");
    r->expecting_100 = 0;
}

/* From here on the client has sent all that is read of it: no thread lingers
 * over the connection once the answer is out. */
static void stop_reading(apr_socket_t *socket)
{
    (void)shutdown(descriptor(socket), SHUT_RD);
}

/* The connection whose answers one of this process's threads waits for, at
 * the place that it hashes to. */
static _Atomic(const conn_rec *) waits[WAITS_MAX];

/*
 * An HTTP/2 client's connection is closed once the stream has its answer:
 * finding that the client sends no more, mod_http2 says GOAWAY and goes, but
 * finding it any earlier, it would go without the answer.  So this thread
 * waits, having passed all it had, until the master has sent it: it then
 * aborts the stream's connection, seeing it still run.  That takes less than
 * a millisecond, unless the client does not let the answer come: so that it
 * cannot hold a thread with each of its streams, one waits for all.
 */
static void stop_reading_master(conn_rec *c)
{
    /* Each connection has its own pages. */
    size_t at = ((uintptr_t)c->master >> 12) % WAITS_MAX;
    _Atomic(const conn_rec *) *wait = &waits[at];
    const conn_rec *other = NULL;
    int mine = atomic_compare_exchange_strong(wait, &other, c->master);

    if (!mine && other == c->master)
        return;
    for (int i = 0; i < ANSWER_NAPS && !c->aborted; i++)
        apr_sleep(ANSWER_NAP);
    stop_reading(ap_get_conn_socket(c->master));
    if (mine)
        atomic_store(wait, NULL);
}

static apr_status_t pass_answer(ap_filter_t *f, apr_bucket_brigade *bb)
{
    int is_last =
        !APR_BRIGADE_EMPTY(bb) && AP_BUCKET_IS_EOR(APR_BRIGADE_LAST(bb));
    apr_status_t rv = ap_pass_brigade(f->next, bb);

    if (is_last)
        stop_reading_master(f->c);
    return rv;
}

static void close_after_answer(conn_rec *c, int proxied)
{
    c->keepalive = AP_CONN_CLOSE; /* or httpd waits half a minute */
    apr_table_setn(c->notes, "short-lingering-close", "1");
    /* A proxy that is cut off in the middle of a body counts its backend as
     * broken: it gets the two seconds. */
    if (!proxied)
        stop_reading(ap_get_conn_socket(c));
}

static int refuse_status(request_rec *r, const banlist_verdict_t *v)
{
    conn_rec *c = r->connection;
    int body = has_body(r);

    forget_body(r);
    if (c->master) {
        if (!v->proxied)
            ap_add_output_filter(ANSWER_FILTER, NULL, NULL, c);
    }
    else if (!v->proxied || body) {
        close_after_answer(c, v->proxied);
    }
    return v->action->status;
}

/* Ends the connection with nothing sent: for a DIRECT client all of it, for
 * a PROXIED one its stream alone, if it has one.  DONE lets the request reach
 * the access log. */
static int refuse_abort(request_rec *r, const banlist_verdict_t *v)
{
    conn_rec *c = r->connection;
    banlist_end_e end = v->action->end;

    if (!c->master) {
        banlist_prepare_end(ap_get_conn_socket(c), end);
    }
    else if (!v->proxied) {
        banlist_prepare_end(ap_get_conn_socket(c->master), end);
        end_now(descriptor(ap_get_conn_socket(c->master)), end);
    }
    c->aborted = 1;
    c->keepalive = AP_CONN_CLOSE;
    r->status = STATUS_ABORTED;
    return DONE;
}

int banlist_refuse(request_rec *r, const banlist_verdict_t *v)
{
    banlist_tell_request(r, v);
    return v->action->end == BANLIST_STATUS ? refuse_status(r, v)
                                            : refuse_abort(r, v);
}

void banlist_refuse_hooks(void)
{
    ap_register_output_filter(ANSWER_FILTER, pass_answer, NULL,
                              AP_FTYPE_CONNECTION);
}

/* ---- which means "drop" has ---- */

/* All children see it; the first to come says it.  NULL: nobody drops. */
static atomic_flag *drop_told;

static int server_drops(const server_rec *s)
{
    const banlist_conf_t *conf = banlist_conf(s);

    return BANLIST_SET(conf->engine, BANLIST_ON) != BANLIST_OFF
           && (banlist_conf_action(conf, 0)->end == BANLIST_DROP
               || banlist_conf_action(conf, 1)->end == BANLIST_DROP);
}

void banlist_refuse_start(apr_pool_t *p, const server_rec *s)
{
    apr_shm_t *shm;

    drop_told = NULL;
    while (s && !server_drops(s))
        s = s->next;
    if (!s || apr_shm_create(&shm, sizeof *drop_told, NULL, p) != APR_SUCCESS)
        return;
    drop_told = apr_shm_baseaddr_get(shm);
    atomic_flag_clear(drop_told);
}

/* Tried in a child, since it is the children's user whom it must be allowed;
 * refused once more where it matters, it is replaced there too. */
void banlist_refuse_child_start(server_rec *s)
{
    int fd, refused;

    if (!drop_told || atomic_flag_test_and_set(drop_told))
        return;
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        fd = socket(AF_INET6, SOCK_STREAM, 0);
    refused = tie_down(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (!refused) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                     "BL0106: banlist: drop is silent: the kernel keeps every "
                     "packet from the client (SO_BINDTODEVICE)");
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, refused, s,
                     "BL0107: banlist: drop is silent beyond the first router "
                     "alone (hop limit 1): the kernel does not allow "
                     "SO_BINDTODEVICE");
    }
}
