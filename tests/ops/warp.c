#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"

typedef struct scene { /* left [h,w,3] and its disparity, and what the right eye must see; doubles may be NULL
                        */
    int h, w;
    float *left, *disp;
    double *right, *hole, *disp_right;
} scene;

static scene scene_new(check *c, int h, int w)
{
    const size_t n = (size_t)(h * w);
    scene s = { h,
                w,
                calloc(n * 3, sizeof(float)),
                calloc(n, sizeof(float)),
                calloc(n * 3, sizeof(double)),
                calloc(n, sizeof(double)),
                calloc(n, sizeof(double)) };

    if (!s.left || !s.disp || !s.right || !s.hole || !s.disp_right)
        exit(1);
    for (size_t i = 0; i < n * 3; i++)
        s.left[i] = (float)check_random(c);
    return s;
}

static void scene_free(scene *s)
{
    free(s->left);
    free(s->disp);
    free(s->right);
    free(s->hole);
    free(s->disp_right);
}

/* Runs the op and holds it to the scene's truth, if tol says how. */
static void run(check *c, scene *s, float sharpness, bool reference, bool truth, const check_tol *tol)
{
    const pair left = check_values(c, SC_F32, s->left, SC_DIMS(s->h, s->w, 3));
    const pair disp = check_values(c, SC_F32, s->disp, SC_DIMS(s->h, s->w, 1));
    const pair right = check_output(c, SC_F32, SC_DIMS(s->h, s->w, 3));
    const pair hole = check_output(c, SC_F32, SC_DIMS(s->h, s->w, 1));
    const pair disp_right = check_output(c, SC_F32, SC_DIMS(s->h, s->w, 1));

    if (truth) {
        check_expect(c, right, s->right);
        check_expect(c, hole, s->hole);
        check_expect(c, disp_right, s->disp_right);
    }
    while (check_run(c))
        sc_splat_into(c->x, &(sc_splat_args){ .right = at(c, right),
                                              .hole = at(c, hole),
                                              .disp_right = at(c, disp_right),
                                              .left = at(c, left),
                                              .disp = at(c, disp),
                                              .sharpness = sharpness,
                                              .stretch = 2,
                                              .reference = reference });
    check_end(c, tol);
    scene_free(s);
}

/* The reference's kernel as it is written: two dimensions, four neighbours, all inside or the pixel is
 * dropped. */
static void forward_warp(const scene *s, double base)
{
    double *sum = calloc((size_t)(s->h * s->w * 6), sizeof(double));

    for (int y = 0; y < s->h; y++)
        for (int x = 0; x < s->w; x++) {
            const double d = s->disp[y * s->w + x], weight = pow(base, d);
            const double tx = (double)((float)x - s->disp[y * s->w + x]), ty = y;
            const double x0 = floor(tx), y0 = floor(ty), x1 = x0 + 1, y1 = y0 + 1;
            if (x0 < 0 || y0 < 0 || x1 >= s->w || y1 >= s->h)
                continue;
            const double k[4] = { (x1 - tx) * (y1 - ty), (tx - x0) * (y1 - ty), (x1 - tx) * (ty - y0),
                                  (tx - x0) * (ty - y0) };
            for (int n = 0; n < 4; n++) {
                double *p = sum + 6 * (((int)y0 + n / 2) * s->w + (int)x0 + n % 2);
                for (int i = 0; i < 3; i++)
                    p[i] += s->left[3 * (y * s->w + x) + i] * weight * k[n];
                p[3] += d * weight * k[n];
                p[4] += weight * k[n];
                p[5] += k[n];
            }
        }
    for (int i = 0; i < s->h * s->w; i++) {
        const double *p = sum + 6 * i, norm = p[4] > 0 ? p[4] : 1;
        for (int k = 0; k < 3; k++)
            s->right[3 * i + k] = p[k] / norm;
        s->disp_right[i] = p[3] / norm;
        s->hole[i] = 1 - fmin(p[5], 1);
    }
    free(sum);
}

