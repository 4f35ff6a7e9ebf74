/* formats PROGRAM FOLDER: a decoded frame of each layout against what both eyes, made as films of their own,
 * must give there. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <libavutil/log.h>
#include <libavutil/pixfmt.h>

#include "film.h"

/* A shift by 8 whole pixels, so that both eyes consist of the source's codes (and of black). */
#define SHIFT "-y -c:v ffv1 --depth @near.mkv --max-disparity 5 --convergence 0 --inpaint none "

/* A made value is rounded after dithering: half a code, and 7/8 of 31.5/64 of one (kernels/cpu/image.c). */
#define ROUNDING (0.5 + 0.875 * 31.5 / 64 + 1e-3)

enum { W = 160, H = 96, FRAMES = 3 };

static const sc_scene room = { .width = W, .height = H, .frames = FRAMES, .shots = 1, .seed = 5 };

typedef struct eyes {
    film left, right;
} eyes;

static void make(const bench *b, const char *layout, const char *out)
{
    char options[256];
    snprintf(options, sizeof options, SHIFT "--layout %s", layout);
    assert_int_equal(film_convert(b, "source.mkv", out, options, 0), 0);
}

static eyes make_eyes(const bench *b)
{
    film_render(b, "source.mkv", &room, 0, FRAMES, "format=bgr0", false);
    film_render(b, "near.mkv", &room, 0, FRAMES, "geq=lum=65535", true);
    make(b, "left", "left.mkv");
    make(b, "right", "right.mkv");
    const eyes e = { film_read(b, "left.mkv", "format=gbrp"), film_read(b, "right.mkv", "format=gbrp") };
    assert_true(e.left.count == FRAMES && e.right.count == FRAMES);
    return e;
}

static void free_eyes(eyes *e)
{
    film_free(&e->left);
    film_free(&e->right);
}

/* Red, green and blue; GBRP stores them in another order. */
static double code(const AVFrame *f, int x, int y, int c)
{
    static const int plane[3] = { 2, 0, 1 };
    assert_true(x >= 0 && y >= 0 && x < f->width && y < f->height);
    return f->data[plane[c]][y * f->linesize[plane[c]] + x];
}

static void expect_near(const char *what, int x, int y, int c, double found, double expected,
                        double tolerance)
{
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("%s: at %d, %d component %d is %g, expected %g", what, x, y, c, found, expected);
}

typedef double expectation(const eyes *e, int t, int x, int y, int c);

static double eye(const eyes *e, bool right, int t, int x, int y, int c)
{
    return code((right ? &e->right : &e->left)->frame[t], x, y, c);
}

static double sbs(const eyes *e, int t, int x, int y, int c)
{
    return eye(e, x >= W, t, x % W, y, c);
}

static double cross(const eyes *e, int t, int x, int y, int c)
{
    return eye(e, x < W, t, x % W, y, c);
}

static double tab(const eyes *e, int t, int x, int y, int c)
{
    return eye(e, y >= H, t, x, y % H, c);
}

static double hsbs(const eyes *e, int t, int x, int y, int c)
{
    const bool right = x >= W / 2;
    const int from = 2 * (x % (W / 2));
    return (eye(e, right, t, from, y, c) + eye(e, right, t, from + 1, y, c)) / 2;
}

static double htab(const eyes *e, int t, int x, int y, int c)
{
    const bool right = y >= H / 2;
    const int from = 2 * (y % (H / 2));
    return (eye(e, right, t, x, from, c) + eye(e, right, t, x, from + 1, c)) / 2;
}

static double interlaced(const eyes *e, int t, int x, int y, int c)
{
    return eye(e, y % 2, t, x, y, c);
}

static double sequential(const eyes *e, int t, int x, int y, int c)
{
    return eye(e, t % 2, t / 2, x, y, c);
}

static double mixed(const eyes *e, bool right, int t, int x, int y, double r, double g, double b)
{
    return r * eye(e, right, t, x, y, 0) + g * eye(e, right, t, x, y, 1) + b * eye(e, right, t, x, y, 2);
}

static double redcyan(const eyes *e, int t, int x, int y, int c)
{
    return eye(e, c > 0, t, x, y, c);
}

static double halfcolor(const eyes *e, int t, int x, int y, int c)
{
    return c ? eye(e, true, t, x, y, c) : mixed(e, false, t, x, y, 0.299, 0.587, 0.114);
}

