/* Rows: how the image ops are spread over threads. */
#ifndef SC_CPU_ROWS_H
#define SC_CPU_ROWS_H

#include "cpu.h"

/* Calls fn(args, r, scratch) for r in 0..rows-1 on the device's threads; scratch (floats, undefined) is one
 * thread's own. Rows must not depend on one another, so that the result is the same for any number of
 * threads. 0 or -ENOMEM. */
int sc_cpu_rows(const sc_exec *x, int64_t rows, size_t scratch_floats,
                void (*fn)(const void *args, int64_t r, float *scratch), const void *args);

/* A tensor as rows of pixels: all axes but the last two are counted through. */
static inline int64_t sc_row_count(sc_tensor t)
{
    int64_t n = 1;
    for (int i = 0; i < t.ndim - 2; i++)
        n *= t.dim[i];
    return n;
}

static inline float *sc_row(sc_tensor t, int64_t r)
{
    float *p = t.data;
    for (int i = t.ndim - 3; i >= 0; i--) {
        p += r % t.dim[i] * t.stride[i];
        r /= t.dim[i];
    }
    return p;
}

#endif
