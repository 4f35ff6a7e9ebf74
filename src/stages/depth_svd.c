/* DepthCrafter: depthcrafter/depth_crafter_ppl.py __call__(), one shot at a time and streaming. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../nets/sampler.h"
#include "depth.h"
#include "parity.h"
#include "published.h"

enum {
    SCALE = 8,      /* pixels of a latent */
    ALIGN = 64,     /* sides of the networks' picture are multiples: three more halvings in the UNet */
    LONGEST = 1024, /* side of that picture, as in the reference */
    MAX_DECODE = 8, /* frames decoded together, counted from the shot's first */
    FPS = 7,
    MOTION = 127, /* the added ids */
};
static const float augment = 0.02f; /* noise on the pixels that are encoded, and the third added id */
/* Least span of decoded brightness that becomes the full range: the network fills 0..1 over a whole film. */
static const float least_span = 0.05f;

typedef struct item { /* a frame on its way */
    sc_frame frame;
    sc_image token;   /* [1,1,D] CLIP's */
    sc_image picture; /* [h,w,C] latents of the picture, not scaled */
    sc_image latents; /* [h,w,C] of the disparity, once its window is drawn */
    sc_image disp;    /* its plane, see depth.h, once decoded */
} item;

typedef struct svd {
    sc_stage stage;
    const sc_context *c;
    const sc_unet *unet; /* the library's, like those below */
    const sc_vae *vae;
    const sc_clip *clip;
    sc_sampler sampler;
    sc_image screen;             /* [1,1,1] the disparity of the screen plane */
    int window, overlap, decode; /* frames; see sc_plan */
    sc_rect active;              /* of this shot */
    int h, w;                    /* of the networks' picture in this shot */
    item *items;                 /* frame n lies at n % size */
    int size;
    /* Frames of the film, in order: the first of the shot; handed out; decoded; begin of the window to come;
     * drawn; read. The frame `end`, if there is one, belongs to the next shot. */
    int64_t shot, next, decoded, begin, drawn, end;
    bool complete;           /* the shot's last frame has been read */
    int last;                /* what ended the reading, 0 while it goes on */
    sc_depth_scale scale;    /* in use */
    float farthest, nearest; /* of all frames of the shot that are decoded; the scale follows */
} svd;

static item *item_of(const svd *s, int64_t frame)
{
    return &s->items[frame % s->size];
}

static void item_clear(item *i)
{
    sc_frame_clear(&i->frame);
    sc_image_unref(&i->token);
    sc_image_unref(&i->picture);
    sc_image_unref(&i->latents);
    sc_image_unref(&i->disp);
}

static int aligned(double v)
{
    return SC_MAX((int)lrint(v / ALIGN), 1) * ALIGN; /* halves to even, as Python's round() */
}

/* depthcrafter/utils.py read_video_frames() */
static void input_size(sc_rect r, int *h, int *w)
{
    const double shrink = (double)LONGEST / SC_MAX(r.h, r.w);
    const bool large = SC_MAX(aligned(r.h), aligned(r.w)) > LONGEST;

    *h = aligned(large ? r.h * shrink : r.h);
    *w = aligned(large ? r.w * shrink : r.w);
}

static int channels(const svd *s)
{
    return sc_vae_get_config(s->vae)->latent_channels;
}

/* All windows of a shot draw on one window's length of noise, each frame on its own place: what two windows
 * share starts from the same noise. The reference rolls the noise by the overlap from window to window, which
 * comes to this. */
static int64_t place_in_noise(const svd *s, int64_t n)
{
    return (n - s->shot) % s->window;
}

/* token[1,D] and picture[1,h,w,C] of a film's frame[1,H,W,3]. */
static void encode(sc_exec *x, const svd *s, sc_tensor token, sc_tensor picture, sc_tensor frame, int64_t n)
{
    const sc_mark m = sc_push(x);
    const sc_dtype act = x->act;
    const sc_tensor small = sc_new(x, SC_F32, SC_DIMS(1, s->h, s->w, 3)), noise = sc_new_like(x, small);

    sc_depth_shrink(x, small, noise, frame, s->c->video);
    x->act = s->c->precision.net[SC_NET_CLIP].act;
    sc_clip_embed(x, token, s->clip, small);
    sc_colour_into(x, &(sc_colour_args){
                          .y = small, .a = small, .m1 = { 2, 0, 0, 0, 2, 0, 0, 0, 2 }, .t = { -1, -1, -1 } });
    sc_noise(x, sc_index(noise, 0), s->c, SC_NOISE_DEPTH_IMAGE, s->c->stretch.first + n);
    sc_axpby_into(x, small, 1, small, augment, noise, SC_ACT_NONE);
    x->act = s->c->precision.net[SC_NET_VAE_ENCODER].act;
    sc_vae_encode(x, picture, s->vae, small);
    x->act = act;
    sc_dump(x, s->c, token, "depth.clip.%06lld", (long long)n);
    sc_dump(x, s->c, picture, "depth.picture.%06lld", (long long)n);
    sc_pop(x, m);
}

