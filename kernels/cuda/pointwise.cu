// Ops that look at one element at a time.
//   copy:  y = x, any strides, any types        axpby: y = act(a x + b z), inputs may repeat elements
//   randn: y[i] = the (offset + i)-th normal number of a stream, the CPU's bits (kernels/normal.h)
// Tensors of one shape are walked through as rows of the fewest possible axes. Where the innermost axis is
// contiguous and aligned, a thread takes 16 bytes, else one element. Each input is read once, y written once.
#include <cuda_fp8.h>

#include "common.cuh"
#include "../normal.h"

enum { THREADS = 256 };

/* Up to three tensors of one shape. */
typedef struct walk {
    int ndim, tensors;
    int64_t dim[SC_MAX_DIM], stride[3][SC_MAX_DIM]; /* strides in bytes */
    char *data[3];
    int64_t count; /* threads that are needed: elements, or runs of them along the last axis */
} walk;

static walk walk_over(const sc_tensor *const t[], int tensors)
{
    walk w = {};

    w.tensors = tensors;
    for (int k = 0; k < tensors; k++)
        w.data[k] = (char *)t[k]->data;
    w.ndim = sc_join_axes(w.dim, w.stride, t, tensors);
    w.count = sc_tensor_count(*t[0]);
    return w;
}

/* Whether runs of `run` elements along the last axis lie together and aligned in tensor k of w, whose
 * elements have `size` bytes. */
static bool runs_of(const walk *w, int k, int64_t run, int64_t size)
{
    const int64_t bytes = run * size;
    const int last = w->ndim - 1;

    if (w->dim[last] % run || (w->dim[last] > 1 && w->stride[k][last] != size) ||
        (uintptr_t)w->data[k] % (uintptr_t)bytes)
        return false;
    for (int i = 0; i < last; i++)
        if (w->stride[k][i] % bytes)
            return false;
    return true;
}

/* Makes a run the element of the last axis. */
static void walk_by_runs(walk *w, int64_t run)
{
    w->dim[w->ndim - 1] /= run;
    w->count /= run;
    for (int k = 0; k < w->tensors; k++)
        w->stride[k][w->ndim - 1] *= run;
}

template <typename I> __device__ __forceinline__ void locate_as(const walk &w, I index, char *at[3])
{
#pragma unroll
    for (int k = 0; k < 3; k++) /* one that is missing costs less than a loop of unknown length */
        at[k] = w.data[k];
    for (int i = w.ndim - 1; i >= 0; i--) {
        const I next = i ? index / (I)w.dim[i] : 0, place = index - next * (I)w.dim[i];
#pragma unroll
        for (int k = 0; k < 3; k++)
            at[k] += (int64_t)place * w.stride[k][i];
        index = next;
    }
}

/* The addresses of this thread's elements, or false past the end. */
__device__ __forceinline__ bool locate(const walk &w, char *at[3])
{
    const int64_t index = (int64_t)blockIdx.x * THREADS + threadIdx.x;

    if (index >= w.count)
        return false;
    if (w.count <= UINT32_MAX) /* a 64-bit division costs five times a 32-bit one */
        locate_as(w, (uint32_t)index, at);
    else
        locate_as(w, (uint64_t)index, at);
    return true;
}

// ---- copy of the same type

/* grid: count / 256; one unit of 1 to 16 bytes a thread */
template <typename U> static __global__ void k_copy(walk w)
{
    char *at[3];

    if (locate(w, at))
        *(U *)at[0] = *(const U *)at[1];
}

