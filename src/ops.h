/* The op table that a device fills in, and the front-end that model code calls.
 *
 * The front-end checks shapes, takes the output from the arena where the caller gave none, counts FLOPs and
 * calls the table. Devices may trust their arguments. Channels are innermost everywhere. Norm weights and
 * biases are f32; weights and activations have any type that the device computes with; sums are f32 or
 * wider. Where a type is not named, images are f32. An output may be the very tensor given as `add`, as the x
 * of a norm, or as an input of axpby. An op may gain an optional argument, never a sibling. Optional tensors
 * are SC_NONE.
 *
 * E4M3 (SC_F8) is a type of weights: of linear and conv2d, whose channels in and out then are multiples of
 * 16, with a factor for each output channel. Their x is E4M3 too: a linear layer's with a factor for each
 * row, a convolution's with one for all of it, in x.scale. A norm makes it so where its y comes from
 * sc_new_input(), or the caller by sc_quantise_into(); else the front-end does. The op multiplies and sums
 * these numbers, and multiplies each sum by both factors before anything else is done with it. */
#ifndef SC_OPS_H
#define SC_OPS_H

#include "exec.h"

typedef enum sc_act { SC_ACT_NONE, SC_ACT_SILU, SC_ACT_GELU, SC_ACT_QUICK_GELU, SC_ACT_GEGLU } sc_act;

#define SC_FETCHES 64 /* slots of sc_ops.fetch */

typedef struct sc_far {   /* of a tensor that visits the device (pager.h) */
    struct sc_tape *tape; /* NULL: it is resident */
    int page;
} sc_far;

typedef struct sc_param { /* weights of a linear or convolution layer */
    sc_tensor w;          /* [N, K] or [O, kh, kw, I] */
    sc_tensor b;          /* [N] f32, or none */
    sc_tensor scale;      /* [N] f32 where w is E4M3 and stands for w[n] * scale[n]; else none */
    sc_far far;           /* w's; an op reads one such tensor at most */
} sc_param;

typedef struct sc_norm {   /* scale and shift of a norm */
    sc_tensor gamma, beta; /* [C] f32 */
} sc_norm;

/* y[M,N] = act(x[M,K] w^T + b) + add. GEGLU: w is [2N,K]; y = v * gelu_erf(g), v the first N rows, g the
 * last. Rows may be strided. add [M,N], or one row repeated (stride 0). With scale [N] and x_scale [M] (which
 * may repeat one number), x and w are E4M3: x[m] stands for x[m] * x_scale[m], w[n] for w[n] * scale[n]. */
typedef struct sc_linear_args {
    sc_tensor y, x, w, b, add, scale, x_scale;
    sc_act act;
} sc_linear_args;

/* y[N,Ho,Wo,O] = act(conv(x[N,H,W,I], w[O,kh,kw,I]) + b + vec[N,O]) + add[N,Ho,Wo,O].
 * Zero padding, given per side. upsample: x is read as its nearest-neighbour double. All packed, but vec: one
 * row may stand for all (stride 0), and its type is f32 or y's. With scale [O] and x_scale [1], x and w are
 * E4M3, as in linear. */
typedef struct sc_conv2d_args {
    sc_tensor y, x, w, b, vec, add, scale, x_scale;
    int stride, pad_top, pad_left, pad_bottom, pad_right;
    bool upsample;
    sc_act act;
} sc_conv2d_args;

/* y[N,S,C] = act((x - mean[n,g]) * rstd[n,g] * gamma + beta), statistics over S and the C/groups channels.
 * Packed. y may be E4M3: of y / scale, or 0 where that is 0, with scale = the largest over n and g of
 * ((max |x| + |mean|) * rstd * max |gamma| + max |beta|) / 448, a bound. */
typedef struct sc_group_norm_args {
    sc_tensor y, x, gamma, beta;
    int groups;
    float eps;
    bool silu;
} sc_group_norm_args;

