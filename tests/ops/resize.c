#include <math.h>
#include <stdlib.h>

#include "../check.h"

static double cubic(double t)
{
    const double a = -0.75, s = fabs(t);

    return s < 1   ? (a + 2) * s * s * s - (a + 3) * s * s + 1
           : s < 2 ? a * s * s * s - 5 * a * s * s + 8 * a * s - 4 * a
                   : 0;
}

/* Weight of input j for output i along one axis, by definition; the caller divides by the sum. */
static double weight(const sc_resize_args *a, int64_t in, int64_t out, int64_t i, int64_t j)
{
    const double n = (double)in, m = (double)out, scale = n / m, o = (double)i, p = (double)j;
    const double src = !a->align_corners ? (o + 0.5) * scale - 0.5 : out > 1 ? o * (n - 1) / (m - 1) : 0;

    if (a->mode == SC_AREA) {
        const double overlap = fmin(p + 1, (o + 1) * scale) - fmax(p, o * scale);
        return fmax(overlap, 0);
    }
    const double widen = a->antialias && scale > 1 ? scale : 1;
    double sum = 0;
    for (int64_t k = widen > 1 ? j : j - 3; k <= (widen > 1 ? j : j + 3); k++) {
        /* where the kernel is not widened, places outside the picture read its edge */
        const int64_t reads = SC_CLAMP(k, 0, in - 1);
        const bool lies_outside = (j == 0 && k < 0) || (j == in - 1 && k > in - 1);
        if (reads == j && (k == j || lies_outside)) {
            const double t = ((double)k - src) / widen;
            sum += a->mode == SC_BICUBIC ? cubic(t) : fmax(0, 1 - fabs(t));
        }
    }
    return sum;
}

static double *truth(const sc_resize_args *a, const float *x, const int64_t in[4], const int64_t out[4])
{
    double *y = calloc((size_t)(out[0] * out[1] * out[2] * out[3]), sizeof(*y)), *q = y;

    for (int64_t n = 0; n < out[0]; n++)
        for (int64_t i = 0; i < out[1]; i++)
            for (int64_t j = 0; j < out[2]; j++, q += out[3]) {
                double sum = 0;
                for (int64_t r = 0; r < in[1]; r++) {
                    const double wr = weight(a, in[1], out[1], i, r);
                    for (int64_t s = 0; wr != 0 && s < in[2]; s++) {
                        const double w = wr * weight(a, in[2], out[2], j, s);
                        sum += w;
                        for (int64_t k = 0; w != 0 && k < in[3]; k++)
                            q[k] += w * x[((n * in[1] + r) * in[2] + s) * in[3] + k];
                    }
                }
                for (int64_t k = 0; k < in[3]; k++)
                    q[k] /= sum;
            }
    return y;
}

static float *randoms(check *c, int64_t n)
{
    float *v = malloc((size_t)n * sizeof(*v));

    for (int64_t i = 0; i < n; i++)
        v[i] = (float)check_random(c);
    return v;
}

static void resample(check *c, sc_resize_args a, int h, int w, int to_h, int to_w, int channels,
                     check_far far)
{
    static const char *const mode[] = { "bilinear", "bicubic", "area" };
    const int64_t n = far ? 3 : 2, in[4] = { n, h, w, channels }, out[4] = { n, to_h, to_w, channels };

    check_begin(c, "resize", "%s%s%s %dx%dx%d to %dx%d%s", mode[a.mode], a.align_corners ? " corners" : "",
                a.antialias ? " antialias" : "", w, h, channels, to_w, to_h, check_far_name(far));
    check_spread(c, far);
    float *v = randoms(c, in[0] * in[1] * in[2] * in[3]);
    double *want = truth(&a, v, in, out);
    const pair x = check_values(c, SC_F32, v, 4, in), y = check_output(c, SC_F32, 4, out);
    check_expect(c, y, want);
    while (check_run(c)) {
        a.x = at(c, x);
        a.y = at(c, y);
        sc_resize_into(c->x, &a);
    }
    const int taps = 4 * ((h - 1) / to_h + 1) * 4 * ((w - 1) / to_w + 1);
    check_end(c, &(check_tol){ .k = taps });
    free(v);
    free(want);
}

