#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <stdlib.h>
#include <string.h>

#include "arrange.h"
#include "sphere.h"
#include "stages.h"
#include "../layouts.h"
#include "../ops.h"
#include "../video/image.h"

enum { ALIGN = 64 }; /* of rows: the widest vectors that encoders read */

typedef struct picture { /* of one output */
    const sc_grid *grid;
    const sc_part *part;
    enum AVPixelFormat format;
    int width, height;    /* of the film's frames */
    int pitch_x, pitch_y; /* from one eye to the next: its size, padded where chroma cannot be cut */
    AVFrame *eye;         /* shape of one eye */
    sc_sphere *sphere;    /* or NULL */
} picture;

typedef struct layout {
    sc_stage stage;
    const sc_context *c;
    picture picture[SC_MAX_OUTPUTS]; /* as many as the settings have outputs */
    AVFrame *sidecar;                /* shape of the exported disparity, or NULL */
    sc_video_info sidecar_info;
    sc_frame ahead; /* laid out, perhaps still on its way from the device; without stereo: none */
    int64_t mark;   /* behind that way */
    int last;       /* what ended the film, 0 while it goes on */
} layout;

/* Half of a size, even, so that the common formats can be cut there. */
static int half(int size)
{
    return FFALIGN((size + 1) / 2, 2);
}

sc_video_info sc_shown(const sc_settings *set, const sc_video_info *v)
{
    enum { CROP = 128 }; /* inpainting_inference.py; smaller pictures, of which it makes nothing, stay */
    sc_video_info shown = *v;

    if (set->crop && v->width >= CROP && v->height >= CROP) {
        shown.width -= v->width % CROP;
        shown.height -= v->height % CROP;
    }
    return shown;
}

void sc_layout_size(const sc_output *o, const sc_video_info *v, int *w, int *h, AVRational *sar)
{
    const sc_grid *s = &sc_grids[o->layout];
    const AVRational square = { 1, 1 }, from = v->sar.num ? v->sar : square;

    *w = s->columns * (s->half && s->columns > 1 ? half(v->width) : v->width);
    *h = s->rows * (s->half && s->rows > 1 ? half(v->height) : v->height);
    *sar = v->sar;
    /* A half layout is shown in the shape of the source, as televisions expect; rounding to even is made up
     * for. */
    if (s->half && (*w != v->width || *h != v->height))
        *sar = av_mul_q(from, av_mul_q((AVRational){ v->width, *w }, (AVRational){ *h, v->height }));
    if (s->sphere) {
        *h = sc_sphere_size(v, o->fov);
        *w = s->columns * *h;
        *sar = square;
    }
}

/* Draws one part of f like `shape`, in the arena; on a sphere unless that is NULL. */
static sc_pixels draw(sc_exec *x, const AVFrame *shape, const sc_video_info *v, const sc_frame *f,
                      sc_part part, const sc_sphere *sphere)
{
    /* Made pictures lie between codes; dithering keeps what lies on one. */
    sc_image_out_args a = { .x = sc_arrange(x, f, part), .dither = true };

    a.x =
        sphere ? sc_sphere_project(x, sphere, a.x) : sc_arrange_resized(x, a.x, shape->width, shape->height);
    sc_pixels_new(x, &a.px, shape, v);
    sc_image_out_into(x, &a);
    return a.px;
}

/* ---- the host's side */

/* Where eye `number` begins in the film's frame. */
static int left_of(const picture *p, int number)
{
    return p->grid->columns > 1 ? number * p->pitch_x : 0;
}

static int top_of(const picture *p, int number)
{
    return sc_grid_down(p->grid) > 1 ? number * p->pitch_y : 0;
}

/* Copies the picture `from` into the film's frame at eye `number`, plane by plane. */
static void place(const picture *p, AVFrame *to, const AVFrame *from, int number)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(p->format);

    for (int i = 0; i < av_pix_fmt_count_planes(p->format); i++)
        av_image_copy_plane(sc_pixels_place(to, left_of(p, number), top_of(p, number), i), to->linesize[i],
                            from->data[i], from->linesize[i],
                            av_image_get_linesize(p->format, p->eye->width, i),
                            AV_CEIL_RSHIFT(p->eye->height, i == 1 || i == 2 ? d->log2_chroma_h : 0));
}

