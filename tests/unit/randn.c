/* The normal numbers: the generator against its published answers, pinned results, statistics. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../kernels/normal.h"
#include "../../src/ops.h"

enum { COUNT = 1 << 20 };

/* The known answer of Random123 for a key and a counter of zeros. */
static void philox_known_answer(void **state)
{
    static const uint32_t want[4] = { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 };
    uint32_t word[4];
    (void)state;
    sc_philox(0, 0, word);
    assert_memory_equal(word, want, sizeof(want));
}

static void series_against_libm(void **state)
{
    uint32_t n = 1;
    (void)state;
    for (int i = 0; i < 100000; i++) {
        const double turn = 6.283185307179586 * 0x1p-32 * n, log_u = log(((double)n + 1) * 0x1p-32);
        double c, s;
        sc_turn(n, &c, &s);
        assert_true(fabs(c - cos(turn)) < 1e-15 && fabs(s - sin(turn)) < 1e-15);
        assert_true(fabs(sc_log_uniform(n) - log_u) <= 1e-15 * fabs(log_u));
        n = n * 1664525u + 1013904223u; /* any walk over the words will do */
    }
    assert_true(sc_log_uniform(0xffffffffu) == 0);
}

/* cos and sin are exact at the quarter turns, and change continuously across the seams between octants. */
static void turns(void **state)
{
    static const double want[4][2] = { { 1, 0 }, { 0, 1 }, { -1, 0 }, { 0, -1 } };
    (void)state;
    for (uint32_t q = 0; q < 4; q++) {
        double c, s, c2, s2;
        sc_turn(q << 30, &c, &s);
        assert_true(c == want[q][0] && s == want[q][1]);
        sc_turn((q << 30) + 0x1fffffffu, &c, &s);
        sc_turn((q << 30) + 0x20000000u, &c2, &s2);
        assert_true(fabs(c - c2) < 2e-9 && fabs(s - s2) < 2e-9);
    }
}

typedef struct fixture {
    sc_device *dev;
    sc_exec x;
    float *y;
} fixture;

static int open_cpu(void **state)
{
    static fixture f;
    f = (fixture){ .y = malloc(COUNT * sizeof(float)) };
    *state = &f;
    return !f.y || sc_device_open(&f.dev, &(sc_device_options){ .name = "cpu", .threads = 2 }, NULL) < 0 ||
           sc_exec_open(&f.x, f.dev, NULL, SC_F32, COUNT * sizeof(float)) < 0;
}

static int close_cpu(void **state)
{
    fixture *f = *state;
    sc_exec_close(&f->x);
    sc_device_close(&f->dev);
    free(f->y);
    return 0;
}

static void draw(fixture *f, float *out, int64_t n, uint64_t seed, uint64_t offset)
{
    const sc_mark m = sc_push(&f->x);
    const sc_tensor t = sc_new(&f->x, SC_F32, SC_DIMS(n));
    sc_randn_into(&f->x, t, seed, offset);
    sc_download(&f->x, out, t);
    sc_pop(&f->x, m);
    assert_int_equal(sc_exec_wait(&f->x), 0);
}

/* By the definition in another language's arithmetic, rounded to f32. */
static void pinned(void **state)
{
    static const float want[] = { -0x1.f0bcb8p-1f, 0x1.8d59d0p-3f, -0x1.3c51a4p+0f, 0x1.ec8676p+0f,
                                  -0x1.2bc060p-4f, 0x1.1cf41ep-3f, -0x1.1b4e66p+0f, 0x1.4e85fap-2f };
    float got[SC_COUNT(want)];
    draw(*state, got, SC_COUNT(want), 42, 0);
    assert_memory_equal(got, want, sizeof(want));
}

static void any_split_is_the_same_stream(void **state)
{
    fixture *f = *state;
    float part[100];
    draw(f, f->y, 1000, 7, 5);
    for (int begin = 0; begin + 100 <= 1000; begin += 37) {
        draw(f, part, 1 + begin % 100, 7, 5 + (uint64_t)begin);
        assert_memory_equal(part, f->y + begin, (size_t)(1 + begin % 100) * sizeof(float));
    }
    draw(f, part, 100, 8, 5);
    for (int i = 0; i < 100; i++)
        assert_true(part[i] != f->y[i]);
}

/* Limits are 5 standard errors: sqrt(1/n), sqrt(2/n), sqrt(15/n), sqrt(96/n) of the raw moments 1 to 4,
 * sqrt(p/n) of the share beyond 3 and 4 deviations (2.6998e-3 and 6.334e-5), 1/sqrt(n) of correlations. */
static void statistics(void **state)
{
    fixture *f = *state;
    double sum[5] = { 0 }, next = 0, fourth = 0, beyond3 = 0, beyond4 = 0;
    const double n = COUNT;
    draw(f, f->y, COUNT, 20, 0);
    for (int i = 0; i < COUNT; i++) {
        const double v = f->y[i];
        for (int k = 1; k <= 4; k++)
            sum[k] += pow(v, k);
        next += i + 1 < COUNT ? v * f->y[i + 1] : 0;
        fourth += i + 4 < COUNT ? v * f->y[i + 4] : 0;
        beyond3 += fabs(v) > 3;
        beyond4 += fabs(v) > 4;
        assert_true(isfinite(v));
    }
    assert_true(fabs(sum[1] / n) < 5 * sqrt(1 / n));
    assert_true(fabs(sum[2] / n - 1) < 5 * sqrt(2 / n));
    assert_true(fabs(sum[3] / n) < 5 * sqrt(15 / n));
    assert_true(fabs(sum[4] / n - 3) < 5 * sqrt(96 / n));
    assert_true(fabs(next / n) < 5 * sqrt(1 / n) && fabs(fourth / n) < 5 * sqrt(1 / n));
    assert_true(fabs(beyond3 / n - 2.6998e-3) < 5 * sqrt(2.6998e-3 / n));
    assert_true(fabs(beyond4 / n - 6.334e-5) < 5 * sqrt(6.334e-5 / n));
}

#define WITH_CPU(test) cmocka_unit_test_setup_teardown(test, open_cpu, close_cpu)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answer),
        cmocka_unit_test(series_against_libm),
        cmocka_unit_test(turns),
        WITH_CPU(pinned),
        WITH_CPU(any_split_is_the_same_stream),
        WITH_CPU(statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
