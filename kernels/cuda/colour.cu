// Colour spaces and matrices, pixel by pixel, and mixing.
//   colour: y = to(clamp(m1 . from(a) + m2 . from(b) + t))        mix: y = m a + (1 - m) b
// A pixel (mix: a number) a thread; each picture is read once and y written once. The formulae of the spaces
// are those of kernels/cpu/colour.c; powers and roots are CUDA's, right to a few units in the last place.
#include "rows.cuh"

// ---- transfer functions of one channel

/* sRGB's (IEC 61966-2-1), continued below 0 as its mirror image. */
__device__ __forceinline__ float decode(float v)
{
    const float m = fabsf(v);
    return copysignf(m <= 0.04045f ? m * (1 / 12.92f) : powf((m + 0.055f) * (1 / 1.055f), 2.4f), v);
}

__device__ __forceinline__ float encode(float v)
{
    const float m = fabsf(v);
    return copysignf(m <= 0.0031308f ? 12.92f * m : 1.055f * powf(m, 1 / 2.4f) - 0.055f, v);
}

/* CIE's cube root with its straight foot, which goes on below 0. delta = 6/29. */
__device__ __forceinline__ float lab_f(float t)
{
    return t > 0.008856452f ? cbrtf(t) : t * 7.787037f + 0.13793103f;
}

__device__ __forceinline__ float lab_inverse(float f)
{
    return f > 0.20689655f ? f * f * f : (f - 0.13793103f) * 0.12841855f;
}

/* SMPTE ST 2084: nits / 203, 203 nits being the reference white of BT.2408. */
__device__ __forceinline__ float pq_decode(float v)
{
    const float n = powf(fminf(fmaxf(v, 0), 1), 1 / 78.84375f);
    return 10000.0f / 203 *
           powf(fmaxf(n - 0.8359375f, 0) / (18.8515625f - 18.6875f * n), 1 / 0.1593017578125f);
}

/* BT.2100 HLG: scene light 0..1. */
__device__ __forceinline__ float hlg_decode(float v)
{
    const float x = fminf(fmaxf(v, 0), 1);
    return x <= 0.5f ? x * x * (1 / 3.0f)
                     : (exp2f((x - 0.55991073f) * (1.44269504f / 0.17883277f)) + 0.28466892f) * (1 / 12.0f);
}

// ---- spaces, in place

/* Linear sRGB to XYZ over the white point: rows sum to 1, so that grey has a = b = 0. And back. */
static __constant__ const float to_xyz[9] = { 0.43394994f, 0.37620977f, 0.18984029f, 0.21267288f, 0.71515213f,
                                              0.07217499f, 0.01775658f, 0.10946796f, 0.87277546f };
static __constant__ const float from_xyz[9] = { 3.07995511f,  -1.53713900f, -0.54281610f,
                                                -0.92125863f, 1.87601112f,  0.04524751f,
                                                0.05288740f,  -0.20402587f, 1.15113847f };

__device__ __forceinline__ float dot(const float *m, const float p[3])
{
    return m[0] * p[0] + m[1] * p[1] + m[2] * p[2];
}

__device__ __forceinline__ void rgb_to_lab(float p[3])
{
    const float rgb[3] = { decode(p[0]), decode(p[1]), decode(p[2]) };
    const float fx = lab_f(dot(to_xyz, rgb)), fy = lab_f(dot(to_xyz + 3, rgb)),
                fz = lab_f(dot(to_xyz + 6, rgb));
    p[0] = 116 * fy - 16;
    p[1] = 500 * (fx - fy);
    p[2] = 200 * (fy - fz);
}

__device__ __forceinline__ void lab_to_rgb(float p[3])
{
    const float fy = (p[0] + 16) * (1 / 116.0f);
    const float xyz[3] = { lab_inverse(fy + p[1] * (1 / 500.0f)), lab_inverse(fy),
                           lab_inverse(fy - p[2] * (1 / 200.0f)) };
#pragma unroll
    for (int k = 0; k < 3; k++)
        p[k] = encode(dot(from_xyz + 3 * k, xyz));
}

/* Linear light, 1 = reference white, BT.2020 primaries -> SDR: straight up to half of white, then rolled off
 * towards 1 with a continuous slope, by the largest channel so that hues stay; then BT.709 primaries and
 * sRGB's curve. */