/* Denoises latents[T,h,w,C] under the conditions picture[T,h,w,C] and tokens[T,D]. */
static void denoise(sc_exec *x, const svd *s, sc_tensor latents, sc_tensor picture, sc_tensor tokens)
{
    const sc_mark m = sc_push(x);
    const sc_dtype act = x->act;
    const float guidance = (float)s->c->set->depth_guidance;
    const int64_t c = latents.dim[3];
    const sc_tensor in = sc_new(x, SC_F32, SC_DIMS(latents.dim[0], latents.dim[1], latents.dim[2], 2 * c));
    const sc_tensor noisy = sc_slice(in, 3, 0, c), given = sc_slice(in, 3, c, c);
    const sc_tensor v = sc_new_like(x, latents), none = sc_new_like(x, tokens);
    const sc_tensor v_none = guidance > 1 ? sc_new_like(x, latents) : SC_NONE;

    sc_axpby_into(x, none, 0, tokens, 0, SC_NONE, SC_ACT_NONE);
    x->act = s->c->precision.net[SC_NET_DEPTH_UNET].act;
    for (int i = 0; i < (x->measuring ? 1 : s->sampler.steps); i++) { /* all steps need the same */
        sc_unet_cond cond = { .context = tokens, .fps = FPS, .motion = MOTION, .noise_aug = augment };

        sc_sampler_scale(x, noisy, latents, &s->sampler, i);
        sc_copy_into(x, given, picture);
        sc_unet_forward(x, v, s->unet, in, s->sampler.timestep[i], &cond);
        if (guidance > 1) { /* away from what is drawn without a picture */
            cond.context = none;
            sc_axpby_into(x, given, 0, picture, 0, SC_NONE, SC_ACT_NONE);
            sc_unet_forward(x, v_none, s->unet, in, s->sampler.timestep[i], &cond);
            sc_axpby_into(x, v, guidance, v, 1 - guidance, v_none, SC_ACT_NONE);
        }
        sc_sampler_step(x, latents, v, &s->sampler, i);
        sc_dump(x, s->c, latents, "depth.step%d.%06lld", i, (long long)s->begin);
    }
    x->act = act;
    sc_pop(x, m);
}

/* plane[1,h,w,1], 0..1, of each of latents[n,h,w,C]. */
static void decode(sc_exec *x, const svd *s, const sc_tensor *planes, sc_tensor latents)
{
    const sc_mark m = sc_push(x);
    const sc_dtype act = x->act;
    const int64_t n = latents.dim[0];
    const sc_tensor scaled = sc_new_like(x, latents), images = sc_new(x, SC_F32, SC_DIMS(n, s->h, s->w, 3));
    const float third = 1 / 3.0f;

    sc_axpby_into(x, scaled, 1 / sc_vae_get_config(s->vae)->scaling_factor, latents, 0, SC_NONE, SC_ACT_NONE);
    x->act = s->c->precision.net[SC_NET_VAE].act;
    sc_vae_decode(x, images, s->vae, scaled);
    x->act = act;
    sc_colour_into(x, &(sc_colour_args){ .y = images,
                                         .a = images,
                                         .m1 = { 0.5f, 0, 0, 0, 0.5f, 0, 0, 0, 0.5f },
                                         .t = { 0.5f, 0.5f, 0.5f },
                                         .hi = 1 });
    sc_colour_into(x, &(sc_colour_args){ .y = images, .a = images, .m1 = { third, third, third } });
    for (int64_t i = 0; i < n; i++)
        sc_copy_into(x, planes[i], sc_slice(sc_slice(images, 0, i, 1), 3, 0, 1));
    sc_pop(x, m);
}

/* Bilinear, as depth_splatting_inference.py of StereoCrafter. */
void sc_depth_svd_enlarge(sc_exec *x, sc_tensor out, sc_tensor plane)
{
    sc_resize_into(x, &(sc_resize_args){ .y = out, .x = plane, .mode = SC_BILINEAR });
}

