/* GGUF files: every type against ggml's own Python package, names and shapes as converters leave them, and
 * broken files, each of which gets one line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../src/weights/gguf.h"
#include "../../src/weights/weights.h"

typedef struct fixture {
    sc_device *dev;
    sc_exec x;
    sc_logger log;
    char last[1024];
    int lines;
    unsigned char *bytes; /* of the good file */
    size_t size;
} fixture;

static void keep(void *opaque, int level, const char *stage, const char *line)
{
    fixture *f = opaque;

    (void)level, (void)stage;
    f->lines++;
    snprintf(f->last, sizeof f->last, "%s", line);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    FILE *in = fopen(GOLDEN "/quant.gguf", "rb");

    if (!f || !in)
        return -1;
    *state = f;
    f->log = (sc_logger){ .write = keep, .opaque = f, .level = SC_LOG_ERROR };
    f->bytes = malloc(1 << 20);
    f->size = fread(f->bytes, 1, 1 << 20, in);
    fclose(in);
    return sc_device_open(&f->dev, &(sc_device_options){ .name = "cpu", .threads = 1 }, &f->log) < 0 ||
           sc_exec_open(&f->x, f->dev, &f->log, SC_F32, 0) < 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    sc_exec_close(&f->x);
    sc_device_close(&f->dev);
    free(f->bytes);
    free(f);
    return 0;
}

/* One of every type, as a network would ask for it. */
typedef struct net {
    sc_param quant[4], f32, f16, bf16, temporal;
} net;

static const char *const quants[] = { "Q4_0", "Q8_0", "Q4_K", "Q6_K" };

