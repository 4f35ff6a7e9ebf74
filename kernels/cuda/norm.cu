// GroupNorm (+SiLU) and LayerNorm over channels-last activations.
//   group: y[n,s,c] = act((x[n,s,c] - mean[n,g]) * rstd[n,g] * gamma[c] + beta[c]),   g = c / (C/G)
//   layer: y[m,c] = (x[m,c] - mean[m]) * rstd[m] * gamma[c] + beta[c]
// group: statistics of chunks of rows, then of all chunks, then one pass that applies them: x is read twice,
// y written once. layer: a warp two rows, read once. y may be x.
//
// Statistics are means and sums of squared deviations M2, joined as Chan, Golub and LeVeque ("Updating
// formulae", 1979) do: a mean far from 0 costs no digits. Inside a thread, f32 sums of x - (the first x of
// that channel); between threads, double. Nothing depends on the order in which blocks run.
//
// E4M3 for y costs no pass: a row's largest number is known while the row is in registers, and a bound on all
// of a group's comes with its statistics; of E4M3, whose digits do not depend on its factor, one some times
// too large is as good.
#include "e4m3.cuh"

enum {
    MOST_THREADS =
        768, /* of a block over rows: its sums fill 48 KiB of shared memory at 8 channels a thread */
    GOOD_THREADS = 256, /* at 80 registers three such blocks share a processor */
    PLAIN_THREADS = 256,
    CHUNKS = 512, /* over all n: about four blocks on each of 132 processors */
    ROWS = 4      /* that a thread loads before it looks at the first: enough to hide the memory's latency */
};

template <typename T, int V> struct alignas(V * sizeof(T) > 16 ? 16 : V * sizeof(T)) lanes {
    T v[V];
};

typedef struct part { /* of n numbers; n is known by its place */
    double mean, m2;
    float most; /* the largest magnitude, if y is E4M3 */
} part;

typedef struct group_args {
    const void *x;
    void *y;
    const float *gamma, *beta;
    part *parts;   /* [N, chunks, groups] */
    float2 *stats; /* [N, groups]: mean, 1 / deviation */
    float *scale;  /* of y, if that is E4M3 */
    int64_t rows;  /* of each n */
    int channels, groups, width, chunk_rows, chunks;
    float eps;
    bool silu;
} group_args;

/* All lanes get the sum, added in the same tree whoever comes first. */
__device__ __forceinline__ double warp_sum(double v)
{
    for (int i = 16; i; i /= 2)
        v += __shfl_xor_sync(~0u, v, i);
    return v;
}

__device__ __forceinline__ float warp_sum(float v)
{
    for (int i = 16; i; i /= 2)
        v += __shfl_xor_sync(~0u, v, i);
    return v;
}

/* The larger magnitudes of two words of T, as bits: those are in the same order. */
template <typename T> __device__ __forceinline__ uint32_t larger(uint32_t most, uint32_t word)
{
    return sizeof(T) == 2 ? __vmaxu2(most, word & 0x7fff7fff) : max(most, word & 0x7fffffff);
}

template <typename Y> constexpr bool NARROW = sizeof(Y) == 1;

template <typename Y, int V> __device__ __forceinline__ void store(Y *y, const float (&v)[V])
{
    lanes<Y, V> out;

    if constexpr (NARROW<Y> && V % 4 == 0)
#pragma unroll
        for (int i = 0; i < V; i += 4)
            *(__nv_fp8x4_e4m3 *)&out.v[i] = __nv_fp8x4_e4m3(make_float4(v[i], v[i + 1], v[i + 2], v[i + 3]));
    else
#pragma unroll
        for (int i = 0; i < V; i++)
            out.v[i] = sc_from_f32<Y>(v[i]);
    *(lanes<Y, V> *)y = out;
}

__device__ __forceinline__ int64_t rows_of_chunk(const group_args &a, int chunk)
{
    return min(a.rows - (int64_t)chunk * a.chunk_rows, (int64_t)a.chunk_rows);
}

/* Threads (columns of V channels) x (rows at a time): x is the column. One row of blocks for each n.
 * grid: chunks x N; dynamic shared memory: (mean, M2) of each channel of each thread, then groups' most. */