static void reference(check *c, int h, int w, double range)
{
    check_begin(c, "splat", "reference %dx%d +-%g", h, w, range);
    scene s = scene_new(c, h, w);
    /* Steps of 1/64 pixel: landing places are exact in f32, so that coverage is the same in both. */
    for (int i = 0; i < h * w; i++)
        s.disp[i] = (float)(floor((2 * check_random(c) - 1) * range * 64) / 64);
    forward_warp(&s, 1.414);
    /* A weight's exponent of up to 40 is rounded before 2^x spreads the error: 0.5 ln2 40 u, squared, over
     * 0.25 u^2 */
    run(c, &s, (float)log2(1.414), true, true, &(check_tol){ .k = w, .factor = 64 });
}

/* Right is left, and there is no hole: in every bit. */
static void nothing_moves(check *c, int h, int w)
{
    check_begin(c, "splat", "zero disparity %dx%d", h, w);
    scene s = scene_new(c, h, w);
    for (int i = 0; i < h * w * 3; i++)
        s.right[i] = s.left[i] = s.left[i] * 3 - 1; /* out of gamut too */
    run(c, &s, 0, false, true, &(check_tol){ .exact = true });
}

/* A whole number of columns: the same bits elsewhere, and a hole as wide as the shift. */
static void whole_shift(check *c, int w, int shift)
{
    check_begin(c, "splat", "shift %d of %d", shift, w);
    scene s = scene_new(c, 3, w);
    for (int i = 0; i < 3 * w; i++) {
        const int from = i % w + shift;
        s.disp[i] = (float)shift;
        s.hole[i] = from < 0 || from >= w;
        s.disp_right[i] = s.hole[i] > 0 ? 0 : shift;
        for (int k = 0; k < 3; k++)
            s.right[3 * i + k] = s.hole[i] > 0 ? 0 : s.left[3 * (i / w * w + from) + k];
    }
    run(c, &s, 0, false, true, &(check_tol){ .exact = true });
}

/* A fraction of a column: Catmull-Rom inside, linear in the outermost segments, the end pixel over the rest.
 */
static void part_shift(check *c, int w, double shift)
{
    check_begin(c, "splat", "shift %g of %d", shift, w);
    scene s = scene_new(c, 2, w);
    for (int i = 0; i < 2 * w; i++) {
        const double at_source = i % w + shift, first = floor(at_source), k = at_source - first;
        const double cubic[4] = { k * (-0.5 + k * (1 - 0.5 * k)), 1 + k * k * (1.5 * k - 2.5),
                                  k * (0.5 + k * (2 - 1.5 * k)), k * k * (0.5 * k - 0.5) };
        const float *p = s.left + 3 * (i / w * w);
        const int c0 = (int)first;
        s.disp[i] = (float)shift;
        s.hole[i] = c0 >= w || c0 < -1 ? 1 : c0 == w - 1 ? k : c0 < 0 ? 1 - k : 0;
        s.disp_right[i] = s.hole[i] < 1 ? shift : 0;
        for (int n = 0; n < 3 && s.hole[i] < 1; n++) {
            const bool inside = c0 >= 1 && c0 + 2 < w;
            for (int j = 0; j < 4; j++) {
                const double weight = inside ? cubic[j] : j == 1 ? 1 - k : j == 2 ? k : 0;
                const int column = SC_CLAMP(c0 - 1 + j, 0, w - 1);
                s.right[3 * i + n] += weight * p[3 * column + n];
            }
        }
    }
    run(c, &s, 0, false, true, &(check_tol){ .k = 4 });
}

/* A near block before a far plane. The hole beside it is as wide as the step, nothing far shines through it,
 * and the far side is where it was. */
