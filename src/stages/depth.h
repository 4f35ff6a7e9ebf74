/* The tiers between which sc_depth_open() chooses, and what they share. */
#ifndef SC_DEPTH_H
#define SC_DEPTH_H

#include "../ops.h"
#include "models.h"

/* The built-in network, frame by frame. */
int sc_depth_quick_open(sc_stage **s, const sc_context *c, sc_stage *from);

/* DepthCrafter, in windows of frames. */
int sc_depth_svd_open(sc_stage **s, const sc_context *c, sc_stage *from, const sc_model_files *files);

/* What the built-in and the published network drew, to the size of the picture; the first along its edges.
 * out[1,H,W,1], plane[1,h,w,1], picture[1,H,W,3]. */
void sc_depth_quick_enlarge(sc_exec *x, const sc_video_info *v, sc_tensor out, sc_tensor plane,
                            sc_tensor picture);
void sc_depth_svd_enlarge(sc_exec *x, sc_tensor out, sc_tensor plane);

/* Least span of the built-in network's numbers that becomes the full range. */
extern const float sc_depth_quick_least;

/* Where c->raw_depth: f's disp is what the network drew, taken from the buffer. */
void sc_depth_raw(sc_frame *f, sc_image *buffer, int h, int w);

/* ---- the scale of a shot: which of a network's numbers are 0 and 1 */

typedef struct sc_depth_scale {
    float far, near;
    int seen, most; /* frames in the mean; frames after which it forgets */
} sc_depth_scale;

/* Zeroes *s: a new shot. */
void sc_depth_scale_begin(sc_depth_scale *s, const sc_video_info *v);
/* far and near of disp[1,h,w,1]: outliers left aside. Waits for the device. */
void sc_depth_scale_measure(sc_exec *x, float *far, float *near, sc_tensor disp);
void sc_depth_scale_add(sc_depth_scale *s, float far, float near);

/* ---- views. Planes: sc_colour() scales, shifts and clamps triples of numbers, so that one-channel images to
 * which that is done lie in buffers [1,n,3] of whole triples. */

int sc_depth_triples(int h, int w);
/* A new image [1,n,3] in *buffer, empty so far; what no pixel will fill is a number (screen's). */
int sc_depth_buffer(const sc_context *c, sc_image *buffer, int h, int w, const sc_image *screen);
sc_tensor sc_depth_plane(sc_tensor buffer, int64_t h, int64_t w); /* [1,h,w,1] */
sc_tensor sc_depth_part(sc_tensor image, sc_rect r);              /* [H,W,C] -> [1,r.h,r.w,C] */

/* unit = (buffer - far) / (near - far), clamped to 0..1. A picture whose whole span is less than `least` is
 * flat: it lies about the middle and is not stretched further. */
void sc_depth_unit(sc_exec *x, sc_tensor unit, sc_tensor buffer, const sc_depth_scale *s, float least);

/* small[1,h,w,3] = the picture[1,H,W,3] antialiased, in its transfer; graded[1,h,w,3] = the same in SDR's,
 * 0..1. */
void sc_depth_shrink(sc_exec *x, sc_tensor graded, sc_tensor small, sc_tensor picture,
                     const sc_video_info *v);

/* Begins f's disp, empty so far: an image of the source's size, and where active leaves bars, these lie in
 * the screen plane (screen: a device image [1,1,1] of its disparity). */
int sc_depth_begin(const sc_context *c, sc_frame *f, const sc_image *screen);
int sc_depth_screen(const sc_context *c, sc_image *screen);

#endif
