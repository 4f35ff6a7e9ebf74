/* The colour match: what it must mend, and what it must leave alone. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/ops.h"
#include "../../src/stages/stages.h"

enum { H = 90, W = 120, N = H * W };

typedef struct rig {
    sc_device *dev;
    sc_exec x;
    float seen[3 * N], filled[3 * N], hole[N], was[3 * N];
    sc_match_state state;
} rig;

static sc_tensor picture(float *p)
{
    return sc_tensor_make(p, SC_F32, SC_DIMS(H, W, 3));
}

static bool in_hole(int i)
{
    return i % W >= 50 && i % W < 70;
}

/* Smooth colours with some contrast in every channel. */
static void paint(float *rgb, int i)
{
    const float u = (float)(i % W) / W, v = (float)(i / W) / H;

    rgb[0] = 0.2f + 0.6f * u;
    rgb[1] = 0.3f + 0.4f * v;
    rgb[2] = 0.5f + 0.3f * sinf(9 * u) * cosf(7 * v);
}

static int set_up(void **state)
{
    rig *r = calloc(1, sizeof(*r));

    if (!r || sc_device_open(&r->dev, &(sc_device_options){ .name = "cpu", .threads = 1 }, NULL) < 0 ||
        sc_exec_open(&r->x, r->dev, NULL, SC_F32, 16 << 20) < 0)
        return -1;
    for (int i = 0; i < N; i++) {
        paint(&r->seen[3 * i], i);
        memcpy(&r->filled[3 * i], &r->seen[3 * i], 3 * sizeof(float));
        r->hole[i] = in_hole(i);
        if (in_hole(i))
            memset(&r->seen[3 * i], 0, 3 * sizeof(float));
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

static void match(rig *r)
{
    memcpy(r->was, r->filled, sizeof(r->was));
    sc_match(&r->x, &r->state, picture(r->filled), picture(r->seen),
             sc_tensor_make(r->hole, SC_F32, SC_DIMS(H, W, 1)));
    assert_int_equal(sc_exec_wait(&r->x), 0);
}

/* Largest difference from the true colours, in or outside the hole. */
static float error(const rig *r, bool hole)
{
    float worst = 0;

    for (int i = 0; i < N; i++) {
        float rgb[3];

        paint(rgb, i);
        for (int k = 0; k < 3 && in_hole(i) == hole; k++)
            worst = fmaxf(worst, fabsf(r->filled[3 * i + k] - rgb[k]));
    }
    return worst;
}

static void colour(rig *r, sc_colour_args a)
{
    a.y = a.a = picture(r->filled);
    sc_colour_into(&r->x, &a);
    assert_int_equal(sc_exec_wait(&r->x), 0);
}

/* A cast as a network has it: linear in L*a*b*. */
static void cast(rig *r, float lightness, float red)
{
    colour(r, (sc_colour_args){ .m1 = { 1, 0, 0, 0, 1, 0, 0, 0, 1 }, .to = SC_LAB });
    colour(r, (sc_colour_args){ .m1 = { 0.9f, 0, 0, 0, 1.1f, 0, 0, 0, 1.05f }, .t = { lightness, red, -4 } });
    colour(r, (sc_colour_args){ .m1 = { 1, 0, 0, 0, 1, 0, 0, 0, 1 }, .from = SC_LAB });
}

static void test_same_colours_stay(void **state)
{
    rig *r = *state;

    match(r);
    assert_true(error(r, false) < 1e-5f && error(r, true) < 1e-5f);
}

static void test_cast_is_taken_out(void **state)
{
    rig *r = *state;

    cast(r, 3, 8);
    assert_true(error(r, true) > 0.05f);
    match(r);
    assert_true(error(r, false) < 1e-3f);
    assert_true(error(r, true) < 1e-3f); /* though nothing of the hole was looked at */
}

static void test_hole_is_not_looked_at(void **state)
{
    rig *r = *state;
    sc_match_state clean;

    cast(r, 3, 8);
    match(r);
    clean = r->state;
    memcpy(r->filled, r->was, sizeof(r->was));
    for (int i = 0; i < N; i++)
        if (in_hole(i))
            r->filled[3 * i] = r->seen[3 * i + 1] = 0.9f;
    r->state = (sc_match_state){ 0 };
    match(r);
    assert_memory_equal(&r->state, &clean, sizeof(clean));
}

static void test_follows_slowly_within_a_shot(void **state)
{
    rig *r = *state;
    float first;

    match(r);
    cast(r, 5, 0);
    first = error(r, false);
    match(r);
    assert_true(error(r, false) < first && error(r, false) > first / 4); /* a step is not taken at once */
    for (int i = 0; i < 30; i++) {
        memcpy(r->filled, r->was, sizeof(r->was));
        match(r);
    }
    assert_true(error(r, false) < 1e-2f * first);
}

static void test_cut_forgets(void **state)
{
    rig *r = *state;

    match(r);
    cast(r, 5, 0);
    r->state = (sc_match_state){ 0 };
    match(r);
    assert_true(error(r, false) < 1e-3f);
}

static void test_nothing_seen_changes_nothing(void **state)
{
    rig *r = *state;

    for (int i = 0; i < N; i++)
        r->hole[i] = 1;
    cast(r, 3, 8);
    match(r);
    assert_memory_equal(r->filled, r->was, sizeof(r->was));
    assert_int_equal(r->state.frames, 0);
}

/* Grey film: what little colour the network invents must not be blown up, nor a failed network followed far.
 */
static void test_gain_is_bounded(void **state)
{
    rig *r = *state;

    for (int i = 0; i < N; i++) {
        const float grey = 0.2f + 0.6f * (float)(i % W) / W, tint = i % 2 ? 1e-4f : -1e-4f;

        for (int k = 0; k < 3; k++)
            r->seen[3 * i + k] = grey + (k ? tint : -tint);
        r->filled[3 * i] = r->filled[3 * i + 1] = r->filled[3 * i + 2] = grey / 10;
    }
    match(r);
    assert_true(r->state.gain[0] <= 1.5f);
    assert_true(r->state.gain[1] == 1 && r->state.gain[2] == 1);
    for (int i = 0; i < 3 * N; i++)
        assert_true(isfinite(r->filled[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_colours_stay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cast_is_taken_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hole_is_not_looked_at, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_follows_slowly_within_a_shot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_forgets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_seen_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gain_is_bounded, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
