#include <math.h>
#include <stdlib.h>

#include "blocks.h"
#include "clip.h"

#define MAX_LAYERS 64
#define MAX_RADIUS 256 /* of the blur before shrinking: pictures up to some 28000 pixels wide */
#define EPS        1e-5f

typedef struct layer {
    sc_norm layer_norm1, layer_norm2;
    sc_attention self_attn;
    sc_param fc1, fc2;
} layer;

struct sc_clip {
    sc_clip_config cfg;
    sc_param patch_embedding, visual_projection;
    sc_tensor class_embedding, position_embedding;
    sc_norm pre_layrnorm, post_layernorm;
    layer layer[MAX_LAYERS];
    void *block;
    int64_t params;
};

void sc_clip_config_read(sc_clip_config *out, const sc_config *c)
{
    *out = (sc_clip_config){
        .hidden_size = 1280,
        .intermediate_size = 5120,
        .num_hidden_layers = 32,
        .num_attention_heads = 16,
        .image_size = 224,
        .patch_size = 14,
        .projection_dim = 1024,
    };
    sc_config_int(c, "hidden_size", &out->hidden_size);
    sc_config_int(c, "intermediate_size", &out->intermediate_size);
    sc_config_int(c, "num_hidden_layers", &out->num_hidden_layers);
    sc_config_int(c, "num_attention_heads", &out->num_attention_heads);
    sc_config_int(c, "image_size", &out->image_size);
    sc_config_int(c, "patch_size", &out->patch_size);
    sc_config_int(c, "projection_dim", &out->projection_dim);
}

static int check_config(const sc_clip_config *c, const sc_logger *log)
{
    if (c->num_hidden_layers < 1 || c->num_hidden_layers > MAX_LAYERS)
        return sc_fail(log, SC_ERR_WEIGHTS, "clip", "num_hidden_layers is %d, not 1 to %d",
                       c->num_hidden_layers, MAX_LAYERS);
    if (!sc_is_width(c->hidden_size) || !sc_is_width(c->intermediate_size) ||
        !sc_is_width(c->projection_dim) || c->num_attention_heads < 1 ||
        c->hidden_size % c->num_attention_heads)
        return sc_fail(log, SC_ERR_WEIGHTS, "clip",
                       "widths %d, %d, %d and %d heads: want 1 to 65536, the first a "
                       "multiple of the last",
                       c->hidden_size, c->intermediate_size, c->projection_dim, c->num_attention_heads);
    if (c->patch_size < 1 || c->image_size < c->patch_size || c->image_size > 4096)
        return sc_fail(log, SC_ERR_WEIGHTS, "clip",
                       "image_size is %d, patch_size %d: want patches in the image", c->image_size,
                       c->patch_size);
    return 0;
}

static void layer_load(sc_loader *ld, layer *l, const sc_clip_config *c, const char *name)
{
    static const sc_attention_names names = {
        .q = "q_proj", .k = "k_proj", .v = "v_proj", .out = "out_proj"
    };

    sc_load_norm(ld, &l->layer_norm1, c->hidden_size, "%s.layer_norm1", name);
    sc_attention_load(ld, &l->self_attn, c->hidden_size, c->num_attention_heads, true, names,
                      sc_name_of("%s.self_attn", name).s);
    sc_load_norm(ld, &l->layer_norm2, c->hidden_size, "%s.layer_norm2", name);
    sc_load_linear(ld, &l->fc1, c->intermediate_size, c->hidden_size, true, "%s.mlp.fc1", name);
    sc_load_linear(ld, &l->fc2, c->hidden_size, c->intermediate_size, true, "%s.mlp.fc2", name);
}

