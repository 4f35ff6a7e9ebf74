#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "blocks.h"

sc_name sc_name_of(const char *fmt, ...)
{
    sc_name n;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(n.s, sizeof(n.s), fmt, ap);
    va_end(ap);
    return n;
}

/* diffusers embeddings.py get_timestep_embedding() with flip_sin_to_cos and no frequency shift; in float, in
 * its order. */
sc_tensor sc_sinusoid(sc_exec *x, const float *values, int n, int dim)
{
    const int half = dim / 2;
    const sc_tensor out = sc_new(x, x->act, SC_DIMS(n, dim));
    const sc_mark m = sc_push(x);
    const sc_tensor exact = sc_new(x, SC_F32, 2, out.dim);
    float *host = malloc(sizeof(*host) * (size_t)n * (size_t)dim);

    if (!host) {
        sc_exec_fail(x, -ENOMEM, "no memory for %d positions of %d channels", n, dim);
        return out;
    }
    for (int k = 0; k < n; k++)
        for (int i = 0; i < half; i++) {
            const float angle = values[k] * expf((float)-log(10000) * (float)i / (float)half);
            host[k * dim + i] = cosf(angle);
            host[k * dim + half + i] = sinf(angle);
        }
    sc_upload(x, exact, host);
    sc_copy_into(x, out, exact);
    sc_pop(x, m);
    free(host);
    return out;
}

void sc_embedding_load(sc_loader *ld, sc_embedding *w, int in, int hidden, int out, const char *name)
{
    sc_load_linear(ld, &w->linear_1, hidden, in, true, "%s.linear_1", name);
    sc_load_linear(ld, &w->linear_2, out, hidden, true, "%s.linear_2", name);
}

/* diffusers embeddings.py TimestepEmbedding.forward() */
void sc_embedding_forward(sc_exec *x, sc_tensor out, const sc_embedding *w, sc_tensor in)
{
    const sc_mark m = sc_push(x);
    const sc_tensor h = sc_linear(x, in, &w->linear_1, &(sc_linear_opt){ .act = SC_ACT_SILU });

    sc_linear_into(x, out, h, &w->linear_2, NULL);
    sc_pop(x, m);
}

void sc_resblock_load(sc_loader *ld, sc_resblock *w, const sc_resblock_shape *s, const char *name)
{
    const int kw = s->temporal ? 1 : 3;

    w->eps = s->eps;
    if (s->time)
        sc_load_linear(ld, &w->time_emb_proj, s->out, s->time, true, "%s.time_emb_proj", name);
    sc_load_norm(ld, &w->norm1, s->in, "%s.norm1", name);
    sc_load_conv(ld, &w->conv1, s->out, s->in, 3, kw, true, "%s.conv1", name);
    sc_load_norm(ld, &w->norm2, s->out, "%s.norm2", name);
    if (s->in != s->out)
        sc_load_conv(ld, &w->conv_shortcut, s->out, s->in, 1, 1, true, "%s.conv_shortcut", name);
    sc_loader_gain(ld, 1 - s->share);
    sc_load_conv(ld, &w->conv2, s->out, s->out, 3, kw, true, "%s.conv2", name);
    sc_loader_gain(ld, 1);
}

/* What the time adds to every pixel, [1,Cout] f32 like a bias, which it joins; none in the VAE. */
static sc_tensor project_time(sc_exec *x, const sc_resblock *w, sc_tensor temb)
{
    if (!w->time_emb_proj.w.ndim)
        return SC_NONE;
    const sc_tensor t = sc_new(x, SC_F32, SC_DIMS(1, w->time_emb_proj.w.dim[0]));

    sc_linear_into(x, t, temb, &w->time_emb_proj, NULL);
    return t;
}

/* t, or where a norm cannot make what layer p reads in the memory of t, a new tensor for that. */
static sc_tensor input_in(sc_exec *x, const sc_param *p, sc_tensor t)
{
    return p->scale.ndim ? sc_new_input(x, p, t) : t;
}

