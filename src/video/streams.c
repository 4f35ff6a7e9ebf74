#include "streams.h"

#include <math.h>
#include <string.h>

#include <libavutil/avstring.h>

#include "compat.h"
#include "tags.h"

static bool is_matroska(const AVOutputFormat *of)
{
    return !strcmp(of->name, "matroska");
}

bool sc_stream_is_image(const AVOutputFormat *of)
{
    return !strcmp(of->name, "image2pipe");
}

/* ---- one stream */

/* A source's tag is kept where the container means the same by it. */
static uint32_t codec_tag(const AVOutputFormat *of, const AVCodecParameters *par)
{
    unsigned other;

    if (!of->codec_tag || av_codec_get_id(of->codec_tag, par->codec_tag) == par->codec_id ||
        !av_codec_get_tag2(of->codec_tag, par->codec_id, &other))
        return par->codec_tag;
    return 0;
}

/* Tags that tell how the source was coded, not what it shows. Matroska's have the language behind them. */
static void drop_coding_tags(AVDictionary **tags)
{
    static const char *const stale[] = { "encoder",          "rotate",          "stereo_mode",
                                         "alpha_mode",       "DURATION",        "BPS",
                                         "NUMBER_OF_FRAMES", "NUMBER_OF_BYTES", "_STATISTICS_" };
    const AVDictionaryEntry *e;

    for (int i = 0; i < SC_COUNT(stale); i++)
        while ((e = av_dict_get(*tags, stale[i], NULL, AV_DICT_IGNORE_SUFFIX)))
            av_dict_set(tags, e->key, NULL, 0);
}

static int copy_stream(AVFormatContext *out, const AVStream *from, AVStream **stream)
{
    AVStream *st = avformat_new_stream(out, NULL);
    int ret;

    if (!st)
        return AVERROR(ENOMEM);
    SC_TRY(avcodec_parameters_copy(st->codecpar, from->codecpar));
    SC_TRY(sc_stream_copy_side_data(st, from));
    SC_TRY(av_dict_copy(&st->metadata, from->metadata, 0));
    st->codecpar->codec_tag = codec_tag(out->oformat, from->codecpar);
    st->time_base = from->time_base;
    st->avg_frame_rate = from->avg_frame_rate;
    st->sample_aspect_ratio = from->sample_aspect_ratio;
    st->disposition = from->disposition;
    st->duration = av_rescale_q(from->duration, from->time_base, st->time_base);
    *stream = st;
    return 0;
fail:
    return ret;
}

/* Matroska keeps covers as attached files. */
static int attach_cover(AVFormatContext *out, const AVStream *from)
{
    const AVPacket *picture = &from->attached_pic;
    const AVCodecDescriptor *d = avcodec_descriptor_get(from->codecpar->codec_id);
    AVStream *st = avformat_new_stream(out, NULL);
    char name[32];

    if (!st || !(st->codecpar->extradata = av_mallocz((size_t)picture->size + AV_INPUT_BUFFER_PADDING_SIZE)))
        return AVERROR(ENOMEM);
    memcpy(st->codecpar->extradata, picture->data, (size_t)picture->size);
    st->codecpar->extradata_size = picture->size;
    st->codecpar->codec_type = AVMEDIA_TYPE_ATTACHMENT;
    st->codecpar->codec_id = from->codecpar->codec_id;
    av_dict_copy(&st->metadata, from->metadata, 0);
    snprintf(name, sizeof(name), "cover.%s", from->codecpar->codec_id == AV_CODEC_ID_PNG ? "png" : "jpg");
    av_dict_set(&st->metadata, "filename", name, AV_DICT_DONT_OVERWRITE);
    return av_dict_set(&st->metadata, "mimetype", d && d->mime_types ? d->mime_types[0] : "image/jpeg",
                       AV_DICT_DONT_OVERWRITE);
}

/* Writes the header of a file with this stream alone into memory. */
static bool muxer_takes(const AVOutputFormat *of, const AVStream *from)
{
    AVFormatContext *out = NULL;
    AVStream *st;
    uint8_t *bytes = NULL;
    int ret;

    SC_TRY(avformat_alloc_output_context2(&out, (AVOutputFormat *)(uintptr_t)of, NULL, NULL));
    out->strict_std_compliance = FF_COMPLIANCE_UNOFFICIAL;
    SC_TRY(copy_stream(out, from, &st));
    SC_TRY(avio_open_dyn_buf(&out->pb));
    ret = avformat_write_header(out, NULL);
    avio_close_dyn_buf(out->pb, &bytes);
    av_free(bytes);
fail:
    avformat_free_context(out);
    return ret >= 0;
}

