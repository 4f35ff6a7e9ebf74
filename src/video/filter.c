#include "filter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavutil/display.h>
#include <libavutil/pixdesc.h>

#include "compat.h"
#include "hardware.h"
#include "image.h"

struct shape {
    int width, height;
    enum AVPixelFormat format;
};

struct sc_filter {
    const sc_logger *log;
    sc_filter_options o;
    AVFilterGraph *graph; /* NULL: pictures pass through */
    AVFilterContext *src, *sink;
    AVFrame *next; /* sent, not yet in the graph */
    bool ready, flushing, ended;
    bool deinterlace;
    int rotation;
    char turn[64];            /* filters that turn the picture upright, each with a comma behind it */
    struct shape in, out;     /* of the graph; out is what the first picture became */
    enum AVPixelFormat coded; /* of the last picture */
};

int sc_filter_open(sc_filter **out, const sc_filter_options *o, const sc_logger *log)
{
    sc_filter *flt = calloc(1, sizeof(*flt));
    if (!flt)
        return -ENOMEM;
    flt->log = log;
    flt->o = *o;
    if (!(flt->next = av_frame_alloc())) {
        free(flt);
        return -ENOMEM;
    }
    *out = flt;
    return 0;
}

void sc_filter_close(sc_filter **p)
{
    sc_filter *flt = *p;
    if (!flt)
        return;
    avfilter_graph_free(&flt->graph);
    av_frame_free(&flt->next);
    free(flt);
    *p = NULL;
}

int sc_filter_rotation(const sc_filter *flt)
{
    return flt->rotation;
}

bool sc_filter_deinterlaces(const sc_filter *flt)
{
    return flt->deinterlace;
}

enum AVPixelFormat sc_filter_format(const sc_filter *flt)
{
    return flt->out.format;
}

/* The deprecated yuvj formats are their plain siblings with a range. */
static enum AVPixelFormat drop_yuvj(AVFrame *f, enum AVPixelFormat coded)
{
    static const enum AVPixelFormat same[][2] = {
        { AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUV420P }, { AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUV422P },
        { AV_PIX_FMT_YUVJ444P, AV_PIX_FMT_YUV444P }, { AV_PIX_FMT_YUVJ440P, AV_PIX_FMT_YUV440P },
        { AV_PIX_FMT_YUVJ411P, AV_PIX_FMT_YUV411P },
    };
    for (int i = 0; i < SC_COUNT(same); i++)
        if (coded == same[i][0]) {
            f->color_range = AVCOL_RANGE_JPEG;
            return same[i][1];
        }
    return coded;
}

/* As ffmpeg's autorotation does. */
static void plan_turn(sc_filter *flt, const int32_t *m)
{
    const double turn = -av_display_rotation_get(m);
    const int degrees = isnan(turn) ? 0 : ((int)lrint(turn) + 360) % 360;
    const char *filters = "";

    if (degrees == 90)
        filters = m[3] > 0 ? "transpose=cclock_flip," : "transpose=clock,";
    else if (degrees == 270)
        filters = m[3] < 0 ? "transpose=clock_flip," : "transpose=cclock,";
    else if (degrees == 180)
        filters = m[0] < 0 ? m[4] < 0 ? "hflip,vflip," : "hflip," : "vflip,";
    else if (degrees == 0)
        filters = m[4] < 0 ? "vflip," : "";
    else
        sc_log(flt->log, SC_LOG_WARNING, "reader", "a rotation by %d degrees is not applied", degrees);
    if (!*filters)
        return;
    snprintf(flt->turn, sizeof(flt->turn), "%s", filters);
    flt->rotation = degrees;
    sc_log(flt->log, SC_LOG_INFO, "reader", "the picture is turned upright (%.*s)", (int)strlen(filters) - 1,
           filters);
}

static enum AVPixelFormat nearest_format(enum AVPixelFormat format)
{
    static const enum AVPixelFormat planar[] = {
        AV_PIX_FMT_GRAY8,       AV_PIX_FMT_GRAY16LE,    AV_PIX_FMT_YUV420P,     AV_PIX_FMT_YUV422P,
        AV_PIX_FMT_YUV444P,     AV_PIX_FMT_YUV420P10LE, AV_PIX_FMT_YUV422P10LE, AV_PIX_FMT_YUV444P10LE,
        AV_PIX_FMT_YUV420P12LE, AV_PIX_FMT_YUV422P12LE, AV_PIX_FMT_YUV444P12LE, AV_PIX_FMT_YUV420P16LE,
        AV_PIX_FMT_YUV422P16LE, AV_PIX_FMT_YUV444P16LE, AV_PIX_FMT_GBRP,        AV_PIX_FMT_GBRP10LE,
        AV_PIX_FMT_GBRP12LE,    AV_PIX_FMT_GBRP16LE,    AV_PIX_FMT_NONE,
    };
    return sc_pixels_supported(format) ? format : avcodec_find_best_pix_fmt_of_list(planar, format, 0, NULL);
}