static int move(sc_exec *x, walk *w, int64_t size)
{
    const cudaStream_t s = sc_cuda_of(x)->stream;
    int64_t unit = 16;

    if (w->ndim == 1 && w->stride[0][0] == size && w->stride[1][0] == size)
        return sc_cuda_check(
            x, cudaMemcpyAsync(w->data[0], w->data[1], w->count * size, cudaMemcpyDeviceToDevice, s), "copy");
    while (unit > size && !(runs_of(w, 0, unit / size, size) && runs_of(w, 1, unit / size, size)))
        unit /= 2;
    walk_by_runs(w, unit / size);
    const unsigned blocks = sc_blocks(w->count, THREADS);
    switch (unit) {
    case 16:
        k_copy<uint4><<<blocks, THREADS, 0, s>>>(*w);
        break;
    case 8:
        k_copy<uint2><<<blocks, THREADS, 0, s>>>(*w);
        break;
    case 4:
        k_copy<uint32_t><<<blocks, THREADS, 0, s>>>(*w);
        break;
    case 2:
        k_copy<uint16_t><<<blocks, THREADS, 0, s>>>(*w);
        break;
    default:
        k_copy<uint8_t><<<blocks, THREADS, 0, s>>>(*w);
    }
    return SC_LAUNCHED(x);
}

// ---- arithmetic, and copies between types

template <typename T, int V> struct alignas(V * sizeof(T)) run_of {
    T v[V];
};

template <typename T, int V> __device__ __forceinline__ void load_as(float *f, const char *p)
{
    const run_of<T, V> r = *(const run_of<T, V> *)p;

#pragma unroll
    for (int i = 0; i < V; i++)
        f[i] = (float)r.v[i];
}

/* The type is the same for all threads: branches, not templates. */
template <int V> __device__ __forceinline__ void load(float *f, sc_dtype t, const char *p)
{
    switch (t) {
    case SC_F32:
        return load_as<float, V>(f, p);
    case SC_F16:
        return load_as<__half, V>(f, p);
    case SC_BF16:
        return load_as<__nv_bfloat16, V>(f, p);
    case SC_F8:
        return load_as<__nv_fp8_e4m3, V>(f, p);
    case SC_U8:
        return load_as<uint8_t, V>(f, p);
    case SC_U16:
        return load_as<uint16_t, V>(f, p);
    }
}

template <typename T> __device__ __forceinline__ T convert(float v)
{
    if constexpr (sizeof(T) == 4 || std::is_same_v<T, __half> || std::is_same_v<T, __nv_bfloat16>)
        return sc_from_f32<T>(v);
    else if constexpr (std::is_same_v<T, __nv_fp8_e4m3>)
        return T(v); /* saturates */
    else             /* "not a number" becomes 0 */
        return (T)rintf(fminf(fmaxf(v, 0), sizeof(T) == 1 ? 255 : 65535));
}

template <typename T, int V> __device__ __forceinline__ void store_as(char *p, const float *f)
{
    run_of<T, V> r;

#pragma unroll
    for (int i = 0; i < V; i++)
        r.v[i] = convert<T>(f[i]);
    *(run_of<T, V> *)p = r;
}

template <int V> __device__ __forceinline__ void store(char *p, sc_dtype t, const float *f)
{
    switch (t) {
    case SC_F32:
        return store_as<float, V>(p, f);
    case SC_F16:
        return store_as<__half, V>(p, f);
    case SC_BF16:
        return store_as<__nv_bfloat16, V>(p, f);
    case SC_F8:
        return store_as<__nv_fp8_e4m3, V>(p, f);
    case SC_U8:
        return store_as<uint8_t, V>(p, f);
    case SC_U16:
        return store_as<uint16_t, V>(p, f);
    }
}

typedef struct sum_args {
    walk w;
    sc_dtype type[3];
    bool repeats[3]; /* the last axis repeats one element */
    float factor[3];
    sc_act act;
} sum_args;

/* grid: count / 256; V elements a thread. S is the type of the sum. */
template <typename S, int V> static __global__ void k_axpby(sum_args a)
{
    S sum[V];
    float v[V];
    char *at[3];

    if (!locate(a.w, at))
        return;
#pragma unroll
    for (int k = 1; k < 3; k++) {
        if (k == a.w.tensors)
            break;
        if (V > 1 && a.repeats[k]) {
            load<1>(v, a.type[k], at[k]);
#pragma unroll
            for (int i = 1; i < V; i++)
                v[i] = v[0];
        } else {
            load<V>(v, a.type[k], at[k]);
        }
#pragma unroll
        for (int i = 0; i < V; i++)
            sum[i] = k == 1 ? a.factor[1] * (S)v[i] : fma((S)a.factor[2], (S)v[i], sum[i]);
    }
    if (a.act != SC_ACT_NONE) {
#pragma unroll
        for (int i = 0; i < V; i++)
            sum[i] = sum[i] / (1 + exp(-sum[i])); /* SiLU: the only one there is */
    }
#pragma unroll
    for (int i = 0; i < V; i++)
        v[i] = (float)sum[i];
    store<V>(at[0], a.type[0], v);
}

