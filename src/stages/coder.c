#include "coder.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../nets/vae.h"
#include "../nets/vae3d.h"
#include "../ops.h"
#include "arrange.h"
#include "window.h"

enum {
    SHARED = 8, /* a tile's side over what it shares with a neighbour: 64 of 512, as the published tiling */
    PARTS = 2,  /* sc_vae3d_part */
    PATH = 4096,
};

typedef struct axis {
    int size, count, step; /* pixels of a tile; tiles; pixels from one to the next */
} axis;

typedef struct tile {
    sc_past past[PARTS];
    void *waiting[PARTS]; /* the frames of past while another tile passes; NULL where there is no other */
} tile;

struct sc_coder {
    sc_vae *still; /* its encoder knows no time: SVD's */
    sc_vae3d *causal;
    sc_exec *x;
    sc_dtype act, encoder_act, weight;
    int scale, frames, channels; /* pixels and frames of a latent; its numbers */
    sc_coder_shape shape;
    axis row, column;
    bool begun; /* a slice has been decoded */
    tile *tile;
    void *memory;        /* of what passes: of the tile whose turn it is */
    size_t bytes[PARTS]; /* of a tile's frames */
};

/* ---- which network a file is of */

/* The folder of a file, which may hold its config.json. */
static void folder_of(char folder[PATH], const char *path)
{
    const char *slash = strrchr(path, '/');
    const int n = sc_is_folder(path) ? INT_MAX : slash ? (int)(slash - path) + 1 : 0;

    snprintf(folder, PATH, "%.*s", n, n ? path : ".");
}

static int open_still(sc_coder *k, const sc_context *c, sc_loader **ld)
{
    char folder[PATH];
    sc_config *json = NULL;
    sc_vae_config cfg;
    int ret;

    folder_of(folder, c->set->vae);
    SC_TRY(sc_config_open(&json, folder, c->log));
    sc_vae_config_read(&cfg, json);
    SC_TRY(sc_vae_open(&k->still, &cfg, c->precision.net[SC_NET_VAE_ENCODER].weight, ld, c->x));
    k->channels = cfg.latent_channels;
    k->scale = 1 << (SC_VAE_LEVELS - 1);
    k->frames = 1;
fail:
    sc_config_close(&json);
    return ret;
}

static int open_causal(sc_coder *k, const sc_context *c, sc_loader **ld)
{
    const int ret = sc_vae3d_open(&k->causal, ld, c->x);

    if (ret < 0)
        return ret;
    const sc_vae3d_config *cfg = sc_vae3d_get_config(k->causal);
    k->channels = cfg->latent_channels;
    k->scale = 1 << (cfg->levels - 1);
    k->frames = 1 << cfg->temporal_levels;
    return 0;
}

/* What the file of a folder is called: the causal VAE is published under a name of its own. */
static const char *stem_of(const char *path)
{
    static const char causal[] = "ema_vae_fp16";
    char file[PATH];

    return path && snprintf(file, PATH, "%s/%s.safetensors", path, causal) < PATH && !access(file, F_OK)
               ? causal
               : "diffusion_pytorch_model";
}

/* Convolutions of the causal VAE go over time too. A file of neither network is refused by the causal one's
 * names. */
static int open_network(sc_coder *k, const sc_context *c)
{
    const char *path = c->set->vae;
    int64_t dim[SC_MAX_DIM];
    sc_load_size size = { 0 };
    sc_loader *ld = NULL;
    int ret;

    if (path && !strcmp(path, "builtin"))
        return sc_fail(c->log, SC_ERR_WEIGHTS, "vae",
                       "--vae builtin: no VAE is built into this program, name a file (./builtin if it is "
                       "called so)");
    SC_TRY(sc_loader_open(&ld, path, stem_of(path), c->x, k->weight, c->log));
    sc_loader_report(ld, &size);
    SC_TRY(sc_loader_shape(ld, dim, "decoder.conv_in.weight") == 4 ? open_still(k, c, &ld)
                                                                   : open_causal(k, c, &ld));
    if (c->needs) /* all of it stays: nothing computes for long enough to hide a layer's way */
        c->needs->net[SC_NET_VAE].rest = size.layers + size.rest;
    return 0;
fail:
    return ret;
}

