/* Convolutions and linear layers by wgmma and TMA, sm_90a alone: one product over taps and channels.
 *
 *   y[p,o] = sum over taps t and channels i of x[p + t, i] w[o,t,i]  + b[o] + vec[image of p, o] + add[p,o]
 *   gated:  y = v * gelu(g), v by w's first half of the rows, g by its last; y takes half of a tile's columns
 *
 * Sums are f32 and rounded once. A tile is a rectangle of 192 pixels by 128, 160 or 256 columns: 320 channels
 * are two times 160 and waste nothing. A block stays on its multiprocessor and takes every gridDim-th tile.
 * One thread of its last warpgroup fetches, 64 channels at a time: boxes of the input into one ring, weights
 * into another, zeros for what lies outside of the image; its three other warpgroups take 64 pixels each. A
 * box reaches over the rows of all taps of a column, which read it at a step of tile_w rows of shared memory:
 * the input comes from L2 kw (not kh kw) times, and a little more. Neighbouring tiles share pixels, then
 * weights.
 *
 * Upsampled input is not made: output pixels of one parity are a 2 x 2 convolution of the small image, whose
 * weights are sums of the 3 x 3 ones (f32, rounded once, as many of the four as fit into the workspace). */
#include <cuda_fp8.h>

#include "plan.h"
#include "tap_multiply.cuh"
#include "tap_plan.h"

enum { GROUPS = SC_TAP_PIXELS / 64, THREADS = 128 * (GROUPS + 1), BRIEFS = 2 };
enum { ROOM_COLUMNS = 32, ROOM_BYTES = 64 * ROOM_COLUMNS * 2 }; /* of a warpgroup, stored at once */

/* What a call reads and writes, as TMA sees it; of y, the pixels of each phase. */
struct tap_maps {
    CUtensorMap a, b, add, y[4];
};

struct tap_call {
    const float *b, *vec; /* NULL: none */
    int64_t vec_image;    /* elements from one image's to the next */
    const float *scale;   /* E4M3's factors: of w's rows and of x's pixels, `x_scale_step` apart, 0 for one */
    const float *x_scale;
    int64_t x_scale_step;
    sc_tap_plan p;
    int phase;                          /* the first of p.phases */
    int in, out;                        /* as in p */
    unsigned tiles, across, down, wide; /* tiles in all, of a row, of an image, of all columns */
    int a_bytes, b_bytes;
};

/* The part of a call that tile number i is. */
struct tap_part {
    int column, phase, x, y, image;
};

__device__ __forceinline__ tap_part tap_part_of(const tap_call &c, int step, unsigned i)
{
    tap_part t;

    t.column = (int)(i % c.wide) * step;
    i /= c.wide;
    t.phase = c.phase + (int)(i % c.p.phases);
    i /= c.p.phases;
    t.x = (int)(i % c.across) * c.p.tile_w;
    i /= c.across;
    t.y = (int)(i % c.down) * c.p.tile_h;
    t.image = (int)(i / c.down);
    return t;
}

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
enum { FACTORS = 160 }; /* E4M3's columns at most */

/* What a warpgroup has to know of a tile before it begins. */
struct alignas(16) tap_brief {
    float shift[320]; /* what is added to each column: b and vec; from FACTORS on, E4M3's factors */
    tap_part part;
};

template <typename S> constexpr bool NARROW = sizeof(S) == 1;
template <typename S> constexpr int DEPTH = SM90_ROW / sizeof(S); /* channels at a time */

struct tap_shared { /* after the rings and the warpgroups' rooms */
    uint64_t a_full[SC_TAP_SLOTS], b_full[SC_TAP_SLOTS], brief_full[BRIEFS];    /* they have come */
    uint64_t a_empty[SC_TAP_SLOTS], b_empty[SC_TAP_SLOTS], brief_empty[BRIEFS]; /* all have done with them */
    uint64_t room_full[GROUPS]; /* it may be written to, and holds what is added */
    tap_brief brief[BRIEFS];
};
static_assert(sizeof(tap_shared) <= SC_TAP_REST);

struct ring { /* the next slot, and how often all have been used before it */
    int slot = 0;
    unsigned use = 0;

    __device__ __forceinline__ void next(int slots)
    {
        if (++slot == slots) {
            slot = 0;
            use++;
        }
    }
    __device__ __forceinline__ int last(int slots) const
    {
        return (slot ? slot : slots) - 1;
    }
};

