#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <stdlib.h>
#include <string.h>

#include "arrange.h"
#include "stages.h"
#include "../layouts.h"
#include "../ops.h"
#include "../video/image.h"

typedef struct picture { /* of one output */
    const sc_grid *grid;
    const sc_part *part;
    enum AVPixelFormat format;
    int width, height;    /* of the film's frames */
    int pitch_x, pitch_y; /* from one eye to the next: its size, padded where chroma cannot be cut */
    AVFrame *eye;         /* one eye on its way from the device */
} picture;

typedef struct layout {
    sc_stage stage;
    const sc_context *c;
    picture picture[SC_MAX_OUTPUTS]; /* as many as the settings have outputs */
    AVFrame *sidecar;                /* the exported disparity on its way from the device, or NULL */
    sc_video_info sidecar_info;
} layout;

/* Half of a size, even, so that the common formats can be cut there. */
static int half(int size)
{
    return FFALIGN((size + 1) / 2, 2);
}

void sc_layout_size(int kind, const sc_video_info *v, int *w, int *h, AVRational *sar)
{
    const sc_grid *s = &sc_grids[kind];
    const AVRational square = { 1, 1 }, from = v->sar.num ? v->sar : square;

    *w = s->columns * (s->half && s->columns > 1 ? half(v->width) : v->width);
    *h = s->rows * (s->half && s->rows > 1 ? half(v->height) : v->height);
    *sar = v->sar;
    /* A half layout is shown in the shape of the source, as televisions expect; rounding to even is made up
     * for. */
    if (s->half && (*w != v->width || *h != v->height))
        *sar = av_mul_q(from, av_mul_q((AVRational){ v->width, *w }, (AVRational){ *h, v->height }));
}

/* Draws one part in the host frame `packed`, in its format and size. */
static void draw(sc_exec *x, const AVFrame *packed, const sc_video_info *v, const sc_frame *f, sc_part part)
{
    const sc_mark m = sc_push(x);
    /* Made pictures lie between codes; dithering keeps what lies on one. */
    sc_image_out_args a = { .x = sc_arrange_resized(x, sc_arrange(x, f, part), packed->width, packed->height),
                            .dither = true };

    sc_pixels_new(x, &a.px, packed, v);
    sc_image_out_into(x, &a);
    sc_pixels_download(x, packed, &a.px);
    sc_pop(x, m);
}

/* ---- the host's side */

/* Copies the picture `from` into the film's frame at eye `number`, plane by plane. */
static void place(const picture *p, AVFrame *to, const AVFrame *from, int number)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(p->format);
    const int x = p->grid->columns > 1 ? number * p->pitch_x : 0;
    const int y = sc_grid_down(p->grid) > 1 ? number * p->pitch_y : 0;

    for (int i = 0; i < av_pix_fmt_count_planes(p->format); i++) {
        const int ch = i == 1 || i == 2 ? d->log2_chroma_h : 0;
        uint8_t *at = to->data[i] + (y >> ch) * to->linesize[i] + av_image_get_linesize(p->format, x, i);
        av_image_copy_plane(at, to->linesize[i], from->data[i], from->linesize[i],
                            av_image_get_linesize(p->format, p->eye->width, i),
                            AV_CEIL_RSHIFT(p->eye->height, ch));
    }
}

/* Chroma covers a padded eye by itself; luma's last column and row are repeated. */
static void pad(const picture *p, AVFrame *f, int number)
{
    const AVComponentDescriptor *luma = &av_pix_fmt_desc_get(p->format)->comp[0];
    const size_t bytes = luma->depth > 8 ? 2 : 1;
    const int x = p->grid->columns > 1 ? number * p->pitch_x : 0;
    const int y = sc_grid_down(p->grid) > 1 ? number * p->pitch_y : 0;
    const int stride = f->linesize[luma->plane];
    uint8_t *first = f->data[luma->plane] + luma->offset + y * stride + x * luma->step;

    for (int row = 0; row < p->eye->height; row++)
        for (int col = p->eye->width; col < p->pitch_x; col++)
            memcpy(first + row * stride + col * luma->step,
                   first + row * stride + (p->eye->width - 1) * luma->step, bytes);
    for (int row = p->eye->height; row < p->pitch_y; row++)
        for (int col = 0; col < p->pitch_x; col++)
            memcpy(first + row * stride + col * luma->step,
                   first + (p->eye->height - 1) * stride + col * luma->step, bytes);
}

