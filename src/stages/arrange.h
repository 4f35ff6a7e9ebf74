/* What each layout shows of the two eyes, as pictures on the device; and parts of pictures. */
#ifndef SC_ARRANGE_H
#define SC_ARRANGE_H

#include "frame.h"

typedef enum sc_part {
    SC_PART_NONE,
    SC_PART_LEFT,
    SC_PART_RIGHT,
    SC_PART_DISPARITY, /* as grey */
    SC_PART_ROWS,      /* the left eye's even rows, the right eye's odd ones */
    SC_PART_DUBOIS,    /* from here on red-cyan anaglyphs */
    SC_PART_REDCYAN,
    SC_PART_HALFCOLOR,
    SC_PART_WIMMER,
    SC_PART_GRAY,
} sc_part;

/* The parts of a layout, in reading order; the second may be SC_PART_NONE. */
const sc_part *sc_arrange_parts(int layout);

/* Whether a part is the source's own picture. */
bool sc_arrange_is_source(const sc_frame *f, sc_part part);

/* One part of a frame, [H,W,3]: an image of the frame itself or a new tensor. */
sc_tensor sc_arrange(sc_exec *x, const sc_frame *f, sc_part part);

/* A picture [h0,w0,3] in another size, each pixel the mean of what it covers. */
sc_tensor sc_arrange_resized(sc_exec *x, sc_tensor t, int w, int h);

/* to[h,w,C] = the part of a picture that begins at (left, top); what lies beyond its right and bottom edge
 * repeats the edge. */
void sc_arrange_cut(sc_exec *x, sc_tensor to, sc_tensor picture, int top, int left);

/* Zeros of this shape, of which only the last axis takes memory. */
sc_tensor sc_arrange_zeros(sc_exec *x, int ndim, const int64_t *dim);

/* y = scale * y + offset, of three channels, clamped to 0..1 where asked for. */
void sc_arrange_rescale(sc_exec *x, sc_tensor y, float scale, float offset, bool clamp);

#endif
