#include "encoder.h"

#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>

#include "compat.h"
#include "image.h"
#include "../layouts.h"

/* What an encoder makes depends on its threads: those of a segment must not depend on the machine. As many as
 * x264 takes itself on five cores. */
enum { SEGMENT_THREADS = 8 };

/* What x264 does with AVX-512 for rows of macroblocks that are no multiple of eight depends on memory that
 * nobody has written (mbtree_propagate_list, seen in 164.3095). cpu-independent leaves that kernel out, and
 * makes the same of a film on every machine; 3 % of its time. */
#define SAME_EVERYWHERE "preset=medium:x264-params=cpu-independent=1"

/* Visually lossless at a speed that two cores live with. */
static const struct quality {
    const char *encoder, *crf, *options;
    int qscale;
} qualities[] = {
    { .encoder = "libx264", .crf = "18", .options = SAME_EVERYWHERE },
    { .encoder = "libx264rgb", .crf = "18", .options = SAME_EVERYWHERE },
    { .encoder = "libx265", .crf = "20", .options = "preset=medium:x265-params=log-level=none" },
    { .encoder = "libvpx-vp9", .crf = "24", .options = "b=0:deadline=good:cpu-used=4:row-mt=1" },
    { .encoder = "libvpx", .crf = "8", .options = "b=20000000:deadline=good:cpu-used=4" },
    { .encoder = "libaom-av1", .crf = "24", .options = "b=0:cpu-used=6:row-mt=1" },
    { .encoder = "libsvtav1", .crf = "24", .options = "preset=8" },
    { .encoder = "h264_nvenc", .crf = "19", .options = "preset=p5:rc=vbr:b=0" },
    { .encoder = "hevc_nvenc", .crf = "21", .options = "preset=p5:rc=vbr:b=0" },
    { .encoder = "av1_nvenc", .crf = "24", .options = "preset=p5:rc=vbr:b=0" },
    { .encoder = "ffv1", .options = "level=3:slicecrc=1:g=1" },
    { .encoder = "mpeg4", .qscale = 2 },
    { .encoder = "mpeg2video", .qscale = 2 },
    { .encoder = "mjpeg", .qscale = 2 },
};

void sc_writer_eyes(int layout, enum AVPixelFormat format, int *width, int *height, int *eye_w, int *eye_h)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);
    const int x = sc_grids[layout].columns, y = sc_grids[layout].rows;

    *eye_w = FFALIGN(*width / x, 1 << d->log2_chroma_w);
    *eye_h = FFALIGN(*height / y, 1 << d->log2_chroma_h);
    *width = *eye_w * x;
    *height = *eye_h * y;
}

/* ---- pixel format */

static bool fits(enum AVPixelFormat format, const sc_writer_options *o)
{
    int w = o->width, h = o->height, eye_w, eye_h;

    sc_writer_eyes(o->layout, format, &w, &h, &eye_w, &eye_h);
    return w == o->width && h == o->height &&
           !(sc_grids[o->layout].rows_differ && av_pix_fmt_desc_get(format)->log2_chroma_h);
}

/* How much worse than the source's format; the weights only order the kinds of loss. Negative: out of the
 * question. */
static int loss(enum AVPixelFormat format, const sc_writer_options *o)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format), *s = av_pix_fmt_desc_get(o->video->format);
    const bool coloured = sc_grids[o->layout].coloured;
    const bool grey = d->nb_components < 3, from_grey = s->nb_components < 3 && !coloured;
    const bool rgb = d->flags & AV_PIX_FMT_FLAG_RGB, from_rgb = s->flags & AV_PIX_FMT_FLAG_RGB;
    const int bits = d->comp[0].depth - s->comp[0].depth;
    const int cw = d->log2_chroma_w - s->log2_chroma_w, ch = d->log2_chroma_h - s->log2_chroma_h;
    int sum = bits < 0 ? -1000 * bits : 2 * bits;

    if (!sc_pixels_supported(format) || d->flags & AV_PIX_FMT_FLAG_ALPHA || (grey && !from_grey))
        return -1;
    if (from_grey && !grey)
        sum += 20 - d->log2_chroma_w - d->log2_chroma_h; /* no colour to lose: what players know best */
    else if (!from_grey)
        sum += cw > 0 || ch > 0 ? 300 * (SC_MAX(cw, 0) + SC_MAX(ch, 0)) : -10 * (cw + ch);
    if (rgb != from_rgb)
        sum += rgb ? 5000 : 100;
    if (!sc_pixels_same(format, o->video->format))
        sum += d->flags & AV_PIX_FMT_FLAG_PLANAR && av_pix_fmt_count_planes(format) != 2 ? 1 : 3;
    return sum;
}

