#include "writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/mathematics.h>

#include "compat.h"
#include "encoder.h"
#include "image.h"
#include "queue.h"
#include "streams.h"
#include "tags.h"
#include "target.h"
#include "../layouts.h"

enum {
    QUEUE_FRAMES = 4,
    RING = 1024, /* frames that an encoder may hold back; x264 and x265 hold 250 at most, and threads */
};

struct waiting { /* a packet to copy */
    AVPacket *packet;
    struct waiting *next;
};

struct sc_writer {
    const sc_logger *log;
    sc_writer_options o;
    sc_target target;
    sc_encoder_plan plan;
    AVFormatContext *out;
    AVCodecContext *enc;
    AVStream *film;
    AVPacket *packet;
    sc_queue *queue;
    pthread_t thread;
    bool started;
    bool complete, cancelled; /* what finish came to */
    atomic_int status;        /* what the thread ended with; 0 while it runs */

    pthread_mutex_t lock; /* of the list */
    struct waiting *first, **last;

    sc_stream_map *map; /* of each source stream */
    unsigned sources;
    int64_t *last_dts;        /* of each output stream */
    bool *warned;             /* of each output stream */
    AVRational time_base;     /* of the film's timestamps, exactly */
    int64_t frames, last_pts; /* of the film, in the encoder's time base */
    int64_t end_pts;          /* of its last frame, in the source's */
    int64_t bytes;            /* written */
    struct {
        int64_t pts, duration;
    } ring[RING]; /* durations of frames that are in the encoder: few encoders hand them through */
};

/* ---- planning */

static const AVOutputFormat *guess_format(const sc_writer_options *o)
{
    return av_guess_format(o->container, o->container ? NULL : o->path, NULL);
}

static int find_format(const AVOutputFormat **of, const sc_writer_options *o, const sc_logger *log)
{
    *of = guess_format(o);
    if (!*of && sc_is_pipe(o->path))
        return sc_fail(log, SC_ERR_USAGE, "writer",
                       "%s: standard output has no name to tell the container by: give -f nut, matroska, "
                       "mpegts or yuv4mpegpipe",
                       o->path);
    if (!*of)
        return sc_fail(log, SC_ERR_OUTPUT, "writer",
                       "%s: no container is known by this ending; .mp4 or .mkv would do", o->path);
    if ((*of)->flags & AVFMT_NOFILE || !strncmp((*of)->name, "image2", 6))
        return sc_fail(log, SC_ERR_OUTPUT, "writer", "%s: %s cannot be written; .mp4 or .mkv would do",
                       o->path, (*of)->long_name);
    if (o->codec_audio && strcmp(o->codec_audio, "copy"))
        return sc_fail(log, SC_ERR_USAGE, "writer",
                       "-c:a: \"%s\" is not possible, audio is kept as it is: \"copy\"", o->codec_audio);
    return 0;
}

int sc_writer_plan(const sc_writer_options *o, enum AVPixelFormat *format, char codec[32],
                   const sc_logger *log)
{
    const AVOutputFormat *of;
    sc_encoder_plan p;
    int ret;

    SC_TRY(find_format(&of, o, log));
    SC_TRY(sc_encoder_choose(&p, of, o, log));
    *format = p.format;
    av_strlcpy(codec, p.codec->name, 32);
    return 0;
fail:
    return ret;
}

void sc_writer_log_streams(const sc_writer_options *o, int level, const sc_logger *log)
{
    static const char *const words[] = {
        [SC_FATE_FILM] = "made anew",
        [SC_FATE_COPY] = "copied",
        [SC_FATE_CONVERT] = "converted to the container's own text",
        [SC_FATE_ATTACH] = "copied as an attachment",
        [SC_FATE_REMADE] = "made anew from its tag",
        [SC_FATE_DROP] = "left out, the container cannot hold it",
    };
    const AVOutputFormat *of = guess_format(o);
    char name[128];

    for (int i = 0; of && i < (int)o->from->nb_streams; i++) {
        sc_stream_describe(o->from, i, name, sizeof(name));
        sc_log(log, level, "writer", "%s: %s", name, words[sc_stream_fate(o, of, i)]);
    }
}

