/* Attention by mma.sync for heads up to 128 wide, sm_80 and newer.
 *
 * A block takes 128 queries of one head, each warp 16 M of them, whose scores never leave its registers. Keys
 * and values come 64 or 32 at a time into shared memory, the next ones while these are at work. k and v are
 * read once for each 128 queries, mostly from L2. Rows in shared memory are 8 elements longer than the head:
 * an odd number of 16-byte pieces, so that ldmatrix meets no bank twice. */
#include "attention.cuh"

enum { QUERIES = 128, PAD = 8 };

/* At a time. Queries and twice as many keys and values have to fit into the 99 KiB of most GPUs. */
template <int WIDTH> constexpr int keys_of = WIDTH > 80 ? 32 : 64;

/* COUNT rows from row first, zeros from `rows` and `width` on; not waited for. */
template <typename T, int WIDTH, int COUNT>
__device__ __forceinline__ void fetch_rows(T *to, const T *from, int64_t step, int first, int rows, int width)
{
    constexpr int PIECES = WIDTH / 8;
    for (int i = threadIdx.x; i < COUNT * PIECES; i += blockDim.x) {
        const int r = i / PIECES, d = i % PIECES * 8;
        const bool inside = first + r < rows && d < width;
        attention_fetch(sc_shared(to + r * (WIDTH + PAD) + d), inside ? from + (first + r) * step + d : from,
                        inside);
    }
}

/* grid: (tile of queries, head, batch) in one number; 2 QUERIES / M threads. Two blocks a multiprocessor,
 * where registers allow: one's softmax runs under the other's products. */
