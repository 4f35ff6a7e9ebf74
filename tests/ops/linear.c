#include "../check.h"

typedef struct linear_case {
    int64_t m, n, k; /* n: outputs, after the gate of GEGLU */
    sc_act act;
    bool bias;
    int add;       /* 0 none, 1 full, 2 one row, 3 the output itself */
    int64_t gap;   /* extra elements between rows of x, y and add */
    double scale;  /* of the inputs; 0 = 1 */
    check_far far; /* x, y and add (unless of one row) */
} linear_case;

static const char *const act_name[] = { "none", "silu", "gelu", "quick_gelu", "geglu" };

/* Terms of the sum that an output is, and the like of them. */
static double terms(const linear_case *t)
{
    return (double)t->k + t->bias + (t->add > 0) + (t->act ? CHECK_ACT_TERMS : 0);
}

static void run(check *c, linear_case t)
{
    const int64_t rows = t.act == SC_ACT_GEGLU ? 2 * t.n : t.n;
    const double scale = t.scale > 0 ? t.scale : 1;
    const bool narrow = c->dtype == SC_F8;
    const sc_dtype act = narrow ? SC_F16 : c->dtype;

    /* Of a long x the arena would have to hold a copy in fp8. */
    if (narrow && (t.k % 16 || rows % 16 || t.far == CHECK_LONG))
        return;
    check_begin(c, "linear", "m %d n %d k %d %s bias %d add %d gap %d scale %g%s", (int)t.m, (int)t.n,
                (int)t.k, act_name[t.act], t.bias, t.add, (int)t.gap, scale, check_far_name(t.far));
    const pair w = check_normal(c, c->dtype, 0, narrow ? 100 : 1, SC_DIMS(rows, t.k));
    const pair factor = check_uniform(c, SC_F32, 0.005, 0.02, SC_DIMS(rows));
    const pair b = check_normal(c, SC_F32, 0, scale, SC_DIMS(rows));
    check_spread(c, t.far);
    const pair x = check_normal(c, act, 0, scale, SC_DIMS(t.m, t.k + t.gap));
    const pair add = check_normal(c, act, 0, scale, SC_DIMS(t.add == 2 ? 1 : t.m, t.n + t.gap));
    const pair y = check_output(c, act, SC_DIMS(t.m, t.n + t.gap));
    while (check_run(c)) {
        const sc_param p = { .w = at(c, w),
                             .b = t.bias ? at(c, b) : SC_NONE,
                             .scale = narrow ? at(c, factor) : SC_NONE };
        const sc_tensor out = sc_slice(at(c, y), 1, t.gap, t.n);
        const sc_tensor other = t.add == 3 ? out : sc_slice(at(c, add), 1, 0, t.n);
        const sc_linear_opt o = { .act = t.act, .add = t.add ? &other : NULL };
        if (t.add == 3)
            sc_copy_into(c->x, out, sc_slice(at(c, add), 1, 0, t.n));
        sc_linear_into(c->x, out, sc_slice(at(c, x), 1, 0, t.k), &p, &o);
    }
    /* The gate of GEGLU multiplies two sums and so their errors: 1 + 1, and both at once, make the factor 4.
     * Twice it for E4M3, whose products Hopper cuts to 14 bits of the largest of 32: that is 2^-12 of it for
     * each on average, and so in a sum as much again as fp16's rounding. */
    check_end(c, &(check_tol){ .k = terms(&t),
                               .factor = (t.act == SC_ACT_GEGLU ? 4 : 1) * (narrow ? 2 : 1),
                               .products = true });
}

