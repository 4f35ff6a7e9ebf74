#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../nets/quick.h"
#include "stages.h"

/* The built-in network: one frame at a time at a small size, made steady over time, then upsampled along the
 * edges of the picture. The scale of a shot is the mean over its first AHEAD + 1 frames and follows slowly
 * from there on. */
enum { AHEAD = 4, MULTIPLE = 16, WIDEST = 3 }; /* WIDEST: longer over shorter side of the network's input */

static const float far_quantile = 0.01f, near_quantile = 0.99f;
/* Least span of the network's output that becomes the full range. It is trained to put the sky at 0 and the
 * 97th percentile at 1, so a narrower picture is flat and must not be stretched into relief. */
static const float least_span = 0.25f;
static const double scale_seconds = 2; /* over which the scale of a shot is averaged */

/* Weight of the new frame in the running mean: `still` where the picture rests, 1 where the colour of a pixel
 * or of a neighbour within REACH changed by `moved` (sum over channels; up to `noise` is none). */
enum { REACH = 2 };
static const float still = 0.4f, noise = 0.04f, moved = 0.16f;

static const float guide_range = 0.1f; /* colour distance that counts as an edge when upsampling */

typedef struct slot { /* a frame that waits, with its small images */
    sc_frame frame;
    sc_image small; /* [h,w,3] the network's input, in the source's transfer */
    sc_image disp;  /* running mean of the network's output: a buffer of triples */
    float far, near;
    bool begins; /* a new scale */
} slot;

typedef struct depth {
    sc_stage stage;
    const sc_context *c;
    sc_quick *quick;
    sc_image screen;       /* [1,1,1] the disparity of the screen plane */
    slot queue[AHEAD + 1]; /* frame n waits at n % (AHEAD + 1) */
    int64_t next, end;     /* the frame to hand out, the first not yet read */
    int last;              /* what ended the reading, 0 while it goes on */
    float far, near;       /* the shot's scale */
    int64_t scaled;        /* the first frame not yet in it */
    int seen, most;        /* frames in that mean; frames after which it forgets */
} depth;

/* The network's input for a picture: the shorter side as asked for, the longer one by aspect ratio. */
static void input_size(int size, sc_rect r, int *h, int *w)
{
    const int shorter = SC_MAX(size / MULTIPLE, 1) * MULTIPLE;
    const double aspect = (double)SC_MAX(r.w, r.h) / SC_MIN(r.w, r.h);
    const int longer = (int)lrint(shorter * SC_MIN(aspect, WIDEST) / MULTIPLE) * MULTIPLE;

    *w = r.w >= r.h ? longer : shorter;
    *h = r.w >= r.h ? shorter : longer;
}

/* sc_colour() scales, shifts and clamps triples: one-channel images lie in buffers of whole triples [1,n,3].
 */
static int triples(int h, int w)
{
    return (h * w + 2) / 3;
}

static sc_tensor plane(sc_tensor buffer, int64_t h, int64_t w)
{
    return sc_tensor_make(buffer.data, SC_F32, SC_DIMS(1, h, w, 1));
}

static sc_tensor batch(sc_tensor image)
{
    return sc_reshape(image, SC_DIMS(1, image.dim[0], image.dim[1], image.dim[2]));
}

static sc_tensor part(sc_tensor image, sc_rect r)
{
    return batch(sc_slice(sc_slice(image, 0, r.y, r.h), 1, r.x, r.w));
}

static sc_colour_space transfer(const sc_video_info *v)
{
    if (v->transfer == AVCOL_TRC_SMPTE2084)
        return SC_PQ;
    return v->transfer == AVCOL_TRC_ARIB_STD_B67 ? SC_HLG : SC_RGB;
}

/* small[1,h,w,3] and the network's disp[1,h,w,1] of picture[1,H,W,3], and the quantiles of disp. */
static void infer(sc_exec *x, const depth *d, sc_tensor small, sc_tensor disp, float quantiles[2],
                  sc_tensor picture)
{
    const sc_mark m = sc_push(x);
    const sc_dtype act = x->act;
    const sc_tensor graded = sc_new_like(x, small), range = sc_new(x, SC_F32, SC_DIMS(2));

    sc_resize_into(x, &(sc_resize_args){ .y = small, .x = picture, .mode = SC_BILINEAR, .antialias = true });
    sc_colour_into(x, &(sc_colour_args){ .y = graded,
                                         .a = small,
                                         .m1 = { 1, 0, 0, 0, 1, 0, 0, 0, 1 },
                                         .hi = 1,
                                         .from = transfer(d->c->video) });
    x->act = d->c->precision.net[SC_NET_QUICK].act;
    sc_quick_forward(x, disp, d->quick, graded);
    x->act = act;
    sc_minmax_into(x,
                   &(sc_minmax_args){ .y = range, .x = disp, .q_lo = far_quantile, .q_hi = near_quantile });
    sc_download(x, quantiles, range);
    sc_pop(x, m);
}

