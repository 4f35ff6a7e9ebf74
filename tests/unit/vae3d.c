/* The causal 3-D VAE: parameters and operations in full size on the null device, the configuration that a
 * file decides, files of other networks, and what may go wrong with a slice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/nets/vae3d.h"
#include "../golden/toy.h"

typedef struct fixture {
    sc_device *dev;
    sc_exec x;
    sc_logger log;
    char last[4096];
    int lines;
} fixture;

static void keep_line(void *opaque, int level, const char *stage, const char *line)
{
    fixture *f = opaque;
    (void)stage;
    if (level > SC_LOG_ERROR)
        return;
    f->lines++;
    snprintf(f->last, sizeof(f->last), "%s", line);
}

static void open_fixture(fixture *f, const char *device)
{
    *f = (fixture){ .log = { .write = keep_line, .opaque = f, .level = SC_LOG_ERROR } };
    const sc_device_options o = { .name = device, .threads = 2, .plain = true };
    assert_int_equal(sc_device_open(&f->dev, &o, &f->log), 0);
    assert_int_equal(sc_exec_open(&f->x, f->dev, &f->log, SC_F32, 0), 0);
}

static void close_fixture(fixture *f)
{
    sc_exec_close(&f->x);
    sc_device_close(&f->dev);
}

static sc_vae3d *open_published(fixture *f)
{
    sc_loader *ld = NULL;
    sc_vae3d *v = NULL;
    assert_int_equal(sc_loader_open(&ld, NULL, NULL, &f->x, SC_F32, &f->log), 0);
    assert_int_equal(sc_vae3d_open(&v, &ld, &f->x), 0);
    return v;
}

/* The toy whose tensors FOLDER/weights.tsv lists; with from: after from in the header has become to. */
static int open_toy(sc_vae3d **v, fixture *f, const char *folder, sc_dtype store, const char *from,
                    const char *to)
{
    char path[512];
    size_t size;
    sc_loader *ld = NULL;

    snprintf(path, sizeof(path), "%s/%s", GOLDEN_DATA, folder);
    char *bytes = toy_make(&size, path, "");
    assert_non_null(bytes);
    char *at = from ? strstr(bytes + 8, from) : NULL;
    assert_true(!from || (at && strlen(from) == strlen(to)));
    if (at)
        memcpy(at, to, strlen(to));
    assert_int_equal(sc_loader_open_memory(&ld, bytes, size, folder, &f->x, store, &f->log), 0);
    const int ret = sc_vae3d_open(v, &ld, &f->x);
    free(bytes);
    return ret;
}

static void begin(sc_exec *x, sc_past *past, const sc_vae3d *v, sc_vae3d_part part, int64_t h, int64_t w)
{
    const int64_t bytes = (int64_t)sc_vae3d_past_bytes(v, part, x->act, h, w);

    sc_vae3d_begin(past, v, part, x->act, h, w, sc_new(x, SC_U8, 1, &bytes).data);
}

/* Sums a part's operations over slices of so many latent frames. */
static int64_t operations(fixture *f, const sc_vae3d *v, sc_vae3d_part part, const int *shape, int slice)
{
    sc_exec *x = &f->x;
    const sc_mark m = sc_push(x);
    const int64_t h = shape[1], w = shape[2];
    sc_past past;
    int64_t n, frames = 0;

    x->stats.flops = 0;
    begin(x, &past, v, part, h, w);
    for (int64_t k = (shape[0] - 1) / 4 + 1; k; k -= n) {
        const sc_mark one = sc_push(x);
        n = SC_MIN(k, slice + !past.conv[0].begun);
        const sc_tensor latents = sc_new(x, SC_F32, SC_DIMS(n, h / 8, w / 8, 16));
        const sc_tensor images = sc_new(x, SC_F32, SC_DIMS(sc_vae3d_frames(v, &past, n), h, w, 3));
        const size_t used = x->used;
        frames += images.dim[0];
        if (part == SC_VAE3D_ENCODER)
            sc_vae3d_encode(x, latents, v, images, &past);
        else
            sc_vae3d_decode(x, images, v, latents, &past);
        assert_int_equal(x->used, used);
        sc_pop(x, one);
    }
    assert_int_equal(frames, shape[0]);
    assert_int_equal(sc_exec_wait(x), 0);
    sc_pop(x, m);
    return x->stats.flops;
}

/* By an accounting that shares no code with this program: two per multiply-add of convolutions, linear layers
 * and attention, for clips that pass whole. */