static double wimmer(const eyes *e, int t, int x, int y, int c)
{
    return c ? eye(e, true, t, x, y, c) : mixed(e, false, t, x, y, 0, 0.7, 0.3);
}

static double gray(const eyes *e, int t, int x, int y, int c)
{
    return mixed(e, c > 0, t, x, y, 0.299, 0.587, 0.114);
}

/* Dubois' published table, in percent. */
static double dubois(const eyes *e, int t, int x, int y, int c)
{
    static const double m[3][6] = { { 45.61, 50.0484, 17.6381, -4.34706, -8.79388, -0.155529 },
                                    { -4.00822, -3.78246, -1.57589, 37.8476, 73.364, -1.84503 },
                                    { -1.52161, -2.05971, -0.546856, -7.21527, -11.2961, 122.64 } };
    const double v = mixed(e, false, t, x, y, m[c][0], m[c][1], m[c][2]) +
                     mixed(e, true, t, x, y, m[c][3], m[c][4], m[c][5]);
    return fmin(fmax(v / 100, 0), 255);
}

static void test_arrangements(void **state)
{
    static const struct {
        const char *layout;
        int width, height, frames;
        expectation *expected;
        double tolerance;
    } cases[] = {
        { "sbs", 2 * W, H, FRAMES, sbs, 0 },
        { "cross", 2 * W, H, FRAMES, cross, 0 },
        { "tab", W, 2 * H, FRAMES, tab, 0 },
        { "hsbs", W, H, FRAMES, hsbs, ROUNDING },
        { "htab", W, H, FRAMES, htab, ROUNDING },
        { "interlaced", W, H, FRAMES, interlaced, 0 },
        { "sequential", W, H, 2 * FRAMES, sequential, 0 },
        { "redcyan", W, H, FRAMES, redcyan, 0 },
        { "halfcolor", W, H, FRAMES, halfcolor, ROUNDING },
        { "wimmer", W, H, FRAMES, wimmer, ROUNDING },
        { "gray", W, H, FRAMES, gray, ROUNDING },
        { "dubois", W, H, FRAMES, dubois, ROUNDING },
    };
    const bench *b = *state;
    eyes e = make_eyes(b);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        make(b, cases[i].layout, "made.mkv");
        film made = film_read(b, "made.mkv", "format=gbrp");
        assert_int_equal(made.count, cases[i].frames);
        for (int t = 0; t < made.count; t++) {
            assert_int_equal(made.frame[t]->width, cases[i].width);
            assert_int_equal(made.frame[t]->height, cases[i].height);
            for (int y = 0; y < cases[i].height; y++)
                for (int x = 0; x < cases[i].width; x++)
                    for (int c = 0; c < 3; c++)
                        expect_near(cases[i].layout, x, y, c, code(made.frame[t], x, y, c),
                                    cases[i].expected(&e, t, x, y, c), cases[i].tolerance);
        }
        film_free(&made);
    }
    free_eyes(&e);
}

/* The disparity beside the left eye is the exported one, as grey. */
static void test_rgbd(void **state)
{
    const bench *b = *state;
    eyes e = make_eyes(b);
    film_render(b, "depth.mkv", &room, 0, FRAMES, NULL, true);
    assert_int_equal(film_convert(b, "source.mkv", "rgbd.mkv",
                                  "-y -c:v ffv1 --layout rgbd --depth @depth.mkv --export-depth @export.mkv",
                                  0),
                     0);
    film rgbd = film_read(b, "rgbd.mkv", "format=gbrp"), depth = film_read(b, "export.mkv", NULL);
    assert_true(depth.frame[0]->format == AV_PIX_FMT_GRAY16LE && rgbd.count == FRAMES);
    for (int y = 0; y < H; y++) {
        const uint16_t *row =
            (const uint16_t *)(const void *)(depth.frame[1]->data[0] + y * depth.frame[1]->linesize[0]);
        for (int x = 0; x < W; x++)
            for (int c = 0; c < 3; c++) {
                expect_near("rgbd", x, y, c, code(rgbd.frame[1], x, y, c), code(e.left.frame[1], x, y, c), 0);
                expect_near("rgbd", W + x, y, c, code(rgbd.frame[1], W + x, y, c), row[x] / 257.0,
                            ROUNDING + 1 / 257.0);
            }
    }
    film_free(&rgbd);
    film_free(&depth);
    free_eyes(&e);
}

