#include "likeness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base.h"

/* ---- edges */

enum { NO_EDGE, WEAK, EDGE };
static const float canny_low = 100, canny_high = 200; /* of gradients of 8 bits, |x| + |y|, Sobel */

static float at(const float *y, int w, int h, int c, int r)
{
    return 255 * y[SC_CLAMP(r, 0, h - 1) * w + SC_CLAMP(c, 0, w - 1)];
}

static void gradient(float *gx, float *gy, const float *y, int w, int h, int c, int r)
{
    const float nw = at(y, w, h, c - 1, r - 1), n = at(y, w, h, c, r - 1), ne = at(y, w, h, c + 1, r - 1);
    const float we = at(y, w, h, c - 1, r), ea = at(y, w, h, c + 1, r);
    const float sw = at(y, w, h, c - 1, r + 1), s = at(y, w, h, c, r + 1), se = at(y, w, h, c + 1, r + 1);

    *gx = ne + 2 * ea + se - nw - 2 * we - sw;
    *gy = sw + 2 * s + se - nw - 2 * n - ne;
}

/* Whether no neighbour along the gradient, in eighths of a turn, is steeper. */
static bool is_ridge(const float *size, int w, int i, float gx, float gy)
{
    static const float eighth = 0.41421356f; /* tan(22.5 degrees) */
    const float ax = fabsf(gx), ay = fabsf(gy);
    const int step = ay < eighth * ax ? 1 : ax < eighth * ay ? w : (gx > 0) == (gy > 0) ? w + 1 : w - 1;

    return size[i] > size[i - step] && size[i] >= size[i + step];
}

/* Weak edges that are joined to strong ones become edges. */
static void follow(uint8_t *edge, int *stack, int w, int h)
{
    int n = 0;

    for (int i = 0; i < w * h; i++)
        if (edge[i] == EDGE)
            stack[n++] = i;
    while (n) {
        const int i = stack[--n], c = i % w, r = i / w;

        for (int rr = SC_MAX(r - 1, 0); rr <= SC_MIN(r + 1, h - 1); rr++)
            for (int cc = SC_MAX(c - 1, 0); cc <= SC_MIN(c + 1, w - 1); cc++)
                if (edge[rr * w + cc] == WEAK) {
                    edge[rr * w + cc] = EDGE;
                    stack[n++] = rr * w + cc;
                }
    }
}

/* John Canny's detector without smoothing, as OpenCV runs it; nothing at the border. */
static int find_edges(uint8_t *edge, const float *y, int w, int h)
{
    const size_t n = (size_t)w * (size_t)h;
    float *size = malloc(n * sizeof(*size)), gx, gy;
    int *stack = malloc(n * sizeof(*stack)), ret = size && stack ? 0 : -ENOMEM;

    SC_TRY(ret);
    for (int r = 0; r < h; r++)
        for (int c = 0; c < w; c++) {
            gradient(&gx, &gy, y, w, h, c, r);
            size[r * w + c] = fabsf(gx) + fabsf(gy);
        }
    memset(edge, NO_EDGE, n);
    for (int r = 1; r < h - 1; r++)
        for (int c = 1; c < w - 1; c++) {
            const int i = r * w + c;

            gradient(&gx, &gy, y, w, h, c, r);
            if (size[i] > canny_low && is_ridge(size, w, i, gx, gy))
                edge[i] = size[i] > canny_high ? EDGE : WEAK;
        }
    follow(edge, stack, w, h);
fail:
    free(size);
    free(stack);
    return ret;
}

double sc_likeness_siou(const float *made, const float *right, const float *left, int w, int h)
{
    static const float least = 5.f / 255;
    const int n = w * h;
    uint8_t *edges = malloc(2 * (size_t)n);
    double either[2] = { 0 }, both[2] = { 0 };
    int ret = edges ? 0 : -ENOMEM;

    SC_TRY(ret);
    SC_TRY(find_edges(edges, made, w, h));
    SC_TRY(find_edges(edges + n, right, w, h));
    for (int i = 0; i < n; i++) {
        const bool a[2] = { edges[i] == EDGE, fabsf(made[i] - left[i]) > least };
        const bool b[2] = { edges[n + i] == EDGE, fabsf(right[i] - left[i]) > least };

        for (int k = 0; k < 2; k++) {
            both[k] += a[k] && b[k];
            either[k] += a[k] || b[k];
        }
    }
    free(edges);
    return 0.75 * (either[0] > 0 ? both[0] / either[0] : 1) +
           0.25 * (either[1] > 0 ? both[1] / either[1] : 1);
fail:
    free(edges);
    return ret;
}

/* ---- seams */

static const float least_step = 1.5f; /* pixels of the matched picture: what rounding alone does not make */

/* Marks what lies between two known cells of a row that differ by a step, and both of them. */
static void mark_steps(uint8_t *mark, const float *disparity, int w)
{
    int known = -1;

    memset(mark, 0, (size_t)w);
    for (int c = 0; c < w; c++) {
        if (isnan(disparity[c]))
            continue;
        /* What one eye alone sees is as wide as the step; a wider gap has another reason. */
        const float step = known < 0 ? 0 : fabsf(disparity[c] - disparity[known]);
        if (step >= least_step && (float)(c - known) <= 2 * step + 2)
            memset(mark + known, 1, (size_t)(c - known + 1));
        known = c;
    }
}

double sc_likeness_seam(const float *made, const float *right, int w, int h, const float *disparity, int dw,
                        int dh)
{
    uint8_t *mark = malloc((size_t)dw);
    double sum = 0, n = 0;
    int row = -1;

    for (int r = 0; r < h && mark; r++) {
        if (r * dh / h != row) {
            row = r * dh / h;
            mark_steps(mark, disparity + row * dw, dw);
        }
        for (int c = 1; c < w; c++) {
            const float *a = made + r * w + c, *b = right + r * w + c;

            if (!mark[c * dw / w])
                continue;
            sum += SC_MAX(fabsf(a[0] - a[-1]) - fabsf(b[0] - b[-1]), 0);
            n++;
        }
    }
    free(mark);
    return n > 0 ? 100 * sum / n : NAN;
}
