#include "quick.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "builtin.h"

/* Room for the widths and depths of any file; how many there are, its tensors say. The number of heads, which
 * they do not tell, and the rest are those of scripts/train/network.py. */
enum { MAX_LEVELS = 4, MAX_BLOCKS = 16, HEADS = 6, RGB = 3, COORDS = 2, SHUFFLE = 2 };
static const float norm_eps = 1e-5f, widths_gain = 20;

typedef struct residual_w {
    sc_norm norm;
    sc_param conv1, conv2, skip;
} residual_w;

typedef struct attention_w {
    sc_norm norm1, norm2;
    sc_param qkv, out, fc1, fc2;
} attention_w;

typedef struct block { /* one of the two: a layer that is not has no axes */
    residual_w residual;
    attention_w attention;
} block;

typedef struct stack {
    block block[MAX_BLOCKS];
    int count;
} stack;

struct sc_quick {
    int levels; /* at 1/2, 1/4 ... of the picture, without the middle */
    int64_t inputs, outputs;
    sc_param stem, down[MAX_LEVELS], up[MAX_LEVELS], conv1, conv2;
    sc_norm norm;
    stack encoder[MAX_LEVELS], decoder[MAX_LEVELS], middle;
    sc_tensor corners; /* [1,2,2,2] f32: the y and x coordinates of the picture's corners */
    void *weights;
    int64_t params;
};

/* Output (0) or input (1) channels of a layer of the file; 0 if it has no such layer. */
static int64_t channels(sc_loader *ld, const char *name, int axis)
{
    int64_t dim[SC_MAX_DIM];

    return sc_loader_shape(ld, dim, "%s.weight", name) > axis ? dim[axis] : 0;
}

static void load_residual(sc_loader *ld, residual_w *w, int64_t in, int64_t out, const char *name)
{
    sc_load_norm(ld, &w->norm, in, "%s.norm1", name);
    sc_load_conv(ld, &w->conv1, out, in, 3, 3, true, "%s.conv1", name);
    sc_load_conv(ld, &w->conv2, out, out, 3, 3, true, "%s.conv2", name);
    if (in != out)
        sc_load_linear(ld, &w->skip, out, in, true, "%s.skip", name);
}

static void load_attention(sc_loader *ld, attention_w *w, int64_t c, const char *name)
{
    sc_load_norm(ld, &w->norm1, c, "%s.norm1", name);
    sc_load_linear(ld, &w->qkv, 3 * c, c, true, "%s.qkv", name);
    sc_load_linear(ld, &w->out, c, c, true, "%s.out", name);
    sc_load_norm(ld, &w->norm2, c, "%s.norm2", name);
    sc_load_linear(ld, &w->fc1, 4 * c, c, true, "%s.fc1", name);
    sc_load_linear(ld, &w->fc2, c, 4 * c, true, "%s.fc2", name);
}

/* All blocks that the file has under this name: the first takes `in` channels, all give `out`. */
static void load_stack(sc_loader *ld, stack *s, int64_t in, int64_t out, const char *name)
{
    char item[48], layer[64];

    for (; s->count < MAX_BLOCKS; s->count++) {
        block *b = &s->block[s->count];

        snprintf(item, sizeof(item), "%s.%d", name, s->count);
        snprintf(layer, sizeof(layer), "%s.qkv", item);
        const bool attends = channels(ld, layer, 0) > 0;
        snprintf(layer, sizeof(layer), "%s.conv1", item);
        if (attends)
            load_attention(ld, &b->attention, out, item);
        else if (channels(ld, layer, 0))
            load_residual(ld, &b->residual, s->count ? out : in, out, item);
        else
            break;
    }
}

