#include <stdlib.h>

#include "inpaint.h"
#include "../ops.h"

/* The built-in tier. Keeps the frame before, for what it showed where there is a hole now: as extended, since
 * what the network has corrected must not be corrected again and again. */
typedef struct extend {
    sc_stage stage;
    const sc_context *c;
    sc_filler *filler;    /* or NULL */
    sc_image right, disp; /* of the frame before in this shot */
} extend;

static void forget(extend *e)
{
    sc_image_unref(&e->right);
    sc_image_unref(&e->disp);
}

/* Fills f's holes in place, and into made what the filler makes of it. Black bars are no background: only the
 * active part is looked at. */
static void fill(sc_exec *x, const sc_frame *f, sc_tensor made, const extend *e)
{
    const sc_mark m = sc_push(x);
    const sc_tensor right = sc_crop(f->right.t, f->active), disp = sc_crop(f->disp_right.t, f->active);
    const sc_tensor mask = sc_new(x, SC_F32, SC_DIMS(f->active.h, f->active.w, 1));
    const bool has_prev = e->right.t.ndim > 0;
    const sc_mark work = sc_push(x);

    sc_fill_into(x, &(sc_fill_args){
                        .y = right,
                        .y_disp = disp,
                        .mask = mask,
                        .x = right,
                        .disp = disp,
                        .hole = sc_crop(f->hole.t, f->active),
                        .prev = has_prev ? sc_crop(e->right.t, f->active) : SC_NONE,
                        .prev_disp = has_prev ? sc_crop(e->disp.t, f->active) : SC_NONE,
                        .work = sc_new(x, SC_F32, SC_DIMS(f->active.h, f->active.w, 7)),
                    });
    sc_pop(x, work);
    if (e->filler) {
        const float share = e->c->set->synthetic_view == SC_VIEW_BOTH ? 0.5f : 1;
        if (f->active.h < made.dim[0] || f->active.w < made.dim[1])
            sc_copy_into(x, made, f->right.t);
        sc_filler_run(x, e->filler, sc_crop(made, f->active), right, mask, disp,
                      share * f->max_disparity / 100 * f->convergence);
    }
    sc_pop(x, m);
}

static int extend_next(sc_stage *s, sc_frame *out)
{
    extend *e = (extend *)s;
    sc_image made = { 0 };
    int ret;

    SC_TRY(sc_stage_next(s->from, out));
    if (out->flags & SC_FRAME_CUT)
        forget(e);
    SC_TRY(sc_inpaint_own(e->c, &out->right));
    SC_TRY(sc_inpaint_own(e->c, &out->disp_right));
    if (e->filler)
        SC_TRY(sc_image_new(e->c->pools, &made, (int)out->right.t.dim[0], (int)out->right.t.dim[1], 3));
    fill(e->c->x, out, made.t, e);
    SC_TRY(sc_exec_wait(e->c->x));
    forget(e);
    SC_TRY(sc_image_ref(&e->right, &out->right));
    SC_TRY(sc_image_ref(&e->disp, &out->disp_right));
    if (e->filler) {
        sc_image_unref(&out->right);
        out->right = made;
    }
    return 0;
fail:
    sc_image_unref(&made);
    return ret;
}

static void extend_close(sc_stage *s)
{
    extend *e = (extend *)s;

    forget(e);
    sc_filler_close(&e->filler);
    free(e);
}

static void measure(sc_exec *x, void *arg)
{
    const extend *e = arg;
    const int h = e->c->video->height, w = e->c->video->width;
    const sc_tensor rgb = sc_tensor_make(NULL, SC_F32, SC_DIMS(h, w, 3));
    const sc_tensor grey = sc_tensor_make(NULL, SC_F32, SC_DIMS(h, w, 1));
    const sc_frame f = { .right.t = rgb, .disp_right.t = grey, .hole.t = grey, .active = { 0, 0, w, h } };

    fill(x, &f, rgb, e);
}

int sc_inpaint_extend_open(sc_stage **s, const sc_context *c, sc_stage *from, sc_quick *net)
{
    extend *e = calloc(1, sizeof(*e));
    int ret;

    if (!e) {
        sc_quick_close(&net, c->x->dev);
        return sc_fail(c->log, -ENOMEM, "inpaint", "out of memory");
    }
    *e = (extend){ .stage = { .next = extend_next, .close = extend_close, .name = "inpaint", .from = from },
                   .c = c };
    if (net)
        SC_TRY(sc_filler_open(&e->filler, c, net));
    if (!(e->stage.arena = sc_measure(c->x, measure, e, NULL)))
        SC_TRY(-EINVAL);
    e->stage.images = sc_image_bytes(c->video->height, c->video->width, net ? 7 : 4); /* the frame before */
    *s = &e->stage;
    return 0;
fail:
    extend_close(&e->stage);
    return ret;
}