int sc_coder_open(sc_coder **out, const sc_context *c)
{
    sc_coder *k = calloc(1, sizeof(*k));
    int ret;

    if (!k)
        return sc_fail(c->log, -ENOMEM, "vae", "out of memory");
    k->x = c->x;
    k->act = c->precision.net[SC_NET_VAE].act;
    k->weight = c->precision.net[SC_NET_VAE].weight;
    SC_TRY(open_network(k, c));
    k->encoder_act = k->causal ? k->act : c->precision.net[SC_NET_VAE_ENCODER].act;
    *out = k;
    return 0;
fail:
    sc_coder_close(&k);
    return ret;
}

static int tiles(const sc_coder *k)
{
    return k->row.count * k->column.count;
}

static void free_memory(sc_coder *k)
{
    sc_device *dev = k->x->dev;

    if (k->memory)
        dev->ops->free(dev, k->memory);
    for (int i = 0; k->tile && i < tiles(k) * PARTS; i++)
        if (k->tile[i / PARTS].waiting[i % PARTS])
            dev->ops->host_free(dev, k->tile[i / PARTS].waiting[i % PARTS]);
    free(k->tile);
    k->tile = NULL;
    k->memory = NULL;
}

void sc_coder_close(sc_coder **k)
{
    if (!*k)
        return;
    free_memory(*k);
    sc_vae_close(&(*k)->still, (*k)->x->dev);
    sc_vae3d_close(&(*k)->causal, (*k)->x->dev);
    free(*k);
    *k = NULL;
}

void sc_coder_log(const sc_coder *k, const sc_context *c)
{
    char way[128] = "whole pictures";

    if (tiles(k) > 1)
        snprintf(way, sizeof(way), "%d tiles of %dx%d", tiles(k), k->column.size, k->row.size);
    sc_log(c->log, SC_LOG_INFO, "vae",
           "%s: %s, %lld parameters, weights in %s, %d channels for %dx%d pixels of %d frame%s; %s, %d "
           "frames at a time",
           c->set->vae, k->causal ? "causal 3-D video VAE" : "temporal VAE of Stable Video Diffusion",
           (long long)(k->causal ? sc_vae3d_params(k->causal) : sc_vae_params(k->still)),
           sc_dtype_name(k->weight), k->channels, k->scale, k->scale, k->frames, k->frames > 1 ? "s" : "",
           way, k->shape.slice);
}

/* ---- shapes and memory */

static int align_up(int n, int to)
{
    return (n + to - 1) / to * to;
}

/* The fewest tiles of at most `longest` pixels, then as small as that number allows. */
static axis plan_axis(int n, int longest, int scale)
{
    const int all = align_up(n, scale), most = longest / scale * scale,
              overlap = longest / SHARED / scale * scale;

    if (!longest || all <= most)
        return (axis){ .size = all, .count = 1 };
    const int count = sc_span_count(all, most, overlap);
    const int size = align_up((all + (count - 1) * overlap + count - 1) / count, scale);

    return (axis){ .size = size, .count = sc_span_count(all, size, overlap), .step = size - overlap };
}

static int whole(const axis *a)
{
    return a->size + (a->count - 1) * a->step;
}

static void measure(sc_exec *x, void *arg)
{
    sc_coder *k = arg;
    const int frames = sc_coder_frames(k, INT_MAX);
    sc_tensor *picture = calloc((size_t)frames, sizeof(*picture));

    if (!picture) {
        sc_exec_fail(x, -ENOMEM, "vae: out of memory");
        return;
    }
    for (int i = 0; i < frames; i++)
        picture[i] = sc_tensor_make(NULL, SC_F32, SC_DIMS(k->shape.h, k->shape.w, 3));
    const sc_mark m = sc_push(x);
    const sc_tensor latents = sc_coder_latents(x, k, frames);
    sc_coder_encode(x, k, latents, picture);
    sc_coder_decode(x, k, picture, frames, latents);
    sc_pop(x, m);
    free(picture);
}

