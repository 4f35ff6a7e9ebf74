/* Linear layers by cuBLASLt.
 *
 *   y[m,n] = act(sum_k x[m,k] w[n,k] + b[n]) + add[m,n]        GEGLU: y = v * gelu(g), w = [v rows; g rows]
 *
 * Rows lie `stride[0]` apart. To cuBLASLt, which counts columns first, y is the N x M matrix w^T' x. Sums are
 * f32, and the result is rounded once. Without an activation one call does it all: the bias (in y's type, as
 * cuBLASLt wants it) by its epilogue, `add` as its C with beta = 1. Otherwise the f32 product goes to
 * scratch, some rows at a time so that it stays in L2, and k_linear_finish makes y of it: one more read and
 * write of L2, none of memory.
 *
 * E4M3: on compute capability 9.0 cuBLASLt multiplies by both vectors of factors itself; elsewhere it cannot,
 * and k_linear_finish does. Its fast accumulation, which keeps partial sums in fewer bits than f32 has, stays
 * off: these layers' sums have hundreds to thousands of terms. */
#include <stdlib.h>
#include <string.h>

#include "choose.cuh"
#include "plan.h"

/* Parts of the workspace: a bias in y's type, f32 products (a fraction of a large GPU's L2), cuBLASLt's own.
 */
#define BIAS_END ((size_t)1 << 20)
#define SCRATCH  ((size_t)20 << 20)

enum { MAX_PLANS = 512, CANDIDATES = 8 };

/* All that the choice of an algorithm depends on; int64_t throughout, so that it compares as bytes. */
typedef struct linear_shape {
    int64_t m, n, k, in, out, ldx, ldy, ldc, bias, add, tf32, scaled;
    int64_t align_x, align_w, align_y, align_c, room;
} linear_shape;

typedef struct linear_plan {
    linear_shape s;
    cublasLtMatmulAlgo_t algo;
} linear_plan;

struct sc_linear_plans {
    linear_plan plan[MAX_PLANS];
    int count, oldest;
};

typedef struct linear_call { /* one product */
    linear_shape s;
    const void *x, *w, *bias, *c;
    const float *scale, *x_scale; /* of E4M3, if the library is to apply them */
    void *y, *room;
} linear_call;

typedef struct linear_desc {
    cublasLtMatmulDescOpaque_t op;
    cublasLtMatrixLayoutOpaque_t w, x, c, y;
} linear_desc;

int sc_linear_plans_open(struct sc_linear_plans **p)
{
    *p = (struct sc_linear_plans *)calloc(1, sizeof(**p));
    return *p ? 0 : -ENOMEM;
}

void sc_linear_plans_close(struct sc_linear_plans **p)
{
    free(*p);
    *p = NULL;
}

template <typename T> __global__ void k_bias(T *out, const float *b, const float *vec, int64_t n)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;

    if (i < n)
        out[i] = sc_from_f32<T>((b ? b[i] : 0) + (vec ? vec[i] : 0));
}

int sc_cuda_bias(sc_exec *x, void *out, sc_dtype t, const float *b, const float *vec, int64_t n)
{
    return sc_by_type(t, [&](auto *p) {
        k_bias<<<sc_blocks(n, 256), 256, 0, sc_cuda_of(x)->stream>>>((decltype(p))out, b, vec, n);
        return SC_LAUNCHED(x);
    });
}

/* W neighbours in a row, as one load or store. */
template <typename T, int W> struct alignas(W * sizeof(T)) pack {
    T v[W];
};

template <typename T, int W> __device__ static pack<T, W> read(const T *p)
{
    return *(const pack<T, W> *)p;
}

/* A thread makes W elements of a row; grid (columns / (256 W), rows). s: f32 products, packed rows of n or,
 * gated, 2 n. */
