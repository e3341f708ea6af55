/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks a server without pause whether addresses are banned, and judges the
 * answers.  soak-client PORT CONNECTIONS BOARD, until SIGTERM; the figures
 * then stand on its standard output.
 *
 * The board is a file of 64-bit words that whoever changes the lists writes:
 *
 *     [ grace ][ changing address 0 ][ 1 ] ... [ CHANGING - 1 ]
 *
 * A word of a changing address is 4 * (the time from which it counts) + 2
 * for "not known now", or + 0 or 1 for its state since; times are of the
 * monotonic clock in microseconds.  Before "grace" changing ones are not
 * judged.  An answer counts if all that stood on the board was the same when
 * it was asked for and when it came.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHANGING 64
#define CONNECTIONS_MAX 64
#define KNOWN_OR_NOT 4
#define UNKNOWN 2

typedef struct board_t {
    _Atomic int64_t grace;
    _Atomic int64_t state[CHANGING];
} board_t;

typedef enum kind_e { ALWAYS, NEVER, CHANGES, KINDS } kind_e;

static const char *const kind_text[] = {"always", "never", "changing"};

typedef struct asked_t { /* one question, and the board at that time */
    kind_e kind;
    unsigned n;
    int64_t at;
    int64_t grace;
    int64_t state;
} asked_t;

typedef struct connection_t {
    int fd; /* -1: none */
    asked_t asked;
    size_t len;
    char in[4096];
} connection_t;

static const board_t *board;
static int port;
static uint64_t answers[KINDS], judged[KINDS], wrong[KINDS];
static uint64_t lost, silent, odd;
static int64_t slowest;
static volatile sig_atomic_t stopped;

static int64_t microseconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void stop(int unused)
{
    (void)unused;
    stopped = 1;
}

static unsigned random_number(void)
{
    static uint32_t state = 20240301;

    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

/* ---- questions ---- */

/* As t/system/soak writes them into the lists. */
static void address_of(const asked_t *a, char *text, size_t size)
{
    if (a->kind == ALWAYS)
        snprintf(text, size, "10.1.%u.%u", a->n / 250, a->n % 250);
    else if (a->kind == NEVER)
        snprintf(text, size, "10.200.%u.%u", a->n / 250, a->n % 250);
    else
        snprintf(text, size, "10.3.0.%u", a->n);
}

static void think_of(asked_t *a)
{
    unsigned r = random_number();

    a->kind = r % 4 == 0 ? ALWAYS : r % 4 == 1 ? NEVER : CHANGES;
    a->n = (r >> 8) % (a->kind == CHANGES ? CHANGING : 500);
    a->grace = atomic_load(&board->grace);
    a->state = a->kind == CHANGES ? atomic_load(&board->state[a->n]) : 0;
    a->at = microseconds();
}

static void ask(connection_t *c)
{
    char address[32], text[256];
    int len;

    think_of(&c->asked);
    address_of(&c->asked, address, sizeof address);
    len = snprintf(text, sizeof text,
                   "GET / HTTP/1.1\r\nHost: localhost\r\n"
                   "X-Forwarded-For: %s\r\n\r\n",
                   address);
    c->len = 0;
    if (send(c->fd, text, (size_t)len, MSG_NOSIGNAL) != len) {
        lost++;
        close(c->fd);
        c->fd = -1;
    }
}

/* ---- answers ---- */

static void complain(const asked_t *a, int banned)
{
    char address[32];

    wrong[a->kind]++;
    address_of(a, address, sizeof address);
    printf("wrong: %s (%s) was %s at %" PRId64, address, kind_text[a->kind],
           banned ? "banned" : "served", a->at);
    if (a->kind == CHANGES)
        printf(", %" PRId64 " us after it had to be known",
               a->at - a->state / KNOWN_OR_NOT);
    putchar('\n');
}

static void judge_changing(const asked_t *a, int banned)
{
    int64_t state = a->state % KNOWN_OR_NOT;

    if (state == UNKNOWN || atomic_load(&board->state[a->n]) != a->state
        || a->at < a->grace || atomic_load(&board->grace) != a->grace)
        return;
    if (banned != state && a->at - a->state / KNOWN_OR_NOT > slowest)
        slowest = a->at - a->state / KNOWN_OR_NOT;
    if (a->at < a->state / KNOWN_OR_NOT)
        return;
    judged[CHANGES]++;
    if (banned != state)
        complain(a, banned);
}

static void judge(const asked_t *a, int banned)
{
    answers[a->kind]++;
    if (a->kind == CHANGES) {
        judge_changing(a, banned);
        return;
    }
    judged[a->kind]++;
    if (banned != (a->kind == ALWAYS))
        complain(a, banned);
}

/* The length of the whole response, or 0 while it is not all there. */
static size_t response_length(connection_t *c, int *status)
{
    char *end, *length;
    size_t all;

    c->in[c->len] = '\0';
    end = strstr(c->in, "\r\n\r\n");
    if (!end || sscanf(c->in, "HTTP/1.1 %d", status) != 1)
        return 0;
    length = strcasestr(c->in, "\r\nContent-Length:");
    all = (size_t)(end + 4 - c->in)
          + (length ? strtoul(length + 17, NULL, 10) : 0);
    return all <= c->len ? all : 0;
}

static void take_answer(connection_t *c)
{
    ssize_t got = recv(c->fd, c->in + c->len, sizeof c->in - 1 - c->len, 0);
    int status = 0, closes;

    if (got <= 0) {
        lost++;
        close(c->fd);
        c->fd = -1;
        return;
    }
    c->len += (size_t)got;
    if (!response_length(c, &status))
        return;
    closes = strcasestr(c->in, "\r\nConnection: close") != NULL;
    if (status == 200 || status == 403)
        judge(&c->asked, status == 403);
    else
        odd++;
    if (closes) {
        close(c->fd);
        c->fd = -1;
        return;
    }
    ask(c);
}

/* ---- connections ---- */

static void connect_again(connection_t *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port)};
    int one = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return;
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(c->fd);
        c->fd = -1;
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ask(c);
}

