/* What becomes of each stream of the source that is not the film itself, of its chapters and of its tags. */
#ifndef SC_STREAMS_H
#define SC_STREAMS_H

#include <libavcodec/avcodec.h>

#include "subtitle.h"
#include "writer.h"

typedef enum sc_fate {
    SC_FATE_FILM,    /* made anew by the encoder */
    SC_FATE_COPY,    /* packet by packet */
    SC_FATE_CONVERT, /* text subtitles, into the container's own form */
    SC_FATE_ATTACH,  /* a cover picture in a container whose covers are attachments */
    SC_FATE_REMADE,  /* the muxer makes it again from tags or chapters */
    SC_FATE_DROP,    /* the container cannot take it */
} sc_fate;

/* Whether the file is one image: one frame and nothing else. */
bool sc_stream_is_image(const AVOutputFormat *of);

/* Whether a muxer takes the stream is found by asking it: a header is written to memory. */
sc_fate sc_stream_fate(const sc_writer_options *o, const AVOutputFormat *of, int stream);

/* "stream 2 (subtitle, mov_text, eng)" */
void sc_stream_describe(const AVFormatContext *from, int stream, char *text, int size);

typedef struct sc_stream_map { /* of one stream of the source */
    int index;                 /* in the output, -1 where no packets are to come */
    AVRational time_base;      /* of its packets in the source */
    sc_subtitle *convert;      /* or NULL */
} sc_stream_map;

/* Adds to `out` a stream for each of the source's that is kept, in the source's order, the film's with the
 * parameters of enc, and fills map[from->nb_streams], whose members are the caller's to close. One warning
 * for each that is dropped. Without a source there is the film alone, and map is not touched. */
int sc_streams_create(AVFormatContext *out, AVStream **film, sc_stream_map *map, const sc_writer_options *o,
                      const AVCodecContext *enc, const sc_logger *log);

/* Chapters (cut and moved as the packets are) and tags of the file. */
int sc_streams_copy_tags(AVFormatContext *out, const sc_writer_options *o);

#endif
