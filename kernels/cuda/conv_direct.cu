/* Convolution as a tiled matrix product: any shape, type, padding, stride and epilogue. For what cuDNN does
 * not take, and for fp32, where cuDNN without tensor cores runs at 10 TFLOP/s on an H200 and this at 30
 * to 37.
 *
 *   y[m,o] = act(sum_k x[m,k] w[o,k] + b[o] + vec[n,o]) + add[m,o]     m = (n, row, column), k = (ky, kx, i)
 *
 * A block makes 128 pixels x 128 channels. Each step brings 8 terms of each into shared memory as f32, while
 * the next 8 are on their way to registers; a thread owns 8 x 8 sums. Terms are added in the order of k, in
 * f32; y is rounded once. E4M3 numbers are multiplied as f32 too, and the sums by their factors. From memory
 * x is read O / 128 times, as the taps of a step's neighbours hit L1 and L2. */
#include <cuda_fp8.h>

#include "common.cuh"

enum { TILE = 128, STEP = 8, OWN = 8, THREADS = TILE * STEP / 4 }; /* a thread loads 4 terms of x and of w */

/* S: the type of x and w. */
template <typename T, typename S> struct direct_args {
    T *y;
    const S *x, *w;
    const T *add;
    const float *b, *vec, *scale, *x_scale;
    int64_t m, ho, wo, o, vec_row;
    int h, w_in, i, k, kw, stride, top, left, up; /* h, w_in: of x as stored */
    sc_act act;
};

/* A thread's pixel: its image, and where its window begins in the (doubled) input; far outside for a pixel
 * beyond the last. */
struct pixel {
    int64_t n;
    int row, col;
};

enum { OUTSIDE = -(1 << 30) };

/* Four terms from p; those past `count` are 0. quads: all four are there, at a multiple of their size. */
template <bool quads, typename T> __device__ static float4 load(const T *p, int count)
{
    T v[4] = {};

    if constexpr (quads && sizeof(T) == 4)
        *(uint4 *)v = *(const uint4 *)p;
    else if constexpr (quads && sizeof(T) == 2)
        *(uint2 *)v = *(const uint2 *)p;
    else if constexpr (quads)
        *(uint32_t *)v = *(const uint32_t *)p;
    else
        for (int j = 0; j < 4 && j < count; j++)
            v[j] = p[j];
    return { sc_f32(v[0]), sc_f32(v[1]), sc_f32(v[2]), sc_f32(v[3]) };
}

/* x at term k of the window: offset (ky, kx), channel i; null outside. */
template <typename T, typename S>
__device__ static const S *tap(const direct_args<T, S> &a, const pixel &p, int k)
{
    const int at = k / a.i, row = p.row + at / a.kw, col = p.col + at % a.kw;

    if (k >= a.k || row < 0 || col < 0 || row >= a.h << a.up || col >= a.w_in << a.up)
        return nullptr;
    return a.x + ((p.n * a.h + (row >> a.up)) * a.w_in + (col >> a.up)) * a.i + k % a.i;
}

/* Terms k .. k + 3 of a pixel. quads: the channels are a multiple of 4, so that all four are of one tap. */
template <bool quads, typename T, typename S>
__device__ static float4 terms(const direct_args<T, S> &a, const pixel &p, int k)
{
    float4 v = {};

    for (int j = 0; j < (quads ? 1 : 4); j++) {
        const S *at = tap(a, p, k + j);
        if constexpr (quads)
            v = at ? load<true>(at, 4) : v;
        else
            ((float *)&v)[j] = at ? sc_f32(*at) : 0;
    }
    return v;
}

template <typename T, typename S>
__device__ static void store(const direct_args<T, S> &a, int64_t m, int64_t o, float v)
{
    if (m >= a.m || o >= a.o)
        return;
    v *= a.scale ? a.scale[o] * *a.x_scale : 1;
    v += a.b ? a.b[o] : 0;
    v += a.vec ? a.vec[m / (a.wo * a.ho) * a.vec_row + o] : 0;
    v = sc_act_f32(a.act, v);
    v += a.add ? sc_f32(a.add[m * a.o + o]) : 0;
    a.y[m * a.o + o] = sc_from_f32<T>(v);
}

