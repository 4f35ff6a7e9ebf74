#include "movie.h"

#include <math.h>
#include <stdio.h>

#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavformat/avformat.h>

#include "../../src/base.h"

static int fail(int code, const char *what, const char *name)
{
    char text[AV_ERROR_MAX_STRING_SIZE];
    av_strerror(code, text, sizeof(text));
    fprintf(stderr, "movie: %s: %s: %s\n", name, what, text);
    return code;
}

typedef struct graph { /* one input, one output */
    AVFilterGraph *graph;
    AVFilterContext *in, *out;
} graph;

static int graph_open(graph *g, const AVFrame *f, AVRational time_base, const char *filter)
{
    int ret = AVERROR(ENOMEM);
    AVFilterInOut *from = avfilter_inout_alloc(), *to = avfilter_inout_alloc();
    AVBufferSrcParameters *par = av_buffersrc_parameters_alloc();
    g->graph = avfilter_graph_alloc();
    if (!from || !to || !par || !g->graph)
        goto fail;
    g->in = avfilter_graph_alloc_filter(g->graph, avfilter_get_by_name("buffer"), "in");
    SC_TRY(g->in ? 0 : AVERROR(ENOMEM));
    par->format = f->format;
    par->width = f->width;
    par->height = f->height;
    par->time_base = time_base;
    par->sample_aspect_ratio = f->sample_aspect_ratio;
    SC_TRY(av_buffersrc_parameters_set(g->in, par));
    SC_TRY(avfilter_init_str(g->in, NULL));
    SC_TRY(avfilter_graph_create_filter(&g->out, avfilter_get_by_name("buffersink"), "out", NULL, NULL,
                                        g->graph));
    *from = (AVFilterInOut){ .name = av_strdup("in"), .filter_ctx = g->in };
    *to = (AVFilterInOut){ .name = av_strdup("out"), .filter_ctx = g->out };
    SC_TRY(avfilter_graph_parse_ptr(g->graph, filter ? filter : "null", &to, &from, NULL));
    SC_TRY(avfilter_graph_config(g->graph, NULL));
fail:
    avfilter_inout_free(&from);
    avfilter_inout_free(&to);
    av_free(par);
    return ret < 0 ? fail(ret, "cannot build the filter", filter ? filter : "null") : 0;
}

AVFrame *sc_movie_frame(int width, int height, int format)
{
    AVFrame *f = av_frame_alloc();
    if (!f)
        return NULL;
    f->width = width;
    f->height = height;
    f->format = format;
    if (av_frame_get_buffer(f, 0) < 0)
        av_frame_free(&f);
    return f;
}

struct sc_movie_out {
    sc_movie_options set;
    graph graph;
    AVFormatContext *file;
    AVCodecContext *video, *audio;
    int64_t pictures, samples;
    int err; /* the first */
};

int sc_movie_create(sc_movie_out **o, const sc_movie_options *options)
{
    sc_movie_out *c = av_mallocz(sizeof(*c));
    if (!c)
        return AVERROR(ENOMEM);
    c->set = *options;
    const int ret = avformat_alloc_output_context2(&c->file, NULL, NULL, options->path);
    if (ret < 0) {
        av_free(c);
        return fail(ret, "cannot create", options->path);
    }
    *o = c;
    return 0;
}

static int add_stream(sc_movie_out *c, AVCodecContext *e)
{
    int ret = 0;
    if (c->file->oformat->flags & AVFMT_GLOBALHEADER)
        e->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    AVStream *s = avformat_new_stream(c->file, NULL);
    SC_TRY(s ? 0 : AVERROR(ENOMEM));
    SC_TRY(avcodec_open2(e, e->codec, NULL));
    SC_TRY(avcodec_parameters_from_context(s->codecpar, e));
    s->time_base = e->time_base;
    s->avg_frame_rate = e->framerate;
fail:
    return ret;
}

/* Channel layouts have been described in two ways since FFmpeg 5.1; a format name and rate work with both. */
static int open_tone(sc_movie_out *c)
{
    int ret = 0;
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_AAC);
    SC_TRY(codec ? 0 : AVERROR_ENCODER_NOT_FOUND);
    c->audio = avcodec_alloc_context3(codec);
    SC_TRY(c->audio ? 0 : AVERROR(ENOMEM));
    c->audio->sample_fmt = AV_SAMPLE_FMT_FLTP;
    c->audio->sample_rate = 48000;
    c->audio->time_base = (AVRational){ 1, 48000 };
    c->audio->bit_rate = 64000;
    av_channel_layout_default(&c->audio->ch_layout, 1);
    SC_TRY(add_stream(c, c->audio));
