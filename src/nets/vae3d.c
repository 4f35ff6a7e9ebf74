#include <limits.h>
#include <stdlib.h>

#include "vae3d.h"

#define MAX_LAYERS 4 /* of an encoder level; the published network has 2, its decoder one more */
#define EPS        1e-6f
#define TAPS       3

typedef struct middle {
    sc_causal_resblock res[2];
    sc_frame_attention attention;
} middle;

typedef struct encoder {
    sc_causal conv_in, conv_out, downsampler[SC_VAE3D_LEVELS - 1];
    sc_norm conv_norm_out;
    sc_causal_resblock down[SC_VAE3D_LEVELS][MAX_LAYERS];
    middle mid;
} encoder;

typedef struct decoder {
    sc_causal conv_in, conv_out;
    sc_norm conv_norm_out;
    sc_causal_resblock up[SC_VAE3D_LEVELS][MAX_LAYERS + 1];
    sc_causal_up upsampler[SC_VAE3D_LEVELS - 1];
    middle mid;
} decoder;

/* Each part has two ends, two blocks in the middle, and on each level its layers and a change of size. */
_Static_assert(2 + 4 + SC_VAE3D_LEVELS * (2 * (MAX_LAYERS + 1) + 1) <= SC_CAUSAL_MAX, "what a part keeps");

struct sc_vae3d {
    sc_vae3d_config cfg;
    encoder enc;
    decoder dec;
    sc_causal_list list[2]; /* by part */
    void *block;
    int64_t params;
};

/* Axis `axis` of a convolution of the file; 0: there is none. */
static int axis_of(sc_loader *ld, int axis, sc_name name)
{
    int64_t dim[SC_MAX_DIM];

    return sc_loader_shape(ld, dim, "%s.weight", name.s) == 5 ? (int)SC_MIN(dim[axis], INT_MAX) : 0;
}

static void read_config(sc_vae3d_config *c, sc_loader *ld)
{
    int n, levels = 0, layers = 0;

    *c = (sc_vae3d_config){ .latent_channels = 16,
                            .layers_per_block = 2,
                            .levels = 4,
                            .block_out_channels = { 128, 256, 512, 512 },
                            .temporal_levels = 2 };
    if ((n = axis_of(ld, 1, sc_name_of("decoder.conv_in"))))
        c->latent_channels = n;
    while (layers < MAX_LAYERS &&
           axis_of(ld, 0, sc_name_of("encoder.down_blocks.0.resnets.%d.conv1", layers)))
        layers++;
    for (; levels < SC_VAE3D_LEVELS; levels++) {
        if (!(n = axis_of(ld, 0, sc_name_of("encoder.down_blocks.%d.resnets.0.conv1", levels))))
            break;
        c->block_out_channels[levels] = n;
    }
    if (!layers || !levels)
        return;
    c->layers_per_block = layers;
    c->levels = levels;
    c->temporal_levels = 0;
    for (int i = 0; i < levels - 1; i++)
        c->temporal_levels +=
            axis_of(ld, 2, sc_name_of("encoder.down_blocks.%d.downsamplers.0.conv", i)) == TAPS;
}

static int check_config(const sc_vae3d_config *c, const sc_logger *log)
{
    if (!sc_is_width(c->latent_channels))
        return sc_fail(log, SC_ERR_WEIGHTS, "vae", "decoder.conv_in.weight has %d channels, not 1 to 65536",
                       c->latent_channels);
    for (int i = 0; i < c->levels; i++)
        if (!sc_is_width(c->block_out_channels[i]) || c->block_out_channels[i] % SC_NORM_GROUPS)
            return sc_fail(log, SC_ERR_WEIGHTS, "vae",
                           "encoder.down_blocks.%d.resnets.0.conv1.weight makes %d channels, not a multiple "
                           "of %d up to 65536",
                           i, c->block_out_channels[i], SC_NORM_GROUPS);
    return 0;
}

/* Whether going from level i to i + 1 halves time: large pictures are made smaller first. */
static bool is_temporal(const sc_vae3d_config *c, int i)
{
    return i >= c->levels - 1 - c->temporal_levels;
}

static void middle_load(sc_loader *ld, sc_causal_list *l, middle *w, const sc_vae3d_config *c,
                        const char *name)
{
    const int last = c->levels - 1, width = c->block_out_channels[last];

    sc_causal_resblock_load(ld, l, &w->res[0], width, width, last, sc_name_of("%s.resnets.0", name).s);
    sc_frame_attention_load(ld, &w->attention, width, EPS, sc_name_of("%s.attentions.0", name).s);
    sc_causal_resblock_load(ld, l, &w->res[1], width, width, last, sc_name_of("%s.resnets.1", name).s);
}

