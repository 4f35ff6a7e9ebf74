#include "quant.h"

#include <math.h>

float sc_from_half(uint16_t h)
{
    const int exponent = h >> 10 & 31;
    const float m = (float)(h & 1023);
    const float v = exponent == 31 ? (m > 0 ? NAN : INFINITY)
                    : exponent     ? ldexpf(m + 1024, exponent - 25)
                                   : ldexpf(m, -24);
    return h & 0x8000 ? -v : v;
}

static float half_at(const unsigned char *x)
{
    return sc_from_half((uint16_t)(x[0] | x[1] << 8));
}

/* 32 values: scale; 16 bytes, value j in the low half of byte j, value j + 16 in the high one. */
void sc_unpack_q4_0(float *y, const unsigned char *x, size_t blocks)
{
    for (; blocks--; x += 18, y += 32) {
        const float d = half_at(x);

        for (int j = 0; j < 16; j++) {
            y[j] = (float)((x[2 + j] & 15) - 8) * d;
            y[j + 16] = (float)((x[2 + j] >> 4) - 8) * d;
        }
    }
}

/* 32 values: scale; signed bytes. */
void sc_unpack_q8_0(float *y, const unsigned char *x, size_t blocks)
{
    for (; blocks--; x += 34, y += 32) {
        const float d = half_at(x);

        for (int j = 0; j < 32; j++)
            y[j] = (float)(int8_t)x[2 + j] * d;
    }
}

/* Scale and minimum of sub-block j of 8, 6 bits each, packed into b[12]. */
static void scale_min(const unsigned char *b, int j, int *scale, int *min)
{
    *scale = j < 4 ? b[j] & 63 : (b[j + 4] & 15) | (b[j - 4] >> 6) << 4;
    *min = j < 4 ? b[j + 4] & 63 : b[j + 4] >> 4 | (b[j] >> 6) << 4;
}

/* 256 values: scale of scales, scale of minima; 8 sub-blocks' scales and minima; 128 bytes, of each 32 of
 * which the low halves are one sub-block and the high halves the next. */
void sc_unpack_q4_k(float *y, const unsigned char *x, size_t blocks)
{
    for (; blocks--; x += 144, y += 256) {
        const float d = half_at(x), dmin = half_at(x + 2);

        for (int j = 0; j < 8; j++) {
            const unsigned char *q = x + 16 + j / 2 * 32;
            int scale, min;

            scale_min(x + 4, j, &scale, &min);
            const float s = d * (float)scale, m = dmin * (float)min;
            for (int l = 0; l < 32; l++)
                y[32 * j + l] = s * (float)(j % 2 ? q[l] >> 4 : q[l] & 15) - m;
        }
    }
}

/* 256 values: 128 bytes of low halves, 64 bytes of upper pairs of bits, 16 signed scales, scale of scales.
 * Each half block of 128 values is four rows of 32. */
void sc_unpack_q6_k(float *y, const unsigned char *x, size_t blocks)
{
    for (; blocks--; x += 210, y += 256) {
        const float d = half_at(x + 208);

        for (int i = 0; i < 256; i++) {
            const int half = i / 128, row = i % 128 / 32, l = i % 32;
            const unsigned char low = x[64 * half + 32 * (row % 2) + l], high = x[128 + 32 * half + l];
            const int q = (row < 2 ? low & 15 : low >> 4) | (high >> 2 * row & 3) << 4;

            y[i] = d * (float)(int8_t)x[192 + 8 * half + 2 * row + l / 16] * (float)(q - 32);
        }
    }
}
