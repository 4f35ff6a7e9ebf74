// copy to E4M3 with factors: scale[g] = max |x[g]| / 448, y = x / scale[g] (src/ops.h: to the bit).
//   by rows: a warp a row: the max, then the codes. The second read of the row comes from L1.
//   as one:  the max over blocks, then the codes: x is read twice, from L2 if it fits.
// From memory 2 bytes are read (fp16) and 1 is written, a number. 16 bytes a load where rows are so aligned.
#include "e4m3.cuh"

enum {
    THREADS = 256,
    WARPS = THREADS / 32,
    LANES = 8 /* numbers a thread takes at once: 16 bytes of fp16 */
};

template <typename T, int V> struct alignas(V * sizeof(T) > 16 ? 16 : V * sizeof(T)) lanes {
    T v[V];
};

template <typename T, int V> __device__ static float largest(const T *x, float so_far)
{
    const lanes<T, V> in = *(const lanes<T, V> *)x;

#pragma unroll
    for (int i = 0; i < V; i++)
        so_far = fmaxf(so_far, fabsf(sc_f32(in.v[i]))); /* passes over NaN */
    return so_far;
}

template <typename T, int V> __device__ static void encode(__nv_fp8_e4m3 *y, const T *x, float scale)
{
    const lanes<T, V> in = *(const lanes<T, V> *)x;
    lanes<__nv_fp8_e4m3, V> out;

#pragma unroll
    for (int i = 0; i < V; i++)
        out.v[i] = __nv_fp8_e4m3(sc_f32(in.v[i]) / scale); /* a reciprocal would round twice */
    *(lanes<__nv_fp8_e4m3, V> *)y = out;
}

/* Rows of k, `step` apart in x. grid: rows / 8 */
template <typename T, int V>
static __global__ void k_quantise_rows(__nv_fp8_e4m3 *y, float *scale, const T *x, int64_t rows, int64_t k,
                                       int64_t step)
{
    const int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
    const int lane = threadIdx.x % 32;
    float most = 0;

    if (row >= rows)
        return;
    for (int64_t i = lane * V; i < k; i += 32 * V)
        most = largest<T, V>(x + row * step + i, most);
    const float s = sc_e4m3_scale(sc_warp_max(most));
    if (lane == 0)
        scale[row] = s;
    for (int64_t i = lane * V; i < k; i += 32 * V)
        encode<T, V>(y + row * k + i, x + row * step + i, s);
}

/* most: 0 before. Bits of floats >= 0 are in the order of the floats, and the max of integers is the same in
 * any order of blocks. */
template <typename T, int V> static __global__ void k_quantise_max(unsigned *most, const T *x, int64_t n)
{
    const int64_t step = (int64_t)gridDim.x * THREADS * V;
    __shared__ float shared[WARPS];
    float v = 0;

    for (int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * V; i < n; i += step)
        v = largest<T, V>(x + i, v);
    v = sc_warp_max(v);
    if (threadIdx.x % 32 == 0)
        shared[threadIdx.x / 32] = v;
    __syncthreads(); /* each warp's max is there */
    if (threadIdx.x == 0) {
        for (int i = 1; i < WARPS; i++)
            v = fmaxf(v, shared[i]);
        atomicMax(most, __float_as_uint(v));
    }
}

template <typename T, int V>
static __global__ void k_quantise(__nv_fp8_e4m3 *y, float *scale, const unsigned *most, const T *x, int64_t n)
{
    const int64_t step = (int64_t)gridDim.x * THREADS * V;
    const float s = sc_e4m3_scale(__uint_as_float(*most));

    if (blockIdx.x == 0 && threadIdx.x == 0)
        *scale = s;
    for (int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * V; i < n; i += step)
        encode<T, V>(y + i, x + i, s);
}

template <typename T, int V> static int launch(sc_exec *x, const sc_copy_args *a)
{
    const cudaStream_t s = sc_cuda_of(x)->stream;
    const int64_t n = sc_tensor_count(a->y), rows = a->scale.dim[0], k = n / rows;
    __nv_fp8_e4m3 *y = (__nv_fp8_e4m3 *)a->y.data;
    float *scale = (float *)a->scale.data;
    const T *in = (const T *)a->x.data;

    if (rows > 1) {
        k_quantise_rows<T, V>
            <<<sc_blocks(rows, WARPS), THREADS, 0, s>>>(y, scale, in, rows, k, a->x.stride[0]);
        return SC_LAUNCHED(x);
    }
    unsigned *most = (unsigned *)sc_cuda_of(x)->workspace;
    const int ret = sc_cuda_check(x, cudaMemsetAsync(most, 0, sizeof(*most), s), "copy");
    const unsigned blocks =
        (unsigned)SC_MIN((n + THREADS * V - 1) / (THREADS * V), 8 * sc_cuda_of(x)->processors);
    if (ret < 0)
        return ret;
    k_quantise_max<T, V><<<blocks, THREADS, 0, s>>>(most, in, n);
    k_quantise<T, V><<<blocks, THREADS, 0, s>>>(y, scale, most, in, n);
    return SC_LAUNCHED(x);
}

int sc_cuda_quantise(sc_exec *x, const sc_copy_args *a)
{
    const int64_t rows = a->scale.dim[0], step = rows > 1 ? a->x.stride[0] : 0;

    if (!sc_tensor_count(a->y))
        return 0;
    return sc_by_type(a->x.dtype, [&](auto *p) {
        using T = std::remove_pointer_t<decltype(p)>;
        const bool aligned = sc_tensor_count(a->y) / rows % LANES == 0 && step % LANES == 0 &&
                             (uintptr_t)a->x.data % 16 == 0 && (uintptr_t)a->y.data % LANES == 0;
        return aligned ? launch<T, LANES>(x, a) : launch<T, 1>(x, a);
    });
}
