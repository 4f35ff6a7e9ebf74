/* The UNet's spatio-temporal transformer: one block over the pixels of each frame, one over the frames of
 * each pixel. diffusers models/transformers/transformer_temporal.py TransformerSpatioTemporalModel */
#ifndef SC_TRANSFORMER_H
#define SC_TRANSFORMER_H

#include "blocks.h"

typedef struct sc_feed_forward {
    sc_norm norm;
    sc_param proj, out; /* GEGLU to four times the width, and back */
} sc_feed_forward;

typedef struct sc_transformer_block {
    sc_feed_forward ff_in; /* the temporal block's, else none */
    sc_norm norm1;
    sc_attention attn1;
    sc_param attn2_v, attn2_out; /* all that is alive of cross-attention to a single token */
    sc_feed_forward ff;
} sc_transformer_block;

typedef struct sc_transformer {
    sc_norm norm;
    sc_param proj_in, proj_out;
    sc_embedding time_pos_embed;
    sc_transformer_block spatial, temporal;
    float share; /* of the spatial result in the blend */
} sc_transformer;

void sc_transformer_load(sc_loader *ld, sc_transformer *w, int width, int heads, int context,
                         const char *name);

/* in, out [T,H,W,C]. context[1 or T, D]: one token for all frames, or one a frame, of which the temporal
 * block sees the first. position[T, C]: sinusoids of the frame numbers. */
void sc_transformer_forward(sc_exec *x, sc_tensor out, const sc_transformer *w, sc_tensor in,
                            sc_tensor context, sc_tensor position);

#endif
