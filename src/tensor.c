#include <assert.h>

#include "tensor.h"

size_t sc_dtype_size(sc_dtype t)
{
    static const unsigned char size[] = {
        [SC_F32] = 4, [SC_F16] = 2, [SC_BF16] = 2, [SC_F8] = 1, [SC_U8] = 1, [SC_U16] = 2
    };

    return size[t];
}

const char *sc_dtype_name(sc_dtype t)
{
    static const char *const name[] = { [SC_F32] = "fp32", [SC_F16] = "fp16", [SC_BF16] = "bf16",
                                        [SC_F8] = "fp8",   [SC_U8] = "u8",    [SC_U16] = "u16" };

    return name[t];
}

sc_tensor sc_tensor_make(void *data, sc_dtype t, int ndim, const int64_t *dim)
{
    sc_tensor r = { .data = data, .dtype = t, .ndim = ndim };
    int64_t step = 1;

    assert(ndim >= 0 && ndim <= SC_MAX_DIM);
    for (int i = ndim - 1; i >= 0; i--) {
        r.dim[i] = dim[i];
        r.stride[i] = step;
        step *= dim[i];
    }
    return r;
}

int64_t sc_tensor_count(sc_tensor t)
{
    int64_t n = t.ndim > 0;

    for (int i = 0; i < t.ndim; i++)
        n *= t.dim[i];
    return n;
}

size_t sc_tensor_bytes(sc_tensor t)
{
    return (size_t)sc_tensor_count(t) * sc_dtype_size(t.dtype);
}

bool sc_tensor_packed(sc_tensor t)
{
    int64_t step = 1;

    for (int i = t.ndim - 1; i >= 0; i--) {
        if (t.dim[i] != 1 && t.stride[i] != step)
            return false;
        step *= t.dim[i];
    }
    return true;
}

bool sc_same_shape(sc_tensor a, sc_tensor b)
{
    if (a.ndim != b.ndim)
        return false;
    for (int i = 0; i < a.ndim; i++)
        if (a.dim[i] != b.dim[i])
            return false;
    return true;
}

/* Shape-only tensors stay NULL whatever is cut out of them. */
static void *offset(sc_tensor t, int64_t elements)
{
    return t.data ? (char *)t.data + elements * (int64_t)sc_dtype_size(t.dtype) : NULL;
}

sc_tensor sc_slice(sc_tensor t, int axis, int64_t begin, int64_t count)
{
    assert(axis >= 0 && axis < t.ndim && begin >= 0 && count >= 0 && begin + count <= t.dim[axis]);
    t.data = offset(t, begin * t.stride[axis]);
    t.dim[axis] = count;
    return t;
}

sc_tensor sc_every(sc_tensor t, int axis, int64_t first, int64_t step)
{
    assert(axis >= 0 && axis < t.ndim && first >= 0 && first < t.dim[axis] && step > 0);
    t.data = offset(t, first * t.stride[axis]);
    t.dim[axis] = (t.dim[axis] - first + step - 1) / step;
    t.stride[axis] *= step;
    return t;
}

sc_tensor sc_mirror(sc_tensor t, int axis)
{
    assert(axis >= 0 && axis < t.ndim && t.dim[axis] > 0);
    t.data = offset(t, (t.dim[axis] - 1) * t.stride[axis]);
    t.stride[axis] = -t.stride[axis];
    return t;
}

sc_tensor sc_permute(sc_tensor t, const int *order)
{
    sc_tensor r = t;

    for (int i = 0; i < t.ndim; i++) {
        assert(order[i] >= 0 && order[i] < t.ndim);
        r.dim[i] = t.dim[order[i]];
        r.stride[i] = t.stride[order[i]];
    }
    return r;
}

sc_tensor sc_reshape(sc_tensor t, int ndim, const int64_t *dim)
{
    sc_tensor r = { .data = t.data, .dtype = t.dtype, .ndim = ndim, .scale = t.scale };
    int64_t want = 1;
    int i = t.ndim - 1, j = ndim - 1;

    assert(ndim >= 1 && ndim <= SC_MAX_DIM);
    for (int k = 0; k < ndim; k++)
        want *= dim[k];
    assert(want == sc_tensor_count(t));
    for (int k = 0; k < ndim; k++) {
        r.dim[k] = dim[k];
        r.stride[k] = 1;
    }
    if (!want)
        return r;
    /* Walk both shapes from the inside; each group of old axes with the same product as a group of new ones
     * must itself be packed (each stride the next one's extent), then the new strides follow from the
     * innermost old one. */
    while (j >= 0) {
        int64_t old = 1, new = 1, step;

        while (i >= 0 && t.dim[i] == 1)
            i--;
        if (i < 0) {
            for (; j >= 0; j--)
                assert(r.dim[j] == 1);
            break;
        }
        step = t.stride[i];
        old = t.dim[i];
        do {
            r.stride[j] = step * new;
            new *= r.dim[j--];
        } while (j >= 0 && new < old);
        while (new > old) {
            do
                i--;
            while (t.dim[i] == 1);
            assert(i >= 0 && t.stride[i] == step * old);
            old *= t.dim[i];
            while (j >= 0 && new < old) {
                r.stride[j] = step * new;
                new *= r.dim[j--];
            }
        }
        assert(new == old);
        i--;
    }
    return r;
}

sc_tensor sc_rows(sc_tensor t)
{
    const int64_t last = t.dim[t.ndim - 1];

    return sc_reshape(t, SC_DIMS(last ? sc_tensor_count(t) / last : 0, last));
}

sc_tensor sc_index(sc_tensor t, int64_t i)
{
    sc_tensor r = { .data = offset(t, i * t.stride[0]), .dtype = t.dtype, .ndim = t.ndim - 1 };

    assert(t.ndim > 1 && i >= 0 && i < t.dim[0]);
    for (int k = 0; k < r.ndim; k++) {
        r.dim[k] = t.dim[k + 1];
        r.stride[k] = t.stride[k + 1];
    }
    return r;
}

sc_tensor sc_broadcast(sc_tensor t, int ndim, const int64_t *dim)
{
    assert(t.ndim == ndim);
    for (int i = 0; i < ndim; i++) {
        if (t.dim[i] == dim[i])
            continue;
        assert(t.dim[i] == 1);
        t.dim[i] = dim[i];
        t.stride[i] = 0;
    }
    return t;
}

int sc_join_axes(int64_t dim[SC_MAX_DIM], int64_t stride[][SC_MAX_DIM], const sc_tensor *const t[], int n)
{
    int ndim = 0;

    for (int i = 0; i < t[0]->ndim; i++) {
        bool joins = ndim > 0;
        if (t[0]->dim[i] == 1)
            continue;
        for (int k = 0; k < n; k++) {
            const int64_t step = t[k]->stride[i] * (int64_t)sc_dtype_size(t[k]->dtype);
            joins = joins && stride[k][ndim - 1] == step * t[0]->dim[i];
            stride[k][ndim] = step;
        }
        if (joins) {
            for (int k = 0; k < n; k++)
                stride[k][ndim - 1] = stride[k][ndim];
            dim[ndim - 1] *= t[0]->dim[i];
        } else {
            dim[ndim++] = t[0]->dim[i];
        }
    }
    if (!ndim)
        dim[ndim++] = sc_tensor_count(*t[0]);
    return ndim;
}
