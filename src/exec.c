#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ops.h"
#include "../kernels/null/null.h"

/* cuDNN and 16-byte vector loads want at most this; cache lines are half of it. */
#define ALIGN ((size_t)256)

int sc_exec_open(sc_exec *x, sc_device *dev, const sc_logger *log, sc_dtype act, size_t arena_bytes)
{
    *x = (sc_exec){ .dev = dev, .log = log, .act = act, .measuring = !strcmp(dev->name, "null") };
    return sc_exec_reserve(x, arena_bytes);
}

void sc_exec_close(sc_exec *x)
{
    if (x->base)
        x->dev->ops->free(x->dev, x->base);
    *x = (sc_exec){ 0 };
}

static int new_arena(sc_exec *x, size_t bytes)
{
    void *p = NULL;
    const int ret = x->dev->ops->alloc(x->dev, &p, bytes);

    x->base = p;
    x->size = ret < 0 ? 0 : bytes;
    return ret;
}

int sc_exec_reserve(sc_exec *x, size_t bytes)
{
    const size_t had = x->size;
    int ret = -ENOMEM;

    assert(!x->used);
    if (x->measuring || bytes <= had)
        return 0;
    if (!x->most || bytes <= x->most) {
        if (x->base) /* there may not be room for both */
            x->dev->ops->free(x->dev, x->base);
        if ((ret = new_arena(x, bytes)) < 0 && had)
            new_arena(x, had);
    }
    if (ret < 0)
        sc_log(x->log, SC_LOG_WARNING, "memory", "%s cannot give %.0f MiB of working memory", x->dev->name,
               (double)bytes / (1 << 20));
    return ret;
}

/* The sticky error, of which `late` may be the first sign. */
static int take_error(sc_exec *x, int late)
{
    int ret;

    if (late < 0 && !x->err)
        sc_exec_fail(x, late, "%s", sc_strerror(late));
    ret = x->err;
    x->err = 0;
    return ret;
}

int sc_exec_wait(sc_exec *x)
{
    return take_error(x, x->dev->ops->wait(x));
}

int64_t sc_exec_mark(sc_exec *x)
{
    const int ret = x->dev->ops->mark(x, ++x->marks);

    if (ret < 0)
        sc_exec_fail(x, ret, "mark: %s", sc_strerror(ret));
    return x->marks;
}

int sc_exec_reach(sc_exec *x, int64_t mark)
{
    return take_error(x, mark ? x->dev->ops->reach(x, mark) : 0);
}

void sc_exec_join(sc_exec *x)
{
    const int ret = x->dev->ops->join(x);

    if (ret < 0)
        sc_exec_fail(x, ret, "join: %s", sc_strerror(ret));
}

void sc_timer_start(sc_exec *x)
{
    const int ret = x->dev->ops->timer ? x->dev->ops->timer(x, NULL) : 0;

    if (ret < 0)
        sc_exec_fail(x, ret, "timer: %s", sc_strerror(ret));
    x->started = sc_now();
}

double sc_timer_stop(sc_exec *x)
{
    double seconds = 0;
    const int ret = x->dev->ops->timer ? x->dev->ops->timer(x, &seconds) : x->dev->ops->wait(x);

    if (ret < 0)
        sc_exec_fail(x, ret, "timer: %s", sc_strerror(ret));
    return x->dev->ops->timer ? seconds : sc_now() - x->started;
}

void sc_exec_fail(sc_exec *x, int code, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    if (x->err)
        return;
    x->err = code;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    sc_log(x->log, SC_LOG_ERROR, x->dev->name, "%s", text);
}

sc_mark sc_push(sc_exec *x)
{
    return (sc_mark){ x->used };
}

void sc_pop(sc_exec *x, sc_mark m)
{
    assert(m.used <= x->used);
    x->used = m.used;
}

sc_tensor sc_new(sc_exec *x, sc_dtype t, int ndim, const int64_t *dim)
{
    sc_tensor r = sc_tensor_make(NULL, t, ndim, dim);
    const size_t bytes = (sc_tensor_bytes(r) + ALIGN - 1) / ALIGN * ALIGN;

    if (x->err)
        return r;
    if (!x->measuring && bytes > x->size - x->used) {
        sc_exec_fail(x, -ENOMEM, "working memory: %zu bytes more wanted, %zu of %zu in use", bytes, x->used,
                     x->size);
        return r;
    }
    if (!x->measuring)
        r.data = x->base + x->used;
    x->used += bytes;
    x->peak = SC_MAX(x->peak, x->used);
    return r;
}

sc_tensor sc_new_like(sc_exec *x, sc_tensor t)
{
    return sc_new(x, t.dtype, t.ndim, t.dim);
}

void sc_upload(sc_exec *x, sc_tensor dst, const void *src)
{
    int ret;

    if (x->err)
        return;
    SC_CHECK(x, sc_tensor_packed(dst));
    x->stats.bytes_up += (int64_t)sc_tensor_bytes(dst);
    if ((ret = x->dev->ops->upload(x, dst.data, src, sc_tensor_bytes(dst))) < 0)
        sc_exec_fail(x, ret, "upload: %s", sc_strerror(ret));
}

static void download(sc_exec *x, void *dst, size_t pitch, sc_tensor src, size_t rows)
{
    const size_t bytes = sc_tensor_bytes(src);
    int ret;

    SC_CHECK(x, sc_tensor_packed(src));
    x->stats.bytes_down += (int64_t)bytes;
    if ((ret = x->dev->ops->download(x, dst, pitch, src.data, bytes / rows, rows)) < 0)
        sc_exec_fail(x, ret, "download: %s", sc_strerror(ret));
}

void sc_download(sc_exec *x, void *dst, sc_tensor src)
{
    int ret;

    if (!x->err)
        download(x, dst, sc_tensor_bytes(src), src, 1);
    if (!x->err && (ret = x->dev->ops->wait(x)) < 0)
        sc_exec_fail(x, ret, "download: %s", sc_strerror(ret));
    if (x->err) /* callers read the numbers before they ask for the error */
        memset(dst, 0, sc_tensor_bytes(src));
}

void sc_download_rows(sc_exec *x, void *dst, size_t pitch, sc_tensor src)
{
    if (!x->err)
        download(x, dst, pitch, src, (size_t)src.dim[0]);
}

bool sc_replay_next(sc_exec *x, sc_replay *r)
{
    enum { BEFORE, RUNNING, RECORDING };
    const sc_ops *ops = x->dev->ops;
    const int state = r->state;

    if (state == RUNNING)
        return false;
    r->state = RUNNING;
    if (state == RECORDING)
        return !ops->record_end(x);
    switch (!ops->replay || r->never || x->err ? SC_REPLAY_RUN : ops->replay(x, r)) {
    case SC_REPLAY_DONE:
        return false;
    case SC_REPLAY_RECORD:
        r->state = RECORDING;
        return true;
    default:
        return true;
    }
}

size_t sc_measure(const sc_exec *like, void (*fn)(sc_exec *x, void *arg), void *arg, sc_stats *stats)
{
    sc_device *dev = NULL;
    sc_exec x;
    size_t peak = 0;

    if (sc_null_open(&dev, &(sc_device_options){ .name = "null" }, like->log) < 0)
        return 0;
    if (sc_exec_open(&x, dev, like->log, like->act, 0) >= 0) {
        fn(&x, arg);
        if (!x.err)
            peak = SC_MAX(x.peak, ALIGN);
        if (stats)
            *stats = x.stats;
        sc_exec_close(&x);
    }
    sc_device_close(&dev);
    return peak;
}
