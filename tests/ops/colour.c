#include <math.h>
#include <stdlib.h>

#include "../check.h"

/* ---- colour, as the standards write it */

static double mirror(double (*f)(double), double v)
{
    return v < 0 ? -f(-v) : f(v);
}

static double srgb_decode(double v)
{
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static double srgb_encode(double v)
{
    return v <= 0.0031308 ? 12.92 * v : 1.055 * pow(v, 1 / 2.4) - 0.055;
}

static const double xyz[9] = { 0.4124564, 0.3575761, 0.1804375, 0.2126729, 0.7151522,
                               0.0721750, 0.0193339, 0.1191920, 0.9503041 };

static void to_lab(double y[3], const double rgb[3])
{
    double f[3];

    for (int i = 0; i < 3; i++) {
        double t = 0, white = 0;
        for (int j = 0; j < 3; j++) {
            t += xyz[3 * i + j] * mirror(srgb_decode, rgb[j]);
            white += xyz[3 * i + j];
        }
        t /= white;
        f[i] = t > pow(6.0 / 29, 3) ? cbrt(t) : t / (3 * pow(6.0 / 29, 2)) + 4.0 / 29;
    }
    y[0] = 116 * f[1] - 16;
    y[1] = 500 * (f[0] - f[1]);
    y[2] = 200 * (f[1] - f[2]);
}

static void matrix(check *c, bool two, float lo, float hi)
{
    enum { H = 5, W = 67 };
    sc_colour_args a = { .lo = lo, .hi = hi };
    float v[2][H * W * 3];
    double want[H * W * 3];

    check_begin(c, "colour", "matrix%s %g..%g", two ? ", two pictures" : "", (double)lo, (double)hi);
    for (int i = 0; i < 9; i++) {
        a.m1[i] = (float)check_random(c);
        a.m2[i] = (float)check_random(c);
        a.t[i % 3] = (float)check_random(c);
    }
    for (int i = 0; i < 2 * H * W * 3; i++)
        v[i / (H * W * 3)][i % (H * W * 3)] = (float)check_random(c);
    for (int i = 0; i < H * W * 3; i++) {
        want[i] = (double)a.t[i % 3];
        for (int j = 0; j < 3; j++) {
            want[i] += (double)a.m1[3 * (i % 3) + j] * (double)v[0][i / 3 * 3 + j];
            want[i] += two ? (double)a.m2[3 * (i % 3) + j] * (double)v[1][i / 3 * 3 + j] : 0;
        }
        want[i] = lo < hi ? SC_CLAMP(want[i], (double)lo, (double)hi) : want[i];
    }
    const pair p = check_values(c, SC_F32, v[0], SC_DIMS(H, W, 3)),
               q = check_values(c, SC_F32, v[1], SC_DIMS(H, W, 3));
    const pair y = check_output(c, SC_F32, SC_DIMS(H, W, 3));
    check_expect(c, y, want);
    while (check_run(c)) {
        a.y = at(c, y);
        a.a = at(c, p);
        a.b = two ? at(c, q) : SC_NONE;
        sc_colour_into(c->x, &a);
    }
    check_end(c, &(check_tol){ .k = 7 });
}

enum { COLOURS = 4096 };

/* Grey, in and out of gamut, and colours. */
static void colours(check *c, float v[3 * COLOURS])
{
    for (int i = 0; i < 3 * COLOURS; i++)
        v[i] = i < 192 ? (float)(i / 3 - 8) / 48 : (float)(check_random(c) * 1.6 - 0.2);
}

static void lab(check *c)
{
    static float v[3 * COLOURS];
    static double want[3 * COLOURS];

    check_begin(c, "colour", "lab");
    colours(c, v);
    for (int i = 0; i < COLOURS; i++) {
        const double rgb[3] = { (double)v[3 * i], (double)v[3 * i + 1], (double)v[3 * i + 2] };
        to_lab(want + 3 * i, rgb);
    }
    const pair x = check_values(c, SC_F32, v, SC_DIMS(4, COLOURS / 4, 3));
    const pair y = check_output(c, SC_F32, SC_DIMS(4, COLOURS / 4, 3));
    check_expect(c, y, want);
    while (check_run(c))
        sc_colour_into(c->x,
                       &(sc_colour_args){
                           .y = at(c, y), .a = at(c, x), .m1 = { 1, 0, 0, 0, 1, 0, 0, 0, 1 }, .to = SC_LAB });
    /* a is 500 times a difference of two roots of up to 1, while the rms of all is about 50 */
    check_end(c, &(check_tol){ .k = 4, .factor = 100 });
}

/* RGB -> LAB -> RGB in one go. */
static void lab_and_back(check *c)
{
    static float v[3 * COLOURS], back[3 * COLOURS];
    static double same[3 * COLOURS];
    double worst = 0;

    check_begin(c, "colour", "lab and back");
    colours(c, v);
    for (int i = 0; i < 3 * COLOURS; i++)
        same[i] = (double)v[i];
    const pair x = check_values(c, SC_F32, v, SC_DIMS(COLOURS, 3));
    const pair y = check_output(c, SC_F32, SC_DIMS(COLOURS, 3)),
               z = check_output(c, SC_F32, SC_DIMS(COLOURS, 3));
    check_expect(c, z, same);
    while (check_run(c)) {
        sc_colour_args a = {
            .y = at(c, y), .a = at(c, x), .m1 = { 1, 0, 0, 0, 1, 0, 0, 0, 1 }, .to = SC_LAB
        };
        sc_colour_into(c->x, &a);
        a.from = SC_LAB;
        a.to = SC_RGB;
        a.a = at(c, y);
        a.y = at(c, z);
        sc_colour_into(c->x, &a);
        sc_download(c->x, back, at(c, z));
    }
    for (int i = 0; i < 3 * COLOURS; i++) {
        double top = 0.01;
        for (int k = 0; k < 3; k++)
            top = fmax(top, fabs(mirror(srgb_decode, (double)v[i / 3 * 3 + k])));
        worst =
            fmax(worst, fabs(mirror(srgb_decode, (double)back[i]) - mirror(srgb_decode, (double)v[i])) / top);
    }
    /* A dark channel is the difference of bright ones, of up to 2, times factors of up to 3, and sRGB is 13
     * steep there: 2 * 3 * 13, squared. */
    check_end(c, &(check_tol){ .k = 4, .factor = 6000 });
    check_that(c, c->skip || worst < 64 * 0x1p-24, "%s: off by %g of the brightest channel", c->name, worst);
}

static double pq(double e)
{
    const double c1 = 3424.0 / 4096, c2 = 2413.0 / 128, c3 = 2392.0 / 128, n = pow(e, 32.0 / 2523);
    return 10000.0 / 203 * pow(fmax(n - c1, 0) / (c2 - c3 * n), 16384.0 / 2610);
}

static double hlg(double e)
{
    const double a = 0.17883277, b = 1 - 4 * a, c = 0.5 - a * log(4 * a);
    return e <= 0.5 ? e * e / 3 : (exp((e - c) / a) + b) / 12;
}

static void hdr(check *c, sc_colour_space space)
{
    enum { N = 1024 };
    static const double gamut[9] = { 1.66051121,  -0.58771059, -0.07280062, -0.12456141, 1.13296051,
                                     -0.00839911, -0.01816769, -0.1005606,  1.11872828 };
    static float v[3 * N];
    static double want[3 * N];
    bool sdr = true;

    check_begin(c, "colour", space == SC_PQ ? "pq" : "hlg");
    for (int i = 0; i < N; i++) {
        double l[3], top = 0, luma;
        for (int k = 0; k < 3; k++) {
            v[3 * i + k] = i < 32 ? (float)i / 31 : (float)check_random(c);
            l[k] = space == SC_PQ ? pq((double)v[3 * i + k]) : hlg((double)v[3 * i + k]);
        }
        luma = 0.2627 * l[0] + 0.6780 * l[1] + 0.0593 * l[2];
        for (int k = 0; k < 3; k++) {
            l[k] *= space == SC_PQ ? 1 : 1000.0 / 203 * pow(luma, 0.2);
            top = fmax(top, l[k]);
        }
        const double roll = top <= 0.5 ? 1 : (0.5 + 0.5 * (top - 0.5) / top) / top;
        for (int k = 0; k < 3; k++) {
            const double m = gamut[3 * k] * l[0] + gamut[3 * k + 1] * l[1] + gamut[3 * k + 2] * l[2];
            want[3 * i + k] = srgb_encode(SC_CLAMP(m * roll, 0, 1));
        }
    }
    const pair x = check_values(c, SC_F32, v, SC_DIMS(N, 3)), y = check_output(c, SC_F32, SC_DIMS(N, 3));
    check_expect(c, y, want);
    while (check_run(c)) {
        float got[3 * N];
        sc_colour_into(
            c->x, &(sc_colour_args){
                      .y = at(c, y), .a = at(c, x), .m1 = { 1, 0, 0, 0, 1, 0, 0, 0, 1 }, .from = space });
        sc_download(c->x, got, at(c, y));
        for (int i = 0; i < 3 * N; i++)
            sdr = sdr && got[i] >= 0 && got[i] <= 1;
    }
    /* Between its two powers PQ takes differences of 19 down to 0.16 and raises to 6.3: 750 times the
     * rounding error. A change of primaries then leaves it in dark channels, where sRGB's curve is some 4
     * steep. */
    check_end(c, &(check_tol){ .k = 4, .factor = 3000.0 * 3000 });
    check_that(c, sdr, "%s becomes 0..1", c->name);
}

/* ---- mix */

static void mix(check *c, bool per_channel, bool packed)
{
    enum { H = 6, W = 31 };
    float m[H * W * 3], v[2][H * W * 3];
    double want[H * W * 3];

    check_begin(c, "mix", "%s%s", per_channel ? "per channel" : "per pixel", packed ? "" : ", part");
    for (int i = 0; i < H * W * 3; i++) {
        m[i] = i % 3 == 0 ? 0 : i % 3 == 1 ? 1 : (float)check_random(c);
        v[0][i] = (float)(check_random(c) * 4e5 -
                          2e5); /* a and b so far apart that a + (b - a) m would lose bits */
        v[1][i] = (float)check_random(c);
    }
    for (int i = 0; i < H * W * 3; i++) {
        const float w = m[per_channel ? i : i / 3], p = w * v[0][i], q = (1 - w) * v[1][i];
        want[i] = w == 1 ? v[0][i] : w == 0 ? v[1][i] : p + q;
        if (w == 0 || w == 1)
            v[w == 1][i] = NAN; /* what is not wanted is not looked at */
    }
    const int mc = per_channel ? 3 : 1;
    const pair pm = check_values(c, SC_F32, m, SC_DIMS(H, W, mc)),
               a = check_values(c, SC_F32, v[0], SC_DIMS(H, W, 3));
    const pair b = check_values(c, SC_F32, v[1], SC_DIMS(H, W, 3)),
               y = check_output(c, SC_F32, SC_DIMS(H, W, 3));
    if (packed)
        check_expect(c, y, want);
    while (check_run(c)) {
        const int w = packed ? W : 11, first = packed ? 0 : 7;
        sc_mix_into(c->x, &(sc_mix_args){ .y = sc_slice(at(c, y), 1, first, w),
                                          .m = sc_slice(at(c, pm), 1, first, w),
                                          .a = sc_slice(at(c, a), 1, first, w),
                                          .b = sc_slice(at(c, b), 1, first, w) });
    }
    check_end(c, &(check_tol){ .exact = true });
}

/* Any sizes, on the plain device's word. */
static void pictures(check *c, int h, int w, check_far far)
{
    check_begin(c, "colour", "lab %dx%d%s", w, h, check_far_name(far));
    check_spread(c, far);
    const pair a = check_uniform(c, SC_F32, 0, 1, SC_DIMS(h, w, 3)),
               b = check_uniform(c, SC_F32, 0, 1, SC_DIMS(h, w, 3)),
               y = check_output(c, SC_F32, SC_DIMS(h, w, 3));
    while (check_run(c))
        sc_colour_into(c->x, &(sc_colour_args){ .y = at(c, y),
                                                .a = at(c, a),
                                                .b = at(c, b),
                                                .m1 = { 0.5f, 0, 0, 0, 0.5f, 0, 0, 0, 0.5f },
                                                .m2 = { 0.3f, 0.2f, 0, 0, 0.5f, 0, 0, 0.1f, 0.4f },
                                                .to = SC_LAB });
    check_end(c, &(check_tol){ .k = 7, .factor = 100 }); /* as lab() */

    check_begin(c, "mix", "%dx%d%s", w, h, check_far_name(far));
    check_spread(c, far);
    const pair m = check_uniform(c, SC_F32, 0, 1, SC_DIMS(h, w, 1)),
               p = check_uniform(c, SC_F32, 0, 1, SC_DIMS(h, w, 3)),
               q = check_uniform(c, SC_F32, 0, 1, SC_DIMS(h, w, 3)),
               z = check_output(c, SC_F32, SC_DIMS(h, w, 3));
    while (check_run(c))
        sc_mix_into(c->x, &(sc_mix_args){ .y = at(c, z), .m = at(c, m), .a = at(c, p), .b = at(c, q) });
    check_end(c, &(check_tol){ .exact = true });
}

/* ---- reductions */

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void quantiles(check *c, int h, int w, double keep, double q_lo, double q_hi)
{
    check_begin(c, "minmax", "%dx%d, %g of it, quantiles %g and %g", w, h, keep, q_lo, q_hi);
    const int n = h * w;
    float *v = malloc((size_t)n * sizeof(*v)), *m = malloc((size_t)n * sizeof(*m)),
          *kept = malloc((size_t)n * sizeof(*v));
    float got[2] = { 0, 0 };
    int count = 0;
    double worst = 0, lo = 0, hi = 0;

    for (int i = 0; i < n; i++) {
        v[i] = (float)(pow(check_random(c), 3) * 50 - 20);
        m[i] = check_random(c) < keep ? 0.75f : 0.5f; /* 0.5 is out */
        if (m[i] > 0.5f)
            kept[count++] = v[i];
    }
    qsort(kept, (size_t)count, sizeof(*kept), by_value);
    if (count) {
        lo = kept[(int)(q_lo * (count - 1))];
        hi = kept[(int)(q_hi * (count - 1))];
    }
    const pair x = check_values(c, SC_F32, v, SC_DIMS(h, w, 1)),
               mask = check_values(c, SC_F32, m, SC_DIMS(h, w, 1));
    const pair y = check_output(c, SC_F32, SC_DIMS(2));
    while (check_run(c)) {
        sc_minmax_into(c->x, &(sc_minmax_args){ at(c, y), at(c, x), keep < 1 ? at(c, mask) : SC_NONE,
                                                (float)q_lo, (float)q_hi });
        sc_download(c->x, got, at(c, y));
    }
    check_end(c, &(check_tol){ .k = 4 });
    worst = fmax(q_lo > 0 ? fabs(got[0] - lo) : got[0] != (float)lo,
                 q_hi < 1 ? fabs(got[1] - hi) : got[1] != (float)hi);
    /* a bin, and the distance to the next element where there are few */
    const double range = count ? (double)(kept[count - 1] - kept[0]) : 0;
    check_that(c, c->skip || worst <= range * (1.0 / 4096 + (n < 10000 ? 0.02 : 0)), "%s: off by %g of %g",
               c->name, worst, range);
    free(v);
    free(m);
    free(kept);
}

static void moments(check *c, int h, int w, int channels, bool masked)
{
    check_begin(c, "moments", "%dx%dx%d%s", w, h, channels, masked ? " masked" : "");
    float *v = malloc((size_t)(h * w * channels) * sizeof(*v)), *m = malloc((size_t)(h * w) * sizeof(*m));
    double want[3 * 4], sum = 0;

    for (int i = 0; i < h * w; i++) {
        m[i] = masked ? (float)fmax(0, check_random(c) - 0.3) : 1;
        sum += (double)m[i];
    }
    for (int i = 0; i < h * w * channels; i++)
        v[i] = (float)(check_random(c) * 100 - 20);
    for (int k = 0; k < channels; k++) {
        double mean = 0, var = 0;
        for (int i = 0; i < h * w; i++)
            mean += (double)m[i] * (double)v[i * channels + k] / sum;
        for (int i = 0; i < h * w; i++)
            var += (double)m[i] * pow((double)v[i * channels + k] - mean, 2) / sum;
        want[k] = mean;
        want[channels + k] = sqrt(var);
        want[2 * channels + k] = sum;
    }
    const pair x = check_values(c, SC_F32, v, SC_DIMS(h, w, channels));
    const pair mask = check_values(c, SC_F32, m, SC_DIMS(h, w, 1)),
               y = check_output(c, SC_F32, SC_DIMS(3, channels));
    check_expect(c, y, want);
    while (check_run(c))
        sc_moments_into(c->x, &(sc_moments_args){ at(c, y), at(c, x), masked ? at(c, mask) : SC_NONE });
    check_end(c, &(check_tol){ .k = h * w });
    free(v);
    free(m);
}

static void reduced(check *c, int h, int w, check_far far)
{
    check_begin(c, "minmax", "%dx%d%s", w, h, check_far_name(far));
    const pair y = check_output(c, SC_F32, SC_DIMS(2));
    check_spread(c, far);
    const pair x = check_uniform(c, SC_F32, -3, 7, SC_DIMS(h, w, 1)),
               m = check_uniform(c, SC_F32, 0, 2, SC_DIMS(h, w, 1));
    while (check_run(c))
        sc_minmax_into(c->x, &(sc_minmax_args){ at(c, y), at(c, x), at(c, m), 0, 0.75f });
    check_end(c, &(check_tol){ .k = 4 });

    check_begin(c, "moments", "%dx%d%s", w, h, check_far_name(far));
    const pair z = check_output(c, SC_F32, SC_DIMS(3, 3));
    check_spread(c, far);
    const pair v = check_uniform(c, SC_F32, -3, 7, SC_DIMS(h, w, 3)),
               weights = check_uniform(c, SC_F32, 0, 1, SC_DIMS(h, w, 1));
    while (check_run(c))
        sc_moments_into(c->x, &(sc_moments_args){ at(c, z), at(c, v), at(c, weights) });
    check_end(c, &(check_tol){ .k = h * w });
}

/* Nothing to look at: zeros, not "not a number". */
static void nothing(check *c)
{
    static const float zero[12 * 3];
    static const double want[9];

    check_begin(c, "minmax", "empty mask");
    const pair x = check_uniform(c, SC_F32, 1, 2, SC_DIMS(3, 4, 3)),
               m = check_values(c, SC_F32, zero, SC_DIMS(3, 4, 3));
    const pair y = check_output(c, SC_F32, SC_DIMS(2)), z = check_output(c, SC_F32, SC_DIMS(3, 3));
    check_expect(c, y, want);
    check_expect(c, z, want);
    while (check_run(c)) {
        sc_minmax_into(c->x, &(sc_minmax_args){ at(c, y), at(c, x), at(c, m), 0.1f, 0.9f });
        sc_moments_into(c->x, &(sc_moments_args){ at(c, z), at(c, x), sc_slice(at(c, m), 2, 0, 1) });
    }
    check_end(c, &(check_tol){ .exact = true });
}

void check_colour(check *c)
{
    matrix(c, false, 0, 0);
    matrix(c, false, 0.8f, 1.2f);
    matrix(c, true, 0, 1);
    lab(c);
    lab_and_back(c);
    hdr(c, SC_PQ);
    hdr(c, SC_HLG);
    mix(c, false, true);
    mix(c, true, true);
    mix(c, false, false);
    quantiles(c, 1, 1, 1, 0, 1);
    quantiles(c, 31, 57, 1, 0, 1);
    quantiles(c, 31, 57, 0.5, 0, 1);
    quantiles(c, 200, 301, 0.7, 0.02, 0.98);
    quantiles(c, 200, 301, 1, 0.5, 0.999);
    quantiles(c, 23, 19, 0.9, 0.25, 0.75);
    moments(c, 33, 47, 3, true);
    moments(c, 33, 47, 1, false);
    moments(c, 1, 1, 3, false);
    moments(c, 720, 1280, 3, true);
    nothing(c);
    pictures(c, 1, 1, CHECK_NEAR);
    pictures(c, 13, 101, CHECK_NEAR);
    pictures(c, 3, 101, CHECK_STRIDED);
    reduced(c, 1, 1, CHECK_NEAR);
    reduced(c, 13, 101, CHECK_NEAR);
    reduced(c, 3, 101, CHECK_STRIDED);
}
