#include <stdlib.h>

#include "blocks.h"
#include "vae.h"

#define MAX_LAYERS 4 /* of an encoder level; the published network has 2, its decoder one more */
#define EPS        1e-6f

enum { LAST = SC_VAE_LEVELS - 1 };

typedef struct encoder {
    sc_param conv_in, conv_out, quant_conv;
    sc_norm conv_norm_out;
    sc_resblock down[SC_VAE_LEVELS][MAX_LAYERS], mid[2];
    sc_param downsampler[LAST];
    sc_frame_attention attention;
} encoder;

typedef struct decoder {
    sc_param conv_in, conv_out, time_conv_out;
    sc_norm conv_norm_out;
    sc_st_resblock mid[2], up[SC_VAE_LEVELS][MAX_LAYERS + 1];
    sc_param upsampler[LAST];
    sc_frame_attention attention;
} decoder;

struct sc_vae {
    sc_vae_config cfg;
    encoder enc;
    decoder dec;
    void *block;
    int64_t params;
};

void sc_vae_config_read(sc_vae_config *out, const sc_config *c)
{
    *out = (sc_vae_config){
        .latent_channels = 4,
        .layers_per_block = 2,
        .block_out_channels = { 128, 256, 512, 512 },
        .scaling_factor = 0.18215f,
    };
    sc_config_int(c, "latent_channels", &out->latent_channels);
    sc_config_int(c, "layers_per_block", &out->layers_per_block);
    sc_config_ints(c, "block_out_channels", out->block_out_channels, SC_VAE_LEVELS);
    sc_config_float(c, "scaling_factor", &out->scaling_factor);
}

static int check_config(const sc_vae_config *c, const sc_logger *log)
{
    if (!sc_is_width(c->latent_channels) || c->layers_per_block < 1 || c->layers_per_block > MAX_LAYERS)
        return sc_fail(log, SC_ERR_WEIGHTS, "vae",
                       "%d latent channels, %d layers_per_block: want 1 to 65536, 1 to %d",
                       c->latent_channels, c->layers_per_block, MAX_LAYERS);
    if (!(c->scaling_factor > 0))
        return sc_fail(log, SC_ERR_WEIGHTS, "vae", "scaling_factor is %g, not above 0",
                       (double)c->scaling_factor);
    for (int i = 0; i < SC_VAE_LEVELS; i++)
        if (!sc_is_width(c->block_out_channels[i]) || c->block_out_channels[i] % SC_NORM_GROUPS)
            return sc_fail(log, SC_ERR_WEIGHTS, "vae",
                           "block_out_channels has %d, not a multiple of %d up to 65536",
                           c->block_out_channels[i], SC_NORM_GROUPS);
    return 0;
}

static void encoder_load(sc_loader *ld, encoder *e, const sc_vae_config *c)
{
    const int *width = c->block_out_channels;
    sc_resblock_shape s = { .in = width[0], .eps = EPS };

    sc_load_conv(ld, &e->conv_in, width[0], 3, 3, 3, true, "encoder.conv_in");
    for (int i = 0; i <= LAST; i++) {
        s.out = width[i];
        for (int j = 0; j < c->layers_per_block; j++, s.in = s.out)
            sc_resblock_load(ld, &e->down[i][j], &s, sc_name_of("encoder.down_blocks.%d.resnets.%d", i, j).s);
        if (i < LAST)
            sc_load_conv(ld, &e->downsampler[i], width[i], width[i], 3, 3, true,
                         "encoder.down_blocks.%d.downsamplers.0.conv", i);
    }
    sc_resblock_load(ld, &e->mid[0], &s, "encoder.mid_block.resnets.0");
    sc_frame_attention_load(ld, &e->attention, width[LAST], EPS, "encoder.mid_block.attentions.0");
    sc_resblock_load(ld, &e->mid[1], &s, "encoder.mid_block.resnets.1");
    sc_load_norm(ld, &e->conv_norm_out, width[LAST], "encoder.conv_norm_out");
    sc_load_conv(ld, &e->conv_out, 2 * c->latent_channels, width[LAST], 3, 3, true, "encoder.conv_out");
    sc_load_conv(ld, &e->quant_conv, 2 * c->latent_channels, 2 * c->latent_channels, 1, 1, true,
                 "quant_conv");
}