/* t: the projected time. n: where the normalised input goes, which may be the memory of out. */
static void resblock(sc_exec *x, sc_tensor out, const sc_resblock *w, sc_tensor in, sc_tensor t, sc_tensor n)
{
    const sc_mark m = sc_push(x);

    sc_group_norm_into(x, n, in, &w->norm1, SC_NORM_GROUPS, w->eps, true);
    const sc_tensor h = sc_conv2d(x, n, &w->conv1, &(sc_conv2d_opt){ .vec = t.ndim ? &t : NULL });
    const sc_tensor n2 = input_in(x, &w->conv2, h);
    sc_group_norm_into(x, n2, h, &w->norm2, SC_NORM_GROUPS, w->eps, true);
    /* The shortcut goes into out first and is added to there: one buffer fewer at the widest place. */
    if (w->conv_shortcut.w.ndim)
        sc_conv2d_into(x, out, in, &w->conv_shortcut, NULL);
    sc_conv2d_into(x, out, n2, &w->conv2, &(sc_conv2d_opt){ .add = w->conv_shortcut.w.ndim ? &out : &in });
    sc_pop(x, m);
}

/* diffusers resnet.py ResnetBlock2D.forward() and TemporalResnetBlock.forward() */
void sc_resblock_forward(sc_exec *x, sc_tensor out, const sc_resblock *w, sc_tensor in, sc_tensor temb)
{
    const sc_mark m = sc_push(x);
    const sc_tensor t = project_time(x, w, temb);

    resblock(x, out, w, in, t, sc_new_input(x, &w->conv1, in));
    sc_pop(x, m);
}

float sc_mix_load(sc_loader *ld, bool switched, const char *name)
{
    float factor;

    sc_load_scalar(ld, &factor, "%s.mix_factor", name);
    const double sigmoid = 1 / (1 + exp(-(double)factor));
    return (float)(switched ? 1 - sigmoid : sigmoid);
}

void sc_st_resblock_load(sc_loader *ld, sc_st_resblock *w, const sc_st_resblock_shape *s, const char *name)
{
    const sc_resblock_shape spatial = { .in = s->in, .out = s->out, .time = s->time, .eps = s->spatial_eps };
    const sc_resblock_shape temporal = { .in = s->out,
                                         .out = s->out,
                                         .time = s->time,
                                         .temporal = true,
                                         .eps = s->temporal_eps,
                                         .share = sc_mix_load(ld, s->switched,
                                                              sc_name_of("%s.time_mixer", name).s) };

    sc_resblock_load(ld, &w->spatial, &spatial, sc_name_of("%s.spatial_res_block", name).s);
    sc_resblock_load(ld, &w->temporal, &temporal, sc_name_of("%s.temporal_res_block", name).s);
}

/* A temporal 3x1x1 kernel is a 3x1 kernel on frames x pixels. */
static sc_tensor by_frame(sc_tensor t)
{
    return sc_reshape(t, SC_DIMS(1, t.dim[0], t.dim[1] * t.dim[2], t.dim[3]));
}

/* Pixels that fill a large GPU: 14 frames of 128x72, less than one of 1024x576. */
#define PART_PIXELS ((int64_t)1 << 17)

int64_t sc_frame_part(int64_t frames, int64_t pixels)
{
    const int64_t most = SC_MAX(PART_PIXELS / pixels, 1), parts = (frames + most - 1) / most;

    return (frames + parts - 1) / parts;
}

/* diffusers resnet.py SpatioTemporalResBlock.forward(), its second half, and AlphaBlender.forward() for
 * clips, where the image_only_indicator is zero: a s + (1 - a) (s + conv2(..)) = s + (1 - a) conv2(..), and
 * conv2 has its factor since it was loaded. */
void sc_st_resblock_blend(sc_exec *x, sc_tensor out, const sc_st_resblock *w, sc_tensor s, sc_tensor temb)
{
    const sc_mark m = sc_push(x);
    const sc_tensor t = project_time(x, &w->temporal, temb);

    resblock(x, by_frame(out), &w->temporal, by_frame(s), t, input_in(x, &w->temporal.conv1, by_frame(out)));
    sc_pop(x, m);
}

/* Channels of a, then of b. */
static sc_tensor concat(sc_exec *x, sc_tensor a, sc_tensor b)
{
    const int64_t *dim = a.dim, c = dim[3] + b.dim[3];
    const sc_tensor y = sc_new(x, x->act, SC_DIMS(dim[0], dim[1], dim[2], c));

    sc_copy_into(x, sc_slice(y, 3, 0, dim[3]), a);
    sc_copy_into(x, sc_slice(y, 3, dim[3], b.dim[3]), b);
    return y;
}

