/* Convolutions by cuDNN's graph API, and by a kernel of ours where that does not reach.
 *
 *   y[n,h,w,o] = act(sum x[n, h*stride + ky - top, w*stride + kx - left, i] w[o,ky,kx,i] + b[o] + vec[n,o]) +
 * add
 *
 * All tensors are channels-last. The graph is always conv -> (+ add) -> + bias, in f32 inside, rounded once:
 * of all fused forms this alone reaches cuDNN's precompiled tensor core kernels, and only with the bias in
 * the type of y; so b + vec is brought into it first, 2 N bytes. An activation is one pass over y in place.
 * 1x1 is a matrix product. For `upsample` the doubled input is made in the workspace, as many images or rows
 * at a time as fit, and read back from L2.
 *
 * Plans are made at the first call of a shape and kept. cuDNN's heuristics rank them the same way in every
 * run; those that are not deterministic, sum in 16 bit or, for fp32, round factors to TF32 are passed over.
 */
#include <stdlib.h>
#include <string.h>

#include "common.cuh"
#include "plan.h"

#define BIAS_END ((size_t)1 << 20) /* of the workspace: b + vec */
#define DOUBLED_END                                                                                          \
    ((size_t)21 << 20) /* the doubled input of an upsampling convolution; then cuDNN's own scratch */

enum { MAX_PLANS = 512, MAX_CONFIGS = 64, MAX_NOTES = 16, MAX_OWNED = 24 };

typedef cudnnBackendDescriptor_t desc;

/* All that a plan depends on; int64_t throughout, so that it compares as bytes. */
typedef struct conv_shape {
    int64_t type, tf32, n, h, w, i, ho, wo, o, kh, kw, stride, top, left, bottom, right, add, room;
} conv_shape;

typedef struct plan {
    conv_shape s;
    cudnnStatus_t status;
    desc run; /* NULL: cuDNN has no engine for this */
    int64_t bytes;
    desc owned[MAX_OWNED]; /* what run refers to */
    int owners;
} plan;

struct sc_conv_plans {
    plan plan[MAX_PLANS];
    int count, oldest;
};

static void plan_close(plan *p)
{
    while (p->owners > 0)
        cudnnBackendDestroyDescriptor(p->owned[--p->owners]);
}

int sc_conv_plans_open(struct sc_conv_plans **p)
{
    *p = (struct sc_conv_plans *)calloc(1, sizeof(**p));
    return *p ? 0 : -ENOMEM;
}

void sc_conv_plans_close(struct sc_conv_plans **p)
{
    for (int i = 0; *p && i < (*p)->count; i++)
        plan_close(&(*p)->plan[i]);
    free(*p);
    *p = NULL;
}

/* Descriptors are built without looking at each result: the first failure stays in p->status. */
static desc make(plan *p, cudnnBackendDescriptorType_t type)
{
    desc d = NULL;

    if (!p->status)
        p->status =
            p->owners < MAX_OWNED ? cudnnBackendCreateDescriptor(type, &d) : CUDNN_STATUS_INTERNAL_ERROR;
    if (d)
        p->owned[p->owners++] = d;
    return d;
}

static void set(plan *p, desc d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                int64_t n, const void *value)
{
    if (!p->status)
        p->status = cudnnBackendSetAttribute(d, name, type, n, value);
}

