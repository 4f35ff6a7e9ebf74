/* What background extension promises, whatever the picture. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/ops.h"

enum {
    H = 24,
    W = 64,
    N = H * W,
    FROM = 20,
    TO = 32,
    EDGE = 2
}; /* the hole's columns; columns it may touch beyond */

typedef struct rig {
    sc_device *dev;
    sc_exec x;
    float x_rgb[3 * N], disp[N], hole[N], y[3 * N], y_disp[N], mask[N], prev[3 * N], prev_disp[N],
        work[7 * N];
} rig;

static sc_tensor image(float *p, int channels)
{
    return sc_tensor_make(p, SC_F32, SC_DIMS(H, W, channels));
}

static bool in_hole(int i)
{
    return i % W >= FROM && i % W < TO;
}

/* Left of the hole a near red surface, right of it a far one of green and blue texture. */
static int set_up(void **state)
{
    rig *r = calloc(1, sizeof(*r));

    if (!r || sc_device_open(&r->dev, &(sc_device_options){ .name = "cpu", .threads = 3 }, NULL) < 0 ||
        sc_exec_open(&r->x, r->dev, NULL, SC_F32, 0) < 0)
        return -1;
    for (int i = 0; i < N; i++) {
        const int c = i % W;

        r->hole[i] = in_hole(i);
        r->disp[i] = c < FROM ? 8 : -4;
        r->x_rgb[3 * i] = c < FROM;
        r->x_rgb[3 * i + 1] = c >= TO ? 0.5f + 0.3f * sinf((float)c) : 0;
        r->x_rgb[3 * i + 2] = c >= TO ? 0.5f + 0.3f * cosf((float)(c - i / W)) : 0;
    }
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    rig *r = *state;

    sc_exec_close(&r->x);
    sc_device_close(&r->dev);
    free(r);
    return 0;
}

static void fill(rig *r, bool prev)
{
    memset(r->y, 0xff, sizeof(r->y)); /* NaN */
    sc_fill_into(&r->x, &(sc_fill_args){ .y = image(r->y, 3),
                                         .y_disp = image(r->y_disp, 1),
                                         .mask = image(r->mask, 1),
                                         .x = image(r->x_rgb, 3),
                                         .disp = image(r->disp, 1),
                                         .hole = image(r->hole, 1),
                                         .prev = prev ? image(r->prev, 3) : SC_NONE,
                                         .prev_disp = prev ? image(r->prev_disp, 1) : SC_NONE,
                                         .work = image(r->work, 7) });
    assert_int_equal(sc_exec_wait(&r->x), 0);
    for (int i = 0; i < 3 * N; i++)
        assert_true(isfinite(r->y[i]));
    for (int i = 0; i < N; i++) {
        assert_true(r->mask[i] >= 0 && r->mask[i] <= 1);
        if (r->mask[i] == 0) /* seen pixels keep their bits */
            assert_memory_equal(&r->y[3 * i], &r->x_rgb[3 * i], 3 * sizeof(float));
    }
}

static void test_no_hole_no_change(void **state)
{
    rig *r = *state;

    memset(r->hole, 0, sizeof(r->hole));
    fill(r, false);
    assert_memory_equal(r->y, r->x_rgb, sizeof(r->y));
    assert_memory_equal(r->y_disp, r->disp, sizeof(r->disp));
}

static void test_only_the_far_side_is_continued(void **state)
{
    rig *r = *state;

    fill(r, false);
    for (int i = 0; i < N; i++) {
        if (in_hole(i)) {
            assert_true(r->mask[i] == 1 && r->y[3 * i] == 0 && r->y_disp[i] == -4);
            assert_true(r->y[3 * i + 1] > 0.19f && r->y[3 * i + 2] > 0.19f); /* nor any of the hole's black */
        } else {
            assert_true(r->mask[i] == 0 || (i % W >= TO && i % W < TO + EDGE));
        }
    }
}

/* Beside the hole the texture is its mirror image: not one colour along a row, as a smear would be. */
static void test_texture_goes_on(void **state)
{
    rig *r = *state;
    double spread = 0;

    fill(r, false);
    for (int i = 0; i < N; i++)
        if (in_hole(i) && i % W >= TO - 2)
            spread += fabs((double)r->y[3 * i + 1] - (double)r->y[3 * i - 2]) / (2 * H);
    assert_true(spread > 0.05);
    for (int v = 0; v < H; v++) /* the first column continues its mirror image, unaveraged */
        assert_true(
            fabsf(r->y[3 * (v * W + TO + EDGE - 1) + 1] -
                  (r->x_rgb[3 * (v * W + TO + EDGE) + 1] + r->x_rgb[3 * (v * W + TO + EDGE - 1) + 1]) / 2) <
            1e-6f);
}

static void test_sides_are_found_by_disparity(void **state)
{
    rig *r = *state;

    for (int i = 0; i < N; i++)
        r->disp[i] = -r->disp[i];
    fill(r, false);
    for (int i = 0; i < N; i++)
        if (in_hole(i))
            assert_true(r->y[3 * i] == 1 && r->y[3 * i + 1] == 0);
}

