#include "gauge.h"

#include <math.h>
#include <stdlib.h>

#include "../ops.h"
#include "edit.h"

const double sc_gauge_dark = 0.04;

/* As the scale of depth does: what lies beyond is a few stray pixels. */
static const float low_quantile = 0.01f, high_quantile = 0.99f;
/* What a side of the picture cuts off: the nearest 20th of the outermost 50th, but for the lowest third,
 * where it is the ground, which disturbs nobody. */
static const float side_quantile = 0.95f;
enum { SIDE = 50, GROUND = 3 };

typedef struct gauge {
    sc_stage stage;
    const sc_context *c;
    int64_t frames; /* so far */
    int shot;       /* 1 for the first; 0 before it */
    int before;     /* shots of which an earlier run has told */
} gauge;

typedef struct reading {
    float range[2], median[2], side[2][2], hole[3], picture[9];
} reading;

void sc_gauge_sides(sc_exec *x, const sc_tensor side[2], const sc_frame *f)
{
    const sc_tensor disp = sc_crop(f->disp.t, f->active);
    const int64_t h = disp.dim[0], w = disp.dim[1], strip = SC_MAX(w / SIDE, 1);
    const sc_tensor above = sc_slice(disp, 0, 0, h - h / GROUND);

    for (int i = 0; i < 2; i++)
        sc_minmax_into(x, &(sc_minmax_args){ .y = side[i],
                                             .x = sc_slice(above, 1, i ? w - strip : 0, strip),
                                             .q_lo = side_quantile,
                                             .q_hi = side_quantile });
}

/* Disparity of the part without black bars and of its left and right side, holes and brightness. */
static void read_frame(sc_exec *x, reading *r, const sc_frame *f)
{
    const sc_mark m = sc_push(x);
    const sc_tensor disp = sc_crop(f->disp.t, f->active);
    const sc_tensor range = sc_new(x, SC_F32, SC_DIMS(2)), median = sc_new_like(x, range);
    const sc_tensor side[2] = { sc_new_like(x, range), sc_new_like(x, range) };
    const sc_tensor share = sc_new(x, SC_F32, SC_DIMS(3, 1)), picture = sc_new(x, SC_F32, SC_DIMS(3, 3));

    sc_minmax_into(x,
                   &(sc_minmax_args){ .y = range, .x = disp, .q_lo = low_quantile, .q_hi = high_quantile });
    sc_minmax_into(x, &(sc_minmax_args){ .y = median, .x = disp, .q_lo = 0.5f, .q_hi = 0.5f });
    sc_gauge_sides(x, side, f);
    sc_moments_into(x, &(sc_moments_args){ .y = share, .x = f->hole.t });
    sc_moments_into(x, &(sc_moments_args){ .y = picture, .x = sc_crop(f->left.t, f->active) });
    sc_download(x, r->range, range);
    sc_download(x, r->median, median);
    sc_download(x, r->side[0], side[0]);
    sc_download(x, r->side[1], side[1]);
    sc_download(x, r->hole, share);
    sc_download(x, r->picture, picture);
    sc_pop(x, m);
}

sc_gauge_shot *sc_gauge_add(sc_gauge *all)
{
    if (all->shots == all->room) {
        const int room = 2 * all->room + 64;
        sc_gauge_shot *more = realloc(all->shot, (size_t)room * sizeof(*more));

        if (!more)
            return NULL;
        all->shot = more;
        all->room = room;
    }
    return &all->shot[all->shots++];
}

void sc_gauge_picture(sc_gauge_shot *s, int64_t frame, char **still)
{
    for (int i = 0; i < SC_STILLS; i++) {
        free(s->still[i]);
        s->still[i] = still[i];
        still[i] = NULL;
    }
    s->still_frame = frame;
}

bool sc_gauge_pictured(sc_gauge *g, int shot)
{
    int every = 1;

    while (shot >= SC_GAUGE_STILLS * every)
        every *= 2;
    for (int i = every / 2; every > 1 && i < g->shots; i += every)
        sc_gauge_picture(&g->shot[i], 0, (char *[SC_STILLS]){ NULL });
    return shot % every == 0;
}

int sc_gauge_parts(const sc_gauge_shot *s)
{
    return (int)SC_MIN((s->frames + s->step - 1) / s->step, SC_GAUGE_PARTS);
}