sc_fate sc_stream_fate(const sc_writer_options *o, const AVOutputFormat *of, int stream)
{
    const AVStream *st = o->from->streams[stream];
    const AVCodecParameters *par = st->codecpar;
    const bool cover = st->disposition & AV_DISPOSITION_ATTACHED_PIC;

    if (stream == o->video->stream)
        return SC_FATE_FILM;
    if (cover && is_matroska(of))
        return st->attached_pic.size ? SC_FATE_ATTACH : SC_FATE_DROP;
    /* MP4 muxers make a time code track of the tag and a title track of the chapters; a copy would be a
     * second. */
    if (sc_tags_is_mov(of) && par->codec_type == AVMEDIA_TYPE_DATA &&
        ((par->codec_tag == MKTAG('t', 'm', 'c', 'd') &&
          av_dict_get(o->from->streams[o->video->stream]->metadata, "timecode", NULL, 0)) ||
         (par->codec_id == AV_CODEC_ID_BIN_DATA && o->from->nb_chapters)))
        return SC_FATE_REMADE;
    if (sc_stream_is_image(of) || par->codec_type == AVMEDIA_TYPE_UNKNOWN ||
        (par->codec_id == AV_CODEC_ID_NONE && par->codec_type != AVMEDIA_TYPE_ATTACHMENT && !par->codec_tag))
        return SC_FATE_DROP;
    if (muxer_takes(of, st))
        return SC_FATE_COPY;
    return sc_subtitle_target(of, par) != AV_CODEC_ID_NONE ? SC_FATE_CONVERT : SC_FATE_DROP;
}

void sc_stream_describe(const AVFormatContext *from, int stream, char *text, int size)
{
    const AVStream *st = from->streams[stream];
    const AVDictionaryEntry *lang = av_dict_get(st->metadata, "language", NULL, 0);
    const char *type = av_get_media_type_string(st->codecpar->codec_type);

    snprintf(text, (size_t)size, "stream %d (%s, %s%s%s)", stream, type ? type : "unknown type",
             avcodec_get_name(st->codecpar->codec_id), lang ? ", " : "", lang ? lang->value : "");
}

/* ---- the film's stream */

static int tag_hdr(AVStream *st, const sc_video_info *v)
{
    int ret = 0;

    if (v->has_mastering)
        SC_TRY(sc_stream_add_side_data(st, AV_PKT_DATA_MASTERING_DISPLAY_METADATA,
                                       av_memdup(&v->mastering, sizeof(v->mastering)), sizeof(v->mastering)));
    if (v->has_light)
        SC_TRY(sc_stream_add_side_data(st, AV_PKT_DATA_CONTENT_LIGHT_LEVEL,
                                       av_memdup(&v->light, sizeof(v->light)), sizeof(v->light)));
fail:
    return ret;
}

static int create_film(AVFormatContext *out, AVStream **film, const sc_writer_options *o,
                       const AVCodecContext *enc)
{
    AVStream *st = avformat_new_stream(out, NULL);
    int ret;

    if (!st)
        return AVERROR(ENOMEM);
    SC_TRY(avcodec_parameters_from_context(st->codecpar, enc));
    if (enc->codec_id == AV_CODEC_ID_HEVC && sc_tags_is_mov(out->oformat))
        st->codecpar->codec_tag = MKTAG('h', 'v', 'c', '1'); /* the only one that Apple's players open */
    st->time_base = enc->time_base;
    st->avg_frame_rate = o->video->frame_rate.num ? sc_writer_rate(o) : o->video->frame_rate;
    st->sample_aspect_ratio = o->sar;
    st->disposition = AV_DISPOSITION_DEFAULT;
    if (o->from) {
        const AVStream *from = o->from->streams[o->video->stream];
        SC_TRY(av_dict_copy(&st->metadata, from->metadata, 0));
        drop_coding_tags(&st->metadata);
        st->disposition = from->disposition;
    }
    SC_TRY(sc_tags_stream(st, out->oformat, o));
    SC_TRY(tag_hdr(st, o->video));
    *film = st;
    return 0;
fail:
    return ret;
}

