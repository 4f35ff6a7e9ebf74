/* Small clips in and out of files through FFmpeg, for tests. Both directions run through a filter graph, so
 * that any pixel format, range, crop or scale is one string. Messages go to stderr. */
#ifndef SC_MOVIE_H
#define SC_MOVIE_H

#include <stdbool.h>

#include <libavutil/frame.h>

typedef struct sc_movie_out sc_movie_out;

/* codec: an encoder's name. filter: what the frames go through on their way to it, for example
 * "scale=out_range=full,format=yuv420p"; NULL = nothing. tone: adds a soft sine as an AAC stream. */
typedef struct sc_movie_options {
    const char *path, *codec, *filter;
    int fps;
    bool uneven; /* every third picture stays twice as long */
    bool tone;
} sc_movie_options;

int sc_movie_create(sc_movie_out **o, const sc_movie_options *options);
/* Encodes a picture; its pts is set to its time in units of 1 / fps. All pictures of a file have the same
 * size and format. */
int sc_movie_put(sc_movie_out *o, AVFrame *f);
/* Writes the trailer, unless o failed before, and frees it; returns the first error of all. */
int sc_movie_finish(sc_movie_out **o);

typedef struct sc_movie_in sc_movie_in;

/* Opens the best video stream. filter as above, on the decoded frames; NULL = nothing. */
int sc_movie_open(sc_movie_in **c, const char *path, const char *filter);
/* The next picture into the empty f; AVERROR_EOF after the last. */
int sc_movie_get(sc_movie_in *c, AVFrame *f);
void sc_movie_close(sc_movie_in **c);

/* A new picture with its own buffers, or NULL. */
AVFrame *sc_movie_frame(int width, int height, int format);

#endif
