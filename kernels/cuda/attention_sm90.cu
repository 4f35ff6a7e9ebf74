/* Attention by wgmma and TMA for heads 64 wide, sm_90a alone.
 *
 * A block stays on its multiprocessor and takes every gridDim-th tile of 192 (or 128) queries. One thread of
 * its last warpgroup fetches: queries into one of two buffers, keys and values 128 at a time into a ring, in
 * 128-byte rows whose 16-byte pieces are permuted as TMA and wgmma agree ("128-byte swizzle"). The three (or
 * two) other warpgroups take 64 queries each. A warpgroup issues the scores of the next keys together with
 * the products of the weights that it has, then turns the scores into weights while those products run; and
 * warpgroups issue in turns, so that the tensor cores work for one while another is at its softmax (Shah et
 * al., "FlashAttention-3", 2024). k and v are read once for each tile, from L2: blocks that run together work
 * on the same heads.
 *
 * q, k and v are read in place by tensor maps (64, tokens, heads, batches), so tokens may lie anywhere;
 * tokens past the end read as zeros. Shared memory: 2 x 24 (or 16) KiB of queries, 3 x 32 KiB of keys and
 * values. */
#include "attention.cuh"
#include "sm90.cuh"

enum { WIDTH = 64, KEYS = 128, STAGES = 3, ROW = WIDTH * 2, K_BYTES = KEYS * ROW };

/* A block has so many warpgroups that compute, of 64 queries each, and one that fetches. */
template <int GROUPS> constexpr int queries_of = 64 * GROUPS;
template <int GROUPS> constexpr int threads_of = 128 * (GROUPS + 1);

struct barriers { /* full: bytes have come; empty: warpgroups have done with them */
    uint64_t q_full[2], q_empty[2], k_full[STAGES], k_empty[STAGES], v_full[STAGES], v_empty[STAGES];
};

template <int GROUPS> struct storage {
    unsigned char q[2][queries_of<GROUPS> * ROW], k[STAGES][K_BYTES], v[STAGES][K_BYTES];
    barriers bar;
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
__device__ __forceinline__ void load(void *to, const CUtensorMap *map, uint64_t *b, int row, attention_part p)
{
    tma_load(to, map, b, 0, row, (int)p.head, (int)p.batch);
}

/* Named barriers: 1 to 3 keep a warpgroup together, 4 to 6 hand the turn to issue from one to the next. */
__device__ __forceinline__ void turn_wait(int group)
{
    asm volatile("bar.sync %0, 256;" ::"r"(group + 4) : "memory");
}

__device__ __forceinline__ void turn_give(int group)
{
    asm volatile("bar.arrive %0, 256;" ::"r"(group + 4) : "memory");
}

__device__ __forceinline__ void group_sync(int group)
{
    asm volatile("bar.sync %0, 128;" ::"r"(group + 1) : "memory");
}

/* s (+)= q k: 64 x 128 (or 64), 16 columns of both, which lie along the rows of both. */
#define SCORES(type, n, list, a, b, more, ...)                                                               \
    asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, " more ", 0;\n"                                       \
                 "wgmma.mma_async.sync.aligned.m64n" n "k16.f32." type "." type " {" list "}, " a ", " b     \
                 ", add, 1, 1, 0, 0;\n}"                                                                     \
                 : __VA_ARGS__                                                                               \
                 : "l"(q + 2 * D), "l"(k + 2 * D), "n"(D > 0))
#define SCORES_ANY(type)                                                                                     \
    if constexpr (N == KEYS)                                                                                 \
        SCORES(type, "128", LIST64, "%64", "%65", "%66", OUT64(s));                                          \
    else                                                                                                     \
        SCORES(type, "64", LIST32, "%32", "%33", "%34", OUT16(s), OUT16(s + 4))
/* sum += weights v: 64 x 64, 16 keys; v's rows are keys. */
#define PRODUCT(type)                                                                                        \
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type " {" LIST32                     \
                 "}, {%32,%33,%34,%35}, %36, 1, 1, 1, 1;"                                                    \
                 : OUT16(sum), OUT16(sum + 4)                                                                \
                 : "r"(p[0]), "r"(p[1]), "r"(p[2]), "r"(p[3]), "l"(v))