static void encoder_load(sc_loader *ld, sc_causal_list *l, encoder *e, const sc_vae3d_config *c)
{
    const int *width = c->block_out_channels, last = c->levels - 1;
    const sc_causal_shape conv_in = { .in = 3, .out = width[0], .taps = TAPS };
    const sc_causal_shape conv_out = {
        .in = width[last], .out = 2 * c->latent_channels, .taps = TAPS, .level = last
    };

    sc_causal_load(ld, l, &e->conv_in, &conv_in, "encoder.conv_in");
    for (int i = 0, in = width[0]; i <= last; i++) {
        const sc_causal_shape down = {
            .in = width[i], .out = width[i], .taps = is_temporal(c, i) ? TAPS : 1, .level = i, .down = true
        };
        for (int j = 0; j < c->layers_per_block; j++, in = width[i])
            sc_causal_resblock_load(ld, l, &e->down[i][j], in, width[i], i,
                                    sc_name_of("encoder.down_blocks.%d.resnets.%d", i, j).s);
        if (i < last)
            sc_causal_load(ld, l, &e->downsampler[i], &down,
                           sc_name_of("encoder.down_blocks.%d.downsamplers.0.conv", i).s);
    }
    middle_load(ld, l, &e->mid, c, "encoder.mid_block");
    sc_load_norm(ld, &e->conv_norm_out, width[last], "encoder.conv_norm_out");
    sc_causal_load(ld, l, &e->conv_out, &conv_out, "encoder.conv_out");
}

static void decoder_load(sc_loader *ld, sc_causal_list *l, decoder *d, const sc_vae3d_config *c)
{
    const int *width = c->block_out_channels, last = c->levels - 1;
    const sc_causal_shape conv_in = {
        .in = c->latent_channels, .out = width[last], .taps = TAPS, .level = last
    };
    const sc_causal_shape conv_out = { .in = width[0], .out = 3, .taps = TAPS };

    sc_causal_load(ld, l, &d->conv_in, &conv_in, "decoder.conv_in");
    middle_load(ld, l, &d->mid, c, "decoder.mid_block");
    for (int i = 0, in = width[last]; i <= last; i++) {
        const int level = last - i, out = width[level];
        for (int j = 0; j <= c->layers_per_block; j++, in = out)
            sc_causal_resblock_load(ld, l, &d->up[i][j], in, out, level,
                                    sc_name_of("decoder.up_blocks.%d.resnets.%d", i, j).s);
        if (level)
            sc_causal_up_load(ld, l, &d->upsampler[i], out, is_temporal(c, level - 1) ? 2 : 1, level - 1,
                              sc_name_of("decoder.up_blocks.%d.upsamplers.0", i).s);
    }
    sc_load_norm(ld, &d->conv_norm_out, width[0], "decoder.conv_norm_out");
    sc_causal_load(ld, l, &d->conv_out, &conv_out, "decoder.conv_out");
}

int sc_vae3d_open(sc_vae3d **out, sc_loader **ld, sc_exec *x)
{
    sc_vae3d *v = calloc(1, sizeof(*v));
    int ret;

    SC_TRY(v ? 0 : -ENOMEM);
    read_config(&v->cfg, *ld);
    SC_TRY(check_config(&v->cfg, x->log));
    encoder_load(*ld, &v->list[SC_VAE3D_ENCODER], &v->enc, &v->cfg);
    decoder_load(*ld, &v->list[SC_VAE3D_DECODER], &v->dec, &v->cfg);
    SC_TRY(sc_loader_finish(ld, &v->block, &v->params));
    *out = v;
    return 0;
fail:
    if (*ld)
        sc_loader_close(ld);
    sc_vae3d_close(&v, x->dev);
    return ret;
}

void sc_vae3d_close(sc_vae3d **v, sc_device *dev)
{
    if (*v)
        sc_loader_free(dev, &(*v)->block);
    free(*v);
    *v = NULL;
}

int64_t sc_vae3d_params(const sc_vae3d *v)
{
    return v->params;
}

const sc_vae3d_config *sc_vae3d_get_config(const sc_vae3d *v)
{
    return &v->cfg;
}

size_t sc_vae3d_past_bytes(const sc_vae3d *v, sc_vae3d_part part, sc_dtype t, int64_t h, int64_t w)
{
    return sc_past_bytes(&v->list[part], t, h, w);
}

void sc_vae3d_begin(sc_past *past, const sc_vae3d *v, sc_vae3d_part part, sc_dtype t, int64_t h, int64_t w,
                    void *memory)
{
    sc_past_open(past, &v->list[part], t, h, w, memory);
}

int64_t sc_vae3d_frames(const sc_vae3d *v, const sc_past *past, int64_t latents)
{
    const int64_t factor = 1 << v->cfg.temporal_levels;

    /* The first convolution of either part knows whether a slice has passed. */
    return past->conv[0].begun ? latents * factor : (latents - 1) * factor + 1;
}

