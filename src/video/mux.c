#include "mux.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/mathematics.h>

#include "streams.h"
#include "tags.h"
#include "target.h"

struct waiting { /* a packet to copy */
    AVPacket *packet;
    struct waiting *next;
};

struct sc_mux {
    const sc_logger *log;
    const sc_writer_options *o;
    sc_target target;
    AVFormatContext *out;
    AVStream *film;
    AVRational clock; /* of the picture's packets */

    pthread_mutex_t lock; /* of the list */
    struct waiting *first, **last;

    sc_stream_map *map; /* of each source stream */
    unsigned sources;
    int64_t *last_dts; /* of each output stream */
    bool *warned;      /* of each output stream */
    int64_t bytes;     /* written */
};

/* ---- packets */

static void warn_once(sc_mux *m, int stream, const char *what)
{
    if (!m->warned[stream])
        sc_log(m->log, SC_LOG_WARNING, "writer", "output stream %d: %s", stream, what);
    m->warned[stream] = true;
}

/* A decoding time for a packet that comes without one, as Matroska's reordered pictures do at the beginning:
 * early enough for those that follow. */
static int64_t make_dts(const sc_mux *m, const AVPacket *p)
{
    const AVStream *st = m->out->streams[p->stream_index];
    const int64_t last = m->last_dts[p->stream_index];
    const int64_t step =
        st->avg_frame_rate.num ? av_rescale_q(1, av_inv_q(st->avg_frame_rate), st->time_base) : 1;

    if (last != AV_NOPTS_VALUE)
        return last + SC_MAX(step / 2, 1);
    return p->pts != AV_NOPTS_VALUE ? p->pts - st->codecpar->video_delay * step : 0;
}

/* Decoding times must increase in most containers; a source may hold others. */
static void repair_dts(sc_mux *m, AVPacket *p)
{
    int64_t *last = &m->last_dts[p->stream_index];
    const int64_t least = *last + !(m->out->oformat->flags & AVFMT_TS_NONSTRICT);

    if (p->dts == AV_NOPTS_VALUE)
        p->dts = make_dts(m, p);
    if (*last != AV_NOPTS_VALUE && p->dts < least) {
        warn_once(m, p->stream_index, "timestamps out of order are moved");
        p->dts = least;
    }
    if (p->pts == AV_NOPTS_VALUE || p->pts < p->dts)
        p->pts = p->dts;
    *last = p->dts;
}

static int copy_packet(sc_mux *m, AVPacket *p)
{
    const sc_stream_map *map = &m->map[p->stream_index];
    int ret;

    if (map->convert) {
        ret = sc_subtitle_convert(map->convert, p);
        if (ret < 0)
            warn_once(m, map->index, "titles that cannot be read are left out");
        if (ret <= 0)
            return ret == AVERROR(ENOMEM) ? ret : 0;
    }
    p->stream_index = map->index;
    p->pos = -1;
    av_packet_rescale_ts(p, map->time_base, m->out->streams[p->stream_index]->time_base);
    repair_dts(m, p);
    ret = av_interleaved_write_frame(m->out, p);
    if (ret != AVERROR(EINVAL) && ret != AVERROR_INVALIDDATA)
        return ret < 0 ? sc_target_fail(&m->target, ret) : 0;
    warn_once(m, map->index, "packets that the container cannot take are left out");
    return 0;
}

static struct waiting *take_waiting(sc_mux *m, int64_t until)
{
    const AVRational film = m->o->video->time_base;

    pthread_mutex_lock(&m->lock);
    struct waiting *q = m->first;
    if (q) {
        const AVRational tb = m->map[q->packet->stream_index].time_base;
        const int64_t t = q->packet->dts != AV_NOPTS_VALUE ? q->packet->dts : q->packet->pts;
        if (t != AV_NOPTS_VALUE && until != INT64_MAX && av_compare_ts(t, tb, until, film) >= 0)
            q = NULL;
    }
    if (q && !(m->first = q->next))
        m->last = &m->first;
    pthread_mutex_unlock(&m->lock);
    return q;
}

