/* AVFrame planes <-> tensors. The one file of video/ that knows both. */
#ifndef SC_IMAGE_H
#define SC_IMAGE_H

#include <libavutil/frame.h>

#include "../ops.h"
#include "reader.h"

/* Describes f's data (any planar or packed, 8 to 16 bit, YUV, RGB or grey, little-endian) as tensors over f's
 * own memory, with the matrix and range that sc_pixels_tags gives. Data pointers are copied, not followed:
 * they may be of a device, or NULL. A frame that a device has decoded holds v's codes in the high bits of its
 * words. AVERROR(ENOSYS) with a log line for a format it cannot describe. */
int sc_pixels_from_frame(sc_pixels *px, const AVFrame *f, const sc_video_info *v, const sc_logger *log);

/* Whether image_in and image_out know this format. */
bool sc_pixels_supported(enum AVPixelFormat format);

/* Whether pictures of both formats hold the same numbers in the same places (alpha left aside). */
bool sc_pixels_same(enum AVPixelFormat a, enum AVPixelFormat b);

/* How a picture of `format` made from the film v is tagged: v's own tags as far as they can mean the same
 * there. */
void sc_pixels_tags(const sc_video_info *v, enum AVPixelFormat format, enum AVColorSpace *matrix,
                    enum AVColorRange *range);

/* A sum of the picture's codes, by which it is known again; 0 of none and of one that is not in host memory.
 */
uint32_t sc_picture_check(const AVFrame *f);

/* About how bright a host frame is, 0..1: the mean of some of its first component (luma, or red). */
double sc_picture_light(const AVFrame *f, const sc_video_info *v);

/* A frame with a format and a size and no data: what a picture is to be like. */
int sc_shape_new(AVFrame **f, enum AVPixelFormat format, int width, int height);
/* A host frame without gaps, as sc_upload wants it. */
int sc_packed_new(AVFrame **f, enum AVPixelFormat format, int width, int height);
void sc_picture_free(AVFrame **f); /* of either */

/* Pixels of shape's format and size in the arena, with nothing in them. */
void sc_pixels_new(sc_exec *x, sc_pixels *px, const AVFrame *shape, const sc_video_info *v);
void sc_pixels_upload(sc_exec *x, const sc_pixels *px, const AVFrame *packed);
/* To the place of `to`, a larger host frame of the same format, that begins at (left, top), whole chroma
 * samples. Does not wait: a mark tells when they are there. */
void sc_pixels_download(sc_exec *x, const AVFrame *to, int left, int top, const sc_pixels *px);
/* That place in plane p. */
uint8_t *sc_pixels_place(const AVFrame *to, int left, int top, int p);

#endif
