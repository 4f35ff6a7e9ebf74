/* Which encoder makes the film, which pixel format and size it is given, and how it is set. */
#ifndef SC_ENCODER_H
#define SC_ENCODER_H

#include <libavcodec/avcodec.h>

#include "writer.h"

typedef struct sc_encoder_plan {
    const AVCodec *codec;
    enum AVPixelFormat format;
    int width, height;    /* coded: larger than asked for where the format cannot carry odd sizes */
    AVRational time_base; /* the source's, unless codec or container know frame rates only */
} sc_encoder_plan;

/* SC_ERR_USAGE with a line for a container, codec or pixel format that does not exist or does not fit. */
int sc_encoder_choose(sc_encoder_plan *p, const AVOutputFormat *of, const sc_writer_options *o,
                      const sc_logger *log);

/* Says what the plan changes of what the source has. */
void sc_encoder_notices(const sc_encoder_plan *p, const sc_writer_options *o, const sc_logger *log);

/* SC_ERR_USAGE if the encoder refuses what the user asked for. */
int sc_encoder_open(AVCodecContext **enc, const sc_encoder_plan *p, const AVOutputFormat *of,
                    const sc_writer_options *o, const sc_logger *log);

#endif
