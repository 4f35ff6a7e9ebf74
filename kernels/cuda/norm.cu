// GroupNorm (+SiLU) and LayerNorm over channels-last activations.
//   group: y[n,s,c] = act((x[n,s,c] - mean[n,g]) * rstd[n,g] * gamma[c] + beta[c]),   g = c / (C/G)
//   layer: y[m,c] = (x[m,c] - mean[m]) * rstd[m] * gamma[c] + beta[c]
// group: statistics of chunks of rows, then of all chunks, then one pass that applies them: x is read twice,
// y written once. layer: a warp two rows, read once. y may be x.
//
// Statistics are means and sums of squared deviations M2, joined as Chan, Golub and LeVeque ("Updating
// formulae", 1979) do: a mean far from 0 costs no digits. Inside a thread, f32 sums of x - (the first x of
// that channel); between threads, double. Nothing depends on the order in which blocks run.
#include "common.cuh"

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
} part;

typedef struct group_args {
    const void *x;
    void *y;
    const float *gamma, *beta;
    part *parts;   /* [N, chunks, groups] */
    float2 *stats; /* [N, groups]: mean, 1 / deviation */
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

__device__ __forceinline__ int64_t rows_of_chunk(const group_args &a, int chunk)
{
    return min(a.rows - (int64_t)chunk * a.chunk_rows, (int64_t)a.chunk_rows);
}

/* Threads (columns of V channels) x (rows at a time): x is the column. One row of blocks for each n.
 * grid: chunks x N; dynamic shared memory: (mean, M2) of each channel of each thread. */
template <typename T, int V>
static __global__ void __launch_bounds__(MOST_THREADS) k_group_norm_part(group_args a)
{
    extern __shared__ float2 shared[]; /* [rows at a time, channels] */
    const int64_t count = rows_of_chunk(a, blockIdx.x),
                  begin = blockIdx.y * a.rows + blockIdx.x * (int64_t)a.chunk_rows;
    const T *x = (const T *)a.x + begin * a.channels + threadIdx.x * V;
    float first[V], sum[V] = {}, square[V] = {};
    int n = 0;

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
            }
    }
    const float inverse = 1.0f / n;
    for (int i = 0; i < V && n; i++)
        shared[threadIdx.y * a.channels + threadIdx.x * V + i] =
            make_float2(first[i] + sum[i] * inverse, fmaxf(square[i] - sum[i] * (sum[i] * inverse), 0));
    __syncthreads();

    /* A warp a group joins its channels of all rows at a time; the first rows have one row more. */
    const int thread = threadIdx.y * blockDim.x + threadIdx.x, warps = blockDim.x * blockDim.y / 32;
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
            a.parts[((int64_t)blockIdx.y * gridDim.x + blockIdx.x) * a.groups + g] = part{ mean, m2 };
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
    double sum = 0, square = 0;

    for (int64_t e = threadIdx.x; e < count; e += PLAIN_THREADS) {
        const double d = sc_f32(x[e / a.width * a.channels + e % a.width]) - first;
        sum += d;
        square += d * d;
    }
    sum = warp_sum(sum);
    square = warp_sum(square);
    sums[0][threadIdx.x / 32] = sum;
    sums[1][threadIdx.x / 32] = square;
    __syncthreads();
    if (threadIdx.x)
        return;
    for (int i = 1; i < PLAIN_THREADS / 32; i++) {
        sum += sums[0][i];
        square += sums[1][i];
    }
    a.parts[((int64_t)blockIdx.y * a.chunks + chunk) * a.groups + g] =
        part{ first + sum / (double)count, square - sum * sum / (double)count };
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
    if (threadIdx.x == 0)
        a.stats[blockIdx.y * a.groups + blockIdx.x] =
            make_float2((float)mean, (float)(1 / sqrt(m2 / total + a.eps)));
}

/* SiLU: where 8 or 11 bits are kept, the fast exponential and quotient are as good and four times quicker. */
template <typename T> __device__ __forceinline__ float silu(float v)
{
    return sizeof(T) == 4 ? v / (1 + expf(-v)) : __fdividef(v, 1 + __expf(-v));
}

/* Threads and grid as in k_group_norm_part. */
template <typename T, int V>
static __global__ void __launch_bounds__(MOST_THREADS) k_group_norm_apply(group_args a)
{
    const int64_t count = rows_of_chunk(a, blockIdx.x),
                  begin = blockIdx.y * a.rows + blockIdx.x * (int64_t)a.chunk_rows;
    for (int column = threadIdx.x * V; column < a.channels; column += blockDim.x * V) {
        const T *x = (const T *)a.x + begin * a.channels + column;
        T *y = (T *)a.y + begin * a.channels + column;
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
#pragma unroll
                    for (int i = 0; i < V; i++) {
                        const float v = fmaf(sc_f32(in[k].v[i]) - mean[i], scale[i], shift[i]);
                        in[k].v[i] = sc_from_f32<T>(a.silu ? silu<T>(v) : v);
                    }
                    *(lanes<T, V> *)(y + (r + k * blockDim.y) * a.channels) = in[k];
                }
        }
    }
}

static bool aligned(sc_tensor t)
{
    return (uintptr_t)t.data % 16 == 0;
}