static void set_desc(plan *p, desc d, cudnnBackendAttributeName_t name, desc value)
{
    set(p, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

static desc finish(plan *p, desc d)
{
    if (!p->status)
        p->status = cudnnBackendFinalize(d);
    return d;
}

static cudnnDataType_t library_type(int64_t t)
{
    return t == SC_F16 ? CUDNN_DATA_HALF : t == SC_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

/* A packed tensor [n,h,w,c], as cuDNN's n, c, h, w. id 0: inside the graph only, f32. */
static desc tensor(plan *p, int64_t id, int64_t n, int64_t h, int64_t w, int64_t c)
{
    const desc d = make(p, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    const int64_t dim[] = { n, c, h, w }, stride[] = { h * w * c, 1, w * c, c }, align = 16;
    const int64_t unique = id ? id : 1000 + p->owners; /* ids within a graph must differ, no more */
    const cudnnDataType_t type = id ? library_type(p->s.type) : CUDNN_DATA_FLOAT;
    const bool is_virtual = !id;

    set(p, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &unique);
    set(p, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(p, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &align);
    set(p, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dim);
    set(p, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, stride);
    set(p, d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
    return finish(p, d);
}

static desc convolution(plan *p, desc x, desc w, desc y)
{
    const conv_shape *s = &p->s;
    const int64_t before[] = { s->top, s->left }, after[] = { s->bottom, s->right },
                  step[] = { s->stride, s->stride };
    const int64_t dilation[] = { 1, 1 }, spatial = 2;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const cudnnDataType_t f32 = CUDNN_DATA_FLOAT;
    const float one = 1, zero = 0;
    const desc c = make(p, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);

    set(p, c, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &f32);
    set(p, c, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    set(p, c, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial);
    set(p, c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, before);
    set(p, c, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, after);
    set(p, c, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilation);
    set(p, c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, step);
    finish(p, c);
    const desc op = make(p, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    set(p, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1, &one);
    set(p, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1, &zero);
    set_desc(p, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, c);
    set_desc(p, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x);
    set_desc(p, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w);
    set_desc(p, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y);
    return finish(p, op);
}

static desc sum(plan *p, desc a, desc b, desc y)
{
    const cudnnPointwiseMode_t mode = CUDNN_POINTWISE_ADD;
    const cudnnDataType_t f32 = CUDNN_DATA_FLOAT;
    const desc add = make(p, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);

    set(p, add, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    set(p, add, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &f32);
    finish(p, add);
    const desc op = make(p, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    set_desc(p, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, add);
    set_desc(p, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, a);
    set_desc(p, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
    set_desc(p, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    return finish(p, op);
}

static desc graph(plan *p, cudnnHandle_t dnn)
{
    const conv_shape *s = &p->s;
    const desc x = tensor(p, 'x', s->n, s->h, s->w, s->i), w = tensor(p, 'w', s->o, s->kh, s->kw, s->i);
    const desc b = tensor(p, 'b', 1, 1, 1, s->o), y = tensor(p, 'y', s->n, s->ho, s->wo, s->o);
    const desc product = tensor(p, 0, s->n, s->ho, s->wo, s->o);
    desc ops[3], last = product;
    int n = 0;

    ops[n++] = convolution(p, x, w, product);
    if (s->add) {
        last = tensor(p, 0, s->n, s->ho, s->wo, s->o);
        ops[n++] = sum(p, product, tensor(p, 'a', s->n, s->ho, s->wo, s->o), last);
    }
    ops[n++] = sum(p, last, b, y);
    const desc g = make(p, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set(p, g, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &dnn);
    set(p, g, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, n, ops);
    return finish(p, g);
}

/* Whether the engine of a configuration keeps our promises. compiled: it needs a compiler at run time, a
 * second each. */
static bool acceptable(const conv_shape *s, desc config, bool *compiled)
{
    cudnnBackendNumericalNote_t note[MAX_NOTES];
    cudnnBackendBehaviorNote_t habit[MAX_NOTES];
    desc engine = NULL;
    int64_t n = 0, notes = 0, habits = 0;
    bool ok = !cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) &&
              !cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                        &n, &engine) &&
              !cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                        MAX_NOTES, &notes, note) &&
              !cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                        MAX_NOTES, &habits, habit);

    for (int i = 0; ok && i < notes && i < MAX_NOTES; i++)
        ok = note[i] == CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP ||
             (note[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && (s->type != SC_F32 || s->tf32)) ||
             (note[i] == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS && s->type == SC_F32 && s->tf32);
    *compiled = false;
    for (int i = 0; i < habits && i < MAX_NOTES; i++)
        *compiled = *compiled || habit[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    if (engine)
        cudnnBackendDestroyDescriptor(engine);
    return ok;
}

/* Makes p->run of a configuration, or leaves p as it was. */
static bool build(plan *p, cudnnHandle_t dnn, desc config)
{
    desc run = NULL;
    int64_t n = 0, bytes = 0;
    const bool ok =
        !cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &run) &&
        !cudnnBackendSetAttribute(run, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &dnn) &&
        !cudnnBackendSetAttribute(run, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                  1, &config) &&
        !cudnnBackendFinalize(run) &&
        !cudnnBackendGetAttribute(run, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &n,
                                  &bytes) &&
        bytes <= p->s.room && p->owners < MAX_OWNED;

    if (ok) {
        p->run = p->owned[p->owners++] = run;
        p->bytes = bytes;
    } else if (run) {
        cudnnBackendDestroyDescriptor(run);
    }
    return ok;
}

/* The first configuration of one ranking that will do. */
static void choose(plan *p, cudnnHandle_t dnn, desc g, cudnnBackendHeurMode_t mode, bool compiled)
{
    desc config[MAX_CONFIGS], kept = NULL, ranking = make(p, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    int64_t n = 0;
    int made = 0;
    bool needs = false;

    set_desc(p, ranking, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, g);
    set(p, ranking, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    finish(p, ranking);
    while (!p->status && made < MAX_CONFIGS &&
           !cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &config[made]))
        made++;
    if (!p->status)
        p->status = cudnnBackendGetAttribute(ranking, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                             CUDNN_TYPE_BACKEND_DESCRIPTOR, made, &n, config);
    for (int i = 0; !p->status && !kept && i < n && i < made; i++)
        if (acceptable(&p->s, config[i], &needs) && needs == compiled && build(p, dnn, config[i]))
            kept = config[i];
    for (int i = 0; i < made; i++)
        if (config[i] != kept)
            cudnnBackendDestroyDescriptor(config[i]);
    if (kept)
        p->owned[p->owners++] = kept;
    p->status = CUDNN_STATUS_SUCCESS; /* a ranking that cuDNN does not have is an empty one */
}

static void plan_open(plan *p, cudnnHandle_t dnn, const conv_shape *s)
{
    static const cudnnBackendHeurMode_t modes[] = { CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK };

    memset(p, 0, sizeof(*p));
    p->s = *s;
    const desc g = graph(p, dnn);
    if (p->status) {
        p->run = NULL;
        return;
    }
    for (int compiled = 0; compiled < 2 && !p->run; compiled++)
        for (int m = 0; m < SC_COUNT(modes) && !p->run; m++)
            choose(p, dnn, g, modes[m], compiled);
}

static plan *plan_for(sc_cuda *c, const conv_shape *s)
{
    struct sc_conv_plans *all = c->conv;

    for (int i = 0; i < all->count; i++)
        if (!memcmp(&all->plan[i].s, s, sizeof(*s)))
            return &all->plan[i];
    plan *p = &all->plan[all->count < MAX_PLANS ? all->count++ : all->oldest++ % MAX_PLANS];
    plan_close(p);
    plan_open(p, c->dnn, s);
    return p;
}

/* What one call of cuDNN reads and writes. */
typedef struct conv_part {
    const char *x, *w, *add;
    char *y, *bias, *room;
} conv_part;

static int run(sc_exec *x, const plan *p, const conv_part *at)
{
    const int64_t id[] = { 'x', 'w', 'b', 'y', 'a' };
    const void *data[] = { at->x, at->w, at->bias, at->y, at->add };
    const int64_t n = p->s.add ? 5 : 4;
    const void *room = at->room;
    desc pack = NULL;
    cudnnStatus_t e = cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);

    e = e ? e : cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, id);
    e = e ? e
          : cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n,
                                     data);
    e = e ? e
          : cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &room);
    e = e ? e : cudnnBackendFinalize(pack);
    e = e ? e : cudnnBackendExecute(sc_cuda_of(x)->dnn, p->run, pack);
    if (pack)
        cudnnBackendDestroyDescriptor(pack);
    if (!e)
        return 0;
    sc_exec_fail(x, SC_ERR_DEVICE, "conv2d: cuDNN: %s", cudnnGetErrorString(e));
    return SC_ERR_DEVICE;
}

/* Rows [top, top + rows) of the nearest-neighbour double of images x[n,h,w], packed as [n,rows,2w]; zeros
 * outside of it, which stand for padding. A thread copies one U of a pixel's `units`; grid (2 w * units /
 * 256, rows, n). */
template <typename U>
__global__ void k_double(U *out, const U *x, int64_t h, int64_t w, int64_t units, int64_t top)
{
    const int64_t j = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, pixel = j / units;
    const int64_t row = top + blockIdx.y, n = blockIdx.z;
    U v = {};

    if (pixel >= 2 * w)
        return;
    if (row >= 0 && row < 2 * h)
        v = x[((n * h + row / 2) * w + pixel / 2) * units + j % units];
    out[(n * gridDim.y + blockIdx.y) * 2 * w * units + j] = v;
}

template <typename U>
static int doubled(sc_exec *x, void *out, const void *in, const sc_conv2d_args *a, const conv_shape *s,
                   int64_t top)
{
    const int64_t units = s->i * (int64_t)sc_dtype_size(a->x.dtype) / (int64_t)sizeof(U);
    const dim3 grid(sc_blocks(s->w * units, 256), (unsigned)s->h, (unsigned)s->n);

    k_double<<<grid, 256, 0, sc_cuda_of(x)->stream>>>((U *)out, (const U *)in, a->x.dim[1], a->x.dim[2],
                                                      units, top);
    return SC_LAUNCHED(x);
}

/* y = act(y), element by element. */
template <typename T> __global__ void k_conv_act(T *y, int64_t n, sc_act act)
{
    const int64_t step = (int64_t)gridDim.x * blockDim.x;

    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step)
        y[i] = sc_from_f32<T>(sc_act_f32(act, sc_f32(y[i])));
}

static int activate(sc_exec *x, const sc_conv2d_args *a)
{
    const int64_t n = sc_tensor_count(a->y);

    return sc_by_type(a->y.dtype, [&](auto *p) {
        k_conv_act<<<(unsigned)SC_MIN((n + 255) / 256, 1 << 20), 256, 0, sc_cuda_of(x)->stream>>>(
            (decltype(p))a->y.data, n, a->act);
        return SC_LAUNCHED(x);
    });
}

/* Images [n, n + images), output rows [row, row + rows). 1: cuDNN has nothing for this. */
static int part(sc_exec *x, const sc_conv2d_args *a, int64_t n, int64_t images, int64_t row, int64_t rows)
{
    sc_cuda *c = sc_cuda_of(x);
    const int64_t size = (int64_t)sc_dtype_size(a->y.dtype), y_at = n * a->y.stride[0] + row * a->y.stride[1];
    char *const space = (char *)c->workspace;
    conv_part at = { .x = (const char *)a->x.data + n * a->x.stride[0] * size,
                     .w = (const char *)a->w.data,
                     .add = a->add.ndim ? (const char *)a->add.data + y_at * size : NULL,
                     .y = (char *)a->y.data + y_at * size,
                     .bias = space,
                     .room = space + (a->upsample ? DOUBLED_END : BIAS_END) };
    conv_shape s = { .type = a->y.dtype,
                     .tf32 = c->tf32,
                     .n = images,
                     .h = a->x.dim[1],
                     .w = a->x.dim[2],
                     .i = a->x.dim[3],
                     .ho = rows,
                     .wo = a->y.dim[2],
                     .o = a->y.dim[3],
                     .kh = a->w.dim[1],
                     .kw = a->w.dim[2],
                     .stride = a->stride,
                     .top = a->pad_top,
                     .left = a->pad_left,
                     .bottom = a->pad_bottom,
                     .right = a->pad_right,
                     .add = a->add.ndim != 0,
                     .room = space + SC_CUDA_WORKSPACE - at.room };

    if (a->upsample) {
        s.h = sc_plan_conv_rows_in(a, rows);
        s.w *= 2;
        s.top = s.bottom = 0;
    }
    const plan *p = plan_for(c, &s);
    if (!p->run)
        return 1;
    int ret = sc_cuda_bias(x, at.bias, a->y.dtype, a->b.ndim ? (const float *)a->b.data : NULL,
                           a->vec.ndim ? (const float *)a->vec.data + n * a->vec.stride[0] : NULL, s.o);
    if (ret >= 0 && a->upsample) {
        const int64_t top = row * a->stride - a->pad_top;
        char *const wide = space + BIAS_END;
        ret = s.i * size % 16 == 0 && (uintptr_t)at.x % 16 == 0 ? doubled<uint4>(x, wide, at.x, a, &s, top)
              : size == 2                                       ? doubled<uint16_t>(x, wide, at.x, a, &s, top)
                          : doubled<uint32_t>(x, wide, at.x, a, &s, top);
        at.x = wide;
    }
    return ret < 0 ? ret : run(x, p, &at);
}

static int library(sc_exec *x, const sc_conv2d_args *a, sc_conv_plan way)
{
    const int64_t images = a->y.dim[0], rows = a->y.dim[1];

    for (int64_t n = 0; n < images; n += way.images)
        for (int64_t row = 0; row < rows; row += way.rows) {
            const int ret = part(x, a, n, SC_MIN(way.images, images - n), row, SC_MIN(way.rows, rows - row));
            if (ret != 0)
                return ret;
        }
    return a->act == SC_ACT_NONE ? 0 : activate(x, a);
}

extern "C" int sc_cuda_conv2d(sc_exec *x, const sc_conv2d_args *a)
{
    const bool known = a->x.dtype == a->w.dtype && a->x.dtype == a->y.dtype &&
                       (!a->add.ndim || a->add.dtype == a->y.dtype) && a->x.dtype <= SC_BF16;
    sc_conv_plan way;
    int ret;

    if (!known)
        return -EINVAL;
    if (!sc_tensor_count(a->y))
        return 0;
    way = sc_plan_conv(a, DOUBLED_END - BIAS_END, sc_cuda_of(x)->tf32);
    if (way.way == SC_CONV_LINEAR) {
        const sc_linear_args l = { .y = sc_rows(a->y),
                                   .x = sc_rows(a->x),
                                   .w = sc_rows(a->w),
                                   .b = a->b,
                                   .add = a->add.ndim ? sc_rows(a->add) : SC_NONE,
                                   .act = a->act };
        return sc_cuda_linear(x, &l);
    }
    if (way.way == SC_CONV_LIBRARY && (size_t)a->y.dim[3] * sizeof(float) <= BIAS_END) {
        ret = library(x, a, way);
        if (ret <= 0)
            return ret;
    }
    return sc_cuda_conv2d_direct(x, a);
}
