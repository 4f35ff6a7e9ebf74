/* One convolution by cuDNN: conv_library.cu. */
#ifndef SC_CONV_LIBRARY_CUH
#define SC_CONV_LIBRARY_CUH

#include "common.cuh"

/* All that a plan depends on; int64_t throughout, so that it compares as bytes. in: the type of x and w. */
typedef struct conv_shape {
    int64_t type, in, tf32, n, h, w, i, ho, wo, o, kh, kw, stride, top, left, bottom, right, add, room;
} conv_shape;

/* What one call reads and writes. All but add is there, and scale[o] for E4M3 alone, f32, of w and x
 * together; bias[o] is in y's type, room is of s->room bytes. */
typedef struct conv_part {
    const char *x, *w, *add, *scale;
    char *y, *bias, *room;
} conv_part;

/* y[n,ho,wo,o] = conv(x[n,h,w,i], w[o,kh,kw,i]) (* scale) (+ add) + bias, packed. 1: cuDNN has nothing for
 * this. */
int sc_conv_library(sc_exec *x, const conv_shape *s, const conv_part *at);

#endif
