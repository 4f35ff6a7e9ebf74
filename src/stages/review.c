#include "review.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../ops.h"
#include "../video/image.h"
#include "../video/still.h"
#include "arrange.h"
#include "depth.h"
#include "proof.h"

/* Of a still, pixels: enough to judge edges by; a report of 64 shots stays below some 15 MB. */
enum { LONGEST = 640 };

static const sc_part parts[SC_STILLS] = {
    [SC_STILL_LEFT] = SC_PART_LEFT,
    [SC_STILL_RIGHT] = SC_PART_RIGHT,
    [SC_STILL_ANAGLYPH] = SC_PART_DUBOIS,
    [SC_STILL_DISPARITY] = SC_PART_DISPARITY,
};

typedef struct size { /* in which pictures are drawn */
    sc_video_info picture;
    AVFrame *shape;
    AVFrame *host; /* one on its way to its encoder */
} size;

typedef struct review {
    sc_stage stage;
    const sc_context *c;
    size small, full;       /* full: for the usual proof alone */
    int64_t frames;         /* so far */
    int shot;               /* of the gauge's, 1 for the first; 0 before it */
    int proofs;             /* so far */
    char *later[SC_STILLS]; /* of a frame after the one whose stills the shot has */
    int64_t later_frame;
} review;

/* The picture without black bars, and without as much of its sides as one eye alone may see. */
static sc_rect both_see(const sc_frame *f)
{
    const int side = (int)(f->max_disparity / 100 * (float)f->active.w);

    return (sc_rect){ f->active.x + side, f->active.y, SC_MAX(f->active.w - 2 * side, 1), f->active.h };
}

/* lab[2][3]: the mean colour of each eye's picture. */
static void read_colours(sc_exec *x, float lab[2][3], const sc_frame *f)
{
    const sc_mark m = sc_push(x);

    for (int i = 0; i < 2; i++) {
        const sc_tensor eye = sc_crop(sc_arrange(x, f, i ? SC_PART_RIGHT : SC_PART_LEFT), both_see(f));
        const sc_tensor moments = sc_new(x, SC_F32, SC_DIMS(3, 3)), mean = sc_new(x, SC_F32, SC_DIMS(1, 3));

        sc_moments_into(x, &(sc_moments_args){ .y = moments, .x = eye });
        sc_colour_into(x, &(sc_colour_args){ .y = mean,
                                             .a = sc_slice(moments, 0, 0, 1),
                                             .m1 = { 1, 0, 0, 0, 1, 0, 0, 0, 1 },
                                             .to = SC_LAB });
        sc_download(x, lab[i], mean);
    }
    sc_pop(x, m);
}

/* As much of a frame as pictures are drawn from, in their size and an SDR film's transfer. */
static sc_frame shrink(sc_exec *x, const review *r, const size *s, const sc_frame *f)
{
    const int64_t w = s->picture.width, h = s->picture.height;
    sc_frame small = { .disp.t = sc_new(x, SC_F32, SC_DIMS(h, w, 1)) };
    sc_image *const eye[2] = { &small.left, &small.right };

    for (int i = 0; i < 2; i++) {
        const sc_tensor linear = sc_new(x, SC_F32, SC_DIMS(1, h, w, 3)), graded = sc_new_like(x, linear);

        sc_depth_shrink(x, graded, linear, sc_batch(sc_arrange(x, f, i ? SC_PART_RIGHT : SC_PART_LEFT)),
                        r->c->video);
        eye[i]->t = sc_index(graded, 0);
    }
    sc_resize_into(
        x, &(sc_resize_args){ .y = sc_batch(small.disp.t), .x = sc_batch(f->disp.t), .mode = SC_AREA });
    return small;
}

static sc_pixels draw(sc_exec *x, const size *s, const sc_frame *small, sc_part part)
{
    sc_image_out_args a = { .x = sc_arrange(x, small, part) };

    sc_pixels_new(x, &a.px, s->shape, &s->picture);
    sc_image_out_into(x, &a);
    return a.px;
}

/* Of picture i, which s->host holds. */
static int write_full(const review *r, const size *s, int i)
{
    static const char *const names[SC_STILLS] = { "left", "right", "anaglyph", "depth" };
    char path[4096];

    snprintf(path, sizeof(path), "%s_%s.png", r->c->proofs->picture, names[i]);
    return sc_still_write(path, s->host, r->c->log);
}

/* To still[], or, if that is NULL, to files. */
static int take_stills(review *r, const size *s, const sc_frame *f, char **still)
{
    sc_exec *x = r->c->x;
    const sc_mark all = sc_push(x);
    const sc_frame drawn = shrink(x, r, s, f);
    int ret = 0;

    for (int i = 0; i < SC_STILLS; i++) {
        const sc_mark one = sc_push(x);
        const sc_pixels px = draw(x, s, &drawn, parts[i]);

        sc_pixels_download(x, s->host, 0, 0, &px);
        SC_TRY(sc_exec_wait(x));
        SC_TRY(still ? sc_still_text(&still[i], s->host, r->c->log) : write_full(r, s, i));
        sc_pop(x, one);
    }
fail:
    sc_pop(x, all);
    return ret;
}

