#include <math.h>
#include <stdlib.h>

#include "cpu.h"

typedef struct stats {
    double mean, rstd;
} stats;

/* Of `rows` runs of `n` numbers, `step` apart. Two passes: the mean may be far larger than the deviation. */
static stats stats_of(const float *x, int64_t rows, int64_t step, int64_t n, double eps)
{
    double sum = 0, square = 0;
    for (int64_t r = 0; r < rows; r++) {
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < n; i++)
            sum += (double)x[r * step + i];
    }
    const double mean = sum / (double)(rows * n);
    for (int64_t r = 0; r < rows; r++) {
#pragma omp simd reduction(+ : square)
        for (int64_t i = 0; i < n; i++)
            square += (x[r * step + i] - mean) * (x[r * step + i] - mean);
    }
    return (stats){ mean, 1 / sqrt(square / (double)(rows * n) + eps) };
}

/* y as f32: itself, or in *own, which the caller frees. */
static int in_f32(sc_tensor *y, void **own)
{
    if (y->dtype == SC_F32)
        return 0;
    *y = sc_tensor_make(*own = malloc(sc_tensor_count(*y) * sizeof(float) + 1), SC_F32, y->ndim, y->dim);
    return *own ? 0 : -ENOMEM;
}

static double largest(const float *f, int64_t n)
{
    double most = 0;

    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)f[i]));
    return most;
}

int sc_cpu_group_norm(sc_exec *x, const sc_group_norm_args *a)
{
    const int64_t rows = a->x.dim[1], channels = a->x.dim[2], width = channels / a->groups;
    const float *gamma = a->gamma.data, *beta = a->beta.data;
    const bool narrow = a->y.dtype == SC_F8;
    sc_tensor y = a->y;
    void *own = NULL;
    double bound = 0;
    int ret;

    SC_TRY(in_f32(&y, &own));
#pragma omp parallel for schedule(static) reduction(max                                                      \
                                                    : bound)                                                 \
    num_threads(sc_cpu_threads(x, sc_tensor_count(a->x)))
    for (int64_t task = 0; task < a->x.dim[0] * a->groups; task++) {
        const int64_t first = task % a->groups * width, start = task / a->groups * rows * channels + first;
        const float *in = (const float *)a->x.data + start;
        float *out = (float *)y.data + start;
        const stats s = stats_of(in, rows, channels, width, a->eps);
        double most = 0;
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < width; i++) {
                const double v =
                    (in[r * channels + i] - s.mean) * s.rstd * gamma[first + i] + beta[first + i];
                out[r * channels + i] = (float)(a->silu ? sc_cpu_act(SC_ACT_SILU, v) : v);
            }
        for (int64_t r = 0; r < rows && narrow; r++)
            most = fmax(most, largest(in + r * channels, width));
        bound = fmax(bound, (most + fabs(s.mean)) * s.rstd * largest(gamma + first, width) +
                                largest(beta + first, width));
    }
    if (narrow) {
        float *const f = y.data;
        *a->y.scale = (float)(bound / 448);
        for (int64_t i = 0; i < sc_tensor_count(y); i++)
            f[i] = *a->y.scale > 0 ? f[i] / *a->y.scale : 0;
        ret = sc_cpu_copy(x, &(sc_copy_args){ .y = a->y, .x = y });
    }
fail:
    free(own);
    return ret;
}

int sc_cpu_layer_norm(sc_exec *x, const sc_layer_norm_args *a)
{
    const int64_t channels = a->x.dim[1];
    const float *gamma = a->gamma.data, *beta = a->beta.data;
    sc_tensor y = a->y;
    void *own = NULL;
    int ret;

    SC_TRY(in_f32(&y, &own));
#pragma omp parallel for schedule(static) num_threads(sc_cpu_threads(x, sc_tensor_count(a->x)))
    for (int64_t m = 0; m < a->x.dim[0]; m++) {
        const float *in = (const float *)a->x.data + m * channels;
        float *out = (float *)y.data + m * channels;
        const stats s = stats_of(in, 1, channels, channels, a->eps);
#pragma omp simd
        for (int64_t i = 0; i < channels; i++)
            out[i] = (float)((in[i] - s.mean) * s.rstd * gamma[i] + beta[i]);
    }
    if (a->y.dtype == SC_F8)
        ret = sc_cpu_copy(
            x, &(sc_copy_args){ .y = a->y, .x = y, .scale = sc_tensor_make(a->y.scale, SC_F32, 1, y.dim) });
fail:
    free(own);
    return ret;
}
