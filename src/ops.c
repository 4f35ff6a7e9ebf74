#include <assert.h>

#include "ops.h"
#include "pager.h"

/* Every op ends here: counts the launch and keeps the first failure. */
static void done(sc_exec *x, const char *op, int ret)
{
    x->stats.launches++;
    if (ret < 0)
        sc_exec_fail(x, ret, "%s: %s", op, sc_strerror(ret));
}

static bool is_image(sc_tensor t, int64_t channels)
{
    return t.ndim == 3 && t.dim[2] == channels && t.dtype == SC_F32;
}

/* An image whose pixels lie side by side: only its rows may be strided. */
static bool is_picture(sc_tensor t, int64_t channels)
{
    return is_image(t, channels) && t.stride[2] == 1 && t.stride[1] == channels;
}

static bool same_size(sc_tensor a, sc_tensor b)
{
    return a.dim[0] == b.dim[0] && a.dim[1] == b.dim[1];
}

static bool absent(sc_tensor t)
{
    return t.ndim == 0;
}

/* The device's tensor cores take E4M3 in steps of 16. */
static bool is_narrow(const sc_param *p)
{
    const int64_t in = p->w.dim[p->w.ndim - 1], out = p->w.dim[0];

    return p->w.dtype == SC_F8 && in % 16 == 0 && out % 16 == 0 && p->scale.dim[0] == out &&
           p->scale.dtype == SC_F32;
}

/* Like in, E4M3 in the arena, with `groups` factors. */
static sc_tensor new_narrow(sc_exec *x, sc_tensor in, int64_t groups)
{
    sc_tensor out = sc_new(x, SC_F8, in.ndim, in.dim);

    out.scale = sc_new(x, SC_F32, 1, &groups).data;
    return out;
}

/* Of a linear layer's input or a convolution's. */
static int64_t factors_of(const sc_param *p, sc_tensor in)
{
    return p->w.ndim == 2 ? sc_tensor_count(in) / in.dim[in.ndim - 1] : 1;
}

sc_tensor sc_new_input(sc_exec *x, const sc_param *p, sc_tensor in)
{
    return absent(p->scale) ? sc_new(x, x->act, in.ndim, in.dim) : new_narrow(x, in, factors_of(p, in));
}

/* in as E4M3, and its factors. */
static sc_tensor narrow(sc_exec *x, const sc_param *p, sc_tensor in, sc_tensor *scale)
{
    const int64_t groups = factors_of(p, in);
    const sc_tensor out = in.dtype == SC_F8 ? in : new_narrow(x, in, groups);

    *scale = sc_tensor_make(out.scale, SC_F32, 1, &groups);
    if (in.dtype != SC_F8)
        sc_quantise_into(x, out, *scale, in);
    return out;
}

/* Whether a norm can make out of in. */
static bool is_normed(sc_tensor out, sc_tensor in)
{
    return sc_same_shape(in, out) && sc_tensor_packed(in) && sc_tensor_packed(out) && in.dtype <= SC_BF16 &&
           (out.dtype <= SC_BF16 || out.dtype == SC_F8);
}

void sc_linear_into(sc_exec *x, sc_tensor out, sc_tensor in, const sc_param *p, const sc_linear_opt *o)
{
    sc_linear_args a = { .w = p->w, .b = p->b, .scale = p->scale, .act = o ? o->act : SC_ACT_NONE };
    const sc_mark m = sc_push(x);
    int64_t n;

    if (x->err)
        return;
    SC_CHECK(x, a.w.ndim == 2 && in.ndim >= 1 && in.dim[in.ndim - 1] == a.w.dim[1]);
    n = a.act == SC_ACT_GEGLU ? a.w.dim[0] / 2 : a.w.dim[0];
    a.x = sc_rows(in);
    a.y = sc_rows(out);
    SC_CHECK(x, a.y.dim[0] == a.x.dim[0] && a.y.dim[1] == n);
    SC_CHECK(x, absent(a.b) || (a.b.dim[0] == a.w.dim[0] && a.b.dtype == SC_F32));
    SC_CHECK(x, absent(a.scale) ? a.w.dtype != SC_F8 : is_narrow(p));
    if (!absent(a.scale))
        a.x = narrow(x, p, a.x, &a.x_scale);
    if (o && o->add) {
        a.add = sc_rows(*o->add);
        SC_CHECK(x, a.add.dim[1] == n && (a.add.dim[0] == a.y.dim[0] || a.add.dim[0] == 1));
        a.add = sc_broadcast(a.add, 2, a.y.dim);
    }
    x->stats.flops += 2 * a.x.dim[0] * a.w.dim[0] * a.w.dim[1];
    if (p->far.tape)
        sc_pager_need(x, p);
    if (!x->err)
        done(x, "linear", x->dev->ops->linear(x, &a));
    sc_pop(x, m);
}

