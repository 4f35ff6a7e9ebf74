/* AVFrame planes <-> tensors. The one file of video/ that knows both. */
#ifndef SC_IMAGE_H
#define SC_IMAGE_H

#include <libavutil/frame.h>

#include "../ops.h"
#include "reader.h"

/* Describes frame data of `format` (any planar or packed, 8 to 16 bit, YUV, RGB or grey, little-endian) as
 * tensors over f's own memory, with the matrix and range of v. AVERROR(ENOSYS) with a log line for a format
 * it cannot describe. */
int sc_pixels_from_frame(sc_pixels *px, const AVFrame *f, const sc_video_info *v, const sc_logger *log);

/* The part [y, y+h) x [x, x+w) of a picture; false if a subsampled plane cannot be cut there. */
bool sc_pixels_part(sc_pixels *part, const sc_pixels *px, int x, int y, int w, int h);

/* Whether image_in and image_out know this format. */
bool sc_pixels_supported(enum AVPixelFormat format);

#endif