/* ---- muxing */

static void warn_once(sc_writer *w, int stream, const char *what)
{
    if (!w->warned[stream])
        sc_log(w->log, SC_LOG_WARNING, "writer", "output stream %d: %s", stream, what);
    w->warned[stream] = true;
}

/* A decoding time for a packet that comes without one, as Matroska's reordered pictures do at the beginning:
 * early enough for those that follow. */
static int64_t make_dts(const sc_writer *w, const AVPacket *p)
{
    const AVStream *st = w->out->streams[p->stream_index];
    const int64_t last = w->last_dts[p->stream_index];
    const int64_t step =
        st->avg_frame_rate.num ? av_rescale_q(1, av_inv_q(st->avg_frame_rate), st->time_base) : 1;

    if (last != AV_NOPTS_VALUE)
        return last + SC_MAX(step / 2, 1);
    return p->pts != AV_NOPTS_VALUE ? p->pts - st->codecpar->video_delay * step : 0;
}

/* Decoding times must increase in most containers; a source may hold others. */
static void repair_dts(sc_writer *w, AVPacket *p)
{
    int64_t *last = &w->last_dts[p->stream_index];
    const int64_t least = *last + !(w->out->oformat->flags & AVFMT_TS_NONSTRICT);

    if (p->dts == AV_NOPTS_VALUE)
        p->dts = make_dts(w, p);
    if (*last != AV_NOPTS_VALUE && p->dts < least) {
        warn_once(w, p->stream_index, "timestamps out of order are moved");
        p->dts = least;
    }
    if (p->pts == AV_NOPTS_VALUE || p->pts < p->dts)
        p->pts = p->dts;
    *last = p->dts;
}

static int copy_packet(sc_writer *w, AVPacket *p)
{
    const sc_stream_map *map = &w->map[p->stream_index];
    int ret;

    if (map->convert) {
        ret = sc_subtitle_convert(map->convert, p);
        if (ret < 0)
            warn_once(w, map->index, "titles that cannot be read are left out");
        if (ret <= 0)
            return ret == AVERROR(ENOMEM) ? ret : 0;
    }
    p->stream_index = map->index;
    p->pos = -1;
    av_packet_rescale_ts(p, map->time_base, w->out->streams[p->stream_index]->time_base);
    repair_dts(w, p);
    ret = av_interleaved_write_frame(w->out, p);
    if (ret != AVERROR(EINVAL) && ret != AVERROR_INVALIDDATA)
        return ret < 0 ? sc_target_fail(&w->target, ret) : 0;
    warn_once(w, map->index, "packets that the container cannot take are left out");
    return 0;
}

static struct waiting *take_waiting(sc_writer *w, int64_t until)
{
    const AVRational film = w->o.video->time_base;

    pthread_mutex_lock(&w->lock);
    struct waiting *q = w->first;
    if (q) {
        const AVRational tb = w->map[q->packet->stream_index].time_base;
        const int64_t t = q->packet->dts != AV_NOPTS_VALUE ? q->packet->dts : q->packet->pts;
        if (t != AV_NOPTS_VALUE && until != INT64_MAX && av_compare_ts(t, tb, until, film) >= 0)
            q = NULL;
    }
    if (q && !(w->first = q->next))
        w->last = &w->first;
    pthread_mutex_unlock(&w->lock);
    return q;
}

/* Copies the packets that come before a time of the film. Later ones wait: of a film that is cut off or
 * cancelled they must not be written. */
static int copy_waiting(sc_writer *w, int64_t until)
{
    struct waiting *q;
    int ret = 0;

    while (ret >= 0 && (q = take_waiting(w, until))) {
        ret = copy_packet(w, q->packet);
        av_packet_free(&q->packet);
        free(q);
    }
    return ret;
}

static void drop_waiting(sc_writer *w)
{
    for (struct waiting *q; (q = w->first);) {
        w->first = q->next;
        av_packet_free(&q->packet);
        free(q);
    }
    w->last = &w->first;
}

