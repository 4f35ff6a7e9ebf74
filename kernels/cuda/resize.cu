// Resampling and separable windows.
//   resize: y = sum_j wx[j] (sum_k wy[k] x[k,j]), taps of each place made first, in double as on the CPU
//   guided: y = sum w x / sum w over the 4x4 nearest, w = triangles * exp(-|guide - guide_small|^2 / 2
//   range^2) filter: weighted sum, maximum or minimum over a window, columns first; or x snapped to one of
//   the latter
// A number of y a thread: its inputs come from the caches, each is read from memory once, y is written once.
#include "rows.cuh"

enum {
    MOST_RADIUS = 255, /* of a filter with taps: they travel as a kernel's arguments */
    FAR = 40 /* guides this far apart weigh e^-40: a sum of such weights alone still divides in f32 */
};

typedef struct axis { /* for each of n outputs, `count` inputs and their weights */
    int64_t in, out;
    int count;
    double scale, offset; /* output i lies over input (i + offset) * scale - offset */
    double widen, radius; /* of the kernel; a wider one is stretched */
    bool drop;            /* inputs outside the picture; else its edge is repeated */
    int *index;
    float *weight;
} axis;

__device__ __forceinline__ double kernel(sc_resample mode, double t, double half_box)
{
    t = fabs(t);
    if (mode == SC_AREA) /* overlap of an input pixel with the output pixel's box */
        return fmin(fmax(half_box + 0.5 - t, 0.0), fmin(1.0, 2 * half_box));
    if (mode == SC_BILINEAR)
        return t < 1 ? 1 - t : 0;
    const double a = -0.75; /* PyTorch's and OpenCV's bicubic */
    if (t < 1)
        return ((a + 2) * t - (a + 3)) * t * t + 1;
    return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

/* grid: (outputs of both axes) / 8; a warp an output. Guided: triangles of radius 2 that are not normalised.
 */
static __global__ void k_resize_taps(axis x, axis y, sc_resample mode, bool guided)
{
    const int64_t i = (int64_t)blockIdx.x * (SC_ROW_THREADS / 32) + threadIdx.x / 32;
    const axis t = i < x.out ? x : y;
    const int64_t o = i < x.out ? i : i - x.out;
    double sum = 0;

    if (o >= t.out)
        return;
    const double centre = ((double)o + t.offset) * t.scale - t.offset;
    const int64_t first = (int64_t)floor(centre - t.radius) + 1;
    for (int pass = 0; pass < 2; pass++) {
        for (int k = threadIdx.x % 32; k < t.count; k += 32) {
            const int64_t j = first + k, at = min(max(j, (int64_t)0), t.in - 1);
            const double w =
                t.drop && j != at ? 0 : kernel(mode, ((double)j - centre) / t.widen, t.scale / 2);
            if (pass == 0) {
                sum += w;
            } else {
                t.index[o * t.count + k] = (int)at;
                t.weight[o * t.count + k] = (float)(guided ? w : w / sum);
            }
        }
        for (int k = 16; pass == 0 && k; k /= 2)
            sum += __shfl_xor_sync(~0u, sum, k);
    }
}

static axis axis_of(int64_t in, int64_t out, const sc_resize_args *a)
{
    axis t = { .in = in, .out = out, .scale = (double)in / (double)out, .offset = 0.5, .widen = 1 };

    if (a->guide.ndim) {
        t.widen = t.radius = 2;
    } else {
        if (a->align_corners) {
            t.scale = out > 1 ? (double)(in - 1) / (double)(out - 1) : 0;
            t.offset = 0;
        }
        /* A kernel that covers its inputs evenly drops those outside the picture. */
        t.drop = a->mode == SC_AREA || (a->antialias && t.scale > 1);
        t.widen = t.drop && a->mode != SC_AREA ? t.scale : 1;
        t.radius = a->mode == SC_AREA ? t.scale / 2 + 0.5 : a->mode == SC_BILINEAR ? t.widen : 2 * t.widen;
    }
    t.count = (int)ceil(2 * t.radius);
    return t;
}

/* Makes the taps of both axes in the workspace. */
static int taps_make(sc_exec *x, axis *tx, axis *ty, const sc_resize_args *a)
{
    const int64_t nx = tx->out * tx->count, ny = ty->out * ty->count;

    if ((size_t)(nx + ny) * (sizeof(int) + sizeof(float)) > SC_CUDA_WORKSPACE)
        return -ENOMEM;
    tx->index = (int *)sc_cuda_of(x)->workspace;
    ty->index = tx->index + nx;
    tx->weight = (float *)(ty->index + ny);
    ty->weight = tx->weight + nx;
    k_resize_taps<<<sc_blocks(tx->out + ty->out, SC_ROW_THREADS / 32), SC_ROW_THREADS, 0,
                    sc_cuda_of(x)->stream>>>(*tx, *ty, a->guide.ndim ? SC_BILINEAR : a->mode,
                                             a->guide.ndim > 0);
    return SC_LAUNCHED(x);
}

/* grid: rows of blocks over the numbers of y; one a thread */
static __global__ void k_resize(sc_tensor y, sc_tensor x, axis tx, axis ty)
{
    const int channels = (int)y.dim[3];
    const sc_place at = sc_place_of(blockIdx.x, y.dim[2] * channels);
    const int64_t n = at.row / y.dim[1], oy = at.row % y.dim[1];
    const int ox = at.i / channels, k = at.i % channels;
    const int *index = tx.index + (int64_t)ox * tx.count, *rows = ty.index + oy * ty.count;
    const float *weight = tx.weight + (int64_t)ox * tx.count, *row_weight = ty.weight + oy * ty.count;
    float sum = 0;

    if (ox >= y.dim[2])
        return;
    const float *p = (const float *)x.data + n * x.stride[0] + k;
    for (int j = 0; j < tx.count; j++) {
        const float *column = p + index[j] * x.stride[2];
        float v = 0;
        for (int i = 0; i < ty.count; i++)
            if (row_weight[i] != 0)
                v += row_weight[i] * column[rows[i] * x.stride[1]];
        sum += weight[j] * v;
    }
    ((float *)y.data)[n * y.stride[0] + oy * y.stride[1] + ox * y.stride[2] + k] = sum;
}

/* grid: rows of blocks over the numbers of y; one a thread */
static __global__ void k_resize_guided(sc_resize_args a, axis tx, axis ty)
{
    const int channels = (int)a.y.dim[3];
    const sc_place at = sc_place_of(blockIdx.x, a.y.dim[2] * channels);
    const int64_t n = at.row / a.y.dim[1], oy = at.row % a.y.dim[1];
    const int ox = at.i / channels, k = at.i % channels;
    const float scale = 1 / (2 * a.range * a.range);
    float num = 0, den = 0;

    if (ox >= a.y.dim[2])
        return;
    const float *g = sc_row(a.guide, at.row) + ox * a.guide.stride[2];
    const float r = g[0], green = g[1], b = g[2];
    for (int i = 0; i < 4; i++) {
        const int64_t row = n * a.x.dim[1] + ty.index[oy * 4 + i];
        const float *small = sc_row(a.guide_small, row), *x = sc_row(a.x, row) + k;
        const float weight_y = ty.weight[oy * 4 + i];
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const int column = tx.index[ox * 4 + j];
            const float *s = small + column * a.guide_small.stride[2];
            const float dr = r - s[0], dg = green - s[1], db = b - s[2];
            const float d = fminf((dr * dr + dg * dg + db * db) * scale, FAR);
            const float w = weight_y * tx.weight[ox * 4 + j] * exp2f(d * -1.44269504f);
            num += w * x[column * a.x.stride[2]];
            den += w;
        }
    }
    (sc_row(a.y, at.row) + ox * a.y.stride[2])[k] = num / den;
}