template <typename T, int V, bool MOST>
static __global__ void __launch_bounds__(MOST_THREADS) k_group_norm_part(group_args a)
{
    extern __shared__ float2 shared[]; /* [rows at a time, channels] */
    unsigned *const most = (unsigned *)(shared + blockDim.y * a.channels);
    const int thread = threadIdx.y * blockDim.x + threadIdx.x;
    const int64_t count = rows_of_chunk(a, blockIdx.x),
                  begin = blockIdx.y * a.rows + blockIdx.x * (int64_t)a.chunk_rows;
    const T *x = (const T *)a.x + begin * a.channels + threadIdx.x * V;
    float first[V], sum[V] = {}, square[V] = {};
    constexpr int WORDS = V * sizeof(T) / 4;
    uint32_t large[WORDS] = {};
    int n = 0;

    if (MOST) {
        if (thread < a.groups)
            most[thread] = 0;
        if (thread + blockIdx.x + blockIdx.y == 0)
            *a.scale = 0; /* for k_group_norm_join */
        __syncthreads();
    }

    const lanes<T, V> row0 = *(const lanes<T, V> *)x;
    for (int i = 0; i < V; i++)
        first[i] = sc_f32(row0.v[i]);
    for (int64_t r = threadIdx.y; r < count; r += ROWS * blockDim.y) {
        lanes<T, V> in[ROWS];
#pragma unroll
        for (int k = 0; k < ROWS; k++)
            if (r + k * blockDim.y < count)
                in[k] = *(const lanes<T, V> *)(x + (r + k * blockDim.y) * a.channels);
#pragma unroll
        for (int k = 0; k < ROWS; k++)
            if (r + k * blockDim.y < count) {
                n++;
#pragma unroll
                for (int i = 0; i < V; i++) {
                    const float d = sc_f32(in[k].v[i]) - first[i];
                    sum[i] += d;
                    square[i] = fmaf(d, d, square[i]);
                }
#pragma unroll
                for (int i = 0; i < (MOST ? WORDS : 0); i++) {
                    large[i] = larger<T>(large[i], ((const uint32_t *)&in[k])[i]);
                }
            }
    }
    const float inverse = 1.0f / n;
    for (int i = 0; i < V && n; i++)
        shared[threadIdx.y * a.channels + threadIdx.x * V + i] =
            make_float2(first[i] + sum[i] * inverse, fmaxf(square[i] - sum[i] * (sum[i] * inverse), 0));
    for (int i = 0; i < V && MOST; i++) /* bits of floats >= 0 are in the order of the floats */
        atomicMax(&most[(threadIdx.x * V + i) / a.width], __float_as_uint(sc_f32(((const T *)large)[i])));
    __syncthreads();

    /* A warp a group joins its channels of all rows at a time; the first rows have one row more. */
    const int warps = blockDim.x * blockDim.y / 32;
    const int used = (int)min(count, (int64_t)blockDim.y);
    for (int g = thread / 32; thread / 32 < warps && g < a.groups; g += warps) {
        double mean = 0, m2 = 0;
        for (int pass = 0; pass < 2; pass++) {
            double v = 0;
            for (int e = thread % 32; e < a.width * used; e += 32) {
                const int row = e / a.width;
                const float2 p = shared[row * a.channels + g * a.width + e % a.width];
                const double rows = (double)((count - row + blockDim.y - 1) / blockDim.y), d = p.x - mean;
                v += pass ? p.y + rows * d * d : rows * p.x;
            }
            v = warp_sum(v);
            (pass ? m2 : mean) = pass ? v : v / ((double)count * a.width);
        }
        if (thread % 32 == 0)
            a.parts[((int64_t)blockIdx.y * gridDim.x + blockIdx.x) * a.groups + g] =
                part{ mean, m2, MOST ? __uint_as_float(most[g]) : 0 };
    }
}

