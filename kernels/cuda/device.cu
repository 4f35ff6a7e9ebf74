/* The CUDA device's table, memory and stream. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.cuh"

static int cuda_alloc(sc_device *dev, void **out, size_t bytes)
{
    cudaSetDevice(((sc_cuda *)dev->priv)->id);
    if (cudaMalloc(out, bytes ? bytes : 1) == cudaSuccess)
        return 0;
    cudaGetLastError(); /* out of memory is not sticky: the next call must not report it again */
    return -ENOMEM;
}

static void cuda_free(sc_device *dev, void *p)
{
    const sc_cuda *c = (const sc_cuda *)dev->priv;

    cudaSetDevice(c->id);
    sc_recordings_forget(c->recordings);
    cudaFree(p); /* waits for the device: nothing still reads it */
}

static int cuda_host_alloc(sc_device *dev, void **out, size_t bytes)
{
    cudaSetDevice(((sc_cuda *)dev->priv)->id);
    if (cudaMallocHost(out, bytes ? bytes : 1) == cudaSuccess)
        return 0;
    cudaGetLastError();
    return -ENOMEM;
}

static void cuda_host_free(sc_device *dev, void *p)
{
    const sc_cuda *c = (sc_cuda *)dev->priv;

    cudaSetDevice(c->id);
    cudaStreamSynchronize(c->side); /* a page may be on its way that nobody has waited for */
    cudaFreeHost(p);
}

static int cuda_fetch(sc_exec *x, void *dst, const void *src, size_t bytes, int slot)
{
    const sc_cuda *c = sc_cuda_of(x);
    cudaError_t e = cudaEventRecord(c->issued, c->stream);

    if (e == cudaSuccess)
        e = cudaStreamWaitEvent(c->side, c->issued, 0);
    if (e == cudaSuccess)
        e = cudaMemcpyAsync(dst, src, bytes, cudaMemcpyHostToDevice, c->side);
    if (e == cudaSuccess)
        e = cudaEventRecord(c->fetched[slot], c->side);
    return sc_cuda_check(x, e, "fetch");
}

static int cuda_await(sc_exec *x, int slot)
{
    const sc_cuda *c = sc_cuda_of(x);

    return sc_cuda_check(x, cudaStreamWaitEvent(c->stream, c->fetched[slot], 0), "await");
}

static int cuda_upload(sc_exec *x, void *dst, const void *src, size_t bytes)
{
    /* From pageable memory this returns once src has been read. */
    return sc_cuda_check(x, cudaMemcpyAsync(dst, src, bytes, cudaMemcpyHostToDevice, sc_cuda_of(x)->stream),
                         "upload");
}

static int cuda_download(sc_exec *x, void *dst, size_t pitch, const void *src, size_t row, size_t rows)
{
    const cudaStream_t s = sc_cuda_of(x)->stream;
    const cudaError_t e = rows == 1 /* of any length: a pitch has its limit */
                              ? cudaMemcpyAsync(dst, src, row, cudaMemcpyDeviceToHost, s)
                              : cudaMemcpy2DAsync(dst, pitch, src, row, row, rows, cudaMemcpyDeviceToHost, s);

    return sc_cuda_check(x, e, "download");
}

static int cuda_mark(sc_exec *x, int64_t n)
{
    const sc_cuda *c = sc_cuda_of(x);

    return sc_cuda_check(x, cudaEventRecord(c->mark[n % SC_CUDA_MARKS], c->stream), "mark");
}

static int cuda_reach(sc_exec *x, int64_t n)
{
    return sc_cuda_check(x, cudaEventSynchronize(sc_cuda_of(x)->mark[n % SC_CUDA_MARKS]), "wait");
}

/* Others share the primary context and work on its default stream, which our stream does not heed by itself.
 */
static int cuda_join(sc_exec *x)
{
    const sc_cuda *c = sc_cuda_of(x);
    const cudaError_t e = cudaEventRecord(c->joined, cudaStreamLegacy);

    return sc_cuda_check(x, e == cudaSuccess ? cudaStreamWaitEvent(c->stream, c->joined, 0) : e, "join");
}

static int cuda_wait(sc_exec *x)
{
    return sc_cuda_check(x, cudaStreamSynchronize(sc_cuda_of(x)->stream), "wait");
}

