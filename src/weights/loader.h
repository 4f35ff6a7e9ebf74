/* The loader's state, between weights.c, which finds tensors and checks them, and read.c, which reads them.
 */
#ifndef SC_LOADER_H
#define SC_LOADER_H

#include "../pager.h"
#include "safetensors.h"
#include "weights.h"

#define SC_LOADER_PATH 4096

/* A tensor that was found and fits. Reading waits for sc_loader_finish(): no memory is taken for a wrong
 * file. */
typedef struct sc_request {
    sc_tensor *to;
    sc_param *layer; /* whose weights these are, which may be far and have factors; else NULL */
    const sc_st_tensor *from;
    sc_tensor view; /* the file's tensor with its axes in the order of *to, where some may be one; no data yet
                     */
    size_t offset;  /* of *to in the block, or in its page */
    size_t scale;   /* offset of the layer's factors in the block */
    float gain;     /* see sc_loader_gain() */
} sc_request;

struct sc_loader {
    const sc_logger *log;
    sc_exec *x;
    sc_dtype store;
    float gain;
    char name[SC_LOADER_PATH];
    sc_st_file *file; /* NULL: shape-only, or: */
    bool random;
    int files;
    sc_tape *tape; /* of the layers' weights; NULL: they are resident */
    sc_request *request;
    size_t requests, capacity;
    size_t size, staging; /* bytes of the block; of the largest tensor that is converted on its way */
    sc_load_size need, *report;
    int64_t params;
    char list[4096]; /* the problems */
    double opened;   /* sc_now() */
    int problems, listed, ret;
};

static inline bool sc_request_far(const sc_request *r)
{
    return r->layer && r->layer->far.tape;
}

/* Whether the file's bytes are *to's as they are. */
static inline bool sc_request_direct(const sc_request *r)
{
    return r->to->dtype == r->view.dtype && sc_tensor_packed(r->view);
}

/* Allocates and fills what the requests ask for. On success *block is the caller's. */
int sc_loader_read(sc_loader *ld, void **block);

#endif
