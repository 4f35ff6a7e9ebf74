#include "loader.h"

#include <math.h>
#include <stdlib.h>

typedef struct block { /* what a finished loader hands over */
    void *resident;
    sc_tape *tape;
} block;

void sc_loader_free(sc_device *dev, void **p)
{
    block *b = *p;

    if (!b)
        return;
    if (b->resident)
        dev->ops->free(dev, b->resident);
    sc_tape_close(&b->tape);
    free(b);
    *p = NULL;
}

/* Numbers that keep the size of what passes through. */
static void fill_random(sc_exec *x, sc_tensor flat, const sc_tensor *shape, size_t i)
{
    const double inputs = (double)flat.dim[0] / (double)shape->dim[0];

    sc_randn_into(x, flat, i, 0);
    sc_axpby_into(x, flat, shape->ndim > 1 ? (float)(1 / sqrt(inputs)) : 0.5f, flat, 0, SC_NONE, SC_ACT_NONE);
}

/* Quantised weights become numbers on the host: once, at load. */
static void upload_unpacked(sc_loader *ld, sc_tensor flat, const sc_st_tensor *from)
{
    float *y = malloc(sc_tensor_bytes(flat));

    if (!y) {
        sc_exec_fail(ld->x, -ENOMEM, "%s: no memory to unpack %s", ld->name, from->name);
        return;
    }
    from->unpack(y, from->data, from->blocks);
    sc_upload(ld->x, flat, y);
    free(y);
}

/* What is far is converted in its place in the pager's ring, and then sent back to the host. */
static void read_one(sc_loader *ld, sc_request *r, size_t i, char *resident, void *staging)
{
    const int64_t n = sc_tensor_count(r->view);
    const sc_far *far = sc_request_far(r) ? &r->layer->far : NULL;

    if (far)
        r->to->data = sc_tape_device(far->tape, far->page, r->offset);
    else
        r->to->data = resident ? resident + r->offset : NULL;
    r->view.data = sc_request_direct(r) ? r->to->data : staging;
    const sc_tensor flat = sc_tensor_make(r->view.data, r->view.dtype, 1, &n);
    if (r->from && r->from->unpack)
        upload_unpacked(ld, flat, r->from);
    else if (r->from)
        sc_upload(ld->x, flat, r->from->data);
    else
        fill_random(ld->x, flat, r->to, i);
    if (r->layer && r->layer->scale.ndim) {
        const sc_tensor rows = sc_tensor_make(staging ? (char *)staging + sc_tensor_bytes(flat) : NULL,
                                              r->view.dtype, r->to->ndim, r->to->dim);
        r->layer->scale.data = resident ? resident + r->scale : NULL;
        sc_copy_into(ld->x, sc_reshape(rows, r->view.ndim, r->view.dim), r->view);
        sc_quantise_into(ld->x, *r->to, r->layer->scale, rows);
    } else if (!sc_request_direct(r)) {
        sc_copy_into(ld->x, sc_reshape(*r->to, r->view.ndim, r->view.dim), r->view);
    }
    if (r->gain != 1) {
        const sc_tensor t = r->layer && r->layer->scale.ndim ? r->layer->scale : *r->to;
        sc_axpby_into(ld->x, t, r->gain, t, 0, SC_NONE, SC_ACT_NONE);
    }
    if (far)
        sc_download(ld->x, sc_tape_host(far->tape, far->page, r->offset), *r->to);
}

int sc_loader_read(sc_loader *ld, void **out)
{
    sc_device *dev = ld->x->dev;
    block *b = calloc(1, sizeof(*b));
    void *staging = NULL;
    int ret = 0;

    SC_TRY(b ? 0 : -ENOMEM);
    b->tape = ld->tape;
    ld->tape = NULL;
    if (ld->size)
        SC_TRY(dev->ops->alloc(dev, &b->resident, ld->size));
    if (b->tape && (ret = sc_tape_alloc(b->tape)) < 0) {
        ret = sc_fail(ld->log, ret == -ENOMEM ? SC_ERR_DEVICE : ret, "weights",
                      "%s: no %zu MiB of host memory that %s could copy from", ld->name,
                      ld->need.layers >> 20, dev->name);
        goto fail;
    }
    if (ld->staging)
        SC_TRY(dev->ops->alloc(dev, &staging, ld->staging));
    for (size_t i = 0; i < ld->requests; i++)
        read_one(ld, &ld->request[i], i, b->resident, staging);
    SC_TRY(sc_exec_wait(ld->x));
    *out = b;
    b = NULL;
fail:
    if (ret == -ENOMEM)
        sc_log(ld->log, SC_LOG_WARNING, "memory", "%s: %zu MiB do not fit into the memory of %s", ld->name,
               (ld->size + ld->staging) >> 20, dev->name);
    if (staging)
        dev->ops->free(dev, staging);
    if (b)
        sc_loader_free(dev, (void **)&b);
    return ret;
}