void sc_st_resblock_forward(sc_exec *x, sc_tensor out, const sc_st_resblock *w, sc_tensor in, sc_tensor skip,
                            sc_tensor temb)
{
    const sc_mark m = sc_push(x);
    const sc_tensor s = sc_new_like(x, out), time = project_time(x, &w->spatial, temb);
    const int64_t part = sc_frame_part(in.dim[0], in.dim[1] * in.dim[2]);

    for (int64_t t = 0; t < in.dim[0]; t += part) {
        const sc_mark one = sc_push(x);
        const int64_t n = SC_MIN(part, in.dim[0] - t);
        sc_tensor from = sc_slice(in, 0, t, n);

        if (skip.ndim)
            from = concat(x, from, sc_slice(skip, 0, t, n));
        resblock(x, sc_slice(s, 0, t, n), &w->spatial, from, time, sc_new_input(x, &w->spatial.conv1, from));
        sc_pop(x, one);
    }
    sc_st_resblock_blend(x, out, w, s, temb);
    sc_pop(x, m);
}

void sc_attention_load(sc_loader *ld, sc_attention *w, int width, int heads, bool bias, sc_attention_names n,
                       const char *name)
{
    if (!n.q)
        n = (sc_attention_names){ .q = "to_q", .k = "to_k", .v = "to_v", .out = "to_out.0" };
    w->heads = heads;
    sc_load_linear(ld, &w->q, width, width, bias, "%s.%s", name, n.q);
    sc_load_linear(ld, &w->k, width, width, bias, "%s.%s", name, n.k);
    sc_load_linear(ld, &w->v, width, width, bias, "%s.%s", name, n.v);
    sc_load_linear(ld, &w->out, width, width, true, "%s.%s", name, n.out);
}

/* [B,S,C] as [B,S,heads,C/heads], or with B and S exchanged. */
static sc_tensor by_head(sc_tensor t, int heads, bool exchange)
{
    t = sc_reshape(t, SC_DIMS(t.dim[0], t.dim[1], heads, t.dim[2] / heads));
    return exchange ? sc_permute(t, (const int[]){ 1, 0, 2, 3 }) : t;
}

/* diffusers attention_processor.py AttnProcessor2_0.__call__() */
void sc_attention_forward(sc_exec *x, sc_tensor out, const sc_attention *w, sc_tensor in, sc_tensor bias,
                          bool between)
{
    const sc_mark m = sc_push(x);
    sc_param last = w->out;
    const sc_tensor q = sc_linear(x, in, &w->q, NULL);
    const sc_tensor k = sc_linear(x, in, &w->k, NULL);
    const sc_tensor v = sc_linear(x, in, &w->v, NULL), y = w->q.scale.ndim ? sc_new_like(x, q) : in;
    const float width = (float)(in.dim[2] / w->heads);

    sc_attention_into(x, by_head(y, w->heads, between), by_head(q, w->heads, between),
                      by_head(k, w->heads, between), by_head(v, w->heads, between), 1 / sqrtf(width));
    if (bias.ndim)
        last.b = bias;
    sc_linear_into(x, out, y, &last, &(sc_linear_opt){ .add = &out });
    sc_pop(x, m);
}

void sc_frame_attention_load(sc_loader *ld, sc_frame_attention *w, int width, float eps, const char *name)
{
    static const sc_attention_names old = { .q = "query", .k = "key", .v = "value", .out = "proj_attn" };
    int64_t dim[SC_MAX_DIM];
    const bool is_old = sc_loader_shape(ld, dim, "%s.query.weight", name) >= 0;

    w->eps = eps;
    sc_load_norm(ld, &w->group_norm, width, "%s.group_norm", name);
    sc_attention_load(ld, &w->attention, width, 1, true, is_old ? old : (sc_attention_names){ 0 }, name);
}

/* diffusers attention_processor.py AttnProcessor2_0 with a group_norm and a residual connection */
void sc_frame_attention_forward(sc_exec *x, sc_tensor h, const sc_frame_attention *w)
{
    const sc_mark m = sc_push(x);
    const sc_tensor tokens = sc_reshape(h, SC_DIMS(h.dim[0], h.dim[1] * h.dim[2], h.dim[3]));
    const sc_tensor n = sc_group_norm(x, tokens, &w->group_norm, SC_NORM_GROUPS, w->eps, false);

    sc_attention_forward(x, tokens, &w->attention, n, SC_NONE, false);
    sc_pop(x, m);
}