sc_tensor sc_linear(sc_exec *x, sc_tensor in, const sc_param *p, const sc_linear_opt *o)
{
    int64_t dim[SC_MAX_DIM];
    sc_tensor out;

    for (int i = 0; i < in.ndim; i++)
        dim[i] = in.dim[i];
    dim[in.ndim - 1] = o && o->act == SC_ACT_GEGLU ? p->w.dim[0] / 2 : p->w.dim[0];
    out = sc_new(x, x->act, in.ndim, dim);
    sc_linear_into(x, out, in, p, o);
    return out;
}

/* Padding of a convolution with kernel k under sc_conv2d_opt.pad_mode: before and after. */
static void padding(int mode, int64_t k, int *before, int *after)
{
    *before = mode == 0 ? (int)(k - 1) / 2 : 0;
    *after = mode == 0 ? (int)(k - 1) / 2 : mode == 2 ? (int)(k - 1) / 2 : 0;
}

static void conv2d_shape(int64_t dim[4], sc_conv2d_args *a, sc_tensor in, const sc_param *p,
                         const sc_conv2d_opt *o)
{
    static const sc_conv2d_opt none = { 0 };
    const int64_t up = o && o->upsample ? 2 : 1;

    if (!o)
        o = &none;
    *a = (sc_conv2d_args){ .x = in,
                           .w = p->w,
                           .b = p->b,
                           .scale = p->scale,
                           .vec = o->vec ? *o->vec : SC_NONE,
                           .add = o->add ? *o->add : SC_NONE,
                           .stride = o->stride ? o->stride : 1,
                           .upsample = o->upsample,
                           .act = o->act };
    padding(o->pad_mode, p->w.dim[1], &a->pad_top, &a->pad_bottom);
    padding(o->pad_mode, p->w.dim[2], &a->pad_left, &a->pad_right);
    dim[0] = in.dim[0];
    dim[1] = (in.dim[1] * up + a->pad_top + a->pad_bottom - p->w.dim[1]) / a->stride + 1;
    dim[2] = (in.dim[2] * up + a->pad_left + a->pad_right - p->w.dim[2]) / a->stride + 1;
    dim[3] = p->w.dim[0];
}

void sc_conv2d_into(sc_exec *x, sc_tensor out, sc_tensor in, const sc_param *p, const sc_conv2d_opt *o)
{
    const sc_mark m = sc_push(x);
    sc_conv2d_args a;
    int64_t dim[4];

    if (x->err)
        return;
    SC_CHECK(x, in.ndim == 4 && p->w.ndim == 4 && in.dim[3] == p->w.dim[3]);
    conv2d_shape(dim, &a, in, p, o);
    a.y = out;
    SC_CHECK(x, out.ndim == 4 && out.dim[0] == dim[0] && out.dim[1] == dim[1] && out.dim[2] == dim[2] &&
                    out.dim[3] == dim[3]);
    SC_CHECK(x, sc_tensor_packed(out) && sc_tensor_packed(in));
    SC_CHECK(x, absent(a.b) || (a.b.dim[0] == dim[3] && a.b.dtype == SC_F32));
    if (!absent(a.vec)) {
        SC_CHECK(x,
                 a.vec.ndim == 2 && a.vec.dim[1] == dim[3] && (a.vec.dim[0] == dim[0] || a.vec.dim[0] == 1));
        a.vec = sc_broadcast(a.vec, 2, (const int64_t[]){ dim[0], dim[3] });
    }
    SC_CHECK(x, absent(a.vec) || a.vec.dtype == SC_F32 || a.vec.dtype == out.dtype);
    SC_CHECK(x, absent(a.add) || (sc_same_shape(a.add, out) && sc_tensor_packed(a.add)));
    SC_CHECK(x, absent(a.scale) ? a.w.dtype != SC_F8 : is_narrow(p));
    if (!absent(a.scale))
        a.x = narrow(x, p, in, &a.x_scale);
    x->stats.flops += 2 * sc_tensor_count(out) * p->w.dim[1] * p->w.dim[2] * p->w.dim[3];
    if (p->far.tape)
        sc_pager_need(x, p);
    if (!x->err)
        done(x, "conv2d", x->dev->ops->conv2d(x, &a));
    sc_pop(x, m);
}

