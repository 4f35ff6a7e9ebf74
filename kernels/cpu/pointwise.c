/* Ops that look at one element at a time: copy, axpby, randn. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "../normal.h"

/* Elements that a thread takes at a time: long enough to hide the loop around it, short enough to spread. */
enum { PIECE = 4096, LINE = 256 };

double sc_cpu_act(sc_act act, double v)
{
    switch (act) {
    case SC_ACT_SILU:
        return v / (1 + exp(-v));
    case SC_ACT_GELU:
        return 0.5 * v * (1 + erf(v * 0.70710678118654752));
    case SC_ACT_QUICK_GELU:
        return v / (1 + exp(-1.702 * v)); /* CLIP's */
    default:
        return v;
    }
}

/* Up to three tensors of one shape, as rows of the fewest possible axes. */
typedef struct walk {
    int ndim, tensors;
    int64_t dim[SC_MAX_DIM], stride[3][SC_MAX_DIM]; /* strides in bytes */
    int64_t rows, pieces, length;                   /* each row is cut into pieces of PIECE elements */
} walk;

static walk walk_over(const sc_tensor *const t[], int tensors)
{
    walk w = { .tensors = tensors, .rows = 1 };
    w.ndim = sc_join_axes(w.dim, w.stride, t, tensors);
    w.length = w.dim[w.ndim - 1];
    w.pieces = (w.length + PIECE - 1) / PIECE;
    for (int i = 0; i < w.ndim - 1; i++)
        w.rows *= w.dim[i];
    return w;
}

/* The addresses of a piece's first elements; returns how many it has. */
static int64_t walk_to(const walk *w, const sc_tensor *const t[], int64_t piece, char *at[3])
{
    const int64_t begin = piece % w->pieces * PIECE;
    int64_t row = piece / w->pieces;
    for (int k = 0; k < w->tensors; k++)
        at[k] = (char *)t[k]->data + begin * w->stride[k][w->ndim - 1];
    for (int i = w->ndim - 2; i >= 0; i--) {
        for (int k = 0; k < w->tensors; k++)
            at[k] += row % w->dim[i] * w->stride[k][i];
        row /= w->dim[i];
    }
    return SC_MIN(w->length - begin, PIECE);
}

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof(bits));
    return bits;
}

static float from_f16(uint16_t h)
{
    /* Exponent and mantissa moved into place leave a number 2^112 too small, subnormals included. */
    const uint32_t u = (uint32_t)(h & 0x7fff) << 13;
    const uint32_t v = u >= 0x0f800000u ? u | 0x7f800000u : bits_of(float_of(u) * 0x1p112f);
    return float_of(v | (uint32_t)(h & 0x8000) << 16);
}

static uint16_t to_f16(float f)
{
    const uint32_t u = bits_of(f) & 0x7fffffffu;
    uint32_t h;
    if (u > 0x7f800000u)
        h = 0x7e00; /* not a number */
    else if (u >= 0x477ff000u)
        h = 0x7c00; /* rounds past 65504 */
    else if (u < 0x38800000u)
        h = bits_of(float_of(u) + 0.5f) - bits_of(0.5f); /* subnormal: 0.5's last bit weighs 2^-24 */
    else
        h = (u - 0x38000000u + 0xfff + (u >> 13 & 1)) >> 13;
    return (uint16_t)(h | (bits_of(f) >> 16 & 0x8000));
}

