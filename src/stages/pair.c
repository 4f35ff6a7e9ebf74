#include "pair.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "arrange.h"
#include "disparity.h"
#include "fit.h"
#include "likeness.h"
#include "score.h"
#include "../ops.h"
#include "../video/image.h"

/* Pictures are matched at this width: to a tenth of a pixel, so to 0.02 % of the width. */
enum { GRID = 480, PARTS_X = 32, PARTS_Y = 18 };
/* What is looked for, of the width: Middlebury's Motorcycle has 8.6 %, a film for the cinema 3. */
static const double most_shift = 0.1;

typedef struct grid { /* of one frame, on the host; allocated in one piece */
    int w, h;
    float *rgb, *left, *other, *of_left, *of_right, *disp; /* [h,w,3], the others [h,w] */
} grid;

static int open_grid(grid *g, const sc_video_info *v)
{
    g->w = SC_MIN(v->width, GRID);
    g->h = SC_MAX((int)lrint((double)v->height * g->w / v->width), 1);
    const size_t n = (size_t)g->w * (size_t)g->h;
    if (!(g->rgb = calloc(8 * n, sizeof(float))))
        return -ENOMEM;
    g->left = g->rgb + 3 * n;
    g->other = g->left + n;
    g->of_left = g->other + n;
    g->of_right = g->of_left + n;
    g->disp = g->of_right + n;
    return 0;
}

static void to_luma(float *y, const float *rgb, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = 0.299f * rgb[3 * i] + 0.587f * rgb[3 * i + 1] + 0.114f * rgb[3 * i + 2];
}

/* Luma of a picture in the grid's size; waits. */
static int read_luma(sc_exec *x, const grid *g, float *y, sc_tensor picture)
{
    const sc_mark m = sc_push(x);
    int ret;

    sc_download(x, g->rgb, sc_arrange_resized(x, picture, g->w, g->h));
    sc_pop(x, m);
    if ((ret = sc_exec_wait(x)) >= 0)
        to_luma(y, g->rgb, (int64_t)g->w * g->h);
    return ret;
}

/* g->left and g->other are matched into g->of_left and g->of_right. */
static int match(const grid *g)
{
    return sc_disparity_match(g->of_left, g->of_right, g->left, g->other, g->w, g->h,
                              SC_MAX((int)lrint(most_shift * g->w), 1));
}

/* ---- the true eye, and one that was made elsewhere */

typedef struct film {
    sc_reader *reader;
    const char *path;
    AVFrame *packed; /* a picture on its way to the device */
} film;

typedef struct truth {
    sc_stage stage;
    const sc_context *c;
    film real, made;
    grid grid;
    sc_line line; /* grid pixels over the network's disparity, of the shot so far */
    int64_t frames;
} truth;

static int open_film(film *f, const sc_context *c, const char *path, int half)
{
    const sc_settings *s = c->set;
    const sc_reader_options o = { .path = path,
                                  .start = s->start,
                                  .end = s->end,
                                  .duration = s->duration,
                                  .frames = s->frames,
                                  .threads = s->threads,
                                  .half = half,
                                  .video_only = true };
    const sc_video_info *v;
    int ret;

    SC_TRY(sc_reader_open(&f->reader, &o, c->log));
    f->path = path;
    v = sc_reader_info(f->reader);
    if (path == s->made && !half && v->width == 2 * c->video->width) { /* both eyes: the right one */
        sc_reader_close(&f->reader);
        return open_film(f, c, path, SC_HALF_RIGHT);
    }
    if (v->width != c->video->width || v->height != c->video->height)
        return sc_fail(c->log, SC_ERR_USAGE, "score", "--score: %s is %dx%d, the left eye %dx%d", path,
                       v->width, v->height, c->video->width, c->video->height);
    SC_TRY(sc_packed_new(&f->packed, v->format, v->width, v->height));
    SC_TRY(sc_reader_start(f->reader, NULL, 0));
fail:
    return ret;
}

static void close_film(film *f)
{
    sc_reader_close(&f->reader);
    av_frame_free(&f->packed);
}

static void picture_in(sc_exec *x, const film *f, sc_tensor picture)
{
    const sc_mark m = sc_push(x);
    sc_image_in_args a = { .y = picture };

    sc_pixels_new(x, &a.px, f->packed, sc_reader_info(f->reader));
    sc_pixels_upload(x, &a.px, f->packed);
    sc_image_in_into(x, &a);
    sc_pop(x, m);
}

