/* Which convolutions and linear layers go to the tap GEMM, and how they are cut: the choice alone, without a
 * GPU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../../kernels/cuda/tap_plan.h"

enum { H200 = 132 }; /* multiprocessors */

static char *const base = (char *)4096; /* an address like the arena's; nothing is read */

static sc_tensor at(sc_dtype t, int ndim, const int64_t *dim)
{
    return sc_tensor_make(base, t, ndim, dim);
}

static sc_linear_args layer(int64_t m, int64_t n, int64_t k, sc_act act, bool add)
{
    const int64_t rows = act == SC_ACT_GEGLU ? 2 * n : n;
    return (sc_linear_args){ .y = at(SC_F16, SC_DIMS(m, n)),
                             .x = at(SC_F16, SC_DIMS(m, k)),
                             .w = at(SC_F16, SC_DIMS(rows, k)),
                             .b = at(SC_F32, SC_DIMS(rows)),
                             .add = add ? at(SC_F16, SC_DIMS(m, n)) : SC_NONE,
                             .act = act };
}

/* Padded all round. */
static sc_conv2d_args conv(int64_t n, int64_t h, int64_t w, int64_t i, int64_t o, int kh, int kw)
{
    return (sc_conv2d_args){ .y = at(SC_BF16, SC_DIMS(n, h, w, o)),
                             .x = at(SC_BF16, SC_DIMS(n, h, w, i)),
                             .w = at(SC_BF16, SC_DIMS(o, kh, kw, i)),
                             .b = at(SC_F32, SC_DIMS(o)),
                             .stride = 1,
                             .pad_top = kh / 2,
                             .pad_left = kw / 2,
                             .pad_bottom = kh / 2,
                             .pad_right = kw / 2 };
}

static sc_conv2d_args doubled(int64_t n, int64_t h, int64_t w, int64_t i, int64_t o)
{
    sc_conv2d_args a = conv(n, h, w, i, o, 3, 3);
    a.y = at(SC_BF16, SC_DIMS(n, 2 * h, 2 * w, o));
    a.upsample = true;
    return a;
}

/* What the kernel relies on. */
static void assert_sound(const sc_tap_plan *p)
{
    const int64_t bytes =
        p->a_slots * sc_tap_a_bytes(p) + p->b_slots * sc_tap_b_bytes(p) + sc_tap_room(p) + SC_TAP_REST;

    assert_int_equal(p->tile_w * p->tile_h, SC_TAP_PIXELS);
    assert_true(p->tile_w == SC_TAP_PIXELS || 64 % p->tile_w == 0); /* a warpgroup's pixels are a rectangle */
    assert_true(p->tile_w * p->stride <= 256 && (p->tile_h + p->reach - 1) * p->stride <= 256);
    assert_true(p->reach == 1 || p->reach == p->kh);
    assert_true(p->reach == 1 || p->tile_w % 8 == 0); /* rows of taps are whole blocks of shared memory */
    assert_true(p->gated ? p->columns == (p->narrow ? 128 : 256) : p->columns == 128 || p->columns == 160);
    assert_true(p->a_slots >= 2 && p->a_slots <= SC_TAP_SLOTS);
    assert_true(p->b_slots >= 2 && p->b_slots <= SC_TAP_SLOTS);
    assert_true(sc_tap_a_bytes(p) % 1024 == 0 && sc_tap_b_bytes(p) % 1024 == 0 && bytes <= SC_TAP_SHARED);
}

/* The networks' own shapes, 25 frames of 576x1024 or 8 of the VAE. */
static void published(void **state)
{
    static const struct {
        int64_t n, h, w, i, o;
        int kh, kw, columns, tile_w;
    } cases[] = {
        { 25, 72, 128, 320, 320, 3, 3, 160, 8 },   { 25, 72, 128, 960, 320, 3, 3, 160, 8 },
        { 25, 36, 64, 640, 640, 3, 3, 128, 16 },   { 25, 18, 32, 2560, 1280, 3, 3, 128, 32 },
        { 1, 25, 9216, 320, 320, 3, 1, 160, 64 },  { 8, 144, 256, 512, 512, 3, 3, 128, 8 },
        { 1, 8, 589824, 128, 128, 3, 1, 128, 64 }, { 8, 576, 1024, 128, 128, 3, 3, 128, 8 },
    };
    sc_tap_plan p;

    (void)state;
    for (int k = 0; k < SC_COUNT(cases); k++) {
        const sc_conv2d_args a =
            conv(cases[k].n, cases[k].h, cases[k].w, cases[k].i, cases[k].o, cases[k].kh, cases[k].kw);
        assert_true(sc_plan_tap_conv(&p, &a, H200));
        assert_sound(&p);
        assert_int_equal(p.columns, cases[k].columns);
        assert_int_equal(p.tile_w, cases[k].tile_w);
    }
    const sc_conv2d_args up = doubled(25, 18, 32, 1280, 1280);
    assert_true(sc_plan_tap_conv(&p, &up, H200));
    assert_sound(&p);
    assert_true(p.phases == 4 && p.kh == 2 && p.kw == 2 && p.h == 18 && p.w == 32);
    const sc_linear_args ff = layer(230400, 1280, 320, SC_ACT_GEGLU, false),
                         out = layer(230400, 320, 320, 0, true);
    assert_true(sc_plan_tap_linear(&p, &ff, H200));
    assert_sound(&p);
    assert_true(p.gated && p.tile_w == SC_TAP_PIXELS && p.out == 1280);
    assert_true(sc_plan_tap_linear(&p, &out, H200));
    assert_sound(&p);
    assert_true(p.adds && p.columns == 160);
}