fail:
    return ret;
}

/* The encoder is opened with the first filtered picture: only it knows the format, range and matrix. */
static int open_file(sc_movie_out *c, const AVFrame *f)
{
    int ret = 0;
    AVDictionary *options = NULL;
    const AVCodec *codec = avcodec_find_encoder_by_name(c->set.codec);
    SC_TRY(codec ? 0 : AVERROR_ENCODER_NOT_FOUND);
    c->video = avcodec_alloc_context3(codec);
    SC_TRY(c->video ? 0 : AVERROR(ENOMEM));
    c->video->width = f->width;
    c->video->height = f->height;
    c->video->pix_fmt = (enum AVPixelFormat)f->format;
    c->video->color_range = f->color_range;
    c->video->colorspace = f->colorspace;
    c->video->sample_aspect_ratio = f->sample_aspect_ratio;
    c->video->framerate = (AVRational){ c->set.fps, 1 };
    c->video->time_base = (AVRational){ 1, c->set.fps };
    SC_TRY(add_stream(c, c->video));
    if (c->set.tone)
        SC_TRY(open_tone(c));
    SC_TRY(avio_open(&c->file->pb, c->set.path, AVIO_FLAG_WRITE));
    /* an mp4 with its index in front still plays when cut off */
    SC_TRY(av_dict_set(&options, "movflags", "faststart", 0));
    SC_TRY(avformat_write_header(c->file, &options));
fail:
    av_dict_free(&options);
    return ret;
}

static int encode(sc_movie_out *c, AVCodecContext *e, int stream, const AVFrame *f)
{
    AVPacket *p = av_packet_alloc();
    int ret = p ? avcodec_send_frame(e, f) : AVERROR(ENOMEM);
    while (ret >= 0 && (ret = avcodec_receive_packet(e, p)) >= 0) {
        av_packet_rescale_ts(p, e->time_base, c->file->streams[stream]->time_base);
        p->stream_index = stream;
        ret = av_interleaved_write_frame(c->file, p);
    }
    av_packet_free(&p);
    return ret == AVERROR(EAGAIN) || ret == AVERROR_EOF ? 0 : ret;
}

/* A tone that swells twice a second, up to where the pictures end. */
static int encode_tone(sc_movie_out *c)
{
    int ret = 0;
    while (c->audio && c->samples < c->pictures * c->audio->sample_rate / c->set.fps) {
        AVFrame *f = av_frame_alloc();
        SC_TRY(f ? 0 : AVERROR(ENOMEM));
        f->format = c->audio->sample_fmt;
        f->nb_samples = c->audio->frame_size;
        f->sample_rate = c->audio->sample_rate;
        f->pts = c->samples;
        ret = av_channel_layout_copy(&f->ch_layout, &c->audio->ch_layout);
        if (ret >= 0)
            ret = av_frame_get_buffer(f, 0);
        for (int i = 0; ret >= 0 && i < f->nb_samples; i++) {
            const double turns = 6.283185307179586 * (double)(c->samples + i) / f->sample_rate;
            ((float *)f->data[0])[i] = (float)(0.05 * sin(330 * turns) * (1 - cos(2 * turns)));
        }
        c->samples += f->nb_samples;
        if (ret >= 0)
            ret = encode(c, c->audio, 1, f);
        av_frame_free(&f);
        SC_TRY(ret);
    }
fail:
    return ret;
}

/* f NULL: the end. */
static int put(sc_movie_out *c, AVFrame *f)
{
    int ret = 0;
    AVFrame *filtered = av_frame_alloc();
    SC_TRY(filtered ? 0 : AVERROR(ENOMEM));
    if (f) {
        f->pts = c->pictures + (c->set.uneven ? c->pictures / 3 : 0);
        c->pictures++;
        if (!c->graph.graph)
            SC_TRY(graph_open(&c->graph, f, (AVRational){ 1, c->set.fps }, c->set.filter));
    }
    SC_TRY(c->graph.graph ? 0 : AVERROR_INVALIDDATA);
    SC_TRY(av_buffersrc_write_frame(c->graph.in, f));
    while ((ret = av_buffersink_get_frame(c->graph.out, filtered)) >= 0) {
        if (!c->video)
            SC_TRY(open_file(c, filtered));
        filtered->pict_type = AV_PICTURE_TYPE_NONE;
        SC_TRY(encode(c, c->video, 0, filtered));
        SC_TRY(encode_tone(c));
        av_frame_unref(filtered);
    }
    if (ret == AVERROR(EAGAIN) || ret == AVERROR_EOF)
        ret = 0;
fail:
    av_frame_free(&filtered);
    return ret;
}

