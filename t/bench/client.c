/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client PORT [OPTION]...: asks an HTTP server over kept-alive connections,
 * each request in the name of another client, and tells how it went.
 *
 *   -c N   connections (16)          -t S   seconds (1), or
 *   -n N   requests in all           -r N   so many a second, on schedule;
 *   -s N   seed of the random clients (0)   latency counts from its schedule
 *   -a A   one client's address for all     -p P   the path (/)
 *   -u N   none of the random clients is on the list of N IPv4 addresses
 *   -o     only connects, sends what begins a TLS handshake and waits for
 *          the end of the connection; -c and -r do not count then
 */
#include "entries.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define LATENCIES_MAX (1u << 22)

typedef struct link_t {
    int fd;
    int busy;
    size_t have;
    double due; /* when the request under way should have started */
    char in[8192];
} link_t;

static struct {
    int port, connections, only_connect;
    long requests;
    double seconds, rate;
    uint32_t unlisted;
    uint64_t seed;
    const char *address, *path;
} opt = {0, 16, 0, 0, 1, 0, 0, 0, NULL, "/"};

static link_t links[CONNECTIONS_MAX];
static float latency[LATENCIES_MAX]; /* microseconds */
static unsigned long sent, done, ok, forbidden, ended;
static int epoll;

static void fail(const char *what)
{
    fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int connected(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)opt.port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to))
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void link_open(link_t *l)
{
    struct epoll_event e = {.events = EPOLLIN, .data = {.ptr = l}};

    l->fd = connected();
    l->have = 0;
    l->busy = 0;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, l->fd, &e))
        fail("epoll");
}

static void link_ask(link_t *l, double due)
{
    char text[512], client[16];
    uint32_t a;
    int len;

    if (!opt.address) {
        do
            a = entry_client(&opt.seed);
        while (entry_is_listed(a, opt.unlisted));
        snprintf(client, sizeof client, "%u.%u.%u.%u", a >> 24, a >> 16 & 255,
                 a >> 8 & 255, a & 255);
    }
    len = snprintf(text, sizeof text,
                   "GET %s HTTP/1.1\r\nHost: localhost\r\n"
                   "X-Forwarded-For: %s\r\n\r\n",
                   opt.path, opt.address ? opt.address : client);
    l->busy = 1;
    l->due = due;
    l->have = 0;
    sent++;
    if (write(l->fd, text, (size_t)len) != len) {
        close(l->fd);
        ended++;
        link_open(l);
    }
}

/* The length of the whole response, or 0 while its head is not there. */
static size_t response_length(link_t *l, int *closes)
{
    char *end, *field;

    l->in[l->have] = '\0';
    end = strstr(l->in, "\r\n\r\n");
    if (!end)
        return 0;
    field = strcasestr(l->in, "\r\nContent-Length:");
    *closes = strcasestr(l->in, "\r\nConnection: close") != NULL;
    return (size_t)(end + 4 - l->in)
           + (field && field < end ? strtoul(field + 17, NULL, 10) : 0);
}

static void link_answered(link_t *l, int closes)
{
    int status = atoi(l->in + 9);

    if (done < LATENCIES_MAX)
        latency[done] = (float)((now() - l->due) * 1e6);
    done++;
    ok += status == 200;
    forbidden += status == 403;
    l->busy = 0;
    if (closes) {
        close(l->fd);
        link_open(l);
    }
}

static void link_read(link_t *l)
{
    ssize_t got = read(l->fd, l->in + l->have, sizeof l->in - 1 - l->have);
    size_t length;
    int closes = 0;

    if (got <= 0) {
        ended += (unsigned)l->busy;
        close(l->fd);
        link_open(l);
        return;
    }
    l->have += (size_t)got;
    length = response_length(l, &closes);
    if (length && l->have >= length)
        link_answered(l, closes);
    else if (l->have == sizeof l->in - 1)
        fail("a response too long");
}

static int all_asked(double start)
{
    return opt.requests ? sent >= (unsigned long)opt.requests
                        : now() - start >= opt.seconds;
}