/* A curve that is full gets half as many parts. */
static void add_to_curve(sc_gauge_shot *s, int64_t frame, float low, float median, float high, float hole)
{
    sc_gauge_part *p;

    for (; frame / s->step >= SC_GAUGE_PARTS; s->step *= 2) {
        for (int i = 0; i < SC_GAUGE_PARTS / 2; i++) {
            const sc_gauge_part *pair = &s->part[2 * i];

            s->part[i] = (sc_gauge_part){ .low = SC_MIN(pair[0].low, pair[1].low),
                                          .high = SC_MAX(pair[0].high, pair[1].high),
                                          .hole = SC_MAX(pair[0].hole, pair[1].hole),
                                          .median = pair[0].median };
        }
        for (int i = SC_GAUGE_PARTS / 2; i < SC_GAUGE_PARTS; i++)
            s->part[i] = (sc_gauge_part){ .low = INFINITY, .high = -INFINITY };
    }
    p = &s->part[frame / s->step];
    p->low = SC_MIN(p->low, low);
    p->high = SC_MAX(p->high, high);
    p->hole = SC_MAX(p->hole, hole);
    if (frame % s->step == 0)
        p->median = median;
}

static void begin_shot(sc_gauge_shot *s, const gauge *g, const sc_frame *f)
{
    *s = (sc_gauge_shot){ .first = g->frames,
                          .time = sc_edit_time(g->c->video, f->pts),
                          .width = (int)f->left.t.dim[1],
                          .picture = f->active,
                          .low = INFINITY,
                          .high = -INFINITY,
                          .sides = -INFINITY,
                          .step = 1 };
    for (int i = 0; i < SC_GAUGE_PARTS; i++)
        s->part[i] = (sc_gauge_part){ .low = INFINITY, .high = -INFINITY };
}

/* The stage's shot in the table; another stage may have begun it. */
static sc_gauge_shot *find_shot(gauge *g, const sc_frame *f)
{
    sc_gauge *all = g->c->gauge;
    sc_gauge_shot *s;

    if (!(f->flags & SC_FRAME_CUT) && g->shot > g->before)
        return &all->shot[g->shot - 1];
    if (g->shot++ < all->shots)
        return &all->shot[g->shot - 1];
    if ((s = sc_gauge_add(all)))
        begin_shot(s, g, f);
    return s;
}

static void add(sc_gauge_shot *s, const reading *r, int64_t frame, const sc_frame *f)
{
    const double strength = f->max_disparity * (double)f->active.w / s->width, n = (double)++s->readings;
    const double low = (r->range[0] - f->convergence) * strength;
    const double high = (r->range[1] - f->convergence) * strength;
    const double median = (r->median[0] - f->convergence) * strength;
    const double sides = (SC_MAX(r->side[0][0], r->side[1][0]) - f->convergence) * strength;

    s->frames = SC_MAX(s->frames, frame - s->first + 1);
    if (low < s->low) {
        s->low = low;
        s->low_frame = frame;
    }
    if (high > s->high) {
        s->high = high;
        s->high_frame = frame;
    }
    s->sides = SC_MAX(s->sides, sides);
    s->median += (median - s->median) / n;
    s->hole += (r->hole[0] - s->hole) / n;
    s->light += ((r->picture[0] + r->picture[1] + r->picture[2]) / 3 - s->light) / n;
    add_to_curve(s, frame - s->first, (float)low, (float)median, (float)high, r->hole[0]);
}

static int gauge_next(sc_stage *stage, sc_frame *out)
{
    gauge *g = (gauge *)stage;
    const sc_context *c = g->c;
    reading r = { 0 };
    sc_gauge_shot *shot;
    int ret;

    SC_TRY(sc_stage_next(stage->from, out));
    read_frame(c->x, &r, out);
    SC_TRY(sc_exec_wait(c->x));
    if (!(shot = find_shot(g, out)))
        return sc_fail(c->log, -ENOMEM, "gauge", "out of memory");
    add(shot, &r, g->frames++, out);
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
    const int h = g->c->video->height, w = g->c->video->width;
    const sc_tensor grey = sc_tensor_make(NULL, SC_F32, SC_DIMS(h, w, 1));
    const sc_tensor rgb = sc_tensor_make(NULL, SC_F32, SC_DIMS(h, w, 3));
    reading r;

    read_frame(x, &r, &(sc_frame){ .left.t = rgb, .disp.t = grey, .hole.t = grey, .active = { 0, 0, w, h } });
}

int sc_gauge_open(sc_stage **out, const sc_context *c, sc_stage *from)
{
    gauge *g = calloc(1, sizeof(*g));

    if (!g)
        return sc_fail(c->log, -ENOMEM, "gauge", "out of memory");
    *g = (gauge){ .stage = { .next = gauge_next, .close = gauge_close, .name = "gauge", .from = from },
                  .c = c,
                  .frames = c->stretch.first,
                  .shot = c->gauge->shots,
                  .before = c->gauge->shots };
    g->stage.arena = sc_measure(c->x, measure, g, NULL);
    *out = &g->stage;
    return 0;
}

void sc_gauge_clear(sc_gauge *g)
{
    for (int i = 0; i < g->shots; i++)
        sc_gauge_picture(&g->shot[i], 0, (char *[SC_STILLS]){ NULL });
    free(g->shot);
    *g = (sc_gauge){ 0 };
}
