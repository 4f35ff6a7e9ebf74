#include "reader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "filter.h"
#include "hardware.h"
#include "image.h"
#include "info.h"
#include "queue.h"
#include "writer.h"

/* HELD: frames beyond the queue: on their way into it, taken from it, being read by the device. */
enum { QUEUE_FRAMES = 4, HELD = 6 };
/* Microseconds by which other streams may lag behind the picture: the muxers' own limit of interleaving. */
enum { AHEAD = 10 * AV_TIME_BASE };

struct held { /* a packet read before the thread was started */
    AVPacket *packet;
    struct held *next;
};

struct sc_reader {
    const sc_logger *log;
    sc_reader_options o;
    sc_video_info info;
    AVFormatContext *format;
    AVStream *stream;
    AVCodecContext *decoder;
    sc_hardware *hardware; /* NULL: decoding is software's */
    sc_filter *filter;
    AVPacket *packet;
    AVFrame *decoded, *first;
    struct held *held, **held_end;
    sc_writer *const *sink, *fed;
    int sinks;
    sc_queue *queue;
    pthread_t thread;
    bool started;
    bool passing, skipping; /* packets of other streams are handed over, or dropped; else they are held */
    atomic_bool cancelled;
    const sc_reader *with; /* NULL, or cancelled with it */

    sc_range keep;
    int64_t last, step; /* of decoded frames: timestamp before, nominal distance */
    int64_t delivered;  /* frames */
    int64_t kept_end;   /* end of the last frame delivered */
    int64_t seen;       /* of packets: the latest end, microseconds */
    bool demuxed, repaired, damaged;
    int streams; /* known at the start */
    bool *begun; /* of each: a packet was passed on */
    bool more;   /* a stream has turned up later */
};

/* ---- opening */

static bool is_cancelled(const sc_reader *r)
{
    return atomic_load(&r->cancelled) || (r->with && atomic_load(&r->with->cancelled));
}

static int interrupted(void *opaque)
{
    return is_cancelled(opaque);
}

static int open_decoder(sc_reader *r)
{
    const AVCodec *codec = avcodec_find_decoder(r->stream->codecpar->codec_id);
    int ret;

    if (!(r->decoder = avcodec_alloc_context3(codec)))
        return AVERROR(ENOMEM);
    SC_TRY(avcodec_parameters_to_context(r->decoder, r->stream->codecpar));
    r->decoder->pkt_timebase = r->stream->time_base;
    r->decoder->thread_count = r->o.threads;
    if (r->o.device) {
        const sc_hardware_options o = { .path = r->o.path,
                                        .device = r->o.device,
                                        .stream = r->stream,
                                        .picture_only = r->o.picture_only,
                                        .frames = QUEUE_FRAMES + HELD };
        SC_TRY(sc_hardware_open(&r->hardware, r->decoder, &o, r->log));
    }
    SC_TRY(avcodec_open2(r->decoder, codec, NULL));
    return 0;
fail:
    return sc_fail(r->log, SC_ERR_NOT_VIDEO, "reader", "%s: the %s decoder cannot be opened: %s", r->o.path,
                   codec ? codec->name : "video", av_err2str(ret));
}

/* To a place from which the picture at a time, in microseconds, can be decoded. A second earlier: the index
 * counts in decoding order, a little ahead of the pictures. */
static int seek(sc_reader *r, int64_t time)
{
    const int64_t zero = r->format->start_time == AV_NOPTS_VALUE ? 0 : r->format->start_time;
    const int64_t to = SC_MAX(zero, time - AV_TIME_BASE);

    if (r->format->pb && !r->format->pb->seekable) /* a pipe's demuxer may try, and fail */
        return AVERROR(ESPIPE);
    return avformat_seek_file(r->format, -1, INT64_MIN, to, to, 0);
}

/* To the part that is kept. */
static void begin(sc_reader *r)
{
    const int64_t zero = r->format->start_time == AV_NOPTS_VALUE ? 0 : r->format->start_time;

    r->info.cut = sc_info_range(&r->keep, &r->o, r->format, r->stream);
    if (r->o.start > 0) {
        if (seek(r, SC_MAX(zero, zero + (int64_t)(r->o.start * AV_TIME_BASE))) < 0)
            sc_log(r->log, SC_LOG_INFO, "reader", "%s: cannot seek, reading from the beginning", r->o.path);
    } else if (r->format->iformat->flags & AVFMT_TS_DISCONT) {
        r->info.offset = av_rescale_q(zero, AV_TIME_BASE_Q, r->stream->time_base);
    }
}

