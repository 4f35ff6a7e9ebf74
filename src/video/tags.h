/* What tells a player how the two eyes stand in the picture: as side data where the installed FFmpeg writes
 * it, as boxes of our own in the finished file where it does not. Nothing with stereo_tags off. */
#ifndef SC_TAGS_H
#define SC_TAGS_H

#include <libavformat/avformat.h>

#include "writer.h"

/* MP4, QuickTime and their kin. */
bool sc_tags_is_mov(const AVOutputFormat *of);

/* For the muxer: Matroska's StereoMode and Projection, st3d of MP4 files that are made of fragments. */
int sc_tags_stream(AVStream *st, const AVOutputFormat *of, const sc_writer_options *o);

/* For the encoder, which makes H.264's frame packing message of it. The source's own word is removed. */
int sc_tags_frame(AVFrame *f, const sc_writer_options *o);

/* For the finished file, whose film is stream `film`: st3d, sv3d, Apple's vexu and hfov, which replace the
 * muxer's own. A file that cannot take them gets a warning; what else goes wrong is AVERROR, not logged. */
int sc_tags_finish(const char *path, const AVOutputFormat *of, int film, const sc_writer_options *o,
                   const sc_logger *log);

#endif
