#include "parity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ops.h"
#include "../weights/safetensors.h"

struct sc_parity {
    sc_st_file noise;
    const char *noise_path, *folder; /* NULL where there is none */
};

static const struct {
    const char *name;
    uint64_t stream; /* added to the seed */
} kinds[] = {
    [SC_NOISE_DEPTH_LATENTS] = { "depth.latents", 0 },
    [SC_NOISE_DEPTH_IMAGE] = { "depth.image", 1 },
    [SC_NOISE_INPAINT_LATENTS] = { "inpaint.latents", 0 },
};

static int check_noise(const sc_parity *p, const sc_logger *log)
{
    for (size_t i = 0; i < p->noise.count; i++) {
        const sc_st_tensor *t = &p->noise.tensor[i];
        int k = 0;

        while (k < SC_COUNT(kinds) && strcmp(t->name, kinds[k].name))
            k++;
        if (k == SC_COUNT(kinds))
            return sc_fail(log, SC_ERR_WEIGHTS, "noise",
                           "%s: %s is none of depth.latents, depth.image, inpaint.latents", p->noise_path,
                           t->name);
        if (t->dtype != SC_F32 || t->unpack || t->ndim != 4)
            return sc_fail(log, SC_ERR_WEIGHTS, "noise", "%s: %s is %s of %d dimensions, expected F32 of 4",
                           p->noise_path, t->name, t->type, t->ndim);
    }
    return 0;
}

int sc_parity_open(sc_parity **out, const char *noise, const char *dump, const sc_logger *log)
{
    sc_parity *p = calloc(1, sizeof(*p));
    int ret;

    if (!p)
        return sc_fail(log, -ENOMEM, "noise", "out of memory");
    if (noise) {
        SC_TRY(sc_st_open(&p->noise, noise, log));
        p->noise_path = noise;
        SC_TRY(check_noise(p, log));
    }
    if (dump)
        SC_TRY(sc_make_folder(dump, "dump", log));
    p->folder = dump;
    *out = p;
    return 0;
fail:
    sc_parity_close(&p);
    return ret;
}

void sc_parity_close(sc_parity **p)
{
    if (*p && (*p)->noise_path)
        sc_st_close(&(*p)->noise);
    free(*p);
    *p = NULL;
}

void sc_noise(sc_exec *x, sc_tensor y, const sc_context *c, sc_noise_kind kind, int64_t n)
{
    const sc_parity *p = c->parity;
    const sc_st_tensor *t = p && p->noise_path ? sc_st_find(&p->noise, kinds[kind].name) : NULL;

    if (!t)
        sc_randn_into(x, y, (uint64_t)c->set->seed + kinds[kind].stream, (uint64_t)(n * sc_tensor_count(y)));
    else if (n >= t->dim[0] || memcmp(t->dim + 1, y.dim, 3 * sizeof(*y.dim)))
        sc_exec_fail(x, SC_ERR_WEIGHTS,
                     "%s: %s is [%lld,%lld,%lld,%lld], expected [%lld or more,%lld,%lld,%lld]", p->noise_path,
                     t->name, (long long)t->dim[0], (long long)t->dim[1], (long long)t->dim[2],
                     (long long)t->dim[3], (long long)n + 1, (long long)y.dim[0], (long long)y.dim[1],
                     (long long)y.dim[2]);
    else
        sc_upload(x, y, t->data + (size_t)n * sc_tensor_bytes(y));
}

/* One tensor as a file by itself. */
static bool write_tensor(const char *path, const char *name, sc_tensor t, const void *data)
{
    const size_t bytes = sc_tensor_bytes(t);
    char header[512];
    uint64_t length;
    int n = snprintf(header, sizeof(header), "{\"%s\":{\"dtype\":\"F32\",\"shape\":[", name);

    for (int i = 0; i < t.ndim; i++)
        n += snprintf(header + n, sizeof(header) - (size_t)n, "%s%lld", i ? "," : "", (long long)t.dim[i]);
    n += snprintf(header + n, sizeof(header) - (size_t)n, "],\"data_offsets\":[0,%zu]}}", bytes);
    n +=
        snprintf(header + n, sizeof(header) - (size_t)n, "%*s", (8 - n % 8) % 8, ""); /* aligns the numbers */
    length = (uint64_t)n;
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(&length, sizeof(length), 1, f) == 1 && fwrite(header, (size_t)n, 1, f) == 1 &&
              fwrite(data, bytes, 1, f) == 1;
    if (f)
        ok = !fclose(f) && ok;
    return ok;
}

void sc_dump(sc_exec *x, const sc_context *c, sc_tensor t, const char *fmt, ...)
{
    const sc_mark m = sc_push(x);
    char name[128], path[4096];
    sc_tensor packed = t;
    va_list ap;

    if (!c->parity || !c->parity->folder)
        return;
    if (!sc_tensor_packed(t))
        sc_copy_into(x, packed = sc_new(x, SC_F32, t.ndim, t.dim), t);
    if (!x->measuring && !x->err) {
        void *data = malloc(sc_tensor_bytes(packed));

        va_start(ap, fmt);
        vsnprintf(name, sizeof(name), fmt, ap);
        va_end(ap);
        snprintf(path, sizeof(path), "%s/%s.safetensors", c->parity->folder, name);
        if (data)
            sc_download(x, data, packed);
        if (!x->err && (!data || !write_tensor(path, name, packed, data)))
            sc_exec_fail(x, SC_ERR_OUTPUT, "--dump: %s cannot be written: %s", path, strerror(errno));
        free(data);
    }
    sc_pop(x, m);
}
