/* What the attention kernels share: the call's arguments in a kernel, matrix instructions, online softmax.
 *
 * Scores and sums are held as mma.sync and wgmma leave them: of a 16 x 8 piece, lane 4 g + t has row g,
 * columns 2 t and 2 t + 1, then the same of row g + 8. */
#ifndef SC_ATTENTION_CUH
#define SC_ATTENTION_CUH

#include <type_traits>

#include "attention_plan.h"
#include "common.cuh"

/* One [B,S,H,D] operand; steps in elements. */
template <typename T> struct attention_rows {
    T *data;
    int64_t batch, row, head;
};

template <typename T> struct attention_call {
    attention_rows<T> y;
    attention_rows<const T> q, k, v;
    int queries, keys, width;
    unsigned heads, tiles; /* tiles: blocks of queries of one head */
    float scale;           /* of scores */
};

template <typename T> static attention_rows<T> attention_rows_of(const sc_tensor &t)
{
    return { (T *)t.data, t.stride[0], t.stride[1], t.stride[2] };
}

/* The call cut into blocks of `rows` queries. */
template <typename T> static attention_call<T> attention_call_of(const sc_attention_args *a, int rows)
{
    return { .y = attention_rows_of<T>(a->y),
             .q = attention_rows_of<const T>(a->q),
             .k = attention_rows_of<const T>(a->k),
             .v = attention_rows_of<const T>(a->v),
             .queries = (int)a->q.dim[1],
             .keys = (int)a->k.dim[1],
             .width = (int)a->q.dim[3],
             .heads = (unsigned)a->q.dim[2],
             .tiles = sc_blocks(a->q.dim[1], rows),
             .scale = a->scale };
}

/* The part of a call that block number i works on. Neighbouring blocks share a head's keys and values. */
struct attention_part {
    int first; /* tile of queries */
    unsigned head, batch;
};

template <typename T>
__device__ __forceinline__ attention_part attention_part_of(const attention_call<T> &a, unsigned i)
{
    const unsigned pair = i / a.tiles;
    return { (int)(i % a.tiles), pair % a.heads, pair / a.heads };
}

template <typename T>
__device__ __forceinline__ T *attention_head(const attention_rows<T> &r, attention_part p)
{
    return r.data + p.batch * r.batch + p.head * r.head;
}

/* Launchers, one a file; each serves fp16 and bf16, the plain one fp32 too. */
int sc_cuda_attention_plain(sc_exec *x, const sc_attention_args *a);
int sc_cuda_attention_short(sc_exec *x, const sc_attention_args *a);
int sc_cuda_attention_tiled(sc_exec *x, const sc_attention_args *a);
int sc_cuda_attention_wide(sc_exec *x, const sc_attention_args *a, bool small);
/* -ENOSYS where this build has no code for sm_90a. */
int sc_cuda_attention_sm90(sc_exec *x, const sc_attention_args *a, bool small);

/* ---- device helpers of the 16-bit kernels */

/* Two numbers in 16 bits each, the first in the low half. */
template <typename T> __device__ __forceinline__ uint32_t attention_pack(float lo, float hi);
template <> __device__ __forceinline__ uint32_t attention_pack<__half>(float lo, float hi)
{
    const __half2 v = __floats2half2_rn(lo, hi);
    return *(const uint32_t *)&v;
}
template <> __device__ __forceinline__ uint32_t attention_pack<__nv_bfloat16>(float lo, float hi)
{
    const __nv_bfloat162 v = __floats2bfloat162_rn(lo, hi);
    return *(const uint32_t *)&v;
}

