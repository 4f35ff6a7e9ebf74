// Background extension in three passes, as kernels/cpu/fill.c describes and explains it.
//   start:    nothing is masked, all disparities are copied
//   continue: a warp a row finds the runs of holes from left to right and continues the background into each
//   finish:   a thread a pixel averages the filling over rows above and below and lays it over x
// work[y,x] = filling rgb, distance from the background in pixels, disparity from which on a surface is the
// near one, share of the frame before, factor of its brightness. Reads and writes little more than the holes,
// but for one pass over x.
#include "rows.cuh"

enum {
    CLOSE = 2, /* seen pieces this narrow between holes are mixed pixels torn off an edge */
    LOOK = 12, /* columns of background that tell whether it moved */
    SOFT = 2,  /* columns of distance that widen the average by one pixel each way */
    REACH = 4, /* the widest average */
    WORK = 7,
    TILE_X = 32, /* pixels that a block finishes */
    TILE_Y = 8,
    TILE_STEP = TILE_X + 2 * REACH, /* with what their averages look at */
    ROWS = 4,                       /* of a block */
    AHEAD = 8                       /* pieces of 32 columns that a warp asks for at once */
};

constexpr float SAME = 1.0f;                  /* pixels of disparity within which two surfaces are one */
constexpr float STILL = 0.02f, MOVED = 0.06f; /* mean differences of colour: above noise; a real change */
constexpr float KEEP = 0.97f; /* of the frame before: what is wrong fades within some 30 frames */
constexpr float DARK = 0.02f; /* a brightness below which a quotient means nothing */

typedef struct run { /* columns of a row that are filled, and the background that is continued into them */
    int begin, end;
    int step;          /* +1: the background lies right of the run, -1: left */
    int from, length;  /* its column nearest to the run; how many there are */
    int edge;          /* columns of the run that lie beyond the hole */
    float disp, limit; /* its disparity there; what is nearer is not background */
} run;

__device__ __forceinline__ int lane_of(void)
{
    return threadIdx.x % 32;
}

/* Columns beyond a hole into which the near surface has bled: the coarser the larger the picture. */
__device__ __forceinline__ int edge_width(int w)
{
    return max(2, w / 512);
}

/* The background of the hole [b, e) on one side of it. The whole warp calls this and what follows. */
__device__ run make_run(const sc_fill_args &a, int64_t y, int b, int e, run r)
{
    const float *hole = sc_row(a.hole, y), *disp = sc_row(a.disp, y);
    const int w = (int)a.x.dim[1], first = r.step > 0 ? e : b - 1;

    /* A background narrower than its mixed edge is still better than the near surface. */
    for (; r.edge > 0; r.edge--) {
        const int c = first + r.edge * r.step;

        if (c >= 0 && c < w && hole[c] < 0.5f && disp[c] <= r.limit)
            break;
    }
    r.begin = r.step > 0 ? b : b - r.edge;
    r.end = r.step > 0 ? e + r.edge : e;
    r.from = first + r.edge * r.step;
    r.disp = disp[r.from];
    r.limit = SC_MAX(r.limit, r.disp);
    for (const int most = e - b + edge_width(w); r.length < most; r.length += 32) {
        const int i = r.length + lane_of(), c = r.from + i * r.step;
        const bool in = i < most && c >= 0 && c < w && hole[c] < 0.5f && disp[c] <= r.limit;
        const unsigned out = ~__ballot_sync(~0u, in);
        if (out) {
            r.length += __ffs((int)out) - 1;
            break;
        }
    }
    return r;
}

__device__ __forceinline__ int distance(const run &r, int c)
{
    return max(r.step > 0 ? r.end - c : c - r.begin + 1, 1);
}

/* The background's mirror image at column c; to and fro where the run is longer than the background. */
__device__ __forceinline__ const float *mirrored(const float *x, const run &r, int c)
{
    const int t = (distance(r, c) - 1) % (2 * r.length);

    return x + 3 * (r.from + r.step * (t < r.length ? t : 2 * r.length - 1 - t));
}

typedef struct change {
    float still; /* 1 where the background beside the run is as it was in the frame before, 0 where not */
    float gain;  /* of its brightness, as in a fade */
} change;

