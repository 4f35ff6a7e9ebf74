#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libavutil/log.h>

#include "convert.h"
#include "analyze.h"
#include "comfort.h"
#include "kept.h"
#include "memory.h"
#include "outputs.h"
#include "pager.h"
#include "parts.h"
#include "report.h"
#include "resume.h"
#include "score.h"
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
    const sc_proofs *proofs; /* NULL, or the caller's */
    sc_score score;
    sc_pair pair;
    sc_edit edit;
    sc_stage *chain;                                 /* the last stage */
    sc_writer *writer[SC_MAX_OUTPUTS + 1], *sidecar; /* the sidecar's is the last, or NULL */
    int writers;                                     /* of films */
    int64_t frames;                                  /* of the film that are made */
    bool segmented;
    char key[33]; /* of the segments */
    sc_seams seams;

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
    const int64_t all = c->seams.to.frame ? c->seams.to.frame : c->ctx.video->frames;
    const double now = sc_now(), step = now - c->reported;
    sc_progress p;

    if (!c->set.progress || (step < 0.2 && frames != all))
        return;
    pthread_mutex_lock(&c->progress_lock);
    p = c->progress;
    p.fps = step > 0 ? (double)(frames - p.frame) / step : 0;
    /* The rate of the last moments jumps; one smoothed over some seconds can be read. */
    p.fps = p.frame > p.before ? p.fps + (c->progress.fps - p.fps) * 0.8 : p.fps;
    p.frame = frames;
    p.frames = all;
    p.seconds = now - c->began;
    p.eta = p.frames >= frames && frames > p.before
                ? p.seconds / (double)(frames - p.before) * (double)(p.frames - frames)
                : -1;
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

/* Says what output i will be. */
static int plan_output(sc_converter *c, int i, enum AVPixelFormat *format)
{
    const sc_settings *s = &c->set;
    const sc_writer_options o = sc_output_options(s, i, c->ctx.video, sc_reader_format(c->reader));
    char codec[32];
    int ret;

    SC_TRY(sc_writer_plan(&o, format, codec, &c->log));
    sc_log(&c->log, SC_LOG_INFO, "convert", "%s: %dx%d %s %s",
           sc_outputs_discarded(s) ? "nothing is written" : o.path, o.width, o.height, codec,
           av_get_pix_fmt_name(*format));
    if (!i)
        memcpy(c->codec, codec, sizeof(codec));
    /* YUV4MPEG's muxer is handed bare pictures by their address. */
    c->segmented &= strcmp(codec, "wrapped_avframe") != 0;
    sc_writer_log_streams(&o, s->dry_run ? SC_LOG_INFO : SC_LOG_DEBUG, &c->log);
    return 0;
fail:
    return ret;
}

static int open_writer(sc_converter *c, sc_writer **w, sc_writer_options o)
{
    o.room.cancelled = &c->cancelled;
    o.key = c->segmented ? c->key : NULL;
    o.part = c->set.part;
    return sc_writer_open(w, &o, &c->log);
}

static void close_writers(sc_converter *c)
{
    for (int i = 0; i < SC_COUNT(c->writer); i++)
        sc_writer_close(&c->writer[i]);
    c->sidecar = NULL;
    c->writers = 0;
}

