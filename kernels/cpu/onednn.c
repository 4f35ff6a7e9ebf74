/* conv2d and linear by oneDNN, in f32, on the tensors as they are (channels last).
 *
 * What was measured on x86 with AVX-512 and, by ONEDNN_MAX_CPU_ISA, AVX2 and SSE4.1 (oneDNN 2.6):
 * - A convolution whose weights stay as we store them runs in reference code, 1000 times slower. They are
 * brought into the layout that oneDNN asks for at every call: 1 to 10 % of the time, and no cache that could
 * grow or go stale. matmul takes them as they are.
 * - One post-op is fast everywhere; an activation followed by a sum, or a product of two tensors, is
 * reference code on AVX2. Those go through a buffer and a loop of ours.
 * - Describing a primitive takes 30 to 70 us, as long as a small layer: the last MAX_LAYERS are kept. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dnnl.h>

#include "cpu.h"

enum {
    MAX_LAYERS = 512, /* an SVD UNet has about 100 shapes */
    BLOCK_ROWS = 1024 /* rows of a linear layer that go through the buffer at a time */
};

#define DNNL_TRY(expr)                                                                                       \
    do {                                                                                                     \
        const dnnl_status_t status_ = (expr);                                                                \
        if (status_ != dnnl_success) {                                                                       \
            ret = status_ == dnnl_out_of_memory ? -ENOMEM : SC_ERR_DEVICE;                                   \
            goto fail;                                                                                       \
        }                                                                                                    \
    } while (0)

/* All that a primitive depends on; int64_t throughout, so that it has no gaps and compares as bytes. */
typedef struct shape {
    int64_t n, h, w, i, o, kh, kw, ho, wo; /* linear: n rows, i inputs, o outputs, kh = 0 */
    int64_t stride, top, left, bottom, right;
    int64_t x_row, y_row; /* linear: elements from row to row */
    int64_t act, sum, bias;
} shape;

typedef struct layer {
    shape s;
    dnnl_primitive_t run, reorder; /* reorder: NULL where weights stay as they are */
    dnnl_memory_t x, w, packed_w, b, y, scratchpad;
    size_t packed_bytes, scratchpad_bytes;
} layer;

typedef struct buffer { /* grows to what the largest call needs */
    void *p;
    size_t bytes;
} buffer;

struct sc_dnnl {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    layer layers[MAX_LAYERS];
    int count, oldest;
    buffer scratchpad, weights, work;
};

#if DNNL_VERSION_MAJOR >= 3

typedef dnnl_memory_desc_t desc;
#define DESC(d) (d)

static dnnl_status_t describe(desc *d, int ndim, const dnnl_dims_t dim, const dnnl_dims_t stride)
{
    return stride ? dnnl_memory_desc_create_with_strides(d, ndim, dim, dnnl_f32, stride)
                  : dnnl_memory_desc_create_with_tag(d, ndim, dim, dnnl_f32, dnnl_format_tag_any);
}

static void forget(desc *d)
{
    if (*d)
        dnnl_memory_desc_destroy(*d);
}

static dnnl_status_t append_act(dnnl_post_ops_t p, dnnl_alg_kind_t kind, float alpha)
{
    return dnnl_post_ops_append_eltwise(p, kind, alpha, 0);
}

static dnnl_status_t append_sum(dnnl_post_ops_t p)
{
    return dnnl_post_ops_append_sum(p, 1, 0, dnnl_f32);
}

static dnnl_status_t plan(dnnl_primitive_desc_t *pd, struct sc_dnnl *d, const shape *s, desc m[4],
                          dnnl_primitive_attr_t attr)
{
    const dnnl_dims_t stride = { s->stride, s->stride }, dilate = { 0, 0 };
    const dnnl_dims_t before = { s->top, s->left }, after = { s->bottom, s->right };
    if (!s->kh)
        return dnnl_matmul_primitive_desc_create(pd, d->engine, m[0], m[1], m[2], m[3], attr);
    return dnnl_convolution_forward_primitive_desc_create(pd, d->engine, dnnl_forward_inference,
                                                          dnnl_convolution_auto, m[0], m[1], m[2], m[3],
                                                          stride, dilate, before, after, attr);
}

