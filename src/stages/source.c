#include <stdlib.h>

#include "stages.h"
#include "../video/image.h"

/* While the device reads one picture, the next is fetched. */
enum { SLOTS = 2 };

typedef struct slot {
    AVFrame *packed; /* a host frame on its way to the device */
    AVFrame *held;   /* a frame that was decoded on the device */
    int64_t mark;    /* behind the work that reads either */
} slot;

typedef struct source {
    sc_stage stage;
    const sc_context *c;
    sc_reader *reader;
    AVFrame *shape; /* of the film's pictures */
    slot slot[SLOTS];
    int64_t count;
} source;

static void picture_in(sc_exec *x, const source *s, const AVFrame *packed, sc_tensor left)
{
    const sc_mark m = sc_push(x);
    sc_image_in_args a = { .y = left };

    sc_pixels_new(x, &a.px, s->shape, s->c->video);
    sc_pixels_upload(x, &a.px, packed);
    sc_image_in_into(x, &a);
    sc_pop(x, m);
}

static void measure(sc_exec *x, void *arg)
{
    const source *s = arg;

    picture_in(x, s, s->shape, sc_new(x, SC_F32, SC_DIMS(s->c->video->height, s->c->video->width, 3)));
}

static int upload(source *s, slot *to, const sc_frame *f)
{
    const sc_video_info *v = s->c->video;
    int ret;

    if (!to->packed)
        SC_TRY(sc_picture_new(s->c->pools, &to->packed, v->format, v->width, v->height, 1));
    SC_TRY(av_frame_copy(to->packed, f->src));
    picture_in(s->c->x, s, to->packed, f->left.t);
    return 0;
fail:
    return ret;
}

/* A decoder has few frames to lend: it gets this one back when it is read, long before the film's frame is
 * laid out, which keeps the tags alone. */
static int read_in_place(source *s, slot *to, sc_frame *f)
{
    const sc_video_info *v = s->c->video;
    sc_image_in_args a = { .y = f->left.t };
    AVFrame *tags = NULL;
    int ret;

    SC_TRY(sc_pixels_from_frame(&a.px, f->src, v, s->c->log));
    SC_TRY(sc_shape_new(&tags, v->format, v->width, v->height));
    SC_TRY(av_frame_copy_props(tags, f->src));
    to->held = f->src;
    f->src = tags;
    sc_exec_join(s->c->x);
    sc_image_in_into(s->c->x, &a);
    return 0;
fail:
    av_frame_free(&tags);
    return ret;
}

static int source_next(sc_stage *stage, sc_frame *out)
{
    source *s = (source *)stage;
    const sc_context *c = s->c;
    slot *to = &s->slot[s->count % SLOTS];
    int ret;

    SC_TRY(sc_reader_next(s->reader, &out->src));
    SC_TRY(sc_image_new(c->pools, &out->left, c->video->height, c->video->width, 3));
    SC_TRY(sc_exec_reach(c->x, to->mark));
    av_frame_free(&to->held);
    SC_TRY(out->src->hw_frames_ctx ? read_in_place(s, to, out) : upload(s, to, out));
    to->mark = sc_exec_mark(c->x);
    out->active = (sc_rect){ .w = c->video->width, .h = c->video->height };
    out->max_disparity = (float)c->set->max_disparity;
    out->convergence = (float)c->set->convergence;
    out->floating_window = c->set->floating_window;
    out->pts = out->src->pts;
    out->duration = sc_reader_duration(out->src);
    out->flags = s->count++ ? 0 : SC_FRAME_CUT;
    return 0;
fail:
    sc_frame_clear(out);
    return ret;
}

static void source_close(sc_stage *stage)
{
    source *s = (source *)stage;

    for (int i = 0; i < SLOTS; i++) {
        av_frame_free(&s->slot[i].packed);
        av_frame_free(&s->slot[i].held);
    }
    av_frame_free(&s->shape);
    free(s);
}

int sc_source_open(sc_stage **out, const sc_context *c, sc_reader *reader)
{
    source *s = calloc(1, sizeof(*s));
    int ret;

    if (!s)
        return -ENOMEM;
    s->stage = (sc_stage){ .next = source_next, .close = source_close, .name = "decode" };
    s->c = c;
    s->reader = reader;
    SC_TRY(sc_shape_new(&s->shape, c->video->format, c->video->width, c->video->height));
    s->stage.arena = sc_measure(c->x, measure, s, NULL);
    s->stage.images = sc_image_bytes(c->video->height, c->video->width, 3);
    *out = &s->stage;
    return 0;
fail:
    source_close(&s->stage);
    return ret;
}