/* y = max(a - b, 0), at most 1. */
static void excess(sc_exec *x, sc_tensor y, sc_tensor a, sc_tensor b)
{
    sc_colour_into(x, &(sc_colour_args){ .y = y,
                                         .a = a,
                                         .b = b,
                                         .m1 = { 1, 0, 0, 0, 1, 0, 0, 0, 1 },
                                         .m2 = { -1, 0, 0, 0, -1, 0, 0, 0, -1 },
                                         .hi = 1 });
}

/* disp <- running mean of before and disp, newer where small differs from small_before. All [1,h,w,C]. */
static void steady(sc_exec *x, sc_tensor disp, sc_tensor before, sc_tensor small, sc_tensor small_before)
{
    const float gain = (1 - still) / (moved - noise);
    const sc_mark m = sc_push(x);
    const sc_tensor up = sc_new_like(x, small), down = sc_new_like(x, small);
    const sc_tensor weight = sc_new_like(x, disp), spread = sc_new_like(x, disp);

    excess(x, up, small, small_before);
    excess(x, down, small_before, small);
    sc_colour_into(x, &(sc_colour_args){ .y = up,
                                         .a = up,
                                         .b = down,
                                         .m1 = { gain, gain, gain },
                                         .m2 = { gain, gain, gain },
                                         .t = { still - gain * noise },
                                         .lo = still,
                                         .hi = 1 });
    sc_copy_into(x, weight, sc_slice(up, 3, 0, 1));
    sc_filter_into(
        x, &(sc_filter_args){
               .y = spread, .x = weight, .kind = SC_FILTER_MAX, .radius_x = REACH, .radius_y = REACH });
    sc_mix_into(x, &(sc_mix_args){ .y = disp, .m = spread, .a = disp, .b = before });
    sc_pop(x, m);
}

/* out[1,H,W,1] = buffer's plane, far..near made 0..1, with the edges of picture[1,H,W,3]. */
static void upsample(sc_exec *x, sc_tensor out, sc_tensor buffer, sc_tensor small, sc_tensor picture,
                     float far, float near)
{
    const float span = SC_MAX(near - far, least_span), gain = 1 / span;
    const float shift = 0.5f - gain * (far + near) / 2; /* a flat picture lies in the middle */
    const sc_mark m = sc_push(x);
    const sc_tensor unit = sc_new_like(x, buffer);

    sc_colour_into(x, &(sc_colour_args){ .y = unit,
                                         .a = buffer,
                                         .m1 = { gain, 0, 0, 0, gain, 0, 0, 0, gain },
                                         .t = { shift, shift, shift },
                                         .hi = 1 });
    sc_resize_into(x, &(sc_resize_args){ .y = out,
                                         .x = plane(unit, small.dim[1], small.dim[2]),
                                         .guide = picture,
                                         .guide_small = small,
                                         .range = guide_range });
    sc_pop(x, m);
}

static slot *slot_of(depth *d, int64_t frame)
{
    return &d->queue[frame % (AHEAD + 1)];
}

static void slot_clear(slot *s)
{
    sc_frame_clear(&s->frame);
    sc_image_unref(&s->small);
    sc_image_unref(&s->disp);
}

static int read_frame(depth *d)
{
    slot *s = slot_of(d, d->end), *before = d->end ? slot_of(d, d->end - 1) : NULL;
    sc_exec *x = d->c->x;
    sc_rect active;
    float range[2];
    int h, w, ret;

    SC_TRY(sc_stage_next(d->stage.from, &s->frame));
    active = s->frame.active;
    input_size(d->c->set->depth_size, active, &h, &w);
    SC_TRY(sc_image_new(d->c->pools, &s->small, h, w, 3));
    SC_TRY(sc_image_new(d->c->pools, &s->disp, 1, triples(h, w), 3));
    infer(x, d, batch(s->small.t), plane(s->disp.t, h, w), range, part(s->frame.left.t, active));
    s->far = range[0];
    s->near = range[1];
    s->begins =
        !before || (s->frame.flags & SC_FRAME_CUT) || memcmp(&active, &before->frame.active, sizeof(active));
    if (!s->begins)
        steady(x, plane(s->disp.t, h, w), plane(before->disp.t, h, w), batch(s->small.t),
               batch(before->small.t));
    SC_TRY(sc_exec_wait(x));
    d->end++;
    return 0;
fail:
    return ret;
}

