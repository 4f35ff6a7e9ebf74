/* Codec planes to and from RGB.
 *
 * The matrix of sc_pixels works on the integer codes, so bit depth, range and matrix are one 3x4 product each
 * way. In f32 it returns every code of up to 16 bits: the error of the way there and back stays below 0.04 of
 * a 16-bit code. */
#include "rows.h"

/* One component's codes, step words apart. A constant step lets the compiler vectorise. */
static inline void unpack8(float *restrict dst, const uint8_t *restrict p, int64_t n, int step)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        dst[i] = p[i * step];
}

static inline void unpack16(float *restrict dst, const uint16_t *restrict p, int64_t n, int step, int shift,
                            int mask)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        dst[i] = (float)((p[i * step] >> shift) & mask);
}

static int subsample_x(const sc_pixels *px, int c)
{
    return c ? px->log2_cw : 0;
}

static int64_t ceil_shift(int64_t n, int shift)
{
    return (n + (1 << shift) - 1) >> shift;
}

/* Component c of luma row y as w floats; scratch holds w. */
static void load(float *dst, float *scratch, const sc_pixels *px, int c, int64_t y, int64_t w)
{
    const sc_tensor p = px->plane[px->comp[c].plane];
    const int shift = px->comp[c].shift, mask = (1 << px->comp[c].depth) - 1, step = px->comp[c].step;
    const int sub = subsample_x(px, c);
    const int64_t row = c ? y >> px->log2_ch : y, n = ceil_shift(w, sub);
    float *codes = sub ? scratch : dst;
    if (p.dtype == SC_U8) {
        const uint8_t *s = (const uint8_t *)p.data + row * p.stride[0] + px->comp[c].offset;
        if (step == 1)
            unpack8(codes, s, n, 1);
        else
            unpack8(codes, s, n, step);
    } else {
        const uint16_t *s = (const uint16_t *)p.data + row * p.stride[0] + px->comp[c].offset;
        if (step == 1)
            unpack16(codes, s, n, 1, shift, mask);
        else
            unpack16(codes, s, n, step, shift, mask);
    }
    if (sub == 1)
        for (int64_t i = 0; i < w; i++)
            dst[i] = codes[i >> 1];
    else if (sub)
        for (int64_t i = 0; i < w; i++)
            dst[i] = codes[i >> sub];
}

static void image_in_row(const void *args, int64_t y, float *scratch)
{
    const sc_image_in_args *a = args;
    const int64_t w = a->y.dim[1], stride = a->y.stride[1];
    const float *m = a->px.to_rgb;
    float *dst = (float *)a->y.data + y * a->y.stride[0], *code[3];
    for (int c = 0; c < 3; c++) {
        code[c] = scratch + (c + 1) * w;
        if (c < a->px.comps)
            load(code[c], scratch, &a->px, c, y, w);
        else
            for (int64_t i = 0; i < w; i++)
                code[c][i] = 0;
    }
    const float *restrict p = code[0], *restrict q = code[1], *restrict r = code[2];
    for (int k = 0; k < 3; k++) {
        const float m0 = m[4 * k], m1 = m[4 * k + 1], m2 = m[4 * k + 2], t = m[4 * k + 3];
        for (int64_t i = 0; i < w; i++)
            dst[i * stride + k] = m0 * p[i] + m1 * q[i] + m2 * r[i] + t;
    }
}

int sc_cpu_image_in(sc_exec *x, const sc_image_in_args *a)
{
    return sc_cpu_rows(x, a->y.dim[0], (size_t)(4 * a->y.dim[1]), image_in_row, a);
}

/* Bayer's 8x8 ordering of 0..63. */
static const unsigned char bayer[8][8] = {
    { 0, 32, 8, 40, 2, 34, 10, 42 },  { 48, 16, 56, 24, 50, 18, 58, 26 },
    { 12, 44, 4, 36, 14, 46, 6, 38 }, { 60, 28, 52, 20, 62, 30, 54, 22 },
    { 3, 35, 11, 43, 1, 33, 9, 41 },  { 51, 19, 59, 27, 49, 17, 57, 25 },
    { 15, 47, 7, 39, 13, 45, 5, 37 }, { 63, 31, 55, 23, 61, 29, 53, 21 },
};

