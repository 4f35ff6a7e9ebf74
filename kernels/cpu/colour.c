/* Colour spaces and matrices, pixel by pixel, and mixing. Rows are worked on as three planes, which
 * vectorise. */
#include <math.h>

#include "approx.h"
#include "rows.h"

/* ---- transfer functions of one channel */

/* sRGB's (IEC 61966-2-1), continued below 0 as its mirror image. */
static inline float decode(float v)
{
    const float m = v < 0 ? -v : v, x = (m + 0.055f) * (1 / 1.055f), root = sc_root5(x);
    const float linear = m <= 0.04045f ? m * (1 / 12.92f) : x * x * (root * root); /* x^2.4 */
    return v < 0 ? -linear : linear;
}

static inline float encode(float v)
{
    const float m = v < 0 ? -v : v, root = sc_root12(m > 1e-6f ? m : 1e-6f), r2 = root * root;
    const float code = m <= 0.0031308f ? 12.92f * m : 1.055f * (r2 * r2 * root) - 0.055f; /* m^(1/2.4) */
    return v < 0 ? -code : code;
}

/* CIE's cube root with its straight foot, which goes on below 0. delta = 6/29. */
static inline float lab_f(float t)
{
    const float root = sc_root3(t > 1e-6f ? t : 1e-6f);
    return t > 0.008856452f ? root : t * 7.787037f + 0.13793103f;
}

static inline float lab_inverse(float f)
{
    return f > 0.20689655f ? f * f * f : (f - 0.13793103f) * 0.12841855f;
}

/* SMPTE ST 2084: nits / 203, 203 nits being the reference white of BT.2408. */
static inline float pq_decode(float v)
{
    const float n = sc_pow(v < 1 ? v : 1, 1 / 78.84375f), above = n - 0.8359375f;
    return 10000.0f / 203 *
           sc_pow((above > 0 ? above : 0) / (18.8515625f - 18.6875f * n), 1 / 0.1593017578125f);
}

/* BT.2100 HLG: scene light 0..1. */
static inline float hlg_decode(float v)
{
    const float x = v < 0 ? 0 : v < 1 ? v : 1;
    const float high = (sc_exp2((x - 0.55991073f) * (1.44269504f / 0.17883277f)) + 0.28466892f) * (1 / 12.0f);
    return x <= 0.5f ? x * x * (1 / 3.0f) : high;
}

/* ---- spaces, on planes p[3][n] in place */

/* Linear sRGB to XYZ over the white point: rows sum to 1, so that grey has a = b = 0. And back. */
static const float to_xyz[9] = { 0.43394994f, 0.37620977f, 0.18984029f, 0.21267288f, 0.71515213f,
                                 0.07217499f, 0.01775658f, 0.10946796f, 0.87277546f };
static const float from_xyz[9] = { 3.07995511f, -1.53713900f, -0.54281610f, -0.92125863f, 1.87601112f,
                                   0.04524751f, 0.05288740f,  -0.20402587f, 1.15113847f };

static void rgb_to_lab(float *p, int64_t n)
{
    float *restrict x = p, *restrict y = p + n, *restrict z = p + 2 * n;
    const float *m = to_xyz;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const float r = decode(x[i]), g = decode(y[i]), b = decode(z[i]);
        const float fx = lab_f(m[0] * r + m[1] * g + m[2] * b), fy = lab_f(m[3] * r + m[4] * g + m[5] * b);
        const float fz = lab_f(m[6] * r + m[7] * g + m[8] * b);
        x[i] = 116 * fy - 16;
        y[i] = 500 * (fx - fy);
        z[i] = 200 * (fy - fz);
    }
}

static void lab_to_rgb(float *p, int64_t n)
{
    float *restrict l = p, *restrict a = p + n, *restrict b = p + 2 * n;
    const float *m = from_xyz;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const float fy = (l[i] + 16) * (1 / 116.0f), y = lab_inverse(fy);
        const float x = lab_inverse(fy + a[i] * (1 / 500.0f)), z = lab_inverse(fy - b[i] * (1 / 200.0f));
        l[i] = encode(m[0] * x + m[1] * y + m[2] * z);
        a[i] = encode(m[3] * x + m[4] * y + m[5] * z);
        b[i] = encode(m[6] * x + m[7] * y + m[8] * z);
    }
}

/* Linear light, 1 = reference white, BT.2020 primaries -> SDR. Straight up to half of white, then rolled off
 * towards 1 with a continuous slope, by the largest channel so that hues stay; then BT.709 primaries
 * (BT.2087) and sRGB's curve. */
