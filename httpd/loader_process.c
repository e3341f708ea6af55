/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one process that reads the list files, for the whole server.
 *
 * It is a child of httpd's parent, as mod_cgid's daemon is one: forked in
 * post_config, watched over through apr's other-child calls, replaced when it
 * dies, and ended (and seen to be gone) when the configuration is. It serves
 * no request, listens to nobody, and runs as httpd's User: outside text is
 * read here and nowhere else, the first time too.
 *
 * In it runs one loop: wait for the kernel's notices or the next time that a
 * list wants a look, and look. A budget keeps it at a fifth of a processor.
 */

#include "banlist_httpd.h"
#include "watch.h"

#include "ap_listen.h"
#include "ap_mpm.h"
#include "mpm_common.h"
#include "apr_portable.h"
#include "unixd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "../banlist/loader.h"

#define MS (LOADER_SECOND / 1000)

/* How long httpd's start waits for the first look at all lists. */
#define FIRST_LOOK_MAX_MS 60000

/* ---- the budget ---- */

/*
 * Processor time as a bucket: full after a rest, filled by a share of the
 * time that passes, and allowed below zero once by one long load. All lists
 * together have one, and each has one of its own: what is spare lets a list
 * that has not spent its own be looked at though another's file spent it all.
 */
typedef struct bucket_t {
    int64_t left;
    int64_t room;
    int64_t divisor; /* fills by 1/divisor of the time that passes */
    int64_t at;
} bucket_t;

/* In debt, it takes the kernel's notices no oftener than this: somebody may
 * make more of them than it can hear. */
#define NAP (10 * MS)

/* The history is noted and all watches are renewed no oftener than this. */
#define UPKEEP LOADER_SECOND

static void bucket_init(bucket_t *b, int64_t room, int64_t divisor,
                        int64_t mono)
{
    *b = (bucket_t){room, room, divisor, mono};
}

static void bucket_take(bucket_t *b, int64_t cost)
{
    b->left -= cost;
}

/* How long to wait until there is something in it. */
static int64_t bucket_wait(bucket_t *b, int64_t mono)
{
    b->left += (mono - b->at) / b->divisor;
    b->at = mono;
    if (b->left > b->room)
        b->left = b->room;
    return b->left >= 0 ? 0 : -b->left * b->divisor;
}

static int64_t processor_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * LOADER_SECOND + t.tv_nsec;
}

/* ---- the loop ---- */

typedef struct job_t { /* one list */
    struct work_t *work;
    const banlist_list_t *list;
    loader_t *loader;
    watch_file_t watch;
    bucket_t own;   /* as if it were the only list */
    int asked;      /* to be looked at, whatever was heard */
    int renew;      /* its watch, at the next tick */
    int deaf;       /* errno by which the kernel refused to watch it */
    uint32_t state; /* the shared_state_e that was told of */
    uint64_t bad;   /* bad lines that were told of */
} job_t;

typedef struct work_t {
    server_rec *server;
    job_t *job;
    int jobs;
    watch_t *watch;
    int64_t interval;
    int64_t next_tick;
    int64_t next_upkeep; /* of what a tick need not do each time */
    int64_t heard_at;    /* Unix time of the last notices, in nanoseconds */
    bucket_t budget;     /* of all lists */
    bucket_t spare;      /* for lists whose own is not spent when that is */
} work_t;

static void tell_bad(work_t *w, job_t *job, const shared_report_t *r)
{
    uint64_t shown = r->bad < SHARED_BAD_MAX ? r->bad : SHARED_BAD_MAX;
    uint64_t from = r->how == SHARED_FULL ? 0 : job->bad;

    if (r->bad > from) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, w->server,
                     "BL0012: banlist: %s: %" APR_UINT64_T_FMT " bad line%s "
                     "passed over; see them all with: banlist check %s",
                     job->list->path, r->bad - from,
                     r->bad - from == 1 ? "" : "s", job->list->path);
    }
    for (uint64_t i = from; i < shown; i++) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, w->server,
                     "BL0013: banlist: %s line %" APR_UINT64_T_FMT ": %s",
                     job->list->path, r->bad_line[i].line,
                     r->bad_line[i].reason);
    }
    job->bad = r->bad;
}

static void tell_loaded(work_t *w, job_t *job, const shared_report_t *r)
{
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, w->server,
                 "BL0010: banlist: %s: %" APR_UINT64_T_FMT " %s in force, %s "
                 "in %" APR_INT64_T_FMT ".%03d ms",
                 job->list->path, r->entries,
                 r->entries == 1 ? "entry" : "entries",
                 r->how == SHARED_FULL ? "loaded in full"
                                       : "appended lines "
                                         "read",
                 r->took / 1000, (int)(r->took % 1000));
    tell_bad(w, job, r);
}