/* One thread: everything that this block's tiles need, in the order in which they need it. */
template <typename S, int COLUMNS, bool GATED>
__device__ static void fetch(unsigned char *as, unsigned char *bs, tap_shared &m, const tap_maps &maps,
                             const tap_call &c)
{
    constexpr int rows = GATED ? COLUMNS / 2 : COLUMNS;
    const sc_tap_plan &p = c.p;
    ring ra, rb;

    for (unsigned tile = blockIdx.x; tile < c.tiles; tile += gridDim.x) {
        const tap_part t = tap_part_of(c, rows, tile);
        const int x = t.x * p.stride - p.left + t.phase % 2, y = t.y * p.stride - p.top + t.phase / 2;
        const int row = (t.phase - c.phase) * c.out + t.column;
        for (int channel = 0; channel < c.in; channel += DEPTH<S>)
            for (int ky = 0; ky < p.kh; ky += p.reach)
                for (int kx = 0; kx < p.kw; kx++) {
                    bar_wait(&m.a_empty[ra.slot], ra.use + 1);
                    bar_expect(&m.a_full[ra.slot], c.a_bytes);
                    tma_load(as + ra.slot * c.a_bytes, &maps.a, &m.a_full[ra.slot], channel, x + kx, y + ky,
                             t.image);
                    ra.next(p.a_slots);
#pragma unroll 1
                    for (int j = 0; j < p.reach; j++) {
                        unsigned char *const to = bs + rb.slot * c.b_bytes;
                        const int tap = (ky + j) * p.kw + kx;
                        bar_wait(&m.b_empty[rb.slot], rb.use + 1);
                        bar_expect(&m.b_full[rb.slot], c.b_bytes);
                        tma_load(to, &maps.b, &m.b_full[rb.slot], channel, tap, row, 0);
                        if (GATED)
                            tma_load(to + rows * SM90_ROW, &maps.b, &m.b_full[rb.slot], channel, tap,
                                     c.out + row, 0);
                        rb.next(p.b_slots);
                    }
                }
    }
}

/* One warp: a brief of each of this block's tiles. */
template <typename S, int COLUMNS, bool GATED>
__device__ static void explain(tap_shared &m, const tap_call &c)
{
    constexpr int rows = GATED ? COLUMNS / 2 : COLUMNS;
    const int lane = threadIdx.x % 32;
    ring r;

    for (unsigned tile = blockIdx.x; tile < c.tiles; tile += gridDim.x) {
        const tap_part t = tap_part_of(c, rows, tile);
        float shift[COLUMNS / 32], scale[COLUMNS / 32];
#pragma unroll
        for (int i = 0; i < COLUMNS / 32; i++) {
            const int at = 32 * i + lane, col = t.column + at % rows, row = at / rows * c.out + col;
            const bool exists = col < c.out;
            shift[i] =
                (exists && c.b ? c.b[row] : 0) + (exists && c.vec ? c.vec[t.image * c.vec_image + row] : 0);
            if (NARROW<S>)
                scale[i] = exists ? c.scale[row] : 0;
        }
        tap_brief &brief = m.brief[r.slot];
        bar_wait(&m.brief_empty[r.slot], r.use + 1);
#pragma unroll
        for (int i = 0; i < COLUMNS / 32; i++)
            brief.shift[32 * i + lane] = shift[i];
#pragma unroll
        for (int i = 0; i < (NARROW<S> ? COLUMNS / 32 : 0); i++)
            brief.shift[FACTORS + 32 * i + lane] = scale[i];
        if (lane == 0)
            brief.part = t;
        bar_arrive(&m.brief_full[r.slot]);
        r.next(BRIEFS);
    }
}

/* A warpgroup's room: its 64 pixels, 32 columns at a time in rows of 64 bytes, whose 16-byte pieces are
 * permuted as TMA does ("64-byte swizzle"). Lane l's address of the first of 32 columns, for matrix
 * instructions that take rows 0-7 and 8-15 of columns 0-7, then of columns 8-15; the next 16 columns: bit 5
 * turned over. */