extern "C" int sc_cuda_resize(sc_exec *x, const sc_resize_args *a)
{
    axis tx = axis_of(a->x.dim[2], a->y.dim[2], a), ty = axis_of(a->x.dim[1], a->y.dim[1], a);
    const unsigned blocks = sc_row_blocks(a->y.dim[0] * a->y.dim[1], a->y.dim[2] * a->y.dim[3]);
    const int ret = taps_make(x, &tx, &ty, a);

    if (ret < 0)
        return ret;
    if (a->guide.ndim)
        k_resize_guided<<<blocks, SC_ROW_THREADS, 0, sc_cuda_of(x)->stream>>>(*a, tx, ty);
    else
        k_resize<<<blocks, SC_ROW_THREADS, 0, sc_cuda_of(x)->stream>>>(a->y, a->x, tx, ty);
    return SC_LAUNCHED(x);
}

// ---- filter

typedef struct filter_taps {
    float x[2 * MOST_RADIUS + 1], y[2 * MOST_RADIUS + 1];
} filter_taps;

__device__ __forceinline__ int border(int i, int n, bool reflect)
{
    if (reflect)
        i = i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
    return min(max(i, 0), n - 1);
}

__device__ __forceinline__ float larger(float a, float b)
{
    return b > a ? b : a;
}