/* One error when trouble begins.  What it turns into (a file is removed, and
 * then there is a directory in its place) is the same trouble still. */
static int trouble_level(const job_t *job, const shared_report_t *r)
{
    if (job->state == SHARED_MISSING || job->state == SHARED_UNREADABLE
        || job->state == SHARED_NOT_REGULAR)
        return APLOG_INFO;
    return r->loads ? APLOG_ERR : APLOG_WARNING;
}

static void tell_trouble(work_t *w, job_t *job, const shared_report_t *r)
{
    const char *in_force = r->loads ? "the last good list stays in force"
                                    : "nobody is banned or allowed by it";

    if (r->state == SHARED_TOO_BIG) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, w->server,
                     "BL0021: banlist: %s has %" APR_UINT64_T_FMT " entries, "
                     "too many for BanListMemory: set it to at least "
                     "%" APR_UINT64_T_FMT "M; %s",
                     job->list->path, r->needed_entries, (r->needed >> 20) + 1,
                     in_force);
    }
    else if (r->state == SHARED_UNREADABLE && r->error == LOADER_DIED) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, w->server,
                     "BL0025: banlist: %s is left alone for a minute: one "
                     "loader after the other died while it read it; %s",
                     job->list->path, in_force);
    }
    else {
        ap_log_error(APLOG_MARK, trouble_level(job, r),
                     r->state == SHARED_UNREADABLE ? r->error : 0, w->server,
                     "BL0020: banlist: %s is %s; %s, "
                     "and it is taken up as soon as it can be read",
                     job->list->path, loader_state_text(r->state), in_force);
    }
}

static void tell(work_t *w, job_t *job, loader_news_e news, int recovered)
{
    shared_report_t r;

    /* What only processes of before still use is nobody's concern. */
    if (news == LOADER_NOTHING || !job->list->current)
        return;
    shared_report(&job->list->segment, &r);
    /* The first load of all ends no trouble: it is told of as a load. */
    if (recovered && (r.loads + r.appends > 1 || news == LOADER_RECOVERED)) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, w->server,
                     "BL0022: banlist: %s can be read again", job->list->path);
    }
    if (news == LOADER_LOADED)
        tell_loaded(w, job, &r);
    if (news == LOADER_TROUBLE)
        tell_trouble(w, job, &r);
    job->state = r.state;
}

/* Takes what notices there are by now; whether one is of the job's file. */
static int heard_more(void *ctx)
{
    job_t *job = ctx;
    loader_clock_t now;

    if (!job->work->watch)
        return 0;
    watch_wait(job->work->watch, 0);
    loader_clock(&now);
    job->work->heard_at = now.wall;
    return job->watch.hints != 0;
}

static void look(work_t *w, job_t *job)
{
    unsigned hints = job->watch.hints | (job->deaf ? LOADER_DEAF : 0);
    int64_t before = processor_time(), cost;
    int recovered;
    loader_clock_t now;
    loader_news_e news;

    job->watch.hints = 0;
    job->asked = 0;
    loader_clock(&now); /* each list's own: it is asked how long it took */
    now.heard = w->heard_at;
    news = loader_look(job->loader, &now, hints, &recovered);
    /* News that nobody told of: what is watched may be something else. */
    job->renew |= news != LOADER_NOTHING && !hints;
    cost = processor_time() - before;
    bucket_take(bucket_wait(&w->budget, now.mono) ? &w->spare : &w->budget,
                cost);
    bucket_take(&job->own, cost);
    if (news != LOADER_NOTHING)
        tell(w, job, news, recovered);
}

/* One notice for all lists: the cause is the same. */
static void renew_watches(work_t *w, int all)
{
    int told = 0;

    if (all && !w->watch && (w->watch = watch_create())) {
        for (int i = 0; i < w->jobs; i++)
            watch_add(w->watch, &w->job[i].watch, w->job[i].list->path);
    }
    for (int i = 0; i < w->jobs; i++) {
        job_t *job = w->job + i;
        int err;

        if (!w->watch || !(all || job->renew))
            continue;
        err = watch_renew(w->watch, &job->watch);
        if (err && !job->deaf && !told++) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, err, w->server,
                         "BL0023: banlist: the kernel will not tell of "
                         "changes to %s (fs.inotify.max_user_watches?); it "
                         "is looked at every BanListInterval",
                         job->list->path);
        }
        job->deaf = err;
        job->renew = 0;
    }
}

