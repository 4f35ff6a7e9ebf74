#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libavutil/log.h>

#include "analyze.h"
#include "comfort.h"
#include "kept.h"
#include "memory.h"
#include "pager.h"
#include "stages/score.h"
#include "stats.h"
#include "stages/parity.h"
#include "stages/published.h"

struct sc_converter {
    sc_settings set;
    sc_logger log; /* serialises the caller's sink */
    pthread_mutex_t log_lock, progress_lock;
    atomic_bool cancelled;

    sc_reader *reader;
    sc_device *dev;
    sc_exec exec;
    sc_pools *pools;
    sc_context ctx;
    char models[SC_MODELS_PATH]; /* holds ctx.models where it was searched for */
    char cached[SC_CACHE_PATH];  /* the depth's file, with --cache */
    sc_library library;
    sc_parity *parity;
    sc_gauge gauge;
    sc_score score;
    sc_edit edit;
    sc_stage *chain;                             /* the last stage */
    sc_writer *writer[SC_MAX_OUTPUTS], *sidecar; /* NULL where nothing is written */
    int writers;
    int64_t frames; /* that have left the chain */

    sc_progress progress; /* under progress_lock: the compute thread fills in shares, the writer's the rest */
    double began, reported, encode_seconds;
    char codec[32]; /* the first output's encoder */
};

static void write_line(void *opaque, int level, const char *stage, const char *line)
{
    sc_converter *c = opaque;

    pthread_mutex_lock(&c->log_lock);
    c->set.log.write(c->set.log.opaque, level, stage, line);
    pthread_mutex_unlock(&c->log_lock);
}

/* After each frame; on the first writer's thread where there is one. */
static void frame_written(void *opaque, int64_t frames, int64_t pts)
{
    sc_converter *c = opaque;
    const double now = sc_now(), step = now - c->reported;
    sc_progress p;

    if (!c->set.progress || (step < 0.2 && frames != c->ctx.video->frames))
        return;
    pthread_mutex_lock(&c->progress_lock);
    p = c->progress;
    p.fps = step > 0 ? (double)(frames - p.frame) / step : 0;
    /* The rate of the last moments jumps; one smoothed over some seconds can be read. */
    p.fps = p.frame ? p.fps + (c->progress.fps - p.fps) * 0.8 : p.fps;
    p.frame = frames;
    p.frames = c->ctx.video->frames;
    p.seconds = now - c->began;
    p.eta = p.frames >= frames && frames ? p.seconds / (double)frames * (double)(p.frames - frames) : -1;
    p.out_time_us = av_rescale_q(pts, c->ctx.video->time_base, AV_TIME_BASE_Q);
    p.out_bytes = c->writers ? sc_writer_bytes(c->writer[0]) : 0;
    c->progress = p;
    pthread_mutex_unlock(&c->progress_lock);
    c->reported = now;
    c->set.progress(c->set.progress_opaque, &p);
}

static void update_shares(sc_converter *c)
{
    enum { MOST = 16 }; /* of stages: twice splat, inpaint and mirror are 10 */
    const sc_stage *stage[MOST];
    const sc_stats *now = &c->exec.stats;
    sc_progress *p = &c->progress;
    const double total = SC_MAX(c->chain->seconds + c->encode_seconds, 1e-9);
    int n = 0, names = 0;

    for (const sc_stage *s = c->chain; s && n < MOST; s = s->from)
        stage[n++] = s;
    pthread_mutex_lock(&c->progress_lock);
    while (n--) {
        const sc_stage *s = stage[n];
        int i = 0;

        while (i < names && strcmp(p->stage_name[i], s->name))
            i++;
        if (i == names) {
            p->stage_name[names++] = s->name;
            p->share[i] = 0;
        }
        p->share[i] += (s->seconds - (s->from ? s->from->seconds : 0)) / total;
        p->shot = SC_MAX(p->shot, s->shots);
    }
    p->stage_name[names] = "encode";
    p->share[names] = c->encode_seconds / total;
    p->pixels_up = now->pixels_up;
    p->pixels_down = now->pixels_down;
    p->numbers_up = now->bytes_up - now->pixels_up - p->loaded;
    p->numbers_down = now->bytes_down - now->pixels_down;
    pthread_mutex_unlock(&c->progress_lock);
}