/* out[1,H,W,1] = the plane in the shot's scale. */
static void enlarge(sc_exec *x, const svd *s, sc_tensor out, sc_tensor buffer)
{
    const sc_mark m = sc_push(x);
    const sc_tensor unit = sc_new_like(x, buffer);

    sc_depth_unit(x, unit, buffer, &s->scale, least_span);
    sc_depth_svd_enlarge(x, out, sc_depth_plane(unit, s->h, s->w));
    sc_pop(x, m);
}

/* ---- the shot */

/* What one frame, one window and one chunk need in working memory, at this shot's size. */
static void measure(sc_exec *x, void *arg)
{
    const svd *s = arg;
    const int h = s->h / SCALE, w = s->w / SCALE, d = sc_clip_get_config(s->clip)->projection_dim;
    const sc_tensor buffer = sc_tensor_make(NULL, SC_F32, SC_DIMS(1, sc_depth_triples(s->h, s->w), 3));
    const sc_tensor film =
        sc_tensor_make(NULL, SC_F32, SC_DIMS(1, s->c->video->height, s->c->video->width, 3));
    sc_tensor planes[MAX_DECODE], picture, latents, tokens;
    float far, near;

    for (int i = 0; i < s->decode; i++)
        planes[i] = sc_depth_plane(buffer, s->h, s->w);
    latents = sc_new(x, SC_F32, SC_DIMS(s->window, h, w, channels(s)));
    picture = sc_new_like(x, latents);
    tokens = sc_new(x, SC_F32, SC_DIMS(s->window, d));
    denoise(x, s, latents, picture, tokens);
    encode(x, s, sc_slice(tokens, 0, 0, 1), sc_slice(picture, 0, 0, 1), film, 0);
    decode(x, s, planes, sc_new(x, SC_F32, SC_DIMS(s->decode, h, w, channels(s))));
    sc_depth_scale_measure(x, &far, &near, planes[0]);
    enlarge(x, s, sc_slice(film, 3, 0, 1), buffer);
}

/* Makes room for pictures of r's shape; the arena is empty. */
static int fit(svd *s, sc_rect r)
{
    s->active = r;
    input_size(r, &s->h, &s->w);
    if (!(s->stage.arena = sc_measure(s->c->x, measure, s, NULL)))
        return -EINVAL;
    return 0;
}

static void take_plan(svd *s)
{
    const sc_plan *p = &s->c->plan;

    s->window = SC_MIN(p->depth_window, SC_UNET_MAX_FRAMES);
    s->overlap = SC_MIN(p->depth_overlap, s->window - 1);
    s->decode = SC_MIN(p->depth_decode, MAX_DECODE);
}

static int frames_at_most(const svd *s)
{
    return s->window + s->decode + 1; /* an undecoded rest, the window, the frame after it */
}

static int svd_fit(sc_stage *stage)
{
    svd *s = (svd *)stage;
    const int h = s->c->video->height, w = s->c->video->width;
    int ret;

    take_plan(s);
    SC_TRY(fit(s, (sc_rect){ 0, 0, w, h }));
    stage->images =
        (size_t)frames_at_most(s) * (sc_image_bytes(h, w, 3) + sc_image_bytes(s->h, s->w, 1) +
                                     sc_image_bytes(s->h / SCALE, s->w / SCALE, 2 * channels(s)) +
                                     sc_image_bytes(1, 1, sc_clip_get_config(s->clip)->projection_dim)) +
        sc_image_bytes(h, w, 1);
    return 0;
fail:
    return ret;
}

/* Frame `end`, already in its place, begins a shot. Its picture may need more than the whole frame would,
 * which the device may not have: then windows are shorter from here on. */
static int begin_shot(svd *s)
{
    int ret;

    s->shot = s->decoded = s->begin = s->drawn = s->end;
    s->complete = false;
    for (;;) {
        SC_TRY(fit(s, item_of(s, s->end)->frame.active));
        if ((ret = sc_exec_reserve(s->c->x, s->stage.arena)) != -ENOMEM || s->window == 1)
            break;
        s->window = SC_MAX(s->window * 3 / 4, 1);
        s->overlap = SC_MIN(s->overlap, s->window / 4);
        s->decode = SC_MAX(s->decode / 2, 1);
        sc_log(s->c->log, SC_LOG_WARNING, "depth", "short of memory: windows of %d frames from here on",
               s->window);
    }
fail:
    return ret;
}