template <typename T, int N, int D>
__device__ __forceinline__ void scores_step(float (*s)[4], uint64_t q, uint64_t k)
{
    if constexpr (std::is_same_v<T, __half>)
        SCORES_ANY("f16");
    else
        SCORES_ANY("bf16");
}

/* Of N keys. */
template <typename T, int N> __device__ __forceinline__ void scores(float (*s)[4], uint64_t q, uint64_t k)
{
    scores_step<T, N, 0>(s, q, k);
    scores_step<T, N, 1>(s, q, k);
    scores_step<T, N, 2>(s, q, k);
    scores_step<T, N, 3>(s, q, k);
    wgmma_commit();
}

template <typename T>
__device__ __forceinline__ void product_step(float (*sum)[4], const uint32_t (&p)[4], uint64_t v)
{
    if constexpr (std::is_same_v<T, __half>)
        PRODUCT("f16");
    else
        PRODUCT("bf16");
}

template <typename T, int N>
__device__ __forceinline__ void products(float (&sum)[WIDTH / 8][4], const uint32_t (&p)[KEYS / 16][4],
                                         uint64_t v)
{
#pragma unroll
    for (int i = 0; i < N / 16; i++)
        product_step<T>(sum, p[i], v + i * (16 * ROW >> 4));
    wgmma_commit();
}

template <typename T, int N>
__device__ __forceinline__ void weights(uint32_t (&p)[KEYS / 16][4], const float (&s)[N / 8][4])
{
#pragma unroll
    for (int i = 0; i < N / 16; i++)
        attention_weights<T>(p[i], s[2 * i], s[2 * i + 1]);
}

/* One thread. `groups` warpgroups have to be done with a buffer before it is filled again. */
__device__ static void init(barriers &b, int groups)
{
    for (int i = 0; i < 2; i++) {
        bar_init(&b.q_full[i], 1);
        bar_init(&b.q_empty[i], groups);
    }
    for (int i = 0; i < STAGES; i++) {
        bar_init(&b.k_full[i], 1);
        bar_init(&b.v_full[i], 1);
        bar_init(&b.k_empty[i], groups);
        bar_init(&b.v_empty[i], groups);
    }
    bar_init_done();
}

/* One thread: everything that this block's tiles need, in the order in which they need it. */
template <typename T, int GROUPS>
__device__ static void fetch(storage<GROUPS> &m, const CUtensorMap *q, const CUtensorMap *k,
                             const CUtensorMap *v, const attention_call<T> &a, unsigned tiles, int blocks)
{
    unsigned n = 0, i = 0;
    for (unsigned tile = blockIdx.x; tile < tiles; tile += gridDim.x, i++) {
        const attention_part part = attention_part_of(a, tile);
        bar_wait(&m.bar.q_empty[i % 2], i / 2 + 1);
        bar_expect(&m.bar.q_full[i % 2], (int)sizeof(m.q[0]));
        load(m.q[i % 2], q, &m.bar.q_full[i % 2], part.first * queries_of<GROUPS>, part);
        for (int j = 0; j < blocks; j++, n++) {
            const unsigned stage = n % STAGES, use = n / STAGES;
            bar_wait(&m.bar.k_empty[stage], use + 1);
            bar_expect(&m.bar.k_full[stage], K_BYTES);
            load(m.k[stage], k, &m.bar.k_full[stage], j * KEYS, part);
            bar_wait(&m.bar.v_empty[stage], use + 1);
            bar_expect(&m.bar.v_full[stage], K_BYTES);
            load(m.v[stage], v, &m.bar.v_full[stage], j * KEYS, part);
        }
    }
}

/* A warpgroup's 64 rows of y, of which `rows` exist, through its own queries' buffer to write whole rows. */
template <typename T>
__device__ __forceinline__ void store(T *y, int64_t step, int rows, const attention_softmax &soft,
                                      const float (&sum)[WIDTH / 8][4], unsigned char *buffer)
{
    const int group = threadIdx.x / 128, lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4 * 16;

    group_sync(group); /* all have done with the queries */
    buffer += warp * ROW;
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const float share = soft.share(r);
        const int row = lane / 4 + 8 * r;
#pragma unroll
        for (int i = 0; i < WIDTH / 8; i++)
            *(uint32_t *)(buffer + row * ROW + (i ^ row % 8) * 16 + lane % 4 * 4) =
                attention_pack<T>(sum[i][2 * r] * share, sum[i][2 * r + 1] * share);
    }
    __syncwarp();
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int row = lane / 8 + 4 * i;
        if (warp + row < rows)
            *(uint4 *)(y + (warp + row) * step + lane % 8 * 8) =
                *(const uint4 *)(buffer + row * ROW + (lane % 8 ^ row % 8) * 16);
    }
    async_fence(); /* TMA writes here next */
    group_sync(group);
}