static void decoder_load(sc_loader *ld, decoder *d, const sc_vae_config *c)
{
    const int *width = c->block_out_channels;
    sc_st_resblock_shape s = {
        .in = width[LAST], .out = width[LAST], .spatial_eps = EPS, .temporal_eps = 1e-5f, .switched = true
    };

    sc_load_conv(ld, &d->conv_in, width[LAST], c->latent_channels, 3, 3, true, "decoder.conv_in");
    sc_st_resblock_load(ld, &d->mid[0], &s, "decoder.mid_block.resnets.0");
    sc_frame_attention_load(ld, &d->attention, width[LAST], EPS, "decoder.mid_block.attentions.0");
    sc_st_resblock_load(ld, &d->mid[1], &s, "decoder.mid_block.resnets.1");
    for (int i = 0; i <= LAST; i++) {
        s.out = width[LAST - i];
        for (int j = 0; j <= c->layers_per_block; j++, s.in = s.out)
            sc_st_resblock_load(ld, &d->up[i][j], &s, sc_name_of("decoder.up_blocks.%d.resnets.%d", i, j).s);
        if (i < LAST)
            sc_load_conv(ld, &d->upsampler[i], s.out, s.out, 3, 3, true,
                         "decoder.up_blocks.%d.upsamplers.0.conv", i);
    }
    sc_load_norm(ld, &d->conv_norm_out, width[0], "decoder.conv_norm_out");
    sc_load_conv(ld, &d->conv_out, 3, width[0], 3, 3, true, "decoder.conv_out");
    sc_load_conv(ld, &d->time_conv_out, 3, 3, 3, 1, true, "decoder.time_conv_out");
}

int sc_vae_open(sc_vae **out, const sc_vae_config *cfg, sc_dtype encoder_type, sc_loader **ld, sc_exec *x)
{
    sc_vae *v = calloc(1, sizeof(*v));
    int ret;

    SC_TRY(v ? 0 : -ENOMEM);
    SC_TRY(check_config(cfg, x->log));
    v->cfg = *cfg;
    const sc_dtype decoder_type = sc_loader_store(*ld, encoder_type);
    encoder_load(*ld, &v->enc, cfg);
    sc_loader_store(*ld, decoder_type);
    decoder_load(*ld, &v->dec, cfg);
    SC_TRY(sc_loader_finish(ld, &v->block, &v->params));
    *out = v;
    return 0;
fail:
    if (*ld)
        sc_loader_close(ld);
    sc_vae_close(&v, x->dev);
    return ret;
}

void sc_vae_close(sc_vae **v, sc_device *dev)
{
    if (*v)
        sc_loader_free(dev, &(*v)->block);
    free(*v);
    *v = NULL;
}

int64_t sc_vae_params(const sc_vae *v)
{
    return v->params;
}

const sc_vae_config *sc_vae_get_config(const sc_vae *v)
{
    return &v->cfg;
}

static sc_tensor new_picture(sc_exec *x, sc_tensor like, int scale, int64_t channels)
{
    return sc_new(x, x->act, SC_DIMS(like.dim[0], like.dim[1] * scale, like.dim[2] * scale, channels));
}

/* diffusers vae.py Encoder.forward(), one frame. Blocks write over their input where widths agree, so only
 * the first level's tensors, the largest, and some that are a quarter of them are alive together. */
static void encode_frame(sc_exec *x, sc_tensor mean, const encoder *e, const sc_vae_config *c,
                         sc_tensor image)
{
    const sc_mark m = sc_push(x);
    const sc_tensor in = new_picture(x, image, 1, 3);

    sc_copy_into(x, in, image);
    sc_tensor h = sc_conv2d(x, in, &e->conv_in, NULL);
    for (int i = 0; i <= LAST; i++) {
        const int width = c->block_out_channels[i];
        for (int j = 0; j < c->layers_per_block; j++) {
            const sc_tensor y = h.dim[3] == width ? h : new_picture(x, h, 1, width);
            sc_resblock_forward(x, y, &e->down[i][j], h, SC_NONE);
            h = y;
        }
        if (i < LAST)
            h = sc_conv2d(x, h, &e->downsampler[i], &(sc_conv2d_opt){ .stride = 2, .pad_mode = 2 });
    }
    sc_resblock_forward(x, h, &e->mid[0], h, SC_NONE);
    sc_frame_attention_forward(x, h, &e->attention);
    sc_resblock_forward(x, h, &e->mid[1], h, SC_NONE);
    sc_group_norm_into(x, h, h, &e->conv_norm_out, SC_NORM_GROUPS, EPS, true);
    h = sc_conv2d(x, h, &e->conv_out, NULL);
    h = sc_conv2d(x, h, &e->quant_conv, NULL);
    sc_copy_into(x, mean, sc_slice(h, 3, 0, c->latent_channels)); /* the rest is the log variance */
    sc_pop(x, m);
}