template <typename T, int W>
__global__ void k_linear_finish(T *y, int64_t ldy, const float *s, const float *b, const T *add,
                                int64_t add_row, int64_t add_col, int64_t n, sc_act act, const float *scale,
                                const float *x_scale, int64_t x_scale_row)
{
    const int64_t j = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * W, i = blockIdx.y;
    const bool gated = act == SC_ACT_GEGLU;
    pack<float, W> v, g = {}, bias = {}, gate_bias = {};
    const float of_row = scale ? x_scale[i * x_scale_row] : 1;
    pack<T, W> more = {}, out;

    if (j >= n)
        return;
    v = read<float, W>(s + i * (gated ? 2 * n : n) + j);
    if (gated)
        g = read<float, W>(s + i * 2 * n + n + j);
    if (b)
        bias = read<float, W>(b + j);
    if (b && gated)
        gate_bias = read<float, W>(b + n + j);
    if (add)
        more = read<T, W>(add + i * add_row + j * add_col);
    for (int k = 0; k < W; k++) {
        if (scale)
            v.v[k] *= of_row * scale[j + k];
        if (scale && gated)
            g.v[k] *= of_row * scale[n + j + k];
        float u = v.v[k] + bias.v[k];
        u = gated ? u * sc_act_f32(SC_ACT_GELU, g.v[k] + gate_bias.v[k]) : sc_act_f32(act, u);
        out.v[k] = sc_from_f32<T>(u + sc_f32(more.v[k]));
    }
    *(pack<T, W> *)(y + i * ldy + j) = out;
}

static cudaDataType_t library_type(sc_dtype t)
{
    return t == SC_F16 ? CUDA_R_16F : t == SC_BF16 ? CUDA_R_16BF : t == SC_F8 ? CUDA_R_8F_E4M3 : CUDA_R_32F;
}

/* What the address is a multiple of, up to what kernels make use of. */
static int64_t alignment(const void *p)
{
    const uintptr_t a = (uintptr_t)p | 16;

    return (int64_t)(a & (0 - a));
}

/* One factor for each row of w and of x. */
static cublasStatus_t describe_scales(linear_desc *d, const linear_call *l)
{
    const cublasLtMatmulMatrixScale_t mode = CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F;
    const struct {
        cublasLtMatmulDescAttributes_t name;
        const void *value;
        size_t bytes;
    } set[] = {
        { CUBLASLT_MATMUL_DESC_A_SCALE_MODE, &mode, sizeof(mode) },
        { CUBLASLT_MATMUL_DESC_B_SCALE_MODE, &mode, sizeof(mode) },
        { CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, &l->scale, sizeof(l->scale) },
        { CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, &l->x_scale, sizeof(l->x_scale) },
    };
    cublasStatus_t e = CUBLAS_STATUS_SUCCESS;

    for (int i = 0; !e && l->s.scaled && i < SC_COUNT(set); i++)
        e = cublasLtMatmulDescSetAttribute(&d->op, set[i].name, set[i].value, set[i].bytes);
    return e;
}

static cublasStatus_t describe(linear_desc *d, const linear_call *l)
{
    const linear_shape *s = &l->s;
    const cudaDataType_t in = library_type((sc_dtype)s->in), out = library_type((sc_dtype)s->out);
    const cublasComputeType_t compute = s->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    const cublasOperation_t transposed = CUBLAS_OP_T;
    const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    cublasStatus_t e = cublasLtMatmulDescInit(&d->op, compute, CUDA_R_32F);

    if (!e)
        e = cublasLtMatmulDescSetAttribute(&d->op, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
                                           sizeof(transposed));
    if (!e && s->bias)
        e = cublasLtMatmulDescSetAttribute(&d->op, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue,
                                           sizeof(epilogue));
    if (!e && s->bias)
        e = cublasLtMatmulDescSetAttribute(&d->op, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &l->bias,
                                           sizeof(l->bias));
    if (!e && s->bias)
        e = cublasLtMatmulDescSetAttribute(&d->op, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &out, sizeof(out));
    e = e ? e : describe_scales(d, l);
    e = e ? e : cublasLtMatrixLayoutInit(&d->w, in, (uint64_t)s->k, (uint64_t)s->n, s->k);
    e = e ? e : cublasLtMatrixLayoutInit(&d->x, in, (uint64_t)s->k, (uint64_t)s->m, s->ldx);
    e = e ? e : cublasLtMatrixLayoutInit(&d->c, out, (uint64_t)s->n, (uint64_t)s->m, s->ldc);
    return e ? e : cublasLtMatrixLayoutInit(&d->y, out, (uint64_t)s->n, (uint64_t)s->m, s->ldy);
}

