/* AutoencoderKLTemporalDecoder: 2-D encoder, temporal decoder.
 * diffusers models/autoencoders/autoencoder_kl_temporal_decoder.py */
#ifndef SC_VAE_H
#define SC_VAE_H

#include "../weights/weights.h"

#define SC_VAE_LEVELS 4

typedef struct sc_vae_config {
    int latent_channels, layers_per_block, block_out_channels[SC_VAE_LEVELS];
    float scaling_factor;
} sc_vae_config;

typedef struct sc_vae sc_vae;

void sc_vae_config_read(sc_vae_config *out, const sc_config *c);
/* The decoder's weights are stored as the loader has it, the encoder's as `encoder`. */
int sc_vae_open(sc_vae **v, const sc_vae_config *cfg, sc_dtype encoder, sc_loader **ld, sc_exec *x);
void sc_vae_close(sc_vae **v, sc_device *dev);
int64_t sc_vae_params(const sc_vae *v);
const sc_vae_config *sc_vae_get_config(const sc_vae *v);

/* mean[T,H/8,W/8,4] (not scaled) of images[T,H,W,3] in -1..1. H and W are multiples of 8. */
void sc_vae_encode(sc_exec *x, sc_tensor mean, const sc_vae *v, sc_tensor images);
/* images[T,H,W,3] (about -1..1, not clamped) of latents[T,H/8,W/8,4], already divided by scaling_factor. The
 * T frames are one chunk: temporal convolutions end at its edges, so the chunk's size changes the result. */
void sc_vae_decode(sc_exec *x, sc_tensor images, const sc_vae *v, sc_tensor latents);

#endif