static int any_busy(void)
{
    for (int i = 0; i < opt.connections; i++) {
        if (links[i].busy)
            return 1;
    }
    return 0;
}

static void listen_for(double seconds)
{
    struct epoll_event e[64];
    struct timespec wait = {(time_t)seconds,
                            (long)(seconds * 1e9) % 1000000000};
    int n = epoll_pwait2(epoll, e, 64, &wait, NULL);

    for (int i = 0; i < n; i++)
        link_read(e[i].data.ptr);
}

/* Asks whatever is due on whatever is free. */
static double ask_due(double start)
{
    for (int i = 0; i < opt.connections && !all_asked(start); i++) {
        double due = opt.rate > 0 ? start + (double)sent / opt.rate : now();

        if (due > now())
            return due - now();
        if (!links[i].busy)
            link_ask(links + i, due);
    }
    return 1;
}

static void ask_all(double start)
{
    double quiet = 0;

    for (int i = 0; i < opt.connections; i++)
        link_open(links + i);
    while (!all_asked(start)) {
        double wait = ask_due(start);

        listen_for(wait > 0 ? wait : 0);
    }
    for (quiet = now(); any_busy() && now() - quiet < 60;)
        listen_for(0.1);
}

/* The start of a ClientHello: it is never answered by whoever closes before
 * TLS begins. */
static void connect_all(double start)
{
    static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    char in[512];

    while (!all_asked(start)) {
        int fd = connected();

        sent++;
        (void)!write(fd, hello, sizeof hello - 1);
        if (read(fd, in, sizeof in) <= 0)
            ended++;
        close(fd);
        done++;
    }
}

static int less(const void *a, const void *b)
{
    float d = *(const float *)a - *(const float *)b;

    return d < 0 ? -1 : d > 0;
}

static void tell(double seconds)
{
    size_t n = done < LATENCIES_MAX ? done : LATENCIES_MAX;

    qsort(latency, n, sizeof *latency, less);
    printf("requests %lu\nseconds %.6f\nrate %.1f\nok %lu\nforbidden %lu\n"
           "ended %lu\n",
           done, seconds, (double)done / seconds, ok, forbidden, ended);
    if (n) {
        printf("p50 %.1f\np99 %.1f\np999 %.1f\nmax %.1f\n", latency[n / 2],
               latency[n * 99 / 100], latency[n * 999 / 1000], latency[n - 1]);
    }
}

static int read_options(int argc, char **argv)
{
    int letter;

    while ((letter = getopt(argc, argv, "c:n:t:r:s:a:p:u:o")) != -1) {
        switch (letter) {
        case 'c':
            opt.connections = atoi(optarg);
            break;
        case 'n':
            opt.requests = atol(optarg);
            break;
        case 't':
            opt.seconds = atof(optarg);
            break;
        case 'r':
            opt.rate = atof(optarg);
            break;
        case 's':
            opt.seed = strtoull(optarg, NULL, 10) << 32;
            break;
        case 'a':
            opt.address = optarg;
            break;
        case 'p':
            opt.path = optarg;
            break;
        case 'u':
            opt.unlisted = (uint32_t)atol(optarg);
            break;
        case 'o':
            opt.only_connect = 1;
            break;
        default:
            return 0;
        }
    }
    opt.port = optind < argc ? atoi(argv[optind]) : 0;
    return opt.port > 0 && opt.connections > 0
           && opt.connections <= CONNECTIONS_MAX;
}

int main(int argc, char **argv)
{
    double start;

    if (!read_options(argc, argv)) {
        fputs("usage: client PORT [-c N] [-t S | -n N] [-r N] [-s N] [-a A]"
              " [-p P] [-u N] [-o]\n",
              stderr);
        return 2;
    }
    epoll = epoll_create1(0);
    start = now();
    if (opt.only_connect)
        connect_all(start);
    else
        ask_all(start);
    tell(now() - start);
    return 0;
}
