/* Forward warp along rows. A row depends on no other row. */
#include <math.h>
#include <string.h>

#include "rows.h"

static float *at(sc_tensor t, int64_t r, int64_t c)
{
    return (float *)t.data + r * t.stride[0] + c * t.stride[1];
}

/* ---- reference mode: StereoCrafter's Forward_Warp, the one dimension of it that a horizontal shift uses */

typedef struct reference_args {
    const sc_splat_args *a;
    float far; /* the picture's least disparity: any constant cancels in the ratio, this one keeps weights >=
                  1 */
} reference_args;

static void reference_row(const void *args, int64_t r, float *scratch)
{
    const reference_args *ref = args;
    const sc_splat_args *a = ref->a;
    const int64_t w = a->left.dim[1];
    float *sum = scratch; /* of each column: red, green, blue, disparity, weight, coverage */
    memset(sum, 0, (size_t)(6 * w) * sizeof(*sum));
    for (int64_t c = 0; c < w && r < a->left.dim[0] - 1; c++) { /* the last row has no lower neighbour */
        const float d = *at(a->disp, r, c), u = (float)c - d, first = floorf(u), *rgb = at(a->left, r, c);
        if (!(first >= 0 && first + 1 < (float)w))
            continue;
        const float weight =
            exp2f(fminf(a->sharpness * (d - ref->far), 100)); /* 2^100 leaves room for the sums */
        for (int k = 0; k < 2; k++) {
            const float cover = k ? u - first : first + 1 - u;
            float *s = sum + 6 * ((int64_t)first + k);
            for (int i = 0; i < 3; i++)
                s[i] += rgb[i] * weight * cover;
            s[3] += d * weight * cover;
            s[4] += weight * cover;
            s[5] += cover;
        }
    }
    for (int64_t c = 0; c < w; c++) {
        const float *s = sum + 6 * c, norm = fmaxf(s[4], 1e-6f);
        for (int i = 0; i < 3; i++)
            at(a->right, r, c)[i] = s[i] / norm;
        *at(a->hole, r, c) = 1 - fminf(s[5], 1);
        if (a->disp_right.ndim)
            *at(a->disp_right, r, c) = s[3] / norm;
    }
}

/* ---- default mode: the row as a polyline with a depth test */

typedef struct line { /* source c lands at column u[c] */
    const sc_splat_args *a;
    int64_t r, n;
    float *u;
} line;

/* Whether source c and the next are one surface, seen from the front. */
static inline bool joined(const line *l, int64_t c)
{
    return c >= 0 && c + 1 < l->n && l->u[c + 1] > l->u[c] && l->u[c + 1] - l->u[c] <= l->a->stretch;
}

typedef struct hit { /* the nearest thing that a target column has met so far */
    float disp;
    int32_t c; /* its source column, -1 = none */
} hit;

static inline void offer(hit *h, float disp, int64_t c)
{
    if (disp >= h->disp)
        *h = (hit){ disp, (int32_t)c };
}

/* Finds for each target column the nearest segment over it, and the nearest line end that covers part of it
 * from its right (a line's first source) and from its left (a line's last). */
static void find_hits(const line *l, hit *segment, hit *first, hit *last)
{
    const float right_edge = (float)(l->n - 1);
    bool before = false;
    for (int64_t t = 0; t < l->n; t++)
        segment[t] = first[t] = last[t] = (hit){ -INFINITY, -1 };
    for (int64_t c = 0; c < l->n; c++) {
        const float d = *at(l->a->disp, l->r, c), u = l->u[c];
        const bool after = joined(l, c);
        if (after && l->u[c + 1] >= 0 && u <= right_edge) {
            const float slope = (*at(l->a->disp, l->r, c + 1) - d) / (l->u[c + 1] - u);
            const int64_t end = (int64_t)fminf(l->u[c + 1], right_edge);
            for (int64_t t = (int64_t)ceilf(fmaxf(u, 0)); t <= end; t++)
                offer(&segment[t], d + ((float)t - u) * slope, c);
        }
        if (!(before && after) && u > -1 && u <= right_edge) {
            const int64_t t = (int64_t)floorf(u);
            if (!before && t >= 0)
                offer(&first[t], d, c);
            if (!after && t + 1 < l->n && u > (float)t)
                offer(&last[t + 1], d, c);
        }
        before = after;
    }
}

