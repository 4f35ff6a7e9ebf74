/* The scale and shift that bring one disparity nearest to another. */
#ifndef SC_FIT_H
#define SC_FIT_H

#include <stdint.h>

typedef struct sc_line { /* sums for the regression of y on x; zeroed */
    double n, x, y, xx, xy;
} sc_line;

/* Adds the pairs (x[i], y[i]) where both are numbers, weighted so that far-off ones, which are mistakes of
 * matching, count little: least absolute differences, from which the fit of all so far is where it begins. */
void sc_line_add(sc_line *l, const float *x, const float *y, int64_t n);
/* y = scale * x + shift; scale is 0 where x does not vary. */
void sc_line_solve(const sc_line *l, double *scale, double *shift);

#endif