__device__ __forceinline__ uint32_t room_address(const unsigned char *room)
{
    const int lane = threadIdx.x % 32, row = threadIdx.x % 128 / 32 * 16 + lane % 16;

    return sc_shared(room) + row * ROOM_COLUMNS * 2 + (lane / 16 ^ lane % 8 / 2) * 16;
}

__device__ __forceinline__ void room_load(uint32_t (&v)[4], uint32_t at)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3])
                 : "r"(at)
                 : "memory");
}

__device__ __forceinline__ void room_store(uint32_t at, const uint32_t (&v)[4])
{
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(at), "r"(v[0]),
                 "r"(v[1]), "r"(v[2]), "r"(v[3])
                 : "memory");
}

/* The sums, with what is added, as y into the room. */
template <typename T, int STEPS, bool GATED, bool ADDS>
__device__ __forceinline__ void finish(uint32_t room, const float (*sum)[4])
{
#pragma unroll
    for (int i = 0; i < 2 * STEPS; i++) {
        const uint32_t at = (room ^ i % 2 * 32) + i / 2 * ROOM_BYTES;
        uint32_t v[4];
        if (ADDS)
            room_load(v, at);
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const int piece = 2 * i + k / 2, r = k % 2 * 2;
            float2 s = { sum[piece][r], sum[piece][r + 1] };
            if (GATED) {
                s.x *= gelu(sum[4 * STEPS + piece][r]);
                s.y *= gelu(sum[4 * STEPS + piece][r + 1]);
            }
            if (ADDS) {
                const float2 a = unpack<T>(v[k]);
                s.x += a.x;
                s.y += a.y;
            }
            v[k] = pack<T>(s);
        }
        room_store(at, v);
    }
}

/* One thread of a warpgroup. Once what was last stored has left the room: asks for what is added to the
 * columns of t that exist, else declares the room empty. */
template <int STEPS>
__device__ __forceinline__ void enter(unsigned char *room, uint64_t *full, const CUtensorMap *add,
                                      const tap_call &c, const tap_part &t)
{
    const int steps = c.p.adds ? SC_MIN(STEPS, (c.out - t.column + ROOM_COLUMNS - 1) / ROOM_COLUMNS) : 0;

    tma_store_wait();
    bar_expect(full, steps * ROOM_BYTES);
    for (int i = 0; i < steps; i++)
        tma_load(room + i * ROOM_BYTES, add, full, t.column + i * ROOM_COLUMNS, t.x, t.y, t.image);
}

template <int STEPS>
__device__ __forceinline__ void leave(const unsigned char *room, const CUtensorMap *y, const tap_call &c,
                                      const tap_part &t)
{
    for (int i = 0; i < STEPS; i++)
        if (t.column + i * ROOM_COLUMNS < c.out)
            tma_store(y, room + i * ROOM_BYTES, t.column + i * ROOM_COLUMNS, t.x, t.y, t.image);
    tma_store_commit();
}

/* E4M3's factors of a lane's two rows of tile t. A linear layer has one for each; its tile is one row high.
 */
__device__ __forceinline__ float2 row_factors(const tap_call &c, const tap_part &t)
{
    const int64_t row = t.x + threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4, last = c.p.w - 1;

    return { c.x_scale[SC_MIN(row, last) * c.x_scale_step],
             c.x_scale[SC_MIN(row + 8, last) * c.x_scale_step] };
}

/* Sums of E4M3's products by their factors, and what is added to a column. */
template <int COLUMNS>
__device__ __forceinline__ void rescale(float (*sum)[4], const tap_brief &brief, float2 row)
{
#pragma unroll
    for (int i = 0; i < COLUMNS / 8; i++) {
        const int column = 8 * i + threadIdx.x % 4 * 2;
        const float2 scale = *(const float2 *)(brief.shift + FACTORS + column),
                     shift = *(const float2 *)(brief.shift + column);
        sum[i][0] = fmaf(sum[i][0], scale.x * row.x, shift.x);
        sum[i][1] = fmaf(sum[i][1], scale.y * row.x, shift.y);
        sum[i][2] = fmaf(sum[i][2], scale.x * row.y, shift.x);
        sum[i][3] = fmaf(sum[i][3], scale.y * row.y, shift.y);
    }
}

