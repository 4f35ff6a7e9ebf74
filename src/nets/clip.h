/* CLIP vision encoder with projection (ViT-H/14 as published). transformers models/clip/modeling_clip.py */
#ifndef SC_CLIP_H
#define SC_CLIP_H

#include "../weights/weights.h"

typedef struct sc_clip_config {
    int hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, image_size, patch_size,
        projection_dim;
} sc_clip_config;

typedef struct sc_clip sc_clip;

void sc_clip_config_read(sc_clip_config *out, const sc_config *c);
int sc_clip_open(sc_clip **c, const sc_clip_config *cfg, sc_loader **ld, sc_exec *x);
void sc_clip_close(sc_clip **c, sc_device *dev);
int64_t sc_clip_params(const sc_clip *c);
const sc_clip_config *sc_clip_get_config(const sc_clip *c);

/* embeds[T, projection_dim] of images[T,H,W,3] f32 in 0..1, any size: antialiased resize and normalisation
 * included (StereoCrafter pipelines/stereo_video_inpainting.py _resize_with_antialiasing and
 * CLIPImageProcessor). */
void sc_clip_embed(sc_exec *x, sc_tensor embeds, const sc_clip *c, sc_tensor images);

#endif
