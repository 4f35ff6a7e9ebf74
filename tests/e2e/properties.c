/* properties PROGRAM FOLDER: what must hold for any film, checked on small rendered ones. FOLDER is made if
 * absent. */
#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <libavutil/log.h>
#include <libavutil/pixdesc.h>

#include "film.h"

#define FAST    "--depth @depth.mkv -y -c:v ffv1 " /* no network: what is tested comes after it */
#define LEFT    "crop=iw/2:ih:0:0"
#define RIGHT   "crop=iw/2:ih:iw/2:0"
#define NETWORK "-y -c:v ffv1 --depth-size 64 "

static const sc_scene room = { .width = 160, .height = 96, .frames = 12, .shots = 2, .seed = 5 };

static void convert(const bench *b, const char *in, const char *out, const char *options)
{
    assert_int_equal(film_convert(b, in, out, options, 0), 0);
}

/* The film `a` after filter fa shows the same as `b` after fb. */
static void assert_shows(const bench *b, const char *a, const char *fa, const char *c, const char *fc)
{
    film u = film_read(b, a, fa), v = film_read(b, c, fc);
    const bool same = film_same(&u, &v);
    film_free(&u);
    film_free(&v);
    if (!same)
        print_error("%s [%s] is not %s [%s]\n", a, fa ? fa : "", c, fc ? fc : "");
    assert_true(same);
}

/* Every kind of picture: the left eye is the source, and with zero disparity so is the right eye. */
static void test_formats(void **state)
{
    static const char *const formats[] = { "yuv420p",     "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le",
                                           "yuv444p16le", "bgr0",    "gray",    "gray16le" };
    const bench *b = *state;
    film_render(b, "depth.mkv", &room, 0, 4, NULL, true);
    for (size_t i = 0; i < 2 * sizeof(formats) / sizeof(*formats); i++) {
        const char *format = formats[i / 2];
        char filter[128], compare[2][128];
        /* of RGB the padding byte is nobody's; full range is a tag of YUV and grey */
        const char *planar = strcmp(format, "bgr0") ? format : "gbrp";
        snprintf(filter, sizeof(filter), "scale=out_range=%s,format=%s", i % 2 ? "full" : "limited", format);
        snprintf(compare[0], sizeof(compare[0]), LEFT ",format=%s", planar);
        snprintf(compare[1], sizeof(compare[1]), RIGHT ",format=%s", planar);
        film_render(b, "source.mkv", &room, 0, 4, filter, false);
        const char *source = strcmp(format, planar) ? "format=gbrp" : NULL;
        convert(b, "source.mkv", "zero.mkv", FAST "--max-disparity 0");
        assert_shows(b, "zero.mkv", compare[0], "source.mkv", source);
        assert_shows(b, "zero.mkv", compare[1], "source.mkv", source);
        convert(b, "source.mkv", "sbs.mkv", FAST);
        assert_shows(b, "sbs.mkv", compare[0], "source.mkv", source);
        film in = film_read(b, "source.mkv", NULL), out = film_read(b, "sbs.mkv", NULL);
        assert_int_equal(in.frame[0]->color_range, out.frame[0]->color_range);
        assert_string_equal(av_get_pix_fmt_name(in.frame[0]->format),
                            av_get_pix_fmt_name(out.frame[0]->format));
        film_free(&in);
        film_free(&out);
    }
}

/* A constant disparity of whole pixels shifts the picture and leaves a hole of that width, black if not
 * filled. */
