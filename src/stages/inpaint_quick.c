/* The built-in network for holes, after background extension. */
#include <math.h>
#include <stdlib.h>

#include "../ops.h"
#include "inpaint.h"

/* Longest side of the network's picture. What it adds is the colour of what comes into view, the detail is
 * the extension's: over rendered pairs of 1280x720 its first weights gained 0.57 dB in holes at 480, 0.63 at
 * 640 and 0.82 at 1280, and its time grows as the square. */
enum { LONGEST = 480, LONGEST_LARGE = 1280, MULTIPLE = 8 };

struct sc_filler {
    const sc_context *c;
    sc_quick *net;
    double shrink;
    sc_image one; /* [1,1,1] of 1: what a constant is made of on a device */
};

int sc_filler_open(sc_filler **out, const sc_context *c, sc_quick *net)
{
    static const float one = 1;
    const int longest = c->x->dev->large ? LONGEST_LARGE : LONGEST;
    sc_filler *f = calloc(1, sizeof(*f));
    int ret;

    if (!f) {
        sc_quick_close(&net, c->x->dev);
        return sc_fail(c->log, -ENOMEM, "inpaint", "out of memory");
    }
    f->c = c;
    f->net = net;
    f->shrink = fmin(1, (double)longest / SC_MAX(c->video->width, c->video->height));
    SC_TRY(sc_image_new(c->pools, &f->one, 1, 1, 1));
    sc_upload(c->x, f->one.t, &one);
    SC_TRY(sc_exec_wait(c->x));
    *out = f;
    return 0;
fail:
    sc_filler_close(&f);
    return ret;
}

void sc_filler_close(sc_filler **f)
{
    if (!*f)
        return;
    sc_image_unref(&(*f)->one);
    sc_quick_close(&(*f)->net, (*f)->c->x->dev);
    free(*f);
    *f = NULL;
}

static int64_t shrunk(const sc_filler *f, int64_t side)
{
    return SC_MAX(1, lrint(f->shrink * (double)side / MULTIPLE)) * MULTIPLE;
}

/* x[H,W,C] at the network's size, [1,h,w,C]. */
static sc_tensor small_of(sc_exec *x, const sc_filler *f, sc_tensor t)
{
    const sc_tensor y = sc_new(x, SC_F32, SC_DIMS(1, shrunk(f, t.dim[0]), shrunk(f, t.dim[1]), t.dim[2]));

    sc_resize_into(x, &(sc_resize_args){ .y = y, .x = sc_batch(t), .mode = SC_BILINEAR, .antialias = true });
    return y;
}

void sc_filler_run(sc_exec *x, const sc_filler *f, sc_tensor made, sc_tensor filled, sc_tensor mask,
                   sc_tensor disp, float screen)
{
    const sc_mark m = sc_push(x);
    const sc_dtype act = x->act;
    const sc_tensor large = sc_new(x, SC_F32, filled.ndim, filled.dim);
    const sc_tensor small = small_of(x, f, filled), hole = small_of(x, f, mask), near = small_of(x, f, disp);
    const sc_tensor change = sc_new_like(x, small);

    sc_axpby_into(x, near, 1 / (float)disp.dim[1], near, screen,
                  sc_broadcast(sc_batch(f->one.t), 4, near.dim), SC_ACT_NONE);
    x->act = f->c->precision.net[SC_NET_QUICK].act;
    sc_quick_fill(x, change, f->net, small, hole, near);
    x->act = act;
    sc_resize_into(x, &(sc_resize_args){ .y = sc_batch(large), .x = change, .mode = SC_BILINEAR });
    sc_colour_into(x, &(sc_colour_args){ .y = large,
                                         .a = filled,
                                         .b = large,
                                         .m1 = { 1, 0, 0, 0, 1, 0, 0, 0, 1 },
                                         .m2 = { 1, 0, 0, 0, 1, 0, 0, 0, 1 },
                                         .hi = 1 });
    sc_mix_into(x, &(sc_mix_args){ .y = made, .m = mask, .a = large, .b = filled });
    /* Holes along the left edge come of what lies behind the screen. The network was trained with the screen
     * at infinity, has seen none there, and makes them grey. */
    const int64_t w = filled.dim[1], edge = SC_MIN((int64_t)ceilf(screen * (float)w), w);
    if (edge)
        sc_copy_into(x, sc_slice(made, 1, 0, edge), sc_slice(filled, 1, 0, edge));
    sc_pop(x, m);
}
