/* Attention: the entry that chooses a kernel, and the plain kernel.
 *
 *   y[b,i,h,:] = sum_j softmax_j(scale * q[b,i,h,:].k[b,j,h,:]) v[b,j,h,:]          all [B,S,H,D], any
 * strides
 *
 * No kernel writes scores to memory: each walks over blocks of keys and keeps, for each query, the largest
 * score so far, the sum of weights and the weighted sum of values, in f32 (Dao et al., "FlashAttention",
 * 2022). One block of threads makes whole rows of y, so nothing depends on the order in which blocks run.
 *
 * The plain kernel: products by f32 FMA, any type, width up to 512 and alignment. A block takes 64 queries
 * and walks over 64 keys at a time; 16 x 16 threads own 4 x 4 scores each, and 4 x 4 sums of every 64
 * columns. q, k and v are read once for each 64 queries, mostly from L2. */
#include "attention.cuh"

enum { TILE = 64, DEPTH = 32, OWN = 4, SIDE = TILE / OWN, THREADS = SIDE * SIDE, MAX_WIDTH = 512 };
enum { MAX_ROWS = 1 << 30 }; /* rows and blocks are counted in 32 bits */
/* Of a row in shared memory: 4 more, so that a column is written without bank conflicts and 4 floats are read
 * at once. */
enum { ROW = TILE + 4 };

struct products { /* shared by the two products: 32 terms of queries and keys, or 64 columns of values */
    float q[DEPTH][ROW], k[DEPTH][ROW];
};

/* to[d][r] = columns first_col.. of rows first..; zeros outside. */
template <typename T>
__device__ static void load_turned(float (*to)[ROW], const T *from, int64_t step, int first, int rows,
                                   int first_col, int width)
{
    const int t = threadIdx.x, d = t % 8 + t / 32 % 4 * 8;
    for (int r = t % 32 / 8 + t / 128 * 4; r < TILE; r += THREADS / DEPTH) {
        const bool inside = first + r < rows && first_col + d < width;
        to[d][r] = inside ? sc_f32(from[(first + r) * step + first_col + d]) : 0;
    }
}

template <typename T>
__device__ static void load_straight(float *to, const T *from, int64_t step, int first, int rows,
                                     int first_col, int width)
{
    const int d = threadIdx.x % TILE;
    for (int r = threadIdx.x / TILE; r < TILE; r += THREADS / TILE) {
        const bool inside = first + r < rows && first_col + d < width;
        to[r * ROW + d] = inside ? sc_f32(from[(first + r) * step + first_col + d]) : 0;
    }
}

__device__ static void load_own(float (&v)[OWN], const float *from)
{
    const float4 f = *(const float4 *)from;
    v[0] = f.x, v[1] = f.y, v[2] = f.z, v[3] = f.w;
}

/* Over the 16 lanes that share a row. */
template <typename F> __device__ static float across(float v, F join)
{
#pragma unroll
    for (int step = SIDE / 2; step; step /= 2)
        v = join(v, __shfl_xor_sync(~0u, v, step));
    return v;
}

/* s += q k over all columns. */
template <typename T>
__device__ static void scores(float (&s)[OWN][OWN], products &shared, const attention_call<T> &a, const T *q,
                              const T *k, int row, int key)
{
    const int mine = threadIdx.x / SIDE * OWN, other = threadIdx.x % SIDE * OWN;

    for (int d0 = 0; d0 < a.width; d0 += DEPTH) {
        __syncthreads();
        load_turned(shared.q, q, a.q.row, row, a.queries, d0, a.width);
        load_turned(shared.k, k, a.k.row, key, a.keys, d0, a.width);
        __syncthreads();
#pragma unroll 8
        for (int d = 0; d < DEPTH; d++) {
            float x[OWN], y[OWN];
            load_own(x, &shared.q[d][mine]);
            load_own(y, &shared.k[d][other]);
#pragma unroll
            for (int i = 0; i < OWN; i++)
#pragma unroll
                for (int j = 0; j < OWN; j++)
                    s[i][j] += x[i] * y[j];
        }
    }
}