/* y[M,C] = (x - mean[m]) * rstd[m] * gamma + beta. Packed. y may be E4M3, with a scale for each row as in
 * copy.
 */
typedef struct sc_layer_norm_args {
    sc_tensor y, x, gamma, beta;
    float eps;
} sc_layer_norm_args;

/* y[b,i,h,:] = sum_j softmax_j(scale * q[b,i,h,:].k[b,j,h,:]) v[b,j,h,:]. All [B,S,H,D], strided, stride[3]
 * = 1. */
typedef struct sc_attention_args {
    sc_tensor y, q, k, v;
    float scale;
} sc_attention_args;

/* y = x, element by element, any strides, any types (rounded to nearest even; u8 and u16 clamp, E4M3
 * saturates at 448). With scale [G] f32, G = 1 or y.dim[0], y is E4M3 and packed, and x packed or,
 * for G = y.dim[0], a matrix of strided rows, of f32, fp16 or bf16. Then scale[g] = max |x| / 448 over x[g]
 * or, for G = 1, all of x, but 1 where that is 0, and y = x / scale[g], both divided in f32. The max passes
 * over what is not a number, which stays that in y. */
typedef struct sc_copy_args {
    sc_tensor y, x, scale;
} sc_copy_args;

/* y = act(a * x + b * z), same shapes (inputs may have stride 0); without z: act(a * x). */
typedef struct sc_axpby_args {
    sc_tensor y, x, z;
    float a, b;
    sc_act act; /* none or silu */
} sc_axpby_args;

/* y[i] = the (offset + i)-th normal number of stream `seed`: the same bits on every device. Packed f32. */
typedef struct sc_randn_args {
    sc_tensor y;
    uint64_t seed, offset;
} sc_randn_args;

typedef enum sc_resample {
    SC_BILINEAR,
    SC_BICUBIC,
    SC_AREA
} sc_resample; /* bicubic: A = -0.75; area: box average */

/* y[N,H,W,C] = x[N,h,w,C] resampled, pixel centres aligned (or corners, on request); antialias widens the
 * bilinear and bicubic kernels when shrinking. x may be a strided view. guide [N,H,W,3], guide_small
 * [N,h,w,3]: joint bilateral upsampling instead: a weighted mean of the 4x4 nearest samples of x, weights =
 * triangle of radius 2 (small pixels) * exp(-min(|guide - guide_small|^2 / (2 range^2), 40)). */
typedef struct sc_resize_args {
    sc_tensor y, x, guide, guide_small;
    sc_resample mode;
    bool align_corners, antialias;
    float range;
} sc_resize_args;

/* A decoded or to-be-encoded picture: planes as the codec has them. Filled by video/image.c. */
typedef struct sc_pixels {
    sc_tensor plane[4]; /* [h, w] of u8 or u16 words, w counts words (packed formats: all components) */
    int planes, comps;  /* comps: 1 grey, 3 YUV or RGB; alpha is not touched */
    struct {
        int plane, step, offset; /* in words */
        int shift, depth;        /* value = (word >> shift) & mask(depth) */
    } comp[3];
    int log2_cw, log2_ch; /* chroma subsampling of components 1 and 2 */
    float to_rgb[12],
        from_rgb[12]; /* rgb = M * code + t and back: 3 rows of (m0 m1 m2 t); code = the integers */
} sc_pixels;

/* y[H,W,3] f32 = rgb in 0..1 (not clamped), in the transfer of the source. Chroma is repeated, not
 * interpolated: with image_out's block mean this makes a round trip exact in every coded value. */
typedef struct sc_image_in_args {
    sc_tensor y;
    sc_pixels px;
} sc_image_in_args;

/* Codes of x[H,W,3], chroma = mean over its block, clamped to the depth. dither: ordered 8x8, below half a
 * code. A grey picture takes luma by from_rgb's first row. x may be a strided view, and px a part of a larger
 * picture. */
typedef struct sc_image_out_args {
    sc_pixels px;
    sc_tensor x;
    bool dither;
} sc_image_out_args;