#else

typedef dnnl_memory_desc_t desc;
#define DESC(d) (&(d))

static dnnl_status_t describe(desc *d, int ndim, const dnnl_dims_t dim, const dnnl_dims_t stride)
{
    return stride ? dnnl_memory_desc_init_by_strides(d, ndim, dim, dnnl_f32, stride)
                  : dnnl_memory_desc_init_by_tag(d, ndim, dim, dnnl_f32, dnnl_format_tag_any);
}

static void forget(desc *d)
{
    (void)d;
}

static dnnl_status_t append_act(dnnl_post_ops_t p, dnnl_alg_kind_t kind, float alpha)
{
    return dnnl_post_ops_append_eltwise(p, 1, kind, alpha, 0);
}

static dnnl_status_t append_sum(dnnl_post_ops_t p)
{
    return dnnl_post_ops_append_sum(p, 1);
}

static dnnl_status_t plan(dnnl_primitive_desc_t *pd, struct sc_dnnl *d, const shape *s, desc m[4],
                          dnnl_primitive_attr_t attr)
{
    const dnnl_dims_t stride = { s->stride, s->stride }, dilate = { 0, 0 };
    const dnnl_dims_t before = { s->top, s->left }, after = { s->bottom, s->right };
    const desc *bias = s->bias ? &m[2] : NULL;
    union {
        dnnl_matmul_desc_t matmul;
        dnnl_convolution_desc_t conv;
    } op;
    dnnl_status_t status;
    if (!s->kh)
        status = dnnl_matmul_desc_init(&op.matmul, &m[0], &m[1], bias, &m[3]);
    else
        status = dnnl_dilated_convolution_forward_desc_init(&op.conv, dnnl_forward_inference,
                                                            dnnl_convolution_auto, &m[0], &m[1], bias, &m[3],
                                                            stride, dilate, before, after);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &op, attr, d->engine, NULL) : status;
}

#endif

/* m: x, weights as oneDNN likes them, bias, y, weights as they are. */
static dnnl_status_t describe_all(const shape *s, desc m[5])
{
    dnnl_status_t status = dnnl_success;
    if (s->kh) {
        const dnnl_dims_t x = { s->n, s->i, s->h, s->w }, xs = { s->h * s->w * s->i, 1, s->w * s->i, s->i };
        const dnnl_dims_t y = { s->n, s->o, s->ho, s->wo },
                          ys = { s->ho * s->wo * s->o, 1, s->wo * s->o, s->o };
        const dnnl_dims_t w = { s->o, s->i, s->kh, s->kw },
                          ws = { s->kh * s->kw * s->i, 1, s->kw * s->i, s->i };
        const dnnl_dims_t b = { s->o }, bs = { 1 };
        status = describe(&m[0], 4, x, xs);
        status = status ? status : describe(&m[1], 4, w, NULL);
        status = status || !s->bias ? status : describe(&m[2], 1, b, bs);
        status = status ? status : describe(&m[3], 4, y, ys);
        return status ? status : describe(&m[4], 4, w, ws);
    }
    const dnnl_dims_t x = { s->n, s->i }, xs = { s->x_row, 1 }, y = { s->n, s->o }, ys = { s->y_row, 1 };
    const dnnl_dims_t w = { s->i, s->o }, ws = { 1, s->i }, b = { 1, s->o }, bs = { s->o, 1 };
    status = describe(&m[0], 2, x, xs);
    status = status ? status : describe(&m[1], 2, w, ws);
    status = status || !s->bias ? status : describe(&m[2], 2, b, bs);
    status = status ? status : describe(&m[3], 2, y, ys);
    return status ? status : describe(&m[4], 2, w, ws);
}