/* A crack in one surface runs from one end's colour to the other's. */
static void test_crack_joins_both_ends(void **state)
{
    rig *r = *state;

    for (int i = 0; i < N; i++) {
        r->disp[i] = 1;
        for (int k = 0; k < 3 && !in_hole(i); k++)
            r->x_rgb[3 * i + k] = i % W < FROM ? 0.2f : 0.8f;
    }
    fill(r, false);
    for (int i = 0; i < N; i++)
        if (in_hole(i))
            assert_true(r->y[3 * i] > r->y[3 * i - 3] && r->y[3 * i] < r->y[3 * i + 3]);
}

/* A hole in one surface was hidden by something thin, which has tinged the pixels beside it. */
static void test_no_trace_of_a_thin_object(void **state)
{
    rig *r = *state;

    for (int i = 0; i < N; i++) {
        const int c = i % W;
        const bool tinged = c == FROM - 1 || c == FROM + 3;

        r->disp[i] = 1;
        r->hole[i] = c >= FROM && c < FROM + 3;
        for (int k = 0; k < 3; k++)
            r->x_rgb[3 * i + k] = r->hole[i] > 0 ? 0 : tinged && !k ? 0.9f : 0.5f;
    }
    fill(r, false);
    for (int i = 0; i < 3 * N; i++)
        assert_true(fabsf(r->y[i] - 0.5f) < 1e-6f);
}

static void test_picture_edge_and_empty_rows(void **state)
{
    rig *r = *state;

    for (int i = 0; i < N; i++) {
        const int c = i % W, v = i / W;

        r->hole[i] = c >= W - 9 || v == H - 1 || v == 5;
        for (int k = 0; k < 3; k++)
            r->x_rgb[3 * i + k] = r->hole[i] > 0 ? 0 : 0.5f;
        r->disp[i] = 0;
    }
    fill(r, false);
    for (int i = 0; i < 3 * N; i++)
        assert_true(fabsf(r->y[i] - 0.5f) < 1e-6f);
    for (int i = 0; i < N; i++)
        r->hole[i] = 1;
    fill(r, false); /* nothing to go by: nothing to fail of */
}

/* Grey everywhere, before and now but for a fade; the hole's own past is magenta or, on request, grey too. */
static void paint_past(rig *r, float fade, bool magenta, float disp)
{
    static const float other[3] = { 0.9f, 0.1f, 0.9f };

    for (int i = 0; i < N; i++) {
        const float grey = 0.6f + 0.2f * sinf((float)(i % W));

        for (int k = 0; k < 3; k++) {
            r->prev[3 * i + k] = in_hole(i) && magenta ? other[k] : grey;
            r->x_rgb[3 * i + k] = in_hole(i) ? 0 : fade * grey;
        }
        r->prev_disp[i] = disp;
    }
}

static void test_what_was_seen_comes_back(void **state)
{
    rig *r = *state;

    paint_past(r, 0.97f, false, -4);
    fill(r, true);
    for (int i = 0; i < N; i++) /* and follows a fade */
        if (in_hole(i))
            assert_true(fabsf(r->y[3 * i] - 0.97f * r->prev[3 * i]) < 0.02f);
}

static bool has_magenta(const rig *r)
{
    for (int i = 0; i < N; i++)
        if (fabsf(r->y[3 * i] - r->y[3 * i + 1]) > 1e-6f)
            return true;
    return false;
}

static void test_what_was_near_or_moved_does_not(void **state)
{
    rig *r = *state;

    paint_past(r, 1, true, -4);
    fill(r, true);
    assert_true(has_magenta(r)); /* it was background, and nothing moved */
    paint_past(r, 1, true, 8);
    fill(r, true);
    assert_false(has_magenta(r)); /* it was the near surface */
    paint_past(r, 0.8f, true, -4);
    fill(r, true);
    assert_false(has_magenta(r)); /* something moved */
}

static void test_in_place_and_any_threads(void **state)
{
    rig *r = *state;
    float want[3 * N];

    r->hole[3 * W + FROM - 1] = 0.3f; /* a half-covered near edge */
    fill(r, false);
    assert_true(r->mask[3 * W + FROM - 1] == 0.3f);
    memcpy(want, r->y, sizeof(want));
    r->dev->threads = 1;
    sc_fill_into(&r->x, &(sc_fill_args){ .y = image(r->x_rgb, 3),
                                         .y_disp = image(r->disp, 1),
                                         .mask = image(r->mask, 1),
                                         .x = image(r->x_rgb, 3),
                                         .disp = image(r->disp, 1),
                                         .hole = image(r->hole, 1),
                                         .work = image(r->work, 7) });
    assert_int_equal(sc_exec_wait(&r->x), 0);
    assert_memory_equal(r->x_rgb, want, sizeof(want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_hole_no_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_the_far_side_is_continued, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_texture_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sides_are_found_by_disparity, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_crack_joins_both_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_trace_of_a_thin_object, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_picture_edge_and_empty_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_seen_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_near_or_moved_does_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_in_place_and_any_threads, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