static int cuda_timer(sc_exec *x, double *seconds)
{
    const sc_cuda *c = sc_cuda_of(x);
    float ms = 0;
    cudaError_t e = cudaEventRecord(c->timer[seconds ? 3 : 2], c->stream);

    if (!e && seconds)
        e = cudaEventSynchronize(c->timer[3]);
    if (!e && seconds)
        e = cudaEventElapsedTime(&ms, c->timer[2], c->timer[3]);
    if (seconds)
        *seconds = 1e-3 * ms;
    return sc_cuda_check(x, e, "timer");
}

static void cuda_close(sc_device *dev)
{
    sc_cuda *c = (sc_cuda *)dev->priv;

    if (c) {
        cudaSetDevice(c->id);
        if (c->stream)
            cudaStreamSynchronize(c->stream);
        sc_recordings_close(&c->recordings);
        sc_conv_plans_close(&c->conv);
        sc_linear_plans_close(&c->linear);
        sc_choices_close(&c->choices);
        for (int i = 0; i < SC_COUNT(c->timer); i++)
            if (c->timer[i])
                cudaEventDestroy(c->timer[i]);
        if (c->dnn)
            cudnnDestroy(c->dnn);
        if (c->lt)
            cublasLtDestroy(c->lt);
        cudaFree(c->workspace);
        for (int i = 0; i < SC_FETCHES; i++)
            if (c->fetched[i])
                cudaEventDestroy(c->fetched[i]);
        if (c->issued)
            cudaEventDestroy(c->issued);
        for (int i = 0; i < SC_CUDA_MARKS; i++)
            if (c->mark[i])
                cudaEventDestroy(c->mark[i]);
        if (c->joined)
            cudaEventDestroy(c->joined);
        if (c->side)
            cudaStreamDestroy(c->side);
        if (c->stream)
            cudaStreamDestroy(c->stream);
    }
    free(c);
    free(dev);
}

static const sc_ops cuda_ops = {
    .alloc = cuda_alloc,
    .free = cuda_free,
    .host_alloc = cuda_host_alloc,
    .host_free = cuda_host_free,
    .fetch = cuda_fetch,
    .await = cuda_await,
    .upload = cuda_upload,
    .download = cuda_download,
    .mark = cuda_mark,
    .reach = cuda_reach,
    .join = cuda_join,
    .wait = cuda_wait,
    .close = cuda_close,
    .timer = cuda_timer,
    .replay = sc_cuda_replay,
    .record_end = sc_cuda_record_end,
    .copy = sc_cuda_copy,
    .linear = sc_cuda_linear,
    .conv2d = sc_cuda_conv2d,
    .group_norm = sc_cuda_group_norm,
    .layer_norm = sc_cuda_layer_norm,
    .attention = sc_cuda_attention,
    .axpby = sc_cuda_axpby,
    .randn = sc_cuda_randn,
    .resize = sc_cuda_resize,
    .image_in = sc_cuda_image_in,
    .image_out = sc_cuda_image_out,
    .minmax = sc_cuda_minmax,
    .moments = sc_cuda_moments,
    .splat = sc_cuda_splat,
    .fill = sc_cuda_fill,
    .filter = sc_cuda_filter,
    .colour = sc_cuda_colour,
    .mix = sc_cuda_mix,
};

int sc_cuda_count(void)
{
    int n = 0;

    if (cudaGetDeviceCount(&n) != cudaSuccess) {
        cudaGetLastError();
        return 0;
    }
    return n;
}

static bool open_side(sc_cuda *c)
{
    bool ok = cudaStreamCreateWithFlags(&c->side, cudaStreamNonBlocking) == cudaSuccess &&
              cudaEventCreateWithFlags(&c->issued, cudaEventDisableTiming) == cudaSuccess;

    for (int i = 0; i < SC_FETCHES && ok; i++)
        ok = cudaEventCreateWithFlags(&c->fetched[i], cudaEventDisableTiming) == cudaSuccess;
    return ok;
}

static bool open_marks(sc_cuda *c)
{
    bool ok = cudaEventCreateWithFlags(&c->joined, cudaEventDisableTiming) == cudaSuccess;

    for (int i = 0; i < SC_CUDA_MARKS && ok; i++)
        ok = cudaEventCreateWithFlags(&c->mark[i], cudaEventDisableTiming) == cudaSuccess;
    return ok;
}