int sc_writer_packet(sc_writer *w, const AVPacket *p)
{
    const int status = atomic_load(&w->status);
    struct waiting *q;

    if (status < 0 && status != SC_EOF)
        return status;
    if (w->map[p->stream_index].index < 0)
        return 0;
    if (!(q = calloc(1, sizeof(*q))) || !(q->packet = av_packet_clone(p))) {
        free(q);
        return AVERROR(ENOMEM);
    }
    pthread_mutex_lock(&w->lock);
    *w->last = q;
    w->last = &q->next;
    pthread_mutex_unlock(&w->lock);
    return 0;
}

/* ---- encoding */

/* Sends a frame, or NULL at the end, and muxes what the encoder gives. */
static int encode(sc_writer *w, AVFrame *f)
{
    int ret = avcodec_send_frame(w->enc, f);

    while (ret >= 0) {
        AVPacket *p = w->packet;
        ret = avcodec_receive_packet(w->enc, p);
        if (ret == AVERROR(EAGAIN) || ret == AVERROR_EOF)
            return 0;
        if (ret < 0)
            break;
        for (int i = 0; i < RING; i++)
            if (w->ring[i].duration > 0 && w->ring[i].pts == p->pts)
                p->duration = w->ring[i].duration;
        av_packet_rescale_ts(p, w->enc->time_base, w->film->time_base);
        p->stream_index = w->film->index;
        if ((ret = av_interleaved_write_frame(w->out, p)) < 0)
            return sc_target_fail(&w->target, ret);
    }
    return sc_fail(w->log, SC_ERR_OUTPUT, "writer", "the encoder %s failed: %s", w->enc->codec->name,
                   av_err2str(ret));
}

/* One frame of the film, in w->time_base. */
static int write_picture(sc_writer *w, AVFrame *f, int64_t pts, int64_t duration)
{
    const int64_t slot = w->frames % RING;

    f->pts = av_rescale_q(pts, w->time_base, w->enc->time_base);
    if (w->frames) /* rounding to a coarser clock must not make two of one */
        f->pts = SC_MAX(f->pts, w->last_pts + 1);
    w->last_pts = f->pts;
    w->ring[slot].pts = f->pts;
    w->ring[slot].duration = av_rescale_q(duration, w->time_base, w->enc->time_base);
    w->frames++;
    return encode(w, f);
}

/* The n-th of the frames that stand above one another in f, as a view of it. */
static AVFrame *part_of(const AVFrame *f, int n, int height)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);
    AVFrame *part = av_frame_clone(f);

    for (int i = 0; part && i < av_pix_fmt_count_planes(f->format); i++)
        part->data[i] += (n * height >> (i == 1 || i == 2 ? d->log2_chroma_h : 0)) * part->linesize[i];
    if (part)
        part->height = height;
    return part;
}

static int write_frame(sc_writer *w, AVFrame *f)
{
    const int parts = sc_grids[w->o.layout].frames;
    const int64_t pts = f->pts, known = sc_frame_get_duration(f);
    const int64_t usual = av_rescale_q(parts, av_inv_q(sc_writer_rate(&w->o)), w->o.video->time_base);
    /* In w's clock a frame's duration, cut into so many parts, is the number that it is in the source's. */
    const int64_t step = parts > 1 && known <= 0 ? usual : known;
    int ret;

    sc_frame_forget_coding(f);
    f->sample_aspect_ratio = w->enc->sample_aspect_ratio;
    f->colorspace = w->enc->colorspace;
    f->color_range = w->enc->color_range;
    SC_TRY(sc_tags_frame(f, &w->o));
    SC_TRY(copy_waiting(w, pts));
    for (int i = 0; i < parts; i++) {
        AVFrame *part = part_of(f, i, w->enc->height);
        ret = part ? write_picture(w, part, pts * parts + i * step, step) : AVERROR(ENOMEM);
        av_frame_free(&part);
        if (ret < 0)
            return ret;
    }
    w->end_pts = pts + SC_MAX(known, 1);
    w->bytes = avio_tell(w->out->pb);
    if (w->o.written)
        w->o.written(w->o.opaque, w->frames / parts, pts);
    return 0;
fail:
    return ret;
}

