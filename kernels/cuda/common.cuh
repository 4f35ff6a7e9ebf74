/* What every CUDA file needs: the device's own state, error flow, element types, tensor views in kernels. */
#ifndef SC_COMMON_CUH
#define SC_COMMON_CUH

#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <cudnn.h>

#include "choices.h"
#include "cuda.h"

/* Scratch of library calls and of reductions over blocks; cuBLASLt's documentation recommends 32 MiB for
 * Hopper. */
#define SC_CUDA_WORKSPACE ((size_t)32 << 20)

/* Mark n is event n modulo this. More than are outstanding at a time: two transfers each way. Should one have
 * been overtaken, reaching it waits longer than it must. */
enum { SC_CUDA_MARKS = 8 };

struct sc_recordings;   /* replay.cu: graphs by what they repeat */
struct sc_conv_plans;   /* conv_library.cu: cuDNN execution plans by shape */
struct sc_linear_plans; /* linear.cu: cuBLASLt algorithms by shape */

extern "C" {
int sc_conv_plans_open(struct sc_conv_plans **p);
void sc_conv_plans_close(struct sc_conv_plans **p);
int sc_linear_plans_open(struct sc_linear_plans **p);
void sc_linear_plans_close(struct sc_linear_plans **p);
int sc_recordings_open(struct sc_recordings **r);
void sc_recordings_close(struct sc_recordings **r);
/* When something is freed that a recording may use. */
void sc_recordings_forget(struct sc_recordings *r);
}

/* conv_direct.cu: conv2d by our own kernel. */
extern "C" int sc_cuda_conv2d_direct(sc_exec *x, const sc_conv2d_args *a);

/* conv_few.cu: 1 where the op has to go another way. */
extern "C" int sc_cuda_conv2d_few(sc_exec *x, const sc_conv2d_args *a);

/* quantise.cu: copy with a->scale. */
int sc_cuda_quantise(sc_exec *x, const sc_copy_args *a);

/* tap_gemm_sm90.cu: 1 where the op has to go another way. */
extern "C" int sc_cuda_tap_conv2d(sc_exec *x, const sc_conv2d_args *a);
extern "C" int sc_cuda_tap_linear(sc_exec *x, const sc_linear_args *a);

/* linear.cu: out[n] of type t = b + vec, either may be NULL: the bias as cuBLASLt and cuDNN want it. */
int sc_cuda_bias(sc_exec *x, void *out, sc_dtype t, const float *b, const float *vec, int64_t n);

struct sc_cuda {
    sc_ops ops;   /* dev->ops points here */
    int id, arch; /* ordinal; 10 * major + minor */
    int processors;
    bool plain; /* see sc_device_options */
    bool tf32;  /* fp32 products by tensor cores that keep 10 bits of each factor's mantissa */
    cudaStream_t stream;
    cudaStream_t side; /* fetches */
    cudaEvent_t issued, fetched[SC_FETCHES];
    cudaEvent_t joined, mark[SC_CUDA_MARKS];
    cublasLtHandle_t lt;
    cudnnHandle_t dnn;
    struct sc_conv_plans *conv;
    struct sc_linear_plans *linear;
    struct sc_recordings *recordings;
    sc_choices *choices;  /* among plans and algorithms, by timing */
    cudaEvent_t timer[4]; /* begin and end: of what is tried, and of sc_ops.timer */
    bool recording;       /* ops go into a graph instead of the GPU: nothing can be timed */
    void *workspace;      /* SC_CUDA_WORKSPACE bytes, used by one op at a time: the stream is in order */
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

/* The address of shared memory as instructions take it. */
__device__ __forceinline__ uint32_t sc_shared(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

template <typename T> struct sc_type_of;
template <> struct sc_type_of<float> {
    static constexpr cudaDataType_t cuda = CUDA_R_32F;
    static constexpr cudnnDataType_t cudnn = CUDNN_DATA_FLOAT;
};
template <> struct sc_type_of<__half> {
    static constexpr cudaDataType_t cuda = CUDA_R_16F;
    static constexpr cudnnDataType_t cudnn = CUDNN_DATA_HALF;
};
template <> struct sc_type_of<__nv_bfloat16> {
    static constexpr cudaDataType_t cuda = CUDA_R_16BF;
    static constexpr cudnnDataType_t cudnn = CUDNN_DATA_BFLOAT16;
};

/* act(v); SC_ACT_GEGLU is not one of one number. */
__device__ __forceinline__ float sc_act_f32(sc_act act, float v)
{
    switch (act) {
    case SC_ACT_SILU:
        return v / (1 + expf(-v));
    case SC_ACT_GELU:
        return 0.5f * v * (1 + erff(v * 0.70710678f));
    case SC_ACT_QUICK_GELU:
        return v / (1 + expf(-1.702f * v));
    default:
        return v;
    }
}

/* Calls f with a null pointer of the element type of t: `sc_by_type(t, [&](auto *p) { using T = ...; })`.
 * Float types that networks compute with; -EINVAL for others. */
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