void sc_vae_encode(sc_exec *x, sc_tensor mean, const sc_vae *v, sc_tensor images)
{
    SC_CHECK(x, images.ndim == 4 && images.dim[3] == 3 && mean.ndim == 4 && mean.dim[0] == images.dim[0]);
    SC_CHECK(x, images.dim[1] % (1 << LAST) == 0 && images.dim[2] % (1 << LAST) == 0);
    for (int64_t t = 0; t < images.dim[0];
         t++) /* the encoder knows no time: one by one it needs the least memory */
        encode_frame(x, sc_slice(mean, 0, t, 1), &v->enc, &v->cfg, sc_slice(images, 0, t, 1));
}

/* h[T,h,w,512] of latents[T,h,w,4]. */
static void decode_mid(sc_exec *x, sc_tensor h, const decoder *d, sc_tensor latents)
{
    const sc_mark m = sc_push(x);
    const sc_tensor in = new_picture(x, latents, 1, latents.dim[3]);

    sc_copy_into(x, in, latents);
    sc_conv2d_into(x, h, in, &d->conv_in, NULL);
    sc_st_resblock_forward(x, h, &d->mid[0], h, SC_NONE, SC_NONE);
    sc_frame_attention_forward(x, h, &d->attention);
    sc_st_resblock_forward(x, h, &d->mid[1], h, SC_NONE, SC_NONE);
    sc_pop(x, m);
}

/* The first 2-D block of level i over what comes from the level below, enlarged on the way: enlarged as a
 * whole it would be the largest tensor of all. */
static void enter_level(sc_exec *x, sc_tensor s, const decoder *d, int i, sc_tensor below)
{
    const int64_t part = sc_frame_part(s.dim[0], s.dim[1] * s.dim[2]);

    for (int64_t t = 0; t < s.dim[0]; t += part) {
        const sc_mark m = sc_push(x);
        const int64_t n = SC_MIN(part, s.dim[0] - t);
        sc_tensor h = sc_slice(below, 0, t, n);

        if (i)
            h = sc_conv2d(x, h, &d->upsampler[i - 1], &(sc_conv2d_opt){ .upsample = true });
        sc_resblock_forward(x, sc_slice(s, 0, t, n), &d->up[i][0].spatial, h, SC_NONE);
        sc_pop(x, m);
    }
}

/* Up block i, without its upsampler, after all that comes before it. out's memory, unused until the end,
 * holds what comes from the level below, which is at most as large: so three of the largest tensors are alive
 * at most. */
static void decode_level(sc_exec *x, sc_tensor out, const decoder *d, const sc_vae_config *c, int i,
                         sc_tensor latents)
{
    const int scale = i ? 1 << (i - 1) : 1, width = c->block_out_channels[i ? LAST - i + 1 : LAST];
    const sc_tensor below = sc_tensor_make(
        out.data, out.dtype, SC_DIMS(latents.dim[0], latents.dim[1] * scale, latents.dim[2] * scale, width));

    SC_CHECK(x, sc_tensor_bytes(below) <= sc_tensor_bytes(out));
    const sc_mark m = sc_push(x);
    if (i)
        decode_level(x, below, d, c, i - 1, latents);
    else
        decode_mid(x, below, d, latents);
    const sc_tensor s = sc_new_like(x, out);
    enter_level(x, s, d, i, below);
    sc_st_resblock_blend(x, out, &d->up[i][0], s, SC_NONE);
    sc_pop(x, m);
    for (int j = 1; j <= c->layers_per_block; j++)
        sc_st_resblock_forward(x, out, &d->up[i][j], out, SC_NONE, SC_NONE);
}

/* diffusers autoencoder_kl_temporal_decoder.py TemporalDecoder.forward() */
void sc_vae_decode(sc_exec *x, sc_tensor images, const sc_vae *v, sc_tensor latents)
{
    const sc_mark m = sc_push(x);
    const decoder *d = &v->dec;

    SC_CHECK(x, latents.ndim == 4 && latents.dim[3] == v->cfg.latent_channels && images.ndim == 4);
    const sc_tensor h = new_picture(x, latents, 1 << LAST, v->cfg.block_out_channels[0]);
    decode_level(x, h, d, &v->cfg, LAST, latents);
    sc_group_norm_into(x, h, h, &d->conv_norm_out, SC_NORM_GROUPS, EPS, true);
    sc_tensor rgb = sc_conv2d(x, h, &d->conv_out, NULL);
    const sc_tensor by_frame = sc_reshape(rgb, SC_DIMS(1, rgb.dim[0], rgb.dim[1] * rgb.dim[2], 3));
    rgb = sc_reshape(sc_conv2d(x, by_frame, &d->time_conv_out, NULL), 4, rgb.dim);
    sc_copy_into(x, images, rgb);
    sc_pop(x, m);
}
