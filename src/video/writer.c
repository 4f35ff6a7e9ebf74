#include "writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/mathematics.h>

#include "cache.h"
#include "track.h"
#include "compat.h"
#include "mux.h"
#include "queue.h"
#include "streams.h"
#include "target.h"
#include "../layouts.h"

enum { QUEUE_FRAMES = 4 };

struct sc_writer {
    const sc_logger *log;
    sc_writer_options o;
    const AVOutputFormat *of;
    sc_encoder_plan plan;
    sc_track *track; /* of the segment, or of the film */
    bool over;       /* its segment has ended */
    sc_mux *mux;     /* NULL: of the film, only a part is made */
    sc_queue *queue;
    pthread_t thread;
    bool started;
    bool complete, cancelled; /* what finish came to */
    atomic_int status;        /* what the thread ended with; 0 while it runs */

    sc_segments segments; /* without a folder: the film is written as it is made */
    sc_segment *segment;  /* NULL before its first frame */
    int64_t first;        /* frame of the segment; 0 without */
    int64_t frames;       /* since that one */
    int64_t end_pts;      /* of the last frame, in the source's time base */
    int64_t bytes;        /* written */
};

struct item { /* of the queue */
    AVFrame *frame;
    char *note; /* or the end of a segment */
    bool last;
};

static void drop_item(void *opaque)
{
    struct item *i = opaque;

    av_frame_free(&i->frame);
    free(i->note);
    free(i);
}

/* ---- planning */

