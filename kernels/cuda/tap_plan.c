#include "tap_plan.h"

enum { ALIGNMENT = 16 }; /* bytes: of TMA and of the widest access */

#define SMALL 40e3 /* cycles, some 20 us */

static int64_t parts(int64_t n, int64_t size)
{
    return (n + size - 1) / size;
}

int sc_tap_depth(const sc_tap_plan *p)
{
    return p->narrow ? SC_TAP_ROW : SC_TAP_ROW / 2;
}

int64_t sc_tap_a_bytes(const sc_tap_plan *p)
{
    return (int64_t)p->tile_w * (p->tile_h + p->reach - 1) * SC_TAP_ROW;
}

int64_t sc_tap_b_bytes(const sc_tap_plan *p)
{
    return (int64_t)p->columns * SC_TAP_ROW;
}

int64_t sc_tap_room(const sc_tap_plan *p)
{
    return (int64_t)SC_TAP_PIXELS * p->columns * (p->gated ? 1 : 2);
}

/* The rings' lengths: as many taps ahead as both allow. False if not even two fit. */
static bool rings(sc_tap_plan *p)
{
    const int64_t all = SC_TAP_SHARED - SC_TAP_REST - sc_tap_room(p);
    int64_t best = 0;

    for (int64_t a = 2; a <= SC_TAP_SLOTS; a++) {
        const int64_t rest = all - a * sc_tap_a_bytes(p);
        const int64_t b = SC_MIN(rest / sc_tap_b_bytes(p), SC_TAP_SLOTS), ahead = SC_MIN(a * p->reach, b);
        if (rest > 0 && ahead > best) {
            best = ahead;
            p->a_slots = (int)a;
            p->b_slots = (int)b;
        }
    }
    return best >= 2;
}

static int64_t taps_of(const sc_tap_plan *p)
{
    return p->kh * p->kw * parts(p->in, sc_tap_depth(p));
}

/* Cycles of wgmma for so many columns of a tile's pixels and one tap: 1/2 for each of 64 pixels and 32
 * bytes of channels. */
static double tap_cycles(double columns)
{
    return 0.5 * columns * (SC_TAP_PIXELS / 64) * (SC_TAP_ROW / 32);
}

/* Tiles of the busiest multiprocessor, and the cycles that the products of one take: L2 gives a
 * multiprocessor some 40 bytes a cycle when all ask. */
static double tiles_of(const sc_tap_plan *p, int processors)
{
    return (double)parts(p->images * parts(p->h, p->tile_h) * parts(p->w, p->tile_w) * p->phases *
                             parts(p->gated ? 2 * p->out : p->out, p->columns),
                         processors);
}

static double tile_cycles(const sc_tap_plan *p)
{
    const double fetched = (double)sc_tap_a_bytes(p) / p->reach + (double)sc_tap_b_bytes(p);

    return (double)taps_of(p) * SC_MAX(tap_cycles(p->columns), fetched / 40);
}

/* With what a tile does besides its products, about 20 cycles a column as measured on an H200. */
static double cost(const sc_tap_plan *p, int processors)
{
    return tiles_of(p, processors) * (tile_cycles(p) + 20 * p->columns);
}

/* How much of the products' time is for numbers that exist, if all multiprocessors were always busy. */
static double share(const sc_tap_plan *p, int processors)
{
    const double tiles = (double)(p->images * p->h * p->w * p->phases) / SC_TAP_PIXELS / processors;
    const double columns = (double)p->out * (p->gated ? 2 : 1);

    return tiles * tap_cycles(columns) * (double)(p->kh * p->kw * p->in) / sc_tap_depth(p) /
           (tiles_of(p, processors) * tile_cycles(p));
}

/* The cheapest of all ways to cut p, and of equals the narrowest, which fetches least. False if its share is
 * below `least`, with which a library's kernel, that may cut the sums too, is as fast; of what is SMALL it is
 * not worth the question. */
static bool cut(sc_tap_plan *p, int processors, double least)
{
    static const int columns[] = { 160, 128 }, width[] = { 8, 16, 32, 64, 192 };
    double best = 0;
    sc_tap_plan t = *p;

    for (int i = 0; i < (p->gated ? 1 : SC_COUNT(columns)); i++)
        for (int j = 0; j < SC_COUNT(width); j++) {
            t.columns = !p->gated ? columns[i] : p->narrow ? 128 : 256;
            t.tile_w = width[j];
            t.tile_h = SC_TAP_PIXELS / width[j];
            t.reach = p->stride == 1 && t.tile_h > 1 ? p->kh : 1;
            if (t.tile_w * p->stride > 256 || !rings(&t)) /* TMA's largest box */
                continue;
            const double now = cost(&t, processors);
            if (best == 0 || now < best) {
                best = now;
                *p = t;
            }
        }
    return best > 0 && (best <= SMALL || share(p, processors) >= least);
}

