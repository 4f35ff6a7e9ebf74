/* Convolution as a tiled matrix product: any shape, type, padding, stride and epilogue, for what cuDNN does
 * not take.
 *
 *   y[m,o] = act(sum_k x[m,k] w[o,k] + b[o] + vec[n,o]) + add[m,o]     m = (n, row, column), k = (ky, kx, i)
 *
 * A block makes 64 pixels x 64 channels. Each step brings 16 terms of each into shared memory as f32; a
 * thread owns 4 x 4 sums. Terms are added in the order of k, in f32; y is rounded once. x is read 9/64 O
 * times for 3x3, mostly from L1. */
#include "common.cuh"

enum { TILE = 64, STEP = 16, OWN = 4, THREADS = 256 };

template <typename T> struct direct_args {
    T *y;
    const T *x, *w, *add;
    const float *b, *vec;
    int64_t m, h, w_in, ho, wo, o, vec_row; /* h, w_in: of x as stored */
    int i, k, kw, stride, top, left, up;
    sc_act act;
};

/* A thread's pixel: where its window begins in the (doubled) input. */
struct pixel {
    int64_t n, row, col;
    bool inside;
};

/* x under offset (ky, kx) of the window, channel i; 0 outside. */
template <typename T>
__device__ static float tap(const direct_args<T> &a, const pixel &p, int ky, int kx, int i)
{
    const int64_t row = p.row + ky, col = p.col + kx;

    if (!p.inside || row < 0 || col < 0 || row >= a.h << a.up || col >= a.w_in << a.up)
        return 0;
    return sc_f32(a.x[((p.n * a.h + (row >> a.up)) * a.w_in + (col >> a.up)) * a.i + i]);
}

/* grid (pixels / 64, channels / 64) */
template <typename T> __global__ void __launch_bounds__(THREADS) k_conv_direct(const direct_args<T> a)
{
    /* + 1: a column is written without bank conflicts. */
    __shared__ float xs[STEP][TILE + 1], ws[STEP][TILE + 1];
    /* The thread loads term `lane` of rows first + 16 j. */
    const int lane = threadIdx.x % STEP, first = threadIdx.x / STEP;
    const int mine_m = threadIdx.x / STEP * OWN, mine_o = threadIdx.x % STEP * OWN;
    const int64_t m0 = (int64_t)blockIdx.x * TILE, o0 = (int64_t)blockIdx.y * TILE;
    float sum[OWN][OWN] = {};
    pixel p[OWN];

#pragma unroll
    for (int j = 0; j < OWN; j++) {
        const int64_t m = m0 + first + STEP * j, row = m / a.wo;
        p[j] = { row / a.ho, row % a.ho * a.stride - a.top, m % a.wo * a.stride - a.left, m < a.m };
    }
    for (int k0 = 0; k0 < a.k; k0 += STEP) {
        const int k = k0 + lane, at = k / a.i, ky = at / a.kw, kx = at % a.kw, i = k % a.i;
#pragma unroll
        for (int j = 0; j < OWN; j++) {
            const int64_t o = o0 + first + STEP * j;
            xs[lane][first + STEP * j] = k < a.k ? tap(a, p[j], ky, kx, i) : 0;
            ws[lane][first + STEP * j] = o < a.o && k < a.k ? sc_f32(a.w[o * a.k + k]) : 0;
        }
        __syncthreads();
#pragma unroll
        for (int s = 0; s < STEP; s++)
            for (int j = 0; j < OWN; j++)
                for (int l = 0; l < OWN; l++)
                    sum[j][l] += xs[s][mine_m + j] * ws[s][mine_o + l];
        __syncthreads();
    }
#pragma unroll
    for (int j = 0; j < OWN; j++)
#pragma unroll
        for (int l = 0; l < OWN; l++) {
            const int64_t m = m0 + mine_m + j, o = o0 + mine_o + l;
            if (m >= a.m || o >= a.o)
                continue;
            float v = sum[j][l] + (a.b ? a.b[o] : 0);
            v += a.vec ? a.vec[m / (a.wo * a.ho) * a.vec_row + o] : 0;
            v = sc_act_f32(a.act, v);
            v += a.add ? sc_f32(a.add[m * a.o + o]) : 0;
            a.y[m * a.o + o] = sc_from_f32<T>(v);
        }
}

extern "C" int sc_cuda_conv2d_direct(sc_exec *x, const sc_conv2d_args *a)
{
    return sc_by_type(a->y.dtype, [&](auto *p) {
        using T = std::remove_pointer_t<decltype(p)>;
        const direct_args<T> d = { .y = (T *)a->y.data,
                                   .x = (const T *)a->x.data,
                                   .w = (const T *)a->w.data,
                                   .add = a->add.ndim ? (const T *)a->add.data : NULL,
                                   .b = a->b.ndim ? (const float *)a->b.data : NULL,
                                   .vec = a->vec.ndim ? (const float *)a->vec.data : NULL,
                                   .m = a->y.dim[0] * a->y.dim[1] * a->y.dim[2],
                                   .h = a->x.dim[1],
                                   .w_in = a->x.dim[2],
                                   .ho = a->y.dim[1],
                                   .wo = a->y.dim[2],
                                   .o = a->y.dim[3],
                                   .vec_row = a->vec.stride[0],
                                   .i = (int)a->x.dim[3],
                                   .k = (int)(a->w.dim[1] * a->w.dim[2] * a->w.dim[3]),
                                   .kw = (int)a->w.dim[2],
                                   .stride = a->stride,
                                   .top = a->pad_top,
                                   .left = a->pad_left,
                                   .up = a->upsample,
                                   .act = a->act };
        const dim3 grid(sc_blocks(d.m, TILE), sc_blocks(d.o, TILE));
        k_conv_direct<T><<<grid, THREADS, 0, sc_cuda_of(x)->stream>>>(d);
        return SC_LAUNCHED(x);
    });
}