/* Both eyes within the time of their frame, whatever the distance to the next. */
static void test_sequential_times(void **state)
{
    const bench *b = *state;
    film_render(b, "uneven.mp4", &room, 0, FRAMES, "format=yuv420p", false);
    film_render(b, "near.mkv", &room, 0, FRAMES, "geq=lum=65535", true);
    assert_int_equal(
        film_convert(b, "uneven.mp4", "turns.mp4", "-y --depth @near.mkv --layout sequential", 0), 0);
    assert_int_equal(film_convert(b, "uneven.mp4", "plain.mp4", "-y --depth @near.mkv --layout left", 0), 0);
    film turns = film_read(b, "turns.mp4", NULL), plain = film_read(b, "plain.mp4", NULL);
    assert_true(turns.count == 2 * FRAMES && plain.count == FRAMES);
    for (int t = 0; t < FRAMES; t++) { /* the clock is twice as fine */
        const int64_t begin = turns.frame[2 * t]->pts, end = t + 1 < FRAMES ? turns.frame[2 * t + 2]->pts : 0;
        assert_int_equal(begin, 2 * plain.frame[t]->pts);
        if (end)
            assert_int_equal(2 * (turns.frame[2 * t + 1]->pts - begin), end - begin);
        assert_true(turns.frame[2 * t + 1]->pts > begin);
    }
    film_free(&turns);
    film_free(&plain);
}

/* With a constant disparity the made left eye is the source, moved the other way; of both, each by half. */
static void test_views(void **state)
{
    static const struct {
        const char *view;
        int left, right; /* columns by which each eye shows the source further right */
    } cases[] = { { "right", 0, -8 }, { "left", 8, 0 }, { "both", 4, -4 } };
    const bench *b = *state;
    film_render(b, "source.mkv", &room, 0, FRAMES, "format=bgr0", false);
    film_render(b, "near.mkv", &room, 0, FRAMES, "geq=lum=65535", true);
    film source = film_read(b, "source.mkv", "format=gbrp");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char options[256];
        snprintf(options, sizeof options, SHIFT "--synthetic-view %s --export-depth @export.mkv",
                 cases[i].view);
        assert_int_equal(film_convert(b, "source.mkv", "view.mkv", options, 0), 0);
        film made = film_read(b, "view.mkv", "format=gbrp");
        assert_int_equal(made.count, FRAMES);
        for (int y = 0; y < H; y++)
            for (int x = 0; x < 2 * W; x++)
                for (int c = 0; c < 3; c++) {
                    const int from = x % W - (x < W ? cases[i].left : cases[i].right);
                    const double expected =
                        from >= 0 && from < W ? code(source.frame[1], from, y, c) : 0; /* a hole is black */
                    expect_near(cases[i].view, x, y, c, code(made.frame[1], x, y, c), expected, 0);
                }
        film_free(&made);
    }
    film_free(&source);
}

/* The made left eye of a film is the mirror image of the made right eye of its mirror image, holes and all.
 */
static void test_mirrored_view(void **state)
{
    const bench *b = *state;
    film_render(b, "source.mkv", &room, 0, FRAMES, "format=yuv444p", false);
    film_render(b, "depth.mkv", &room, 0, FRAMES, NULL, true);
    film_render(b, "source_m.mkv", &room, 0, FRAMES, "format=yuv444p,hflip", false);
    film_render(b, "depth_m.mkv", &room, 0, FRAMES, "hflip", true);
    assert_int_equal(film_convert(b, "source.mkv", "left.mkv",
                                  "-y -c:v ffv1 --depth @depth.mkv --synthetic-view left --layout left "
                                  "--export-depth @export.mkv",
                                  0),
                     0);
    assert_int_equal(
        film_convert(b, "source_m.mkv", "right_m.mkv",
                     "-y -c:v ffv1 --depth @depth_m.mkv --layout right --export-depth @export_m.mkv", 0),
        0);
    /* But for the dithering, whose pattern stays. */
    film left = film_read(b, "left.mkv", NULL), right = film_read(b, "right_m.mkv", "hflip");
    film depth = film_read(b, "export.mkv", NULL), depth_m = film_read(b, "export_m.mkv", "hflip");
    assert_true(left.count == FRAMES && right.count == FRAMES);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int p = 0; p < 3; p++)
                expect_near("mirrored", x, y, p, left.frame[2]->data[p][y * left.frame[2]->linesize[p] + x],
                            right.frame[2]->data[p][y * right.frame[2]->linesize[p] + x], 1);
    const uint16_t *row = (const uint16_t *)(const void *)depth.frame[2]->data[0];
    const uint16_t *row_m = (const uint16_t *)(const void *)depth_m.frame[2]->data[0];
    for (int x = 0; x < W; x++) /* the exported depth stands as the source does */
        expect_near("depth", x, 0, 0, row[x], row_m[x], 1);
    film_free(&left);
    film_free(&right);
    film_free(&depth);
    film_free(&depth_m);
}

