/* Convolutions to at most 8 channels by mma.sync, sm_80 and newer: the last layer of a VAE or a UNet, for
 * which cuDNN has kernels that take 4 times as long (fp16) or 80 times (bf16).
 *
 *   y[n,h,w,o] = sum x[n, h + ky - top, w + kx - left, i] w[o,ky,kx,i] + b[o]
 *
 * A warp makes 32 pixels of a row, in two pieces of 16, by 8 channels; 8 warps take 8 rows one above the
 * other, so what their windows share comes from L1, and x from memory 1.3 times. A lane loads 16 bytes of a
 * pixel, which gives lane 4 g + t channels 8 t to 8 t + 7 of 32, where mma.sync wants 2 t, 2 t + 1, 2 t + 8
 * and 2 t + 9 of 16. But the order of a dot product's terms is free, as long as both sides agree: so lie the
 * weights in shared memory, zeros for channels that do not exist. */
#include "attention.cuh"

enum { WARPS = 8, PIECES = 2, COLUMNS = 16 * PIECES, MOST = 8, DEPTH = 32, SHARED = 48 << 10 };

template <typename T> struct few_args {
    T *y;
    const T *x, *w;
    const float *b;
    int64_t x_image, y_image; /* elements from one image to the next */
    int h, w_in, i, ho, wo, o, kh, kw, top, left;
};

/* grid (columns / COLUMNS, rows / WARPS, images); shared memory: 512 bytes a tap and DEPTH channels */
template <typename T> __global__ void __launch_bounds__(32 * WARPS) k_conv_few(const few_args<T> a)
{
    extern __shared__ uint4 weights[]; /* [step][lane] */
    const int lane = threadIdx.x % 32, steps = a.kh * a.kw * a.i / DEPTH;
    const int row = (int)blockIdx.y * WARPS + threadIdx.x / 32, col = (int)blockIdx.x * COLUMNS + lane / 4;
    const T *const image = a.x + blockIdx.z * a.x_image + lane % 4 * 8;
    float sum[PIECES][4];

    for (int j = threadIdx.x; j < 32 * steps; j += 32 * WARPS) {
        const int o = j % 32 / 4;
        weights[j] =
            o < a.o ? *(const uint4 *)(a.w + ((int64_t)o * steps + j / 32) * DEPTH + j % 4 * 8) : uint4{};
    }
    __syncthreads();
    if (row >= a.ho)
        return;
    const int first = lane % 4 * 2;
    for (int k = 0; k < 4; k++)
        for (int p = 0; p < PIECES; p++)
            sum[p][k] = a.b && first + k % 2 < a.o ? a.b[first + k % 2] : 0;
    for (int tap = 0; tap < a.kh * a.kw; tap++) {
        const int y = row + tap / a.kw - a.top, x = col + tap % a.kw - a.left;
        const T *const line = image + (int64_t)y * a.w_in * a.i;
        bool inside[2 * PIECES];
        if (y < 0 || y >= a.h)
            continue;
        for (int p = 0; p < 2 * PIECES; p++)
            inside[p] = x + 8 * p >= 0 && x + 8 * p < a.w_in;
#pragma unroll 2
        for (int c = 0; c < a.i; c += DEPTH) {
            const uint4 w = weights[(tap * (a.i / DEPTH) + c / DEPTH) * 32 + lane];
            uint4 v[2 * PIECES];
#pragma unroll
            for (int p = 0; p < 2 * PIECES; p++)
                v[p] = inside[p] ? *(const uint4 *)(line + (int64_t)(x + 8 * p) * a.i + c) : uint4{};
#pragma unroll
            for (int p = 0; p < PIECES; p++) {
                attention_mma<T>(sum[p], { v[2 * p].x, v[2 * p + 1].x, v[2 * p].y, v[2 * p + 1].y }, w.x,
                                 w.y);
                attention_mma<T>(sum[p], { v[2 * p].z, v[2 * p + 1].z, v[2 * p].w, v[2 * p + 1].w }, w.z,
                                 w.w);
            }
        }
    }
    T *const to = a.y + blockIdx.z * a.y_image + (int64_t)row * a.wo * a.o;
#pragma unroll
    for (int k = 0; k < 4 * PIECES; k++) {
        const int at = col + k / 2 * 8, o = first + k % 2;
        if (at < a.wo && o < a.o)
            to[(int64_t)at * a.o + o] = sc_from_f32<T>(sum[k / 4][k % 4]);
    }
}

template <typename T> static int launch(sc_exec *x, const sc_conv2d_args *a, size_t shared)
{
    const few_args<T> f = { .y = (T *)a->y.data,
                            .x = (const T *)a->x.data,
                            .w = (const T *)a->w.data,
                            .b = a->b.ndim ? (const float *)a->b.data : NULL,
                            .x_image = a->x.stride[0],
                            .y_image = a->y.stride[0],
                            .h = (int)a->x.dim[1],
                            .w_in = (int)a->x.dim[2],
                            .i = (int)a->x.dim[3],
                            .ho = (int)a->y.dim[1],
                            .wo = (int)a->y.dim[2],
                            .o = (int)a->y.dim[3],
                            .kh = (int)a->w.dim[1],
                            .kw = (int)a->w.dim[2],
                            .top = a->pad_top,
                            .left = a->pad_left };
    const dim3 grid(sc_blocks(f.wo, COLUMNS), sc_blocks(f.ho, WARPS), (unsigned)a->y.dim[0]);

    k_conv_few<T><<<grid, 32 * WARPS, shared, sc_cuda_of(x)->stream>>>(f);
    return SC_LAUNCHED(x);
}

static bool aligned(const void *p)
{
    return (uintptr_t)p % 16 == 0;
}

extern "C" int sc_cuda_conv2d_few(sc_exec *x, const sc_conv2d_args *a)
{
    const int64_t terms = a->w.dim[1] * a->w.dim[2] * a->w.dim[3];
    const size_t shared = (size_t)(terms / DEPTH * 32) * sizeof(uint4);

    if (sc_cuda_of(x)->arch < 80 || a->y.dim[3] > MOST || a->x.dim[3] % DEPTH || shared > SHARED ||
        a->stride != 1 || a->upsample || a->act != SC_ACT_NONE || a->add.ndim || a->vec.ndim ||
        a->x.dtype != a->y.dtype || a->y.dim[0] > 65535 || a->y.dim[1] > 65535 * WARPS ||
        !aligned(a->x.data) || !aligned(a->w.data))
        return 1;
    return a->y.dtype == SC_F16    ? launch<__half>(x, a, shared)
           : a->y.dtype == SC_BF16 ? launch<__nv_bfloat16>(x, a, shared)
                                   : 1;
}