static void *write_all(void *arg)
{
    sc_writer *w = arg;
    void *item;
    int ret;

    while (!(ret = sc_queue_recv(w->queue, &item))) {
        AVFrame *f = item;
        ret = write_frame(w, f);
        av_frame_free(&f);
        if (ret < 0)
            break;
    }
    if (ret == SC_EOF && w->frames)
        ret = encode(w, NULL);
    else if (ret == SC_EOF)
        ret = 0;
    if (ret < 0) {
        atomic_store(&w->status, ret);
        sc_queue_finish(w->queue, ret);
    }
    return NULL;
}

/* ---- opening */

/* MP4 clocks: the film's own, so that its timestamps stay the same integers, and a common multiple for the
 * edit lists, so that no stream's beginning is rounded to the default millisecond. */
static int set_clocks(const sc_writer *w, AVDictionary **d)
{
    int64_t common = w->plan.time_base.den;
    int videos = 0, ret = 0;

    for (unsigned i = 0; i < w->out->nb_streams; i++) {
        const AVStream *st = w->out->streams[i];
        const int64_t den = st->time_base.den, next = common / av_gcd(common, den) * den;
        videos += st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
                  !(st->disposition & AV_DISPOSITION_ATTACHED_PIC);
        if (next <= INT32_MAX)
            common = next;
    }
    if (videos ==
        1) /* several would be forced to the one clock; left alone, each gets a multiple of its own */
        SC_TRY(av_dict_set_int(d, "video_track_timescale", w->plan.time_base.den, 0));
    SC_TRY(av_dict_set_int(d, "movie_timescale", common, 0));
    SC_TRY(av_dict_set(d, "default_mode", "passthrough", 0)); /* Matroska: dispositions as they are */
fail:
    return ret;
}

static int open_output(sc_writer *w, const AVOutputFormat *of)
{
    AVDictionary *d = NULL;
    int ret;

    SC_TRY(avformat_alloc_output_context2(&w->out, (AVOutputFormat *)(uintptr_t)of, NULL, w->o.path));
    w->out->strict_std_compliance = FF_COMPLIANCE_UNOFFICIAL; /* MP4's stereo box counts as that */
    /* Matroska: the priming packets of a sound track come before 0, and its muxer would move the whole film
     * to make them begin at 0. Its blocks can lie before 0, and then every timestamp is the source's. */
    if (!strcmp(of->name, "matroska"))
        w->out->avoid_negative_ts = 0;
    w->sources = w->o.from ? w->o.from->nb_streams : 0;
    ret = AVERROR(ENOMEM);
    if (!(w->map = calloc(w->sources + 1, sizeof(*w->map))))
        goto fail;
    SC_TRY(sc_streams_create(w->out, &w->film, w->map, &w->o, w->enc, w->log));
    if (w->o.from)
        SC_TRY(sc_streams_copy_tags(w->out, &w->o));
    ret = AVERROR(ENOMEM);
    w->warned = calloc(w->out->nb_streams, sizeof(*w->warned));
    w->last_dts = calloc(w->out->nb_streams, sizeof(*w->last_dts));
    if (!w->warned || !w->last_dts)
        goto fail;
    for (unsigned i = 0; i < w->out->nb_streams; i++)
        w->last_dts[i] = AV_NOPTS_VALUE;
    SC_TRY(set_clocks(w, &d));
    SC_TRY(sc_target_open(&w->target, &w->out->pb, w->o.path, w->log));
    if ((ret = avformat_write_header(w->out, &d)) < 0) {
        ret = ret == AVERROR(EINVAL) ? sc_fail(w->log, SC_ERR_OUTPUT, "writer",
                                               "%s: the %s muxer refuses the streams", w->o.path, of->name)
                                     : sc_target_fail(&w->target, ret);
        goto fail;
    }
    ret = 0;
fail:
    av_dict_free(&d);
    return ret;
}

static void drop_frame(void *item)
{
    AVFrame *f = item;
    av_frame_free(&f);
}

