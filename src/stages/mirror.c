#include <stdlib.h>

#include "../ops.h"
#include "stages.h"

/* All that makes a right eye of a left one (splat, inpaint, its networks) makes a left eye of a right one
 * where the picture is mirrored: holes then lie on the side for which it is made. */
typedef struct mirror {
    sc_stage stage;
    const sc_context *c;
} mirror;

static int turn(const mirror *m, sc_image *im)
{
    sc_image turned = { 0 };
    const int ret =
        sc_image_new(m->c->pools, &turned, (int)im->t.dim[0], (int)im->t.dim[1], (int)im->t.dim[2]);

    if (ret < 0)
        return ret;
    sc_copy_into(m->c->x, turned.t, sc_mirror(im->t, 1));
    sc_image_unref(im);
    *im = turned;
    return 0;
}

static int turn_source(const mirror *m, sc_frame *f)
{
    int ret;

    SC_TRY(turn(m, &f->left));
    SC_TRY(turn(m, &f->disp));
    f->active.x = (int)f->left.t.dim[1] - f->active.x - f->active.w;
fail:
    return ret;
}

static int there_next(sc_stage *s, sc_frame *out)
{
    const mirror *m = (mirror *)s;
    int ret;

    SC_TRY(sc_stage_next(s->from, out));
    SC_TRY(turn_source(m, out));
    ret = sc_exec_wait(m->c->x);
fail:
    return ret;
}

/* What was made as the right eye becomes the left one. */
static int back_next(sc_stage *s, sc_frame *out)
{
    const mirror *m = (mirror *)s;
    int ret;

    SC_TRY(sc_stage_next(s->from, out));
    SC_TRY(turn_source(m, out));
    SC_TRY(turn(m, &out->right));
    out->made_left = out->right;
    out->right = (sc_image){ 0 };
    sc_image_unref(&out->hole);
    sc_image_unref(&out->disp_right);
    ret = sc_exec_wait(m->c->x);
fail:
    return ret;
}

static void mirror_close(sc_stage *s)
{
    free(s);
}

int sc_mirror_open(sc_stage **out, const sc_context *c, sc_stage *from, bool back)
{
    mirror *m = calloc(1, sizeof(*m));

    if (!m)
        return sc_fail(c->log, -ENOMEM, "mirror", "out of memory");
    *m = (mirror){ .stage = { .next = back ? back_next : there_next,
                              .close = mirror_close,
                              .name = "mirror",
                              .from = from },
                   .c = c };
    m->stage.images = sc_image_bytes(c->video->height, c->video->width, 4); /* one turned, one on its way */
    *out = &m->stage;
    return 0;
}