/* y[2] = the q_lo and q_hi quantiles of x (0 and 1: exact minimum and maximum; else within 1/4096 of the
 * range), over elements whose mask is > 0.5. Without any such element: 0, 0. */
typedef struct sc_minmax_args {
    sc_tensor y, x, mask;
    float q_lo, q_hi;
} sc_minmax_args;

/* y[3,C] = weighted mean, standard deviation, sum of weights (repeated) per channel of x[H,W,C]; mask[H,W,1]
 * >= 0. */
typedef struct sc_moments_args {
    sc_tensor y, x, mask;
} sc_moments_args;

/* Forward warp along rows: source c lands at column c - disp. A row is a polyline through its landed sources:
 * two neighbours are joined where the second lands up to `stretch` columns after the first, else the line
 * ends there (past an edge, or at a fold). Of all segments over a target column the nearest wins (on a tie
 * the last source); its colour is a cubic through the four sources around that point, or linear where one of
 * them belongs to another line. A line's end covers the column beyond it by what is left of 1 column, and is
 * laid over what is farther. hole = 1 - coverage; right is normalised by it. disp_right, optional: likewise.
 * Both are 0 in full holes. reference: StereoCrafter depth_splatting_inference.py + Forward_Warp instead:
 * weight = 2^(sharpness * disp); colour and weight are spread over the two nearest columns; right =
 * sum(colour w) / max(sum(w), 1e-6); hole = 1 - min(sum of coverage, 1). A source is dropped unless all four
 * neighbours lie inside, so the bottom row is empty. Sums in source order. stretch is not used; sharpness is
 * used here only. */
typedef struct sc_splat_args {
    sc_tensor right, hole, disp_right; /* [H,W,3], [H,W,1], [H,W,1] or none */
    sc_tensor left, disp;              /* [H,W,3], [H,W,1] pixels, larger is nearer */
    float sharpness, stretch;
    bool reference;
} sc_splat_args;

/* Background extension of a splat's holes, and the mask by which any filling is composited
 * (kernels/cpu/fill.c). In each row a run of holes (>= 0.5; seen pieces of up to 2 pixels between holes
 * belong to it) is continued by the mirror image of the background beyond its farther end (the smaller disp;
 * at the picture's edge the only one; both, cross-faded, where they are equally far), then averaged over rows
 * above and below, the more the deeper in the hole. With prev, a pixel that showed background in the frame
 * before keeps it where the background around did not move. mask: 1 in the run, hole on its half-covered near
 * edge, fading out over the far edge, whose colours are mixed; 0 elsewhere. y = mask * filling + (1 - mask) *
 * x, x's bits where mask is 0. disp is continued likewise into y_disp. */
typedef struct sc_fill_args {
    sc_tensor y, y_disp,
        mask; /* [H,W,3], [H,W,1], [H,W,1]; y may be x, y_disp may be disp; rows may be strided */
    sc_tensor x, disp, hole;   /* [H,W,3], [H,W,1] pixels, [H,W,1] */
    sc_tensor prev, prev_disp; /* y and y_disp of the frame before, or none */
    sc_tensor work;            /* [H,W,7] scratch */
} sc_fill_args;

typedef enum sc_filter_kind { SC_FILTER_MEAN, SC_FILTER_MAX, SC_FILTER_MIN, SC_FILTER_SNAP } sc_filter_kind;

/* Separable window over y, x [N,H,W,C]. MEAN: sum of taps (host memory; the caller normalises), columns
 * first. MAX and MIN: over 2*radius+1; taps unused. SNAP: x, but where x is more than threshold from both the
 * window's min and its max, the one of them that is closer (the min only within 0.35 of their distance).
 * Border: reflect without repeating the edge, or the edge repeated. */
typedef struct sc_filter_args {
    sc_tensor y, x;
    sc_filter_kind kind;
    int radius_x, radius_y;
    const float *taps_x, *taps_y; /* [2*radius+1]; NULL with radius 0 */
    bool reflect;
    float threshold;
} sc_filter_args;

