#include <math.h>
#include <string.h>

#include "../check.h"

typedef enum attention_layout {
    SEPARATE, /* q [B,S,H,D], k and v slices of one [B,S,2,H,D] */
    PACKED,   /* q, k and v are slices of one [B,S,3,H,D] (queries = keys) */
    BETWEEN   /* ... of one [S,B,3,H,D], and y is [S,B,H,D]: temporal attention */
} attention_layout;

typedef struct attention_case {
    int64_t batch, queries, keys, heads, width;
    attention_layout layout;
    double scale; /* of q, k and v; 0 = 1 */
    check_far far;
} attention_case;

/* [B,S,H,D] of slot i of a [B,S,slots,H,D], or of [S,B,slots,H,D]. */
static sc_tensor slot(sc_tensor t, int64_t i, bool between)
{
    static const int swap[] = { 1, 0, 2, 3 };
    const sc_tensor v = sc_reshape(sc_slice(t, 2, i, 1), SC_DIMS(t.dim[0], t.dim[1], t.dim[3], t.dim[4]));
    return between ? sc_permute(v, swap) : v;
}

static void run(check *c, attention_case t)
{
    static const char *names[] = { "separate", "packed", "between" };
    const double sd = t.scale > 0 ? t.scale : 1;
    const float scale = (float)(1 / sqrt((double)t.width));
    const bool between = t.layout == BETWEEN, packed = t.layout != SEPARATE;
    const int64_t b = between ? t.queries : t.batch, s = between ? t.batch : t.queries;
    check_begin(c, "attention", "%d x %d queries %d keys %d heads of %d, %s, sd %g%s", (int)t.batch,
                (int)t.queries, (int)t.keys, (int)t.heads, (int)t.width, names[t.layout], sd,
                check_far_name(t.far));
    check_spread(c, t.far);
    const pair q = check_normal(c, c->dtype, 0, sd, SC_DIMS(b, s, packed ? 3 : 1, t.heads, t.width));
    const pair k = packed ? q : check_normal(c, c->dtype, 0, sd, SC_DIMS(b, t.keys, 2, t.heads, t.width));
    const pair y = check_output(c, c->dtype, SC_DIMS(b, s, 1, t.heads, t.width));
    while (check_run(c))
        sc_attention_into(c->x, slot(at(c, y), 0, between), slot(at(c, q), 0, between),
                          slot(at(c, k), packed, between), slot(at(c, k), 1 + packed, between), scale);
    /* An error e of a score is a factor 1 + e of its weight. A score has size sd^2 and the errors of D
     * roundings: e^2 is D u^2 sd^4 beside the K u^2 of the weighted sum. 4 is for exp, which may be off by 2
     * u. */
    check_end(c, &(check_tol){ .k = (double)(t.keys + t.width), .factor = 4 + 4 * sd * sd * sd * sd });
}

/* Equal keys make the mean of the values; torch.nn.functional.scaled_dot_product_attention of a small case.
 */
static void truth(check *c)
{
    static const float same[] = { 1, 2, 1, 2, 1, 2, 1, 2 }, v[] = { 0, 1, 2, 3, 4, 5, 10, -1 };
    static const double mean[] = { 4, 2, 4, 2 };
    static const float q2[] = { 1, 0, 0, 1 }, k2[] = { 2, 0, 0, -1 };
    static const float v2[] = { 1, 2, 3, 4 };
    /* softmax(2, 0) and softmax(0, -1) over rows (1 2) and (3 4) */
    static const double want[] = { 1.2384058440442352, 2.2384058440442352, 1.5378828427399904,
                                   2.5378828427399904 };

    check_begin(c, "attention", "equal keys");
    const pair q = check_values(c, SC_F32, v, SC_DIMS(1, 2, 1, 2)),
               k = check_values(c, SC_F32, same, SC_DIMS(1, 4, 1, 2));
    const pair values = check_values(c, SC_F32, v, SC_DIMS(1, 4, 1, 2)),
               y = check_output(c, SC_F32, SC_DIMS(1, 2, 1, 2));
    check_expect(c, y, mean);
    while (check_run(c))
        sc_attention_into(c->x, at(c, y), at(c, q), at(c, k), at(c, values), 1);
    check_end(c, &(check_tol){ .k = 4 });

    check_begin(c, "attention", "two keys");
    const pair a = check_values(c, SC_F32, q2, SC_DIMS(1, 2, 1, 2)),
               b = check_values(c, SC_F32, k2, SC_DIMS(1, 2, 1, 2));
    const pair d = check_values(c, SC_F32, v2, SC_DIMS(1, 2, 1, 2)),
               e = check_output(c, SC_F32, SC_DIMS(1, 2, 1, 2));
    check_expect(c, e, want);
    while (check_run(c))
        sc_attention_into(c->x, at(c, e), at(c, a), at(c, b), at(c, d), 1);
    check_end(c, &(check_tol){ .k = 4, .factor = 4 });
}