static void full_size(void **state)
{
    static const struct {
        int shape[3]; /* frames, h, w */
        int64_t encode, decode;
    } want[] = {
        { { 1, 64, 64 }, 49642733568, 116823949312 },
        { { 9, 128, 64 }, 684130828288, 1777365680128 },
        { { 5, 512, 512 }, 12601501155328, 32243057688576 },
        { { 17, 576, 1024 }, 92222728962048, 239974452559872 },
        { { 121, 720, 1280 }, 1011117588480000, 2644330571366400 },
    };
    fixture f;

    (void)state;
    open_fixture(&f, "null");
    sc_vae3d *v = open_published(&f);
    assert_int_equal(sc_vae3d_params(v), 250648227);
    for (int i = 0; i < SC_COUNT(want); i++)
        for (int slice = 1; slice <= 31; slice += 15) {
            const int *shape = want[i].shape;
            assert_int_equal(operations(&f, v, SC_VAE3D_ENCODER, shape, slice), want[i].encode);
            assert_int_equal(operations(&f, v, SC_VAE3D_DECODER, shape, slice), want[i].decode);
        }
    sc_vae3d_close(&v, f.dev);
    close_fixture(&f);
}

/* The longer clip needs no more memory. */
static void memory_is_of_a_slice(void **state)
{
    static const int shape[][3] = { { 9, 256, 256 }, { 81, 256, 256 } };
    size_t peak[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        fixture f;
        open_fixture(&f, "null");
        sc_vae3d *v = open_published(&f);
        operations(&f, v, SC_VAE3D_DECODER, shape[i], 1);
        peak[i] = f.x.peak;
        sc_vae3d_close(&v, f.dev);
        close_fixture(&f);
    }
    assert_true(peak[0] > 0);
    assert_int_equal(peak[0], peak[1]);
}

static void refuses_slices(void **state)
{
    static const int64_t wrong[][4] = { /* images, h, w, latents; the first slice */
                                        { 4, 64, 64, 1 },
                                        { 6, 64, 64, 2 },
                                        { 1, 60, 64, 1 },
                                        { 1, 64, 72, 1 },
                                        { 0, 64, 64, 0 }
    };
    fixture f;

    (void)state;
    open_fixture(&f, "null");
    sc_vae3d *v = open_published(&f);
    for (int i = 0; i < SC_COUNT(wrong); i++) {
        sc_past past;
        begin(&f.x, &past, v, SC_VAE3D_ENCODER, 64, 64);
        const sc_tensor images = sc_new(&f.x, SC_F32, SC_DIMS(wrong[i][0], wrong[i][1], wrong[i][2], 3));
        const sc_tensor latents = sc_new(&f.x, SC_F32, SC_DIMS(wrong[i][3], 8, 8, 16));
        sc_vae3d_encode(&f.x, latents, v, images, &past);
        assert_int_equal(sc_exec_wait(&f.x), -EINVAL);
        assert_false(past.conv[0].begun);
    }
    assert_int_equal(f.lines, SC_COUNT(wrong));
    sc_vae3d_close(&v, f.dev);
    close_fixture(&f);
}

/* One line each, which begins its list with the first tensor that does not fit. */
static void refuses_files(void **state)
{
    static const struct {
        const char *folder, *from, *to, *says;
    } wrong[] = {
        { "vae", NULL, NULL, "encoder.conv_in.weight is [32,3,3,3], not [128,3,3,3,3]" },
        { "clip", NULL, NULL, "encoder.conv_in.weight is missing" },
        { "vae3d", "\"decoder.conv_out.bias", "\"decoder.conv_out.bios", "decoder.conv_out.bias is missing" },
        { "vae3d", "[64,64,3,3,3]", "[64,48,4,3,3]", "is [64,48,4,3,3], not [64,64,3,3,3]" },
        { "vae3d", "[64,32,3,3,3]", "[48,32,3,3,4]",
          "encoder.down_blocks.1.resnets.0.conv1.weight makes 48 channels, not a multiple of 32" },
    };
    fixture f;

    (void)state;
    open_fixture(&f, "cpu");
    for (int i = 0; i < SC_COUNT(wrong); i++) {
        sc_vae3d *v = NULL;
        f.lines = 0;
        assert_int_equal(open_toy(&v, &f, wrong[i].folder, SC_F32, wrong[i].from, wrong[i].to),
                         SC_ERR_WEIGHTS);
        assert_null(v);
        assert_int_equal(f.lines, 1);
        if (!strstr(f.last, wrong[i].says))
            fail_msg("\"%s\" says nothing of \"%s\"", f.last, wrong[i].says);
    }
    close_fixture(&f);
}

static void decode(sc_exec *x, void *arg)
{
    const sc_vae3d *v = arg;
    const sc_tensor images = sc_new(x, SC_F32, SC_DIMS(5, 16, 24, 3));
    const sc_tensor latents = sc_new(x, SC_F32, SC_DIMS(2, 2, 3, 4));
    sc_past past;

    sc_randn_into(x, latents, 1, 0);
    begin(x, &past, v, SC_VAE3D_DECODER, 16, 24);
    sc_vae3d_decode(x, images, v, latents, &past);
}