static int read_film(truth *t, film *f, sc_image *to)
{
    const sc_context *c = t->c;
    AVFrame *picture = NULL;
    int ret;

    if ((ret = sc_reader_next(f->reader, &picture)) == SC_EOF)
        return sc_fail(c->log, SC_ERR_INPUT, "score", "--score: %s has %lld frames, the left eye more",
                       f->path, (long long)t->frames);
    SC_TRY(ret);
    SC_TRY(av_frame_copy(f->packed, picture));
    SC_TRY(sc_image_new(c->pools, to, c->video->height, c->video->width, 3));
    picture_in(c->x, f, to->t);
    ret = sc_exec_wait(c->x);
fail:
    av_frame_free(&picture);
    return ret;
}

static void read_disparity(sc_exec *x, const grid *g, sc_tensor disp)
{
    const sc_mark m = sc_push(x);
    const sc_tensor small = sc_new(x, SC_F32, SC_DIMS(1, g->h, g->w, 1));

    sc_resize_into(x, &(sc_resize_args){ .y = small, .x = sc_batch(disp), .mode = SC_AREA });
    sc_download(x, g->disp, small);
    sc_pop(x, m);
}

/* The picture alone is warped: what bars show says nothing. */
static void leave_out_bars(const grid *g, const sc_frame *f)
{
    const double scale = (double)g->w / (double)f->left.t.dim[1];

    for (int r = 0; r < g->h; r++)
        for (int c = 0; c < g->w; c++) {
            const double x = (c + 0.5) / scale - f->active.x, y = (r + 0.5) / scale - f->active.y;

            if (x < 0 || y < 0 || x >= f->active.w || y >= f->active.h)
                g->of_left[r * g->w + c] = NAN;
        }
}

/* Least strength: what is flat has a place too, which convergence alone cannot give without strength. */
static const double least_strength = 1e-4;

static int fit(truth *t, sc_frame *f)
{
    const grid *g = &t->grid;
    double scale, shift;
    int ret;

    read_disparity(t->c->x, g, f->disp.t);
    SC_TRY(read_luma(t->c->x, g, g->left, f->left.t));
    SC_TRY(read_luma(t->c->x, g, g->other, f->truth.t));
    SC_TRY(match(g));
    leave_out_bars(g, f);
    if (f->flags & SC_FRAME_CUT)
        t->line = (sc_line){ 0 };
    sc_line_add(&t->line, g->disp, g->of_left, (int64_t)g->w * g->h);
    sc_line_solve(&t->line, &scale, &shift);
    /* Percent of the width of the picture without bars, as the warp has it. */
    const double percent = 100 / ((double)g->w * f->active.w / (double)f->left.t.dim[1]);
    const double strength = SC_MAX(scale * percent, least_strength);
    f->max_disparity = (float)strength;
    f->convergence = (float)(-shift * percent / strength);
fail:
    return ret;
}

static int truth_next(sc_stage *stage, sc_frame *out)
{
    truth *t = (truth *)stage;
    int ret;

    SC_TRY(sc_stage_next(stage->from, out));
    SC_TRY(read_film(t, &t->real, &out->truth));
    SC_TRY(t->made.reader ? read_film(t, &t->made, &out->right) : fit(t, out));
    t->frames++;
    return 0;
fail:
    return ret;
}

static void truth_close(sc_stage *stage)
{
    truth *t = (truth *)stage;

    close_film(&t->real);
    close_film(&t->made);
    free(t->grid.rgb);
    free(t);
}

static void measure_truth(sc_exec *x, void *arg)
{
    const truth *t = arg;
    const sc_video_info *v = t->c->video;
    const sc_tensor picture = sc_new(x, SC_F32, SC_DIMS(v->height, v->width, 3));

    picture_in(x, &t->real, picture);
    read_luma(x, &t->grid, t->grid.left, picture);
    read_disparity(x, &t->grid, sc_tensor_make(NULL, SC_F32, SC_DIMS(v->height, v->width, 1)));
}

int sc_truth_open(sc_stage **out, const sc_context *c, sc_stage *from)
{
    const sc_settings *s = c->set;
    truth *t = calloc(1, sizeof(*t));
    int ret;

    if (!t)
        return sc_fail(c->log, -ENOMEM, "score", "out of memory");
    *t = (truth){ .stage = { .next = truth_next, .close = truth_close, .name = "score", .from = from },
                  .c = c };
    SC_TRY(open_grid(&t->grid, c->video));
    SC_TRY(open_film(&t->real, c, s->truth ? s->truth : s->input, s->truth ? SC_HALF_NONE : SC_HALF_RIGHT));
    if (s->made)
        SC_TRY(open_film(&t->made, c, s->made, SC_HALF_NONE));
    t->stage.arena = sc_measure(c->x, measure_truth, t, NULL);
    t->stage.images = 2 * sc_image_bytes(c->video->height, c->video->width, 3);
    *out = &t->stage;
    return 0;
fail:
    truth_close(&t->stage);
    return ret;
}

