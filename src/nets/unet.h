/* The spatio-temporal UNet of Stable Video Diffusion, DepthCrafter and StereoCrafter.
 * diffusers models/unets/unet_spatio_temporal_condition.py; any widths its config names, 8 or 9 input
 * channels. */
#ifndef SC_UNET_H
#define SC_UNET_H

#include "../weights/weights.h"

#define SC_UNET_LEVELS     4
#define SC_UNET_MAX_FRAMES 1024 /* of a window; the published ones have up to 110 */

typedef struct sc_unet_config {
    int in_channels, out_channels, layers_per_block, cross_attention_dim, addition_time_embed_dim;
    int block_out_channels[SC_UNET_LEVELS], num_attention_heads[SC_UNET_LEVELS];
} sc_unet_config;

typedef struct sc_unet sc_unet;

/* The published widths, overwritten by c's fields where present (c may be NULL). */
void sc_unet_config_read(sc_unet_config *out, const sc_config *c);

/* Asks the loader for every tensor and finishes it. in_channels comes from conv_in.weight where there is a
 * file. */
int sc_unet_open(sc_unet **u, const sc_unet_config *cfg, sc_loader **ld, sc_exec *x);
void sc_unet_close(sc_unet **u, sc_device *dev);
int64_t sc_unet_params(const sc_unet *u);
const sc_unet_config *sc_unet_get_config(const sc_unet *u);

/* One window's constants: what every denoising step shares. */
typedef struct sc_unet_cond {
    sc_tensor context; /* [1, D] one token for all frames, or [T, D] one a frame (DepthCrafter); zeros =
                          unconditional */
    float fps, motion, noise_aug; /* the added ids, in this order */
} sc_unet_cond;

/* v[T,h,w,out] = unet(in[T,h,w,in_channels], timestep). h and w are multiples of 8. The arena is left as
 * found. */
void sc_unet_forward(sc_exec *x, sc_tensor v, const sc_unet *u, sc_tensor in, float timestep,
                     const sc_unet_cond *cond);

#endif
