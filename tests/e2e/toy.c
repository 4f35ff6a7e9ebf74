/* toy PROGRAM FOLDER: films through toy-sized published networks, which lie in FOLDER/models. What comes out
 * of the holes means nothing; that it comes, where, and the same each time, does. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libavutil/log.h>

#include "../../src/base.h"
#include "film.h"

#define DEPTH "--depth @depth.mkv --max-disparity 7 --convergence 0 -y -c:v ffv1 --threads 1 "
/* a near square that moves over a far wall: no part of the picture is half seen but the square's edge */
#define SQUARE "geq=lum='65535*between(X,24+N,55+N)*between(Y,20,59)'"
/* chunks of 6 frames, 2 carried over: each shot of 10 takes two of them and a moved-back third */
#define DRAW "--models @models --inpaint network --inpaint-window 6 --inpaint-overlap 2 --inpaint-steps 1 "
#define LETTER                                                                                               \
    "--fidelity reference -y -c:v ffv1 --threads 1 --models @models --depth-steps 1 --inpaint-steps 1 "
#define LEFT  "crop=iw/2:ih:0:0"
#define RIGHT "crop=iw/2:ih:iw/2:0,format=gbrp"

enum { FRAMES = 20, WEIGHTS_MISSING = 8, USAGE = 2, AROUND = 4 };

static void render(const bench *b, int w, int h)
{
    const sc_scene room = { .width = w, .height = h, .frames = FRAMES, .shots = 2, .seed = 5 };

    film_render(b, "film.mkv", &room, 0, FRAMES, "format=yuv444p", false);
    film_render(b, "depth.mkv", &room, 0, FRAMES, SQUARE, true);
}

static void convert(const bench *b, const char *out, const char *options)
{
    assert_int_equal(film_convert(b, "film.mkv", out, options, 0), 0);
}

static bool black(const AVFrame *f, int x, int y)
{
    return !f->data[0][y * f->linesize[0] + x] && !f->data[1][y * f->linesize[1] + x] &&
           !f->data[2][y * f->linesize[2] + x];
}

static bool equal(const AVFrame *f, const AVFrame *g, int x, int y)
{
    for (int i = 0; i < 3; i++)
        if (f->data[i][y * f->linesize[i] + x] != g->data[i][y * g->linesize[i] + x])
            return false;
    return true;
}

/* No hole near (x, y) of a frame whose holes are black: some pixels of its edge may be drawn over. */
static bool surely_seen(const AVFrame *f, int x, int y)
{
    for (int u = x - AROUND; u <= x + AROUND; u++)
        if (u < 0 || u >= f->width || black(f, u, y))
            return false;
    return true;
}

/* Of NAME: the left eye is the source, seen pixels of the right eye are as without inpainting, holes are not.
 */
static void check_film(const bench *b, const char *name)
{
    film source = film_read(b, "film.mkv", NULL), left = film_read(b, name, LEFT);
    film right = film_read(b, name, RIGHT), holes = film_read(b, "holes.mkv", RIGHT);
    int seen = 0, changed = 0, hole = 0, drawn = 0;

    assert_int_equal(right.count, FRAMES);
    assert_true(film_same(&source, &left));
    for (int i = 0; i < FRAMES; i++) {
        const AVFrame *f = right.frame[i], *g = holes.frame[i];

        assert_true(f->width == g->width && f->height == g->height);
        for (int y = 0; y < f->height; y++) {
            for (int x = 0; x < f->width; x++) {
                const bool there = surely_seen(g, x, y), is_hole = black(g, x, y);

                seen += there;
                changed += there && !equal(f, g, x, y);
                hole += is_hole;
                drawn += is_hole && !black(f, x, y);
            }
        }
    }
    print_message("%s: %d seen, %d of them changed; %d in holes, %d of them drawn\n", name, seen, changed,
                  hole, drawn);
    assert_int_equal(changed, 0);
    assert_true(seen > FRAMES * source.frame[0]->width * source.frame[0]->height / 2);
    assert_true(hole > 0 && drawn > hole * 9 / 10);
    film_free(&source);
    film_free(&left);
    film_free(&right);
    film_free(&holes);
}

