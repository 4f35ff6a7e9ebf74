// Resampling and separable windows.
//   resize: y = sum_j wx[j] (sum_k wy[k] x[k,j]), taps of each place made first, in double as on the CPU
//   guided: y = sum w x / sum w over the 4x4 nearest, w = triangles * exp(-|guide - guide_small|^2 / 2
//   range^2) filter: weighted sum, maximum or minimum over a window, columns first; or x snapped to one of
//   the latter
// A number of y a thread: its inputs come from the caches, each is read from memory once, y is written once.
#include <type_traits>

#include "rows.cuh"

enum {
    MOST_RADIUS = 255, /* of a filter with taps: they travel as a kernel's arguments */
    MANY = 128,        /* inputs of a number that are worth several threads */
    PARTS = 8,         /* so many */
    FAR = 40 /* guides this far apart weigh e^-40: a sum of such weights alone still divides in f32 */
};

typedef struct tap {
    int index;
    float weight;
} tap;

typedef struct axis {
    int64_t in, out;
    int count;
    double scale, offset; /* output i lies over input (i + offset) * scale - offset */
    double widen, radius; /* of the kernel; a wider one is stretched */
    bool drop;            /* inputs outside the picture; else its edge is repeated */
    tap *taps;            /* [out, count] */
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
                t.taps[o * t.count + k] = tap{ (int)at, (float)(guided ? w : w / sum) };
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

    if ((size_t)(nx + ny) * sizeof(tap) > SC_CUDA_WORKSPACE)
        return -ENOMEM;
    tx->taps = (tap *)sc_cuda_of(x)->workspace;
    ty->taps = tx->taps + nx;
    k_resize_taps<<<sc_blocks(tx->out + ty->out, SC_ROW_THREADS / 32), SC_ROW_THREADS, 0,
                    sc_cuda_of(x)->stream>>>(*tx, *ty, a->guide.ndim ? SC_BILINEAR : a->mode,
                                             a->guide.ndim > 0);
    return SC_LAUNCHED(x);
}

/* grid: rows of blocks over the numbers of y; one a thread. COUNT taps each way, 0: any number. */
template <int COUNT> static __global__ void k_resize(sc_tensor y, sc_tensor x, axis tx, axis ty)
{
    const int channels = (int)y.dim[3], columns = COUNT ? COUNT : tx.count, rows = COUNT ? COUNT : ty.count;
    const sc_place at = sc_place_of(blockIdx.x, y.dim[2] * channels);
    const int n = at.row / (int)y.dim[1], oy = at.row % (int)y.dim[1];
    const int ox = at.i / channels, k = at.i % channels;
    float sum = 0;

    if (ox >= y.dim[2])
        return;
    const float *p = (const float *)x.data + n * x.stride[0] + k;
#pragma unroll
    for (int j = 0; j < columns; j++) {
        const tap of_x = tx.taps[ox * columns + j];
        const float *column = p + of_x.index * x.stride[2];
        float v = 0;
#pragma unroll
        for (int i = 0; i < rows; i++) {
            const tap of_y = ty.taps[oy * rows + i];
            if (of_y.weight != 0)
                v += of_y.weight * column[of_y.index * x.stride[1]];
        }
        sum += of_x.weight * v;
    }
    ((float *)y.data)[n * y.stride[0] + oy * y.stride[1] + ox * y.stride[2] + k] = sum;
}

/* Few numbers of many inputs each: grid: (numbers of y) / 32; 32 numbers x PARTS of their taps a block */
static __global__ void k_resize_many(sc_tensor y, sc_tensor x, axis tx, axis ty)
{
    __shared__ float part[PARTS][32];
    const int channels = (int)y.dim[3], w = (int)y.dim[2], h = (int)y.dim[1];
    const int64_t index = (int64_t)blockIdx.x * 32 + threadIdx.x, total = y.dim[0] * h * w * channels;
    const int i = (int)min(index, total - 1), k = i % channels, ox = i / channels % w;
    const int row = i / channels / w, oy = row % h, n = row / h;
    const float *p = (const float *)x.data + n * x.stride[0] + k;
    float sum = 0;

    for (int e = threadIdx.y; e < tx.count * ty.count; e += PARTS) {
        const tap of_x = tx.taps[ox * tx.count + e % tx.count], of_y = ty.taps[oy * ty.count + e / tx.count];
        sum += of_x.weight * of_y.weight * p[of_x.index * x.stride[2] + of_y.index * x.stride[1]];
    }
    part[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y || index >= total)
        return;
    for (int e = 1; e < PARTS; e++)
        sum += part[e][threadIdx.x];
    ((float *)y.data)[n * y.stride[0] + oy * y.stride[1] + ox * y.stride[2] + k] = sum;
}