static int open_all(sc_writer *w)
{
    const AVOutputFormat *of;
    int ret;

    SC_TRY(sc_target_check(w->o.path, w->o.overwrite, w->log));
    SC_TRY(find_format(&of, &w->o, w->log));
    SC_TRY(sc_encoder_choose(&w->plan, of, &w->o, w->log));
    sc_encoder_notices(&w->plan, &w->o, w->log);
    SC_TRY(sc_encoder_open(&w->enc, &w->plan, of, &w->o, w->log));
    ret = AVERROR(ENOMEM);
    if (!(w->packet = av_packet_alloc()))
        goto fail;
    SC_TRY(open_output(w, of));
    SC_TRY(sc_queue_open(&w->queue, QUEUE_FRAMES, drop_frame));
    w->started = !pthread_create(&w->thread, NULL, write_all, w);
    if (!w->started)
        ret = sc_fail(w->log, AVERROR(EAGAIN), "writer", "cannot start a thread");
fail:
    return ret;
}

int sc_writer_open(sc_writer **out, const sc_writer_options *o, const sc_logger *log)
{
    sc_writer *w = calloc(1, sizeof(*w));
    int ret;

    if (!w)
        return AVERROR(ENOMEM);
    w->log = log;
    w->o = *o;
    w->time_base = sc_writer_time_base(o);
    w->last = &w->first;
    atomic_init(&w->status, 0);
    pthread_mutex_init(&w->lock, NULL);
    if ((ret = open_all(w)) < 0)
        sc_writer_close(&w);
    else
        *out = w;
    return ret;
}

int sc_writer_send(sc_writer *w, AVFrame *f)
{
    const int ret = sc_queue_send(w->queue, f);

    if (ret < 0)
        av_frame_free(&f);
    return ret;
}

/* ---- ending */

/* The rest of the other streams, the trailer, and everything on the disk. */
static int complete(sc_writer *w, bool cut)
{
    int ret;

    SC_TRY(copy_waiting(w, cut ? w->end_pts : INT64_MAX));
    if ((ret = av_write_trailer(w->out)) < 0)
        return sc_target_fail(&w->target, ret);
    w->bytes = avio_tell(w->out->pb);
    if ((ret = avio_closep(&w->out->pb)) < 0)
        return sc_target_fail(&w->target, ret);
    /* Nothing is put into what has gone down a pipe; no container that suits one needs it. */
    if (w->target.temporary &&
        (ret = sc_tags_finish(w->target.temporary, w->out->oformat, w->film->index, &w->o, w->log)) < 0)
        return sc_target_fail(&w->target, ret);
    return sc_target_sync(&w->target, &w->bytes);
fail:
    return ret;
}

int sc_writer_finish(sc_writer *w, int status)
{
    const bool cancelled = status == SC_ERR_CANCELLED;
    int ret;

    sc_queue_finish(w->queue, status >= 0 || cancelled ? SC_EOF : status);
    if (w->started)
        pthread_join(w->thread, NULL);
    w->started = false;
    ret = atomic_load(&w->status);
    if (ret >= 0 && w->frames && (status >= 0 || cancelled)) {
        ret = complete(w, cancelled || w->o.video->cut);
        w->complete = ret >= 0;
        w->cancelled = cancelled;
    }
    return ret;
}

int64_t sc_writer_bytes(const sc_writer *w)
{
    return w->bytes;
}

int sc_writer_keep(sc_writer *w)
{
    if (!w->complete)
        return 0;
    return w->cancelled ? sc_target_keep_partial(&w->target, w->frames / sc_grids[w->o.layout].frames)
                        : sc_target_keep(&w->target);
}

void sc_writer_close(sc_writer **p)
{
    sc_writer *w = *p;

    if (!w)
        return;
    if (w->started) {
        sc_queue_finish(w->queue, SC_ERR_CANCELLED);
        pthread_join(w->thread, NULL);
    }
    drop_waiting(w);
    if (w->out)
        avio_closep(&w->out->pb);
    avformat_free_context(w->out);
    avcodec_free_context(&w->enc);
    av_packet_free(&w->packet);
    sc_target_close(&w->target);
    sc_queue_close(&w->queue);
    pthread_mutex_destroy(&w->lock);
    for (unsigned i = 0; w->map && i < w->sources; i++)
        sc_subtitle_close(&w->map[i].convert);
    free(w->map);
    free(w->last_dts);
    free(w->warned);
    free(w);
    *p = NULL;
}