static void load(sc_loader *ld, net *n)
{
    for (int i = 0; i < SC_COUNT(quants); i++)
        sc_load_linear(ld, &n->quant[i], 3, 512, false, "%s", quants[i]);
    sc_load_conv(ld, &n->f32, 2, 3, 3, 1, false, "F32");
    sc_load_conv(ld, &n->f16, 2, 3, 3, 1, false, "F16");
    sc_load_linear(ld, &n->bf16, 4, 5, false, "BF16");
    sc_load_conv(ld, &n->temporal, 4, 8, 3, 1, false, "%s",
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
}

static void equal(sc_tensor a, sc_tensor b)
{
    assert_int_equal(sc_tensor_bytes(a), sc_tensor_bytes(b));
    assert_memory_equal(a.data, b.data, sc_tensor_bytes(a));
}

static void means_what_ggml_says(void **state)
{
    fixture *f = *state;
    const sc_dtype stores[] = { SC_F32, SC_F16 };

    for (int i = 0; i < SC_COUNT(stores); i++) {
        sc_loader *a = NULL, *b = NULL;
        void *from_gguf = NULL, *from_st = NULL;
        int64_t params, same;
        net x, y;

        assert_int_equal(sc_loader_open(&a, GOLDEN "/quant.gguf", "", &f->x, stores[i], &f->log), 0);
        assert_int_equal(sc_loader_open(&b, GOLDEN "/expected.safetensors", "", &f->x, stores[i], &f->log),
                         0);
        load(a, &x);
        load(b, &y);
        assert_int_equal(sc_loader_finish(&a, &from_gguf, &params), 0);
        assert_int_equal(sc_loader_finish(&b, &from_st, &same), 0);
        assert_int_equal(params, same);
        for (int k = 0; k < SC_COUNT(quants); k++)
            equal(x.quant[k].w, y.quant[k].w);
        equal(x.f32.w, y.f32.w);
        equal(x.f16.w, y.f16.w);
        equal(x.bf16.w, y.bf16.w);
        equal(x.temporal.w, y.temporal.w);
        sc_loader_free(f->dev, &from_gguf);
        sc_loader_free(f->dev, &from_st);
    }
}

/* A folder without published names: its only .gguf file is meant. */
static void is_found_in_its_folder(void **state)
{
    fixture *f = *state;
    sc_loader *ld = NULL;
    int64_t dim[SC_MAX_DIM];

    assert_int_equal(sc_loader_open(&ld, GOLDEN, "model", &f->x, SC_F32, &f->log), 0);
    assert_int_equal(sc_loader_shape(ld, dim, "F16.weight"), 4);
    assert_int_equal(dim[0], 2);
    assert_int_equal(dim[3], 1);
    sc_loader_close(&ld);
}

static size_t find(const fixture *f, const char *text, size_t n)
{
    for (size_t i = 0; i + n <= f->size; i++)
        if (!memcmp(f->bytes + i, text, n))
            return i;
    fail();
    return 0;
}

/* The good file with `bytes` put at `at`, or cut to `size`, is refused with a line that says `why`. */
static void refused(fixture *f, size_t at, uint64_t value, int bytes, size_t size, const char *why)
{
    unsigned char *copy = malloc(size); /* exactly as long: a sanitizer sees reads past its end */
    sc_st_file file = { 0 };

    memcpy(copy, f->bytes, size);
    for (int i = 0; i < bytes; i++)
        copy[at + (size_t)i] = (unsigned char)(value >> 8 * i);
    f->lines = 0;
    assert_int_equal(sc_st_parse(&file, copy, size, "net.gguf", &f->log), SC_ERR_WEIGHTS);
    assert_int_equal(f->lines, 1);
    if (!strstr(f->last, why))
        fail_msg("\"%s\" does not say \"%s\"", f->last, why);
    assert_null(file.tensor);
    free(copy);
}

static void broken(void **state)
{
    fixture *f = *state;
    /* Behind a name: number of dimensions, dimensions, type, offset. */
    const size_t q8 = find(f, "Q8_0.weight", 11) + 11, flag = find(f, "general.flag", 12) + 12;
    const size_t shape = find(f, "comfy.gguf.orig_shape", 21);

    refused(f, 0, 'X', 1, f->size, "not a safetensors file");
    refused(f, 4, 1, 4, f->size, "GGUF version 1, not 2 or 3");
    refused(f, 4, 0x03000000, 4, f->size, "big-endian?");
    refused(f, 8, UINT64_MAX, 8, f->size, "tensors and");
    refused(f, 16, 1 << 20, 8, f->size, "keys do not fit");
    refused(f, 8, 1000, 8, f->size, "tensor");
    refused(f, 0, 0, 0, 20, "do not fit");
    refused(f, 0, 0, 0, f->size - 64, "cut short");
    refused(f, 0, 0, 0, q8 + 8, "cut short");
    refused(f, 0, 0, 0, q8, "");
    refused(f, flag, 99, 4, f->size, "keys of the GGUF header are broken");
    refused(f, flag - 12 - 8, UINT64_MAX, 8, f->size, "keys of the GGUF header are broken");
    refused(f, q8 - 11 - 8, 5000, 8, f->size, "has no proper name");
    refused(f, q8 - 3, 7, 1, f->size, "not printable");
    refused(f, q8, 9, 4, f->size, "too many dimensions");
    refused(f, q8 + 4, 500, 8, f->size, "has a shape that its type cannot have");
    refused(f, q8 + 4, UINT64_MAX / 2 + 1, 8, f->size, "has a shape that its type cannot have");
    refused(f, q8 + 12, INT64_MAX / 32, 8, f->size, "has a shape that its type cannot have");
    refused(f, q8 + 12, 4, 8, f->size, "gap or overlap");
    refused(f, q8 + 20, 6, 4, f->size, "has a type that is not");
    refused(f, q8 + 24, 0, 8, f->size, "gap or overlap");
    refused(f, q8 - 11, 'Q' | '4' << 8, 2, f->size, "is there twice");
    refused(f, shape + strlen("comfy.gguf.orig_shape.model.diffusion_model.") + 87 + 16, 5, 4, f->size,
            "has an orig_shape of another size");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(means_what_ggml_says),
                                        cmocka_unit_test(is_found_in_its_folder), cmocka_unit_test(broken) };

    return cmocka_run_group_tests(tests, setup, teardown);
}