/* A warpgroup's pixels of this block's tiles. */
template <typename T, typename S, int COLUMNS, bool GATED>
__device__ static void compute(const unsigned char *as, const unsigned char *bs, unsigned char *room,
                               tap_shared &m, const tap_maps &maps, const tap_call &c)
{
    constexpr int steps = COLUMNS / (GATED ? 2 : 1) / ROOM_COLUMNS;
    const sc_tap_plan &p = c.p;
    const int lane = threadIdx.x % 32, group = threadIdx.x / 128;
    const bool speaker = threadIdx.x % 128 == 0;
    const int boxes = (c.in + DEPTH<S> - 1) / DEPTH<S> * (p.kh / p.reach) * p.kw;
    /* E4M3: boxes before those of which half is channels that there are not. */
    const int whole = c.in % DEPTH<S> - 1U < DEPTH<S> / 2 ? boxes - p.kh / p.reach * p.kw : boxes;
    const int step = p.tile_w * SM90_ROW >> 4; /* from one row of taps to the next, as wgmma counts */
    uint64_t *const full = &m.room_full[group];
    unsigned n = 0;
    ring ra, rb, rc;

    as += group * 64 * SM90_ROW;
    room += group * steps * ROOM_BYTES;
    for (unsigned tile = blockIdx.x; tile < c.tiles; tile += gridDim.x, n++) {
        const tap_brief &brief = m.brief[rc.slot];
        float sum[COLUMNS / 8][4];
        bar_wait(&m.brief_full[rc.slot], rc.use);
        tap_part t = brief.part;
        t.x += p.tile_w > 64 ? 64 * group : 0;
        t.y += p.tile_w > 64 ? 0 : 64 / p.tile_w * group;
        const float2 row = NARROW<S> ? row_factors(c, t) : float2{}; /* now: memory takes its time */
#pragma unroll
        for (int i = 0; i < COLUMNS / 8; i++) {
            const float2 shift = NARROW<S> ? float2{} : *(const float2 *)(brief.shift + 8 * i + lane % 4 * 2);
            sum[i][0] = sum[i][2] = shift.x;
            sum[i][1] = sum[i][3] = shift.y;
        }
        if (!NARROW<S>)
            bar_arrive(&m.brief_empty[rc.slot]);
        for (int i = 0; i < boxes; i++) {
            uint64_t x = matrix(as + ra.slot * c.a_bytes);
            bar_wait(&m.a_full[ra.slot], ra.use);
#pragma unroll 1
            for (int j = 0; j < p.reach; j++, x += step) {
                const uint64_t w = matrix(bs + rb.slot * c.b_bytes);
                bar_wait(&m.b_full[rb.slot], rb.use);
                if constexpr (NARROW<S>) {
                    multiply_part<COLUMNS>(sum, x, w, i >= whole);
                    if (speaker)
                        bar_arrive(&m.b_empty[rb.slot]);
                } else {
                    wgmma_fence();
#pragma unroll
                    for (int k = 0; k < SM90_ROW / 32; k++)
                        multiply<S, COLUMNS>(sum, x + 2 * k, w + 2 * k);
                    wgmma_commit();
                    wgmma_wait<1>(); /* for the tap before: its slots are free */
                    if (speaker && i + j > 0) {
                        bar_arrive(&m.b_empty[rb.last(p.b_slots)]);
                        if (j == 0)
                            bar_arrive(&m.a_empty[ra.last(p.a_slots)]);
                    }
                }
                rb.next(p.b_slots);
            }
            if (NARROW<S> && speaker)
                bar_arrive(&m.a_empty[ra.slot]);
            ra.next(p.a_slots);
            if (speaker && i == 0) /* not before: products run while it waits */
                enter<steps>(room, full, &maps.add, c, t);
        }
        if constexpr (NARROW<S>) {
            rescale<COLUMNS>(sum, brief, row);
            bar_arrive(&m.brief_empty[rc.slot]);
        } else {
            wgmma_wait<0>();
            hold(sum);
            if (speaker) {
                bar_arrive(&m.b_empty[rb.last(p.b_slots)]);
                bar_arrive(&m.a_empty[ra.last(p.a_slots)]);
            }
        }
        rc.next(BRIEFS);
        bar_wait(full, n);
        if (!GATED && p.adds)
            finish<T, steps, GATED, true>(room_address(room), sum);
        else
            finish<T, steps, GATED, false>(room_address(room), sum);
        async_fence(); /* TMA reads it next */
        asm volatile("bar.sync %0, 128;" ::"r"(group + 1) : "memory");
        if (speaker)
            leave<steps>(room, &maps.y[t.phase], c, t);
    }
    if (speaker)
        tma_store_wait(); /* shared memory goes with the block */
}
#define BOUND THREADS
#else
#define BOUND 32 /* tells the launcher that there is no code for sm_90a */
#endif

