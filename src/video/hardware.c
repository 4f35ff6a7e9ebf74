#include "hardware.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/hwcontext.h>
#include <libavutil/pixdesc.h>

#include "compat.h"

/* These standards define every decoded number. MPEG-1, -2, -4 part 2 and JPEG leave the last bit to the
 * decoder, and AV1 FFmpeg decodes in software by dav1d, which has no engine beside it. */
static const enum AVCodecID exact[] = { AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_VP8,
                                        AV_CODEC_ID_VP9 };

/* Each thread that decodes ahead takes one of the engine's surfaces, 32 at most, but software has to be fast
 * where the engine refuses. */
enum { THREADS = 4 };

struct sc_hardware {
    const sc_logger *log;
    const char *path, *device;
    AVBufferRef *context;
    enum AVPixelFormat format;
    atomic_bool refused;
};

/* "cuda:1" -> FFmpeg's type, "1" or NULL. */
static enum AVHWDeviceType find_type(const char *device, const char **number)
{
    const char *colon = strchr(device, ':');
    char name[32];

    snprintf(name, sizeof(name), "%.*s", colon ? (int)(colon - device) : (int)strlen(device), device);
    if (number)
        *number = colon ? colon + 1 : NULL;
    return av_hwdevice_find_type_by_name(name);
}

/* How this decoder's frames on the device are marked; AV_PIX_FMT_NONE: it makes none there. */
static enum AVPixelFormat device_format(const AVCodec *codec, enum AVHWDeviceType type)
{
    const AVCodecHWConfig *c;

    for (int i = 0; (c = avcodec_get_hw_config(codec, i)); i++)
        if (c->device_type == type && c->methods & AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX)
            return c->pix_fmt;
    return AV_PIX_FMT_NONE;
}

static bool is_exact(enum AVCodecID id)
{
    for (int i = 0; i < SC_COUNT(exact); i++)
        if (exact[i] == id)
            return true;
    return false;
}

/* FFmpeg asks at the beginning, when a film changes, and once more if the engine refuses; perhaps on a thread
 * of its own. */
static enum AVPixelFormat choose_format(AVCodecContext *decoder, const enum AVPixelFormat *list)
{
    sc_hardware *h = decoder->opaque;
    const enum AVPixelFormat *p = list;
    const char *profile = avcodec_profile_name(decoder->codec_id, decoder->profile);

    while (*p != AV_PIX_FMT_NONE && *p != h->format)
        p++;
    if (*p == h->format)
        return *p;
    for (p = list; av_pix_fmt_desc_get(*p) && av_pix_fmt_desc_get(*p)->flags & AV_PIX_FMT_FLAG_HWACCEL;)
        p++;
    if (!atomic_exchange(&h->refused, true))
        sc_log(h->log, SC_LOG_INFO, "reader", "%s: decoded in software: %s takes no %s %s %s of %dx%d",
               h->path, h->device, avcodec_get_name(decoder->codec_id), profile ? profile : "",
               av_get_pix_fmt_name(*p) ? av_get_pix_fmt_name(*p) : "", decoder->coded_width,
               decoder->coded_height);
    return *p;
}

/* Why software is to decode, known before anything is tried, or NULL. */
static const char *objection(const sc_hardware_options *o, const AVCodec *codec, enum AVPixelFormat format)
{
    const int32_t *matrix =
        (const int32_t *)(const void *)sc_stream_side_data(o->stream, AV_PKT_DATA_DISPLAYMATRIX);

    if (!is_exact(codec->id))
        return "decoders of its codec may differ in the last bit";
    if (format == AV_PIX_FMT_NONE)
        return "this FFmpeg has no other way for its codec";
    if (matrix && !o->picture_only)
        return "its pictures are to be turned";
    if (o->stream->codecpar->field_order > AV_FIELD_PROGRESSIVE && !o->picture_only)
        return "it is interlaced";
    return NULL;
}

int sc_hardware_open(sc_hardware **out, AVCodecContext *decoder, const sc_hardware_options *o,
                     const sc_logger *log)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    const char *number, *why;
    const enum AVHWDeviceType type = find_type(o->device, &number);
    const enum AVPixelFormat format = device_format(decoder->codec, type);
    AVBufferRef *context = NULL;
    AVDictionary *d = NULL;
    sc_hardware *h;
    int ret = 0;

    if (type == AV_HWDEVICE_TYPE_NONE)
        return 0;
    if (!(why = objection(o, decoder->codec, format))) {
        /* The context of the CUDA runtime, so that our kernels reach the frames; others ignore the word. */
        if (av_dict_set(&d, "primary_ctx", "1", 0) < 0)
            return AVERROR(ENOMEM);
        ret = av_hwdevice_ctx_create(&context, type, number, d, 0);
        av_dict_free(&d);
        av_strerror(ret, text, sizeof(text));
        why = ret < 0 ? text : NULL;
    }
    if (why) {
        sc_log(log, SC_LOG_INFO, "reader", "%s: decoded in software and not by %s: %s", o->path, o->device,
               why);
        return 0;
    }
    h = calloc(1, sizeof(*h));
    if (!h || !(decoder->hw_device_ctx = av_buffer_ref(context))) {
        av_buffer_unref(&context);
        free(h);
        return AVERROR(ENOMEM);
    }
    h->log = log;
    h->path = o->path;
    h->device = o->device;
    h->context = context;
    h->format = format;
    atomic_init(&h->refused, false);
    decoder->opaque = h;
    decoder->get_format = choose_format;
    decoder->extra_hw_frames = o->frames;
    if (!decoder->thread_count || decoder->thread_count > THREADS)
        decoder->thread_count = THREADS;
    *out = h;
    return 0;
}

void sc_hardware_close(sc_hardware **h)
{
    if (*h)
        av_buffer_unref(&(*h)->context);
    free(*h);
    *h = NULL;
}

int sc_hardware_to_host(AVFrame *f)
{
    AVFrame *host = av_frame_alloc();
    int ret = AVERROR(ENOMEM);

    if (!host)
        return ret;
    SC_TRY(av_hwframe_transfer_data(host, f, 0));
    SC_TRY(av_frame_copy_props(host, f));
    /* On the device a picture's right and bottom margins are cut off, the others cannot be. */
    SC_TRY(av_frame_apply_cropping(host, AV_FRAME_CROP_UNALIGNED));
    av_frame_unref(f);
    av_frame_move_ref(f, host);
fail:
    av_frame_free(&host);
    return ret;
}

static void add_word(char *list, size_t size, const char *word)
{
    const size_t n = strlen(list);

    snprintf(list + n, size - n, "%s%s", n ? " " : "", word);
}

bool sc_hardware_describe(const char *device, char *decodes, char *encodes, size_t size)
{
    static const char *const encoder[] = { "h264_nvenc", "hevc_nvenc", "av1_nvenc" };
    const enum AVHWDeviceType type = find_type(device, NULL);

    *decodes = *encodes = 0;
    if (type == AV_HWDEVICE_TYPE_NONE)
        return false;
    for (int i = 0; i < SC_COUNT(exact); i++) {
        const AVCodec *codec = avcodec_find_decoder(exact[i]);
        if (codec && device_format(codec, type) != AV_PIX_FMT_NONE)
            add_word(decodes, size, avcodec_get_name(exact[i]));
    }
    for (int i = 0; i < SC_COUNT(encoder) && type == AV_HWDEVICE_TYPE_CUDA; i++)
        if (avcodec_find_encoder_by_name(encoder[i]))
            add_word(encodes, size, encoder[i]);
    return *decodes || *encodes;
}
