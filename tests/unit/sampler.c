/* The sampler against tables of diffusers' EulerDiscreteScheduler (scripts/make_golden.py writes them). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>

#include "../../src/nets/sampler.h"
#include "sampler_tables.h"

static void near(float got, float want, double tolerance)
{
    if (!(fabs((double)got - (double)want) <= tolerance * fmax(fabs((double)want), 1e-30)))
        fail_msg("%.9g instead of %.9g", (double)got, (double)want);
}

static const sampler_table *table_of(int steps)
{
    for (int i = 0; i < SC_COUNT(sampler_tables); i++)
        if (sampler_tables[i].steps == steps)
            return &sampler_tables[i];
    fail_msg("no table of %d steps", steps);
    return NULL;
}

/* Two correctly rounded libraries differ by one unit in the last place here and there. */
static void schedule(void **state)
{
    (void)state;
    for (int k = 0; k < SC_COUNT(sampler_tables); k++) {
        const sampler_table *t = &sampler_tables[k];
        sc_sampler s;
        sc_sampler_init(&s, t->steps);
        assert_int_equal(s.steps, t->steps);
        near(s.init, t->init, FLT_EPSILON);
        for (int i = 0; i <= t->steps; i++)
            near(s.sigma[i], t->sigma[i], FLT_EPSILON);
        for (int i = 0; i < t->steps; i++)
            near(s.timestep[i], t->timestep[i], 2 * FLT_EPSILON);
        assert_true(s.sigma[t->steps] == 0);
    }
}

static void every_length(void **state)
{
    (void)state;
    for (int n = 1; n <= SC_MAX_STEPS; n++) {
        sc_sampler s;
        sc_sampler_init(&s, n);
        assert_true(s.sigma[0] == 700 && s.sigma[n] == 0);
        for (int i = 0; i < n; i++)
            assert_true(isfinite(s.sigma[i]) && isfinite(s.timestep[i]) && s.sigma[i + 1] < s.sigma[i]);
        if (n > 1)
            near(s.sigma[n - 1], 0.002f, FLT_EPSILON);
    }
}

/* All steps with the table's v as if a network had said so. Errors of a step are carried on by factors of at
 * most one; each step adds the roundings of two products and a sum to numbers below `largest`. */
static void steps(void **state)
{
    sc_device *dev = NULL;
    sc_exec x;

    (void)state;
    assert_int_equal(sc_device_open(&dev, &(sc_device_options){ .name = "cpu", .plain = true }, NULL), 0);
    assert_int_equal(sc_exec_open(&x, dev, NULL, SC_F32, 1 << 16), 0);
    for (int k = 0; k < SC_COUNT(sampler_tables); k++) {
        const sampler_table *t = table_of(sampler_tables[k].steps);
        const sc_tensor latents = sc_new(&x, SC_F32, SC_DIMS(SAMPLES));
        const sc_tensor scaled = sc_new_like(&x, latents), v = sc_new_like(&x, latents);
        float got[SAMPLES];
        sc_sampler s;

        sc_sampler_init(&s, t->steps);
        sc_upload(&x, latents, t->latents[0]);
        for (int i = 0; i < t->steps; i++) {
            double largest = 0;
            for (int j = 0; j < SAMPLES; j++)
                largest = fmax(largest, fabs((double)t->latents[i][j]));
            sc_sampler_scale(&x, scaled, latents, &s, i);
            sc_download(&x, got, scaled);
            for (int j = 0; j < SAMPLES; j++)
                assert_true(fabs((double)got[j] - (double)t->scaled[i][j]) <=
                            4 * (i + 1) * (double)FLT_EPSILON * fmax(1, fabs((double)t->scaled[i][j])));
            sc_upload(&x, v, t->v[i]);
            sc_sampler_step(&x, latents, v, &s, i);
            sc_download(&x, got, latents);
            for (int j = 0; j < SAMPLES; j++)
                assert_true(fabs((double)got[j] - (double)t->latents[i + 1][j]) <=
                            4 * (i + 1) * (double)FLT_EPSILON * fmax(1, largest));
        }
        assert_int_equal(sc_exec_wait(&x), 0);
    }
    sc_exec_close(&x);
    sc_device_close(&dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule),
        cmocka_unit_test(every_length),
        cmocka_unit_test(steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
