#include "loader.h"
#include "../precision.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "quant.h"

#define MAX_SHARDS 1000
#define MAX_PATH   SC_LOADER_PATH
#define ALIGN      256 /* what sc_new() gives too: vector loads and cuDNN want aligned weights */
#define LISTED     8   /* names in an error line; more would not be read */

static void problem(sc_loader *ld, const char *fmt, ...) SC_PRINTF(2, 3);
static void problem(sc_loader *ld, const char *fmt, ...)
{
    const size_t n = strlen(ld->list);
    va_list ap;

    ld->problems++;
    if (ld->listed++ >= LISTED)
        return;
    va_start(ap, fmt);
    if (n)
        snprintf(ld->list + n, sizeof ld->list - n, "; ");
    vsnprintf(ld->list + n + (n ? 2 : 0), sizeof ld->list - n - (n ? 2 : 0), fmt, ap);
    va_end(ap);
}

void sc_loader_close(sc_loader **ld)
{
    for (int i = 0; i < (*ld)->files; i++)
        sc_st_close(&(*ld)->file[i]);
    free((*ld)->file);
    sc_tape_close(&(*ld)->tape);
    free((*ld)->request);
    free(*ld);
    *ld = NULL;
}

static sc_loader *new_loader(const char *name, int files, sc_exec *x, sc_dtype store, const sc_logger *log)
{
    sc_loader *ld = calloc(1, sizeof *ld);
    if (ld && files && !(ld->file = calloc((size_t)files, sizeof *ld->file))) {
        free(ld);
        ld = NULL;
    }
    if (!ld)
        return NULL;
    ld->opened = sc_now();
    ld->x = x;
    ld->store = store;
    ld->gain = 1;
    ld->log = log;
    snprintf(ld->name, sizeof ld->name, "%s", name);
    return ld;
}

/* The shards that an index names, each once. Returns how many, or an error. */
static int list_shards(const cJSON *map, const char **shard, const char *path, const sc_logger *log)
{
    const cJSON *item;
    int n = 0, i;

    cJSON_ArrayForEach(item, map)
    {
        const char *s = cJSON_IsString(item) ? item->valuestring : NULL;
        if (!s || !*s || strchr(s, '/')) /* an index may not lead out of its folder */
            return sc_fail(log, SC_ERR_WEIGHTS, "weights", "%s: weight_map gives no file name for %s", path,
                           item->string);
        for (i = n; i > 0 && strcmp(shard[i - 1], s); i--)
            ;
        if (!i) {
            if (n == MAX_SHARDS)
                return sc_fail(log, SC_ERR_WEIGHTS, "weights", "%s: more than %d shards", path, MAX_SHARDS);
            shard[n++] = s;
        }
    }
    return n;
}

static int open_shards(sc_loader **out, const char *path, sc_exec *x, sc_dtype store, const sc_logger *log)
{
    const char **shard = calloc(MAX_SHARDS, sizeof *shard);
    const char *slash = strrchr(path, '/');
    const int folder = slash ? (int)(slash - path) + 1 : 0;
    cJSON *index = NULL;
    sc_loader *ld = NULL;
    const cJSON *map, *item;
    size_t tensors = 0, mapped = 0;
    int ret, n, i;

    SC_TRY(shard ? 0 : -ENOMEM);
    SC_TRY(sc_json_read(&index, path, SC_ERR_WEIGHTS, "weights", log));
    map = cJSON_GetObjectItemCaseSensitive(index, "weight_map");
    if (!cJSON_IsObject(map)) {
        ret = sc_fail(log, SC_ERR_WEIGHTS, "weights", "%s: has no weight_map", path);
        goto fail;
    }
    SC_TRY(n = list_shards(map, shard, path, log));
    SC_TRY((ld = new_loader(path, n, x, store, log)) ? 0 : -ENOMEM);
    for (i = 0; i < n; i++) {
        char file[MAX_PATH];
        snprintf(file, sizeof file, "%.*s%s", folder, path, shard[i]);
        SC_TRY(sc_st_open(&ld->file[i], file, log));
        ld->files++;
        tensors += ld->file[i].count;
    }
    cJSON_ArrayForEach(item, map)
    {
        for (i = 0; strcmp(shard[i], item->valuestring); i++)
            ;
        if (!sc_st_find(&ld->file[i], item->string)) {
            ret =
                sc_fail(log, SC_ERR_WEIGHTS, "weights", "%s: %s is not in %s", path, item->string, shard[i]);
            goto fail;
        }
        mapped++;
    }
    if (tensors != mapped) { /* also finds a tensor that two shards hold */
        ret = sc_fail(log, SC_ERR_WEIGHTS, "weights", "%s: names %zu tensors, but its shards hold %zu", path,
                      mapped, tensors);
        goto fail;
    }
    *out = ld;
    ld = NULL;
    ret = 0;
fail:
    if (ld)
        sc_loader_close(&ld);
    cJSON_Delete(index);
    free(shard);
    return ret;
}

