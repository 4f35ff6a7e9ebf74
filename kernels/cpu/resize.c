/* Resampling and separable windows. Both work on one output row at a time: the input rows that it needs are
 * combined into one row first (contiguous, vectorised), then that row is resampled. No frame-sized temporary.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "approx.h"
#include "rows.h"

typedef struct taps { /* for each of n outputs, `count` inputs and their weights */
    int count;
    int *index;
    float *weight;
} taps;

static double kernel(sc_resample mode, double t, double half_box)
{
    t = fabs(t);
    if (mode == SC_AREA) /* overlap of an input pixel with the output pixel's box */
        return SC_CLAMP(half_box + 0.5 - t, 0.0, SC_MIN(1.0, 2 * half_box));
    if (mode == SC_BILINEAR)
        return t < 1 ? 1 - t : 0;
    const double a = -0.75; /* PyTorch's and OpenCV's bicubic */
    if (t < 1)
        return ((a + 2) * t - (a + 3)) * t * t + 1;
    return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

static void taps_free(taps *t)
{
    free(t->index);
    free(t->weight);
}

static int taps_make(taps *t, int64_t in, int64_t out, const sc_resize_args *a)
{
    double scale = (double)in / (double)out, offset = 0.5;
    if (a->align_corners) {
        scale = out > 1 ? (double)(in - 1) / (double)(out - 1) : 0;
        offset = 0;
    }
    /* A kernel that covers its inputs evenly drops those outside the picture; an interpolating one repeats
     * the edge. */
    const bool drop = a->mode == SC_AREA || (a->antialias && scale > 1);
    const double widen = drop && a->mode != SC_AREA ? scale : 1;
    const double radius = a->mode == SC_AREA ? scale / 2 + 0.5 : a->mode == SC_BILINEAR ? widen : 2 * widen;
    t->count = (int)ceil(2 * radius);
    t->index = malloc((size_t)(out * t->count) * sizeof(*t->index));
    t->weight = malloc((size_t)(out * t->count) * sizeof(*t->weight));
    if (!t->index || !t->weight)
        return -ENOMEM;
    for (int64_t i = 0; i < out; i++) {
        const double centre = ((double)i + offset) * scale - offset;
        const int64_t first = (int64_t)floor(centre - radius) + 1;
        double sum = 0;
        for (int pass = 0; pass < 2; pass++) /* sum, then normalise */
            for (int k = 0; k < t->count; k++) {
                const int64_t j = first + k, at = SC_CLAMP(j, 0, in - 1);
                const double w =
                    drop && j != at ? 0 : kernel(a->mode, ((double)j - centre) / widen, scale / 2);
                if (pass == 0) {
                    sum += w;
                } else {
                    t->index[i * t->count + k] = (int)at;
                    t->weight[i * t->count + k] = (float)(w / sum);
                }
            }
    }
    return 0;
}

typedef struct resize_plan {
    const sc_resize_args *a;
    taps x, y;
} resize_plan;

/* dst[w * c] += weight * a row of x; `first` stores instead. */
static void add_row(float *restrict dst, const float *restrict src, int64_t w, int64_t c, int64_t stride,
                    float weight, bool first)
{
    if (stride == c && first) {
#pragma omp simd
        for (int64_t i = 0; i < w * c; i++)
            dst[i] = weight * src[i];
    } else if (stride == c) {
#pragma omp simd
        for (int64_t i = 0; i < w * c; i++)
            dst[i] += weight * src[i];
    } else {
        for (int64_t i = 0; i < w; i++)
            for (int64_t k = 0; k < c; k++)
                dst[i * c + k] = (first ? 0 : dst[i * c + k]) + weight * src[i * stride + k];
    }
}

static inline void resample_row(float *restrict y, const float *restrict x, const taps *t, int64_t w,
                                int64_t c, int64_t stride)
{
    for (int64_t i = 0; i < w; i++) {
        const int *index = t->index + i * t->count;
        const float *weight = t->weight + i * t->count;
        for (int64_t k = 0; k < c; k++) {
            float s = 0;
            for (int j = 0; j < t->count; j++)
                s += weight[j] * x[index[j] * c + k];
            y[i * stride + k] = s;
        }
    }
}

static void resize_row(const void *args, int64_t r, float *scratch)
{
    const resize_plan *p = args;
    const sc_tensor x = p->a->x, y = p->a->y;
    const int64_t n = r / y.dim[1], oy = r % y.dim[1];
    bool first = true;
    for (int k = 0; k < p->y.count; k++) {
        const float w = p->y.weight[oy * p->y.count + k];
        if (w == 0)
            continue;
        const float *src = sc_row(x, n * x.dim[1] + p->y.index[oy * p->y.count + k]);
        add_row(scratch, src, x.dim[2], x.dim[3], x.stride[2], w, first);
        first = false;
    }
    float *dst = sc_row(y, r);
    if (y.dim[3] == 1)
        resample_row(dst, scratch, &p->x, y.dim[2], 1, y.stride[2]);
    else if (y.dim[3] == 3)
        resample_row(dst, scratch, &p->x, y.dim[2], 3, y.stride[2]);
    else
        resample_row(dst, scratch, &p->x, y.dim[2], y.dim[3], y.stride[2]);
}

/* ---- joint bilateral upsampling (Kopf et al. 2007) with a triangle for its spatial kernel */

enum { FAR = 40 }; /* guides this far apart weigh e^-40: a sum of such weights alone still divides in f32 */

/* Rows of y between the centres of the same two rows of x share their 4x4 taps: they are made together, so
 * that a tap has to be spread out to the width of y only once for all of them. */
typedef struct guided_plan {
    const sc_resize_args *a;
    taps x, y;     /* 4 a place; x: all first taps, then all second ones ... */
    int64_t *from; /* group g is rows from[g] to from[g + 1] */
    int64_t groups, longest;
} guided_plan;

/* Places of the 4 nearest inputs and weights of a triangle of radius 2; tap k of output i is at i * step_i +
 * k * step_k. */
static int guided_taps(taps *t, int64_t in, int64_t out, int64_t step_i, int64_t step_k)
{
    t->count = 4;
    t->index = malloc((size_t)(out * 4) * sizeof(*t->index));
    t->weight = malloc((size_t)(out * 4) * sizeof(*t->weight));
    if (!t->index || !t->weight)
        return -ENOMEM;
    for (int64_t i = 0; i < out; i++) {
        const double centre = ((double)i + 0.5) * (double)in / (double)out - 0.5;
        const int64_t first = (int64_t)floor(centre) - 1;
        for (int k = 0; k < 4; k++) {
            t->index[i * step_i + k * step_k] = (int)SC_CLAMP(first + k, 0, in - 1);
            t->weight[i * step_i + k * step_k] = (float)(1 - fabs((double)(first + k) - centre) / 2);
        }
    }
    return 0;
}

static int guided_groups(guided_plan *p)
{
    const int64_t h = p->a->y.dim[1];
    p->from = malloc((size_t)(h + 1) * sizeof(*p->from));
    if (!p->from)
        return -ENOMEM;
    for (int64_t i = 0; i < h; i++)
        if (!i || memcmp(p->y.index + 4 * i, p->y.index + 4 * (i - 1), 4 * sizeof(*p->y.index)))
            p->from[p->groups++] = i;
    p->from[p->groups] = h;
    for (int64_t g = 0; g < p->groups; g++)
        p->longest = SC_MAX(p->longest, p->from[g + 1] - p->from[g]);
    return 0;
}

/* num += weight * value and den += weight of one tap, over a row. tap: its guide's three planes and its
 * value. */
static void guided_tap(float *restrict num, float *restrict den, const float *restrict guide,
                       const float *restrict tap, const float *restrict triangle, float weight_y, float scale,
                       int64_t w)
{
    const float *restrict r = guide, *restrict g = guide + w, *restrict b = guide + 2 * w;
    const float *restrict tr = tap, *restrict tg = tap + w, *restrict tb = tap + 2 * w,
                          *restrict tv = tap + 3 * w;
#pragma omp simd
    for (int64_t i = 0; i < w; i++) {
        const float dr = r[i] - tr[i], dg = g[i] - tg[i], db = b[i] - tb[i];
        const float far = (dr * dr + dg * dg + db * db) * scale, d = far < FAR ? far : FAR;
        const float e = weight_y * triangle[i] * sc_exp2(d * -1.44269504f);
        num[i] += e * tv[i];
        den[i] += e;
    }
}

static void guided_spread(float *restrict tap, const float *guide, int64_t guide_stride, const float *x,
                          int64_t x_stride, const int *index, int64_t w)
{
    for (int64_t i = 0; i < w; i++) {
        const float *g = guide + index[i] * guide_stride;
        tap[i] = g[0];
        tap[w + i] = g[1];
        tap[2 * w + i] = g[2];
        tap[3 * w + i] = x[index[i] * x_stride];
    }
}

static void guided_group(const void *args, int64_t unit, float *scratch)
{
    const guided_plan *p = args;
    const sc_resize_args *a = p->a;
    const int64_t w = a->y.dim[2], h = a->y.dim[1], n = unit / p->groups, g = unit % p->groups;
    const int64_t begin = p->from[g], rows = p->from[g + 1] - begin;
    const float scale = 1 / (2 * a->range * a->range);
    float *tap = scratch, *guide = tap + 4 * w, *num = guide + 3 * w * rows, *den = num + w * rows;
    for (int64_t y = 0; y < rows; y++) {
        const float *src = sc_row(a->guide, n * h + begin + y);
        for (int64_t i = 0; i < w; i++)
            for (int k = 0; k < 3; k++)
                guide[(3 * y + k) * w + i] = src[i * a->guide.stride[2] + k];
    }
    for (int64_t ch = 0; ch < a->y.dim[3]; ch++) {
        memset(num, 0, (size_t)(2 * w * rows) * sizeof(*num));
        for (int k = 0; k < 16; k++) {
            const int64_t row = n * a->x.dim[1] + p->y.index[begin * 4 + k / 4], at = k % 4 * w;
            guided_spread(tap, sc_row(a->guide_small, row), a->guide_small.stride[2], sc_row(a->x, row) + ch,
                          a->x.stride[2], p->x.index + at, w);
            for (int64_t y = 0; y < rows; y++)
                guided_tap(num + y * w, den + y * w, guide + 3 * y * w, tap, p->x.weight + at,
                           p->y.weight[(begin + y) * 4 + k / 4], scale, w);
        }
        for (int64_t y = 0; y < rows; y++) {
            float *dst = sc_row(a->y, n * h + begin + y) + ch;
            for (int64_t i = 0; i < w; i++)
                dst[i * a->y.stride[2]] = num[y * w + i] / den[y * w + i];
        }
    }
}

static int guided(sc_exec *x, const sc_resize_args *a)
{
    int ret = 0;
    const int64_t w = a->y.dim[2];
    guided_plan p = { .a = a };
    SC_TRY(guided_taps(&p.x, a->x.dim[2], w, 1, w));
    SC_TRY(guided_taps(&p.y, a->x.dim[1], a->y.dim[1], 4, 1));
    SC_TRY(guided_groups(&p));
    SC_TRY(sc_cpu_rows(x, a->y.dim[0] * p.groups, (size_t)((4 + 5 * p.longest) * w), guided_group, &p));
fail:
    taps_free(&p.x);
    taps_free(&p.y);
    free(p.from);
    return ret;
}

int sc_cpu_resize(sc_exec *x, const sc_resize_args *a)
{
    int ret = 0;
    resize_plan p = { .a = a };
    if (a->guide.ndim)
        return guided(x, a);
    SC_TRY(taps_make(&p.x, a->x.dim[2], a->y.dim[2], a));
    SC_TRY(taps_make(&p.y, a->x.dim[1], a->y.dim[1], a));
    SC_TRY(sc_cpu_rows(x, a->y.dim[0] * a->y.dim[1], (size_t)(a->x.dim[2] * a->x.dim[3]), resize_row, &p));
fail:
    taps_free(&p.x);
    taps_free(&p.y);
    return ret;
}

/* ---- filter */

static int64_t border(int64_t i, int64_t n, bool reflect)
{
    if (reflect)
        i = i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
    return SC_CLAMP(i, 0, n - 1);
}

static void copy_pixels(float *dst, int64_t dst_stride, const float *src, int64_t src_stride, int64_t n,
                        int64_t c)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < c; k++)
            dst[i * dst_stride + k] = src[i * src_stride + k];
}

