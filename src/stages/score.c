#include "score.h"

#include <math.h>
#include <stdlib.h>

#include "../ops.h"
#include "arrange.h"

enum {
    BLOCK = 4, /* pixels; a window is two by two of them */
    SUMS = 5,  /* means over a block of a, b, aa, bb, ab */
};
/* (0.01 * range)^2 and (0.03 * range)^2, as the authors of SSIM have it; the latter as FFmpeg, whose
 * variances are of a sample of 64. */
static const double c1 = 1e-4, c2 = 9e-4 * 63 / 64;

typedef struct score {
    sc_stage stage;
    const sc_context *c;
} score;

double sc_score_psnr(double mse)
{
    return -10 * log10(mse);
}

sc_score_frame sc_score_mean(const sc_score *s)
{
    sc_score_frame mean = { 0 };

    for (int64_t i = 0; i < s->frames; i++) {
        mean.mse += s->frame[i].mse / (double)s->frames;
        mean.ssim += s->frame[i].ssim / (double)s->frames;
    }
    return mean;
}

void sc_score_clear(sc_score *s)
{
    free(s->frame);
    *s = (sc_score){ 0 };
}

static sc_tensor product(sc_exec *x, sc_tensor a, sc_tensor b)
{
    const sc_tensor y = sc_new_like(x, a);

    sc_mix_into(x, &(sc_mix_args){ .y = y, .m = a, .a = b, .b = sc_arrange_zeros(x, y.ndim, y.dim) });
    return y;
}

/* The mean of each block of t, whose sides are multiples of it, into sums[h,w,3]. */
static void blocks(sc_exec *x, sc_tensor sums, sc_tensor t)
{
    sc_resize_into(
        x, &(sc_resize_args){ .y = sc_reshape(sums, SC_DIMS(1, sums.dim[0], sums.dim[1], sums.dim[2])),
                              .x = sc_reshape(t, SC_DIMS(1, t.dim[0], t.dim[1], t.dim[2])),
                              .mode = SC_AREA });
}

/* sums[SUMS,h,w,3] of the part of both pictures that blocks cover. */
static void sum_up(sc_exec *x, sc_tensor sums, sc_tensor a, sc_tensor b)
{
    const sc_mark m = sc_push(x);
    const int64_t h = sums.dim[1] * BLOCK, w = sums.dim[2] * BLOCK;
    sc_tensor part[2] = { sc_new(x, SC_F32, SC_DIMS(h, w, 3)), sc_new(x, SC_F32, SC_DIMS(h, w, 3)) };

    sc_copy_into(x, part[0], sc_slice(sc_slice(a, 0, 0, h), 1, 0, w));
    sc_copy_into(x, part[1], sc_slice(sc_slice(b, 0, 0, h), 1, 0, w));
    for (int i = 0; i < 2; i++) {
        blocks(x, sc_index(sums, i), part[i]);
        blocks(x, sc_index(sums, 2 + i), product(x, part[i], part[i]));
    }
    blocks(x, sc_index(sums, 4), product(x, part[0], part[1]));
    sc_pop(x, m);
}

/* Of one channel in the window whose first block is s[0]; next: numbers from one row of blocks to the next.
 */
static double similarity(const float *s, int64_t plane, int64_t next)
{
    double v[SUMS];

    for (int i = 0; i < SUMS; i++) {
        const float *p = s + i * plane;
        v[i] = ((double)p[0] + p[3] + p[next] + p[next + 3]) / 4;
    }
    return (2 * v[0] * v[1] + c1) * (2 * (v[4] - v[0] * v[1]) + c2) /
           ((v[0] * v[0] + v[1] * v[1] + c1) * (v[2] - v[0] * v[0] + v[3] - v[1] * v[1] + c2));
}

/* Of what is smaller than a window there is none. */
static int mean_similarity(sc_exec *x, double *out, sc_tensor a, sc_tensor b)
{
    const int64_t h = a.dim[0] / BLOCK, w = a.dim[1] / BLOCK;
    const sc_mark m = sc_push(x);
    float *sums = NULL;
    double sum = 0;
    int ret = 0;

    *out = NAN;
    if (h < 2 || w < 2)
        return 0;
    const sc_tensor on_device = sc_new(x, SC_F32, SC_DIMS(SUMS, h, w, 3));
    SC_TRY((sums = malloc(sc_tensor_bytes(on_device))) ? 0 : -ENOMEM);
    sum_up(x, on_device, a, b);
    sc_download(x, sums, on_device);
    for (int64_t y = 0; y < h - 1; y++)
        for (int64_t i = 0; i < 3 * (w - 1); i++)
            sum += similarity(sums + y * 3 * w + i, h * w * 3, 3 * w);
    *out = sum / (double)(3 * (h - 1) * (w - 1));
fail:
    sc_pop(x, m);
    free(sums);
    return ret;
}

int sc_score_pictures(sc_exec *x, sc_score_frame *out, sc_tensor a, sc_tensor b)
{
    const sc_mark m = sc_push(x);
    const sc_tensor difference = sc_new_like(x, a), moments = sc_new(x, SC_F32, SC_DIMS(3, 3));
    float v[3][3];
    int ret;

    out->mse = 0;
    sc_axpby_into(x, difference, 1, a, -1, b, SC_ACT_NONE);
    sc_moments_into(x, &(sc_moments_args){ .y = moments, .x = difference });
    sc_download(x, v, moments);
    for (int i = 0; i < 3; i++)
        out->mse += ((double)v[0][i] * v[0][i] + (double)v[1][i] * v[1][i]) / 3;
    SC_TRY(mean_similarity(x, &out->ssim, a, b));
    SC_TRY(sc_exec_wait(x));
fail:
    sc_pop(x, m);
    return ret;
}

static int add(const sc_context *c, const sc_score_frame *f)
{
    sc_score *s = c->score;

    if (s->frames == s->room) {
        const int64_t room = 2 * s->room + 256;
        sc_score_frame *more = realloc(s->frame, (size_t)room * sizeof(*more));

        if (!more)
            return sc_fail(c->log, -ENOMEM, "score", "out of memory");
        s->frame = more;
        s->room = room;
    }
    sc_log(c->log, SC_LOG_DEBUG, "score", "frame %lld: PSNR %.3f dB, SSIM %.5f", (long long)s->frames,
           sc_score_psnr(f->mse), f->ssim);
    s->frame[s->frames++] = *f;
    return 0;
}

static int score_next(sc_stage *stage, sc_frame *out)
{
    const sc_context *c = ((score *)stage)->c;
    sc_score_frame f;
    int ret;

    SC_TRY(sc_stage_next(stage->from, out));
    SC_TRY(sc_score_pictures(c->x, &f, out->left.t, out->made_left.t));
    SC_TRY(add(c, &f));
    return 0;
fail:
    return ret;
}

static void score_close(sc_stage *stage)
{
    free(stage);
}

static void measure(sc_exec *x, void *arg)
{
    const score *s = arg;
    const sc_tensor picture =
        sc_tensor_make(NULL, SC_F32, SC_DIMS(s->c->video->height, s->c->video->width, 3));
    sc_score_frame f;

    sc_score_pictures(x, &f, picture, picture);
}

int sc_score_open(sc_stage **out, const sc_context *c, sc_stage *from)
{
    score *s = calloc(1, sizeof(*s));

    if (!s)
        return sc_fail(c->log, -ENOMEM, "score", "out of memory");
    *s = (score){ .stage = { .next = score_next, .close = score_close, .name = "score", .from = from },
                  .c = c };
    s->stage.arena = sc_measure(c->x, measure, s, NULL);
    *out = &s->stage;
    return 0;
}
