/* E4M3 weights: what the plain loops make of them by hand, how the loader makes them, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/precision.h"
#include "../../src/weights/weights.h"

enum { N = 16, K = 16 };

typedef struct fixture {
    sc_device *dev;
    sc_exec x;
    int lines;
    sc_logger log;
} fixture;

static void count_line(void *opaque, int level, const char *stage, const char *line)
{
    (void)level, (void)stage, (void)line;
    ((fixture *)opaque)->lines++;
}

static int setup(void **state)
{
    static fixture f;

    f = (fixture){ .log = { .write = count_line, .opaque = &f } };
    assert_int_equal(sc_device_open(&f.dev, &(sc_device_options){ .name = "cpu", .plain = true }, &f.log), 0);
    assert_int_equal(sc_exec_open(&f.x, f.dev, &f.log, SC_F32, 1 << 20), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    sc_exec_close(&f->x);
    sc_device_close(&f->dev);
    return 0;
}

static void by_hand(void **state)
{
    static uint8_t codes[N * K];
    float x[2 * K] = { 0 }, y[2 * N], scale[N], bias[N], image[N];
    fixture *f = *state;
    sc_param p = { .w = sc_tensor_make(codes, SC_F8, SC_DIMS(N, K)),
                   .b = sc_tensor_make(bias, SC_F32, SC_DIMS(N)),
                   .scale = sc_tensor_make(scale, SC_F32, SC_DIMS(N)) };

    memset(codes, 0, sizeof(codes));
    for (int n = 0; n < N; n++) {
        codes[n * K] = 0x38;                        /* 1 */
        codes[n * K + 1] = (uint8_t)(n ? 0xb8 : 0); /* -1 */
        scale[n] = (float)(n + 1);
        bias[n] = 0.5f;
    }
    /* x[0]: scale 2; 896 is 448, 34 / 2 = 17 lies between 16 and 18 and goes to the even code, 16.
     * x[1]: zeros but one that f32 cannot divide by 448. */
    x[0] = 896;
    x[1] = 34;
    x[K] = 0x1p-145f;
    sc_linear_into(&f->x, sc_tensor_make(y, SC_F32, SC_DIMS(2, N)), sc_tensor_make(x, SC_F32, SC_DIMS(2, K)),
                   &p, NULL);
    assert_int_equal(sc_exec_wait(&f->x), 0);
    assert_true(y[0] == 896 + 0.5f);
    for (int n = 1; n < N; n++)
        assert_true(y[n] == (float)(n + 1) * (896 - 32) + 0.5f);
    for (int n = 0; n < N; n++)
        assert_true(y[N + n] == 0.5f);

    /* One factor for both pixels: the second's 34 is coarser beside the first's 896. */
    memset(x, 0, sizeof(x));
    x[0] = 896;
    x[K + 1] = 34;
    p.w = sc_tensor_make(codes, SC_F8, SC_DIMS(N, 1, 1, K));
    sc_conv2d_into(&f->x, sc_tensor_make(y, SC_F32, SC_DIMS(1, 2, 1, N)),
                   sc_tensor_make(x, SC_F32, SC_DIMS(1, 2, 1, K)), &p, NULL);
    assert_int_equal(sc_exec_wait(&f->x), 0);
    for (int n = 0; n < N; n++)
        image[n] = n ? -32 * scale[n] + 0.5f : 0.5f;
    assert_memory_equal(y + N, image, sizeof(image));
    assert_true(y[3] == 4 * 896 + 0.5f);
    assert_int_equal(f->x.used, 0);
}

