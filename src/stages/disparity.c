#include "disparity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base.h"

/* Half sizes of the census, 34 comparisons, and of the windows over which they are added. Both as small as
 * the literature on block matching has them for pictures this small. */
enum { CENSUS_X = 3, CENSUS_Y = 2, WINDOW = 3, UNLIKE = 34 };
/* The two views of a match may differ by this much. */
static const float tolerance = 1;

typedef struct matcher {
    int w, h;
    uint64_t *census[2];  /* of left and right */
    uint16_t *cost, *sum; /* of one shift, by columns of the left picture: comparisons that differ; windows */
    uint16_t *before;     /* sum of the shift before */
    struct best {
        uint16_t cost, before, after; /* of the best shift and its neighbours */
        int16_t shift;
    } * best[2];
} matcher;

/* What each pixel is darker than: the same for both eyes however their exposure differs. */
static void take_census(uint64_t *out, const float *y, int w, int h)
{
    for (int r = 0; r < h; r++)
        for (int c = 0; c < w; c++) {
            uint64_t bits = 0;
            for (int i = -CENSUS_Y; i <= CENSUS_Y; i++)
                for (int j = -CENSUS_X; j <= CENSUS_X; j++) {
                    const int rr = SC_CLAMP(r + i, 0, h - 1), cc = SC_CLAMP(c + j, 0, w - 1);
                    if (i || j)
                        bits = bits << 1 | (y[r * w + c] < y[rr * w + cc]);
                }
            out[r * w + c] = bits;
        }
}

static int count_bits(uint64_t v)
{
    v -= v >> 1 & 0x5555555555555555u;
    v = (v & 0x3333333333333333u) + (v >> 2 & 0x3333333333333333u);
    v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (int)(v * 0x0101010101010101u >> 56);
}

/* Comparisons that differ where the right picture is moved by `shift`; what lies outside is unlike all. */
static void compare(matcher *m, int shift)
{
    for (int r = 0; r < m->h; r++) {
        const uint64_t *a = m->census[0] + r * m->w, *b = m->census[1] + r * m->w;
        uint16_t *out = m->cost + r * m->w;

        for (int c = 0; c < m->w; c++)
            out[c] = c - shift < 0 || c - shift >= m->w ? UNLIKE : (uint16_t)count_bits(a[c] ^ b[c - shift]);
    }
}

/* sum = cost over windows, whose edge pixels are repeated. */
static void add_windows(matcher *m, uint16_t *rows)
{
    const int w = m->w, h = m->h;

    for (int r = 0; r < h; r++) {
        const uint16_t *in = m->cost + r * w;
        int sum = 0;

        for (int k = -WINDOW; k <= WINDOW; k++)
            sum += in[SC_CLAMP(k, 0, w - 1)];
        for (int c = 0; c < w; c++) {
            rows[r * w + c] = (uint16_t)sum;
            sum += in[SC_MIN(c + WINDOW + 1, w - 1)] - in[SC_MAX(c - WINDOW, 0)];
        }
    }
    for (int c = 0; c < w; c++) {
        int sum = 0;

        for (int k = -WINDOW; k <= WINDOW; k++)
            sum += rows[SC_CLAMP(k, 0, h - 1) * w + c];
        for (int r = 0; r < h; r++) {
            m->sum[r * w + c] = (uint16_t)sum;
            sum += rows[SC_MIN(r + WINDOW + 1, h - 1) * w + c] - rows[SC_MAX(r - WINDOW, 0) * w + c];
        }
    }
}

static void keep(struct best *b, int shift, uint16_t cost, uint16_t before)
{
    if (b->shift == shift - 1)
        b->after = cost;
    if (cost < b->cost)
        *b = (struct best){ .cost = cost, .before = before, .after = cost, .shift = (int16_t)shift };
}

static void keep_best(matcher *m, int shift)
{
    for (int r = 0; r < m->h; r++)
        for (int c = 0; c < m->w; c++) {
            const int i = r * m->w + c, right = c - shift;

            keep(&m->best[0][i], shift, m->sum[i], m->before[i]);
            if (right >= 0 && right < m->w) /* the shift before met its pixel one column to the left */
                keep(&m->best[1][i - shift], shift, m->sum[i], c ? m->before[i - 1] : m->sum[i]);
        }
}

/* Between whole shifts: the bottom of the parabola through the best and its neighbours. */
static float refined(const struct best *b)
{
    const float down = (float)b->before - b->cost, up = (float)b->after - b->cost;

    return down > 0 && up > 0 ? (float)b->shift + (down - up) / (2 * (down + up)) : (float)b->shift;
}

/* Of view k: where what its best match sees best is this pixel again. */
static void agree(const matcher *m, float *out, int k)
{
    for (int r = 0; r < m->h; r++)
        for (int c = 0; c < m->w; c++) {
            const struct best *b = &m->best[k][r * m->w + c];
            const int there = k ? c + b->shift : c - b->shift;
            const bool inside = there >= 0 && there < m->w;

            out[r * m->w + c] =
                inside && fabsf((float)(m->best[!k][r * m->w + there].shift - b->shift)) <= tolerance
                    ? refined(b)
                    : NAN;
        }
}

int sc_disparity_match(float *of_left, float *of_right, const float *left, const float *right, int w, int h,
                       int most)
{
    const size_t n = (size_t)w * (size_t)h;
    uint16_t *sums = malloc(4 * n * sizeof(*sums));
    uint64_t *census = malloc(2 * n * sizeof(*census));
    struct best *best = malloc(2 * n * sizeof(*best));
    int ret = sums && census && best ? 0 : -ENOMEM;

    SC_TRY(ret);
    matcher m = { .w = w,
                  .h = h,
                  .census = { census, census + n },
                  .cost = sums,
                  .sum = sums + n,
                  .before = sums + 2 * n,
                  .best = { best, best + n } };
    take_census(m.census[0], left, w, h);
    take_census(m.census[1], right, w, h);
    for (size_t i = 0; i < 2 * n; i++)
        best[i] = (struct best){ .cost = UINT16_MAX, .shift = INT16_MIN };
    for (int shift = -most; shift <= most; shift++) {
        uint16_t *last = m.sum;

        m.sum = m.before;
        m.before = last;
        compare(&m, shift);
        add_windows(&m, sums + 3 * n);
        if (shift == -most)
            memcpy(m.before, m.sum, n * sizeof(*sums));
        keep_best(&m, shift);
    }
    agree(&m, of_left, 0);
    agree(&m, of_right, 1);
fail:
    free(sums);
    free(census);
    free(best);
    return ret;
}