/* Nothing is encoded. */
static bool discards(const sc_settings *s)
{
    return s->output[0].format == SC_FORMAT_NULL;
}

static bool same_file(const char *a, const char *b)
{
    struct stat s, t;

    return a && b &&
           (!strcmp(a, b) || (!stat(a, &s) && !stat(b, &t) && s.st_dev == t.st_dev && s.st_ino == t.st_ino));
}

static int check_settings(const sc_converter *c)
{
    const sc_settings *s = &c->set;
    struct {
        const char *name, *path;
    } file[SC_MAX_OUTPUTS + 6] = { { "input", s->input },
                                   { "--depth", s->depth_file },
                                   { "--shots", s->shots } };
    int n = 3; /* from here on written to */

    if (s->outputs < 1 || s->outputs > SC_MAX_OUTPUTS)
        return sc_fail(&c->log, SC_ERR_USAGE, "convert", "%d outputs, not 1 to %d", s->outputs,
                       SC_MAX_OUTPUTS);
    if (s->depth_range == SC_RANGE_FILM && !s->depth_file && !s->reconstruct && sc_is_pipe(s->input))
        return sc_fail(&c->log, SC_ERR_USAGE, "convert",
                       "--depth-range film: the film is read twice, which standard input cannot be");
    for (int i = 1; i < s->outputs; i++)
        if ((s->output[i].format == SC_FORMAT_NULL) != discards(s))
            return sc_fail(&c->log, SC_ERR_USAGE, "convert", "-f: null is for all outputs or for none");
    for (int i = 0; i < s->outputs && !discards(s); i++, n++) {
        file[n].name = "output";
        file[n].path = s->output[i].path;
        if (!s->input || !file[n].path)
            return sc_fail(&c->log, SC_ERR_USAGE, "convert", "an input and an output file are needed");
    }
    file[n].name = "--export-depth";
    file[n++].path = s->export_depth;
    file[n].name = "--stats";
    file[n++].path = s->stats;
    file[n].name = "--analyze";
    file[n++].path = s->analyze;
    for (int i = 3; i < n; i++)
        for (int k = 0; k < i; k++)
            if (same_file(file[i].path, file[k].path) && !(k < 3 && sc_is_pipe(file[i].path)))
                return sc_fail(&c->log, SC_ERR_USAGE, "convert", "%s: %s and %s are the same file",
                               file[i].path, file[k].name, file[i].name);
    return 0;
}

static int open_device(sc_converter *c)
{
    sc_device_options o = { .name = sc_device_choose(c->set.device),
                            .threads = c->set.threads,
                            .plain = !c->set.optimize,
                            .cache_dir = c->set.cache_dir };
    int ret;

    SC_TRY(sc_precision_parse(&c->ctx.precision, c->set.precision, &c->log));
    o.tf32 = c->ctx.precision.tf32;
    SC_TRY(sc_device_open(&c->dev, &o, &c->log));
    SC_TRY(sc_exec_open(&c->exec, c->dev, &c->log, SC_F32, 0));
    SC_TRY(sc_pools_open(&c->pools, c->dev));
    /* Of the default nobody needs to be warned. */
    sc_precision_widen(&c->ctx.precision, c->dev->dtypes, c->set.precision ? SC_LOG_WARNING : SC_LOG_DEBUG,
                       &c->log);
    sc_log(&c->log, SC_LOG_INFO, "device", "%s: %s", c->dev->name, c->dev->description);
    return 0;
fail:
    return ret;
}

static int open_sidecar(sc_converter *c)
{
    const sc_video_info *v = c->ctx.video;
    const sc_writer_options o = { .path = c->set.export_depth,
                                  .container = sc_is_pipe(c->set.export_depth) ? "nut" : NULL,
                                  .overwrite = c->set.overwrite,
                                  .width = v->width,
                                  .height = v->height,
                                  .sar = v->sar,
                                  .video = v,
                                  .codec_video = "ffv1",
                                  .pix_fmt = "gray16le",
                                  .crf = -1,
                                  .end = -1,
                                  .threads = c->set.threads,
                                  .layout = SC_LAYOUT_LEFT };

    return o.path && !c->set.dry_run ? sc_writer_open(&c->sidecar, &o, &c->log) : 0;
}