template <typename T> static int group_norm(sc_exec *x, const sc_group_norm_args *n)
{
    constexpr int V = 16 / sizeof(T);
    const sc_cuda *c = sc_cuda_of(x);
    const int images = (int)n->x.dim[0], channels = (int)n->x.dim[2], columns = channels / V;
    const int rows_of_threads = SC_MAX(1, GOOD_THREADS / SC_MAX(columns, 1));
    const bool fast = channels % V == 0 && columns <= MOST_THREADS && aligned(n->x) && aligned(n->y);
    const int64_t rows = n->x.dim[1];
    group_args a = { .x = n->x.data,
                     .y = n->y.data,
                     .gamma = (const float *)n->gamma.data,
                     .beta = (const float *)n->beta.data,
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
        const size_t shared = block.x * block.y * V * sizeof(float2);
        k_group_norm_part<T, V><<<grid, block, shared, c->stream>>>(a);
        k_group_norm_join<<<dim3(a.groups, images), 32, 0, c->stream>>>(a);
        k_group_norm_apply<T, V><<<grid, block, 0, c->stream>>>(a);
    } else {
        k_group_norm_part_plain<T><<<dim3(a.chunks * a.groups, images), PLAIN_THREADS, 0, c->stream>>>(a);
        k_group_norm_join<<<dim3(a.groups, images), 32, 0, c->stream>>>(a);
        k_group_norm_apply<T, 1><<<grid, dim3(32, PLAIN_THREADS / 32), 0, c->stream>>>(a);
    }
    return SC_LAUNCHED(x);
}

extern "C" int sc_cuda_group_norm(sc_exec *x, const sc_group_norm_args *a)
{
    return sc_by_type(a->x.dtype, [&]<typename T>(T *) { return group_norm<T>(x, a); });
}

/* Up to N x 32 x V channels, held in registers. grid: M / 16; a warp two rows, which share gamma and beta. */
template <typename T, int V, int N> static __global__ void k_layer_norm(sc_layer_norm_args a)
{
    const int64_t row = ((int64_t)blockIdx.x * (PLAIN_THREADS / 32) + threadIdx.x / 32) * 2;
    const int channels = (int)a.x.dim[1], first = threadIdx.x % 32 * V;
    const bool there[2] = { row < a.x.dim[0], row + 1 < a.x.dim[0] };
    const T *x = (const T *)a.x.data + row * channels;
    T *y = (T *)a.y.data + row * channels;
    const float *gamma = (const float *)a.gamma.data, *beta = (const float *)a.beta.data;
    lanes<T, V> in[2][N];
    float mean[2], rstd[2];

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
            for (int i = 0; i < V; i++)
                in[k][j].v[i] =
                    sc_from_f32<T>(fmaf((sc_f32(in[k][j].v[i]) - mean[k]) * rstd[k], scale.v[i], shift.v[i]));
            if (there[k])
                *(lanes<T, V> *)(y + k * channels + c) = in[k][j];
        }
    }
}

/* Any shape. grid: M / 8; a warp a row */
template <typename T> static __global__ void k_layer_norm_plain(sc_layer_norm_args a)
{
    const int64_t row = (int64_t)blockIdx.x * (PLAIN_THREADS / 32) + threadIdx.x / 32;
    const int channels = (int)a.x.dim[1], first = threadIdx.x % 32;
    const T *x = (const T *)a.x.data + row * channels;
    T *y = (T *)a.y.data + row * channels;
    const float *gamma = (const float *)a.gamma.data, *beta = (const float *)a.beta.data;
    float sum = 0, square = 0;

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
    for (int c = first; c < channels; c += 32)
        y[c] = sc_from_f32<T>(fmaf((sc_f32(x[c]) - mean) * rstd, gamma[c], beta[c]));
}

template <typename T> static int layer_norm(sc_exec *x, const sc_layer_norm_args *a)
{
    constexpr int V = 16 / sizeof(T);
    const int64_t rows = a->x.dim[0], channels = a->x.dim[1];
    constexpr int MOST = 40 / V; /* more would leave no registers for a second block */
    const int64_t count = (channels + 32 * V - 1) / (32 * V); /* vectors of a lane */
    const unsigned blocks = sc_blocks(rows, PLAIN_THREADS / 16);
    const cudaStream_t s = sc_cuda_of(x)->stream;

    if (channels % V || count > MOST || !aligned(a->x) || !aligned(a->y) || !aligned(a->gamma) ||
        !aligned(a->beta))
        k_layer_norm_plain<T><<<sc_blocks(rows, PLAIN_THREADS / 32), PLAIN_THREADS, 0, s>>>(*a);
    else if (count == 1)
        k_layer_norm<T, V, 1><<<blocks, PLAIN_THREADS, 0, s>>>(*a);
    else if (count == 2)
        k_layer_norm<T, V, 2><<<blocks, PLAIN_THREADS, 0, s>>>(*a);
    else if (count == 3)
        k_layer_norm<T, V, 3><<<blocks, PLAIN_THREADS, 0, s>>>(*a);
    else if (count <= 5)
        k_layer_norm<T, V, 5><<<blocks, PLAIN_THREADS, 0, s>>>(*a);
    else
        k_layer_norm<T, V, MOST><<<blocks, PLAIN_THREADS, 0, s>>>(*a);
    return SC_LAUNCHED(x);
}

extern "C" int sc_cuda_layer_norm(sc_exec *x, const sc_layer_norm_args *a)
{
    return sc_by_type(a->x.dtype, [&]<typename T>(T *) { return layer_norm<T>(x, a); });
}
