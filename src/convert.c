#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libavutil/log.h>

#include "stages/stages.h"

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
    sc_stage *chain; /* the last stage */
    sc_writer *writer, *sidecar;

    sc_progress progress; /* under progress_lock: the compute thread fills in shares, the writer's the rest */
    double began, reported, encode_seconds;
};

static void write_line(void *opaque, int level, const char *stage, const char *line)
{
    sc_converter *c = opaque;

    pthread_mutex_lock(&c->log_lock);
    c->set.log.write(c->set.log.opaque, level, stage, line);
    pthread_mutex_unlock(&c->log_lock);
}

/* After each frame; on the writer's thread where there is a writer. */
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
    c->progress = p;
    pthread_mutex_unlock(&c->progress_lock);
    c->reported = now;
    c->set.progress(c->set.progress_opaque, &p);
}

static void update_shares(sc_converter *c)
{
    const sc_stage *stage[SC_COUNT(c->progress.share)];
    double total;
    int n = 0;

    for (const sc_stage *s = c->chain; s && n < SC_COUNT(stage) - 2; s = s->from)
        stage[n++] = s;
    total = c->chain->seconds + c->encode_seconds;
    pthread_mutex_lock(&c->progress_lock);
    for (int i = 0; i < n; i++) {
        const sc_stage *s = stage[n - 1 - i];

        c->progress.stage_name[i] = s->name;
        c->progress.share[i] = (s->seconds - (s->from ? s->from->seconds : 0)) / SC_MAX(total, 1e-9);
        c->progress.shot = SC_MAX(c->progress.shot, s->shots);
    }
    c->progress.stage_name[n] = "encode";
    c->progress.share[n] = c->encode_seconds / SC_MAX(total, 1e-9);
    pthread_mutex_unlock(&c->progress_lock);
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
    const struct {
        const char *name, *path;
    } file[] = { { "input", s->input },
                 { "--depth", s->depth_file },
                 { "output", s->output }, /* from here on written to */
                 { "--export-depth", s->export_depth } };
    struct stat models;

    if (!s->input || (!s->output && !s->discard))
        return sc_fail(&c->log, SC_ERR_USAGE, "convert", "an input and an output file are needed");
    for (int i = 2; i < SC_COUNT(file); i++)
        for (int k = 0; k < i; k++)
            if (same_file(file[i].path, file[k].path))
                return sc_fail(&c->log, SC_ERR_USAGE, "convert", "%s: %s and %s are the same file",
                               file[i].path, file[k].name, file[i].name);
    if (s->models && (stat(s->models, &models) || !S_ISDIR(models.st_mode)))
        return sc_fail(&c->log, SC_ERR_WEIGHTS, "convert", "--models: \"%s\" is not a folder", s->models);
    return 0;
}