/* The algorithms of cuBLASLt's own ranking that fit, the same in every run, *n of them. Split sums are added
 * in f32. */
static cublasStatus_t rank(cublasLtMatmulAlgo_t *algo, int *n, cublasLtHandle_t lt, linear_desc *d,
                           const linear_shape *s)
{
    const uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    const uint64_t room = (uint64_t)s->room;
    const struct {
        cublasLtMatmulPreferenceAttributes_t name;
        int64_t bytes;
    } align[] = {
        { CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, s->align_w },
        { CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, s->align_x },
        { CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, s->align_c },
        { CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, s->align_y },
    };
    cublasLtMatmulPreferenceOpaque_t pref;
    cublasLtMatmulHeuristicResult_t found[CANDIDATES];
    int count = 0;
    cublasStatus_t e = cublasLtMatmulPreferenceInit(&pref);

    e = e ? e
          : cublasLtMatmulPreferenceSetAttribute(&pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room,
                                                 sizeof(room));
    e = e ? e
          : cublasLtMatmulPreferenceSetAttribute(&pref, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                                 &reduction, sizeof(reduction));
    for (int i = 0; !e && i < SC_COUNT(align); i++) {
        const uint32_t bytes = (uint32_t)align[i].bytes;
        e = cublasLtMatmulPreferenceSetAttribute(&pref, align[i].name, &bytes, sizeof(bytes));
    }
    e = e ? e
          : cublasLtMatmulAlgoGetHeuristic(lt, &d->op, &d->w, &d->x, &d->c, &d->y, &pref, CANDIDATES, found,
                                           &count);
    *n = 0;
    for (int i = 0; !e && i < count; i++)
        if (found[i].state == CUBLAS_STATUS_SUCCESS && found[i].workspaceSize <= (size_t)s->room)
            algo[(*n)++] = found[i].algo;
    return e || *n ? e : CUBLAS_STATUS_NOT_SUPPORTED;
}

static cublasStatus_t product(sc_cuda *c, const linear_call *l, linear_desc *d,
                              const cublasLtMatmulAlgo_t *algo)
{
    const float one = 1, beta = l->c ? 1 : 0;

    return cublasLtMatmul(c->lt, &d->op, &one, l->w, &d->w, l->x, &d->x, &beta, l->c ? l->c : l->y, &d->c,
                          l->y, &d->y, algo, l->room, (size_t)l->s.room, c->stream);
}

/* One of n algorithms; see choose.cuh. */
static int choose(sc_exec *x, const linear_call *l, linear_desc *d, const cublasLtMatmulAlgo_t *algo, int n)
{
    const linear_shape *s = &l->s;
    const size_t bytes = (size_t)((s->m - 1) * s->ldy + s->n) * sc_dtype_size((sc_dtype)s->out);
    linear_call trial = *l;

    if (l->c) /* it may be y itself */
        trial.y = sc_cuda_spare(x, bytes);
    const int best = sc_cuda_choose(x, "linear", &s->m, sizeof(*s) / sizeof(s->m), n, [&](int i) {
        return trial.y ? (int)product(sc_cuda_of(x), &trial, d, &algo[i]) : 1;
    });
    if (l->c)
        sc_cuda_spare_free(x, trial.y);
    return best;
}

static cublasStatus_t plan_for(linear_plan **out, sc_exec *x, linear_desc *d, const linear_call *l)
{
    struct sc_linear_plans *all = sc_cuda_of(x)->linear;
    const linear_shape *s = &l->s;
    cublasLtMatmulAlgo_t algo[CANDIDATES];
    int n;

    for (int i = 0; i < all->count; i++)
        if (!memcmp(&all->plan[i].s, s, sizeof(*s))) {
            *out = &all->plan[i];
            return CUBLAS_STATUS_SUCCESS;
        }
    const cublasStatus_t e = rank(algo, &n, sc_cuda_of(x)->lt, d, s);
    if (e)
        return e;
    const linear_plan fresh = { .s = *s, .algo = algo[choose(x, l, d, algo, n)] };
    *out = &all->plan[all->count < MAX_PLANS ? all->count++ : all->oldest++ % MAX_PLANS];
    **out = fresh;
    return CUBLAS_STATUS_SUCCESS;
}