/* dst = dst (op) src over n floats; `first` stores. */
static void combine(float *restrict dst, const float *restrict src, int64_t n, sc_filter_kind kind,
                    float weight, bool first)
{
    if (kind == SC_FILTER_MEAN)
        add_row(dst, src, n, 1, 1, weight, first);
    else if (first)
        memcpy(dst, src, (size_t)n * sizeof(*dst));
    else if (kind == SC_FILTER_MAX)
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            dst[i] = src[i] > dst[i] ? src[i] : dst[i];
    else
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            dst[i] = src[i] < dst[i] ? src[i] : dst[i];
}

/* The window's result for row r, packed. scratch: a row with its borders, and a row more. */
static void window(float *out, const sc_filter_args *a, sc_filter_kind kind, int64_t r, float *scratch)
{
    const sc_tensor x = a->x;
    const int64_t h = x.dim[1], w = x.dim[2], c = x.dim[3], n = r / h, row = r % h, rx = a->radius_x;
    float *wide = scratch, *mid = wide + rx * c, *gather = wide + (w + 2 * rx) * c;
    for (int k = -a->radius_y; k <= a->radius_y; k++) {
        const float *src = sc_row(x, n * h + border(row + k, h, a->reflect));
        if (x.stride[2] != c) {
            copy_pixels(gather, c, src, x.stride[2], w, c);
            src = gather;
        }
        const float weight = a->radius_y && a->taps_y ? a->taps_y[k + a->radius_y] : 1;
        combine(mid, src, w * c, kind, weight, k == -a->radius_y);
    }
    for (int64_t i = 1; i <= rx; i++) {
        copy_pixels(mid - i * c, c, mid + border(-i, w, a->reflect) * c, c, 1, c);
        copy_pixels(mid + (w - 1 + i) * c, c, mid + border(w - 1 + i, w, a->reflect) * c, c, 1, c);
    }
    for (int64_t k = 0; k <= 2 * rx; k++)
        combine(out, wide + k * c, w * c, kind, rx && a->taps_x ? a->taps_x[k] : 1, k == 0);
}

