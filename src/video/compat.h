/* What differs between FFmpeg 5.1 and 8.x, in one place. */
#ifndef SC_COMPAT_H
#define SC_COMPAT_H

#include <libavcodec/avcodec.h>
#include <libavfilter/buffersrc.h>
#include <libavfilter/version.h>
#include <libavformat/avformat.h>
#include <libavutil/stereo3d.h>

/* What an AVIOContext gives to its writer. */
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(61, 0, 100)
typedef const uint8_t sc_io_byte;
#else
typedef uint8_t sc_io_byte;
#endif

static inline int64_t sc_frame_get_duration(const AVFrame *f)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100)
    return f->duration;
#else
    return f->pkt_duration;
#endif
}

static inline void sc_frame_set_duration(AVFrame *f, int64_t duration)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100)
    f->duration = duration;
#else
    f->pkt_duration = duration;
#endif
}

static inline int sc_frame_is_interlaced(const AVFrame *f)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 7, 100)
    return !!(f->flags & AV_FRAME_FLAG_INTERLACED);
#else
    return f->interlaced_frame;
#endif
}

/* Makes a picture for an encoder to begin with: its type is the encoder's choice, its lines are progressive.
 */
static inline void sc_frame_forget_coding(AVFrame *f)
{
    f->pict_type = AV_PICTURE_TYPE_NONE;
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 7, 100)
    f->flags &= ~(AV_FRAME_FLAG_KEY | AV_FRAME_FLAG_INTERLACED | AV_FRAME_FLAG_TOP_FIELD_FIRST);
#else
    f->key_frame = f->interlaced_frame = f->top_field_first = 0;
#endif
}

/* Side data of a whole stream, or NULL. */
static inline const uint8_t *sc_stream_side_data(const AVStream *st, enum AVPacketSideDataType type)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
    const AVCodecParameters *p = st->codecpar;
    const AVPacketSideData *sd = av_packet_side_data_get(p->coded_side_data, p->nb_coded_side_data, type);
    return sd ? sd->data : NULL;
#else
    return av_stream_get_side_data(st, type, NULL);
#endif
}

/* Gives data (from av_malloc) to the stream, or frees it. */
static inline int sc_stream_add_side_data(AVStream *st, enum AVPacketSideDataType type, void *data,
                                          size_t size)
{
    if (!data)
        return AVERROR(ENOMEM);
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
    AVCodecParameters *p = st->codecpar;
    if (av_packet_side_data_add(&p->coded_side_data, &p->nb_coded_side_data, type, data, size, 0))
        return 0;
    av_free(data);
    return AVERROR(ENOMEM);
#else
    const int ret = av_stream_add_side_data(st, type, data, size);
    if (ret < 0)
        av_free(data);
    return ret;
#endif
}

/* A copied stream's parameters bring their side data along since 6.1; before, it is the stream's. */
static inline int sc_stream_copy_side_data(AVStream *dst, const AVStream *src)
{
#if LIBAVCODEC_VERSION_INT < AV_VERSION_INT(60, 31, 102)
    for (int i = 0; i < src->nb_side_data; i++) {
        const AVPacketSideData *sd = &src->side_data[i];
        const int ret = sc_stream_add_side_data(dst, sd->type, av_memdup(sd->data, sd->size), sd->size);
        if (ret < 0)
            return ret;
    }
#else
    (void)dst;
    (void)src;
#endif
    return 0;
}

/* The formats that an encoder takes, ended by AV_PIX_FMT_NONE; NULL when it does not say. */
static inline const enum AVPixelFormat *sc_codec_formats(const AVCodec *codec)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(61, 13, 100)
    const void *list = NULL;
    if (avcodec_get_supported_config(NULL, codec, AV_CODEC_CONFIG_PIX_FORMAT, 0, &list, NULL) < 0)
        return NULL;
    return list;
#else
    return codec->pix_fmts;
#endif
}

/* Whether an encoder knows certain frame rates only (MPEG-1 and 2). */
static inline const AVRational *sc_codec_rates(const AVCodec *codec)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(61, 13, 100)
    const void *list = NULL;
    if (avcodec_get_supported_config(NULL, codec, AV_CODEC_CONFIG_FRAME_RATE, 0, &list, NULL) < 0)
        return NULL;
    return list;
#else
    return codec->supported_framerates;
#endif
}

static inline AVStereo3D *sc_stereo3d_alloc(size_t *size)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(59, 37, 100)
    return av_stereo3d_alloc_size(size);
#else
    *size = sizeof(AVStereo3D);
    return av_stereo3d_alloc();
#endif
}

/* Filter graphs carry matrix and range since 7.0 and warn when frames do not match them. */
static inline void sc_buffersrc_colour(AVBufferSrcParameters *p, const AVFrame *f)
{
#if LIBAVFILTER_VERSION_INT >= AV_VERSION_INT(10, 1, 100)
    p->color_space = f->colorspace;
    p->color_range = f->color_range;
#else
    (void)p;
    (void)f;
#endif
}

/* Encoders take what holds for a whole film (HDR10 levels) from the context since 7.0; before, from nowhere.
 */
static inline int sc_encoder_side_data(AVCodecContext *enc, const AVFrame *f)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(61, 3, 100)
    for (int i = 0; i < f->nb_side_data; i++) {
        const int ret =
            av_frame_side_data_clone(&enc->decoded_side_data, &enc->nb_decoded_side_data, f->side_data[i], 0);
        if (ret < 0)
            return ret;
    }
#else
    (void)enc;
    (void)f;
#endif
    return 0;
}

#endif
