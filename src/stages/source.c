#include <stdlib.h>

#include "stages.h"
#include "../video/image.h"

typedef struct source {
    sc_stage stage;
    const sc_context *c;
    sc_reader *reader;
    AVFrame *packed; /* a frame on its way to the device */
    bool begun;
} source;

static void picture_in(sc_exec *x, const source *s, sc_tensor left)
{
    const sc_mark m = sc_push(x);
    sc_image_in_args a = { .y = left };

    sc_pixels_new(x, &a.px, s->packed, s->c->video);
    sc_pixels_upload(x, &a.px, s->packed);
    sc_image_in_into(x, &a);
    sc_pop(x, m);
}

static void measure(sc_exec *x, void *arg)
{
    const source *s = arg;

    picture_in(x, s, sc_new(x, SC_F32, SC_DIMS(s->c->video->height, s->c->video->width, 3)));
}

static int source_next(sc_stage *stage, sc_frame *out)
{
    source *s = (source *)stage;
    const sc_context *c = s->c;
    int ret;

    SC_TRY(sc_reader_next(s->reader, &out->src));
    SC_TRY(sc_image_new(c->pools, &out->left, c->video->height, c->video->width, 3));
    SC_TRY(av_frame_copy(s->packed, out->src));
    picture_in(c->x, s, out->left.t);
    SC_TRY(sc_exec_wait(c->x));
    out->active = (sc_rect){ .w = c->video->width, .h = c->video->height };
    out->pts = out->src->pts;
    out->duration = sc_reader_duration(out->src);
    out->flags = s->begun ? 0 : SC_FRAME_CUT;
    s->begun = true;
    return 0;
fail:
    sc_frame_clear(out);
    return ret;
}

static void source_close(sc_stage *stage)
{
    source *s = (source *)stage;

    av_frame_free(&s->packed);
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
    SC_TRY(sc_packed_new(&s->packed, c->video->format, c->video->width, c->video->height));
    s->stage.arena = sc_measure(c->x, measure, s, NULL);
    *out = &s->stage;
    return 0;
fail:
    source_close(&s->stage);
    return ret;
}
