/* The built-in depth stage on small synthetic films. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/ops.h"
#include "../../src/stages/stages.h"

enum { W = 96, H = 64, MAX = 16, SIZE = 64 };
static const float screen = 0.45f;

static sc_device *dev; /* one for all films: it keeps what it compiles */

static const sc_ops *plain;

/* Memory comes full of NaN: what reads a number that nobody wrote shows. */
static int alloc_nan(sc_device *d, void **out, size_t bytes)
{
    const int ret = plain->alloc(d, out, bytes);

    if (ret >= 0)
        memset(*out, 255, bytes);
    return ret;
}

typedef struct look { /* of one frame */
    int scene;        /* 0: one grey all over */
    unsigned seed;    /* of its noise, 0 = none */
    bool cut;
    int bar; /* rows above and below */
} look;

typedef struct film {
    sc_stage stage;
    const sc_context *c;
    const look *frames;
    int n, next;
} film;

typedef struct result {
    float disp[MAX][H * W];
    int n;
} result;

static void draw(float *rgb, const look *k)
{
    unsigned r = k->seed;

    for (int i = 0; i < H * W * 3; i++) {
        const float y = (float)(i / 3 / W), x = (float)(i / 3 % W), s = (float)k->scene;
        const float v = 0.5f + 0.2f * sinf(0.2f * x + s) * cosf(0.1f * y * s) + 0.003f * y * s;

        r = r * 1664525u + 1013904223u;
        rgb[i] = (s > 0 ? v : 0.5f) + (k->seed ? 0.001f * ((float)(r >> 8) / 8388608.0f - 1) : 0);
    }
}

static int film_next(sc_stage *stage, sc_frame *out)
{
    static float rgb[H * W * 3];
    film *f = (film *)stage;
    const look *k = &f->frames[f->next];

    if (f->next == f->n)
        return SC_EOF;
    draw(rgb, k);
    out->pts = f->next++;
    out->flags = k->cut ? SC_FRAME_CUT : 0;
    out->active = (sc_rect){ 0, k->bar, W, H - 2 * k->bar };
    if (sc_image_new(f->c->pools, &out->left, H, W, 3) < 0)
        return -ENOMEM;
    sc_upload(f->c->x, out->left.t, rgb);
    return 0;
}

static void film_close(sc_stage *stage)
{
    (void)stage;
}

/* Checks what holds for every film: all frames in order with their flags, every number in 0..1. */
static void run(result *r, const look *frames, int n)
{
    const sc_settings set = { .depth_size = SIZE, .convergence = screen };
    const sc_video_info video = { .width = W, .height = H, .frame_rate = { 25, 1 } };
    sc_exec x;
    sc_context c = { .set = &set, .video = &video, .x = &x };
    film f = { .stage = { .next = film_next, .close = film_close }, .c = &c, .frames = frames, .n = n };
    sc_stage *s = NULL;
    sc_frame out = { 0 };

    c.precision.net[SC_NET_QUICK].weight = c.precision.net[SC_NET_QUICK].act = SC_F32;
    assert_true(sc_exec_open(&x, dev, NULL, SC_F32, 0) >= 0);
    assert_true(sc_pools_open(&c.pools, dev) >= 0);
    assert_true(sc_depth_open(&s, &c, &f.stage) >= 0);
    assert_true(sc_exec_reserve(&x, s->arena) >= 0);
    for (r->n = 0; r->n < n; r->n++) {
        assert_int_equal(sc_stage_next(s, &out), 0);
        assert_int_equal(out.pts, r->n);
        assert_int_equal(out.flags & SC_FRAME_CUT, frames[r->n].cut ? SC_FRAME_CUT : 0);
        sc_download(&x, r->disp[r->n], out.disp.t);
        for (int i = 0; i < H * W; i++)
            assert_true(r->disp[r->n][i] >= 0 && r->disp[r->n][i] <= 1);
        sc_frame_clear(&out);
    }
    assert_int_equal(sc_stage_next(s, &out), SC_EOF);
    assert_int_equal(x.used, 0);
    sc_stage_close(&s);
    sc_pools_close(&c.pools);
    sc_exec_close(&x);
}

static double mean_difference(const float *a, const float *b)
{
    double sum = 0;

    for (int i = 0; i < H * W; i++)
        sum += fabs((double)a[i] - b[i]);
    return sum / (H * W);
}

