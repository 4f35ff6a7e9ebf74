/* When the tap GEMM (tap_gemm_sm90.cu) serves a convolution or linear layer, and how it cuts it: pure
 * functions, tested without a GPU. */
#ifndef SC_CUDA_TAP_PLAN_H
#define SC_CUDA_TAP_PLAN_H

#ifdef __cplusplus
extern "C" { /* ops.h is a C header */
#endif

#include "../../src/ops.h"

enum {
    SC_TAP_PIXELS = 192, /* of a tile */
    SC_TAP_ROW = 128,    /* bytes: channels at a time, 64 or, of E4M3, 128 */
    SC_TAP_SLOTS = 8,    /* of a ring in shared memory, at most */
    SC_TAP_REST = 3072,  /* bytes of shared memory for other things than the rings */
    SC_TAP_SHARED = 227 << 10
};

/* `phases` images of h x w pixels in each of `images`: 1, or 4 where a doubled input is never made
 * (tap_gemm_sm90.cu). A linear layer is one row of pixels. */
typedef struct sc_tap_plan {
    int64_t images, h, w, in, out; /* in and out: channels */
    int kh, kw, stride, top, left, phases;
    bool gated, adds;     /* columns are half values, half gates; there is an `add`, never with gates */
    bool narrow;          /* x and w are E4M3 */
    int columns;          /* of a tile, gates included: 128 or 160, gated 256, or 128 if narrow */
    int tile_w, tile_h;   /* pixels of a tile: SC_TAP_PIXELS in all, tile_w a multiple of 8 */
    int reach;            /* rows of taps that are read off one box of the input: kh or 1 */
    int a_slots, b_slots; /* of the rings of input boxes and of weights */
} sc_tap_plan;

/* Channels at a time. */
int sc_tap_depth(const sc_tap_plan *p);

/* False: another way is faster, or the only one. */
bool sc_plan_tap_conv(sc_tap_plan *p, const sc_conv2d_args *a, int processors);
bool sc_plan_tap_linear(sc_tap_plan *p, const sc_linear_args *a, int processors);

/* Bytes of a slot: a box of the input for `reach` rows of taps; weights for one tap. */
int64_t sc_tap_a_bytes(const sc_tap_plan *p);
int64_t sc_tap_b_bytes(const sc_tap_plan *p);
/* Bytes of shared memory for a tile of the output. */
int64_t sc_tap_room(const sc_tap_plan *p);

#ifdef __cplusplus
}
#endif
#endif
