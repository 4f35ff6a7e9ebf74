/* Which way an op goes on a GPU, from its arguments alone: pure functions, tested without a GPU. */
#ifndef SC_CUDA_PLAN_H
#define SC_CUDA_PLAN_H

#ifdef __cplusplus
extern "C" { /* ops.h is a C header */
#endif

#include "../../src/ops.h"

/* Whether one call of the library does all of it: y = x w^T + b + add in one rounding. The others need the
 * product in f32 before the activation, or before E4M3's factors, and take it from scratch. arch: 10 * major
 * + minor of the compute capability. */
bool sc_plan_linear_fused(const sc_linear_args *a, int arch);

/* Rows of the product at a time, at least 1, so that their f32 products fit into `room` bytes: as few and as
 * equal parts as possible. */
int64_t sc_plan_linear_rows(const sc_linear_args *a, size_t room);

typedef enum sc_conv_way {
    SC_CONV_LINEAR,  /* 1x1: a matrix product over all pixels */
    SC_CONV_LIBRARY, /* `images` and output `rows` (all of them, or those of one image) a call */
    SC_CONV_DIRECT   /* our own kernel: right for everything, without tensor cores */
} sc_conv_way;

typedef struct sc_conv_plan {
    sc_conv_way way;
    int64_t images, rows;
} sc_conv_plan;

/* room: bytes for the doubled input of an upsampling convolution. tf32: see sc_device_options. */
sc_conv_plan sc_plan_conv(const sc_conv2d_args *a, size_t room, bool tf32);

/* Rows of the (doubled) input under `rows` rows of the output. */
int64_t sc_plan_conv_rows_in(const sc_conv2d_args *a, int64_t rows);

#ifdef __cplusplus
}
#endif
#endif