static enum AVPixelFormat best_format(const enum AVPixelFormat *list, const sc_writer_options *o,
                                      bool must_fit)
{
    enum AVPixelFormat best = AV_PIX_FMT_NONE;
    int least = -1;

    for (; *list != AV_PIX_FMT_NONE; list++) {
        const int n = loss(*list, o);
        if (n >= 0 && (least < 0 || n < least) && (!must_fit || fits(*list, o))) {
            least = n;
            best = *list;
        }
    }
    return best;
}

static int choose_format(sc_encoder_plan *p, const sc_writer_options *o, const sc_logger *log)
{
    /* Of encoders that take all, as raw video does: what YUV4MPEG can name. */
    static const enum AVPixelFormat usual[] = {
        AV_PIX_FMT_YUV420P,   AV_PIX_FMT_YUV422P,   AV_PIX_FMT_YUV444P,   AV_PIX_FMT_YUV420P10,
        AV_PIX_FMT_YUV422P10, AV_PIX_FMT_YUV444P10, AV_PIX_FMT_YUV420P12, AV_PIX_FMT_YUV422P12,
        AV_PIX_FMT_YUV444P12, AV_PIX_FMT_GRAY8,     AV_PIX_FMT_NONE,
    };
    /* It names those of its kin too, but no card makes H.264 of more than 8 bits. */
    static const enum AVPixelFormat h264_nvenc[] = { AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV444P,
                                                     AV_PIX_FMT_NONE };
    const enum AVPixelFormat *list = sc_codec_formats(p->codec);

    if (!strcmp(p->codec->name, "h264_nvenc"))
        list = h264_nvenc;
    list = list ? list : usual;
    if (o->pix_fmt) {
        const enum AVPixelFormat forced = av_get_pix_fmt(o->pix_fmt);
        const enum AVPixelFormat *f = list;
        while (*f != AV_PIX_FMT_NONE && *f != forced)
            f++;
        if (forced == AV_PIX_FMT_NONE || *f == AV_PIX_FMT_NONE || !sc_pixels_supported(forced))
            return sc_fail(log, SC_ERR_USAGE, "writer", "-pix_fmt: the encoder %s does not take \"%s\"",
                           p->codec->name, o->pix_fmt);
        p->format = forced;
        return 0;
    }
    p->format = best_format(list, o, true);
    if (p->format == AV_PIX_FMT_NONE)
        p->format = best_format(list, o, false);
    if (p->format == AV_PIX_FMT_NONE)
        return sc_fail(log, SC_ERR_USAGE, "writer",
                       "-c:v: the encoder %s takes no pixel format that can be made", p->codec->name);
    return 0;
}

void sc_encoder_notices(const sc_encoder_plan *p, const sc_writer_options *o, const sc_logger *log)
{
    const AVPixFmtDescriptor *s = av_pix_fmt_desc_get(o->video->format);

    if (p->width != o->width || p->height != o->height)
        sc_log(log, SC_LOG_WARNING, "writer", "%s cannot carry %dx%d: padded to %dx%d",
               av_get_pix_fmt_name(p->format), o->width, o->height, p->width, p->height);
    else if (p->format != o->video->format && !o->pix_fmt)
        sc_log(log, SC_LOG_INFO, "writer", "%s is encoded as %s by %s%s", s->name,
               av_get_pix_fmt_name(p->format), p->codec->name,
               fits(o->video->format, o)         ? ""
               : sc_grids[o->layout].rows_differ ? ", in which rows share no colour"
                                                 : ", which keeps the odd size exact");
    if (s->flags & AV_PIX_FMT_FLAG_ALPHA && o->from)
        sc_log(log, SC_LOG_WARNING, "writer", "the source's transparency is dropped");
    if (av_cmp_q(p->time_base, sc_writer_time_base(o)))
        sc_log(log, SC_LOG_WARNING, "writer",
               "timestamps are rounded to %d/%d s, which container and codec can carry", p->time_base.num,
               p->time_base.den);
}

/* ---- encoder */

static const AVCodec *find_encoder(const char *name)
{
    const AVCodec *codec = avcodec_find_encoder_by_name(name);

    if (!codec) {
        const AVCodecDescriptor *d = avcodec_descriptor_get_by_name(name);
        codec = d ? avcodec_find_encoder(d->id) : NULL;
    }
    return codec && codec->type == AVMEDIA_TYPE_VIDEO ? codec : NULL;
}