static int open_writers(sc_converter *c)
{
    const sc_settings *s = &c->set;
    int ret;

    SC_TRY(sc_resume_key(c->key, &c->ctx, c->dev->large));
    for (int i = 0; i < s->outputs && !sc_outputs_discarded(s); i++) {
        sc_writer_options o = sc_output_options(s, i, c->ctx.video, sc_reader_format(c->reader));

        o.written = i ? NULL : frame_written;
        o.opaque = c;
        SC_TRY(open_writer(c, &c->writer[i], o));
        c->writers = i + 1;
    }
    if (s->export_depth)
        SC_TRY(open_writer(c, &c->writer[c->writers], sc_sidecar_options(s, c->ctx.video)));
    c->sidecar = c->writer[c->writers];
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

/* All writers, the sidecar's too. */
static int writers_of(const sc_converter *c)
{
    return c->writers + (c->sidecar != NULL);
}

/* What an earlier run has left is not made again: the chain begins with the shot that was under way. */
static int find_beginning(sc_converter *c)
{
    sc_seams *s = &c->seams;
    int64_t begin;
    int ret = 0;

    if (!c->segmented)
        return 0;
    if (c->set.part)
        SC_TRY(sc_parts_find(&s->from, &s->to, &c->set, &c->log));
    begin = s->from.frame;
    SC_TRY(sc_resume_find(s, c->ctx.gauge, c->writer, writers_of(c), &c->set, &c->log));
    c->frames = c->progress.before = s->from.frame;
    c->ctx.stretch = (sc_stretch){ .first = s->from.shot.frame, .bars = s->from.bars };
    for (int i = 0; i < writers_of(c); i++)
        sc_writer_begin_at(c->writer[i], s->from.frame);
    if (s->from.frame > begin)
        sc_log(&c->log, SC_LOG_INFO, "convert", "%s: going on after %lld frames that are there",
               c->set.output[0].path, (long long)(s->from.frame - begin));
    if (c->set.join && !s->complete)
        SC_TRY(sc_parts_missing(&c->set, s->from.frame, &c->log));
    if (s->from.frame && !s->complete)
        SC_TRY(sc_reader_skip(c->reader, &s->from.shot));
fail:
    return ret;
}

/* By the context's plan. */
static int open_planned(sc_converter *c, const enum AVPixelFormat *format)
{
    size_t arena = 0;
    int ret;

    if (!c->set.dry_run) {
        SC_TRY(open_writers(c));
        SC_TRY(find_beginning(c));
    }
    if (c->seams.complete)
        return 0;
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
        close_writers(c);
        budget = (size_t)bytes / 4 * 3;
        sc_log(&c->log, SC_LOG_WARNING, "memory", "%s is out of memory: a smaller plan is tried",
               c->dev->name);
    }
    if (!ret && budget != SIZE_MAX) /* what later shots may take */
        c->exec.most = c->exec.size + (budget - (size_t)bytes);
fail:
    return ret;
}

sc_reader_options sc_reading_of(const sc_settings *s)
{
    return (sc_reader_options){ .path = s->input,
                                .start = s->start,
                                .end = s->end,
                                .duration = s->duration,
                                .frames = s->frames,
                                .threads = s->threads,
                                .half = s->score && !s->truth ? SC_HALF_LEFT : SC_HALF_NONE };
}

static int open_source(sc_converter *c)
{
    sc_reader_options o = sc_reading_of(&c->set);
    const sc_video_info *v;
    int ret;

    o.device = c->set.hwaccel ? NULL : sc_device_choose(c->set.device);
    SC_TRY(sc_reader_open(&c->reader, &o, &c->log));
    v = sc_reader_info(c->reader);
    c->ctx = (sc_context){ .set = &c->set, .log = &c->log, .x = &c->exec, .video = v };
    sc_log(&c->log, SC_LOG_INFO, "convert", "%s: %dx%d %s %s, %.3f s", c->set.input, v->width, v->height,
           v->codec, av_get_pix_fmt_name(v->format), v->duration);
fail:
    return ret;
}