/* A channel and a part of a picture, read where they lie. */
static void view(check *c)
{
    check_begin(c, "resize", "view");
    const pair x = check_uniform(c, SC_F32, 0, 1, SC_DIMS(1, 12, 14, 3));
    const pair part = check_output(c, SC_F32, SC_DIMS(1, 8, 9, 1)),
               y = check_output(c, SC_F32, SC_DIMS(1, 16, 27, 1));
    const pair same = check_output(c, SC_F32, SC_DIMS(1, 16, 27, 1));
    bool equal = true;
    while (check_run(c)) {
        float a[16 * 27], b[16 * 27];
        const sc_tensor v = sc_slice(sc_slice(sc_slice(at(c, x), 1, 2, 8), 2, 3, 9), 3, 1, 1);
        sc_copy_into(c->x, at(c, part), v);
        sc_resize_into(c->x, &(sc_resize_args){ .y = at(c, y), .x = v });
        sc_resize_into(c->x, &(sc_resize_args){ .y = at(c, same), .x = at(c, part) });
        sc_download(c->x, a, at(c, y));
        sc_download(c->x, b, at(c, same));
        for (int i = 0; i < 16 * 27; i++)
            equal = equal && a[i] == b[i];
    }
    check_end(c, &(check_tol){ .k = 4 });
    check_that(c, equal, "a view is resized like its copy");
}

static sc_tensor one_image(sc_tensor t)
{
    return sc_reshape(t, SC_DIMS(1, t.dim[0], t.dim[1], t.dim[2]));
}

static void guided(check *c, int h, int w, int to_h, int to_w, int channels, double range, check_far far)
{
    check_begin(c, "resize", "guided %dx%dx%d to %dx%d, range %g%s", w, h, channels, to_w, to_h, range,
                check_far_name(far));
    check_spread(c, far);
    float *v = randoms(c, h * w * channels), *g = randoms(c, to_h * to_w * 3), *s = randoms(c, h * w * 3);
    double *want = calloc((size_t)(to_h * to_w * channels), sizeof(*want));

    for (int i = 0; i < to_h * to_w; i++) {
        const double sy = (i / to_w + 0.5) * h / to_h - 0.5, sx = (i % to_w + 0.5) * w / to_w - 0.5;
        double sum = 0;
        for (int r = (int)floor(sy) - 1; r <= (int)floor(sy) + 2; r++)
            for (int q = (int)floor(sx) - 1; q <= (int)floor(sx) + 2; q++) {
                const int from = SC_CLAMP(r, 0, h - 1) * w + SC_CLAMP(q, 0, w - 1);
                double d = 0;
                for (int k = 0; k < 3; k++)
                    d += pow((double)g[3 * i + k] - (double)s[3 * from + k], 2);
                const double weight_rq = fmax(0, 1 - fabs(r - sy) / 2) * fmax(0, 1 - fabs(q - sx) / 2) *
                                         exp(-fmin(d / (2 * range * range), 40));
                sum += weight_rq;
                for (int k = 0; k < channels; k++)
                    want[i * channels + k] += weight_rq * v[from * channels + k];
            }
        for (int k = 0; k < channels; k++)
            want[i * channels + k] /= sum;
    }
    const pair x = check_values(c, SC_F32, v, SC_DIMS(h, w, channels));
    const pair y = check_output(c, SC_F32, SC_DIMS(to_h, to_w, channels));
    const pair guide = check_values(c, SC_F32, g, SC_DIMS(to_h, to_w, 3));
    const pair small = check_values(c, SC_F32, s, SC_DIMS(h, w, 3));
    check_expect(c, y, want);
    while (check_run(c))
        sc_resize_into(c->x, &(sc_resize_args){ .y = one_image(at(c, y)),
                                                .x = one_image(at(c, x)),
                                                .guide = one_image(at(c, guide)),
                                                .guide_small = one_image(at(c, small)),
                                                .range = (float)range });
    /* Weights are e^-d: d of up to 40 is itself rounded, some 64 u. */
    check_end(c, &(check_tol){ .k = 16, .factor = 64 * 64 });
    free(v);
    free(g);
    free(s);
    free(want);
}

static int64_t beyond(int64_t i, int64_t n, bool reflect)
{
    while (reflect && n > 1 && (i < 0 || i >= n))
        i = i < 0 ? -i : 2 * (n - 1) - i;
    return SC_CLAMP(i, 0, n - 1);
}

