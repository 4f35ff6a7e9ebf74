/* Blocks of the Stable Video Diffusion family, shared by the UNet, the VAE and CLIP.
 *
 * A forward function writes into the caller's `out`, whose type is the exec's, and leaves the arena as it
 * found it. A load function asks for the same layers in the same order, that in which streamed weights come;
 * its last argument is the block's published name. Shapes: [T,H,W,C] pictures, [B,S,C] tokens. T is the
 * number of frames of one clip. */
#ifndef SC_BLOCKS_H
#define SC_BLOCKS_H

#include "../weights/weights.h"

#define SC_NORM_GROUPS 32 /* of every GroupNorm of the family */

/* A tensor's or block's name, by value: sc_name_of("%s.conv1", name).s lives as long as the expression it is
 * in. */
typedef struct sc_name {
    char s[160];
} sc_name;
sc_name sc_name_of(const char *fmt, ...) SC_PRINTF(1, 2);

/* sinusoid[n, dim] in the exec's type: cosines, then sines, of value * 10000^(-2i/dim). Allocated in the
 * arena. */
sc_tensor sc_sinusoid(sc_exec *x, const float *values, int n, int dim);

/* linear, SiLU, linear. */
typedef struct sc_embedding {
    sc_param linear_1, linear_2;
} sc_embedding;
void sc_embedding_load(sc_loader *ld, sc_embedding *w, int in, int hidden, int out, const char *name);
void sc_embedding_forward(sc_exec *x, sc_tensor out, const sc_embedding *w, sc_tensor in);

/* Norm, SiLU, convolution, twice, and a shortcut. 2-D (3x3 kernels on [T,H,W,C]) or temporal (3x1 on
 * [1,T,H*W,C], where the norm takes all frames together). */
typedef struct sc_resblock {
    sc_norm norm1, norm2;
    sc_param conv1, conv2;
    sc_param time_emb_proj; /* none in the VAE */
    sc_param conv_shortcut; /* none where Cin == Cout */
    float eps;
} sc_resblock;

typedef struct sc_resblock_shape {
    int in, out;
    int time;      /* width of the time embedding, 0 = none */
    bool temporal; /* kernel 3x1 */
    float eps;
    float share; /* the result is blended with the input, which gets this share; 0: it is not */
} sc_resblock_shape;
void sc_resblock_load(sc_loader *ld, sc_resblock *w, const sc_resblock_shape *s, const char *name);
/* temb[1, time] already through SiLU, or SC_NONE. out may be in where Cin == Cout. */
void sc_resblock_forward(sc_exec *x, sc_tensor out, const sc_resblock *w, sc_tensor in, sc_tensor temb);

/* A 2-D block, and a temporal block on its result, blended with it. */
typedef struct sc_st_resblock {
    sc_resblock spatial, temporal; /* the latter blends */
} sc_st_resblock;

typedef struct sc_st_resblock_shape {
    int in, out, time;
    float spatial_eps, temporal_eps;
    bool switched; /* the VAE's blend: the learned factor is the temporal result's */
} sc_st_resblock_shape;
void sc_st_resblock_load(sc_loader *ld, sc_st_resblock *w, const sc_st_resblock_shape *s, const char *name);
/* How many of so many frames a block that knows no time should take together: its temporaries then need no
 * more memory than those of a few frames. */
int64_t sc_frame_part(int64_t frames, int64_t pixels);
/* in, out [T,H,W,C]; skip, or SC_NONE: more channels of the input, after in's. out may be in where they have
 * as many channels. */
void sc_st_resblock_forward(sc_exec *x, sc_tensor out, const sc_st_resblock *w, sc_tensor in, sc_tensor skip,
                            sc_tensor temb);
/* What follows the 2-D block, over its result s[T,H,W,C]. out is not s. */
void sc_st_resblock_blend(sc_exec *x, sc_tensor out, const sc_st_resblock *w, sc_tensor s, sc_tensor temb);

/* The blend's factor: sigmoid(mix_factor), or one minus it. */
float sc_mix_load(sc_loader *ld, bool switched, const char *name);

/* Multi-head self-attention without a mask. */
typedef struct sc_attention {
    sc_param q, k, v, out;
    int heads;
} sc_attention;

typedef struct sc_attention_names { /* of its four layers; all zero: to_q, to_k, to_v, to_out.0 */
    const char *q, *k, *v, *out;
} sc_attention_names;
void sc_attention_load(sc_loader *ld, sc_attention *w, int width, int heads, bool bias, sc_attention_names n,
                       const char *name);
/* out[B,S,C] += attention(in[B,S,C]) over S, or over B (between = true: every place s attends to itself in
 * all b), with another bias of its last layer, or SC_NONE for its own. in is overwritten. */
void sc_attention_forward(sc_exec *x, sc_tensor out, const sc_attention *w, sc_tensor in, sc_tensor bias,
                          bool between);

/* The VAEs': a norm, attention of one head among the pixels of each frame, and a residual connection. */
typedef struct sc_frame_attention {
    sc_norm group_norm;
    sc_attention attention;
    float eps;
} sc_frame_attention;
/* Knows the layers' old names too. */
void sc_frame_attention_load(sc_loader *ld, sc_frame_attention *w, int width, float eps, const char *name);
/* In place on h[T,H,W,C]. */
void sc_frame_attention_forward(sc_exec *x, sc_tensor h, const sc_frame_attention *w);

#endif