static int convert_stream(AVFormatContext *out, const AVStream *from, sc_stream_map *map)
{
    const int index = (int)out->nb_streams;
    AVStream *st;
    int ret;

    SC_TRY(sc_subtitle_open(&map->convert, out->oformat, from));
    SC_TRY(copy_stream(out, from, &st));
    SC_TRY(sc_subtitle_parameters(map->convert, st->codecpar));
    st->codecpar->codec_tag = 0;
    map->index = index;
    return 0;
fail:
    return ret;
}

int sc_streams_create(AVFormatContext *out, AVStream **film, sc_stream_map *map, const sc_writer_options *o,
                      const AVCodecContext *enc, const sc_logger *log)
{
    int ret = 0;

    if (!o->from)
        return create_film(out, film, o, enc);
    for (int i = 0; i < (int)o->from->nb_streams; i++) {
        const AVStream *from = o->from->streams[i];
        const int index = (int)out->nb_streams;
        AVStream *st;
        char name[128];

        map[i] = (sc_stream_map){ .index = -1, .time_base = from->time_base };
        sc_stream_describe(o->from, i, name, sizeof(name));
        switch (sc_stream_fate(o, out->oformat, i)) {
        case SC_FATE_FILM:
            SC_TRY(create_film(out, film, o, enc));
            break;
        case SC_FATE_COPY:
            SC_TRY(copy_stream(out, from, &st));
            if (from->codecpar->codec_type != AVMEDIA_TYPE_ATTACHMENT)
                map[i].index = index;
            break;
        case SC_FATE_CONVERT:
            SC_TRY(convert_stream(out, from, &map[i]));
            sc_log(log, SC_LOG_INFO, "writer", "%s becomes %s", name,
                   avcodec_get_name(out->streams[index]->codecpar->codec_id));
            break;
        case SC_FATE_ATTACH:
            SC_TRY(attach_cover(out, from));
            break;
        case SC_FATE_REMADE:
            break;
        case SC_FATE_DROP:
            sc_log(log, SC_LOG_WARNING, "writer", "%s is left out: %s cannot hold it", name,
                   out->oformat->name);
            break;
        }
    }
fail:
    return ret;
}

/* ---- the file */

static int copy_chapter(AVFormatContext *out, const AVChapter *from, int64_t start, int64_t end)
{
    AVChapter **list = av_realloc_array(out->chapters, out->nb_chapters + 1, sizeof(*list));
    AVChapter *c = av_mallocz(sizeof(*c));

    if (list)
        out->chapters = list;
    if (!list || !c) {
        av_free(c);
        return AVERROR(ENOMEM);
    }
    c->id = from->id;
    c->time_base = from->time_base;
    c->start = start;
    c->end = end;
    list[out->nb_chapters++] = c;
    return av_dict_copy(&c->metadata, from->metadata, 0);
}

int sc_streams_copy_tags(AVFormatContext *out, const sc_writer_options *o)
{
    const AVFormatContext *from = o->from;
    const int64_t zero = from->start_time == AV_NOPTS_VALUE ? 0 : from->start_time;
    int ret;

    SC_TRY(av_dict_copy(&out->metadata, from->metadata, 0));
    av_dict_set(&out->metadata, "encoder", NULL, 0);
    av_dict_set(&out->metadata, "major_brand", NULL, 0);
    av_dict_set(&out->metadata, "minor_version", NULL, 0);
    av_dict_set(&out->metadata, "compatible_brands", NULL, 0);
    for (unsigned i = 0; i < from->nb_chapters; i++) {
        const AVChapter *c = from->chapters[i];
        const int64_t offset = av_rescale_q(o->video->offset, o->video->time_base, c->time_base);
        int64_t start = c->start - offset, end = c->end - offset;
        if (o->end >= 0) {
            const int64_t last =
                llrint(((double)zero / AV_TIME_BASE + o->end) / av_q2d(c->time_base)) - offset;
            end = SC_MIN(end, last);
        }
        if (o->start > 0)
            start = SC_MAX(start, 0);
        if (end > start)
            SC_TRY(copy_chapter(out, c, start, end));
    }
    return 0;
fail:
    return ret;
}