/* S: the type of x and w. grid: one block a multiprocessor. */
template <typename T, typename S, int COLUMNS, bool GATED>
__global__ void __launch_bounds__(BOUND, 1)
    k_tap_gemm(const __grid_constant__ tap_maps maps, const __grid_constant__ tap_call c)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    extern __shared__ __align__(SM90_ALIGN) unsigned char memory[];
    unsigned char *const bs = memory + c.p.a_slots * c.a_bytes, *const room = bs + c.p.b_slots * c.b_bytes;
    tap_shared &m = *(tap_shared *)(room + SC_TAP_PIXELS * COLUMNS * (GATED ? 1 : 2));

    if (threadIdx.x == 0) {
        for (int i = 0; i < SC_TAP_SLOTS; i++) {
            bar_init(&m.a_full[i], 1);
            bar_init(&m.b_full[i], 1);
            bar_init(&m.a_empty[i], GROUPS);
            bar_init(&m.b_empty[i], GROUPS);
        }
        for (int i = 0; i < BRIEFS; i++) {
            bar_init(&m.brief_full[i], 32);
            bar_init(&m.brief_empty[i], 128 * GROUPS);
        }
        for (int i = 0; i < GROUPS; i++)
            bar_init(&m.room_full[i], 1);
        bar_init_done();
    }
    __syncthreads();
    /* 64 Ki registers: those who compute take over what those who fetch do not need. */
    if (threadIdx.x < 128 * GROUPS) {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 160;");
        compute<T, S, COLUMNS, GATED>(memory, bs, room, m, maps, c);
    } else {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 32;");
        if (threadIdx.x == 128 * GROUPS)
            fetch<S, COLUMNS, GATED>(memory, bs, m, maps, c);
        else if (threadIdx.x >= 128 * GROUPS + 32 && threadIdx.x < 128 * GROUPS + 64)
            explain<S, COLUMNS, GATED>(m, c);
    }
#endif
}

/* out[phase,o,ty,tx,i] = the sum of w[o,ky,kx,i] over the taps that read the same small pixel, for phases
 * [first, first + gridDim.z). A thread takes two channels; grid (in / 512, out, phases). */
template <typename T> __global__ void k_tap_phases(T *out, const T *w, int64_t in, int first)
{
    const int64_t i = 2 * ((int64_t)blockIdx.x * blockDim.x + threadIdx.x), o = blockIdx.y;
    const int py = (first + (int)blockIdx.z) / 2, px = (first + (int)blockIdx.z) % 2;
    float sum[2][2][2] = {};

    if (i >= in)
        return;
    for (int ky = 0; ky < 3; ky++)
        for (int kx = 0; kx < 3; kx++)
            for (int k = 0; k < 2; k++)
                sum[(ky + 1 - py) / 2][(kx + 1 - px) / 2][k] +=
                    sc_f32(w[((o * 3 + ky) * 3 + kx) * in + i + k]);
    out += ((int64_t)blockIdx.z * gridDim.y + o) * 4 * in + i;
    for (int t = 0; t < 4; t++)
        for (int k = 0; k < 2; k++)
            out[t * in + k] = sc_from_f32<T>(sum[t / 2][t % 2][k]);
}

/* Pixels of images: where the first is, how many in x and y and of images, elements from one to the next. */
struct tap_pixels {
    const void *data;
    int64_t size[3], step[3];
};

static int map_of(sc_exec *x, CUtensorMap *map, sc_dtype type, const tap_pixels &p, int64_t channels,
                  int depth, int64_t w, int64_t h, int stride)
{
    const cuuint64_t dim[] = { (cuuint64_t)channels, (cuuint64_t)p.size[0], (cuuint64_t)p.size[1],
                               (cuuint64_t)p.size[2] };
    const cuuint64_t size = sc_dtype_size(type);
    const cuuint64_t bytes[] = { size * (cuuint64_t)p.step[0], size * (cuuint64_t)p.step[1],
                                 size * (cuuint64_t)p.step[2] };
    const cuuint32_t box[] = { (cuuint32_t)depth, (cuuint32_t)(w * stride), (cuuint32_t)(h * stride), 1 };
    const cuuint32_t step[] = { 1, (cuuint32_t)stride, (cuuint32_t)stride, 1 };

    return sm90_map(x, map, type, p.data, dim, bytes, box, step);
}