static void test_constant_shift(void **state)
{
    static const struct {
        const char *level, *convergence, *seen, *source, *hole;
    } cases[] = {
        { "65535", "0", "crop=152:96:160:0", "crop=152:96:8:0",
          "crop=8:96:312:0" }, /* everything 8 px in front */
        { "0", "1", "crop=152:96:168:0", "crop=152:96:0:0", "crop=8:96:160:0" }, /* everything 8 px behind */
    };
    const bench *b = *state;
    film_render(b, "source.mkv", &room, 0, 3, "format=yuv444p", false);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char filter[64], options[256], seen[96];
        snprintf(filter, sizeof(filter), "geq=lum=%s", cases[i].level);
        film_render(b, "depth.mkv", &room, 0, 3, filter, true);
        snprintf(options, sizeof(options), FAST "--max-disparity 5 --convergence %s --inpaint none",
                 cases[i].convergence);
        convert(b, "source.mkv", "shift.mkv", options);
        assert_shows(b, "shift.mkv", cases[i].seen, "source.mkv", cases[i].source);
        snprintf(seen, sizeof(seen), "%s,extractplanes=y", cases[i].hole);
        film hole = film_read(b, "shift.mkv", seen);
        for (int y = 0; y < 96; y++)
            for (int x = 0; x < 8; x++)
                assert_int_equal(hole.frame[0]->data[0][y * hole.frame[0]->linesize[0] + x], 16);
        film_free(&hole);
        /* filled, it is nowhere black, and what was seen is as it was */
        snprintf(options, sizeof(options), FAST "--max-disparity 5 --convergence %s", cases[i].convergence);
        convert(b, "source.mkv", "filled.mkv", options);
        film filled = film_read(b, "filled.mkv", seen);
        for (int y = 0; y < 96; y++)
            for (int x = 0; x < 8; x++)
                assert_true(filled.frame[0]->data[0][y * filled.frame[0]->linesize[0] + x] > 20);
        film_free(&filled);
    }
}

/* Layouts hold the same two eyes in other places. */
static void test_layouts(void **state)
{
    static const struct {
        const char *layout;
        int width, height;
        const char *part, *eye;
    } cases[] = {
        { "left", 160, 96, NULL, LEFT },
        { "right", 160, 96, NULL, RIGHT },
        { "tab", 160, 192, "crop=iw:ih/2:0:0", LEFT },
        { "tab", 160, 192, "crop=iw:ih/2:0:ih/2", RIGHT },
        { "cross", 320, 96, LEFT, RIGHT },
        { "cross", 320, 96, RIGHT, LEFT },
        { "rgbd", 320, 96, LEFT, LEFT },
        { "hsbs", 160, 96, NULL, NULL },
        { "htab", 160, 96, NULL, NULL },
        { "dubois", 160, 96, NULL, NULL },
        { "redcyan", 160, 96, NULL, NULL },
    };
    const bench *b = *state;
    film_render(b, "source.mkv", &room, 0, 2, "format=yuv420p", false);
    film_render(b, "depth.mkv", &room, 0, 2, NULL, true);
    convert(b, "source.mkv", "sbs.mkv", FAST "--layout sbs");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char options[128];
        snprintf(options, sizeof(options), FAST "--layout %s", cases[i].layout);
        convert(b, "source.mkv", "other.mkv", options);
        film other = film_read(b, "other.mkv", NULL);
        assert_int_equal(other.frame[0]->width, cases[i].width);
        assert_int_equal(other.frame[0]->height, cases[i].height);
        film_free(&other);
        if (cases[i].eye)
            assert_shows(b, "other.mkv", cases[i].part, "sbs.mkv", cases[i].eye);
    }
}

/* Several outputs of one pass are those of a pass for each. */
static void test_several(void **state)
{
    const bench *b = *state;
    film_render(b, "source.mkv", &room, 0, 6, "format=yuv420p", false);
    film_render(b, "depth.mkv", &room, 0, 6, NULL, true);
    convert(b, "source.mkv", "tab.mkv", FAST "--layout tab");
    convert(b, "source.mkv", "dubois.mkv", FAST "--layout dubois -pix_fmt yuv444p");
    convert(b, "source.mkv", "sbs.mkv", FAST);
    convert(b, "source.mkv", "sbs_too.mkv",
            "--depth @depth.mkv -y --layout tab -c:v ffv1 @tab_too.mkv "
            "--layout dubois -c:v ffv1 -pix_fmt yuv444p @dubois_too.mkv");
    assert_shows(b, "tab_too.mkv", NULL, "tab.mkv", NULL);
    assert_shows(b, "dubois_too.mkv", NULL, "dubois.mkv", NULL);
    film first = film_read(b, "sbs_too.mkv", NULL);
    assert_true(first.count == 6 && first.frame[0]->width == 320);
    film_free(&first);
}