static void tick(work_t *w, const loader_clock_t *now)
{
    int64_t before = processor_time();
    int upkeep = now->mono >= w->next_upkeep;

    renew_watches(w, upkeep);
    for (int i = 0; i < w->jobs; i++) {
        if (upkeep) {
            shared_set_history(&w->job[i].list->segment,
                               now->wall / LOADER_SECOND);
        }
        w->job[i].asked = 1;
    }
    w->next_tick = now->mono + w->interval;
    if (upkeep)
        w->next_upkeep = now->mono + UPKEEP;
    bucket_take(&w->budget, processor_time() - before);
}

/* When the list may be looked at, as far as the budget goes: 0 is now. */
static int64_t job_wait(work_t *w, job_t *job, int64_t mono)
{
    int64_t all = bucket_wait(&w->budget, mono);
    int64_t own = bucket_wait(&job->own, mono);
    int64_t spare = bucket_wait(&w->spare, mono);

    if (own < spare)
        own = spare;
    return all < own ? all : own;
}

static int64_t job_due(const job_t *job)
{
    return job->asked || job->watch.hints ? 0 : loader_due(job->loader);
}

/* When there is something to look at that may be looked at. */
static int64_t next_look(work_t *w, int64_t mono)
{
    int64_t next = w->next_tick;

    for (int i = 0; i < w->jobs; i++) {
        int64_t due = job_due(w->job + i);

        if (due < next) {
            int64_t may = mono + job_wait(w, w->job + i, mono);

            due = due > may ? due : may;
            next = due < next ? due : next;
        }
    }
    return next;
}

static void look_at_all(work_t *w, const loader_clock_t *now)
{
    if (now->mono >= w->next_tick)
        tick(w, now);
    for (int i = 0; i < w->jobs; i++) {
        job_t *job = w->job + i;

        if (job_due(job) <= now->mono && job_wait(w, job, now->mono) == 0)
            look(w, job);
    }
}

/* Waits, and takes the notices; what hearing them costs counts too. */
static void wait_and_hear(work_t *w, int64_t wait, int in_debt)
{
    int64_t before = processor_time();

    if (in_debt) {
        watch_wait(NULL, wait < NAP ? wait : NAP);
        wait = 0;
    }
    watch_wait(w->watch, wait);
    bucket_take(&w->budget, processor_time() - before);
}

static void wait_and_look(work_t *w)
{
    loader_clock_t now;
    int64_t wait;

    loader_clock(&now);
    wait = next_look(w, now.mono) - now.mono;
    if (wait > w->interval)
        wait = w->interval;
    wait_and_hear(w, wait > 0 ? wait : 0,
                  bucket_wait(&w->budget, now.mono) > 0);
    loader_clock(&now);
    w->heard_at = now.wall;
    look_at_all(w, &now);
}

/* ---- the process ---- */

/* Everything but the streams and the error log: no listening socket, no
 * access log, nothing that would keep another process waiting.  The C library
 * is told of syslog's, which it opens again when it is needed: it would write
 * to whatever has that number next. */
static void close_all_but(int keep1, int keep2)
{
    DIR *d;
    struct dirent *e;

    closelog();
    /* Where all descriptors are in use, one must go for the folder. */
    for (int fd = 3; !(d = opendir("/proc/self/fd")) && fd < 1024; fd++) {
        if (fd != keep1 && fd != keep2)
            close(fd);
    }
    if (!d)
        return;
    while ((e = readdir(d))) {
        int fd = atoi(e->d_name);

        if (fd > 2 && fd != keep1 && fd != keep2 && fd != dirfd(d))
            close(fd);
    }
    closedir(d);
}

static int error_log_fd(const server_rec *s)
{
    apr_os_file_t fd = -1;

    if (s->error_log)
        apr_os_file_get(&fd, s->error_log);
    return fd;
}

static void set_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGHUP, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGWINCH, SIG_IGN);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        (void)!write(fd, text, strlen(text));
        close(fd);
    }
}

/* Ends with its parent however that ends; changing the user id has made the
 * kernel forget, so this comes after it. */
static void follow_parent(pid_t parent)
{
#ifdef PR_SET_PDEATHSIG
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (getppid() != parent)
        _exit(0);
}

static void become_loader(apr_pool_t *p, server_rec *s, pid_t parent, int ready)
{
#ifdef PR_SET_NAME
    prctl(PR_SET_NAME, "banlist-loader");
#endif
    set_signals();
    close_all_but(error_log_fd(s), ready);
    if (ap_run_drop_privileges(p, s) != OK) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s,
                     "BL0005: banlist: the loader cannot become User and "
                     "Group, so it ends; the lists stay as they are");
        _exit(1);
    }
    follow_parent(parent);
