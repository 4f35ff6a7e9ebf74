/* The causal 3-D video VAE of SeedVR2: 16 latent channels, 8 times smaller in space and 4 times in time as
 * published; other widths and factors where the file's tensors have them.
 *
 * A clip of 4k + 1 frames has k + 1 latent ones and passes in slices: the first of 4i + 1 frames (i + 1
 * latent ones), any other of 4i (i). Sliced or whole, the numbers are the same bits. The encoder's memory
 * grows with a slice; the decoder's is that of one frame, and of what is kept for the next. */
#ifndef SC_VAE3D_H
#define SC_VAE3D_H

#include "causal.h"

#define SC_VAE3D_LEVELS 5 /* that a file may have; the published one has 4 */

typedef struct sc_vae3d_config {
    int latent_channels, layers_per_block, levels, block_out_channels[SC_VAE3D_LEVELS];
    int temporal_levels; /* of the levels - 1 that halve the picture, the last so many halve time */
} sc_vae3d_config;

typedef struct sc_vae3d sc_vae3d;
typedef enum sc_vae3d_part { SC_VAE3D_ENCODER, SC_VAE3D_DECODER } sc_vae3d_part;

/* The configuration is that of the file's tensors, and the published one where the file says nothing. */
int sc_vae3d_open(sc_vae3d **v, sc_loader **ld, sc_exec *x);
void sc_vae3d_close(sc_vae3d **v, sc_device *dev);
int64_t sc_vae3d_params(const sc_vae3d *v);
const sc_vae3d_config *sc_vae3d_get_config(const sc_vae3d *v);

/* What a part keeps of a clip of pictures h x w, multiples of 8, in type t. */
size_t sc_vae3d_past_bytes(const sc_vae3d *v, sc_vae3d_part part, sc_dtype t, int64_t h, int64_t w);
/* Before such a clip. memory: so many bytes of the device, which *past uses from now on. */
void sc_vae3d_begin(sc_past *past, const sc_vae3d *v, sc_vae3d_part part, sc_dtype t, int64_t h, int64_t w,
                    void *memory);
/* How many pictures so many latent frames of the next slice are. */
int64_t sc_vae3d_frames(const sc_vae3d *v, const sc_past *past, int64_t latents);
/* mean[k,H/8,W/8,16] (not scaled) of the next images[n,H,W,3] in -1..1. */
void sc_vae3d_encode(sc_exec *x, sc_tensor mean, const sc_vae3d *v, sc_tensor images, sc_past *past);
/* images[n,H,W,3] (about -1..1, not clamped) of the next latents[k,H/8,W/8,16]. */
void sc_vae3d_decode(sc_exec *x, sc_tensor images, const sc_vae3d *v, sc_tensor latents, sc_past *past);

#endif