static void drop_later(review *r)
{
    for (int i = 0; i < SC_STILLS; i++) {
        free(r->later[i]);
        r->later[i] = NULL;
    }
}

/* Frames 0, 1, 2, 4, 8 ... of a shot, whose length is not known before its end, are looked at; the one before
 * the last of them is kept. */
static int keep_stills(review *r, sc_gauge_shot *s, const sc_frame *f)
{
    const int64_t i = r->frames - s->first;
    int ret = 0;

    if (!sc_gauge_pictured(r->c->gauge, r->shot - 1) || i & (i - 1))
        return 0;
    if (r->later[0])
        sc_gauge_picture(s, r->later_frame, r->later);
    SC_TRY(take_stills(r, &r->small, f, r->later));
    r->later_frame = r->frames;
    if (!s->still[0])
        sc_gauge_picture(s, r->later_frame, r->later);
fail:
    return ret;
}

static int review_next(sc_stage *stage, sc_frame *out)
{
    review *r = (review *)stage;
    const sc_context *c = r->c;
    float lab[2][3] = { { 0 } };
    double distance = 0;
    sc_gauge_shot *s;
    int ret;

    SC_TRY(sc_stage_next(stage->from, out));
    read_colours(c->x, lab, out);
    SC_TRY(sc_exec_wait(c->x));
    if (out->flags & SC_FRAME_CUT) {
        r->shot++;
        drop_later(r);
    }
    s = &c->gauge->shot[r->shot - 1];
    for (int i = 0; i < 3; i++)
        distance += ((double)lab[0][i] - lab[1][i]) * ((double)lab[0][i] - lab[1][i]);
    s->colour += (sqrt(distance) - s->colour) / (double)(r->frames - s->first + 1);
    if (c->set->report || c->proofs)
        SC_TRY(keep_stills(r, s, out));
    if (out->flags & SC_FRAME_PROOF && r->proofs++ == c->proofs->usual && c->proofs->picture)
        SC_TRY(take_stills(r, &r->full, out, NULL));
    r->frames++;
    return 0;
fail:
    return ret;
}

static int open_size(size *s, const sc_context *c, int longest)
{
    int ret;

    s->picture = sc_still_shape(c->video, longest);
    SC_TRY(sc_shape_new(&s->shape, s->picture.format, s->picture.width, s->picture.height));
    SC_TRY(sc_packed_new(&s->host, s->picture.format, s->picture.width, s->picture.height));
fail:
    return ret;
}

static void close_size(size *s)
{
    sc_picture_free(&s->shape);
    sc_picture_free(&s->host);
}

static void review_close(sc_stage *stage)
{
    review *r = (review *)stage;

    drop_later(r);
    close_size(&r->small);
    close_size(&r->full);
    free(r);
}

static void measure(sc_exec *x, void *arg)
{
    const review *r = arg;
    const int h = r->c->video->height, w = r->c->video->width;
    const sc_image image = { .t = sc_tensor_make(NULL, SC_F32, SC_DIMS(h, w, 3)) };
    const sc_frame f = { .left = image,
                         .right = image,
                         .disp.t = sc_tensor_make(NULL, SC_F32, SC_DIMS(h, w, 1)),
                         .active = { 0, 0, w, h } };
    float lab[2][3];

    read_colours(x, lab, &f);
    const size *largest = r->full.shape ? &r->full : &r->small;
    const sc_frame drawn = shrink(x, r, largest, &f);
    for (int i = 0; i < SC_STILLS; i++) {
        const sc_mark m = sc_push(x);

        draw(x, largest, &drawn, parts[i]);
        sc_pop(x, m);
    }
}

int sc_review_open(sc_stage **out, const sc_context *c, sc_stage *from)
{
    review *r = calloc(1, sizeof(*r));
    int ret;

    if (!r)
        return sc_fail(c->log, -ENOMEM, "review", "out of memory");
    r->stage = (sc_stage){ .next = review_next, .close = review_close, .name = "gauge", .from = from };
    r->c = c;
    r->frames = c->stretch.first;
    r->shot = c->gauge->shots;
    SC_TRY(open_size(&r->small, c, LONGEST));
    if (c->proofs && c->proofs->picture)
        SC_TRY(open_size(&r->full, c, 0));
    r->stage.arena = sc_measure(c->x, measure, r, NULL);
    *out = &r->stage;
    return 0;
fail:
    review_close(&r->stage);
    return ret;
}