/* Or there is no such tensor. step: elements from one row to the next. */
static bool aligned(sc_tensor t, int64_t step)
{
    return !t.ndim ||
           ((uintptr_t)t.data % ALIGNMENT == 0 && step * (int64_t)sc_dtype_size(t.dtype) % ALIGNMENT == 0);
}

/* Both of E4M3 with factors, or both as y is. */
static bool factors(sc_tensor x, sc_tensor w, sc_tensor scale, sc_dtype y)
{
    return x.dtype == w.dtype && x.dtype == (scale.ndim ? SC_F8 : y);
}

static bool half(sc_dtype t)
{
    return t == SC_F16 || t == SC_BF16;
}

/* What TMA counts in 32 bits. */
static bool countable(const sc_tap_plan *p)
{
    return p->images <= INT32_MAX / 2 && p->h <= INT32_MAX / 2 && p->w <= INT32_MAX / 2 && p->in <= 1 << 20 &&
           p->out <= 1 << 20;
}

bool sc_plan_tap_conv(sc_tap_plan *p, const sc_conv2d_args *a, int processors)
{
    const int64_t kh = a->w.dim[1], kw = a->w.dim[2];
    const bool doubled = a->upsample && kh == 3 && kw == 3 && a->stride == 1 && a->pad_top == 1 &&
                         a->pad_left == 1 && a->pad_bottom == 1 && a->pad_right == 1;

    if (!half(a->y.dtype) || !factors(a->x, a->w, a->scale, a->y.dtype) ||
        (a->add.ndim && a->add.dtype != a->y.dtype) || (a->vec.ndim && a->vec.dtype != SC_F32) ||
        a->act != SC_ACT_NONE || a->upsample != doubled || (doubled && (a->add.ndim || a->scale.ndim)) ||
        a->stride > 2 || kh > 3 || kw > 3)
        return false;
    if (!aligned(a->x, a->x.dim[3]) || !aligned(a->y, a->y.dim[3]) || !aligned(a->w, 0) ||
        !aligned(a->add, 0) || !aligned(a->b, 0) || !aligned(a->vec, a->vec.stride[0]))
        return false;
    *p = (sc_tap_plan){ .images = a->y.dim[0],
                        .h = a->y.dim[1] >> doubled,
                        .w = a->y.dim[2] >> doubled,
                        .in = a->x.dim[3],
                        .out = a->y.dim[3],
                        .kh = doubled ? 2 : (int)kh,
                        .kw = doubled ? 2 : (int)kw,
                        .stride = a->stride,
                        .top = a->pad_top,
                        .left = a->pad_left,
                        .phases = doubled ? 4 : 1,
                        .adds = a->add.ndim != 0,
                        .narrow = a->scale.ndim != 0 };
    return countable(p) && cut(p, processors,
                               p->narrow            ? 0
                               : doubled            ? 0.4
                               : kh == 3 && kw == 3 ? 0.75
                                                    : 0.5);
}

bool sc_plan_tap_linear(sc_tap_plan *p, const sc_linear_args *a, int processors)
{
    const bool gated = a->act == SC_ACT_GEGLU;

    if (!half(a->y.dtype) || !factors(a->x, a->w, a->scale, a->y.dtype) ||
        (a->add.ndim && (a->add.dtype != a->y.dtype || a->add.stride[1] != 1 || a->add.stride[0] <= 0)) ||
        (gated ? a->add.ndim != 0 : a->act != SC_ACT_NONE) || a->x.stride[0] <= 0)
        return false;
    if (!aligned(a->x, a->x.stride[0]) || !aligned(a->y, a->y.stride[0]) || !aligned(a->w, a->w.dim[1]) ||
        a->y.dim[1] % 8 || !aligned(a->b, 0) || !aligned(a->add, a->add.stride[0]))
        return false;
    /* What cuBLASLt has no epilogue for; 320 columns, which its tiles of 128 do not divide, with `add` or
     * b: 1.3 to 1.7 times as fast (H200, cuBLASLt 13.0); short sums of E4M3, up to 1.3 times. Others it does
     * as well or better. */
    if (!gated && !(a->scale.ndim ? a->x.dim[1] <= 1280 : (a->add.ndim || a->b.ndim) && a->y.dim[1] % 128))
        return false;
    *p = (sc_tap_plan){ .images = 1,
                        .h = 1,
                        .w = a->y.dim[0],
                        .in = a->x.dim[1],
                        .out = a->y.dim[1],
                        .kh = 1,
                        .kw = 1,
                        .stride = 1,
                        .phases = 1,
                        .gated = gated,
                        .adds = a->add.ndim != 0,
                        .narrow = a->scale.ndim != 0 };
    return countable(p) && cut(p, processors, p->narrow ? 0 : 0.5);
}