/* The configuration is the file's; weights in E4M3, with factors for each tap's channels, point in the same
 * direction as the file's own. Each of a layer's two sides is rounded by up to u = 1/16, which as noise has
 * at most u^2 / 3 of its power; that of the LAYERS on the longest way adds up. */
static void opens_a_file(void **state)
{
    enum { N = 5 * 16 * 24 * 3, LAYERS = 2 * 10 + 2 * 3 + 2 };
    static float y[2][N];
    double ab = 0, aa = 0, bb = 0;
    fixture f;

    (void)state;
    open_fixture(&f, "cpu");
    for (int i = 0; i < 2; i++) {
        sc_vae3d *v = NULL;
        assert_int_equal(open_toy(&v, &f, "vae3d", i ? SC_F8 : SC_F32, NULL, NULL), 0);
        const sc_vae3d_config *c = sc_vae3d_get_config(v);
        assert_int_equal(c->latent_channels, 4);
        assert_int_equal(c->layers_per_block, 1);
        assert_int_equal(c->levels, 4);
        assert_int_equal(c->temporal_levels, 2);
        assert_int_equal(c->block_out_channels[0], 32);
        assert_int_equal(c->block_out_channels[1], 64);
        assert_int_equal(sc_exec_reserve(&f.x, sc_measure(&f.x, decode, v, NULL)), 0);
        const sc_mark m = sc_push(&f.x);
        decode(&f.x, v);
        f.x.used = 0; /* the images are the arena's first tensor */
        sc_download(&f.x, y[i], sc_new(&f.x, SC_F32, SC_DIMS(5, 16, 24, 3)));
        sc_pop(&f.x, m);
        assert_int_equal(sc_exec_wait(&f.x), 0);
        sc_vae3d_close(&v, f.dev);
    }
    for (int i = 0; i < N; i++) {
        ab += (double)y[0][i] * (double)y[1][i];
        aa += (double)y[0][i] * (double)y[0][i];
        bb += (double)y[1][i] * (double)y[1][i];
    }
    const double cosine = ab / sqrt(aa * bb);
    if (!(cosine >= 1 / sqrt(1 + LAYERS * 2. / 3 / 256)) ||
        !(cosine < 1 - 1e-9)) /* not the same either: then nothing was narrowed */
        fail_msg("cosine %.7f", cosine);
    close_fixture(&f);
}

/* Nine frames of the toy: the first latent with the next, and the last alone or with them. */
static void decode_slices(sc_exec *x, const sc_vae3d *v, float *y, int slices)
{
    const sc_mark m = sc_push(x);
    const sc_tensor images = sc_new(x, SC_F32, SC_DIMS(9, 16, 24, 3));
    const sc_tensor latents = sc_new(x, SC_F32, SC_DIMS(3, 2, 3, 4));
    sc_past past;

    sc_randn_into(x, latents, 1, 0);
    begin(x, &past, v, SC_VAE3D_DECODER, 16, 24);
    sc_vae3d_decode(x, sc_slice(images, 0, 0, slices > 1 ? 5 : 9), v,
                    sc_slice(latents, 0, 0, slices > 1 ? 2 : 3), &past);
    if (slices > 1)
        sc_vae3d_decode(x, sc_slice(images, 0, 5, 4), v, sc_slice(latents, 0, 2, 1), &past);
    if (y)
        sc_download(x, y, images);
    sc_pop(x, m);
}

static void decode_all(sc_exec *x, void *arg)
{
    decode_slices(x, arg, NULL, 1);
}

/* What is kept of weights in E4M3 is E4M3 too, and the same. */
static void narrow_slices(void **state)
{
    enum { N = 9 * 16 * 24 * 3 };
    static float y[2][N];
    size_t kept[2];
    fixture f;

    (void)state;
    open_fixture(&f, "cpu");
    for (int i = 0; i < 2; i++) {
        sc_vae3d *v = NULL;
        assert_int_equal(open_toy(&v, &f, "vae3d", i ? SC_F8 : SC_F32, NULL, NULL), 0);
        kept[i] = sc_vae3d_past_bytes(v, SC_VAE3D_DECODER, SC_F32, 128, 128);
        assert_int_equal(sc_exec_reserve(&f.x, sc_measure(&f.x, decode_all, v, NULL)), 0);
        for (int slices = 1; i && slices <= 2; slices++)
            decode_slices(&f.x, v, y[slices - 1], slices);
        assert_int_equal(sc_exec_wait(&f.x), 0);
        sc_vae3d_close(&v, f.dev);
    }
    assert_memory_equal(y[0], y[1], sizeof(y[0]));
    assert_true(kept[1] < kept[0] / 3); /* a quarter, but for the ends */
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_size),      cmocka_unit_test(memory_is_of_a_slice),
        cmocka_unit_test(refuses_slices), cmocka_unit_test(refuses_files),
        cmocka_unit_test(opens_a_file),   cmocka_unit_test(narrow_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
