/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ban PORT CONNECTIONS TIMES FIRST COMMAND: how long a ban takes until every
 * process refuses its client.
 *
 * Opens the connections first (a prefork child serves one alone, so that they
 * are as many processes).  Then another process runs COMMAND for sh, TIMES
 * times, one after the other without a pause as fail2ban does it, each with the
 * next address in $IP, beginning with the FIRSTth; while this one asks on all
 * connections in the name of the newest until each has answered 403.  Lines come
 * into force in their order, so those before it are too by then; that none was
 * left out is asked at the end.
 *
 * ">>FILE" as the COMMAND appends "ADDRESS -" with one write instead, and only
 * when the one before is refused.
 *
 * Prints the milliseconds of each from the end of COMMAND to the last 403.
 */
#include "entries.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int fds[1024];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int connected(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to))
        fail("ban: connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* The status of one request in the client's name; the responses here are
 * small and come in one piece or two. */
static int ask(int fd, const char *client)
{
    char text[256], in[8192];
    size_t have = 0;
    int len = snprintf(text, sizeof text,
                       "GET / HTTP/1.1\r\nHost: localhost\r\n"
                       "X-Forwarded-For: %s\r\n\r\n",
                       client);

    if (write(fd, text, (size_t)len) != len)
        fail("ban: write");
    for (;;) {
        ssize_t got = read(fd, in + have, sizeof in - 1 - have);
        char *end, *field;

        if (got <= 0)
            fail("ban: the connection ended");
        have += (size_t)got;
        in[have] = '\0';
        end = strstr(in, "\r\n\r\n");
        field = strcasestr(in, "\r\nContent-Length:");
        if (end && field
            && have >= (size_t)(end + 4 - in) + strtoul(field + 17, NULL, 10))
            return atoi(in + 9);
    }
}

static void append(const char *path, const char *client)
{
    int fd = open(path, O_WRONLY | O_APPEND);

    if (fd < 0 || dprintf(fd, "%s -\n", client) < 0)
        fail(path);
    close(fd);
}

static void name_of(char *client, uint32_t i)
{
    struct in_addr a = {htonl(entry_ipv4(i))};

    inet_ntop(AF_INET, &a, client, INET_ADDRSTRLEN);
}

typedef struct written_t {
    _Atomic uint32_t n;
    double at[]; /* of the first n: when their commands ended */
} written_t;

/* Runs all commands. */
static void write_all(const char *command, uint32_t first, uint32_t times,
                      written_t *written)
{
    char client[INET_ADDRSTRLEN];

    for (uint32_t i = 0; i < times; i++) {
        name_of(client, first + i);
        setenv("IP", client, 1);
        if (system(command) != 0)
            fail("ban: the command failed");
        written->at[i] = now_ms();
        written->n = i + 1;
    }
    _exit(0);
}

/* From start, until all connections refuse the client. */
static double wait_all(const char *client, int connections, double start,
                       long pause)
{
    /* Asking without a pause would take the loader's processor away. */
    const struct timespec rest = {0, pause};

    for (int i = 0; i < connections; i++) {
        while (ask(fds[i], client) != 403) {
            if (now_ms() - start > 30000) {
                fprintf(stderr, "ban: %s is never refused\n", client);
                exit(1);
            }
            nanosleep(&rest, NULL);
        }
    }
    return now_ms() - start;
}

/* Whether each is refused, by one process or another. */
static void ask_for_all(uint32_t first, uint32_t times, int connections)
{
    char client[INET_ADDRSTRLEN];

    for (uint32_t i = 0; i < times; i++) {
        name_of(client, first + i);
        if (ask(fds[i % (uint32_t)connections], client) != 403) {
            fprintf(stderr, "ban: %s was left out\n", client);
            exit(1);
        }
    }
}

/* ">>FILE" */
static void append_each(const char *path, uint32_t first, uint32_t times,
                        int connections)
{
    char client[INET_ADDRSTRLEN];

    for (uint32_t i = 0; i < times; i++) {
        name_of(client, first + i);
        append(path, client);
        printf("%.3f\n", wait_all(client, connections, now_ms(), 100000));
    }
}

static void run_each(const char *command, uint32_t first, uint32_t times,
                     int connections)
{
    static const struct timespec rest = {0, 1000000};
    char client[INET_ADDRSTRLEN];
    size_t size = sizeof(written_t) + times * sizeof(double);
    written_t *written = mmap(NULL, size, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t writer = written == MAP_FAILED ? -1 : fork();

    if (writer < 0)
        fail("ban");
    if (!writer)
        write_all(command, first, times, written);
    for (uint32_t n, i = 0; i < times;) {
        int ended = waitpid(writer, NULL, WNOHANG) != 0;

        n = written->n;
        if (n == i && ended)
            fail("ban: the writer ended");
        if (n > i) {
            name_of(client, first + n - 1);
            wait_all(client, connections, now_ms(), rest.tv_nsec);
        }
        for (double now = now_ms(); i < n; i++)
            printf("%.3f\n", now - written->at[i]);
        nanosleep(&rest, NULL);
    }
}

int main(int argc, char **argv)
{
    int connections = argc == 6 ? atoi(argv[2]) : 0;
    uint32_t first, times;

    if (connections < 1 || connections > 1024) {
        fputs("usage: ban PORT CONNECTIONS TIMES FIRST COMMAND\n", stderr);
        return 2;
    }
    first = (uint32_t)strtoul(argv[4], NULL, 10);
    times = (uint32_t)strtoul(argv[3], NULL, 10);
    for (int i = 0; i < connections; i++) {
        fds[i] = connected(atoi(argv[1]));
        ask(fds[i], "192.0.2.1");
    }
    if (strncmp(argv[5], ">>", 2) == 0)
        append_each(argv[5] + 2, first, times, connections);
    else
        run_each(argv[5], first, times, connections);
    ask_for_all(first, times, connections);
    return fflush(stdout) != 0;
}
