/* sc_tensor: a view of numbers on a device. Passed by value, owns nothing. */
#ifndef SC_TENSOR_H
#define SC_TENSOR_H

#include "base.h"

typedef enum sc_dtype { SC_F32, SC_F16, SC_BF16, SC_F8, SC_U8, SC_U16 } sc_dtype; /* F8 = E4M3 */

#define SC_MAX_DIM 5

typedef struct sc_tensor {
    void *data; /* device address; NULL in a shape-only run or after a failure */
    sc_dtype dtype;
    int ndim; /* 0 = no tensor */
    int64_t dim[SC_MAX_DIM],
        stride[SC_MAX_DIM]; /* outermost first; strides in elements; 0 repeats an element */
    float *scale;           /* device address of the factors of activations in E4M3; see ops.h */
} sc_tensor;

#define SC_NONE ((sc_tensor){ .ndim = 0 })

/* Number and list of dimensions: sc_tensor_make(p, SC_F32, SC_DIMS(h, w, 3)). */
#define SC_DIMS(...)                                                                                         \
    (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (const int64_t[])                           \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

size_t sc_dtype_size(sc_dtype t);
const char *sc_dtype_name(sc_dtype t); /* "fp32" ... */

/* A packed tensor over data. */
sc_tensor sc_tensor_make(void *data, sc_dtype t, int ndim, const int64_t *dim);

int64_t sc_tensor_count(sc_tensor t); /* elements */
size_t sc_tensor_bytes(sc_tensor t);  /* of a packed tensor of this shape */
bool sc_tensor_packed(sc_tensor t);   /* no gaps, C order */
bool sc_same_shape(sc_tensor a, sc_tensor b);

/* Views. Each asserts that it can be made without a copy. */
sc_tensor sc_slice(sc_tensor t, int axis, int64_t begin, int64_t count);
sc_tensor sc_every(sc_tensor t, int axis, int64_t first, int64_t step); /* first, first + step, ... */
sc_tensor sc_mirror(sc_tensor t, int axis); /* last to first, with a negative stride: for sc_copy_into */
sc_tensor sc_permute(sc_tensor t, const int *order);               /* order[ndim] */
sc_tensor sc_reshape(sc_tensor t, int ndim, const int64_t *dim);   /* splits or merges where strides allow */
sc_tensor sc_rows(sc_tensor t);                                    /* [all others, last] */
sc_tensor sc_index(sc_tensor t, int64_t i);                        /* t[i], one dimension less */
sc_tensor sc_broadcast(sc_tensor t, int ndim, const int64_t *dim); /* size-1 axes repeated with stride 0 */

/* The fewest axes that walk over all of tensors[n], of one shape, in step: their sizes in dim, each tensor's
 * strides in bytes. Returns how many, at least 1. */
int sc_join_axes(int64_t dim[SC_MAX_DIM], int64_t stride[][SC_MAX_DIM], const sc_tensor *const tensors[],
                 int n);

#endif
