#include "info.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <libavutil/parseutils.h>

#include "compat.h"

int sc_info_fail(const char *path, int code, const sc_logger *log)
{
    struct stat st;

    if (!sc_is_pipe(path) && !stat(path, &st)) {
        if (S_ISDIR(st.st_mode))
            return sc_fail(log, SC_ERR_INPUT, "reader", "%s: is a directory, not a film", path);
        if (S_ISREG(st.st_mode) && !st.st_size)
            return sc_fail(log, SC_ERR_NOT_VIDEO, "reader", "%s: is empty", path);
    }
    if (code == AVERROR_INVALIDDATA || code == AVERROR_EOF || code == AVERROR_DEMUXER_NOT_FOUND)
        return sc_fail(log, SC_ERR_NOT_VIDEO, "reader", "%s: is not a video file that can be understood",
                       path);
    return sc_fail(log, SC_ERR_INPUT, "reader", "%s: cannot be read: %s", path, av_err2str(code));
}

/* FFmpeg's own choice, but neither a cover picture nor a text file, which it draws as if typed on a terminal.
 */
int sc_info_choose_stream(AVFormatContext *f, const char *path, const sc_logger *log)
{
    const AVCodec *codec = NULL;
    int i = av_find_best_stream(f, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);

    if (i >= 0 && f->streams[i]->disposition & AV_DISPOSITION_ATTACHED_PIC) {
        for (i = 0; i < (int)f->nb_streams; i++)
            if (f->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
                !(f->streams[i]->disposition & AV_DISPOSITION_ATTACHED_PIC))
                break;
        i = i < (int)f->nb_streams ? i : AVERROR_STREAM_NOT_FOUND;
        codec = i >= 0 ? avcodec_find_decoder(f->streams[i]->codecpar->codec_id) : NULL;
    }
    if (i >= 0 && !codec)
        i = AVERROR_DECODER_NOT_FOUND;
    if (i >= 0)
        switch (f->streams[i]->codecpar->codec_id) {
        case AV_CODEC_ID_ANSI:
        case AV_CODEC_ID_BINTEXT:
        case AV_CODEC_ID_XBIN:
        case AV_CODEC_ID_IDF:
            i = AVERROR_STREAM_NOT_FOUND;
            break;
        default:
            break;
        }
    if (i < 0)
        return sc_fail(log, SC_ERR_NOT_VIDEO, "reader",
                       i == AVERROR_DECODER_NOT_FOUND ? "%s: no decoder for its video"
                                                      : "%s: holds no video stream",
                       path);
    return codec ? i : AVERROR_BUG;
}

bool sc_info_range(sc_range *keep, const sc_reader_options *o, const AVFormatContext *format,
                   const AVStream *st)
{
    const double tb = av_q2d(st->time_base), start = SC_MAX(o->start, 0);
    const double origin =
        format->start_time == AV_NOPTS_VALUE ? 0 : (double)format->start_time / AV_TIME_BASE;
    double end = o->end >= 0 ? o->end : INFINITY;

    if (o->duration >= 0)
        end = SC_MIN(end, start + o->duration);
    /* A thousandth of a tick: 0.04 s is meant to be frame 1 at 25 a second. */
    keep->begin = start > 0 ? (int64_t)ceil((origin + start) / tb - 1e-3) : INT64_MIN;
    keep->end = isinf(end) ? INT64_MAX : (int64_t)ceil((origin + end) / tb - 1e-3);
    keep->frames = o->frames;
    return !isinf(end) || o->frames > 0;
}

AVRational sc_info_rate(const AVFormatContext *format, const AVStream *st)
{
    /* FFmpeg 5.1 takes both without const, and changes neither. */
    const AVRational guess =
        av_guess_frame_rate((AVFormatContext *)(uintptr_t)format, (AVStream *)(uintptr_t)st, NULL);
    const AVRational mean = st->avg_frame_rate;
    const double ratio = guess.num && mean.num ? av_q2d(guess) / av_q2d(mean) : 1;

    if (ratio > 1 / 1.5 && ratio < 1.5)
        return guess;
    return st->nb_frames ? mean : (AVRational){ 0, 1 };
}