/* Copies the packets that come before a time of the film. Later ones wait: of a film that is cut off or
 * cancelled they must not be written. */
int sc_mux_write_held(sc_mux *m, int64_t until)
{
    struct waiting *q;
    int ret = 0;

    while (ret >= 0 && (q = take_waiting(m, until))) {
        ret = copy_packet(m, q->packet);
        av_packet_free(&q->packet);
        free(q);
    }
    return ret;
}

static void drop_waiting(sc_mux *m)
{
    for (struct waiting *q; (q = m->first);) {
        m->first = q->next;
        av_packet_free(&q->packet);
        free(q);
    }
    m->last = &m->first;
}

int sc_mux_hold(sc_mux *m, const AVPacket *p)
{
    struct waiting *q;

    if (m->map[p->stream_index].index < 0)
        return 0;
    if (!(q = calloc(1, sizeof(*q))) || !(q->packet = av_packet_clone(p))) {
        free(q);
        return AVERROR(ENOMEM);
    }
    pthread_mutex_lock(&m->lock);
    *m->last = q;
    m->last = &q->next;
    pthread_mutex_unlock(&m->lock);
    return 0;
}

/* An encoder that is opened anew begins with decoding times before its first frame: at an uneven rate, with
 * some that the one before has used. */
int sc_mux_write(sc_mux *m, AVPacket *p)
{
    int64_t *last = &m->last_dts[m->film->index];
    const int64_t least = *last + !(m->out->oformat->flags & AVFMT_TS_NONSTRICT);
    int ret;

    av_packet_rescale_ts(p, m->clock, m->film->time_base);
    p->stream_index = m->film->index;
    if (*last != AV_NOPTS_VALUE && p->dts < least) {
        p->dts = least;
        p->pts = SC_MAX(p->pts, p->dts);
    }
    *last = p->dts;
    ret = av_interleaved_write_frame(m->out, p);
    m->bytes = avio_tell(m->out->pb);
    return ret < 0 ? sc_target_fail(&m->target, ret) : 0;
}

/* ---- opening */

/* MP4 clocks: the film's own, so that its timestamps stay the same integers, and a common multiple for the
 * edit lists, so that no stream's beginning is rounded to the default millisecond. */
static int set_clocks(const sc_mux *m, AVDictionary **d)
{
    int64_t common = m->clock.den;
    int videos = 0, ret = 0;

    for (unsigned i = 0; i < m->out->nb_streams; i++) {
        const AVStream *st = m->out->streams[i];
        const int64_t den = st->time_base.den, next = common / av_gcd(common, den) * den;
        videos += st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
                  !(st->disposition & AV_DISPOSITION_ATTACHED_PIC);
        if (next <= INT32_MAX)
            common = next;
    }
    if (videos ==
        1) /* several would be forced to the one clock; left alone, each gets a multiple of its own */
        SC_TRY(av_dict_set_int(d, "video_track_timescale", m->clock.den, 0));
    SC_TRY(av_dict_set_int(d, "movie_timescale", common, 0));
    SC_TRY(av_dict_set(d, "default_mode", "passthrough", 0)); /* Matroska: dispositions as they are */
fail:
    return ret;
}

