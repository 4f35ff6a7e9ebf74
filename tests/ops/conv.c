#include "../check.h"

typedef struct conv_case {
    int64_t n, h, w, i, o, kh, kw;
    int stride, pad_mode; /* as in sc_conv2d_opt */
    bool bias, upsample;
    int vec, add; /* vec: 1 one row, 2 a row each image; add: 1 a tensor, 2 the output itself */
    sc_act act;
    check_far far; /* x, y and add; of one image (kernels without height only) its rows */
} conv_case;

/* [n,h,w,c], of which one image is made as rows: then a LONG one has more of them. */
static pair picture(check *c, sc_dtype type, bool input, const conv_case *t, int64_t h, int64_t w,
                    int64_t channels)
{
    const int64_t dim[] = { t->n, h, w, channels };
    const int skip = t->far && t->n == 1;
    return input ? check_normal(c, type, 0, 1, 4 - skip, dim + skip)
                 : check_output(c, type, 4 - skip, dim + skip);
}

static sc_tensor images(sc_tensor t)
{
    return t.ndim == 4 ? t : sc_reshape(t, SC_DIMS(1, t.dim[0], t.dim[1], t.dim[2]));
}

static int64_t out_size(const conv_case *t, int64_t size, int64_t k)
{
    const int64_t before = t->pad_mode ? 0 : (k - 1) / 2, after = t->pad_mode == 1 ? 0 : (k - 1) / 2;
    return ((size << t->upsample) + before + after - k) / t->stride + 1;
}

/* The same image; seen so, an axis of 1 has any stride. */
static sc_tensor loose(sc_tensor t)
{
    return t.dim[0] > 1 ? t : sc_reshape(sc_index(t, 0), 4, t.dim);
}

static void run(check *c, conv_case t)
{
    const bool narrow = c->dtype == SC_F8;
    const sc_dtype act = narrow ? SC_F16 : c->dtype;

    if (narrow && (t.i % 16 || t.o % 16 || t.far)) /* far: see linear.c */
        return;
    t.stride = t.stride ? t.stride : 1;
    const int64_t ho = out_size(&t, t.h, t.kh), wo = out_size(&t, t.w, t.kw);

    check_begin(c, "conv2d",
                "%dx%dx%dx%d -> %d k %dx%d stride %d pad %d up %d bias %d vec %d add %d act %d%s", (int)t.n,
                (int)t.h, (int)t.w, (int)t.i, (int)t.o, (int)t.kh, (int)t.kw, t.stride, t.pad_mode,
                t.upsample, t.bias, t.vec, t.add, (int)t.act, check_far_name(t.far));
    const pair w = check_normal(c, c->dtype, 0, narrow ? 100 : 1, SC_DIMS(t.o, t.kh, t.kw, t.i));
    const pair factor = check_uniform(c, SC_F32, 0.005, 0.02, SC_DIMS(t.o));
    const pair b = check_normal(c, SC_F32, 0, 1, SC_DIMS(t.o));
    const pair vec = check_normal(c, SC_F32, 0, 1, SC_DIMS(t.vec == 1 ? 1 : t.n, t.o));
    check_spread(c, t.far);
    const pair x = picture(c, act, true, &t, t.h, t.w, t.i), add = picture(c, act, true, &t, ho, wo, t.o);
    const pair y = picture(c, act, false, &t, ho, wo, t.o);
    while (check_run(c)) {
        const sc_param p = { .w = at(c, w),
                             .b = t.bias ? at(c, b) : SC_NONE,
                             .scale = narrow ? at(c, factor) : SC_NONE };
        const sc_tensor v = at(c, vec), a = images(at(c, t.add == 2 ? y : add));
        if (t.add == 2)
            sc_copy_into(c->x, at(c, y), at(c, add));
        sc_conv2d_into(c->x, loose(images(at(c, y))), loose(images(at(c, x))), &p,
                       &(sc_conv2d_opt){ .act = t.act,
                                         .vec = t.vec ? &v : NULL,
                                         .add = t.add ? &a : NULL,
                                         .stride = t.stride,
                                         .upsample = t.upsample,
                                         .pad_mode = t.pad_mode });
    }
    check_end(c, &(check_tol){ .k = (double)(t.kh * t.kw * t.i) + t.bias + (t.vec > 0) + (t.add > 0) +
                                    (t.act ? CHECK_ACT_TERMS : 0),
                               .products = true });
}

