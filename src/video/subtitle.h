/* Text subtitles from one format into another, for containers that know only their own. */
#ifndef SC_SUBTITLE_H
#define SC_SUBTITLE_H

#include <libavformat/avformat.h>

#include "../base.h"

typedef struct sc_subtitle sc_subtitle;

/* The codec that `of` can hold text in; AV_CODEC_ID_NONE if the stream is not text or there is none. */
enum AVCodecID sc_subtitle_target(const AVOutputFormat *of, const AVCodecParameters *from);

int sc_subtitle_open(sc_subtitle **s, const AVOutputFormat *of, const AVStream *from);
void sc_subtitle_close(sc_subtitle **s);

/* What the output's stream is to be. */
int sc_subtitle_parameters(const sc_subtitle *s, AVCodecParameters *par);

/* Replaces the text in p; its times stay. 1, or 0 if nothing is to be shown, or an error for a packet that
 * cannot be read. */
int sc_subtitle_convert(sc_subtitle *s, AVPacket *p);

#endif
