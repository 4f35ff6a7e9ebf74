/* Noise that is given, the mistakes in it, and the record of what stages made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/ops.h"
#include "../../src/stages/parity.h"
#include "../../src/weights/safetensors.h"

enum { FRAMES = 2, H = 3, W = 2, C = 4, COUNT = H * W * C };

static char said[512];

static void note(void *opaque, int level, const char *stage, const char *line)
{
    (void)opaque, (void)level, (void)stage;
    snprintf(said, sizeof(said), "%s", line);
}

static const sc_logger logger = { .write = note, .level = SC_LOG_INFO };

typedef struct fixture {
    sc_device *dev;
    sc_exec x;
    sc_settings set;
    sc_context c;
    char folder[64], file[80];
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    strcpy(f->folder, "/tmp/parity-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->file, sizeof(f->file), "%s/noise.safetensors", f->folder);
    assert_int_equal(sc_device_open(&f->dev, &(sc_device_options){ .name = "cpu", .threads = 1 }, NULL), 0);
    assert_int_equal(sc_exec_open(&f->x, f->dev, &logger, SC_F32, 1 << 16), 0);
    f->c.set = &f->set;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    sc_parity_close(&f->c.parity);
    sc_exec_close(&f->x);
    sc_device_close(&f->dev);
    remove(f->file);
    assert_int_equal(rmdir(f->folder), 0);
    free(f);
    return 0;
}

/* A file of one tensor [FRAMES,H,W,C] of the numbers 0, 1, ... */
static void write_noise(const fixture *f, const char *name, const char *type)
{
    char header[256];
    const size_t size = strcmp(type, "F32") ? 2 : 4;
    const int n = snprintf(header, sizeof(header),
                           "{\"%s\":{\"dtype\":\"%s\",\"shape\":[2,3,2,4],\"data_offsets\":[0,%zu]}}", name,
                           type, FRAMES * COUNT * size);
    const uint64_t length = (uint64_t)n;
    float data[FRAMES * COUNT];
    FILE *out = fopen(f->file, "wb");

    for (int i = 0; i < FRAMES * COUNT; i++)
        data[i] = (float)i;
    assert_non_null(out);
    fwrite(&length, sizeof(length), 1, out);
    fwrite(header, (size_t)n, 1, out);
    fwrite(data, size, FRAMES * COUNT, out);
    assert_int_equal(fclose(out), 0);
}

static void given_noise(void **state)
{
    fixture *f = *state;
    const sc_tensor y = sc_new(&f->x, SC_F32, SC_DIMS(H, W, C));
    float got[COUNT], drawn[COUNT];

    sc_noise(&f->x, y, &f->c, SC_NOISE_DEPTH_LATENTS, 1);
    sc_download(&f->x, drawn, y);
    write_noise(f, "depth.latents", "F32");
    assert_int_equal(sc_parity_open(&f->c.parity, f->file, NULL, &logger), 0);
    sc_noise(&f->x, y, &f->c, SC_NOISE_DEPTH_LATENTS, 1);
    sc_download(&f->x, got, y);
    for (int i = 0; i < COUNT; i++)
        assert_true(got[i] == (float)(COUNT + i));
    /* What the file does not have is drawn; these two have the same stream of numbers. */
    sc_noise(&f->x, y, &f->c, SC_NOISE_INPAINT_LATENTS, 1);
    sc_download(&f->x, got, y);
    assert_memory_equal(got, drawn, sizeof(got));
    sc_noise(&f->x, y, &f->c, SC_NOISE_DEPTH_IMAGE, 1);
    sc_download(&f->x, got, y);
    assert_memory_not_equal(got, drawn, sizeof(got));
    assert_int_equal(sc_exec_wait(&f->x), 0);
}

static void expect_line(const char *part)
{
    if (!strstr(said, part))
        fail_msg("\"%s\" has no \"%s\"", said, part);
}

static void wrong_noise(void **state)
{
    fixture *f = *state;

    write_noise(f, "depth.pictures", "F32");
    assert_int_equal(sc_parity_open(&f->c.parity, f->file, NULL, &logger), SC_ERR_WEIGHTS);
    expect_line("depth.pictures is none of depth.latents, depth.image, inpaint.latents");
    write_noise(f, "depth.latents", "F16");
    assert_int_equal(sc_parity_open(&f->c.parity, f->file, NULL, &logger), SC_ERR_WEIGHTS);
    expect_line("depth.latents is F16 of 4 dimensions, expected F32 of 4");
    write_noise(f, "depth.latents", "F32");
    assert_int_equal(sc_parity_open(&f->c.parity, f->file, NULL, &logger), 0);
    sc_noise(&f->x, sc_new(&f->x, SC_F32, SC_DIMS(H, W, C)), &f->c, SC_NOISE_DEPTH_LATENTS, 2);
    assert_int_equal(sc_exec_wait(&f->x), SC_ERR_WEIGHTS);
    expect_line("depth.latents is [2,3,2,4], expected [3 or more,3,2,4]");
    sc_noise(&f->x, sc_new(&f->x, SC_F32, SC_DIMS(W, H, C)), &f->c, SC_NOISE_DEPTH_LATENTS, 0);
    assert_int_equal(sc_exec_wait(&f->x), SC_ERR_WEIGHTS);
    expect_line("expected [1 or more,2,3,4]");
}

static void dumped(void **state)
{
    fixture *f = *state;
    const sc_tensor t = sc_new(&f->x, SC_F32, SC_DIMS(H, W, C)), part = sc_slice(t, 2, 1, 2);
    const size_t used = f->x.used;
    sc_st_file file = { 0 };
    char path[128];
    float all[COUNT], got[H * W * 2];

    sc_randn_into(&f->x, t, 1, 0);
    sc_download(&f->x, all, t);
    sc_dump(&f->x, &f->c, part, "nothing"); /* no run that compares */
    assert_int_equal(sc_parity_open(&f->c.parity, NULL, f->folder, &logger), 0);
    sc_dump(&f->x, &f->c, part, "some.%03d", 7);
    assert_int_equal(sc_exec_wait(&f->x), 0);
    assert_true(f->x.used == used);
    snprintf(path, sizeof(path), "%s/some.007.safetensors", f->folder);
    assert_int_equal(sc_st_open(&file, path, &logger), 0);
    const sc_st_tensor *s = sc_st_find(&file, "some.007");
    assert_true(s && s->dtype == SC_F32 && s->ndim == 3 && s->dim[0] == H && s->dim[1] == W &&
                s->dim[2] == 2);
    memcpy(got, s->data, sizeof(got));
    for (int i = 0; i < H * W * 2; i++)
        assert_true(got[i] == all[i / 2 * C + 1 + i % 2]);
    sc_st_close(&file);
    assert_int_equal(remove(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(given_noise, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_noise, setup, teardown),
        cmocka_unit_test_setup_teardown(dumped, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