static int open_all(sc_converter *c)
{
    const sc_settings *s = &c->set;
    enum AVPixelFormat format[SC_MAX_OUTPUTS];
    int ret;

    SC_TRY(sc_outputs_check(s, &c->log));
    SC_TRY(open_source(c));
    if (s->max_disparity < 0)
        c->set.max_disparity = -100 * s->max_disparity / c->ctx.video->width;
    if (s->shots)
        SC_TRY(sc_edit_read(&c->edit, s, c->ctx.video, &c->log));
    c->ctx.edit = s->shots ? &c->edit : NULL;
    if (s->noise || s->dump)
        SC_TRY(sc_parity_open(&c->parity, s->noise, s->dump, &c->log));
    c->ctx.parity = c->parity;
    c->segmented = sc_resume_possible(s);
    for (int i = 0; i < s->outputs; i++)
        SC_TRY(plan_output(c, i, &format[i]));
    if ((s->plan || s->part || s->join) && !c->segmented)
        SC_TRY(
            sc_fail(&c->log, SC_ERR_USAGE, "convert",
                    "%s: only from a file to files, with --resume, and nothing that goes over the whole film",
                    s->plan   ? "--plan"
                    : s->part ? "--segment"
                              : "--join"));
    if (!s->reconstruct && !s->score)
        sc_comfort_plan(s, &c->log);
    SC_TRY(open_device(c));
    c->ctx.pools = c->pools;
    if (s->plan)
        return 0;
    c->ctx.library = &c->library;
    c->ctx.score = &c->score;
    c->ctx.proofs = c->proofs;
    c->ctx.pair = &c->pair;
    if (s->stats || s->report || s->analyze || c->proofs || s->viewer != SC_VIEWER_NONE)
        c->ctx.gauge = &c->gauge;
    if (!s->reconstruct && !s->made)
        SC_TRY(sc_models_choose(&c->ctx.models, c->models, s, c->dev, &c->log));
    SC_TRY(open_chain(c, format));
    return 0;
fail:
    return ret;
}

int sc_open(sc_converter **out, const sc_settings *s)
{
    return sc_open_proofs(out, s, NULL);
}