static int choose_codec(sc_encoder_plan *p, const AVOutputFormat *of, const sc_writer_options *o,
                        const sc_logger *log)
{
    if (o->codec_video) {
        if (!strcmp(o->codec_video, "copy"))
            return sc_fail(log, SC_ERR_USAGE, "writer",
                           "-c:v: \"copy\" is not possible, the picture is made anew; name an encoder");
        if (!(p->codec = find_encoder(o->codec_video)))
            return sc_fail(log, SC_ERR_USAGE, "writer", "-c:v: there is no video encoder \"%s\"",
                           o->codec_video);
        /* YUV4MPEG's muxer takes bare frames alone, and is not asked. */
        if (!avformat_query_codec(of, p->codec->id, FF_COMPLIANCE_UNOFFICIAL) ||
            (of->video_codec == AV_CODEC_ID_WRAPPED_AVFRAME && p->codec->id != of->video_codec))
            return sc_fail(log, SC_ERR_USAGE, "writer", "-c:v: the container %s cannot hold %s", of->name,
                           p->codec->name);
        return 0;
    }
    /* MPEG-TS does not say what it holds. */
    const int enough = strcmp(of->name, "mpegts") ? 1 : AVERROR_PATCHWELCOME;
    static const char *const preferred[] = { "libx264", "libvpx-vp9" };
    for (int i = 0; i < SC_COUNT(preferred) && !p->codec; i++) {
        p->codec = avcodec_find_encoder_by_name(preferred[i]);
        if (p->codec && avformat_query_codec(of, p->codec->id, FF_COMPLIANCE_NORMAL) != enough)
            p->codec = NULL;
    }
    if (!p->codec) /* of images the name tells */
        p->codec = avcodec_find_encoder(av_guess_codec(of, NULL, o->path, NULL, AVMEDIA_TYPE_VIDEO));
    if (!p->codec)
        return sc_fail(log, SC_ERR_USAGE, "writer",
                       "%s: a %s file cannot hold video that can be encoded here", o->path, of->name);
    return 0;
}

AVRational sc_writer_time_base(const sc_writer_options *o)
{
    return av_mul_q(o->video->time_base, (AVRational){ 1, sc_grids[o->layout].frames });
}

AVRational sc_writer_rate(const sc_writer_options *o)
{
    const AVRational rate = o->video->frame_rate.num ? o->video->frame_rate : (AVRational){ 30, 1 };

    return av_mul_q(rate, (AVRational){ sc_grids[o->layout].frames, 1 });
}

/* MPEG-4 part 2 stores clock ticks in 16 bits, MPEG-1 and 2 know a list of frame rates, AVI and its age one
 * rate. */
static AVRational choose_time_base(const sc_encoder_plan *p, const AVOutputFormat *of,
                                   const sc_writer_options *o)
{
    const AVRational rate = sc_writer_rate(o), exact = sc_writer_time_base(o);
    const AVRational *rates = sc_codec_rates(p->codec);

    if (rates)
        return av_inv_q(rates[av_find_nearest_q_idx(rate, rates)]);
    if (av_match_name(of->name, "avi,mxf,mxf_opatom,gxf,dv,swf") ||
        (p->codec->id == AV_CODEC_ID_MPEG4 && exact.den > UINT16_MAX))
        return av_inv_q(rate);
    return exact;
}

int sc_encoder_choose(sc_encoder_plan *out, const AVOutputFormat *of, const sc_writer_options *o,
                      const sc_logger *log)
{
    sc_encoder_plan p = { .width = o->width, .height = o->height };
    int ret, eye_w, eye_h;

    SC_TRY(choose_codec(&p, of, o, log));
    SC_TRY(choose_format(&p, o, log));
    p.time_base = choose_time_base(&p, of, o);
    sc_writer_eyes(o->layout, p.format, &p.width, &p.height, &eye_w, &eye_h);
    *out = p;
    return 0;
fail:
    return ret;
}

static bool has_option(const AVCodec *codec, const char *name)
{
    return codec->priv_class &&
           av_opt_find((void *)&codec->priv_class, name, NULL, 0, AV_OPT_SEARCH_FAKE_OBJ);
}

/* x264's and x265's, who print a line of their own about a wrong one, and what NVENC calls the like. */
static const char *const presets[][2] = {
    { "ultrafast", "p1" }, { "superfast", "p1" }, { "veryfast", "p2" }, { "faster", "p3" },
    { "fast", "p3" },      { "medium", "p4" },    { "slow", "p5" },     { "slower", "p6" },
    { "veryslow", "p7" },  { "placebo", "p7" },
};

static int find_preset(const char *name)
{
    int i = 0;

    while (i < SC_COUNT(presets) && strcmp(presets[i][0], name))
        i++;
    return i < SC_COUNT(presets) ? i : -1;
}

static bool is_nvenc(const AVCodec *codec)
{
    const char *end = strstr(codec->name, "_nvenc");

    return end && !strcmp(end, "_nvenc");
}

/* What the encoder calls the quality that -crf gives, or NULL. */
static const char *crf_option(const AVCodec *codec)
{
    if (is_nvenc(codec))
        return "cq";
    return has_option(codec, "crf") ? "crf" : NULL;
}

