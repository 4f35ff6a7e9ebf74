/* Chunk seams: a network whose colours are some per cent off, in each window by another amount and drifting
 * within it, which is what users of the published scripts see. In default fidelity the film must not pulse
 * with the windows. */
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
#include "../scene/seam.h"

enum {
    W = 48,
    H = 24,
    HOLE = 20,
    WIDE = 4,
    WINDOW = 23,
    OVERLAP = 3,
    PERIOD = WINDOW - OVERLAP,
    FRAMES = 12 * PERIOD
};

struct sc_artist {
    int windows;
};

int sc_artist_open(sc_artist **a, const sc_context *c, const sc_model_files *files)
{
    (void)c, (void)files;
    return (*a = calloc(1, sizeof(**a))) ? 0 : -ENOMEM;
}

void sc_artist_fit(sc_artist *a, const sc_context *c, int h, int w)
{
    (void)a, (void)c, (void)h, (void)w;
}

void sc_artist_log(const sc_artist *a, const sc_context *c)
{
    (void)a, (void)c;
}

void sc_artist_close(sc_artist **a)
{
    free(*a);
    *a = NULL;
}

/* 0..1, the same for the same arguments. */
static float noise(uint32_t a, uint32_t b)
{
    uint32_t h = a * 0x9e3779b9U ^ b * 0x85ebca6bU;

    h = (h ^ h >> 16) * 0x7feb352dU;
    h = (h ^ h >> 15) * 0x846ca68bU;
    return (float)((h ^ h >> 16) >> 8) / (float)(1 << 24);
}

/* What is there to be seen at column x of frame n: texture that moves. */
static float truth(int64_t n, int y, int x, int k)
{
    const uint32_t at = (uint32_t)((int64_t)(y * 4096 + x) + 2 * n);

    return 0.3f + 0.1f * (float)k + 0.25f * noise(at, (uint32_t)k);
}

static float *pixel(sc_tensor t, int64_t y, int64_t x)
{
    return (float *)t.data + y * t.stride[0] + x * t.stride[1];
}

/* The truth, in the colours of this window. */
void sc_artist_draw(sc_exec *x, const sc_artist *a, const sc_sketch *frame, int count)
{
    if (x->measuring)
        return;
    const uint32_t window = (uint32_t)((sc_artist *)(uintptr_t)a)->windows++;

    for (int i = 0; i < count; i++)
        for (int v = 0; v < H; v++)
            for (int u = 0; u < W; u++)
                for (int k = 0; k < 3; k++) {
                    const float offset = 0.02f * (noise(window, (uint32_t)k) - 0.5f);
                    const float drift = 0.08f * (float)i / WINDOW;

                    pixel(frame[i].out, v, u)[k] = truth(frame[i].number, v, u, k) * 0.97f + offset + drift;
                }
}

typedef struct film {
    sc_stage stage;
    const sc_context *c;
    int at;
} film;

static int film_next(sc_stage *s, sc_frame *f)
{
    film *q = (film *)s;

    if (q->at == FRAMES)
        return SC_EOF;
    f->src = av_frame_alloc();
    assert_non_null(f->src);
    assert_int_equal(sc_image_new(q->c->pools, &f->right, H, W, 3), 0);
    assert_int_equal(sc_image_new(q->c->pools, &f->hole, H, W, 1), 0);
    assert_int_equal(sc_image_new(q->c->pools, &f->disp_right, H, W, 1), 0);
    for (int v = 0; v < H; v++)
        for (int u = 0; u < W; u++) { /* a near surface, a hole, the background */
            const bool hole = u >= HOLE && u < HOLE + WIDE;

            for (int k = 0; k < 3; k++)
                pixel(f->right.t, v, u)[k] = hole ? 0 : truth(q->at, v, u, k);
            *pixel(f->hole.t, v, u) = hole;
            *pixel(f->disp_right.t, v, u) = u < HOLE ? 4 : -4;
        }
    f->active = (sc_rect){ 0, 0, W, H };
    f->flags = q->at ? 0 : SC_FRAME_CUT;
    q->at++;
    return 0;
}

