#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"

/* One cache line or vector register is at most 64 bytes; the arena promises 256. */
enum { ALIGN = 256 };

static int cpu_alloc(sc_device *dev, void **out, size_t bytes)
{
    (void)dev;
    size_t padded;
    if (!sc_add_size(bytes ? bytes : 1, ALIGN - 1, &padded))
        return -ENOMEM;
    void *p = aligned_alloc(ALIGN, padded / ALIGN * ALIGN);
    if (!p)
        return -ENOMEM;
    *out = p;
    return 0;
}

static void cpu_free(sc_device *dev, void *p)
{
    (void)dev;
    free(p);
}

static int cpu_upload(sc_exec *x, void *dst, const void *src, size_t bytes)
{
    (void)x;
    memcpy(dst, src, bytes);
    return 0;
}

static int cpu_download(sc_exec *x, void *dst, size_t pitch, const void *src, size_t row, size_t rows)
{
    (void)x;
    for (size_t i = 0; i < rows; i++)
        memcpy((char *)dst + i * pitch, (const char *)src + i * row, row);
    return 0;
}

static int cpu_fetch(sc_exec *x, void *dst, const void *src, size_t bytes, int slot)
{
    (void)slot;
    return cpu_upload(x, dst, src, bytes);
}

static int cpu_await(sc_exec *x, int slot)
{
    (void)x, (void)slot;
    return 0;
}

/* Ops return when they are done. */
static int cpu_mark(sc_exec *x, int64_t n)
{
    (void)x, (void)n;
    return 0;
}

static int cpu_wait(sc_exec *x)
{
    (void)x;
    return 0;
}

static void cpu_close(sc_device *dev)
{
    sc_cpu *cpu = dev->priv;
    if (cpu)
        sc_dnnl_close(&cpu->dnnl);
    free(cpu);
    free(dev);
}

static const sc_ops plain_ops = {
    .alloc = cpu_alloc,
    .free = cpu_free,
    .host_alloc = cpu_alloc,
    .host_free = cpu_free,
    .fetch = cpu_fetch,
    .await = cpu_await,
    .upload = cpu_upload,
    .download = cpu_download,
    .mark = cpu_mark,
    .reach = cpu_mark,
    .join = cpu_wait,
    .wait = cpu_wait,
    .close = cpu_close,
    .copy = sc_cpu_copy,
    .linear = sc_cpu_linear,
    .conv2d = sc_cpu_conv2d,
    .group_norm = sc_cpu_group_norm,
    .layer_norm = sc_cpu_layer_norm,
    .attention = sc_cpu_attention,
    .axpby = sc_cpu_axpby,
    .randn = sc_cpu_randn,
    .resize = sc_cpu_resize,
    .image_in = sc_cpu_image_in,
    .image_out = sc_cpu_image_out,
    .minmax = sc_cpu_minmax,
    .moments = sc_cpu_moments,
    .splat = sc_cpu_splat,
    .fill = sc_cpu_fill,
    .filter = sc_cpu_filter,
    .colour = sc_cpu_colour,
    .mix = sc_cpu_mix,
};

int sc_cpu_open(sc_device **out, const sc_device_options *o, const sc_logger *log)
{
    int ret = 0;
    sc_device *dev = calloc(1, sizeof(*dev));
    sc_cpu *cpu = calloc(1, sizeof(*cpu));
    if (!dev || !cpu) {
        free(dev);
        free(cpu);
        return sc_fail(log, -ENOMEM, "cpu", "out of memory for the device");
    }
    cpu->ops = plain_ops;
    dev->priv = cpu;
    dev->ops = &cpu->ops;
    dev->dtypes = 1u << SC_F32;
    dev->threads = o->threads > 0 ? o->threads : omp_get_num_procs();
    snprintf(dev->name, sizeof(dev->name), "cpu");
    snprintf(dev->description, sizeof(dev->description), "%d threads, plain C", dev->threads);
    if (!o->plain) {
        cpu->ops.attention = sc_cpu_attention_fast;
        SC_TRY(sc_dnnl_open(&cpu->dnnl, dev, log));
    }
    *out = dev;
    return 0;
fail:
    cpu_close(dev);
    return ret;
}
