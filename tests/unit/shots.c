/* Cuts and black bars on synthetic films. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/stages/stages.h"

enum { W = 160, H = 120, MAX = 64 };

typedef struct look {       /* of one frame */
    int scene;              /* which texture */
    float move, gain, lift; /* picture = gain * texture(x + move) + lift */
    int top, bottom, left, right;
    bool slope; /* instead of a texture: dark at the top, gently brighter below */
    bool ring;  /* the bar at the right begins as a codec's filters leave it */
} look;

typedef struct film {
    sc_stage stage;
    const sc_context *c;
    const look *frames;
    int n, next;
} film;

typedef struct result {
    bool cut[MAX];
    sc_rect active[MAX];
    int n;
} result;

static float texture(int scene, float x, float y, int channel)
{
    const float s = (float)scene, c = (float)channel;

    return 0.45f + 0.2f * sinf(0.11f * x + 1.7f * s * y / 40 + s) +
           0.2f * sinf(0.07f * y * (1 + s) - 0.05f * x + c * s);
}

static void draw(float *rgb, const look *k)
{
    static const float ringing[] = { 0.035f, 0.027f, -0.007f };

    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int i = 0; i < 3; i++) {
                const bool bar = y < k->top || y >= H - k->bottom || x < k->left || x >= W - k->right;
                const float v = k->slope
                                    ? 0.6f * (float)y / H
                                    : k->gain * texture(k->scene, (float)x + k->move, (float)y, i) + k->lift;

                const int in = x - (W - k->right);
                const bool rings = k->ring && in >= 0 && in < SC_COUNT(ringing);

                rgb[(y * W + x) * 3 + i] = rings ? ringing[in] : bar ? 0.01f : SC_CLAMP(v, 0, 1);
            }
}

static int film_next(sc_stage *stage, sc_frame *out)
{
    static float rgb[H * W * 3];
    film *f = (film *)stage;

    if (f->next == f->n)
        return SC_EOF;
    draw(rgb, &f->frames[f->next]);
    out->pts = f->next++;
    if (sc_image_new(f->c->pools, &out->left, H, W, 3) < 0)
        return -ENOMEM;
    sc_upload(f->c->x, out->left.t, rgb);
    return 0;
}

static void film_close(sc_stage *stage)
{
    (void)stage;
}

static result run(const look *frames, int n)
{
    const sc_settings set = { 0 };
    const sc_video_info video = { .width = W, .height = H };
    sc_exec x;
    sc_context c = { .set = &set, .video = &video, .x = &x };
    film f = { .stage = { .next = film_next, .close = film_close }, .c = &c, .frames = frames, .n = n };
    sc_device *dev = NULL;
    sc_stage *s = NULL;
    sc_frame out = { 0 };
    result r = { .n = 0 };
    int ret, shots = 0;

    assert_true(sc_device_open(&dev, &(sc_device_options){ .name = "cpu", .threads = 1 }, NULL) >= 0);
    assert_true(sc_exec_open(&x, dev, NULL, SC_F32, 0) >= 0);
    assert_true(sc_pools_open(&c.pools, dev) >= 0);
    assert_true(sc_shots_open(&s, &c, &f.stage) >= 0);
    assert_true(sc_exec_reserve(&x, s->arena) >= 0);
    while (!(ret = sc_stage_next(s, &out))) {
        assert_int_equal(out.pts, r.n); /* every frame, in order */
        r.cut[r.n] = out.flags & SC_FRAME_CUT;
        r.active[r.n] = out.active;
        shots += r.cut[r.n++];
        sc_frame_clear(&out);
    }
    assert_int_equal(ret, SC_EOF);
    assert_int_equal(r.n, n);
    assert_int_equal(s->shots, shots);
    sc_stage_close(&s);
    sc_pools_close(&c.pools);
    sc_exec_close(&x);
    sc_device_close(&dev);
    return r;
}

static int count_cuts(const result *r)
{
    int n = 0;

    for (int i = 0; i < r->n; i++)
        n += r->cut[i];
    return n;
}

static void assert_active(sc_rect r, int x, int y, int w, int h)
{
    assert_int_equal(r.x, x);
    assert_int_equal(r.y, y);
    assert_int_equal(r.w, w);
    assert_int_equal(r.h, h);
}

static void test_cuts(void **state)
{
    static const int begin[] = { 0, 7, 20, 23, 40 }; /* one of three frames among them */
    look k[48] = { 0 };
    result r;

    (void)state;
    for (int i = 0; i < 48; i++) {
        for (int b = 0; b < SC_COUNT(begin); b++)
            k[i].scene += i >= begin[b];
        k[i].gain = 1;
        k[i].move = (float)i;
    }
    r = run(k, 48);
    for (int b = 0; b < SC_COUNT(begin); b++)
        assert_true(r.cut[begin[b]]);
    assert_int_equal(count_cuts(&r), SC_COUNT(begin));
}

