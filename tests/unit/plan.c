/* How linear layers and convolutions go on a GPU: the choice alone, without one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../kernels/cuda/plan.h"
#include "../../src/bench.h"

#define ROOM ((size_t)20 << 20)

static char *const base = (char *)4096; /* an address like the arena's; nothing is read */

static sc_tensor at(char *p, sc_dtype t, int ndim, const int64_t *dim)
{
    return sc_tensor_make(p, t, ndim, dim);
}

static sc_linear_args layer(int64_t m, int64_t n, int64_t k, sc_act act)
{
    return (sc_linear_args){ .y = at(base, SC_F16, SC_DIMS(m, act == SC_ACT_GEGLU ? n / 2 : n)),
                             .x = at(base, SC_F16, SC_DIMS(m, k)),
                             .w = at(base, SC_F16, SC_DIMS(n, k)),
                             .act = act };
}

/* An n x h x w image of i channels to o, kernel k, padded all round. */
static sc_conv2d_args conv(sc_dtype t, int64_t n, int64_t h, int64_t w, int64_t i, int64_t o, int k, bool up)
{
    const int64_t scale = up ? 2 : 1;
    return (sc_conv2d_args){ .y = at(base, t, SC_DIMS(n, h * scale, w * scale, o)),
                             .x = at(base, t, SC_DIMS(n, h, w, i)),
                             .w = at(base, t, SC_DIMS(o, k, k, i)),
                             .stride = 1,
                             .pad_top = k / 2,
                             .pad_left = k / 2,
                             .pad_bottom = k / 2,
                             .pad_right = k / 2,
                             .upsample = up };
}

static void linear_fuses(void **state)
{
    sc_linear_args a = layer(100, 320, 64, SC_ACT_NONE);
    (void)state;
    assert_true(sc_plan_linear_fused(&a, 90));
    a.add = a.y;
    assert_true(sc_plan_linear_fused(&a, 90));
    a.add.stride[0] = 1000;
    assert_true(sc_plan_linear_fused(&a, 90));
    a.add.stride[0] = 0; /* one row, repeated */
    assert_false(sc_plan_linear_fused(&a, 90));
    a.y.dim[0] = a.add.dim[0] = 1;
    assert_true(sc_plan_linear_fused(&a, 90));
    a.add.stride[1] = 2;
    assert_false(sc_plan_linear_fused(&a, 90));
    a = layer(100, 320, 64, SC_ACT_NONE); /* E4M3: where the library knows factors of rows */
    a.scale = at(base, SC_F32, SC_DIMS(320));
    a.x_scale = at(base, SC_F32, SC_DIMS(100));
    assert_true(sc_plan_linear_fused(&a, 90));
    assert_false(sc_plan_linear_fused(&a, 89));
    assert_false(sc_plan_linear_fused(&a, 120));
    a.x_scale.stride[0] = 0;
    assert_false(sc_plan_linear_fused(&a, 90));
    a.x_scale.stride[0] = 1;
    a.x_scale.data = base + 4;
    assert_false(sc_plan_linear_fused(&a, 90));
    a.x_scale.data = base;
    a.y.stride[0] = 323; /* its rows have to be aligned */
    assert_false(sc_plan_linear_fused(&a, 90));
    a.y.stride[0] = 328;
    assert_true(sc_plan_linear_fused(&a, 90));
    a.add = a.y;
    assert_true(sc_plan_linear_fused(&a, 90));
    a.add.data = base + 2;
    assert_false(sc_plan_linear_fused(&a, 90));
    a.add = SC_NONE;
    a.y.dtype = SC_F32;
    assert_false(sc_plan_linear_fused(&a, 90));
    for (int act = SC_ACT_SILU; act <= SC_ACT_GEGLU; act++) {
        a = layer(100, 320, 64, (sc_act)act);
        assert_false(sc_plan_linear_fused(&a, 90));
    }
}

