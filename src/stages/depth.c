#include <math.h>
#include <stdio.h>

#include "depth.h"

static const float far_quantile = 0.01f, near_quantile = 0.99f;
static const double scale_seconds = 2; /* over which the scale of a shot is averaged */

void sc_depth_scale_begin(sc_depth_scale *s, const sc_video_info *v)
{
    const double fps =
        v->frame_rate.num > 0 && v->frame_rate.den > 0 ? (double)v->frame_rate.num / v->frame_rate.den : 25;

    *s = (sc_depth_scale){ .most = SC_CLAMP((int)lrint(scale_seconds * fps), 10, 240) };
}

void sc_depth_scale_measure(sc_exec *x, float *far, float *near, sc_tensor disp)
{
    const sc_mark m = sc_push(x);
    const sc_tensor range = sc_new(x, SC_F32, SC_DIMS(2));
    float q[2];

    sc_minmax_into(x,
                   &(sc_minmax_args){ .y = range, .x = disp, .q_lo = far_quantile, .q_hi = near_quantile });
    sc_download(x, q, range);
    *far = q[0];
    *near = q[1];
    sc_pop(x, m);
}

void sc_depth_scale_add(sc_depth_scale *s, float far, float near)
{
    s->seen = SC_MIN(s->seen + 1, s->most);
    s->far += (far - s->far) / (float)s->seen;
    s->near += (near - s->near) / (float)s->seen;
}

int sc_depth_triples(int h, int w)
{
    return (h * w + 2) / 3;
}

int sc_depth_buffer(const sc_context *c, sc_image *buffer, int h, int w, const sc_image *screen)
{
    const int n = sc_depth_triples(h, w);
    int ret;

    SC_TRY(sc_image_new(c->pools, buffer, 1, n, 3));
    /* sc_colour() multiplies what fills the last triple up by 0: with what memory may hold, that is not 0. */
    const sc_tensor last = sc_slice(buffer->t, 1, n - 1, 1);
    sc_copy_into(c->x, last, sc_broadcast(screen->t, 3, last.dim));
    return 0;
fail:
    return ret;
}

sc_tensor sc_depth_plane(sc_tensor buffer, int64_t h, int64_t w)
{
    return sc_tensor_make(buffer.data, SC_F32, SC_DIMS(1, h, w, 1));
}

sc_tensor sc_depth_part(sc_tensor image, sc_rect r)
{
    return sc_batch(sc_crop(image, r));
}

void sc_depth_unit(sc_exec *x, sc_tensor unit, sc_tensor buffer, const sc_depth_scale *s, float least)
{
    const float gain = 1 / SC_MAX(s->near - s->far, least), shift = 0.5f - gain * (s->far + s->near) / 2;

    sc_colour_into(x, &(sc_colour_args){ .y = unit,
                                         .a = buffer,
                                         .m1 = { gain, 0, 0, 0, gain, 0, 0, 0, gain },
                                         .t = { shift, shift, shift },
                                         .hi = 1 });
}

void sc_depth_raw(sc_frame *f, sc_image *buffer, int h, int w)
{
    f->disp = *buffer;
    f->disp.t = sc_tensor_make(buffer->t.data, SC_F32, SC_DIMS(h, w, 1));
    *buffer = (sc_image){ 0 };
}

static sc_colour_space transfer(const sc_video_info *v)
{
    if (v->transfer == AVCOL_TRC_SMPTE2084)
        return SC_PQ;
    return v->transfer == AVCOL_TRC_ARIB_STD_B67 ? SC_HLG : SC_RGB;
}

void sc_depth_shrink(sc_exec *x, sc_tensor graded, sc_tensor small, sc_tensor picture, const sc_video_info *v)
{
    sc_resize_into(x, &(sc_resize_args){ .y = small, .x = picture, .mode = SC_BILINEAR, .antialias = true });
    sc_colour_into(
        x, &(sc_colour_args){
               .y = graded, .a = small, .m1 = { 1, 0, 0, 0, 1, 0, 0, 0, 1 }, .hi = 1, .from = transfer(v) });
}

int sc_depth_screen(const sc_context *c, sc_image *screen)
{
    const float disparity = (float)c->set->convergence;
    int ret;

    SC_TRY(sc_image_new(c->pools, screen, 1, 1, 1));
    sc_upload(c->x, screen->t, &disparity);
    SC_TRY(sc_exec_wait(c->x));
    return 0;
fail:
    return ret;
}

int sc_depth_begin(const sc_context *c, sc_frame *f, const sc_image *screen)
{
    const int h = c->video->height, w = c->video->width;
    int ret;

    SC_TRY(sc_image_new(c->pools, &f->disp, h, w, 1));
    if (f->active.w < w || f->active.h < h)
        sc_copy_into(c->x, f->disp.t, sc_broadcast(screen->t, 3, f->disp.t.dim));
    return 0;
fail:
    return ret;
}

int sc_depth_open(sc_stage **s, const sc_context *c, sc_stage *from)
{
    sc_model_files files;
    const char *missing = c->models ? sc_models_depth(&files, c->models) : "";

    if (!missing)
        return sc_depth_svd_open(s, c, from, &files);
    if (c->models)
        sc_log(c->log, SC_LOG_WARNING, "depth", "%s: no folder %s", c->models, missing);
    return sc_depth_quick_open(s, c, from);
}