static void load(sc_quick *q, sc_loader *ld)
{
    int64_t c = channels(ld, "stem", 0);
    const int64_t first = c;
    char name[32];

    q->inputs = channels(ld, "stem", 1);
    q->outputs = channels(ld, "head.conv2", 0) / (SHUFFLE * SHUFFLE);
    sc_load_conv(ld, &q->stem, c, q->inputs, 3, 3, true, "stem");
    for (; q->levels < MAX_LEVELS; q->levels++) {
        const int l = q->levels;

        snprintf(name, sizeof(name), "down.%d", l + 1);
        const int64_t deeper = channels(ld, name, 0);
        if (!deeper)
            break;
        sc_load_conv(ld, &q->down[l], deeper, c, 3, 3, true, "%s", name);
        sc_load_linear(ld, &q->up[l], c, deeper, true, "up.%d", l + 1);
        snprintf(name, sizeof(name), "encoder.%d", l + 1);
        load_stack(ld, &q->encoder[l], c, c, name);
        snprintf(name, sizeof(name), "decoder.%d", l + 1);
        load_stack(ld, &q->decoder[l], 2 * c, c, name);
        c = deeper;
    }
    load_stack(ld, &q->middle, c, c, "middle");
    sc_load_norm(ld, &q->norm, first, "head.norm");
    sc_load_conv(ld, &q->conv1, first, first, 3, 3, true, "head.conv1");
    sc_load_conv(ld, &q->conv2, SHUFFLE * SHUFFLE * q->outputs, first, 3, 3, true, "head.conv2");
}

int sc_quick_open(sc_quick **out, sc_loader **ld, sc_exec *x)
{
    static const float corners[2][2][COORDS] = { { { -1, -1 }, { -1, 1 } }, { { 1, -1 }, { 1, 1 } } };
    sc_quick *q = calloc(1, sizeof(*q));
    void *p = NULL;
    int ret;

    if (!q) {
        sc_loader_close(ld);
        return -ENOMEM;
    }
    load(q, *ld);
    SC_TRY(sc_loader_finish(ld, &q->weights, &q->params));
    SC_TRY(x->dev->ops->alloc(x->dev, &p, sizeof(corners)));
    q->corners = sc_tensor_make(p, SC_F32, SC_DIMS(1, 2, 2, COORDS));
    sc_upload(x, q->corners, corners);
    SC_TRY(sc_exec_wait(x));
    *out = q;
    return 0;
fail:
    sc_quick_close(&q, x->dev);
    return ret;
}

int sc_quick_open_builtin(sc_quick **q, const char *name, sc_exec *x, sc_dtype store)
{
    const sc_builtin *b = sc_builtin_find(name, x->dev->large);
    sc_loader *ld = NULL;
    char title[64];
    int ret;

    if (!b)
        return sc_fail(x->log, SC_ERR_WEIGHTS, "weights", "%s.safetensors was not built in", name);
    snprintf(title, sizeof(title), "built-in %s", b->name);
    if ((ret = sc_loader_open_memory(&ld, b->bytes, b->size, title, x, store, x->log)) < 0)
        return ret;
    return sc_quick_open(q, &ld, x);
}

void sc_quick_close(sc_quick **q, sc_device *dev)
{
    if (!*q)
        return;
    if ((*q)->corners.data)
        dev->ops->free(dev, (*q)->corners.data);
    sc_loader_free(dev, &(*q)->weights);
    free(*q);
    *q = NULL;
}

int64_t sc_quick_params(const sc_quick *q)
{
    return q->params;
}

static sc_tensor residual(sc_exec *x, const residual_w *w, sc_tensor in)
{
    sc_tensor out = sc_new(x, x->act, SC_DIMS(in.dim[0], in.dim[1], in.dim[2], w->conv2.w.dim[0]));
    const sc_mark m = sc_push(x);
    const sc_tensor skip = w->skip.w.ndim ? sc_linear(x, in, &w->skip, NULL) : in;
    sc_tensor h = sc_layer_norm(x, in, &w->norm, norm_eps);

    h = sc_conv2d(x, h, &w->conv1, &(sc_conv2d_opt){ .act = SC_ACT_SILU });
    sc_conv2d_into(x, out, h, &w->conv2, &(sc_conv2d_opt){ .add = &skip });
    sc_pop(x, m);
    return out;
}