static int encode_frame(svd *s)
{
    item *i = item_of(s, s->end);
    const int d = sc_clip_get_config(s->clip)->projection_dim;
    int ret;

    SC_TRY(sc_image_new(s->c->pools, &i->token, 1, 1, d));
    SC_TRY(sc_image_new(s->c->pools, &i->picture, s->h / SCALE, s->w / SCALE, channels(s)));
    encode(s->c->x, s, sc_reshape(i->token.t, SC_DIMS(1, d)), sc_batch(i->picture.t),
           sc_depth_part(i->frame.left.t, i->frame.active), s->end);
    SC_TRY(sc_exec_wait(s->c->x));
    s->end++;
    return 0;
fail:
    return ret;
}

/* Reads up to frame `want`, or to the end of the shot, whose first frame lies ready. */
static int read_frames(svd *s, int64_t want)
{
    int ret = 0;

    if (s->end == s->shot)
        SC_TRY(encode_frame(s));
    while (!s->complete && s->end < want) {
        sc_frame *f = &item_of(s, s->end)->frame;

        s->last = sc_stage_next(s->stage.from, f);
        s->complete =
            s->last == SC_EOF || f->flags & SC_FRAME_CUT || memcmp(&f->active, &s->active, sizeof(f->active));
        if (s->last < 0 && s->last != SC_EOF)
            return s->last;
        if (!s->complete)
            SC_TRY(encode_frame(s));
    }
fail:
    return ret;
}

/* The frames that have been read and not yet drawn, after those that the window before shares with this one.
 */
static int draw_window(svd *s)
{
    const int count = (int)(s->end - s->begin), shared = (int)(s->drawn - s->begin);
    const int64_t h = s->h / SCALE, w = s->w / SCALE, c = channels(s);
    const int64_t d = sc_clip_get_config(s->clip)->projection_dim;
    sc_exec *x = s->c->x;
    const sc_mark m = sc_push(x);
    const sc_tensor latents = sc_new(x, SC_F32, SC_DIMS(count, h, w, c)), picture = sc_new_like(x, latents);
    const sc_tensor tokens = sc_new(x, SC_F32, SC_DIMS(count, d));
    int ret;

    for (int k = 0; k < count; k++) {
        const item *i = item_of(s, s->begin + k);
        const sc_tensor of_k = sc_index(latents, k);

        sc_noise(x, of_k, s->c, SC_NOISE_DEPTH_LATENTS, place_in_noise(s, s->begin + k));
        if (k < shared) /* from where the window before has led */
            sc_axpby_into(x, of_k, s->sampler.sigma[0], of_k, 1, i->latents.t, SC_ACT_NONE);
        else
            sc_axpby_into(x, of_k, s->sampler.init, of_k, 0, SC_NONE, SC_ACT_NONE);
        sc_copy_into(x, sc_index(picture, k), i->picture.t);
        sc_copy_into(x, sc_slice(tokens, 0, k, 1), sc_reshape(i->token.t, SC_DIMS(1, d)));
    }
    denoise(x, s, latents, picture, tokens);
    for (int k = 0; k < count; k++) {
        item *i = item_of(s, s->begin + k);
        const float newer =
            shared > 1 ? (float)k / (float)(shared - 1) : 0; /* numpy.linspace(0, 1, shared) */

        if (k < shared) {
            sc_axpby_into(x, i->latents.t, newer, sc_index(latents, k), 1 - newer, i->latents.t, SC_ACT_NONE);
        } else {
            SC_TRY(sc_image_new(s->c->pools, &i->latents, (int)h, (int)w, (int)c));
            sc_copy_into(x, i->latents.t, sc_index(latents, k));
        }
    }
    s->drawn = s->end;
    ret = sc_exec_wait(x);
fail:
    sc_pop(x, m);
    return ret;
}

static int decode_chunk(svd *s, int count)
{
    sc_exec *x = s->c->x;
    const sc_mark m = sc_push(x);
    const sc_tensor latents = sc_new(x, SC_F32, SC_DIMS(count, s->h / SCALE, s->w / SCALE, channels(s)));
    sc_tensor planes[MAX_DECODE];
    int ret;

    for (int k = 0; k < count; k++) {
        item *i = item_of(s, s->decoded + k);

        SC_TRY(sc_depth_buffer(s->c, &i->disp, s->h, s->w, &s->screen));
        planes[k] = sc_depth_plane(i->disp.t, s->h, s->w);
        sc_copy_into(x, sc_index(latents, k), i->latents.t);
        sc_dump(x, s->c, i->latents.t, "depth.merged.%06lld", (long long)s->decoded + k);
    }
    decode(x, s, planes, latents);
    for (int k = 0; k < count; k++) {
        sc_dump(x, s->c, planes[k], "depth.decoded.%06lld", (long long)s->decoded + k);
        const bool first = s->decoded + k == s->shot;
        float far, near;

        sc_depth_scale_measure(x, &far, &near, planes[k]);
        s->farthest = first ? far : SC_MIN(s->farthest, far);
        s->nearest = first ? near : SC_MAX(s->nearest, near);
    }
    s->decoded += count;
    ret = sc_exec_wait(x);
fail:
    sc_pop(x, m);
    return ret;
}