static int open_device(sc_converter *c)
{
    sc_device_options o = { .name = c->set.device ? c->set.device : "auto",
                            .threads = c->set.threads,
                            .cpu_plain = c->set.cpu_plain };
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

static int open_writers(sc_converter *c, sc_writer_options *o)
{
    const sc_writer_options sidecar = { .path = c->set.export_depth,
                                        .overwrite = c->set.overwrite,
                                        .width = o->video->width,
                                        .height = o->video->height,
                                        .sar = o->video->sar,
                                        .video = o->video,
                                        .codec_video = "ffv1",
                                        .pix_fmt = "gray16le",
                                        .crf = -1,
                                        .end = -1,
                                        .threads = o->threads,
                                        .layout = SC_LAYOUT_LEFT };
    int ret;

    if (c->set.export_depth)
        SC_TRY(sc_writer_open(&c->sidecar, &sidecar, &c->log));
    if (!c->set.discard)
        SC_TRY(sc_writer_open(&c->writer, o, &c->log));
    return 0;
fail:
    return ret;
}

/* The chain, first to last. A stage that is open belongs to the chain at once, so that a failure closes it.
 */
static int open_chain(sc_converter *c, enum AVPixelFormat format)
{
    sc_stage *s = NULL;
    int ret;

    SC_TRY(sc_source_open(&s, &c->ctx, c->reader));
    c->chain = s;
    SC_TRY(sc_shots_open(&s, &c->ctx, c->chain));
    c->chain = s;
    SC_TRY(c->set.depth_file ? sc_depth_file_open(&s, &c->ctx, c->chain)
                             : sc_depth_open(&s, &c->ctx, c->chain));
    c->chain = s;
    SC_TRY(sc_splat_open(&s, &c->ctx, c->chain));
    c->chain = s;
    SC_TRY(sc_inpaint_open(&s, &c->ctx, c->chain));
    c->chain = s;
    SC_TRY(sc_layout_open(&s, &c->ctx, c->chain, format));
    c->chain = s;

    size_t arena = 0;
    for (s = c->chain; s; s = s->from)
        arena = SC_MAX(arena, s->arena);
    SC_TRY(sc_exec_reserve(&c->exec, arena));
    sc_log(&c->log, SC_LOG_INFO, "device", "working memory %.0f MiB", (double)arena / (1 << 20));
    return 0;
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
                                   .threads = s->threads };
    /* What is discarded has the format that a file would have. */
    sc_writer_options out = { .path = s->discard ? "null.mkv" : s->output,
                              .overwrite = s->overwrite,
                              .codec_video = s->codec_video,
                              .codec_audio = s->codec_audio,
                              .preset = s->preset,
                              .pix_fmt = s->pix_fmt,
                              .crf = s->crf,
                              .start = s->start,
                              .end = s->duration >= 0 ? s->start + s->duration : s->end,
                              .threads = s->threads,
                              .layout = s->layout,
                              .written = frame_written,
                              .opaque = c };
    const sc_video_info *v;
    enum AVPixelFormat format;
    char codec[32];
    int ret;

    SC_TRY(check_settings(c));
    SC_TRY(sc_reader_open(&c->reader, &in, &c->log));
    v = sc_reader_info(c->reader);
    c->ctx = (sc_context){ .set = s, .log = &c->log, .x = &c->exec, .video = v, .models = s->models };
    out.video = v;
    out.from = sc_reader_format(c->reader);
    sc_layout_size(s->layout, v, &out.width, &out.height, &out.sar);
    SC_TRY(sc_writer_plan(&out, &format, codec, &c->log));
    sc_log(&c->log, SC_LOG_INFO, "convert", "%s: %dx%d %s %s, %.3f s", s->input, v->width, v->height,
           v->codec, av_get_pix_fmt_name(v->format), v->duration);
    sc_log(&c->log, SC_LOG_INFO, "convert", "%s: %dx%d %s %s", s->discard ? "nothing is written" : s->output,
           out.width, out.height, codec, av_get_pix_fmt_name(format));
    sc_writer_log_streams(&out, s->dry_run ? SC_LOG_INFO : SC_LOG_DEBUG, &c->log);
    if (!s->dry_run)
        SC_TRY(open_writers(c, &out));
    SC_TRY(open_device(c));
    c->ctx.pools = c->pools;
    SC_TRY(open_chain(c, format));
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

static int run_chain(sc_converter *c)
{
    sc_frame f = { 0 };
    int64_t frames = 0;
    int ret;

    c->began = c->reported = sc_now();
    SC_TRY(sc_reader_start(c->reader, c->writer));
    while (!(ret = sc_stage_next(c->chain, &f))) {
        const double begin = sc_now();

        frames++;
        if (c->sidecar) {
            AVFrame *sidecar = f.sidecar;

            f.sidecar = NULL;
            SC_TRY(sc_writer_send(c->sidecar, sidecar));
        }
        AVFrame *stereo = f.stereo;
        f.stereo = NULL;
        if (c->writer) {
            SC_TRY(sc_writer_send(c->writer, stereo));
        } else {
            frame_written(c, frames, stereo->pts);
            av_frame_free(&stereo);
        }
        sc_frame_clear(&f);
        c->encode_seconds += sc_now() - begin;
        update_shares(c);
    }
    if (ret == SC_EOF && !frames)
        ret = sc_fail(&c->log, SC_ERR_NOT_VIDEO, "convert", "%s: no frame could be decoded%s", c->set.input,
                      c->set.start > 0 ? " after -ss" : "");
fail:
    sc_frame_clear(&f);
    if (atomic_load(&c->cancelled) && (ret == SC_EOF || ret >= 0))
        return SC_ERR_CANCELLED;
    return ret == SC_EOF ? 0 : ret;
}

int sc_run(sc_converter *c)
{
    int ret, late;

    if (c->set.dry_run)
        return 0;
    ret = run_chain(c);
    /* The sidecar first: a disk that is full may show only now, and then the film must not get its name. */
    if (c->sidecar && (late = sc_writer_finish(c->sidecar, ret)) < 0 && ret >= 0)
        ret = late;
    if (c->writer && (late = sc_writer_finish(c->writer, ret)) < 0 && ret >= 0)
        ret = late;
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
    sc_stage_close(&c->chain);
    sc_reader_close(&c->reader); /* before the writer: its thread hands packets over */
    sc_writer_close(&c->writer);
    sc_writer_close(&c->sidecar);
    sc_pools_close(&c->pools);
    sc_exec_close(&c->exec);
    sc_device_close(&c->dev);
    pthread_mutex_destroy(&c->log_lock);
    pthread_mutex_destroy(&c->progress_lock);
    free(c);
    *cp = NULL;
}