/* Scratch memory is ours (one buffer for all layers), and the environment may not lower the precision. */
static int attributes(dnnl_primitive_attr_t *attr, const shape *s)
{
    int ret = 0;
    dnnl_post_ops_t post = NULL;
    DNNL_TRY(dnnl_primitive_attr_create(attr));
    DNNL_TRY(dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user));
    DNNL_TRY(dnnl_primitive_attr_set_fpmath_mode(*attr, dnnl_fpmath_mode_strict));
    DNNL_TRY(dnnl_post_ops_create(&post));
    if (s->act == SC_ACT_SILU)
        DNNL_TRY(append_act(post, dnnl_eltwise_swish, 1));
    if (s->act == SC_ACT_QUICK_GELU)
        DNNL_TRY(append_act(post, dnnl_eltwise_swish, 1.702f));
    if (s->act == SC_ACT_GELU)
        DNNL_TRY(append_act(post, dnnl_eltwise_gelu_erf, 0));
    if (s->sum)
        DNNL_TRY(append_sum(post));
    DNNL_TRY(dnnl_primitive_attr_set_post_ops(*attr, post));
fail:
    if (post)
        dnnl_post_ops_destroy(post);
    return ret;
}

static void layer_close(layer *l)
{
    dnnl_memory_t memory[] = { l->x, l->w, l->packed_w, l->b, l->y, l->scratchpad };
    for (int i = 0; i < SC_COUNT(memory); i++)
        if (memory[i])
            dnnl_memory_destroy(memory[i]);
    if (l->run)
        dnnl_primitive_destroy(l->run);
    if (l->reorder)
        dnnl_primitive_destroy(l->reorder);
    *l = (layer){ .run = NULL };
}

static int layer_open(layer *l, struct sc_dnnl *d, const shape *s)
{
    int ret = 0;
    desc m[5];
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL, reorder = NULL;

    memset(m, 0, sizeof(m));
    *l = (layer){ .s = *s };
    SC_TRY(attributes(&attr, s));
    DNNL_TRY(describe_all(s, m));
    DNNL_TRY(plan(&pd, d, s, m, attr));
    DNNL_TRY(dnnl_primitive_create(&l->run, pd));

    /* Which pointer type a descriptor query returns differs between oneDNN 2 and 3; what takes it does not
     * care. */
#define QUERIED(what) dnnl_primitive_desc_query_md(pd, what, 0)
    l->scratchpad_bytes = dnnl_memory_desc_get_size(QUERIED(dnnl_query_scratchpad_md));
    DNNL_TRY(dnnl_memory_create(&l->scratchpad, QUERIED(dnnl_query_scratchpad_md), d->engine, NULL));
    DNNL_TRY(dnnl_memory_create(&l->x, DESC(m[0]), d->engine, NULL));
    DNNL_TRY(dnnl_memory_create(&l->w, DESC(m[4]), d->engine, NULL));
    DNNL_TRY(dnnl_memory_create(&l->y, DESC(m[3]), d->engine, NULL));
    if (s->bias)
        DNNL_TRY(dnnl_memory_create(&l->b, DESC(m[2]), d->engine, NULL));
    if (!dnnl_memory_desc_equal(QUERIED(dnnl_query_weights_md), DESC(m[4]))) {
        l->packed_bytes = dnnl_memory_desc_get_size(QUERIED(dnnl_query_weights_md));
        DNNL_TRY(dnnl_memory_create(&l->packed_w, QUERIED(dnnl_query_weights_md), d->engine, NULL));
        DNNL_TRY(dnnl_reorder_primitive_desc_create(&reorder, DESC(m[4]), d->engine,
                                                    QUERIED(dnnl_query_weights_md), d->engine, NULL));
        DNNL_TRY(dnnl_primitive_create(&l->reorder, reorder));
    }
#undef QUERIED
fail:
    for (int i = 0; i < SC_COUNT(m); i++)
        forget(&m[i]);
    if (reorder)
        dnnl_primitive_desc_destroy(reorder);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    if (ret < 0)
        layer_close(l);
    return ret;
}

/* The layer of this shape, made if need be. */
static int layer_find(layer **out, struct sc_dnnl *d, const shape *s)
{
    int ret, at = d->count;
    layer fresh;
    for (int i = 0; i < d->count; i++)
        if (!memcmp(&d->layers[i].s, s, sizeof(*s))) {
            *out = &d->layers[i];
            return 0;
        }
    if ((ret = layer_open(&fresh, d, s)) < 0)
        return ret;
    if (d->count < MAX_LAYERS) {
        d->count++;
    } else {
        at = d->oldest;
        d->oldest = (d->oldest + 1) % MAX_LAYERS;
        layer_close(&d->layers[at]);
    }
    d->layers[at] = fresh;
    *out = &d->layers[at];
    return 0;
}