/* A warpgroup's rows of this block's tiles. n counts blocks of keys and i tiles, as in fetch(). */
template <typename T, int GROUPS>
__device__ static void attend(storage<GROUPS> &m, const attention_call<T> &a, unsigned tiles, int blocks)
{
    const int group = threadIdx.x / 128;
    const bool speaker = threadIdx.x % 128 == 0;
    /* Of 576 keys half a block is left over: it costs half a block then. */
    const bool halved = blocks > 1 && a.keys % KEYS - 1U < KEYS / 2;
    const float scale = a.scale * attention_log2e;
    unsigned n = 0, i = 0;

    if (group == GROUPS - 1)
        turn_give(0);
    for (unsigned tile = blockIdx.x; tile < tiles; tile += gridDim.x, i++) {
        const attention_part part = attention_part_of(a, tile);
        unsigned char *const own = m.q[i % 2] + group * 64 * ROW;
        const int row = part.first * queries_of<GROUPS> + group * 64;
        const uint64_t q = matrix(own);
        attention_softmax soft;
        float all[KEYS / 8][4], sum[WIDTH / 8][4] = {};
        uint32_t p[KEYS / 16][4];

        bar_wait(&m.bar.q_full[i % 2], i / 2);
        bar_wait(&m.bar.k_full[n % STAGES], n / STAGES);
        wgmma_fence();
        scores<T, KEYS>(all, q, matrix(m.k[n % STAGES]));
        wgmma_wait<0>();
        hold(all);
        if (speaker)
            bar_arrive(&m.bar.k_empty[n % STAGES]);
        if (blocks == 1 && a.keys < KEYS)
            attention_mask(all, 0, a.keys);
        soft.block(all, scale);
        weights<T, KEYS>(p, all);
        /* The scores of block j, of so many keys, beside the products of the block before. */
        auto next_block = [&](auto count, int j) {
            constexpr int N = decltype(count)::value;
            const unsigned now = n % STAGES, next = (n + 1) % STAGES;
            float(&s)[N / 8][4] = *(float(*)[N / 8][4]) all;

            bar_wait(&m.bar.k_full[next], (n + 1) / STAGES);
            turn_wait(group);
            wgmma_fence();
            scores<T, N>(s, q, matrix(m.k[next]));
            bar_wait(&m.bar.v_full[now], n / STAGES);
            wgmma_fence();
            products<T, KEYS>(sum, p, matrix(m.v[now]));
            turn_give((group + 1) % GROUPS);
            wgmma_wait<1>();
            hold(s);
            if (speaker)
                bar_arrive(&m.bar.k_empty[next]);
            if (j == blocks - 1 && a.keys % N)
                attention_mask(s, j * KEYS, a.keys);
            const bool moved = soft.block(s, scale);
            wgmma_wait<0>();
            hold(sum);
            if (speaker)
                bar_arrive(&m.bar.v_empty[now]);
            if (moved)
                soft.rescale(sum);
            weights<T, N>(p, s);
            n++;
        };
        for (int j = 1; j < blocks - halved; j++)
            next_block(std::integral_constant<int, KEYS>(), j);
        if (halved)
            next_block(std::integral_constant<int, KEYS / 2>(), blocks - 1);
        bar_wait(&m.bar.v_full[n % STAGES], n / STAGES);
        if (halved) { /* a fence each: the compiler would add them, with a remark */
            wgmma_fence();
            products<T, KEYS / 2>(sum, p, matrix(m.v[n % STAGES]));
        } else {
            wgmma_fence();
            products<T, KEYS>(sum, p, matrix(m.v[n % STAGES]));
        }
        wgmma_wait<0>();
        hold(sum);
        if (speaker)
            bar_arrive(&m.bar.v_empty[n % STAGES]);
        n++;
        store(attention_head(a.y, part) + row * a.y.row, a.y.row, a.queries - row, soft, sum, own);
        if (speaker)
            bar_arrive(&m.bar.q_empty[i % 2]);
    }
}
#define BOUND(groups) threads_of<groups>
#else
#define BOUND(groups) 32 /* tells the launcher that there is no code for sm_90a */
#endif

