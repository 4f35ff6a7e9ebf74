/* --floating-window: a side of the picture that cuts off what stands in front of the screen comes forward as
 * far. What the left side cuts off at a shift of d pixels, the left eye sees d pixels more of; with these
 * black, both eyes see the picture end at one edge, which stands where the thing stands. The right eye's
 * right side likewise. */
#include <math.h>
#include <stdlib.h>

#include "../ops.h"
#include "arrange.h"
#include "edit.h"
#include "gauge.h"
#include "steady.h"

static const double settle =
    0.5; /* seconds: an edge that jumps is seen, one that is late is a moment of rivalry */
enum { SOFT = 160, SOFT_LEAST = 2 }; /* the edge fades over a 160th of the width, pixels at least */

typedef struct border {
    sc_stage stage;
    const sc_context *c;
    double width[2], time; /* of the left and the right side in the frame before, pixels */
    float *row;            /* a mask of one row */
} border;

/* How many pixels each side ought to come forward. */
static int measure_sides(sc_exec *x, double want[2], const sc_frame *f)
{
    const sc_mark m = sc_push(x);
    const sc_tensor side[2] = { sc_new(x, SC_F32, SC_DIMS(2)), sc_new(x, SC_F32, SC_DIMS(2)) };
    float at[2][2] = { { 0 } };
    int ret;

    sc_gauge_sides(x, side, f);
    for (int k = 0; k < 2; k++)
        sc_download(x, at[k], side[k]);
    sc_pop(x, m);
    if ((ret = sc_exec_wait(x)) < 0)
        return ret;
    for (int k = 0; k < 2; k++)
        want[k] = SC_MAX((double)(at[k][0] - f->convergence) * f->max_disparity / 100 * f->active.w, 0);
    return 0;
}

/* 0 at the side, 1 from `width` pixels on; the left side, or mirrored. */
static void draw_row(float *row, const sc_rect *active, double width, bool right)
{
    const double soft = SC_MIN(SC_MAX(active->w / SOFT, SOFT_LEAST), width);

    for (int i = 0; i < active->w; i++) {
        const double from_side = (right ? active->w - 1 - i : i) + 0.5;
        row[i] = (float)SC_CLAMP((from_side - (width - soft)) / soft, 0, 1);
    }
}

static void darken(sc_exec *x, sc_tensor y, sc_tensor picture, const sc_rect *active, const float *row)
{
    const sc_mark m = sc_push(x);
    const sc_tensor from = sc_crop(picture, *active);
    const sc_tensor mask = sc_new(x, SC_F32, SC_DIMS(1, active->w, 1));
    const int64_t dim[] = { active->h, active->w, 1 };

    sc_upload(x, mask, row);
    if (y.data != picture.data)
        sc_copy_into(x, y, picture);
    sc_mix_into(x, &(sc_mix_args){ .y = sc_crop(y, *active),
                                   .m = sc_broadcast(mask, 3, dim),
                                   .a = from,
                                   .b = sc_arrange_zeros(x, 3, from.dim) });
    sc_pop(x, m);
}

/* The left eye's left side, or the right eye's right one; an eye that was the source's picture is made. */
static int draw_side(border *b, sc_frame *f, int k)
{
    sc_image *eye = k ? &f->right : &f->made_left, dark = { 0 };
    const sc_tensor picture = eye->t.ndim ? eye->t : f->left.t;
    int ret;

    if (b->width[k] < 1) /* of which nothing would be black */
        return 0;
    SC_TRY(sc_image_new(b->c->pools, &dark, (int)picture.dim[0], (int)picture.dim[1], 3));
    draw_row(b->row, &f->active, b->width[k], k);
    darken(b->c->x, dark.t, picture, &f->active, b->row);
    sc_image_unref(eye);
    *eye = dark;
    return 0;
fail:
    sc_image_unref(&dark);
    return ret;
}

static int border_next(sc_stage *stage, sc_frame *out)
{
    border *b = (border *)stage;
    double want[2], time;
    int ret;

    SC_TRY(sc_stage_next(stage->from, out));
    SC_TRY(measure_sides(b->c->x, want, out));
    for (int k = 0; k < 2 && !out->floating_window; k++)
        want[k] = 0;
    time = sc_edit_time(b->c->video, out->pts);
    for (int k = 0; k < 2; k++) {
        b->width[k] = sc_steady(b->width[k], want[k],
                                out->flags & SC_FRAME_CUT ? -1 : SC_MAX(time - b->time, 0), settle);
        SC_TRY(draw_side(b, out, k));
    }
    b->time = time;
    return 0;
fail:
    return ret;
}

static void border_close(sc_stage *stage)
{
    free(((border *)stage)->row);
    free(stage);
}

static void measure(sc_exec *x, void *arg)
{
    const border *b = arg;
    const sc_video_info *v = b->c->video;
    const sc_rect all = { 0, 0, v->width, v->height };
    const sc_tensor picture = sc_tensor_make(NULL, SC_F32, SC_DIMS(v->height, v->width, 3));
    double want[2];

    measure_sides(x, want,
                  &(sc_frame){ .disp.t = sc_tensor_make(NULL, SC_F32, SC_DIMS(v->height, v->width, 1)),
                               .active = all });
    darken(x, picture, picture, &all, b->row);
}

int sc_border_open(sc_stage **out, const sc_context *c, sc_stage *from)
{
    border *b = calloc(1, sizeof(*b));
    int ret;

    if (!b)
        return sc_fail(c->log, -ENOMEM, "window", "out of memory");
    *b = (border){ .stage = { .next = border_next, .close = border_close, .name = "window", .from = from },
                   .c = c };
    if (!(b->row = calloc((size_t)c->video->width, sizeof(*b->row))))
        SC_TRY(sc_fail(c->log, -ENOMEM, "window", "out of memory"));
    b->stage.arena = sc_measure(c->x, measure, b, NULL);
    b->stage.images = 2 * sc_image_bytes(c->video->height, c->video->width, 3);
    *out = &b->stage;
    return 0;
fail:
    border_close(&b->stage);
    return ret;
}