/* Converters name what they make as they like: the only .gguf file of a folder is its network. */
static bool single_gguf(char file[MAX_PATH], const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *e;
    int found = 0;

    while (dir && (e = readdir(dir))) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot && !strcmp(dot, ".gguf") && !found++)
            snprintf(file, MAX_PATH, "%s/%s", path, e->d_name);
    }
    if (dir)
        closedir(dir);
    return found == 1;
}

/* The weights file of a folder; the half-sized variant first, as the published scripts ask for it. */
static bool find_file(char file[MAX_PATH], const char *path, const char *stem)
{
    static const char *const endings[] = { ".fp16.safetensors", ".safetensors", ".safetensors.index.json",
                                           ".gguf" };
    struct stat st;
    for (int i = 0; i < SC_COUNT(endings); i++) {
        snprintf(file, MAX_PATH, "%s/%s%s", path, stem, endings[i]);
        if (!stat(file, &st))
            return true;
    }
    return single_gguf(file, path);
}

int sc_loader_open(sc_loader **ld, const char *path, const char *stem, sc_exec *x, sc_dtype store,
                   const sc_logger *log)
{
    char file[MAX_PATH];
    struct stat st;
    const size_t n = path ? strlen(path) : 0;

    *ld = NULL;
    if (!path)
        return (*ld = new_loader("no file", 0, x, store, log)) ? 0 : -ENOMEM;
    if (n >= MAX_PATH - SC_ST_MAX_NAME)
        return sc_fail(log, SC_ERR_WEIGHTS, "weights", "a path of %zu characters is too long", n);
    if (stat(path, &st))
        return sc_fail(log, SC_ERR_WEIGHTS, "weights", "%s: %s", path, strerror(errno));
    snprintf(file, sizeof file, "%s", path);
    if (S_ISDIR(st.st_mode) && !find_file(file, path, stem))
        return sc_fail(log, SC_ERR_WEIGHTS, "weights",
                       "%s: holds none of %s.fp16.safetensors, %s.safetensors, %s.safetensors.index.json, "
                       "%s.gguf, and not one single .gguf file",
                       path, stem, stem, stem, stem);
    if (strlen(file) > 5 && !strcmp(file + strlen(file) - 5, ".json"))
        return open_shards(ld, file, x, store, log);

    sc_loader *l = new_loader(file, 1, x, store, log);
    if (!l)
        return -ENOMEM;
    const int ret = sc_st_open(&l->file[0], file, log);
    if (ret < 0) {
        sc_loader_close(&l);
        return ret;
    }
    l->files = 1;
    *ld = l;
    return 0;
}

int sc_loader_open_random(sc_loader **ld, sc_exec *x, sc_dtype store, const sc_logger *log)
{
    if (!(*ld = new_loader("random weights", 0, x, store, log)))
        return -ENOMEM;
    (*ld)->random = true;
    return 0;
}