static void load(sc_loader *ld, sc_clip *v)
{
    const sc_clip_config *c = &v->cfg;
    const int side = c->image_size / c->patch_size;

    sc_load_tensor(ld, &v->class_embedding, SC_DIMS(c->hidden_size),
                   "vision_model.embeddings.class_embedding");
    sc_load_conv(ld, &v->patch_embedding, c->hidden_size, 3, c->patch_size, c->patch_size, false,
                 "vision_model.embeddings.patch_embedding");
    sc_load_tensor(ld, &v->position_embedding, SC_DIMS(side * side + 1, c->hidden_size),
                   "vision_model.embeddings.position_embedding.weight");
    /* Frame numbers that older exports of transformers wrote; of no use. */
    sc_load_skip(ld, 0, NULL, "vision_model.embeddings.position_ids");
    sc_load_norm(ld, &v->pre_layrnorm, c->hidden_size, "vision_model.pre_layrnorm"); /* spelled so */
    for (int i = 0; i < c->num_hidden_layers; i++)
        layer_load(ld, &v->layer[i], c, sc_name_of("vision_model.encoder.layers.%d", i).s);
    sc_load_norm(ld, &v->post_layernorm, c->hidden_size, "vision_model.post_layernorm");
    sc_load_linear(ld, &v->visual_projection, c->projection_dim, c->hidden_size, false, "visual_projection");
}

int sc_clip_open(sc_clip **out, const sc_clip_config *cfg, sc_loader **ld, sc_exec *x)
{
    sc_clip *c = calloc(1, sizeof(*c));
    int ret;

    SC_TRY(c ? 0 : -ENOMEM);
    SC_TRY(check_config(cfg, x->log));
    c->cfg = *cfg;
    load(*ld, c);
    SC_TRY(sc_loader_finish(ld, &c->block, &c->params));
    *out = c;
    return 0;
fail:
    if (*ld)
        sc_loader_close(ld);
    sc_clip_close(&c, x->dev);
    return ret;
}

void sc_clip_close(sc_clip **c, sc_device *dev)
{
    if (*c)
        sc_loader_free(dev, &(*c)->block);
    free(*c);
    *c = NULL;
}

int64_t sc_clip_params(const sc_clip *c)
{
    return c->params;
}

const sc_clip_config *sc_clip_get_config(const sc_clip *c)
{
    return &c->cfg;
}

/* Gaussian that keeps size `from` from aliasing at size `to`; returns the radius, 1 at least.
 * stereo_video_inpainting.py _resize_with_antialiasing() and _gaussian() */
static int blur_taps(float taps[2 * MAX_RADIUS + 1], int64_t from, int64_t to)
{
    const double factor = (double)from / (double)to;
    const double sigma = SC_MAX((factor - 1) / 2, 0.001);
    const int radius = (int)SC_MAX(4 * sigma, 3) / 2; /* the reference makes an even window one larger */
    double sum = 0;

    if (radius > MAX_RADIUS)
        return radius;
    for (int i = -radius; i <= radius; i++)
        sum += exp(-i * i / (2 * sigma * sigma));
    for (int i = -radius; i <= radius; i++)
        taps[i + radius] = (float)(exp(-i * i / (2 * sigma * sigma)) / sum);
    return radius;
}

/* pixels[1,S,S,3] of image[1,H,W,3]: blurred, shrunk and normalised. The reference resizes 2x - 1 and turns
 * it back before it normalises; every step is linear and keeps constants, so the detour changes nothing. */
static void preprocess(sc_exec *x, sc_tensor pixels, sc_tensor image)
{
    /* preprocessor_config.json of the CLIPImageProcessor */
    static const double mean[] = { 0.48145466, 0.4578275, 0.40821073 };
    static const double std[] = { 0.26862954, 0.26130258, 0.27577711 };
    const sc_mark m = sc_push(x);
    const sc_tensor blurred = sc_new_like(x, image), small = sc_new(x, SC_F32, 4, pixels.dim);
    float taps_x[2 * MAX_RADIUS + 1], taps_y[2 * MAX_RADIUS + 1];
    const int radius_x = blur_taps(taps_x, image.dim[2], pixels.dim[2]);
    const int radius_y = blur_taps(taps_y, image.dim[1], pixels.dim[1]);
    sc_colour_args normal = { .y = small, .a = small };

    SC_CHECK(x, radius_x <= MAX_RADIUS && radius_y <= MAX_RADIUS);
    sc_filter_into(x, &(sc_filter_args){ .y = blurred,
                                         .x = image,
                                         .kind = SC_FILTER_MEAN,
                                         .radius_x = radius_x,
                                         .radius_y = radius_y,
                                         .taps_x = taps_x,
                                         .taps_y = taps_y,
                                         .reflect = true });
    sc_resize_into(x,
                   &(sc_resize_args){ .y = small, .x = blurred, .mode = SC_BICUBIC, .align_corners = true });
    for (int c = 0; c < 3; c++) {
        normal.m1[4 * c] = (float)(1 / std[c]);
        normal.t[c] = (float)(-mean[c] / std[c]);
    }
    sc_colour_into(x, &normal);
    sc_copy_into(x, pixels, small);
    sc_pop(x, m);
}

