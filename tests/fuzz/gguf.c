/* GGUF files. What is accepted must lie inside the file, have the size that its shape says, be found by its
 * name and be readable to its last byte. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/weights/gguf.h"
#include "fuzz.h"

static void count_line(void *opaque, int level, const char *stage, const char *line)
{
    (void)stage;
    expect(level == SC_LOG_ERROR && line[0] && strlen(line) < 1024);
    ++*(int *)opaque;
}

static void check(const sc_st_file *f, const sc_st_tensor *t, const uint8_t *file, size_t size)
{
    uint64_t n = 1;
    float *y;

    for (int i = 0; i < t->ndim; i++)
        n *= (uint64_t)t->dim[i];
    expect(t->data >= file && t->bytes <= size && t->data - file <= (ptrdiff_t)(size - t->bytes));
    expect(sc_st_find(f, t->name) == t && t->dtype >= 0);
    if (!t->unpack) {
        expect(n * sc_dtype_size((sc_dtype)t->dtype) == t->bytes);
        return;
    }
    expect(t->dtype == SC_F32 && n <= 256 * (uint64_t)t->bytes);
    y = malloc(n * sizeof *y + 1); /* exactly as long: a sanitizer sees a write past its end */
    expect(y != NULL);
    t->unpack(y, t->data, t->blocks);
    free(y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int lines = 0;
    const sc_logger log = { .write = count_line, .opaque = &lines, .level = SC_LOG_DEBUG };
    sc_st_file f = { 0 };
    uint8_t *exact = malloc(size + 1);

    expect(exact != NULL);
    memcpy(exact, data, size);
    if (size >= 4)
        memcpy(exact, "GGUF", 4); /* other files are for the other fuzzer */
    const int ret = sc_st_parse(&f, exact, size, "file", &log);
    expect(ret == 0 ? !lines : ret == SC_ERR_WEIGHTS && lines == 1);
    for (size_t i = 0; !ret && i < f.count; i++)
        check(&f, &f.tensor[i], exact, size);
    sc_st_close(&f);
    expect(!f.tensor && !f.names);
    free(exact);
    return 0;
}

typedef struct writer {
    uint8_t *at, *end;
} writer;

static void put(writer *w, uint64_t v, int bytes)
{
    for (; bytes-- && w->at < w->end; v >>= 8)
        *w->at++ = (uint8_t)v;
}

static void put_text(writer *w, const char *s)
{
    put(w, strlen(s), 8);
    while (*s)
        put(w, (uint8_t)*s++, 1);
}

/* A good file with tensors of all types; seed i has version 2 + i. */
size_t fuzz_seed(int i, uint8_t *out, size_t max)
{
    static const struct {
        const char *name;
        int type, bytes;
        int64_t fast, slow;
    } tensor[] = { { "a", 0, 24, 3, 2 },    { "b", 1, 8, 2, 2 },   { "model.diffusion_model.c", 30, 4, 2, 1 },
                   { "d", 2, 36, 32, 2 },   { "e", 8, 34, 32, 1 }, { "f", 12, 144, 256, 1 },
                   { "g", 14, 210, 256, 1 } };
    writer w = { out, out + max };
    uint64_t offset = 0;

    if (i > 1)
        return 0;
    memcpy(out, "GGUF", 4);
    w.at += 4;
    put(&w, 2 + (uint64_t)i, 4);
    put(&w, SC_COUNT(tensor), 8);
    put(&w, 4, 8);
    put_text(&w, "general.alignment");
    put(&w, 4, 4);
    put(&w, 64, 4);
    put_text(&w, "general.architecture");
    put(&w, 8, 4);
    put_text(&w, "svd");
    put_text(&w, "comfy.gguf.orig_shape.a");
    put(&w, 9, 4);
    put(&w, 5, 4);
    put(&w, 2, 8);
    put(&w, 1, 4);
    put(&w, 6, 4);
    put_text(&w, "words");
    put(&w, 9, 4);
    put(&w, 8, 4);
    put(&w, 1, 8);
    put_text(&w, "word");
    for (int k = 0; k < SC_COUNT(tensor); k++) {
        put_text(&w, tensor[k].name);
        put(&w, 2, 4);
        put(&w, (uint64_t)tensor[k].fast, 8);
        put(&w, (uint64_t)tensor[k].slow, 8);
        put(&w, (uint64_t)tensor[k].type, 4);
        put(&w, offset, 8);
        offset += ((uint64_t)tensor[k].bytes + 63) & ~63u;
    }
    while ((w.at - out) % 64)
        put(&w, 0, 1);
    for (uint64_t k = 0; k < offset; k++)
        put(&w, k * 37, 1);
    return (size_t)(w.at - out);
}