/* y = x w^T (+ bias) (+ c) */
static int multiply(sc_exec *x, linear_call *l)
{
    sc_cuda *c = sc_cuda_of(x);
    linear_shape *s = &l->s;
    linear_desc d;
    linear_plan *p;

    s->add = l->c != NULL;
    s->bias = l->bias != NULL;
    s->tf32 = c->tf32 && s->in == SC_F32;
    s->scaled = l->scale != NULL;
    s->align_x = alignment(l->x);
    s->align_w = alignment(l->w);
    s->align_y = alignment(l->y);
    s->align_c = l->c ? alignment(l->c) : s->align_y;
    s->ldc = l->c ? s->ldc : s->ldy;
    s->room = (char *)c->workspace + SC_CUDA_WORKSPACE - (char *)l->room;
    cublasStatus_t e = describe(&d, l);
    e = e ? e : plan_for(&p, x, &d, l);
    e = e ? e : product(c, l, &d, &p->algo);
    if (!e)
        return 0;
    sc_exec_fail(x, SC_ERR_DEVICE, "linear: cuBLASLt, %lld x %lld x %lld %s: %s", (long long)s->m,
                 (long long)s->n, (long long)s->k, sc_dtype_name((sc_dtype)s->in),
                 cublasLtGetStatusString(e));
    return SC_ERR_DEVICE;
}

/* A matrix of one row may have any distance between its rows, but cuBLASLt wants a sound one. */
static int64_t row_step(sc_tensor t)
{
    return t.dim[0] > 1 ? t.stride[0] : t.dim[1];
}

static int fused(sc_exec *x, const sc_linear_args *a, linear_call *l)
{
    const bool as_is = a->y.dtype == SC_F32 && alignment(a->b.data) >= 16;

    if (a->b.ndim && !as_is) {
        const int ret = sc_cuda_bias(x, sc_cuda_of(x)->workspace, a->y.dtype, (const float *)a->b.data, NULL,
                                     a->b.dim[0]);
        if (ret < 0)
            return ret;
    }
    l->bias = !a->b.ndim ? NULL : as_is ? a->b.data : sc_cuda_of(x)->workspace;
    l->y = a->y.data;
    l->s.ldy = row_step(a->y);
    l->scale = a->scale.ndim ? (const float *)a->scale.data : NULL;
    l->x_scale = a->scale.ndim ? (const float *)a->x_scale.data : NULL;
    l->c = a->add.ndim ? a->add.data : NULL;
    l->s.ldc = a->add.ndim ? row_step(a->add) : 0;
    return multiply(x, l);
}

/* The product of rows [m, m + l->s.m) is in scratch. */
template <typename T, int W>
static int finish(sc_exec *x, const sc_linear_args *a, const linear_call *l, int64_t m)
{
    const int64_t n = a->y.dim[1], at_once = 65535; /* what the y dimension of a grid may have */
    const T *add = a->add.ndim ? (const T *)a->add.data : NULL;

    for (int64_t i = 0; i < l->s.m; i += at_once) {
        const dim3 grid(sc_blocks(n, 256 * W), (unsigned)SC_MIN(at_once, l->s.m - i));
        k_linear_finish<T, W><<<grid, 256, 0, sc_cuda_of(x)->stream>>>(
            (T *)a->y.data + (m + i) * a->y.stride[0], a->y.stride[0], (const float *)l->y + i * l->s.n,
            a->b.ndim ? (const float *)a->b.data : NULL, add ? add + (m + i) * a->add.stride[0] : NULL,
            add ? a->add.stride[0] : 0, add ? a->add.stride[1] : 0, n, a->act,
            a->scale.ndim ? (const float *)a->scale.data : NULL,
            a->scale.ndim ? (const float *)a->x_scale.data + (m + i) * a->x_scale.stride[0] : NULL,
            a->x_scale.stride[0]);
    }
    return SC_LAUNCHED(x);
}