static int buffer_grow(buffer *b, size_t bytes)
{
    if (bytes <= b->bytes)
        return 0;
    free(b->p);
    b->bytes = (bytes + 255) / 256 * 256;
    b->p = aligned_alloc(256, b->bytes);
    if (!b->p)
        b->bytes = 0;
    return b->p ? 0 : -ENOMEM;
}

/* A layer ready to run with weights w; valid until the next call. */
static int layer_prepare(layer **out, struct sc_dnnl *d, const shape *s, const float *w)
{
    int ret;
    layer *l = NULL;
    SC_TRY(layer_find(&l, d, s));
    SC_TRY(buffer_grow(&d->scratchpad, l->scratchpad_bytes));
    DNNL_TRY(dnnl_memory_set_data_handle(l->scratchpad, d->scratchpad.p));
    DNNL_TRY(dnnl_memory_set_data_handle(l->w, (void *)w));
    if (l->reorder) {
        const dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, l->w }, { DNNL_ARG_TO, l->packed_w } };
        SC_TRY(buffer_grow(&d->weights, l->packed_bytes));
        DNNL_TRY(dnnl_memory_set_data_handle(l->packed_w, d->weights.p));
        DNNL_TRY(dnnl_primitive_execute(l->reorder, d->stream, SC_COUNT(args), args));
    }
    *out = l;
fail:
    return ret;
}

static int layer_run(layer *l, struct sc_dnnl *d, const float *x, const float *b, float *y)
{
    int ret = 0;
    const dnnl_exec_arg_t args[] = { { DNNL_ARG_SRC, l->x },
                                     { DNNL_ARG_WEIGHTS, l->reorder ? l->packed_w : l->w },
                                     { DNNL_ARG_DST, l->y },
                                     { DNNL_ARG_SCRATCHPAD, l->scratchpad },
                                     { DNNL_ARG_BIAS, l->b } };
    DNNL_TRY(dnnl_memory_set_data_handle(l->x, (void *)x));
    DNNL_TRY(dnnl_memory_set_data_handle(l->y, y));
    if (l->b)
        DNNL_TRY(dnnl_memory_set_data_handle(l->b, (void *)b));
    DNNL_TRY(dnnl_primitive_execute(l->run, d->stream, l->b ? 5 : 4, args));
    DNNL_TRY(dnnl_stream_wait(d->stream));
fail:
    return ret;
}

/* y = v * gate + add over rows; gate and add optional, v and gate packed. */
static void finish(const sc_exec *x, sc_tensor y, const float *v, const float *gate, sc_tensor add)
{
    const int64_t cols = y.dim[1];
#pragma omp parallel for schedule(static) num_threads(sc_cpu_threads(x, sc_tensor_count(y)))
    for (int64_t m = 0; m < y.dim[0]; m++) {
        const float *p = add.ndim ? (const float *)add.data + m * add.stride[0] : NULL;
        float *out = (float *)y.data + m * y.stride[0];
        for (int64_t n = 0; n < cols; n++) {
            const float g = gate ? gate[m * cols + n] : 1;
            out[n] = v[m * cols + n] * g + (p ? p[n] : 0);
        }
    }
}