/* grid: rows of blocks over the numbers of y; one a thread */
static __global__ void k_resize_guided(sc_resize_args a, axis tx, axis ty)
{
    const int channels = (int)a.y.dim[3];
    const sc_place at = sc_place_of(blockIdx.x, a.y.dim[2] * channels);
    const int n = at.row / (int)a.y.dim[1], oy = at.row % (int)a.y.dim[1];
    const int ox = at.i / channels, k = at.i % channels;
    const float scale = 1 / (2 * a.range * a.range);
    float num = 0, den = 0;

    if (ox >= a.y.dim[2])
        return;
    const float *g = sc_row(a.guide, at.row) + ox * a.guide.stride[2];
    const float r = g[0], green = g[1], b = g[2];
    for (int i = 0; i < 4; i++) {
        const tap of_y = ty.taps[oy * 4 + i];
        const int row = n * (int)a.x.dim[1] + of_y.index;
        const float *small = sc_row(a.guide_small, row), *x = sc_row(a.x, row) + k;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const tap of_x = tx.taps[ox * 4 + j];
            const float *s = small + of_x.index * a.guide_small.stride[2];
            const float dr = r - s[0], dg = green - s[1], db = b - s[2];
            const float d = fminf((dr * dr + dg * dg + db * db) * scale, FAR);
            const float w = of_y.weight * of_x.weight * exp2f(d * -1.44269504f);
            num += w * x[of_x.index * a.x.stride[2]];
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
    const cudaStream_t s = sc_cuda_of(x)->stream;
    const int64_t numbers = sc_tensor_count(a->y);
    if (a->guide.ndim)
        k_resize_guided<<<blocks, SC_ROW_THREADS, 0, s>>>(*a, tx, ty);
    else if ((int64_t)tx.count * ty.count >= MANY && numbers <= INT32_MAX)
        k_resize_many<<<sc_blocks(numbers, 32), dim3(32, PARTS), 0, s>>>(a->y, a->x, tx, ty);
    else if (tx.count == 2 && ty.count == 2)
        k_resize<2><<<blocks, SC_ROW_THREADS, 0, s>>>(a->y, a->x, tx, ty);
    else if (tx.count == 4 && ty.count == 4)
        k_resize<4><<<blocks, SC_ROW_THREADS, 0, s>>>(a->y, a->x, tx, ty);
    else
        k_resize<0><<<blocks, SC_ROW_THREADS, 0, s>>>(a->y, a->x, tx, ty);
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

/* What a window has made of its numbers so far; SNAP needs the maximum (x) and the minimum (y). */
template <sc_filter_kind K> using result = std::conditional_t<K == SC_FILTER_SNAP, float2, float>;

__device__ __forceinline__ float result_of(float v, float)
{
    return v;
}

__device__ __forceinline__ float2 result_of(float v, float2)
{
    return make_float2(v, v);
}

template <sc_filter_kind K>
__device__ __forceinline__ result<K> combine(result<K> a, result<K> b, float weight, bool first)
{
    if constexpr (K == SC_FILTER_MEAN) {
        return (first ? 0 : a) + weight * b;
    } else {
        if (first)
            return b;
        if constexpr (K == SC_FILTER_SNAP)
            return make_float2(larger(a.x, b.x), smaller(a.y, b.y));
        else
            return K == SC_FILTER_MAX ? larger(a, b) : smaller(a, b);
    }
}

/* grid: rows of blocks over the numbers of a row; one a thread. Shared memory: the columns' results for the
 * block's numbers and radius_x pixels on both sides. */
template <sc_filter_kind K> static __global__ void k_filter(sc_filter_args a, filter_taps taps)
{
    extern __shared__ float2 memory[];
    result<K> *mid = (result<K> *)memory, sum = {};
    const int h = (int)a.x.dim[1], w = (int)a.x.dim[2], channels = (int)a.x.dim[3];
    const sc_place at = sc_place_of(blockIdx.x, (int64_t)w * channels);
    const int n = at.row / h, row = at.row % h, begin = at.i - threadIdx.x;
    const float *x = (const float *)a.x.data + n * a.x.stride[0];

    for (int j = threadIdx.x; j < SC_ROW_THREADS + 2 * a.radius_x * channels; j += SC_ROW_THREADS) {
        const int pixel = border((begin + j) / channels - a.radius_x, w, a.reflect);
        const float *column = x + pixel * a.x.stride[2] + (begin + j) % channels;
        if (row >= a.radius_y && row + a.radius_y < h) {
            const float *p = column + (row - a.radius_y) * a.x.stride[1];
            for (int k = 0; k <= 2 * a.radius_y; k++, p += a.x.stride[1])
                sum = combine<K>(sum, result_of(*p, sum), taps.y[k], k == 0);
        } else {
            for (int k = 0; k <= 2 * a.radius_y; k++) {
                const float v = column[border(row + k - a.radius_y, h, a.reflect) * a.x.stride[1]];
                sum = combine<K>(sum, result_of(v, sum), taps.y[k], k == 0);
            }
        }
        mid[j] = sum;
    }
    __syncthreads();
    if (at.i >= w * channels)
        return;
    for (int k = 0; k <= 2 * a.radius_x; k++)
        sum = combine<K>(sum, mid[threadIdx.x + k * channels], taps.x[k], k == 0);

    const int pixel = at.i / channels, channel = at.i % channels;
    float *y = sc_row(a.y, at.row) + pixel * a.y.stride[2] + channel;
    if constexpr (K == SC_FILTER_SNAP) {
        const float v = x[row * a.x.stride[1] + pixel * a.x.stride[2] + channel];
        const float up = sum.x - v, down = v - sum.y;
        const float snapped = down < 0.35f * (sum.x - sum.y) ? sum.y : sum.x;
        *y = up > a.threshold && down > a.threshold ? snapped : v;
    } else {
        *y = sum;
    }
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