/* ---- demuxing */

/* A packet of another stream: cut at the start, moved to the new origin, handed over. */
static int pass_on(sc_reader *r, AVPacket *p)
{
    const AVStream *st = r->format->streams[p->stream_index];
    const AVRational film = r->info.time_base;
    const int64_t pts = p->pts != AV_NOPTS_VALUE ? p->pts : p->dts;
    bool *begun = &r->begun[p->stream_index];
    int ret = 0;

    if (pts != AV_NOPTS_VALUE && !(st->disposition & AV_DISPOSITION_ATTACHED_PIC)) {
        const int64_t offset = av_rescale_q(r->info.offset, film, st->time_base);
        if (r->keep.begin != INT64_MIN && av_compare_ts(pts, st->time_base, r->info.offset, film) < 0) {
            const int64_t left = pts + p->duration - offset;
            if (st->codecpar->codec_type != AVMEDIA_TYPE_SUBTITLE || left <= 0)
                return 0;
            p->pts = p->dts = offset; /* a title that stands across the cut */
            p->duration = left;
        }
        /* Another picture stream can only begin where it can be decoded. */
        if (r->keep.begin != INT64_MIN && st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO && !*begun &&
            !(p->flags & AV_PKT_FLAG_KEY))
            return 0;
        p->pts -= p->pts != AV_NOPTS_VALUE ? offset : 0;
        p->dts -= p->dts != AV_NOPTS_VALUE ? offset : 0;
    }
    *begun = true;
    for (int i = 0; i < r->sinks && ret >= 0; i++)
        ret = sc_writer_packet(r->sink[i], p);
    return ret;
}

static int hold(sc_reader *r, AVPacket *p)
{
    struct held *h = calloc(1, sizeof(*h));

    if (!h || !(h->packet = av_packet_clone(p))) {
        free(h);
        return AVERROR(ENOMEM);
    }
    *r->held_end = h;
    r->held_end = &h->next;
    return 0;
}

static int release_held(sc_reader *r)
{
    int ret = 0;

    while (r->held) {
        struct held *h = r->held;
        if (r->sinks && ret >= 0)
            ret = pass_on(r, h->packet);
        r->held = h->next;
        av_packet_free(&h->packet);
        free(h);
    }
    r->held_end = &r->held;
    return ret;
}

static void note_damage(sc_reader *r, const char *what)
{
    if (!r->damaged)
        sc_log(r->log, SC_LOG_WARNING, "reader", "%s: %s at %.3f s: what can be decoded is converted",
               r->o.path, what, (double)r->seen / AV_TIME_BASE);
    r->damaged = true;
}

/* The file ends before its header says. Containers that count their frames know their times exactly; others
 * may have a last frame that stands for long, or a rounded header. */
static void check_end(sc_reader *r)
{
    const AVFormatContext *f = r->format;
    const int64_t start = f->start_time == AV_NOPTS_VALUE ? 0 : f->start_time;
    const int64_t slack = r->stream->nb_frames ? AV_TIME_BASE / 10 : AV_TIME_BASE / 2;

    if (f->duration > 0 && f->duration_estimation_method != AVFMT_DURATION_FROM_BITRATE && !r->o.video_only &&
        r->seen + slack < start + f->duration)
        note_damage(r, "the file ends early");
}

/* Reads one packet. The film's is left in r->packet; any other is passed on. SC_EOF at the end or at what
 * cannot be read. */
static int demux(sc_reader *r)
{
    AVPacket *p = r->packet;
    int ret = av_read_frame(r->format, p);

    if (is_cancelled(r))
        return SC_ERR_CANCELLED;
    if (ret < 0) {
        if (ret == AVERROR(ENOMEM))
            return ret;
        if (ret != AVERROR_EOF)
            note_damage(r, av_err2str(ret));
        else
            check_end(r);
        r->demuxed = true;
        return SC_EOF;
    }
    const AVStream *st = r->format->streams[p->stream_index];
    const int64_t t = p->pts != AV_NOPTS_VALUE ? p->pts : p->dts;
    if (t != AV_NOPTS_VALUE)
        r->seen = SC_MAX(r->seen, av_rescale_q(t + p->duration, st->time_base, AV_TIME_BASE_Q));
    if (p->stream_index == r->info.stream)
        return 0;
    if (r->passing && p->stream_index >= r->streams) {
        if (!r->more)
            sc_log(r->log, SC_LOG_WARNING, "reader", "%s: stream %d, which begins at %.3f s, is left out",
                   r->o.path, p->stream_index, (double)r->seen / AV_TIME_BASE);
        r->more = true;
    } else if (!r->passing)
        ret = r->o.video_only || r->skipping ? 0 : hold(r, p);
    else if (r->sinks)
        ret = pass_on(r, p);
    av_packet_unref(p);
    return ret;
}