/* Rows begin .. begin + rows of a layer whose result goes through the buffer. */
static int linear_block(sc_exec *x, const sc_linear_args *a, shape s, int64_t begin)
{
    struct sc_dnnl *d = ((sc_cpu *)x->dev->priv)->dnnl;
    const bool gated = a->act == SC_ACT_GEGLU;
    const float *in = (const float *)a->x.data + begin * s.x_row, *w = a->w.data;
    const float *b = s.bias ? a->b.data : NULL;
    const int64_t count = s.n * s.o;
    layer *l = NULL;
    int ret;

    s.y_row = s.o;
    SC_TRY(buffer_grow(&d->work, (size_t)(count * (1 + gated)) * sizeof(float)));
    float *v = d->work.p, *gate = gated ? v + count : NULL;
    s.act = gated ? SC_ACT_NONE : a->act;
    SC_TRY(layer_prepare(&l, d, &s, w));
    SC_TRY(layer_run(l, d, in, b, v));
    if (gated) {
        s.act = SC_ACT_GELU;
        SC_TRY(layer_prepare(&l, d, &s, w + s.o * s.i));
        SC_TRY(layer_run(l, d, in, b ? b + s.o : NULL, gate));
    }
    finish(x, sc_slice(a->y, 0, begin, s.n), v, gate,
           a->add.ndim ? sc_slice(a->add, 0, begin, s.n) : SC_NONE);
fail:
    return ret;
}

static int dnnl_linear(sc_exec *x, const sc_linear_args *a)
{
    struct sc_dnnl *d = ((sc_cpu *)x->dev->priv)->dnnl;
    const bool add = a->add.ndim > 0, buffered = a->act == SC_ACT_GEGLU || (add && a->act);
    const int64_t rows = a->y.dim[0];
    shape s = { .n = rows, .i = a->x.dim[1], .o = a->y.dim[1], .act = a->act, .bias = a->b.ndim > 0 };
    layer *l = NULL;
    int ret = 0;

    if (!rows || !s.o)
        return 0;
    omp_set_num_threads(x->dev->threads);
    /* One row has no next one; a width that fits keeps oneDNN from refusing it. */
    s.x_row = rows > 1 ? a->x.stride[0] : s.i;
    s.y_row = rows > 1 ? a->y.stride[0] : s.o;
    for (int64_t m = 0; buffered && m < rows; m += BLOCK_ROWS) {
        s.n = SC_MIN(rows - m, BLOCK_ROWS);
        SC_TRY(linear_block(x, a, s, m));
    }
    if (buffered)
        return 0;
    s.sum = add;
    if (add && a->add.data != a->y.data)
        SC_TRY(sc_cpu_copy(x, &(sc_copy_args){ .y = a->y, .x = a->add }));
    SC_TRY(layer_prepare(&l, d, &s, a->w.data));
    SC_TRY(layer_run(l, d, a->x.data, s.bias ? a->b.data : NULL, a->y.data));
fail:
    return ret;
}

/* y[2H,2W,C] = x[H,W,C], each pixel four times. */
static void double_size(const sc_exec *x, float *y, const float *in, int64_t height, int64_t width,
                        int64_t channels)
{
#pragma omp parallel for schedule(static) num_threads(sc_cpu_threads(x, 4 * height * width * channels))
    for (int64_t r = 0; r < 2 * height; r++)
        for (int64_t c = 0; c < 2 * width; c++)
            memcpy(y + (r * 2 * width + c) * channels, in + (r / 2 * width + c / 2) * channels,
                   (size_t)channels * sizeof(float));
}

/* What one image of a convolution needs beside its operands, in the work buffer. */
typedef struct conv_work {
    float *bias, *doubled, *result; /* NULL if not needed */
} conv_work;

static int conv_reserve(conv_work *k, struct sc_dnnl *d, const sc_conv2d_args *a, const shape *s,
                        bool buffered)
{
    const size_t bias = a->vec.ndim ? (size_t)s->o : 0;
    const size_t doubled = a->upsample ? (size_t)(s->h * s->w * s->i) : 0;
    const size_t result = buffered ? (size_t)(s->ho * s->wo * s->o) : 0;
    const int ret = buffer_grow(&d->work, (bias + doubled + result) * sizeof(float));
    if (ret < 0)
        return ret;
    float *p = d->work.p;
    k->bias = bias ? p : NULL;
    k->doubled = doubled ? p + bias : NULL;
    k->result = result ? p + bias + doubled : NULL;
    return 0;
}

/* Images go one at a time where each has a bias of its own or needs a buffer, which is then one image large.
 */
