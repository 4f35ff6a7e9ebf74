#include <math.h>

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

int sc_cpu_group_norm(sc_exec *x, const sc_group_norm_args *a)
{
    const int64_t rows = a->x.dim[1], channels = a->x.dim[2], width = channels / a->groups;
    const float *gamma = a->gamma.data, *beta = a->beta.data;

#pragma omp parallel for schedule(static) num_threads(sc_cpu_threads(x, sc_tensor_count(a->x)))
    for (int64_t task = 0; task < a->x.dim[0] * a->groups; task++) {
        const int64_t first = task % a->groups * width, start = task / a->groups * rows * channels + first;
        const float *in = (const float *)a->x.data + start;
        float *out = (float *)a->y.data + start;
        const stats s = stats_of(in, rows, channels, width, a->eps);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < width; i++) {
                const double v =
                    (in[r * channels + i] - s.mean) * s.rstd * gamma[first + i] + beta[first + i];
                out[r * channels + i] = (float)(a->silu ? sc_cpu_act(SC_ACT_SILU, v) : v);
            }
    }
    return 0;
}

int sc_cpu_layer_norm(sc_exec *x, const sc_layer_norm_args *a)
{
    const int64_t channels = a->x.dim[1];
    const float *gamma = a->gamma.data, *beta = a->beta.data;

#pragma omp parallel for schedule(static) num_threads(sc_cpu_threads(x, sc_tensor_count(a->x)))
    for (int64_t m = 0; m < a->x.dim[0]; m++) {
        const float *in = (const float *)a->x.data + m * channels;
        float *out = (float *)a->y.data + m * channels;
        const stats s = stats_of(in, 1, channels, channels, a->eps);
#pragma omp simd
        for (int64_t i = 0; i < channels; i++)
            out[i] = (float)((in[i] - s.mean) * s.rstd * gamma[i] + beta[i]);
    }
    return 0;
}