/* ---- decoding */

/* Timestamps strictly increase, whatever the file says. */
static void repair_time(sc_reader *r, AVFrame *f)
{
    const int64_t pts = f->best_effort_timestamp;
    const bool good = pts != AV_NOPTS_VALUE && (r->last == AV_NOPTS_VALUE || pts > r->last);

    f->pts = good ? pts : r->last == AV_NOPTS_VALUE ? 0 : r->last + r->step;
    if (!good && !r->repaired)
        sc_log(r->log, SC_LOG_WARNING, "reader", "%s: a frame %s after %.3f s: repaired, as all that follow",
               r->o.path, pts == AV_NOPTS_VALUE ? "without a timestamp" : "with a timestamp out of order",
               r->last == AV_NOPTS_VALUE ? 0 : (double)r->last * av_q2d(r->info.time_base));
    r->repaired |= !good;
    r->last = f->pts;
}

/* Takes the decoder one step on: a frame into the filter, or a packet into the decoder. */
static int step(sc_reader *r)
{
    AVFrame *f = r->decoded;
    int ret = avcodec_receive_frame(r->decoder, f);

    if (ret >= 0) {
        repair_time(r, f);
        if (f->pts >= r->keep.begin && (f->decode_error_flags || f->flags & AV_FRAME_FLAG_CORRUPT))
            note_damage(r, "damaged data");
        f->sample_aspect_ratio = av_guess_sample_aspect_ratio(r->format, r->stream, f);
        ret = sc_filter_send(r->filter, f, r->decoder->sw_pix_fmt);
        av_frame_unref(f);
        return ret;
    }
    if (ret == AVERROR_EOF)
        return sc_filter_send(r->filter, NULL, AV_PIX_FMT_NONE);
    if (ret != AVERROR(EAGAIN)) {
        note_damage(r, "damaged data");
        return ret == AVERROR(ENOMEM) ? ret : 0;
    }
    ret = demux(r);
    if (ret < 0 && ret != SC_EOF)
        return ret;
    if (ret >= 0 && !r->packet->buf)
        return 0;
    ret = avcodec_send_packet(r->decoder, ret == SC_EOF ? NULL : r->packet);
    av_packet_unref(r->packet);
    if (ret < 0 && ret != AVERROR(ENOMEM)) {
        note_damage(r, "damaged data");
        ret = 0;
    }
    return ret;
}

/* The next frame of the kept range, on its old timestamp. */
static int next_frame(sc_reader *r, AVFrame **out)
{
    AVFrame *f = av_frame_alloc();
    int ret = f ? 0 : AVERROR(ENOMEM);

    while (ret >= 0) {
        if (is_cancelled(r)) {
            ret = SC_ERR_CANCELLED;
            break;
        }
        if (r->o.frames > 0 && r->delivered == r->o.frames) {
            ret = SC_EOF;
            break;
        }
        ret = sc_filter_recv(r->filter, f);
        if (ret == AVERROR(EAGAIN)) {
            ret = step(r);
        } else if (ret >= 0 && f->pts >= r->keep.end) {
            ret = SC_EOF;
        } else if (ret >= 0 && f->pts >= r->keep.begin) {
            r->delivered++;
            r->kept_end = f->pts + SC_MAX(sc_frame_get_duration(f), 1);
            *out = f;
            return 0;
        } else {
            av_frame_unref(f);
        }
    }
    av_frame_free(&f);
    return ret;
}

/* ---- opening, all of it */

static void drop_frame(void *item)
{
    AVFrame *f = item;
    av_frame_free(&f);
}

