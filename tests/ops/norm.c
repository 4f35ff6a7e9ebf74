#include "../check.h"

static void group_norm(check *c, int64_t n, int64_t s, int64_t channels, int groups, bool silu, double mean,
                       check_far far)
{
    check_begin(c, "group_norm", "%dx%dx%d groups %d silu %d mean %g%s", (int)n, (int)s, (int)channels,
                groups, silu, mean, check_far_name(far));
    const pair gamma = check_normal(c, SC_F32, 1, 0.3, SC_DIMS(channels));
    const pair beta = check_normal(c, SC_F32, 0, 1, SC_DIMS(channels));
    check_spread(c, far);
    const pair x = check_normal(c, c->dtype, mean, 1, SC_DIMS(n, s, channels));
    const pair y = check_output(c, c->dtype, SC_DIMS(n, s, channels));
    while (check_run(c))
        sc_group_norm_into(c->x, at(c, y), at(c, x), &(sc_norm){ at(c, gamma), at(c, beta) }, groups, 1e-6f,
                           silu);
    /* k: mean, variance, and the difference, two products and sum that are made of them. x - mean loses what
     * the mean is larger than the deviation, once in x and once in the mean. */
    check_end(c, &(check_tol){ .k = (double)(2 * s * channels / groups + 4), .factor = 1 + mean * mean });
}

/* One image of so many rows that all are past 2^31, each part of them alike: its statistics are the part's.
 */
static void repeated(check *c, int64_t s, int64_t channels, int groups)
{
    check_begin(c, "group_norm", "%dx%d groups %d, repeated", (int)s, (int)channels, groups);
    const pair gamma = check_normal(c, SC_F32, 1, 0.3, SC_DIMS(channels));
    const pair beta = check_normal(c, SC_F32, 0, 1, SC_DIMS(channels));
    check_spread(c, CHECK_LONG);
    const pair x = check_normal(c, c->dtype, 1, 1, SC_DIMS(s, channels));
    const pair y = check_output(c, c->dtype, SC_DIMS(s, channels));
    double rows = 1;
    while (check_run(c)) {
        const int64_t n = at(c, x).dim[0], parts = n / s - 1, full[] = { parts, s, channels };
        if (parts) {
            const sc_tensor part = sc_reshape(sc_slice(at(c, x), 0, n - s, s), SC_DIMS(1, s, channels));
            sc_copy_into(c->x, sc_reshape(sc_slice(at(c, x), 0, 0, n - s), 3, full),
                         sc_broadcast(part, 3, full));
        }
        const int64_t image[] = { 1, n, channels };
        sc_group_norm_into(c->x, sc_reshape(at(c, y), 3, image), sc_reshape(at(c, x), 3, image),
                           &(sc_norm){ at(c, gamma), at(c, beta) }, groups, 1e-6f, true);
        rows = (double)n;
    }
    check_end(c, &(check_tol){ .k = rows * (double)(channels / groups), .factor = 2 });
}

static void layer_norm(check *c, int64_t m, int64_t channels, double mean, double sd, bool in_place,
                       check_far far)
{
    check_begin(c, "layer_norm", "%dx%d mean %g sd %g in place %d%s", (int)m, (int)channels, mean, sd,
                in_place, check_far_name(far));
    const pair gamma = check_normal(c, SC_F32, 1, 0.3, SC_DIMS(channels));
    const pair beta = check_normal(c, SC_F32, 0, 1, SC_DIMS(channels));
    check_spread(c, far);
    const pair x = check_normal(c, c->dtype, mean, sd, SC_DIMS(m, channels));
    const pair y = check_output(c, c->dtype, SC_DIMS(m, channels));
    while (check_run(c)) {
        if (in_place)
            sc_copy_into(c->x, at(c, y), at(c, x));
        sc_layer_norm_into(c->x, at(c, y), at(c, in_place ? y : x), &(sc_norm){ at(c, gamma), at(c, beta) },
                           1e-5f);
    }
    /* As of a group. */
    check_end(c, &(check_tol){ .k = (double)(2 * channels + 4), .factor = 1 + mean * mean / (sd * sd) });
}

/* To E4M3, whose codes differ where the rounding of f32 decides. groups 0: a layer norm. */
static void narrow(check *c, int64_t n, int64_t s, int64_t channels, int groups, double mean)
{
    check_begin(c, groups ? "group_norm" : "layer_norm", "%dx%dx%d groups %d mean %g to fp8", (int)n, (int)s,
                (int)channels, groups, mean);
    const pair gamma = check_normal(c, SC_F32, 1, 0.3, SC_DIMS(channels));
    const pair beta = check_normal(c, SC_F32, 0, 1, SC_DIMS(channels));
    const pair x = check_normal(c, c->dtype, mean, 1, SC_DIMS(n, s, channels));
    const pair y = check_output(c, SC_F8, SC_DIMS(n, s, channels)),
               scale = check_output(c, SC_F32, SC_DIMS(groups ? 1 : n * s));
    while (check_run(c)) {
        const sc_norm w = { at(c, gamma), at(c, beta) };
        sc_tensor out = at(c, y);
        out.scale = at(c, scale).data;
        if (groups)
            sc_group_norm_into(c->x, out, at(c, x), &w, groups, 1e-6f, true);
        else
            sc_layer_norm_into(c->x, out, at(c, x), &w, 1e-5f);
    }
    check_end(c, &(check_tol){ .k = (double)(2 * channels * (groups ? s / groups : 1) + 4),
                               .factor = 1 + mean * mean });
}