/* The same for any shape. grid: (chunks * groups) x N, 256 threads. */
template <typename T> static __global__ void k_group_norm_part_plain(group_args a)
{
    const int chunk = blockIdx.x / a.groups, g = blockIdx.x % a.groups;
    const int64_t count = rows_of_chunk(a, chunk) * a.width;
    const T *x =
        (const T *)a.x + (blockIdx.y * a.rows + chunk * (int64_t)a.chunk_rows) * a.channels + g * a.width;
    const double first = sc_f32(x[0]);
    __shared__ double sums[2][PLAIN_THREADS / 32];
    __shared__ float large[PLAIN_THREADS / 32];
    double sum = 0, square = 0;
    float most = 0;

    if (a.scale && threadIdx.x + blockIdx.x + blockIdx.y == 0)
        *a.scale = 0; /* for k_group_norm_join */
    for (int64_t e = threadIdx.x; e < count; e += PLAIN_THREADS) {
        const double v = sc_f32(x[e / a.width * a.channels + e % a.width]), d = v - first;
        most = fmaxf(most, fabsf((float)v));
        sum += d;
        square += d * d;
    }
    sum = warp_sum(sum);
    square = warp_sum(square);
    sums[0][threadIdx.x / 32] = sum;
    sums[1][threadIdx.x / 32] = square;
    large[threadIdx.x / 32] = sc_warp_max(most);
    __syncthreads();
    if (threadIdx.x)
        return;
    for (int i = 1; i < PLAIN_THREADS / 32; i++) {
        sum += sums[0][i];
        square += sums[1][i];
    }
    for (int i = 0; i < PLAIN_THREADS / 32; i++)
        most = fmaxf(most, large[i]);
    a.parts[((int64_t)blockIdx.y * a.chunks + chunk) * a.groups + g] =
        part{ first + sum / (double)count, square - sum * sum / (double)count, most };
}

/* grid: groups x N, one warp. */
static __global__ void k_group_norm_join(group_args a)
{
    const part *p = a.parts + (int64_t)blockIdx.y * a.chunks * a.groups + blockIdx.x;
    const double total = (double)a.rows * a.width;
    double mean = 0, m2 = 0;

    for (int pass = 0; pass < 2; pass++) {
        double v = 0;
        for (int i = threadIdx.x; i < a.chunks; i += 32) {
            const part q = p[(int64_t)i * a.groups];
            const double n = (double)rows_of_chunk(a, i) * a.width, d = q.mean - mean;
            v += pass ? q.m2 + n * d * d : n * q.mean;
        }
        (pass ? m2 : mean) = pass ? warp_sum(v) : warp_sum(v) / total;
    }
    const float rstd = (float)(1 / sqrt(m2 / total + a.eps));
    if (threadIdx.x == 0)
        a.stats[blockIdx.y * a.groups + blockIdx.x] = make_float2((float)mean, rstd);
    if (!a.scale)
        return;
    float most = 0, gamma = 0, beta = 0;
    for (int i = threadIdx.x; i < a.chunks; i += 32)
        most = fmaxf(most, p[(int64_t)i * a.groups].most);
    for (int i = threadIdx.x; i < a.width; i += 32) {
        gamma = fmaxf(gamma, fabsf(a.gamma[blockIdx.x * a.width + i]));
        beta = fmaxf(beta, fabsf(a.beta[blockIdx.x * a.width + i]));
    }
    most = (sc_warp_max(most) + fabsf((float)mean)) * rstd * sc_warp_max(gamma) + sc_warp_max(beta);
    if (threadIdx.x == 0) /* the largest of integers, whatever their order */
        atomicMax((unsigned *)a.scale, __float_as_uint(most / 448));
}

/* SiLU: where 8 or 11 bits are kept, the fast exponential and quotient are as good and four times quicker. */
template <typename T> __device__ __forceinline__ float silu(float v)
{
    return sizeof(T) == 4 ? v / (1 + expf(-v)) : __fdividef(v, 1 + __expf(-v));
}

