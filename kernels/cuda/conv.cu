/* Convolutions by cuDNN, and by a kernel of ours where that does not reach.
 *
 *   y[n,h,w,o] = act(sum x[n, h*stride + ky - top, w*stride + kx - left, i] w[o,ky,kx,i] + b[o] + vec[n,o]) +
 * add
 *
 * All tensors are channels-last. What the library does is rounded once; b + vec is brought into y's type
 * first, 2 N bytes, as its fast kernels want it. An activation is one pass over y in place. 1x1 is a matrix
 * product. For `upsample` the doubled input is made in the workspace, as many images or rows at a time as
 * fit, and read back from L2.
 */
#include "conv_library.cuh"
#include "plan.h"

#define SCALE_AT ((size_t)1 << 19) /* in the workspace: E4M3's factors, after b + vec */
#define BIAS_END ((size_t)1 << 20)
#define DOUBLED_END                                                                                          \
    ((size_t)21 << 20) /* the doubled input of an upsampling convolution; then cuDNN's own scratch */

/* Rows [top, top + rows) of the nearest-neighbour double of images x[n,h,w], packed as [n,rows,2w]; zeros
 * outside of it, which stand for padding. A thread copies one U of a pixel's `units`; grid (2 w * units /
 * 256, rows, n). */
template <typename U>
__global__ void k_double(U *out, const U *x, int64_t h, int64_t w, int64_t units, int64_t top)
{
    const int64_t j = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, pixel = j / units;
    const int64_t row = top + blockIdx.y, n = blockIdx.z;
    U v = {};

    if (pixel >= 2 * w)
        return;
    if (row >= 0 && row < 2 * h)
        v = x[((n * h + row / 2) * w + pixel / 2) * units + j % units];
    out[(n * gridDim.y + blockIdx.y) * 2 * w * units + j] = v;
}

template <typename U>
static int doubled(sc_exec *x, void *out, const void *in, const sc_conv2d_args *a, const conv_shape *s,
                   int64_t top)
{
    const int64_t units = s->i * (int64_t)sc_dtype_size(a->x.dtype) / (int64_t)sizeof(U);
    const dim3 grid(sc_blocks(s->w * units, 256), (unsigned)s->h, (unsigned)s->n);

    k_double<<<grid, 256, 0, sc_cuda_of(x)->stream>>>((U *)out, (const U *)in, a->x.dim[1], a->x.dim[2],
                                                      units, top);
    return SC_LAUNCHED(x);
}

/* Both factors of an E4M3 product. grid: n / 256 */
__global__ void k_conv_scale(float *out, const float *scale, const float *x_scale, int64_t n)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;

    if (i < n)
        out[i] = scale[i] * *x_scale;
}

/* y = act(y), element by element. */
template <typename T> __global__ void k_conv_act(T *y, int64_t n, sc_act act)
{
    const int64_t step = (int64_t)gridDim.x * blockDim.x;

    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step)
        y[i] = sc_from_f32<T>(sc_act_f32(act, sc_f32(y[i])));
}

static int activate(sc_exec *x, const sc_conv2d_args *a)
{
    const int64_t n = sc_tensor_count(a->y);

    return sc_by_type(a->y.dtype, [&](auto *p) {
        k_conv_act<<<(unsigned)SC_MIN((n + 255) / 256, 1 << 20), 256, 0, sc_cuda_of(x)->stream>>>(
            (decltype(p))a->y.data, n, a->act);
        return SC_LAUNCHED(x);
    });
}

