/* What every CUDA file needs: the device's own state, error flow, element types, tensor views in kernels. */
#ifndef SC_COMMON_CUH
#define SC_COMMON_CUH

#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <cudnn.h>

#include "cuda.h"

/* Scratch of library calls and of reductions over blocks; cuBLASLt's documentation recommends 32 MiB for Hopper. */
#define SC_CUDA_WORKSPACE ((size_t)32 << 20)

struct sc_conv_plans; /* conv.cu: cuDNN execution plans by shape */

struct sc_cuda {
    sc_ops ops; /* dev->ops points here */
    int id, arch; /* ordinal; 10 * major + minor */
    int processors;
    cudaStream_t stream;
    cublasLtHandle_t lt;
    cudnnHandle_t dnn;
    struct sc_conv_plans *plans;
    void *workspace; /* SC_CUDA_WORKSPACE bytes, used by one op at a time: the stream is in order */
};

static inline sc_cuda *sc_cuda_of(const sc_exec *x)
{
    return (sc_cuda *)x->dev->priv;
}

/* 0, or SC_ERR_DEVICE with the error and `what` logged and kept in x. */
static inline int sc_cuda_check(sc_exec *x, cudaError_t e, const char *what)
{
    if (e == cudaSuccess)
        return 0;
    sc_exec_fail(x, SC_ERR_DEVICE, "%s: %s", what, cudaGetErrorString(e));
    return SC_ERR_DEVICE;
}

/* To end each launcher with: a launch that was refused, or an earlier kernel's fault. */
#define SC_LAUNCHED(x) sc_cuda_check((x), cudaGetLastError(), __func__)

static inline unsigned sc_blocks(int64_t n, int per_block)
{
    return (unsigned)((n + per_block - 1) / per_block);
}

template <typename T> __device__ __forceinline__ float sc_f32(T v)
{
    return (float)v;
}

template <typename T> __device__ __forceinline__ T sc_from_f32(float v)
{
    return (T)v; /* round to nearest even for half types */
}

/* Calls f with a null pointer of the element type of t: `sc_by_type(t, [&](auto *p) { using T = ...; })`. Float types that
 * networks compute with; -EINVAL for others. */
template <typename F> static int sc_by_type(sc_dtype t, F f)
{
    switch (t) {
    case SC_F32:
        return f((float *)nullptr);
    case SC_F16:
        return f((__half *)nullptr);
    case SC_BF16:
        return f((__nv_bfloat16 *)nullptr);
    default:
        return -EINVAL;
    }
}

#endif