#ifdef __GLIBC__
    /* What a load took goes back when it is done: glibc would otherwise keep
     * ever larger pieces for the next one. */
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
#endif
    /* If memory runs out it is better to lose this process than a server:
     * the lists stay, and the parent starts another. */
    write_file("/proc/self/oom_score_adj", "500");
}

/* All lists in one line, in force before the first request comes. */
static void tell_start(const work_t *w, const loader_clock_t *start)
{
    uint64_t entries = 0;
    int troubled = 0;
    char trouble[40] = "";
    loader_clock_t now;
    shared_report_t r;

    for (int i = 0; i < w->jobs; i++) {
        shared_report(&w->job[i].list->segment, &r);
        entries += r.entries;
        troubled += r.state != SHARED_LOADED;
    }
    if (troubled) {
        apr_snprintf(trouble, sizeof trouble, ", trouble with %d of them",
                     troubled);
    }
    loader_clock(&now);
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, w->server,
                 "BL0003: banlist: %d list%s, %" APR_UINT64_T_FMT
                 " %s in force after %" APR_INT64_T_FMT " ms%s",
                 w->jobs, w->jobs == 1 ? "" : "s", entries,
                 entries == 1 ? "entry" : "entries",
                 (now.mono - start->mono) / MS, trouble);
}

static void fill_budgets(work_t *w, const loader_clock_t *now)
{
    bucket_init(&w->budget, 100 * MS, 5, now->mono);
    bucket_init(&w->spare, 50 * MS, 20, now->mono);
    for (int i = 0; i < w->jobs; i++)
        bucket_init(&w->job[i].own, 100 * MS, 5, now->mono);
}

/* The start is outside the budget: it is what the server waits for. */
static void look_first(work_t *w, const loader_clock_t *now)
{
    loader_clock_t end;

    fill_budgets(w, now);
    tick(w, now);
    for (int i = 0; i < w->jobs; i++)
        look(w, w->job + i);
    loader_clock(&end);
    fill_budgets(w, &end);
}

static void work_init(work_t *w, server_rec *s)
{
    const apr_array_header_t *lists = banlist_lists_all();
    shared_report_t before; /* what a loader before this one told of */
    loader_clock_t now;

    memset(w, 0, sizeof *w);
    loader_clock(&now);
    w->heard_at = now.wall;
    w->server = s;
    w->interval =
        BANLIST_SET(banlist_conf(s)->interval, BANLIST_DEFAULT_INTERVAL) * 1000;
    w->watch = watch_create();
    if (!w->watch) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, s,
                     "BL0024: banlist: the kernel will not tell of changes "
                     "(fs.inotify.max_user_instances?); all lists are "
                     "looked at every BanListInterval");
    }
    w->job = calloc((size_t)lists->nelts, sizeof *w->job);
    if (!w->job)
        _exit(1); /* no memory: the next one may find some */
    for (int i = 0; i < lists->nelts; i++) {
        job_t *job = w->job + w->jobs;

        job->list = &APR_ARRAY_IDX(lists, i, banlist_list_t);
        shared_report(&job->list->segment, &before);
        job->state = before.state;
        job->bad = before.bad;
        job->deaf = w->watch ? 0 : ENOSYS;
        job->loader = loader_create(job->list->path, &job->list->segment,
                                    job->list->bare_ipv6_plen);
        if (!job->loader)
            _exit(1);
        job->work = w;
        loader_listen(job->loader, heard_more, job);
        watch_add(w->watch, &job->watch, job->list->path);
        w->jobs++;
    }
    look_first(w, &now);
    tell_start(w, &now);
}

static void loader_main(apr_pool_t *p, server_rec *s, pid_t parent, int ready,
                        int64_t delay)
{
    work_t w;

    become_loader(p, s, parent, ready);
    if (delay > 0)
        watch_wait(NULL, delay);
    work_init(&w, s);
    if (ready >= 0) {
        (void)!write(ready, "", 1);
        close(ready);
    }
    for (;;) {
        wait_and_look(&w);
        if (getppid() != parent)
            _exit(0);
    }
}

/* ---- its parent ---- */

typedef struct nurse_t {
    apr_pool_t *pool;
    server_rec *server;
    apr_proc_t proc; /* pid 0: none */
    pid_t parent;    /* whose child it is: cleanups run in children too */
    int64_t started; /* on the monotonic clock; nobody sets that */
} nurse_t;

