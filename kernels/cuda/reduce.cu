// Reductions to a few numbers: each input is read once from memory, then from the L2 cache.
//   minmax:  quantiles by a histogram of 4096 bins between the exact minimum and maximum
//   moments: weighted mean and deviation of each channel
// minmax counts with integer atomics, which any order leaves alike. moments adds in double: threads in a
// tree, blocks by one more, of a size that no GPU changes; the same bits on all of them.
#include "rows.cuh"

enum { BINS = 4096, BLOCKS = 264, WARPS = SC_ROW_THREADS / 32 };

// ---- minmax

typedef struct range {    /* all 0 at the start */
    uint32_t top, bottom; /* largest sc_key and largest ~sc_key of all elements */
    unsigned long long count;
    int bin[BINS];
} range;

/* Calls f(value) for the finite elements of x under the mask that are this thread's. */
template <typename F> __device__ __forceinline__ void for_elements(const sc_minmax_args &a, int64_t rows, F f)
{
    const int64_t channels = sc_size_of(a.x, 0), n = sc_size_of(a.x, 1) * channels;
    const int64_t blocks = rows * ((n + SC_ROW_THREADS - 1) / SC_ROW_THREADS);

    for (int64_t b = blockIdx.x; b < blocks; b += gridDim.x) {
        const sc_place at = sc_place_of((unsigned)b, n);
        const int i = at.i / (int)channels, k = at.i % (int)channels;
        if (at.i >= n)
            continue;
        const float v = sc_row(a.x, at.row)[i * sc_step_of(a.x, 1) + k * sc_step_of(a.x, 0)];
        const bool in = !a.mask.ndim ||
                        sc_row(a.mask, at.row)[i * sc_step_of(a.mask, 1) + k * sc_step_of(a.mask, 0)] > 0.5f;
        if (in && isfinite(v))
            f(v);
    }
}

/* grid: BLOCKS */
static __global__ void k_minmax_range(sc_minmax_args a, int64_t rows, range *r)
{
    uint32_t top = 0, bottom = 0;
    unsigned count = 0;

    for_elements(a, rows, [&](float v) {
        top = max(top, sc_key(v));
        bottom = max(bottom, ~sc_key(v));
        count++;
    });
    for (int i = 16; i; i /= 2) {
        top = max(top, __shfl_xor_sync(~0u, top, i));
        bottom = max(bottom, __shfl_xor_sync(~0u, bottom, i));
        count += __shfl_xor_sync(~0u, count, i);
    }
    if (threadIdx.x % 32 == 0 && count) {
        atomicMax(&r->top, top);
        atomicMax(&r->bottom, bottom);
        atomicAdd(&r->count, (unsigned long long)count);
    }
}

typedef struct scale {
    float lo, hi, bins; /* bin = (value - lo) * bins */
    bool histogram;
} scale;

__device__ __forceinline__ scale scale_of(const range *r)
{
    scale s = { .lo = 0, .hi = 0 };
    if (r->count) {
        s.lo = sc_key_value(~r->bottom);
        s.hi = sc_key_value(r->top);
    }
    s.bins = BINS / (s.hi - s.lo);
    s.histogram = s.hi > s.lo && isfinite(s.bins) && s.bins > 0;
    return s;
}

/* grid: BLOCKS; a histogram in shared memory, then added to the one of all */
static __global__ void k_minmax_histogram(sc_minmax_args a, int64_t rows, range *r)
{
    __shared__ int bin[BINS];
    const scale s = scale_of(r);

    for (int i = threadIdx.x; i < BINS; i += SC_ROW_THREADS)
        bin[i] = 0;
    __syncthreads();
    if (s.histogram)
        for_elements(a, rows,
                     [&](float v) { atomicAdd(&bin[min((int)((v - s.lo) * s.bins), BINS - 1)], 1); });
    __syncthreads();
    for (int i = threadIdx.x; i < BINS; i += SC_ROW_THREADS)
        if (bin[i])
            atomicAdd(&r->bin[i], bin[i]);
}

/* The value below which a share q of the elements lies, found inside its bin by even division. Thread t holds
 * `before` elements in bins below its own BINS / 1024. */
__device__ __forceinline__ void quantile(float *y, const range *r, scale s, float q, int64_t before)
{
    constexpr int EACH = BINS / 1024;
    const int first = threadIdx.x * EACH;

    if (q <= 0 || q >= 1 || !s.histogram) {
        if (threadIdx.x == 0)
            *y = q >= 1 ? s.hi : s.lo;
        return;
    }
    const double rank = (double)q * (double)(r->count - 1) + 0.5;
    for (int i = first; i < first + EACH; i++) {
        const int64_t next = before + r->bin[i];
        if ((double)before <= rank && ((double)next > rank || i == BINS - 1)) {
            const float v = s.lo + (float)((i + (rank - (double)before) / max(r->bin[i], 1)) / s.bins);
            *y = SC_CLAMP(v, s.lo, s.hi);
            return;
        }
        before = next;
    }
}