static uint16_t to_bf16(float f)
{
    const uint32_t u = bits_of(f);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/* E4M3: bias 7, subnormals in steps of 2^-9, no infinity, 0x7f is not a number, largest 448. */
static float from_f8(uint8_t b)
{
    const int e = b >> 3 & 15, m = b & 7;
    const float v = (b & 0x7f) == 0x7f ? NAN : e ? ldexpf((float)(8 + m), e - 10) : ldexpf((float)m, -9);
    return b & 0x80 ? -v : v;
}

/* Saturates, as CUDA's conversion does by default. */
static uint8_t to_f8(float f)
{
    const uint32_t u = bits_of(f) & 0x7fffffffu;
    uint32_t b;
    if (u > 0x7f800000u)
        return 0x7f; /* whatever its sign, as CUDA does it */
    if (u >= bits_of(448))
        b = 0x7e;
    else if (u < bits_of(0x1p-6f))
        b = bits_of(float_of(u) + 0x1p14f) - bits_of(0x1p14f); /* 2^14's last bit weighs 2^-9 */
    else
        b = (u - 0x3c000000u + 0x7ffff + (u >> 20 & 1)) >> 20;
    return (uint8_t)(b | (bits_of(f) >> 24 & 0x80));
}

static float to_integer(float f, float largest)
{
    const float v = f > 0 ? f : 0; /* not a number too */
    return rintf(v < largest ? v : largest);
}

#define LOAD(type, expr)                                                                                     \
    for (int64_t i = 0; i < n; i++) {                                                                        \
        const type v = *(const type *)(p + i * step);                                                        \
        f[i] = expr;                                                                                         \
    }                                                                                                        \
    break

#define STORE(type, expr)                                                                                    \
    for (int64_t i = 0; i < n; i++) {                                                                        \
        const float v = f[i];                                                                                \
        *(type *)(p + i * step) = expr;                                                                      \
    }                                                                                                        \
    break

static void load(float *f, sc_dtype t, const char *p, int64_t step, int64_t n)
{
    switch (t) {
    case SC_F32:
        LOAD(float, v);
    case SC_F16:
        LOAD(uint16_t, from_f16(v));
    case SC_BF16:
        LOAD(uint16_t, float_of((uint32_t)v << 16));
    case SC_F8:
        LOAD(uint8_t, from_f8(v));
    case SC_U8:
        LOAD(uint8_t, v);
    case SC_U16:
        LOAD(uint16_t, v);
    }
}

static void store(char *p, sc_dtype t, int64_t step, const float *f, int64_t n)
{
    switch (t) {
    case SC_F32:
        STORE(float, v);
    case SC_F16:
        STORE(uint16_t, to_f16(v));
    case SC_BF16:
        STORE(uint16_t, to_bf16(v));
    case SC_F8:
        STORE(uint8_t, to_f8(v));
    case SC_U8:
        STORE(uint8_t, (uint8_t)to_integer(v, 255));
    case SC_U16:
        STORE(uint16_t, (uint16_t)to_integer(v, 65535));
    }
}

static float largest(const float *f, int64_t n, float so_far)
{
    for (int64_t i = 0; i < n; i++)
        so_far = fabsf(f[i]) > so_far ? fabsf(f[i]) : so_far;
    return so_far;
}

/* Rows [begin, end) of x, packed each, to E4M3 with one factor for all. */
static void quantise(const sc_copy_args *a, int64_t begin, int64_t end, float *scale)
{
    const int64_t length = begin < end ? sc_tensor_count(a->y) / a->y.dim[0] : 0;
    const int64_t size = (int64_t)sc_dtype_size(a->x.dtype);
    float line[LINE];

    *scale = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t r = begin; r < end; r++)
            for (int64_t i = 0; i < length; i += LINE) {
                const int64_t n = SC_MIN(length - i, LINE);
                load(line, a->x.dtype, (const char *)a->x.data + (r * a->x.stride[0] + i) * size, size, n);
                if (pass == 0)
                    *scale = largest(line, n, *scale);
                for (int64_t k = 0; k < n && pass == 1; k++)
                    ((uint8_t *)a->y.data)[r * length + i + k] = to_f8(line[k] / *scale);
            }
        if (pass == 0)
            *scale = *scale / 448 > 0 ? *scale / 448 : 1;
    }
}

static int quantise_all(sc_exec *x, const sc_copy_args *a)
{
    const int64_t groups = a->scale.dim[0], rows = a->y.dim[0] / groups;

#pragma omp parallel for schedule(static) num_threads(sc_cpu_threads(x, sc_tensor_count(a->y)))
    for (int64_t g = 0; g < groups; g++)
        quantise(a, g * rows, (g + 1) * rows, (float *)a->scale.data + g);
    return 0;
}

