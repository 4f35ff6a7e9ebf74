/* Attention by mma.sync for one head up to 512 wide: the middle of the VAE, up to 30720 tokens.
 *
 * A block of 8 warps takes ROWS queries and walks over ROWS keys at a time. Scores: a warp makes 16 rows and
 * its share of the keys. They meet as 16-bit weights in shared memory, since every warp then needs them all:
 * it sums 64 of the 512 columns for all queries. So the sums, ROWS x 512 in f32, fill the block's registers,
 * and k and v are fetched in turns: the next keys while values are at work, the next values while scores are
 * made. Of each 16-byte piece of a row in shared memory the place is its number ^ (row % 8), so that ldmatrix
 * meets no bank twice. k and v are read once for each ROWS queries, from L2. */
#include "attention.cuh"

enum { WIDTH = 512, WARPS = 8, OWN = WIDTH / WARPS, PAD = 8 };

template <int ROWS> struct layout { /* of shared memory, in bytes */
    static constexpr int MATRIX = ROWS * WIDTH * 2, WEIGHTS = ROWS * (ROWS + PAD) * 2;
    static constexpr int SHARES = WARPS / (ROWS / 16); /* warps that share 16 rows of scores */
    static constexpr int TOTAL = 3 * MATRIX + WEIGHTS + ROWS * SHARES * (int)sizeof(float);
};

/* Where 16-byte piece `piece` of a row begins. */
__device__ __forceinline__ uint32_t place(int row, int piece)
{
    return (uint32_t)(row * (WIDTH * 2) + (piece ^ (row & 7)) * 16);
}

template <typename T, int ROWS>
__device__ __forceinline__ void fetch_rows(uint32_t to, const T *from, int64_t step, int first, int rows,
                                           int width)
{
    for (int i = threadIdx.x; i < ROWS * (WIDTH / 8); i += 32 * WARPS) {
        const int r = i / (WIDTH / 8), piece = i % (WIDTH / 8);
        const bool inside = first + r < rows && piece * 8 < width;
        attention_fetch(to + place(r, piece), inside ? from + (first + r) * step + piece * 8 : from, inside);
    }
    attention_fetched();
}

/* s = q k for 16 rows and 8 N keys, over all columns. */
template <typename T, int N>
__device__ __forceinline__ void scores(float (&s)[N][4], uint32_t qs, uint32_t ks, int row, int key)
{
    const int lane = threadIdx.x % 32, r = row + lane % 16, n = key + lane % 8 + lane / 16 * 8;
#pragma unroll 8
    for (int d = 0; d < WIDTH / 8; d += 2) {
        uint32_t left[4], b[4];
        attention_load4(left, qs + place(r, d + lane / 16));
#pragma unroll
        for (int i = 0; i < N; i += 2) {
            /* With one piece of 8 keys, lanes 16 to 31 bring the next 16 columns' address for nothing. */
            attention_load4(b, ks + place(N == 1 ? key + lane % 8 : n + 8 * i, d + lane / 8 % 2));
            attention_mma<T>(s[i], left, b[0], b[1]);
            if constexpr (N > 1)
                attention_mma<T>(s[i + 1], left, b[2], b[3]);
        }
    }
}

/* sum += weights v for all rows and this warp's OWN columns. */
template <typename T, int ROWS>
__device__ __forceinline__ void products(float (&sum)[ROWS / 16][OWN / 8][4], uint32_t ws, uint32_t vs)
{
    const int lane = threadIdx.x % 32, piece = threadIdx.x / 32 * (OWN / 8) + lane / 16;
#pragma unroll
    for (int n = 0; n < ROWS; n += 16) {
        uint32_t left[ROWS / 16][4];
#pragma unroll
        for (int m = 0; m < ROWS / 16; m++)
            attention_load4(left[m], ws + 2 * ((16 * m + lane % 16) * (ROWS + PAD) + n + lane / 16 * 8));
#pragma unroll
        for (int d = 0; d < OWN / 8; d += 2) {
            uint32_t b[4];
            attention_load4_turned(b, vs + place(n + lane % 16, piece + d));
#pragma unroll
            for (int m = 0; m < ROWS / 16; m++) {
                attention_mma<T>(sum[m][d], left[m], b[0], b[1]);
                attention_mma<T>(sum[m][d + 1], left[m], b[2], b[3]);
            }
        }
    }
}