/* What the layer is, by hand, and torch.nn.functional's activations at 1. */
static void truth(check *c)
{
    static const float x[] = { 1, 2, 3, -1, 0, 1 }, w[] = { 1, 0, -1, 2, 2, 2 }, b[] = { 0.5f, -0.5f };
    static const double plain[] = { -1.5, 11.5, -1.5, -0.5 };
    static const float unit[] = { 1 };
    static const double one[] = { 1, 0.7310585786300049, 0.8413447460685429, 0.8457957659328212,
                                  0.8413447460685429 };

    check_begin(c, "linear", "by hand");
    const pair px = check_values(c, SC_F32, x, SC_DIMS(2, 3)), pw = check_values(c, SC_F32, w, SC_DIMS(2, 3));
    const pair pb = check_values(c, SC_F32, b, SC_DIMS(2)), y = check_output(c, SC_F32, SC_DIMS(2, 2));
    check_expect(c, y, plain);
    while (check_run(c))
        sc_linear_into(c->x, at(c, y), at(c, px), &(sc_param){ .w = at(c, pw), .b = at(c, pb) }, NULL);
    check_end(c, &(check_tol){ .k = 3, .products = true });

    for (int act = 0; act < SC_COUNT(one); act++) {
        const bool gated = act == SC_ACT_GEGLU;
        static const float ones[] = { 1, 1 };
        check_begin(c, "linear", "%s of 1", act_name[act]);
        const pair in = check_values(c, SC_F32, unit, SC_DIMS(1, 1));
        const pair weight = check_values(c, SC_F32, ones, SC_DIMS(gated ? 2 : 1, 1));
        const pair out = check_output(c, SC_F32, SC_DIMS(1, 1));
        check_expect(c, out, &one[act]);
        while (check_run(c))
            sc_linear_into(c->x, at(c, out), at(c, in), &(sc_param){ .w = at(c, weight) },
                           &(sc_linear_opt){ .act = (sc_act)act });
        check_end(c, &(check_tol){ .k = 1 + CHECK_ACT_TERMS, .products = true });
    }
}

/* The same weight address with new weights, and an old shape again: nothing may be remembered of either. */
static void rewritten(check *c)
{
    check_begin(c, "linear", "weights changed in place");
    const pair x = check_normal(c, c->dtype, 0, 1, SC_DIMS(5, 64)),
               w = check_normal(c, c->dtype, 0, 1, SC_DIMS(32, 64));
    const pair other = check_normal(c, c->dtype, 0, 1, SC_DIMS(32, 64));
    const pair y = check_output(c, c->dtype, SC_DIMS(5, 32));
    while (check_run(c)) {
        const sc_param p = { .w = at(c, w) };
        sc_linear_into(c->x, at(c, y), at(c, x), &p, NULL);
        sc_copy_into(c->x, at(c, w), at(c, other));
        sc_linear_into(c->x, at(c, y), at(c, x), &p, NULL);
    }
    check_end(c, &(check_tol){ .k = 64, .products = true });
}

/* Factors that tf32 does not have may be cut off: each is too small by up to 2 u, both together by 4 u. Their
 * mean is no chance number, so it stays in the sum: 16 u^2 beside 0.5 u^2. */
static void cut_off(check *c)
{
    check_begin(c, "linear", "factors of f32");
    const bool tf32 = c->tf32;
    c->tf32 = false; /* as far as inputs go */
    const pair x = check_normal(c, SC_F32, 0, 1, SC_DIMS(144, 320)),
               w = check_normal(c, SC_F32, 0, 1, SC_DIMS(320, 320));
    c->tf32 = tf32;
    const pair y = check_output(c, SC_F32, SC_DIMS(144, 320));
    while (check_run(c))
        sc_linear_into(c->x, at(c, y), at(c, x), &(sc_param){ .w = at(c, w) }, NULL);
    check_end(c, &(check_tol){ .k = 320, .factor = tf32 ? 32 : 1, .products = true });
}