sc_tensor sc_conv2d(sc_exec *x, sc_tensor in, const sc_param *p, const sc_conv2d_opt *o)
{
    sc_conv2d_args a;
    sc_tensor out;
    int64_t dim[4];

    conv2d_shape(dim, &a, in, p, o);
    out = sc_new(x, x->act, 4, dim);
    sc_conv2d_into(x, out, in, p, o);
    return out;
}

void sc_group_norm_into(sc_exec *x, sc_tensor out, sc_tensor in, const sc_norm *w, int groups, float eps,
                        bool silu)
{
    sc_group_norm_args a = { .gamma = w->gamma, .beta = w->beta, .groups = groups, .eps = eps, .silu = silu };
    int64_t c;

    if (x->err)
        return;
    SC_CHECK(x, in.ndim >= 2 && is_normed(out, in));
    c = in.dim[in.ndim - 1];
    SC_CHECK(x, groups > 0 && c % groups == 0 && w->gamma.dim[0] == c && w->beta.dim[0] == c);
    a.x = sc_reshape(in, SC_DIMS(in.dim[0], sc_tensor_count(in) / (in.dim[0] * c), c));
    a.y = sc_reshape(out, 3, a.x.dim);
    done(x, "group_norm", x->dev->ops->group_norm(x, &a));
}

sc_tensor sc_group_norm(sc_exec *x, sc_tensor in, const sc_norm *w, int groups, float eps, bool silu)
{
    sc_tensor out = sc_new(x, x->act, in.ndim, in.dim);

    sc_group_norm_into(x, out, in, w, groups, eps, silu);
    return out;
}

void sc_layer_norm_into(sc_exec *x, sc_tensor out, sc_tensor in, const sc_norm *w, float eps)
{
    sc_layer_norm_args a = { .gamma = w->gamma, .beta = w->beta, .eps = eps };

    if (x->err)
        return;
    SC_CHECK(x, is_normed(out, in));
    a.x = sc_rows(in);
    a.y = sc_rows(out);
    SC_CHECK(x, w->gamma.dim[0] == a.x.dim[1] && w->beta.dim[0] == a.x.dim[1]);
    done(x, "layer_norm", x->dev->ops->layer_norm(x, &a));
}

sc_tensor sc_layer_norm(sc_exec *x, sc_tensor in, const sc_norm *w, float eps)
{
    sc_tensor out = sc_new(x, x->act, in.ndim, in.dim);

    sc_layer_norm_into(x, out, in, w, eps);
    return out;
}

void sc_attention_into(sc_exec *x, sc_tensor out, sc_tensor q, sc_tensor k, sc_tensor v, float scale)
{
    const sc_attention_args a = { .y = out, .q = q, .k = k, .v = v, .scale = scale };

    if (x->err)
        return;
    SC_CHECK(x, q.ndim == 4 && sc_same_shape(out, q) && sc_same_shape(k, v));
    SC_CHECK(x, q.dim[0] == k.dim[0] && q.dim[2] == k.dim[2] && q.dim[3] == k.dim[3]);
    SC_CHECK(x, out.stride[3] == 1 && q.stride[3] == 1 && k.stride[3] == 1 && v.stride[3] == 1);
    x->stats.flops += 4 * q.dim[0] * q.dim[1] * k.dim[1] * q.dim[2] * q.dim[3];
    done(x, "attention", x->dev->ops->attention(x, &a));
}

