#include <stdlib.h>

#include "cpu.h"

/* The sum for one output element before bias. */
static double window_sum(const sc_conv2d_args *a, int64_t n, int64_t top, int64_t left, int64_t o)
{
    const int64_t height = a->x.dim[1], width = a->x.dim[2], channels = a->x.dim[3];
    const int up = a->upsample ? 1 : 0;
    double sum = 0;
    for (int64_t ky = 0; ky < a->w.dim[1]; ky++)
        for (int64_t kx = 0; kx < a->w.dim[2]; kx++) {
            const int64_t y = top + ky, x = left + kx;
            if (y < 0 || y >= height << up || x < 0 || x >= width << up)
                continue;
            const float *in =
                (const float *)a->x.data + ((n * height + (y >> up)) * width + (x >> up)) * channels;
            const float *w =
                (const float *)a->w.data + ((o * a->w.dim[1] + ky) * a->w.dim[2] + kx) * channels;
            for (int64_t i = 0; i < channels; i++)
                sum += (double)in[i] * w[i];
        }
    return sum;
}

/* x and w are f32. */
static void convolve(const sc_exec *x, const sc_conv2d_args *a)
{
    const int64_t height = a->y.dim[1], width = a->y.dim[2], channels = a->y.dim[3];
    const float *bias = a->b.ndim ? a->b.data : NULL, *add = a->add.ndim ? a->add.data : NULL;
    const float *scale = a->scale.ndim ? a->scale.data : NULL;

#pragma omp parallel for schedule(static) num_threads(x->dev->threads)
    for (int64_t row = 0; row < a->y.dim[0] * height; row++) {
        const int64_t n = row / height, top = row % height * a->stride - a->pad_top;
        const float *vec = a->vec.ndim ? (const float *)a->vec.data + n * a->vec.stride[0] : NULL;
        for (int64_t c = 0; c < width; c++)
            for (int64_t o = 0; o < channels; o++) {
                const int64_t at = (row * width + c) * channels + o;
                double v = window_sum(a, n, top, c * a->stride - a->pad_left, o);
                v *= scale ? (double)scale[o] * *(const float *)a->x_scale.data : 1;
                v += bias ? bias[o] : 0;
                v += vec ? vec[o] : 0;
                v = sc_cpu_act(a->act, v);
                v += add ? add[at] : 0;
                ((float *)a->y.data)[at] = (float)v;
            }
    }
}

int sc_cpu_conv2d(sc_exec *x, const sc_conv2d_args *a)
{
    sc_conv2d_args wide = *a;
    void *own[2] = { NULL, NULL };
    int ret;

    SC_TRY(sc_cpu_as_f32(x, &wide.x, &own[0]));
    SC_TRY(sc_cpu_as_f32(x, &wide.w, &own[1]));
    convolve(x, &wide);
fail:
    free(own[0]);
    free(own[1]);
    return ret;
}