/* grid: (tile of queries, head, batch) in one number; CHUNKS: of 64 columns. */
template <typename T, int CHUNKS>
__global__ void __launch_bounds__(THREADS) k_attention_plain(const attention_call<T> a)
{
    __shared__ __align__(16) products shared;
    __shared__ __align__(16) float weight[TILE][ROW];
    const attention_part part = attention_part_of(a, blockIdx.x);
    const T *q = attention_head(a.q, part), *k = attention_head(a.k, part), *v = attention_head(a.v, part);
    const int row = part.first * TILE, mine = threadIdx.x / SIDE * OWN, other = threadIdx.x % SIDE * OWN;
    float sum[CHUNKS][OWN][OWN] = {}, total[OWN] = {}, top[OWN];
    float *values = shared.q[0];

    static_assert(sizeof(products) >= TILE * ROW * sizeof(float),
                  "values take the place of queries and keys");
    for (int i = 0; i < OWN; i++)
        top[i] = -INFINITY;
    for (int key = 0; key < a.keys; key += TILE) {
        float s[OWN][OWN] = {};
        scores(s, shared, a, q, k, row, key);
#pragma unroll
        for (int i = 0; i < OWN; i++) {
            float best = top[i];
#pragma unroll
            for (int j = 0; j < OWN; j++) {
                s[i][j] = key + other + j < a.keys ? s[i][j] * a.scale : -INFINITY;
                best = fmaxf(best, s[i][j]);
            }
            best = across(best, [](float x, float y) { return fmaxf(x, y); });
            const float keep = expf(top[i] - best);
            top[i] = best;
            total[i] *= keep;
#pragma unroll
            for (int j = 0; j < OWN; j++) {
                s[i][j] = expf(s[i][j] - best);
                total[i] += s[i][j];
            }
#pragma unroll
            for (int c = 0; c < CHUNKS; c++)
#pragma unroll
                for (int j = 0; j < OWN; j++)
                    sum[c][i][j] *= keep;
            *(float4 *)&weight[mine + i][other] = make_float4(s[i][0], s[i][1], s[i][2], s[i][3]);
        }
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
            __syncthreads();
            load_straight(values, v, a.v.row, key, a.keys, c * TILE, a.width);
            __syncthreads();
#pragma unroll 4
            for (int n = 0; n < TILE; n++) {
                float y[OWN];
                load_own(y, values + n * ROW + other);
#pragma unroll
                for (int i = 0; i < OWN; i++)
#pragma unroll
                    for (int j = 0; j < OWN; j++)
                        sum[c][i][j] += weight[mine + i][n] * y[j];
            }
        }
    }
    T *y = attention_head(a.y, part);
#pragma unroll
    for (int i = 0; i < OWN; i++) {
        const float all = across(total[i], [](float p, float r) { return p + r; });
#pragma unroll
        for (int c = 0; c < CHUNKS; c++)
#pragma unroll
            for (int j = 0; j < OWN; j++)
                if (row + mine + i < a.queries && c * TILE + other + j < a.width)
                    y[(row + mine + i) * a.y.row + c * TILE + other + j] = sc_from_f32<T>(sum[c][i][j] / all);
    }
}

template <typename T, int CHUNKS> static void plain_launch(sc_exec *x, const sc_attention_args *a)
{
    const attention_call<T> call = attention_call_of<T>(a, TILE);
    const unsigned blocks = (unsigned)(call.tiles * call.heads * a->q.dim[0]);

    k_attention_plain<T, CHUNKS><<<blocks, THREADS, 0, sc_cuda_of(x)->stream>>>(call);
}

int sc_cuda_attention_plain(sc_exec *x, const sc_attention_args *a)
{
    return sc_by_type(a->q.dtype, [&](auto *p) {
        using T = std::remove_pointer_t<decltype(p)>;
        if (a->q.dim[3] <= TILE)
            plain_launch<T, 1>(x, a);
        else if (a->q.dim[3] <= 2 * TILE)
            plain_launch<T, 2>(x, a);
        else
            plain_launch<T, MAX_WIDTH / TILE>(x, a);
        return SC_LAUNCHED(x);
    });
}

extern "C" int sc_cuda_attention(sc_exec *x, const sc_attention_args *a)
{
    const sc_cuda *c = sc_cuda_of(x);
    const int64_t rows = a->q.dim[0] * a->q.dim[1] * a->q.dim[2];
    const sc_attention_way way = c->plain ? SC_ATTENTION_PLAIN : sc_plan_attention(a, c->arch);
    int ret;

    if (a->q.dim[3] > MAX_WIDTH || a->k.dim[1] < 1 || SC_MAX(rows, a->k.dim[1]) > MAX_ROWS)
        return -EINVAL;
    if (!rows)
        return 0;
    switch (way) {
    case SC_ATTENTION_SHORT:
        return sc_cuda_attention_short(x, a);
    case SC_ATTENTION_SM90:
    case SC_ATTENTION_SM90_128:
        ret = sc_cuda_attention_sm90(x, a, way == SC_ATTENTION_SM90_128);
        return ret == -ENOSYS ? sc_cuda_attention_tiled(x, a) : ret;
    case SC_ATTENTION_TILED:
        return sc_cuda_attention_tiled(x, a);
    case SC_ATTENTION_WIDE:
        return sc_cuda_attention_wide(x, a, false);
    case SC_ATTENTION_WIDE_99:
        return sc_cuda_attention_wide(x, a, true);
    default:
        return sc_cuda_attention_plain(x, a);
    }
}