static int spawn(nurse_t *n, int ready, int64_t delay);

static int is_stopping(void)
{
    int state;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) != APR_SUCCESS
           || state == AP_MPMQ_STOPPING;
}

/* No two loaders begin to work within a second of each other, however they
 * die: the new one sleeps first, so that the parent never does. */
static void maintain(int reason, void *data, apr_wait_t status)
{
    nurse_t *n = data;
    loader_clock_t now;

    if (reason != APR_OC_REASON_DEATH && reason != APR_OC_REASON_LOST) {
        if (reason == APR_OC_REASON_RESTART)
            apr_proc_other_child_unregister(data);
        return;
    }
    apr_proc_other_child_unregister(data);
    n->proc.pid = 0;
    if (is_stopping())
        return;
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, n->server,
                 "BL0006: banlist: the loader ended (%s %d); the lists stay "
                 "as they are, and another is started",
                 WIFSIGNALED(status) ? "signal" : "exit",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    loader_clock(&now);
    spawn(n, -1, n->started + LOADER_SECOND - now.mono);
}

static int spawn(nurse_t *n, int ready, int64_t delay)
{
    loader_clock_t now;
    pid_t pid = fork();

    if (pid < 0) {
        ap_log_error(APLOG_MARK, APLOG_ERR, errno, n->server,
                     "BL0004: banlist: the loader could not be started; the "
                     "lists stay as they are, and it is tried again");
        return errno;
    }
    if (pid == 0) {
        loader_main(n->pool, n->server, n->parent, ready, delay);
        _exit(0);
    }
    loader_clock(&now);
    n->started = now.mono + (delay > 0 ? delay : 0);
    n->proc.pid = pid;
    apr_proc_other_child_register(&n->proc, maintain, n, NULL, n->pool);
    return 0;
}

/* The configuration goes, and its loader before the next one comes: there is
 * never more than one that writes.  apr has forgotten it already, by a
 * cleanup registered after this one. */
static apr_status_t end_loader(void *data)
{
    nurse_t *n = data;
    int status;

    if (n->proc.pid <= 0 || getpid() != n->parent)
        return APR_SUCCESS;
    kill(n->proc.pid, SIGKILL);
    while (waitpid(n->proc.pid, &status, 0) < 0 && errno == EINTR)
        ;
    n->proc.pid = 0;
    return APR_SUCCESS;
}

static void wait_until_ready(nurse_t *n, int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    char byte;
    int got;

    do {
        got = poll(&p, 1, FIRST_LOOK_MAX_MS);
    } while (got < 0 && errno == EINTR);
    if (got > 0 && read(fd, &byte, 1) == 1)
        return;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, n->server,
                 "BL0007: banlist: the server starts before all lists are "
                 "loaded: the loader %s",
                 got > 0 ? "ended" : "is still at it");
}

/* A fork that was refused is tried again here: the parent comes by every
 * ten seconds or so. */
static nurse_t *current_nurse;

static int monitor(apr_pool_t *p, server_rec *s)
{
    nurse_t *n = current_nurse;

    (void)p;
    (void)s;
    if (n && n->proc.pid == 0 && !is_stopping())
        spawn(n, -1, 0);
    return DECLINED;
}

static apr_status_t forget_nurse(void *unused)
{
    (void)unused;
    current_nurse = NULL;
    return APR_SUCCESS;
}

void banlist_loader_hooks(void)
{
    ap_hook_monitor(monitor, NULL, NULL, APR_HOOK_MIDDLE);
}

void banlist_loader_start(apr_pool_t *p, server_rec *main_server)
{
    nurse_t *n = apr_pcalloc(p, sizeof *n);
    int pipe_fds[2];

    if (banlist_lists_all()->nelts == 0)
        return;
    n->pool = p;
    n->server = main_server;
    n->parent = getpid();
    current_nurse = n;
    apr_pool_cleanup_register(p, NULL, forget_nurse, apr_pool_cleanup_null);
    apr_pool_cleanup_register(p, n, end_loader, apr_pool_cleanup_null);
    if (pipe(pipe_fds) != 0) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, main_server,
                     "BL0008: banlist: the server starts before all lists "
                     "are loaded: no pipe to the loader");
        spawn(n, -1, 0);
        return;
    }
    if (spawn(n, pipe_fds[1], 0) == 0) {
        close(pipe_fds[1]);
        wait_until_ready(n, pipe_fds[0]);
    }
    else {
        close(pipe_fds[1]);
    }
    close(pipe_fds[0]);
}