static int new_film_frame(const picture *p, AVFrame **out, const AVFrame *src)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(p->format);
    AVFrame *f = av_frame_alloc();
    int ret;

    if (!f)
        return AVERROR(ENOMEM);
    *out = f;
    f->format = p->format;
    f->width = p->width;
    f->height = p->height;
    SC_TRY(av_frame_get_buffer(f, 0));
    if (d->flags & AV_PIX_FMT_FLAG_RGB && !(d->flags & AV_PIX_FMT_FLAG_PLANAR))
        memset(f->data[0], 0, (size_t)f->linesize[0] * (size_t)f->height); /* the x of bgr0 */
    ret = av_frame_copy_props(f, src);
fail:
    return ret;
}

/* ---- the stage */

static int lay_out(const layout *l, const picture *p, sc_frame *f, AVFrame **stereo)
{
    const bool same = sc_pixels_same(p->format, l->c->video->format) && f->src->width == p->eye->width &&
                      f->src->height == p->eye->height;
    int ret;

    SC_TRY(new_film_frame(p, stereo, f->src));
    for (int i = 0; i < 2 && p->part[i] != SC_PART_NONE; i++) {
        if (same && sc_arrange_is_source(f, p->part[i])) { /* the source's own codes */
            place(p, *stereo, f->src, i);
        } else {
            draw(l->c->x, p->eye, l->c->video, f, p->part[i]);
            SC_TRY(sc_exec_wait(l->c->x));
            place(p, *stereo, p->eye, i);
        }
        pad(p, *stereo, i);
    }
    (*stereo)->pts = f->pts;
    return 0;
fail:
    return ret;
}

static int export_disparity(const layout *l, sc_frame *f)
{
    int ret;

    SC_TRY(sc_packed_new(&f->sidecar, AV_PIX_FMT_GRAY16LE, l->sidecar_info.width, l->sidecar_info.height));
    SC_TRY(av_frame_copy_props(f->sidecar, f->src));
    draw(l->c->x, f->sidecar, &l->sidecar_info, f, SC_PART_DISPARITY);
    SC_TRY(sc_exec_wait(l->c->x));
    f->sidecar->pts = f->pts;
    return 0;
fail:
    return ret;
}

static int layout_next(sc_stage *stage, sc_frame *out)
{
    layout *l = (layout *)stage;
    int ret;

    SC_TRY(sc_stage_next(stage->from, out));
    for (int i = 0; i < l->c->set->outputs; i++)
        SC_TRY(lay_out(l, &l->picture[i], out, &out->stereo[i]));
    if (l->c->set->export_depth)
        SC_TRY(export_disparity(l, out));
    return 0;
fail:
    sc_frame_clear(out);
    return ret;
}

static void measure(sc_exec *x, void *arg)
{
    const layout *l = arg;
    const int w = l->c->video->width, h = l->c->video->height;
    const sc_image image = { .t = sc_tensor_make(NULL, SC_F32, SC_DIMS(h, w, 3)) };
    const sc_frame f = { .left = image,
                         .right = image,
                         .disp = { .t = sc_tensor_make(NULL, SC_F32, SC_DIMS(h, w, 1)) } };

    for (int k = 0; k < l->c->set->outputs; k++)
        for (int i = 0; i < 2 && l->picture[k].part[i] != SC_PART_NONE; i++)
            draw(x, l->picture[k].eye, l->c->video, &f, l->picture[k].part[i]);
    if (l->sidecar)
        draw(x, l->sidecar, &l->sidecar_info, &f, SC_PART_DISPARITY);
}

static void layout_close(sc_stage *stage)
{
    layout *l = (layout *)stage;

    for (int i = 0; i < SC_MAX_OUTPUTS; i++)
        av_frame_free(&l->picture[i].eye);
    av_frame_free(&l->sidecar);
    free(l);
}

static int open_picture(picture *p, int kind, const sc_video_info *v, enum AVPixelFormat format)
{
    AVRational sar;
    int ret;

    p->grid = &sc_grids[kind];
    p->part = sc_arrange_parts(kind);
    p->format = format;
    sc_layout_size(kind, v, &p->width, &p->height, &sar);
    SC_TRY(sc_packed_new(&p->eye, format, p->width / p->grid->columns, p->height / p->grid->rows));
    sc_writer_eyes(kind, format, &p->width, &p->height, &p->pitch_x, &p->pitch_y);
    p->height *= p->grid->frames; /* the writer takes them apart */
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
        SC_TRY(open_picture(&l->picture[i], c->set->output[i].layout, v, format[i]));
    if (c->set->export_depth) {
        l->sidecar_info = (sc_video_info){
            .width = v->width, .height = v->height, .format = AV_PIX_FMT_GRAY16LE, .range = AVCOL_RANGE_JPEG
        };
        SC_TRY(sc_packed_new(&l->sidecar, AV_PIX_FMT_GRAY16LE, v->width, v->height));
    }
    l->stage.arena = sc_measure(c->x, measure, l, NULL);
    *out = &l->stage;
    return 0;
fail:
    layout_close(&l->stage);
    return ret;
}
