/* A VAE that a film passes through: the causal 3-D video VAE or Stable Video Diffusion's, over pictures of
 * any size, slice after slice of frames, whole or in tiles.
 *
 * Tiles are of equal size, a multiple of 8, and share an eighth of what was asked for with each neighbour,
 * over which they are cross-faded. What the causal VAE keeps of the slices before is as large as many
 * pictures: for tiles, which take turns, it waits in host memory. */
#ifndef SC_CODER_H
#define SC_CODER_H

#include "stages.h"

typedef struct sc_coder sc_coder;

typedef struct sc_coder_shape {
    int h, w;  /* of the pictures */
    int tile;  /* longest side of a tile, 0: whole pictures */
    int slice; /* frames, a multiple of those of a latent, and one more in a causal VAE's first; 0: chosen */
} sc_coder_shape;

typedef struct sc_coder_needs { /* bytes */
    size_t arena, device;       /* while a slice passes; all the time, without the weights */
    size_t host;
} sc_coder_needs;

/* Loads the network of c->set->vae: safetensors or GGUF, a file or its folder; NULL: the published causal one
 * without numbers, for the null device. c->needs, unless NULL, is told its size. SC_ERR_WEIGHTS. */
int sc_coder_open(sc_coder **k, const sc_context *c);
void sc_coder_close(sc_coder **k);
void sc_coder_log(const sc_coder *k, const sc_context *c); /* what it is, and how it works */

/* For pictures of this shape from now on, where slice is chosen too. SC_ERR_USAGE for one that does not fit.
 */
int sc_coder_fit(sc_coder *k, sc_coder_shape *shape, sc_coder_needs *needs);
/* Before the first slice of a clip: takes the memory where it is not there. -ENOMEM is a warning in the log.
 */
int sc_coder_begin(sc_coder *k);

/* How many frames the next slice has where `left` are; that may be up to a latent's more than there are. */
int sc_coder_frames(const sc_coder *k, int64_t left);
/* The latents of so many, [k,h,w,C] f32, in the arena. */
sc_tensor sc_coder_latents(sc_exec *x, const sc_coder *k, int frames);

/* The next slice: pictures [H,W,3], 0..1, as many as the latents are of. */
void sc_coder_encode(sc_exec *x, sc_coder *k, sc_tensor latents, const sc_tensor *picture);
/* And back; of frames without a tensor nothing is made. */
void sc_coder_decode(sc_exec *x, sc_coder *k, const sc_tensor *picture, int frames, sc_tensor latents);

#endif
