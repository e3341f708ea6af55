/* SPDX-License-Identifier: Apache-2.0 */
/*
 * httpd -t: reads the lists and tells how many entries and how many bad lines
 * each has; with -D DUMP_BANLIST every setting of every server as well.
 * Nothing here makes the test fail: a server starts whatever its lists are.
 *
 * As in the server itself the lists are read by a process that runs as User,
 * so that a file which only root can read is found out here.
 */

#include "banlist_httpd.h"

#include "http_main.h"
#include "mpm_common.h"
#include "apr_hash.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../banlist/loader.h"

#define SHOWN_MAX 5 /* bad lines that are told of */

typedef struct check_t {
    const char *path;
    apr_uint64_t entries;
    apr_uint64_t bad;
} check_t;

static void count_entry(void *ctx, const reader_entry_t *e, const char *text,
                        size_t len)
{
    check_t *c = ctx;

    (void)text;
    (void)len;
    c->entries += e->first != 0;
}

static void tell_bad(void *ctx, uint64_t line, const char *reason,
                     const char *text, size_t len)
{
    check_t *c = ctx;

    (void)text;
    (void)len;
    if (c->bad++ < SHOWN_MAX)
        fprintf(stderr, "banlist: warning: %s line %llu: %s\n", c->path,
                (unsigned long long)line, reason);
}

static void check_list(const char *path, int bare_ipv6_plen)
{
    check_t c = {path, 0, 0};
    reader_sink_t sink = {&c, count_entry, tell_bad};
    reader_t reader;
    shared_state_e state;
    int error = 0;

    reader_init(&reader, bare_ipv6_plen);
    state = loader_scan(path, &reader, &sink, &error);
    if (state != SHARED_LOADED) {
        fprintf(
            stderr,
            "banlist: warning: "
            "%s is %s%s%s; the server starts without it, and takes it up as "
            "soon as it can be read\n",
            path, loader_state_text(state),
            state == SHARED_UNREADABLE ? ": " : "",
            state == SHARED_UNREADABLE ? strerror(error) : "");
        return;
    }
    fprintf(stderr, "banlist: %s%s: %llu %s, %llu bad line%s%s%s\n",
            c.bad ? "warning: " : "", path, (unsigned long long)c.entries,
            c.entries == 1 ? "entry" : "entries", (unsigned long long)c.bad,
            c.bad == 1 ? "" : "s",
            c.bad > SHOWN_MAX ? "; see them all with: banlist check " : "",
            c.bad > SHOWN_MAX ? path : "");
}

/* Once for each list, however many servers name it. */
static void check_lists(apr_pool_t *p, const apr_array_header_t *paths,
                        int bare_ipv6_plen, apr_hash_t *done)
{
    for (int i = 0; i < paths->nelts; i++) {
        const char *path = APR_ARRAY_IDX(paths, i, const char *);
        const char *key = apr_psprintf(p, "%d %s", bare_ipv6_plen, path);

        if (apr_hash_get(done, key, APR_HASH_KEY_STRING))
            continue;
        apr_hash_set(done, key, APR_HASH_KEY_STRING, key);
        check_list(path, bare_ipv6_plen);
    }
}

static void check_all(apr_pool_t *p, server_rec *main_server)
{
    apr_hash_t *done = apr_hash_make(p);

    for (server_rec *s = main_server; s; s = s->next) {
        const banlist_conf_t *conf = banlist_conf(s);
        int plen = BANLIST_SET(conf->ipv6_prefix, BANLIST_DEFAULT_IPV6_PREFIX);

        check_lists(p, conf->files, plen, done);
        check_lists(p, conf->allow_files, plen, done);
    }
}

/* Without a fork or another user the lists are read all the same. */
static void check_as_user(apr_pool_t *p, server_rec *main_server)
{
    pid_t pid = fork();

    if (pid <= 0) {
        if (pid == 0 && ap_run_drop_privileges(p, main_server) != OK)
            fprintf(stderr, "banlist: warning: the lists are read as another "
                            "user than User\n");
        check_all(p, main_server);
        if (pid == 0)
            _exit(0);
        return;
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static int dump_setting(void *unused, const char *name, const char *value)
{
    (void)unused;
    printf("    %s %s\n", name, value);
    return 1;
}

static void dump(apr_pool_t *p, server_rec *main_server)
{
    printf("mod_banlist:\n");
    for (server_rec *s = main_server; s; s = s->next) {
        printf("  %s %s", s->is_virtual ? "virtual host" : "main server",
               banlist_conf_server(p, s));
        if (s->is_virtual && s->defn_name)
            printf(" (%s:%u)", s->defn_name, s->defn_line_number);
        printf("\n");
        apr_table_do(dump_setting, NULL, banlist_conf_settings(p, s), NULL);
    }
    fflush(stdout);
}

static void test_config(apr_pool_t *p, server_rec *main_server)
{
    if (ap_state_query(AP_SQ_RUN_MODE) != AP_SQ_RM_CONFIG_TEST)
        return;
    if (ap_exists_config_define("DUMP_BANLIST"))
        dump(p, main_server);
    check_as_user(p, main_server);
}

void banlist_check_hooks(void)
{
    ap_hook_test_config(test_config, NULL, NULL, APR_HOOK_MIDDLE);
}
