/* The built-in network for holes inside the inpainting stage: with random weights, so that all that it
 * touches shows. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/ops.h"
#include "../../src/stages/inpaint.h"

enum { EDGE = 2, FRAMES = 3 }; /* columns beyond a hole that its mask may take in */

typedef struct look { /* every frame of a film alike */
    int h, w;
    sc_rect active;
    int hole, wide; /* columns of the active part, in all its rows but the first and the last */
} look;

typedef struct source {
    sc_stage stage;
    const sc_context *c;
    const look *k;
    float *rgb, *hole, *disp;
} source;

static const sc_settings set = { .max_disparity = 2.5, .convergence = 0.4 };

static bool in_hole(const look *k, int y, int x)
{
    const int u = x - k->active.x, v = y - k->active.y;

    return u >= k->hole && u < k->hole + k->wide && v > 0 && v < k->active.h - 1;
}

static bool in_bar(const look *k, int y, int x)
{
    const sc_rect a = k->active;

    return x < a.x || x >= a.x + a.w || y < a.y || y >= a.y + a.h;
}

/* Left of the hole a near surface, right of it a far one with texture. */
static void draw(const source *s)
{
    const look *k = s->k;

    for (int i = 0; i < k->h * k->w; i++) {
        const int y = i / k->w, x = i % k->w;
        const bool bar = in_bar(k, y, x), hole = !bar && in_hole(k, y, x);

        s->hole[i] = hole;
        s->disp[i] = bar ? 0 : x - k->active.x < k->hole ? 3 : -2;
        for (int j = 0; j < 3; j++)
            s->rgb[3 * i + j] = bar || hole ? 0 : 0.5f + 0.3f * sinf((float)(x * (j + 1) + 2 * y));
    }
}

static int source_next(sc_stage *stage, sc_frame *f)
{
    source *s = (source *)stage;
    const look *k = s->k;

    assert_int_equal(sc_image_new(s->c->pools, &f->right, k->h, k->w, 3), 0);
    assert_int_equal(sc_image_new(s->c->pools, &f->hole, k->h, k->w, 1), 0);
    assert_int_equal(sc_image_new(s->c->pools, &f->disp_right, k->h, k->w, 1), 0);
    sc_upload(s->c->x, f->right.t, s->rgb);
    sc_upload(s->c->x, f->hole.t, s->hole);
    sc_upload(s->c->x, f->disp_right.t, s->disp);
    f->active = k->active;
    f->max_disparity = (float)set.max_disparity;
    f->convergence = (float)set.convergence;
    return 0;
}

static sc_quick *open_net(sc_exec *x)
{
    sc_loader *ld = NULL;
    sc_quick *q = NULL;

    assert_int_equal(sc_loader_open(&ld, GOLDEN_DATA "/quick/fill.safetensors", NULL, x, SC_F32, NULL), 0);
    assert_int_equal(sc_quick_open(&q, &ld, x), 0);
    return q;
}

/* made[FRAMES][h*w*3]: the film's right eye, with the network or without; y_disp: the last frame's disparity.
 */
static void run(const look *k, bool network, float *made, float *y_disp)
{
    const sc_video_info video = { .width = k->w, .height = k->h };
    const size_t n = (size_t)k->h * k->w;
    sc_context c = { .set = &set, .video = &video };
    source s = { .stage = { .next = source_next }, .c = &c, .k = k };
    sc_device *dev = NULL;
    sc_stage *stage = NULL;
    sc_exec x;

    s.rgb = malloc(5 * n * sizeof(float));
    s.hole = s.rgb + 3 * n;
    s.disp = s.rgb + 4 * n;
    draw(&s);
    assert_int_equal(sc_device_open(&dev, &(sc_device_options){ .name = "cpu", .threads = 2 }, NULL), 0);
    assert_int_equal(sc_exec_open(&x, dev, NULL, SC_F32, 0), 0);
    c.x = &x;
    assert_int_equal(sc_pools_open(&c.pools, dev), 0);
    assert_int_equal(sc_inpaint_extend_open(&stage, &c, &s.stage, network ? open_net(&x) : NULL), 0);
    assert_int_equal(sc_exec_reserve(&x, stage->arena), 0);
    for (int i = 0; i < FRAMES; i++) {
        sc_frame f = { 0 };

        assert_int_equal(sc_stage_next(stage, &f), 0);
        sc_download(&x, made + 3 * n * i, f.right.t);
        sc_download(&x, y_disp, f.disp_right.t);
        assert_int_equal(x.used, 0);
        sc_frame_clear(&f);
    }
    stage->from = NULL;
    sc_stage_close(&stage);
    sc_pools_close(&c.pools);
    sc_exec_close(&x);
    sc_device_close(&dev);
    free(s.rgb);
}

typedef struct films {
    float *with, *without, *disp;
} films;

static films make(const look *k)
{
    const size_t n = (size_t)k->h * k->w;
    films f = { .with = malloc(FRAMES * 3 * n * sizeof(float)),
                .without = malloc(FRAMES * 3 * n * sizeof(float)),
                .disp = malloc(n * sizeof(float)) };

    run(k, false, f.without, f.disp);
    run(k, true, f.with, f.disp);
    return f;
}

static void drop(films *f)
{
    free(f->with);
    free(f->without);
    free(f->disp);
}