/* Threads and grid as in k_group_norm_part. */
template <typename T, int V, typename Y>
static __global__ void __launch_bounds__(MOST_THREADS) k_group_norm_apply(group_args a)
{
    const float factor = !NARROW<Y> ? 1 : *a.scale > 0 ? 1 / *a.scale : 0;
    const int64_t count = rows_of_chunk(a, blockIdx.x),
                  begin = blockIdx.y * a.rows + blockIdx.x * (int64_t)a.chunk_rows;
    for (int column = threadIdx.x * V; column < a.channels; column += blockDim.x * V) {
        const T *x = (const T *)a.x + begin * a.channels + column;
        Y *y = (Y *)a.y + begin * a.channels + column;
        float mean[V], scale[V], shift[V];
        int g = column / a.width, next = (g + 1) * a.width;
        for (int i = 0; i < V; i++) {
            g += column + i == next;
            next += column + i == next ? a.width : 0;
            const float2 s = a.stats[blockIdx.y * a.groups + g];
            mean[i] = s.x;
            scale[i] = s.y * a.gamma[column + i];
            shift[i] = a.beta[column + i];
        }
        for (int64_t r = threadIdx.y; r < count; r += ROWS * blockDim.y) {
            lanes<T, V> in[ROWS];
#pragma unroll
            for (int k = 0; k < ROWS; k++)
                if (r + k * blockDim.y < count)
                    in[k] = *(const lanes<T, V> *)(x + (r + k * blockDim.y) * a.channels);
#pragma unroll
            for (int k = 0; k < ROWS; k++)
                if (r + k * blockDim.y < count) {
                    float v[V];
#pragma unroll
                    for (int i = 0; i < V; i++) {
                        v[i] = fmaf(sc_f32(in[k].v[i]) - mean[i], scale[i], shift[i]);
                        v[i] = a.silu ? silu<T>(v[i]) : v[i];
                        v[i] = NARROW<Y> ? v[i] * factor : v[i];
                    }
                    store<Y, V>(y + (r + k * blockDim.y) * a.channels, v);
                }
        }
    }
}

static bool aligned(sc_tensor t)
{
    return (uintptr_t)t.data % 16 == 0;
}

template <typename T, typename Y> static int group_norm(sc_exec *x, const sc_group_norm_args *n)
{
    constexpr int V = 16 / sizeof(T);
    const sc_cuda *c = sc_cuda_of(x);
    const int images = (int)n->x.dim[0], channels = (int)n->x.dim[2], columns = channels / V;
    const int rows_of_threads = SC_MAX(1, GOOD_THREADS / SC_MAX(columns, 1));
    const size_t shared =
        (size_t)columns * rows_of_threads * V * sizeof(float2) + n->groups * sizeof(unsigned);
    const bool fast = channels % V == 0 && columns <= MOST_THREADS && aligned(n->x) && aligned(n->y) &&
                      shared <= 48 << 10 && n->groups <= columns * rows_of_threads;
    const int64_t rows = n->x.dim[1];
    group_args a = { .x = n->x.data,
                     .y = n->y.data,
                     .gamma = (const float *)n->gamma.data,
                     .beta = (const float *)n->beta.data,
                     .scale = NARROW<Y> ? n->y.scale : NULL,
                     .rows = rows,
                     .channels = channels,
                     .groups = n->groups,
                     .width = channels / n->groups,
                     .eps = n->eps,
                     .silu = n->silu };
    const int64_t at_least = ROWS * (fast ? rows_of_threads : 1), wanted = SC_MAX(1, CHUNKS / images);

    a.chunk_rows = (int)SC_MAX((rows + wanted - 1) / wanted, at_least);
    a.chunks = (int)((rows + a.chunk_rows - 1) / a.chunk_rows);
    a.parts = (part *)c->workspace;
    a.stats = (float2 *)(a.parts + (int64_t)images * a.chunks * a.groups);
    if ((char *)(a.stats + (int64_t)images * a.groups) > (char *)c->workspace + SC_CUDA_WORKSPACE)
        return -ENOMEM;
    const dim3 grid(a.chunks, images);
    if (fast) {
        const dim3 block(columns, rows_of_threads);
        k_group_norm_part<T, V, NARROW<Y>><<<grid, block, shared, c->stream>>>(a);
        k_group_norm_join<<<dim3(a.groups, images), 32, 0, c->stream>>>(a);
        k_group_norm_apply<T, V, Y><<<grid, block, 0, c->stream>>>(a);
    } else {
        k_group_norm_part_plain<T><<<dim3(a.chunks * a.groups, images), PLAIN_THREADS, 0, c->stream>>>(a);
        k_group_norm_join<<<dim3(a.groups, images), 32, 0, c->stream>>>(a);
        k_group_norm_apply<T, 1, Y><<<grid, dim3(32, PLAIN_THREADS / 32), 0, c->stream>>>(a);
    }
    return SC_LAUNCHED(x);
}

