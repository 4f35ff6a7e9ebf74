/* Reductions to a few numbers. Each band or row has its own partial result; these are joined in order. */
#include <math.h>
#include <stdlib.h>

#include "rows.h"

/* ---- minmax */

enum { BINS = 4096, BANDS = 16 };

typedef struct band {
    float lo, hi;
    int64_t count;
    int32_t bin[BINS];
} band;

typedef struct minmax_plan {
    const sc_minmax_args *a;
    band *band;
    bool histogram;
    float lo, scale; /* bin = (value - lo) * scale */
} minmax_plan;

/* Axes of t from the last: channels, pixels; a missing one is 1 long. */
static int64_t size_of(sc_tensor t, int from_last)
{
    return t.ndim > from_last ? t.dim[t.ndim - 1 - from_last] : 1;
}

static int64_t step_of(sc_tensor t, int from_last)
{
    return t.ndim > from_last ? t.stride[t.ndim - 1 - from_last] : 0;
}

static void minmax_band(const void *args, int64_t index, float *scratch)
{
    (void)scratch;
    const minmax_plan *p = args;
    const sc_tensor x = p->a->x, mask = p->a->mask;
    const int64_t rows = sc_row_count(x), n = size_of(x, 1), c = size_of(x, 0);
    band *b = &p->band[index];
    for (int64_t r = rows * index / BANDS; r < rows * (index + 1) / BANDS; r++) {
        const float *row = sc_row(x, r), *m = mask.ndim ? sc_row(mask, r) : NULL;
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = 0; k < c; k++) {
                const float v = row[i * step_of(x, 1) + k * step_of(x, 0)];
                if (!isfinite(v) || (m && !(m[i * step_of(mask, 1) + k * step_of(mask, 0)] > 0.5f)))
                    continue;
                if (p->histogram) {
                    b->bin[SC_MIN((int)((v - p->lo) * p->scale), BINS - 1)]++;
                } else {
                    b->lo = v < b->lo ? v : b->lo;
                    b->hi = v > b->hi ? v : b->hi;
                    b->count++;
                }
            }
    }
}

/* The value below which a share q of the elements lies, found inside its bin by even division. */
static float quantile(const minmax_plan *p, const band *all, float q)
{
    if (q <= 0 || q >= 1 || all->hi <= all->lo)
        return q >= 1 ? all->hi : all->lo;
    const double rank = (double)q * (double)(all->count - 1) + 0.5;
    double before = 0;
    int bin = 0;
    while (bin < BINS - 1 && before + all->bin[bin] <= rank)
        before += all->bin[bin++];
    const float value = p->lo + (float)((bin + (rank - before) / SC_MAX(all->bin[bin], 1)) / p->scale);
    return SC_CLAMP(value, all->lo, all->hi);
}

int sc_cpu_minmax(sc_exec *x, const sc_minmax_args *a)
{
    int ret = 0;
    float *y = a->y.data;
    band *all = NULL;
    minmax_plan p = { .a = a, .band = calloc(BANDS + 1, sizeof(*p.band)) };
    if (!p.band)
        return -ENOMEM;
    all = &p.band[BANDS];
    for (int i = 0; i <= BANDS; i++) {
        p.band[i].lo = INFINITY;
        p.band[i].hi = -INFINITY;
    }
    SC_TRY(sc_cpu_rows(x, BANDS, 0, minmax_band, &p));
    for (int i = 0; i < BANDS; i++) {
        all->lo = SC_MIN(all->lo, p.band[i].lo);
        all->hi = SC_MAX(all->hi, p.band[i].hi);
        all->count += p.band[i].count;
    }
    if (!all->count)
        all->lo = all->hi = 0;
    p.lo = all->lo;
    p.scale = BINS / (all->hi - all->lo);
    p.histogram = all->hi > all->lo && isfinite(p.scale) && p.scale > 0 && (a->q_lo > 0 || a->q_hi < 1);
    if (p.histogram)
        SC_TRY(sc_cpu_rows(x, BANDS, 0, minmax_band, &p));
    for (int i = 0; i < BANDS; i++)
        for (int k = 0; k < BINS; k++)
            all->bin[k] += p.band[i].bin[k];
    y[0] = quantile(&p, all, a->q_lo);
    y[1] = quantile(&p, all, a->q_hi);
fail:
    free(p.band);
    return ret;
}

/* ---- moments */

typedef struct moments_plan {
    const sc_moments_args *a;
    double
        *row; /* of each row: the sum of weights, then of each channel the weighted sum and sum of squares */
} moments_plan;

static void moments_row(const void *args, int64_t r, float *scratch)
{
    (void)scratch;
    const moments_plan *p = args;
    const sc_tensor x = p->a->x, mask = p->a->mask;
    const int64_t c = x.dim[2];
    double *sum = p->row + r * (1 + 2 * c);
    for (int64_t i = 0; i < x.dim[1]; i++) {
        const float *v = (const float *)x.data + r * x.stride[0] + i * x.stride[1];
        const double w = mask.ndim ? ((const float *)mask.data)[r * mask.stride[0] + i * mask.stride[1]] : 1;
        sum[0] += w;
        for (int64_t k = 0; k < c; k++) {
            sum[1 + 2 * k] += w * (double)v[k];
            sum[2 + 2 * k] += w * (double)v[k] * (double)v[k];
        }
    }
}

int sc_cpu_moments(sc_exec *x, const sc_moments_args *a)
{
    int ret = 0;
    const int64_t h = a->x.dim[0], c = a->x.dim[2], per_row = 1 + 2 * c;
    moments_plan p = { .a = a, .row = calloc((size_t)((h + 1) * per_row), sizeof(*p.row)) };
    if (!p.row)
        return -ENOMEM;
    double *sum = p.row + h * per_row;
    SC_TRY(sc_cpu_rows(x, h, 0, moments_row, &p));
    for (int64_t r = 0; r < h; r++)
        for (int64_t k = 0; k < per_row; k++)
            sum[k] += p.row[r * per_row + k];
    for (int64_t k = 0; k < c; k++) {
        float *y = (float *)a->y.data + k;
        const double w = sum[0], mean = w > 0 ? sum[1 + 2 * k] / w : 0;
        y[0] = (float)mean;
        y[a->y.stride[0]] = (float)sqrt(w > 0 ? fmax(sum[2 + 2 * k] / w - mean * mean, 0) : 0);
        y[2 * a->y.stride[0]] = (float)w;
    }
fail:
    free(p.row);
    return ret;
}
