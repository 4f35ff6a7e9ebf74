#include "track.h"

#include <stdlib.h>

#include <libavutil/mathematics.h>
#include <libavutil/pixdesc.h>

#include "compat.h"
#include "tags.h"
#include "../layouts.h"

enum { RING = 1024 }; /* frames that an encoder may hold back; x264 and x265 hold 250 at most, and threads */

struct sc_track {
    const sc_logger *log;
    const sc_writer_options *o;
    AVCodecContext *enc;
    AVPacket *packet;
    sc_packet_sink sink;
    void *opaque;
    AVRational time_base;     /* of the film's timestamps, exactly */
    int64_t frames, last_pts; /* of the encoder, in its time base */
    struct {
        int64_t pts, duration;
    } ring[RING]; /* durations of frames that are in the encoder: few encoders hand them through */
};

int sc_track_open(sc_track **out, const sc_encoder_plan *plan, const AVOutputFormat *of,
                  const sc_writer_options *o, sc_packet_sink sink, void *opaque, const sc_logger *log)
{
    sc_track *c = calloc(1, sizeof(*c));
    int ret;

    if (!c)
        return AVERROR(ENOMEM);
    c->log = log;
    c->o = o;
    c->sink = sink;
    c->opaque = opaque;
    c->time_base = sc_writer_time_base(o);
    ret = (c->packet = av_packet_alloc()) ? 0 : AVERROR(ENOMEM);
    SC_TRY(ret);
    SC_TRY(sc_encoder_open(&c->enc, plan, of, o, log));
    *out = c;
    return 0;
fail:
    sc_track_close(&c);
    return ret;
}

const AVCodecContext *sc_track_context(const sc_track *c)
{
    return c->enc;
}

/* Sends a frame, or NULL at the end, and hands on what the encoder gives. */
static int encode(sc_track *c, AVFrame *f)
{
    int ret = avcodec_send_frame(c->enc, f);

    while (ret >= 0) {
        AVPacket *p = c->packet;
        ret = avcodec_receive_packet(c->enc, p);
        if (ret == AVERROR(EAGAIN) || ret == AVERROR_EOF)
            return 0;
        if (ret < 0)
            break;
        for (int i = 0; i < RING; i++)
            if (c->ring[i].duration > 0 && c->ring[i].pts == p->pts)
                p->duration = c->ring[i].duration;
        ret = c->sink(c->opaque, p);
        av_packet_unref(p);
        if (ret < 0)
            return ret;
    }
    return sc_fail(c->log, SC_ERR_OUTPUT, "writer", "the encoder %s failed: %s", c->enc->codec->name,
                   av_err2str(ret));
}

/* One frame of the encoder's, in c->time_base. */
static int send_picture(sc_track *c, AVFrame *f, int64_t pts, int64_t duration)
{
    const int64_t slot = c->frames % RING;

    f->pts = av_rescale_q(pts, c->time_base, c->enc->time_base);
    if (c->frames) /* rounding to a coarser clock must not make two of one */
        f->pts = SC_MAX(f->pts, c->last_pts + 1);
    c->last_pts = f->pts;
    c->ring[slot].pts = f->pts;
    c->ring[slot].duration = av_rescale_q(duration, c->time_base, c->enc->time_base);
    c->frames++;
    return encode(c, f);
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

int sc_track_send(sc_track *c, AVFrame *f)
{
    const int parts = sc_grids[c->o->layout].frames;
    int64_t pts, known, step;
    int ret;

    if (!f)
        return c->frames ? encode(c, NULL) : 0;
    pts = f->pts;
    known = sc_frame_get_duration(f);
    /* In this clock a frame's duration, cut into so many parts, is the number that it is in the source's. */
    step = parts > 1 && known <= 0
               ? av_rescale_q(parts, av_inv_q(sc_writer_rate(c->o)), c->o->video->time_base)
               : known;
    sc_frame_forget_coding(f);
    f->sample_aspect_ratio = c->enc->sample_aspect_ratio;
    f->colorspace = c->enc->colorspace;
    f->color_range = c->enc->color_range;
    SC_TRY(sc_tags_frame(f, c->o));
    for (int i = 0; i < parts; i++) {
        AVFrame *part = part_of(f, i, c->enc->height);
        ret = part ? send_picture(c, part, pts * parts + i * step, step) : AVERROR(ENOMEM);
        av_frame_free(&part);
        SC_TRY(ret);
    }
    return 0;
fail:
    return ret;
}

void sc_track_close(sc_track **p)
{
    sc_track *c = *p;

    if (!c)
        return;
    avcodec_free_context(&c->enc);
    av_packet_free(&c->packet);
    free(c);
    *p = NULL;
}