void sc_copy_into(sc_exec *x, sc_tensor out, sc_tensor in)
{
    const sc_copy_args a = { .y = out, .x = in };

    if (x->err)
        return;
    SC_CHECK(x, sc_same_shape(out, in));
    done(x, "copy", x->dev->ops->copy(x, &a));
}

void sc_quantise_into(sc_exec *x, sc_tensor out, sc_tensor scale, sc_tensor in)
{
    const sc_copy_args a = { .y = out, .x = in, .scale = scale };

    if (x->err)
        return;
    SC_CHECK(x, out.ndim > 1 && sc_same_shape(out, in) && out.dtype == SC_F8 && sc_tensor_packed(out));
    SC_CHECK(x, scale.dtype == SC_F32 && (scale.dim[0] == 1 || scale.dim[0] == out.dim[0]));
    SC_CHECK(x, sc_tensor_packed(in) || (in.ndim == 2 && in.stride[1] == 1 && scale.dim[0] == in.dim[0]));
    SC_CHECK(x, in.dtype <= SC_BF16);
    done(x, "copy", x->dev->ops->copy(x, &a));
}

void sc_axpby_into(sc_exec *x, sc_tensor out, float a, sc_tensor in, float b, sc_tensor z, sc_act act)
{
    const sc_axpby_args args = { .y = out, .x = in, .z = z, .a = a, .b = b, .act = act };

    if (x->err)
        return;
    SC_CHECK(x, sc_same_shape(out, in) && (absent(z) || sc_same_shape(out, z)));
    SC_CHECK(x, act == SC_ACT_NONE || act == SC_ACT_SILU);
    done(x, "axpby", x->dev->ops->axpby(x, &args));
}

void sc_randn_into(sc_exec *x, sc_tensor out, uint64_t seed, uint64_t offset)
{
    const sc_randn_args a = { .y = out, .seed = seed, .offset = offset };

    if (x->err)
        return;
    SC_CHECK(x, out.dtype == SC_F32 && sc_tensor_packed(out));
    done(x, "randn", x->dev->ops->randn(x, &a));
}

void sc_resize_into(sc_exec *x, const sc_resize_args *a)
{
    if (x->err)
        return;
    SC_CHECK(x, a->y.ndim == 4 && a->x.ndim == 4 && a->y.dim[0] == a->x.dim[0] && a->y.dim[3] == a->x.dim[3]);
    SC_CHECK(x, a->y.dtype == SC_F32 && a->x.dtype == SC_F32 && a->x.stride[3] == 1 && a->y.stride[3] == 1);
    SC_CHECK(x, absent(a->guide) == absent(a->guide_small));
    if (!absent(a->guide)) {
        SC_CHECK(x, a->guide.ndim == 4 && a->guide.dim[1] == a->y.dim[1] && a->guide.dim[2] == a->y.dim[2]);
        SC_CHECK(x, a->guide_small.ndim == 4 && a->guide_small.dim[1] == a->x.dim[1] &&
                        a->guide_small.dim[2] == a->x.dim[2]);
        SC_CHECK(x, a->guide.dim[0] == a->x.dim[0] && a->guide_small.dim[0] == a->x.dim[0] && a->range > 0);
        SC_CHECK(x, a->guide.dim[3] == 3 && a->guide_small.dim[3] == 3);
    }
    done(x, "resize", x->dev->ops->resize(x, a));
}

void sc_image_in_into(sc_exec *x, const sc_image_in_args *a)
{
    if (x->err)
        return;
    SC_CHECK(x, is_image(a->y, 3) && a->px.planes > 0 && a->y.dim[0] == a->px.plane[0].dim[0]);
    done(x, "image_in", x->dev->ops->image_in(x, a));
}

void sc_image_out_into(sc_exec *x, const sc_image_out_args *a)
{
    if (x->err)
        return;
    SC_CHECK(x, is_image(a->x, 3) && a->px.planes > 0 && a->x.dim[0] == a->px.plane[0].dim[0]);
    done(x, "image_out", x->dev->ops->image_out(x, a));
}