/* The maps of a; of y's phases from c.phase on; of add, if there is one. */
static int maps_of(sc_exec *x, tap_maps *maps, const tap_call &c, sc_dtype type, const tap_pixels &in,
                   const void *w, const tap_pixels *y, const tap_pixels *add)
{
    const sc_tap_plan &p = c.p;
    const sc_dtype from = p.narrow ? SC_F8 : type;
    const int depth = sc_tap_depth(&p);
    const int64_t taps = p.kh * p.kw, rows = p.out * p.phases * (p.gated ? 2 : 1);
    const tap_pixels weights = { w, { taps, rows, 1 }, { p.in, taps * p.in, taps * p.in * rows } };
    const int room_w = SC_MIN(p.tile_w, 64), columns = p.gated ? p.columns / 2 : p.columns;
    int ret = map_of(x, &maps->a, from, in, p.in, depth, p.tile_w, p.tile_h + p.reach - 1, p.stride);

    if (ret >= 0)
        ret = map_of(x, &maps->b, from, weights, p.in, depth, 1, columns, 1);
    for (int i = 0; ret >= 0 && i < p.phases; i++)
        ret = map_of(x, &maps->y[c.phase + i], type, y[c.phase + i], p.out, ROOM_COLUMNS, room_w, 64 / room_w,
                     1);
    return ret >= 0 && p.adds ? map_of(x, &maps->add, type, *add, p.out, ROOM_COLUMNS, room_w, 64 / room_w, 1)
                              : ret;
}

template <typename T, typename S, int COLUMNS, bool GATED>
static int launch(sc_exec *x, tap_call &c, const tap_pixels &in, const void *w, const tap_pixels *y,
                  const tap_pixels *add)
{
    const sc_tap_plan &p = c.p;
    const sc_dtype type = std::is_same_v<T, __half> ? SC_F16 : SC_BF16;
    auto *const kernel = k_tap_gemm<T, S, COLUMNS, GATED>;
    cudaFuncAttributes f;
    tap_maps maps;
    int ret = sc_cuda_check(x, cudaFuncGetAttributes(&f, kernel), "tap_gemm");

    if (ret < 0)
        return ret;
    if (f.maxThreadsPerBlock < THREADS)
        return 1;
    c.in = (int)p.in;
    c.out = (int)p.out;
    c.across = sc_blocks(p.w, p.tile_w);
    c.down = sc_blocks(p.h, p.tile_h);
    c.wide = sc_blocks(p.out, GATED ? COLUMNS / 2 : COLUMNS);
    c.tiles = (unsigned)(c.across * c.down * p.images * p.phases * c.wide);
    c.a_bytes = (int)sc_tap_a_bytes(&p);
    c.b_bytes = (int)sc_tap_b_bytes(&p);
    if ((ret = maps_of(x, &maps, c, type, in, w, y, add)) < 0)
        return ret;
    const int bytes = p.a_slots * c.a_bytes + p.b_slots * c.b_bytes + (int)sc_tap_room(&p) + SC_TAP_REST;
    if (cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes) == cudaSuccess)
        kernel<<<SC_MIN(c.tiles, (unsigned)sc_cuda_of(x)->processors), THREADS, bytes,
                 sc_cuda_of(x)->stream>>>(maps, c);
    return SC_LAUNCHED(x);
}

template <typename T>
static int launch_any(sc_exec *x, tap_call &c, const tap_pixels &in, const void *w, const tap_pixels *y,
                      const tap_pixels *add)
{
    using E4M3 = __nv_fp8_e4m3;

    if (c.p.gated)
        return c.p.narrow ? launch<T, E4M3, 128, true>(x, c, in, w, y, add)
                          : launch<T, T, 256, true>(x, c, in, w, y, add);
    if (c.p.narrow)
        return c.p.columns == 160 ? launch<T, E4M3, 160, false>(x, c, in, w, y, add)
                                  : launch<T, E4M3, 128, false>(x, c, in, w, y, add);
    return c.p.columns == 160 ? launch<T, T, 160, false>(x, c, in, w, y, add)
                              : launch<T, T, 128, false>(x, c, in, w, y, add);
}