/* 2^x; 0 for -inf. The hardware's, within 2 units in the last place of f32. */
__device__ __forceinline__ float attention_exp2(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* c += a b, 16 x 8 x 16. */
template <typename T>
__device__ __forceinline__ void attention_mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
#if __CUDA_ARCH__ >= 800
    if constexpr (std::is_same_v<T, __half>)
        asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
            "{%0,%1,%2,%3};"
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    else
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
            "{%0,%1,%2,%3};"
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

/* Four 8 x 8 pieces; lane l gives the address of row l % 8 of piece l / 8. */
__device__ __forceinline__ void attention_load4(uint32_t (&r)[4], uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

__device__ __forceinline__ void attention_load4_turned(uint32_t (&r)[4], uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

/* 16 bytes from global to shared memory, not waited for; zeros instead where !inside. */
__device__ __forceinline__ void attention_fetch(uint32_t to, const void *from, bool inside)
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(inside ? 16 : 0)
                 : "memory");
#endif
}

__device__ __forceinline__ void attention_fetched()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/* Waits until at most N of the groups that this thread closed by attention_fetched() are on their way. */
template <int N> __device__ __forceinline__ void attention_wait()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

/* The larger of a number over the four lanes that share a row. */
__device__ __forceinline__ float attention_row_max(float v)
{
    v = fmaxf(v, __shfl_xor_sync(~0u, v, 1));
    return fmaxf(v, __shfl_xor_sync(~0u, v, 2));
}

__device__ __forceinline__ float attention_row_sum(float v)
{
    v += __shfl_xor_sync(~0u, v, 1);
    return v + __shfl_xor_sync(~0u, v, 2);
}

/* Scores of keys from `keys` on weigh nothing; the first column of s is key `first`. */
template <int N> __device__ __forceinline__ void attention_mask(float (&s)[N][4], int first, int keys)
{
#pragma unroll
    for (int i = 0; i < N; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (first + 8 * i + (int)threadIdx.x % 4 * 2 + j % 2 >= keys)
                s[i][j] = -INFINITY;
}

/* Two rows' running softmax (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018). */
struct attention_softmax {
    float top[2] = { -INFINITY, -INFINITY }; /* what weights are relative to, unscaled */
    float total[2] = {};                     /* of this lane's columns */
    float keep[2] = { 1, 1 };                /* factor for what was summed before the last block */

    /* Makes weights of a block of scores, of which one at least is finite in each row unless an earlier block
     * had one; log2e_scale > 0. True if some row of the warp has to multiply its sums by `keep`. A row's
     * reference point follows its largest score only once it lags behind by 2^8 (as in FlashAttention-4),
     * which f32 sums and 16-bit weights hold without loss. */
    template <int N> __device__ __forceinline__ bool block(float (&s)[N][4], float log2e_scale)
    {
        float best[2] = { s[0][0], s[0][2] };
        bool late[2];
#pragma unroll
        for (int i = 0; i < N; i++)
#pragma unroll
            for (int j = 0; j < 4; j++)
                best[j / 2] = fmaxf(best[j / 2], s[i][j]);
#pragma unroll
        for (int r = 0; r < 2; r++) {
            best[r] = attention_row_max(best[r]);
            late[r] = (best[r] - top[r]) * log2e_scale > 8;
        }
        const bool moved = __any_sync(~0u, late[0] || late[1]);
        if (moved)
#pragma unroll
            for (int r = 0; r < 2; r++) {
                keep[r] = late[r] ? attention_exp2((top[r] - best[r]) * log2e_scale) : 1;
                total[r] *= keep[r];
                top[r] = late[r] ? best[r] : top[r];
            }
        const float base[2] = { top[0] * log2e_scale, top[1] * log2e_scale };
#pragma unroll
        for (int i = 0; i < N; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) {
                s[i][j] = attention_exp2(fmaf(s[i][j], log2e_scale, -base[j / 2]));
                total[j / 2] += s[i][j];
            }
        return moved;
    }

    template <int N> __device__ __forceinline__ void rescale(float (&sum)[N][4]) const
    {
#pragma unroll
        for (int i = 0; i < N; i++)
#pragma unroll
            for (int j = 0; j < 4; j++)
                sum[i][j] *= keep[j / 2];
    }

    /* 1 / the sum of row r's weights. */
    __device__ __forceinline__ float share(int r) const
    {
        return 1 / attention_row_sum(total[r]);
    }
};

/* Weights of 16 keys (two 16 x 8 pieces) as the left factor of a product. */
template <typename T>
__device__ __forceinline__ void attention_weights(uint32_t (&p)[4], const float (&a)[4], const float (&b)[4])
{
    p[0] = attention_pack<T>(a[0], a[1]);
    p[1] = attention_pack<T>(a[2], a[3]);
    p[2] = attention_pack<T>(b[0], b[1]);
    p[3] = attention_pack<T>(b[2], b[3]);
}

static const float attention_log2e = 1.44269504f;

#endif
