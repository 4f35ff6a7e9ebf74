#include "attention_plan.h"

enum { ALIGNMENT = 16, SHORT = 32 }; /* bytes that a thread loads at once; tokens */

/* Whether every row of t can be read in pieces of ALIGNMENT bytes. */
static bool aligned(const sc_tensor *t)
{
    const int64_t size = (int64_t)sc_dtype_size(t->dtype);

    for (int i = 0; i < 3; i++)
        if (t->dim[i] > 1 && t->stride[i] * size % ALIGNMENT)
            return false;
    return (uintptr_t)t->data % ALIGNMENT == 0 && t->dim[3] * size % ALIGNMENT == 0;
}

/* TMA wants no repeated rows, and steps below 2^40 bytes. */
static bool mappable(const sc_tensor *t)
{
    for (int i = 0; i < 3; i++)
        if (t->dim[i] > 1 && (t->stride[i] <= 0 || t->stride[i] >= (int64_t)1 << 38))
            return false;
    return true;
}

static int64_t padded(int64_t n, int64_t step)
{
    return (n + step - 1) / step * step;
}

sc_attention_way sc_plan_attention(const sc_attention_args *a, int arch)
{
    const int64_t queries = a->q.dim[1], keys = a->k.dim[1], width = a->q.dim[3];
    const bool roomy = arch / 10 == 9 || arch / 10 == 10 || arch / 10 == 11; /* 227 KiB a block */

    /* The 16-bit kernels find the largest score before they scale it. */
    if (a->q.dtype == SC_F32 || arch < 80 || !(a->scale > 0) || !aligned(&a->q) || !aligned(&a->k) ||
        !aligned(&a->v) || !aligned(&a->y))
        return SC_ATTENTION_PLAIN;
    if ((width == 32 || width == 64) && queries <= SHORT && keys <= SHORT)
        return SC_ATTENTION_SHORT;
    if (width == 64 && arch == 90 && mappable(&a->q) && mappable(&a->k) && mappable(&a->v))
        return padded(queries, 128) < padded(queries, 192) ? SC_ATTENTION_SM90_128 : SC_ATTENTION_SM90;
    if (width <= 128)
        return SC_ATTENTION_TILED;
    return roomy ? SC_ATTENTION_WIDE : SC_ATTENTION_WIDE_99;
}
