/* safetensors files, good and broken; the loader's account of shapes, names and types; folders, shards,
 * config.json. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/weights/weights.h"

typedef struct fixture {
    sc_device *dev;
    sc_exec x;
    sc_logger log;
    char folder[64], path[128], last[4096];
    int lines;
} fixture;

static void keep_line(void *opaque, int level, const char *stage, const char *line)
{
    fixture *f = opaque;
    (void)stage;
    if (level > SC_LOG_ERROR)
        return;
    f->lines++;
    snprintf(f->last, sizeof f->last, "%s", line);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    const sc_device_options o = { .name = "cpu", .threads = 1, .plain = true };
    strcpy(f->folder, "/tmp/sc-weights-XXXXXX");
    f->log = (sc_logger){ .write = keep_line, .opaque = f, .level = SC_LOG_ERROR };
    *state = f;
    return !mkdtemp(f->folder) || sc_device_open(&f->dev, &o, &f->log) < 0 ||
           sc_exec_open(&f->x, f->dev, &f->log, SC_F32, 0) < 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    sc_exec_close(&f->x);
    sc_device_close(&f->dev);
    const int ret = system(command);
    free(f);
    return ret;
}

static const char *in_folder(fixture *f, const char *name)
{
    snprintf(f->path, sizeof f->path, "%s/%s", f->folder, name);
    return f->path;
}

/* Returns the path of a new file: an 8-byte length, the header, the data. */
static const char *write_file(fixture *f, const char *name, const char *header, const void *data, size_t size)
{
    FILE *out = fopen(in_folder(f, name), "wb");
    const size_t n = strlen(header);
    assert_non_null(out);
    for (int i = 0; i < 8; i++)
        fputc((int)((uint64_t)n >> 8 * i & 255), out);
    assert_int_equal(fwrite(header, 1, n, out), n);
    assert_int_equal(fwrite(data, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
    return f->path;
}

static const char *write_text(fixture *f, const char *name, const char *text)
{
    FILE *out = fopen(in_folder(f, name), "wb");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
    return f->path;
}

static const float numbers[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static sc_loader *open_file(fixture *f, const char *path, sc_dtype store)
{
    sc_loader *ld = NULL;
    f->lines = 0;
    assert_int_equal(sc_loader_open(&ld, path, "model", &f->x, store, &f->log), 0);
    assert_non_null(ld);
    return ld;
}

static void expect_floats(sc_tensor t, const float *want, int n)
{
    assert_int_equal(t.dtype, SC_F32);
    assert_int_equal(sc_tensor_count(t), n);
    assert_int_equal((uintptr_t)t.data % 256, 0);
    for (int i = 0; i < n; i++)
        assert_true(((const float *)t.data)[i] == want[i]);
}

static void layers(void **state)
{
    fixture *f = *state;
    sc_param linear, conv, temporal, dot;
    sc_norm norm;
    sc_tensor table;
    void *block = NULL;
    int64_t params = 0, dim[SC_MAX_DIM];

    float data[6 + 2 + 8 + 3 + 2 + 2 + 2 + 4];
    for (int i = 0; i < SC_COUNT(data); i++)
        data[i] = (float)i;
    /* No multiple of 4 long: the data lie at odd addresses. */
    const char *header = "{\"l.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                         "\"l.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[24,32]},"
                         "\"c.weight\":{\"dtype\":\"F32\",\"shape\":[1,2,2,2],\"data_offsets\":[32,64]},"
                         "\"t.weight\":{\"dtype\":\"F32\",\"shape\":[1,1,3,1,1],\"data_offsets\":[64,76]},"
                         "\"d.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[76,84]},"
                         "\"n.weight\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[84,92]},"
                         "\"n.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[92,100]},"
                         "\"p.q\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[100,116]}}";
    assert_true(strlen(header) % 4);
    const char *path = write_file(f, "a.safetensors", header, data, sizeof data);
    sc_loader *ld = open_file(f, path, SC_F32);
    assert_int_equal(sc_loader_shape(ld, dim, "%s.weight", "t"), 5);
    assert_int_equal(dim[2], 3);
    assert_int_equal(sc_loader_shape(ld, dim, "x"), -ENOENT);
    sc_load_linear(ld, &linear, 2, 3, true, "%s", "l");
    sc_load_conv(ld, &conv, 1, 2, 2, 2, false, "c");
    sc_load_conv(ld, &temporal, 1, 1, 3, 1, false, "t");
    sc_load_conv(ld, &dot, 1, 2, 1, 1, false, "d");
    sc_load_norm(ld, &norm, 2, "n");
    sc_load_tensor(ld, &table, SC_DIMS(2, 2), "p.%c", 'q');
    assert_int_equal(sc_loader_finish(&ld, &block, &params), 0);
    assert_null(ld);
    assert_int_equal(params, SC_COUNT(data));
    expect_floats(linear.w, data, 6);
    expect_floats(linear.b, data + 6, 2);
    /* [O,I,H,W] = 8 + 4 i + 2 h + w becomes [O,H,W,I] */
    expect_floats(conv.w, (const float[]){ 8, 12, 9, 13, 10, 14, 11, 15 }, 8);
    assert_int_equal(conv.b.ndim, 0);
    assert_int_equal(conv.w.dim[3], 2);
    expect_floats(temporal.w, data + 16, 3);
    assert_int_equal(temporal.w.dim[1], 3);
    assert_int_equal(temporal.w.dim[2], 1);
    expect_floats(dot.w, data + 19, 2);
    expect_floats(norm.gamma, data + 21, 2);
    expect_floats(norm.beta, data + 23, 2);
    expect_floats(table, data + 25, 4);
    assert_int_equal(f->lines, 0);
    sc_loader_free(f->dev, &block);
    assert_null(block);
}

/* What a network folds into a layer reaches its weights and bias, once, and no other layer; a type of store
 * is that of what is asked for later. */
static void folds(void **state)
{
    fixture *f = *state;
    sc_param before, scaled, after;
    void *block = NULL;
    int64_t params;

    const char *header = "{\"a.weight\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                         "\"a.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[16,24]},"
                         "\"b.weight\":{\"dtype\":\"F32\",\"shape\":[1,2,2,1],\"data_offsets\":[24,40]},"
                         "\"b.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[40,44]},"
                         "\"c.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[44,52]}}";
    sc_loader *ld = open_file(f, write_file(f, "folds.safetensors", header, numbers, 52), SC_F32);
    sc_load_linear(ld, &before, 2, 2, true, "a");
    sc_loader_gain(ld, -0.25f);
    sc_load_conv(ld, &scaled, 1, 2, 2, 1, true, "b");
    sc_loader_gain(ld, 1);
    assert_int_equal(sc_loader_store(ld, SC_BF16), SC_F32);
    sc_load_linear(ld, &after, 1, 2, false, "c");
    assert_int_equal(sc_loader_finish(&ld, &block, &params), 0);
    expect_floats(before.w, numbers, 4);
    expect_floats(before.b, numbers + 4, 2);
    expect_floats(scaled.w, (const float[]){ -1.5f, -2, -1.75f, -2.25f }, 4);
    expect_floats(scaled.b, (const float[]){ -2.5f }, 1);
    assert_int_equal(after.w.dtype, SC_BF16);
    sc_loader_free(f->dev, &block);
}

/* Half and bfloat sources, a half store, scalars of each type, weights that are skipped. */
static void types(void **state)
{
    fixture *f = *state;
    static const uint16_t data[] = {
        0x3c00, 0xc000, 0x3800, 0x0001, /* half: 1, -2, 0.5, 2^-24 */
        0x3f80, 0xc000, 0x4040, 0x7f7f, /* bfloat: 1, -2, 3, the largest */
        0x3555, 0x3eab,                 /* scalars: half 1/3, bfloat 1/3 */
        0,      0,      0,      0,      /* int64 */
        0x0001, 0x3c00,                 /* dead */
    };
    const char *header = "{\"h.weight\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[0,8]},"
                         "\"b.weight\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[8,16]},"
                         "\"s.half\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[16,18]},"
                         "\"s.bfloat\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[18,20]},"
                         "\"ids\":{\"dtype\":\"I64\",\"shape\":[1,1],\"data_offsets\":[20,28]},"
                         "\"dead.weight\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[28,32]}}";
    const char *path = write_file(f, "t.safetensors", header, data, sizeof data);
    sc_param h, b;
    float half, bfloat;
    void *block = NULL;
    int64_t params = 0;

    sc_loader *ld = open_file(f, path, SC_F32);
    sc_load_linear(ld, &h, 2, 2, false, "h");
    sc_load_conv(ld, &b, 2, 2, 1, 1, false, "b");
    sc_load_scalar(ld, &half, "s.half");
    sc_load_scalar(ld, &bfloat, "s.bfloat");
    sc_load_skip(ld, 0, NULL, "ids");
    sc_load_skip(ld, SC_DIMS(2), "dead.weight");
    sc_load_skip(ld, SC_DIMS(7), "dead.bias"); /* not there, which is well */
    assert_int_equal(sc_loader_finish(&ld, &block, &params), 0);
    assert_int_equal(params, 4 + 4 + 1 + 1 + 2);
    expect_floats(h.w, (const float[]){ 1, -2, 0.5f, 0x1p-24f }, 4);
    expect_floats(b.w, (const float[]){ 1, -2, 3, 0x1.fep127f }, 4);
    assert_true(half == 0x1.554p-2f);
    assert_true(bfloat == 0x1.56p-2f);
    sc_loader_free(f->dev, &block);

    ld = open_file(f, path, SC_F16);
    sc_load_linear(ld, &h, 2, 2, false, "h");
    sc_load_skip(ld, SC_DIMS(2, 2), "b.weight");
    sc_load_scalar(ld, &half, "s.half");
    sc_load_scalar(ld, &bfloat, "s.bfloat");
    sc_load_skip(ld, 0, NULL, "ids");
    sc_load_skip(ld, 0, NULL, "dead.weight");
    assert_int_equal(sc_loader_finish(&ld, &block, &params), 0);
    assert_int_equal(h.w.dtype, SC_F16);
    assert_memory_equal(h.w.data, data, 8);
    assert_int_equal(params, 4 + 4 + 2);
    sc_loader_free(f->dev, &block);

    ld = open_file(f, path, SC_F32);
    sc_load_tensor(ld, &h.w, SC_DIMS(1, 1), "ids");
    assert_int_equal(sc_loader_finish(&ld, &block, &params), SC_ERR_WEIGHTS);
    assert_non_null(strstr(f->last, "ids is I64, not F32, F16 or BF16"));
    assert_null(block);
}

/* One line names what is missing, misshapen and too many, some of each. */
static void mismatch(void **state)
{
    fixture *f = *state;
    char header[4096] = "{", *at = header + 1;
    sc_param p;
    void *block = NULL;
    int64_t params = -1;

    for (int i = 0; i < 12; i++)
        at += sprintf(at, "%s\"extra.%02d\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
                      i ? "," : "", i, 4 * i, 4 * i + 4);
    strcpy(at, ",\"l.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[48,56]}}");
    sc_loader *ld = open_file(f, write_file(f, "m.safetensors", header, numbers, 56), SC_F32);
    sc_load_linear(ld, &p, 2, 1, true, "l");
    sc_load_conv(ld, &p, 4, 3, 3, 3, false, "conv");
    assert_int_equal(sc_loader_finish(&ld, &block, &params), SC_ERR_WEIGHTS);
    assert_null(ld);
    assert_null(block);
    assert_int_equal(params, -1);
    assert_int_equal(f->lines, 1);
    assert_non_null(strstr(f->last, "m.safetensors"));
    assert_non_null(strstr(f->last, "3 tensors missing or misshapen, 12 too many"));
    assert_non_null(strstr(f->last, "l.weight is [1,2], not [2,1]"));
    assert_non_null(strstr(f->last, "l.bias is missing"));
    assert_non_null(strstr(f->last, "conv.weight is missing"));
    assert_non_null(strstr(f->last, "extra.07 is not known"));
    assert_null(strstr(f->last, "extra.08"));
    assert_non_null(strstr(f->last, "..."));
}

static void broken(void **state)
{
    static const struct {
        const char *header, *why;
        size_t data;
    } cases[] = {
        { "", "not JSON", 0 },
        { "{", "not JSON", 0 },
        { "[]", "not an object", 0 },
        { "{}x", "text after", 0 },
        { "{}", "do not fill", 1 },
        { "{\"a\":1}", "exactly dtype", 0 },
        { "{\"a\":{}}", "exactly dtype", 0 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", "exactly dtype", 4 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}", "exactly dtype",
          4 },
        { "{\"a\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", "unknown dtype", 4 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", "do not agree", 4 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", "non-negative", 4 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,6]}}", "non-negative", 6 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", "up to 8", 4 },
        /* 4 * 2^31 * 2^31 wraps to 0 in 64 bits */
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2147483648,2147483648],\"data_offsets\":[0,0]}}", "up to 8",
          0 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1e300],\"data_offsets\":[0,4]}}", "non-negative", 4 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", "outside", 4 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", "outside", 4 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", "outside", 4 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", "outside", 8 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "do not fill", 8 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", "leave gaps", 8 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
          "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
          "overlap", 4 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
          "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
          "twice", 8 },
        { "{\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "name", 4 },
        { "{\"a\\u0007\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "printable", 4 },
        { "{\"a\\u0000b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "NUL", 4 },
        { "{\"__metadata__\":{},\"__metadata__\":{}}", "exactly dtype", 0 },
    };
    fixture *f = *state;
    for (int i = 0; i < SC_COUNT(cases); i++) {
        sc_loader *ld = NULL;
        f->lines = 0;
        const char *path = write_file(f, "b.safetensors", cases[i].header, numbers, cases[i].data);
        if (sc_loader_open(&ld, path, "", &f->x, SC_F32, &f->log) != SC_ERR_WEIGHTS || ld || f->lines != 1 ||
            !strstr(f->last, cases[i].why) || !strstr(f->last, path))
            fail_msg("%s: %s", cases[i].header, f->last);
    }
    /* A nesting that would use up the stack. */
    static char deep[1 << 20];
    memset(deep, '[', sizeof deep - 1);
    sc_loader *ld = NULL;
    assert_int_equal(
        sc_loader_open(&ld, write_file(f, "b.safetensors", deep, NULL, 0), "", &f->x, SC_F32, &f->log),
        SC_ERR_WEIGHTS);
}

static void expect_open_error(fixture *f, const char *path, const char *why)
{
    sc_loader *ld = NULL;
    f->lines = 0;
    if (sc_loader_open(&ld, path, "model", &f->x, SC_F32, &f->log) != SC_ERR_WEIGHTS || ld || f->lines != 1 ||
        !strstr(f->last, why))
        fail_msg("%s: %s", path, f->last);
}

static void files(void **state)
{
    fixture *f = *state;
    char folder[128];

    expect_open_error(f, in_folder(f, "absent.safetensors"), "No such file");
    expect_open_error(f, write_text(f, "empty.safetensors", ""), "empty");
    expect_open_error(f, write_text(f, "short.safetensors", "abc"), "shorter than 8");
    expect_open_error(f, write_text(f, "text.safetensors", "not a header at all"), "does not fit");
    expect_open_error(f,
                      write_text(f, "lfs.safetensors",
                                 "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
                      "git lfs pull");
    snprintf(folder, sizeof folder, "%s/empty", f->folder);
    assert_int_equal(mkdir(folder, 0777), 0);
    expect_open_error(f, folder,
                      "none of model.fp16.safetensors, model.safetensors, model.safetensors.index.json");
}

static const char *const one = "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";

static float load_one(fixture *f, const char *path, const char *name)
{
    sc_tensor t;
    void *block = NULL;
    int64_t params;
    sc_loader *ld = open_file(f, path, SC_F32);
    sc_load_tensor(ld, &t, SC_DIMS(1), "%s", name);
    assert_int_equal(sc_loader_finish(&ld, &block, &params), 0);
    const float v = *(const float *)t.data;
    sc_loader_free(f->dev, &block);
    return v;
}

static void folders(void **state)
{
    fixture *f = *state;
    char header[256];

    snprintf(header, sizeof header, one, "a");
    write_file(f, "model.safetensors", header, &numbers[5], 4);
    assert_true(load_one(f, f->folder, "a") == 5);
    write_file(f, "model.fp16.safetensors", header, &numbers[7], 4);
    assert_true(load_one(f, f->folder, "a") == 7);
    unlink(in_folder(f, "model.fp16.safetensors"));
    unlink(in_folder(f, "model.safetensors"));

    write_file(f, "s1.safetensors", header, &numbers[1], 4);
    snprintf(header, sizeof header, one, "b");
    write_file(f, "s2.safetensors", header, &numbers[2], 4);
    write_text(f, "model.safetensors.index.json",
               "{\"metadata\":{},\"weight_map\":{\"a\":\"s1.safetensors\",\"b\":\"s2.safetensors\"}}");
    sc_tensor a, b;
    void *block = NULL;
    int64_t params;
    sc_loader *ld = open_file(f, f->folder, SC_F32);
    sc_load_tensor(ld, &b, SC_DIMS(1), "b");
    sc_load_tensor(ld, &a, SC_DIMS(1), "a");
    assert_int_equal(sc_loader_finish(&ld, &block, &params), 0);
    assert_true(*(float *)a.data == 1 && *(float *)b.data == 2);
    sc_loader_free(f->dev, &block);
    ld = open_file(f, f->folder, SC_F32);
    sc_load_tensor(ld, &a, SC_DIMS(1), "a");
    assert_int_equal(sc_loader_finish(&ld, &block, &params), SC_ERR_WEIGHTS);
    assert_non_null(strstr(f->last, "b is not known"));

    static const char *const bad[][2] = {
        { "{}", "no weight_map" },
        { "[]", "not a JSON object" },
        { "{\"weight_map\":{\"a\":1}}", "no file name" },
        { "{\"weight_map\":{\"a\":\"../s1.safetensors\"}}", "no file name" },
        { "{\"weight_map\":{\"a\":\"s3.safetensors\"}}", "No such file" },
        { "{\"weight_map\":{\"c\":\"s1.safetensors\"}}", "c is not in s1.safetensors" },
        { "{\"weight_map\":{\"a\":\"s1.safetensors\",\"a\":\"s2.safetensors\"}}",
          "a is not in s2.safetensors" },
    };
    for (int i = 0; i < SC_COUNT(bad); i++) {
        write_text(f, "model.safetensors.index.json", bad[i][0]);
        expect_open_error(f, f->folder, bad[i][1]);
    }
    write_file(f, "s2.safetensors",
               "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
               "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
               numbers, 8);
    write_text(f, "model.safetensors.index.json",
               "{\"weight_map\":{\"a\":\"s1.safetensors\",\"b\":\"s2.safetensors\"}}");
    expect_open_error(f, f->folder, "names 2 tensors, but its shards hold 3");
}

static void shape_only(void **state)
{
    fixture *f = *state;
    sc_param p;
    sc_norm n;
    sc_tensor t;
    float scalar = 5;
    void *block = &block;
    int64_t params, dim[SC_MAX_DIM];

    sc_loader *ld = open_file(f, NULL, SC_F16);
    assert_int_equal(sc_loader_shape(ld, dim, "a"), -ENOENT);
    sc_load_linear(ld, &p, 3, 5, true, "a");
    sc_load_conv(ld, &p, 4, 2, 3, 3, true, "b");
    assert_true(p.w.dtype == SC_F16 && !p.w.data && p.w.dim[0] == 4 && p.w.dim[3] == 2 && p.b.ndim == 1);
    sc_load_norm(ld, &n, 7, "c");
    sc_load_tensor(ld, &t, SC_DIMS(2, 2), "d");
    sc_load_scalar(ld, &scalar, "e");
    sc_load_skip(ld, SC_DIMS(11), "f");
    sc_load_skip(ld, 0, NULL, "g");
    assert_int_equal(sc_loader_finish(&ld, &block, &params), 0);
    assert_null(block);
    assert_true(scalar == 0);
    assert_int_equal(params, 15 + 3 + 72 + 4 + 14 + 4 + 1 + 11);
}

static void config(void **state)
{
    fixture *f = *state;
    sc_config *c = NULL;
    int one_int = 3, ints[4] = { 9, 9, 9, 9 };
    float real = 1;

    assert_int_equal(sc_config_open(&c, f->folder, &f->log), 0);
    assert_null(c);
    assert_int_equal(sc_config_int(c, "a", &one_int), 0);
    write_text(f, "config.json",
               "{\"a\":12,\"b\":[1,2,3,4,5],\"c\":6,\"d\":0.25,\"e\":\"x\",\"f\":[1,\"y\"],\"g\":1e12,"
               "\"h\":1.5}");
    assert_int_equal(sc_config_open(&c, f->folder, &f->log), 0);
    assert_non_null(c);
    assert_int_equal(sc_config_int(c, "a", &one_int), 1);
    assert_int_equal(one_int, 12);
    assert_int_equal(sc_config_ints(c, "b", ints, 4), 4);
    assert_int_equal(ints[3], 4);
    assert_int_equal(sc_config_ints(c, "c", ints, 4), 4);
    assert_true(ints[0] == 6 && ints[3] == 6);
    assert_int_equal(sc_config_float(c, "d", &real), 1);
    assert_true(real == 0.25f);
    assert_int_equal(sc_config_int(c, "e", &one_int) + sc_config_int(c, "g", &one_int) +
                         sc_config_int(c, "h", &one_int) + sc_config_int(c, "none", &one_int) +
                         sc_config_float(c, "e", &real),
                     0);
    assert_int_equal(one_int, 12);
    assert_int_equal(sc_config_ints(c, "f", ints, 4), 1);
    sc_config_close(&c);
    assert_null(c);
    assert_int_equal(sc_config_open(&c, write_text(f, "other.json", "{\"a\":1}"), &f->log), 0);
    assert_int_equal(sc_config_int(c, "a", &one_int), 1);
    sc_config_close(&c);
    write_text(f, "config.json", "{\"a\":");
    f->lines = 0;
    assert_int_equal(sc_config_open(&c, f->folder, &f->log), SC_ERR_WEIGHTS);
    assert_null(c);
    assert_int_equal(f->lines, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(layers, setup, teardown),
        cmocka_unit_test_setup_teardown(folds, setup, teardown),
        cmocka_unit_test_setup_teardown(types, setup, teardown),
        cmocka_unit_test_setup_teardown(mismatch, setup, teardown),
        cmocka_unit_test_setup_teardown(broken, setup, teardown),
        cmocka_unit_test_setup_teardown(files, setup, teardown),
        cmocka_unit_test_setup_teardown(folders, setup, teardown),
        cmocka_unit_test_setup_teardown(shape_only, setup, teardown),
        cmocka_unit_test_setup_teardown(config, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
