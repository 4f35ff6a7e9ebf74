#include <stdlib.h>

#include "cpu.h"

/* x and w are f32. */
static void multiply(const sc_exec *x, const sc_linear_args *a)
{
    const bool gated = a->act == SC_ACT_GEGLU;
    const int64_t rows = a->y.dim[0], cols = a->y.dim[1], depth = a->x.dim[1];
    const float *bias = a->b.ndim ? a->b.data : NULL, *scale = a->scale.ndim ? a->scale.data : NULL;

#pragma omp parallel for schedule(static) num_threads(x->dev->threads)
    for (int64_t m = 0; m < rows; m++) {
        const float *in = (const float *)a->x.data + m * a->x.stride[0];
        float *out = (float *)a->y.data + m * a->y.stride[0];
        for (int64_t n = 0; n < cols; n++) {
            double v[2] = { 0, 0 };
            for (int half = 0; half <= gated; half++) {
                const int64_t row = n + half * cols;
                const float *w = (const float *)a->w.data + row * depth;
                for (int64_t k = 0; k < depth; k++)
                    v[half] += (double)in[k] * w[k];
                if (scale)
                    v[half] *=
                        (double)scale[row] * ((const float *)a->x_scale.data)[m * a->x_scale.stride[0]];
                v[half] += bias ? bias[row] : 0;
            }
            double y = gated ? v[0] * sc_cpu_act(SC_ACT_GELU, v[1]) : sc_cpu_act(a->act, v[0]);
            if (a->add.ndim)
                y += ((const float *)a->add.data)[m * a->add.stride[0] + n * a->add.stride[1]];
            out[n] = (float)y;
        }
    }
}

int sc_cpu_linear(sc_exec *x, const sc_linear_args *a)
{
    sc_linear_args wide = *a;
    void *own[2] = { NULL, NULL };
    int ret;

    SC_TRY(sc_cpu_as_f32(x, &wide.x, &own[0]));
    SC_TRY(sc_cpu_as_f32(x, &wide.w, &own[1]));
    multiply(x, &wide);
fail:
    free(own[0]);
    free(own[1]);
    return ret;
}
