/* The rules are those of the reference reader (safetensors/src/tensor.rs), plus limits on what cJSON has to
 * hold. */
#include "gguf.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The reference allows 100 MB; cJSON needs some thirty times the text, and 1e5 tensors fit in this. */
#define MAX_HEADER  (16u << 20)
#define MAX_TENSORS 100000
#define MAX_INTEGER 9007199254740992.0 /* 2^53: larger integers are not exact in JSON's numbers */

static const struct {
    const char *name;
    size_t size;
    int dtype;
} types[] = {
    { "F32", 4, SC_F32 }, { "F16", 2, SC_F16 }, { "BF16", 2, SC_BF16 }, { "F8_E4M3", 1, -1 },
    { "F8_E5M2", 1, -1 }, { "F64", 8, -1 },     { "I64", 8, -1 },       { "I32", 4, -1 },
    { "I16", 2, -1 },     { "I8", 1, -1 },      { "U64", 8, -1 },       { "U32", 4, -1 },
    { "U16", 2, -1 },     { "U8", 1, -1 },      { "BOOL", 1, -1 },
};

static bool read_integer(const cJSON *item, uint64_t *out)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) || item->valuedouble > MAX_INTEGER)
        return false;
    *out = (uint64_t)item->valuedouble;
    return (double)*out == item->valuedouble;
}

static bool good_name(const char *s)
{
    size_t n = 0;
    for (; s[n]; n++)
        if (s[n] < ' ' || s[n] > '~' || n + 1 >= SC_ST_MAX_NAME)
            return false;
    return n > 0;
}

/* Returns what is wrong, or NULL. */
static const char *read_tensor(sc_st_tensor *t, const cJSON *item, const unsigned char *data, size_t size)
{
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(item, "shape");
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    const cJSON *d;
    uint64_t begin, end, n;
    size_t bytes = 0;

    /* Exactly these three: a fourth is a repeated key or another format. */
    if (!cJSON_IsString(dtype) || !cJSON_IsArray(shape) || !cJSON_IsArray(offsets) ||
        cJSON_GetArraySize(item) != 3)
        return "does not have exactly dtype, shape and data_offsets";
    t->name = item->string;
    for (int i = 0; i < SC_COUNT(types); i++)
        if (!strcmp(dtype->valuestring, types[i].name)) {
            t->type = types[i].name;
            t->dtype = types[i].dtype;
            bytes = types[i].size;
        }
    if (!t->type)
        return "has an unknown dtype";
    cJSON_ArrayForEach(d, shape)
    {
        if (t->ndim == SC_ST_MAX_DIM || !read_integer(d, &n) || !sc_mul_size(bytes, n, &bytes))
            return "has a shape that is not up to 8 non-negative integers";
        t->dim[t->ndim++] = (int64_t)n;
    }
    if (cJSON_GetArraySize(offsets) != 2 || !read_integer(offsets->child, &begin) ||
        !read_integer(offsets->child->next, &end) || begin > end || end > size)
        return "has data_offsets outside the file: it may be cut short";
    if (end - begin != bytes)
        return "has data_offsets that do not agree with its shape";
    t->data = data + begin;
    t->bytes = bytes;
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const sc_st_tensor *)a)->name, ((const sc_st_tensor *)b)->name);
}

static int by_offset(const void *a, const void *b)
{
    const sc_st_tensor *s = a, *t = b;
    if (s->data != t->data)
        return s->data < t->data ? -1 : 1;
    return (s->bytes > t->bytes) - (s->bytes < t->bytes);
}

/* No holes and no overlaps: every byte of the file belongs to one tensor. */
static bool contiguous(sc_st_file *f, const unsigned char *data, size_t size)
{
    const unsigned char *at = data;
    qsort(f->tensor, f->count, sizeof *f->tensor, by_offset);
    for (size_t i = 0; i < f->count; i++) {
        if (f->tensor[i].data != at)
            return false;
        at += f->tensor[i].bytes;
    }
    return at == data + size;
}

static int bad(const sc_logger *log, const char *file, const char *what)
{
    return sc_fail(log, SC_ERR_WEIGHTS, "weights", "%s: %s", file, what);
}

static int parse_header(sc_st_file *f, const char *text, size_t n, const char *name, const sc_logger *log)
{
    const char *end = NULL;
    f->header = cJSON_ParseWithLengthOpts(text, n, &end, 0);
    if (!f->header)
        return bad(log, name, "the safetensors header is not JSON");
    for (; end < text + n; end++)
        if (*end != ' ' && *end != '\n' && *end != '\r' && *end != '\t')
            return bad(log, name, "the safetensors header has text after its JSON");
    if (!cJSON_IsObject(f->header))
        return bad(log, name, "the safetensors header is not an object");
    return 0;
}