/* The same bits on one thread and on three. */
static void any_threads(check *c)
{
    enum { ROWS = 200, WIDTH = 96 };
    static float y[2][ROWS * WIDTH];
    sc_exec *x = &c->exec[1];
    const int threads = x->dev->threads;

    check_begin(c, "attention", "any number of threads");
    if (c->skip || c->bench || c->most)
        return;
    const pair in = check_normal(c, SC_F32, 0, 1, SC_DIMS(1, ROWS, 3, WIDTH));
    const pair w = check_normal(c, SC_F32, 0, 1, SC_DIMS(WIDTH));
    const pair out = check_output(c, SC_F32, SC_DIMS(1, ROWS, 3, WIDTH / 3));
    const sc_tensor mixed = out.on[1], flat = sc_reshape(mixed, SC_DIMS(ROWS, WIDTH));
    for (int i = 0; i < 2; i++) {
        sc_tensor part[3];
        x->dev->threads = i ? 3 : 1;
        for (int k = 0; k < 3; k++)
            part[k] = sc_reshape(sc_slice(in.on[1], 2, k, 1), SC_DIMS(1, ROWS, 3, WIDTH / 3));
        sc_attention_into(x, mixed, part[0], part[1], part[2], 0.2f);
        sc_layer_norm_into(x, flat, flat, &(sc_norm){ w.on[1], w.on[1] }, 1e-5f);
        sc_axpby_into(x, flat, 0.3f, flat, 0.7f, flat, SC_ACT_SILU);
        sc_download(x, y[i], flat);
    }
    x->dev->threads = threads;
    check_that(c, sc_exec_wait(x) == 0 && !memcmp(y[0], y[1], sizeof(y[0])), "one and three threads agree");
    c->noutputs = 0;
    check_end(c, &(check_tol){ .exact = true });
}

void check_attention(check *c)
{
    static const attention_case cases[] = {
        { 1, 240, 240, 6, 32, .layout = PACKED }, /* built-in network */
        { 2, 144, 144, 5, 64, .scale = 2 },       /* UNet, spatial */
        { 36, 25, 25, 5, 64, .layout = PACKED },
        { 1000, 25, 25, 1, 64, .layout = BETWEEN }, /* UNet, temporal */
        { 40, 14, 14, 5, 64, .layout = BETWEEN },
        { 11, 110, 110, 3, 64, .layout = BETWEEN },
        { 7, 128, 128, 1, 32, .layout = BETWEEN },
        { 5, 16, 33, 2, 32, .scale = 2 },
        { 1, 576, 576, 2, 64, .layout = PACKED },
        { 2, 385, 577, 1, 64, .scale = 2 },
        { 1, 50, 9216, 1, 64, .scale = 4 }, /* UNet, 576 x 1024 */
        { 1, 200, 9216, 1, 64, .scale = 1 },
        { 1, 1, 129, 2, 64, .scale = 1 },
        { 1, 257, 257, 4, 80, .layout = PACKED }, /* CLIP */
        { 1, 77, 77, 2, 64, .layout = PACKED },
        { 1, 60, 60, 1, 512, .scale = 1 }, /* VAE */
        { 2, 130, 130, 1, 512, .layout = PACKED },
        { 1, 64, 2304, 1, 512, .scale = 2 },
        { 1, 70, 100, 1, 136, .scale = 1 },
        { 1, 150, 150, 2, 128, .scale = 1 },
        { 1, 130, 70, 1, 104, .scale = 1 },
        { 3, 50, 1, 2, 64, .scale = 1 },
        { 1, 1, 1, 1, 1, .scale = 1 },
        { 2, 17, 33, 3, 5, .scale = 1 },
        { 1, 1, 1009, 1, 32, .scale = 1 },
        { 1, 31, 64, 2, 7, .scale = 0.01 },
        { 1, 33, 65, 2, 40, .scale = 8 }, /* nearly a choice of one key */
        { 5, 1, 1, 3, 64, .layout = BETWEEN },
        { 3, 101, 103, 7, 61, .scale = 1 }, /* primes */
        { 3, 144, 144, 2, 64, .layout = PACKED, .far = CHECK_STRIDED },
        { 3, 25, 33, 2, 40, .scale = 1, .far = CHECK_STRIDED },
        { 3, 70, 70, 1, 512, .layout = PACKED, .far = CHECK_STRIDED },
        { 40, 3, 3, 5, 64, .layout = BETWEEN, .far = CHECK_STRIDED },
        { 7, 3, 3, 2, 5, .layout = BETWEEN, .far = CHECK_STRIDED },
        { 4, 25, 25, 5, 64, .layout = PACKED, .far = CHECK_LONG },
        { 1, 2304, 2304, 5, 64, .layout = PACKED, .far = CHECK_LONG },
        { 2, 257, 257, 4, 80, .layout = PACKED, .far = CHECK_LONG },
        { 1, 130, 130, 1, 512, .layout = PACKED, .far = CHECK_LONG },
        { 3, 17, 17, 3, 5, .layout = PACKED, .far = CHECK_LONG },
    };
    for (int i = 0; i < SC_COUNT(cases); i++)
        run(c, cases[i]);
    if (c->bench)
        run(c, (attention_case){ 1, 2304, 2304, 10, 64, .scale = 1 });
    if (c->dtype == SC_F32) {
        truth(c);
        any_threads(c);
    }
}
