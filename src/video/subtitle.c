#include "subtitle.h"

#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>

enum { ROOM = 1 << 16 }; /* bytes of one title: MP4's limit, and no film comes near */

struct sc_subtitle {
    AVCodecContext *decoder, *encoder;
    uint8_t text[ROOM];
};

static bool is_text(enum AVCodecID id)
{
    const AVCodecDescriptor *d = avcodec_descriptor_get(id);

    return d && d->props & AV_CODEC_PROP_TEXT_SUB;
}

enum AVCodecID sc_subtitle_target(const AVOutputFormat *of, const AVCodecParameters *from)
{
    /* SubRip first: it says all that MP4's text does and is shown everywhere. */
    static const enum AVCodecID targets[] = { AV_CODEC_ID_SUBRIP, AV_CODEC_ID_MOV_TEXT, AV_CODEC_ID_WEBVTT };

    if (from->codec_type != AVMEDIA_TYPE_SUBTITLE || !is_text(from->codec_id) ||
        !avcodec_find_decoder(from->codec_id))
        return AV_CODEC_ID_NONE;
    for (int i = 0; i < SC_COUNT(targets); i++)
        if (avformat_query_codec(of, targets[i], FF_COMPLIANCE_NORMAL) == 1 &&
            avcodec_find_encoder(targets[i]))
            return targets[i];
    return AV_CODEC_ID_NONE;
}

int sc_subtitle_open(sc_subtitle **out, const AVOutputFormat *of, const AVStream *from)
{
    const AVCodec *decoder = avcodec_find_decoder(from->codecpar->codec_id);
    const AVCodec *encoder = avcodec_find_encoder(sc_subtitle_target(of, from->codecpar));
    sc_subtitle *s = calloc(1, sizeof(*s));
    int ret = AVERROR(ENOMEM);

    if (!s || !(s->decoder = avcodec_alloc_context3(decoder)) ||
        !(s->encoder = avcodec_alloc_context3(encoder)))
        goto fail;
    SC_TRY(avcodec_parameters_to_context(s->decoder, from->codecpar));
    s->decoder->pkt_timebase = from->time_base;
    SC_TRY(avcodec_open2(s->decoder, decoder, NULL));
    s->encoder->time_base = AV_TIME_BASE_Q;
    if (s->decoder->subtitle_header_size) { /* styles, which all text decoders give as an ASS header */
        const size_t size = (size_t)s->decoder->subtitle_header_size;
        ret = AVERROR(ENOMEM);
        if (!(s->encoder->subtitle_header = av_mallocz(size + 1)))
            goto fail;
        memcpy(s->encoder->subtitle_header, s->decoder->subtitle_header, size);
        s->encoder->subtitle_header_size = s->decoder->subtitle_header_size;
    }
    SC_TRY(avcodec_open2(s->encoder, encoder, NULL));
    *out = s;
    return 0;
fail:
    sc_subtitle_close(&s);
    return ret;
}

void sc_subtitle_close(sc_subtitle **p)
{
    sc_subtitle *s = *p;

    if (!s)
        return;
    avcodec_free_context(&s->decoder);
    avcodec_free_context(&s->encoder);
    free(s);
    *p = NULL;
}

int sc_subtitle_parameters(const sc_subtitle *s, AVCodecParameters *par)
{
    return avcodec_parameters_from_context(par, s->encoder);
}

int sc_subtitle_convert(sc_subtitle *s, AVPacket *p)
{
    AVSubtitle sub = { 0 };
    AVPacket *made = NULL;
    int got = 0, ret, size = 0;

    SC_TRY(avcodec_decode_subtitle2(s->decoder, &sub, &got, p));
    if (!got || !sub.num_rects)
        goto fail;
    if (!p->duration && sub.end_display_time != UINT32_MAX)
        p->duration = av_rescale_q(sub.end_display_time, (AVRational){ 1, 1000 }, s->decoder->pkt_timebase);
    sub.start_display_time = 0;
    SC_TRY(size = avcodec_encode_subtitle(s->encoder, s->text, ROOM, &sub));
    ret = AVERROR(ENOMEM);
    if (!(made = av_packet_alloc()))
        goto fail;
    SC_TRY(av_new_packet(made, size));
    memcpy(made->data, s->text, (size_t)size);
    SC_TRY(av_packet_copy_props(made, p));
    av_packet_unref(p);
    av_packet_move_ref(p, made);
fail:
    av_packet_free(&made);
    avsubtitle_free(&sub);
    return ret < 0 ? ret : size > 0;
}
