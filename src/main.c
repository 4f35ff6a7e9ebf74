#include <dnnl.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "batch.h"
#include "bench.h"
#include "options.h"
#include "preview.h"
#include "workers.h"

/* stderr, shared by the log (any thread), the progress line (the writing thread) and the signal thread. */
typedef struct console {
    pthread_mutex_t lock;
    sc_converter *converter; /* NULL while there is none to cancel */
    sc_progress progress;    /* the last report */
    int mode;                /* sc_progress_mode */
    bool terminal, drawn;    /* drawn: a progress line is on the screen */
    bool done;               /* the signal thread may go */
    double shown;            /* when the last line was printed */
    int errors, signal;
    double signalled; /* when the signal came */
} console;

static void erase(console *t)
{
    if (t->drawn)
        fputs("\r\033[K", stderr);
    t->drawn = false;
}

static void write_log(void *opaque, int level, const char *stage, const char *line)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };
    console *t = opaque;

    pthread_mutex_lock(&t->lock);
    erase(t);
    t->errors += level == SC_LOG_ERROR;
    fprintf(stderr, "[%s] %s: %s\n", names[SC_CLAMP(level, 0, 3)], stage, line);
    pthread_mutex_unlock(&t->lock);
}

static void format_line(char *out, size_t size, const sc_progress *p)
{
    size_t n = (size_t)snprintf(out, size, "frame %lld", (long long)p->frame);

    if (p->frames > 0)
        n += (size_t)snprintf(out + n, size - n, "/%lld %.1f%%", (long long)p->frames,
                              100 * (double)p->frame / (double)p->frames);
    n += (size_t)snprintf(out + n, size - n, " shot %d %.2f fps", p->shot, p->fps);
    if (p->eta >= 0 && p->eta < 1e7) {
        const long s = (long)p->eta;
        n += (size_t)snprintf(out + n, size - n, " ETA %ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    }
    for (int i = 0; i < SC_COUNT(p->share) && p->stage_name[i] && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s %.0f%%", i ? " " : " [", p->stage_name[i],
                              100 * p->share[i]);
    if (p->stage_name[0] && n < size)
        snprintf(out + n, size - n, "]");
}

/* Cut to the terminal's width: a line that wraps cannot be erased. */
static void draw(console *t, const sc_progress *p)
{
    char line[512];
    struct winsize w = { .ws_col = 0 };

    format_line(line, sizeof line, p);
    if (t->terminal && !ioctl(STDERR_FILENO, TIOCGWINSZ, &w) && w.ws_col > 1)
        line[SC_MIN((size_t)w.ws_col - 1, sizeof line - 1)] = 0;
    erase(t);
    fprintf(stderr, t->terminal ? "%s" : "%s\n", line);
    t->drawn = t->terminal;
}

static void print_json(const sc_progress *p, const char *state)
{
    fprintf(stderr,
            "{\"frame\":%lld,\"frames\":%lld,\"seconds\":%.3f,\"fps\":%.3f,\"eta\":", (long long)p->frame,
            (long long)p->frames, p->seconds, p->fps);
    fprintf(stderr, p->eta >= 0 ? "%.1f" : "null", p->eta);
    fprintf(stderr, ",\"out_time_us\":%lld,\"shot\":%d,\"stages\":{", (long long)p->out_time_us, p->shot);
    for (int i = 0; i < SC_COUNT(p->share) && p->stage_name[i]; i++)
        fprintf(stderr, "%s\"%s\":%.4f", i ? "," : "", p->stage_name[i], p->share[i]);
    fprintf(stderr, "},\"bytes\":{\"loaded\":%lld,\"pixels_up\":%lld,\"pixels_down\":%lld,",
            (long long)p->loaded, (long long)p->pixels_up, (long long)p->pixels_down);
    fprintf(stderr, "\"numbers_up\":%lld,\"numbers_down\":%lld}", (long long)p->numbers_up,
            (long long)p->numbers_down);
    fprintf(stderr, ",\"progress\":\"%s\"}\n", state);
}

/* As `ffmpeg -progress pipe:2` does, for programs that read that. Its out_time_ms are microseconds too. */
static void print_ffmpeg(const sc_progress *p, const char *state)
{
    const long long us = SC_MAX((long long)p->out_time_us, 0), s = us / 1000000;

    fprintf(stderr, "frame=%lld\nfps=%.2f\n", (long long)p->frame, p->fps);
    if (p->out_bytes > 0)
        fprintf(stderr, "total_size=%lld\n", (long long)p->out_bytes);
    else
        fputs("total_size=N/A\n", stderr);
    fprintf(stderr, "out_time_us=%lld\nout_time_ms=%lld\nout_time=%02lld:%02lld:%02lld.%06lld\n", us, us,
            s / 3600, s / 60 % 60, s % 60, us % 1000000);
    fprintf(stderr, "speed=%.3gx\nprogress=%s\n", (double)us / 1e6 / SC_MAX(p->seconds, 1e-6), state);
}

/* A report for a program, if that is what is asked for. */
static bool print_report(int mode, const sc_progress *p, const char *state)
{
    if (mode == SC_PROGRESS_JSON)
        print_json(p, state);
    else if (mode == SC_PROGRESS_FFMPEG)
        print_ffmpeg(p, state);
    return mode == SC_PROGRESS_JSON || mode == SC_PROGRESS_FFMPEG;
}

/* The converter reports five times a second: as it is to a terminal or a program, every 30 s to a log file.
 */
static void write_progress(void *opaque, const sc_progress *p)
{
    console *t = opaque;
    const double now = sc_now();

    pthread_mutex_lock(&t->lock);
    t->progress = *p;
    if (!print_report(t->mode, p, "continue") && t->mode == SC_PROGRESS_LINE &&
        (t->terminal || now - t->shown >= 30)) {
        draw(t, p);
        t->shown = now;
    }
    pthread_mutex_unlock(&t->lock);
}

static void end_progress(console *t)
{
    pthread_mutex_lock(&t->lock);
    if (!print_report(t->mode, &t->progress, "end") && t->mode == SC_PROGRESS_LINE && t->progress.frame) {
        draw(t, &t->progress);
        if (t->terminal)
            fputc('\n', stderr);
        t->drawn = false;
    }
    pthread_mutex_unlock(&t->lock);
}

/* SIGINT and SIGTERM are blocked in every thread and received here: no handler, so no global state. The first
 * ends the conversion in order, the second the program. */
static void *receive_signals(void *opaque)
{
    console *t = opaque;
    sigset_t set;
    int sig;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    for (bool done = false; !done && !sigwait(&set, &sig);) {
        pthread_mutex_lock(&t->lock);
        done = t->done;
        if (!done) {
            if (!t->signal) {
                t->signal = sig;
                t->signalled = sc_now();
                if (t->converter)
                    sc_cancel(t->converter);
            } else if (sc_now() - t->signalled > 0.5) {
                /* not at once: timeout(1) tells the process and then its group, one wish twice */
                _exit(128 + sig);
            }
        }
        pthread_mutex_unlock(&t->lock);
    }
    return NULL;
}

static int start_signals(console *t, pthread_t *thread)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return pthread_sigmask(SIG_BLOCK, &set, NULL) || pthread_create(thread, NULL, receive_signals, t)
               ? -EAGAIN
               : 0;
}

static void stop_signals(console *t, pthread_t thread)
{
    pthread_mutex_lock(&t->lock);
    t->done = true;
    pthread_mutex_unlock(&t->lock);
    pthread_kill(thread, SIGTERM); /* wakes it */
    pthread_join(thread, NULL);
}

static void set_converter(console *t, sc_converter *c)
{
    pthread_mutex_lock(&t->lock);
    t->converter = c;
    if (c && t->signal) /* it came while the converter was being opened */
        sc_cancel(c);
    pthread_mutex_unlock(&t->lock);
}

/* Of several films some failed. */
#define SC_ERR_SOME SC_TAG('S', 'C', 'S', 'O')

static int exit_code(int code, int sig)
{
    static const struct {
        int code, exit;
    } table[] = {
        { SC_ERR_USAGE, 2 },     { SC_ERR_EXISTS, 3 },     { SC_ERR_PARALLAX, 4 }, { SC_ERR_SOME, 5 },
        { SC_ERR_DISK_FULL, 6 }, { -ENOSPC, 6 },           { SC_ERR_DEVICE, 7 },   { SC_ERR_WEIGHTS, 8 },
        { SC_ERR_INPUT, 9 },     { SC_ERR_NOT_VIDEO, 10 }, { SC_ERR_OUTPUT, 11 },  { SC_ERR_DEPTH, 12 },
    };

    if (code >= 0)
        return 0;
    if (code == SC_ERR_CANCELLED)
        return 128 + (sig ? sig : SIGPIPE); /* without a signal, standard output was closed */
    for (int i = 0; i < SC_COUNT(table); i++)
        if (table[i].code == code)
            return table[i].exit;
    return 1;
}

/* The folder for what is kept between runs, in path[]: as asked for, or where XDG's base directories put it.
 * NULL: none. */
static const char *cache_dir(const char *asked, char *path, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const bool given = cache && *cache == '/';

    if (asked)
        return strcmp(asked, "none") ? asked : NULL;
    if (!given && !(home && *home == '/'))
        return NULL;
    return snprintf(path, size, "%s%s/stereocrafter", given ? cache : home, given ? "" : "/.cache") <
                   (int)size
               ? path
               : NULL;
}

/* One film: what -i and -o name. */
static int convert(console *t, const sc_settings *set)
{
    sc_converter *c = NULL;
    int ret;

    t->shown = sc_now();
    t->progress = (sc_progress){ 0 };
    t->errors = 0;
    SC_TRY(sc_open(&c, set));
    set_converter(t, c);
    ret = sc_run(c);
    set_converter(t, NULL);
    end_progress(t);
fail:
    sc_close(&c);
    /* Whoever detects a failure names it; this is for the few that only a code tells. */
    if (ret < 0 && ret != SC_ERR_CANCELLED && !t->errors)
        write_log(t, SC_LOG_ERROR, "stereocrafter", sc_strerror(ret));
    return ret;
}

/* It may not exist yet: then a slash at its end tells. */
static bool names_folder(const char *path)
{
    return path && ((*path && path[strlen(path) - 1] == '/') || sc_is_folder(path));
}

/* True if what went wrong with one film would go wrong with the next. */
static bool concerns_all(int code)
{
    return code == SC_ERR_USAGE || code == SC_ERR_DISK_FULL || code == -ENOSPC || code == SC_ERR_DEVICE ||
           code == SC_ERR_WEIGHTS || code == SC_ERR_CANCELLED || code == -ENOMEM;
}

enum { SKIPPED = 1 };
enum { PAGES = SC_MAX_OUTPUTS }; /* behind the outputs' batches, that of --report */

/* Names what film n becomes, in each output's own folder; returns whether all of it is there already. */
static int name_outputs(sc_options *o, sc_batch *b, int n)
{
    const sc_logger *log = &o->set.log;
    char error[512];
    int there = 0, ret;

    for (int k = 0; k < o->set.outputs; k++) {
        sc_job *j = &b[k].job[n];
        SC_TRY(o->set.dry_run ? 0 : sc_make_folder(j->folder, "batch", log));
        if (sc_options_name_output(o, k, j->folder, error, sizeof error) < 0)
            return sc_fail(log, SC_ERR_OUTPUT, "batch", "%s", error);
        if (!(j->output = strdup(o->set.output[k].path)))
            return -ENOMEM;
        for (int i = 0; i < n; i++)
            if (b[k].job[i].output && !strcmp(b[k].job[i].output, j->output))
                return sc_fail(log, SC_ERR_EXISTS, "batch", "%s: is what %s became", j->output,
                               b[k].job[i].input);
        /* A film gets its name when it is whole. */
        if (o->set.overwrite != SC_OVERWRITE_YES && !access(j->output, F_OK)) {
            sc_log(log, SC_LOG_INFO, "batch", "%s: is there already", j->output);
            there++;
        }
    }
    return there == o->set.outputs;
fail:
    return ret;
}

/* Beside the name of film n, whose ending stays: it may have a namesake of another one. */
static int name_page(sc_options *o, sc_job *j)
{
    const char *slash = strrchr(j->input, '/'), *name = slash ? slash + 1 : j->input;
    const size_t size = strlen(j->folder) + strlen(name) + sizeof "/.html";
    int ret;

    SC_TRY(o->set.dry_run ? 0 : sc_make_folder(j->folder, "batch", &o->set.log));
    SC_TRY((j->output = malloc(size)) ? 0 : -ENOMEM);
    snprintf(j->output, size, "%s/%s.html", j->folder, name);
    o->set.report = j->output;
fail:
    return ret;
}

/* Film n; b has its jobs for each output, and for its page if there is to be one. */
static int convert_job(console *t, sc_options *o, sc_batch *b, int n)
{
    int ret;

    o->set.input = b->job[n].input;
    if (o->set.output[0].format != SC_FORMAT_NULL) {
        SC_TRY(name_outputs(o, b, n));
        if (ret)
            return SKIPPED;
    }
    if (b[PAGES].count)
        SC_TRY(name_page(o, &b[PAGES].job[n]));
    ret = convert(t, &o->set);
fail:
    return ret;
}

static int find_jobs(sc_options *o, sc_batch *b, const char *folder)
{
    const sc_logger *log = &o->set.log;
    int ret;

    for (int i = 0; i < o->inputs; i++)
        SC_TRY(sc_batch_add(b, o->input[i], folder, o->recursive, log));
    SC_TRY(o->set.output[0].format == SC_FORMAT_NULL || o->set.dry_run
               ? 0
               : sc_make_folder(folder, "batch", log));
fail:
    return ret;
}

/* Exit code 5 tells that some failed, whose own codes differ. */
static int convert_many(console *t, sc_options *o)
{
    const sc_logger *log = &o->set.log;
    sc_batch b[SC_MAX_OUTPUTS + 1] = { { 0 } };
    int *failed = NULL, failures = 0, skipped = 0, done = 0, ret = 0;

    for (int k = 0; k < o->set.outputs; k++)
        SC_TRY(find_jobs(o, &b[k], o->set.output[k].path ? o->set.output[k].path : ""));
    if (b->count > 1 &&
        (o->set.export_depth || o->set.depth_file || o->set.stats || o->set.shots || o->set.analyze))
        SC_TRY(sc_fail(log, SC_ERR_USAGE, "batch", "%s is for one film, here are %d",
                       o->set.depth_file     ? "--depth"
                       : o->set.export_depth ? "--export-depth"
                       : o->set.stats        ? "--stats"
                       : o->set.shots        ? "--shots"
                                             : "--analyze",
                       b->count));
    if (names_folder(o->set.report))
        for (int i = 0; i < o->inputs; i++)
            SC_TRY(sc_batch_add(&b[PAGES], o->input[i], o->set.report, o->recursive, log));
    else if (b->count > 1 && o->set.report)
        SC_TRY(sc_fail(log, SC_ERR_USAGE, "batch", "--report: \"%s/\" would be a folder for %d pages",
                       o->set.report, b->count));
    if (!(failed = malloc((size_t)b->count * sizeof(*failed))))
        SC_TRY(-ENOMEM);
    for (int i = 0; i < b->count; i++) {
        if (b->count > 1)
            sc_log(log, SC_LOG_INFO, "batch", "%d of %d: %s", i + 1, b->count, b->job[i].input);
        ret = convert_job(t, o, b, i);
        if (concerns_all(ret))
            break;
        failed[failures] = i;
        failures += ret < 0;
        skipped += ret == SKIPPED;
        done += !ret;
    }
    if (b->count > 1)
        sc_log(log, SC_LOG_INFO, "batch", "%d of %d converted, %d there already, %d failed", done, b->count,
               skipped, failures);
    for (int i = 0; i < failures && b->count > 1; i++)
        sc_log(log, SC_LOG_ERROR, "batch", "failed: %s", b->job[failed[i]].input);
    if (!concerns_all(ret) && b->count > 1)
        ret = failures ? SC_ERR_SOME : 0;
fail:
    free(failed);
    for (int k = 0; k < SC_COUNT(b); k++)
        sc_batch_clear(&b[k]);
    return SC_MIN(ret, 0);
}

static void show_current(void *opaque, sc_converter *c)
{
    console *t = opaque;

    set_converter(t, c);
    if (!c)
        end_progress(t);
}

static int convert_all(console *t, sc_options *o)
{
    const char *to = o->set.output[0].path;

    if (o->set.preview && (o->inputs > 1 || sc_batch_is_many(o->set.input)))
        return sc_fail(&o->set.log, SC_ERR_USAGE, "batch", "--preview shows places of one film");
    if (o->set.preview)
        return sc_preview(&o->set, show_current, t);
    if (!names_folder(to) && o->inputs < 2 && !sc_batch_is_many(o->set.input))
        return convert(t, &o->set);
    for (int k = 0; k < o->set.outputs; k++)
        if (sc_is_pipe(o->set.output[k].path))
            return sc_fail(&o->set.log, SC_ERR_USAGE, "batch", "-: standard output takes one film");
    if (to == o->named[0]) /* after one film's name */
        return sc_fail(&o->set.log, SC_ERR_USAGE, "batch", "%s: name a folder for the results", o->set.input);
    return convert_many(t, o);
}

static int convert_films(sc_options *o)
{
    console t = { .lock = PTHREAD_MUTEX_INITIALIZER, .mode = o->progress, .terminal = isatty(STDERR_FILENO) };
    pthread_t signals;
    int ret;

    o->set.log = (sc_logger){ .write = write_log, .opaque = &t, .level = o->log_level };
    o->set.progress = write_progress;
    o->set.progress_opaque = &t;
    if (start_signals(&t, &signals))
        return fprintf(stderr, "no thread could be started\n"), 1;
    ret = convert_all(&t, o);
    stop_signals(&t, signals);
    return exit_code(ret, t.signal);
}

static void print_version(void)
{
    const unsigned f = avformat_version(), v = avcodec_version();
    const dnnl_version_t *d = dnnl_version();

    printf("stereocrafter %s, devices: " SC_DEVICES "\n", sc_version());
    printf("libavformat %u.%u.%u, libavcodec %u.%u.%u (FFmpeg), oneDNN %d.%d.%d\n", f >> 16, f >> 8 & 255,
           f & 255, v >> 16, v >> 8 & 255, v & 255, d->major, d->minor, d->patch);
}

static int bench(sc_options *o)
{
    console t = { .lock = PTHREAD_MUTEX_INITIALIZER };

    o->set.log = (sc_logger){ .write = write_log, .opaque = &t, .level = o->log_level };
    return exit_code(sc_bench(stdout, o->set.report, &o->set), 0);
}

static int convert_by_parts(sc_options *o, const char *own, char **argv)
{
    console t = { .lock = PTHREAD_MUTEX_INITIALIZER };

    o->set.log = (sc_logger){ .write = write_log, .opaque = &t, .level = o->log_level };
    return sc_workers_run(o, own, argv);
}

/* Which of several processes this one is, from 1 on, as whoever started it tells; 0: nobody does. An array of
 * Slurm's begins anywhere, the others with 0. */
static int worker_index(void)
{
    static const char *const names[] = { "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX",
                                         "OMPI_COMM_WORLD_RANK" };
    const char *least = getenv("SLURM_ARRAY_TASK_MIN");

    for (int i = 0; i < SC_COUNT(names); i++)
        if (getenv(names[i]))
            return atoi(getenv(names[i])) + 1 - (!i && least ? atoi(least) : 0);
    return 0;
}

/* OpenMP's threads spin while they wait, which takes the cores from decoder and encoder: 83 s instead of 10
 * for 40 frames of 720p on two shared cores. libgomp asks for its policy before main(), so the program starts
 * once more. */
static void wait_without_spinning(const char *own, char **argv)
{
    if (!*own || getenv("OMP_WAIT_POLICY") || setenv("OMP_WAIT_POLICY", "passive", 1))
        return;
    execv(own, argv);
}

/* Where published weights are looked for: the user's folder of data, beside the program, and where an
 * installed program has its own. */
static void list_model_folders(char *out, size_t size, const char *own)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME"), *slash = strrchr(own, '/');
    const int folder = slash ? (int)(slash - own) : 0;
    size_t n = 0;

    if (data && *data == '/') /* the specification: relative ones are void */
        n += (size_t)snprintf(out, size, "%s/stereocrafter/models:", data);
    else if (home)
        n += (size_t)snprintf(out, size, "%s/.local/share/stereocrafter/models:", home);
    if (n < size)
        snprintf(out + n, size - n, "%.*s/models:%.*s/../share/stereocrafter/models", folder, own, folder,
                 own);
}

int main(int argc, char **argv)
{
    char error[512], own[4096], models[3 * sizeof own], cache[4096];
    sc_options o;

    own[SC_MAX(readlink("/proc/self/exe", own, sizeof own - 1), 0)] = 0;
    list_model_folders(models, sizeof models, own);
    sc_options_default(&o);
    o.set.models_search = models;
    if (sc_options_parse(&o, argc, argv, error, sizeof error) < 0 ||
        sc_workers_part(&o, worker_index(), error, sizeof error) < 0) {
        fprintf(stderr, "[error] options: %s\n", error);
        return 2;
    }
    if (!o.help && !o.version && !o.info && !o.print_config) {
        wait_without_spinning(own, argv);
        o.set.cache_dir = cache_dir(o.set.cache_dir, cache, sizeof cache);
        if (o.bench)
            return bench(&o);
        return o.devices ? convert_by_parts(&o, own, argv) : convert_films(&o);
    }
    if (o.help)
        sc_options_help(stdout, o.help);
    else if (o.version || o.info)
        print_version();
    else
        sc_options_print(stdout, &o);
    if (o.info && !o.help)
        sc_info(stdout);
    return fflush(stdout) || ferror(stdout); /* an earlier write may be the one that failed */
}