static void filter_row(const void *args, int64_t r, float *scratch)
{
    const sc_filter_args *a = args;
    const int64_t w = a->x.dim[2], c = a->x.dim[3];
    float *lo = scratch, *hi = lo + w * c;
    if (a->kind == SC_FILTER_SNAP) {
        const float *x = sc_row(a->x, r);
        window(lo, a, SC_FILTER_MIN, r, hi + w * c);
        window(hi, a, SC_FILTER_MAX, r, hi + w * c);
        for (int64_t i = 0; i < w * c; i++) {
            const float v = x[i / c * a->x.stride[2] + i % c], up = hi[i] - v, down = v - lo[i];
            const float snapped = down < 0.35f * (hi[i] - lo[i]) ? lo[i] : hi[i];
            lo[i] = up > a->threshold && down > a->threshold ? snapped : v;
        }
    } else {
        window(lo, a, a->kind, r, hi + w * c);
    }
    copy_pixels(sc_row(a->y, r), a->y.stride[2], lo, c, w, c);
}

int sc_cpu_filter(sc_exec *x, const sc_filter_args *a)
{
    const int64_t w = a->x.dim[2], c = a->x.dim[3];
    return sc_cpu_rows(x, a->x.dim[0] * a->x.dim[1], (size_t)((4 * w + 2 * a->radius_x) * c), filter_row, a);
}
