#include "quick.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "builtin.h"

/* The trained widths at 1/2, 1/4, 1/8 and 1/16 of the picture, and the blocks at each level. */
enum { LEVELS = 3, MIDDLE = 4, MAX_BLOCKS = 3, HEADS = 6, RGB = 3, COORDS = 2, SHUFFLE = 2 };
static const int width[LEVELS + 1] = { 32, 64, 128, 192 };
static const int encoder_blocks[LEVELS] = { 1, 2, 3 };
static const int decoder_blocks[LEVELS] = { 1, 2, 2 };
static const float norm_eps = 1e-5f;

typedef struct residual_w {
    sc_norm norm;
    sc_param conv1, conv2, skip;
} residual_w;

typedef struct attention_w {
    sc_norm norm1, norm2;
    sc_param qkv, out, fc1, fc2;
} attention_w;

struct sc_quick {
    sc_param stem, down[LEVELS], up[LEVELS], conv1, conv2;
    sc_norm norm;
    residual_w encoder[LEVELS][MAX_BLOCKS], decoder[LEVELS][MAX_BLOCKS], middle[MIDDLE];
    attention_w attention[MIDDLE];
    sc_tensor corners; /* [1,2,2,2] f32: the y and x coordinates of the picture's corners */
    void *weights;
    int64_t params;
};

static void load_residual(sc_loader *ld, residual_w *w, int in, int out, const char *name)
{
    sc_load_norm(ld, &w->norm, in, "%s.norm1", name);
    sc_load_conv(ld, &w->conv1, out, in, 3, 3, true, "%s.conv1", name);
    sc_load_conv(ld, &w->conv2, out, out, 3, 3, true, "%s.conv2", name);
    if (in != out)
        sc_load_linear(ld, &w->skip, out, in, true, "%s.skip", name);
}

static void load_attention(sc_loader *ld, attention_w *w, int c, const char *name)
{
    sc_load_norm(ld, &w->norm1, c, "%s.norm1", name);
    sc_load_linear(ld, &w->qkv, 3 * c, c, true, "%s.qkv", name);
    sc_load_linear(ld, &w->out, c, c, true, "%s.out", name);
    sc_load_norm(ld, &w->norm2, c, "%s.norm2", name);
    sc_load_linear(ld, &w->fc1, 4 * c, c, true, "%s.fc1", name);
    sc_load_linear(ld, &w->fc2, c, 4 * c, true, "%s.fc2", name);
}

static void load(sc_quick *q, sc_loader *ld)
{
    char name[32];

    sc_load_conv(ld, &q->stem, width[0], RGB + COORDS, 3, 3, true, "stem");
    for (int l = 0; l < LEVELS; l++) {
        const int c = width[l], deeper = width[l + 1];

        for (int i = 0; i < encoder_blocks[l]; i++) {
            snprintf(name, sizeof(name), "encoder.%d.%d", l + 1, i);
            load_residual(ld, &q->encoder[l][i], c, c, name);
        }
        for (int i = 0; i < decoder_blocks[l]; i++) {
            snprintf(name, sizeof(name), "decoder.%d.%d", l + 1, i);
            load_residual(ld, &q->decoder[l][i], i ? c : 2 * c, c, name);
        }
        sc_load_conv(ld, &q->down[l], deeper, c, 3, 3, true, "down.%d", l + 1);
        sc_load_linear(ld, &q->up[l], c, deeper, true, "up.%d", l + 1);
    }
    for (int i = 0; i < MIDDLE; i++) {
        snprintf(name, sizeof(name), "middle.%d", 2 * i);
        load_residual(ld, &q->middle[i], width[LEVELS], width[LEVELS], name);
        snprintf(name, sizeof(name), "middle.%d", 2 * i + 1);
        load_attention(ld, &q->attention[i], width[LEVELS], name);
    }
    sc_load_norm(ld, &q->norm, width[0], "head.norm");
    sc_load_conv(ld, &q->conv1, width[0], width[0], 3, 3, true, "head.conv1");
    sc_load_conv(ld, &q->conv2, SHUFFLE * SHUFFLE, width[0], 3, 3, true, "head.conv2");
}