int sc_st_parse(sc_st_file *f, const void *bytes, size_t size, const char *name, const sc_logger *log)
{
    static const char lfs[] = "version https://git-lfs";
    const unsigned char *p = bytes;
    uint64_t n = 0;
    int ret, metadata = 0;

    if (size >= sizeof lfs - 1 && !memcmp(p, lfs, sizeof lfs - 1))
        return bad(log, name,
                   "this is a Git LFS pointer, not the weights themselves: install git-lfs and run "
                   "`git lfs pull` in its folder");
    if (sc_gguf_is(bytes, size))
        return sc_gguf_parse(f, bytes, size, name, log);
    if (size < 8)
        return bad(log, name, "not a safetensors file: shorter than 8 bytes");
    for (int i = 0; i < 8; i++)
        n |= (uint64_t)p[i] << 8 * i;
    if (n > size - 8 || n > MAX_HEADER)
        return bad(log, name, "not a safetensors file, or cut short: its header does not fit");
    const char *text = (const char *)p + 8;
    const unsigned char *data = p + 8 + n;
    const size_t data_size = size - 8 - (size_t)n;
    /* cJSON ends strings at a NUL, so an escaped one would hide the rest of a name. */
    for (size_t i = 0; i < n; i++)
        if (!text[i] || (n - i >= 6 && !memcmp(text + i, "\\u0000", 6)))
            return bad(log, name, "the safetensors header holds a NUL");
    SC_TRY(parse_header(f, text, (size_t)n, name, log));

    size_t count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, f->header) count++;
    if (count > MAX_TENSORS) {
        ret = bad(log, name, "more than 100000 tensors");
        goto fail;
    }
    f->tensor = calloc(count + 1, sizeof *f->tensor);
    if (!f->tensor) {
        ret = sc_fail(log, -ENOMEM, "weights", "%s: no memory for %zu tensors", name, count);
        goto fail;
    }
    cJSON_ArrayForEach(item, f->header)
    {
        if (!strcmp(item->string, "__metadata__") && !metadata++)
            continue;
        if (!good_name(item->string)) {
            ret = bad(log, name, "a tensor's name is empty, longer than 1 KiB or not printable");
            goto fail;
        }
        const char *why = read_tensor(&f->tensor[f->count], item, data, data_size);
        if (why) {
            ret = sc_fail(log, SC_ERR_WEIGHTS, "weights", "%s: tensor %s %s", name, item->string, why);
            goto fail;
        }
        f->count++;
    }
    if (!contiguous(f, data, data_size)) {
        ret = bad(log, name, "tensors leave gaps, overlap or do not fill the file: it may be cut short");
        goto fail;
    }
    qsort(f->tensor, f->count, sizeof *f->tensor, by_name);
    for (size_t i = 1; i < f->count; i++)
        if (!by_name(&f->tensor[i - 1], &f->tensor[i])) {
            ret = sc_fail(log, SC_ERR_WEIGHTS, "weights", "%s: tensor %s is there twice", name,
                          f->tensor[i].name);
            goto fail;
        }
    return 0;
fail:
    sc_st_close(f);
    return ret;
}

int sc_st_open(sc_st_file *f, const char *path, const sc_logger *log)
{
    struct stat st;
    void *map = MAP_FAILED;
    const int fd = open(path, O_RDONLY);

    if (fd >= 0 && !fstat(fd, &st)) {
        if (S_ISREG(st.st_mode) && st.st_size > 0)
            map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        else
            errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    }
    const int why = errno;
    if (fd >= 0)
        close(fd);
    if (map == MAP_FAILED)
        return sc_fail(log, SC_ERR_WEIGHTS, "weights", "%s: cannot be read: %s", path,
                       why == EINVAL ? "empty or not a file" : strerror(why));
    const int ret = sc_st_parse(f, map, (size_t)st.st_size, path, log);
    if (ret < 0) {
        munmap(map, (size_t)st.st_size);
        return ret;
    }
    f->map = map;
    f->map_size = (size_t)st.st_size;
    return 0;
}

void sc_st_close(sc_st_file *f)
{
    cJSON_Delete(f->header);
    free(f->tensor);
    free(f->names);
    if (f->map)
        munmap(f->map, f->map_size);
    *f = (sc_st_file){ 0 };
}

sc_st_tensor *sc_st_find(const sc_st_file *f, const char *name)
{
    const sc_st_tensor key = { .name = name };
    return f->count ? bsearch(&key, f->tensor, f->count, sizeof key, by_name) : NULL;
}