static void fill_hdr(sc_video_info *v, const AVFrame *f, const AVStream *st)
{
    const AVFrameSideData *m = av_frame_get_side_data(f, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA);
    const AVFrameSideData *l = av_frame_get_side_data(f, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL);
    const void *mastering = m ? m->data : sc_stream_side_data(st, AV_PKT_DATA_MASTERING_DISPLAY_METADATA);
    const void *light = l ? l->data : sc_stream_side_data(st, AV_PKT_DATA_CONTENT_LIGHT_LEVEL);

    if ((v->has_mastering = mastering != NULL))
        memcpy(&v->mastering, mastering, sizeof(v->mastering));
    if ((v->has_light = light != NULL))
        memcpy(&v->light, light, sizeof(v->light));
}

static void fill_length(sc_video_info *v, const AVFormatContext *format, const AVFrame *first,
                        const sc_range *keep)
{
    const AVStream *st = format->streams[v->stream];
    const double tb = av_q2d(v->time_base), rate = v->frame_rate.num ? av_q2d(v->frame_rate) : 0;
    const double from = st->start_time == AV_NOPTS_VALUE ? 0 : (double)st->start_time * tb;
    const bool whole = keep->begin == INT64_MIN && !v->cut;
    const AVDictionaryEntry *tag = av_dict_get(st->metadata, "DURATION", NULL, AV_DICT_IGNORE_SUFFIX);
    double length = 0;
    int64_t last;

    if (st->duration > 0)
        length = (double)st->duration * tb;
    else if (tag &&
             av_parse_time(&last, tag->value, 1) >= 0) /* Matroska: the end of the stream's last frame */
        length = (double)last / AV_TIME_BASE - from;
    else if (format->duration > 0)
        length = (double)format->duration / AV_TIME_BASE;
    if (length > 0) {
        const double begin = keep->begin == INT64_MIN ? from : SC_MAX(from, (double)keep->begin * tb);
        const double end =
            keep->end == INT64_MAX ? from + length : SC_MIN(from + length, (double)keep->end * tb);
        length = SC_MAX(end - begin, 0);
    } else if (keep->end != INT64_MAX) {
        length = (double)(keep->end - first->pts) * tb;
    }
    v->frames = whole && st->nb_frames ? st->nb_frames : llrint(length * rate);
    if (keep->frames > 0 && (!v->frames || v->frames > keep->frames)) {
        v->frames = keep->frames;
        length = rate > 0 ? (double)v->frames / rate : 0;
    }
    v->duration = length;
}

void sc_info_fill(sc_video_info *v, const AVFormatContext *format, const AVFrame *first, const sc_range *keep)
{
    const AVStream *st = format->streams[v->stream];
    const AVCodecParameters *p = st->codecpar;
    const AVFrame *f = first;

    v->width = f->width;
    v->height = f->height;
    v->format = f->format;
    v->sar = f->sample_aspect_ratio;
    v->range = f->color_range ? f->color_range : p->color_range;
    v->matrix = f->colorspace != AVCOL_SPC_UNSPECIFIED ? f->colorspace : p->color_space;
    v->primaries = f->color_primaries != AVCOL_PRI_UNSPECIFIED ? f->color_primaries : p->color_primaries;
    v->transfer = f->color_trc != AVCOL_TRC_UNSPECIFIED ? f->color_trc : p->color_trc;
    v->siting = f->chroma_location ? f->chroma_location : p->chroma_location;
    fill_hdr(v, f, st);
    fill_length(v, format, f, keep);
    if (keep->begin != INT64_MIN)
        v->offset = f->pts;
    snprintf(v->codec, sizeof(v->codec), "%s", avcodec_get_name(p->codec_id));
    snprintf(v->container, sizeof(v->container), "%s", format->iformat->name);
}
