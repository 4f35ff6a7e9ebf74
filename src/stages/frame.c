#include <stdlib.h>

#include "frame.h"
#include "../ops.h"

struct pool {
    size_t bytes;
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

int sc_image_new(sc_pools *p, sc_image *im, int h, int w, int c)
{
    const sc_tensor t = sc_tensor_make(NULL, SC_F32, SC_DIMS(h, w, c));
    const size_t bytes = sc_tensor_bytes(t);
    struct pool *q = p->first;

    while (q && q->bytes != bytes)
        q = q->next;
    if (!q) {
        if (!(q = calloc(1, sizeof(*q))))
            return -ENOMEM;
        q->bytes = bytes;
        q->pool = av_buffer_pool_init2(bytes, p->dev, device_alloc, NULL);
        if (!q->pool) {
            free(q);
            return -ENOMEM;
        }
        q->next = p->first;
        p->first = q;
    }
    if (!(im->buf = av_buffer_pool_get(q->pool)))
        return -ENOMEM;
    im->t = t;
    im->t.data = im->buf->data;
    return 0;
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
    sc_image_unref(&f->hole);
    sc_image_unref(&f->disp_right);
    *f = (sc_frame){ 0 };
}
