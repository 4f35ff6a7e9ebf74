#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "golden.h"
#include "toy.h"

enum { MAX_TENSORS = 2000, MAX_LINE = 256, MAX_ENTRY = 320 };

typedef struct tensor {
    char name[128], shape[64]; /* "32,9,3,3" */
    int ndim;
    int64_t count, first; /* elements in all, and along the first axis */
} tensor;

static int read_list(tensor *list, const char *folder, const char *prefix)
{
    char path[1024], line[MAX_LINE];
    int n = 0;

    snprintf(path, sizeof(path), "%s/weights.tsv", folder);
    FILE *f = fopen(path, "r");
    while (f && n < MAX_TENSORS && fgets(line, sizeof(line), f)) {
        tensor *t = &list[n];
        *t = (tensor){ .count = 1 };
        if (sscanf(line, "%127s %63s", t->name, t->shape) != 2 || strncmp(t->name, prefix, strlen(prefix)))
            continue;
        for (char *p = t->shape; *p; p += *p == ',') {
            const int64_t d = strtoll(p, &p, 10);
            t->first = t->ndim++ ? t->first : d;
            t->count *= d;
        }
        n++;
    }
    if (f)
        fclose(f);
    return n;
}

/* -1 .. 127/128: the top byte of splitmix64, seeded by FNV-1a of the name. */
static double uniform(uint64_t seed, int64_t i)
{
    uint64_t z = seed + (uint64_t)(i + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return ((double)(z >> 56) - 128) / 128;
}

static int ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && !strcmp(s + n - m, end);
}

static char *put_tensor(char *to, const tensor *t)
{
    uint64_t seed = 0xcbf29ce484222325;
    double offset = 0, scale = 1;

    for (const char *p = t->name; *p; p++)
        seed = (seed ^ (unsigned char)*p) * 0x100000001b3;
    if (t->ndim > 1) /* keeps the size of what passes through */
        while (scale * scale * (double)(t->count / t->first) > 3)
            scale /= 2;
    else if (ends_with(t->name, "mix_factor"))
        scale = 2;
    else
        scale = 0.25;
    if (t->ndim == 1 && ends_with(t->name, ".weight")) /* a norm's */
        offset = 1;
    for (int64_t i = 0; i < t->count; i++) {
        const float v = (float)(offset + scale * uniform(seed, i));
        memcpy(to + 4 * i, &v, 4);
    }
    return to + 4 * t->count;
}

char *toy_make(size_t *size, const char *folder, const char *prefix)
{
    tensor *list = calloc(MAX_TENSORS, sizeof(*list));
    const int n = list ? read_list(list, folder, prefix) : 0;
    const size_t room = 16 + (size_t)n * MAX_ENTRY;
    int64_t at = 0;
    uint64_t header = 0;
    char *bytes = NULL;

    for (int i = 0; i < n; i++)
        at += 4 * list[i].count;
    if (n)
        bytes = malloc(room + (size_t)at);
    if (!bytes) {
        fprintf(stderr, "%s: no weights of %s*\n", folder, prefix);
        free(list);
        return NULL;
    }
    at = 0;
    for (int i = 0; i < n; i++) {
        const long long begin = at, end = at += 4 * list[i].count;
        header +=
            (uint64_t)snprintf(bytes + 8 + header, MAX_ENTRY,
                               "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%lld,%lld]}",
                               i ? ',' : '{', list[i].name, list[i].shape, begin, end);
    }
    bytes[8 + header++] = '}';
    while (header % 8)
        bytes[8 + header++] = ' ';
    memcpy(bytes, &header, 8); /* little-endian, like every machine that this runs on */
    char *to = bytes + 8 + header;
    for (int i = 0; i < n; i++)
        to = put_tensor(to, &list[i]);
    *size = (size_t)(to - bytes);
    free(list);
    return bytes;
}

static int write_all(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    int ok = f && fwrite(bytes, 1, size, f) == size;

    if (f)
        ok = !fclose(f) && ok;
    if (!ok)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return ok ? 0 : -1;
}

/* Where a net's toy lives among the published folders. */
static int write_net(const char *to, const char *place, const char *file, const char *folder)
{
    char path[2048], config[4096];
    size_t size;

    snprintf(path, sizeof(path), "%s/%s/", to, place);
    for (char *p = path + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = 0;
        mkdir(path, 0777); /* if it fails, so does writing into it */
    }
    char *bytes = toy_make(&size, folder, "");
    snprintf(path, sizeof(path), "%s/%s/%s", to, place, file);
    const int ret = bytes ? write_all(path, bytes, size) : -1;
    free(bytes);
    if (ret < 0)
        return ret;

    snprintf(path, sizeof(path), "%s/config.json", folder);
    FILE *f = fopen(path, "r");
    size = f ? fread(config, 1, sizeof(config), f) : 0;
    if (f)
        fclose(f);
    snprintf(path, sizeof(path), "%s/%s/config.json", to, place);
    return write_all(path, config, size);
}

int toy_write_models(const char *to, const char *folder)
{
    static const char *const nets[][3] = {
        { "unet8", "DepthCrafter", "diffusion_pytorch_model.safetensors" },
        { "unet9", "StereoCrafter/unet_diffusers", "diffusion_pytorch_model.safetensors" },
        { "vae", GOLDEN_SVD "/vae", "diffusion_pytorch_model.fp16.safetensors" },
        { "clip", GOLDEN_SVD "/image_encoder", "model.fp16.safetensors" },
        { "vae3d", "SeedVR2", "ema_vae_fp16.safetensors" }, /* is named by itself: nobody looks for it */
    };
    char data[1024];
    int ret = 0;

    for (size_t i = 0; i < sizeof(nets) / sizeof(*nets) && !ret; i++) {
        snprintf(data, sizeof(data), "%s/%s", folder, nets[i][0]);
        ret = write_net(to, nets[i][1], nets[i][2], data);
    }
    return ret;
}