static int open_all(sc_reader *r)
{
    int ret;

    if (!(r->format = avformat_alloc_context()))
        return AVERROR(ENOMEM);
    r->format->interrupt_callback = (AVIOInterruptCB){ interrupted, r };
    if ((ret = avformat_open_input(&r->format, sc_is_pipe(r->o.path) ? "pipe:0" : r->o.path, NULL, NULL)) < 0)
        return sc_info_fail(r->o.path, ret, r->log);
    if ((ret = avformat_find_stream_info(r->format, NULL)) < 0)
        return sc_info_fail(r->o.path, ret, r->log);
    SC_TRY(sc_info_choose_stream(r->format, r->o.path, r->log));
    r->info.stream = ret;
    r->stream = r->format->streams[ret];
    for (unsigned i = 0; i < r->format->nb_streams; i++)
        if (r->o.video_only && (int)i != r->info.stream)
            r->format->streams[i]->discard = AVDISCARD_ALL;
    r->info.time_base = r->stream->time_base;
    r->info.frame_rate = sc_info_rate(r->format, r->stream);
    r->step = r->info.frame_rate.num
                  ? SC_MAX(1, av_rescale_q(1, av_inv_q(r->info.frame_rate), r->info.time_base))
                  : 1;
    const sc_filter_options fo = {
        .time_base = r->info.time_base,
        .matrix = (const int32_t *)(const void *)sc_stream_side_data(r->stream, AV_PKT_DATA_DISPLAYMATRIX),
        .picture_only = r->o.picture_only,
        .half = r->o.half,
    };
    SC_TRY(sc_filter_open(&r->filter, &fo, r->log));
    SC_TRY(open_decoder(r));
    SC_TRY(sc_queue_open(&r->queue, QUEUE_FRAMES, drop_frame));
    if (!(r->packet = av_packet_alloc()) || !(r->decoded = av_frame_alloc()))
        return AVERROR(ENOMEM);
    begin(r);
    ret = next_frame(r, &r->first);
    if (ret == SC_EOF && r->last != AV_NOPTS_VALUE)
        ret = sc_fail(r->log, SC_ERR_USAGE, "reader", "%s: no frame lies in the range that was asked for",
                      r->o.path);
    else if (ret == SC_EOF)
        ret = sc_fail(r->log, SC_ERR_NOT_VIDEO, "reader", "%s: no frame of its video can be decoded",
                      r->o.path);
    SC_TRY(ret);
    sc_info_fill(&r->info, r->format, r->first, &r->keep);
    r->info.format = sc_filter_format(r->filter);
    if (r->first->hw_frames_ctx)
        sc_log(r->log, SC_LOG_INFO, "reader", "%s: decoded by %s", r->o.path, r->o.device);
    r->info.rotation = sc_filter_rotation(r->filter);
    r->info.deinterlaced = sc_filter_deinterlaces(r->filter);
    r->streams = (int)r->format->nb_streams;
    if (!(r->begun = calloc((size_t)r->streams, sizeof(*r->begun))))
        ret = AVERROR(ENOMEM);
fail:
    return ret;
}

int sc_reader_open(sc_reader **out, const sc_reader_options *o, const sc_logger *log)
{
    sc_reader *r = calloc(1, sizeof(*r));
    int ret;

    if (!r)
        return AVERROR(ENOMEM);
    r->log = log;
    r->o = *o;
    r->last = AV_NOPTS_VALUE;
    r->held_end = &r->held;
    atomic_init(&r->cancelled, false);
    if ((ret = open_all(r)) < 0)
        sc_reader_close(&r);
    else
        *out = r;
    return ret;
}

int sc_reader_again(sc_reader **out, const sc_reader *of, const sc_logger *log)
{
    sc_reader_options o = of->o;
    int ret;

    o.device = NULL;
    o.video_only = true;
    if ((ret = sc_reader_open(out, &o, log)) >= 0)
        (*out)->with = of;
    return ret;
}

const sc_video_info *sc_reader_info(const sc_reader *r)
{
    return &r->info;
}

const AVFormatContext *sc_reader_format(const sc_reader *r)
{
    return r->format;
}

/* ---- going on in the middle */

/* Decodes anew from where a seek leads. */
static int restart(sc_reader *r, int64_t time)
{
    int ret;

    SC_TRY(seek(r, time));
    avcodec_flush_buffers(r->decoder);
    av_frame_free(&r->first);
    r->last = AV_NOPTS_VALUE;
    r->demuxed = false;
fail:
    return ret;
}

static bool is_place(const sc_reader *r, const sc_place *to)
{
    const uint32_t check = sc_picture_check(r->first);

    return r->first->pts - r->info.offset == to->pts && (!check || !to->check || check == to->check);
}

/* By the index of the file, which a film with repaired timestamps or an index that is wrong does not survive.
 */