static void near_block(check *c, double far, double near)
{
    enum { W = 96, FROM = 40, TO = 64 };
    double holes = 0;
    check_begin(c, "splat", "block %g before %g", near, far);
    scene s = scene_new(c, 2, W);
    float right[2 * W * 3], hole[2 * W];
    bool opaque = true;

    for (int i = 0; i < 2 * W; i++) {
        const bool in = i % W >= FROM && i % W < TO;
        s.disp[i] = (float)(in ? near : far);
        for (int k = 0; k < 3; k++) /* near is bright, far dark */
            s.left[3 * i + k] = in ? 1 : 0;
    }
    const pair l = check_values(c, SC_F32, s.left, SC_DIMS(2, W, 3));
    const pair d = check_values(c, SC_F32, s.disp, SC_DIMS(2, W, 1));
    const pair r = check_output(c, SC_F32, SC_DIMS(2, W, 3));
    const pair h = check_output(c, SC_F32, SC_DIMS(2, W, 1));
    while (check_run(c)) {
        sc_splat_into(
            c->x,
            &(sc_splat_args){
                .right = at(c, r), .hole = at(c, h), .left = at(c, l), .disp = at(c, d), .stretch = 2 });
        sc_download(c->x, right, at(c, r));
        sc_download(c->x, hole, at(c, h));
    }
    check_end(c, &(check_tol){ .k = 4 });
    if (!c->skip) {
        for (int t = 10; t < W - 10; t++) { /* not the holes at the borders */
            holes += hole[t];
            if (t >= FROM - near && t <= TO - 1 - near)
                opaque = opaque && right[3 * t] == 1 && hole[t] == 0;
        }
        check_that(c, fabs(holes - (near - far)) < 1e-4, "the hole is %g wide, the step %g", holes,
                   near - far);
        check_that(c, opaque, "the near block hides what is behind it");
    }
    scene_free(&s);
}

/* Slanted planes: no crack where a surface is stretched less than twice, none where it is squeezed. */
static void slant(check *c, double slope)
{
    enum { W = 200 };
    check_begin(c, "splat", "slope %g", slope);
    scene s = scene_new(c, 1, W);
    float hole[W];
    bool whole = true;

    for (int i = 0; i < W; i++)
        s.disp[i] = (float)(slope * (i - W / 2));
    const pair l = check_values(c, SC_F32, s.left, SC_DIMS(1, W, 3));
    const pair d = check_values(c, SC_F32, s.disp, SC_DIMS(1, W, 1));
    const pair r = check_output(c, SC_F32, SC_DIMS(1, W, 3));
    const pair h = check_output(c, SC_F32, SC_DIMS(1, W, 1));
    while (check_run(c)) {
        sc_splat_into(
            c->x,
            &(sc_splat_args){
                .right = at(c, r), .hole = at(c, h), .left = at(c, l), .disp = at(c, d), .stretch = 2 });
        sc_download(c->x, hole, at(c, h));
    }
    check_end(c, &(check_tol){ .k = 4 });
    for (int t = 0; t < W && !c->skip; t++) {
        const double source = (t - slope * W / 2) / (1 - slope);
        whole = whole && (source < 1 || source > W - 2 || hole[t] == 0);
    }
    check_that(c, whole, "a plane of slope %g has no cracks", slope);
    scene_free(&s);
}

/* Anything at all, disparities of +-10 % of 3840 among it: finite, and the same bits from any number of
 * threads. */