/* Sums that can be done by hand: a kernel of ones counts the pixels under it, so it shows the padding. */
static void truth(check *c)
{
    static const float ones[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    static const double same[] = { 4, 6, 4, 6, 9, 6, 4, 6, 4 }, corner[] = { 9, 6, 6, 4 }, valid[] = { 9 };
    static const double doubled[] = { 4, 6, 6, 4, 6, 9, 9, 6, 6, 9, 9, 6, 4, 6, 6, 4 };
    static const float ramp[] = { 1, 2, 3, 4 }, edge[] = { -1, 0, 1 };
    static const double slope[] = { 2, 2, 2, -3 };
    const struct {
        const char *name;
        int64_t size, out;
        sc_conv2d_opt o;
        const double *want;
    } cases[] = {
        { "ones, padded all round", 3, 3, { .pad_mode = 0 }, same },
        { "ones, padded right and below", 4, 2, { .pad_mode = 2, .stride = 2 }, corner },
        { "ones, not padded", 3, 1, { .pad_mode = 1 }, valid },
        { "ones, doubled", 2, 4, { .upsample = true }, doubled },
    };

    for (int i = 0; i < SC_COUNT(cases); i++) {
        const int64_t in = cases[i].size, out = cases[i].out;
        check_begin(c, "conv2d", "%s", cases[i].name);
        const pair x = check_values(c, SC_F32, ones, SC_DIMS(1, in, in, 1));
        const pair k = check_values(c, SC_F32, ones, SC_DIMS(1, 3, 3, 1));
        const pair y = check_output(c, SC_F32, SC_DIMS(1, out, out, 1));
        check_expect(c, y, cases[i].want);
        while (check_run(c))
            sc_conv2d_into(c->x, at(c, y), at(c, x), &(sc_param){ .w = at(c, k) }, &cases[i].o);
        check_end(c, &(check_tol){ .k = 9, .products = true });
    }

    check_begin(c, "conv2d", "the kernel is not turned round");
    const pair x = check_values(c, SC_F32, ramp, SC_DIMS(1, 1, 4, 1));
    const pair k = check_values(c, SC_F32, edge, SC_DIMS(1, 1, 3, 1));
    const pair y = check_output(c, SC_F32, SC_DIMS(1, 1, 4, 1));
    check_expect(c, y, slope);
    while (check_run(c))
        sc_conv2d_into(c->x, at(c, y), at(c, x), &(sc_param){ .w = at(c, k) }, NULL);
    check_end(c, &(check_tol){ .k = 3, .products = true });
}

/* A 1x1 convolution is a linear layer: two paths to one result. */
static void one_by_one(check *c)
{
    check_begin(c, "conv2d", "1x1 is linear");
    const pair x = check_normal(c, c->dtype, 0, 1, SC_DIMS(2, 9, 7, 48)),
               w = check_normal(c, c->dtype, 0, 1, SC_DIMS(24, 48));
    const pair y = check_output(c, c->dtype, SC_DIMS(2, 9, 7, 24));
    while (check_run(c)) {
        const sc_tensor flat = at(c, w);
        if (c->side == 0)
            sc_linear_into(c->x, at(c, y), at(c, x), &(sc_param){ .w = flat }, NULL);
        else
            sc_conv2d_into(c->x, at(c, y), at(c, x),
                           &(sc_param){ .w = sc_reshape(flat, SC_DIMS(24, 1, 1, 48)) }, NULL);
    }
    check_end(c, &(check_tol){ .k = 48, .products = true });
}

void check_conv(check *c)
{
    static const conv_case cases[] = {
        { 1, 48, 80, 5, 32, 3, 3, .stride = 2, .bias = true }, /* built-in networks */
        { 1, 48, 80, 32, 32, 3, 3, .bias = true, .act = SC_ACT_SILU },
        { 1, 24, 40, 64, 64, 3, 3, .bias = true, .add = 1 },
        { 1, 12, 20, 384, 192, 3, 3, .bias = true },
        { 1, 12, 20, 192, 192, 3, 3, .bias = true, .add = 2 },
        { 1, 48, 80, 32, 4, 3, 3, .bias = true },
        { 1, 40, 64, 5, 24, 3, 3, .stride = 2, .bias = true },
        { 1, 20, 32, 48, 24, 3, 3, .bias = true, .act = SC_ACT_SILU },
        { 1, 20, 32, 24, 12, 3, 3, .bias = true },
        { 2, 18, 32, 8, 320, 3, 3, .bias = true }, /* UNet */
        { 2, 18, 32, 9, 320, 3, 3, .bias = true },
        { 3, 9, 16, 64, 64, 3, 3, .bias = true, .vec = 2 },
        { 3, 9, 16, 64, 64, 3, 3, .bias = true, .vec = 1, .add = 1 },
        { 2, 18, 32, 64, 64, 3, 3, .stride = 2, .bias = true },
        { 2, 9, 16, 64, 64, 3, 3, .bias = true, .upsample = true },
        { 2, 25, 36, 64, 64, 3, 1, .bias = true, .vec = 2 }, /* temporal */
        { 1, 14, 36, 32, 32, 3, 1, .bias = true, .add = 1 },
        { 1, 16, 24, 32, 32, 3, 3, .stride = 2, .pad_mode = 2, .bias = true }, /* VAE */
        { 1, 17, 25, 32, 32, 3, 3, .stride = 2, .pad_mode = 2, .bias = true },
        { 1, 16, 24, 48, 8, 1, 1, .bias = true },
        { 1, 56, 56, 3, 64, 14, 14, .stride = 14, .pad_mode = 1 }, /* CLIP */
        { 1, 1, 1, 1, 1, 1, 1, .bias = false },
        { 1, 1, 1, 1, 1, 3, 3, .bias = true },
        { 3, 1, 5, 7, 3, 3, 3, .vec = 2, .add = 2, .act = SC_ACT_SILU },
        { 2, 5, 1, 3, 17, 3, 3, .bias = true, .upsample = true, .vec = 2, .add = 1, .act = SC_ACT_GELU },
        { 2, 5, 3, 3, 17, 3, 3, .upsample = true, .vec = 1, .add = 2 },
        { 2, 13, 11, 5, 7, 5, 3, .bias = true, .act = SC_ACT_QUICK_GELU },
        { 2, 13, 11, 31, 33, 1, 3, .stride = 2, .bias = true, .add = 1, .act = SC_ACT_GELU },
        { 1, 19, 23, 37, 41, 3, 3, .bias = true, .add = 1 }, /* primes */
        { 2, 18, 32, 64, 64, 3, 3, .bias = true, .vec = 1, .add = 1, .far = CHECK_LONG },
        { 2, 18, 32, 48, 64, 3, 3, .stride = 2, .pad_mode = 2, .bias = true, .far = CHECK_LONG },
        { 2, 9, 16, 64, 64, 3, 3, .bias = true, .upsample = true, .far = CHECK_LONG },
        { 2, 25, 36, 64, 64, 3, 1, .bias = true, .add = 2, .act = SC_ACT_SILU, .far = CHECK_LONG },
        { 2, 13, 11, 5, 7, 3, 3, .bias = true, .far = CHECK_LONG },
        { 2, 18, 32, 64, 64, 1, 1, .bias = true, .far = CHECK_LONG },
        { 1, 9, 128, 64, 64, 1, 3, .bias = true, .far = CHECK_LONG },
    };
    static const conv_case narrow[] = {
        { 1, 1, 1, 16, 16, 3, 3, .bias = false },
        { 3, 7, 13, 48, 80, 3, 3, .bias = true, .vec = 2, .add = 1 },
        { 2, 31, 17, 112, 64, 3, 3, .stride = 2, .bias = true, .vec = 1 },
        { 2, 11, 13, 320, 160, 3, 3, .bias = true, .add = 2 },
        { 1, 9, 16, 1280, 1280, 3, 3, .bias = true, .add = 1 },
        { 2, 11, 7, 80, 48, 3, 3, .upsample = true, .bias = true, .vec = 2 },
        { 1, 14, 37, 96, 96, 3, 1, .bias = true, .vec = 1, .add = 1 },
        { 1, 9, 11, 64, 48, 1, 1, .bias = true, .add = 2 },
        { 2, 5, 3, 16, 48, 3, 3, .upsample = true, .add = 1, .act = SC_ACT_GELU },
        { 2, 13, 11, 32, 16, 3, 3, .bias = true, .act = SC_ACT_SILU },
        { 5, 64, 96, 32, 320, 3, 3, .bias = true, .add = 1 }, /* Hopper's tiles, as below */
        { 1, 25, 17, 192, 176, 3, 3, .vec = 1, .add = 2 },
        { 2, 11, 19, 144, 272, 3, 3, .bias = true, .vec = 2 },
        { 1, 8, 200, 208, 128, 3, 1, .bias = true, .add = 2 },
        { 1, 12, 64, 640, 144, 1, 3, .bias = true },
    };
    /* What Hopper's tiles of 192 pixels and 128, 160 or 256 channels meet: tiles that end beyond the picture,
     * channels that end within a tile, the border of every tap. */
    static const conv_case tiles[] = {
        { 2, 24, 16, 64, 320, 3, 3, .bias = true, .vec = 2, .add = 1 },
        { 1, 25, 17, 72, 168, 3, 3, .vec = 1, .add = 2 },
        { 3, 6, 33, 136, 128, 3, 3, .bias = true },
        { 1, 13, 64, 64, 264, 3, 3, .bias = true, .add = 1 },
        { 1, 3, 5, 200, 136, 3, 3, .add = 1 },
        { 2, 17, 18, 64, 128, 3, 3, .stride = 2, .bias = true, .vec = 2, .add = 1 },
        { 1, 26, 34, 64, 160, 3, 3, .stride = 2, .pad_mode = 2, .bias = true },
        { 1, 8, 200, 64, 128, 3, 1, .bias = true, .add = 2 },
        { 2, 7, 65, 64, 160, 3, 1, .vec = 2 },
        { 1, 12, 64, 80, 128, 1, 3, .bias = true },
        { 1, 14, 22, 64, 128, 2, 2, .pad_mode = 1, .bias = true },
        { 2, 12, 16, 64, 128, 3, 3, .bias = true, .upsample = true },
        { 1, 9, 13, 136, 168, 3, 3, .bias = true, .upsample = true, .vec = 1, .add = 1 },
        { 1, 4, 6, 512, 2056, 3, 3, .upsample = true, .bias = true }, /* weights in more than one part */
    };
    /* Few channels: pixels past the last of a warp's 32, kernels of every form, a row alone. */
    static const conv_case few[] = {
        { 2, 19, 45, 64, 3, 3, 3, .bias = true },
        { 1, 9, 33, 320, 4, 3, 3, .bias = true },
        { 3, 7, 16, 32, 7, 3, 1, .bias = false },
        { 1, 5, 31, 96, 1, 1, 3, .bias = true },
        { 2, 1, 70, 32, 5, 2, 2, .pad_mode = 1, .bias = true },
    };
    for (int i = 0; i < SC_COUNT(cases); i++)
        run(c, cases[i]);
    for (int i = 0; i < SC_COUNT(few); i++)
        run(c, few[i]);
    for (int i = 0; i < SC_COUNT(tiles); i++)
        run(c, tiles[i]);
    if (c->bench) {
        run(c, (conv_case){ 1, 96, 160, 32, 32, 3, 3, .bias = true, .act = SC_ACT_SILU });
        run(c, (conv_case){ 1, 96, 160, 64, 32, 3, 3, .bias = true });
        run(c, (conv_case){ 1, 72, 128, 320, 320, 3, 3, .bias = true });
        run(c, (conv_case){ 25, 36, 64, 640, 640, 3, 3, .bias = true });
        run(c, (conv_case){ 1, 25, 2304, 640, 640, 3, 1, .bias = true, .add = 1 });
    }
    if (c->dtype == SC_F32)
        truth(c);
    if (c->dtype == SC_F8) {
        for (int i = 0; i < SC_COUNT(narrow); i++)
            run(c, narrow[i]);
        return;
    }
    one_by_one(c);
    for (int i = 0; i < 10; i++) /* one row, padded below alone, is too few for a kernel of 3 */
        run(c, (conv_case){ check_random_int(c, 1, 3), check_random_int(c, 2, 20), check_random_int(c, 2, 20),
                            check_random_int(c, 1, 40), check_random_int(c, 1, 40), 3,
                            1 + 2 * check_random_int(c, 0, 1), (int)check_random_int(c, 1, 2),
                            2 * (int)check_random_int(c, 0, 1), check_random_int(c, 0, 1) == 1,
                            check_random_int(c, 0, 1) == 1, (int)check_random_int(c, 0, 2),
                            (int)check_random_int(c, 0, 2), (sc_act)check_random_int(c, 0, 3), CHECK_NEAR });
}