/* On the sphere: a picture whose red grows to the right and whose green grows downwards tells from where each
 * pixel was taken. Such ramps are exact under any interpolation but for the curve between two samples. */
static void test_vr180(void **state)
{
    /* The source's codes are rounded, which either pass makes up to 1.25 times as much (Catmull-Rom's
     * weights); a line between two samples departs from the curve by up to 1 / (8 * distance) pixel in either
     * pass. */
    const double rounded = 0.5 * 1.25 * 1.25, curved = 2 * 2 / (8 * 80.0);
    const double pi = acos(-1), slope_x = 1.5, slope_y = 2, fov[] = { 90, 60 };
    const bench *b = *state;
    film_render(b, "ramp.mkv", &room, 0, 1, "format=gbrp,geq=r=X*1.5:g=Y*2:b=200,format=bgr0", false);
    film_render(b, "near.mkv", &room, 0, 1, "geq=lum=0", true);
    for (int i = 0; i < 2; i++) {
        char options[256];
        snprintf(options, sizeof options,
                 "-y -c:v ffv1 --depth @near.mkv --max-disparity 0 --layout vr180 --fov %g", fov[i]);
        assert_int_equal(film_convert(b, "ramp.mkv", "sphere.mkv", options, 0), 0);
        film made = film_read(b, "sphere.mkv", "format=gbrp");
        const AVFrame *f = made.frame[0];
        const int n = f->height;
        const double away = W / 2.0 / tan(fov[i] / 2 * pi / 180);
        int inside = 0, outside = 0;
        assert_int_equal(f->width, 2 * n);
        assert_true(fabs(n - pi * away) <= 8); /* a multiple of 16 at which the middle keeps its size */
        for (int y = 0; y < n; y++)
            for (int x = 0; x < 2 * n; x++) {
                const double longitude = ((x % n + 0.5) / n - 0.5) * pi,
                             latitude = ((y + 0.5) / n - 0.5) * pi;
                const double column = away * tan(longitude) + (W - 1) / 2.0;
                const double row = away * tan(latitude) / cos(longitude) + (H - 1) / 2.0;
                if (column >= 1 && column <= W - 2 && row >= 1 && row <= H - 2) {
                    const double tolerance = ROUNDING + rounded + curved;
                    expect_near("vr180", x, y, 0, code(f, x, y, 0), slope_x * column, tolerance);
                    expect_near("vr180", x, y, 1, code(f, x, y, 1), slope_y * row, tolerance);
                    expect_near("vr180", x, y, 2, code(f, x, y, 2), 200, ROUNDING);
                    inside++;
                } else if (column < -2 || column > W + 1 || row < -2 || row > H + 1) {
                    for (int c = 0; c < 3; c++)
                        expect_near("vr180, outside", x, y, c, code(f, x, y, c), 0, 0);
                    outside++;
                }
            }
        assert_true(inside > n * n / 10 && outside > n * n / 10);
        film_free(&made);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: formats PROGRAM FOLDER\n");
        return 2;
    }
    bench b = { .program = argv[1], .folder = argv[2] };
    mkdir(b.folder, 0777);
    av_log_set_level(AV_LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_arrangements, &b),
        cmocka_unit_test_prestate(test_rgbd, &b),
        cmocka_unit_test_prestate(test_sequential_times, &b),
        cmocka_unit_test_prestate(test_vr180, &b),
        cmocka_unit_test_prestate(test_views, &b),
        cmocka_unit_test_prestate(test_mirrored_view, &b),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
