/* Weights files. The first byte: 0, or the number of the allocation that fails; the second: its top bit tells
 * that a file follows, length and all. Else a header follows up to its first 0 byte, then data, and the
 * length is put before it. The link wraps the allocator: what fails is ours and cJSON's alone, and a leak is
 * seen without a sanitizer. */
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "../../src/weights/weights.h"
#include "fuzz.h"

enum { MAX_FILE = 1 << 16 };

static struct {
    long countdown, live; /* the allocation that fails, 0 = none; blocks not freed */
    int lines;
} run;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void __wrap_free(void *p);

static bool fails(void)
{
    return run.countdown > 0 && --run.countdown == 0;
}

static void *count(void *p)
{
    run.live += p != NULL;
    return p;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : count(__real_calloc(n, size));
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    return fails() ? NULL : count(__real_aligned_alloc(align, size));
}

void *__wrap_realloc(void *p, size_t size)
{
    if (fails())
        return NULL;
    return p ? __real_realloc(p, size) : count(__real_realloc(p, size));
}

void __wrap_free(void *p)
{
    run.live -= p != NULL;
    __real_free(p);
}

static void count_line(void *opaque, int level, const char *stage, const char *line)
{
    (void)opaque; /* of memory a smaller plan may need less */
    expect(level == (strcmp(stage, "memory") ? SC_LOG_ERROR : SC_LOG_WARNING));
    expect(line[0] && strlen(line) < 1024);
    run.lines++;
}

/* A net of every kind of layer. */
static int load(sc_loader **ld, void **block, int64_t *params)
{
    sc_param linear, conv, temporal;
    sc_norm norm;
    sc_tensor table;
    float scalar;
    int64_t dim[SC_MAX_DIM];

    sc_loader_shape(*ld, dim, "l.weight");
    sc_load_linear(*ld, &linear, 2, 2, true, "l");
    sc_load_conv(*ld, &conv, 1, 2, 1, 1, false, "c");
    sc_load_conv(*ld, &temporal, 1, 1, 3, 1, false, "t");
    sc_load_norm(*ld, &norm, 2, "n");
    sc_load_tensor(*ld, &table, SC_DIMS(1, 2), "e");
    sc_load_scalar(*ld, &scalar, "s");
    sc_load_skip(*ld, SC_DIMS(2), "dead");
    return sc_loader_finish(ld, block, params);
}

static sc_exec *cpu(void)
{
    static sc_exec x;
    static sc_device *dev;
    const sc_device_options o = { .name = "cpu", .threads = 1, .plain = true };
    if (!dev) {
        expect(sc_device_open(&dev, &o, NULL) >= 0);
        expect(sc_exec_open(&x, dev, NULL, SC_F32, 0) >= 0);
        cJSON_InitHooks(&(cJSON_Hooks){ .malloc_fn = __wrap_malloc, .free_fn = __wrap_free });
    }
    return &x;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[MAX_FILE + 8];
    const sc_logger log = { .write = count_line, .level = SC_LOG_WARNING };
    sc_exec *x = cpu();
    const long live = run.live;
    sc_loader *ld = NULL;
    void *block = NULL;
    int64_t params = 0;

    if (size < 2)
        return 0;
    const int fail_at = data[0];
    const bool raw = data[1] & 128;
    size = SC_MIN(size - 2, MAX_FILE);
    data += 2;
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    const size_t header = zero ? (size_t)(zero - data) : size, rest = zero ? size - header - 1 : 0;
    if (raw) {
        memcpy(file, data, size);
    } else {
        for (int i = 0; i < 8; i++)
            file[i] = (uint8_t)(header >> 8 * i);
        memcpy(file + 8, data, header);
        if (rest)
            memcpy(file + 8 + header, zero + 1, rest);
        size = 8 + header + rest;
    }

    /* An exact copy, so that a sanitizer sees a read past the file's end. */
    uint8_t *exact = __real_malloc(size + !size);
    expect(exact != NULL);
    memcpy(exact, file, size);
    run.countdown = fail_at;
    run.lines = 0;
    x->log = &log;
    int ret = sc_loader_open_memory(&ld, exact, size, "file", x, SC_F32, &log);
    expect(!ret == !!ld);
    if (!ret) {
        ret = load(&ld, &block, &params);
        expect(!ld);
    }
    const bool failed_alloc = fail_at && !run.countdown;
    run.countdown = 0;
    expect(ret == 0 || ret == SC_ERR_WEIGHTS || (failed_alloc && (ret == -ENOMEM || ret == SC_ERR_DEVICE)));
    expect(ret < 0 ? run.lines == 1 || ret == -ENOMEM : run.lines == 0 && block && params >= 17);
    sc_loader_free(x->dev, &block);
    x->log = NULL;
    expect(run.live == live);
    __real_free(exact);
    return 0;
}

/* A file that fits the net, whole or with something amiss. */
size_t fuzz_seed(int i, uint8_t *out, size_t max)
{
    static const char good[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"l.weight\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
        "\"l.bias\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[16,20]},"
        "\"c.weight\":{\"dtype\":\"BF16\",\"shape\":[1,2,1,1],\"data_offsets\":[20,24]},"
        "\"t.weight\":{\"dtype\":\"F16\",\"shape\":[1,1,3,1,1],\"data_offsets\":[24,30]},"
        "\"n.weight\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[30,38]},"
        "\"n.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[38,46]},"
        "\"e\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[46,50]},"
        "\"s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[50,54]}%s}";
    static const struct {
        const char *extra;
        int fail_at, data, lfs;
    } seeds[] = {
        { .extra = "", .data = 54 },
        { .extra = ",\"dead\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[54,58]}", .data = 58 },
        { .extra = ",\"other\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[54,62]}", .data = 62 },
        { .extra = "", .data = 53 },
        /* of the 150 allocations of a good file: the loader, cJSON's, the list, the requests, the blocks */
        { .extra = "", .data = 54, .fail_at = 1 },
        { .extra = "", .data = 54, .fail_at = 2 },
        { .extra = "", .data = 54, .fail_at = 100 },
        { .extra = "", .data = 54, .fail_at = 147 },
        { .extra = "", .data = 54, .fail_at = 148 },
        { .extra = "", .data = 54, .fail_at = 149 },
        { .extra = "", .data = 54, .fail_at = 150 },
        { .lfs = 1 },
    };
    char text[2048];
    if (i < 0 || i >= SC_COUNT(seeds))
        return 0;
    memset(out, 0x3c, max);
    if (seeds[i].lfs) {
        const int n =
            snprintf(text, sizeof text, "%c%c%s", 255, 128, "version https://git-lfs.github.com/spec/v1\n");
        memcpy(out, text, (size_t)n);
        return (size_t)n;
    }
    const int n = snprintf(text, sizeof text, good, seeds[i].extra);
    const size_t size = 2 + (size_t)n + 1 + (size_t)seeds[i].data;
    if (n < 0 || size > max)
        return 0;
    out[0] = (uint8_t)seeds[i].fail_at;
    out[1] = 0;
    memcpy(out + 2, text, (size_t)n + 1);
    return size;
}
