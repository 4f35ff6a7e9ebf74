/* One window of frames through StereoCrafter's networks.
 * pipelines/stereo_video_inpainting.py __call__() and inpainting_inference.py spatial_tiled_process(). */
#include <float.h>
#include <stdlib.h>

#include "../nets/sampler.h"
#include "arrange.h"
#include "inpaint.h"
#include "parity.h"
#include "published.h"
#include "window.h"

enum {
    SCALE = 8,     /* pixels of a latent */
    ALIGN = 64,    /* pixels of the coarsest level's cell: sides must be multiples */
    OVERLAP = 128, /* pixels that two tiles share, as in the reference */
    FPS = 6,
    MOTION = 127, /* the added ids: the reference gives fps 7 and subtracts 1, and no noise */
};

typedef struct grid { /* spans of tiles along one axis, in pixels */
    int size, overlap;
} grid;

struct sc_artist {
    const sc_context *c;
    const sc_fidelity_row *way;
    const sc_unet *unet; /* the library's, like those below */
    const sc_vae *vae;
    const sc_clip *clip;
    sc_sampler sampler, few; /* few: of tiles with few holes */
    sc_precision precision;
    int decode; /* frames that are decoded together; see sc_plan */
    float guidance;
    grid rows, columns;
};

typedef struct tile {
    sc_span y, x;      /* pixels of the padded picture */
    sc_tensor latents; /* [T,h,w,C] f32 */
    const sc_sampler *sampler;
    bool drawn; /* it has holes, or all are drawn */
} tile;

typedef struct window {
    const sc_artist *a;
    const sc_sketch *frame;
    int count, rows, columns, channels;
    int64_t h, w; /* padded picture */
    tile *tile;   /* [rows][columns] */
} window;

static int align_up(int64_t n)
{
    return (int)((n + ALIGN - 1) / ALIGN * ALIGN);
}

/* The fewest tiles of at most max pixels, then as small as that number allows. */
static grid plan_axis(int n, int max)
{
    const int overlap = SC_MIN(OVERLAP, max / 2 / ALIGN * ALIGN), all = align_up(n);
    const int count = sc_span_count(all, max, overlap);

    return (grid){ align_up((all + (count - 1) * overlap + count - 1) / count), overlap };
}

int sc_artist_open(sc_artist **out, const sc_context *c, const sc_model_files *files)
{
    sc_artist *a = calloc(1, sizeof(*a));
    int ret;

    if (!a)
        return sc_fail(c->log, -ENOMEM, "inpaint", "out of memory");
    a->precision = c->precision;
    a->guidance = (float)c->set->inpaint_guidance;
    a->c = c;
    a->way = sc_fidelity_of(c->set);
    sc_sampler_init(&a->sampler, c->set->inpaint_steps);
    sc_sampler_init(&a->few, a->way->few_steps ? SC_MIN(a->way->few_steps, c->set->inpaint_steps)
                                               : c->set->inpaint_steps);
    SC_TRY(sc_published_unet(&a->unet, c, files->unet, SC_NET_INPAINT_UNET));
    SC_TRY(sc_published_vae(&a->vae, c, files->vae));
    SC_TRY(sc_published_clip(&a->clip, c, files->clip));
    SC_TRY(sc_published_fit(c, files->unet, a->unet, a->vae, a->clip, 1));
    *out = a;
    return 0;
fail:
    sc_artist_close(&a);
    return ret;
}

void sc_artist_fit(sc_artist *a, const sc_context *c, int h, int w)
{
    /* The network was trained on 576 x 1024: tiles keep near its shape. */
    a->rows = plan_axis(h, align_up(c->plan.tile * 5 / 8));
    a->columns = plan_axis(w, align_up(c->plan.tile));
    a->decode = c->plan.inpaint_decode;
}

void sc_artist_log(const sc_artist *a, const sc_context *c)
{
    sc_log(c->log, SC_LOG_INFO, "inpaint",
           "StereoCrafter in %s, %lld parameters, windows of %d frames, tiles of %dx%d",
           sc_dtype_name(a->precision.net[SC_NET_INPAINT_UNET].act), (long long)sc_unet_params(a->unet),
           c->plan.inpaint_window, a->columns.size, a->rows.size);
}

void sc_artist_close(sc_artist **a)
{
    free(*a);
    *a = NULL;
}

