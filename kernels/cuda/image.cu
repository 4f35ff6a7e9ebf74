// Codec planes to and from RGB, in one pass.
//   in:  rgb = M code + t, chroma repeated        out: code = round(M rgb + t + dither), chroma = block mean
// The matrix of sc_pixels works on the integer codes, so bit depth, range and matrix are one 3x4 product each
// way. Reads and writes each number once: 12 bytes of RGB and 1 to 6 of codes a pixel.
#include "rows.cuh"

__device__ __forceinline__ int64_t word_at(const sc_pixels &px, int c, int64_t row, int64_t column)
{
    return row * px.plane[px.comp[c].plane].stride[0] + column * px.comp[c].step + px.comp[c].offset;
}

/* Component c of pixel (y, x). */
__device__ __forceinline__ float code_at(const sc_pixels &px, int c, int64_t y, int x)
{
    const sc_tensor &p = px.plane[px.comp[c].plane];
    const int64_t i = word_at(px, c, c ? y >> px.log2_ch : y, c ? x >> px.log2_cw : x);

    if (p.dtype == SC_U8)
        return ((const uint8_t *)p.data)[i];
    return (((const uint16_t *)p.data)[i] >> px.comp[c].shift) & ((1 << px.comp[c].depth) - 1);
}

/* grid: rows of blocks over y; a pixel a thread */
static __global__ void k_image_in(sc_image_in_args a)
{
    const sc_place at = sc_place_of(blockIdx.x, a.y.dim[1]);
    const float *m = a.px.to_rgb;
    float *y = sc_row(a.y, at.row) + at.i * a.y.stride[1], code[3];

    if (at.i >= a.y.dim[1])
        return;
#pragma unroll
    for (int c = 0; c < 3; c++)
        code[c] = c < a.px.comps ? code_at(a.px, c, at.row, at.i) : 0;
#pragma unroll
    for (int k = 0; k < 3; k++)
        y[k] = m[4 * k] * code[0] + m[4 * k + 1] * code[1] + m[4 * k + 2] * code[2] + m[4 * k + 3];
}

extern "C" int sc_cuda_image_in(sc_exec *x, const sc_image_in_args *a)
{
    k_image_in<<<sc_row_blocks(a->y.dim[0], a->y.dim[1]), SC_ROW_THREADS, 0, sc_cuda_of(x)->stream>>>(*a);
    return SC_LAUNCHED(x);
}

/* Bayer's 8x8 ordering of 0..63: the bits of x ^ y and y, interleaved, the lowest first. */
__device__ __forceinline__ int bayer(int y, int x)
{
    int v = 0;
    for (int bit = 0; bit < 3; bit++)
        v = v << 2 | ((x ^ y) >> bit & 1) << 1 | (y >> bit & 1);
    return v;
}

/* Rounds m . rgb + t to a code and stores it at (row, column) of component c. */
__device__ __forceinline__ void store(const sc_pixels &px, int c, int64_t row, int column, const float rgb[3],
                                      bool dither)
{
    const sc_tensor &p = px.plane[px.comp[c].plane];
    const float *m = px.from_rgb + 4 * c, top = (float)((1 << px.comp[c].depth) - 1);
    const int64_t i = word_at(px, c, row, column);
    /* 7/8: a code that came in exactly must go out unchanged, rounding errors and all */
    const float d = 0.5f + (dither ? ((float)bayer((int)row & 7, column & 7) - 31.5f) / 64 * 0.875f : 0.0f);
    const float v = m[0] * rgb[0] + m[1] * rgb[1] + m[2] * rgb[2] + m[3] + d;
    const int code = (int)fminf(fmaxf(v, 0), top); /* "not a number" becomes 0 */

    if (p.dtype == SC_U8)
        ((uint8_t *)p.data)[i] = (uint8_t)code;
    else
        ((uint16_t *)p.data)[i] = (uint16_t)(code << px.comp[c].shift);
}

/* grid: rows of blocks over the chroma samples; one of them and the pixels under it a thread */
static __global__ void k_image_out(sc_image_out_args a, int log2_w, int log2_h, int columns)
{
    const sc_place at = sc_place_of(blockIdx.x, columns);
    const int h = (int)a.x.dim[0], w = (int)a.x.dim[1], first_y = (int)at.row << log2_h,
              first_x = at.i << log2_w;
    const int rows = min(h - first_y, 1 << log2_h), cols = min(w - first_x, 1 << log2_w);
    const float scale = cols == 1 << log2_w ? 1 / (float)(cols * rows) : 0;
    float mean[3] = { 0, 0, 0 };

    if (at.i >= columns)
        return;
    for (int i = 0; i < cols; i++) {
        float sum[3] = { 0, 0, 0 };
        for (int j = 0; j < rows; j++) {
            const float *p = sc_row(a.x, first_y + j) + (int64_t)(first_x + i) * a.x.stride[1];
            const float rgb[3] = { p[0], p[1], p[2] };
            store(a.px, 0, first_y + j, first_x + i, rgb, a.dither);
#pragma unroll
            for (int k = 0; k < 3; k++)
                sum[k] += rgb[k];
        }
#pragma unroll
        for (int k = 0; k < 3; k++)
            mean[k] += sum[k];
    }
    if (a.px.comps == 1)
        return;
#pragma unroll
    for (int k = 0; k < 3; k++) /* as the CPU: the last block may be narrower, and is divided */
        mean[k] = scale > 0 ? mean[k] * scale : mean[k] / (float)(cols * rows);
    store(a.px, 1, at.row, at.i, mean, a.dither);
    store(a.px, 2, at.row, at.i, mean, a.dither);
}

extern "C" int sc_cuda_image_out(sc_exec *x, const sc_image_out_args *a)
{
    const int log2_w = a->px.comps > 1 ? a->px.log2_cw : 0, log2_h = a->px.comps > 1 ? a->px.log2_ch : 0;
    const int64_t rows = (a->x.dim[0] + (1 << log2_h) - 1) >> log2_h;
    const int64_t columns = (a->x.dim[1] + (1 << log2_w) - 1) >> log2_w;

    k_image_out<<<sc_row_blocks(rows, columns), SC_ROW_THREADS, 0, sc_cuda_of(x)->stream>>>(
        *a, log2_w, log2_h, (int)columns);
    return SC_LAUNCHED(x);
}