static void filter(check *c, sc_filter_kind kind, int h, int w, int channels, int ry, int rx, bool reflect,
                   check_far far)
{
    static const char *const name[] = { "mean", "max", "min", "snap" };
    const float threshold = 0.2f;
    float taps[2][2 * 8 + 1];

    check_begin(c, "filter", "%s %dx%dx%d radius %d, %d%s%s", name[kind], w, h, channels, rx, ry,
                reflect ? " reflect" : "", check_far_name(far));
    check_spread(c, far);
    float *v = randoms(c, h * w * channels);
    double *want = calloc((size_t)(h * w * channels), sizeof(*want));
    for (int i = 0; i < 2 * 8 + 1; i++) {
        taps[0][i] = (float)check_random(c);
        taps[1][i] = (float)check_random(c);
    }
    for (int i = 0; i < h * w * channels; i++) {
        const int y = i / channels / w, x = i / channels % w;
        double lo = INFINITY, hi = -INFINITY, sum = 0;
        for (int r = -ry; r <= ry; r++)
            for (int q = -rx; q <= rx; q++) {
                const double p =
                    v[(beyond(y + r, h, reflect) * w + beyond(x + q, w, reflect)) * channels + i % channels];
                lo = fmin(lo, p);
                hi = fmax(hi, p);
                sum += p * (ry ? (double)taps[0][r + ry] : 1) * (rx ? (double)taps[1][q + rx] : 1);
            }
        const float up = (float)hi - v[i], down = v[i] - (float)lo;
        const bool snaps = up > threshold && down > threshold;
        want[i] = kind == SC_FILTER_MEAN            ? sum
                  : kind == SC_FILTER_MAX           ? hi
                  : kind == SC_FILTER_MIN           ? lo
                  : !snaps                          ? (double)v[i]
                  : down < 0.35f * (float)(hi - lo) ? lo
                                                    : hi;
    }
    const pair x = check_values(c, SC_F32, v, SC_DIMS(h, w, channels));
    const pair y = check_output(c, SC_F32, SC_DIMS(h, w, channels));
    check_expect(c, y, want);
    while (check_run(c))
        sc_filter_into(c->x, &(sc_filter_args){ .y = one_image(at(c, y)),
                                                .x = one_image(at(c, x)),
                                                .kind = kind,
                                                .radius_x = rx,
                                                .radius_y = ry,
                                                .taps_x = rx ? taps[1] : NULL,
                                                .taps_y = ry ? taps[0] : NULL,
                                                .reflect = reflect,
                                                .threshold = threshold });
    check_end(c, &(check_tol){ .k = (2 * rx + 1) * (2 * ry + 1), .exact = kind != SC_FILTER_MEAN });
    free(v);
    free(want);
}

void check_resize(check *c)
{
    static const int size[][4] = { { 9, 16, 36, 64 }, { 31, 17, 9, 13 }, { 7, 5, 7, 5 },
                                   { 1, 1, 3, 4 },    { 12, 40, 5, 90 }, { 64, 48, 1, 1 } };

    for (int s = 0; s < SC_COUNT(size); s++)
        for (int m = 0; m < 3 * 4; m++) {
            const sc_resize_args a = { .mode = (sc_resample)(m / 4),
                                       .align_corners = m & 1,
                                       .antialias = m & 2 };
            if (!(a.align_corners && (a.antialias || a.mode == SC_AREA)))
                resample(c, a, size[s][0], size[s][1], size[s][2], size[s][3], m % 3 + 1, CHECK_NEAR);
        }
    resample(c, (sc_resize_args){ .mode = SC_BILINEAR }, 5, 7, 11, 13, 3, CHECK_STRIDED);
    resample(c, (sc_resize_args){ .mode = SC_BICUBIC, .antialias = true }, 31, 33, 7, 5, 3, CHECK_STRIDED);
    resample(c, (sc_resize_args){ .mode = SC_AREA }, 64, 48, 1, 1, 1, CHECK_STRIDED);
    view(c);
    guided(c, 9, 16, 36, 64, 1, 0.1, CHECK_NEAR);
    guided(c, 5, 7, 31, 17, 2, 0.5, CHECK_NEAR);
    guided(c, 1, 1, 6, 3, 1, 0.01, CHECK_NEAR);
    guided(c, 1, 1, 1, 1, 1, 0.1, CHECK_NEAR);
    guided(c, 3, 7, 3, 17, 2, 0.5, CHECK_STRIDED);
    for (int kind = 0; kind <= SC_FILTER_SNAP; kind++)
        for (int reflect = 0; reflect < 2; reflect++) {
            filter(c, (sc_filter_kind)kind, 20, 33, 1, 2, 3, reflect, CHECK_NEAR);
            filter(c, (sc_filter_kind)kind, 9, 9, 3, 0, 8, reflect, CHECK_NEAR);
            filter(c, (sc_filter_kind)kind, 9, 5, 2, 8, 0, reflect, CHECK_NEAR);
            filter(c, (sc_filter_kind)kind, 1, 1, 1, 0, 0, reflect, CHECK_NEAR);
            filter(c, (sc_filter_kind)kind, 3, 61, 2, 2, 3, reflect, CHECK_STRIDED);
        }
    filter(c, SC_FILTER_MAX, 3, 2, 1, 5, 7, false, CHECK_NEAR);
    filter(c, SC_FILTER_MEAN, 31, 61, 1, 7, 5, true, CHECK_NEAR); /* primes */
}
