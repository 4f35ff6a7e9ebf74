#include <stdlib.h>

#include "inpaint.h"
#include "../ops.h"

/* The built-in tier. Keeps the frame before, for what it showed where there is a hole now. */
typedef struct extend {
    sc_stage stage;
    const sc_context *c;
    sc_image right, disp; /* of the frame before in this shot */
} extend;

static void forget(extend *e)
{
    sc_image_unref(&e->right);
    sc_image_unref(&e->disp);
}

/* Fills f's holes in place. Black bars are no background: only the active part is looked at. */
static void fill(sc_exec *x, const sc_frame *f, const extend *e)
{
    const sc_mark m = sc_push(x);
    const sc_tensor right = sc_crop(f->right.t, f->active), disp = sc_crop(f->disp_right.t, f->active);
    const bool has_prev = e->right.t.ndim > 0;

    sc_fill_into(x, &(sc_fill_args){
                        .y = right,
                        .y_disp = disp,
                        .mask = sc_new(x, SC_F32, SC_DIMS(f->active.h, f->active.w, 1)),
                        .x = right,
                        .disp = disp,
                        .hole = sc_crop(f->hole.t, f->active),
                        .prev = has_prev ? sc_crop(e->right.t, f->active) : SC_NONE,
                        .prev_disp = has_prev ? sc_crop(e->disp.t, f->active) : SC_NONE,
                        .work = sc_new(x, SC_F32, SC_DIMS(f->active.h, f->active.w, 7)),
                    });
    sc_pop(x, m);
}

static int extend_next(sc_stage *s, sc_frame *out)
{
    extend *e = (extend *)s;
    int ret;

    SC_TRY(sc_stage_next(s->from, out));
    if (out->flags & SC_FRAME_CUT)
        forget(e);
    SC_TRY(sc_inpaint_own(e->c, &out->right));
    SC_TRY(sc_inpaint_own(e->c, &out->disp_right));
    fill(e->c->x, out, e);
    SC_TRY(sc_exec_wait(e->c->x));
    forget(e);
    SC_TRY(sc_image_ref(&e->right, &out->right));
    SC_TRY(sc_image_ref(&e->disp, &out->disp_right));
    return 0;
fail:
    return ret;
}

static void extend_close(sc_stage *s)
{
    forget((extend *)s);
    free(s);
}

static void measure(sc_exec *x, void *arg)
{
    const extend *e = arg;
    const int h = e->c->video->height, w = e->c->video->width;
    const sc_tensor rgb = sc_tensor_make(NULL, SC_F32, SC_DIMS(h, w, 3));
    const sc_tensor grey = sc_tensor_make(NULL, SC_F32, SC_DIMS(h, w, 1));
    const sc_frame f = { .right.t = rgb, .disp_right.t = grey, .hole.t = grey, .active = { 0, 0, w, h } };

    fill(x, &f, e);
}

int sc_inpaint_extend_open(sc_stage **s, const sc_context *c, sc_stage *from)
{
    extend *e = calloc(1, sizeof(*e));

    if (!e)
        return sc_fail(c->log, -ENOMEM, "inpaint", "out of memory");
    *e = (extend){ .stage = { .next = extend_next, .close = extend_close, .name = "inpaint", .from = from },
                   .c = c };
    e->stage.arena = sc_measure(c->x, measure, e, NULL);
    e->stage.images = sc_image_bytes(c->video->height, c->video->width, 4); /* the frame before */
    *s = &e->stage;
    return 0;
}
