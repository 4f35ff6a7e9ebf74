/* Attention among up to 32 tokens, many times over: a video network's temporal attention, the frames of every
 * pixel and head. A copy with some arithmetic: q, k, v and y go through memory once, at T / 2 operations a
 * byte.
 *
 * One warp takes one (batch, head), all in registers. A lane loads 16 bytes of a row, so a warp reads 8 rows
 * of 64 bytes; neighbouring warps take neighbouring heads, which lie side by side. That gives lane 4 g + t
 * columns 8 t to 8 t + 7 of row g, where mma.sync wants columns 2 t, 2 t + 1, 2 t + 8 and 2 t + 9. But the
 * order of a dot product's terms is free, as long as q and k agree on it; and in v it only says which column
 * of y a lane holds: again 8 t to 8 t + 7, so y leaves by 16 bytes too. v has its keys along the product's
 * terms, so its 8 x 8 pieces are turned by movmatrix. */
#include "attention.cuh"

enum { WARPS = 2, KEYS = 32, OCTETS = KEYS / 8 };
/* Six blocks a multiprocessor: about 150 KB on their way, where 4.8 TB/s at 600 ns need 22. */
enum { BLOCKS = 6 };

/* Every eighth row from lane's own: [rows][chunk of 32 columns]; zeros from `rows` on. */
template <typename T, int N, int CHUNKS>
__device__ __forceinline__ void load_rows(uint4 (&to)[N][CHUNKS], const T *from, int64_t step, int rows)
{
    const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < N; i++)
#pragma unroll
        for (int c = 0; c < CHUNKS; c++)
            to[i][c] = 8 * i + g < rows ? __ldg((const uint4 *)(from + (8 * i + g) * step + 32 * c + 8 * t))
                                        : make_uint4(0, 0, 0, 0);
}

__device__ __forceinline__ uint32_t word(const uint4 &v, int i)
{
    return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w;
}

__device__ __forceinline__ uint32_t turned(uint32_t v)
{
    uint32_t r;
    asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(r) : "r"(v));
    return r;
}

/* 16 rows of queries, in two pieces, against all keys. sum[4 c + w]: columns 32 c + 8 t + 2 w and the next.
 */
template <typename T, int CHUNKS>
__device__ __forceinline__ void attend(float (&sum)[4 * CHUNKS][4], attention_softmax &soft,
                                       const uint4 (&q0)[CHUNKS], const uint4 (&q1)[CHUNKS],
                                       const uint4 (&k)[OCTETS][CHUNKS], const uint4 (&v)[OCTETS][CHUNKS],
                                       int keys, float scale)
{
    float s[OCTETS][4] = {};
#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
#pragma unroll
        for (int w = 0; w < 4; w += 2) {
            const uint32_t left[4] = { word(q0[c], w), word(q1[c], w), word(q0[c], w + 1),
                                       word(q1[c], w + 1) };
#pragma unroll
            for (int n = 0; n < OCTETS; n++)
                attention_mma<T>(s[n], left, word(k[n][c], w), word(k[n][c], w + 1));
        }
    attention_mask(s, 0, keys);
    soft.block(s, scale);
#pragma unroll
    for (int n = 0; n < OCTETS; n += 2) {
        uint32_t left[4];
        attention_weights<T>(left, s[n], s[n + 1]);
#pragma unroll
        for (int i = 0; i < 4 * CHUNKS; i++)
            attention_mma<T>(sum[i], left, word(v[n][i / 4], i % 4), word(v[n + 1][i / 4], i % 4));
    }
}

/* grid: a warp for each (batch, head), in order; block: WARPS warps; M: 16 rows of queries each. */
template <typename T, int M, int WIDTH>
__global__ void __launch_bounds__(32 * WARPS, BLOCKS)
    k_attention_short(const attention_call<T> a, unsigned pairs)
{
    constexpr int CHUNKS = WIDTH / 32;
    const unsigned pair = blockIdx.x * WARPS + threadIdx.x / 32;
    if (pair >= pairs)
        return;
    const attention_part part = { 0, pair % a.heads, pair / a.heads };
    const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    T *y = attention_head(a.y, part) + 8 * t;
    uint4 q[2 * M][CHUNKS], k[OCTETS][CHUNKS], v[OCTETS][CHUNKS];

    load_rows(q, attention_head(a.q, part), a.q.row, a.queries);
    load_rows(k, attention_head(a.k, part), a.k.row, a.keys);
    load_rows(v, attention_head(a.v, part), a.v.row, a.keys);
#pragma unroll
    for (int i = 0; i < OCTETS * CHUNKS; i++) {
        uint4 &p = v[i / CHUNKS][i % CHUNKS];
        p = make_uint4(turned(p.x), turned(p.y), turned(p.z), turned(p.w));
    }
#pragma unroll
    for (int m = 0; m < M; m++) {
        attention_softmax soft;
        float sum[4 * CHUNKS][4] = {};
        attend<T>(sum, soft, q[2 * m], q[2 * m + 1], k, v, a.keys, a.scale * attention_log2e);
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int row = 16 * m + 8 * r + g;
            const float share = soft.share(r);
#pragma unroll
            for (int c = 0; c < CHUNKS; c++) {
                uint32_t out[4];
#pragma unroll
                for (int w = 0; w < 4; w++)
                    out[w] =
                        attention_pack<T>(sum[4 * c + w][2 * r] * share, sum[4 * c + w][2 * r + 1] * share);
                if (row < a.queries)
                    *(uint4 *)(y + row * a.y.row + 32 * c) = make_uint4(out[0], out[1], out[2], out[3]);
            }
        }
    }
}

template <typename T, int M, int WIDTH> static void launch(sc_exec *x, const sc_attention_args *a)
{
    const unsigned pairs = (unsigned)(a->q.dim[0] * a->q.dim[2]);

    k_attention_short<T, M, WIDTH><<<sc_blocks(pairs, WARPS), 32 * WARPS, 0, sc_cuda_of(x)->stream>>>(
        attention_call_of<T>(a, KEYS), pairs);
}

template <typename T> static int launch_for(sc_exec *x, const sc_attention_args *a)
{
    const bool few = a->q.dim[1] <= 16, narrow = a->q.dim[3] == 32;

    if (few)
        narrow ? launch<T, 1, 32>(x, a) : launch<T, 1, 64>(x, a);
    else
        narrow ? launch<T, 2, 32>(x, a) : launch<T, 2, 64>(x, a);
    return SC_LAUNCHED(x);
}

int sc_cuda_attention_short(sc_exec *x, const sc_attention_args *a)
{
    return a->q.dtype == SC_F16 ? launch_for<__half>(x, a) : launch_for<__nv_bfloat16>(x, a);
}