/* Same input, same bits: again, and whatever the number of threads. With the depth network. */
static void test_same_bits(void **state)
{
    const bench *b = *state;
    film_render(b, "source.mkv", &room, 0, 8, "format=yuv420p", false);
    convert(b, "source.mkv", "first.mkv", NETWORK "--threads 2");
    convert(b, "source.mkv", "again.mkv", NETWORK "--threads 2");
    assert_shows(b, "first.mkv", NULL, "again.mkv", NULL);
    convert(b, "source.mkv", "alone.mkv", NETWORK "--threads 1");
    assert_shows(b, "first.mkv", NULL, "alone.mkv", NULL);
}

/* Frames, times and sound of a film of uneven times come out as they went in. */
static void test_times(void **state)
{
    const bench *b = *state;
    size_t in_bytes, out_bytes;
    int in_packets, out_packets;
    film_render(b, "source.mp4", &room, 0, 12, "format=yuv420p", false);
    convert(b, "source.mp4", "out.mp4", "-y --max-disparity 0 --depth-size 64");
    film in = film_read(b, "source.mp4", NULL), out = film_read(b, "out.mp4", NULL);
    assert_int_equal(in.count, 12);
    assert_int_equal(out.count, 12);
    for (int i = 1; i < 12; i++) /* the time bases may differ */
        assert_true(in.frame[i]->pts * out.frame[1]->pts == out.frame[i]->pts * in.frame[1]->pts);
    film_free(&in);
    film_free(&out);
    uint8_t *sound = film_sound(b, "source.mp4", &in_bytes, &in_packets);
    uint8_t *kept = film_sound(b, "out.mp4", &out_bytes, &out_packets);
    assert_true(in_packets > 10);
    assert_int_equal(in_packets, out_packets);
    assert_int_equal(in_bytes, out_bytes);
    assert_memory_equal(sound, kept, in_bytes);
    free(sound);
    free(kept);
}

/* Two shots in one film come out as each would alone: nothing is carried over the cut. The disparity is
 * strong, for holes so wide that their filling could remember. */
static void test_cut(void **state)
{
    static const char options[] = NETWORK "--max-disparity 8";
    const bench *b = *state;
    film_render(b, "both.mkv", &room, 0, 12, "format=yuv420p", false);
    film_render(b, "one.mkv", &room, 0, 6, "format=yuv420p", false);
    film_render(b, "two.mkv", &room, 6, 12, "format=yuv420p", false);
    convert(b, "both.mkv", "both_out.mkv", options);
    convert(b, "one.mkv", "one_out.mkv", options);
    convert(b, "two.mkv", "two_out.mkv", options);
    assert_shows(b, "both_out.mkv", "trim=end_frame=6", "one_out.mkv", NULL);
    assert_shows(b, "both_out.mkv", "trim=start_frame=6", "two_out.mkv", NULL);
}

/* A picture of odd size keeps it; the left eye is exact where the format lets two odd pictures stand side by
 * side. */
static void test_odd_sizes(void **state)
{
    static const sc_scene odd = { .width = 101, .height = 75, .frames = 3, .shots = 1, .seed = 2 };
    const bench *b = *state;
    film_render(b, "depth.mkv", &odd, 0, 3, NULL, true);
    film_render(b, "source.mkv", &odd, 0, 3, "format=yuv444p", false);
    convert(b, "source.mkv", "out.mkv", FAST);
    assert_shows(b, "out.mkv", "crop=101:75:0:0", "source.mkv", NULL);
    film_render(b, "source.mkv", &odd, 0, 3, "format=yuv420p", false);
    convert(b, "source.mkv", "left.mkv", FAST "--layout left");
    assert_shows(b, "left.mkv", "extractplanes=y", "source.mkv", "extractplanes=y");
    convert(b, "source.mkv", "tab.mkv", FAST "--layout tab");
    convert(b, "source.mkv", "sbs.mkv", FAST);
    film sbs = film_read(b, "sbs.mkv", "extractplanes=y"), tab = film_read(b, "tab.mkv", NULL);
    film in = film_read(b, "source.mkv", "extractplanes=y");
    assert_int_equal(sbs.frame[0]->width, 202);
    assert_int_equal(sbs.frame[0]->height, 75);
    assert_int_equal(tab.frame[0]->width, 101);
    assert_int_equal(tab.frame[0]->height, 150);
    for (int y = 0; y < 75; y++) /* luma is never shared between pixels */
        assert_memory_equal(sbs.frame[0]->data[0] + y * sbs.frame[0]->linesize[0],
                            in.frame[0]->data[0] + y * in.frame[0]->linesize[0], 101);
    film_free(&sbs);
    film_free(&tab);
    film_free(&in);
}