/* What a norm rounds for a layer is what the layer would have rounded. */
static void normed(void **state)
{
    enum { ROWS = 5 };
    static uint8_t codes[N * 3 * K];
    static const sc_dtype wide = SC_F32;
    float x[ROWS * K], n[ROWS * K], y[2][ROWS * N], scale[N], gamma[K], beta[K];
    fixture *f = *state;
    sc_param p = { .w = sc_tensor_make(codes, SC_F8, SC_DIMS(N, K)),
                   .scale = sc_tensor_make(scale, SC_F32, SC_DIMS(N)) };
    const sc_norm norm = { sc_tensor_make(gamma, SC_F32, SC_DIMS(K)),
                           sc_tensor_make(beta, SC_F32, SC_DIMS(K)) };
    sc_tensor in = sc_tensor_make(x, wide, SC_DIMS(ROWS, K)), mid = sc_tensor_make(n, wide, SC_DIMS(ROWS, K));

    for (int i = 0; i < ROWS * K; i++)
        x[i] = (float)(i * 37 % 101);
    for (int i = 0; i < N * 3 * K; i++)
        codes[i] = (uint8_t)(0x20 + i * 7 % 0x30);
    for (int i = 0; i < K; i++) {
        gamma[i] = 1 + 0.25f * (float)(i % 3);
        beta[i] = (float)(i % 5) - 2;
        scale[i] = 0.5f;
    }
    const sc_tensor made = sc_new_input(&f->x, &p, in);
    assert_true(made.dtype == SC_F8 && made.scale);
    sc_layer_norm_into(&f->x, made, in, &norm, 1e-5f);
    sc_linear_into(&f->x, sc_tensor_make(y[0], wide, SC_DIMS(ROWS, N)), made, &p, NULL);
    sc_layer_norm_into(&f->x, mid, in, &norm, 1e-5f);
    sc_linear_into(&f->x, sc_tensor_make(y[1], wide, SC_DIMS(ROWS, N)), mid, &p, NULL);
    assert_int_equal(sc_exec_wait(&f->x), 0);
    assert_memory_equal(y[0], y[1], sizeof(y[0]));

    /* A group norm's factor is a bound: larger, so that the codes are others. Theirs are off by 1/16 each. */
    p.w = sc_tensor_make(codes, SC_F8, SC_DIMS(N, 3, 1, K));
    in = sc_reshape(in, SC_DIMS(1, ROWS, 1, K));
    mid = sc_reshape(mid, 4, in.dim);
    const sc_tensor image = sc_new_input(&f->x, &p, in);
    sc_group_norm_into(&f->x, image, in, &norm, 4, 1e-5f, true);
    sc_conv2d_into(&f->x, sc_tensor_make(y[0], wide, SC_DIMS(1, ROWS, 1, N)), image, &p, NULL);
    sc_group_norm_into(&f->x, mid, in, &norm, 4, 1e-5f, true);
    sc_conv2d_into(&f->x, sc_tensor_make(y[1], wide, SC_DIMS(1, ROWS, 1, N)), mid, &p, NULL);
    assert_int_equal(sc_exec_wait(&f->x), 0);
    double most = 0, square = 0, error = 0;
    for (int i = 0; i < ROWS * K; i++)
        most = n[i] > most ? n[i] : most;
    assert_true(*image.scale >= most / 448 && *image.scale <= 4 * most / 448);
    for (int i = 0; i < ROWS * N; i++) {
        square += (double)y[1][i] * y[1][i];
        error += (double)(y[0][i] - y[1][i]) * (y[0][i] - y[1][i]);
    }
    assert_true(square > 0 && error < square / 256);
    sc_pop(&f->x, (sc_mark){ 0 });
}

static void refused(void **state)
{
    static uint8_t codes[32 * 32];
    static float x[32], y[32], scale[32] = { 1 };
    static const struct {
        int64_t n, k, scales;
        sc_dtype type;
    } cases[] = { { 16, 24, 16, SC_F8 },
                  { 24, 16, 24, SC_F8 },
                  { 16, 16, 15, SC_F8 },
                  { 16, 16, 0, SC_F8 },
                  { 16, 16, 16, SC_F16 } };
    fixture *f = *state;

    for (int i = 0; i < 2 * SC_COUNT(cases); i++) {
        const int64_t n = cases[i / 2].n, k = cases[i / 2].k, scales = cases[i / 2].scales;
        const sc_dtype type = cases[i / 2].type;
        sc_param p = { .scale = scales ? sc_tensor_make(scale, SC_F32, SC_DIMS(scales)) : SC_NONE };
        f->lines = 0;
        if (i % 2) {
            p.w = sc_tensor_make(codes, type, SC_DIMS(n, 1, 1, k));
            sc_conv2d_into(&f->x, sc_tensor_make(y, SC_F32, SC_DIMS(1, 1, 1, n)),
                           sc_tensor_make(x, SC_F32, SC_DIMS(1, 1, 1, k)), &p, NULL);
        } else {
            p.w = sc_tensor_make(codes, type, SC_DIMS(n, k));
            sc_linear_into(&f->x, sc_tensor_make(y, SC_F32, SC_DIMS(1, n)),
                           sc_tensor_make(x, SC_F32, SC_DIMS(1, k)), &p, NULL);
        }
        assert_int_equal(sc_exec_wait(&f->x), -EINVAL);
        assert_int_equal(f->lines, 1);
    }
}

