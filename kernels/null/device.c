#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "null.h"

static int null_alloc(sc_device *dev, void **out, size_t bytes)
{
    (void)dev, (void)bytes;
    *out = NULL;
    return 0;
}

static void null_free(sc_device *dev, void *p)
{
    (void)dev, (void)p;
}

static int null_upload(sc_exec *x, void *dst, const void *src, size_t bytes)
{
    (void)x, (void)dst, (void)src, (void)bytes;
    return 0;
}

/* What is read back must not be garbage: host code may branch on it. */
static int null_download(sc_exec *x, void *dst, size_t pitch, const void *src, size_t row, size_t rows)
{
    (void)x, (void)src;
    for (size_t i = 0; i < rows; i++)
        memset((char *)dst + i * pitch, 0, row);
    return 0;
}

static int null_mark(sc_exec *x, int64_t n)
{
    (void)x, (void)n;
    return 0;
}

static int null_fetch(sc_exec *x, void *dst, const void *src, size_t bytes, int slot)
{
    (void)slot;
    return null_upload(x, dst, src, bytes);
}

static int null_await(sc_exec *x, int slot)
{
    (void)x, (void)slot;
    return 0;
}

static int null_wait(sc_exec *x)
{
    (void)x;
    return 0;
}

static void null_close(sc_device *dev)
{
    free(dev);
}

#define NULL_OP(op)                                                                                          \
    static int null_##op(sc_exec *x, const sc_##op##_args *a)                                                \
    {                                                                                                        \
        (void)x, (void)a;                                                                                    \
        return 0;                                                                                            \
    }

NULL_OP(copy)
NULL_OP(linear)
NULL_OP(conv2d)
NULL_OP(group_norm)
NULL_OP(layer_norm)
NULL_OP(attention)
NULL_OP(axpby)
NULL_OP(randn)
NULL_OP(resize)
NULL_OP(image_in)
NULL_OP(image_out)
NULL_OP(minmax)
NULL_OP(moments)
NULL_OP(splat)
NULL_OP(fill)
NULL_OP(filter)
NULL_OP(colour)
NULL_OP(mix)

static const sc_ops null_ops = {
    .alloc = null_alloc,
    .free = null_free,
    .host_alloc = null_alloc,
    .host_free = null_free,
    .fetch = null_fetch,
    .await = null_await,
    .upload = null_upload,
    .download = null_download,
    .mark = null_mark,
    .reach = null_mark,
    .join = null_wait,
    .wait = null_wait,
    .close = null_close,
    .copy = null_copy,
    .linear = null_linear,
    .conv2d = null_conv2d,
    .group_norm = null_group_norm,
    .layer_norm = null_layer_norm,
    .attention = null_attention,
    .axpby = null_axpby,
    .randn = null_randn,
    .resize = null_resize,
    .image_in = null_image_in,
    .image_out = null_image_out,
    .minmax = null_minmax,
    .moments = null_moments,
    .splat = null_splat,
    .fill = null_fill,
    .filter = null_filter,
    .colour = null_colour,
    .mix = null_mix,
};

int sc_null_open(sc_device **out, const sc_device_options *o, const sc_logger *log)
{
    (void)o;
    sc_device *dev = calloc(1, sizeof(*dev));
    if (!dev)
        return sc_fail(log, -ENOMEM, "null", "out of memory for the device");
    dev->ops = &null_ops;
    dev->dtypes = ~0u;
    dev->threads = 1;
    snprintf(dev->name, sizeof(dev->name), "null");
    snprintf(dev->description, sizeof(dev->description), "shapes only");
    *out = dev;
    return 0;
}