/* The part-th third of qkv[N,h,w,3C] as [N,S,HEADS,D]. */
static sc_tensor heads(sc_tensor qkv, int part)
{
    const int64_t c = qkv.dim[3] / 3;

    return sc_reshape(sc_slice(qkv, 3, part * c, c),
                      SC_DIMS(qkv.dim[0], qkv.dim[1] * qkv.dim[2], HEADS, c / HEADS));
}

static sc_tensor attention(sc_exec *x, const attention_w *w, sc_tensor in)
{
    sc_tensor out = sc_new_like(x, in);
    const sc_mark m = sc_push(x);
    const sc_tensor qkv = sc_linear(x, sc_layer_norm(x, in, &w->norm1, norm_eps), &w->qkv, NULL);
    const sc_tensor q = heads(qkv, 0), k = heads(qkv, 1), v = heads(qkv, 2);
    const sc_tensor mixed = sc_new_like(x, in);
    sc_tensor h, hidden;

    sc_attention_into(x, sc_reshape(mixed, 4, q.dim), q, k, v, 1 / sqrtf((float)q.dim[3]));
    h = sc_linear(x, mixed, &w->out, &(sc_linear_opt){ .add = &in });
    hidden = sc_layer_norm(x, h, &w->norm2, norm_eps);
    hidden = sc_linear(x, hidden, &w->fc1, &(sc_linear_opt){ .act = SC_ACT_GELU });
    sc_linear_into(x, out, hidden, &w->fc2, &(sc_linear_opt){ .add = &h });
    sc_pop(x, m);
    return out;
}

/* [N,2h,2w,2C]: in through the layer and doubled by repetition, then skip. */
static sc_tensor join(sc_exec *x, const sc_param *p, sc_tensor in, sc_tensor skip)
{
    const int64_t n = in.dim[0], h = in.dim[1], w = in.dim[2], c = skip.dim[3];
    const sc_tensor out = sc_new(x, x->act, SC_DIMS(n, 2 * h, 2 * w, 2 * c));
    const sc_mark m = sc_push(x);
    sc_tensor up = sc_reshape(sc_linear(x, in, p, NULL), SC_DIMS(n * h, 1, w, 1, c));

    up = sc_broadcast(up, SC_DIMS(n * h, 2, w, 2, c));
    sc_copy_into(x, sc_reshape(sc_slice(out, 3, 0, c), 5, up.dim), up);
    sc_copy_into(x, sc_slice(out, 3, c, c), skip);
    sc_pop(x, m);
    return out;
}

static sc_tensor run(sc_exec *x, const stack *s, sc_tensor t)
{
    for (int i = 0; i < s->count; i++) {
        const block *b = &s->block[i];

        t = b->attention.qkv.w.ndim ? attention(x, &b->attention, t) : residual(x, &b->residual, t);
    }
    return t;
}

/* From in[N,H,W,inputs] to small[N,H/2,W/2,4 outputs]. */
static void body(sc_exec *x, sc_tensor small, const sc_quick *q, sc_tensor in)
{
    const sc_mark m = sc_push(x);
    sc_tensor skip[MAX_LEVELS], t = sc_conv2d(x, in, &q->stem, &(sc_conv2d_opt){ .stride = 2 });

    for (int l = 0; l < q->levels; l++) {
        t = skip[l] = run(x, &q->encoder[l], t);
        t = sc_conv2d(x, t, &q->down[l], &(sc_conv2d_opt){ .stride = 2 });
    }
    t = run(x, &q->middle, t);
    for (int l = q->levels - 1; l >= 0; l--)
        t = run(x, &q->decoder[l], join(x, &q->up[l], t, skip[l]));
    t = sc_conv2d(x, sc_layer_norm(x, t, &q->norm, norm_eps), &q->conv1,
                  &(sc_conv2d_opt){ .act = SC_ACT_SILU });
    sc_conv2d_into(x, small, t, &q->conv2, NULL);
    sc_pop(x, m);
}

