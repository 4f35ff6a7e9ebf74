#include "transformer.h"

#define NORM_EPS 1e-6f /* transformer_temporal.py: the GroupNorm */
#define EPS      1e-5f /* attention.py: every LayerNorm */

/* The GEGLU product is four times as wide as the tokens: 0.5 GB for 110 frames of 72x128 in 16 bit. Rows are
 * independent, so it is made for this many at a time; that is still enough to fill a large GPU. */
#define FF_ROWS 65536

static void feed_forward_load(sc_loader *ld, sc_feed_forward *w, int width, const char *norm, const char *ff)
{
    sc_load_norm(ld, &w->norm, width, "%s", norm);
    sc_load_linear(ld, &w->proj, 8 * width, width, true, "%s.net.0.proj", ff);
    sc_load_linear(ld, &w->out, width, 4 * width, true, "%s.net.2", ff);
}

/* tokens += ff(norm(tokens)). attention.py FeedForward.forward() with activations.py GEGLU */
static void feed_forward(sc_exec *x, sc_tensor tokens, const sc_feed_forward *w)
{
    const sc_tensor all = sc_rows(tokens);

    for (int64_t i = 0; i < all.dim[0]; i += FF_ROWS) {
        const sc_mark m = sc_push(x);
        const sc_tensor t = sc_slice(all, 0, i, SC_MIN(FF_ROWS, all.dim[0] - i));
        const sc_tensor n = sc_new_input(x, &w->proj, t);
        sc_layer_norm_into(x, n, t, &w->norm, EPS);
        const sc_tensor h = sc_linear(x, n, &w->proj, &(sc_linear_opt){ .act = SC_ACT_GEGLU });
        sc_linear_into(x, t, h, &w->out, &(sc_linear_opt){ .add = &t });
        sc_pop(x, m);
    }
}

static void block_load(sc_loader *ld, sc_transformer_block *w, int width, int heads, int context,
                       bool temporal, const char *name)
{
    sc_load_linear(ld, &w->attn2_v, width, context, false, "%s.attn2.to_v", name);
    sc_load_linear(ld, &w->attn2_out, width, width, true, "%s.attn2.to_out.0", name);
    if (temporal)
        feed_forward_load(ld, &w->ff_in, width, sc_name_of("%s.norm_in", name).s,
                          sc_name_of("%s.ff_in", name).s);
    sc_load_norm(ld, &w->norm1, width, "%s.norm1", name);
    sc_attention_load(ld, &w->attn1, width, heads, false, (sc_attention_names){ 0 },
                      sc_name_of("%s.attn1", name).s);
    /* The softmax over one token is 1: what the query and the key are does not matter. */
    sc_load_skip(ld, SC_DIMS(width), "%s.norm2.weight", name);
    sc_load_skip(ld, SC_DIMS(width), "%s.norm2.bias", name);
    sc_load_skip(ld, SC_DIMS(width, width), "%s.attn2.to_q.weight", name);
    sc_load_skip(ld, SC_DIMS(width, context), "%s.attn2.to_k.weight", name);
    feed_forward_load(ld, &w->ff, width, sc_name_of("%s.norm3", name).s, sc_name_of("%s.ff", name).s);
}

/* [1 or T, C] seen as [T,S,C]: the same for every pixel. */
static sc_tensor over_pixels(sc_tensor t, sc_tensor tokens)
{
    return sc_broadcast(sc_reshape(t, SC_DIMS(t.dim[0], 1, t.dim[1])), 3, tokens.dim);
}

/* In place on tokens[T,S,C]. attention.py BasicTransformerBlock.forward() and
 * TemporalBasicTransformerBlock.forward() */
static void block_forward(sc_exec *x, sc_tensor tokens, const sc_transformer_block *w, sc_tensor context,
                          bool temporal)
{
    const sc_mark m = sc_push(x);
    const int64_t frames = tokens.dim[0], part = temporal ? frames : sc_frame_part(frames, tokens.dim[1]);
    const bool one = context.dim[0] == 1; /* what attn2 adds is the same everywhere: it joins attn1's bias */
    const sc_tensor cross = sc_new(x, one ? SC_F32 : x->act, SC_DIMS(context.dim[0], tokens.dim[2]));

    sc_linear_into(x, cross, sc_linear(x, context, &w->attn2_v, NULL), &w->attn2_out, NULL);
    const sc_tensor row = one ? sc_reshape(cross, SC_DIMS(tokens.dim[2])) : SC_NONE;
    if (one)
        sc_axpby_into(x, row, 1, row, 1, w->attn1.out.b, SC_ACT_NONE);
    if (temporal)
        feed_forward(x, tokens, &w->ff_in);
    for (int64_t i = 0; i < frames; i += part) {
        const sc_mark p = sc_push(x);
        const sc_tensor t = sc_slice(tokens, 0, i, SC_MIN(part, frames - i));
        const sc_tensor n = sc_new_input(x, &w->attn1.q, t);
        sc_layer_norm_into(x, n, t, &w->norm1, EPS);
        sc_attention_forward(x, t, &w->attn1, n, row, temporal);
        sc_pop(x, p);
    }
    if (!one)
        sc_axpby_into(x, tokens, 1, tokens, 1, over_pixels(cross, tokens), SC_ACT_NONE);
    feed_forward(x, tokens, &w->ff);
    sc_pop(x, m);
}

void sc_transformer_load(sc_loader *ld, sc_transformer *w, int width, int heads, int context,
                         const char *name)
{
    sc_load_norm(ld, &w->norm, width, "%s.norm", name);
    sc_load_linear(ld, &w->proj_in, width, width, true, "%s.proj_in", name);
    block_load(ld, &w->spatial, width, heads, context, false, sc_name_of("%s.transformer_blocks.0", name).s);
    sc_embedding_load(ld, &w->time_pos_embed, width, 4 * width, width,
                      sc_name_of("%s.time_pos_embed", name).s);
    block_load(ld, &w->temporal, width, heads, context, true,
               sc_name_of("%s.temporal_transformer_blocks.0", name).s);
    w->share = sc_mix_load(ld, false, sc_name_of("%s.time_mixer", name).s);
    sc_load_linear(ld, &w->proj_out, width, width, true, "%s.proj_out", name);
}

/* transformer_temporal.py TransformerSpatioTemporalModel.forward() */
void sc_transformer_forward(sc_exec *x, sc_tensor out, const sc_transformer *w, sc_tensor in,
                            sc_tensor context, sc_tensor position)
{
    const sc_mark m = sc_push(x);
    const int64_t shape[] = { in.dim[0], in.dim[1] * in.dim[2], in.dim[3] };
    const sc_tensor s = sc_reshape(out, 3, shape); /* out holds the spatial tokens until the end */
    const sc_tensor z = sc_new(x, x->act, 3, shape);
    const sc_tensor p = sc_new_like(x, position);

    sc_group_norm_into(x, z, sc_reshape(in, 3, shape), &w->norm, SC_NORM_GROUPS, NORM_EPS, false);
    sc_linear_into(x, s, z, &w->proj_in, NULL);
    block_forward(x, s, &w->spatial, context, false);

    sc_embedding_forward(x, p, &w->time_pos_embed, position);
    sc_axpby_into(x, z, 1, s, 1, over_pixels(p, s), SC_ACT_NONE);
    block_forward(x, z, &w->temporal, sc_slice(context, 0, 0, 1), true);

    sc_axpby_into(x, z, w->share, s, 1 - w->share, z, SC_ACT_NONE);
    sc_linear_into(x, s, z, &w->proj_out, &(sc_linear_opt){ .add = &in });
    sc_pop(x, m);
}