static sc_writer_options output_options(sc_converter *c, int i)
{
    const sc_settings *s = &c->set;
    const sc_output *out = &s->output[i];
    static const char *const containers[] = { [SC_FORMAT_NUT] = "nut",
                                              [SC_FORMAT_MATROSKA] = "matroska",
                                              [SC_FORMAT_MPEGTS] = "mpegts",
                                              [SC_FORMAT_Y4M] = "yuv4mpegpipe" };
    /* What is discarded has the format that a file would have. */
    sc_writer_options o = { .path = discards(s) ? "null.mkv" : out->path,
                            .container = containers[out->format],
                            .overwrite = s->overwrite,
                            .video = c->ctx.video,
                            .from = sc_reader_format(c->reader),
                            .codec_video = out->codec_video,
                            .codec_audio = out->codec_audio,
                            .preset = out->preset,
                            .pix_fmt = out->pix_fmt,
                            .crf = out->crf,
                            .start = s->start,
                            .end = s->duration >= 0 ? s->start + s->duration : s->end,
                            .threads = s->threads,
                            .layout = out->layout,
                            .stereo_tags = out->stereo_tags,
                            .made = s->synthetic_view,
                            .fov = out->fov,
                            .written = i ? NULL : frame_written,
                            .opaque = c };

    const sc_video_info shown = sc_shown(s, c->ctx.video);
    sc_layout_size(out, &shown, &o.width, &o.height, &o.sar);
    return o;
}

/* Says what output i will be, and opens its writer unless nothing is to be written. */
static int open_output(sc_converter *c, int i, enum AVPixelFormat *format)
{
    const sc_settings *s = &c->set;
    const sc_writer_options o = output_options(c, i);
    char codec[32];
    int ret;

    SC_TRY(sc_writer_plan(&o, format, codec, &c->log));
    sc_log(&c->log, SC_LOG_INFO, "convert", "%s: %dx%d %s %s", discards(s) ? "nothing is written" : o.path,
           o.width, o.height, codec, av_get_pix_fmt_name(*format));
    if (!i)
        memcpy(c->codec, codec, sizeof(codec));
    sc_writer_log_streams(&o, s->dry_run ? SC_LOG_INFO : SC_LOG_DEBUG, &c->log);
    if (s->dry_run || discards(s))
        return 0;
    SC_TRY(sc_writer_open(&c->writer[i], &o, &c->log));
    c->writers = i + 1;
    return 0;
fail:
    return ret;
}

static void close_chain(sc_converter *c)
{
    sc_stage_close(&c->chain);
    if (c->dev)
        sc_library_close(&c->library, c->dev);
    sc_pager_close(&c->ctx.pager);
}

/* By the context's plan. */
static int open_planned(sc_converter *c, const enum AVPixelFormat *format)
{
    size_t arena = 0;
    int ret;

    if (c->ctx.plan.ring)
        SC_TRY(sc_pager_open(&c->ctx.pager, c->dev, c->ctx.plan.ring));
    SC_TRY(sc_chain_open(&c->chain, &c->ctx, c->reader, format));
    for (const sc_stage *s = c->chain; s; s = s->from)
        arena = SC_MAX(arena, s->arena);
    SC_TRY(sc_exec_reserve(&c->exec, arena));
    sc_log(&c->log, SC_LOG_INFO, "device", "working memory %.0f MiB", (double)arena / (1 << 20));
    return 0;
fail:
    return ret;
}

/* Opens the chain, by smaller plans where the device has less than it said: somebody else may have taken it.
 */
static int open_chain(sc_converter *c, const enum AVPixelFormat *format)
{
    size_t budget;
    int64_t bytes;
    int ret;

    SC_TRY(sc_memory_budget(&budget, &c->set, c->dev, &c->log));
    if (c->set.cache)
        c->set.export_depth = c->cached; /* named by what is planned */
    for (;;) {
        if ((bytes = sc_memory_plan(&c->ctx, budget, c->reader, format)) < 0)
            return (int)bytes;
        if (c->set.cache && !c->set.depth_file) {
            SC_TRY(sc_kept_depth(c->cached, &c->ctx, c->dev->large));
            if (ret) { /* less is left to do: planned anew */
                c->set.depth_file = c->cached;
                c->set.export_depth = NULL;
                continue;
            }
            sc_log(&c->log, SC_LOG_INFO, "cache", "this film's depth will be kept as %s", c->cached);
        }
        if ((ret = open_planned(c, format)) != -ENOMEM || !bytes)
            break;
        close_chain(c);
        budget = (size_t)bytes / 4 * 3;
        sc_log(&c->log, SC_LOG_WARNING, "memory", "%s is out of memory: a smaller plan is tried",
               c->dev->name);
    }
    if (!ret && budget != SIZE_MAX) /* what later shots may take */
        c->exec.most = c->exec.size + (budget - (size_t)bytes);
fail:
    return ret;
}