/* One image is a file as others are; FFmpeg's muxer for them writes many, past what writes and names ours. */
static const AVOutputFormat *guess_format(const sc_writer_options *o)
{
    const AVOutputFormat *of = av_guess_format(o->container, o->container ? NULL : o->path, NULL);

    return of && !strcmp(of->name, "image2") && !strchr(o->path, '%')
               ? av_guess_format("image2pipe", NULL, NULL)
               : of;
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
    if ((*of)->flags & AVFMT_NOFILE)
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

/* ---- the thread */

static int take_packet(void *opaque, AVPacket *p)
{
    sc_writer *w = opaque;

    return w->segment ? sc_segment_put(w->segment, p) : sc_mux_write(w->mux, p);
}

static int open_track(sc_writer *w)
{
    if (w->over)
        sc_track_close(&w->track); /* the next segment gets one that remembers nothing of the last */
    w->over = false;
    return w->track ? 0 : sc_track_open(&w->track, &w->plan, w->of, &w->o, take_packet, w, w->log);
}

static int write_frame(sc_writer *w, AVFrame *f)
{
    const int64_t pts = f->pts, duration = sc_frame_get_duration(f);
    int ret;

    if (w->frames && sc_stream_is_image(w->of))
        return sc_fail(w->log, SC_ERR_OUTPUT, "writer",
                       "%s: an image holds one frame, here are more: --frames 1", w->o.path);
    if (w->segments.folder && !w->segment) {
        SC_TRY(open_track(w));
        SC_TRY(sc_segment_open(&w->segment, &w->segments, w->first));
    } else if (!w->segments.folder) {
        SC_TRY(sc_mux_write_held(w->mux, pts));
    }
    SC_TRY(sc_track_send(w->track, f));
    w->frames++;
    w->end_pts = pts + SC_MAX(duration, 1);
    if (w->o.written)
        w->o.written(w->o.opaque, w->first + w->frames, pts);
    return 0;
fail:
    return ret;
}

static int end_segment(sc_writer *w, const char *note, bool last)
{
    int ret;

    SC_TRY(sc_track_send(w->track, NULL));
    SC_TRY(sc_segment_finish(w->segment, w->frames, w->end_pts, last, note));
    w->bytes += sc_segment_bytes(w->segment);
    w->first += w->frames;
    w->frames = 0;
    ret = 0;
fail:
    w->over = true;
    sc_segment_close(&w->segment);
    return ret;
}

static void *write_all(void *arg)
{
    sc_writer *w = arg;
    void *next;
    int ret;

    while (!(ret = sc_queue_recv(w->queue, &next))) {
        struct item *i = next;
        ret = i->frame ? write_frame(w, i->frame) : end_segment(w, i->note, i->last);
        drop_item(i);
        if (ret < 0)
            break;
    }
    if (ret == SC_EOF)
        ret = w->segments.folder ? 0 : sc_track_send(w->track, NULL);
    if (ret < 0) {
        atomic_store(&w->status, ret);
        sc_queue_finish(w->queue, ret);
    }
    return NULL;
}

/* ---- opening */

/* Segments of another encoder cannot follow one another in one film: what its packets need to be read is part
 * of the key. */
static int open_segments(sc_writer *w)
{
    const AVCodecContext *enc = sc_track_context(w->track);
    char text[2 * 33], key[33];

    sc_cache_digest(text, enc->extradata, (size_t)enc->extradata_size);
    av_strlcat(text, w->o.key, sizeof(text));
    sc_cache_digest(key, text, strlen(text));
    return sc_segments_open(&w->segments, w->o.path, key, w->o.part, &w->o.room, w->log);
}

static int open_all(sc_writer *w)
{
    int ret;

    SC_TRY(sc_target_check(w->o.path, w->o.overwrite, w->log));
    SC_TRY(find_format(&w->of, &w->o, w->log));
    SC_TRY(sc_encoder_choose(&w->plan, w->of, &w->o, w->log));
    sc_encoder_notices(&w->plan, &w->o, w->log);
    SC_TRY(open_track(w));
    if (w->o.key)
        SC_TRY(open_segments(w));
    if (!w->o.part)
        SC_TRY(sc_mux_open(&w->mux, &w->o, w->of, sc_track_context(w->track), w->log));
    SC_TRY(sc_queue_open(&w->queue, QUEUE_FRAMES, drop_item));
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
    atomic_init(&w->status, 0);
    if ((ret = open_all(w)) < 0)
        sc_writer_close(&w);
    else
        *out = w;
    return ret;
}

/* ---- sending */

static int send_item(sc_writer *w, struct item i)
{
    struct item *copy = malloc(sizeof(*copy));
    int ret;

    if (!copy) {
        av_frame_free(&i.frame);
        free(i.note);
        return AVERROR(ENOMEM);
    }
    *copy = i;
    if ((ret = sc_queue_send(w->queue, copy)) < 0)
        drop_item(copy);
    return ret;
}

int sc_writer_send(sc_writer *w, AVFrame *f)
{
    return send_item(w, (struct item){ .frame = f });
}

int sc_writer_packet(sc_writer *w, const AVPacket *p)
{
    const int status = atomic_load(&w->status);

    return status < 0 && status != SC_EOF ? status : sc_mux_hold(w->mux, p);
}

/* ---- segments */

int sc_writer_find(const sc_writer *w, int64_t frame, cJSON **record)
{
    return sc_segments_find(&w->segments, frame, record);
}

void sc_writer_clear(sc_writer *w)
{
    sc_segments_clear(&w->segments);
}

void sc_writer_begin_at(sc_writer *w, int64_t frame)
{
    w->first = frame;
}

int sc_writer_split(sc_writer *w, const char *note, bool last)
{
    const struct item end = { .note = strdup(note), .last = last };

    return end.note ? send_item(w, end) : AVERROR(ENOMEM);
}

typedef struct joining {
    sc_writer *w;
    sc_reader *others;
} joining;

/* The source's other streams are read as far as the film has come. */
static int join_packet(void *opaque, AVPacket *p)
{
    const joining *j = opaque;
    sc_writer *w = j->w;
    const int64_t t = av_rescale_q(p->dts, w->plan.time_base, w->o.video->time_base);
    int ret;

    if (w->o.room.cancelled && atomic_load(w->o.room.cancelled))
        return SC_ERR_CANCELLED;
    if (j->others)
        SC_TRY(sc_reader_feed(j->others, w, t));
    SC_TRY(sc_mux_write_held(w->mux, t));
    return sc_mux_write(w->mux, p);
fail:
    return ret;
}

int sc_writer_join(sc_writer *w, sc_reader *others)
{
    joining j = { w, others };
    const bool cut = w->o.video->cut;
    bool last = false;
    cJSON *record;
    int ret;

    for (w->first = 0; !last; w->first += w->frames) {
        SC_TRY(sc_segments_find(&w->segments, w->first, &record));
        if (!ret)
            return sc_fail(w->log, SC_ERR_INPUT, "writer",
                           "%s: the segment that begins with frame %lld is missing", w->segments.folder,
                           (long long)w->first);
        w->frames = (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItem(record, "frames"));
        w->end_pts = (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItem(record, "end"));
        last = cJSON_IsTrue(cJSON_GetObjectItem(record, "last"));
        cJSON_Delete(record);
        SC_TRY(sc_segments_read(&w->segments, w->first, join_packet, &j));
    }
    if (others)
        SC_TRY(sc_reader_feed(others, w, cut ? w->end_pts : INT64_MAX));
    SC_TRY(sc_mux_complete(w->mux, cut ? w->end_pts : INT64_MAX));
    w->bytes = sc_mux_bytes(w->mux);
    w->complete = true;
    return 0;
fail:
    return ret;
}

/* ---- ending */

int sc_writer_finish(sc_writer *w, int status)
{
    const bool cancelled = status == SC_ERR_CANCELLED;
    int ret;

    sc_queue_finish(w->queue, status >= 0 || cancelled ? SC_EOF : status);
    if (w->started)
        pthread_join(w->thread, NULL);
    w->started = false;
    ret = atomic_load(&w->status);
    if (ret >= 0 && w->frames && !w->segments.folder && (status >= 0 || cancelled)) {
        ret = sc_mux_complete(w->mux, cancelled || w->o.video->cut ? w->end_pts : INT64_MAX);
        w->complete = ret >= 0;
        w->cancelled = cancelled;
    }
    return ret;
}

int64_t sc_writer_bytes(const sc_writer *w)
{
    if (w->segments.folder && !w->complete)
        return w->bytes + (w->segment ? sc_segment_bytes(w->segment) : 0);
    return sc_mux_bytes(w->mux);
}

int sc_writer_keep(sc_writer *w)
{
    int ret;

    if (!w->complete)
        return 0;
    if (w->cancelled)
        return sc_mux_keep_partial(w->mux, w->frames);
    SC_TRY(sc_mux_keep(w->mux));
    if (w->segments.folder)
        sc_segments_remove(&w->segments);
fail:
    return ret;
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
    sc_track_close(&w->track);
    sc_segment_close(&w->segment);
    sc_segments_close(&w->segments);
    sc_mux_close(&w->mux);
    sc_queue_close(&w->queue);
    free(w);
    *p = NULL;
}
