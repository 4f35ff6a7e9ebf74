// Forward warp along rows (src/ops.h says what). A row depends on no other row.
//   default: a block owns some columns of the target and looks at all sources of their row. Each source
//   offers
//            itself to the columns that it covers by an atomic maximum over (disparity, source): the nearest,
//            then the last one, whatever comes first.
//   reference: each target column adds up its sources in their order. They lie no farther from it than the
//            picture's largest and smallest disparity.
// Reads 16 bytes a pixel and writes 20.
#include "rows.cuh"

// ---- reference mode: StereoCrafter's Forward_Warp, the one dimension of it that a horizontal shift uses

typedef struct extremes { /* all 0 at the start */
    uint32_t near, far;   /* largest sc_key and largest ~sc_key of the disparities */
} extremes;

/* grid: rows of blocks */
static __global__ void k_splat_extremes(sc_splat_args a, extremes *e)
{
    const sc_place at = sc_place_of(blockIdx.x, a.disp.dim[1]);
    uint32_t near = 0, far = 0;

    if (at.i < a.disp.dim[1]) {
        const float d = sc_row(a.disp, at.row)[at.i * a.disp.stride[1]];
        near = isnan(d) ? 0 : sc_key(d);
        far = isnan(d) ? 0 : ~sc_key(d);
    }
    for (int i = 16; i; i /= 2) {
        near = max(near, __shfl_xor_sync(~0u, near, i));
        far = max(far, __shfl_xor_sync(~0u, far, i));
    }
    if (threadIdx.x % 32 == 0) {
        atomicMax(&e->near, near);
        atomicMax(&e->far, far);
    }
}

/* grid: rows of blocks; a target column a thread */
static __global__ void k_splat_reference(sc_splat_args a, const extremes *e)
{
    const sc_place at = sc_place_of(blockIdx.x, a.left.dim[1]);
    const int w = (int)a.left.dim[1], t = at.i;
    const float *disp = sc_row(a.disp, at.row), *left = sc_row(a.left, at.row);
    const float far = sc_key_value(~e->far), near = sc_key_value(e->near);
    /* One column more on each side than the arithmetic asks for: landing places are rounded. */
    const int begin = (int)fminf(fmaxf(floorf((float)t - 2 + far), 0), (float)w);
    const int end = (int)fminf(fmaxf(ceilf((float)t + 2 + near), -1), (float)(w - 1));
    float rgb[3] = { 0, 0, 0 }, sum = 0, weights = 0, covers = 0;

    if (t >= w)
        return;
    for (int c = begin; c <= end && at.row < a.left.dim[0] - 1;
         c++) { /* the last row has no lower neighbour */
        const float d = disp[c * a.disp.stride[1]], u = (float)c - d, first = floorf(u);
        if (!(first >= 0 && first + 1 < (float)w && (first == (float)t || first + 1 == (float)t)))
            continue;
        /* any constant for `far` cancels in the ratio, this one keeps weights >= 1; 2^100 leaves room for
         * sums */
        const float weight = exp2f(fminf(a.sharpness * (d - far), 100));
        const float cover = first == (float)t ? first + 1 - u : u - first;
#pragma unroll
        for (int i = 0; i < 3; i++)
            rgb[i] += left[c * a.left.stride[1] + i] * weight * cover;
        sum += d * weight * cover;
        weights += weight * cover;
        covers += cover;
    }
    const float norm = fmaxf(weights, 1e-6f);
#pragma unroll
    for (int i = 0; i < 3; i++)
        sc_row(a.right, at.row)[t * a.right.stride[1] + i] = rgb[i] / norm;
    sc_row(a.hole, at.row)[t * a.hole.stride[1]] = 1 - fminf(covers, 1);
    if (a.disp_right.ndim)
        sc_row(a.disp_right, at.row)[t * a.disp_right.stride[1]] = sum / norm;
}

// ---- default mode: the row as a polyline with a depth test

enum { TILE = 1024 }; /* target columns of a block: three tables of them fill 24 KiB of shared memory */

typedef struct line {
    const float *disp, *left; /* of this row */
    int64_t disp_step, left_step;
    int n;
    float stretch;
} line;