/* The part of a picture that a tile covers: less than the tile at the right and bottom edge. */
static sc_tensor in_tile(sc_tensor picture, const tile *t)
{
    const int64_t h = SC_MIN(t->y.count, picture.dim[0] - t->y.begin);
    const int64_t w = SC_MIN(t->x.count, picture.dim[1] - t->x.begin);

    return sc_slice(sc_slice(picture, 0, t->y.begin, h), 1, t->x.begin, w);
}

/* mask[h,w,1], 0 or 1, of a tile. The reference looks at pixel (8i, 8j) alone, so that a hole narrower than 8
 * pixels may vanish from what the network is told; otherwise a cell is a hole if any of its pixels is, or of
 * those that it shares with its neighbours by the window's odd width. */
static void encode_mask(sc_exec *x, const window *w, sc_tensor mask, sc_tensor picture, const tile *t)
{
    const sc_mark m = sc_push(x);
    const sc_tensor full = sc_new(x, SC_F32, SC_DIMS(1, t->y.count, t->x.count, 1)),
                    wide = sc_new_like(x, full);
    const sc_tensor binary = sc_new(x, SC_U8, mask.ndim, mask.dim);
    const int at = w->a->way->plain_mask ? 0 : SCALE / 2; /* or the window's centre, in each cell */

    sc_arrange_cut(x, sc_index(full, 0), picture, t->y.begin, t->x.begin);
    sc_filter_into(
        x, &(sc_filter_args){ .y = wide, .x = full, .kind = SC_FILTER_MAX, .radius_x = at, .radius_y = at });
    if (w->a->way->plain_mask) /* one half counts as 1, but would be rounded to 0: not what is next to 1 times
                                  it */
        sc_axpby_into(x, wide, 1 + FLT_EPSILON, wide, 0, SC_NONE, SC_ACT_NONE);
    sc_copy_into(x, binary, sc_every(sc_every(sc_index(wide, 0), 0, at, SCALE), 1, at, SCALE));
    sc_copy_into(x, mask, binary);
    sc_pop(x, m);
}

/* The conditions of a tile: latents and mask of every frame, CLIP's token of the first. */
static void encode(sc_exec *x, const window *w, const tile *t, sc_tensor latents, sc_tensor mask,
                   sc_tensor token)
{
    const sc_mark m = sc_push(x);
    const sc_tensor picture = sc_new(x, SC_F32, SC_DIMS(1, t->y.count, t->x.count, 3));

    for (int i = 0; i < w->count; i++) {
        sc_arrange_cut(x, sc_index(picture, 0), w->frame[i].picture, t->y.begin, t->x.begin);
        if (i == 0) {
            x->act = w->a->precision.net[SC_NET_CLIP].act;
            sc_clip_embed(x, token, w->a->clip, picture);
        }
        sc_arrange_rescale(x, picture, 2, -1, false);
        x->act = w->a->precision.net[SC_NET_VAE_ENCODER].act;
        sc_vae_encode(x, sc_slice(latents, 0, i, 1), w->a->vae, picture);
        encode_mask(x, w, sc_index(mask, i), w->frame[i].mask, t);
    }
    sc_pop(x, m);
}

/* Noise depends on the seed, the frame and the place in the picture, not on windows and tiles: what is drawn
 * twice starts from the same. */
static void draw_noise(sc_exec *x, const window *w, const tile *t)
{
    const sc_mark m = sc_push(x);
    const sc_tensor all = sc_new(x, SC_F32, SC_DIMS(w->h / SCALE, w->w / SCALE, w->channels));

    for (int i = 0; i < w->count; i++) {
        const sc_tensor rows = sc_slice(all, 0, t->y.begin / SCALE, t->y.count / SCALE);

        sc_noise(x, all, w->a->c, SC_NOISE_INPAINT_LATENTS, w->frame[i].number);
        sc_axpby_into(x, sc_index(t->latents, i), t->sampler->init,
                      sc_slice(rows, 1, t->x.begin / SCALE, t->x.count / SCALE), 0, SC_NONE, SC_ACT_NONE);
    }
    sc_pop(x, m);
}