/* Draws the next window, of the next shot where this one is done, and decodes what no later window changes.
 */
static int draw(svd *s)
{
    int64_t final;
    int ret;

    if (s->complete && s->decoded == s->end) {
        if (s->last)
            return s->last;
        SC_TRY(begin_shot(s));
    }
    SC_TRY(read_frames(s, s->begin + s->window));
    SC_TRY(draw_window(s));
    SC_TRY(read_frames(s, s->drawn + 1)); /* does the shot go on? */
    final = s->complete ? s->end : s->drawn - s->overlap;
    s->begin = final;
    while (s->decoded < final && (s->complete || final - s->decoded >= s->decode))
        SC_TRY(decode_chunk(s, (int)SC_MIN(s->decode, final - s->decoded)));
    return 0;
fail:
    return ret;
}

static int svd_next(sc_stage *stage, sc_frame *out)
{
    svd *s = (svd *)stage;
    item *i;
    int ret;

    if (!s->end && !s->complete) { /* the film's first frame */
        SC_TRY(sc_stage_next(stage->from, &item_of(s, 0)->frame));
        s->complete = true;
    }
    while (s->next == s->decoded)
        SC_TRY(draw(s));
    if (s->next == s->shot) {
        sc_depth_scale_begin(&s->scale, s->c->video);
        s->scale.far = s->farthest;
        s->scale.near = s->nearest;
    }
    s->scale.far += (s->farthest - s->scale.far) / (float)s->scale.most;
    s->scale.near += (s->nearest - s->scale.near) / (float)s->scale.most;
    i = item_of(s, s->next);
    if (s->c->raw_depth) {
        sc_depth_raw(&i->frame, &i->disp, s->h, s->w);
    } else {
        SC_TRY(sc_depth_begin(s->c, &i->frame, &s->screen));
        enlarge(s->c->x, s, sc_depth_part(i->frame.disp.t, i->frame.active), i->disp.t);
        SC_TRY(sc_exec_wait(s->c->x));
    }
    sc_frame_move(out, &i->frame);
    item_clear(i);
    s->next++;
    return 0;
fail:
    return ret;
}

static void svd_close(sc_stage *stage)
{
    svd *s = (svd *)stage;

    for (int i = 0; s->items && i < s->size; i++)
        item_clear(&s->items[i]);
    free(s->items);
    sc_image_unref(&s->screen);
    free(s);
}

int sc_depth_svd_open(sc_stage **out, const sc_context *c, sc_stage *from, const sc_model_files *files)
{
    svd *s = calloc(1, sizeof(*s));
    int ret;

    if (!s)
        return sc_fail(c->log, -ENOMEM, "depth", "out of memory");
    s->stage = (sc_stage){ .next = svd_next, .close = svd_close, .name = "depth", .from = from };
    s->c = c;
    s->stage.fit = svd_fit;
    take_plan(s);
    s->size = frames_at_most(s);
    if (!(s->items = calloc((size_t)s->size, sizeof(*s->items))))
        SC_TRY(sc_fail(c->log, -ENOMEM, "depth", "out of memory"));
    sc_sampler_init(&s->sampler, c->set->depth_steps);
    SC_TRY(sc_published_unet(&s->unet, c, files->unet, SC_NET_DEPTH_UNET));
    SC_TRY(sc_published_vae(&s->vae, c, files->vae));
    SC_TRY(sc_published_clip(&s->clip, c, files->clip));
    SC_TRY(sc_published_fit(c, files->unet, s->unet, s->vae, s->clip, 0));
    SC_TRY(sc_depth_screen(c, &s->screen));
    SC_TRY(svd_fit(&s->stage));
    sc_log(c->log, SC_LOG_INFO, "depth", "DepthCrafter in %s, %lld parameters, windows of %d frames of %dx%d",
           sc_dtype_name(c->precision.net[SC_NET_DEPTH_UNET].act), (long long)sc_unet_params(s->unet),
           s->window, s->w, s->h);
    *out = &s->stage;
    return 0;
fail:
    svd_close(&s->stage);
    return ret;
}
