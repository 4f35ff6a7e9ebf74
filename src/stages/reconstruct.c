/* The film through a VAE and back: slices of frames, one after the other, a film being one clip. Its last
 * slice may want more frames than there are: the last one stands for them. */
#include <limits.h>
#include <stdlib.h>

#include "coder.h"

typedef struct reconstruct {
    sc_stage stage;
    const sc_context *c;
    sc_coder *coder;
    sc_frame *frame;     /* [room] of the slice */
    sc_tensor *in, *out; /* [room] their pictures */
    int room, count, sent;
    int last; /* what ended the film, 0 while it goes on */
} reconstruct;

/* Reads up to `want` frames. */
static int gather(reconstruct *r, int want)
{
    r->count = r->sent = 0;
    while (r->count < want && !r->last) {
        const int ret = sc_stage_next(r->stage.from, &r->frame[r->count]);

        if (ret == SC_EOF)
            r->last = ret;
        else if (ret < 0)
            return ret;
        else
            r->count++;
    }
    return r->count ? 0 : r->last;
}

static int pass(reconstruct *r)
{
    const sc_context *c = r->c;
    const int frames = sc_coder_frames(r->coder, r->count);
    int ret;

    for (int i = 0; i < frames; i++) {
        sc_frame *f = &r->frame[SC_MIN(i, r->count - 1)];

        r->in[i] = f->left.t;
        r->out[i] = SC_NONE;
        if (i < r->count) {
            SC_TRY(sc_image_new(c->pools, &f->made_left, c->video->height, c->video->width, 3));
            r->out[i] = f->made_left.t;
        }
    }
    const sc_mark m = sc_push(c->x);
    const sc_tensor latents = sc_coder_latents(c->x, r->coder, frames);
    sc_coder_encode(c->x, r->coder, latents, r->in);
    sc_coder_decode(c->x, r->coder, r->out, frames, latents);
    sc_pop(c->x, m);
    SC_TRY(sc_exec_wait(c->x));
    return 0;
fail:
    return ret;
}

static int reconstruct_next(sc_stage *stage, sc_frame *out)
{
    reconstruct *r = (reconstruct *)stage;
    int ret;

    if (r->sent == r->count) {
        SC_TRY(gather(r, sc_coder_frames(r->coder, INT_MAX)));
        SC_TRY(pass(r));
    }
    sc_frame_move(out, &r->frame[r->sent++]);
    return 0;
fail:
    return ret;
}

static void reconstruct_close(sc_stage *stage)
{
    reconstruct *r = (reconstruct *)stage;

    for (int i = 0; i < r->room; i++)
        sc_frame_clear(&r->frame[i]);
    free(r->frame);
    free(r->in);
    free(r->out);
    sc_coder_close(&r->coder);
    free(r);
}

static int reserve(reconstruct *r, int room)
{
    for (int i = 0; i < r->room; i++)
        sc_frame_clear(&r->frame[i]);
    free(r->frame);
    free(r->in);
    free(r->out);
    r->room = room;
    r->frame = calloc((size_t)room, sizeof(*r->frame));
    r->in = calloc((size_t)room, sizeof(*r->in));
    r->out = calloc((size_t)room, sizeof(*r->out));
    if (r->frame && r->in && r->out)
        return 0;
    r->room = 0;
    return sc_fail(r->c->log, -ENOMEM, "vae", "out of memory");
}

static int reconstruct_fit(sc_stage *stage)
{
    reconstruct *r = (reconstruct *)stage;
    const sc_context *c = r->c;
    sc_coder_shape shape = {
        .h = c->video->height, .w = c->video->width, .tile = c->plan.vae_tile, .slice = c->plan.vae_slice
    };
    sc_coder_needs needs;
    int ret;

    SC_TRY(sc_coder_fit(r->coder, &shape, &needs));
    SC_TRY(reserve(r, sc_coder_frames(r->coder, INT_MAX)));
    stage->arena = needs.arena;
    /* What came in and what is made of each frame of a slice. */
    stage->images = needs.device + (size_t)r->room * sc_image_bytes(shape.h, shape.w, 6);
    sc_log(c->log, SC_LOG_INFO, "vae",
           "%.2f GiB beside the weights with --vae-tile %d --vae-slice %d, and %.2f of host memory",
           (double)(stage->arena + stage->images) / (1 << 30), shape.tile, shape.slice,
           (double)needs.host / (1 << 30));
    return 0;
fail:
    return ret;
}

int sc_reconstruct_open(sc_stage **out, const sc_context *c, sc_stage *from)
{
    reconstruct *r = calloc(1, sizeof(*r));
    int ret;

    if (!r)
        return sc_fail(c->log, -ENOMEM, "vae", "out of memory");
    *r = (reconstruct){ .stage = { .next = reconstruct_next,
                                   .close = reconstruct_close,
                                   .name = "vae",
                                   .from = from,
                                   .fit = reconstruct_fit },
                        .c = c };
    SC_TRY(sc_coder_open(&r->coder, c));
    SC_TRY(reconstruct_fit(&r->stage));
    sc_coder_log(r->coder, c);
    if (!c->needs) /* else nothing will pass */
        SC_TRY(sc_coder_begin(r->coder));
    *out = &r->stage;
    return 0;
fail:
    reconstruct_close(&r->stage);
    return ret;
}
