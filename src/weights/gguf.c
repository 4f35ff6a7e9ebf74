/* ggml docs/gguf.md and src/gguf.cpp, with the tighter limits of a file that holds one network; the
 * community's converters (through gguf-py) keep names longer than 63 bytes, so no limit of 64 here. */
#include "gguf.h"

#include <stdlib.h>

#include "quant.h"

#define MAX_TENSORS   100000
#define MAX_KEYS      10000
#define MAX_STRING    65536
#define MAX_NAME      256
#define MAX_ITEMS     (1u << 24) /* of an array: a tokenizer's words, in files that carry one */
#define MAX_ALIGNMENT 65536
#define PREFIX        "model.diffusion_model."
#define SHAPE_KEY     "comfy.gguf.orig_shape."

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, VALUE_TYPES };

static const size_t value_size[VALUE_TYPES] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

static const struct {
    uint32_t id;
    const char *name;
    int dtype;
    int64_t block; /* values in it */
    size_t bytes;  /* of a block */
    void (*unpack)(float *y, const unsigned char *x, size_t blocks);
} types[] = {
    { 0, "F32", SC_F32, 1, 4, NULL },
    { 1, "F16", SC_F16, 1, 2, NULL },
    { 30, "BF16", SC_BF16, 1, 2, NULL },
    { 2, "Q4_0", SC_F32, 32, 18, sc_unpack_q4_0 },
    { 8, "Q8_0", SC_F32, 32, 34, sc_unpack_q8_0 },
    { 12, "Q4_K", SC_F32, 256, 144, sc_unpack_q4_k },
    { 14, "Q6_K", SC_F32, 256, 210, sc_unpack_q6_k },
};

typedef struct reader { /* reads forward and never past the end; after a failure all reads give 0 */
    const unsigned char *begin, *at, *end;
    bool failed;
} reader;

typedef struct text {
    const char *s; /* not terminated */
    size_t n;
} text;

typedef struct shape_note { /* what a key says of a tensor's true shape */
    text name;
    int ndim;
    int64_t dim[SC_ST_MAX_DIM];
} shape_note;

typedef struct parser {
    reader r;
    uint64_t tensors, keys, alignment;
    shape_note *note;
    size_t notes;
} parser;

static const unsigned char *take(reader *r, uint64_t n)
{
    const unsigned char *p = r->at;

    if (r->failed || n > (uint64_t)(r->end - r->at)) {
        r->failed = true;
        return NULL;
    }
    r->at += n;
    return p;
}

