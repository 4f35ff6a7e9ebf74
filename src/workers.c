#include "workers.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"

/* Of each device: the last to be done then makes the others wait for a quarter of its share at most. */
enum { PARTS = 4 };
enum { MOST_DEVICES = 64, MOST_ADDED = 9, NAME = 32 };

int sc_workers_part(sc_options *o, int index, char *error, size_t size)
{
    sc_settings *s = &o->set;
    const char *wrong = NULL;
    int end = 0;

    if (o->devices && !strcmp(o->devices, "none"))
        o->devices = NULL;
    if (o->segment && !strcmp(o->segment, "auto")) {
        s->part = index;
        if (index < 1)
            wrong = "auto: no scheduler says which part this process is to make";
    } else if (o->segment && (sscanf(o->segment, "%d/%d%n", &s->part, &s->parts, &end) != 2 ||
                              o->segment[end] || s->part < 1 || s->parts < s->part)) {
        wrong = "I/N expected, as 3/8, or auto";
    }
    if (!wrong && (s->plan > 0) + (s->part > 0) + s->join + (o->devices != NULL) > 1)
        wrong = "--plan, --segment, --join and --devices exclude one another";
    if (!wrong)
        return 0;
    snprintf(error, size, "%s%s", o->segment ? "--segment: " : "", wrong);
    return SC_ERR_USAGE;
}

typedef struct workers {
    const sc_logger *log;
    const char *own;
    char **argv;
    int argc;
    char device[MOST_DEVICES][NAME];
    pid_t pid[MOST_DEVICES]; /* of the process on each; 0: none */
    int devices;
    int code; /* of the first that failed */
    int signal;
} workers;

/* ---- devices */

static int add_device(workers *w, const char *name, size_t length)
{
    if (w->devices == MOST_DEVICES || !length || length >= NAME)
        return sc_fail(w->log, SC_ERR_USAGE, "workers", "--devices: \"%s\": all, or at most %d names", name,
                       MOST_DEVICES);
    snprintf(w->device[w->devices++], NAME, "%.*s", (int)length, name);
    return 0;
}

static int list_devices(workers *w, const char *list)
{
    int ret = 0;

    for (int i = 0; !strcmp(list, "all") && i < sc_device_count(); i++) {
        char name[NAME];
        snprintf(name, sizeof(name), "cuda:%d", i);
        SC_TRY(add_device(w, name, strlen(name)));
    }
    if (w->devices)
        return 0;
    if (!strcmp(list, "all"))
        return add_device(w, "cpu", 3);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        SC_TRY(add_device(w, at, strcspn(at, ",")));
fail:
    return ret;
}

/* ---- processes */

static void fail(workers *w, int code)
{
    w->code = w->code ? w->code : code;
}

/* This command line with `added` behind its options, and without the --devices that it or a file of options
 * has. Those for a plan are without -y: what earlier runs have left is gone on with. */
static void start(workers *w, int slot, const char *const *added, bool plan)
{
    char **argv = calloc((size_t)w->argc + MOST_ADDED + 1, sizeof(*argv));
    extern char **environ;
    int n = 0, i, error;

    if (!argv) {
        fail(w, 1);
        return;
    }
    for (i = 0; i < w->argc && strcmp(w->argv[i], "--"); i++)
        if (!plan || strcmp(w->argv[i], "-y"))
            argv[n++] = w->argv[i];
    argv[n++] = "--devices=none";
    for (int k = 0; added[k]; k++)
        argv[n++] = (char *)(uintptr_t)added[k];
    for (; i < w->argc; i++)
        argv[n++] = w->argv[i];
    error = posix_spawn(&w->pid[slot], w->own, NULL, NULL, argv, environ);
    free(argv);
    if (!error)
        return;
    w->pid[slot] = 0;
    sc_log(w->log, SC_LOG_ERROR, "workers", "%s: cannot be started: %s", w->own, strerror(error));
    fail(w, 1);
}

static void note_end(workers *w, pid_t pid, int status)
{
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

    for (int i = 0; i < w->devices; i++) {
        if (w->pid[i] != pid)
            continue;
        w->pid[i] = 0;
        if (code && !w->code)
            sc_log(w->log, SC_LOG_ERROR, "workers", "the process on %s ended with code %d", w->device[i],
                   code);
        fail(w, code);
    }
}

/* Waits until a process has ended, and hands on signals that are to end them all. */
static void wait_for_one(workers *w, const sigset_t *set)
{
    int sig, status;
    pid_t pid;

    if (sigwait(set, &sig))
        return;
    if (sig != SIGCHLD) {
        w->signal = sig;
        for (int i = 0; i < w->devices; i++)
            if (w->pid[i])
                kill(w->pid[i], sig);
    }
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        note_end(w, pid, status);
}

static int busy(const workers *w)
{
    int n = 0;

    for (int i = 0; i < w->devices; i++)
        n += w->pid[i] != 0;
    return n;
}

/* Whether nothing has failed so far, and nobody wants an end. */
static bool goes_on(const workers *w)
{
    return !w->code && !w->signal;
}

/* One process, on the first device, to its end. */
static void run_one(workers *w, const char *const *added, bool plan, const sigset_t *set)
{
    start(w, 0, added, plan);
    while (busy(w))
        wait_for_one(w, set);
}

static void run_parts(workers *w, int parts, const sigset_t *set)
{
    int next = 1;

    while (busy(w) || (next <= parts && goes_on(w))) {
        for (int i = 0; i < w->devices && next <= parts && goes_on(w); i++) {
            char part[NAME];
            const char *const added[] = { "--segment", part,          "--device", w->device[i], "--progress",
                                          "none",      "--log-level", "warning",  NULL };
            if (w->pid[i])
                continue;
            snprintf(part, sizeof(part), "%d/%d", next++, parts);
            sc_log(w->log, SC_LOG_INFO, "workers", "part %s on %s", part, w->device[i]);
            start(w, i, added, false);
        }
        if (busy(w))
            wait_for_one(w, set);
    }
}

int sc_workers_run(const sc_options *o, const char *own, char **argv)
{
    workers w = { .log = &o->set.log, .own = own, .argv = argv };
    char count[NAME];
    sigset_t set;

    while (argv[w.argc])
        w.argc++;
    if (list_devices(&w, o->devices) < 0)
        return 2;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    snprintf(count, sizeof(count), "%d", PARTS * w.devices);
    run_one(&w, (const char *const[]){ "--device", w.device[0], "--plan", count, NULL }, true, &set);
    if (goes_on(&w))
        run_parts(&w, PARTS * w.devices, &set);
    if (goes_on(&w))
        run_one(&w, (const char *const[]){ "--device", w.device[0], "--join", NULL }, false, &set);
    return w.code ? w.code : w.signal ? 128 + w.signal : 0;
}