static void test_no_cuts(void **state)
{
    look pan[32] = { 0 }, jolt[32] = { 0 }, flash[32] = { 0 }, fade[32] = { 0 }, black[8] = { 0 };
    result r;

    (void)state;
    for (int i = 0; i < 32; i++) {
        pan[i] = (look){ .scene = 1, .gain = 1, .move = 9.0f * (float)i };
        jolt[i] = (look){ .scene = 1, .gain = 1, .move = i < 16 ? 0 : 10 };
        flash[i] = (look){ .scene = 1, .gain = 1, .lift = (i >= 9 && i < 12) || i == 20 ? 0.6f : 0 };
        fade[i] = (look){ .scene = 2, .gain = 1 - (float)i / 31 };
    }
    r = run(pan, 32);
    assert_int_equal(count_cuts(&r), 1);
    r = run(jolt, 32);
    assert_int_equal(count_cuts(&r), 1);
    r = run(flash, 32);
    assert_int_equal(count_cuts(&r), 1);
    r = run(fade, 32);
    assert_int_equal(count_cuts(&r), 1);
    r = run(black, 8);
    assert_int_equal(count_cuts(&r), 1);
    r = run(black, 1);
    assert_int_equal(count_cuts(&r), 1);
    run(black, 0);
}

static void test_bars(void **state)
{
    const look letterbox = { .scene = 1, .gain = 1, .top = 16, .bottom = 16 };
    const look pillarbox = { .scene = 2, .gain = 1, .left = 20, .right = 24 };
    const look uneven = { .scene = 1, .gain = 1, .top = 13, .bottom = 11 };
    const look low = { .scene = 1, .gain = 1, .top = 16, .bottom = 60 };
    const look none = { .scene = 2, .gain = 1 };
    const look ringing = { .scene = 2, .gain = 1, .left = 20, .right = 24, .ring = true };
    const look film_[] = { letterbox, letterbox, letterbox, letterbox, letterbox, letterbox,
                           pillarbox, pillarbox, pillarbox, pillarbox, pillarbox, pillarbox };
    result r = run(film_, SC_COUNT(film_));

    (void)state;
    for (int i = 0; i < 6; i++)
        assert_active(r.active[i], 0, 16, W, H - 32);
    for (int i = 6; i < 12; i++)
        assert_active(r.active[i], 20, 0, W - 44, H);
    r = run(&uneven, 1); /* inward to even lines */
    assert_active(r.active[0], 0, 14, W, 108 - 14);
    r = run(&low, 1); /* the bar below is as high as the one above; the rest of the black is picture */
    assert_active(r.active[0], 0, 16, W, H - 32);
    r = run(&none, 1);
    assert_active(r.active[0], 0, 0, W, H);
    r = run(&ringing, 1);
    assert_active(r.active[0], 20, 0, W - 44, H);
}

static void test_dark_is_no_bar(void **state)
{
    const look slope = { .slope = true };                                      /* night sky */
    const look wide = { .scene = 1, .gain = 1, .top = 50 };                    /* too much to be a bar */
    const look dim = { .scene = 1, .gain = 0.1f, .top = 10, .bottom = 10 };    /* shows them still */
    const look night = { .scene = 1, .gain = 0.02f, .top = 10, .bottom = 10 }; /* does not */
    result r = run(&slope, 1);

    (void)state;
    assert_active(r.active[0], 0, 0, W, H);
    r = run(&wide, 1);
    assert_active(r.active[0], 0, 0, W, H);
    r = run(&dim, 1);
    assert_active(r.active[0], 0, 10, W, H - 20);
    r = run(&night, 1);
    assert_active(r.active[0], 0, 0, W, H);
}

static void test_bars_known(void **state)
{
    look k[40] = { 0 };
    result r;

    (void)state;
    /* A film that fades in from black: its bars show late. Then a shot whose lower half is black, then night.
     */
    for (int i = 0; i < 40; i++) {
        const float gain = i < 8 ? 0 : i < 24 ? SC_MIN((float)(i - 8) / 12, 1) : i < 32 ? 1 : 0.02f;

        k[i] =
            (look){ .scene = i < 24 ? 1 : 2, .gain = gain, .top = 16, .bottom = i < 24 || i >= 32 ? 16 : 60 };
    }
    r = run(k, 40);
    assert_active(r.active[0], 0, 0, W, H);
    assert_active(r.active[20], 0, 16, W, H - 32);
    assert_active(r.active[28], 0, 16, W, H - 32);
    assert_active(r.active[36], 0, 16, W, H - 32);
    assert_true(r.cut[24] && r.cut[32]);
    assert_int_equal(count_cuts(&r), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts),           cmocka_unit_test(test_no_cuts),    cmocka_unit_test(test_bars),
        cmocka_unit_test(test_dark_is_no_bar), cmocka_unit_test(test_bars_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