/* E4M3 has twice the channels in a box, and goes nowhere else. */
static void narrow(void **state)
{
    static const int64_t wide[] = { 320, 640, 1280 };
    sc_tap_plan p;

    (void)state;
    for (int k = 0; k < SC_COUNT(wide); k++) {
        sc_conv2d_args a = conv(25, 72 >> k, 128 >> k, wide[k], wide[k], 3, 3);
        sc_linear_args l = layer(230400 >> 2 * k, wide[k], wide[k], SC_ACT_GEGLU, false);
        a.x.dtype = a.w.dtype = l.x.dtype = l.w.dtype = SC_F8;
        a.scale = at(SC_F32, SC_DIMS(wide[k]));
        l.scale = at(SC_F32, SC_DIMS(2 * wide[k]));
        assert_true(sc_plan_tap_conv(&p, &a, H200));
        assert_sound(&p);
        assert_true(p.narrow && sc_tap_depth(&p) == 128 && p.columns == (k ? 128 : 160));
        assert_true(sc_plan_tap_linear(&p, &l, H200));
        assert_sound(&p);
        assert_true(p.narrow && p.gated);
        a.upsample = true;
        assert_false(sc_plan_tap_conv(&p, &a, H200));
    }
}

/* All sizes: what is taken is sound; a picture that tiles do not fit stays with cuDNN. */
static void sizes(void **state)
{
    int taken = 0, left = 0;
    sc_tap_plan p;

    (void)state;
    for (int64_t h = 1; h < 200; h += 13)
        for (int64_t w = 1; w < 300; w += 17)
            for (int64_t i = 8; i < 700; i += 104)
                for (int k = 0; k < 12; k++) {
                    sc_conv2d_args a = k % 3 == 2
                                           ? doubled(5, h, w, i, 8 * (k * k + 1))
                                           : conv(5, h, w, i, 8 * (k * k + 1), k % 2 ? 3 : 1, k % 4 ? 3 : 1);
                    a.stride = k % 3 == 1 ? 2 : 1;
                    if (sc_plan_tap_conv(&p, &a, H200)) {
                        assert_sound(&p);
                        taken++;
                    } else {
                        left++;
                    }
                }
    assert_true(taken > 0 && left > 0);
    sc_conv2d_args a = conv(25, 9, 16, 1280, 1280, 3, 3);
    assert_false(sc_plan_tap_conv(&p, &a, H200));
    a = conv(25, 72, 128, 8, 320, 3, 3);
    assert_false(sc_plan_tap_conv(&p, &a, H200));
}

static void refused(void **state)
{
    const sc_conv2d_args good = conv(2, 24, 16, 64, 320, 3, 3);
    const sc_linear_args full = layer(1000, 320, 320, SC_ACT_NONE, true),
                         gated = layer(1000, 320, 320, SC_ACT_GEGLU, false);
    sc_conv2d_args a = good;
    sc_linear_args l = full;
    sc_tap_plan p;

    (void)state;
    assert_true(sc_plan_tap_conv(&p, &a, H200));
    a.act = SC_ACT_SILU;
    assert_false(sc_plan_tap_conv(&p, &a, H200));
    a = good;
    a.x.data = base + 8;
    assert_false(sc_plan_tap_conv(&p, &a, H200));
    a = good;
    a.vec = at(SC_BF16, SC_DIMS(2, 320));
    assert_false(sc_plan_tap_conv(&p, &a, H200));
    a = conv(2, 24, 16, 60, 320, 3, 3);
    assert_false(sc_plan_tap_conv(&p, &a, H200));
    a = conv(2, 24, 16, 64, 324, 3, 3);
    assert_false(sc_plan_tap_conv(&p, &a, H200));
    a = conv(2, 24, 16, 64, 320, 5, 5);
    assert_false(sc_plan_tap_conv(&p, &a, H200));
    a = good;
    a.x.dtype = a.y.dtype = a.w.dtype = SC_F32;
    assert_false(sc_plan_tap_conv(&p, &a, H200));
    a = good;
    a.x.dtype = a.w.dtype = SC_F8;
    assert_false(sc_plan_tap_conv(&p, &a, H200));
    a.scale = at(SC_F32, SC_DIMS(320));
    assert_true(sc_plan_tap_conv(&p, &a, H200) && p.narrow);
    a.w.dtype = SC_BF16;
    assert_false(sc_plan_tap_conv(&p, &a, H200));
    a = doubled(2, 24, 16, 64, 320);
    assert_true(sc_plan_tap_conv(&p, &a, H200));
    a.add = a.y;
    assert_false(sc_plan_tap_conv(&p, &a, H200));
    a = doubled(2, 24, 16, 64, 320);
    a.pad_top = 0;
    assert_false(sc_plan_tap_conv(&p, &a, H200));

    assert_true(sc_plan_tap_linear(&p, &l, H200));
    l.add.stride[0] = 0; /* one row, repeated */
    assert_false(sc_plan_tap_linear(&p, &l, H200));
    l = full;
    l.add = l.b = SC_NONE; /* cuBLASLt's own ground */
    assert_false(sc_plan_tap_linear(&p, &l, H200));
    l = layer(1000, 640, 320, SC_ACT_NONE, true);
    assert_false(sc_plan_tap_linear(&p, &l, H200));
    l = full;
    l.y.dtype = SC_F32;
    assert_false(sc_plan_tap_linear(&p, &l, H200));
    l = full;
    l.x.stride[0] = 321;
    assert_false(sc_plan_tap_linear(&p, &l, H200));
    l = gated;
    assert_true(sc_plan_tap_linear(&p, &l, H200));
    l.add = l.y;
    assert_false(sc_plan_tap_linear(&p, &l, H200));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published),
        cmocka_unit_test(narrow),
        cmocka_unit_test(sizes),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests_name("tap_plan", tests, NULL, NULL);
}