__device__ change since(const sc_fill_args &a, const run &r, int64_t y)
{
    const int n = min(r.length, LOOK);
    double now = 0, before = 0, difference = 0;
    int count = 0;

    if (!a.prev.ndim)
        return change{ 0, 1 };
    for (int k = lane_of(); k < 3 * n; k += 32) {
        const int64_t v = y - 1 + k / n;
        const int c = r.from + r.step * (k % n);
        if (v < 0 || v >= a.x.dim[0] || sc_row(a.hole, v)[c] >= 0.5f)
            continue;
        const float *p = sc_row(a.x, v) + 3 * c, *q = sc_row(a.prev, v) + 3 * c;
        now += p[0] + p[1] + p[2];
        before += q[0] + q[1] + q[2];
        difference += fabsf(p[0] - q[0]) + fabsf(p[1] - q[1]) + fabsf(p[2] - q[2]);
        count += 3;
    }
    for (int i = 16; i; i /= 2) {
        now += __shfl_xor_sync(~0u, now, i);
        before += __shfl_xor_sync(~0u, before, i);
        difference += __shfl_xor_sync(~0u, difference, i);
        count += __shfl_xor_sync(~0u, count, i);
    }
    if (!count)
        return change{ 0, 1 };
    return change{ KEEP * SC_CLAMP((MOVED - (float)(difference / count)) / (MOVED - STILL), 0.0f, 1.0f),
                   before > (double)DARK * count ? (float)(now / before) : 1 };
}

__device__ __forceinline__ void fill_pixel(float *work, const float *x, int c, const run &r, const run *other)
{
    const float *p = mirrored(x, r, c);
    int d = distance(r, c);

#pragma unroll
    for (int i = 0; i < 3; i++)
        work[i] = p[i];
    if (other) { /* the two ends of one surface meet half-way */
        const int back = distance(*other, c);

        p = mirrored(x, *other, c);
#pragma unroll
        for (int i = 0; i < 3; i++)
            work[i] += (p[i] - work[i]) * (float)d / (float)(d + back);
        d = min(d, back);
    }
    work[3] = (float)d;
}

/* The hole [b, e) of row `from`, filled in row y: the same unless nothing of row y was seen. */
__device__ void fill_hole(const sc_fill_args &a, int64_t y, int64_t from, int b, int e)
{
    const int w = (int)a.x.dim[1];
    const float *hole = sc_row(a.hole, from), *disp = sc_row(a.disp, from), *x = sc_row(a.x, from);
    /* The pixel beside a hole may be mixed from both surfaces: the one behind it knows better. */
    const int l = b > 1 && hole[b - 2] < 0.5f ? b - 2 : b - 1;
    const int r = e + 1 < w && hole[e + 1] < 0.5f ? e + 1 : e;
    const bool inside = b > 0 && e < w, one = inside && fabsf(disp[l] - disp[r]) <= SAME;
    const bool right = b == 0 || (e < w && disp[r] < disp[l]);
    const float far = disp[right ? r : l], near = inside ? disp[right ? l : r] : far;
    run end = {};

    /* In a crack of one surface nothing has bled; a wider hole in it was hidden by something thin. */
    end.edge = one && e - b == 1 ? 0 : edge_width(w);
    end.limit = far + SC_MAX(2 * SAME, (near - far) / 2);
    run bg = end, other = end;
    bg.step = right ? 1 : -1;
    other.step = -bg.step;
    bg = make_run(a, from, b, e, bg);
    if (one)
        other = make_run(a, from, b, e, other);
    const change ch = since(a, bg, from);
    const int first = min(bg.begin, one ? other.begin : b), last = max(bg.end, one ? other.end : e);

    for (int c = max(min(first, b - 1), 0) + lane_of(); c < min(max(last, e + 1), w); c += 32) {
        const int out = c < b ? b - 1 - c : c - e; /* >= 0: so far beyond the hole */
        const bool near_end = !one && c == (right ? b : e - 1);
        float *work = sc_row(a.work, y) + WORK * c, *mask = sc_row(a.mask, y) + c;
        float m = out < 0 && !near_end ? 1 : hole[c];

        if (out >= 0 && c >= first && c < last)
            m = fmaxf(m, out + 1 < end.edge ? 1 : 0.5f); /* the last one half */
        if (m <= *mask)
            continue;
        *mask = m;
        fill_pixel(work, x, c, bg, one ? &other : NULL);
        work[4] = bg.limit;
        work[5] = ch.still > 0 && sc_row(a.prev_disp, y)[c] <= bg.limit ? ch.still : 0;
        work[6] = ch.gain;
        if (hole[c] >= 0.5f)
            sc_row(a.y_disp, y)[c] = bg.disp;
    }
    __syncwarp(); /* the next run may touch the same columns */
}

