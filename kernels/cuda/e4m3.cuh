/* E4M3's factors, as quantise.cu and norm.cu make them. */
#ifndef SC_E4M3_CUH
#define SC_E4M3_CUH

#include <cuda_fp8.h>

#include "common.cuh"

/* All lanes get it. Passes over what is not a number. */
__device__ __forceinline__ float sc_warp_max(float v)
{
    for (int i = 16; i; i /= 2)
        v = fmaxf(v, __shfl_xor_sync(~0u, v, i));
    return v;
}

/* For numbers up to `most`; see sc_copy_args. */
__device__ __forceinline__ float sc_e4m3_scale(float most)
{
    return most / 448 > 0 ? most / 448 : 1;
}

#endif
