#include "arrange.h"

#include <stdlib.h>

#include "../ops.h"

static const sc_part parts[SC_LAYOUTS][2] = {
    [SC_LAYOUT_SBS] = { SC_PART_LEFT, SC_PART_RIGHT },
    [SC_LAYOUT_HSBS] = { SC_PART_LEFT, SC_PART_RIGHT },
    [SC_LAYOUT_TAB] = { SC_PART_LEFT, SC_PART_RIGHT },
    [SC_LAYOUT_HTAB] = { SC_PART_LEFT, SC_PART_RIGHT },
    [SC_LAYOUT_CROSS] = { SC_PART_RIGHT, SC_PART_LEFT },
    [SC_LAYOUT_LEFT] = { SC_PART_LEFT },
    [SC_LAYOUT_RIGHT] = { SC_PART_RIGHT },
    [SC_LAYOUT_SEQUENTIAL] = { SC_PART_LEFT, SC_PART_RIGHT },
    [SC_LAYOUT_INTERLACED] = { SC_PART_ROWS },
    [SC_LAYOUT_DUBOIS] = { SC_PART_DUBOIS },
    [SC_LAYOUT_REDCYAN] = { SC_PART_REDCYAN },
    [SC_LAYOUT_HALFCOLOR] = { SC_PART_HALFCOLOR },
    [SC_LAYOUT_WIMMER] = { SC_PART_WIMMER },
    [SC_LAYOUT_GRAY] = { SC_PART_GRAY },
    [SC_LAYOUT_RGBD] = { SC_PART_LEFT, SC_PART_DISPARITY },
    [SC_LAYOUT_VR180] = { SC_PART_LEFT, SC_PART_RIGHT },
};

/* Luma of BT.601, which the makers of these anaglyphs use. */
#define GREY 0.299f, 0.587f, 0.114f

/* m1 is the left eye's, m2 the right eye's; as everywhere, applied to the picture's own transfer. */
static const sc_colour_args anaglyphs[] = {
    /* Red-cyan filters of Eric Dubois, "A projection method to generate anaglyph stereo images", ICASSP 2001:
     * least squares over the spectra of glasses and primaries. */
    [SC_PART_DUBOIS] = { .m1 = { 0.4561f, 0.500484f, 0.176381f, -0.0400822f, -0.0378246f, -0.0157589f,
                                 -0.0152161f, -0.0205971f, -0.00546856f },
                         .m2 = { -0.0434706f, -0.0879388f, -0.00155529f, 0.378476f, 0.73364f, -0.0184503f,
                                 -0.0721527f, -0.112961f, 1.2264f } },
    [SC_PART_REDCYAN] = { .m1 = { [0] = 1 }, .m2 = { [4] = 1, [8] = 1 } },
    [SC_PART_HALFCOLOR] = { .m1 = { GREY }, .m2 = { [4] = 1, [8] = 1 } },
    /* Peter Wimmer's "optimized anaglyph": no red of the left eye, which flickers between the eyes. */
    [SC_PART_WIMMER] = { .m1 = { [1] = 0.7f, [2] = 0.3f }, .m2 = { [4] = 1, [8] = 1 } },
    [SC_PART_GRAY] = { .m1 = { GREY }, .m2 = { 0, 0, 0, GREY, GREY } },
};

const sc_part *sc_arrange_parts(int layout)
{
    return parts[layout];
}

bool sc_arrange_is_source(const sc_frame *f, sc_part part)
{
    return (part == SC_PART_LEFT && !f->made_left.t.ndim) || (part == SC_PART_RIGHT && !f->right.t.ndim);
}

sc_tensor sc_arrange(sc_exec *x, const sc_frame *f, sc_part part)
{
    const sc_tensor left = f->made_left.t.ndim ? f->made_left.t : f->left.t;
    const sc_tensor right = f->right.t.ndim ? f->right.t : f->left.t;

    if (part == SC_PART_LEFT)
        return left;
    if (part == SC_PART_RIGHT)
        return right;
    const sc_tensor y = sc_new_like(x, left);
    if (part == SC_PART_DISPARITY) {
        sc_copy_into(x, y, sc_broadcast(f->disp.t, 3, left.dim));
    } else if (part == SC_PART_ROWS) {
        sc_copy_into(x, y, left);
        if (y.dim[0] > 1)
            sc_copy_into(x, sc_every(y, 0, 1, 2), sc_every(right, 0, 1, 2));
    } else {
        sc_colour_args a = anaglyphs[part];
        a.y = y;
        a.a = left;
        a.b = right;
        a.hi = 1;
        sc_colour_into(x, &a);
    }
    return y;
}

sc_tensor sc_arrange_resized(sc_exec *x, sc_tensor t, int w, int h)
{
    if (t.dim[0] == h && t.dim[1] == w)
        return t;
    const sc_tensor y = sc_new(x, SC_F32, SC_DIMS(1, h, w, 3));
    sc_resize_into(x, &(sc_resize_args){
                          .y = y, .x = sc_reshape(t, SC_DIMS(1, t.dim[0], t.dim[1], 3)), .mode = SC_AREA });
    return sc_index(y, 0);
}

void sc_arrange_cut(sc_exec *x, sc_tensor to, sc_tensor picture, int top, int left)
{
    const int64_t h = SC_MIN(to.dim[0], picture.dim[0] - top), w = SC_MIN(to.dim[1], picture.dim[1] - left);
    const sc_tensor from = sc_slice(sc_slice(picture, 0, top, h), 1, left, w), rows = sc_slice(to, 0, 0, h);

    sc_copy_into(x, sc_slice(rows, 1, 0, w), from);
    if (w < to.dim[1]) {
        const sc_tensor rest = sc_slice(rows, 1, w, to.dim[1] - w);

        sc_copy_into(x, rest, sc_broadcast(sc_slice(rows, 1, w - 1, 1), 3, rest.dim));
    }
    if (h < to.dim[0]) {
        const sc_tensor rest = sc_slice(to, 0, h, to.dim[0] - h);

        sc_copy_into(x, rest, sc_broadcast(sc_slice(to, 0, h - 1, 1), 3, rest.dim));
    }
}

sc_tensor sc_arrange_zeros(sc_exec *x, int ndim, const int64_t *dim)
{
    int64_t row[SC_MAX_DIM] = { 1, 1, 1, 1, 1 };
    float *zero = calloc((size_t)dim[ndim - 1], sizeof(*zero));

    row[ndim - 1] = dim[ndim - 1];
    const sc_tensor t = sc_new(x, SC_F32, ndim, row);
    if (zero)
        sc_upload(x, t, zero);
    else
        sc_exec_fail(x, -ENOMEM, "out of memory");
    free(zero);
    return sc_broadcast(t, ndim, dim);
}

void sc_arrange_rescale(sc_exec *x, sc_tensor y, float scale, float offset, bool clamp)
{
    sc_colour_into(x, &(sc_colour_args){ .y = y,
                                         .a = y,
                                         .m1 = { scale, 0, 0, 0, scale, 0, 0, 0, scale },
                                         .t = { offset, offset, offset },
                                         .hi = clamp ? 1 : 0 });
}