static inline void tone_map(float *restrict pr, float *restrict pg, float *restrict pb)
{
    const float r = *pr, g = *pg, b = *pb, knee = 0.5f;
    const float rg = r > g ? r : g, top = rg > b ? rg : b;
    const float over = top > knee ? top - knee : 0, rolled = knee + (1 - knee) * over / (over + 1 - knee);
    const float k = top > knee ? rolled / top : 1;
    const float out[3] = { k * (1.660511f * r - 0.587711f * g - 0.072801f * b),
                           k * (-0.124561f * r + 1.132961f * g - 0.008399f * b),
                           k * (-0.018168f * r - 0.100561f * g + 1.118728f * b) };
    *pr = encode(SC_CLAMP(out[0], 0, 1));
    *pg = encode(SC_CLAMP(out[1], 0, 1));
    *pb = encode(SC_CLAMP(out[2], 0, 1));
}

static void hdr_to_rgb(float *p, int64_t n, bool pq)
{
    float *restrict r = p, *restrict g = p + n, *restrict b = p + 2 * n;
    if (pq) {
#pragma omp simd
        for (int64_t i = 0; i < 3 * n; i++)
            p[i] = pq_decode(p[i]);
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            const float x = hlg_decode(r[i]), y = hlg_decode(g[i]), z = hlg_decode(b[i]);
            /* BT.2100's system gamma 1.2 of a 1000 nit display */
            const float k = 1000.0f / 203 * sc_pow(0.2627f * x + 0.6780f * y + 0.0593f * z, 0.2f);
            r[i] = k * x;
            g[i] = k * y;
            b[i] = k * z;
        }
    }
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        tone_map(&r[i], &g[i], &b[i]);
}

/* ---- the op */

static void read_planes(float *restrict p, sc_tensor t, int64_t r, int64_t n, sc_colour_space from)
{
    const float *src = sc_row(t, r);
    const int64_t stride = t.ndim > 1 ? t.stride[t.ndim - 2] : 3;
    for (int k = 0; k < 3; k++)
        for (int64_t i = 0; i < n; i++)
            p[k * n + i] = src[i * stride + k];
    if (from == SC_LAB)
        lab_to_rgb(p, n);
    else if (from != SC_RGB)
        hdr_to_rgb(p, n, from == SC_PQ);
}

static void multiply(float *restrict y, const float *restrict x, const float *m, float t, int64_t n, bool add)
{
    const float m0 = m[0], m1 = m[1], m2 = m[2];
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = (add ? y[i] : t) + (m0 * x[i] + m1 * x[n + i] + m2 * x[2 * n + i]);
}

static void colour_row(const void *args, int64_t r, float *scratch)
{
    const sc_colour_args *a = args;
    const int64_t n = a->y.ndim > 1 ? a->y.dim[a->y.ndim - 2] : 1,
                  stride = a->y.ndim > 1 ? a->y.stride[a->y.ndim - 2] : 3;
    float *in = scratch, *out = in + 3 * n, *dst = sc_row(a->y, r);
    read_planes(in, a->a, r, n, a->from);
    for (int k = 0; k < 3; k++)
        multiply(out + k * n, in, a->m1 + 3 * k, a->t[k], n, false);
    if (a->b.ndim) {
        read_planes(in, a->b, r, n, a->from);
        for (int k = 0; k < 3; k++)
            multiply(out + k * n, in, a->m2 + 3 * k, 0, n, true);
    }
    if (a->lo < a->hi)
        for (int64_t i = 0; i < 3 * n; i++)
            out[i] = SC_CLAMP(out[i], a->lo, a->hi);
    if (a->to == SC_LAB)
        rgb_to_lab(out, n);
    for (int k = 0; k < 3; k++)
        for (int64_t i = 0; i < n; i++)
            dst[i * stride + k] = out[k * n + i];
}

int sc_cpu_colour(sc_exec *x, const sc_colour_args *a)
{
    const int64_t n = a->y.ndim > 1 ? a->y.dim[a->y.ndim - 2] : 1;
    return sc_cpu_rows(x, sc_row_count(a->y), (size_t)(6 * n), colour_row, a);
}

static void mix_row(const void *args, int64_t r, float *scratch)
{
    (void)scratch;
    const sc_mix_args *a = args;
    const int last = a->y.ndim - 1, px = last - 1; /* channel and pixel axes */
    const int64_t n = last ? a->y.dim[px] : 1, c = a->y.dim[last], per_channel = a->m.dim[last] == 1 ? 0 : 1;
    const float *p = sc_row(a->a, r), *q = sc_row(a->b, r), *m = sc_row(a->m, r);
    float *y = sc_row(a->y, r);
    for (int64_t i = 0; i < n; i++) {
        const float *mi = m + (last ? i * a->m.stride[px] : 0), *pi = p + (last ? i * a->a.stride[px] : 0);
        const float *qi = q + (last ? i * a->b.stride[px] : 0);
        float *yi = y + (last ? i * a->y.stride[px] : 0);
        for (int64_t k = 0; k < c; k++) {
            const float w = mi[k * per_channel], u = pi[k], v = qi[k], blend = w * u + (1 - w) * v;
            yi[k] = w == 1 ? u : w == 0 ? v : blend;
        }
    }
}

int sc_cpu_mix(sc_exec *x, const sc_mix_args *a)
{
    return sc_cpu_rows(x, sc_row_count(a->y), 0, mix_row, a);
}
