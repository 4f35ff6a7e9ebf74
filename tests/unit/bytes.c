/* What goes to the device and back, byte for byte: weights and constants once, the planes of each picture
 * once in and once out, and the few numbers by which the host decides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <stereocrafter/stereocrafter.h>
#include <unistd.h>

#include "../../src/nets/builtin.h"
#include "../../src/weights/safetensors.h"
#include "../scene/movie.h"

enum { W = 96, H = 64, PLANES = W * H * 3 / 2 };

static void make_film(const char *path, int frames)
{
    sc_movie_out *o = NULL;

    assert_int_equal(sc_movie_create(&o, &(sc_movie_options){ .path = path, .codec = "ffv1", .fps = 25 }), 0);
    for (int i = 0; i < frames; i++) {
        AVFrame *f = sc_movie_frame(W, H, AV_PIX_FMT_YUV420P);

        assert_non_null(f);
        for (int p = 0; p < 3; p++) /* bright, so that the bars are looked for once */
            for (int y = 0; y < (p ? H / 2 : H); y++)
                for (int x = 0; x < (p ? W / 2 : W); x++)
                    f->data[p][y * f->linesize[p] + x] = (uint8_t)(p ? 128 : 60 + (x * 5 + y * 3 + i) % 150);
        assert_int_equal(sc_movie_put(o, f), 0);
        av_frame_free(&f);
    }
    assert_int_equal(sc_movie_finish(&o), 0);
}

static void keep(void *opaque, const sc_progress *p)
{
    *(sc_progress *)opaque = *p;
}

static sc_progress convert(const char *path, int layout)
{
    sc_settings s;
    sc_progress p = { 0 };
    sc_converter *c = NULL;

    sc_settings_default(&s);
    s.input = path;
    s.output[0].format = SC_FORMAT_NULL;
    s.device = "cpu";
    s.output[0].layout = layout;
    s.progress = keep;
    s.progress_opaque = &p;
    assert_int_equal(sc_open(&c, &s), 0);
    assert_int_equal(sc_run(c), 0);
    sc_close(&c);
    return p;
}

static int64_t weights(const sc_builtin *b)
{
    sc_st_file f = { 0 };
    int64_t sum = 0;

    assert_int_equal(sc_st_parse(&f, b->bytes, b->size, b->name, NULL), 0);
    for (size_t i = 0; i < f.count; i++)
        sum += (int64_t)f.tensor[i].bytes;
    sc_st_close(&f);
    return sum;
}

/* Parts: how many of a layout's pictures the device makes; of a film decoded here the left eye stays here. */
static void count(int layout, int parts)
{
    static const int lengths[] = { 1, 4, 7 };
    const sc_builtin *depth = sc_builtin_find("depth", false), *fill = sc_builtin_find("fill", false);
    /* corners of the depth network's coordinates, disparity of the screen, the splat's one; of the network
     * for holes the corners too, and another one */
    const int64_t constants = (8 + 1 + 1 + (fill ? 8 + 1 : 0)) * (int64_t)sizeof(float);
    const int64_t loaded = weights(depth) + (fill ? weights(fill) : 0) + constants;
    /* of each frame a thumbnail that tells cuts and the range of its depth; of each but the first what its
     * depth is aligned by; of the first five of the film the means over 32 cells of every row and column,
     * that tell black bars */
    const int64_t each = (64 * 36 * 3 + 2) * (int64_t)sizeof(float), moments = 6 * (int64_t)sizeof(float),
                  bars = (W + H) * 32 * 3 * (int64_t)sizeof(float);
    char folder[] = "/tmp/sc_bytes_XXXXXX", path[64];

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/film.nut", folder);
    for (int i = 0; i < 3; i++) {
        const int n = lengths[i];

        make_film(path, n);
        const sc_progress p = convert(path, layout);
        assert_int_equal(p.frame, n);
        assert_int_equal(p.loaded, loaded);
        assert_int_equal(p.pixels_up, n * PLANES);
        assert_int_equal(p.pixels_down, n * parts * PLANES);
        assert_int_equal(p.numbers_up, 0);
        assert_int_equal(p.numbers_down, n * each + (n - 1) * moments + (n < 5 ? n : 5) * bars);
    }
    unlink(path);
    rmdir(folder);
}

static void both_eyes(void **state)
{
    (void)state;
    count(SC_LAYOUT_SBS, 1);
}

static void anaglyph(void **state)
{
    (void)state;
    count(SC_LAYOUT_DUBOIS, 1);
}

static void no_eye_made(void **state)
{
    (void)state;
    count(SC_LAYOUT_LEFT, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(both_eyes), cmocka_unit_test(anaglyph),
                                        cmocka_unit_test(no_eye_made) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