/* Nothing has passed. */
static void forget(sc_coder *k)
{
    k->begun = false;
    for (int i = 0; k->causal && i < tiles(k) * PARTS; i++) {
        const bool second = i % PARTS && tiles(k) == 1;

        sc_vae3d_begin(&k->tile[i / PARTS].past[i % PARTS], k->causal, (sc_vae3d_part)(i % PARTS), k->act,
                       k->row.size, k->column.size,
                       second && k->memory ? (char *)k->memory + k->bytes[0] : k->memory);
    }
}

/* Bytes of the device that hold what passed: of both parts, or of the part of a tile whose turn it is. */
static size_t resident(const sc_coder *k)
{
    return tiles(k) > 1 ? SC_MAX(k->bytes[0], k->bytes[1]) : k->bytes[0] + k->bytes[1];
}

/* Tiles take turns: the longer a slice, the less often what they keep goes to the host and back. A frame that
 * waits costs little; but what the other VAE decodes together, as its decoder knows time. */
static int choose_slice(const sc_coder *k)
{
    return tiles(k) > 1 && k->causal ? 32 : 8;
}

int sc_coder_fit(sc_coder *k, sc_coder_shape *shape, sc_coder_needs *needs)
{
    free_memory(k);
    k->row = plan_axis(shape->h, shape->tile, k->scale);
    k->column = plan_axis(shape->w, shape->tile, k->scale);
    shape->slice = shape->slice ? shape->slice : choose_slice(k);
    k->shape = *shape;
    if (shape->slice < 1 || shape->slice % k->frames)
        return sc_fail(k->x->log, SC_ERR_USAGE, "vae",
                       "--vae-slice: %d is not a multiple of %d, the frames of a latent", shape->slice,
                       k->frames);
    for (int i = 0; i < PARTS && k->causal; i++)
        k->bytes[i] = sc_vae3d_past_bytes(k->causal, (sc_vae3d_part)i, k->act, k->row.size, k->column.size);
    if (!(k->tile = calloc((size_t)tiles(k), sizeof(*k->tile))))
        return sc_fail(k->x->log, -ENOMEM, "vae", "out of memory");
    forget(k);
    *needs = (sc_coder_needs){
        .arena = sc_measure(k->x, measure, k, NULL),
        .device = resident(k),
        .host = tiles(k) > 1 ? (size_t)tiles(k) * (k->bytes[0] + k->bytes[1]) : 0,
    };
    forget(k);
    return needs->arena ? 0 : -EINVAL;
}

int sc_coder_begin(sc_coder *k)
{
    sc_device *dev = k->x->dev;
    int ret = 0;

    if (!k->memory && resident(k))
        SC_TRY(dev->ops->alloc(dev, &k->memory, resident(k)));
    for (int i = 0; tiles(k) > 1 && i < tiles(k) * PARTS; i++) {
        void **waiting = &k->tile[i / PARTS].waiting[i % PARTS];

        if (!*waiting && k->causal)
            SC_TRY(dev->ops->host_alloc(dev, waiting, k->bytes[i % PARTS]));
    }
    forget(k);
fail:
    if (ret == -ENOMEM)
        sc_log(k->x->log, SC_LOG_WARNING, "memory", "what the VAE keeps of %d tiles does not fit", tiles(k));
    return ret;
}

int sc_coder_frames(const sc_coder *k, int64_t left)
{
    const int first = k->causal && !k->begun; /* which alone is a latent */
    const int64_t n = SC_MIN(left, k->shape.slice + first) - first;

    return first + (int)((n + k->frames - 1) / k->frames * k->frames);
}

sc_tensor sc_coder_latents(sc_exec *x, const sc_coder *k, int frames)
{
    return sc_new(x, SC_F32,
                  SC_DIMS((frames + k->frames - 1) / k->frames, whole(&k->row) / k->scale,
                          whole(&k->column) / k->scale, k->channels));
}