/* Mean L*a*b* of the picture without its columns [from, to). */
static void mean_lab(double mean[3], sc_tensor t, int from, int to)
{
    for (int v = 0; v < H; v++)
        for (int u = 0; u < W; u++) {
            double rgb[3], lab[3];

            if (u >= from && u < to)
                continue;
            for (int k = 0; k < 3; k++)
                rgb[k] = pixel(t, v, u)[k];
            sc_seam_lab(lab, rgb);
            for (int k = 0; k < 3; k++)
                mean[k] += lab[k] / (H * (W - (to - from)));
        }
}

/* The right eye's colour less the left's, which does not see what the hole has. */
static void run(int match, double difference[FRAMES][3])
{
    sc_settings set = { .match = match, .inpaint_window = WINDOW, .inpaint_overlap = OVERLAP };
    const sc_video_info video = { .width = W, .height = H };
    sc_context c = { .set = &set, .video = &video, .plan = sc_plan_of(&set) };
    film source = { .stage = { .next = film_next }, .c = &c };
    sc_device *dev = NULL;
    sc_exec x;
    sc_stage *s = NULL;
    sc_frame f = { 0 };
    int ret;

    memset(difference, 0, sizeof(double[FRAMES][3]));
    assert_int_equal(sc_device_open(&dev, &(sc_device_options){ .name = "cpu", .threads = 1 }, NULL), 0);
    assert_int_equal(sc_exec_open(&x, dev, NULL, SC_F32, 0), 0);
    c.x = &x;
    assert_int_equal(sc_pools_open(&c.pools, dev), 0);
    assert_int_equal(sc_inpaint_net_open(&s, &c, &source.stage, &(sc_model_files){ .unet = "" }), 0);
    assert_int_equal(sc_exec_reserve(&x, s->arena), 0);
    for (int n = 0; !(ret = sc_stage_next(s, &f)); n++) {
        double left[3] = { 0 };

        mean_lab(left, f.right.t, HOLE, HOLE + WIDE);
        mean_lab(difference[n], f.right.t, 0, 0);
        for (int k = 0; k < 3; k++)
            difference[n][k] -= left[k];
        sc_frame_clear(&f);
    }
    assert_int_equal(ret, SC_EOF);
    s->from = NULL;
    sc_stage_close(&s);
    sc_pools_close(&c.pools);
    sc_exec_close(&x);
    sc_device_close(&dev);
}

static double ratio_of(const char *what, double difference[FRAMES][3], double *limit)
{
    double power[FRAMES];
    const double ratio = sc_seam_ratio((const double(*)[3])difference, FRAMES, PERIOD, power, limit);

    print_message("%s: %.2f medians at the chunk's period or a harmonic, %.2f are allowed\n", what, ratio,
                  *limit);
    return ratio;
}

static void test_chunks_do_not_show(void **state)
{
    static double with[FRAMES][3], without[FRAMES][3];
    double limit;

    (void)state;
    run(1, with);
    run(0, without);
    assert_true(ratio_of("colours matched", with, &limit) <= limit);
    assert_true(ratio_of("as they come", without, &limit) > limit);
    for (int n = 0; n < FRAMES; n += PERIOD)
        with[n][0] += 0.3; /* of L*, which spans 100 */
    assert_true(ratio_of("with a pulse of 0.3 in L*", with, &limit) > limit);
}

/* Noise without a period, as the limit has it, and a pulse in it. */
static void test_measure(void **state)
{
    static double flat[FRAMES][3];
    double limit;
    int over = 0;

    (void)state;
    for (uint32_t seed = 0; seed < 50; seed++) {
        for (uint32_t i = 0; i < FRAMES * 3; i++)
            flat[i / 3][i % 3] = noise(i, 77 + seed);
        over +=
            sc_seam_ratio((const double(*)[3])flat, FRAMES, PERIOD, (double[FRAMES]){ 0 }, &limit) > limit;
    }
    assert_true(over <= 1);
    for (int n = 0; n < FRAMES; n += PERIOD)
        flat[n][1] += 1.5;
    assert_true(ratio_of("noise with a pulse", flat, &limit) > limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measure),
        cmocka_unit_test(test_chunks_do_not_show),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
