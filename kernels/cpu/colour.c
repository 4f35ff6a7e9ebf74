/* Pixel-wise mixing and colour, and statistics. */
#include "rows.h"

static void mix_row(const void *args, int64_t r, float *scratch)
{
    (void)scratch;
    const sc_mix_args *a = args;
    const int last = a->y.ndim - 1;
    const int64_t n = last ? a->y.dim[last - 1] : 1, c = a->y.dim[last];
    const int64_t per_channel = a->m.dim[last] == 1 ? 0 : 1;
    const float *p = sc_row(a->a, r), *q = sc_row(a->b, r), *m = sc_row(a->m, r);
    float *y = sc_row(a->y, r);
    const int64_t sp = last ? a->a.stride[last - 1] : 0, sq = last ? a->b.stride[last - 1] : 0;
    const int64_t sm = last ? a->m.stride[last - 1] : 0, sy = last ? a->y.stride[last - 1] : 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < c; k++) {
            const float w = m[i * sm + k * per_channel], u = p[i * sp + k], v = q[i * sq + k];
            const float blend = w * u + (1 - w) * v;
            y[i * sy + k] = w == 1 ? u : w == 0 ? v : blend;
        }
}

int sc_cpu_mix(sc_exec *x, const sc_mix_args *a)
{
    return sc_cpu_rows(x, sc_row_count(a->y), 0, mix_row, a);
}
