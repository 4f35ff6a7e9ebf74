/* Arithmetic of the tap GEMM (tap_gemm_sm90.cu), sm_90a alone: a warpgroup's products, by the type of their
 * factors; and what is done with the sums, two at a time. */
#ifndef SC_TAP_MULTIPLY_CUH
#define SC_TAP_MULTIPLY_CUH

#include "sm90.cuh"

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
/* sum += a b^T: 64 x COLUMNS, 32 bytes of channels of both, which lie along the rows of both. */
#define MULTIPLY(type, n, list, a, b, ...)                                                                   \
    asm volatile("wgmma.mma_async.sync.aligned.m64n" n "k16.f32." type "." type " {" list "}, " a ", " b     \
                 ", 1, 1, 1, 0, 0;"                                                                          \
                 : __VA_ARGS__                                                                               \
                 : "l"(x), "l"(w))
#define MULTIPLY_ANY(type)                                                                                   \
    if constexpr (COLUMNS == 160)                                                                            \
        MULTIPLY(type, "160", LIST80, "%80", "%81", OUT64(s), OUT16(s + 16));                                \
    else                                                                                                     \
        MULTIPLY(type, "128", LIST64, "%64", "%65", OUT64(s))
#define MULTIPLY_E4M3(n, list, a, b, more, ...)                                                              \
    asm volatile("{.reg .pred p; setp.ne.b32 p, " more ", 0;"                                                \
                 "wgmma.mma_async.sync.aligned.m64n" n "k32.f32.e4m3.e4m3 {" list "}, " a ", " b             \
                 ", p, 1, 1;}"                                                                               \
                 : __VA_ARGS__                                                                               \
                 : "l"(x), "l"(w), "n"(MORE))

template <typename S, int COLUMNS>
__device__ __forceinline__ void multiply(float (*s)[4], uint64_t x, uint64_t w)
{
    if constexpr (COLUMNS == 256) { /* ptxas gives no instruction more than 128 of 160 registers */
        multiply<S, 128>(s, x, w);
        multiply<S, 128>(s + 16, x, w + (128 * SM90_ROW >> 4));
    } else if constexpr (std::is_same_v<S, __half>) {
        MULTIPLY_ANY("f16");
    } else {
        MULTIPLY_ANY("bf16");
    }
}

/* The same of E4M3; without MORE, s = a b^T. */
template <int COLUMNS, int MORE>
__device__ __forceinline__ void multiply_e4m3(float (*s)[4], uint64_t x, uint64_t w)
{
    if constexpr (COLUMNS == 80)
        MULTIPLY_E4M3("80", LIST40, "%40", "%41", "%42", OUT16(s), OUT16(s + 4), OUT4(s[8]), OUT4(s[9]));
    else
        MULTIPLY_E4M3("128", LIST64, "%64", "%65", "%66", OUT64(s));
}

/* sum += a b^T over 128 channels of E4M3, or over the first 64. The tensor cores keep 14 bits of such sums:
 * enough for a part of 128 terms, too few for thousands, so parts are added in f32. Returns when all is done;
 * other warpgroups multiply meanwhile. */
template <int COLUMNS>
__device__ __forceinline__ void multiply_part(float (*sum)[4], uint64_t x, uint64_t w, bool half)
{
    constexpr int columns = COLUMNS == 160 ? 80 : 128; /* registers for one part at a time */

#pragma unroll
    for (int i = 0; i < COLUMNS; i += columns) {
        const uint64_t b = w + (i * SM90_ROW >> 4);
        float part[columns / 8][4];
        wgmma_fence();
        multiply_e4m3<columns, 0>(part, x, b);
        multiply_e4m3<columns, 1>(part, x + 2, b + 2);
        wgmma_commit();
        if (!half) {
            wgmma_fence(); /* the compiler would add one, with a remark */
            multiply_e4m3<columns, 1>(part, x + 4, b + 4);
            multiply_e4m3<columns, 1>(part, x + 6, b + 6);
            wgmma_commit();
        }
        wgmma_wait<0>();
        hold(part);
#pragma unroll
        for (int k = 0; k < columns / 8; k++)
#pragma unroll
            for (int r = 0; r < 4; r++)
                sum[i / 8 + k][r] += part[k][r];
    }
}

template <typename T> __device__ __forceinline__ float2 unpack(uint32_t v)
{
    if constexpr (std::is_same_v<T, __half>)
        return __half22float2(*(__half2 *)&v);
    else
        return __bfloat1622float2(*(__nv_bfloat162 *)&v);
}

template <typename T> __device__ __forceinline__ uint32_t pack(float2 v)
{
    if constexpr (std::is_same_v<T, __half>) {
        const __half2 h = __float22half2_rn(v);
        return *(uint32_t *)&h;
    } else {
        const __nv_bfloat162 h = __float22bfloat162_rn(v);
        return *(uint32_t *)&h;
    }
}

/* g * Phi(g) = max(g, 0) - z Phi(-z), z = |g|, with log2 Phi(-z) a polynomial, fitted for the least largest
 * error of the whole: 4.4e-7. One special function and eight other instructions, for these are what the
 * epilogue waits for. The polynomial falls for ever: Phi(-z) ends as 0. */
__device__ __forceinline__ float gelu(float g)
{
    const float z = fabsf(g);
    float e;

    float p = fmaf(-4.7330925e-4f, z, 7.0845569e-3f);
    p = fmaf(p, z, -5.1827382e-2f);
    p = fmaf(p, z, -0.45999244f);
    p = fmaf(p, z, -1.1507878f);
    p = fmaf(p, z, -1.0000377f);
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(e) : "f"(p));
    return fmaf(-z, e, fmaxf(g, 0));
}
#endif
#endif