__device__ __forceinline__ void tone_map(float p[3])
{
    const float r = p[0], g = p[1], b = p[2], knee = 0.5f, top = fmaxf(fmaxf(r, g), b);
    const float over = fmaxf(top - knee, 0), rolled = knee + (1 - knee) * over / (over + 1 - knee);
    const float k = top > knee ? rolled / top : 1;
    const float out[3] = { k * (1.660511f * r - 0.587711f * g - 0.072801f * b),
                           k * (-0.124561f * r + 1.132961f * g - 0.008399f * b),
                           k * (-0.018168f * r - 0.100561f * g + 1.118728f * b) };
#pragma unroll
    for (int i = 0; i < 3; i++)
        p[i] = encode(fminf(fmaxf(out[i], 0), 1));
}

__device__ __forceinline__ void hlg_to_light(float p[3])
{
    const float x = hlg_decode(p[0]), y = hlg_decode(p[1]), z = hlg_decode(p[2]);
    /* BT.2100's system gamma 1.2 of a 1000 nit display */
    const float k = 1000.0f / 203 * powf(0.2627f * x + 0.6780f * y + 0.0593f * z, 0.2f);
    p[0] = k * x;
    p[1] = k * y;
    p[2] = k * z;
}

// ---- the ops

__device__ __forceinline__ void read_pixel(float p[3], const sc_tensor &t, sc_place at, sc_colour_space from)
{
    const float *src = sc_row(t, at.row) + at.i * sc_step_of(t, 1);

#pragma unroll
    for (int k = 0; k < 3; k++)
        p[k] = src[k];
    if (from == SC_LAB)
        lab_to_rgb(p);
    if (from == SC_PQ) {
#pragma unroll
        for (int k = 0; k < 3; k++)
            p[k] = pq_decode(p[k]);
    }
    if (from == SC_HLG)
        hlg_to_light(p);
    if (from == SC_PQ || from == SC_HLG)
        tone_map(p);
}

/* grid: rows of blocks over y; a pixel a thread */
static __global__ void k_colour(sc_colour_args a)
{
    const sc_place at = sc_place_of(blockIdx.x, sc_size_of(a.y, 1));
    float p[3], out[3];

    if (at.i >= sc_size_of(a.y, 1))
        return;
    read_pixel(p, a.a, at, a.from);
#pragma unroll
    for (int k = 0; k < 3; k++)
        out[k] = a.t[k] + dot(a.m1 + 3 * k, p);
    if (a.b.ndim) {
        read_pixel(p, a.b, at, a.from);
#pragma unroll
        for (int k = 0; k < 3; k++)
            out[k] += dot(a.m2 + 3 * k, p);
    }
    if (a.lo < a.hi) {
#pragma unroll
        for (int k = 0; k < 3; k++)
            out[k] = SC_CLAMP(out[k], a.lo, a.hi);
    }
    if (a.to == SC_LAB)
        rgb_to_lab(out);
    float *y = sc_row(a.y, at.row) + at.i * sc_step_of(a.y, 1);
#pragma unroll
    for (int k = 0; k < 3; k++)
        y[k] = out[k];
}

extern "C" int sc_cuda_colour(sc_exec *x, const sc_colour_args *a)
{
    k_colour<<<sc_row_blocks(sc_row_count(a->y), sc_size_of(a->y, 1)), SC_ROW_THREADS, 0,
               sc_cuda_of(x)->stream>>>(*a);
    return SC_LAUNCHED(x);
}

/* grid: rows of blocks over the numbers of y; one a thread */
static __global__ void k_mix(sc_mix_args a)
{
    const int channels = (int)sc_size_of(a.y, 0);
    const int64_t n = sc_size_of(a.y, 1) * channels;
    const sc_place at = sc_place_of(blockIdx.x, n);
    const int i = at.i / channels, k = at.i % channels;

    if (at.i >= n)
        return;
    const float w = sc_row(a.m, at.row)[i * sc_step_of(a.m, 1) + (sc_size_of(a.m, 0) == 1 ? 0 : k)];
    const float u = sc_row(a.a, at.row)[i * sc_step_of(a.a, 1) + k];
    const float v = sc_row(a.b, at.row)[i * sc_step_of(a.b, 1) + k];
    sc_row(a.y, at.row)[i * sc_step_of(a.y, 1) + k] = w == 1 ? u : w == 0 ? v : w * u + (1 - w) * v;
}

extern "C" int sc_cuda_mix(sc_exec *x, const sc_mix_args *a)
{
    const int64_t n = sc_size_of(a->y, 1) * sc_size_of(a->y, 0);

    k_mix<<<sc_row_blocks(sc_row_count(a->y), n), SC_ROW_THREADS, 0, sc_cuda_of(x)->stream>>>(*a);
    return SC_LAUNCHED(x);
}
