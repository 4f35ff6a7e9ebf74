/* What a pair is measured by: matched disparity, the fit, edges and seams. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../src/stages/disparity.h"
#include "../../src/stages/fit.h"
#include "../../src/stages/likeness.h"

enum { W = 120, H = 60, N = W * H, BACK = 2, FRONT = 9, TOP = 15, BOTTOM = 45, BEGIN = 40, END = 80 };

typedef struct pair {
    float left[N], right[N], of_left[N], of_right[N];
} pair;

static float noise(uint32_t i)
{
    i = (i ^ 61) ^ i >> 16;
    i *= 9;
    i ^= i >> 4;
    i *= 0x27d4eb2du;
    return (float)((i ^ i >> 15) & 0xffff) / 65535;
}

static bool in_square(int c, int r)
{
    return c >= BEGIN && c < END && r >= TOP && r < BOTTOM;
}

/* A square FRONT pixels of disparity in front of a ground of BACK. */
static int set_up(void **state)
{
    pair *p = calloc(1, sizeof(*p));

    if (!p)
        return -1;
    for (int r = 0; r < H; r++)
        for (int c = 0; c < W; c++) {
            const int i = r * W + c, k = r * 4 * W + c;

            p->left[i] = in_square(c, r) ? noise((uint32_t)(k + 99999)) : noise((uint32_t)k);
            p->right[i] =
                in_square(c + FRONT, r) ? noise((uint32_t)(k + FRONT + 99999)) : noise((uint32_t)(k + BACK));
        }
    *state = p;
    return sc_disparity_match(p->of_left, p->of_right, p->left, p->right, W, H, 12);
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

/* The windows' half size away from edges all is exact. */
static void matches(void **state)
{
    const pair *p = *state;

    for (int r = 6; r < H - 6; r++)
        for (int c = 14; c < W - 6; c++) {
            const bool inside = in_square(c - 6, r - 6) && in_square(c + 6, r + 6);
            const bool outside = c < BEGIN - 12 || c >= END + 6 || r < TOP - 6 || r >= BOTTOM + 6;

            if (inside)
                assert_float_equal(p->of_left[r * W + c], FRONT, 0.5);
            if (outside)
                assert_float_equal(p->of_left[r * W + c], BACK, 0.5);
        }
    assert_float_equal(p->of_right[30 * W + 50], FRONT, 0.5);
}

/* The ground that the square hides from the right eye's left neighbour has no match. */
static void unseen(void **state)
{
    const pair *p = *state;
    int known = 0;

    for (int c = BEGIN - (FRONT - BACK) + 1; c < BEGIN; c++)
        known += !isnan(p->of_left[30 * W + c]) && fabsf(p->of_left[30 * W + c] - BACK) < 0.5f;
    assert_true(known <= 4); /* of 6: windows reach over its edges */
}

static void fits(void **state)
{
    float x[100], y[100];
    sc_line l = { 0 };
    double scale, shift;
    (void)state;

    for (int i = 0; i < 100; i++) {
        x[i] = (float)i / 100;
        y[i] = i % 10 ? 12 * x[i] - 3 : 40; /* a tenth is wrong */
    }
    x[5] = NAN;
    y[6] = NAN;
    sc_line_add(&l, x, y, 100);
    sc_line_solve(&l, &scale, &shift);
    assert_float_equal(scale, 12, 0.2);
    assert_float_equal(shift, -3, 0.2);
    for (int i = 0; i < 100; i++)
        x[i] = 1;
    l = (sc_line){ 0 };
    sc_line_add(&l, x, y, 100);
    sc_line_solve(&l, &scale, &shift);
    assert_float_equal(scale, 0, 0);
    assert_true(isfinite(shift));
}

/* A bright square, then one that is two pixels wider. */
static void paint(float *y, int begin, int end)
{
    for (int i = 0; i < N; i++)
        y[i] = i % W >= begin && i % W < end && i / W >= TOP && i / W < BOTTOM;
}

static void overlap(void **state)
{
    static float left[N], right[N], made[N];
    (void)state;

    paint(left, 40, 80);
    paint(right, 36, 76);
    assert_float_equal(sc_likeness_siou(right, right, left, W, H), 1, 0);
    /* Doing nothing: no difference where there is one, edges on two of four sides. */
    const double nothing = sc_likeness_siou(left, right, left, W, H);
    assert_true(nothing > 0.2 && nothing < 0.75);
    /* Differs from left in 38..40 and 78..80 where the truth differs in 36..40 and 76..80: half, and edges.
     */
    paint(made, 38, 78);
    const double half = sc_likeness_siou(made, right, left, W, H);
    assert_true(half > nothing);
    paint(made, 36, 76);
    made[10 * W + 10] = 0.5f; /* one pixel differs more, with a ring of edges too weak to count */
    assert_true(sc_likeness_siou(made, right, left, W, H) < 1);
}

static void seams(void **state)
{
    const pair *p = *state;
    static float made[N];
    static float flat[N];

    for (int i = 0; i < N; i++)
        made[i] = p->right[i];
    assert_float_equal(sc_likeness_seam(made, p->right, W, H, p->of_right, W, H), 0, 0);
    /* A bright line beside the square's right edge, where its step in depth is: seen; far from it: not. */
    const int edge = END - FRONT + 1, far = 100;
    made[30 * W + far] = 5;
    assert_float_equal(sc_likeness_seam(made, p->right, W, H, p->of_right, W, H), 0, 0);
    for (int r = TOP + 5; r < BOTTOM - 5; r++)
        made[r * W + edge] = 5;
    assert_true(sc_likeness_seam(made, p->right, W, H, p->of_right, W, H) > 10);
    assert_true(isnan(sc_likeness_seam(made, p->right, W, H, flat, W, H)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches), cmocka_unit_test(unseen), cmocka_unit_test(fits),
        cmocka_unit_test(overlap), cmocka_unit_test(seams),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