__device__ __forceinline__ float disp_at(const line &l, int c)
{
    return l.disp[c * l.disp_step];
}

/* The column where source c lands. */
__device__ __forceinline__ float landing(const line &l, int c)
{
    return (float)c - disp_at(l, c);
}

/* Whether source c, which lands at u, and the next, at `next`, are one surface, seen from the front. */
__device__ __forceinline__ bool joined(const line &l, float u, float next)
{
    return next > u && next - u <= l.stretch;
}

typedef unsigned long long hit; /* the nearest thing over a column: sc_key(disparity), source + 1; 0 = none */

__device__ __forceinline__ void offer(hit *h, float disp, int c)
{
    atomicMax(h, (hit)sc_key(disp) << 32 | (unsigned)(c + 1));
}

__device__ __forceinline__ float disp_of(hit h)
{
    return h ? sc_key_value((uint32_t)(h >> 32)) : -INFINITY;
}

__device__ __forceinline__ int source_of(hit h)
{
    return (int)(uint32_t)h - 1;
}

/* Offers source c to columns begin .. end - 1: as a segment to the next source, and as the line end that
 * covers part of a column from its right (a line's first source) or from its left (a line's last). */
__device__ __forceinline__ void find_hits(const line &l, int c, int begin, int end, hit *segment, hit *first,
                                          hit *last)
{
    const float at = (float)c, d = disp_at(l, c), u = at - d, right_edge = (float)(l.n - 1);

    /* A segment reaches `stretch` to the right, an end 2: most sources of other columns end here. */
    if (u >= (float)end || u + fmaxf(l.stretch, 2) < (float)begin)
        return;
    const float more = c + 1 < l.n ? disp_at(l, c + 1) : INFINITY, next = at + 1 - more;
    const bool before = c > 0 && joined(l, at - 1 - disp_at(l, c - 1), u), after = joined(l, u, next);

    if (after) {
        if (next >= 0 && u <= right_edge) {
            const float slope = (more - d) / (next - u);
            const int to = min((int)fminf(next, right_edge), end - 1);
#pragma unroll 1 /* one, mostly */
            for (int t = max((int)ceilf(fmaxf(u, 0)), begin); t <= to; t++)
                offer(&segment[t - begin], d + ((float)t - u) * slope, c);
        }
    }
    if (!(before && after) && u > -1 && u <= right_edge) {
        const int t = (int)floorf(u);
        if (!before && t >= begin && t < end)
            offer(&first[t - begin], d, c);
        if (!after && t + 1 >= begin && t + 1 < end && u > (float)t)
            offer(&last[t + 1 - begin], d, c);
    }
}

typedef struct layer {
    float rgb[3], disp, cover;
} layer;

__device__ __forceinline__ void lay_under(layer *sum, const layer &under)
{
    const float cover = fminf(under.cover, 1 - sum->cover);
#pragma unroll
    for (int i = 0; i < 3; i++)
        sum->rgb[i] += cover * under.rgb[i];
    sum->disp += cover * under.disp;
    sum->cover += cover;
}

/* Catmull-Rom through the four sources around t where they are one surface (kernels/cpu/warp.c says why); at
 * a source itself, that source's bits. */
__device__ __forceinline__ layer segment_layer(const line &l, int t, hit h)
{
    const int c = source_of(h);
    const float at = (float)c, u = landing(l, c), next = landing(l, c + 1), k = ((float)t - u) / (next - u);
    const float *p = l.left + c * l.left_step, *q = p + l.left_step;
    layer y = { .disp = disp_of(h), .cover = 1 };
    if (c > 0 && joined(l, at - 1 - disp_at(l, c - 1), u) && c + 2 < l.n &&
        joined(l, next, at + 2 - disp_at(l, c + 2))) {
        const float *o = p - l.left_step, *s = q + l.left_step;
        const float wo = ((1 - 0.5f * k) * k - 0.5f) * k, wp = (1.5f * k - 2.5f) * k * k + 1;
        const float wq = ((2 - 1.5f * k) * k + 0.5f) * k, ws = (0.5f * k - 0.5f) * k * k;
#pragma unroll
        for (int i = 0; i < 3; i++)
            y.rgb[i] = wo * o[i] + wp * p[i] + wq * q[i] + ws * s[i];
    } else {
#pragma unroll
        for (int i = 0; i < 3; i++)
            y.rgb[i] = (1 - k) * p[i] + k * q[i];
    }
    return y;
}