static int open_all(sc_converter *c)
{
    const sc_settings *s = &c->set;
    const sc_reader_options in = { .path = s->input,
                                   .start = s->start,
                                   .end = s->end,
                                   .duration = s->duration,
                                   .frames = s->frames,
                                   .threads = s->threads,
                                   .device = s->hwaccel ? NULL : sc_device_choose(s->device) };
    const sc_video_info *v;
    enum AVPixelFormat format[SC_MAX_OUTPUTS];
    int ret;

    SC_TRY(check_settings(c));
    SC_TRY(sc_reader_open(&c->reader, &in, &c->log));
    v = sc_reader_info(c->reader);
    c->ctx = (sc_context){ .set = s, .log = &c->log, .x = &c->exec, .video = v };
    sc_log(&c->log, SC_LOG_INFO, "convert", "%s: %dx%d %s %s, %.3f s", s->input, v->width, v->height,
           v->codec, av_get_pix_fmt_name(v->format), v->duration);
    if (s->max_disparity < 0)
        c->set.max_disparity = -100 * s->max_disparity / v->width;
    if (s->shots)
        SC_TRY(sc_edit_read(&c->edit, s, v, &c->log));
    c->ctx.edit = s->shots ? &c->edit : NULL;
    if (s->noise || s->dump)
        SC_TRY(sc_parity_open(&c->parity, s->noise, s->dump, &c->log));
    c->ctx.parity = c->parity;
    for (int i = 0; i < s->outputs; i++)
        SC_TRY(open_output(c, i, &format[i]));
    if (!s->reconstruct)
        sc_comfort_plan(s, &c->log);
    SC_TRY(open_device(c));
    c->ctx.pools = c->pools;
    c->ctx.library = &c->library;
    c->ctx.score = &c->score;
    if (s->stats || s->analyze || s->viewer != SC_VIEWER_NONE)
        c->ctx.gauge = &c->gauge;
    if (!s->reconstruct)
        SC_TRY(sc_models_choose(&c->ctx.models, c->models, s, c->dev, &c->log));
    if (!s->cache)
        SC_TRY(open_sidecar(c));
    SC_TRY(open_chain(c, format));
    if (s->cache)
        SC_TRY(open_sidecar(c));
    return 0;
fail:
    return ret;
}

int sc_open(sc_converter **out, const sc_settings *s)
{
    sc_converter *c = calloc(1, sizeof(*c));
    int ret;

    if (!c)
        return -ENOMEM;
    c->set = *s;
    for (int i = 0; s->reconstruct && i < SC_MAX_OUTPUTS; i++) { /* one picture: the left eye */
        c->set.output[i].layout = SC_LAYOUT_LEFT;
        c->set.output[i].stereo_tags = 0;
    }
    c->log = (sc_logger){ .write = s->log.write ? write_line : NULL, .opaque = c, .level = s->log.level };
    atomic_init(&c->cancelled, false);
    pthread_mutex_init(&c->log_lock, NULL);
    pthread_mutex_init(&c->progress_lock, NULL);
    /* FFmpeg's log is the process's; what matters of it is said by the reader and the writer in one line
     * each. */
    av_log_set_level(s->log.level >= SC_LOG_DEBUG ? AV_LOG_INFO : AV_LOG_QUIET);
    SC_TRY(open_all(c));
    *out = c;
    return 0;
fail:
    sc_close(&c);
    return ret;
}

/* Hands a frame to every writer. */
static int send_frame(sc_converter *c, sc_frame *f)
{
    int ret = 0;

    if (c->sidecar) {
        ret = sc_writer_send(c->sidecar, f->sidecar);
        f->sidecar = NULL;
    }
    for (int i = 0; i < c->writers && ret >= 0; i++) {
        ret = sc_writer_send(c->writer[i], f->stereo[i]);
        f->stereo[i] = NULL;
    }
    return ret;
}

