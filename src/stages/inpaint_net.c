/* The published network over a film: windows of frames within a shot, carried over and cross-faded.
 * StereoCrafter inpainting_inference.py main(). Departures, but for --fidelity reference: the network's
 * picture is used in the holes alone, so what a window hands to the next is that composite and not the
 * rendition of everything; its colours are matched to the seen ones; the shared frames are cross-faded; a
 * window never crosses a cut. */
#include <stdlib.h>
#include <string.h>

#include "../ops.h"
#include "inpaint.h"
#include "parity.h"
#include "window.h"

typedef struct slot { /* a frame of the current shot */
    sc_frame frame;   /* without its right eye; empty once handed out */
    sc_image picture; /* the right eye: as splatted, later as filled */
    sc_image hole, mask;
    sc_rect active;
    int64_t number; /* in the film */
} slot;

typedef struct net {
    sc_stage stage;
    const sc_context *c;
    const sc_fidelity_row *way;
    sc_artist *artist;
    int window, overlap;
    slot *slot;            /* [2 * window]: the last frames of the shot, oldest first */
    int count, done, sent; /* slots in use; filled; handed out */
    sc_image *out, *blind; /* [window] what the network drew, and where it did not see */
    sc_sketch *sketch;     /* [window] */
    sc_frame ahead;        /* the first of the next shot */
    int64_t frames;        /* pulled so far */
    int end;               /* why the shot ended: SC_FRAME_CUT or SC_EOF; 0 while it goes on */
} net;

static void slot_clear(slot *s)
{
    sc_frame_clear(&s->frame);
    sc_image_unref(&s->picture);
    sc_image_unref(&s->hole);
    sc_image_unref(&s->mask);
}

/* Forgets the oldest n slots. */
static void drop(net *n, int count)
{
    for (int i = 0; i < count; i++)
        slot_clear(&n->slot[i]);
    n->count -= count;
    n->done -= count;
    n->sent -= count;
    memmove(n->slot, n->slot + count, (size_t)n->count * sizeof(*n->slot));
    memset(n->slot + n->count, 0, (size_t)count * sizeof(*n->slot));
}

/* The mask of the built-in tier, for its care of edges; its filling is not used. */
static void make_mask(sc_exec *x, sc_tensor mask, sc_tensor picture, sc_tensor disp, sc_tensor hole)
{
    const sc_mark m = sc_push(x);
    const int64_t h = hole.dim[0], w = hole.dim[1];

    sc_fill_into(x, &(sc_fill_args){ .y = sc_new(x, SC_F32, SC_DIMS(h, w, 3)),
                                     .y_disp = sc_new(x, SC_F32, SC_DIMS(h, w, 1)),
                                     .mask = mask,
                                     .x = picture,
                                     .disp = disp,
                                     .hole = hole,
                                     .work = sc_new(x, SC_F32, SC_DIMS(h, w, 7)) });
    sc_pop(x, m);
}

/* What is drawn of a picture without black bars. */
static sc_rect largest(const net *n)
{
    const sc_video_info v = n->way->whole ? sc_shown(n->c->set, n->c->video) : *n->c->video;

    return (sc_rect){ 0, 0, v.width, v.height };
}

/* Moves a frame into the next slot. */
static int take(net *n, sc_frame *f)
{
    slot *s = &n->slot[n->count];
    int ret;

    n->count++;
    s->number = n->c->stretch.first + n->frames++;
    s->active = n->way->whole ? largest(n) : f->active;
    s->picture = f->right;
    f->right = (sc_image){ 0 };
    SC_TRY(sc_image_ref(&s->hole, &f->hole));
    if (n->way->plain_mask) {
        SC_TRY(sc_image_ref(&s->mask, &f->hole));
    } else {
        SC_TRY(sc_image_new(n->c->pools, &s->mask, (int)f->hole.t.dim[0], (int)f->hole.t.dim[1], 1));
        make_mask(n->c->x, sc_crop(s->mask.t, s->active), sc_crop(s->picture.t, s->active),
                  sc_crop(f->disp_right.t, s->active), sc_crop(s->hole.t, s->active));
    }
    sc_image_unref(&f->disp_right); /* nobody after this stage wants it */
    SC_TRY(sc_exec_wait(n->c->x));
    ret = 0;
fail:
    sc_frame_move(&s->frame, f);
    return ret;
}

/* Pulls frames until a window can be drawn or the shot ends. */
static int gather(net *n)
{
    const int step = n->window - n->overlap, keep = SC_MAX(step - 1, n->overlap);
    sc_frame f = { 0 };
    int ret = 0;

    if (n->done > keep)
        drop(n, SC_MIN(n->sent, n->done - keep));
    while (n->count - n->done < (n->done ? step : n->window)) {
        if (n->ahead.src)
            sc_frame_move(&f, &n->ahead);
        else if ((ret = sc_stage_next(n->stage.from, &f)) < 0)
            break;
        if (n->count && (f.flags & SC_FRAME_CUT)) {
            sc_frame_move(&n->ahead, &f);
            n->end = SC_FRAME_CUT;
            return 0;
        }
        if ((ret = take(n, &f)) < 0)
            return ret;
    }
    if (ret == SC_EOF)
        n->end = SC_EOF;
    return ret == SC_EOF ? 0 : ret;
}

