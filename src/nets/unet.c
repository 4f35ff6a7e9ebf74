#include <stdlib.h>

#include "transformer.h"
#include "unet.h"

#define MAX_LAYERS 4 /* in the down half of a level; the published networks have 2 */

typedef struct layer {
    sc_st_resblock resnet;
    sc_transformer attention;
} layer;

/* One level of the U. The lowest has no transformers in its layers and the only mid block. */
typedef struct level {
    layer down[MAX_LAYERS], up[MAX_LAYERS + 1];
    sc_param downsampler; /* to the level below */
    sc_param upsampler;   /* to the level above */
} level;

struct sc_unet {
    sc_unet_config cfg;
    sc_embedding time_embedding, add_embedding;
    sc_param conv_in, conv_out;
    sc_norm conv_norm_out;
    level level[SC_UNET_LEVELS];
    sc_st_resblock mid[2];
    sc_transformer mid_attention;
    void *block;
    int64_t params;
};

/* What all blocks of one forward share. */
typedef struct step {
    sc_tensor in, temb, context;
    sc_tensor position[SC_UNET_LEVELS];
} step;

enum { LAST = SC_UNET_LEVELS - 1 };

void sc_unet_config_read(sc_unet_config *out, const sc_config *c)
{
    *out = (sc_unet_config){
        .in_channels = 8,
        .out_channels = 4,
        .layers_per_block = 2,
        .cross_attention_dim = 1024,
        .addition_time_embed_dim = 256,
        .block_out_channels = { 320, 640, 1280, 1280 },
        .num_attention_heads = { 5, 10, 20, 20 },
    };
    sc_config_int(c, "in_channels", &out->in_channels);
    sc_config_int(c, "out_channels", &out->out_channels);
    sc_config_int(c, "layers_per_block", &out->layers_per_block);
    sc_config_int(c, "cross_attention_dim", &out->cross_attention_dim);
    sc_config_int(c, "addition_time_embed_dim", &out->addition_time_embed_dim);
    sc_config_ints(c, "block_out_channels", out->block_out_channels, SC_UNET_LEVELS);
    sc_config_ints(c, "num_attention_heads", out->num_attention_heads, SC_UNET_LEVELS);
}

static int check_config(const sc_unet_config *c, const sc_logger *log)
{
    if (!sc_is_width(c->in_channels) || !sc_is_width(c->out_channels) || !sc_is_width(c->cross_attention_dim))
        return sc_fail(log, SC_ERR_WEIGHTS, "unet",
                       "%d input, %d output, %d context channels: want 1 to 65536", c->in_channels,
                       c->out_channels, c->cross_attention_dim);
    if (c->layers_per_block < 1 || c->layers_per_block > MAX_LAYERS)
        return sc_fail(log, SC_ERR_WEIGHTS, "unet", "layers_per_block is %d, not 1 to %d",
                       c->layers_per_block, MAX_LAYERS);
    if (!sc_is_width(c->addition_time_embed_dim) || c->addition_time_embed_dim % 2)
        return sc_fail(log, SC_ERR_WEIGHTS, "unet", "addition_time_embed_dim is %d, not even and up to 65536",
                       c->addition_time_embed_dim);
    for (int i = 0; i < SC_UNET_LEVELS; i++) {
        const int width = c->block_out_channels[i], heads = c->num_attention_heads[i];
        if (!sc_is_width(width) || width % SC_NORM_GROUPS || heads < 1 || width % heads)
            return sc_fail(log, SC_ERR_WEIGHTS, "unet",
                           "level %d has %d channels and %d heads: want up to 65536 channels that %d and the "
                           "heads divide",
                           i, width, heads, SC_NORM_GROUPS);
    }
    return 0;
}

/* Epsilons as unet_3d_blocks.py gives them: 1e-6 in the down blocks with attention and in every up block
 * (get_up_block drops the 1e-5 that the UNet passes), 1e-5 in the last down block and the mid block. */
