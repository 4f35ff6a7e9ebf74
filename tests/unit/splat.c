/* The splat stage: scale and sign of disparity, black bars, soft edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../../src/stages/stages.h"

enum { W = 400, H = 6 };

typedef struct source { /* one frame */
    sc_stage stage;
    const sc_context *c;
    const float *rgb, *disp;
    sc_rect active;
} source;

typedef struct result {
    float right[H * W * 3], hole[H * W], disp_right[H * W];
} result;

static int source_next(sc_stage *stage, sc_frame *out)
{
    source *s = (source *)stage;

    if (sc_image_new(s->c->pools, &out->left, H, W, 3) < 0 ||
        sc_image_new(s->c->pools, &out->disp, H, W, 1) < 0)
        return -ENOMEM;
    sc_upload(s->c->x, out->left.t, s->rgb);
    sc_upload(s->c->x, out->disp.t, s->disp);
    out->active = s->active;
    out->max_disparity = (float)s->c->set->max_disparity;
    out->convergence = (float)s->c->set->convergence;
    return 0;
}

static void source_close(sc_stage *stage)
{
    (void)stage;
}

static void run(result *r, const sc_settings *set, const float *rgb, const float *disp, sc_rect active)
{
    const sc_video_info video = { .width = W, .height = H };
    sc_exec x;
    sc_context c = { .set = set, .video = &video, .x = &x };
    source f = { { .next = source_next, .close = source_close }, &c, rgb, disp, active };
    sc_device *dev = NULL;
    sc_stage *s = NULL;
    sc_frame out = { 0 };

    assert_int_equal(sc_device_open(&dev, &(sc_device_options){ .name = "cpu", .plain = true }, NULL), 0);
    assert_int_equal(sc_exec_open(&x, dev, NULL, SC_F32, 1 << 10), 0);
    assert_int_equal(sc_pools_open(&c.pools, dev), 0);
    assert_int_equal(sc_splat_open(&s, &c, &f.stage), 0);
    assert_int_equal(sc_exec_reserve(&x, s->arena), 0); /* what the stage asked for is enough */
    assert_int_equal(sc_stage_next(s, &out), 0);
    sc_download(&x, r->right, out.right.t);
    sc_download(&x, r->hole, out.hole.t);
    sc_download(&x, r->disp_right, out.disp_right.t);
    sc_frame_clear(&out);
    sc_stage_close(&s);
    sc_pools_close(&c.pools);
    sc_exec_close(&x);
    sc_device_close(&dev);
}

static void picture(float rgb[H * W * 3])
{
    uint32_t seed = 1;

    for (int i = 0; i < H * W * 3; i++) {
        seed = seed * 1664525 + 1013904223;
        rgb[i] = (float)(seed >> 8) / (1 << 24);
    }
}

/* Everything in the screen plane: both eyes see the same. */
static void screen_plane(void **state)
{
    static float rgb[H * W * 3], disp[H * W];
    static result r;

    (void)state;
    picture(rgb);
    for (int i = 0; i < H * W; i++)
        disp[i] = 0.25f;
    run(&r, &(sc_settings){ .max_disparity = 4, .convergence = 0.25 }, rgb, disp, (sc_rect){ 0, 0, 0, 0 });
    assert_memory_equal(r.right, rgb, sizeof(rgb));
    for (int i = 0; i < H * W; i++)
        assert_true(r.hole[i] == 0 && r.disp_right[i] == 0);
}

/* 4 % of the width of the picture inside the bars, from the convergence on; the bars stay where they are. */
static void bars(void **state)
{
    static float rgb[H * W * 3], disp[H * W];
    static result r;
    const sc_rect a = { 50, 1, 300, 4 };
    const int shift = 9; /* (1 - 0.25) * 4 % of 300 */

    (void)state;
    picture(rgb);
    for (int i = 0; i < H * W; i++)
        disp[i] = 1;
    run(&r, &(sc_settings){ .max_disparity = 4, .convergence = 0.25 }, rgb, disp, a);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            const bool in = y >= a.y && y < a.y + a.h && x >= a.x && x < a.x + a.w;
            const bool hole = in && x + shift >= a.x + a.w;
            const float *right = r.right + 3 * (y * W + x), *from = rgb + 3 * (y * W + x + (in ? shift : 0));

            assert_true(r.hole[y * W + x] == (hole ? 1 : 0));
            if (hole)
                continue;
            assert_true(r.disp_right[y * W + x] == (in ? (float)shift : 0));
            assert_memory_equal(right, from, 3 * sizeof(*right));
        }
}

/* A ramp between two surfaces leaves nothing hanging in the hole; a slanted surface is left alone. */
static void soft_edges(void **state)
{
    static float rgb[H * W * 3], disp[H * W];
    static result r;
    int holes = 0, pieces = 0;

    (void)state;
    picture(rgb);
    for (int i = 0; i < H * W; i++) {
        const int x = i % W;
        disp[i] = x < 200 ? 1 : x > 202 ? 0 : 1 - 0.25f * (float)(x - 199); /* 40 pixels in four steps */
    }
    run(&r, &(sc_settings){ .max_disparity = 10, .convergence = 0 }, rgb, disp, (sc_rect){ 0, 0, W, H });
    for (int x = 100; x < 300; x++) {
        holes += r.hole[x] == 1;
        pieces += r.hole[x] == 1 && r.hole[x - 1] < 1;
    }
    assert_int_equal(holes, 40);
    assert_int_equal(pieces, 1);

    for (int i = 0; i < H * W; i++)
        disp[i] = (float)(i % W) / W;
    run(&r, &(sc_settings){ .max_disparity = 10, .convergence = 0 }, rgb, disp, (sc_rect){ 0, 0, W, H });
    for (int x = 0; x < W * 9 / 10 - 1; x++) {
        assert_true(r.hole[x] == 0);
        assert_float_equal(r.disp_right[x], (float)x / 9, 1e-3); /* x + d = s, d = s / 10 */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(screen_plane),
        cmocka_unit_test(bars),
        cmocka_unit_test(soft_edges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
