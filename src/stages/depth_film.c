/* One scale of depth for a whole film: StereoCrafter depth_splatting_inference.py infer(), which takes from
 * all numbers of the enlarged disparities their least and divides by their span. That is known at the film's
 * end, so a first pass keeps what the network drew, as it is, in a file without a name, and a second reads it
 * back. */
#define _XOPEN_SOURCE 700 /* mkstemp */

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "depth.h"

/* Where the film's whole span is less, it is flat: 1000 steps of fp32 near 1. The reference divides by any.
 */
static const float least_span = 1000 * FLT_EPSILON;

static const double note_seconds = 10; /* between two lines of the first pass */

typedef struct record { /* before a frame's numbers in the spool */
    int h, w;
    sc_rect active;
} record;

typedef struct film {
    sc_stage stage;
    const sc_context *c;
    sc_context drawing; /* of the first pass: c, but for */
    sc_logger quiet;    /* what reading the film says, it says in the second pass */
    sc_reader *reader;  /* of the first pass, as is */
    sc_stage *first;    /* its chain; NULL once it is over */
    bool builtin;
    FILE *spool;
    float *numbers; /* of a frame */
    size_t capacity;
    sc_image screen;
    float far, near; /* of all frames */
    int64_t drawn;
} film;

/* out[1,H,W,1] = what the network drew of picture[1,H,W,3], plane[1,h,w,1]. */
static void enlarge(sc_exec *x, const film *f, sc_tensor out, sc_tensor plane, sc_tensor picture)
{
    if (f->builtin)
        sc_depth_quick_enlarge(x, f->c->video, out, plane, picture);
    else
        sc_depth_svd_enlarge(x, out, plane);
}

/* The least and the largest number of t. */
static void extremes(sc_exec *x, float range[2], sc_tensor t)
{
    const sc_mark m = sc_push(x);
    const sc_tensor y = sc_new(x, SC_F32, SC_DIMS(2));

    sc_minmax_into(x, &(sc_minmax_args){ .y = y, .x = t, .q_hi = 1 });
    sc_download(x, range, y);
    sc_pop(x, m);
}

static void measure(sc_exec *x, void *arg)
{
    const film *f = arg;
    const int64_t h = f->c->video->height, w = f->c->video->width;
    const sc_tensor picture = sc_tensor_make(NULL, SC_F32, SC_DIMS(1, h, w, 3));
    const sc_tensor plane = sc_new(x, SC_F32, SC_DIMS(1, h, w, 1));
    float range[2];

    enlarge(x, f, sc_new_like(x, plane), plane, picture);
    extremes(x, range, plane);
}

/* ---- the spool */

/* Beside the film that is made, where its size finds room too; else with what else is kept. It has no name
 * from the beginning, so that nothing can leave it behind. */
static int open_spool(film *f)
{
    const sc_settings *set = f->c->set;
    const char *out = set->output[0].path, *slash = out ? strrchr(out, '/') : NULL;
    const bool beside = out && !sc_is_pipe(out) && set->output[0].format != SC_FORMAT_NULL;
    char path[SC_MODELS_PATH];
    int fd = -1, ret = 0;

    if (beside)
        snprintf(path, sizeof(path), "%.*s.stereocrafter-XXXXXX", slash ? (int)(slash + 1 - out) : 0, out);
    else if (set->cache_dir && (ret = sc_make_folder(set->cache_dir, "depth", f->c->log)) < 0)
        return ret;
    else
        snprintf(path, sizeof(path), "%s/depth-XXXXXX", set->cache_dir ? set->cache_dir : ".");
    if ((fd = mkstemp(path)) < 0 || unlink(path) || !(f->spool = fdopen(fd, "w+b"))) {
        ret = sc_fail(f->c->log, SC_ERR_OUTPUT, "depth", "--depth-range film: %s cannot be made: %s", path,
                      strerror(errno));
        if (fd >= 0)
            close(fd);
    }
    return ret;
}