int sc_open_proofs(sc_converter **out, const sc_settings *s, const sc_proofs *proofs)
{
    sc_converter *c = calloc(1, sizeof(*c));
    int ret;

    if (!c)
        return -ENOMEM;
    c->set = *s;
    c->proofs = proofs;
    for (int i = 0; (s->reconstruct || s->score) && i < SC_MAX_OUTPUTS; i++) { /* one picture: the left eye */
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
    const bool seam = c->segmented && sc_seams_pass(&c->seams, f, c->set.segment_frames);
    int ret = 0;

    if (c->segmented && c->seams.next.frame < c->frames)
        return 0; /* the chain begins with a shot, in whose midst a segment may begin */
    if (seam)
        SC_TRY(sc_seams_split(&c->seams, c->ctx.gauge, false, c->writer, writers_of(c)));
    if (c->sidecar) {
        ret = sc_writer_send(c->sidecar, f->sidecar);
        f->sidecar = NULL;
    }
    for (int i = 0; i < c->writers && ret >= 0; i++) {
        ret = sc_writer_send(c->writer[i], f->stereo[i]);
        f->stereo[i] = NULL;
    }
    c->frames++;
fail:
    return ret;
}

static int run_chain(sc_converter *c)
{
    sc_frame f = { 0 };
    int ret;

    c->began = c->reported = sc_now();
    c->progress.loaded = c->exec.stats.bytes_up;
    SC_TRY(sc_reader_start(c->reader, c->writer, c->segmented ? 0 : c->writers));
    while (!(ret = sc_seams_over(&c->seams) ? SC_EOF : sc_stage_next(c->chain, &f))) {
        const double begin = sc_now();
        const int64_t pts = f.pts;

        if (!(f.flags & SC_FRAME_PROOF))
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
    else if (ret == SC_EOF && c->segmented && !atomic_load(&c->cancelled))
        SC_TRY(sc_seams_end(&c->seams, c->ctx.gauge, c->writer, writers_of(c), &c->log));
fail:
    sc_frame_clear(&f);
    if (atomic_load(&c->cancelled) && (ret == SC_EOF || ret >= 0))
        return SC_ERR_CANCELLED;
    return ret == SC_EOF ? 0 : ret;
}

/* The source is read once more, for what is not its picture. Whatever is to be said of it was said before. */
static int join(sc_converter *c, sc_writer *w)
{
    const sc_reader_options o = sc_reading_of(&c->set);
    const sc_logger quiet = { .write = c->log.write, .opaque = c->log.opaque, .level = SC_LOG_ERROR };
    sc_reader *others = NULL;
    int ret = 0;

    if (w != c->sidecar)
        SC_TRY(sc_reader_open(&others, &o, &quiet));
    SC_TRY(sc_writer_join(w, others));
fail:
    sc_reader_close(&others);
    return ret;
}

/* A disk that is full may show only at the end, and then no file must get its name: first all are completed,
 * then all are named. */
static int finish(sc_converter *c, int status)
{
    const int n = writers_of(c);
    int late;

    for (int i = 0; i < n; i++)
        if ((late = sc_writer_finish(c->writer[i], status)) < 0 && status >= 0)
            status = late;
    for (int i = 0; i < n && c->segmented && !c->set.part && status >= 0; i++)
        status = join(c, c->writer[i]);
    for (int i = 0; i < n && (status >= 0 || status == SC_ERR_CANCELLED); i++)
        if ((late = sc_writer_keep(c->writer[i])) < 0 && status >= 0)
            status = late;
    if (status == SC_ERR_CANCELLED && c->seams.from.frame)
        sc_log(&c->log, SC_LOG_WARNING, "convert", "%s: %lld frames are done; the same command goes on",
               c->set.output[0].path, (long long)c->seams.from.frame);
    return status;
}

const sc_gauge *sc_gauge_of(const sc_converter *c)
{
    return &c->gauge;
}

/* What is told of the whole film. */
static int report(const sc_converter *c)
{
    const sc_settings *s = &c->set;
    int ret = 0;

    if (s->reconstruct)
        sc_stats_log_score(&c->score, &c->log);
    if (s->score)
        sc_score_log_pair(s, &c->pair, &c->log);
    if (s->stats)
        SC_TRY(sc_stats_write(s, c->ctx.video, &c->progress, &c->gauge, &c->score, &c->pair, &c->log));
    if (s->report)
        SC_TRY(sc_report_write(s, c->ctx.video, &c->progress, &c->gauge, &c->log));
    if (s->analyze)
        SC_TRY(sc_analyze_write(s, c->ctx.video, &c->gauge, &c->log));
    if (!s->reconstruct && !s->score)
        SC_TRY(sc_comfort_check(s, &c->gauge, &c->log));
fail:
    return ret;
}

int sc_run(sc_converter *c)
{
    double begin;
    int ret;

    if (c->set.dry_run)
        return 0;
    if (c->set.plan)
        return sc_parts_plan(&c->ctx, c->reader);
    ret = c->chain ? run_chain(c) : 0;
    begin = sc_now();
    ret = finish(c, ret);
    if (!c->frames)
        return ret;
    c->encode_seconds += sc_now() - begin;
    if (c->chain)
        update_shares(c);
    c->progress.frame = c->frames;
    c->progress.out_bytes = c->writers ? sc_writer_bytes(c->writer[0]) : 0;
    c->progress.seconds = c->chain ? sc_now() - c->began : 0;
    if (ret >= 0 && c->chain)
        sc_stats_log(&c->progress, c->dev, sc_outputs_discarded(&c->set) ? NULL : c->codec, c->encode_seconds,
                     &c->log);
    if (ret >= 0 && !c->set.part)
        ret = report(c);
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
    close_writers(c);
    sc_pools_close(&c->pools);
    sc_exec_close(&c->exec);
    sc_gauge_clear(&c->gauge);
    sc_edit_clear(&c->edit);
    sc_parity_close(&c->parity);
    sc_score_clear(&c->score);
    sc_pair_clear(&c->pair);
    sc_device_close(&c->dev);
    pthread_mutex_destroy(&c->log_lock);
    pthread_mutex_destroy(&c->progress_lock);
    free(c);
    *cp = NULL;
}