static int dnnl_conv2d(sc_exec *x, const sc_conv2d_args *a)
{
    struct sc_dnnl *d = ((sc_cpu *)x->dev->priv)->dnnl;
    const bool add = a->add.ndim > 0, buffered = add && a->act;
    const bool single = a->upsample || buffered || (a->vec.ndim && a->vec.stride[0]);
    const int64_t images = a->x.dim[0];
    shape s = {
        .n = single ? 1 : images,
        .h = a->x.dim[1] << a->upsample,
        .w = a->x.dim[2] << a->upsample,
        .i = a->x.dim[3],
        .ho = a->y.dim[1],
        .wo = a->y.dim[2],
        .o = a->y.dim[3],
        .kh = a->w.dim[1],
        .kw = a->w.dim[2],
        .stride = a->stride,
        .top = a->pad_top,
        .left = a->pad_left,
        .bottom = a->pad_bottom,
        .right = a->pad_right,
        .act = a->act,
        .sum = add && !buffered,
        .bias = a->b.ndim || a->vec.ndim,
    };
    const int64_t x_image = a->x.dim[1] * a->x.dim[2] * s.i, y_image = s.ho * s.wo * s.o;
    conv_work k = { NULL, NULL, NULL };
    layer *l = NULL;
    int ret = 0;

    if (!sc_tensor_count(a->y))
        return 0;
    omp_set_num_threads(x->dev->threads);
    SC_TRY(conv_reserve(&k, d, a, &s, buffered));
    if (s.sum && a->add.data != a->y.data)
        SC_TRY(sc_cpu_copy(x, &(sc_copy_args){ .y = a->y, .x = a->add }));
    SC_TRY(layer_prepare(&l, d, &s, a->w.data));
    for (int64_t n = 0; n < images; n += s.n) {
        const float *in = (const float *)a->x.data + n * x_image, *bias = a->b.ndim ? a->b.data : NULL;
        float *out = (float *)a->y.data + n * y_image;
        if (k.bias) {
            const float *vec = (const float *)a->vec.data + n * a->vec.stride[0];
            for (int64_t o = 0; o < s.o; o++)
                k.bias[o] = vec[o] + (bias ? bias[o] : 0);
            bias = k.bias;
        }
        if (k.doubled) {
            double_size(x, k.doubled, in, a->x.dim[1], a->x.dim[2], s.i);
            in = k.doubled;
        }
        SC_TRY(layer_run(l, d, in, bias, buffered ? k.result : out));
        if (buffered) {
            sc_tensor to = sc_tensor_make(out, SC_F32, SC_DIMS(s.ho * s.wo, s.o)), from = to;
            from.data = (float *)a->add.data + n * y_image;
            finish(x, to, k.result, NULL, from);
        }
    }
fail:
    return ret;
}

int sc_dnnl_open(struct sc_dnnl **out, sc_device *dev, const sc_logger *log)
{
    int ret = 0;
    const dnnl_version_t *v = dnnl_version();
    sc_ops *ops = &((sc_cpu *)dev->priv)->ops;
    struct sc_dnnl *d = calloc(1, sizeof(*d));
    if (!d)
        return sc_fail(log, -ENOMEM, "cpu", "out of memory for the device");
    DNNL_TRY(dnnl_engine_create(&d->engine, dnnl_cpu, 0));
    DNNL_TRY(dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags));
    ops->linear = dnnl_linear;
    ops->conv2d = dnnl_conv2d;
    snprintf(dev->description, sizeof(dev->description), "%d threads, oneDNN %d.%d.%d", dev->threads,
             v->major, v->minor, v->patch);
    *out = d;
    return 0;
fail:
    sc_dnnl_close(&d);
    return sc_fail(log, ret, "cpu", "oneDNN does not start on this machine");
}

void sc_dnnl_close(struct sc_dnnl **dp)
{
    struct sc_dnnl *d = *dp;
    if (!d)
        return;
    for (int i = 0; i < d->count; i++)
        layer_close(&d->layers[i]);
    if (d->stream)
        dnnl_stream_destroy(d->stream);
    if (d->engine)
        dnnl_engine_destroy(d->engine);
    free(d->scratchpad.p);
    free(d->weights.p);
    free(d->work.p);
    free(d);
    *dp = NULL;
}