static double spread(const float *a)
{
    double sum = 0, squares = 0;

    for (int i = 0; i < H * W; i++) {
        sum += a[i];
        squares += (double)a[i] * a[i];
    }
    return sqrt(squares / (H * W) - sum * sum / (H * W) / (H * W));
}

static void test_lengths(void **state)
{
    static const int lengths[] = { 0, 1, 2, 5, 6, 11 };
    static result r;
    look k[MAX] = { { .scene = 1, .cut = true } };

    (void)state;
    for (int i = 1; i < MAX; i++)
        k[i].scene = 1;
    for (int i = 0; i < SC_COUNT(lengths); i++)
        run(&r, k, lengths[i]);
}

/* Nothing to see is no reason for relief. */
static void test_flat_picture(void **state)
{
    static result r;
    const look k[] = { { .cut = true }, { 0 }, { 0 } };

    (void)state;
    run(&r, k, SC_COUNT(k));
    for (int i = 0; i < SC_COUNT(k); i++)
        assert_true(spread(r.disp[i]) < 0.1);
}

/* A shot comes out the same, whatever is before and after it. */
static void test_cut_forgets(void **state)
{
    static result both, first, alone;
    look k[12] = { 0 };

    (void)state;
    for (int i = 0; i < 12; i++)
        k[i] = (look){ .scene = i < 7 ? 1 : 2, .seed = (unsigned)i + 1, .cut = i == 0 || i == 7 };
    run(&both, k, 12);
    run(&first, k, 7);
    run(&alone, k + 7, 5);
    for (int i = 0; i < 7; i++)
        assert_memory_equal(both.disp[i], first.disp[i], sizeof(first.disp[i]));
    for (int i = 0; i < 5; i++)
        assert_memory_equal(both.disp[7 + i], alone.disp[i], sizeof(alone.disp[i]));
    assert_true(mean_difference(both.disp[6], both.disp[7]) > 0.02);
}

/* A picture at rest does not drift, and noise shows less than frame by frame. */
static void test_steady(void **state)
{
    static result r, single;
    look k[10] = { 0 };
    double change = 0, alone = 0;

    (void)state;
    for (int i = 0; i < 10; i++)
        k[i] = (look){ .scene = 2, .cut = i == 0 };
    run(&r, k, 10);
    assert_true(spread(r.disp[0]) > 0.02);
    for (int i = 1; i < 10; i++)
        assert_true(mean_difference(r.disp[0], r.disp[i]) < 1e-5);

    for (int i = 0; i < 10; i++)
        k[i].seed = (unsigned)i + 1;
    run(&r, k, 10);
    for (int i = 0; i < 10; i++)
        k[i].cut = true;
    run(&single, k, 10);
    for (int i = 5; i < 10; i++) {
        change += mean_difference(r.disp[i - 1], r.disp[i]);
        alone += mean_difference(single.disp[i - 1], single.disp[i]);
    }
    assert_true(alone > 0);
    assert_true(change < alone);
}

static void test_bars_lie_in_the_screen(void **state)
{
    static result r;
    const look k[] = { { .scene = 1, .cut = true, .bar = 8 }, { .scene = 1, .bar = 8 } };

    (void)state;
    run(&r, k, SC_COUNT(k));
    for (int n = 0; n < SC_COUNT(k); n++) {
        for (int i = 0; i < 8 * W; i++) {
            assert_true(r.disp[n][i] == screen);
            assert_true(r.disp[n][H * W - 1 - i] == screen);
        }
        assert_true(r.disp[n][8 * W] != screen && r.disp[n][(H - 8) * W - 1] != screen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_flat_picture),
        cmocka_unit_test(test_cut_forgets),
        cmocka_unit_test(test_steady),
        cmocka_unit_test(test_bars_lie_in_the_screen),
    };

    int failed = 1;

    if (sc_device_open(&dev, &(sc_device_options){ .name = "cpu", .threads = 1 }, NULL) >= 0) {
        sc_ops ops = *(plain = dev->ops);
        ops.alloc = alloc_nan;
        dev->ops = &ops;
        failed = cmocka_run_group_tests(tests, NULL, NULL);
        dev->ops = plain;
        sc_device_close(&dev);
    }
    return failed;
}
