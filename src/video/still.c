#include "still.h"

#include <libavcodec/avcodec.h>
#include <libavutil/base64.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* FFmpeg's scale of 2 to 31: edges show no blocks, and a still of 640 pixels takes some 40 KB. */
enum { QUALITY = 4 };

sc_video_info sc_still_shape(const sc_video_info *v, int longest)
{
    const double shape = v->sar.num ? av_q2d(v->sar) : 1, width = v->width * shape;
    const double scale = longest ? SC_MIN(1, longest / SC_MAX(width, (double)v->height)) : 1;

    /* Chroma of full size, or red and cyan of an anaglyph would run into each other. JFIF: BT.601, full
     * range. */
    return (sc_video_info){ .width = SC_MAX((int)lrint(width * scale), 1),
                            .height = SC_MAX((int)lrint(v->height * scale), 1),
                            .format = longest ? AV_PIX_FMT_YUVJ444P : AV_PIX_FMT_RGB24,
                            .matrix = AVCOL_SPC_SMPTE170M,
                            .range = AVCOL_RANGE_JPEG };
}

static int encode(AVPacket *packet, AVFrame *f, enum AVCodecID id)
{
    const AVCodec *codec = avcodec_find_encoder(id);
    AVCodecContext *enc = avcodec_alloc_context3(codec);
    int ret = codec && enc ? 0 : AVERROR_ENCODER_NOT_FOUND;

    SC_TRY(ret);
    enc->width = f->width;
    enc->height = f->height;
    enc->pix_fmt = f->format;
    enc->time_base = (AVRational){ 1, 1 };
    enc->flags |= AV_CODEC_FLAG_QSCALE;
    enc->global_quality = f->quality = QUALITY * FF_QP2LAMBDA;
    enc->thread_count = 1;
    SC_TRY(avcodec_open2(enc, codec, NULL));
    SC_TRY(avcodec_send_frame(enc, f));
    SC_TRY(avcodec_receive_packet(enc, packet));
fail:
    avcodec_free_context(&enc);
    return ret;
}

int sc_still_text(char **text, AVFrame *f, const sc_logger *log)
{
    AVPacket *packet = av_packet_alloc();
    int ret = packet ? 0 : AVERROR(ENOMEM);

    SC_TRY(ret);
    SC_TRY(encode(packet, f, AV_CODEC_ID_MJPEG));
    const int size = AV_BASE64_SIZE(packet->size);
    SC_TRY((*text = malloc((size_t)size)) ? 0 : AVERROR(ENOMEM));
    av_base64_encode(*text, size, packet->data, packet->size);
    av_packet_free(&packet);
    return 0;
fail:
    av_packet_free(&packet);
    return sc_fail(log, ret, "report", "a still of %dx%d cannot be encoded: %s", f->width, f->height,
                   av_err2str(ret));
}

int sc_still_write(const char *path, AVFrame *f, const sc_logger *log)
{
    AVPacket *packet = av_packet_alloc();
    FILE *file = NULL;
    bool ok = false;
    int ret = packet ? 0 : AVERROR(ENOMEM);

    SC_TRY(ret);
    SC_TRY(encode(packet, f, AV_CODEC_ID_PNG));
    file = fopen(path, "wb");
    ok = file && fwrite(packet->data, (size_t)packet->size, 1, file) == 1;
    ok = file && !fclose(file) && ok;
    ret = ok ? 0 : SC_ERR_OUTPUT;
fail:
    av_packet_free(&packet);
    return ret < 0 ? sc_fail(log, SC_ERR_OUTPUT, "report", "%s cannot be written", path) : 0;
}