int sc_loader_open_memory(sc_loader **ld, const void *bytes, size_t size, const char *name, sc_exec *x,
                          sc_dtype store, const sc_logger *log)
{
    *ld = NULL;
    sc_loader *l = new_loader(name, 1, x, store, log);
    if (!l)
        return -ENOMEM;
    const int ret = sc_st_parse(&l->file[0], bytes, size, name, log);
    if (ret < 0) {
        sc_loader_close(&l);
        return ret;
    }
    l->files = 1;
    *ld = l;
    return 0;
}

static sc_st_tensor *find(const sc_loader *ld, const char *name)
{
    sc_st_tensor *t = NULL;
    for (int i = 0; i < ld->files && !t; i++)
        t = sc_st_find(&ld->file[i], name);
    return t;
}

int sc_loader_shape(sc_loader *ld, int64_t dim[SC_MAX_DIM], const char *fmt, ...)
{
    char name[SC_ST_MAX_NAME];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    const sc_st_tensor *t = find(ld, name);
    if (!t || t->ndim > SC_MAX_DIM)
        return -ENOENT;
    memcpy(dim, t->dim, (size_t)t->ndim * sizeof *dim);
    return t->ndim;
}

static const char *shape_text(char text[128], int ndim, const int64_t *dim)
{
    int n = 0;
    text[0] = 0;
    for (int i = 0; i < ndim && n < 100; i++)
        n += snprintf(text + n, 128 - (size_t)n, "%s%lld", i ? "," : "", (long long)dim[i]);
    return text;
}

static bool shape_is(const sc_st_tensor *t, int ndim, const int64_t *dim)
{
    return t->ndim == ndim && !memcmp(t->dim, dim, (size_t)ndim * sizeof *dim);
}

static int64_t count(int ndim, const int64_t *dim)
{
    uint64_t n = 1; /* a nonsensical config wraps, and then no shape agrees */
    for (int i = 0; i < ndim; i++)
        n *= (uint64_t)dim[i];
    return (int64_t)n;
}

/* The file's tensor of this name if it has one of the allowed shapes (the first one is for the message) and a
 * type that weights may have; else NULL, and the problem is noted. */
static sc_st_tensor *want(sc_loader *ld, const char *name, int shapes, const int *ndim,
                          const int64_t (*dim)[SC_MAX_DIM])
{
    char found[128], wanted[128];

    ld->params += count(ndim[0], dim[0]);
    if (!ld->file)
        return NULL;
    sc_st_tensor *t = find(ld, name);
    if (!t) {
        problem(ld, "%s is missing", name);
        return NULL;
    }
    t->used = true;
    for (int i = 0; i < shapes; i++)
        if (shape_is(t, ndim[i], dim[i])) {
            if (t->dtype >= 0)
                return t;
            problem(ld, "%s is %s, not F32, F16 or BF16", name, t->type);
            return NULL;
        }
    problem(ld, "%s is [%s], not [%s]", name, shape_text(found, t->ndim, t->dim),
            shape_text(wanted, ndim[0], dim[0]));
    return NULL;
}