/* grid: one block of 1024 */
static __global__ void k_minmax_quantiles(float *y, int64_t step, float q_lo, float q_hi, const range *r)
{
    __shared__ int64_t sums[32];
    const scale s = scale_of(r);
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int64_t own = 0, upto, before = 0;

    for (int i = 0; i < BINS / 1024; i++)
        own += r->bin[threadIdx.x * (BINS / 1024) + i];
    upto = own;
    for (int i = 1; i < 32; i *= 2) {
        const int64_t below = __shfl_up_sync(~0u, upto, i);
        upto += lane >= i ? below : 0;
    }
    if (lane == 31)
        sums[warp] = upto;
    __syncthreads();
    for (int i = 0; i < warp; i++)
        before += sums[i];
    quantile(y, r, s, q_lo, before + upto - own);
    quantile(y + step, r, s, q_hi, before + upto - own);
}

extern "C" int sc_cuda_minmax(sc_exec *x, const sc_minmax_args *a)
{
    const cudaStream_t s = sc_cuda_of(x)->stream;
    const int64_t rows = sc_row_count(a->x);
    range *r = (range *)sc_cuda_of(x)->workspace;

    cudaMemsetAsync(r, 0, sizeof(*r), s);
    k_minmax_range<<<BLOCKS, SC_ROW_THREADS, 0, s>>>(*a, rows, r);
    if (a->q_lo > 0 || a->q_hi < 1)
        k_minmax_histogram<<<BLOCKS, SC_ROW_THREADS, 0, s>>>(*a, rows, r);
    k_minmax_quantiles<<<1, 1024, 0, s>>>((float *)a->y.data, a->y.stride[0], a->q_lo, a->q_hi, r);
    return SC_LAUNCHED(x);
}

// ---- moments

typedef struct sums {
    double weight, x, square; /* sums of w, w x, w x^2 */
} sums;

/* Thread 0 gets the sum over the block. */
__device__ __forceinline__ sums block_sum(sums v)
{
    __shared__ sums part[WARPS];

    for (int i = 16; i; i /= 2) {
        v.weight += __shfl_xor_sync(~0u, v.weight, i);
        v.x += __shfl_xor_sync(~0u, v.x, i);
        v.square += __shfl_xor_sync(~0u, v.square, i);
    }
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = v;
    __syncthreads();
    for (int i = 1; threadIdx.x == 0 && i < WARPS; i++) {
        v.weight += part[i].weight;
        v.x += part[i].x;
        v.square += part[i].square;
    }
    return v;
}

/* grid: BLOCKS x channels */
static __global__ void k_moments_part(sc_moments_args a, sums *parts)
{
    const int64_t n = a.x.dim[1], blocks = a.x.dim[0] * ((n + SC_ROW_THREADS - 1) / SC_ROW_THREADS);
    sums v = { 0, 0, 0 };

    for (int64_t b = blockIdx.x; b < blocks; b += BLOCKS) {
        const sc_place at = sc_place_of((unsigned)b, n);
        if (at.i >= n)
            continue;
        const double x = sc_row(a.x, at.row)[at.i * a.x.stride[1] + blockIdx.y];
        const double w = a.mask.ndim ? sc_row(a.mask, at.row)[at.i * a.mask.stride[1]] : 1;
        v.weight += w;
        v.x += w * x;
        v.square += w * x * x;
    }
    v = block_sum(v);
    if (threadIdx.x == 0)
        parts[blockIdx.y * BLOCKS + blockIdx.x] = v;
}

/* grid: channels */
static __global__ void k_moments(sc_tensor y, const sums *parts)
{
    sums v = { 0, 0, 0 };

    for (int i = threadIdx.x; i < BLOCKS; i += SC_ROW_THREADS) {
        const sums p = parts[blockIdx.x * BLOCKS + i];
        v.weight += p.weight;
        v.x += p.x;
        v.square += p.square;
    }
    v = block_sum(v);
    if (threadIdx.x == 0) {
        float *out = (float *)y.data + blockIdx.x * y.stride[1];
        const double mean = v.weight > 0 ? v.x / v.weight : 0;
        out[0] = (float)mean;
        out[y.stride[0]] = (float)sqrt(v.weight > 0 ? fmax(v.square / v.weight - mean * mean, 0.0) : 0);
        out[2 * y.stride[0]] = (float)v.weight;
    }
}

extern "C" int sc_cuda_moments(sc_exec *x, const sc_moments_args *a)
{
    const cudaStream_t s = sc_cuda_of(x)->stream;
    const unsigned channels = (unsigned)a->x.dim[2];
    sums *parts = (sums *)sc_cuda_of(x)->workspace;

    if (channels * BLOCKS * sizeof(sums) > SC_CUDA_WORKSPACE)
        return -ENOMEM;
    k_moments_part<<<dim3(BLOCKS, channels), SC_ROW_THREADS, 0, s>>>(*a, parts);
    k_moments<<<channels, SC_ROW_THREADS, 0, s>>>(a->y, parts);
    return SC_LAUNCHED(x);
}