static int weighted_sum(sc_exec *x, const sc_tensor *const t[], int tensors, float a, float b, sc_act act)
{
    sum_args s = { .w = walk_over(t, tensors), .factor = { 0, a, b }, .act = act };
    const int last = s.w.ndim - 1;
    const cudaStream_t stream = sc_cuda_of(x)->stream;
    int64_t widest = 2;

    for (int k = 0; k < tensors; k++) {
        s.type[k] = t[k]->dtype;
        s.repeats[k] = k && s.w.dim[last] > 1 && s.w.stride[k][last] == 0;
        widest = SC_MAX(widest, (int64_t)sc_dtype_size(s.type[k]));
    }
    int64_t run = 16 / widest;
    for (int k = 0; k < tensors; k++)
        if (!s.repeats[k] && !runs_of(&s.w, k, run, (int64_t)sc_dtype_size(s.type[k])))
            run = 1;
    if (s.w.dim[last] % run)
        run = 1;
    walk_by_runs(&s.w, run);
    const unsigned blocks = sc_blocks(s.w.count, THREADS);
    /* SiLU of f32 sums would lose a bit to its four roundings; it is asked for on a few numbers only. */
    if (act != SC_ACT_NONE && s.type[0] == SC_F32)
        run == 4 ? k_axpby<double, 4><<<blocks, THREADS, 0, stream>>>(s)
                 : k_axpby<double, 1><<<blocks, THREADS, 0, stream>>>(s);
    else if (run == 8)
        k_axpby<float, 8><<<blocks, THREADS, 0, stream>>>(s);
    else if (run == 4)
        k_axpby<float, 4><<<blocks, THREADS, 0, stream>>>(s);
    else
        k_axpby<float, 1><<<blocks, THREADS, 0, stream>>>(s);
    return SC_LAUNCHED(x);
}

extern "C" int sc_cuda_copy(sc_exec *x, const sc_copy_args *a)
{
    const sc_tensor *const t[] = { &a->y, &a->x };
    walk w = walk_over(t, 2);

    if (a->scale.ndim)
        return sc_cuda_quantise(x, a);
    return a->y.dtype == a->x.dtype ? move(x, &w, (int64_t)sc_dtype_size(a->y.dtype))
                                    : weighted_sum(x, t, 2, 1, 0, SC_ACT_NONE);
}

extern "C" int sc_cuda_axpby(sc_exec *x, const sc_axpby_args *a)
{
    const sc_tensor *const t[] = { &a->y, &a->x, &a->z };

    return weighted_sum(x, t, a->z.ndim ? 3 : 2, a->a, a->b, a->act);
}

// ---- randn

/* grid: ceil((lead + n) / 4) / 256; one block of four numbers a thread, the first `lead` of all left out */
static __global__ void k_randn(float *y, int64_t n, uint64_t seed, uint64_t first, int lead)
{
    const int64_t block = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    float v[4];

    if (4 * block - lead >= n)
        return;
    sc_normal4(seed, first + (uint64_t)block, v);
#pragma unroll
    for (int k = 0; k < 4; k++) {
        const int64_t i = 4 * block + k - lead;
        if (i >= 0 && i < n)
            y[i] = v[k];
    }
}

extern "C" int sc_cuda_randn(sc_exec *x, const sc_randn_args *a)
{
    const int64_t n = sc_tensor_count(a->y), lead = (int64_t)(a->offset % 4);

    k_randn<<<sc_blocks((lead + n + 3) / 4, THREADS), THREADS, 0, sc_cuda_of(x)->stream>>>(
        (float *)a->y.data, n, a->seed, a->offset / 4, (int)lead);
    return SC_LAUNCHED(x);
}