static int run_chain(sc_converter *c)
{
    sc_frame f = { 0 };
    int ret;

    c->began = c->reported = sc_now();
    c->progress.loaded = c->exec.stats.bytes_up;
    SC_TRY(sc_reader_start(c->reader, c->writer, c->writers));
    while (!(ret = sc_stage_next(c->chain, &f))) {
        const double begin = sc_now();
        const int64_t pts = f.pts;

        c->frames++;
        SC_TRY(send_frame(c, &f));
        if (!c->writers)
            frame_written(c, c->frames, pts);
        sc_frame_clear(&f);
        c->encode_seconds += sc_now() - begin;
        update_shares(c);
    }
    if (ret == SC_EOF && !c->frames)
        ret = sc_fail(&c->log, SC_ERR_NOT_VIDEO, "convert", "%s: no frame could be decoded%s", c->set.input,
                      c->set.start > 0 ? " after -ss" : "");
fail:
    sc_frame_clear(&f);
    if (atomic_load(&c->cancelled) && (ret == SC_EOF || ret >= 0))
        return SC_ERR_CANCELLED;
    return ret == SC_EOF ? 0 : ret;
}

/* A disk that is full may show only at the end, and then no file must get its name: first all are completed,
 * then all are named. */
static int finish(sc_converter *c, int status)
{
    sc_writer *all[SC_MAX_OUTPUTS + 1] = { c->sidecar };
    int late;

    memcpy(all + 1, c->writer, sizeof(c->writer));
    for (int i = 0; i < SC_COUNT(all); i++)
        if (all[i] && (late = sc_writer_finish(all[i], status)) < 0 && status >= 0)
            status = late;
    for (int i = 0; i < SC_COUNT(all) && (status >= 0 || status == SC_ERR_CANCELLED); i++)
        if (all[i] && (late = sc_writer_keep(all[i])) < 0 && status >= 0)
            status = late;
    return status;
}

int sc_run(sc_converter *c)
{
    double begin;
    int ret;

    if (c->set.dry_run)
        return 0;
    ret = run_chain(c);
    begin = sc_now();
    ret = finish(c, ret);
    if (!c->frames)
        return ret;
    c->encode_seconds += sc_now() - begin;
    update_shares(c);
    c->progress.frame = c->frames;
    c->progress.out_bytes = c->writers ? sc_writer_bytes(c->writer[0]) : 0;
    c->progress.seconds = sc_now() - c->began;
    if (ret >= 0)
        sc_stats_log(&c->progress, c->dev, discards(&c->set) ? NULL : c->codec, c->encode_seconds, &c->log);
    if (ret >= 0 && c->set.reconstruct)
        sc_stats_log_score(&c->score, &c->log);
    if (ret >= 0 && c->set.stats)
        ret = sc_stats_write(&c->set, c->ctx.video, &c->progress, &c->gauge, &c->score, &c->log);
    if (ret >= 0 && c->set.analyze)
        ret = sc_analyze_write(&c->set, c->ctx.video, &c->gauge, &c->log);
    if (ret >= 0 && !c->set.reconstruct)
        ret = sc_comfort_check(&c->set, &c->gauge, &c->log);
    if (c->set.progress)
        c->set.progress(c->set.progress_opaque, &c->progress);
    return ret;
}

void sc_cancel(sc_converter *c)
{
    atomic_store(&c->cancelled, true);
    sc_reader_cancel(c->reader);
}

void sc_close(sc_converter **cp)
{
    sc_converter *c = *cp;

    if (!c)
        return;
    if (c->chain) /* nothing may be on its way to or from memory that is given back */
        sc_exec_wait(&c->exec);
    close_chain(c);
    sc_reader_close(&c->reader); /* before the writer: its thread hands packets over */
    for (int i = 0; i < c->writers; i++)
        sc_writer_close(&c->writer[i]);
    sc_writer_close(&c->sidecar);
    sc_pools_close(&c->pools);
    sc_exec_close(&c->exec);
    sc_gauge_clear(&c->gauge);
    sc_edit_clear(&c->edit);
    sc_parity_close(&c->parity);
    sc_score_clear(&c->score);
    sc_device_close(&c->dev);
    pthread_mutex_destroy(&c->log_lock);
    pthread_mutex_destroy(&c->progress_lock);
    free(c);
    *cp = NULL;
}
