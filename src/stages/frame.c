#include <stdlib.h>

#include <libavutil/imgutils.h>

#include "frame.h"
#include "../ops.h"
#include "../video/image.h"

/* Encoders may read so many rows at a time, and so many bytes past the end: as av_frame_get_buffer() has it.
 */
enum { ROWS = 32, PADDING = 64 };

struct pool {
    size_t bytes;
    bool host;
    AVBufferPool *pool;
    struct pool *next;
};

struct sc_pools {
    sc_device *dev;
    struct pool *first;
};

static void device_free(void *opaque, uint8_t *data)
{
    sc_device *dev = opaque;

    dev->ops->free(dev, data);
}

static AVBufferRef *device_alloc(void *opaque, size_t bytes)
{
    sc_device *dev = opaque;
    AVBufferRef *ref;
    void *p = NULL;

    if (dev->ops->alloc(dev, &p, bytes) < 0)
        return NULL;
    if (!(ref = av_buffer_create(p, bytes, device_free, dev, 0)))
        dev->ops->free(dev, p);
    return ref;
}

static void host_free(void *opaque, uint8_t *data)
{
    sc_device *dev = opaque;

    dev->ops->host_free(dev, data);
}

static AVBufferRef *host_alloc(void *opaque, size_t bytes)
{
    sc_device *dev = opaque;
    AVBufferRef *ref;
    void *p = NULL;

    if (dev->ops->host_alloc(dev, &p, bytes) < 0)
        return NULL;
    if (!(ref = av_buffer_create(p, bytes, host_free, dev, 0)))
        dev->ops->host_free(dev, p);
    return ref;
}

int sc_pools_open(sc_pools **p, sc_device *dev)
{
    if (!(*p = calloc(1, sizeof(**p))))
        return -ENOMEM;
    (*p)->dev = dev;
    return 0;
}

void sc_pools_close(sc_pools **p)
{
    if (!*p)
        return;
    for (struct pool *n, *q = (*p)->first; q; q = n) {
        n = q->next;
        av_buffer_pool_uninit(&q->pool);
        free(q);
    }
    free(*p);
    *p = NULL;
}

static AVBufferRef *take(sc_pools *p, size_t bytes, bool host)
{
    struct pool *q = p->first;

    while (q && (q->bytes != bytes || q->host != host))
        q = q->next;
    if (!q) {
        if (!(q = calloc(1, sizeof(*q))))
            return NULL;
        q->bytes = bytes;
        q->host = host;
        q->pool = av_buffer_pool_init2(bytes, p->dev, host ? host_alloc : device_alloc, NULL);
        if (!q->pool) {
            free(q);
            return NULL;
        }
        q->next = p->first;
        p->first = q;
    }
    return av_buffer_pool_get(q->pool);
}

int sc_image_new(sc_pools *p, sc_image *im, int h, int w, int c)
{
    const sc_tensor t = sc_tensor_make(NULL, SC_F32, SC_DIMS(h, w, c));

    if (!(im->buf = take(p, sc_tensor_bytes(t), false)))
        return -ENOMEM;
    im->t = t;
    im->t.data = im->buf->data;
    return 0;
}

int sc_picture_new(sc_pools *p, AVFrame **out, enum AVPixelFormat format, int w, int h, int align)
{
    const int rows = FFALIGN(h, ROWS), bytes = av_image_get_buffer_size(format, w, rows, align);
    AVFrame *f = NULL;
    int ret;

    SC_TRY(bytes);
    SC_TRY(sc_shape_new(&f, format, w, h));
    if (!(f->buf[0] = take(p, (size_t)bytes + PADDING, true)))
        SC_TRY(-ENOMEM);
    SC_TRY(av_image_fill_arrays(f->data, f->linesize, f->buf[0]->data, format, w, rows, align));
    *out = f;
    return 0;
fail:
    av_frame_free(&f);
    return ret;
}

size_t sc_image_bytes(int h, int w, int c)
{
    return sizeof(float) * (size_t)h * (size_t)w * (size_t)c;
}

void sc_image_unref(sc_image *im)
{
    av_buffer_unref(&im->buf);
    *im = (sc_image){ 0 };
}

int sc_image_ref(sc_image *dst, const sc_image *src)
{
    AVBufferRef *buf = av_buffer_ref(src->buf);

    if (!buf)
        return -ENOMEM;
    *dst = (sc_image){ .t = src->t, .buf = buf };
    return 0;
}

bool sc_image_shared(const sc_image *im)
{
    return !av_buffer_is_writable(im->buf);
}

void sc_frame_clear(sc_frame *f)
{
    av_frame_free(&f->src);
    for (int i = 0; i < SC_MAX_OUTPUTS; i++)
        av_frame_free(&f->stereo[i]);
    av_frame_free(&f->sidecar);
    sc_image_unref(&f->left);
    sc_image_unref(&f->disp);
    sc_image_unref(&f->right);
    sc_image_unref(&f->made_left);
    sc_image_unref(&f->truth);
    sc_image_unref(&f->hole);
    sc_image_unref(&f->disp_right);
    *f = (sc_frame){ 0 };
}

int sc_frame_again(sc_frame *to, const sc_frame *f)
{
    int ret;

    *to = (sc_frame){ .active = f->active,
                      .max_disparity = f->max_disparity,
                      .convergence = f->convergence,
                      .floating_window = f->floating_window,
                      .pts = f->pts,
                      .duration = f->duration,
                      .flags = f->flags,
                      .check = f->check };
    SC_TRY((to->src = av_frame_clone(f->src)) ? 0 : -ENOMEM);
    SC_TRY(sc_image_ref(&to->left, &f->left));
    SC_TRY(sc_image_ref(&to->disp, &f->disp));
    return 0;
fail:
    sc_frame_clear(to);
    return ret;
}