static void load_resblock(sc_loader *ld, sc_st_resblock *w, const sc_unet *u, int in, int out, float eps,
                          const char *name)
{
    const sc_st_resblock_shape s = {
        .in = in,
        .out = out,
        .time = 4 * u->cfg.block_out_channels[0],
        .spatial_eps = eps,
        .temporal_eps = eps,
    };
    sc_st_resblock_load(ld, w, &s, name);
}

static void load_attention(sc_loader *ld, sc_transformer *w, const sc_unet *u, int i, const char *name)
{
    sc_transformer_load(ld, w, u->cfg.block_out_channels[i], u->cfg.num_attention_heads[i],
                        u->cfg.cross_attention_dim, name);
}

static void load_down(sc_loader *ld, sc_unet *u, int i)
{
    level *l = &u->level[i];
    const int *width = u->cfg.block_out_channels;

    for (int j = 0; j < u->cfg.layers_per_block; j++) {
        const int in = width[j || !i ? i : i - 1];
        load_resblock(ld, &l->down[j].resnet, u, in, width[i], i < LAST ? 1e-6f : 1e-5f,
                      sc_name_of("down_blocks.%d.resnets.%d", i, j).s);
        if (i < LAST)
            load_attention(ld, &l->down[j].attention, u, i,
                           sc_name_of("down_blocks.%d.attentions.%d", i, j).s);
    }
    if (i < LAST)
        sc_load_conv(ld, &l->downsampler, width[i], width[i], 3, 3, true,
                     "down_blocks.%d.downsamplers.0.conv", i);
}

static void load_up(sc_loader *ld, sc_unet *u, int i)
{
    level *l = &u->level[i];
    const int *width = u->cfg.block_out_channels;
    const int last = u->cfg.layers_per_block;

    for (int j = 0; j <= last; j++) {
        const int below = width[j || i == LAST ? i : i + 1];
        const int skip = width[j < last || !i ? i : i - 1];
        load_resblock(ld, &l->up[j].resnet, u, below + skip, width[i], 1e-6f,
                      sc_name_of("up_blocks.%d.resnets.%d", LAST - i, j).s);
        if (i < LAST)
            load_attention(ld, &l->up[j].attention, u, i,
                           sc_name_of("up_blocks.%d.attentions.%d", LAST - i, j).s);
    }
    if (i)
        sc_load_conv(ld, &l->upsampler, width[i], width[i], 3, 3, true, "up_blocks.%d.upsamplers.0.conv",
                     LAST - i);
}

static void load(sc_loader *ld, sc_unet *u)
{
    const sc_unet_config *c = &u->cfg;
    const int first = c->block_out_channels[0], last = c->block_out_channels[LAST];

    sc_embedding_load(ld, &u->time_embedding, first, 4 * first, 4 * first, "time_embedding");
    sc_embedding_load(ld, &u->add_embedding, 3 * c->addition_time_embed_dim, 4 * first, 4 * first,
                      "add_embedding");
    sc_load_conv(ld, &u->conv_in, first, c->in_channels, 3, 3, true, "conv_in");
    for (int i = 0; i <= LAST; i++)
        load_down(ld, u, i);
    load_resblock(ld, &u->mid[0], u, last, last, 1e-5f, "mid_block.resnets.0");
    load_attention(ld, &u->mid_attention, u, LAST, "mid_block.attentions.0");
    load_resblock(ld, &u->mid[1], u, last, last, 1e-5f, "mid_block.resnets.1");
    for (int i = LAST; i >= 0; i--)
        load_up(ld, u, i);
    sc_load_norm(ld, &u->conv_norm_out, first, "conv_norm_out");
    sc_load_conv(ld, &u->conv_out, c->out_channels, first, 3, 3, true, "conv_out");
}

