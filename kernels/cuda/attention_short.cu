/* Attention among few tokens, many times over: a video network's temporal attention, T frames of every pixel
 * and head. A copy with some arithmetic: q, k, v and y go through memory once, T / 2 operations a byte.
 *
 * One warp takes 16 M queries of one (batch, head), and keys 32 at a time, all in registers. A lane loads 16
 * bytes of a row, so a warp reads 8 rows of 64 bytes; neighbouring warps take neighbouring heads, which lie
 * side by side. That gives lane 4 g + t columns 8 t to 8 t + 7 of row g, where mma.sync wants columns 2 t, 2
 * t + 1, 2 t + 8 and 2 t + 9. But the order of a dot product's terms is free, as long as q and k agree on it;
 * and in v it only says which column of y a lane holds: again 8 t to 8 t + 7, so y leaves by 16 bytes too. v
 * has its keys along the product's terms, so its 8 x 8 pieces are turned by movmatrix. */
#include "attention.cuh"

enum { WARPS = 4, KEYS = 32 };

/* Rows first.., every eighth: [rows][chunk of 32 columns]; zeros from `rows` on. */
template <typename T, int N, int CHUNKS>
__device__ __forceinline__ void load_rows(uint4 (&to)[N][CHUNKS], const T *from, int64_t step, int first,
                                          int rows)
{
    const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < N; i++)
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
            const int row = first + 8 * i + g;
            to[i][c] = row < rows ? __ldg((const uint4 *)(from + row * step + 32 * c + 8 * t))
                                  : make_uint4(0, 0, 0, 0);
        }
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

/* grid: warps take (batch, head, 16 M queries) in order; block (32, WARPS). */
template <typename T, int M, int WIDTH>
__global__ void __launch_bounds__(32 * WARPS) k_attention_short(const attention_call<T> a, unsigned parts)
{
    constexpr int CHUNKS = WIDTH / 32, OCTETS = KEYS / 8;
    const unsigned number = blockIdx.x * WARPS + threadIdx.x / 32;
    if (number >= parts)
        return;
    const attention_part part = attention_part_of(a, number);
    const T *k = attention_head(a.k, part), *v = attention_head(a.v, part);
    const int first = part.first * 16 * M, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    attention_softmax soft[M];
    float sum[M][4 * CHUNKS][4] = {}; /* piece 4 c + w: columns 32 c + 8 t + 2 w and the next */
    uint4 q[2 * M][CHUNKS];

    load_rows(q, attention_head(a.q, part), a.q.row, first, a.queries);
    for (int key = 0; key < a.keys; key += KEYS) {
        uint4 kk[OCTETS][CHUNKS], vv[OCTETS][CHUNKS];
        float s[M][OCTETS][4] = {};
        load_rows(kk, k, a.k.row, key, a.keys);
        load_rows(vv, v, a.v.row, key, a.keys);
#pragma unroll
        for (int m = 0; m < M; m++) {
#pragma unroll
            for (int c = 0; c < CHUNKS; c++)
#pragma unroll
                for (int w = 0; w < 4; w += 2) {
                    const uint32_t left[4] = { word(q[2 * m][c], w), word(q[2 * m + 1][c], w),
                                               word(q[2 * m][c], w + 1), word(q[2 * m + 1][c], w + 1) };
#pragma unroll
                    for (int n = 0; n < OCTETS; n++)
                        attention_mma<T>(s[m][n], left, word(kk[n][c], w), word(kk[n][c], w + 1));
                }
            if (key + KEYS > a.keys)
                attention_mask(s[m], key, a.keys);
            if (soft[m].block(s[m], a.scale * attention_log2e))
                soft[m].rescale(sum[m]);
        }
#pragma unroll
        for (int n = 0; n < OCTETS; n += 2) {
            uint32_t left[M][4];
#pragma unroll
            for (int m = 0; m < M; m++)
                attention_weights<T>(left[m], s[m][n], s[m][n + 1]);
#pragma unroll
            for (int c = 0; c < CHUNKS; c++)
#pragma unroll
                for (int w = 0; w < 4; w++) {
                    const uint32_t b0 = turned(word(vv[n][c], w)), b1 = turned(word(vv[n + 1][c], w));
#pragma unroll
                    for (int m = 0; m < M; m++)
                        attention_mma<T>(sum[m][4 * c + w], left[m], b0, b1);
                }
        }
    }
    T *y = attention_head(a.y, part);
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int row = first + 16 * m + 8 * r + g;
            const float share = soft[m].share(r);
#pragma unroll
            for (int c = 0; c < CHUNKS; c++) {
                uint32_t out[4];
#pragma unroll
                for (int w = 0; w < 4; w++)
                    out[w] = attention_pack<T>(sum[m][4 * c + w][2 * r] * share,
                                               sum[m][4 * c + w][2 * r + 1] * share);
                if (row < a.queries)
                    *(uint4 *)(y + row * a.y.row + 32 * c + 8 * t) =
                        make_uint4(out[0], out[1], out[2], out[3]);
            }
        }
}

template <typename T, int M, int WIDTH> static void launch(sc_exec *x, const sc_attention_args *a)
{
    const attention_call<T> call = attention_call_of<T>(a, 16 * M);
    const unsigned parts = (unsigned)(call.tiles * call.heads * a->q.dim[0]);

    k_attention_short<T, M, WIDTH>
        <<<sc_blocks(parts, WARPS), 32 * WARPS, 0, sc_cuda_of(x)->stream>>>(call, parts);
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