static void linear_rows(void **state)
{
    (void)state;
    for (int64_t m = 1; m < 3000; m += 7)
        for (int64_t n = 1; n < 5000; n = 3 * n + 1) {
            const sc_linear_args a = layer(m, n, 8, SC_ACT_SILU);
            const int64_t room = 100000, rows = sc_plan_linear_rows(&a, (size_t)room),
                          calls = (m + rows - 1) / rows;
            assert_true(rows >= 1 && rows <= m && rows * n * 4 <= room);
            assert_true((calls - 1) * (room / 4 / n) < m); /* fewer calls would not do */
            assert_true(calls * rows - m < calls);         /* all but equal */
        }
    const sc_linear_args wide = layer(5, 1 << 20, 8, SC_ACT_GEGLU);
    assert_int_equal(sc_plan_linear_rows(&wide, 100), 1);
}

static void one_by_one(void **state)
{
    sc_conv2d_args a = conv(SC_F16, 3, 9, 7, 5, 11, 1, false);
    (void)state;
    a.act = SC_ACT_SILU;
    a.add = a.y;
    assert_int_equal(sc_plan_conv(&a, ROOM, false).way, SC_CONV_LINEAR);
    a.vec = at(base, SC_F32, SC_DIMS(3, 11));
    assert_int_not_equal(sc_plan_conv(&a, ROOM, false).way, SC_CONV_LINEAR);
    a.vec = SC_NONE;
    a.pad_left = 1;
    assert_int_not_equal(sc_plan_conv(&a, ROOM, false).way, SC_CONV_LINEAR);
    a = conv(SC_F16, 3, 9, 7, 8, 8, 1, true);
    assert_int_not_equal(sc_plan_conv(&a, ROOM, false).way, SC_CONV_LINEAR);
    a = conv(SC_F16, 3, 9, 7, 8, 8, 1, false);
    a.stride = 2;
    a.y = at(base, SC_F16, SC_DIMS(3, 5, 4, 8));
    assert_int_not_equal(sc_plan_conv(&a, ROOM, false).way, SC_CONV_LINEAR);
}

static void assert_plan(sc_conv2d_args a, sc_conv_way way, int64_t images, int64_t rows)
{
    const sc_conv_plan p = sc_plan_conv(&a, ROOM, false);
    assert_int_equal(p.way, way);
    assert_int_equal(p.images, images);
    assert_int_equal(p.rows, rows);
}

static void library(void **state)
{
    sc_conv2d_args a = conv(SC_F16, 25, 72, 128, 320, 320, 3, false);
    (void)state;
    assert_plan(a, SC_CONV_LIBRARY, 25, 72);
    a.vec = at(base, SC_F32, SC_DIMS(25, 320)); /* a bias of its own for each image */
    assert_plan(a, SC_CONV_LIBRARY, 1, 72);
    a.vec.stride[0] = 0;
    assert_plan(a, SC_CONV_LIBRARY, 25, 72);
    a.add = a.y;
    assert_plan(a, SC_CONV_LIBRARY, 25, 72);
    a.act = SC_ACT_SILU; /* before add, which may be y */
    assert_plan(a, SC_CONV_DIRECT, 25, 72);
    a.add = SC_NONE;
    assert_plan(a, SC_CONV_LIBRARY, 25, 72);
    a.w.data = base + 2;
    assert_plan(a, SC_CONV_DIRECT, 25, 72);
    /* 20 images have 2^31 elements or more: 10 and 10. */
    assert_plan(conv(SC_F16, 20, 576, 1024, 192, 8, 3, false), SC_CONV_LIBRARY, 10, 576);
    assert_plan(conv(SC_F16, 20, 576, 1024, 8, 192, 3, false), SC_CONV_LIBRARY, 10, 576);
    assert_plan(conv(SC_F16, 1, 4096, 4096, 128, 8, 3, false), SC_CONV_DIRECT, 1, 4096);
    /* The second part of images of 3 x 3 x 3 numbers would not be aligned. */
    a = conv(SC_F16, 2, 3, 3, 3, 8, 3, false);
    assert_plan(a, SC_CONV_LIBRARY, 2, 3);
    a.vec = at(base, SC_F32, SC_DIMS(2, 8));
    assert_plan(a, SC_CONV_DIRECT, 2, 3);
}