/* ---- the judge */

typedef struct judge {
    sc_stage stage;
    const sc_context *c;
    grid grid;
    float *rgb, *luma[3];     /* [H,W,3] and three [H,W]: the picture, the true one, the left one */
    float *real, *real_right; /* [grid] the true disparity, of either eye */
} judge;

static double colour_distance(sc_exec *x, sc_tensor a, sc_tensor b)
{
    const sc_tensor of[2] = { a, b };
    float lab[2][PARTS_X * PARTS_Y * 3];
    double sum = 0;

    memset(lab, 0, sizeof(lab));
    for (int k = 0; k < 2; k++) {
        const sc_mark m = sc_push(x);
        const sc_tensor parts = sc_arrange_resized(x, of[k], PARTS_X, PARTS_Y), y = sc_new_like(x, parts);

        sc_colour_into(
            x, &(sc_colour_args){ .y = y, .a = parts, .m1 = { [0] = 1, [4] = 1, [8] = 1 }, .to = SC_LAB });
        sc_download(x, lab[k], y);
        sc_pop(x, m);
    }
    if (sc_exec_wait(x) < 0)
        return NAN;
    for (int i = 0; i < PARTS_X * PARTS_Y; i++) {
        const float *p = &lab[0][3 * i], *q = &lab[1][3 * i];

        sum += sqrt((p[0] - q[0]) * (p[0] - q[0]) + (p[1] - q[1]) * (p[1] - q[1]) +
                    (p[2] - q[2]) * (p[2] - q[2]));
    }
    return sum / (PARTS_X * PARTS_Y);
}

/* Of the matched disparity in the grid to the true one. */
static double disparity_distance(const judge *j)
{
    const int64_t n = (int64_t)j->grid.w * j->grid.h;
    sc_line line = { 0 }, level = { 0 };
    double scale, shift, none, mean, sum = 0, known = 0;

    memset(j->grid.disp, 0, (size_t)n * sizeof(float));
    sc_line_add(&level, j->grid.disp, j->real, n);
    sc_line_solve(&level, &none, &mean);
    sc_line_add(&line, j->grid.of_left, j->real, n);
    sc_line_solve(&line, &scale, &shift);
    for (int64_t i = 0; i < n; i++) {
        const double guess = isnan(j->grid.of_left[i]) ? mean : scale * j->grid.of_left[i] + shift;

        if (isnan(j->real[i]))
            continue;
        sum += fabs(guess - j->real[i]);
        known++;
    }
    return known > 0 ? 100 * sum / known / j->grid.w : NAN;
}

static int read_whole(const judge *j, float *luma, sc_tensor picture)
{
    int ret;

    sc_download(j->c->x, j->rgb, picture);
    if ((ret = sc_exec_wait(j->c->x)) >= 0)
        to_luma(luma, j->rgb, picture.dim[0] * picture.dim[1]);
    return ret;
}

/* Of a picture whose luma is j->luma[0]. */
static int compare(const judge *j, sc_likeness *l, sc_tensor picture, const sc_frame *f)
{
    const int w = j->c->video->width, h = j->c->video->height;
    sc_score_frame whole;
    int ret;

    SC_TRY(sc_score_pictures(j->c->x, &whole, picture, f->truth.t));
    SC_TRY(read_whole(j, j->luma[0], picture));
    SC_TRY(read_luma(j->c->x, &j->grid, j->grid.other, picture));
    SC_TRY(match(&j->grid));
    l->mse = whole.mse;
    l->ssim = whole.ssim;
    if ((l->siou = sc_likeness_siou(j->luma[0], j->luma[1], j->luma[2], w, h)) < 0)
        SC_TRY(-ENOMEM);
    l->disparity = disparity_distance(j);
    l->seam = sc_likeness_seam(j->luma[0], j->luma[1], w, h, j->real_right, j->grid.w, j->grid.h);
    l->colour = colour_distance(j->c->x, picture, f->truth.t);
fail:
    return ret;
}

static int judge_frame(judge *j, sc_pair_frame *p, const sc_frame *f)
{
    const size_t n = (size_t)j->grid.w * (size_t)j->grid.h * sizeof(float);
    int ret;

    p->max_disparity = f->max_disparity;
    p->convergence = f->convergence;
    SC_TRY(read_whole(j, j->luma[1], f->truth.t));
    SC_TRY(read_whole(j, j->luma[2], f->left.t));
    SC_TRY(read_luma(j->c->x, &j->grid, j->grid.left, f->left.t));
    SC_TRY(read_luma(j->c->x, &j->grid, j->grid.other, f->truth.t));
    SC_TRY(match(&j->grid));
    memcpy(j->real, j->grid.of_left, n);
    memcpy(j->real_right, j->grid.of_right, n);
    SC_TRY(compare(j, &p->made, f->right.t, f));
    SC_TRY(compare(j, &p->floor, f->left.t, f));
fail:
    return ret;
}