static void redraw(sc_exec *x, const net *n, int count)
{
    sc_match_state state = { 0 }; /* each window has its own error of colour */

    sc_artist_draw(x, n->artist, n->sketch, count);
    for (int i = 0; i < count && n->c->set->match; i++)
        sc_match(x, &state, n->sketch[i].out, n->sketch[i].picture, n->sketch[i].hole);
}

/* Lays what was drawn over the holes of a slot; share 1, or less to keep some of what was there. */
static void composite(sc_exec *x, const slot *s, sc_tensor drawn, float share)
{
    const sc_mark m = sc_push(x);
    const sc_tensor picture = sc_crop(s->picture.t, s->active), mask = sc_crop(s->mask.t, s->active);
    const sc_tensor weight = sc_new(x, SC_F32, mask.ndim, mask.dim);

    sc_axpby_into(x, weight, share, mask, 0, SC_NONE, SC_ACT_NONE);
    sc_mix_into(x, &(sc_mix_args){ .y = picture, .m = weight, .a = drawn, .b = picture });
    sc_pop(x, m);
}

/* The right eye is what was drawn, in 8 bits, as the reference writes it and hands it to its next window. */
static void replace(sc_exec *x, const slot *s, sc_tensor drawn)
{
    const sc_mark m = sc_push(x);
    const sc_tensor scaled = sc_new(x, SC_F32, drawn.ndim, drawn.dim);
    const sc_tensor codes = sc_new(x, SC_U8, drawn.ndim, drawn.dim);

    sc_axpby_into(x, scaled, 255, drawn, 0, SC_NONE, SC_ACT_NONE);
    sc_copy_into(x, codes, scaled);
    sc_copy_into(x, scaled, codes);
    sc_axpby_into(x, sc_crop(s->picture.t, s->active), 1 / 255.0f, scaled, 0, SC_NONE, SC_ACT_NONE);
    sc_pop(x, m);
}

static int sketch_slot(net *n, int i, const slot *s)
{
    const int h = (int)s->hole.t.dim[0], w = (int)s->hole.t.dim[1];
    int ret;

    SC_TRY(sc_image_new(n->c->pools, &n->out[i], h, w, 3));
    SC_TRY(sc_image_new(n->c->pools, &n->blind[i], h, w, 1));
    sc_copy_into(n->c->x, n->blind[i].t, s->hole.t);
    n->sketch[i] = (sc_sketch){ .picture = sc_crop(s->picture.t, s->active),
                                .mask = sc_crop(s->mask.t, s->active),
                                .hole = sc_crop(n->blind[i].t, s->active),
                                .out = sc_crop(n->out[i].t, s->active),
                                .number = s->number };
    return 0;
fail:
    return ret;
}

/* Where the window begins that ends with the last slot. A shot's last one is moved back over what is done, to
 * have as many frames as a window has new ones; the reference's may then share as little as one frame with
 * what is done, others never less than usual. */
static int begin_of(const net *n)
{
    const int step = n->window - n->overlap, usual = n->done - n->overlap, last = SC_MAX(n->count - step, 0);

    if (!n->done)
        return 0;
    return n->way->cross_fade || n->count == n->done + step ? SC_MIN(usual, last) : last;
}

/* Draws the window that ends with the last slot. A shot of up to `overlap` frames, which crashes the
 * reference, is padded by its last one. */
static int draw(net *n)
{
    const int begin = begin_of(n);
    const int real = n->count - begin, count = SC_MIN(SC_MAX(real, n->overlap + 1), n->window);
    const int fade = n->way->cross_fade ? SC_MIN(n->overlap, n->done - begin) : 0;
    int ret;

    for (int i = 0; i < count; i++)
        SC_TRY(sketch_slot(n, i, &n->slot[begin + SC_MIN(i, real - 1)]));
    redraw(n->c->x, n, count);
    for (int i = n->done - begin - fade; i < real; i++) {
        slot *s = &n->slot[begin + i];
        const int k = begin + i - (n->done - fade);

        sc_dump(n->c->x, n->c, n->sketch[i].out, "inpaint.decoded.%06lld", (long long)s->number);
        SC_TRY(sc_inpaint_own(n->c, &s->picture));
        if (n->way->whole)
            replace(n->c->x, s, n->sketch[i].out);
        else
            composite(n->c->x, s, n->sketch[i].out, k < fade ? sc_fade(k, fade) : 1);
        sc_dump(n->c->x, n->c, sc_crop(s->picture.t, s->active), "inpaint.frame.%06lld",
                (long long)s->number);
    }
    ret = 0;
fail:
    for (int i = 0; i < count; i++) {
        sc_image_unref(&n->out[i]);
        sc_image_unref(&n->blind[i]);
    }
    if (ret >= 0 && (ret = sc_exec_wait(n->c->x)) >= 0)
        n->done = n->count;
    return ret;
}

