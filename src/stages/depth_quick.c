#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../nets/quick.h"
#include "depth.h"

/* The built-in network: one frame at a time at a small size, made steady over time, then upsampled along the
 * edges of the picture. The scale of a shot is the mean over its first AHEAD + 1 frames and follows slowly
 * from there on. */
enum { AHEAD = 4, MULTIPLE = 16, WIDEST = 3 }; /* WIDEST: longer over shorter side of the network's input */

/* Least span of the network's output that becomes the full range. It is trained to put the sky at 0 and the
 * 97th percentile at 1, so a narrower picture is flat and must not be stretched into relief. */
const float sc_depth_quick_least = 0.25f;

/* Weight of the frame before in the running mean: `kept` where the picture rests, 0 where the colour of a
 * pixel or of a neighbour within REACH changed by `moved` (sum over channels; up to `noise` is none).
 * Measured on a room at rest and on moving hands: resting depth changes by .04 and .13 % of its range a
 * frame, by .08 and .16 with the mean alone. */
enum { REACH = 2 };
static const float kept = 0.92f, noise = 0.04f, moved = 0.16f;

/* Before the mean a frame gets the scale and the shift that what rests had before, for the network finds them
 * anew in every frame: in full where `enough` of the picture rests, but for a share `settles`, by which they
 * follow the network when it has changed its mind for good. flat: deviation below which it tells no scale. */
static const float enough = 0.25f, settles = 0.15f, flat = 0.02f;

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
    sc_depth_scale scale;  /* the shot's */
    int64_t scaled;        /* the first frame not yet in it */
} depth;

/* The network's input for a picture: the shorter side as asked for, a multiple of MULTIPLE; the longer by
 * aspect ratio. */
static void input_size(int size, sc_rect r, int *h, int *w)
{
    const double aspect = (double)SC_MAX(r.w, r.h) / SC_MIN(r.w, r.h);
    const int longer = (int)lrint(size * SC_MIN(aspect, WIDEST) / MULTIPLE) * MULTIPLE;

    *w = r.w >= r.h ? longer : size;
    *h = r.w >= r.h ? size : longer;
}