template <typename T, int WIDTH, int M>
__global__ void __launch_bounds__(2 * QUERIES / M, WIDTH > 80 ? 1 : 2)
    k_attention_tiled(const attention_call<T> a)
{
    constexpr int ROW = WIDTH + PAD, STEPS = WIDTH / 16, KEYS = keys_of<WIDTH>, OCTETS = KEYS / 8;
    extern __shared__ __align__(16) unsigned char memory[];
    T *const qs = (T *)memory, *const ks = qs + QUERIES * ROW, *const vs = ks + 2 * KEYS * ROW;
    const attention_part part = attention_part_of(a, blockIdx.x);
    const T *k = attention_head(a.k, part), *v = attention_head(a.v, part);
    const int first = part.first * QUERIES, mine = threadIdx.x / 32 * 16 * M, lane = threadIdx.x % 32;
    /* Of this lane, within 16 x 16: for pieces in the order of rows first, and of columns first. */
    const uint32_t down = 2 * ((lane % 16) * ROW + lane / 16 * 8);
    const uint32_t along = 2 * ((lane % 8 + lane / 16 * 8) * ROW + lane / 8 % 2 * 8);
    attention_softmax soft[M];
    float sum[M][WIDTH / 8][4] = {};
    uint32_t q[M][STEPS][4];

    fetch_rows<T, WIDTH, QUERIES>(qs, attention_head(a.q, part), a.q.row, first, a.queries, a.width);
    fetch_rows<T, WIDTH, KEYS>(ks, k, a.k.row, 0, a.keys, a.width);
    fetch_rows<T, WIDTH, KEYS>(vs, v, a.v.row, 0, a.keys, a.width);
    attention_fetched();
    for (int key = 0, side = 0; key < a.keys; key += KEYS, side ^= 1) {
        const uint32_t kp = sc_shared(ks + side * KEYS * ROW), vp = sc_shared(vs + side * KEYS * ROW);
        float s[M][OCTETS][4] = {};

        attention_wait<0>();
        __syncthreads(); /* all have fetched these keys, and have done with the ones before */
        if (key + KEYS < a.keys) {
            fetch_rows<T, WIDTH, KEYS>(ks + (side ^ 1) * KEYS * ROW, k, a.k.row, key + KEYS, a.keys, a.width);
            fetch_rows<T, WIDTH, KEYS>(vs + (side ^ 1) * KEYS * ROW, v, a.v.row, key + KEYS, a.keys, a.width);
            attention_fetched();
        }
        if (key == 0)
#pragma unroll
            for (int m = 0; m < M; m++)
#pragma unroll
                for (int d = 0; d < STEPS; d++)
                    attention_load4(q[m][d], sc_shared(qs + (mine + 16 * m) * ROW + 16 * d) + down);
#pragma unroll
        for (int d = 0; d < STEPS; d++)
#pragma unroll
            for (int n = 0; n < OCTETS; n += 2) {
                uint32_t b[4];
                attention_load4(b, kp + 2 * (8 * n * ROW + 16 * d) + along);
#pragma unroll
                for (int m = 0; m < M; m++) {
                    attention_mma<T>(s[m][n], q[m][d], b[0], b[1]);
                    attention_mma<T>(s[m][n + 1], q[m][d], b[2], b[3]);
                }
            }
#pragma unroll
        for (int m = 0; m < M; m++) {
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
            for (int d = 0; d < STEPS; d++) {
                uint32_t b[4];
                attention_load4_turned(b, vp + 2 * (8 * n * ROW + 16 * d) + down);
#pragma unroll
                for (int m = 0; m < M; m++) {
                    attention_mma<T>(sum[m][2 * d], left[m], b[0], b[1]);
                    attention_mma<T>(sum[m][2 * d + 1], left[m], b[2], b[3]);
                }
            }
        }
    }
    /* Through this warp's own rows of qs, which all its lanes have in registers, to write 16 bytes a lane. */
    __syncwarp();
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const float share = soft[m].share(r);
#pragma unroll
            for (int i = 0; i < WIDTH / 8; i++)
                *(uint32_t *)(qs + (mine + 16 * m + 8 * r + lane / 4) * ROW + 8 * i + lane % 4 * 2) =
                    attention_pack<T>(sum[m][i][2 * r] * share, sum[m][i][2 * r + 1] * share);
        }
    __syncwarp();
    T *y = attention_head(a.y, part);
    for (int i = lane; i < 16 * M * (WIDTH / 8); i += 32) {
        const int row = mine + i / (WIDTH / 8), d = i % (WIDTH / 8) * 8;
        if (first + row < a.queries && d < a.width)
            *(uint4 *)(y + (first + row) * a.y.row + d) = *(const uint4 *)(qs + row * ROW + d);
    }
}

template <typename T, int WIDTH, int M> static int launch(sc_exec *x, const sc_attention_args *a)
{
    constexpr int BYTES = (QUERIES + 4 * keys_of<WIDTH>)*(WIDTH + PAD) * (int)sizeof(T);
    const attention_call<T> call = attention_call_of<T>(a, QUERIES);
    const unsigned blocks = (unsigned)(call.tiles * call.heads * a->q.dim[0]);

    if (cudaFuncSetAttribute(k_attention_tiled<T, WIDTH, M>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             BYTES) == cudaSuccess)
        k_attention_tiled<T, WIDTH, M><<<blocks, 2 * QUERIES / M, BYTES, sc_cuda_of(x)->stream>>>(call);
    return SC_LAUNCHED(x);
}

/* Two rows of pieces a warp where registers allow: each piece of k and v then serves two products. */
template <typename T> static int launch_for(sc_exec *x, const sc_attention_args *a)
{
    const int64_t width = a->q.dim[3];

    return width <= 32   ? launch<T, 32, 2>(x, a)
           : width <= 64 ? launch<T, 64, 2>(x, a)
           : width <= 80 ? launch<T, 80, 1>(x, a)
                         : launch<T, 128, 1>(x, a);
}

int sc_cuda_attention_tiled(sc_exec *x, const sc_attention_args *a)
{
    return a->q.dtype == SC_F16 ? launch_for<__half>(x, a) : launch_for<__nv_bfloat16>(x, a);
}
