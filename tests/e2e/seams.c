/* seams FILM PERIOD [PULSE]: whether the eyes of a film, left beside right, drift apart in colour in step
 * with the chunks that were inpainted, PERIOD new frames each (20 with the published sizes). PULSE is added
 * to the right eye's mean L* at the first frame of each chunk, to see that it is found.
 *
 * Prints the spectrum of what the eyes' mean L*a*b* differ by, from one wave per film up, and "frames=N
 * distance=MEAN period=POWER ratio=R limit=L" (scene/seam.h). Exit code 1 if R > L. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/log.h>

#include "../scene/movie.h"
#include "../scene/seam.h"

static void mean_lab(double mean[3], const AVFrame *f)
{
    memset(mean, 0, 3 * sizeof(*mean));
    for (int y = 0; y < f->height; y++)
        for (int x = 0; x < f->width; x++) {
            double rgb[3], lab[3];

            for (int c = 0; c < 3; c++) /* GBRP stores green, blue, red */
                rgb[c] = ((const uint16_t *)(const void *)(f->data[(c + 2) % 3] +
                                                           y * f->linesize[(c + 2) % 3]))[x] /
                         65535.0;
            sc_seam_lab(lab, rgb);
            for (int c = 0; c < 3; c++)
                mean[c] += lab[c] / (f->width * f->height);
        }
}

/* Mean L*a*b* of each frame of one half of the film; returns how many. */
static int read_eye(double mean[SC_SEAM_MOST][3], const char *path, const char *crop)
{
    sc_movie_in *in = NULL;
    char filter[128];
    int count = 0;
    AVFrame *f = av_frame_alloc();

    snprintf(filter, sizeof(filter), "%s,scale=64:36:flags=area,format=gbrp16le", crop);
    if (f && sc_movie_open(&in, path, filter) >= 0)
        for (; count < SC_SEAM_MOST && sc_movie_get(in, f) >= 0; av_frame_unref(f))
            mean_lab(mean[count++], f);
    sc_movie_close(&in);
    av_frame_free(&f);
    return count;
}

int main(int argc, char **argv)
{
    static double left[SC_SEAM_MOST][3], right[SC_SEAM_MOST][3], power[SC_SEAM_MOST];
    const int period = argc > 2 ? atoi(argv[2]) : 0;
    const double pulse = argc > 3 ? atof(argv[3]) : 0;
    double distance = 0, limit;

    if (period < 2) {
        fprintf(stderr, "usage: seams FILM PERIOD [PULSE]\n");
        return 2;
    }
    av_log_set_level(AV_LOG_ERROR);
    int n = read_eye(left, argv[1], "crop=iw/2:ih:0:0");
    if (read_eye(right, argv[1], "crop=iw/2:ih:iw/2:0") != n || n < 8 * period) {
        fprintf(stderr, "%s: %d frames; 8 chunks of %d are the least\n", argv[1], n, period);
        return 2;
    }
    n -= n % period; /* the period is then one of the frequencies */
    for (int i = 0; i < n; i++) {
        double square = 0;

        right[i][0] += i % period ? 0 : pulse;
        for (int c = 0; c < 3; c++) {
            right[i][c] -= left[i][c];
            square += right[i][c] * right[i][c];
        }
        distance += sqrt(square) / n;
    }
    const double ratio = sc_seam_ratio((const double(*)[3])right, n, period, power, &limit);
    printf("spectrum:");
    for (int k = 1; k <= n / 2; k++)
        printf(" %.2e", power[k]);
    printf("\nframes=%d distance=%.3f period=%.3e ratio=%.2f limit=%.2f\n", n, distance, power[n / period],
           ratio, limit);
    return ratio > limit;
}