static int add(const sc_context *c, const sc_pair_frame *f)
{
    sc_pair *p = c->pair;

    if (p->frames == p->room) {
        const int64_t room = 2 * p->room + 256;
        sc_pair_frame *more = realloc(p->frame, (size_t)room * sizeof(*more));

        if (!more)
            return sc_fail(c->log, -ENOMEM, "score", "out of memory");
        p->frame = more;
        p->room = room;
    }
    sc_log(c->log, SC_LOG_DEBUG, "score",
           "frame %lld: PSNR %.2f dB (%.2f), SSIM %.4f (%.4f), SIoU %.4f (%.4f)", (long long)p->frames,
           sc_score_psnr(f->made.mse), sc_score_psnr(f->floor.mse), f->made.ssim, f->floor.ssim, f->made.siou,
           f->floor.siou);
    p->frame[p->frames++] = *f;
    return 0;
}

static int judge_next(sc_stage *stage, sc_frame *out)
{
    judge *j = (judge *)stage;
    sc_pair_frame p = { 0 };
    int ret;

    SC_TRY(sc_stage_next(stage->from, out));
    if ((ret = judge_frame(j, &p, out)) == -ENOMEM)
        sc_fail(j->c->log, ret, "score", "out of memory");
    SC_TRY(ret);
    SC_TRY(add(j->c, &p));
    sc_image_unref(&out->truth);
    return 0;
fail:
    return ret;
}

static void judge_close(sc_stage *stage)
{
    judge *j = (judge *)stage;

    free(j->grid.rgb);
    free(j->rgb);
    free(j->real);
    free(j);
}

static void measure_judge(sc_exec *x, void *arg)
{
    const judge *j = arg;
    const sc_video_info *v = j->c->video;
    const sc_tensor picture = sc_tensor_make(NULL, SC_F32, SC_DIMS(v->height, v->width, 3));
    sc_score_frame whole;

    sc_score_pictures(x, &whole, picture, picture);
    read_luma(x, &j->grid, j->grid.left, picture);
    colour_distance(x, picture, picture);
}

int sc_judge_open(sc_stage **out, const sc_context *c, sc_stage *from)
{
    const size_t n = (size_t)c->video->width * (size_t)c->video->height;
    judge *j = calloc(1, sizeof(*j));
    int ret;

    if (!j)
        return sc_fail(c->log, -ENOMEM, "score", "out of memory");
    *j = (judge){ .stage = { .next = judge_next, .close = judge_close, .name = "score", .from = from },
                  .c = c };
    if ((ret = open_grid(&j->grid, c->video)) < 0 || !(j->rgb = malloc(6 * n * sizeof(float))) ||
        !(j->real = malloc(2 * (size_t)j->grid.w * (size_t)j->grid.h * sizeof(float))))
        SC_TRY(sc_fail(c->log, -ENOMEM, "score", "out of memory"));
    for (int i = 0; i < 3; i++)
        j->luma[i] = j->rgb + (3 + (size_t)i) * n;
    j->real_right = j->real + (size_t)j->grid.w * (size_t)j->grid.h;
    j->stage.arena = sc_measure(c->x, measure_judge, j, NULL);
    *out = &j->stage;
    return 0;
fail:
    judge_close(&j->stage);
    return ret;
}

/* ---- figures */

sc_pair_frame sc_pair_mean(const sc_pair *p)
{
    enum { VALUES = sizeof(sc_pair_frame) / sizeof(double) }; /* it has nothing else */
    double sum[VALUES] = { 0 }, count[VALUES] = { 0 };
    sc_pair_frame mean;

    for (int64_t i = 0; i < p->frames; i++) {
        double v[VALUES];

        memcpy(v, &p->frame[i], sizeof(v));
        for (int k = 0; k < VALUES; k++)
            if (!isnan(v[k])) {
                sum[k] += v[k];
                count[k]++;
            }
    }
    for (int k = 0; k < VALUES; k++)
        sum[k] = count[k] > 0 ? sum[k] / count[k] : NAN;
    memcpy(&mean, sum, sizeof(mean));
    return mean;
}

void sc_pair_clear(sc_pair *p)
{
    free(p->frame);
    *p = (sc_pair){ 0 };
}