/* Lays a line's end under sum if it lies before the segment. */
__device__ __forceinline__ bool lay_end(layer *sum, const line &l, int t, hit end, hit segment)
{
    if (!end || !(disp_of(end) > disp_of(segment)))
        return false;
    const float *p = l.left + source_of(end) * l.left_step;
    const float cover = 1 - fabsf(landing(l, source_of(end)) - (float)t);
    lay_under(sum, layer{ { p[0], p[1], p[2] }, disp_of(end), cover });
    return true;
}

__device__ __forceinline__ layer compose(const line &l, int t, hit segment, hit first, hit last)
{
    const bool swap = disp_of(last) > disp_of(first);
    layer sum = {};

    if (lay_end(&sum, l, t, swap ? last : first, segment))
        lay_end(&sum, l, t, swap ? first : last, segment);
    if (segment) {
        const layer y = segment_layer(l, t, segment);
        if (sum.cover == 0)
            return y;
        lay_under(&sum, y);
    }
    return sum;
}

/* grid: (columns / TILE) * rows */
static __global__ void __launch_bounds__(SC_ROW_THREADS) k_splat(sc_splat_args a)
{
    __shared__ hit segment[TILE], first[TILE], last[TILE];
    const int w = (int)a.left.dim[1], tiles = (w + TILE - 1) / TILE;
    const int begin = (int)(blockIdx.x % tiles) * TILE, end = min(begin + TILE, w);
    const int64_t row = blockIdx.x / tiles;
    const line l = { .disp = sc_row(a.disp, row),
                     .left = sc_row(a.left, row),
                     .disp_step = a.disp.stride[1],
                     .left_step = a.left.stride[1],
                     .n = w,
                     .stretch = a.stretch };

    for (int t = threadIdx.x; t < TILE; t += SC_ROW_THREADS)
        segment[t] = first[t] = last[t] = 0;
    __syncthreads();
    for (int c = threadIdx.x; c < w; c += SC_ROW_THREADS)
        find_hits(l, c, begin, end, segment, first, last);
    __syncthreads();
    for (int t = begin + threadIdx.x; t < end; t += SC_ROW_THREADS) {
        layer y = compose(l, t, segment[t - begin], first[t - begin], last[t - begin]);
        if (y.cover > 0 && y.cover != 1) { /* few are so; divisions are dear */
#pragma unroll
            for (int i = 0; i < 3; i++)
                y.rgb[i] /= y.cover;
            y.disp /= y.cover;
        }
        float *const right = sc_row(a.right, row) + t * a.right.stride[1];
#pragma unroll
        for (int i = 0; i < 3; i++)
            right[i] = y.rgb[i];
        sc_row(a.hole, row)[t * a.hole.stride[1]] = 1 - y.cover;
        if (a.disp_right.ndim)
            sc_row(a.disp_right, row)[t * a.disp_right.stride[1]] = y.disp;
    }
}

extern "C" int sc_cuda_splat(sc_exec *x, const sc_splat_args *a)
{
    const int64_t h = a->left.dim[0], w = a->left.dim[1];
    const cudaStream_t s = sc_cuda_of(x)->stream;
    extremes *e = (extremes *)sc_cuda_of(x)->workspace;

    if (a->reference) {
        cudaMemsetAsync(e, 0, sizeof(*e), s);
        k_splat_extremes<<<sc_row_blocks(h, w), SC_ROW_THREADS, 0, s>>>(*a, e);
        k_splat_reference<<<sc_row_blocks(h, w), SC_ROW_THREADS, 0, s>>>(*a, e);
    } else {
        k_splat<<<(unsigned)((w + TILE - 1) / TILE * h), SC_ROW_THREADS, 0, s>>>(*a);
    }
    return SC_LAUNCHED(x);
}