/* Exact fp32 goes to our kernel where that fills a GPU. */
static void exact(void **state)
{
    sc_conv2d_args a = conv(SC_F32, 1, 576, 1024, 128, 128, 3, false);
    (void)state;
    assert_plan(a, SC_CONV_DIRECT, 1, 576);
    assert_int_equal(sc_plan_conv(&a, ROOM, true).way, SC_CONV_LIBRARY);
    assert_plan(conv(SC_F16, 1, 576, 1024, 128, 128, 3, false), SC_CONV_LIBRARY, 1, 576);
    assert_plan(conv(SC_F32, 1, 576, 1024, 128, 3, 3, false), SC_CONV_LIBRARY, 1, 576);
    assert_plan(conv(SC_F32, 1, 48, 80, 64, 64, 3, false), SC_CONV_LIBRARY, 1, 48);
}

static void doubled(void **state)
{
    (void)state;
    assert_plan(conv(SC_F16, 2, 9, 16, 64, 64, 3, true), SC_CONV_LIBRARY, 2, 18);
    /* 74 rows of 128 pixels of 640 halves are 12.1 MB an image. */
    assert_plan(conv(SC_F16, 25, 36, 64, 640, 640, 3, true), SC_CONV_LIBRARY, 1, 72);
    /* 1024 pixels of 256 halves are 524288 bytes a row: 40 rows fit, 38 of the output; 576 = 16 x 36. */
    assert_plan(conv(SC_F16, 2, 288, 512, 256, 256, 3, true), SC_CONV_LIBRARY, 1, 36);
    assert_plan(conv(SC_F32, 1, 288, 512, 4096, 8, 3, true), SC_CONV_DIRECT, 1, 576);
    /* However it is cut, the input under a part fits. */
    for (int64_t h = 1; h < 400; h += 13)
        for (int stride = 1; stride <= 2; stride++) {
            sc_conv2d_args a = conv(SC_F16, 3, h, 300, 200, 16, 3, true);
            a.stride = stride;
            a.y = at(base, SC_F16, SC_DIMS(3, (2 * h - 1) / stride + 1, 599 / stride + 1, 16));
            const sc_conv_plan p = sc_plan_conv(&a, ROOM, false);
            assert_int_equal(p.way, SC_CONV_LIBRARY);
            assert_true(p.images * sc_plan_conv_rows_in(&a, p.rows) * 600 * 200 * 2 <= (int64_t)ROOM);
            assert_true(p.rows == a.y.dim[1] || p.images == 1);
        }
}

/* --info asks the same functions. */
static void info_names_kernels(void **state)
{
    char text[2][4096] = { "" };
    (void)state;

    for (int i = 0; i < 2; i++) {
        const sc_device dev = { .capability = i ? 90 : 80, .dtypes = 1u << SC_F32 | 1u << SC_F16 };
        FILE *f = tmpfile();
        assert_non_null(f);
        sc_info_kernels(f, &dev);
        rewind(f);
        assert_in_range(fread(text[i], 1, sizeof(*text) - 1, f), 200, sizeof(*text) - 2);
        fclose(f);
    }
    assert_non_null(strstr(text[1], "in fp16: attention of 9216 tokens by wgmma"));
    assert_non_null(strstr(text[0], "in fp16: attention of 9216 tokens by mma.sync tiles"));
    assert_non_null(strstr(text[0], "in fp32: attention of 9216 tokens by f32 products"));
    assert_null(strstr(text[0], "bf16"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_fuses),
        cmocka_unit_test(linear_rows),
        cmocka_unit_test(one_by_one),
        cmocka_unit_test(library),
        cmocka_unit_test(exact),
        cmocka_unit_test(doubled),
        cmocka_unit_test(info_names_kernels),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
