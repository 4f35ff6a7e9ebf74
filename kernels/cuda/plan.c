#include "plan.h"

enum { ALIGNMENT = 16 }; /* bytes: what cuDNN's and cuBLASLt's fast kernels load at once */

/* The least number of equal parts of at most `most`, as the size of one. */
static int64_t equal_parts(int64_t total, int64_t most)
{
    const int64_t parts = (total + most - 1) / most;
    return (total + parts - 1) / parts;
}

static bool aligned(const void *p, int64_t step_bytes)
{
    return (uintptr_t)p % ALIGNMENT == 0 && step_bytes % ALIGNMENT == 0;
}

static bool rows_aligned(sc_tensor t)
{
    return aligned(t.data, t.stride[0] * (int64_t)sc_dtype_size(t.dtype));
}

/* cuBLASLt has vectors of factors on 9.0 alone, and there aligned ones, with 16-bit results of aligned rows.
 */
static bool takes_factors(const sc_linear_args *a, int arch)
{
    return arch == 90 && a->y.dtype != SC_F32 && rows_aligned(a->y) &&
           (!a->add.ndim || rows_aligned(a->add)) && a->x_scale.stride[0] == 1 &&
           aligned(a->x_scale.data, 0) && aligned(a->scale.data, 0);
}

bool sc_plan_linear_fused(const sc_linear_args *a, int arch)
{
    const bool repeated = a->add.stride[0] == 0 && a->y.dim[0] > 1;

    return a->act == SC_ACT_NONE && (!a->scale.ndim || takes_factors(a, arch)) &&
           (!a->add.ndim || (a->add.stride[1] == 1 && !repeated));
}

int64_t sc_plan_linear_rows(const sc_linear_args *a, size_t room)
{
    const int64_t most = (int64_t)(room / sizeof(float)) / a->w.dim[0];

    return equal_parts(a->y.dim[0], SC_MAX(most, 1));
}

int64_t sc_plan_conv_rows_in(const sc_conv2d_args *a, int64_t rows)
{
    return (rows - 1) * a->stride + a->w.dim[1];
}

/* Every part begins at an address that cuDNN's kernels can load from; x is read in place unless it is
 * doubled. */
static bool parts_aligned(const sc_conv2d_args *a, sc_conv_plan p)
{
    const int64_t size = (int64_t)sc_dtype_size(a->y.dtype), x_size = (int64_t)sc_dtype_size(a->x.dtype);
    const int64_t x_step = p.images < a->y.dim[0] ? a->x.stride[0] * x_size : 0;
    const int64_t y_step = p.rows < a->y.dim[1] ? a->y.stride[1] * size : x_step ? a->y.stride[0] * size : 0;

    return aligned(a->y.data, y_step) && aligned(a->w.data, 0) &&
           aligned(a->upsample ? NULL : a->x.data, x_step) && aligned(a->add.ndim ? a->add.data : NULL, 0);
}

/* Exact fp32 has no tensor cores to reach. On an H200 our kernel is faster where its tiles of 128 x 128 fill
 * the GPU. */
static bool own_is_faster(const sc_conv2d_args *a)
{
    return a->y.dtype == SC_F32 && a->y.dim[3] >= 64 && sc_tensor_count(a->y) >= 128 * 128 * 128;
}

sc_conv_plan sc_plan_conv(const sc_conv2d_args *a, size_t room, bool tf32)
{
    const sc_conv_plan direct = { .way = SC_CONV_DIRECT, .images = a->y.dim[0], .rows = a->y.dim[1] };
    const int64_t biggest =
        SC_MAX(sc_tensor_count(a->x) * (a->upsample ? 4 : 1), sc_tensor_count(a->y)) / a->y.dim[0];
    const bool own_vec = a->vec.ndim && a->vec.stride[0] != 0;
    sc_conv_plan p = { .way = SC_CONV_LIBRARY, .images = own_vec ? 1 : a->y.dim[0], .rows = a->y.dim[1] };

    if (a->w.dim[1] == 1 && a->w.dim[2] == 1 && a->stride == 1 && !a->upsample && !a->vec.ndim &&
        !a->pad_top && !a->pad_left && !a->pad_bottom && !a->pad_right)
        return (sc_conv_plan){ .way = SC_CONV_LINEAR, .images = a->y.dim[0], .rows = a->y.dim[1] };
    /* act comes before add: cuDNN's precompiled kernels cannot, and y may be add. cuDNN counts elements in 32
     * bits. */
    if ((a->act != SC_ACT_NONE && a->add.ndim) || biggest > INT32_MAX || (!tf32 && own_is_faster(a)))
        return direct;
    p.images = equal_parts(a->y.dim[0], SC_MIN(p.images, INT32_MAX / biggest));
    if (a->upsample) {
        const int64_t row = 2 * a->x.dim[2] * a->x.dim[3] * (int64_t)sc_dtype_size(a->x.dtype);
        const int64_t image = row * sc_plan_conv_rows_in(a, a->y.dim[1]);
        if (image <= (int64_t)room) {
            p.images = equal_parts(a->y.dim[0], SC_MIN(p.images, (int64_t)room / image));
        } else if (sc_plan_conv_rows_in(a, 1) * row <= (int64_t)room) {
            p.images = 1;
            p.rows = equal_parts(a->y.dim[1], ((int64_t)room / row - a->w.dim[1]) / a->stride + 1);
        } else {
            return direct;
        }
    }
    return parts_aligned(a, p) ? p : direct;
}