/* grid: one block a multiprocessor. */
template <typename T, int GROUPS>
__global__ void __launch_bounds__(BOUND(GROUPS), 1)
    k_attention_sm90(const __grid_constant__ CUtensorMap q, const __grid_constant__ CUtensorMap k,
                     const __grid_constant__ CUtensorMap v, const attention_call<T> a, unsigned tiles)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    extern __shared__ unsigned char memory[];
    storage<GROUPS> &m =
        *(storage<GROUPS> *)(memory + (SM90_ALIGN - sc_shared(memory) % SM90_ALIGN) % SM90_ALIGN);
    const int blocks = (a.keys + KEYS - 1) / KEYS;

    if (threadIdx.x == 0)
        init(m.bar, GROUPS);
    __syncthreads();
    /* 64 Ki registers: those who compute take over what those who fetch do not need. */
    if (threadIdx.x < 128 * GROUPS) {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(GROUPS == 3 ? 160 : 240));
        attend(m, a, tiles, blocks);
    } else {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(GROUPS == 3 ? 32 : 24));
        if (threadIdx.x == 128 * GROUPS)
            fetch(m, &q, &k, &v, a, tiles, blocks);
    }
#endif
}

/* `rows` tokens a box. A dimension of 1 needs a step that TMA takes, whatever the tensor has. */
static int map_of(sc_exec *x, CUtensorMap *map, const sc_tensor &t, int rows)
{
    static const cuuint32_t each[] = { 1, 1, 1, 1 };
    const cuuint64_t dims[] = { WIDTH, (cuuint64_t)t.dim[1], (cuuint64_t)t.dim[2], (cuuint64_t)t.dim[0] };
    const int64_t step[] = { t.dim[1] > 1 ? t.stride[1] : WIDTH, t.dim[2] > 1 ? t.stride[2] : WIDTH,
                             t.dim[0] > 1 ? t.stride[0] : WIDTH };
    const cuuint64_t bytes[] = { (cuuint64_t)step[0] * 2, (cuuint64_t)step[1] * 2, (cuuint64_t)step[2] * 2 };
    const cuuint32_t box[] = { WIDTH, (cuuint32_t)rows, 1, 1 };

    return sm90_map(x, map, t.dtype, t.data, dims, bytes, box, each);
}

template <typename T, int GROUPS> static int launch(sc_exec *x, const sc_attention_args *a)
{
    const sc_cuda *c = sc_cuda_of(x);
    const attention_call<T> call = attention_call_of<T>(a, queries_of<GROUPS>);
    const unsigned tiles = (unsigned)(call.tiles * call.heads * a->q.dim[0]);
    const int threads = threads_of<GROUPS>, bytes = sizeof(storage<GROUPS>) + SM90_ALIGN;
    auto *const kernel = k_attention_sm90<T, GROUPS>;
    cudaFuncAttributes f;
    CUtensorMap q, k, v;
    int ret;

    if ((ret = sc_cuda_check(x, cudaFuncGetAttributes(&f, kernel), "attention")) < 0)
        return ret;
    if (f.maxThreadsPerBlock < threads)
        return -ENOSYS;
    if ((ret = map_of(x, &q, a->q, queries_of<GROUPS>)) < 0 || (ret = map_of(x, &k, a->k, KEYS)) < 0 ||
        (ret = map_of(x, &v, a->v, KEYS)) < 0)
        return ret;
    if (cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes) == cudaSuccess)
        kernel<<<SC_MIN(tiles, (unsigned)c->processors), threads, bytes, c->stream>>>(q, k, v, call, tiles);
    return SC_LAUNCHED(x);
}

int sc_cuda_attention_sm90(sc_exec *x, const sc_attention_args *a, bool small)
{
    if (a->q.dtype == SC_F16)
        return small ? launch<__half, 2>(x, a) : launch<__half, 3>(x, a);
    return small ? launch<__nv_bfloat16, 2>(x, a) : launch<__nv_bfloat16, 3>(x, a);
}