static int open_all(sc_mux *m, const AVOutputFormat *of, const AVCodecContext *enc)
{
    AVDictionary *d = NULL;
    int ret;

    SC_TRY(avformat_alloc_output_context2(&m->out, (AVOutputFormat *)(uintptr_t)of, NULL, m->o->path));
    m->out->strict_std_compliance = FF_COMPLIANCE_UNOFFICIAL; /* MP4's stereo box counts as that */
    /* Matroska: the priming packets of a sound track come before 0, and its muxer would move the whole film
     * to make them begin at 0. Its blocks can lie before 0, and then every timestamp is the source's. */
    if (!strcmp(of->name, "matroska"))
        m->out->avoid_negative_ts = 0;
    m->sources = m->o->from ? m->o->from->nb_streams : 0;
    ret = AVERROR(ENOMEM);
    if (!(m->map = calloc(m->sources + 1, sizeof(*m->map))))
        goto fail;
    SC_TRY(sc_streams_create(m->out, &m->film, m->map, m->o, enc, m->log));
    if (m->o->from)
        SC_TRY(sc_streams_copy_tags(m->out, m->o));
    ret = AVERROR(ENOMEM);
    m->warned = calloc(m->out->nb_streams, sizeof(*m->warned));
    m->last_dts = calloc(m->out->nb_streams, sizeof(*m->last_dts));
    if (!m->warned || !m->last_dts)
        goto fail;
    for (unsigned i = 0; i < m->out->nb_streams; i++)
        m->last_dts[i] = AV_NOPTS_VALUE;
    SC_TRY(set_clocks(m, &d));
    SC_TRY(sc_target_open(&m->target, &m->out->pb, m->o->path, &m->o->room, m->log));
    if ((ret = avformat_write_header(m->out, &d)) < 0) {
        ret = ret == AVERROR(EINVAL) ? sc_fail(m->log, SC_ERR_OUTPUT, "writer",
                                               "%s: the %s muxer refuses the streams", m->o->path, of->name)
                                     : sc_target_fail(&m->target, ret);
        goto fail;
    }
    ret = 0;
fail:
    av_dict_free(&d);
    return ret;
}

int sc_mux_open(sc_mux **out, const sc_writer_options *o, const AVOutputFormat *of, const AVCodecContext *enc,
                const sc_logger *log)
{
    sc_mux *m = calloc(1, sizeof(*m));
    int ret;

    if (!m)
        return AVERROR(ENOMEM);
    m->log = log;
    m->o = o;
    m->clock = enc->time_base;
    m->last = &m->first;
    pthread_mutex_init(&m->lock, NULL);
    if ((ret = open_all(m, of, enc)) < 0)
        sc_mux_close(&m);
    else
        *out = m;
    return ret;
}

/* ---- ending */

int sc_mux_complete(sc_mux *m, int64_t until)
{
    int ret;

    SC_TRY(sc_mux_write_held(m, until));
    if ((ret = av_write_trailer(m->out)) < 0)
        return sc_target_fail(&m->target, ret);
    m->bytes = avio_tell(m->out->pb);
    if ((ret = sc_target_close_io(&m->target, &m->out->pb)) < 0)
        return sc_target_fail(&m->target, ret);
    /* Nothing is put into what has gone down a pipe; no container that suits one needs it. */
    if (m->target.temporary &&
        (ret = sc_tags_finish(m->target.temporary, m->out->oformat, m->film->index, m->o, m->log)) < 0)
        return sc_target_fail(&m->target, ret);
    return sc_target_sync(&m->target, &m->bytes);
fail:
    return ret;
}

int64_t sc_mux_bytes(const sc_mux *m)
{
    return m->bytes;
}

int sc_mux_keep(sc_mux *m)
{
    return sc_target_keep(&m->target);
}

int sc_mux_keep_partial(sc_mux *m, int64_t frames)
{
    return sc_target_keep_partial(&m->target, frames);
}

void sc_mux_close(sc_mux **p)
{
    sc_mux *m = *p;

    if (!m)
        return;
    drop_waiting(m);
    if (m->out)
        sc_target_close_io(&m->target, &m->out->pb);
    avformat_free_context(m->out);
    sc_target_close(&m->target);
    pthread_mutex_destroy(&m->lock);
    for (unsigned i = 0; m->map && i < m->sources; i++)
        sc_subtitle_close(&m->map[i].convert);
    free(m->map);
    free(m->last_dts);
    free(m->warned);
    free(m);
    *p = NULL;
}