static int net_next(sc_stage *stage, sc_frame *out)
{
    net *n = (net *)stage;
    int ret;

    for (;;) {
        if (n->sent < (n->end ? n->done : n->done - n->overlap)) {
            slot *s = &n->slot[n->sent++];

            sc_frame_move(out, &s->frame);
            return sc_image_ref(&out->right, &s->picture);
        }
        if (n->end == SC_EOF)
            return SC_EOF;
        if (n->end) {
            drop(n, n->count);
            n->end = 0;
        }
        SC_TRY(gather(n));
        if (n->count > n->done)
            SC_TRY(draw(n));
    }
fail:
    return ret;
}

static void net_close(sc_stage *stage)
{
    net *n = (net *)stage;

    for (int i = 0; n->slot && i < n->count; i++)
        slot_clear(&n->slot[i]);
    sc_frame_clear(&n->ahead);
    sc_artist_close(&n->artist);
    free(n->slot);
    free(n->out);
    free(n->blind);
    free(n->sketch);
    free(n);
}

static void measure(sc_exec *x, void *arg)
{
    const net *n = arg;
    const sc_rect part = largest(n);
    const int h = part.h, w = part.w;
    const sc_tensor rgb = sc_tensor_make(NULL, SC_F32, SC_DIMS(h, w, 3));
    const sc_tensor grey = sc_tensor_make(NULL, SC_F32, SC_DIMS(h, w, 1));
    const slot s = { .picture.t = rgb, .mask.t = grey, .active = { 0, 0, w, h } };

    for (int i = 0; i < n->window; i++)
        n->sketch[i] = (sc_sketch){ .picture = rgb, .mask = grey, .hole = grey, .out = rgb };
    make_mask(x, grey, rgb, grey, grey);
    redraw(x, n, n->window);
    composite(x, &s, rgb, 1);
    replace(x, &s, rgb);
    sc_dump(x, n->c, sc_slice(rgb, 1, 0, w - 1), "%s", ""); /* a part of a picture */
}

static int net_fit(sc_stage *stage)
{
    net *n = (net *)stage;
    const int h = n->c->video->height, w = n->c->video->width;

    n->window = n->c->plan.inpaint_window;
    n->overlap = n->c->plan.inpaint_overlap;
    sc_artist_fit(n->artist, n->c, largest(n).h, largest(n).w);
    if (!(stage->arena = sc_measure(n->c->x, measure, n, NULL)))
        return -EINVAL;
    /* Of two windows' frames what was seen, hole and mask; of one's left eye (two where one is made too),
     * disparity, and what is drawn and where it did not see; and the first frame of the next shot. */
    const int eyes = n->c->set->synthetic_view == SC_VIEW_RIGHT ? 1 : 2, frame = 3 * eyes + 1;
    stage->images = (size_t)n->window * (2 * sc_image_bytes(h, w, 5) + sc_image_bytes(h, w, frame + 4)) +
                    sc_image_bytes(h, w, frame + 5);
    return 0;
}

int sc_inpaint_net_open(sc_stage **s, const sc_context *c, sc_stage *from, const sc_model_files *files)
{
    net *n = NULL;
    int ret;

    if (c->plan.inpaint_overlap >= c->plan.inpaint_window)
        return sc_fail(c->log, SC_ERR_USAGE, "inpaint",
                       "--inpaint-overlap %d: must be less than --inpaint-window %d", c->set->inpaint_overlap,
                       c->set->inpaint_window);
    if (!(n = calloc(1, sizeof(*n))))
        return sc_fail(c->log, -ENOMEM, "inpaint", "out of memory");
    *n = (net){
        .stage = { .next = net_next, .close = net_close, .name = "inpaint", .from = from, .fit = net_fit },
        .c = c,
        .way = sc_fidelity_of(c->set),
        .window = c->plan.inpaint_window
    };
    n->slot = calloc(2 * (size_t)n->window, sizeof(*n->slot));
    n->out = calloc((size_t)n->window, sizeof(*n->out));
    n->blind = calloc((size_t)n->window, sizeof(*n->blind));
    n->sketch = calloc((size_t)n->window, sizeof(*n->sketch));
    if (!n->slot || !n->out || !n->blind || !n->sketch)
        SC_TRY(sc_fail(c->log, -ENOMEM, "inpaint", "out of memory"));
    SC_TRY(sc_artist_open(&n->artist, c, files));
    SC_TRY(net_fit(&n->stage));
    sc_artist_log(n->artist, c);
    *s = &n->stage;
    return 0;
fail:
    net_close(&n->stage);
    return ret;
}