/* small[1,h,w,3] and the network's disp[1,h,w,1] of picture[1,H,W,3]. */
static void infer(sc_exec *x, const depth *d, sc_tensor small, sc_tensor disp, sc_tensor picture)
{
    const sc_mark m = sc_push(x);
    const sc_dtype act = x->act;
    const sc_tensor graded = sc_new_like(x, small);

    sc_depth_shrink(x, graded, small, picture, d->c->video);
    x->act = d->c->precision.net[SC_NET_QUICK].act;
    sc_quick_depth(x, disp, d->quick, graded);
    x->act = act;
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

/* buffer's plane disp gets before's mean and deviation where the picture rests; rest[1,h,w,1] is up to kept.
 */
static void align(sc_exec *x, sc_tensor buffer, sc_tensor disp, sc_tensor before, sc_tensor rest)
{
    const sc_mark m = sc_push(x);
    const sc_tensor moments = sc_new(x, SC_F32, SC_DIMS(2, 3, 1)), mask = sc_index(rest, 0);
    float is[2][3], share, gain, shift;

    sc_moments_into(x, &(sc_moments_args){ .y = sc_index(moments, 0), .x = sc_index(disp, 0), .mask = mask });
    sc_moments_into(x,
                    &(sc_moments_args){ .y = sc_index(moments, 1), .x = sc_index(before, 0), .mask = mask });
    sc_download(x, is, moments);
    share = is[0][2] / (kept * (float)(disp.dim[1] * disp.dim[2]));
    share = (1 - settles) * SC_MIN(1, share / enough);
    gain = 1 + share * ((is[1][1] + flat) / (is[0][1] + flat) - 1);
    shift = is[0][0] + share * (is[1][0] - is[0][0]) - gain * is[0][0];
    sc_colour_into(x, &(sc_colour_args){ .y = buffer,
                                         .a = buffer,
                                         .m1 = { gain, 0, 0, 0, gain, 0, 0, 0, gain },
                                         .t = { shift, shift, shift } });
    sc_pop(x, m);
}

/* buffer's plane <- running mean of before's and it, newer where small differs from small_before. */
static void steady(sc_exec *x, sc_tensor buffer, sc_tensor buffer_before, sc_tensor small,
                   sc_tensor small_before)
{
    const float gain = kept / (moved - noise);
    const sc_mark m = sc_push(x);
    const sc_tensor disp = sc_depth_plane(buffer, small.dim[1], small.dim[2]);
    const sc_tensor before = sc_depth_plane(buffer_before, small.dim[1], small.dim[2]);
    const sc_tensor up = sc_new_like(x, small), down = sc_new_like(x, small);
    const sc_tensor weight = sc_new_like(x, disp), rest = sc_new_like(x, disp);

    excess(x, up, small, small_before);
    excess(x, down, small_before, small);
    sc_colour_into(x, &(sc_colour_args){ .y = up,
                                         .a = up,
                                         .b = down,
                                         .m1 = { -gain, -gain, -gain },
                                         .m2 = { -gain, -gain, -gain },
                                         .t = { kept + gain * noise },
                                         .hi = kept });
    sc_copy_into(x, weight, sc_slice(up, 3, 0, 1));
    sc_filter_into(x,
                   &(sc_filter_args){
                       .y = rest, .x = weight, .kind = SC_FILTER_MIN, .radius_x = REACH, .radius_y = REACH });
    align(x, buffer, disp, before, rest);
    sc_mix_into(x, &(sc_mix_args){ .y = disp, .m = rest, .a = before, .b = disp });
    sc_pop(x, m);
}

static void upsample(sc_exec *x, sc_tensor out, sc_tensor plane, sc_tensor small, sc_tensor picture)
{
    sc_resize_into(x,
                   &(sc_resize_args){
                       .y = out, .x = plane, .guide = picture, .guide_small = small, .range = guide_range });
}

void sc_depth_quick_enlarge(sc_exec *x, const sc_video_info *v, sc_tensor out, sc_tensor plane,
                            sc_tensor picture)
{
    const sc_mark m = sc_push(x);
    const sc_tensor small = sc_new(x, SC_F32, SC_DIMS(1, plane.dim[1], plane.dim[2], 3));

    sc_depth_shrink(x, sc_new_like(x, small), small, picture, v);
    upsample(x, out, plane, small, picture);
    sc_pop(x, m);
}

/* out[1,H,W,1] = buffer's plane in the shot's scale, with the edges of picture[1,H,W,3]. */
static void enlarge(sc_exec *x, const depth *d, sc_tensor out, sc_tensor buffer, sc_tensor small,
                    sc_tensor picture)
{
    const sc_mark m = sc_push(x);
    const sc_tensor unit = sc_new_like(x, buffer);

    sc_depth_unit(x, unit, buffer, &d->scale, sc_depth_quick_least);
    upsample(x, out, sc_depth_plane(unit, small.dim[1], small.dim[2]), small, picture);
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
    sc_tensor disp;
    sc_rect active;
    int h, w, ret;

    SC_TRY(sc_stage_next(d->stage.from, &s->frame));
    active = s->frame.active;
    input_size(d->c->set->depth_size, active, &h, &w);
    SC_TRY(sc_image_new(d->c->pools, &s->small, h, w, 3));
    SC_TRY(sc_depth_buffer(d->c, &s->disp, h, w, &d->screen));
    disp = sc_depth_plane(s->disp.t, h, w);
    infer(x, d, sc_batch(s->small.t), disp, sc_depth_part(s->frame.left.t, active));
    s->begins =
        !before || (s->frame.flags & SC_FRAME_CUT) || memcmp(&active, &before->frame.active, sizeof(active));
    if (!s->begins)
        steady(x, s->disp.t, before->disp.t, sc_batch(s->small.t), sc_batch(before->small.t));
    sc_depth_scale_measure(x, &s->far, &s->near, disp);
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
        sc_depth_scale_begin(&d->scale, d->c->video);
    }
    for (; d->scaled < d->end; d->scaled++) {
        const slot *s = slot_of(d, d->scaled);

        if (s->begins && d->scaled > d->next)
            break;
        sc_depth_scale_add(&d->scale, s->far, s->near);
    }
}

