/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A resolver for tests, loaded into httpd by LD_PRELOAD: getnameinfo() and
 * getaddrinfo() answer from the file $BANLIST_RESOLVER, whose lines are
 *
 *     ADDRESS NAME     the address has this name; "again": there is no answer
 *     NAME ADDRESS     and the name this address
 *     delay SECONDS    what follows is answered so much later
 *
 * and write each query as a line to $BANLIST_RESOLVER.log.  Whatever is not
 * in the file has no name.  Calls that need no DNS go to the C library.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_log(const char *what)
{
    char path[4096], line[512];
    int len = snprintf(line, sizeof line, "%s\n", what), fd;

    snprintf(path, sizeof path, "%s.log", getenv("BANLIST_RESOLVER"));
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0666);
    if (fd >= 0 && write(fd, line, (size_t)len) != len)
        abort();
    close(fd);
}

/* What the file has for the word; EAI_NONAME, EAI_AGAIN or 0. */
static int answer_for(const char *word, char answer[256])
{
    FILE *f = fopen(getenv("BANLIST_RESOLVER"), "r");
    char line[1024], key[256];
    double delay = 0;
    int found = 0;

    write_log(word);
    while (f && !found && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%255s %255s", key, answer) != 2)
            continue;
        if (strcmp(key, "delay") == 0)
            delay = atof(answer);
        else
            found = strcmp(key, word) == 0;
    }
    if (f)
        fclose(f);
    if (found)
        usleep((useconds_t)(delay * 1e6));
    if (!found)
        return EAI_NONAME;
    return strcmp(answer, "again") == 0 ? EAI_AGAIN : 0;
}

int getnameinfo(const struct sockaddr *sa, socklen_t len, char *host,
                socklen_t host_len, char *service, socklen_t service_len,
                int flags)
{
    const void *bytes =
        sa->sa_family == AF_INET
            ? (const void *)&((const struct sockaddr_in *)sa)->sin_addr
            : &((const struct sockaddr_in6 *)sa)->sin6_addr;
    char text[INET6_ADDRSTRLEN], answer[256];
    int error;

    if (flags & NI_NUMERICHOST) {
        int (*next)(const struct sockaddr *, socklen_t, char *, socklen_t,
                    char *, socklen_t, int);

        *(void **)&next = dlsym(RTLD_NEXT, "getnameinfo");
        return next(sa, len, host, host_len, service, service_len, flags);
    }
    error = answer_for(inet_ntop(sa->sa_family, bytes, text, sizeof text) ? text
                                                                          : "?",
                       answer);
    if (!error)
        snprintf(host, host_len, "%s", answer);
    return error;
}

static int is_numeric(const char *node)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, node, bytes) == 1 || strchr(node, ':');
}

int getaddrinfo(const char *node, const char *service,
                const struct addrinfo *hints, struct addrinfo **all)
{
    int (*next)(const char *, const char *, const struct addrinfo *,
                struct addrinfo **);
    char answer[256];
    int error;

    *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!node || is_numeric(node) || strcmp(node, "localhost") == 0)
        return next(node, service, hints, all);
    error = answer_for(node, answer);
    return error ? error : next(answer, service, hints, all);
}