static int describe(const sc_filter *flt, char *text, size_t size)
{
    const bool turned = strncmp(flt->turn, "transpose", 9) == 0;
    const int w = (turned ? flt->in.height : flt->in.width) / (flt->o.half ? 2 : 1);
    const int h = turned ? flt->in.width : flt->in.height;
    static const char *const halves[] = { "", "crop=iw/2:ih:0:0:exact=1,", "crop=iw/2:ih:iw/2:0:exact=1," };
    char scale[96] = "", format[64] = "";

    if (w != flt->out.width || h != flt->out.height)
        snprintf(scale, sizeof(scale), "scale=%d:%d:flags=bicubic+accurate_rnd+full_chroma_int,",
                 flt->out.width, flt->out.height);
    if (flt->in.format != flt->out.format || *scale)
        snprintf(format, sizeof(format), "format=%s,", av_get_pix_fmt_name(flt->out.format));
    const int n = snprintf(text, size, "%s%s%s%s%s",
                           flt->deinterlace ? "bwdif=mode=send_frame:parity=auto:deint=interlaced," : "",
                           flt->turn, halves[flt->o.half], scale, format);
    if (n > 0)
        text[n - 1] = 0; /* the last comma */
    return n;
}

static int build(sc_filter *flt, const AVFrame *f)
{
    AVFilterInOut *outputs = avfilter_inout_alloc(), *inputs = avfilter_inout_alloc();
    AVBufferSrcParameters *par = av_buffersrc_parameters_alloc();
    char text[512];
    int ret = AVERROR(ENOMEM);

    avfilter_graph_free(&flt->graph);
    if (describe(flt, text, sizeof(text)) <= 0) {
        ret = 0;
        goto fail;
    }
    if (!outputs || !inputs || !par || !(flt->graph = avfilter_graph_alloc()))
        goto fail;
    /* One filter at a time runs: the networks need the cores more, and results cannot depend on slices. */
    flt->graph->nb_threads = 1;
    flt->src = avfilter_graph_alloc_filter(flt->graph, avfilter_get_by_name("buffer"), "in");
    if (!flt->src)
        goto fail;
    par->format = f->format;
    par->width = f->width;
    par->height = f->height;
    par->time_base = flt->o.time_base;
    par->sample_aspect_ratio = f->sample_aspect_ratio;
    sc_buffersrc_colour(par, f);
    SC_TRY(av_buffersrc_parameters_set(flt->src, par));
    SC_TRY(avfilter_init_str(flt->src, NULL));
    SC_TRY(avfilter_graph_create_filter(&flt->sink, avfilter_get_by_name("buffersink"), "out", NULL, NULL,
                                        flt->graph));
    outputs->name = av_strdup("in");
    outputs->filter_ctx = flt->src;
    inputs->name = av_strdup("out");
    inputs->filter_ctx = flt->sink;
    ret = AVERROR(ENOMEM);
    if (!outputs->name || !inputs->name)
        goto fail;
    SC_TRY(avfilter_graph_parse_ptr(flt->graph, text, &inputs, &outputs, NULL));
    SC_TRY(avfilter_graph_config(flt->graph, NULL));
    sc_log(flt->log, SC_LOG_DEBUG, "reader", "filters: %s", text);
    ret = 0;
fail:
    if (ret < 0)
        sc_fail(flt->log, ret, "reader", "cannot set up the filters \"%s\": %s", text, av_err2str(ret));
    av_free(par);
    avfilter_inout_free(&outputs);
    avfilter_inout_free(&inputs);
    return ret;
}

/* What must be done to pictures like this one, for the first and after each change. */
static int plan(sc_filter *flt, AVFrame *f)
{
    const AVFrameSideData *sd = av_frame_get_side_data(f, AV_FRAME_DATA_DISPLAYMATRIX);
    const int32_t *matrix = sd ? (const int32_t *)sd->data : flt->o.matrix;
    const bool interlaced = sc_frame_is_interlaced(f) && !flt->o.picture_only;

    flt->in = (struct shape){ f->width, f->height, f->format };
    if (interlaced && !flt->deinterlace)
        sc_log(flt->log, SC_LOG_INFO, "reader", "the film is interlaced: deinterlacing with bwdif");
    flt->deinterlace |= interlaced;
    if (!flt->ready) {
        if (matrix && !flt->o.picture_only)
            plan_turn(flt, matrix);
        const bool turned = strncmp(flt->turn, "transpose", 9) == 0;
        flt->out = (struct shape){ (turned ? f->height : f->width) / (flt->o.half ? 2 : 1),
                                   turned ? f->width : f->height, nearest_format(flt->coded) };
        if (flt->out.format != flt->coded)
            sc_log(flt->log, SC_LOG_INFO, "reader", "pixel format %s is converted to %s",
                   av_get_pix_fmt_name(flt->coded), av_get_pix_fmt_name(flt->out.format));
    }
    flt->ready = true;
    return build(flt, f);
}

