/* fit DEPTH TRUE OUT: writes OUT, the disparity film DEPTH after the one scale and shift that bring it
 * nearest to TRUE by least squares over the whole film. All are gray16 of the same size and length; 0 in TRUE
 * means not known. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <libavutil/log.h>

#include "../../src/base.h"
#include "../scene/movie.h"

typedef struct line { /* sums for a regression of y on x */
    double n, x, y, xx, xy;
} line;

static const uint16_t *row(const AVFrame *f, int y)
{
    return (const uint16_t *)(const void *)(f->data[0] + y * f->linesize[0]);
}

static int add_films(line *l, const char *depth, const char *truth)
{
    sc_movie_in *a = NULL, *b = NULL;
    AVFrame *f = av_frame_alloc(), *g = av_frame_alloc();
    int ret = 0;
    SC_TRY(f && g ? 0 : AVERROR(ENOMEM));
    SC_TRY(sc_movie_open(&a, depth, "format=gray16le"));
    SC_TRY(sc_movie_open(&b, truth, "format=gray16le"));
    while ((ret = sc_movie_get(a, f)) >= 0 && (ret = sc_movie_get(b, g)) >= 0) {
        SC_TRY(f->width == g->width && f->height == g->height ? 0 : AVERROR_INVALIDDATA);
        for (int y = 0; y < f->height; y++) {
            for (int x = 0; x < f->width; x++) {
                const double u = row(f, y)[x], v = row(g, y)[x];
                const double known = v > 0;
                l->n += known;
                l->x += known * u;
                l->y += known * v;
                l->xx += known * u * u;
                l->xy += known * u * v;
            }
        }
        av_frame_unref(f);
        av_frame_unref(g);
    }
fail:
    av_frame_free(&f);
    av_frame_free(&g);
    sc_movie_close(&a);
    sc_movie_close(&b);
    return ret == AVERROR_EOF ? 0 : ret;
}

static int write_film(const char *out, const char *depth, double scale, double shift)
{
    sc_movie_in *in = NULL;
    sc_movie_out *clip = NULL;
    AVFrame *f = av_frame_alloc();
    int ret = 0;
    SC_TRY(f ? 0 : AVERROR(ENOMEM));
    SC_TRY(sc_movie_open(&in, depth, "format=gray16le"));
    SC_TRY(sc_movie_create(&clip, &(sc_movie_options){ .path = out, .codec = "ffv1", .fps = 25 }));
    while ((ret = sc_movie_get(in, f)) >= 0) {
        SC_TRY(av_frame_make_writable(f));
        for (int y = 0; y < f->height; y++) {
            uint16_t *v = (uint16_t *)(void *)(f->data[0] + y * f->linesize[0]);
            for (int x = 0; x < f->width; x++)
                v[x] = (uint16_t)lrint(SC_CLAMP(v[x] * scale + shift, 0, 65535));
        }
        SC_TRY(sc_movie_put(clip, f));
        av_frame_unref(f);
    }
fail:
    av_frame_free(&f);
    sc_movie_close(&in);
    const int late = sc_movie_finish(&clip);
    return ret == AVERROR_EOF ? late : ret;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: fit DEPTH TRUE OUT\n");
        return 2;
    }
    av_log_set_level(AV_LOG_ERROR);
    line l = { 0 };
    if (add_films(&l, argv[1], argv[2]) < 0 || l.n == 0) {
        fprintf(stderr, "fit: %s and %s cannot be compared\n", argv[1], argv[2]);
        return 1;
    }
    const double spread = l.n * l.xx - l.x * l.x;
    const double scale = spread > 0 ? (l.n * l.xy - l.x * l.y) / spread : 0;
    const double shift = (l.y - scale * l.x) / l.n;
    printf("scale=%.4f shift=%.1f\n", scale, shift);
    return write_film(argv[3], argv[1], scale, shift) < 0;
}