/* Chroma covers a padded eye by itself; luma's last column and row are repeated. */
static void pad(const picture *p, AVFrame *f, int number)
{
    const AVComponentDescriptor *luma = &av_pix_fmt_desc_get(p->format)->comp[0];
    const size_t bytes = luma->depth > 8 ? 2 : 1;
    const int stride = f->linesize[luma->plane];
    uint8_t *first =
        f->data[luma->plane] + luma->offset + top_of(p, number) * stride + left_of(p, number) * luma->step;

    for (int row = 0; row < p->eye->height; row++)
        for (int col = p->eye->width; col < p->pitch_x; col++)
            memcpy(first + row * stride + col * luma->step,
                   first + row * stride + (p->eye->width - 1) * luma->step, bytes);
    for (int row = p->eye->height; row < p->pitch_y; row++)
        for (int col = 0; col < p->pitch_x; col++)
            memcpy(first + row * stride + col * luma->step,
                   first + (p->eye->height - 1) * stride + col * luma->step, bytes);
}

static int new_film_frame(sc_pools *pools, const picture *p, AVFrame **out, const AVFrame *src)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(p->format);
    AVFrame *f;
    int ret;

    SC_TRY(sc_picture_new(pools, out, p->format, p->width, p->height, ALIGN));
    f = *out;
    if (d->flags & AV_PIX_FMT_FLAG_RGB && !(d->flags & AV_PIX_FMT_FLAG_PLANAR))
        memset(f->data[0], 0, (size_t)f->linesize[0] * (size_t)f->height); /* the x of bgr0 */
    ret = av_frame_copy_props(f, src);
fail:
    return ret;
}

/* ---- the stage */

/* Issues all that makes *stereo. */
static int lay_out(const layout *l, const picture *p, const sc_frame *f, AVFrame **stereo)
{
    sc_exec *x = l->c->x;
    const bool same = f->src->data[0] && sc_pixels_same(p->format, l->c->video->format) &&
                      f->src->width == p->eye->width && f->src->height == p->eye->height;
    int ret;

    SC_TRY(new_film_frame(l->c->pools, p, stereo, f->src));
    for (int i = 0; i < 2 && p->part[i] != SC_PART_NONE; i++) {
        const sc_mark m = sc_push(x);

        /* The source's own codes; from a picture on the device image_in and image_out give the same ones. */
        if (same && !p->sphere && sc_arrange_is_source(f, p->part[i])) {
            place(p, *stereo, f->src, i);
        } else {
            const sc_pixels px = draw(x, p->eye, l->c->video, f, p->part[i], p->sphere);
            sc_pixels_download(x, *stereo, left_of(p, i), top_of(p, i), &px);
        }
        sc_pop(x, m);
    }
    (*stereo)->pts = f->pts;
    return 0;
fail:
    return ret;
}

static int export_disparity(const layout *l, const sc_frame *f, AVFrame **out)
{
    sc_exec *x = l->c->x;
    const sc_mark m = sc_push(x);
    int ret;

    SC_TRY(
        sc_picture_new(l->c->pools, out, AV_PIX_FMT_GRAY16LE, l->sidecar->width, l->sidecar->height, ALIGN));
    SC_TRY(av_frame_copy_props(*out, f->src));
    const sc_pixels px = draw(x, l->sidecar, &l->sidecar_info, f, SC_PART_DISPARITY, NULL);
    sc_pixels_download(x, *out, 0, 0, &px);
    (*out)->pts = f->pts;
fail:
    sc_pop(x, m);
    return ret;
}

/* Views of as much of a frame's pictures as is shown. */
static sc_frame crop(const layout *l, const sc_frame *f)
{
    const sc_video_info shown = sc_shown(l->c->set, l->c->video);
    const sc_rect r = { 0, 0, shown.width, shown.height };
    sc_frame part = *f;
    sc_tensor *const pictures[] = { &part.left.t, &part.right.t, &part.made_left.t, &part.disp.t };

    for (int i = 0; i < SC_COUNT(pictures); i++)
        if (pictures[i]->ndim)
            *pictures[i] = sc_crop(*pictures[i], r);
    return part;
}

/* Puts the next frame on its way. Its images are not kept until it is there: whoever gets their memory writes
 * to it later, in the order of the stream. */
static int begin(layout *l)
{
    sc_frame f = { 0 };
    int ret;

    SC_TRY(sc_stage_next(l->stage.from, &f));
    const sc_frame part = crop(l, &f);
    for (int i = 0; i < l->c->set->outputs; i++)
        SC_TRY(lay_out(l, &l->picture[i], &part, &f.stereo[i]));
    if (l->sidecar)
        SC_TRY(export_disparity(l, &f, &f.sidecar));
    l->mark = sc_exec_mark(l->c->x);
    l->ahead = (sc_frame){ .sidecar = f.sidecar,
                           .active = f.active,
                           .pts = f.pts,
                           .duration = f.duration,
                           .flags = f.flags,
                           .check = f.check };
    memcpy(l->ahead.stereo, f.stereo, sizeof(f.stereo));
    memset(f.stereo, 0, sizeof(f.stereo));
    f.sidecar = NULL;
fail:
    sc_frame_clear(&f);
    return ret;
}