/* Where nothing was filled not a bit differs, bars stay black, and holes hold something else, in 0..1. */
static void check(const look *k)
{
    films f = make(k);
    int changed = 0;

    for (int i = 0; i < FRAMES * k->h * k->w; i++) {
        const int y = i / k->w % k->h, x = i % k->w;
        const float *a = f.with + 3 * i, *b = f.without + 3 * i;
        bool near = false;

        for (int u = x - EDGE; u <= x + EDGE; u++)
            near = near || (u >= 0 && u < k->w && !in_bar(k, y, u) && in_hole(k, y, u));
        if (in_bar(k, y, x))
            assert_true(a[0] == 0 && a[1] == 0 && a[2] == 0);
        if (!near || in_bar(k, y, x))
            assert_memory_equal(a, b, 3 * sizeof(float));
        else
            changed += fabsf(a[0] - b[0]) > 0.01f;
        for (int j = 0; j < 3; j++)
            assert_true(a[j] >= 0 && a[j] <= 1);
    }
    assert_true(changed > k->wide * (k->active.h - 2) * FRAMES / 2);
    drop(&f);
}

static void test_holes_alone(void **state)
{
    static const look looks[] = {
        { 40, 56, { 0, 0, 56, 40 }, 20, 9 },     { 37, 61, { 0, 0, 61, 37 }, 20, 9 },
        { 5, 7, { 0, 0, 7, 5 }, 2, 3 },          { 48, 64, { 0, 7, 64, 33 }, 20, 9 },
        { 48, 64, { 9, 0, 41, 48 }, 12, 9 },     { 30, 1301, { 0, 0, 1301, 30 }, 600, 40 },
        { 1301, 30, { 0, 0, 30, 1301 }, 12, 7 }, { 90, 1300, { 0, 21, 1300, 50 }, 600, 40 },
    };

    (void)state;
    for (int i = 0; i < SC_COUNT(looks); i++)
        check(&looks[i]);
}

static void test_no_hole_no_change(void **state)
{
    const look k = { 40, 56, { 0, 0, 56, 40 }, 20, 0 };
    films f = make(&k);

    (void)state;
    assert_memory_equal(f.with, f.without, (size_t)FRAMES * k.h * k.w * 3 * sizeof(float));
    drop(&f);
}

/* What lies behind the screen leaves holes along the left edge, up to this wide: 1 % of the width. */
static void test_left_edge_stays_extended(void **state)
{
    const look k = { 30, 1301, { 0, 0, 1301, 30 }, 0, 11 };
    films f = make(&k);

    (void)state;
    assert_memory_equal(f.with, f.without, (size_t)FRAMES * k.h * k.w * 3 * sizeof(float));
    drop(&f);
}

/* The hole's mask, and disparity in widths from the farthest point on. */
static void describe(const look *k, const float *disp, float *hole, float *widths)
{
    for (int i = 0; i < k->h * k->w; i++) {
        const int y = i / k->w, x = i % k->w;

        /* over the far edge a column and a half */
        hole[i] = in_hole(k, y, x) || in_hole(k, y, x - 1) ? 1 : in_hole(k, y, x - EDGE) ? 0.5f : 0;
        widths[i] = disp[i] / (float)k->w + (float)(set.max_disparity / 100 * set.convergence);
    }
}

/* At its own size and in the units that it was trained with, the network sees the background extended as
 * without it, in every frame: what it corrects is not corrected again. */
static void test_what_the_network_sees(void **state)
{
    static const look k = { 40, 56, { 0, 0, 56, 40 }, 20, 9 };
    static float hole[40 * 56], widths[40 * 56], change[3 * 40 * 56];
    films f = make(&k);
    sc_device *dev = NULL;
    sc_exec x;

    (void)state;
    describe(&k, f.disp, hole, widths);
    assert_int_equal(sc_device_open(&dev, &(sc_device_options){ .name = "cpu", .threads = 2 }, NULL), 0);
    assert_int_equal(sc_exec_open(&x, dev, NULL, SC_F32, 16 << 20), 0);
    sc_quick *q = open_net(&x);
    const sc_tensor in = sc_new(&x, SC_F32, SC_DIMS(1, k.h, k.w, 3)), out = sc_new_like(&x, in);
    const sc_tensor mask = sc_new(&x, SC_F32, SC_DIMS(1, k.h, k.w, 1)), near = sc_new_like(&x, mask);
    sc_upload(&x, mask, hole);
    sc_upload(&x, near, widths);
    for (int frame = 0; frame < FRAMES; frame++) {
        const float *filled = f.without + 3 * k.h * k.w * frame, *made = f.with + 3 * k.h * k.w * frame;

        sc_upload(&x, in, filled);
        sc_quick_fill(&x, out, q, in, mask, near);
        sc_download(&x, change, out);
        for (int i = 0; i < 3 * k.h * k.w; i++) {
            const float whole = fminf(fmaxf(filled[i] + change[i], 0), 1);

            assert_true(fabsf(made[i] - (filled[i] + hole[i / 3] * (whole - filled[i]))) < 1e-4f);
        }
    }
    assert_int_equal(sc_exec_wait(&x), 0);
    sc_quick_close(&q, dev);
    sc_exec_close(&x);
    sc_device_close(&dev);
    drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holes_alone),
        cmocka_unit_test(test_no_hole_no_change),
        cmocka_unit_test(test_left_edge_stays_extended),
        cmocka_unit_test(test_what_the_network_sees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