/* RGB is in the picture's own transfer. LAB: CIE L*a*b*, D65, of sRGB-like RGB, sign-preserving below 0 so
 * that a round trip is exact to f32. PQ and HLG (from only): BT.2100 signal, tone-mapped to SDR BT.709-like
 * RGB in 0..1. */
typedef enum sc_colour_space { SC_RGB, SC_LAB, SC_PQ, SC_HLG } sc_colour_space;

/* y[...,3] = to(clamp(m1 . from(a) + m2 . from(b) + t)), 3x3 matrices row by row. No clamp when lo >= hi. b
 * optional. */
typedef struct sc_colour_args {
    sc_tensor y, a, b;
    float m1[9], m2[9], t[3];
    float lo, hi;
    sc_colour_space from, to;
} sc_colour_args;

/* y = m * a + (1 - m) * b; m[...,1] or the shape of a. m = 0 gives b's bits, m = 1 gives a's. */
typedef struct sc_mix_args {
    sc_tensor y, m, a, b;
} sc_mix_args;

/* What becomes of a body; see sc_replay. */
typedef enum sc_replay_way { SC_REPLAY_RUN, SC_REPLAY_RECORD, SC_REPLAY_DONE } sc_replay_way;

/* Every entry but replay and timer is mandatory. Return 0 or a negative code, having logged nothing: the
 * front-end logs. */
typedef struct sc_ops {
    int (*alloc)(sc_device *, void **out, size_t bytes);
    void (*free)(sc_device *, void *p);
    int (*host_alloc)(sc_device *, void **out, size_t bytes); /* copies need not wait; 256-byte aligned */
    void (*host_free)(sc_device *, void *p);
    /* Copies from host_alloc's memory beside the computing: begins when all that was issued before is done.
     * What is issued after await(slot), 0 .. SC_FETCHES - 1, sees the slot's last fetch and those before it.
     */
    int (*fetch)(sc_exec *, void *dst, const void *src, size_t bytes, int slot);
    int (*await)(sc_exec *, int slot);
    /* Returns when src may be changed, unless that is host_alloc's memory: then a mark tells. */
    int (*upload)(sc_exec *, void *dst, const void *src, size_t bytes);
    /* Rows that are packed in src, to rows `pitch` bytes apart. It is done when a mark or wait says so. */
    int (*download)(sc_exec *, void *dst, size_t pitch, const void *src, size_t row, size_t rows);
    int (*mark)(sc_exec *, int64_t n);  /* n = 1, 2 ... */
    int (*reach)(sc_exec *, int64_t n); /* waits until what came before mark n is done, perhaps for more */
    int (*join)(sc_exec *);             /* what follows waits for what others have given the device so far */
    int (*wait)(sc_exec *);
    void (*close)(sc_device *);

    /* seconds NULL: starts. Else waits for all work and tells what has passed since on the device's clock.
     * NULL: it has none. */
    int (*timer)(sc_exec *, double *seconds);

    /* NULL: nothing is recorded. After SC_REPLAY_RECORD come the body, whose errors are not logged, and
     * record_end: whether the body's work is done; if not, the body runs as ever. */
    sc_replay_way (*replay)(sc_exec *, const sc_replay *);
    bool (*record_end)(sc_exec *);

    int (*copy)(sc_exec *, const sc_copy_args *);
    int (*linear)(sc_exec *, const sc_linear_args *);
    int (*conv2d)(sc_exec *, const sc_conv2d_args *);
    int (*group_norm)(sc_exec *, const sc_group_norm_args *);
    int (*layer_norm)(sc_exec *, const sc_layer_norm_args *);
    int (*attention)(sc_exec *, const sc_attention_args *);
    int (*axpby)(sc_exec *, const sc_axpby_args *);
    int (*randn)(sc_exec *, const sc_randn_args *);
    int (*resize)(sc_exec *, const sc_resize_args *);
    int (*image_in)(sc_exec *, const sc_image_in_args *);
    int (*image_out)(sc_exec *, const sc_image_out_args *);
    int (*minmax)(sc_exec *, const sc_minmax_args *);
    int (*moments)(sc_exec *, const sc_moments_args *);
    int (*splat)(sc_exec *, const sc_splat_args *);
    int (*fill)(sc_exec *, const sc_fill_args *);
    int (*filter)(sc_exec *, const sc_filter_args *);
    int (*colour)(sc_exec *, const sc_colour_args *);
    int (*mix)(sc_exec *, const sc_mix_args *);
} sc_ops;