static int spool_failed(const film *f)
{
    const bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;

    return sc_fail(f->c->log, full ? SC_ERR_DISK_FULL : SC_ERR_OUTPUT, "depth",
                   "--depth-range film: no %lld frames of depth can be kept beside %s: %s",
                   (long long)f->drawn + 1, f->c->set->output[0].path ? f->c->set->output[0].path : "",
                   strerror(errno));
}

/* Room for n numbers on the host. */
static int reserve(film *f, size_t n)
{
    float *p = n > f->capacity ? realloc(f->numbers, n * sizeof(*p)) : f->numbers;

    if (!p)
        return sc_fail(f->c->log, -ENOMEM, "depth", "out of memory");
    f->numbers = p;
    f->capacity = SC_MAX(f->capacity, n);
    return 0;
}

/* ---- the first pass */

static int keep(film *f, const sc_frame *from)
{
    const record r = { (int)from->disp.t.dim[0], (int)from->disp.t.dim[1], from->active };
    const sc_tensor plane = sc_batch(from->disp.t), picture = sc_depth_part(from->left.t, r.active);
    const size_t n = (size_t)r.h * (size_t)r.w;
    sc_exec *x = f->c->x;
    const sc_mark m = sc_push(x);
    const sc_tensor large = sc_new(x, SC_F32, SC_DIMS(1, r.active.h, r.active.w, 1));
    float range[2] = { 0 };
    int ret;

    SC_TRY(reserve(f, n));
    enlarge(x, f, large, plane, picture);
    extremes(x, range, large);
    sc_download(x, f->numbers, plane);
    SC_TRY(sc_exec_wait(x));
    if (fwrite(&r, sizeof(r), 1, f->spool) != 1 || fwrite(f->numbers, sizeof(float), n, f->spool) != n)
        SC_TRY(spool_failed(f));
    f->far = f->drawn ? SC_MIN(f->far, range[0]) : range[0];
    f->near = f->drawn ? SC_MAX(f->near, range[1]) : range[1];
    f->drawn++;
    ret = 0;
fail:
    sc_pop(x, m);
    return ret;
}

static int draw_film(film *f)
{
    const long long frames = f->c->video->frames;
    double noted = sc_now();
    sc_frame from = { 0 };
    int ret;

    SC_TRY(open_spool(f));
    SC_TRY(sc_reader_start(f->reader, NULL, 0));
    sc_log(f->c->log, SC_LOG_INFO, "depth", "the whole film's depth first, for its range");
    while ((ret = sc_stage_next(f->first, &from)) >= 0 && (ret = keep(f, &from)) >= 0) {
        sc_frame_clear(&from);
        if (sc_now() > noted + note_seconds) {
            sc_log(f->c->log, SC_LOG_INFO, "depth", "frame %lld of %lld", (long long)f->drawn, frames);
            noted = sc_now();
        }
    }
    if (ret != SC_EOF)
        goto fail;
    if (fflush(f->spool) || fseek(f->spool, 0, SEEK_SET))
        SC_TRY(spool_failed(f));
    sc_log(f->c->log, SC_LOG_INFO, "depth", "of %lld frames: %.4f is far, %.4f near", (long long)f->drawn,
           f->far, f->near);
    sc_stage_close(&f->first);
    sc_reader_close(&f->reader);
    ret = 0;
fail:
    sc_frame_clear(&from);
    return ret;
}

/* ---- the second pass */

/* Not clamped: enlarging brings the numbers that are now outside back into 0..1, as the range is that of what
 * has been enlarged. */
static void normalise(sc_exec *x, const film *f, sc_tensor buffer)
{
    const float gain = 1 / SC_MAX(f->near - f->far, f->builtin ? sc_depth_quick_least : least_span);
    const float shift = 0.5f - gain * (f->far + f->near) / 2;

    sc_colour_into(x, &(sc_colour_args){ .y = buffer,
                                         .a = buffer,
                                         .m1 = { gain, 0, 0, 0, gain, 0, 0, 0, gain },
                                         .t = { shift, shift, shift } });
}