static void anything(check *c, int h, int w, double range, bool ref)
{
    check_begin(c, "splat", "%s %dx%d +-%g", ref ? "reference anything" : "anything", h, w, range);
    scene s = scene_new(c, h, w);
    const size_t n = (size_t)(h * w);
    float *y = malloc(n * 2 * sizeof(float) * 3);
    bool finite = true, same = true;

    for (size_t i = 0; i < n; i++)
        s.disp[i] = (float)((2 * check_random(c) - 1) * range);
    const pair l = check_values(c, SC_F32, s.left, SC_DIMS(h, w, 3));
    const pair d = check_values(c, SC_F32, s.disp, SC_DIMS(h, w, 1));
    const pair r = check_output(c, SC_F32, SC_DIMS(h, w, 3));
    const pair o = check_output(c, SC_F32, SC_DIMS(h, w, 1));
    while (check_run(c)) {
        const int threads = c->x->dev->threads;
        for (int k = 0; k < 2; k++) {
            c->x->dev->threads = k ? 3 : 1;
            sc_splat_into(c->x, &(sc_splat_args){ .right = at(c, r),
                                                  .hole = at(c, o),
                                                  .left = at(c, l),
                                                  .disp = at(c, d),
                                                  .sharpness = 0.5f,
                                                  .stretch = 2,
                                                  .reference = ref });
            sc_download(c->x, y + 3 * n * (size_t)k, at(c, r));
        }
        c->x->dev->threads = threads;
        same = same && !memcmp(y, y + 3 * n, 3 * n * sizeof(float));
        for (size_t i = 0; i < 3 * n; i++)
            finite = finite && isfinite(y[i]) && fabsf(y[i]) <= 2;
    }
    check_end(c, &(check_tol){ .k = w, .factor = 64 }); /* exponents as in reference() */
    check_that(c, finite, "%s is finite", c->name);
    check_that(c, same, "%s does not depend on threads", c->name);
    free(y);
    scene_free(&s);
}

/* Any sizes, on the plain device's word. */
static void sized(check *c, int h, int w, bool ref, check_far far)
{
    check_begin(c, "splat", "%s%dx%d%s", ref ? "reference " : "", w, h, check_far_name(far));
    check_spread(c, far);
    const pair l = check_uniform(c, SC_F32, 0, 1, SC_DIMS(h, w, 3)),
               d = check_uniform(c, SC_F32, -9, 9, SC_DIMS(h, w, 1));
    const pair r = check_output(c, SC_F32, SC_DIMS(h, w, 3)), o = check_output(c, SC_F32, SC_DIMS(h, w, 1)),
               dr = check_output(c, SC_F32, SC_DIMS(h, w, 1));
    while (check_run(c))
        sc_splat_into(c->x, &(sc_splat_args){ .right = at(c, r),
                                              .hole = at(c, o),
                                              .disp_right = at(c, dr),
                                              .left = at(c, l),
                                              .disp = at(c, d),
                                              .sharpness = 0.5f,
                                              .stretch = 2,
                                              .reference = ref });
    check_end(c, &(check_tol){ .k = w, .factor = 64 }); /* exponents as in reference() */
}

void check_warp(check *c)
{
    for (int ref = 0; ref < 2; ref++) {
        sized(c, 1, 1, ref, CHECK_NEAR);
        sized(c, 13, 1031, ref, CHECK_NEAR);
        sized(c, 3, 331, ref, CHECK_STRIDED);
    }
    reference(c, 7, 40, 3);
    reference(c, 33, 129, 20);
    reference(c, 1, 16, 2);
    nothing_moves(c, 1, 1);
    nothing_moves(c, 17, 61);
    nothing_moves(c, 720, 1280);
    whole_shift(c, 50, 7);
    whole_shift(c, 50, -7);
    whole_shift(c, 50, 49);
    whole_shift(c, 50, 60);
    whole_shift(c, 1, 0);
    part_shift(c, 64, 0.5);
    part_shift(c, 64, 5.25);
    part_shift(c, 64, -3.125);
    near_block(c, 0, 5);
    near_block(c, 2, 7.5);
    near_block(c, -4.25, 3);
    slant(c, -0.9);
    slant(c, -0.5);
    slant(c, 0.3);
    slant(c, 0.9);
    anything(c, 9, 333, 40, false);
    anything(c, 5, 3840, 384, false);
    anything(c, 5, 3840, 384, true);
}
