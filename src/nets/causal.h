/* Blocks of a causal 3-D network, through which a clip passes in slices of a few frames.
 *
 * A convolution over three frames sees two before each and none after it. Before a clip's first frame stand
 * copies of it; before a later slice, what was kept of the one before. Every op is given one frame at a time:
 * so the same frames give the same bits, however a clip is sliced.
 *
 * Pictures are [T,H,W,C] of the exec's type. A forward function leaves the arena as it found it, but for what
 * it returns. Norms have groups of channels within one frame. */
#ifndef SC_CAUSAL_H
#define SC_CAUSAL_H

#include "blocks.h"

#define SC_CAUSAL_MAX 64 /* convolutions of a network */

/* What a network's convolutions keep: filled by the load functions. */
typedef struct sc_causal_list {
    int count;
    struct {
        int frames, level; /* of pictures halved `level` times */
        int64_t channels;
        bool narrow; /* kept in the weights' type, with factors */
        sc_dtype type;
    } conv[SC_CAUSAL_MAX];
} sc_causal_list;

/* A clip on its way through a network: for each convolution the last frames that it was given, and whether it
 * was given any. */
typedef struct sc_past {
    struct {
        sc_tensor frames; /* with factors where they are narrow */
        int oldest;       /* of them; the others follow it, round and round */
        bool begun;
    } conv[SC_CAUSAL_MAX];
} sc_past;

/* What a clip's past needs; h and w are the size of level 0, t is the type of the pictures. */
size_t sc_past_bytes(const sc_causal_list *list, sc_dtype t, int64_t h, int64_t w);
/* Nothing has passed yet. memory: so many bytes of the device, as aligned as sc_new()'s. */
void sc_past_open(sc_past *p, const sc_causal_list *list, sc_dtype t, int64_t h, int64_t w, void *memory);

/* A convolution over one frame or three, [taps,3,3]. */
typedef struct sc_causal {
    sc_param p;
    int taps, slot;
    bool down; /* halves width and height (one more row and column of zeros behind) and, with 3 taps, time */
} sc_causal;

typedef struct sc_causal_shape {
    int in, out, taps, level; /* of the input */
    bool down;
} sc_causal_shape;
void sc_causal_load(sc_loader *ld, sc_causal_list *list, sc_causal *w, const sc_causal_shape *s,
                    const char *name);
/* Frames that come of so many. */
int64_t sc_causal_frames(const sc_causal *w, const sc_past *past, int64_t frames);
/* in: E4M3 with a factor for each frame, or made so where w is. add, or NULL: of out's shape, perhaps out.
 * out is not in. */
void sc_causal_into(sc_exec *x, sc_tensor out, const sc_causal *w, sc_tensor in, sc_past *past,
                    const sc_tensor *add);
sc_tensor sc_causal_forward(sc_exec *x, const sc_causal *w, sc_tensor in, sc_past *past);

/* Norm, SiLU, convolution, twice, and a shortcut. */
typedef struct sc_causal_resblock {
    sc_norm norm1, norm2;
    sc_causal conv1, conv2;
    sc_param conv_shortcut; /* none where Cin == Cout */
} sc_causal_resblock;
void sc_causal_resblock_load(sc_loader *ld, sc_causal_list *list, sc_causal_resblock *w, int in, int out,
                             int level, const char *name);
/* out may be in where Cin == Cout. */
void sc_causal_resblock_forward(sc_exec *x, sc_tensor out, const sc_causal_resblock *w, sc_tensor in,
                                sc_past *past);

/* out = silu(norm(in)), frame by frame. out may be in, or E4M3 with a factor for each frame. */
void sc_causal_norm(sc_exec *x, sc_tensor out, const sc_norm *w, sc_tensor in);

/* Doubles width and height and, with frames = 2, time, but for the clip's first frame, which stays one. */
typedef struct sc_causal_up {
    sc_param upscale_conv;
    sc_causal conv;
    int frames;
} sc_causal_up;
/* level: of the output. */
void sc_causal_up_load(sc_loader *ld, sc_causal_list *list, sc_causal_up *w, int width, int frames, int level,
                       const char *name);
int64_t sc_causal_up_frames(const sc_causal_up *w, const sc_past *past, int64_t frames);
sc_tensor sc_causal_up_forward(sc_exec *x, const sc_causal_up *w, sc_tensor in, sc_past *past);

#endif