static bool same(const bench *b, const char *one, const char *other)
{
    film f = film_read(b, one, NULL), g = film_read(b, other, NULL);
    const bool ok = film_same(&f, &g);

    film_free(&f);
    film_free(&g);
    return ok;
}

static void test_inpainting(void **state)
{
    const bench *b = *state;

    render(b, 97, 81);
    convert(b, "holes.mkv", DEPTH "--inpaint none");
    convert(b, "one.mkv", DEPTH DRAW);
    check_film(b, "one.mkv");
    convert(b, "again.mkv", DEPTH DRAW);
    assert_true(same(b, "one.mkv", "again.mkv"));
    convert(b, "seed.mkv", DEPTH DRAW "--seed 2");
    check_film(b, "seed.mkv");
    assert_false(same(b, "one.mkv", "seed.mkv"));
    convert(b, "extended.mkv", DEPTH "--inpaint extend");
    check_film(b, "extended.mkv");
    assert_false(same(b, "one.mkv", "extended.mkv"));
    convert(b, "auto.mkv", DEPTH "--inpaint-window 6 --inpaint-overlap 2 --inpaint-steps 1 --models @models");
    assert_true(same(b, "one.mkv", "auto.mkv")); /* given weights, the network is the default */
}

static void test_tiles(void **state)
{
    const bench *b = *state;

    render(b, 160, 96);
    convert(b, "holes.mkv", DEPTH "--inpaint none");
    convert(b, "tiles.mkv", DEPTH DRAW "--inpaint-tile 128 --inpaint-guidance 1");
    check_film(b, "tiles.mkv");
}

static void test_depth_network_too(void **state)
{
    const bench *b = *state;
    film source, left;

    render(b, 96, 80);
    convert(b, "all.mkv",
            "-y -c:v ffv1 --threads 1 " DRAW
            "--inpaint-guidance 1 --depth-window 8 --depth-overlap 3 --depth-steps 1 "
            "--depth-guidance 1");
    source = film_read(b, "film.mkv", NULL);
    left = film_read(b, "all.mkv", LEFT);
    assert_int_equal(left.count, FRAMES);
    assert_true(film_same(&source, &left));
    film_free(&source);
    film_free(&left);
}

/* To the letter, of films of every length that the scripts fail at too; cropped, and not. */
static void test_fidelities(void **state)
{
    const bench *b = *state;
    const sc_scene room = { .width = 160, .height = 130, .frames = 4, .seed = 5 };

    for (int frames = 1; frames <= 4; frames++) {
        film_render(b, "film.mkv", &room, 0, frames, "format=yuv444p", false);
        for (int crop = 0; crop < 2; crop++) {
            convert(b, "letter.mkv", crop ? LETTER "--crop" : LETTER);
            film f = film_read(b, "letter.mkv", NULL);
            assert_int_equal(f.count, frames);
            assert_int_equal(f.frame[0]->width, crop ? 256 : 320);
            assert_int_equal(f.frame[0]->height, crop ? 128 : 130);
            film_free(&f);
        }
    }
    film source = film_read(b, "film.mkv", "crop=128:128:0:0"), left = film_read(b, "letter.mkv", LEFT);
    assert_true(film_same(&source, &left));
    film_free(&source);
    film_free(&left);
    render(b, 97, 81);
    convert(b, "holes.mkv", DEPTH "--inpaint none");
    convert(b, "fast.mkv", DEPTH DRAW "--fidelity fast");
    check_film(b, "fast.mkv");
}

static int code_at(const AVFrame *f, int x, int y)
{
    return ((const uint16_t *)(const void *)(f->data[0] + y * f->linesize[0]))[x];
}