/* transformers modeling_clip.py CLIPVisionEmbeddings.forward() */
static void embed(sc_exec *x, sc_tensor tokens, const sc_clip *c, sc_tensor pixels)
{
    const sc_mark m = sc_push(x);
    const int64_t frames = tokens.dim[0], patches = tokens.dim[1] - 1, width = tokens.dim[2];
    const sc_tensor p = sc_conv2d(x, pixels, &c->patch_embedding,
                                  &(sc_conv2d_opt){ .stride = c->cfg.patch_size, .pad_mode = 1 });
    const sc_tensor class = sc_reshape(c->class_embedding, SC_DIMS(1, 1, width));
    const sc_tensor place = sc_reshape(c->position_embedding, SC_DIMS(1, patches + 1, width));

    sc_copy_into(x, sc_slice(tokens, 1, 0, 1), sc_broadcast(class, SC_DIMS(frames, 1, width)));
    sc_copy_into(x, sc_slice(tokens, 1, 1, patches), sc_reshape(p, SC_DIMS(frames, patches, width)));
    sc_axpby_into(x, tokens, 1, tokens, 1, sc_broadcast(place, 3, tokens.dim), SC_ACT_NONE);
    sc_pop(x, m);
}

/* In place. modeling_clip.py CLIPEncoderLayer.forward() */
static void layer_forward(sc_exec *x, sc_tensor tokens, const layer *l)
{
    const sc_mark m = sc_push(x);

    sc_tensor h = sc_layer_norm(x, tokens, &l->layer_norm1, EPS);
    sc_attention_forward(x, tokens, &l->self_attn, h, SC_NONE, false);
    sc_layer_norm_into(x, h, tokens, &l->layer_norm2, EPS);
    h = sc_linear(x, h, &l->fc1, &(sc_linear_opt){ .act = SC_ACT_GELU });
    sc_linear_into(x, tokens, h, &l->fc2, &(sc_linear_opt){ .add = &tokens });
    sc_pop(x, m);
}

/* modeling_clip.py CLIPVisionModelWithProjection.forward() */
void sc_clip_embed(sc_exec *x, sc_tensor embeds, const sc_clip *c, sc_tensor images)
{
    const sc_mark m = sc_push(x);
    const int64_t frames = images.dim[0], size = c->cfg.image_size, side = size / c->cfg.patch_size;

    SC_CHECK(x, images.ndim == 4 && images.dim[3] == 3 && images.dtype == SC_F32);
    const sc_tensor tokens = sc_new(x, x->act, SC_DIMS(frames, side * side + 1, c->cfg.hidden_size));
    const sc_mark pictures = sc_push(x);
    const sc_tensor pixels = sc_new(x, x->act, SC_DIMS(frames, size, size, 3));
    for (int64_t t = 0; t < frames; t++)
        preprocess(x, sc_slice(pixels, 0, t, 1), sc_slice(images, 0, t, 1));
    embed(x, tokens, c, pixels);
    sc_pop(x, pictures);

    sc_layer_norm_into(x, tokens, tokens, &c->pre_layrnorm, EPS);
    for (int i = 0; i < c->cfg.num_hidden_layers; i++)
        layer_forward(x, tokens, &c->layer[i]);

    const sc_tensor class = sc_new(x, x->act, SC_DIMS(frames, 1, c->cfg.hidden_size));
    sc_copy_into(x, class, sc_slice(tokens, 1, 0, 1));
    sc_layer_norm_into(x, class, class, &c->post_layernorm, EPS);
    const sc_tensor y = sc_linear(x, class, &c->visual_projection, NULL);
    sc_copy_into(x, embeds, sc_reshape(y, SC_DIMS(frames, c->cfg.projection_dim)));
    sc_pop(x, m);
}