int sc_movie_put(sc_movie_out *o, AVFrame *f)
{
    if (!o->err && (o->err = put(o, f)) < 0)
        fail(o->err, "cannot write", o->set.path);
    return o->err;
}

int sc_movie_finish(sc_movie_out **o)
{
    sc_movie_out *c = *o;
    if (!c)
        return 0;
    int ret = c->err;
    if (!ret) {
        SC_TRY(put(c, NULL));
        SC_TRY(encode(c, c->video, 0, NULL));
        if (c->audio)
            SC_TRY(encode(c, c->audio, 1, NULL));
        SC_TRY(av_write_trailer(c->file));
    }
fail:
    if (ret < 0 && !c->err)
        fail(ret, "cannot finish", c->set.path);
    avio_closep(&c->file->pb);
    avformat_free_context(c->file);
    avcodec_free_context(&c->video);
    avcodec_free_context(&c->audio);
    avfilter_graph_free(&c->graph.graph);
    av_freep(o);
    return ret;
}

struct sc_movie_in {
    char *filter;
    graph graph;
    AVFormatContext *file;
    AVCodecContext *decoder;
    int stream;
    AVPacket *packet;
    AVFrame *decoded;
    bool drained;
};

int sc_movie_open(sc_movie_in **out, const char *path, const char *filter)
{
    int ret = 0;
    const AVCodec *codec = NULL;
    sc_movie_in *c = av_mallocz(sizeof(*c));
    if (!c)
        return AVERROR(ENOMEM);
    c->filter = av_strdup(filter ? filter : "null");
    SC_TRY(avformat_open_input(&c->file, path, NULL, NULL));
    SC_TRY(avformat_find_stream_info(c->file, NULL));
    SC_TRY(c->stream = av_find_best_stream(c->file, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0));
    c->decoder = avcodec_alloc_context3(codec);
    c->packet = av_packet_alloc();
    c->decoded = av_frame_alloc();
    SC_TRY(c->decoder && c->packet && c->decoded ? 0 : AVERROR(ENOMEM));
    SC_TRY(avcodec_parameters_to_context(c->decoder, c->file->streams[c->stream]->codecpar));
    c->decoder->pkt_timebase = c->file->streams[c->stream]->time_base;
    SC_TRY(avcodec_open2(c->decoder, codec, NULL));
    *out = c;
    return 0;
fail:
    sc_movie_close(&c);
    return fail(ret, "cannot open", path);
}

static int decode(sc_movie_in *c)
{
    int ret;
    while ((ret = avcodec_receive_frame(c->decoder, c->decoded)) == AVERROR(EAGAIN)) {
        ret = av_read_frame(c->file, c->packet);
        if (ret == AVERROR_EOF)
            ret = avcodec_send_packet(c->decoder, NULL);
        else if (ret >= 0 && c->packet->stream_index == c->stream)
            ret = avcodec_send_packet(c->decoder, c->packet);
        av_packet_unref(c->packet);
        if (ret < 0)
            return ret;
    }
    if (ret >= 0)
        c->decoded->pts = c->decoded->best_effort_timestamp;
    return ret;
}

int sc_movie_get(sc_movie_in *c, AVFrame *f)
{
    for (;;) {
        int ret = c->graph.graph ? av_buffersink_get_frame(c->graph.out, f) : AVERROR(EAGAIN);
        if (ret != AVERROR(EAGAIN) || c->drained)
            return ret;
        ret = decode(c);
        if (ret == AVERROR_EOF) {
            c->drained = true;
            if (!c->graph.graph)
                return ret;
            ret = av_buffersrc_write_frame(c->graph.in, NULL);
        } else if (ret >= 0) {
            if (!c->graph.graph)
                ret = graph_open(&c->graph, c->decoded, c->file->streams[c->stream]->time_base, c->filter);
            if (ret >= 0)
                ret = av_buffersrc_write_frame(c->graph.in, c->decoded);
            av_frame_unref(c->decoded);
        }
        if (ret < 0)
            return fail(ret, "cannot decode", c->file->url);
    }
}

void sc_movie_close(sc_movie_in **p)
{
    sc_movie_in *c = *p;
    if (!c)
        return;
    avformat_close_input(&c->file);
    avcodec_free_context(&c->decoder);
    av_packet_free(&c->packet);
    av_frame_free(&c->decoded);
    av_free(c->filter);
    avfilter_graph_free(&c->graph.graph);
    av_freep(p);
}
