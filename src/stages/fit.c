#include "fit.h"

#include <math.h>

#include "../base.h"

/* Rounds of reweighting: five halve what is left of an outlier each, and more change the fit by under 1 %. */
enum { ROUNDS = 5 };
static const double least_residual = 0.25; /* of y, pixels: what matching cannot tell counts alike */

void sc_line_solve(const sc_line *l, double *scale, double *shift)
{
    const double spread = l->n * l->xx - l->x * l->x;

    *scale = spread > 1e-9 * l->n * l->xx ? (l->n * l->xy - l->x * l->y) / spread : 0;
    *shift = l->n > 0 ? (l->y - *scale * l->x) / l->n : 0;
}

static sc_line sum_up(const sc_line *so_far, const float *x, const float *y, int64_t n, double scale,
                      double shift, bool weighted)
{
    sc_line l = *so_far;

    for (int64_t i = 0; i < n; i++) {
        if (isnan(x[i]) || isnan(y[i]))
            continue;
        const double w =
            weighted ? least_residual / SC_MAX(fabs(y[i] - scale * x[i] - shift), least_residual) : 1;
        l.n += w;
        l.x += w * x[i];
        l.y += w * y[i];
        l.xx += w * x[i] * x[i];
        l.xy += w * x[i] * y[i];
    }
    return l;
}

void sc_line_add(sc_line *l, const float *x, const float *y, int64_t n)
{
    const bool first = l->n <= 0;
    double scale = 0, shift = 0;
    sc_line sum;

    if (!first)
        sc_line_solve(l, &scale, &shift);
    sum = sum_up(l, x, y, n, scale, shift, !first);
    for (int i = 0; i < ROUNDS; i++) {
        sc_line_solve(&sum, &scale, &shift);
        sum = sum_up(l, x, y, n, scale, shift, true);
    }
    *l = sum;
}