void sc_minmax_into(sc_exec *x, const sc_minmax_args *a)
{
    if (x->err)
        return;
    SC_CHECK(x, a->y.ndim == 1 && a->y.dim[0] == 2 && a->y.dtype == SC_F32 && a->x.dtype == SC_F32);
    SC_CHECK(x, absent(a->mask) || sc_same_shape(a->mask, a->x));
    SC_CHECK(x, a->q_lo >= 0 && a->q_lo <= a->q_hi && a->q_hi <= 1);
    done(x, "minmax", x->dev->ops->minmax(x, a));
}

void sc_moments_into(sc_exec *x, const sc_moments_args *a)
{
    if (x->err)
        return;
    SC_CHECK(x, a->x.ndim == 3 && a->y.ndim == 2 && a->y.dim[0] == 3 && a->y.dim[1] == a->x.dim[2]);
    SC_CHECK(x, absent(a->mask) || (is_image(a->mask, 1) && same_size(a->mask, a->x)));
    done(x, "moments", x->dev->ops->moments(x, a));
}

void sc_splat_into(sc_exec *x, const sc_splat_args *a)
{
    if (x->err)
        return;
    SC_CHECK(x, is_picture(a->right, 3) && is_picture(a->left, 3) && is_picture(a->hole, 1) &&
                    is_picture(a->disp, 1));
    SC_CHECK(x, same_size(a->right, a->left) && same_size(a->hole, a->left) && same_size(a->disp, a->left));
    SC_CHECK(x, absent(a->disp_right) || (is_picture(a->disp_right, 1) && same_size(a->disp_right, a->left)));
    done(x, "splat", x->dev->ops->splat(x, a));
}

void sc_fill_into(sc_exec *x, const sc_fill_args *a)
{
    if (x->err)
        return;
    SC_CHECK(x, is_picture(a->x, 3) && is_picture(a->hole, 1) && is_picture(a->disp, 1));
    SC_CHECK(x, same_size(a->hole, a->x) && same_size(a->disp, a->x));
    SC_CHECK(x, is_picture(a->y, 3) && is_picture(a->y_disp, 1) && is_picture(a->mask, 1));
    SC_CHECK(x, same_size(a->y, a->x) && same_size(a->y_disp, a->x) && same_size(a->mask, a->x));
    SC_CHECK(x, is_picture(a->work, 7) && same_size(a->work, a->x));
    SC_CHECK(x, absent(a->prev) || (is_picture(a->prev, 3) && is_picture(a->prev_disp, 1) &&
                                    same_size(a->prev, a->x) && same_size(a->prev_disp, a->x)));
    done(x, "fill", x->dev->ops->fill(x, a));
}

void sc_filter_into(sc_exec *x, const sc_filter_args *a)
{
    if (x->err)
        return;
    SC_CHECK(x, a->y.ndim == 4 && sc_same_shape(a->y, a->x) && a->radius_x >= 0 && a->radius_y >= 0);
    SC_CHECK(x, a->kind != SC_FILTER_MEAN || ((a->taps_x || !a->radius_x) && (a->taps_y || !a->radius_y)));
    SC_CHECK(x, !a->reflect || (a->radius_x < a->x.dim[2] && a->radius_y < a->x.dim[1]));
    done(x, "filter", x->dev->ops->filter(x, a));
}

void sc_colour_into(sc_exec *x, const sc_colour_args *a)
{
    if (x->err)
        return;
    SC_CHECK(x, sc_same_shape(a->y, a->a) && a->y.dim[a->y.ndim - 1] == 3);
    SC_CHECK(x, absent(a->b) || sc_same_shape(a->b, a->a));
    SC_CHECK(x, a->to == SC_RGB || a->to == SC_LAB);
    done(x, "colour", x->dev->ops->colour(x, a));
}

void sc_mix_into(sc_exec *x, const sc_mix_args *a)
{
    if (x->err)
        return;
    SC_CHECK(x, sc_same_shape(a->y, a->a) && sc_same_shape(a->y, a->b) && a->m.ndim == a->y.ndim);
    for (int i = 0; i < a->y.ndim - 1; i++)
        SC_CHECK(x, a->m.dim[i] == a->y.dim[i]);
    SC_CHECK(x, a->m.dim[a->m.ndim - 1] == 1 || a->m.dim[a->m.ndim - 1] == a->y.dim[a->y.ndim - 1]);
    done(x, "mix", x->dev->ops->mix(x, a));
}