int sc_unet_open(sc_unet **out, const sc_unet_config *cfg, sc_loader **ld, sc_exec *x)
{
    int64_t dim[SC_MAX_DIM];
    sc_unet *u = calloc(1, sizeof(*u));
    int ret;

    SC_TRY(u ? 0 : -ENOMEM);
    u->cfg = *cfg;
    /* StereoCrafter's config.json is not to be trusted here: its base network has 8 channels, it has 9. */
    if (sc_loader_shape(*ld, dim, "conv_in.weight") == 4 && dim[1] > 0 && dim[1] < 1024)
        u->cfg.in_channels = (int)dim[1];
    SC_TRY(check_config(&u->cfg, x->log));
    load(*ld, u);
    SC_TRY(sc_loader_finish(ld, &u->block, &u->params));
    *out = u;
    return 0;
fail:
    if (*ld)
        sc_loader_close(ld);
    sc_unet_close(&u, x->dev);
    return ret;
}

void sc_unet_close(sc_unet **u, sc_device *dev)
{
    if (*u)
        sc_loader_free(dev, &(*u)->block);
    free(*u);
    *u = NULL;
}

int64_t sc_unet_params(const sc_unet *u)
{
    return u->params;
}

const sc_unet_config *sc_unet_get_config(const sc_unet *u)
{
    return &u->cfg;
}

static sc_tensor new_picture(sc_exec *x, sc_tensor like, int64_t channels)
{
    return sc_new(x, x->act, SC_DIMS(like.dim[0], like.dim[1], like.dim[2], channels));
}

static void mid_forward(sc_exec *x, sc_tensor out, const sc_unet *u, sc_tensor in, const step *s)
{
    const sc_mark m = sc_push(x);
    const sc_tensor h = sc_new_like(x, out);

    sc_st_resblock_forward(x, out, &u->mid[0], in, SC_NONE, s->temb);
    sc_transformer_forward(x, h, &u->mid_attention, out, s->context, s->position[LAST]);
    sc_st_resblock_forward(x, out, &u->mid[1], h, SC_NONE, s->temb);
    sc_pop(x, m);
}

/* A layer of level i, over in and, in the up half, skip: the residual block and, except on the lowest level,
 * the transformer. */
static void layer_forward(sc_exec *x, sc_tensor out, const layer *l, int i, sc_tensor in, sc_tensor skip,
                          const step *s)
{
    const sc_mark m = sc_push(x);

    if (i == LAST) {
        sc_st_resblock_forward(x, out, &l->resnet, in, skip, s->temb);
    } else {
        const sc_tensor h = sc_new_like(x, out);
        sc_st_resblock_forward(x, h, &l->resnet, in, skip, s->temb);
        sc_transformer_forward(x, out, &l->attention, h, s->context, s->position[i]);
    }
    sc_pop(x, m);
}

/* Level i and everything below it: its down block, the levels below, its up block. Python lists all down
 * blocks first and keeps the skips in a list; nested like this they are on the arena exactly as long as they
 * are needed. in is on the level's resolution, out on that of the level above. */
static void level_forward(sc_exec *x, sc_tensor out, const sc_unet *u, int i, sc_tensor in, const step *s)
{
    const sc_mark m = sc_push(x);
    const level *l = &u->level[i];
    const int *width = u->cfg.block_out_channels;
    const int layers = u->cfg.layers_per_block;
    sc_tensor skip[MAX_LAYERS + 1] = { in };

    for (int j = 0; j < layers; j++) {
        skip[j + 1] = new_picture(x, in, width[i]);
        layer_forward(x, skip[j + 1], &l->down[j], i, skip[j], SC_NONE, s);
    }

    const sc_tensor below = new_picture(x, in, width[SC_MIN(i + 1, LAST)]);
    const sc_mark lower = sc_push(x);
    if (i == LAST)
        mid_forward(x, below, u, skip[layers], s);
    else
        level_forward(x, below, u, i + 1,
                      sc_conv2d(x, skip[layers], &l->downsampler, &(sc_conv2d_opt){ .stride = 2 }), s);
    sc_pop(x, lower);

    const sc_tensor h = i ? new_picture(x, in, width[i]) : out;
    for (int j = 0; j <= layers; j++)
        layer_forward(x, h, &l->up[j], i, j ? h : below, skip[layers - j], s);
    if (i)
        sc_conv2d_into(x, out, h, &l->upsampler, &(sc_conv2d_opt){ .upsample = true });
    sc_pop(x, m);
}