void check_linear(check *c)
{
    static const linear_case cases[] = {
        { 240, 576, 192, .bias = true }, /* built-in network: qkv */
        { 240, 768, 192, SC_ACT_GELU, .bias = true },
        { 240, 192, 768, .bias = true, .add = 3 },
        { 960, 128, 192, .bias = true },
        { 144, 320, 320, .bias = true, .add = 1 }, /* UNet */
        { 25, 1280, 320, SC_ACT_SILU, .bias = true },
        { 96, 1280, 320, SC_ACT_GEGLU, .bias = true },
        { 1100, 40, 32, SC_ACT_GEGLU, .bias = true, .add = 1 }, /* more than one block of rows */
        { 257, 320, 1280, .bias = true, .add = 2 },
        { 257, 160, 80, SC_ACT_QUICK_GELU, .bias = true }, /* CLIP */
        { 1, 1, 1, .bias = false },
        { 1, 7, 5, .bias = true },
        { 1, 1280, 320, SC_ACT_SILU, .bias = true, .gap = 3 },
        { 7, 1, 13, .bias = true, .add = 1 },
        { 3, 5, 1, SC_ACT_GEGLU, .add = 0 },
        { 17, 31, 29, SC_ACT_SILU, .add = 1, .gap = 5 },
        { 17, 31, 29, SC_ACT_GELU, .bias = true, .add = 3, .gap = 1 },
        { 33, 64, 96, .add = 2, .gap = 7 },
        { 31, 33, 47, SC_ACT_GEGLU, .bias = true, .add = 3, .gap = 2 },
        { 1000, 160, 320, .bias = true, .add = 1 }, /* Hopper's tiles: parts of them, and several a block */
        { 193, 168, 72, .add = 3, .gap = 8 },
        { 9000, 320, 64, .bias = true, .add = 1 },
        { 400, 256, 136, SC_ACT_GEGLU, .bias = true },
        { 191, 264, 64, SC_ACT_GEGLU, .bias = true, .gap = 16 },
        { 20000, 128, 64, SC_ACT_GEGLU, .bias = false },
        { 64, 64, 64, .bias = true, .scale = 1e-3 },
        { 64, 64, 64, .bias = true, .add = 1, .scale = 100 },
        { 127, 61, 257, .bias = true }, /* primes */
        { 53, 109, 67, SC_ACT_GEGLU, .bias = true, .add = 1 },
        { 3, 64, 96, .bias = true, .far = CHECK_STRIDED },
        { 3, 7, 5, .bias = true, .add = 1, .gap = 3, .far = CHECK_STRIDED },
        { 3, 64, 96, SC_ACT_GEGLU, .bias = true, .add = 3, .far = CHECK_STRIDED },
        { 512, 64, 64, .bias = true, .add = 1, .far = CHECK_LONG },
        { 512, 64, 64, SC_ACT_GELU, .bias = true, .far = CHECK_LONG },
    };
    static const linear_case narrow[] = {
        { 1, 16, 16, .bias = false },
        { 1, 320, 1280, .bias = true, .add = 1 },
        { 13, 16, 48, .bias = true },
        { 127, 48, 16, .bias = true, .add = 3, .gap = 16 },
        { 127, 112, 208, SC_ACT_GEGLU, .bias = true, .gap = 5 },
        { 601, 336, 720, .bias = true, .add = 1, .gap = 3 },
        { 1031, 640, 2560, .bias = true, .add = 3 },
        { 31, 1280, 5120, .bias = true, .add = 1 },
        { 257, 80, 176, SC_ACT_SILU, .add = 2, .scale = 1e-4 },
        { 257, 80, 176, .bias = true, .scale = 100 },
        { 1000, 176, 336, SC_ACT_GEGLU,
          .bias = true }, /* Hopper's tiles: parts of them, and several a block */
        { 5000, 640, 80, SC_ACT_GEGLU, .bias = true },
        { 1000, 320, 192, .bias = false },
    };
    for (int i = 0; i < SC_COUNT(cases); i++)
        run(c, cases[i]);
    if (c->bench) {
        run(c, (linear_case){ 9216, 320, 320, .bias = true });
        run(c, (linear_case){ 14400, 1280, 1280, .bias = true });
        run(c, (linear_case){ 57600, 2560, 640, SC_ACT_GEGLU, .bias = true });
        run(c, (linear_case){ 57600, 640, 2560, .bias = true, .add = 3 });
    }
    if (c->dtype == SC_F32) {
        truth(c);
        cut_off(c);
    }
    if (c->dtype == SC_F8) {
        for (int i = 0; i < SC_COUNT(narrow); i++)
            run(c, narrow[i]);
        return;
    }
    rewritten(c);
    for (int i = 0; i < 10; i++)
        run(c, (linear_case){ check_random_int(c, 1, 70), check_random_int(c, 1, 70),
                              check_random_int(c, 1, 200), (sc_act)check_random_int(c, 0, 4),
                              check_random_int(c, 0, 1) == 1, (int)check_random_int(c, 0, 3),
                              check_random_int(c, 0, 9), 1, CHECK_NEAR });
}
