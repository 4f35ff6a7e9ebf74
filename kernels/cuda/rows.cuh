/* Rows of pixels: how the image ops are spread over blocks.
 *
 * The files that include this are compiled with -fmad=false (CMakeLists.txt): each product and each sum is
 * rounded by itself, as on the CPU, so that both devices decide alike which of two surfaces is nearer, which
 * pixel is a hole, which code is next. These ops wait for memory; it costs them nothing. */
#ifndef SC_ROWS_CUH
#define SC_ROWS_CUH

#include "common.cuh"

enum { SC_ROW_THREADS = 256 };

/* A tensor as rows of pixels: all axes but the last two are counted through. */
static inline int64_t sc_row_count(sc_tensor t)
{
    int64_t n = 1;
    for (int i = 0; i < t.ndim - 2; i++)
        n *= t.dim[i];
    return n;
}

/* Axes of t from the last: channels, pixels; a missing one is 1 long. */
__host__ __device__ __forceinline__ int64_t sc_size_of(const sc_tensor &t, int from_last)
{
    return t.ndim > from_last ? t.dim[t.ndim - 1 - from_last] : 1;
}

__host__ __device__ __forceinline__ int64_t sc_step_of(const sc_tensor &t, int from_last)
{
    return t.ndim > from_last ? t.stride[t.ndim - 1 - from_last] : 0;
}

/* Divisions in 32 bits, which has room for all rows: those in 64 cost more than what most ops do. */
__device__ __forceinline__ float *sc_row(const sc_tensor &t, unsigned r)
{
    float *p = (float *)t.data;
    for (int i = t.ndim - 3; i > 0; i--) {
        p += r % (unsigned)t.dim[i] * t.stride[i];
        r /= (unsigned)t.dim[i];
    }
    return t.ndim > 2 ? p + r * t.stride[0] : p;
}

/* Blocks over `rows` rows of n pixels or numbers each: block b is piece b % pieces of row b / pieces. */
static inline unsigned sc_row_blocks(int64_t rows, int64_t n)
{
    return (unsigned)(rows * sc_blocks(n, SC_ROW_THREADS));
}

typedef struct sc_place {
    int row;
    int i; /* may lie behind the row's end */
} sc_place;

__device__ __forceinline__ sc_place sc_place_of(unsigned block, int64_t n)
{
    const unsigned pieces = ((unsigned)n + SC_ROW_THREADS - 1) / SC_ROW_THREADS;
    return sc_place{ (int)(block / pieces), (int)(block % pieces * SC_ROW_THREADS + threadIdx.x) };
}

/* Unsigned numbers in the order of floats; both zeros are one, 0 is below all. For atomic maxima. */
__device__ __forceinline__ uint32_t sc_key(float f)
{
    const uint32_t u = __float_as_uint(f + 0.0f); /* -0 becomes 0 */
    return u & 0x80000000u ? ~u : u | 0x80000000u;
}

__device__ __forceinline__ float sc_key_value(uint32_t key)
{
    return __uint_as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

#endif