static int set_quality(AVCodecContext *enc, AVDictionary **d, const sc_writer_options *o,
                       const sc_logger *log)
{
    const AVCodec *codec = enc->codec;
    const char *crf = crf_option(codec), *preset = o->preset;
    int ret;

    for (int i = 0; i < SC_COUNT(qualities); i++) {
        const struct quality *q = &qualities[i];
        if (strcmp(q->encoder, codec->name))
            continue;
        if (q->options)
            SC_TRY(av_dict_parse_string(d, q->options, "=", ":", 0));
        if (q->crf)
            SC_TRY(av_dict_set(d, crf, q->crf, 0));
        if (q->qscale) {
            enc->flags |= AV_CODEC_FLAG_QSCALE;
            enc->global_quality = q->qscale * FF_QP2LAMBDA;
        }
    }
    if (o->crf >= 0) {
        char text[32];
        if (!crf)
            return sc_fail(log, SC_ERR_USAGE, "writer", "-crf: the encoder %s has no such setting",
                           codec->name);
        snprintf(text, sizeof(text), "%g", o->crf);
        SC_TRY(av_dict_set(d, crf, text, 0));
    }
    if (preset) {
        const int known = find_preset(preset);

        if (!has_option(codec, "preset"))
            return sc_fail(log, SC_ERR_USAGE, "writer", "-preset: the encoder %s has no such setting",
                           codec->name);
        if (!strncmp(codec->name, "libx26", 6) && known < 0)
            return sc_fail(log, SC_ERR_USAGE, "writer", "-preset: \"%s\" is none of ultrafast ... placebo",
                           preset);
        if (is_nvenc(codec) && known >= 0)
            preset = presets[known][1];
        SC_TRY(av_dict_set(d, "preset", preset, 0));
    }
    return 0;
fail:
    return ret;
}

/* HDR10 levels, from where encoders of FFmpeg 7 and later look for them. */
static int set_hdr(AVCodecContext *enc, const sc_video_info *v)
{
    AVFrame *f = av_frame_alloc();
    AVMasteringDisplayMetadata *m =
        f && v->has_mastering ? av_mastering_display_metadata_create_side_data(f) : NULL;
    AVContentLightMetadata *l = f && v->has_light ? av_content_light_metadata_create_side_data(f) : NULL;
    int ret = f ? 0 : AVERROR(ENOMEM);

    if (m)
        *m = v->mastering;
    if (l)
        *l = v->light;
    if (f)
        ret = sc_encoder_side_data(enc, f);
    av_frame_free(&f);
    return ret;
}

int sc_encoder_open(AVCodecContext **out, const sc_encoder_plan *p, const AVOutputFormat *of,
                    const sc_writer_options *o, const sc_logger *log)
{
    const sc_video_info *v = o->video;
    AVCodecContext *enc = avcodec_alloc_context3(p->codec);
    AVDictionary *d = NULL;
    int ret;

    if (!enc)
        return AVERROR(ENOMEM);
    enc->width = p->width;
    enc->height = p->height;
    enc->pix_fmt = p->format;
    enc->sample_aspect_ratio = o->sar;
    enc->time_base = p->time_base;
    enc->framerate = sc_writer_rate(o);
    sc_pixels_tags(v, p->format, &enc->colorspace, &enc->color_range);
    enc->color_primaries = v->primaries;
    enc->color_trc = v->transfer;
    enc->chroma_sample_location = v->siting;
    enc->strict_std_compliance = FF_COMPLIANCE_UNOFFICIAL;
    enc->thread_count = o->threads || !o->key ? o->threads : SEGMENT_THREADS;
    if (of->flags & AVFMT_GLOBALHEADER)
        enc->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    SC_TRY(set_hdr(enc, v));
    SC_TRY(set_quality(enc, &d, o, log));
    ret = avcodec_open2(enc, p->codec, &d);
    if (ret < 0 && is_nvenc(p->codec))
        ret = sc_fail(log, SC_ERR_DEVICE, "writer",
                      "%s cannot be opened for %dx%d %s: no GPU here has an encoder for it, or its driver is "
                      "missing or too old; -c:v libx264 needs none",
                      p->codec->name, p->width, p->height, av_get_pix_fmt_name(p->format));
    else if (ret < 0)
        ret = sc_fail(log,
                      o->codec_video || o->preset || o->crf >= 0 || o->pix_fmt ? SC_ERR_USAGE : SC_ERR_OUTPUT,
                      "writer", "the encoder %s refuses %dx%d %s%s%s: %s", p->codec->name, p->width,
                      p->height, av_get_pix_fmt_name(p->format), o->preset ? ", preset " : "",
                      o->preset ? o->preset : "", av_err2str(ret));
fail:
    av_dict_free(&d);
    if (ret < 0)
        avcodec_free_context(&enc);
    else
        *out = enc;
    return ret;
}