static int film_next(sc_stage *stage, sc_frame *out)
{
    film *f = (film *)stage;
    sc_exec *x = f->c->x;
    sc_image buffer = { 0 };
    record r = { 0 };
    size_t n;
    int ret;

    if (f->first)
        SC_TRY(draw_film(f));
    SC_TRY(sc_stage_next(stage->from, out));
    if (fread(&r, sizeof(r), 1, f->spool) != 1 || memcmp(&r.active, &out->active, sizeof(r.active)))
        SC_TRY(sc_fail(f->c->log, SC_ERR_INPUT, "depth", "%s: is another film when read again",
                       f->c->set->input));
    n = (size_t)r.h * (size_t)r.w;
    SC_TRY(reserve(f, n));
    if (fread(f->numbers, sizeof(float), n, f->spool) != n)
        SC_TRY(spool_failed(f));
    SC_TRY(sc_depth_buffer(f->c, &buffer, r.h, r.w, &f->screen));
    sc_upload(x, sc_depth_plane(buffer.t, r.h, r.w), f->numbers);
    normalise(x, f, buffer.t);
    SC_TRY(sc_depth_begin(f->c, out, &f->screen));
    enlarge(x, f, sc_depth_part(out->disp.t, r.active), sc_depth_plane(buffer.t, r.h, r.w),
            sc_depth_part(out->left.t, r.active));
    ret = sc_exec_wait(x);
fail:
    sc_image_unref(&buffer);
    return ret;
}

static void film_close(sc_stage *stage)
{
    film *f = (film *)stage;

    sc_stage_close(&f->first);
    sc_reader_close(&f->reader);
    if (f->spool)
        fclose(f->spool);
    sc_image_unref(&f->screen);
    free(f->numbers);
    free(f);
}

/* The passes follow one another, and have the same sizes of images, which come from the same pools. */
static int film_fit(sc_stage *stage)
{
    film *f = (film *)stage;
    int ret;

    f->drawing.plan = f->c->plan;
    if (!(stage->arena = sc_measure(f->c->x, measure, f, NULL)))
        return -EINVAL;
    stage->images = 0;
    for (sc_stage *s = f->first; s; s = s->from) {
        if (s->fit)
            SC_TRY(s->fit(s));
        stage->arena = SC_MAX(stage->arena, s->arena);
        stage->images += s->images;
    }
    return 0;
fail:
    return ret;
}

int sc_depth_film_open(sc_stage **out, const sc_context *c, sc_stage *from, const sc_reader *reader)
{
    sc_model_files files;
    film *f;
    int ret;

    if (!(f = calloc(1, sizeof(*f))))
        return sc_fail(c->log, -ENOMEM, "depth", "out of memory");
    f->stage =
        (sc_stage){ .next = film_next, .close = film_close, .name = "depth", .from = from, .fit = film_fit };
    f->c = c;
    f->builtin = !c->models || sc_models_depth(&files, c->models);
    if (c->log) {
        f->quiet = *c->log;
        f->quiet.level = SC_LOG_ERROR;
    }
    SC_TRY(sc_reader_again(&f->reader, reader, &f->quiet));
    f->drawing = *c;
    f->drawing.raw_depth = true;
    f->drawing.video = sc_reader_info(f->reader);
    SC_TRY(sc_source_open(&f->first, &f->drawing, f->reader));
    SC_TRY(sc_shots_open(&f->first, &f->drawing, f->first));
    SC_TRY(sc_depth_open(&f->first, &f->drawing, f->first));
    SC_TRY(sc_depth_screen(c, &f->screen));
    SC_TRY(film_fit(&f->stage));
    *out = &f->stage;
    return 0;
fail:
    film_close(&f->stage);
    return ret;
}
