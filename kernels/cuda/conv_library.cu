/* Convolutions by cuDNN's graph API: execution plans by shape, and the choice among them.
 *
 * The graph is always conv -> (+ add) -> + bias, in f32 inside, rounded once: of all fused forms this alone
 * reaches cuDNN's precompiled tensor core kernels, and only with the bias in the type of y. For E4M3, with
 * * scale after conv, there are only such as are compiled at run time.
 *
 * Plans are made at the first call of a shape and kept. cuDNN's heuristics rank them the same way in every
 * run; those that are not deterministic, sum in 16 bit or, for fp32, round factors to TF32 are passed over.
 * Among the first of the others sc_cuda_choose() takes the fastest. They sum in f32 in different orders, so
 * which one it is shows in the last bits: hence the choice is kept on disk, and without a disk it is always
 * the first.
 */
#include <stdlib.h>
#include <string.h>

#include "choose.cuh"
#include "conv_library.cuh"

enum { MAX_PLANS = 512, MAX_CONFIGS = 64, MAX_NOTES = 16, MAX_OWNED = 32 };

typedef cudnnBackendDescriptor_t desc;

typedef struct plan {
    conv_shape s;
    cudnnStatus_t status;
    desc run;              /* NULL: cuDNN has no engine for this */
    desc owned[MAX_OWNED]; /* what run refers to */
    int owners;
} plan;

typedef struct ranking { /* configurations that will do, best first */
    desc config[2 * MAX_CONFIGS];
    int count;
} ranking;

struct sc_conv_plans {
    plan plan[MAX_PLANS];
    int count, oldest;
};

static void close_run(plan *p)
{
    if (p->run)
        cudnnBackendDestroyDescriptor(p->run);
    p->run = NULL;
}

static void plan_close(plan *p)
{
    close_run(p);
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
    return t == SC_F16    ? CUDNN_DATA_HALF
           : t == SC_BF16 ? CUDNN_DATA_BFLOAT16
           : t == SC_F8   ? CUDNN_DATA_FP8_E4M3
                          : CUDNN_DATA_FLOAT;
}

/* What is inside the graph only is f32, and so are factors. */
static int64_t type_of(const conv_shape *s, int64_t id)
{
    return id == 0 || id == 's' ? SC_F32 : id == 'x' || id == 'w' ? s->in : s->type;
}

/* A packed tensor [n,h,w,c], as cuDNN's n, c, h, w. id 0: inside the graph only. */
static desc tensor(plan *p, int64_t id, int64_t n, int64_t h, int64_t w, int64_t c)
{
    const desc d = make(p, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    const int64_t dim[] = { n, c, h, w }, stride[] = { h * w * c, 1, w * c, c }, align = 16;
    const int64_t unique = id ? id : 1000 + p->owners; /* ids within a graph must differ, no more */
    const cudnnDataType_t type = library_type(type_of(&p->s, id));
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

/* y = a + b or a * b */
static desc pointwise(plan *p, cudnnPointwiseMode_t mode, desc a, desc b, desc y)
{
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
    desc ops[4], last = product;
    int n = 0;

    ops[n++] = convolution(p, x, w, product);
    if (s->in == SC_F8) {
        const desc scaled = tensor(p, 0, s->n, s->ho, s->wo, s->o);
        ops[n++] = pointwise(p, CUDNN_POINTWISE_MUL, last, tensor(p, 's', 1, 1, 1, s->o), scaled);
        last = scaled;
    }
    if (s->add) {
        const desc total = tensor(p, 0, s->n, s->ho, s->wo, s->o);
        ops[n++] = pointwise(p, CUDNN_POINTWISE_ADD, last, tensor(p, 'a', s->n, s->ho, s->wo, s->o), total);
        last = total;
    }
    ops[n++] = pointwise(p, CUDNN_POINTWISE_ADD, last, b, y);
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

/* Makes p->run of a configuration; false if it cannot, or needs more room than there is. */
static bool build(plan *p, cudnnHandle_t dnn, desc config)
{
    int64_t n = 0, bytes = 0;
    desc run = NULL;

    close_run(p);
    if (!cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &run) &&
        !cudnnBackendSetAttribute(run, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &dnn) &&
        !cudnnBackendSetAttribute(run, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                  1, &config) &&
        !cudnnBackendFinalize(run) &&
        !cudnnBackendGetAttribute(run, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &n,
                                  &bytes) &&
        bytes <= p->s.room)
        p->run = run;
    else if (run)
        cudnnBackendDestroyDescriptor(run);
    return p->run != NULL;
}

/* Adds what will do of one of cuDNN's rankings of the graph g. */
static void rank(plan *p, ranking *r, desc g, cudnnBackendHeurMode_t mode, bool compiled)
{
    desc config[MAX_CONFIGS], heuristics = make(p, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    int64_t n = 0;
    int made = 0;
    bool needs = false;

    set_desc(p, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, g);
    set(p, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    finish(p, heuristics);
    while (!p->status && made < MAX_CONFIGS &&
           !cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &config[made]))
        made++;
    if (!p->status)
        p->status = cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                             CUDNN_TYPE_BACKEND_DESCRIPTOR, made, &n, config);
    for (int i = 0; i < made; i++)
        if (!p->status && i < n && r->count < SC_COUNT(r->config) && acceptable(&p->s, config[i], &needs) &&
            needs == compiled)
            r->config[r->count++] = config[i];
        else
            cudnnBackendDestroyDescriptor(config[i]);
    p->status = CUDNN_STATUS_SUCCESS; /* a ranking that cuDNN does not have is an empty one */
}

static cudnnStatus_t execute(const plan *p, cudnnHandle_t dnn, const conv_part *at)
{
    int64_t id[6] = { 'x', 'w', 'b', 'y' }, n = 4;
    const void *data[6] = { at->x, at->w, at->bias, at->y };
    const void *room = at->room;
    desc pack = NULL;

    if (p->s.add) {
        id[n] = 'a';
        data[n++] = at->add;
    }
    if (p->s.in == SC_F8) {
        id[n] = 's';
        data[n++] = at->scale;
    }
    cudnnStatus_t e = cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
    e = e ? e : cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, id);
    e = e ? e
          : cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n,
                                     data);
    e = e ? e
          : cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &room);
    e = e ? e : cudnnBackendFinalize(pack);
    e = e ? e : cudnnBackendExecute(dnn, p->run, pack);
    if (pack)
        cudnnBackendDestroyDescriptor(pack);
    return e;
}