/* What choices by timing hold for. */
static int open_choices(sc_cuda *c, const char *gpu, int driver, const char *dir, const sc_logger *log)
{
    char name[256];

    snprintf(name, sizeof(name), "%.80s-cc%d-%dsm-driver%d-cudnn%zu-cublas%zu-%s", gpu, c->arch,
             c->processors, driver, cudnnGetVersion(), cublasLtGetVersion(), sc_version());
    for (char *s = name; *s; s++)
        if (*s == ' ' || *s == '/')
            *s = '_';
    return sc_choices_open(&c->choices, c->plain ? NULL : dir, name, log);
}

static int open_libraries(sc_cuda *c)
{
    for (int i = 0; i < SC_COUNT(c->timer); i++)
        if (cudaEventCreate(&c->timer[i]) != cudaSuccess)
            return SC_ERR_DEVICE;
    if (cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking) != cudaSuccess || !open_side(c) ||
        !open_marks(c) || cudaMalloc(&c->workspace, SC_CUDA_WORKSPACE) != cudaSuccess ||
        cublasLtCreate(&c->lt) != CUBLAS_STATUS_SUCCESS || cudnnCreate(&c->dnn) != CUDNN_STATUS_SUCCESS ||
        cudnnSetStream(c->dnn, c->stream) != CUDNN_STATUS_SUCCESS)
        return SC_ERR_DEVICE;
    int ret = sc_conv_plans_open(&c->conv);
    ret = ret < 0 ? ret : sc_linear_plans_open(&c->linear);
    return ret < 0 ? ret : sc_recordings_open(&c->recordings);
}

int sc_cuda_open(sc_device **out, const sc_device_options *o, const sc_logger *log)
{
    const char *number = strchr(o->name, ':');
    const int id = number ? atoi(number + 1) : 0, count = sc_cuda_count();
    cudaDeviceProp p;
    int driver = 0, ret;

    if (id < 0 || id >= count)
        return sc_fail(log, SC_ERR_DEVICE, "device", "--device: \"%s\" asks for GPU %d, there are %d",
                       o->name, id, count);
    /* FFmpeg's decoders share the context only if waiting blocks in it; a thread that spins would also take a
     * core from the encoder. Where others have begun it, their choice stays. */
    if (cudaInitDevice(id, cudaDeviceScheduleBlockingSync, cudaInitDeviceFlagsAreValid) != cudaSuccess)
        cudaGetLastError();
    if (cudaSetDevice(id) != cudaSuccess || cudaGetDeviceProperties(&p, id) != cudaSuccess)
        return sc_fail(log, SC_ERR_DEVICE, "device", "cuda:%d: %s", id,
                       cudaGetErrorString(cudaGetLastError()));

    sc_device *dev = (sc_device *)calloc(1, sizeof(*dev));
    sc_cuda *c = (sc_cuda *)calloc(1, sizeof(*c));
    if (!dev || !c) {
        free(dev);
        free(c);
        return sc_fail(log, -ENOMEM, "device", "out of memory for the device");
    }
    cudaDriverGetVersion(&driver);
    c->ops = cuda_ops;
    if (o->plain)
        c->ops.replay = NULL;
    c->id = id;
    c->arch = dev->capability = 10 * p.major + p.minor;
    c->processors = p.multiProcessorCount;
    c->tf32 = o->tf32;
    c->plain = o->plain;
    dev->priv = c;
    dev->ops = &c->ops;
    dev->dtypes = 1u << SC_F32 | 1u << SC_F16 | 1u << SC_BF16 | (c->arch >= 89 ? 1u << SC_F8 : 0);
    dev->threads = o->threads;
    dev->large = true;
    snprintf(dev->name, sizeof(dev->name), "cuda:%d", id);
    snprintf(dev->description, sizeof(dev->description),
             "%.60s, %.1f GiB, compute capability %d.%d, CUDA %d.%d, cuDNN %zu, cuBLAS %zu", p.name,
             (double)p.totalGlobalMem / (1 << 30), p.major, p.minor, driver / 1000, driver % 1000 / 10,
             cudnnGetVersion(), cublasLtGetVersion());
    ret = open_libraries(c);
    if (ret >= 0)
        ret = open_choices(c, p.name, driver, o->cache_dir, log);
    if (ret < 0) {
        cuda_close(dev);
        return sc_fail(log, ret, "device", "cuda:%d: cuBLAS or cuDNN did not start: %s", id,
                       cudaGetErrorString(cudaGetLastError()));
    }
    size_t all;
    if (cudaMemGetInfo(&dev->memory, &all) != cudaSuccess) {
        cudaGetLastError();
        dev->memory = p.totalGlobalMem / 2;
    }
    *out = dev;
    return 0;
}
