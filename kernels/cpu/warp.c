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

typedef struct hit { /* the nearest thing that a target column has met so far */
    float disp;
    int32_t c; /* its source column, -1 = none */
} hit;

static inline void offer(hit *h, float disp, int64_t c)
{
    if (disp >= h->disp)
        *h = (hit){ disp, (int32_t)c };
}

static inline bool joined(float u, float next, float stretch)
{
    return next > u && next - u <= stretch;
}

/* Finds for each target column the nearest segment over it, and the nearest line end that covers part of it
 * from its right (a line's first source) and from its left (a line's last). */
static void find_hits(const sc_splat_args *a, int64_t r, hit *segment, hit *first, hit *last)
{
    const int64_t w = a->left.dim[1];
    const float right_edge = (float)(w - 1);
    bool before = false;
    for (int64_t t = 0; t < w; t++)
        segment[t] = first[t] = last[t] = (hit){ -INFINITY, -1 };
    for (int64_t c = 0; c < w; c++) {
        const float d = *at(a->disp, r, c), u = (float)c - d;
        const float dn = c + 1 < w ? *at(a->disp, r, c + 1) : INFINITY, next = (float)(c + 1) - dn;
        const bool after = joined(u, next, a->stretch);
        if (after && next >= 0 && u <= right_edge) {
            const int64_t end = (int64_t)fminf(next, right_edge);
            for (int64_t t = (int64_t)ceilf(fmaxf(u, 0)); t <= end; t++)
                offer(&segment[t], d + ((float)t - u) / (next - u) * (dn - d), c);
        }
        if (u > -1 && u <= right_edge && !(before && after)) {
            const int64_t t = (int64_t)floorf(u);
            if (!before && t >= 0)
                offer(&first[t], d, c);
            if (!after && t + 1 < w && u > (float)t)
                offer(&last[t + 1], d, c);
        }
        before = after;
    }
}

typedef struct layer {
    float rgb[3], disp, cover;
} layer;

/* Lays `over` on the sum so far, nearest layer first. */
static void lay_under(layer *sum, const layer *under)
{
    const float cover = fminf(under->cover, 1 - sum->cover);
    for (int i = 0; i < 3; i++)
        sum->rgb[i] += cover * under->rgb[i];
    sum->disp += cover * under->disp;
    sum->cover += cover;
}

static layer segment_layer(const sc_splat_args *a, int64_t r, int64_t t, const hit *h)
{
    const float u = (float)h->c - *at(a->disp, r, h->c), next = (float)(h->c + 1) - *at(a->disp, r, h->c + 1);
    const float k = ((float)t - u) / (next - u), *p = at(a->left, r, h->c), *q = at(a->left, r, h->c + 1);
    layer l = { .disp = h->disp, .cover = 1 };
    for (int i = 0; i < 3; i++)
        l.rgb[i] = (1 - k) * p[i] + k * q[i];
    return l;
}

static layer end_layer(const sc_splat_args *a, int64_t r, int64_t t, const hit *h)
{
    const float *p = at(a->left, r, h->c);
    return (layer){ { p[0], p[1], p[2] }, h->disp, 1 - fabsf((float)h->c - h->disp - (float)t) };
}

static layer compose(const sc_splat_args *a, int64_t r, int64_t t, hit segment, hit first, hit last)
{
    const hit *end[2] = { &first, &last };
    if (last.disp > first.disp) {
        end[0] = &last;
        end[1] = &first;
    }
    layer sum = { .cover = 0 };
    for (int i = 0; i < 2 && end[i]->c >= 0 && end[i]->disp > segment.disp; i++) {
        const layer l = end_layer(a, r, t, end[i]);
        lay_under(&sum, &l);
    }
    if (segment.c >= 0) {
        const layer l = segment_layer(a, r, t, &segment);
        if (sum.cover == 0)
            return l;
        lay_under(&sum, &l);
    }
    return sum;
}

static void splat_row(const void *args, int64_t r, float *scratch)
{
    const sc_splat_args *a = args;
    const int64_t w = a->left.dim[1];
    hit *segment = (hit *)(void *)scratch, *first = segment + w, *last = first + w;
    find_hits(a, r, segment, first, last);
    for (int64_t t = 0; t < w; t++) {
        const layer l = compose(a, r, t, segment[t], first[t], last[t]);
        const float norm = l.cover > 0 ? l.cover : 1;
        for (int i = 0; i < 3; i++)
            at(a->right, r, t)[i] = l.rgb[i] / norm;
        *at(a->hole, r, t) = 1 - l.cover;
        if (a->disp_right.ndim)
            *at(a->disp_right, r, t) = l.disp / norm;
    }
}

int sc_cpu_splat(sc_exec *x, const sc_splat_args *a)
{
    const int64_t h = a->left.dim[0], w = a->left.dim[1];
    if (!a->reference)
        return sc_cpu_rows(x, h, (size_t)w * 3 * sizeof(hit) / sizeof(float), splat_row, a);
    reference_args ref = { .a = a, .far = INFINITY };
    for (int64_t r = 0; r < h; r++)
        for (int64_t c = 0; c < w; c++)
            ref.far = fminf(ref.far, *at(a->disp, r, c));
    return sc_cpu_rows(x, h, (size_t)(6 * w), reference_row, &ref);
}