/* One that has had no answer for ten seconds is given up. */
static void give_up_old(connection_t *c, int n)
{
    int64_t now = microseconds();

    for (int i = 0; i < n; i++) {
        if (c[i].fd >= 0 && now - c[i].asked.at > 10000000) {
            silent++;
            close(c[i].fd);
            c[i].fd = -1;
        }
    }
}

static void run(connection_t *c, int n)
{
    struct pollfd p[CONNECTIONS_MAX];

    for (int i = 0; i < n; i++)
        c[i].fd = -1;
    while (!stopped) {
        for (int i = 0; i < n; i++) {
            if (c[i].fd < 0)
                connect_again(c + i);
            p[i] = (struct pollfd){c[i].fd, POLLIN, 0};
        }
        if (poll(p, (nfds_t)n, 20) == 0)
            give_up_old(c, n);
        for (int i = 0; i < n; i++) {
            if (p[i].revents && c[i].fd >= 0)
                take_answer(c + i);
        }
    }
}

int main(int argc, char **argv)
{
    static connection_t connection[CONNECTIONS_MAX];
    int fd = argc == 4 ? open(argv[3], O_RDONLY | O_CLOEXEC) : -1;
    int n = argc == 4 ? atoi(argv[2]) : 0;

    if (fd < 0 || n < 1 || n > CONNECTIONS_MAX) {
        fputs("usage: soak-client PORT CONNECTIONS BOARD\n", stderr);
        return 2;
    }
    board = mmap(NULL, sizeof *board, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (board == MAP_FAILED)
        return 2;
    port = atoi(argv[1]);
    signal(SIGTERM, stop);
    signal(SIGINT, SIG_IGN);
    run(connection, n);
    for (int i = 0; i < KINDS; i++) {
        printf("%s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", kind_text[i],
               answers[i], judged[i], wrong[i]);
    }
    printf("lost %" PRIu64 "\nsilent %" PRIu64 "\nodd %" PRIu64
           "\nslowest %" PRId64 "\n",
           lost, silent, odd, slowest);
    return 0;
}