/* temb[1, 4C] through SiLU, which every residual block starts with. */
static sc_tensor embed_time(sc_exec *x, const sc_unet *u, float timestep, const sc_unet_cond *cond)
{
    const int ids = u->cfg.addition_time_embed_dim;
    const sc_tensor temb = sc_new(x, x->act, SC_DIMS(1, 4 * u->cfg.block_out_channels[0]));
    const sc_mark m = sc_push(x);
    const sc_tensor t = sc_new_like(x, temb), a = sc_new_like(x, temb);
    const sc_tensor time = sc_sinusoid(x, &timestep, 1, u->cfg.block_out_channels[0]);
    const sc_tensor added =
        sc_sinusoid(x, (const float[]){ cond->fps, cond->motion, cond->noise_aug }, 3, ids);

    sc_embedding_forward(x, t, &u->time_embedding, time);
    sc_embedding_forward(x, a, &u->add_embedding, sc_reshape(added, SC_DIMS(1, 3 * ids)));
    sc_axpby_into(x, temb, 1, t, 1, a, SC_ACT_SILU);
    sc_pop(x, m);
    return temb;
}

/* The frame numbers' sinusoids; levels of equal width share them. */
static sc_tensor frame_positions(sc_exec *x, int64_t frames, int width)
{
    float number[SC_UNET_MAX_FRAMES];

    for (int k = 0; k < frames; k++)
        number[k] = (float)k;
    return sc_sinusoid(x, number, (int)frames, width);
}

static sc_tensor in_type(sc_exec *x, sc_tensor t)
{
    const sc_tensor y = sc_new(x, x->act, t.ndim, t.dim);

    sc_copy_into(x, y, t);
    return y;
}

/* All that depends on weights and s alone. out[T,h,w,out_channels] */
static void body(sc_exec *x, sc_tensor out, const sc_unet *u, const step *s)
{
    const sc_mark m = sc_push(x);
    const sc_tensor h = new_picture(x, s->in, u->cfg.block_out_channels[0]);
    const sc_mark deep = sc_push(x);

    level_forward(x, h, u, 0, sc_conv2d(x, s->in, &u->conv_in, NULL), s);
    sc_pop(x, deep);
    sc_group_norm_into(x, h, h, &u->conv_norm_out, SC_NORM_GROUPS, 1e-5f, true);
    sc_conv2d_into(x, out, h, &u->conv_out, NULL);
    sc_pop(x, m);
}

/* diffusers unet_spatio_temporal_condition.py forward() */
void sc_unet_forward(sc_exec *x, sc_tensor v, const sc_unet *u, sc_tensor in, float timestep,
                     const sc_unet_cond *cond)
{
    const sc_mark m = sc_push(x);
    const int *width = u->cfg.block_out_channels;
    const int64_t frames = in.dim[0];

    SC_CHECK(x, in.ndim == 4 && in.dim[3] == u->cfg.in_channels && frames <= SC_UNET_MAX_FRAMES);
    SC_CHECK(x, in.dim[1] % (1 << LAST) == 0 && in.dim[2] % (1 << LAST) == 0);
    SC_CHECK(x, cond->context.ndim == 2 && cond->context.dim[1] == u->cfg.cross_attention_dim);
    SC_CHECK(x, cond->context.dim[0] == 1 || cond->context.dim[0] == frames);
    /* Everything that comes from outside first, into the arena: the rest is the same work in every step. */
    step s = { .in = in_type(x, in),
               .temb = embed_time(x, u, timestep, cond),
               .context = in_type(x, cond->context) };
    for (int i = 0; i <= LAST; i++)
        s.position[i] =
            i && width[i] == width[i - 1] ? s.position[i - 1] : frame_positions(x, frames, width[i]);

    const sc_tensor out = new_picture(x, in, u->cfg.out_channels);
    sc_replay r = { .net = u,
                    .shape = { frames, in.dim[1], in.dim[2], cond->context.dim[0] },
                    .never = u->conv_in.far.tape != NULL };
    while (sc_replay_next(x, &r))
        body(x, out, u, &s);
    sc_copy_into(x, v, out);
    sc_pop(x, m);
}