/* Rounds v[n] (room for n + 7) to codes and stores them as component c of its row y. */
static void store(const sc_pixels *px, int c, int64_t y, int64_t n, float *restrict v, bool dither)
{
    const sc_tensor p = px->plane[px->comp[c].plane];
    const int shift = px->comp[c].shift, step = px->comp[c].step;
    const float top = (float)((1 << px->comp[c].depth) - 1);
    float d[8];
    for (int k = 0; k < 8;
         k++) /* 7/8: a code that came in exactly must go out unchanged, rounding errors and all */
        d[k] = 0.5f + (dither ? ((float)bayer[y & 7][k] - 31.5f) / 64 * 0.875f : 0.0f);
    for (int64_t i = 0; i < n; i += 8)
        for (int k = 0; k < 8; k++) {
            const float f = v[i + k] + d[k], g = f > 0 ? f : 0; /* not a number becomes 0 */
            v[i + k] = g < top ? g : top;
        }
    if (p.dtype == SC_U8) {
        uint8_t *restrict q = (uint8_t *)p.data + y * p.stride[0] + px->comp[c].offset;
        if (step == 1)
            for (int64_t i = 0; i < n; i++)
                q[i] = (uint8_t)(int)v[i];
        else
            for (int64_t i = 0; i < n; i++)
                q[i * step] = (uint8_t)(int)v[i];
    } else {
        uint16_t *restrict q = (uint16_t *)p.data + y * p.stride[0] + px->comp[c].offset;
        for (int64_t i = 0; i < n; i++)
            q[i * step] = (uint16_t)((int)v[i] << shift);
    }
}

static void project(float *restrict v, const float *m, const float *restrict r, const float *restrict g,
                    const float *restrict b, int64_t n)
{
    const float m0 = m[0], m1 = m[1], m2 = m[2], t = m[3];
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        v[i] = m0 * r[i] + m1 * g[i] + m2 * b[i] + t;
}

/* sum[n / 2^sub] = mean over the block of a row of column sums; the last block may be narrower. */
static void block_mean(float *sum, int64_t w, int sub, int64_t rows)
{
    const int64_t n = ceil_shift(w, sub), size = (int64_t)1 << sub;
    const float scale = 1 / (float)(size * rows);
    const int64_t whole = w >> sub;
    if (sub == 1)
        for (int64_t i = 0; i < whole; i++)
            sum[i] = (sum[2 * i] + sum[2 * i + 1]) * scale;
    else
        for (int64_t i = 0; i < whole; i++) {
            float s = 0;
            for (int64_t k = 0; k < size; k++)
                s += sum[i * size + k];
            sum[i] = s * scale;
        }
    if (whole < n) {
        float s = 0;
        for (int64_t i = whole * size; i < w; i++)
            s += sum[i];
        sum[whole] = s / (float)((w - whole * size) * rows);
    }
}

/* One row of chroma and the rows of luma that belong to it. */
static void image_out_row(const void *args, int64_t block, float *scratch)
{
    const sc_image_out_args *a = args;
    const sc_pixels *px = &a->px;
    const int64_t w = a->x.dim[1], h = a->x.dim[0], stride = a->x.stride[1], room = w + 8;
    const int sub_y = px->comps > 1 ? px->log2_ch : 0;
    const int64_t first = block << sub_y, last = SC_MIN(h, first + ((int64_t)1 << sub_y));
    float *v = scratch, *rgb[3], *sum[3];
    for (int k = 0; k < 3; k++) {
        rgb[k] = scratch + (1 + k) * room;
        sum[k] = scratch + (4 + k) * room;
    }
    for (int64_t y = first; y < last; y++) {
        const float *src = (const float *)a->x.data + y * a->x.stride[0];
        for (int k = 0; k < 3; k++) {
            float *restrict dst = rgb[k];
            for (int64_t i = 0; i < w; i++)
                dst[i] = src[i * stride + k];
        }
        project(v, px->from_rgb, rgb[0], rgb[1], rgb[2], w);
        store(px, 0, y, w, v, a->dither);
        for (int k = 0; k < 3 && px->comps > 1; k++) {
            float *restrict s = sum[k];
            const float *restrict p = rgb[k];
#pragma omp simd
            for (int64_t i = 0; i < w; i++)
                s[i] = (y == first ? 0 : s[i]) + p[i];
        }
    }
    if (px->comps == 1)
        return;
    for (int k = 0; k < 3 && (px->log2_cw || px->log2_ch); k++)
        block_mean(sum[k], w, px->log2_cw, last - first);
    const int64_t n = ceil_shift(w, px->log2_cw);
    for (int c = 1; c < 3; c++) {
        project(v, px->from_rgb + 4 * c, sum[0], sum[1], sum[2], n);
        store(px, c, block, n, v, a->dither);
    }
}

int sc_cpu_image_out(sc_exec *x, const sc_image_out_args *a)
{
    const int64_t blocks = ceil_shift(a->x.dim[0], a->px.comps > 1 ? a->px.log2_ch : 0);
    return sc_cpu_rows(x, blocks, (size_t)(7 * (a->x.dim[1] + 8)), image_out_row, a);
}
