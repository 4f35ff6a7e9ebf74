/* Small clips in and out of files through FFmpeg, for tests. Both directions run through a filter graph, so
 * that any pixel format, range, crop or scale is one string. Messages go to stderr. */
#ifndef SC_CLIP_H
#define SC_CLIP_H

#include <stdbool.h>

#include <libavutil/frame.h>

typedef struct sc_clip_out sc_clip_out;

/* codec: an encoder's name. filter: what the frames go through on their way to it, for example
 * "scale=out_range=full,format=yuv420p"; NULL = nothing. tone: adds a soft sine as an AAC stream. */
typedef struct sc_clip_options {
    const char *path, *codec, *filter;
    int fps;
    bool tone;
} sc_clip_options;

int sc_clip_create(sc_clip_out **o, const sc_clip_options *options);
/* Encodes a picture; its pts is set to its number. All pictures of a file have the same size and format. */
int sc_clip_put(sc_clip_out *o, AVFrame *f);
/* Writes the trailer, unless o failed before, and frees it; returns the first error of all. */
int sc_clip_finish(sc_clip_out **o);

typedef struct sc_clip_in sc_clip_in;

/* Opens the best video stream. filter as above, on the decoded frames; NULL = nothing. */
int sc_clip_open(sc_clip_in **c, const char *path, const char *filter);
/* The next picture into the empty f; AVERROR_EOF after the last. */
int sc_clip_get(sc_clip_in *c, AVFrame *f);
void sc_clip_close(sc_clip_in **c);

/* A new picture with its own buffers, or NULL. */
AVFrame *sc_clip_frame(int width, int height, int format);

#endif