__device__ __forceinline__ float smaller(float a, float b)
{
    return b < a ? b : a;
}

/* What a window makes of a sum, maximum or minimum so far and one number more; SNAP needs both extremes. */
template <sc_filter_kind K> __device__ __forceinline__ void combine(float2 *sum, float2 v, float weight)
{
    if (K == SC_FILTER_MEAN)
        sum->x += weight * v.x;
    if (K == SC_FILTER_MAX || K == SC_FILTER_SNAP)
        sum->x = larger(sum->x, v.x);
    if (K == SC_FILTER_MIN)
        sum->x = smaller(sum->x, v.x);
    if (K == SC_FILTER_SNAP)
        sum->y = smaller(sum->y, v.y);
}

template <sc_filter_kind K> __device__ __forceinline__ float2 start(void)
{
    return K == SC_FILTER_MEAN  ? make_float2(0, 0)
           : K == SC_FILTER_MIN ? make_float2(INFINITY, 0)
                                : make_float2(-INFINITY, INFINITY);
}

/* grid: rows of blocks over the numbers of a row; one a thread. Shared memory: the columns' results for the
 * block's numbers and radius_x pixels on both sides. */
template <sc_filter_kind K> static __global__ void k_filter(sc_filter_args a, filter_taps taps)
{
    extern __shared__ float2 mid[];
    const int h = (int)a.x.dim[1], w = (int)a.x.dim[2], channels = (int)a.x.dim[3];
    const sc_place at = sc_place_of(blockIdx.x, (int64_t)w * channels);
    const int64_t n = at.row / h;
    const int row = (int)(at.row % h), begin = at.i - threadIdx.x;
    const float *x = (const float *)a.x.data + n * a.x.stride[0];

    for (int j = threadIdx.x; j < SC_ROW_THREADS + 2 * a.radius_x * channels; j += SC_ROW_THREADS) {
        const int pixel = border((begin + j) / channels - a.radius_x, w, a.reflect);
        const float *column = x + pixel * a.x.stride[2] + (begin + j) % channels;
        float2 sum = start<K>();
        for (int k = -a.radius_y; k <= a.radius_y; k++) {
            const float v = column[border(row + k, h, a.reflect) * a.x.stride[1]];
            combine<K>(&sum, make_float2(v, v), taps.y[k + a.radius_y]);
        }
        mid[j] = sum;
    }
    __syncthreads();
    if (at.i >= w * channels)
        return;
    float2 sum = start<K>();
    for (int k = 0; k <= 2 * a.radius_x; k++)
        combine<K>(&sum, mid[threadIdx.x + k * channels], taps.x[k]);

    const int pixel = at.i / channels, channel = at.i % channels;
    if (K == SC_FILTER_SNAP) {
        const float v = x[row * a.x.stride[1] + pixel * a.x.stride[2] + channel];
        const float up = sum.x - v, down = v - sum.y;
        const float snapped = down < 0.35f * (sum.x - sum.y) ? sum.y : sum.x;
        sum.x = up > a.threshold && down > a.threshold ? snapped : v;
    }
    sc_row(a.y, at.row)[pixel * a.y.stride[2] + channel] = sum.x;
}

static void set_taps(float *taps, const float *given, int radius, bool mean)
{
    for (int k = 0; mean && k <= 2 * radius; k++)
        taps[k] = radius && given ? given[k] : 1;
}

extern "C" int sc_cuda_filter(sc_exec *x, const sc_filter_args *a)
{
    static void (*const kernels[])(sc_filter_args,
                                   filter_taps) = { k_filter<SC_FILTER_MEAN>, k_filter<SC_FILTER_MAX>,
                                                    k_filter<SC_FILTER_MIN>, k_filter<SC_FILTER_SNAP> };
    const int64_t channels = a->x.dim[3];
    const size_t shared = (SC_ROW_THREADS + 2 * a->radius_x * channels) * sizeof(float2);
    const bool mean = a->kind == SC_FILTER_MEAN;
    filter_taps taps;

    if ((mean && SC_MAX(a->radius_x, a->radius_y) > MOST_RADIUS) || shared > 48 << 10)
        return -EINVAL;
    set_taps(taps.x, a->taps_x, a->radius_x, mean);
    set_taps(taps.y, a->taps_y, a->radius_y, mean);
    kernels[a->kind]<<<sc_row_blocks(a->x.dim[0] * a->x.dim[1], a->x.dim[2] * channels), SC_ROW_THREADS,
                       shared, sc_cuda_of(x)->stream>>>(*a, taps);
    return SC_LAUNCHED(x);
}