static void draw_tile(sc_exec *x, const window *w, const tile *t)
{
    const sc_mark m = sc_push(x);
    const int64_t *dim = t->latents.dim, c = w->channels;
    const sc_tensor in = sc_new(x, SC_F32, SC_DIMS(dim[0], dim[1], dim[2], 2 * c + 1)),
                    none = sc_new_like(x, in);
    const sc_tensor v = sc_new_like(x, t->latents), v_none = sc_new_like(x, t->latents);
    const sc_tensor token =
        sc_new(x, SC_F32, SC_DIMS(1, sc_unet_get_config(w->a->unet)->cross_attention_dim));
    const sc_tensor no_token = sc_new_like(x, token);
    const bool guided = w->a->guidance != 1;
    const long long first = w->frame[0].number; /* the window's name in a record */

    encode(x, w, t, sc_slice(in, 3, c, c), sc_slice(in, 3, 2 * c, 1), token);
    sc_dump(x, w->a->c, token, "inpaint.clip.%06lld.%d.%d", first, t->y.begin, t->x.begin);
    sc_dump(x, w->a->c, sc_slice(in, 3, c, c), "inpaint.picture.%06lld.%d.%d", first, t->y.begin, t->x.begin);
    sc_dump(x, w->a->c, sc_slice(in, 3, 2 * c, 1), "inpaint.mask.%06lld.%d.%d", first, t->y.begin,
            t->x.begin);
    draw_noise(x, w, t);
    x->act = w->a->precision.net[SC_NET_INPAINT_UNET].act;
    for (int i = 0; i < (x->measuring ? 1 : t->sampler->steps); i++) { /* all steps need the same */
        sc_unet_cond cond = { .context = token, .fps = FPS, .motion = MOTION };
        const float timestep = t->sampler->timestep[i];

        sc_sampler_scale(x, sc_slice(in, 3, 0, c), t->latents, t->sampler, i);
        sc_unet_forward(x, v, w->a->unet, in, timestep, &cond);
        if (guided) { /* away from what is drawn without latents, mask and token */
            sc_axpby_into(x, none, 0, in, 0, SC_NONE, SC_ACT_NONE);
            sc_axpby_into(x, no_token, 0, token, 0, SC_NONE, SC_ACT_NONE);
            sc_copy_into(x, sc_slice(none, 3, 0, c), sc_slice(in, 3, 0, c));
            cond.context = no_token;
            sc_unet_forward(x, v_none, w->a->unet, none, timestep, &cond);
            sc_axpby_into(x, v, w->a->guidance, v, 1 - w->a->guidance, v_none, SC_ACT_NONE);
        }
        sc_sampler_step(x, t->latents, v, t->sampler, i);
        sc_dump(x, w->a->c, t->latents, "inpaint.step%d.%06lld.%d.%d", i, first, t->y.begin, t->x.begin);
    }
    sc_pop(x, m);
}

/* Weights of the later of two tiles over n shared cells, the rest 1, along one axis of a tensor of 1s
 * otherwise. The reference's begin with nothing of the later. */
static sc_tensor ramp(sc_exec *x, const window *win, int64_t n, int64_t size, int axis, int ndim)
{
    int64_t dim[SC_MAX_DIM] = { 1, 1, 1, 1, 1 };
    float w[8192]; /* the largest tile that can be asked for */
    sc_tensor t;

    dim[axis] = n ? size : 1;
    t = sc_new(x, SC_F32, ndim, dim);
    for (int64_t k = 0; k < dim[axis]; k++)
        w[k] = k >= n ? 1 : win->a->way->whole ? (float)k / (float)n : sc_fade((int)k, (int)n);
    sc_upload(x, t, w);
    return t;
}

/* Cross-fades what two neighbours share, in both of them. The reference fades the later tile alone and
 * decodes all at once; otherwise each tile is decoded by itself, which bounds memory, and both must then say
 * the same. */
