#include <float.h>
#include <math.h>
#include <stdlib.h>
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

/* The fast form: a block of queries meets a block of keys at a time, scores and sums in f32, and the running
 * maximum of each query rescales what it has summed so far (Milakov and Gimelshein, "Online normalizer
 * calculation for softmax", 2018). Keys are turned round first, so that the compiler's vectors run over keys
 * in one product and over the head's width in the other. */
enum { QUERIES = 16, KEYS = 32, LANES = 8 };

typedef struct block {
    float k[MAX_WIDTH][KEYS], v[KEYS * MAX_WIDTH], sum[QUERIES][MAX_WIDTH];
    float largest[QUERIES], total[QUERIES];
    int64_t step; /* of v's rows: the head's width in whole lanes */
} block;

/* e^x for x <= 0, within 2 units in the last place; 0 below -87. Range reduction by ln 2 in two parts (Cody,
 * Waite) and the Taylor series to x^7 / 7!, 6e-9 of the sum at |x| = ln 2 / 2. */
static inline float exp_negative(float x)
{
    const float c = x < -87.0f ? -87.0f : x;
    const int32_t n = (int32_t)(c * 1.44269504f - 0.5f);
    const float r = c - (float)n * 0.693359375f - (float)n * -2.12194440e-4f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1;
    p = p * r + 1;
    const union {
        int32_t bits;
        float f;
    } power = { .bits = (n + 127) * 0x800000 };
    return x < -87.0f ? 0 : p * power.f;
}

/* out[LANES] = keep * out + sum over n of f[i] * row[i][LANES]: small enough to stay in registers. */
static inline void lanes_sum(float *out, float keep, const float *f, const float *row, int64_t step,
                             int64_t n)
{
    float sum[LANES];
    for (int l = 0; l < LANES; l++)
        sum[l] = out[l] * keep;
    for (int64_t i = 0; i < n; i++)
        for (int l = 0; l < LANES; l++)
            sum[l] += f[i] * row[i * step + l];
    for (int l = 0; l < LANES; l++)
        out[l] = sum[l];
}

/* Scores of n keys for query i, then what they add to its sums. */
static void meet(block *s, int i, const float *q, float scale, int64_t width, int n)
{
    float score[KEYS] = { 0 }, largest = s->largest[i], total = 0;
    for (int j = 0; j < KEYS; j += LANES)
        lanes_sum(score + j, 0, q, &s->k[0][j], KEYS, width);
    for (int j = 0; j < KEYS; j++)
        score[j] *= scale;
    for (int j = 0; j < n; j++)
        largest = score[j] > largest ? score[j] : largest;
#pragma omp simd
    for (int j = 0; j < KEYS; j++)
        score[j] = exp_negative(score[j] - largest);
    for (int j = 0; j < n; j++)
        total += score[j];
    const float keep = exp_negative(s->largest[i] - largest);
    s->largest[i] = largest;
    s->total[i] = s->total[i] * keep + total;
    for (int64_t d = 0; d < width; d += LANES)
        lanes_sum(&s->sum[i][d], keep, score, s->v + d, s->step, n);
}

static void attend(const sc_attention_args *a, int64_t b, int64_t h, int64_t first, block *s)
{
    const int64_t width = a->q.dim[3], keys = a->k.dim[1];
    const int count = (int)SC_MIN(a->q.dim[1] - first, QUERIES);
    s->step = (width + LANES - 1) / LANES * LANES;
    memset(s->v, 0, (size_t)(KEYS * s->step) * sizeof(float));
    for (int i = 0; i < count; i++) {
        memset(s->sum[i], 0, (size_t)s->step * sizeof(float));
        s->total[i] = 0;
        s->largest[i] = -FLT_MAX;
    }
    for (int64_t start = 0; start < keys; start += KEYS) {
        const int n = (int)SC_MIN(keys - start, KEYS);
        for (int j = 0; j < KEYS; j++) {
            const float *k = head_row(&a->k, b, start + SC_MIN(j, n - 1), h);
            for (int64_t d = 0; d < width; d++)
                s->k[d][j] = k[d];
            memcpy(s->v + j * s->step, head_row(&a->v, b, start + SC_MIN(j, n - 1), h),
                   (size_t)width * sizeof(float));
        }
        for (int i = 0; i < count; i++)
            meet(s, i, head_row(&a->q, b, first + i, h), a->scale, width, n);
    }
    for (int i = 0; i < count; i++) {
        float *y = (float *)head_row(&a->y, b, first + i, h);
        for (int64_t d = 0; d < width; d++)
            y[d] = s->sum[i][d] / s->total[i];
    }
}

int sc_cpu_attention_fast(sc_exec *x, const sc_attention_args *a)
{
    const int64_t heads = a->q.dim[2], blocks = (a->q.dim[1] + QUERIES - 1) / QUERIES;
    const int threads = sc_cpu_threads(x, a->k.dim[1] * sc_tensor_count(a->q));
    int ret = 0;
    if (a->q.dim[3] > MAX_WIDTH)
        return -ENOSYS;

#pragma omp parallel num_threads(threads) reduction(min : ret)
    {
        block *s = malloc(sizeof(*s));
        ret = s ? 0 : -ENOMEM;
#pragma omp for schedule(static)
        for (int64_t task = 0; task < a->q.dim[0] * heads * blocks; task++)
            if (s)
                attend(a, task / (heads * blocks), task / blocks % heads, task % blocks * QUERIES, s);
        free(s);
    }
    return ret;
}