/* Symmetric values whose deviation is known, and torch.nn.functional.group_norm and layer_norm of 0 .. 7. */
static void truth(check *c)
{
    static const float two[] = { -3, 3, -3, 3 }, ones[] = { 1, 2, 1, 1 }, zeros[] = { 0, 0.5f, 0, 0 };
    static const double want[] = { -1, 2.5, -1, 2.5 };
    static const float ramp[] = { 0, 1, 2, 3, 4, 5, 6, 7 }, four[] = { 1, 1, 1, 1 }, none[] = { 0, 0, 0, 0 };
    static const double grouped[] = { -1.2126766985040354, -0.7276060191024212, -1.2126766985040354,
                                      -0.7276060191024212, 0.7276060191024212,  1.2126766985040354,
                                      0.7276060191024212,  1.2126766985040354 };
    static const double silu[] = { -0.2779791907178637,  -0.23699604335401253, -0.2779791907178637,
                                   -0.23699604335401253, 0.4906099757484086,   0.9346975077861716,
                                   0.4906099757484086,   0.9346975077861716 };

    check_begin(c, "layer_norm", "minus and plus 3");
    const pair x = check_values(c, SC_F32, two, SC_DIMS(2, 2));
    const pair gamma = check_values(c, SC_F32, ones, SC_DIMS(2)),
               beta = check_values(c, SC_F32, zeros, SC_DIMS(2));
    const pair y = check_output(c, SC_F32, SC_DIMS(2, 2));
    check_expect(c, y, want);
    while (check_run(c))
        sc_layer_norm_into(c->x, at(c, y), at(c, x), &(sc_norm){ at(c, gamma), at(c, beta) }, 0);
    check_end(c, &(check_tol){ .k = 2 });

    for (int s = 0; s < 2; s++) {
        check_begin(c, "group_norm", "0 to 7, silu %d", s);
        const pair in = check_values(c, SC_F32, ramp, SC_DIMS(1, 2, 4));
        const pair g = check_values(c, SC_F32, four, SC_DIMS(4)),
                   b = check_values(c, SC_F32, none, SC_DIMS(4));
        const pair out = check_output(c, SC_F32, SC_DIMS(1, 2, 4));
        check_expect(c, out, s ? silu : grouped);
        while (check_run(c))
            sc_group_norm_into(c->x, at(c, out), at(c, in), &(sc_norm){ at(c, g), at(c, b) }, 2, 1e-5f, s);
        check_end(c, &(check_tol){ .k = 4 });
    }
}

void check_norm(check *c)
{
    group_norm(c, 2, 144, 320, 32, true, 0, CHECK_NEAR);
    group_norm(c, 1, 9216, 64, 32, true, 0, CHECK_NEAR);
    group_norm(c, 3, 36, 640, 32, false, 1, CHECK_NEAR);
    group_norm(c, 1, 1, 32, 32, false, 0, CHECK_NEAR);
    group_norm(c, 2, 1, 1, 1, true, 0, CHECK_NEAR);
    group_norm(c, 5, 7, 33, 3, true, 10, CHECK_NEAR);
    group_norm(c, 1, 1009, 6, 2, false, 30, CHECK_NEAR);
    layer_norm(c, 15360, 32, 0, 1, false, CHECK_NEAR);
    layer_norm(c, 3840, 24, 0, 1, false, CHECK_NEAR);
    layer_norm(c, 240, 192, 0, 1, false, CHECK_NEAR);
    layer_norm(c, 257, 1280, 1, 1, true, CHECK_NEAR);
    layer_norm(c, 1, 1, 0, 1, false, CHECK_NEAR);
    layer_norm(c, 13, 7, 0, 1, true, CHECK_NEAR);
    layer_norm(c, 5, 31, 30, 1, false, CHECK_NEAR);
    layer_norm(c, 5, 320, 0, 1e4, false, CHECK_NEAR);
    layer_norm(c, 5, 320, 0, 1e-2, false, CHECK_NEAR);
    group_norm(c, 3, 101, 62, 31, true, 1, CHECK_NEAR); /* primes */
    layer_norm(c, 101, 97, 1, 1, false, CHECK_NEAR);
    group_norm(c, 2, 9216, 320, 32, true, 0, CHECK_LONG);
    group_norm(c, 2, 2003, 66, 33, false, 1, CHECK_LONG);
    repeated(c, 9216, 320, 32);
    repeated(c, 2003, 66, 33);
    layer_norm(c, 999, 320, 0, 1, false, CHECK_LONG);
    layer_norm(c, 999, 31, 0, 1, true, CHECK_LONG);
    narrow(c, 2, 144, 320, 32, 0);
    narrow(c, 1, 2000, 640, 32, 3);
    narrow(c, 3, 37, 1280, 32, 0);
    narrow(c, 5, 7, 33, 3, 10);
    narrow(c, 1, 9, 16, 1, 0);
    narrow(c, 1, 257, 320, 0, 1);
    narrow(c, 3, 31, 1280, 0, 0);
    narrow(c, 1, 13, 7, 0, 0);
    narrow(c, 1, 5, 2560, 0, 3);
    if (c->dtype == SC_F32)
        truth(c);
}