static uint64_t number(reader *r, int bytes)
{
    const unsigned char *p = take(r, (uint64_t)bytes);
    uint64_t v = 0;

    for (int i = 0; p && i < bytes; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

static text string(reader *r, uint64_t most)
{
    const uint64_t n = number(r, 8);
    text t = { NULL, 0 };

    if (n > most)
        r->failed = true;
    t.s = (const char *)take(r, n);
    t.n = t.s ? (size_t)n : 0;
    return t;
}

static bool begins(text t, const char *with)
{
    const size_t n = strlen(with);
    return t.n >= n && !memcmp(t.s, with, n);
}

static bool is(text t, const char *s)
{
    return t.n == strlen(s) && begins(t, s);
}

/* n values of one type that nobody wants. */
static void skip(reader *r, uint32_t type, uint64_t n)
{
    if (type == STRING)
        for (uint64_t i = 0; i < n && !r->failed; i++)
            string(r, MAX_STRING);
    else if (type < VALUE_TYPES && value_size[type])
        take(r, n * value_size[type]);
    else
        r->failed = true; /* unknown, or an array of arrays */
}

/* The dimensions of an array of whole numbers: PyTorch's order. */
static void read_note(parser *p, text name, uint32_t type, uint64_t n)
{
    shape_note *s = &p->note[p->notes++];

    *s = (shape_note){ .name = { name.s + strlen(SHAPE_KEY), name.n - strlen(SHAPE_KEY) } };
    if (n > SC_ST_MAX_DIM || (type != I32 && type != U32 && type != I64 && type != U64)) {
        p->r.failed = true;
        return;
    }
    for (; s->ndim < (int)n; s->ndim++)
        s->dim[s->ndim] = (int64_t)number(&p->r, (int)value_size[type]);
}

static void read_key(parser *p)
{
    reader *r = &p->r;
    const text key = string(r, MAX_STRING);
    uint32_t type = (uint32_t)number(r, 4);
    uint64_t n = 1;

    if (is(key, "general.alignment") && type == U32) {
        p->alignment = number(r, 4);
        return;
    }
    if (type == ARRAY) {
        type = (uint32_t)number(r, 4);
        n = number(r, 8);
        r->failed = r->failed || n > MAX_ITEMS;
        if (begins(key, SHAPE_KEY)) {
            read_note(p, key, type, n);
            return;
        }
    }
    if (!r->failed)
        skip(r, type, n);
}

/* Values of t; false if there are too many to count. */
static bool count(const sc_st_tensor *t, uint64_t *n)
{
    *n = 1;
    for (int i = 0; i < t->ndim; i++) {
        if (t->dim[i] < 0 || (t->dim[i] && *n > INT64_MAX / (uint64_t)t->dim[i]))
            return false;
        *n *= (uint64_t)t->dim[i];
    }
    return true;
}

static int type_index(uint32_t id)
{
    for (int i = 0; i < SC_COUNT(types); i++)
        if (types[i].id == id)
            return i;
    return -1;
}

/* Reads what stands before the data. t->data is left to the caller, who knows where the data begins; *offset
 * is as the file has it. Returns what is wrong, or NULL. */
static const char *read_tensor(parser *p, sc_st_tensor *t, char **names, uint64_t *offset)
{
    reader *r = &p->r;
    text name = string(r, MAX_NAME);
    const uint32_t ndim = (uint32_t)number(r, 4);
    uint64_t n, same;

    if (r->failed || !name.n || ndim > SC_ST_MAX_DIM)
        return "has no proper name, or too many dimensions";
    for (size_t i = 0; i < name.n; i++)
        if (name.s[i] < ' ' || name.s[i] > '~')
            return "has a name that is not printable";
    const text full = name;
    if (begins(name, PREFIX) && name.n > strlen(PREFIX)) {
        name.s += strlen(PREFIX);
        name.n -= strlen(PREFIX);
    }
    t->name = memcpy(*names, name.s, name.n);
    (*names)[name.n] = 0;
    *names += name.n + 1;
    t->ndim = (int)ndim;
    for (int i = t->ndim - 1; i >= 0; i--) /* the fastest comes first in the file */
        t->dim[i] = (int64_t)number(r, 8);
    const int type = type_index((uint32_t)number(r, 4));
    *offset = number(r, 8);
    if (r->failed)
        return "is cut short";
    if (type < 0)
        return "has a type that is not F32, F16, BF16, Q8_0, Q4_0, Q4_K or Q6_K";
    if (!count(t, &n) || !t->ndim || t->dim[t->ndim - 1] % types[type].block)
        return "has a shape that its type cannot have";
    t->type = types[type].name;
    t->dtype = types[type].dtype;
    t->unpack = types[type].unpack;
    if (!sc_mul_size((size_t)(n / (uint64_t)types[type].block), types[type].bytes, &t->bytes))
        return "is larger than memory";
    t->blocks = (size_t)(n / (uint64_t)types[type].block);
    for (size_t i = 0; i < p->notes; i++)
        if (p->note[i].name.n == full.n && !memcmp(p->note[i].name.s, full.s, full.n)) {
            t->ndim = p->note[i].ndim;
            memcpy(t->dim, p->note[i].dim, sizeof t->dim);
            if (!count(t, &same) || same != n)
                return "has an orig_shape of another size";
        }
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const sc_st_tensor *)a)->name, ((const sc_st_tensor *)b)->name);
}

/* The data: tensors lie one after another, each padded, as the file's offsets say too: no gaps and no
 * overlaps. */