/* One frame behind: while a frame is encoded the device is at work on the next. */
static int layout_next(sc_stage *stage, sc_frame *out)
{
    layout *l = (layout *)stage;
    int64_t mark;
    int ret;

    if (!l->ahead.stereo[0] && !l->last)
        l->last = begin(l);
    if (!l->ahead.stereo[0])
        return l->last;
    sc_frame_move(out, &l->ahead);
    mark = l->mark;
    if (!l->last)
        l->last = begin(l);
    SC_TRY(sc_exec_reach(l->c->x, mark));
    for (int k = 0; k < l->c->set->outputs; k++)
        for (int i = 0; i < 2 && l->picture[k].part[i] != SC_PART_NONE; i++)
            pad(&l->picture[k], out->stereo[k], i);
    return 0;
fail:
    sc_frame_clear(out);
    return l->last = ret;
}

static void measure(sc_exec *x, void *arg)
{
    const layout *l = arg;
    const int w = l->c->video->width, h = l->c->video->height;
    const sc_image image = { .t = sc_tensor_make(NULL, SC_F32, SC_DIMS(h, w, 3)) };
    const sc_frame f = { .left = image,
                         .right = image,
                         .disp = { .t = sc_tensor_make(NULL, SC_F32, SC_DIMS(h, w, 1)) } };
    const sc_frame part = crop(l, &f);
    const sc_mark m = sc_push(x);

    for (int k = 0; k < l->c->set->outputs; k++)
        for (int i = 0; i < 2 && l->picture[k].part[i] != SC_PART_NONE; i++) {
            draw(x, l->picture[k].eye, l->c->video, &part, l->picture[k].part[i], l->picture[k].sphere);
            sc_pop(x, m);
        }
    if (l->sidecar)
        draw(x, l->sidecar, &l->sidecar_info, &f, SC_PART_DISPARITY, NULL);
    sc_pop(x, m);
}

static void layout_close(sc_stage *stage)
{
    layout *l = (layout *)stage;

    for (int i = 0; i < SC_MAX_OUTPUTS; i++)
        av_frame_free(&l->picture[i].eye), sc_sphere_close(&l->picture[i].sphere);
    av_frame_free(&l->sidecar);
    sc_frame_clear(&l->ahead);
    free(l);
}

static int open_picture(picture *p, const sc_context *c, const sc_output *o, enum AVPixelFormat format)
{
    const sc_video_info shown = sc_shown(c->set, c->video);
    AVRational sar;
    int ret;

    p->grid = &sc_grids[o->layout];
    p->part = sc_arrange_parts(o->layout);
    p->format = format;
    sc_layout_size(o, &shown, &p->width, &p->height, &sar);
    SC_TRY(sc_shape_new(&p->eye, format, p->width / p->grid->columns, p->height / p->grid->rows));
    sc_writer_eyes(o->layout, format, &p->width, &p->height, &p->pitch_x, &p->pitch_y);
    p->height *= p->grid->frames; /* the writer takes them apart */
    if (p->grid->sphere)
        SC_TRY(sc_sphere_open(&p->sphere, c, &shown, o->fov));
fail:
    return ret;
}

int sc_layout_open(sc_stage **out, const sc_context *c, sc_stage *from, const enum AVPixelFormat *format)
{
    const sc_video_info *v = c->video;
    layout *l = calloc(1, sizeof(*l));
    int ret;

    if (!l)
        return -ENOMEM;
    l->stage = (sc_stage){ .next = layout_next, .close = layout_close, .name = "layout", .from = from };
    l->c = c;
    for (int i = 0; i < c->set->outputs; i++)
        SC_TRY(open_picture(&l->picture[i], c, &c->set->output[i], format[i]));
    if (c->set->export_depth) {
        l->sidecar_info = (sc_video_info){
            .width = v->width, .height = v->height, .format = AV_PIX_FMT_GRAY16LE, .range = AVCOL_RANGE_JPEG
        };
        SC_TRY(sc_shape_new(&l->sidecar, AV_PIX_FMT_GRAY16LE, v->width, v->height));
    }
    l->stage.arena = sc_measure(c->x, measure, l, NULL);
    *out = &l->stage;
    return 0;
fail:
    layout_close(&l->stage);
    return ret;
}