/* ---- front-end. The `_into` forms write into the caller's tensor; the others allocate [..] of exec.act in
 * the arena. */

typedef struct sc_linear_opt {
    sc_act act;
    const sc_tensor *add;
} sc_linear_opt;

typedef struct sc_conv2d_opt {
    sc_act act;
    const sc_tensor *vec, *add;
    int stride; /* 0 = 1 */
    bool upsample;
    int pad_mode; /* 0: (k-1)/2 all round; 1: none; 2: right and bottom only (the VAE encoder's downsampler)
                   */
} sc_conv2d_opt;

/* in [..., K] -> [..., N] */
void sc_linear_into(sc_exec *x, sc_tensor out, sc_tensor in, const sc_param *p, const sc_linear_opt *o);
sc_tensor sc_linear(sc_exec *x, sc_tensor in, const sc_param *p, const sc_linear_opt *o);
/* in [N,H,W,I] -> [N,Ho,Wo,O] */
void sc_conv2d_into(sc_exec *x, sc_tensor out, sc_tensor in, const sc_param *p, const sc_conv2d_opt *o);
sc_tensor sc_conv2d(sc_exec *x, sc_tensor in, const sc_param *p, const sc_conv2d_opt *o);
/* For what a norm makes of in that layer p alone reads: of exec.act or, as p is, E4M3 with its factors. */
sc_tensor sc_new_input(sc_exec *x, const sc_param *p, sc_tensor in);
/* in [N, ..., C]: statistics per n over all axes between */
void sc_group_norm_into(sc_exec *x, sc_tensor out, sc_tensor in, const sc_norm *w, int groups, float eps,
                        bool silu);
sc_tensor sc_group_norm(sc_exec *x, sc_tensor in, const sc_norm *w, int groups, float eps, bool silu);
void sc_layer_norm_into(sc_exec *x, sc_tensor out, sc_tensor in, const sc_norm *w, float eps);
sc_tensor sc_layer_norm(sc_exec *x, sc_tensor in, const sc_norm *w, float eps);
/* all [B,S,H,D] views */
void sc_attention_into(sc_exec *x, sc_tensor out, sc_tensor q, sc_tensor k, sc_tensor v, float scale);

void sc_copy_into(sc_exec *x, sc_tensor out, sc_tensor in);
/* out (E4M3) * scale = in, about: see sc_copy_args. */
void sc_quantise_into(sc_exec *x, sc_tensor out, sc_tensor scale, sc_tensor in);
void sc_axpby_into(sc_exec *x, sc_tensor out, float a, sc_tensor in, float b, sc_tensor z, sc_act act);
void sc_randn_into(sc_exec *x, sc_tensor out, uint64_t seed, uint64_t offset);

void sc_resize_into(sc_exec *x, const sc_resize_args *a);
void sc_image_in_into(sc_exec *x, const sc_image_in_args *a);
void sc_image_out_into(sc_exec *x, const sc_image_out_args *a);
void sc_minmax_into(sc_exec *x, const sc_minmax_args *a);
void sc_moments_into(sc_exec *x, const sc_moments_args *a);
void sc_splat_into(sc_exec *x, const sc_splat_args *a);
void sc_fill_into(sc_exec *x, const sc_fill_args *a);
void sc_filter_into(sc_exec *x, const sc_filter_args *a);
void sc_colour_into(sc_exec *x, const sc_colour_args *a);
void sc_mix_into(sc_exec *x, const sc_mix_args *a);

#endif