/* ---- a tile's turn */

static sc_tensor bytes_of(void *data, size_t bytes)
{
    const int64_t n = (int64_t)bytes;

    return sc_tensor_make(data, SC_U8, 1, &n);
}

static sc_past *come(sc_exec *x, sc_coder *k, tile *t, sc_vae3d_part part)
{
    if (t->waiting[part] && t->past[part].conv[0].begun)
        sc_upload(x, bytes_of(k->memory, k->bytes[part]), t->waiting[part]);
    return &t->past[part];
}

static void leave(sc_exec *x, sc_coder *k, tile *t, sc_vae3d_part part)
{
    if (t->waiting[part])
        sc_download(x, t->waiting[part], bytes_of(k->memory, k->bytes[part]));
}

/* The share of a tile in each of its `size` places along an axis, `overlap` of them shared with the tile
 * before and with the one after, if there is one: half a cosine, as the published tiling. Shares of two
 * neighbours add up to 1, so that nothing has to be divided by their sum. */
static sc_tensor shares(sc_exec *x, int size, int overlap, bool before, bool after)
{
    const sc_tensor t = sc_new(x, SC_F32, SC_DIMS(size));
    float *w = malloc((size_t)size * sizeof(*w));

    if (!w) {
        sc_exec_fail(x, -ENOMEM, "vae: out of memory");
        return t;
    }
    for (int i = 0; i < size; i++) {
        const int end = size - 1 - i;

        w[i] = before && i < overlap ? sc_fade_cosine(i, overlap) : 1;
        w[i] *= after && end < overlap ? 1 - sc_fade_cosine(overlap - 1 - end, overlap) : 1;
    }
    sc_upload(x, t, w);
    free(w);
    return t;
}

/* t[n,h,w,C] of tile i times its shares; scale: pixels of a place. */
static void weigh(sc_exec *x, const sc_coder *k, sc_tensor t, int i, int scale)
{
    const axis *a[] = { &k->row, &k->column };
    const int at[] = { i / k->column.count, i % k->column.count };
    const sc_mark m = sc_push(x);
    const sc_tensor none = sc_arrange_zeros(x, 4, t.dim);

    for (int d = 0; d < 2; d++) {
        int64_t dim[] = { 1, 1, 1, 1 };

        if (a[d]->count == 1)
            continue;
        dim[1 + d] = t.dim[1 + d];
        const sc_tensor w = shares(x, (int)t.dim[1 + d], (a[d]->size - a[d]->step) / scale, at[d] > 0,
                                   at[d] < a[d]->count - 1);
        const sc_tensor all = sc_broadcast(sc_reshape(w, 4, dim), SC_DIMS(t.dim[0], t.dim[1], t.dim[2], 1));
        sc_mix_into(x, &(sc_mix_args){ .y = t, .m = all, .a = t, .b = none });
    }
    sc_pop(x, m);
}

/* The place of tile i in a picture or in latents (axes `first` and the next), whose places are `scale`
 * pixels; less than the tile at the right and bottom edge. */
static sc_tensor place_of(const sc_coder *k, sc_tensor t, int first, int i, int scale)
{
    const int top = i / k->column.count * k->row.step / scale;
    const int left = i % k->column.count * k->column.step / scale;

    t = sc_slice(t, first, top, SC_MIN(k->row.size / scale, t.dim[first] - top));
    return sc_slice(t, first + 1, left, SC_MIN(k->column.size / scale, t.dim[first + 1] - left));
}

/* Measuring, one tile is as good as all. */
static int turns(const sc_exec *x, const sc_coder *k)
{
    return x->measuring ? 1 : tiles(k);
}

