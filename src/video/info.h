/* What can be told of a film before all of it is decoded. */
#ifndef SC_INFO_H
#define SC_INFO_H

#include "reader.h"

typedef struct sc_range { /* the part that is kept */
    int64_t begin,
        end; /* timestamps in the stream's time base: begin <= pts < end; INT64_MIN and INT64_MAX for all */
    int64_t frames; /* at most; 0 = all */
} sc_range;

/* Says why a film cannot be opened, given what avformat_open_input() returned. SC_ERR_INPUT,
 * SC_ERR_NOT_VIDEO. */
int sc_info_fail(const char *path, int code, const sc_logger *log);
/* The film's stream. SC_ERR_NOT_VIDEO with a line. */
int sc_info_choose_stream(AVFormatContext *f, const char *path, const sc_logger *log);

/* The part that the options name, whose seconds count from the file's beginning, as everywhere in FFmpeg.
 * Returns whether it ends before the film may. */
bool sc_info_range(sc_range *keep, const sc_reader_options *o, const AVFormatContext *format,
                   const AVStream *st);

/* A rate that two guesses agree on, or that the container has counted; 0/1 when there is none. */
AVRational sc_info_rate(const AVFormatContext *format, const AVStream *st);

/* Completes v, whose stream, time_base, frame_rate and cut are known, from the first frame that is kept. */
void sc_info_fill(sc_video_info *v, const AVFormatContext *format, const AVFrame *first,
                  const sc_range *keep);

#endif