/* Takes the frames of this shot that have been read since into its scale. */
static void update_scale(depth *d)
{
    if (slot_of(d, d->next)->begins) {
        d->scaled = d->next;
        d->seen = 0;
    }
    for (; d->scaled < d->end; d->scaled++) {
        const slot *s = slot_of(d, d->scaled);

        if (s->begins && d->scaled > d->next)
            break;
        d->seen = SC_MIN(d->seen + 1, d->most);
        d->far += (s->far - d->far) / (float)d->seen;
        d->near += (s->near - d->near) / (float)d->seen;
    }
}

static int depth_next(sc_stage *stage, sc_frame *out)
{
    depth *d = (depth *)stage;
    sc_exec *x = d->c->x;
    sc_frame *f;
    sc_tensor disp;
    slot *s;
    int ret;

    while (!d->last && d->end <= d->next + AHEAD)
        if ((ret = read_frame(d)) < 0)
            d->last = ret;
    if (d->last && (d->last != SC_EOF || d->next == d->end))
        return d->last;

    update_scale(d);
    s = slot_of(d, d->next);
    f = &s->frame;
    SC_TRY(sc_image_new(d->c->pools, &f->disp, d->c->video->height, d->c->video->width, 1));
    disp = f->disp.t;
    if (f->active.w < d->c->video->width || f->active.h < d->c->video->height) /* bars lie in the screen */
        sc_copy_into(x, disp, sc_broadcast(d->screen.t, disp.ndim, disp.dim));
    upsample(x, part(disp, f->active), s->disp.t, batch(s->small.t), part(f->left.t, f->active), d->far,
             d->near);
    SC_TRY(sc_exec_wait(x));
    sc_frame_move(out, f);
    slot_clear(s);
    d->next++;
    return 0;
fail:
    d->last = ret;
    return ret;
}

static void depth_close(sc_stage *stage)
{
    depth *d = (depth *)stage;

    for (int i = 0; i <= AHEAD; i++)
        slot_clear(&d->queue[i]);
    sc_image_unref(&d->screen);
    sc_quick_close(&d->quick, d->c->x->dev);
    free(d);
}

/* The widest input and the whole picture: bars only make both smaller. */
static void measure(sc_exec *x, void *arg)
{
    const depth *d = arg;
    const int64_t h = SC_MAX(d->c->set->depth_size, MULTIPLE), w = WIDEST * h;
    const int64_t picture_h = d->c->video->height, picture_w = d->c->video->width;
    const sc_tensor picture = sc_tensor_make(NULL, SC_F32, SC_DIMS(1, picture_h, picture_w, 3));
    const sc_tensor small = sc_tensor_make(NULL, SC_F32, SC_DIMS(1, h, w, 3));
    const sc_tensor buffer = sc_tensor_make(NULL, SC_F32, SC_DIMS(1, triples((int)h, (int)w), 3));
    float range[2];

    infer(x, d, small, plane(buffer, h, w), range, picture);
    steady(x, plane(buffer, h, w), plane(buffer, h, w), small, small);
    upsample(x, plane(picture, picture_h, picture_w), buffer, small, picture, range[0], range[1]);
}

int sc_depth_open(sc_stage **out, const sc_context *c, sc_stage *from)
{
    const AVRational rate = c->video->frame_rate;
    const float screen = (float)c->set->convergence;
    depth *d;
    int ret;

    if (!(d = calloc(1, sizeof(*d))))
        return -ENOMEM;
    d->stage = (sc_stage){ .next = depth_next, .close = depth_close, .name = "depth", .from = from };
    d->c = c;
    d->most = SC_CLAMP((int)lrint(scale_seconds * (rate.num ? av_q2d(rate) : 25)), AHEAD + 1, 240);
    SC_TRY(sc_quick_open(&d->quick, c->x, c->precision.net[SC_NET_QUICK].weight, c->log));
    SC_TRY(sc_image_new(c->pools, &d->screen, 1, 1, 1));
    sc_upload(c->x, d->screen.t, &screen);
    SC_TRY(sc_exec_wait(c->x));
    if (!(d->stage.arena = sc_measure(c->x, measure, d, NULL)))
        SC_TRY(-ENOMEM);
    *out = &d->stage;
    return 0;
fail:
    depth_close(&d->stage);
    return ret;
}