int sc_cpu_as_f32(sc_exec *x, sc_tensor *t, void **own)
{
    sc_copy_args a = { .x = *t, .y = *t };

    if (t->dtype == SC_F32)
        return 0;
    a.y = sc_tensor_make(NULL, SC_F32, t->ndim, t->dim);
    if (!(*own = a.y.data = malloc(sc_tensor_bytes(a.y) + 1)))
        return -ENOMEM;
    *t = a.y;
    return sc_cpu_copy(x, &a);
}

int sc_cpu_copy(sc_exec *x, const sc_copy_args *a)
{
    if (a->scale.ndim)
        return quantise_all(x, a);
    const sc_tensor *const t[] = { &a->y, &a->x };
    const walk w = walk_over(t, 2);
    const int64_t ys = w.stride[0][w.ndim - 1], xs = w.stride[1][w.ndim - 1];
    const int64_t size = (int64_t)sc_dtype_size(a->y.dtype);
    const bool bytes = a->y.dtype == a->x.dtype && ys == size && xs == size;

#pragma omp parallel for schedule(static) num_threads(sc_cpu_threads(x, sc_tensor_count(a->y)))
    for (int64_t piece = 0; piece < w.rows * w.pieces; piece++) {
        char *at[3];
        const int64_t n = walk_to(&w, t, piece, at);
        float line[LINE];
        if (bytes) {
            memcpy(at[0], at[1], (size_t)(n * size));
            continue;
        }
        for (int64_t i = 0; i < n; i += LINE) {
            load(line, a->x.dtype, at[1] + i * xs, xs, SC_MIN(n - i, LINE));
            store(at[0] + i * ys, a->y.dtype, ys, line, SC_MIN(n - i, LINE));
        }
    }
    return 0;
}

int sc_cpu_axpby(sc_exec *x, const sc_axpby_args *a)
{
    const bool two = a->z.ndim > 0;
    const sc_tensor *const t[] = { &a->y, &a->x, &a->z };
    const walk w = walk_over(t, two ? 3 : 2);

#pragma omp parallel for schedule(static) num_threads(sc_cpu_threads(x, sc_tensor_count(a->y)))
    for (int64_t piece = 0; piece < w.rows * w.pieces; piece++) {
        char *at[3];
        const int64_t n = walk_to(&w, t, piece, at);
        float line[2][LINE] = { { 0 } };
        for (int64_t i = 0; i < n; i += LINE) {
            const int64_t count = SC_MIN(n - i, LINE);
            for (int k = 1; k < w.tensors; k++) {
                const int64_t step = w.stride[k][w.ndim - 1];
                load(line[k - 1], SC_F32, at[k] + i * step, step, count);
            }
            for (int64_t j = 0; j < count; j++) {
                const double v = (double)a->a * line[0][j] + (two ? (double)a->b * line[1][j] : 0);
                line[0][j] = (float)(a->act ? sc_cpu_act(a->act, v) : v);
            }
            store(at[0] + i * w.stride[0][w.ndim - 1], SC_F32, w.stride[0][w.ndim - 1], line[0], count);
        }
    }
    return 0;
}

int sc_cpu_randn(sc_exec *x, const sc_randn_args *a)
{
    const int64_t n = sc_tensor_count(a->y), lead = (int64_t)(a->offset % 4), blocks = (lead + n + 3) / 4;
    float *y = a->y.data;

#pragma omp parallel for schedule(static) num_threads(sc_cpu_threads(x, sc_tensor_count(a->y)))
    for (int64_t block = 0; block < blocks; block++) {
        float v[4];
        sc_normal4(a->seed, a->offset / 4 + (uint64_t)block, v);
        for (int64_t k = 0; k < 4; k++) {
            const int64_t i = 4 * block + k - lead;
            if (i >= 0 && i < n)
                y[i] = v[k];
        }
    }
    return 0;
}