/* The least and largest code of the first count frames of f, and what g has there. */
static void extremes(const film *f, const film *g, int count, int own[2], int other[2])
{
    own[0] = 65536;
    own[1] = -1;
    for (int i = 0; i < count; i++)
        for (int y = 0; y < f->frame[i]->height; y++)
            for (int x = 0; x < f->frame[i]->width; x++) {
                const int c = code_at(f->frame[i], x, y);

                for (int k = 0; k < 2; k++)
                    if (k ? c > own[1] : c < own[0]) {
                        own[k] = c;
                        other[k] = code_at(g->frame[i], x, y);
                    }
            }
}

/* Over the whole film there is one scale: the farthest point of all is 0, the nearest 1, and the first shot's
 * depth is that of the shot alone, whose range is narrower, by one line. */
static void test_depth_range(void **state)
{
    const bench *b = *state;
    static const char *const tier[] = {
        /* seed 2: the second shot has the toy's nearest point */
        "--model builtin --depth-size 64 ",
        "--models @models --depth-window 8 --depth-overlap 3 --depth-steps 1 --seed 2 "
    };
    const char *options = "%s-y -c:v ffv1 --threads 1 --inpaint none --depth-range film --export-depth @%s";
    char words[512];

    render(b, 96, 80);
    for (int t = 0; t < 2; t++) {
        int of_part[2], there[2], of_whole[2], same[2], worst = 0;

        snprintf(words, sizeof(words), options, tier[t], "whole.nut");
        convert(b, "range.mkv", words);
        snprintf(words, sizeof(words), options, tier[t], "part.nut --frames 10");
        convert(b, "range.mkv", words);
        film whole = film_read(b, "whole.nut", NULL), part = film_read(b, "part.nut", NULL);
        assert_true(whole.count == FRAMES && part.count == FRAMES / 2);
        extremes(&whole, &whole, FRAMES, of_whole, same);
        extremes(&part, &whole, part.count, of_part, there);
        assert_true(of_whole[0] == 0 && of_whole[1] == 65535 && of_part[0] == 0 && of_part[1] == 65535);
        for (int i = 0; i < part.count; i++)
            for (int y = 0; y < part.frame[i]->height; y++)
                for (int x = 0; x < part.frame[i]->width; x++) {
                    const int line = there[0] + (int)lrint((double)code_at(part.frame[i], x, y) *
                                                           (there[1] - there[0]) / 65535);
                    worst = SC_MAX(worst, abs(line - code_at(whole.frame[i], x, y)));
                }
        print_message("%s: the shot's range is %d to %d of the film's, at most %d off\n", tier[t], there[0],
                      there[1], worst);
        assert_true(there[0] > 0 || there[1] < 65535);
        assert_true(worst <= 2); /* each code is rounded, and so are the ends of the line */
        film_free(&whole);
        film_free(&part);
    }
}

static void test_wrong_use(void **state)
{
    const bench *b = *state;

    assert_int_equal(film_convert(b, "film.mkv", "none.mkv", DEPTH "--inpaint network", WEIGHTS_MISSING),
                     WEIGHTS_MISSING);
    assert_int_equal(
        film_convert(b, "film.mkv", "none.mkv", DEPTH "--inpaint network --models @", WEIGHTS_MISSING),
        WEIGHTS_MISSING);
    assert_int_equal(film_convert(b, "film.mkv", "none.mkv", DEPTH DRAW "--inpaint-overlap 6", USAGE), USAGE);
    assert_int_equal(film_convert(b, "film.mkv", "none.mkv", DEPTH DRAW "--noise @film.mkv", WEIGHTS_MISSING),
                     WEIGHTS_MISSING);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: toy PROGRAM FOLDER\n");
        return 2;
    }
    bench b = { .program = argv[1], .folder = argv[2] };
    av_log_set_level(AV_LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_inpainting, &b),        cmocka_unit_test_prestate(test_tiles, &b),
        cmocka_unit_test_prestate(test_depth_network_too, &b), cmocka_unit_test_prestate(test_fidelities, &b),
        cmocka_unit_test_prestate(test_depth_range, &b),       cmocka_unit_test_prestate(test_wrong_use, &b),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