static void middle_forward(sc_exec *x, sc_tensor h, const middle *w, sc_past *past)
{
    sc_causal_resblock_forward(x, h, &w->res[0], h, past);
    for (int64_t t = 0; t < h.dim[0]; t++)
        sc_frame_attention_forward(x, sc_slice(h, 0, t, 1), &w->attention);
    sc_causal_resblock_forward(x, h, &w->res[1], h, past);
}

/* In place where widths agree, so that a level has few tensors. */
static sc_tensor resblock(sc_exec *x, const sc_causal_resblock *w, sc_tensor h, sc_past *past)
{
    const int64_t *d = h.dim, width = w->norm2.gamma.dim[0];
    const sc_tensor y = d[3] == width ? h : sc_new(x, x->act, SC_DIMS(d[0], d[1], d[2], width));

    sc_causal_resblock_forward(x, y, w, h, past);
    return y;
}

static void check_slice(sc_exec *x, const sc_vae3d *v, sc_tensor images, sc_tensor latents,
                        const sc_past *past)
{
    const int64_t scale = 1 << (v->cfg.levels - 1);

    SC_CHECK(x, images.ndim == 4 && images.dim[3] == 3 && latents.ndim == 4);
    SC_CHECK(x, latents.dim[3] == v->cfg.latent_channels && latents.dim[0] > 0);
    SC_CHECK(x, images.dim[0] == sc_vae3d_frames(v, past, latents.dim[0]));
    SC_CHECK(x, images.dim[1] == latents.dim[1] * scale && images.dim[2] == latents.dim[2] * scale);
}

/* The first convolution, of a picture in the caller's type. */
static sc_tensor enter(sc_exec *x, const sc_causal *w, sc_tensor in, sc_past *past)
{
    const sc_tensor typed = sc_new(x, x->act, in.ndim, in.dim);

    sc_copy_into(x, typed, in);
    return sc_causal_forward(x, w, typed, past);
}

void sc_vae3d_encode(sc_exec *x, sc_tensor mean, const sc_vae3d *v, sc_tensor images, sc_past *past)
{
    const sc_mark m = sc_push(x);
    const sc_vae3d_config *c = &v->cfg;
    const encoder *e = &v->enc;

    check_slice(x, v, images, mean, past);
    if (x->err) /* every view below assumes what was checked */
        return;
    sc_tensor h = enter(x, &e->conv_in, images, past);
    for (int i = 0; i < c->levels; i++) {
        for (int j = 0; j < c->layers_per_block; j++)
            h = resblock(x, &e->down[i][j], h, past);
        if (i < c->levels - 1)
            h = sc_causal_forward(x, &e->downsampler[i], h, past);
    }
    middle_forward(x, h, &e->mid, past);
    sc_causal_norm(x, h, &e->conv_norm_out, h);
    h = sc_causal_forward(x, &e->conv_out, h, past);
    sc_copy_into(x, mean, sc_slice(h, 3, 0, c->latent_channels)); /* the rest is the log variance */
    sc_pop(x, m);
}

/* Up block i and all that follows, over h, which is overwritten. Returns how many of the images it made. A
 * frame goes all the way before the next one does: so of the widest tensors there is but one frame. */
static int64_t decode_level(sc_exec *x, sc_tensor images, const sc_vae3d *v, int i, sc_tensor h,
                            sc_past *past)
{
    const decoder *d = &v->dec;
    int64_t made = 0;

    for (int64_t t = 0; t < h.dim[0]; t++) {
        const sc_mark m = sc_push(x);
        sc_tensor y = sc_slice(h, 0, t, 1);

        for (int j = 0; j <= v->cfg.layers_per_block; j++)
            y = resblock(x, &d->up[i][j], y, past);
        const sc_tensor rest = sc_slice(images, 0, made, images.dim[0] - made);
        if (i < v->cfg.levels - 1) {
            made += decode_level(x, rest, v, i + 1, sc_causal_up_forward(x, &d->upsampler[i], y, past), past);
        } else {
            sc_causal_norm(x, y, &d->conv_norm_out, y);
            sc_copy_into(x, sc_slice(rest, 0, 0, 1), sc_causal_forward(x, &d->conv_out, y, past));
            made++;
        }
        sc_pop(x, m);
    }
    return made;
}

void sc_vae3d_decode(sc_exec *x, sc_tensor images, const sc_vae3d *v, sc_tensor latents, sc_past *past)
{
    const sc_mark m = sc_push(x);

    check_slice(x, v, images, latents, past);
    if (x->err) /* every view below assumes what was checked */
        return;
    const sc_tensor h = enter(x, &v->dec.conv_in, latents, past);
    middle_forward(x, h, &v->dec.mid, past);
    decode_level(x, images, v, 0, h, past);
    sc_pop(x, m);
}