static int depth_next(sc_stage *stage, sc_frame *out)
{
    depth *d = (depth *)stage;
    sc_exec *x = d->c->x;
    slot *s;
    int ret;

    while (!d->last && d->end <= d->next + AHEAD)
        if ((ret = read_frame(d)) < 0)
            d->last = ret;
    if (d->last && (d->last != SC_EOF || d->next == d->end))
        return d->last;

    update_scale(d);
    s = slot_of(d, d->next);
    if (d->c->raw_depth) {
        sc_depth_raw(&s->frame, &s->disp, (int)s->small.t.dim[0], (int)s->small.t.dim[1]);
    } else {
        SC_TRY(sc_depth_begin(d->c, &s->frame, &d->screen));
        enlarge(x, d, sc_depth_part(s->frame.disp.t, s->frame.active), s->disp.t, sc_batch(s->small.t),
                sc_depth_part(s->frame.left.t, s->frame.active));
        SC_TRY(sc_exec_wait(x));
    }
    sc_frame_move(out, &s->frame);
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
    const int h = d->c->set->depth_size, w = WIDEST * h;
    const int64_t picture_h = d->c->video->height, picture_w = d->c->video->width;
    const sc_tensor picture = sc_tensor_make(NULL, SC_F32, SC_DIMS(1, picture_h, picture_w, 3));
    const sc_tensor small = sc_tensor_make(NULL, SC_F32, SC_DIMS(1, h, w, 3));
    const sc_tensor buffer = sc_tensor_make(NULL, SC_F32, SC_DIMS(1, sc_depth_triples(h, w), 3));
    const sc_tensor disp = sc_depth_plane(buffer, h, w);
    float far, near;

    infer(x, d, small, disp, picture);
    steady(x, buffer, buffer, small, small);
    sc_depth_scale_measure(x, &far, &near, disp);
    enlarge(x, d, sc_depth_plane(picture, picture_h, picture_w), buffer, small, picture);
}

int sc_depth_quick_open(sc_stage **out, const sc_context *c, sc_stage *from)
{
    depth *d = calloc(1, sizeof(*d));
    int ret;

    if (!d)
        return sc_fail(c->log, -ENOMEM, "depth", "out of memory");
    d->stage = (sc_stage){ .next = depth_next, .close = depth_close, .name = "depth", .from = from };
    d->c = c;
    SC_TRY(sc_quick_open_builtin(&d->quick, "depth", c->x, c->precision.net[SC_NET_QUICK].weight));
    SC_TRY(sc_depth_screen(c, &d->screen));
    if (!(d->stage.arena = sc_measure(c->x, measure, d, NULL)))
        SC_TRY(-EINVAL);
    /* The network's small pictures are not much: as if they had a quarter of the frame's pixels. */
    d->stage.images = (AHEAD + 1) * sc_image_bytes(c->video->height, c->video->width, 4) +
                      sc_image_bytes(c->video->height, c->video->width, 1);
    sc_log(c->log, SC_LOG_INFO, "depth", "built in (the quick tier) in %s, %lld parameters",
           sc_dtype_name(c->precision.net[SC_NET_QUICK].act), (long long)sc_quick_params(d->quick));
    *out = &d->stage;
    return 0;
fail:
    depth_close(&d->stage);
    return ret;
}
