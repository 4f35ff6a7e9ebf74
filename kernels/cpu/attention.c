#include <float.h>
#include <math.h>
#include <string.h>

#include "cpu.h"

/* The widest head of the published networks is the VAE's, 512. */
enum { MAX_WIDTH = 512 };

static const float *head_row(const sc_tensor *t, int64_t b, int64_t s, int64_t h)
{
    return (const float *)t->data + b * t->stride[0] + s * t->stride[1] + h * t->stride[2];
}

static double score(const sc_attention_args *a, const float *q, const float *k)
{
    double dot = 0;
    for (int64_t d = 0; d < a->q.dim[3]; d++)
        dot += (double)q[d] * k[d];
    return dot * a->scale;
}

/* Scores are found twice rather than kept: a row of them can be any length. */
int sc_cpu_attention(sc_exec *x, const sc_attention_args *a)
{
    const int64_t queries = a->q.dim[1], heads = a->q.dim[2], width = a->q.dim[3], keys = a->k.dim[1];
    if (width > MAX_WIDTH)
        return -ENOSYS;

#pragma omp parallel for schedule(static) num_threads(x->dev->threads)
    for (int64_t row = 0; row < a->q.dim[0] * heads * queries; row++) {
        const int64_t b = row / (heads * queries), h = row / queries % heads, i = row % queries;
        const float *q = head_row(&a->q, b, i, h);
        float *y = (float *)head_row(&a->y, b, i, h);
        double sum[MAX_WIDTH] = { 0 }, total = 0, largest = -INFINITY;
        for (int64_t j = 0; j < keys; j++)
            largest = fmax(largest, score(a, q, head_row(&a->k, b, j, h)));
        for (int64_t j = 0; j < keys; j++) {
            const double p = exp(score(a, q, head_row(&a->k, b, j, h)) - largest);
            const float *v = head_row(&a->v, b, j, h);
            total += p;
            for (int64_t d = 0; d < width; d++)
                sum[d] += p * v[d];
        }
        for (int64_t d = 0; d < width; d++)
            y[d] = (float)(sum[d] / total);
    }
    return 0;
}