extern "C" int sc_cuda_group_norm(sc_exec *x, const sc_group_norm_args *a)
{
    return sc_by_type(a->x.dtype, [&]<typename T>(T *) {
        return a->y.dtype == SC_F8 ? group_norm<T, __nv_fp8_e4m3>(x, a) : group_norm<T, T>(x, a);
    });
}

/* Up to N x 32 x V channels, held in registers. grid: M / 16; a warp two rows, which share gamma and beta. */
template <typename T, int V, int N, typename Y> static __global__ void k_layer_norm(sc_layer_norm_args a)
{
    const int64_t row = ((int64_t)blockIdx.x * (PLAIN_THREADS / 32) + threadIdx.x / 32) * 2;
    const int channels = (int)a.x.dim[1], first = threadIdx.x % 32 * V;
    const bool there[2] = { row < a.x.dim[0], row + 1 < a.x.dim[0] };
    const T *x = (const T *)a.x.data + row * channels;
    Y *y = (Y *)a.y.data + row * channels;
    const float *gamma = (const float *)a.gamma.data, *beta = (const float *)a.beta.data;
    lanes<T, V> in[2][N];
    float mean[2], rstd[2], most[2] = {};

#pragma unroll
    for (int k = 0; k < 2; k++)
#pragma unroll
        for (int j = 0; j < N; j++)
            if (first + j * 32 * V < channels && there[k])
                in[k][j] = *(const lanes<T, V> *)(x + k * channels + first + j * 32 * V);
#pragma unroll
    for (int k = 0; k < 2; k++) {
        float sum = 0, square = 0;
#pragma unroll
        for (int j = 0; j < N; j++)
#pragma unroll
            for (int i = 0; i < V; i++)
                sum += first + j * 32 * V < channels && there[k] ? sc_f32(in[k][j].v[i]) : 0;
        mean[k] = warp_sum(sum) / channels;
#pragma unroll
        for (int j = 0; j < N; j++)
#pragma unroll
            for (int i = 0; i < V; i++) {
                const float d =
                    first + j * 32 * V < channels && there[k] ? sc_f32(in[k][j].v[i]) - mean[k] : 0;
                square = fmaf(d, d, square);
            }
        rstd[k] = 1 / sqrtf(warp_sum(square) / channels + a.eps);
    }
#pragma unroll
    for (int j = 0; j < N; j++) {
        const int c = first + j * 32 * V;
        if (c >= channels)
            break;
        const lanes<float, V> scale = *(const lanes<float, V> *)(gamma + c);
        const lanes<float, V> shift = *(const lanes<float, V> *)(beta + c);
#pragma unroll
        for (int k = 0; k < 2; k++) {
#pragma unroll
            for (int i = 0; i < V; i++) {
                const float v = fmaf((sc_f32(in[k][j].v[i]) - mean[k]) * rstd[k], scale.v[i], shift.v[i]);
                if (NARROW<Y>)
                    most[k] = fmaxf(most[k], fabsf(v));
                in[k][j].v[i] = sc_from_f32<T>(v);
            }
            if (!NARROW<Y> && there[k])
                *(lanes<T, V> *)((T *)y + k * channels + c) = in[k][j];
        }
    }
#pragma unroll
    for (int k = 0; k < (NARROW<Y> ? 2 : 0); k++) {
        const float scale = sc_e4m3_scale(sc_warp_max(most[k])), factor = 1 / scale;
        if (there[k] && threadIdx.x % 32 == 0)
            a.y.scale[row + k] = scale;
#pragma unroll
        for (int j = 0; j < N; j++) {
            float v[V];
#pragma unroll
            for (int i = 0; i < V; i++)
                v[i] = sc_f32(in[k][j].v[i]) * factor;
            if (there[k] && first + j * 32 * V < channels)
                store<Y, V>(y + k * channels + first + j * 32 * V, v);
        }
    }
}

