#include "gauge.h"

#include <math.h>
#include <stdlib.h>

#include "../ops.h"

/* As the scale of depth does: what lies beyond is a few stray pixels. */
static const float low_quantile = 0.01f, high_quantile = 0.99f;

typedef struct gauge {
    sc_stage stage;
    const sc_context *c;
    int64_t frames; /* so far */
    int shot;       /* 1 for the first; 0 before it */
} gauge;

typedef struct reading {
    float range[2], median[2], hole[3];
} reading;

/* Disparity of the part without black bars, holes of it all. Waits. */
static void read_frame(sc_exec *x, reading *r, sc_tensor disp, sc_tensor hole)
{
    const sc_mark m = sc_push(x);
    const sc_tensor range = sc_new(x, SC_F32, SC_DIMS(2)), median = sc_new(x, SC_F32, SC_DIMS(2));
    const sc_tensor share = sc_new(x, SC_F32, SC_DIMS(3, 1));

    sc_minmax_into(x,
                   &(sc_minmax_args){ .y = range, .x = disp, .q_lo = low_quantile, .q_hi = high_quantile });
    sc_minmax_into(x, &(sc_minmax_args){ .y = median, .x = disp, .q_lo = 0.5f, .q_hi = 0.5f });
    sc_moments_into(x, &(sc_moments_args){ .y = share, .x = hole });
    sc_download(x, r->range, range);
    sc_download(x, r->median, median);
    sc_download(x, r->hole, share);
    sc_pop(x, m);
}

/* The stage's shot in the table; another stage may have begun it. */
static sc_gauge_shot *find_shot(gauge *g, bool cut)
{
    sc_gauge *all = g->c->gauge;

    if (!cut && g->shot)
        return &all->shot[g->shot - 1];
    if (g->shot == all->room) {
        const int room = 2 * all->room + 64;
        sc_gauge_shot *more = realloc(all->shot, (size_t)room * sizeof(*more));

        if (!more)
            return NULL;
        all->shot = more;
        all->room = room;
    }
    sc_gauge_shot *s = &all->shot[g->shot++];
    if (g->shot > all->shots) {
        *s = (sc_gauge_shot){ .first = g->frames, .low = INFINITY, .high = -INFINITY };
        all->shots = g->shot;
    }
    return s;
}

/* width: of the picture without its bars, as a share. */
static void add(sc_gauge_shot *s, const reading *r, int64_t frame, const sc_settings *set, double width)
{
    const double strength = set->max_disparity * width, n = (double)++s->readings;
    const double low = (r->range[0] - set->convergence) * strength;
    const double high = (r->range[1] - set->convergence) * strength;

    s->frames = SC_MAX(s->frames, frame - s->first + 1);
    if (low < s->low) {
        s->low = low;
        s->low_frame = frame;
    }
    if (high > s->high) {
        s->high = high;
        s->high_frame = frame;
    }
    s->median += ((r->median[0] - set->convergence) * strength - s->median) / n;
    s->hole += (r->hole[0] - s->hole) / n;
}

static int gauge_next(sc_stage *stage, sc_frame *out)
{
    gauge *g = (gauge *)stage;
    const sc_context *c = g->c;
    reading r = { 0 };
    sc_gauge_shot *shot;
    int ret;

    SC_TRY(sc_stage_next(stage->from, out));
    read_frame(c->x, &r, sc_crop(out->disp.t, out->active), out->hole.t);
    SC_TRY(sc_exec_wait(c->x));
    if (!(shot = find_shot(g, out->flags & SC_FRAME_CUT)))
        return sc_fail(c->log, -ENOMEM, "gauge", "out of memory");
    add(shot, &r, g->frames++, c->set, (double)out->active.w / (double)out->left.t.dim[1]);
    return 0;
fail:
    return ret;
}

static void gauge_close(sc_stage *stage)
{
    free(stage);
}

static void measure(sc_exec *x, void *arg)
{
    const gauge *g = arg;
    const sc_tensor grey = sc_tensor_make(NULL, SC_F32, SC_DIMS(g->c->video->height, g->c->video->width, 1));
    reading r;

    read_frame(x, &r, grey, grey);
}

int sc_gauge_open(sc_stage **out, const sc_context *c, sc_stage *from)
{
    gauge *g = calloc(1, sizeof(*g));

    if (!g)
        return sc_fail(c->log, -ENOMEM, "gauge", "out of memory");
    *g = (gauge){ .stage = { .next = gauge_next, .close = gauge_close, .name = "gauge", .from = from },
                  .c = c };
    g->stage.arena = sc_measure(c->x, measure, g, NULL);
    *out = &g->stage;
    return 0;
}

void sc_gauge_clear(sc_gauge *g)
{
    free(g->shot);
    *g = (sc_gauge){ 0 };
}