static void blend(sc_exec *x, const window *w, const tile *a, const tile *b, int axis)
{
    const sc_mark m = sc_push(x);
    const sc_span *sa = axis == 1 ? &a->y : &a->x, *sb = axis == 1 ? &b->y : &b->x;
    const int64_t n = (sa->begin + sa->count - sb->begin) / SCALE;

    if (!a->drawn || !b->drawn)
        return;
    const sc_tensor of_a = sc_slice(a->latents, axis, sa->count / SCALE - n, n);
    const sc_tensor of_b = sc_slice(b->latents, axis, 0, n), mixed = sc_new(x, SC_F32, of_a.ndim, of_a.dim);
    const int64_t dim[4] = { of_a.dim[0], of_a.dim[1], of_a.dim[2], 1 };

    sc_mix_into(x,
                &(sc_mix_args){
                    .y = mixed, .m = sc_broadcast(ramp(x, w, n, n, axis, 4), 4, dim), .a = of_b, .b = of_a });
    if (!w->a->way->whole)
        sc_copy_into(x, of_a, mixed);
    sc_copy_into(x, of_b, mixed);
    sc_pop(x, m);
}

static tile *tile_at(const window *w, int row, int column)
{
    return &w->tile[row * w->columns + column];
}

/* Pixels that tile (row, column) shares with the one before it along an axis, if that was drawn. */
static int64_t shared(const window *w, int row, int column, int axis)
{
    const tile *t = tile_at(w, row, column), *before;

    if (axis ? !column : !row)
        return 0;
    before = tile_at(w, row - !axis, column - axis);
    if (!before->drawn)
        return 0;
    return axis ? before->x.begin + before->x.count - t->x.begin
                : before->y.begin + before->y.count - t->y.begin;
}

/* Decodes a tile into the frames, faded over so many pixels of those above and to the left. */
static void decode(sc_exec *x, const window *w, const tile *t, int64_t above, int64_t left)
{
    const sc_mark m = sc_push(x);
    const int64_t th = t->y.count, tw = t->x.count;
    const sc_tensor weight = sc_new(x, SC_F32, SC_DIMS(th, tw, 1)),
                    picture = sc_new(x, SC_F32, SC_DIMS(w->a->decode, th, tw, 3));
    const sc_tensor wy = sc_broadcast(ramp(x, w, above, th, 0, 3), 3, weight.dim);
    const sc_tensor wx = sc_broadcast(ramp(x, w, left, tw, 1, 3), 3, weight.dim);
    const float unscale = 1 / sc_vae_get_config(w->a->vae)->scaling_factor;

    sc_axpby_into(x, weight, 0, wx, 0, SC_NONE, SC_ACT_NONE);
    sc_mix_into(x, &(sc_mix_args){ .y = weight, .m = wy, .a = wx, .b = weight }); /* the product */
    sc_axpby_into(x, t->latents, unscale, t->latents, 0, SC_NONE, SC_ACT_NONE);
    x->act = w->a->precision.net[SC_NET_VAE].act;
    for (int i = 0; i < w->count; i += w->a->decode) {
        const int n = SC_MIN(w->a->decode, w->count - i);

        sc_vae_decode(x, sc_slice(picture, 0, 0, n), w->a->vae, sc_slice(t->latents, 0, i, n));
        sc_arrange_rescale(x, picture, 0.5f, 0.5f, true);
        for (int k = 0; k < n; k++) {
            const sc_tensor to = in_tile(w->frame[i + k].out, t);
            const sc_tensor from = sc_slice(sc_slice(sc_index(picture, k), 0, 0, to.dim[0]), 1, 0, to.dim[1]);
            const sc_tensor fade = sc_slice(sc_slice(weight, 0, 0, to.dim[0]), 1, 0, to.dim[1]);

            sc_mix_into(x, &(sc_mix_args){ .y = to, .m = fade, .a = from, .b = to });
        }
    }
    sc_pop(x, m);
}

/* Share of the tile's pixels, over all frames, that are holes; in a run without memory, all are. */
static float hole_share(sc_exec *x, const window *w, const tile *t)
{
    const sc_mark m = sc_push(x);
    const sc_tensor moments = sc_new(x, SC_F32, SC_DIMS(3, 1));
    float sum = 0;

    for (int i = 0; i < w->count && !x->measuring; i++) {
        float mean[3];

        sc_moments_into(x, &(sc_moments_args){ .y = moments, .x = in_tile(w->frame[i].mask, t) });
        sc_download(x, mean, moments);
        sum += mean[0];
    }
    sc_pop(x, m);
    return x->measuring ? 1 : sum / (float)w->count;
}