/* Whether row y shows anything that no run of holes takes in: at an edge, or wider than CLOSE. */
__device__ bool row_seen(const sc_fill_args &a, int64_t y)
{
    const int w = (int)a.x.dim[1];

    if (y < 0 || y >= a.x.dim[0])
        return false;
    const float *hole = sc_row(a.hole, y);
    for (int c = lane_of(); c - lane_of() < w; c += 32) {
        bool seen = c < w && hole[c] < 0.5f;
        for (int k = 1; k <= CLOSE && c > 0 && c < w - 1; k++)
            seen = seen && c >= k && hole[c - k] < 0.5f;
        if (__any_sync(~0u, seen))
            return true;
    }
    return false;
}

/* The nearest row, y itself first, of which something was seen; -1 without one. */
__device__ int64_t seen_row(const sc_fill_args &a, int64_t y)
{
    for (int64_t i = 0; i < a.x.dim[0]; i++) {
        if (row_seen(a, y - i))
            return y - i;
        if (row_seen(a, y + i))
            return y + i;
    }
    return -1;
}

/* A row of which nothing was seen repeats the row that serves it. */
__device__ void repeat_row(const sc_fill_args &a, int64_t y, int64_t from)
{
    for (int c = lane_of(); c < a.x.dim[1]; c += 32) {
        float *work = sc_row(a.work, y) + WORK * c;

        for (int i = 0; i < 3; i++)
            work[i] = sc_row(a.x, from)[3 * c + i];
        work[3] = 1;
        work[4] = INFINITY;
        work[5] = 0;
        if (sc_row(a.hole, from)[c] < 0.5f)
            sc_row(a.y_disp, y)[c] = sc_row(a.disp, from)[c];
    }
}

/* Fills the runs of row `from` in row y. Holes up to CLOSE seen columns apart are one run. */
__device__ void fill_runs(const sc_fill_args &a, int64_t y, int64_t from)
{
    const float *hole = sc_row(a.hole, from);
    const int w = (int)a.x.dim[1];
    int first = -1, last = -CLOSE - 2; /* of the run that is still open */

    for (int begin = 0; begin < w; begin += 32 * AHEAD) {
        unsigned mine = 0; /* lane i keeps the holes of the i-th 32 columns */
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            const int c = begin + 32 * i + lane_of();
            const unsigned holes = __ballot_sync(~0u, c < w && hole[c] >= 0.5f);
            mine = lane_of() == i ? holes : mine;
        }
        for (int i = 0; i < AHEAD; i++)
            for (unsigned holes = __shfl_sync(~0u, mine, i); holes; holes &= holes - 1) {
                const int c = begin + 32 * i + __ffs((int)holes) - 1;
                if (c - last > CLOSE + 1) {
                    if (first >= 0)
                        fill_hole(a, y, from, first, last + 1);
                    first = c;
                }
                last = c;
            }
    }
    if (first >= 0)
        fill_hole(a, y, from, first, last + 1);
}

/* grid: rows of blocks; nothing is filled yet */
static __global__ void k_fill_start(sc_fill_args a)
{
    const sc_place at = sc_place_of(blockIdx.x, a.x.dim[1]);

    if (at.i >= a.x.dim[1])
        return;
    sc_row(a.mask, at.row)[at.i] = 0;
    if (a.y_disp.data != a.disp.data)
        sc_row(a.y_disp, at.row)[at.i] = sc_row(a.disp, at.row)[at.i];
}

/* grid: H / ROWS; a warp a row */
static __global__ void __launch_bounds__(32 * ROWS) k_fill_continue(sc_fill_args a)
{
    const int64_t y = (int64_t)blockIdx.x * ROWS + threadIdx.x / 32;
    const int w = (int)a.x.dim[1];

    if (y >= a.x.dim[0])
        return;
    const int64_t from = seen_row(a, y);
    float *mask = sc_row(a.mask, y);
    if (from < 0)
        return;
    if (from != y)
        repeat_row(a, y, from);
    __syncwarp();
    fill_runs(a, y, from);
    for (int c = lane_of(); from != y && c < w; c += 32)
        mask[c] = 1;
}