/* A batch of pictures to go in, [N,H,W,inputs], of which RGB is filled in: 0..1 becomes -1..1. */
static sc_tensor begin(sc_exec *x, const sc_quick *q, sc_tensor rgb)
{
    const sc_tensor in = sc_new(x, x->act, SC_DIMS(rgb.dim[0], rgb.dim[1], rgb.dim[2], q->inputs));
    const sc_mark m = sc_push(x);
    const sc_tensor centred = sc_new(x, SC_F32, rgb.ndim, rgb.dim);

    sc_colour_into(x, &(sc_colour_args){
                          .y = centred, .a = rgb, .m1 = { 2, 0, 0, 0, 2, 0, 0, 0, 2 }, .t = { -1, -1, -1 } });
    sc_copy_into(x, sc_slice(in, 3, 0, RGB), centred);
    sc_pop(x, m);
    return in;
}

/* out[N,H,W,outputs] of in[N,H,W,inputs]. */
static void forward(sc_exec *x, sc_tensor out, const sc_quick *q, sc_tensor in)
{
    const int64_t n = in.dim[0], h = in.dim[1] / SHUFFLE, w = in.dim[2] / SHUFFLE, c = q->outputs;
    const sc_tensor small = sc_new(x, x->act, SC_DIMS(n, h, w, SHUFFLE * SHUFFLE * c));
    sc_replay r = { .net = q, .shape = { n, h, w } };

    while (sc_replay_next(x, &r))
        body(x, small, q, in);
    /* Pixel shuffle: channel 4 i + 2 dy + dx of a small pixel is the output's channel i at (2 y + dy, 2 x +
     * dx).
     */
    const sc_tensor t =
        sc_permute(sc_reshape(small, SC_DIMS(n * h, w, c, SHUFFLE, SHUFFLE)), (const int[]){ 0, 3, 1, 4, 2 });
    sc_copy_into(x, sc_reshape(out, 5, t.dim), t);
}

static bool fits(const sc_quick *q, sc_tensor t, int64_t c)
{
    const int64_t step = (int64_t)SHUFFLE << q->levels;

    return t.ndim == 4 && t.dim[1] % step == 0 && t.dim[2] % step == 0 && t.dim[3] == c;
}

void sc_quick_depth(sc_exec *x, sc_tensor disp, const sc_quick *q, sc_tensor images)
{
    const sc_mark m = sc_push(x);

    SC_CHECK(x, q->inputs == RGB + COORDS && q->outputs == 1);
    SC_CHECK(x, fits(q, images, RGB) && fits(q, disp, 1));
    const int64_t n = images.dim[0], h = images.dim[1], w = images.dim[2];
    const sc_tensor in = begin(x, q, images);
    const sc_tensor coords = sc_new(x, SC_F32, SC_DIMS(1, h, w, COORDS));
    sc_resize_into(
        x, &(sc_resize_args){ .y = coords, .x = q->corners, .mode = SC_BILINEAR, .align_corners = true });
    sc_copy_into(x, sc_slice(in, 3, RGB, COORDS), sc_broadcast(coords, SC_DIMS(n, h, w, COORDS)));
    forward(x, disp, q, in);
    sc_pop(x, m);
}

void sc_quick_fill(sc_exec *x, sc_tensor change, const sc_quick *q, sc_tensor filled, sc_tensor hole,
                   sc_tensor disp)
{
    const sc_mark m = sc_push(x);

    SC_CHECK(x, q->inputs == RGB + 2 && q->outputs == RGB);
    SC_CHECK(x, fits(q, filled, RGB) && fits(q, change, RGB) && fits(q, hole, 1) && fits(q, disp, 1));
    const sc_tensor in = begin(x, q, filled);
    sc_copy_into(x, sc_slice(in, 3, RGB, 1), hole);
    sc_axpby_into(x, sc_slice(in, 3, RGB + 1, 1), widths_gain, disp, 0, SC_NONE, SC_ACT_NONE);
    forward(x, change, q, in);
    sc_pop(x, m);
}