static int enter(sc_reader *r, const sc_place *to)
{
    const int64_t begin = r->keep.begin, pts = to->pts + r->info.offset;
    int ret;

    if (restart(r, av_rescale_q(pts, r->info.time_base, AV_TIME_BASE_Q)) < 0)
        return 0;
    r->keep.begin = pts;
    r->delivered = to->frame;
    if ((ret = next_frame(r, &r->first)) >= 0 && is_place(r, to))
        return 0;
    if (ret < 0 && ret != SC_EOF)
        return ret;
    r->keep.begin = begin;
    r->delivered = 0;
    SC_TRY(restart(r, INT64_MIN / 2));
    SC_TRY(next_frame(r, &r->first));
fail:
    return ret;
}

int sc_reader_skip(sc_reader *r, const sc_place *to)
{
    int ret;

    r->skipping = true;
    release_held(r);
    ret = to->frame ? enter(r, to) : 0;
    while (ret >= 0 && r->delivered <= to->frame) {
        av_frame_free(&r->first);
        ret = next_frame(r, &r->first);
    }
    if (ret == SC_ERR_CANCELLED || (ret >= 0 && is_place(r, to)))
        return ret;
    return sc_fail(r->log, SC_ERR_INPUT, "reader", "%s: frame %lld is not the one that it was", r->o.path,
                   (long long)to->frame);
}

/* ---- the thread */

/* The other streams up to a time of the film. SC_EOF if all goes well. */
static int read_on(sc_reader *r, int64_t until)
{
    const bool all = until == INT64_MAX;
    const int64_t end = all ? until : av_rescale_q(until, r->info.time_base, AV_TIME_BASE_Q) + AHEAD;
    int ret = 0;

    while (r->sinks && !r->demuxed && r->seen < end && (ret = demux(r)) >= 0)
        av_packet_unref(r->packet);
    return ret < 0 && ret != SC_EOF ? ret : SC_EOF;
}

int sc_reader_feed(sc_reader *r, struct sc_writer *sink, int64_t until)
{
    int ret;

    r->fed = sink;
    r->sink = &r->fed;
    r->sinks = 1;
    r->passing = true;
    SC_TRY(release_held(r));
    ret = read_on(r, until == INT64_MAX ? until : until + r->info.offset);
fail:
    return ret == SC_EOF ? 0 : ret;
}

static void *read_all(void *arg)
{
    sc_reader *r = arg;
    AVFrame *f = r->first;
    int ret = release_held(r);

    r->first = NULL;
    while (ret >= 0) {
        f->pts -= r->info.offset;
        f->best_effort_timestamp = f->pts;
        if ((ret = sc_queue_send(r->queue, f)) < 0)
            break;
        f = NULL;
        ret = next_frame(r, &f);
    }
    av_frame_free(&f);
    if (ret == SC_EOF && r->info.cut)
        ret = read_on(r, r->kept_end);
    sc_queue_finish(r->queue, ret);
    return NULL;
}

int sc_reader_start(sc_reader *r, sc_writer *const *sink, int sinks)
{
    r->sink = sink;
    r->sinks = sinks;
    r->started = r->passing = true;
    if (pthread_create(&r->thread, NULL, read_all, r)) {
        r->started = false;
        return sc_fail(r->log, AVERROR(EAGAIN), "reader", "cannot start a thread");
    }
    return 0;
}

int sc_reader_next(sc_reader *r, AVFrame **f)
{
    void *item = NULL;
    int ret = is_cancelled(r) ? SC_ERR_CANCELLED : sc_queue_recv(r->queue, &item);

    if (ret >= 0)
        *f = item;
    return ret;
}

int64_t sc_reader_duration(const AVFrame *f)
{
    return sc_frame_get_duration(f);
}

void sc_reader_cancel(sc_reader *r)
{
    atomic_store(&r->cancelled, true);
}

void sc_reader_close(sc_reader **p)
{
    sc_reader *r = *p;

    if (!r)
        return;
    atomic_store(&r->cancelled, true);
    if (r->queue)
        sc_queue_finish(r->queue, SC_ERR_CANCELLED);
    if (r->started)
        pthread_join(r->thread, NULL);
    r->sinks = 0;
    release_held(r);
    sc_filter_close(&r->filter);
    avcodec_free_context(&r->decoder);
    sc_hardware_close(&r->hardware);
    avformat_close_input(&r->format);
    av_packet_free(&r->packet);
    av_frame_free(&r->decoded);
    av_frame_free(&r->first);
    sc_queue_close(&r->queue);
    free(r->begun);
    free(r);
    *p = NULL;
}