/* What the average at a pixel may take from another one: its filling or x, and its disparity. */
__device__ __forceinline__ float4 tile_pixel(const sc_fill_args &a, int y, int c)
{
    if (y < 0 || y >= a.x.dim[0] || c < 0 || c >= a.x.dim[1])
        return make_float4(0, 0, 0, INFINITY); /* nearer than everything: left out */
    const float *p = sc_row(a.mask, y)[c] > 0 ? sc_row(a.work, y) + WORK * c : sc_row(a.x, y) + 3 * c;
    return make_float4(p[0], p[1], p[2], sc_row(a.y_disp, y)[c]);
}

/* The filling at a pixel, averaged with filling and background around it, but not with anything nearer. Row
 * by row from the upper left, as on the CPU. */
__device__ __forceinline__ void soften(float rgb[3], const float *work, const float4 *centre)
{
    const int reach = min((int)work[3] / SOFT, (int)REACH);
    float sum[3] = { work[0], work[1], work[2] }, weight = 1;

    for (int v = -reach; v <= reach; v++) {
        for (int u = -reach; u <= reach; u++) {
            const float4 p = centre[v * TILE_STEP + u];
            if (p.w > work[4] || p.w == INFINITY)
                continue;
            sum[0] += p.x;
            sum[1] += p.y;
            sum[2] += p.z;
            weight++;
        }
    }
#pragma unroll
    for (int i = 0; i < 3; i++)
        rgb[i] = sum[i] / weight;
}

/* grid: tiles of 32 x 8 pixels; a pixel a thread. Where y is x, only pixels that nobody reads from x are
 * changed. */
static __global__ void k_fill_finish(sc_fill_args a)
{
    __shared__ float4 tile[(TILE_Y + 2 * REACH) * TILE_STEP];
    const int tiles = ((int)a.x.dim[1] + TILE_X - 1) / TILE_X;
    const int x0 = (int)(blockIdx.x % tiles) * TILE_X, y0 = (int)(blockIdx.x / tiles) * TILE_Y;
    const int tx = threadIdx.x % TILE_X, ty = threadIdx.x / TILE_X, c = x0 + tx, row = y0 + ty;
    const bool inside = c < a.x.dim[1] && row < a.x.dim[0];
    const float mask = inside ? sc_row(a.mask, row)[c] : 0;

    if (__syncthreads_or(mask > 0)) {
        for (int i = threadIdx.x; i < (TILE_Y + 2 * REACH) * TILE_STEP; i += TILE_X * TILE_Y)
            tile[i] = tile_pixel(a, y0 + i / TILE_STEP - REACH, x0 + i % TILE_STEP - REACH);
        __syncthreads();
    }
    if (!inside)
        return;
    const float *x = sc_row(a.x, row) + 3 * c, *work = sc_row(a.work, row) + WORK * c;
    float *out = sc_row(a.y, row) + 3 * c, rgb[3];

    if (!(mask > 0)) {
        for (int i = 0; i < 3 && a.y.data != a.x.data; i++)
            out[i] = x[i];
        return;
    }
    soften(rgb, work, &tile[(ty + REACH) * TILE_STEP + tx + REACH]);
#pragma unroll
    for (int i = 0; i < 3; i++) {
        if (work[5] > 0)
            rgb[i] += work[5] * (work[6] * sc_row(a.prev, row)[3 * c + i] - rgb[i]);
        out[i] = mask * rgb[i] + (1 - mask) * x[i];
    }
}

extern "C" int sc_cuda_fill(sc_exec *x, const sc_fill_args *a)
{
    const cudaStream_t s = sc_cuda_of(x)->stream;

    k_fill_start<<<sc_row_blocks(a->x.dim[0], a->x.dim[1]), SC_ROW_THREADS, 0, s>>>(*a);
    k_fill_continue<<<sc_blocks(a->x.dim[0], ROWS), 32 * ROWS, 0, s>>>(*a);
    const unsigned tiles = sc_blocks(a->x.dim[0], TILE_Y) * sc_blocks(a->x.dim[1], TILE_X);
    k_fill_finish<<<tiles, TILE_X * TILE_Y, 0, s>>>(*a);
    return SC_LAUNCHED(x);
}