/* grid: (tile of queries, head, batch) in one number. */
template <typename T, int ROWS>
__global__ void __launch_bounds__(32 * WARPS) k_attention_wide(const attention_call<T> a)
{
    using at = layout<ROWS>;
    constexpr int M = ROWS / 16, N = ROWS / at::SHARES / 8;
    extern __shared__ __align__(128) unsigned char memory[];
    const uint32_t qs = sc_shared(memory), ks = qs + at::MATRIX, vs = ks + at::MATRIX;
    T *const weight = (T *)(memory + 3 * at::MATRIX);
    float(*const best)[at::SHARES] = (float(*)[at::SHARES])(memory + 3 * at::MATRIX + at::WEIGHTS);
    const attention_part part = attention_part_of(a, blockIdx.x);
    const T *k = attention_head(a.k, part), *v = attention_head(a.v, part);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, first = part.first * ROWS;
    const int row = warp % M * 16, share = warp / M, g = lane / 4, t = lane % 4;
    const float scale = a.scale * attention_log2e;
    float sum[M][OWN / 8][4] = {}, total[2] = {}, top[2] = { -INFINITY, -INFINITY }, tops[M][2];

    for (int m = 0; m < 2 * M; m++)
        tops[m / 2][m % 2] = -INFINITY;
    fetch_rows<T, ROWS>(qs, attention_head(a.q, part), a.q.row, first, a.queries, a.width);
    fetch_rows<T, ROWS>(ks, k, a.k.row, 0, a.keys, a.width);
    fetch_rows<T, ROWS>(vs, v, a.v.row, 0, a.keys, a.width);
    for (int key = 0; key < a.keys; key += ROWS) {
        float s[N][4] = {};

        attention_wait<1>(); /* keys are here, values may be on their way */
        __syncthreads();
        scores<T>(s, qs, ks, row, share * 8 * N);
        if (key + ROWS > a.keys)
            attention_mask(s, key + share * 8 * N, a.keys);
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float most = s[0][2 * r];
#pragma unroll
            for (int i = 0; i < N; i++)
                most = fmaxf(most, fmaxf(s[i][2 * r], s[i][2 * r + 1]));
            most = attention_row_max(most);
            if (t == 0)
                best[row + 8 * r + g][share] = most;
        }
        __syncthreads(); /* best is written, keys are done with */
        fetch_rows<T, ROWS>(ks, k, a.k.row, key + ROWS, a.keys, a.width);
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float next = top[r];
#pragma unroll
            for (int i = 0; i < at::SHARES; i++)
                next = fmaxf(next, best[row + 8 * r + g][i]);
            total[r] *= attention_exp2((top[r] - next) * scale);
            top[r] = next;
#pragma unroll
            for (int i = 0; i < N; i++) {
                const float w0 = attention_exp2((s[i][2 * r] - next) * scale);
                const float w1 = attention_exp2((s[i][2 * r + 1] - next) * scale);
                total[r] += w0 + w1;
                *(uint32_t *)(weight + (row + 8 * r + g) * (ROWS + PAD) + (share * N + i) * 8 + 2 * t) =
                    attention_pack<T>(w0, w1);
            }
        }
#pragma unroll
        for (int m = 0; m < M; m++)
#pragma unroll
            for (int r = 0; r < 2; r++) {
                float next = tops[m][r];
#pragma unroll
                for (int i = 0; i < at::SHARES; i++)
                    next = fmaxf(next, best[16 * m + 8 * r + g][i]);
                const float keep = attention_exp2((tops[m][r] - next) * scale);
                tops[m][r] = next;
#pragma unroll
                for (int i = 0; i < OWN / 8; i++) {
                    sum[m][i][2 * r] *= keep;
                    sum[m][i][2 * r + 1] *= keep;
                }
            }
        attention_wait<1>(); /* values are here, the next keys may be on their way */
        __syncthreads();
        products<T, ROWS>(sum, sc_shared(weight), vs);
        __syncthreads(); /* weights and values are done with */
        fetch_rows<T, ROWS>(vs, v, a.v.row, key + ROWS, a.keys, a.width);
    }
    attention_wait<0>();
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const float all = attention_row_sum(total[r]);
        if (t == 0)
            best[row + 8 * r + g][share] = all;
    }
    __syncthreads();
    T *y = attention_head(a.y, part);
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int mine = 16 * m + 8 * r + g;
            float all = 0;
#pragma unroll
            for (int i = 0; i < at::SHARES; i++)
                all += best[mine][i];
            if (first + mine < a.queries)
#pragma unroll
                for (int i = 0; i < OWN / 8; i++) {
                    const int d = warp * OWN + 8 * i + 2 * t;
                    if (d < a.width)
                        *(uint32_t *)(y + (first + mine) * a.y.row + d) =
                            attention_pack<T>(sum[m][i][2 * r] / all, sum[m][i][2 * r + 1] / all);
                }
        }
}

template <typename T, int ROWS> static int launch(sc_exec *x, const sc_attention_args *a)
{
    const attention_call<T> call = attention_call_of<T>(a, ROWS);
    const unsigned blocks = (unsigned)(call.tiles * call.heads * a->q.dim[0]);

    if (cudaFuncSetAttribute(k_attention_wide<T, ROWS>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             layout<ROWS>::TOTAL) == cudaSuccess)
        k_attention_wide<T, ROWS><<<blocks, 32 * WARPS, layout<ROWS>::TOTAL, sc_cuda_of(x)->stream>>>(call);
    return SC_LAUNCHED(x);
}

int sc_cuda_attention_wide(sc_exec *x, const sc_attention_args *a, bool small)
{
    if (a->q.dtype == SC_F16)
        return small ? launch<__half, 32>(x, a) : launch<__half, 64>(x, a);
    return small ? launch<__nv_bfloat16, 32>(x, a) : launch<__nv_bfloat16, 64>(x, a);
}