/* Latent by latent: the encoders' memory grows with the frames that they are given. */
static void encode_tile(sc_exec *x, sc_coder *k, int i, sc_tensor mean, const sc_tensor *picture)
{
    sc_past *past = come(x, k, &k->tile[i], SC_VAE3D_ENCODER);
    int done = 0;

    for (int64_t j = 0; j < mean.dim[0]; j++) {
        const sc_mark m = sc_push(x);
        const int n = k->causal ? (int)sc_vae3d_frames(k->causal, past, 1) : 1;
        const sc_tensor images = sc_new(x, SC_F32, SC_DIMS(n, k->row.size, k->column.size, 3));

        for (int f = 0; f < n; f++)
            sc_arrange_cut(x, sc_index(images, f), picture[done + f], i / k->column.count * k->row.step,
                           i % k->column.count * k->column.step);
        done += n;
        sc_arrange_rescale(x, images, 2, -1, false);
        if (k->causal)
            sc_vae3d_encode(x, sc_slice(mean, 0, j, 1), k->causal, images, past);
        else
            sc_vae_encode(x, sc_slice(mean, 0, j, 1), k->still, images);
        sc_pop(x, m);
    }
    leave(x, k, &k->tile[i], SC_VAE3D_ENCODER);
}

void sc_coder_encode(sc_exec *x, sc_coder *k, sc_tensor latents, const sc_tensor *picture)
{
    const int64_t *d = latents.dim;
    const sc_dtype act = x->act;
    const sc_mark m = sc_push(x);

    x->act = k->encoder_act;
    sc_copy_into(x, latents, sc_arrange_zeros(x, 4, d));
    for (int i = 0; i < turns(x, k); i++) {
        const sc_tensor mean =
            sc_new(x, SC_F32, SC_DIMS(d[0], k->row.size / k->scale, k->column.size / k->scale, d[3]));
        const sc_tensor to = place_of(k, latents, 1, i, k->scale);

        encode_tile(x, k, i, mean, picture);
        weigh(x, k, mean, i, k->scale);
        sc_axpby_into(x, to, 1, to, 1, mean, SC_ACT_NONE);
        sc_pop(x, m);
    }
    x->act = act;
}

static void decode_tile(sc_exec *x, sc_coder *k, int i, sc_tensor images, sc_tensor latents)
{
    const sc_tensor of_tile = place_of(k, latents, 1, i, k->scale);
    const sc_tensor packed = sc_new_like(x, of_tile);
    sc_past *past = come(x, k, &k->tile[i], SC_VAE3D_DECODER);

    sc_copy_into(x, packed, of_tile);
    if (k->causal)
        sc_vae3d_decode(x, images, k->causal, packed, past);
    else
        sc_vae_decode(x, images, k->still, packed);
    leave(x, k, &k->tile[i], SC_VAE3D_DECODER);
}

void sc_coder_decode(sc_exec *x, sc_coder *k, const sc_tensor *picture, int frames, sc_tensor latents)
{
    const sc_dtype act = x->act;
    const sc_mark m = sc_push(x);

    x->act = k->act;
    for (int f = 0; f < frames; f++)
        if (picture[f].ndim)
            sc_copy_into(x, picture[f], sc_arrange_zeros(x, 3, picture[f].dim));
    for (int i = 0; i < turns(x, k); i++) {
        const sc_tensor images = sc_new(x, SC_F32, SC_DIMS(frames, k->row.size, k->column.size, 3));

        decode_tile(x, k, i, images, latents);
        weigh(x, k, images, i, 1);
        for (int f = 0; f < frames; f++) {
            if (!picture[f].ndim)
                continue;
            const sc_tensor to = place_of(k, picture[f], 0, i, 1);
            const sc_tensor from = sc_slice(sc_index(images, f), 0, 0, to.dim[0]);
            sc_axpby_into(x, to, 1, to, 1, sc_slice(from, 1, 0, to.dim[1]), SC_ACT_NONE);
        }
        sc_pop(x, m);
    }
    for (int f = 0; f < frames; f++)
        if (picture[f].ndim)
            sc_arrange_rescale(x, picture[f], 0.5f, 0.5f, true);
    k->begun = true;
    x->act = act;
}