static size_t padded(sc_tensor t)
{
    return (sc_tensor_bytes(t) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

/* A place in the block, for what is no layer's weights or for those if they are resident. */
static size_t take(sc_loader *ld, sc_tensor t)
{
    const size_t offset = ld->size;

    ld->size += padded(t);
    return offset;
}

/* The next request's place in memory. */
static void place(sc_loader *ld, sc_request *r)
{
    const size_t bytes = padded(*r->to);
    const bool narrow = r->layer && r->layer->scale.ndim;
    size_t *const sum = r->layer ? &ld->need.layers : &ld->need.rest;

    *sum += bytes;
    if (r->layer)
        ld->need.largest = SC_MAX(ld->need.largest, bytes);
    if (r->layer && ld->tape) {
        sc_far *const far = &r->layer->far;
        far->tape = ld->tape;
        if (sc_tape_add(ld->tape, bytes, &far->page, &r->offset) < 0)
            ld->ret = sc_fail(ld->log, -ENOMEM, "weights", "%s: no place for a layer of %zu MiB on its way",
                              ld->name, bytes >> 20);
    } else {
        r->offset = take(ld, *r->to);
    }
    if (narrow) {
        ld->need.rest += padded(r->layer->scale);
        r->scale = take(ld, r->layer->scale);
    }
    if (!sc_request_direct(r)) /* E4M3 is made of rows that lie together: of a second copy */
        ld->staging = SC_MAX(ld->staging, sc_tensor_bytes(r->view) * (narrow ? 2 : 1));
}

/* Queues t (NULL: random numbers) for *to, whose type and shape are set. */
static void enqueue(sc_loader *ld, sc_tensor *to, sc_param *layer, const sc_st_tensor *t, sc_tensor view)
{
    if (ld->requests == ld->capacity) {
        const size_t more = ld->capacity ? 2 * ld->capacity : 256;
        sc_request *r = realloc(ld->request, more * sizeof *r);
        if (!r) {
            ld->ret = -ENOMEM;
            return;
        }
        ld->request = r;
        ld->capacity = more;
    }
    sc_request *r = &ld->request[ld->requests++];
    *r = (sc_request){ .to = to, .layer = layer, .from = t, .view = view, .gain = ld->gain };
    place(ld, r);
}

static sc_dtype type_of(const sc_st_tensor *t)
{
    return t ? (sc_dtype)t->dtype : SC_F32;
}

static void load_packed(sc_loader *ld, sc_tensor *to, int ndim, const int64_t *dim, const char *name)
{
    int64_t shape[1][SC_MAX_DIM] = { { 0 } };
    memcpy(shape[0], dim, (size_t)ndim * sizeof *dim);
    *to = sc_tensor_make(NULL, SC_F32, ndim, dim);
    const sc_st_tensor *t = want(ld, name, 1, &ndim, (const int64_t(*)[SC_MAX_DIM])shape);
    if (t || ld->random)
        enqueue(ld, to, NULL, t, sc_tensor_make(NULL, type_of(t), ndim, dim));
}

/* [o,i,kh,kw] of the file. A kernel without width may be written [o,i,kh,1,1], and one of a single tap [o,i]
 * too: files spell linear layers as convolutions and the other way round (the old attention of the VAE). */
static const sc_st_tensor *want_kernel(sc_loader *ld, const char *name, int64_t o, int64_t i, int kh, int kw)
{
    static const int ndim[] = { 4, 5, 2 };
    const int64_t dim[][SC_MAX_DIM] = { { o, i, kh, kw }, { o, i, kh, 1, 1 }, { o, i } };
    return want(ld, name, kw > 1 ? 1 : kh > 1 ? 2 : 3, ndim, dim);
}

static const sc_st_tensor *want_matrix(sc_loader *ld, const char *name, int64_t n, int64_t k)
{
    static const int ndim[] = { 2, 4 };
    const int64_t dim[][SC_MAX_DIM] = { { n, k }, { n, k, 1, 1 } };
    return want(ld, name, 2, ndim, dim);
}

/* Formats a name and leaves room for a suffix; the names of networks are far shorter than the room there is.
 */
#define FORMAT_NAME(name)                                                                                    \
    do {                                                                                                     \
        va_list ap;                                                                                          \
        va_start(ap, fmt);                                                                                   \
        vsnprintf(name, sizeof name - sizeof ".weight", fmt, ap);                                            \
        va_end(ap);                                                                                          \
    } while (0)

static const char *suffixed(char *name, size_t stem, const char *suffix)
{
    memcpy(name + stem, suffix, strlen(suffix) + 1);
    return name;
}

/* A layer without a bias, with weights of this shape, whose last axis is of the input. */
static sc_param new_layer(const sc_loader *ld, const char *name, int ndim, const int64_t *dim)
{
    const sc_dtype type = sc_precision_of_layer(ld->store, name, dim[0], dim[ndim - 1]);

    return (sc_param){ .w = sc_tensor_make(NULL, type, ndim, dim),
                       .scale = type == SC_F8 ? sc_tensor_make(NULL, SC_F32, 1, dim) : SC_NONE };
}

void sc_load_linear(sc_loader *ld, sc_param *p, int64_t out, int64_t in, bool bias, const char *fmt, ...)
{
    char name[SC_ST_MAX_NAME];
    FORMAT_NAME(name);
    const size_t stem = strlen(name);

    *p = new_layer(ld, name, SC_DIMS(out, in));
    const sc_st_tensor *t = want_matrix(ld, suffixed(name, stem, ".weight"), out, in);
    if (t || ld->random)
        enqueue(ld, &p->w, p, t, sc_tensor_make(NULL, type_of(t), SC_DIMS(out, in)));
    if (bias)
        load_packed(ld, &p->b, SC_DIMS(out), suffixed(name, stem, ".bias"));
}

void sc_load_conv(sc_loader *ld, sc_param *p, int64_t out, int64_t in, int kh, int kw, bool bias,
                  const char *fmt, ...)
{
    static const int to_ohwi[] = { 0, 2, 3, 1 };
    char name[SC_ST_MAX_NAME];
    FORMAT_NAME(name);
    const size_t stem = strlen(name);

    *p = new_layer(ld, name, SC_DIMS(out, kh, kw, in));
    const sc_st_tensor *t = want_kernel(ld, suffixed(name, stem, ".weight"), out, in, kh, kw);
    if (t || ld->random) {
        const sc_tensor oihw = sc_tensor_make(NULL, type_of(t), SC_DIMS(out, in, kh, kw));
        enqueue(ld, &p->w, p, t, sc_permute(oihw, to_ohwi));
    }
    if (bias)
        load_packed(ld, &p->b, SC_DIMS(out), suffixed(name, stem, ".bias"));
}

void sc_load_conv3d(sc_loader *ld, sc_param *p, int64_t out, int64_t in, int kt, int k, const char *fmt, ...)
{
    static const int to_tohwi[] = { 2, 0, 3, 4, 1 };
    static const int ndim = 5;
    const int64_t dim[][SC_MAX_DIM] = { { out, in, kt, k, k } };
    char name[SC_ST_MAX_NAME];
    FORMAT_NAME(name);
    const size_t stem = strlen(name);

    *p = new_layer(ld, name, SC_DIMS(kt * out, k, k, in));
    const sc_st_tensor *t = want(ld, suffixed(name, stem, ".weight"), 1, &ndim, dim);
    if (t || ld->random)
        enqueue(ld, &p->w, p, t, sc_permute(sc_tensor_make(NULL, type_of(t), ndim, dim[0]), to_tohwi));
    load_packed(ld, &p->b, SC_DIMS(out), suffixed(name, stem, ".bias"));
}

void sc_load_norm(sc_loader *ld, sc_norm *n, int64_t c, const char *fmt, ...)
{
    char name[SC_ST_MAX_NAME];
    FORMAT_NAME(name);
    const size_t stem = strlen(name);

    load_packed(ld, &n->gamma, SC_DIMS(c), suffixed(name, stem, ".weight"));
    load_packed(ld, &n->beta, SC_DIMS(c), suffixed(name, stem, ".bias"));
}

void sc_load_tensor(sc_loader *ld, sc_tensor *t, int ndim, const int64_t *dim, const char *fmt, ...)
{
    char name[SC_ST_MAX_NAME];
    FORMAT_NAME(name);
    load_packed(ld, t, ndim, dim, name);
}

void sc_load_scalar(sc_loader *ld, float *value, const char *fmt, ...)
{
    static const int ndim[] = { 1, 0 };
    static const int64_t dim[][SC_MAX_DIM] = { { 1 }, { 0 } };
    char name[SC_ST_MAX_NAME];
    FORMAT_NAME(name);

    *value = 0;
    const sc_st_tensor *t = want(ld, name, 2, ndim, dim);
    if (!t)
        return;
    uint32_t bits = 0;
    memcpy(&bits, t->data, t->bytes); /* little-endian, like every machine that this runs on */
    if (t->dtype == SC_F16) {
        *value = sc_from_half((uint16_t)bits);
        return;
    }
    if (t->dtype == SC_BF16)
        bits <<= 16;
    memcpy(value, &bits, sizeof *value);
}

void sc_load_skip(sc_loader *ld, int ndim, const int64_t *dim, const char *fmt, ...)
{
    char name[SC_ST_MAX_NAME], found[128], wanted[128];
    FORMAT_NAME(name);

    sc_st_tensor *t = find(ld, name);
    if (ndim && (t || !ld->file))
        ld->params += count(ndim, dim);
    if (!t)
        return;
    t->used = true;
    if (ndim && !shape_is(t, ndim, dim))
        problem(ld, "%s is [%s], not [%s]", name, shape_text(found, t->ndim, t->dim),
                shape_text(wanted, ndim, dim));
}

static int check_all_used(sc_loader *ld)
{
    const int before = ld->problems;
    ld->listed = 0; /* missing and unused tensors together tell which network the file is of */
    for (int i = 0; i < ld->files; i++)
        for (size_t k = 0; k < ld->file[i].count; k++)
            if (!ld->file[i].tensor[k].used)
                problem(ld, "%s is not known to the network", ld->file[i].tensor[k].name);
    if (!ld->problems)
        return ld->ret;
    return sc_fail(ld->log, SC_ERR_WEIGHTS, "weights",
                   "%s: not the weights of this network: %d tensors missing or misshapen, %d too many: %s%s",
                   ld->name, before, ld->problems - before, ld->list,
                   before > LISTED || ld->problems - before > LISTED ? "; ..." : "");
}

sc_dtype sc_loader_store(sc_loader *ld, sc_dtype store)
{
    const sc_dtype before = ld->store;

    ld->store = store;
    return before;
}

void sc_loader_gain(sc_loader *ld, float gain)
{
    ld->gain = gain;
}

void sc_loader_stream(sc_loader *ld, sc_pager *pager)
{
    if (!ld->tape && ld->ret >= 0)
        ld->ret = sc_tape_open(&ld->tape, pager);
}

void sc_loader_report(sc_loader *ld, sc_load_size *size)
{
    ld->report = size;
}

/* Of the file. */
static double gigabytes(const sc_loader *ld)
{
    double sum = 0;

    for (size_t i = 0; i < ld->requests; i++)
        sum += ld->request[i].from ? (double)ld->request[i].from->bytes : 0;
    return sum / 1e9;
}

int sc_loader_finish(sc_loader **ld, void **block, int64_t *params)
{
    void *all = NULL;
    const int64_t n = (*ld)->params;
    int ret;

    SC_TRY(check_all_used(*ld));
    if ((*ld)->file || (*ld)->random)
        SC_TRY(sc_loader_read(*ld, &all));
    if ((*ld)->file && !(*ld)->x->measuring)
        sc_log((*ld)->log, SC_LOG_DEBUG, "weights", "%s: %.2f GB came in %.2f s", (*ld)->name, gigabytes(*ld),
               sc_now() - (*ld)->opened);
    if ((*ld)->report)
        *(*ld)->report = (*ld)->need;
    *block = all;
    *params = n;
fail:
    sc_loader_close(ld);
    return ret;
}