/* Of a packed tensor. Not by its strides: an axis of 1 may have any, which TMA would refuse. */
static tap_pixels pixels_of(const sc_tensor &t)
{
    const int64_t c = t.dim[3], w = t.dim[2], h = t.dim[1];

    return { t.data, { w, h, t.dim[0] }, { c, w * c, h * w * c } };
}

template <typename T> static int conv2d(sc_exec *x, const sc_conv2d_args *a, const sc_tap_plan *plan)
{
    const sc_cuda *cuda = sc_cuda_of(x);
    const tap_pixels in = pixels_of(a->x), out = pixels_of(a->y), add = pixels_of(a->add);
    tap_pixels y[4] = { out };
    tap_call c = { .b = a->b.ndim ? (const float *)a->b.data : NULL,
                   .vec = a->vec.ndim ? (const float *)a->vec.data : NULL,
                   .vec_image = a->vec.ndim ? a->vec.stride[0] : 0,
                   .scale = (const float *)a->scale.data,
                   .x_scale = (const float *)a->x_scale.data,
                   .p = *plan };
    T *const room = (T *)cuda->workspace;
    const int64_t weights = 4 * plan->out * plan->in;

    if (plan->phases == 1)
        return launch_any<T>(x, c, in, a->w.data, y, &add);
    for (int i = 0; i < 4; i++)
        y[i] = { (T *)out.data + i / 2 * out.step[1] + i % 2 * out.step[0],
                 { plan->w, plan->h, plan->images },
                 { 2 * out.step[0], 2 * out.step[1], out.step[2] } };
    c.p.phases = (int)SC_MIN(4, (int64_t)(SC_CUDA_WORKSPACE / sizeof(T)) / weights);
    for (; c.phase < 4; c.phase += c.p.phases) {
        c.p.phases = SC_MIN(c.p.phases, 4 - c.phase);
        const dim3 grid(sc_blocks(plan->in, 512), (unsigned)plan->out, (unsigned)c.p.phases);
        k_tap_phases<<<grid, 256, 0, cuda->stream>>>(room, (const T *)a->w.data, plan->in, c.phase);
        const int ret = launch_any<T>(x, c, in, room, y, &add);
        if (ret != 0)
            return ret;
    }
    return 0;
}

extern "C" int sc_cuda_tap_conv2d(sc_exec *x, const sc_conv2d_args *a)
{
    sc_tap_plan p;

    if (sc_cuda_of(x)->arch != 90 || sc_cuda_of(x)->plain ||
        !sc_plan_tap_conv(&p, a, sc_cuda_of(x)->processors))
        return 1;
    return a->y.dtype == SC_F16 ? conv2d<__half>(x, a, &p) : conv2d<__nv_bfloat16>(x, a, &p);
}

/* Rows as the pixels of one picture. One row may have any distance to the next, but TMA wants a sound one. */
static tap_pixels rows_of(const sc_tensor &t)
{
    const int64_t step = t.dim[0] > 1 ? t.stride[0] : (t.dim[1] + 7) / 8 * 8;

    return { t.data, { t.dim[0], 1, 1 }, { step, step, step } };
}

extern "C" int sc_cuda_tap_linear(sc_exec *x, const sc_linear_args *a)
{
    sc_tap_plan p;

    if (sc_cuda_of(x)->arch != 90 || sc_cuda_of(x)->plain ||
        !sc_plan_tap_linear(&p, a, sc_cuda_of(x)->processors))
        return 1;
    const tap_pixels y = rows_of(a->y), add = rows_of(a->add);
    tap_call c = { .b = a->b.ndim ? (const float *)a->b.data : NULL,
                   .scale = (const float *)a->scale.data,
                   .x_scale = (const float *)a->x_scale.data,
                   .x_scale_step = a->x_scale.stride[0],
                   .p = p };

    return a->y.dtype == SC_F16 ? launch_any<__half>(x, c, rows_of(a->x), a->w.data, &y, &add)
                                : launch_any<__nv_bfloat16>(x, c, rows_of(a->x), a->w.data, &y, &add);
}