typedef struct layer {
    float rgb[3], disp, cover;
} layer;

static void lay_under(layer *sum, const layer *under)
{
    const float cover = fminf(under->cover, 1 - sum->cover);
    for (int i = 0; i < 3; i++)
        sum->rgb[i] += cover * under->rgb[i];
    sum->disp += cover * under->disp;
    sum->cover += cover;
}

/* Catmull-Rom through the four sources around t where they are one surface, which keeps 3.4 dB more of a
 * picture that is moved by a fraction of a pixel than a straight line through two does; at a source itself,
 * that source's bits. */
static layer segment_layer(const line *l, int64_t t, const hit *h)
{
    const sc_splat_args *a = l->a;
    const int64_t c = h->c;
    const float k = ((float)t - l->u[c]) / (l->u[c + 1] - l->u[c]);
    const float *p = at(a->left, l->r, c), *q = at(a->left, l->r, c + 1);
    layer y = { .disp = h->disp, .cover = 1 };
    if (joined(l, c - 1) && joined(l, c + 1)) {
        const float *o = at(a->left, l->r, c - 1), *s = at(a->left, l->r, c + 2);
        const float wo = ((1 - 0.5f * k) * k - 0.5f) * k, wp = (1.5f * k - 2.5f) * k * k + 1;
        const float wq = ((2 - 1.5f * k) * k + 0.5f) * k, ws = (0.5f * k - 0.5f) * k * k;
        for (int i = 0; i < 3; i++)
            y.rgb[i] = wo * o[i] + wp * p[i] + wq * q[i] + ws * s[i];
    } else {
        for (int i = 0; i < 3; i++)
            y.rgb[i] = (1 - k) * p[i] + k * q[i];
    }
    return y;
}

static layer compose(const line *l, int64_t t, const hit *segment, const hit *first, const hit *last)
{
    const hit *end[2] = { first, last };
    layer sum = { .cover = 0 };
    if (last->disp > first->disp) {
        end[0] = last;
        end[1] = first;
    }
    for (int i = 0; i < 2 && end[i]->c >= 0 && end[i]->disp > segment->disp; i++) {
        const float *p = at(l->a->left, l->r, end[i]->c), cover = 1 - fabsf(l->u[end[i]->c] - (float)t);
        lay_under(&sum, &(layer){ { p[0], p[1], p[2] }, end[i]->disp, cover });
    }
    if (segment->c >= 0) {
        const layer y = segment_layer(l, t, segment);
        if (sum.cover == 0)
            return y;
        lay_under(&sum, &y);
    }
    return sum;
}

static void splat_row(const void *args, int64_t r, float *scratch)
{
    const sc_splat_args *a = args;
    const line l = { .a = a, .r = r, .n = a->left.dim[1], .u = scratch };
    hit *segment = (hit *)(void *)(scratch + l.n), *first = segment + l.n, *last = first + l.n;
    for (int64_t c = 0; c < l.n; c++)
        l.u[c] = (float)c - *at(a->disp, r, c);
    find_hits(&l, segment, first, last);
    for (int64_t t = 0; t < l.n; t++) {
        const layer y = compose(&l, t, &segment[t], &first[t], &last[t]);
        const float norm = y.cover > 0 ? y.cover : 1;
        for (int i = 0; i < 3; i++)
            at(a->right, r, t)[i] = y.rgb[i] / norm;
        *at(a->hole, r, t) = 1 - y.cover;
        if (a->disp_right.ndim)
            *at(a->disp_right, r, t) = y.disp / norm;
    }
}

int sc_cpu_splat(sc_exec *x, const sc_splat_args *a)
{
    const int64_t h = a->left.dim[0], w = a->left.dim[1];
    if (!a->reference)
        return sc_cpu_rows(x, h, (size_t)w * (1 + 3 * sizeof(hit) / sizeof(float)), splat_row, a);
    reference_args ref = { .a = a, .far = INFINITY };
    for (int64_t r = 0; r < h; r++)
        for (int64_t c = 0; c < w; c++)
            ref.far = fminf(ref.far, *at(a->disp, r, c));
    return sc_cpu_rows(x, h, (size_t)(6 * w), reference_row, &ref);
}