static bool changed(const sc_filter *flt, const AVFrame *f)
{
    return !flt->ready || f->width != flt->in.width || f->height != flt->in.height ||
           f->format != (int)flt->in.format ||
           (sc_frame_is_interlaced(f) && !flt->deinterlace && !flt->o.picture_only);
}

/* Whether a picture can stay on its device. */
static bool passes(const sc_filter *flt, const AVFrame *f)
{
    const bool turns =
        !flt->ready && (flt->o.matrix || av_frame_get_side_data(f, AV_FRAME_DATA_DISPLAYMATRIX));

    return !flt->graph && !flt->o.half && !f->crop_left && !f->crop_top && sc_pixels_supported(flt->coded) &&
           (flt->o.picture_only || (!turns && !sc_frame_is_interlaced(f))) &&
           (!flt->ready ||
            (f->width == flt->in.width && f->height == flt->in.height && flt->coded == flt->in.format));
}

int sc_filter_send(sc_filter *flt, AVFrame *f, enum AVPixelFormat coded)
{
    int ret;

    if (!f) {
        flt->ended = true;
        flt->flushing = flt->graph != NULL;
        return flt->graph ? av_buffersrc_add_frame(flt->src, NULL) : 0;
    }
    flt->coded = drop_yuvj(f, f->hw_frames_ctx ? coded : f->format);
    if (f->hw_frames_ctx && passes(flt, f)) {
        flt->in = flt->out = (struct shape){ f->width, f->height, flt->coded };
        flt->ready = true;
        av_frame_move_ref(flt->next, f);
        return 0;
    }
    if (!f->hw_frames_ctx)
        f->format = flt->coded;
    else if ((ret = sc_hardware_to_host(f)) < 0)
        return ret;
    if (changed(flt, f)) {
        if (flt->ready &&
            (f->width != flt->in.width || f->height != flt->in.height || f->format != (int)flt->in.format))
            sc_log(flt->log, SC_LOG_WARNING, "reader",
                   "the picture changes to %dx%d %s: converted back to %dx%d %s", f->width, f->height,
                   av_get_pix_fmt_name(f->format), flt->out.width, flt->out.height,
                   av_get_pix_fmt_name(flt->out.format));
        av_frame_move_ref(flt->next, f);
        if (flt->graph) { /* pictures that it still holds come first */
            flt->flushing = true;
            return av_buffersrc_add_frame(flt->src, NULL);
        }
        return plan(flt, flt->next);
    }
    if (flt->graph)
        return av_buffersrc_add_frame(flt->src, f);
    av_frame_move_ref(flt->next, f);
    return 0;
}

int sc_filter_recv(sc_filter *flt, AVFrame *f)
{
    int ret = AVERROR(EAGAIN);

    if (flt->graph && (flt->flushing || !flt->next->buf[0])) {
        ret = av_buffersink_get_frame(flt->sink, f);
        if (ret == AVERROR_EOF) {
            flt->flushing = false;
            if (flt->ended || !flt->next->buf[0])
                return SC_EOF;
            SC_TRY(plan(flt, flt->next));
            ret = AVERROR(EAGAIN);
        } else if (ret >= 0 && f->pts != AV_NOPTS_VALUE) {
            f->pts = av_rescale_q(f->pts, av_buffersink_get_time_base(flt->sink), flt->o.time_base);
        }
    }
    if (ret == AVERROR(EAGAIN) && flt->next->buf[0]) {
        if (!flt->graph) {
            av_frame_move_ref(f, flt->next);
            ret = 0;
        } else {
            SC_TRY(av_buffersrc_add_frame(flt->src, flt->next));
            return sc_filter_recv(flt, f);
        }
    }
    if (ret == AVERROR(EAGAIN) && flt->ended)
        return SC_EOF;
    if (ret >= 0)
        av_frame_remove_side_data(f, AV_FRAME_DATA_DISPLAYMATRIX);
fail:
    return ret;
}