/* Nothing will have been drawn in the tile: nobody may compare it with what was seen. */
static void hide(sc_exec *x, const window *w, const tile *t)
{
    const sc_mark m = sc_push(x);
    const sc_tensor one = sc_new(x, SC_F32, SC_DIMS(1, 1, 1));
    const float unit = 1;

    sc_upload(x, one, &unit);
    for (int i = 0; i < w->count; i++) {
        const sc_tensor hole = in_tile(w->frame[i].hole, t);

        sc_copy_into(x, hole, sc_broadcast(one, 3, hole.dim));
    }
    sc_pop(x, m);
}

static void draw_tiles(sc_exec *x, window *w)
{
    for (int r = 0; r < w->rows; r++) {
        for (int c = 0; c < w->columns; c++) {
            tile *t = tile_at(w, r, c);

            sc_span_at(&t->y, r, (int)w->h, w->a->rows.size, w->a->rows.overlap);
            sc_span_at(&t->x, c, (int)w->w, w->a->columns.size, w->a->columns.overlap);
            const float share = hole_share(x, w, t);
            t->sampler = share < SC_FEW_HOLES ? &w->a->few : &w->a->sampler;
            if (!(t->drawn = share > 0 || w->a->way->whole)) {
                hide(x, w, t);
                continue;
            }
            t->latents =
                sc_new(x, SC_F32, SC_DIMS(w->count, t->y.count / SCALE, t->x.count / SCALE, w->channels));
            draw_tile(x, w, t);
        }
    }
}

static void finish_tiles(sc_exec *x, const window *w)
{
    for (int r = 1; r < w->rows; r++)
        for (int c = 0; c < w->columns; c++)
            blend(x, w, tile_at(w, r - 1, c), tile_at(w, r, c), 1);
    for (int r = 0; r < w->rows; r++)
        for (int c = 1; c < w->columns; c++)
            blend(x, w, tile_at(w, r, c - 1), tile_at(w, r, c), 2);
    for (int r = 0; r < w->rows; r++)
        for (int c = 0; c < w->columns; c++)
            if (tile_at(w, r, c)->drawn)
                decode(x, w, tile_at(w, r, c), shared(w, r, c, 0), shared(w, r, c, 1));
}

/* As the reference does: tile after tile is faded over the one above and then the one to the left, as these
 * are by then, and the latents of all are decoded as one picture. */
static void finish_whole(sc_exec *x, const window *w)
{
    const tile whole = { .y = { 0, (int)w->h },
                         .x = { 0, (int)w->w },
                         .latents =
                             sc_new(x, SC_F32, SC_DIMS(w->count, w->h / SCALE, w->w / SCALE, w->channels)) };

    for (int r = 0; r < w->rows; r++) {
        for (int c = 0; c < w->columns; c++) {
            const tile *t = tile_at(w, r, c);

            if (r)
                blend(x, w, tile_at(w, r - 1, c), t, 1);
            if (c)
                blend(x, w, tile_at(w, r, c - 1), t, 2);
            const sc_tensor rows = sc_slice(whole.latents, 1, t->y.begin / SCALE, t->y.count / SCALE);
            sc_copy_into(x, sc_slice(rows, 2, t->x.begin / SCALE, t->x.count / SCALE), t->latents);
        }
    }
    sc_dump(x, w->a->c, whole.latents, "inpaint.latents.%06lld", (long long)w->frame[0].number);
    decode(x, w, &whole, 0, 0);
}

void sc_artist_draw(sc_exec *x, const sc_artist *a, const sc_sketch *frame, int count)
{
    const sc_mark m = sc_push(x);
    const sc_dtype act = x->act;
    window w = { .a = a,
                 .frame = frame,
                 .count = count,
                 .channels = sc_vae_get_config(a->vae)->latent_channels,
                 .h = align_up(frame->mask.dim[0]),
                 .w = align_up(frame->mask.dim[1]) };

    w.rows = sc_span_count((int)w.h, a->rows.size, a->rows.overlap);
    w.columns = sc_span_count((int)w.w, a->columns.size, a->columns.overlap);
    if ((w.tile = calloc((size_t)w.rows * (size_t)w.columns, sizeof(*w.tile)))) {
        draw_tiles(x, &w);
        (a->way->whole ? finish_whole : finish_tiles)(x, &w);
    } else {
        sc_exec_fail(x, -ENOMEM, "no memory for %d x %d tiles", w.rows, w.columns);
    }
    free(w.tile);
    x->act = act;
    sc_pop(x, m);
}