int sc_quick_open(sc_quick **out, sc_exec *x, sc_dtype store, const sc_logger *log)
{
    static const float corners[2][2][COORDS] = { { { -1, -1 }, { -1, 1 } }, { { 1, -1 }, { 1, 1 } } };
    sc_quick *q = calloc(1, sizeof(*q));
    sc_loader *ld = NULL;
    void *p = NULL;
    int ret;

    if (!q)
        return -ENOMEM;
    SC_TRY(
        sc_loader_open_memory(&ld, sc_builtin_depth, sc_builtin_depth_size, "built-in depth", x, store, log));
    load(q, ld);
    SC_TRY(sc_loader_finish(&ld, &q->weights, &q->params));
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

/* [N,h,w,5]: RGB in -1..1, then y and x in -1..1 from corner to corner. */
static sc_tensor inputs(sc_exec *x, const sc_quick *q, sc_tensor images)
{
    const int64_t n = images.dim[0], h = images.dim[1], w = images.dim[2];
    const sc_tensor out = sc_new(x, x->act, SC_DIMS(n, h, w, RGB + COORDS));
    const sc_mark m = sc_push(x);
    const sc_tensor rgb = sc_new(x, SC_F32, images.ndim, images.dim);
    const sc_tensor coords = sc_new(x, SC_F32, SC_DIMS(1, h, w, COORDS));

    sc_colour_into(x, &(sc_colour_args){
                          .y = rgb, .a = images, .m1 = { 2, 0, 0, 0, 2, 0, 0, 0, 2 }, .t = { -1, -1, -1 } });
    sc_copy_into(x, sc_slice(out, 3, 0, RGB), rgb);
    sc_resize_into(
        x, &(sc_resize_args){ .y = coords, .x = q->corners, .mode = SC_BILINEAR, .align_corners = true });
    sc_copy_into(x, sc_slice(out, 3, RGB, COORDS), sc_broadcast(coords, SC_DIMS(n, h, w, COORDS)));
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

/* From inputs to small[N,h/2,w/2,4]. */
static void body(sc_exec *x, sc_tensor small, const sc_quick *q, sc_tensor in)
{
    const sc_mark m = sc_push(x);
    sc_tensor skip[LEVELS], t = sc_conv2d(x, in, &q->stem, &(sc_conv2d_opt){ .stride = 2 });

    for (int l = 0; l < LEVELS; l++) {
        for (int i = 0; i < encoder_blocks[l]; i++)
            t = residual(x, &q->encoder[l][i], t);
        skip[l] = t;
        t = sc_conv2d(x, t, &q->down[l], &(sc_conv2d_opt){ .stride = 2 });
    }
    for (int i = 0; i < MIDDLE; i++)
        t = attention(x, &q->attention[i], residual(x, &q->middle[i], t));
    for (int l = LEVELS - 1; l >= 0; l--) {
        t = join(x, &q->up[l], t, skip[l]);
        for (int i = 0; i < decoder_blocks[l]; i++)
            t = residual(x, &q->decoder[l][i], t);
    }
    t = sc_conv2d(x, sc_layer_norm(x, t, &q->norm, norm_eps), &q->conv1,
                  &(sc_conv2d_opt){ .act = SC_ACT_SILU });
    sc_conv2d_into(x, small, t, &q->conv2, NULL);
    sc_pop(x, m);
}

void sc_quick_forward(sc_exec *x, sc_tensor disp, const sc_quick *q, sc_tensor images)
{
    const sc_mark m = sc_push(x);
    const int64_t n = images.dim[0], h = images.dim[1] / SHUFFLE, w = images.dim[2] / SHUFFLE;

    SC_CHECK(x, images.ndim == 4 && images.dim[3] == RGB);
    SC_CHECK(x, images.dim[1] % 16 == 0 && images.dim[2] % 16 == 0);
    const sc_tensor small = sc_new(x, x->act, SC_DIMS(n, h, w, SHUFFLE * SHUFFLE)), in = inputs(x, q, images);
    sc_replay r = { .net = q, .shape = { n, h, w } };
    while (sc_replay_next(x, &r))
        body(x, small, q, in);
    /* Pixel shuffle: channel 2 dy + dx of a small pixel is the output at (2 y + dy, 2 x + dx). */
    const sc_tensor t =
        sc_permute(sc_reshape(small, SC_DIMS(n * h, w, SHUFFLE, SHUFFLE)), (const int[]){ 0, 2, 1, 3 });
    sc_copy_into(x, sc_reshape(disp, 4, t.dim), t);
    sc_pop(x, m);
}