static int place_tensors(parser *p, sc_st_file *f, const uint64_t *offset, const char *name,
                         const sc_logger *log)
{
    const uint64_t mask = p->alignment - 1, size = (uint64_t)(p->r.end - p->r.begin);
    const uint64_t data = ((uint64_t)(p->r.at - p->r.begin) + mask) & ~mask;
    uint64_t at = 0;

    for (size_t i = 0; i < f->count; i++) {
        sc_st_tensor *t = &f->tensor[i];

        if (offset[i] != at)
            return sc_fail(log, SC_ERR_WEIGHTS, "weights",
                           "%s: tensor %s lies at %llu, where the ones before it end at %llu: gap or overlap",
                           name, t->name, (unsigned long long)offset[i], (unsigned long long)at);
        if (data > size || at > size - data || t->bytes > size - data - at)
            return sc_fail(log, SC_ERR_WEIGHTS, "weights",
                           "%s: tensor %s lies outside the file: it may be cut short", name, t->name);
        t->data = p->r.begin + data + at;
        at = (at + t->bytes + mask) & ~mask;
    }
    return 0;
}

static int read_tensors(parser *p, sc_st_file *f, const char *name, const sc_logger *log)
{
    uint64_t *offset = calloc((size_t)p->tensors + 1, sizeof *offset);
    char *names = malloc((size_t)p->tensors * (MAX_NAME + 1) + 1);
    int ret;

    f->names = names;
    f->tensor = calloc((size_t)p->tensors + 1, sizeof *f->tensor);
    if (!offset || !names || !f->tensor)
        SC_TRY(sc_fail(log, -ENOMEM, "weights", "%s: no memory for %llu tensors", name,
                       (unsigned long long)p->tensors));
    for (; f->count < p->tensors; f->count++) {
        sc_st_tensor *t = &f->tensor[f->count];
        const char *why = read_tensor(p, t, &names, &offset[f->count]);

        if (why)
            SC_TRY(sc_fail(log, SC_ERR_WEIGHTS, "weights", "%s: tensor %s %s", name, t->name ? t->name : "?",
                           why));
    }
    SC_TRY(place_tensors(p, f, offset, name, log));
    qsort(f->tensor, f->count, sizeof *f->tensor, by_name);
    for (size_t i = 1; i < f->count; i++)
        if (!by_name(&f->tensor[i - 1], &f->tensor[i]))
            SC_TRY(sc_fail(log, SC_ERR_WEIGHTS, "weights", "%s: tensor %s is there twice", name,
                           f->tensor[i].name));
fail:
    free(offset);
    return ret;
}

/* The least that a tensor's description (an empty name, no dimensions) and a key take: what a count can be
 * held to. */
enum { LEAST_TENSOR = 24, LEAST_KEY = 13 };

int sc_gguf_parse(sc_st_file *f, const void *bytes, size_t size, const char *name, const sc_logger *log)
{
    const unsigned char *begin = bytes;
    parser p = { .r = { .begin = begin, .at = begin + 4, .end = begin + size }, .alignment = 32 };
    const uint32_t version = (uint32_t)number(&p.r, 4);
    int ret;

    p.tensors = number(&p.r, 8);
    p.keys = number(&p.r, 8);
    if (!p.r.failed && version != 2 && version != 3)
        return sc_fail(log, SC_ERR_WEIGHTS, "weights", "%s: GGUF version %u, not 2 or 3%s", name, version,
                       version & 0xffff ? "" : " (big-endian?)");
    const uint64_t left = (uint64_t)(p.r.end - p.r.at);
    if (p.r.failed || p.tensors > MAX_TENSORS || p.keys > MAX_KEYS || p.tensors > left / LEAST_TENSOR ||
        p.keys > left / LEAST_KEY)
        return sc_fail(log, SC_ERR_WEIGHTS, "weights",
                       "%s: %llu tensors and %llu keys do not fit into %zu bytes", name,
                       (unsigned long long)p.tensors, (unsigned long long)p.keys, size);
    if (!(p.note = calloc((size_t)p.keys + 1, sizeof *p.note)))
        return sc_fail(log, -ENOMEM, "weights", "%s: no memory for %llu keys", name,
                       (unsigned long long)p.keys);
    for (uint64_t i = 0; i < p.keys && !p.r.failed; i++)
        read_key(&p);
    if (p.r.failed || !p.alignment || p.alignment > MAX_ALIGNMENT || p.alignment & (p.alignment - 1))
        SC_TRY(sc_fail(log, SC_ERR_WEIGHTS, "weights",
                       "%s: the keys of the GGUF header are broken or cut short", name));
    SC_TRY(read_tensors(&p, f, name, log));
fail:
    free(p.note);
    if (ret < 0)
        sc_st_close(f);
    return ret;
}
