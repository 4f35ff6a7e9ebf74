/* Hopper's own instructions as functions, sm_90a alone: mbarriers, TMA, wgmma; and TMA's tensor maps.
 *
 * Matrices lie in shared memory as rows of 128 bytes whose 16-byte pieces are permuted as TMA and wgmma agree
 * ("128-byte swizzle"), 8 rows to a block of 1024 bytes, to which they are aligned. Sums are held as wgmma
 * leaves them: of a warp's 16 rows and 8 columns, lane 4 g + t has row g, columns 2 t and 2 t + 1, then the
 * same of row g + 8. */
#ifndef SC_SM90_CUH
#define SC_SM90_CUH

#include <cuda.h>
#include <type_traits>

#include "common.cuh"

enum { SM90_ALIGN = 1024, SM90_ROW = 128 };

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
/* Between ordinary stores to shared memory and what TMA and wgmma do there. */
__device__ __forceinline__ void async_fence()
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void bar_init(uint64_t *b, int arrivals)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(sc_shared(b)), "r"(arrivals) : "memory");
}

/* After all bar_init(): makes them known to TMA. */
__device__ __forceinline__ void bar_init_done()
{
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ __forceinline__ void bar_arrive(uint64_t *b)
{
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(sc_shared(b)) : "memory");
}

__device__ __forceinline__ void bar_expect(uint64_t *b, int bytes)
{
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(sc_shared(b)), "r"(bytes)
                 : "memory");
}

/* Until the barrier's n-th use (0, 1, ...) is complete. */
__device__ __forceinline__ void bar_wait(uint64_t *b, unsigned n)
{
    asm volatile(
        "{\n.reg .pred done;\nagain:\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n@!done bra again;\n}" ::"r"(sc_shared(b)),
        "r"(n & 1)
        : "memory");
}

/* A box of a tensor map to shared memory; its bytes count towards b. Outside of the tensor there are zeros.
 */
__device__ __forceinline__ void tma_load(void *to, const CUtensorMap *map, uint64_t *b, int i, int j, int k,
                                         int l)
{
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, "
                 "{%2, %3, %4, %5}], [%6];" ::"r"(sc_shared(to)),
                 "l"(map), "r"(i), "r"(j), "r"(k), "r"(l), "r"(sc_shared(b))
                 : "memory");
}

/* A box from shared memory to where it belongs; what lies outside of the tensor is left out. */
__device__ __forceinline__ void tma_store(const CUtensorMap *map, const void *from, int i, int j, int k,
                                          int l)
{
    asm volatile(
        "cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%1, %2, %3, %4}], [%5];" ::"l"(map),
        "r"(i), "r"(j), "r"(k), "r"(l), "r"(sc_shared(from))
        : "memory");
}

__device__ __forceinline__ void tma_store_commit()
{
    asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}

/* Until all that this thread stores has been read. */
__device__ __forceinline__ void tma_store_wait()
{
    asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
}

/* A matrix in shared memory as wgmma names it: 128-byte swizzle, 1024 bytes from 8 rows to the next 8. */
__device__ __forceinline__ uint64_t matrix(const void *p)
{
    return (sc_shared(p) & 0x3ffff) >> 4 | (uint64_t)(SM90_ALIGN >> 4) << 16 |
           (uint64_t)(SM90_ALIGN >> 4) << 32 | (uint64_t)1 << 62;
}

__device__ __forceinline__ void wgmma_fence()
{
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ __forceinline__ void wgmma_commit()
{
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/* Waits until at most N groups run. The compiler must not use their sums before: give them to hold(). */
template <int N> __device__ __forceinline__ void wgmma_wait()
{
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}

template <int N> __device__ __forceinline__ void hold(float (&v)[N][4])
{
#pragma unroll
    for (int i = 0; i < N; i++)
        asm volatile("" : "+f"(v[i][0]), "+f"(v[i][1]), "+f"(v[i][2]), "+f"(v[i][3])::"memory");
}

/* Registers of an asm statement: "%0,%1,...", ten of them for each first digit; and sums to bind to them. */
#define TEN(d)   "%" #d "0,%" #d "1,%" #d "2,%" #d "3,%" #d "4,%" #d "5,%" #d "6,%" #d "7,%" #d "8,%" #d "9,"
#define LIST30   TEN() TEN(1) TEN(2)
#define LIST60   LIST30 TEN(3) TEN(4) TEN(5)
#define LIST32   LIST30 "%30,%31"
#define LIST40   LIST30 "%30,%31,%32,%33,%34,%35,%36,%37,%38,%39"
#define LIST64   LIST60 "%60,%61,%62,%63"
#define LIST80   LIST60 TEN(6) "%70,%71,%72,%73,%74,%75,%76,%77,%78,%79"
#define LIST128  LIST60 TEN(6) TEN(7) TEN(8) TEN(9) TEN(10) TEN(11) "%120,%121,%122,%123,%124,%125,%126,%127"
#define OUT4(v)  "+f"((v)[0]), "+f"((v)[1]), "+f"((v)[2]), "+f"((v)[3])
#define OUT16(v) OUT4((v)[0]), OUT4((v)[1]), OUT4((v)[2]), OUT4((v)[3])
#define OUT64(v) OUT16(v), OUT16((v) + 4), OUT16((v) + 8), OUT16((v) + 12)
#endif

/* A map of 16-bit numbers or of E4M3: four dimensions, innermost first; bytes[3] from one to the next of the
 * outer three; of each box every step[i]-th element is fetched. Rows of boxes are 128 bytes or, swizzled
 * likewise by pairs, 64. */
static int sm90_map(sc_exec *x, CUtensorMap *map, sc_dtype t, const void *data, const cuuint64_t (&dim)[4],
                    const cuuint64_t (&bytes)[3], const cuuint32_t (&box)[4], const cuuint32_t (&step)[4])
{
    cudaDriverEntryPointQueryResult found;
    void *encode = NULL; /* of the driver: asked for here, so that the program starts where there is none */

    if (cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &encode, 12000, cudaEnableDefault,
                                         &found) != cudaSuccess ||
        found != cudaDriverEntryPointSuccess)
        return sc_cuda_check(x, cudaErrorSymbolNotFound, "cuTensorMapEncodeTiled");
    const CUresult r = ((decltype(&cuTensorMapEncodeTiled))encode)(
        map,
        t == SC_F8    ? CU_TENSOR_MAP_DATA_TYPE_UINT8
        : t == SC_F16 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16
                      : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
        4, (void *)data, dim, bytes, box, step, CU_TENSOR_MAP_INTERLEAVE_NONE,
        box[0] * sc_dtype_size(t) == SM90_ROW ? CU_TENSOR_MAP_SWIZZLE_128B : CU_TENSOR_MAP_SWIZZLE_64B,
        CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    return r == CUDA_SUCCESS ? 0 : sc_cuda_check(x, cudaErrorInvalidValue, "cuTensorMapEncodeTiled");
}

#endif