/* The number of the configuration to take. Leaves any of them, or none, in p->run. */
static int choose(sc_exec *x, plan *p, const ranking *r, const conv_part *at)
{
    const conv_shape *s = &p->s;
    const size_t bytes = (size_t)(s->n * s->ho * s->wo * s->o) * sc_dtype_size((sc_dtype)s->type);
    conv_part trial = *at;
    int built = -1;

    if (at->add && at->y < at->add + bytes && at->add < at->y + bytes)
        trial.y = (char *)sc_cuda_spare(x, bytes);
    const int best = sc_cuda_choose(x, "conv", &s->type, sizeof(*s) / sizeof(s->type), r->count, [&](int i) {
        if (!trial.y || (i != built && !build(p, sc_cuda_of(x)->dnn, r->config[i])))
            return 1;
        built = i;
        return (int)execute(p, sc_cuda_of(x)->dnn, &trial);
    });
    if (trial.y != at->y)
        sc_cuda_spare_free(x, trial.y);
    return best;
}

/* Makes p->run of one of the configurations: of the chosen one, or the next that can be built. */
static void take(sc_exec *x, plan *p, desc g, bool compiled, const conv_part *at)
{
    static const cudnnBackendHeurMode_t modes[] = { CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK };
    const cudnnHandle_t dnn = sc_cuda_of(x)->dnn;
    ranking r = {};

    for (int m = 0; m < SC_COUNT(modes); m++)
        rank(p, &r, g, modes[m], compiled);
    int i = r.count && !compiled ? choose(x, p, &r, at) : 0;
    while (i < r.count && !build(p, dnn, r.config[i]))
        i++;
    for (int k = 0; k < r.count; k++)
        if (k == i && p->owners < MAX_OWNED)
            p->owned[p->owners++] = r.config[k];
        else
            cudnnBackendDestroyDescriptor(r.config[k]);
}

/* What needs a compiler takes a second to build: only where nothing else does it, and then the first. */
static void plan_open(sc_exec *x, plan *p, const conv_shape *s, const conv_part *at)
{
    memset(p, 0, sizeof(*p));
    p->s = *s;
    const desc g = graph(p, sc_cuda_of(x)->dnn);
    for (int compiled = 0; compiled < 2 && !p->status && !p->run; compiled++)
        take(x, p, g, compiled, at);
}

static const plan *plan_for(sc_exec *x, const conv_shape *s, const conv_part *at)
{
    struct sc_conv_plans *all = sc_cuda_of(x)->conv;

    for (int i = 0; i < all->count; i++)
        if (!memcmp(&all->plan[i].s, s, sizeof(*s)))
            return &all->plan[i];
    plan *p = &all->plan[all->count < MAX_PLANS ? all->count++ : all->oldest++ % MAX_PLANS];
    if (p->run)
        sc_recordings_forget(sc_cuda_of(x)->recordings);
    plan_close(p);
    plan_open(x, p, s, at);
    return p;
}

int sc_conv_library(sc_exec *x, const conv_shape *s, const conv_part *at)
{
    const plan *p = plan_for(x, s, at);
    const cudnnStatus_t e = p->run ? execute(p, sc_cuda_of(x)->dnn, at) : CUDNN_STATUS_SUCCESS;

    if (!e)
        return p->run ? 0 : 1;
    sc_exec_fail(x, SC_ERR_DEVICE, "conv2d: cuDNN: %s", cudnnGetErrorString(e));
    return SC_ERR_DEVICE;
}