/* grid (pixels / 128, channels / 128) */
template <typename T, typename S, bool quads>
__global__ void __launch_bounds__(THREADS, 2) k_conv_direct(const direct_args<T, S> a)
{
    __shared__ float4 xs[STEP][TILE / 4], ws[STEP][TILE / 4];
    /* The thread loads terms `quad` .. + 3 of row `first`, and owns pixels and channels 4 q .. 4 q + 3 and 64
     * further, for q of its own: neighbours' 16-byte reads of shared memory touch different banks. */
    const int quad = threadIdx.x % 2 * 4, first = threadIdx.x / 2;
    const int mine_m = threadIdx.x / 16, mine_o = threadIdx.x % 16;
    const int64_t m0 = (int64_t)blockIdx.x * TILE, o0 = (int64_t)blockIdx.y * TILE;
    const int64_t m = m0 + first, row = m / a.wo, o = o0 + first;
    const pixel p = { row / a.ho, m < a.m ? (int)(row % a.ho) * a.stride - a.top : OUTSIDE,
                      (int)(m % a.wo) * a.stride - a.left };
    float4 x_next, w_next;
    float sum[OWN][OWN] = {};

    const auto fetch = [&](int k) {
        x_next = terms<quads>(a, p, k);
        w_next = o < a.o && k < a.k ? load<quads>(a.w + o * a.k + k, a.k - k) : float4{};
    };
    fetch(quad);
    for (int k0 = 0; k0 < a.k; k0 += STEP) {
#pragma unroll
        for (int t = 0; t < 4; t++) {
            ((float *)xs[quad + t])[first] = ((const float *)&x_next)[t];
            ((float *)ws[quad + t])[first] = ((const float *)&w_next)[t];
        }
        __syncthreads();
        if (k0 + STEP < a.k)
            fetch(k0 + STEP + quad);
#pragma unroll
        for (int s = 0; s < STEP; s++) {
            const float4 x4[2] = { xs[s][mine_m], xs[s][mine_m + 16] },
                         w4[2] = { ws[s][mine_o], ws[s][mine_o + 16] };
#pragma unroll
            for (int j = 0; j < OWN; j++)
#pragma unroll
                for (int l = 0; l < OWN; l++)
                    sum[j][l] += ((const float *)x4)[j] * ((const float *)w4)[l];
        }
        __syncthreads();
    }
#pragma unroll
    for (int j = 0; j < OWN; j++)
#pragma unroll
        for (int l = 0; l < OWN; l++)
            store(a, m0 + 4 * mine_m + j % 4 + 64 * (j / 4), o0 + 4 * mine_o + l % 4 + 64 * (l / 4),
                  sum[j][l]);
}

template <typename T, typename S> static int launch(sc_exec *x, const sc_conv2d_args *a)
{
    const direct_args<T, S> d = { .y = (T *)a->y.data,
                                  .x = (const S *)a->x.data,
                                  .w = (const S *)a->w.data,
                                  .add = a->add.ndim ? (const T *)a->add.data : NULL,
                                  .b = a->b.ndim ? (const float *)a->b.data : NULL,
                                  .vec = a->vec.ndim ? (const float *)a->vec.data : NULL,
                                  .scale = a->scale.ndim ? (const float *)a->scale.data : NULL,
                                  .x_scale = (const float *)a->x_scale.data,
                                  .m = a->y.dim[0] * a->y.dim[1] * a->y.dim[2],
                                  .ho = a->y.dim[1],
                                  .wo = a->y.dim[2],
                                  .o = a->y.dim[3],
                                  .vec_row = a->vec.stride[0],
                                  .h = (int)a->x.dim[1],
                                  .w_in = (int)a->x.dim[2],
                                  .i = (int)a->x.dim[3],
                                  .k = (int)(a->w.dim[1] * a->w.dim[2] * a->w.dim[3]),
                                  .kw = (int)a->w.dim[2],
                                  .stride = a->stride,
                                  .top = a->pad_top,
                                  .left = a->pad_left,
                                  .up = a->upsample,
                                  .act = a->act };
    const dim3 grid(sc_blocks(d.m, TILE), sc_blocks(d.o, TILE));
    const bool quads = d.i % 4 == 0 && (uintptr_t)d.x % 16 == 0 && (uintptr_t)d.w % 16 == 0;

    if (quads)
        k_conv_direct<T, S, true><<<grid, THREADS, 0, sc_cuda_of(x)->stream>>>(d);
    else
        k_conv_direct<T, S, false><<<grid, THREADS, 0, sc_cuda_of(x)->stream>>>(d);
    return SC_LAUNCHED(x);
}

extern "C" int sc_cuda_conv2d_direct(sc_exec *x, const sc_conv2d_args *a)
{
    return sc_by_type(a->y.dtype, [&](auto *p) {
        using T = std::remove_pointer_t<decltype(p)>;
        return a->x.dtype == SC_F8 ? launch<T, __nv_fp8_e4m3>(x, a) : launch<T, T>(x, a);
    });
}
