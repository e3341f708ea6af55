/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ban PORT CONNECTIONS TIMES FIRST COMMAND: how long a ban takes until every
 * process refuses its client.
 *
 * Opens the connections first (a prefork child serves one alone, so that they
 * are as many processes) and then, TIMES times, runs COMMAND with the next
 * address in $IP, beginning with the FIRSTth, and asks on all connections in
 * its name until each has answered 403.  COMMAND is for sh; ">>FILE" instead
 * appends "ADDRESS -" itself, with one write.
 *
 * Prints the milliseconds of each from the end of COMMAND to the last 403.
 */
#include "entries.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
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

static void run(const char *command, const char *client)
{
    if (strncmp(command, ">>", 2) == 0) {
        append(command + 2, client);
        return;
    }
    setenv("IP", client, 1);
    if (system(command) != 0)
        fail("ban: the command failed");
}

static double wait_all(const char *client, int connections)
{
    /* Asking without a pause would take the loader's processor away. */
    static const struct timespec rest = {0, 100000};
    double start = now_ms();

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

int main(int argc, char **argv)
{
    int connections = argc == 6 ? atoi(argv[2]) : 0;
    uint32_t first;

    if (connections < 1 || connections > 1024) {
        fputs("usage: ban PORT CONNECTIONS TIMES FIRST COMMAND\n", stderr);
        return 2;
    }
    first = (uint32_t)strtoul(argv[4], NULL, 10);
    for (int i = 0; i < connections; i++) {
        fds[i] = connected(atoi(argv[1]));
        ask(fds[i], "192.0.2.1");
    }
    for (uint32_t i = 0; i < (uint32_t)atoi(argv[3]); i++) {
        struct in_addr a = {htonl(entry_ipv4(first + i))};
        char client[INET_ADDRSTRLEN];

        inet_ntop(AF_INET, &a, client, sizeof client);
        run(argv[5], client);
        printf("%.3f\n", wait_all(client, connections));
    }
    return fflush(stdout) != 0;
}