/* Any shape. grid: M / 8; a warp a row */
template <typename T, typename Y> static __global__ void k_layer_norm_plain(sc_layer_norm_args a)
{
    const int64_t row = (int64_t)blockIdx.x * (PLAIN_THREADS / 32) + threadIdx.x / 32;
    const int channels = (int)a.x.dim[1], first = threadIdx.x % 32;
    const T *x = (const T *)a.x.data + row * channels;
    Y *y = (Y *)a.y.data + row * channels;
    const float *gamma = (const float *)a.gamma.data, *beta = (const float *)a.beta.data;
    float sum = 0, square = 0, most = 0;

    if (row >= a.x.dim[0])
        return;
    for (int c = first; c < channels; c += 32)
        sum += sc_f32(x[c]);
    const float mean = warp_sum(sum) / channels;
    for (int c = first; c < channels; c += 32) {
        const float d = sc_f32(x[c]) - mean;
        square = fmaf(d, d, square);
    }
    const float rstd = 1 / sqrtf(warp_sum(square) / channels + a.eps);
    for (int c = first; c < channels && NARROW<Y>; c += 32)
        most = fmaxf(most, fabsf(fmaf((sc_f32(x[c]) - mean) * rstd, gamma[c], beta[c])));
    most = NARROW<Y> ? sc_e4m3_scale(sc_warp_max(most)) : 1;
    if (NARROW<Y> && first == 0)
        a.y.scale[row] = most;
    for (int c = first; c < channels; c += 32) {
        const float v = fmaf((sc_f32(x[c]) - mean) * rstd, gamma[c], beta[c]);
        y[c] = sc_from_f32<Y>(NARROW<Y> ? v / most : v);
    }
}

template <typename T, typename Y> static int layer_norm(sc_exec *x, const sc_layer_norm_args *a)
{
    constexpr int V = 16 / sizeof(T);
    const int64_t rows = a->x.dim[0], channels = a->x.dim[1];
    constexpr int MOST = 40 / V; /* more would leave no registers for a second block */
    const int64_t count = (channels + 32 * V - 1) / (32 * V); /* vectors of a lane */
    const unsigned blocks = sc_blocks(rows, PLAIN_THREADS / 16);
    const cudaStream_t s = sc_cuda_of(x)->stream;

    if (channels % V || count > MOST || !aligned(a->x) || !aligned(a->y) || !aligned(a->gamma) ||
        !aligned(a->beta))
        k_layer_norm_plain<T, Y><<<sc_blocks(rows, PLAIN_THREADS / 32), PLAIN_THREADS, 0, s>>>(*a);
    else if (count == 1)
        k_layer_norm<T, V, 1, Y><<<blocks, PLAIN_THREADS, 0, s>>>(*a);
    else if (count == 2)
        k_layer_norm<T, V, 2, Y><<<blocks, PLAIN_THREADS, 0, s>>>(*a);
    else if (count == 3)
        k_layer_norm<T, V, 3, Y><<<blocks, PLAIN_THREADS, 0, s>>>(*a);
    else if (count <= 5)
        k_layer_norm<T, V, 5, Y><<<blocks, PLAIN_THREADS, 0, s>>>(*a);
    else
        k_layer_norm<T, V, MOST, Y><<<blocks, PLAIN_THREADS, 0, s>>>(*a);
    return SC_LAUNCHED(x);
}

extern "C" int sc_cuda_layer_norm(sc_exec *x, const sc_layer_norm_args *a)
{
    return sc_by_type(a->x.dtype, [&]<typename T>(T *) {
        return a->y.dtype == SC_F8 ? layer_norm<T, __nv_fp8_e4m3>(x, a) : layer_norm<T, T>(x, a);
    });
}