/* Whether each group of four columns can be loaded at once. */
static bool fours(const sc_linear_args *a)
{
    const int64_t n = a->y.dim[1], row = a->add.ndim ? a->add.stride[0] : 0,
                  col = a->add.ndim ? a->add.stride[1] : 1;

    return n % 4 == 0 && a->y.stride[0] % 4 == 0 && row % 4 == 0 && col == 1 && alignment(a->y.data) == 16 &&
           (!a->b.ndim || alignment(a->b.data) == 16) && (!a->add.ndim || alignment(a->add.data) == 16);
}

static int by_rows(sc_exec *x, const sc_linear_args *a, linear_call *l)
{
    const int64_t all = l->s.m, rows = sc_plan_linear_rows(a, SCRATCH);
    const bool wide = fours(a);
    int ret = 0;

    l->y = (char *)sc_cuda_of(x)->workspace + BIAS_END;
    l->room = (char *)l->y + SCRATCH;
    l->s.out = SC_F32;
    l->s.ldy = l->s.n;
    for (int64_t m = 0; ret >= 0 && m < all; m += rows) {
        l->s.m = SC_MIN(rows, all - m);
        l->x = (const char *)a->x.data + (size_t)(m * a->x.stride[0]) * sc_dtype_size(a->x.dtype);
        ret = multiply(x, l);
        if (ret >= 0)
            ret = sc_by_type(a->y.dtype, [&](auto *p) {
                using T = std::remove_pointer_t<decltype(p)>;
                return wide ? finish<T, 4>(x, a, l, m) : finish<T, 1>(x, a, l, m);
            });
    }
    return ret;
}

/* cuBLASLt counts the distance of rows in 31 bits. Of rows farther apart there can be but a few. */
static bool far_apart(sc_tensor t)
{
    return t.ndim && t.dim[0] > 1 && t.stride[0] > INT32_MAX;
}

static int row_by_row(sc_exec *x, const sc_linear_args *a)
{
    int ret = 0;

    for (int64_t m = 0; ret >= 0 && m < a->y.dim[0]; m++) {
        sc_linear_args row = *a;
        row.y = sc_slice(a->y, 0, m, 1);
        row.x = sc_slice(a->x, 0, m, 1);
        row.add = a->add.ndim ? sc_slice(a->add, 0, m, 1) : a->add;
        row.x_scale = a->x_scale.ndim ? sc_slice(a->x_scale, 0, m, 1) : a->x_scale;
        ret = sc_cuda_linear(x, &row);
    }
    return ret;
}

extern "C" int sc_cuda_linear(sc_exec *x, const sc_linear_args *a)
{
    const sc_cuda *c = sc_cuda_of(x);
    const bool narrow = a->scale.ndim && c->arch >= 89 && a->y.dtype <= SC_BF16;
    const bool known = a->x.dtype == a->w.dtype && (a->x.dtype == SC_F8) == narrow &&
                       (a->y.dtype == a->x.dtype || a->y.dtype == SC_F32 || narrow) &&
                       (!a->add.ndim || a->add.dtype == a->y.dtype) && a->x.dtype <= SC_F8 &&
                       (size_t)a->w.dim[0] * sizeof(float) <= BIAS_END;
    linear_call l = { .s = { .m = a->x.dim[0], .n = a->w.dim[0], .k = a->x.dim[1] },
                      .x = a->x.data,
                      .w = a->w.data };
    int ret;

    if (!known)
        return -EINVAL;
    if (!sc_tensor_count(a->y))
        return 0;
    if (far_apart(a->x) || far_apart(a->y) || far_apart(a->add))
        return row_by_row(x, a);
    if ((ret = sc_cuda_tap_linear(x, a)) <= 0)
        return ret;
    l.s.in = a->x.dtype;
    l.s.out = a->y.dtype;
    l.s.ldx = row_step(a->x);
    l.room = (char *)c->workspace + BIAS_END;
    return !c->plain && sc_plan_linear_fused(a, c->arch) ? fused(x, a, &l) : by_rows(x, a, &l);
}
