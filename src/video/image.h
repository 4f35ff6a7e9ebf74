/* AVFrame planes <-> tensors. The one file of video/ that knows both. */
#ifndef SC_IMAGE_H
#define SC_IMAGE_H

#include <libavutil/frame.h>

#include "../ops.h"
#include "reader.h"

/* Describes frame data of `format` (any planar or packed, 8 to 16 bit, YUV, RGB or grey, little-endian) as
 * tensors over f's own memory, with the matrix and range that sc_pixels_tags gives. Data pointers are copied,
 * not followed: they may be of a device, or NULL. AVERROR(ENOSYS) with a log line for a format it cannot
 * describe. */
int sc_pixels_from_frame(sc_pixels *px, const AVFrame *f, const sc_video_info *v, const sc_logger *log);

/* Whether image_in and image_out know this format. */
bool sc_pixels_supported(enum AVPixelFormat format);

/* Whether pictures of both formats hold the same numbers in the same places (alpha left aside). */
bool sc_pixels_same(enum AVPixelFormat a, enum AVPixelFormat b);

/* How a picture of `format` made from the film v is tagged: v's own tags as far as they can mean the same
 * there. */
void sc_pixels_tags(const sc_video_info *v, enum AVPixelFormat format, enum AVColorSpace *matrix,
                    enum AVColorRange *range);

#endif
