/* --convergence-mode subject: what the picture is about lies in the screen plane. */
#include <stdlib.h>

#include "../ops.h"
#include "edit.h"
#include "stages.h"
#include "steady.h"

/* The subject: the nearer part, but not the nearest, of what is in the middle half of the picture, where
 * people are framed. Their background, less than two thirds of that, is left behind by the quantile. */
static const float quantile = 0.7f;
enum { MIDDLE = 4 };            /* a MIDDLE-th is left out on each side */
static const double settle = 1; /* seconds: about what a focus puller takes; eyes follow it unnoticed */

typedef struct subject {
    sc_stage stage;
    const sc_context *c;
    double convergence, time; /* of the frame before */
} subject;

static void read_subject(sc_exec *x, float out[2], const sc_frame *f)
{
    const sc_mark m = sc_push(x);
    const sc_rect a = f->active;
    const sc_rect middle = { a.x + a.w / MIDDLE, a.y + a.h / MIDDLE, SC_MAX(a.w - 2 * (a.w / MIDDLE), 1),
                             SC_MAX(a.h - 2 * (a.h / MIDDLE), 1) };
    const sc_tensor y = sc_new(x, SC_F32, SC_DIMS(2));

    sc_minmax_into(
        x, &(sc_minmax_args){ .y = y, .x = sc_crop(f->disp.t, middle), .q_lo = quantile, .q_hi = quantile });
    sc_download(x, out, y);
    sc_pop(x, m);
}

static int subject_next(sc_stage *stage, sc_frame *out)
{
    subject *s = (subject *)stage;
    float at[2] = { 0 };
    double time;
    int ret;

    SC_TRY(sc_stage_next(stage->from, out));
    read_subject(s->c->x, at, out);
    SC_TRY(sc_exec_wait(s->c->x));
    time = sc_edit_time(s->c->video, out->pts);
    s->convergence = sc_steady(s->convergence, SC_CLAMP(at[0], SC_SUBJECT_FAR, SC_SUBJECT_NEAR),
                               out->flags & SC_FRAME_CUT ? -1 : SC_MAX(time - s->time, 0), settle);
    s->time = time;
    out->convergence = (float)s->convergence;
    return 0;
fail:
    return ret;
}

static void subject_close(sc_stage *stage)
{
    free(stage);
}

static void measure(sc_exec *x, void *arg)
{
    const sc_video_info *v = ((subject *)arg)->c->video;
    float at[2];

    read_subject(x, at,
                 &(sc_frame){ .disp.t = sc_tensor_make(NULL, SC_F32, SC_DIMS(v->height, v->width, 1)),
                              .active = { 0, 0, v->width, v->height } });
}

int sc_subject_open(sc_stage **out, const sc_context *c, sc_stage *from)
{
    subject *s = calloc(1, sizeof(*s));

    if (!s)
        return sc_fail(c->log, -ENOMEM, "subject", "out of memory");
    *s =
        (subject){ .stage = { .next = subject_next, .close = subject_close, .name = "subject", .from = from },
                   .c = c };
    s->stage.arena = sc_measure(c->x, measure, s, NULL);
    *out = &s->stage;
    return 0;
}