/* Which layers of the published networks are narrow, in one place. */
static void layers(void **state)
{
    static const struct {
        const char *name;
        int64_t out, in;
        sc_dtype type;
    } cases[] = {
        { "down_blocks.0.resnets.0.spatial_res_block.conv1", 320, 320, SC_F8 },
        { "mid_block.resnets.1.temporal_res_block.conv2", 1280, 1280, SC_F8 },
        { "up_blocks.3.attentions.2.transformer_blocks.0.attn1.to_q", 320, 320, SC_F8 },
        { "down_blocks.0.attentions.0.temporal_transformer_blocks.0.ff_in.net.0.proj", 2560, 320, SC_F8 },
        { "up_blocks.1.upsamplers.0.conv", 1280, 1280, SC_F16 },
        { "decoder.up_blocks.1.upsamplers.0.conv", 512, 512, SC_F8 },
        { "up_blocks.3.attentions.2.transformer_blocks.0.attn1.to_out.0", 320, 320, SC_F16 },
        { "down_blocks.0.attentions.0.transformer_blocks.0.ff.net.2", 320, 1280, SC_F16 },
        { "down_blocks.0.attentions.0.proj_in", 320, 320, SC_F16 },
        { "down_blocks.0.attentions.0.proj_out", 320, 320, SC_F16 },
        { "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v", 320, 1024, SC_F16 },
        { "down_blocks.0.attentions.0.time_pos_embed.linear_1", 1280, 320, SC_F16 },
        { "down_blocks.1.resnets.0.spatial_res_block.conv_shortcut", 640, 320, SC_F16 },
        { "down_blocks.1.resnets.0.spatial_res_block.time_emb_proj", 640, 1280, SC_F16 },
        { "time_embedding.linear_2", 1280, 1280, SC_F16 },
        { "add_embedding.linear_1", 1280, 768, SC_F16 },
        { "conv_in", 320, 16, SC_F16 },
        { "conv_out", 16, 320, SC_F16 },
        { "decoder.mid_block.attentions.0.to_q", 512, 512, SC_F8 },
        { "blocks.0.conv1", 32, 40, SC_F16 }, /* tensor cores take steps of 16 */
        { "blocks.0.conv1", 40, 32, SC_F16 },
    };
    (void)state;

    for (int i = 0; i < SC_COUNT(cases); i++) {
        assert_int_equal(sc_precision_of_layer(SC_F8, cases[i].name, cases[i].out, cases[i].in),
                         cases[i].type);
        assert_int_equal(sc_precision_of_layer(SC_BF16, cases[i].name, cases[i].out, cases[i].in), SC_BF16);
    }
}

/* From a file in memory: OIHW halves become OHWI codes, each output channel with its own factor. */
static void loaded(void **state)
{
    static const char header[] =
        "{\"c.weight\":{\"dtype\":\"F16\",\"shape\":[16,16,3,1],"
        "\"data_offsets\":[0,1536]},\"conv_in.weight\":{\"dtype\":\"F16\","
        "\"shape\":[16,16],\"data_offsets\":[1536,2048]}}"; /* of even length: halves follow */
    static _Alignas(8) uint8_t file[8 + sizeof(header) - 1 + 2048];
    static float back[16][3][16];
    fixture *f = *state;
    const uint64_t n = sizeof(header) - 1;
    float *w = (float *)back;
    sc_loader *ld = NULL;
    sc_param c, in;
    void *block = NULL;
    int64_t params;

    memcpy(file, &n, 8);
    memcpy(file + 8, header, n);
    for (int o = 0; o < 16; o++)
        for (int i = 0; i < 16; i++)
            for (int k = 0; k < 3;
                 k++) /* w[o,i,k] = (i + 1) 2^-o / 16, and -7/4 of that for k = 1; half floats */
                w[(o * 16 + i) * 3 + k] = (float)(i + 1) * (k == 1 ? -1.75f : 1) / (float)(16 << o);
    const sc_tensor source = sc_tensor_make(w, SC_F32, SC_DIMS(16, 16, 3));
    sc_copy_into(&f->x, sc_tensor_make(file + 8 + n, SC_F16, SC_DIMS(16, 16, 3)), source);
    sc_copy_into(&f->x, sc_tensor_make(file + 8 + n + 1536, SC_F16, SC_DIMS(16, 16)),
                 sc_slice(sc_reshape(source, SC_DIMS(48, 16)), 0, 0, 16));
    assert_int_equal(sc_loader_open_memory(&ld, file, sizeof(file), "test", &f->x, SC_F8, &f->log), 0);
    sc_load_conv(ld, &c, 16, 16, 3, 1, false, "c");
    sc_load_conv(ld, &in, 16, 16, 1, 1, false, "conv_in");
    assert_int_equal(sc_loader_finish(&ld, &block, &params), 0);
    assert_int_equal(params, 1024);
    assert_int_equal(in.w.dtype, SC_F16);
    assert_int_equal(in.scale.ndim, 0);
    assert_int_equal(c.w.dtype, SC_F8);
    sc_copy_into(&f->x, sc_tensor_make(back, SC_F32, SC_DIMS(16, 3, 1, 16)), c.w);
    for (int o = 0; o < 16; o++) {
        /* The largest, 1.75 * 2^-o, is code 448; the others are exact or half a step of theirs from it. */
        assert_true(((const float *)c.scale.data)[o] == 1.75f / (float)(1 << o) / 448);
        for (int k = 0; k < 3; k++)
            for (int i = 0; i < 16; i++) {
                const float exact = (float)(i + 1) * (k == 1 ? -28.0f : 16.0f);
                const float e = back[o][k][i] - exact;
                assert_true((e < 0 ? -e : e) <= (exact < 0 ? -exact : exact) / 16);
            }
        assert_true(back[o][1][15] == -448 && back[o][0][0] == 16 && back[o][2][1] == 32);
    }
    sc_loader_free(f->dev, &block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(by_hand, setup, teardown),
        cmocka_unit_test_setup_teardown(normed, setup, teardown),
        cmocka_unit_test_setup_teardown(refused, setup, teardown),
        cmocka_unit_test(layers),
        cmocka_unit_test_setup_teardown(loaded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