/* Images [n, n + images), output rows [row, row + rows). 1: cuDNN has nothing for this. */
static int part(sc_exec *x, const sc_conv2d_args *a, int64_t n, int64_t images, int64_t row, int64_t rows)
{
    sc_cuda *c = sc_cuda_of(x);
    const int64_t size = (int64_t)sc_dtype_size(a->y.dtype), x_size = (int64_t)sc_dtype_size(a->x.dtype);
    const int64_t y_at = n * a->y.stride[0] + row * a->y.stride[1];
    char *const space = (char *)c->workspace;
    conv_part at = { .x = (const char *)a->x.data + n * a->x.stride[0] * x_size,
                     .w = (const char *)a->w.data,
                     .add = a->add.ndim ? (const char *)a->add.data + y_at * size : NULL,
                     .scale = space + SCALE_AT,
                     .y = (char *)a->y.data + y_at * size,
                     .bias = space,
                     .room = space + (a->upsample ? DOUBLED_END : BIAS_END) };
    conv_shape s = { .type = a->y.dtype,
                     .in = a->x.dtype,
                     .tf32 = c->tf32,
                     .n = images,
                     .h = a->x.dim[1],
                     .w = a->x.dim[2],
                     .i = a->x.dim[3],
                     .ho = rows,
                     .wo = a->y.dim[2],
                     .o = a->y.dim[3],
                     .kh = a->w.dim[1],
                     .kw = a->w.dim[2],
                     .stride = a->stride,
                     .top = a->pad_top,
                     .left = a->pad_left,
                     .bottom = a->pad_bottom,
                     .right = a->pad_right,
                     .add = a->add.ndim != 0,
                     .room = space + SC_CUDA_WORKSPACE - at.room };

    if (a->upsample) {
        s.h = sc_plan_conv_rows_in(a, rows);
        s.w *= 2;
        s.top = s.bottom = 0;
    }
    int ret = sc_cuda_bias(x, at.bias, a->y.dtype, a->b.ndim ? (const float *)a->b.data : NULL,
                           a->vec.ndim ? (const float *)a->vec.data + n * a->vec.stride[0] : NULL, s.o);
    if (ret >= 0 && a->scale.ndim) {
        k_conv_scale<<<sc_blocks(s.o, 256), 256, 0, c->stream>>>(
            (float *)(space + SCALE_AT), (const float *)a->scale.data, (const float *)a->x_scale.data, s.o);
        ret = SC_LAUNCHED(x);
    }
    if (ret >= 0 && a->upsample) {
        const int64_t top = row * a->stride - a->pad_top;
        char *const wide = space + BIAS_END;
        ret = s.i * x_size % 16 == 0 && (uintptr_t)at.x % 16 == 0 ? doubled<uint4>(x, wide, at.x, a, &s, top)
              : x_size == 2 ? doubled<uint16_t>(x, wide, at.x, a, &s, top)
                            : doubled<uint32_t>(x, wide, at.x, a, &s, top);
        at.x = wide;
    }
    return ret < 0 ? ret : sc_conv_library(x, &s, &at);
}

static int library(sc_exec *x, const sc_conv2d_args *a, sc_conv_plan way)
{
    const int64_t images = a->y.dim[0], rows = a->y.dim[1];

    for (int64_t n = 0; n < images; n += way.images)
        for (int64_t row = 0; row < rows; row += way.rows) {
            const int ret = part(x, a, n, SC_MIN(way.images, images - n), row, SC_MIN(way.rows, rows - row));
            if (ret != 0)
                return ret;
        }
    return a->act == SC_ACT_NONE ? 0 : activate(x, a);
}

extern "C" int sc_cuda_conv2d(sc_exec *x, const sc_conv2d_args *a)
{
    const bool narrow = a->scale.ndim && a->x.dtype == SC_F8 && a->y.dtype <= SC_BF16;
    const bool known = a->x.dtype == a->w.dtype && (a->x.dtype == a->y.dtype || narrow) &&
                       (!a->add.ndim || a->add.dtype == a->y.dtype) && a->y.dtype <= SC_BF16;
    sc_conv_plan way;
    int ret;

    if (!known)
        return -EINVAL;
    if (!sc_tensor_count(a->y))
        return 0;
    if (sc_cuda_of(x)->plain)
        return sc_cuda_conv2d_direct(x, a);
    way = sc_plan_conv(a, DOUBLED_END - BIAS_END, sc_cuda_of(x)->tf32);
    if (way.way == SC_CONV_LINEAR) {
        const sc_tensor rows = sc_rows(a->x);
        const sc_linear_args l = { .y = sc_rows(a->y),
                                   .x = rows,
                                   .w = sc_rows(a->w),
                                   .b = a->b,
                                   .add = a->add.ndim ? sc_rows(a->add) : SC_NONE,
                                   .scale = a->scale,
                                   .x_scale = a->scale.ndim ? sc_broadcast(a->x_scale, 1, rows.dim) : SC_NONE,
                                   .act = a->act };
        return sc_cuda_linear(x, &l);
    }
    if ((ret = sc_cuda_tap_conv2d(x, a)) <= 0 || (ret = sc_cuda_conv2d_few(x, a)) <= 0)
        return ret;
    if (way.way == SC_CONV_LIBRARY && (size_t)a->y.dim[3] * sizeof(float) <= SCALE_AT) {
        ret = library(x, a, way);
        if (ret <= 0)
            return ret;
    }
    return sc_cuda_conv2d_direct(x, a);
}