/* -ss and --frames keep exactly the frames they name. */
static void test_trim(void **state)
{
    const bench *b = *state;
    film_render(b, "source.mkv", &room, 0, 12, "format=yuv420p", false);
    convert(b, "source.mkv", "out.mkv", NETWORK "-ss 0.16 --frames 5");
    assert_shows(b, "out.mkv", LEFT, "source.mkv", "trim=start_frame=4:end_frame=9");
    convert(b, "source.mkv", "out.mkv", NETWORK "-ss 0.16 -t 0.12");
    assert_shows(b, "out.mkv", LEFT, "source.mkv", "trim=start_frame=4:end_frame=7");
    convert(b, "source.mkv", "out.mkv", NETWORK "-to 0.2");
    assert_shows(b, "out.mkv", LEFT, "source.mkv", "trim=end_frame=5");
}

/* Exported depth, imported again, makes the same film but for its rounding to 16 bit. */
static void test_depth_round_trip(void **state)
{
    const bench *b = *state;
    double error = 0;
    film_render(b, "source.mkv", &room, 0, 6, "format=yuv444p", false);
    convert(b, "source.mkv", "first.mkv", NETWORK "--layout right --export-depth @export.mkv");
    convert(b, "source.mkv", "second.mkv", "-y -c:v ffv1 --layout right --depth @export.mkv");
    film depth = film_read(b, "export.mkv", NULL), in = film_read(b, "source.mkv", NULL);
    assert_int_equal(depth.count, 6);
    assert_int_equal(depth.frame[0]->format, AV_PIX_FMT_GRAY16LE);
    for (int i = 0; i < 6; i++)
        assert_int_equal(depth.frame[i]->pts, in.frame[i]->pts);
    film_free(&depth);
    film_free(&in);
    film u = film_read(b, "first.mkv", NULL), v = film_read(b, "second.mkv", NULL);
    assert_int_equal(u.count, v.count);
    for (int y = 0; y < room.height; y++) {
        for (int x = 0; x < room.width; x++) {
            const double e = u.frame[5]->data[0][y * u.frame[5]->linesize[0] + x] -
                             v.frame[5]->data[0][y * v.frame[5]->linesize[0] + x];
            error += e * e;
        }
    }
    /* half a step of 16 bit moves a pixel by 3e-5 px: too little to change more than a rare rounding */
    assert_true(error / (room.width * room.height) < 0.05);
    film_free(&u);
    film_free(&v);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: properties PROGRAM FOLDER\n");
        return 2;
    }
    bench b = { .program = argv[1], .folder = argv[2] };
    mkdir(b.folder, 0777);
    av_log_set_level(AV_LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_formats, &b),   cmocka_unit_test_prestate(test_constant_shift, &b),
        cmocka_unit_test_prestate(test_layouts, &b),   cmocka_unit_test_prestate(test_several, &b),
        cmocka_unit_test_prestate(test_same_bits, &b), cmocka_unit_test_prestate(test_times, &b),
        cmocka_unit_test_prestate(test_cut, &b),       cmocka_unit_test_prestate(test_odd_sizes, &b),
        cmocka_unit_test_prestate(test_trim, &b),      cmocka_unit_test_prestate(test_depth_round_trip, &b),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
