/* Which attention kernel serves a call on a GPU: a pure function, tested without one. */
#ifndef SC_CUDA_ATTENTION_PLAN_H
#define SC_CUDA_ATTENTION_PLAN_H

#ifdef __cplusplus
extern "C" { /* ops.h is a C header */
#endif

#include "../../src/ops.h"

typedef enum sc_attention_way {
    SC_ATTENTION_PLAIN,   /* f32 products: exact fp32, and right for every 16-bit call too */
    SC_ATTENTION_SHORT,   /* up to 32 tokens, heads 32 or 64 wide: a warp takes a head, all in registers */
    SC_ATTENTION_TILED,   /* mma.sync, heads up to 128 wide */
    SC_ATTENTION_WIDE,    /* mma.sync, heads up to 512 wide; 64 queries and 64 keys, 201 KiB shared */
    SC_ATTENTION_WIDE_99, /* the same with 32 and 32, for GPUs that have only 99 KiB */
    SC_ATTENTION_SM90,    /* wgmma and TMA, heads 64 wide, compute capability 9.0 alone; 192 queries */
    SC_ATTENTION_SM90_128 /* the same with 128 */
} sc_attention_way;

/* arch: 10 * major + minor. */
sc_attention_way sc_plan_attention(const sc_attention_args *a, int arch);

#ifdef __cplusplus
}
#endif
#endif
