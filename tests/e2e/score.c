/* score MADE TRUE [options]: how near one film is to another of the same size, as RGB of 8 bits.
 *   --made FILTER, --true FILTER   what a film goes through first, for example crop=iw/2:ih:iw/2:0
 *   --mask FILM                    grey, above 127 where a pixel counts for `hole` and not for `seen`
 *   --frames N                     only the first N
 * Prints "frames=N psnr=DB [seen=DB hole=DB] ssim=S": PSNR of all pixels, of those outside and inside the
 * mask, and SSIM of luma.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/log.h>

#include "../../src/base.h"
#include "../scene/movie.h"

typedef struct score {
    double error, error_seen; /* sums of squares */
    double values, values_seen;
    double ssim, windows;
    int frames;
} score;

static double luma(const AVFrame *f, int x, int y)
{
    return 0.587 * f->data[0][y * f->linesize[0] + x] + 0.114 * f->data[1][y * f->linesize[1] + x] +
           0.299 * f->data[2][y * f->linesize[2] + x];
}

/* Wang et al. 2004 over 8x8 windows, four pixels apart, as most encoders count it. */
static double ssim_window(const AVFrame *a, const AVFrame *b, int x0, int y0)
{
    const double c1 = 0.01 * 255 * 0.01 * 255, c2 = 0.03 * 255 * 0.03 * 255;
    double sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
    for (int y = y0; y < y0 + 8; y++) {
        for (int x = x0; x < x0 + 8; x++) {
            const double u = luma(a, x, y), v = luma(b, x, y);
            sa += u;
            sb += v;
            saa += u * u;
            sbb += v * v;
            sab += u * v;
        }
    }
    const double ma = sa / 64, mb = sb / 64;
    const double va = saa / 64 - ma * ma, vb = sbb / 64 - mb * mb, cov = sab / 64 - ma * mb;
    return (2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
}

static void add_frame(score *s, const AVFrame *a, const AVFrame *b, const AVFrame *mask)
{
    for (int y = 0; y < a->height; y++) {
        for (int x = 0; x < a->width; x++) {
            const bool seen = !mask || mask->data[0][y * mask->linesize[0] + x] < 128;
            for (int c = 0; c < 3; c++) {
                const double e = a->data[c][y * a->linesize[c] + x] - b->data[c][y * b->linesize[c] + x];
                s->error += e * e;
                s->error_seen += seen ? e * e : 0;
                s->values++;
                s->values_seen += seen;
            }
        }
    }
    for (int y = 0; y + 8 <= a->height; y += 4) {
        for (int x = 0; x + 8 <= a->width; x += 4) {
            s->ssim += ssim_window(a, b, x, y);
            s->windows++;
        }
    }
    s->frames++;
}

static bool same_size(const AVFrame *a, const AVFrame *b)
{
    if (a->width == b->width && a->height == b->height)
        return true;
    fprintf(stderr, "score: %dx%d against %dx%d\n", a->width, a->height, b->width, b->height);
    return false;
}

static int compare(score *s, sc_movie_in *made, sc_movie_in *real, sc_movie_in *mask, int frames)
{
    AVFrame *a = av_frame_alloc(), *b = av_frame_alloc(), *m = av_frame_alloc();
    int ret = a && b && m ? 0 : AVERROR(ENOMEM);
    while (ret >= 0 && s->frames != frames) {
        const int end = sc_movie_get(made, a);
        SC_TRY(sc_movie_get(real, b) == end ? 0 : AVERROR_INVALIDDATA); /* as many frames */
        SC_TRY(end);
        if (mask)
            SC_TRY(sc_movie_get(mask, m));
        SC_TRY(same_size(a, b) && (!mask || same_size(a, m)) ? 0 : AVERROR_INVALIDDATA);
        add_frame(s, a, b, mask ? m : NULL);
        av_frame_unref(a);
        av_frame_unref(b);
        av_frame_unref(m);
    }
fail:
    av_frame_free(&a);
    av_frame_free(&b);
    av_frame_free(&m);
    return ret == AVERROR_EOF ? 0 : ret;
}

static double decibel(double error, double values)
{
    return error > 0 ? fmin(10 * log10(255.0 * 255.0 * values / error), 99) : 99;
}

static int open_rgb(sc_movie_in **c, const char *path, const char *filter)
{
    char text[512];
    snprintf(text, sizeof(text), "%s%sformat=gbrp", filter ? filter : "", filter ? "," : "");
    return sc_movie_open(c, path, text);
}

int main(int argc, char **argv)
{
    const char *made_filter = NULL, *true_filter = NULL, *mask_path = NULL;
    int frames = -1, ret = -1;
    for (int i = 3; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--made"))
            made_filter = argv[i + 1];
        else if (!strcmp(argv[i], "--true"))
            true_filter = argv[i + 1];
        else if (!strcmp(argv[i], "--mask"))
            mask_path = argv[i + 1];
        else if (!strcmp(argv[i], "--frames"))
            frames = atoi(argv[i + 1]);
    }
    if (argc < 3 || argc % 2 == 0) {
        fprintf(stderr,
                "usage: score MADE TRUE [--made FILTER] [--true FILTER] [--mask FILM] [--frames N]\n");
        return 2;
    }
    av_log_set_level(AV_LOG_ERROR);
    sc_movie_in *made = NULL, *real = NULL, *mask = NULL;
    score s = { 0 };
    SC_TRY(open_rgb(&made, argv[1], made_filter));
    SC_TRY(open_rgb(&real, argv[2], true_filter));
    if (mask_path)
        SC_TRY(sc_movie_open(&mask, mask_path, "format=gray"));
    SC_TRY(compare(&s, made, real, mask, frames));
    SC_TRY(s.frames ? 0 : -1);
    printf("frames=%d psnr=%.2f", s.frames, decibel(s.error, s.values));
    if (mask)
        printf(" seen=%.2f hole=%.2f", decibel(s.error_seen, s.values_seen),
               decibel(s.error - s.error_seen, s.values - s.values_seen));
    printf(" ssim=%.4f\n", s.windows > 0 ? s.ssim / s.windows : 1);
fail:
    if (ret < 0)
        fprintf(stderr, "score: %s and %s cannot be compared\n", argv[1], argv[2]);
    sc_movie_close(&made);
    sc_movie_close(&real);
    sc_movie_close(&mask);
    return ret < 0;
}
