/* starve FOLDER: a film on a device that runs out of memory, with the toy networks of FOLDER/models.
 *
 * Linked with --wrap=aligned_alloc, through which the CPU device allocates: it fails for what is larger than
 * `largest`. What is asked for at the first plan is too large, of a smaller one it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "film.h"
#include "stereocrafter/stereocrafter.h"

enum { MIB = 1 << 20, FRAMES = 4 };

static size_t largest = SIZE_MAX, refused;

void *__real_aligned_alloc(size_t align, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes)
{
    refused += bytes > largest;
    return bytes > largest ? NULL : __real_aligned_alloc(align, bytes);
}

typedef struct lines {
    int errors, smaller, shorter, arena; /* lines of these kinds; MiB of working memory */
    char plan[256], error[256];          /* the last of each */
    int64_t frames;
} lines;

static void keep_line(void *opaque, int level, const char *stage, const char *line)
{
    lines *l = opaque;

    if (level == SC_LOG_ERROR) {
        l->errors++;
        snprintf(l->error, sizeof(l->error), "%s", line);
    }
    l->smaller += strstr(line, "a smaller plan is tried") != NULL;
    l->shorter += strstr(line, "frames from here on") != NULL;
    if (!strncmp(line, "working memory", 14))
        l->arena = atoi(line + 14);
    else if (!strcmp(stage, "memory") && level == SC_LOG_INFO)
        snprintf(l->plan, sizeof(l->plan), "%s", line);
}

static void count_frames(void *opaque, const sc_progress *p)
{
    ((lines *)opaque)->frames = p->frame;
}

/* Opens FOLDER/name and, unless there is no limit, converts it with no allocation above `most`. */
static int convert(const char *folder, const char *name, size_t most, lines *l)
{
    sc_converter *c = NULL;
    char input[1024], models[1024];
    sc_settings s;
    int ret;

    *l = (lines){ 0 };
    snprintf(input, sizeof(input), "%s/%s", folder, name);
    snprintf(models, sizeof(models), "%s/models", folder);
    sc_settings_default(&s);
    s.input = input;
    s.models = models;
    s.device = "cpu";
    s.threads = 2;
    s.output[0].format = SC_FORMAT_NULL;
    s.depth_window = 24;
    s.depth_overlap = 4;
    s.depth_steps = s.inpaint_steps = 1;
    s.inpaint_guidance = 1;
    s.inpaint = strcmp(name, "bars.mkv") ? 0 : 1; /* with bars the depth network alone */
    s.log = (sc_logger){ .write = keep_line, .opaque = l, .level = SC_LOG_INFO };
    s.progress = count_frames;
    s.progress_opaque = l;
    largest = most;
    refused = 0;
    if ((ret = sc_open(&c, &s)) >= 0 && most != SIZE_MAX)
        ret = sc_run(c);
    sc_close(&c);
    largest = SIZE_MAX;
    return ret;
}

static void runs_with_less(void **state)
{
    lines l;
    size_t arena;

    assert_int_equal(convert(*state, "in.mkv", SIZE_MAX, &l), 0);
    assert_true(l.errors == 0 && l.smaller == 0 && !*l.plan && refused == 0);
    arena = (size_t)l.arena * MIB;
    assert_true(arena > 20 * MIB);

    assert_int_equal(convert(*state, "in.mkv", arena / 4 * 3, &l), 0);
    assert_true(refused > 0 && l.smaller > 0 && l.errors == 0 && *l.plan);
    assert_true((size_t)l.arena * MIB <= arena / 4 * 3);
    assert_int_equal(l.frames, FRAMES);
}

/* Without its bars the picture is nearer to a square, of which the network sees more than of the whole frame:
 * that the first shot needs more than was planned for shows when it begins. */
static void a_shot_needs_more(void **state)
{
    lines l;

    assert_int_equal(convert(*state, "bars.mkv", SIZE_MAX, &l), 0);
    assert_int_equal(l.shorter, 0);
    assert_int_equal(convert(*state, "bars.mkv", (size_t)(l.arena + 1) * MIB, &l), 0);
    assert_true(refused > 0 && l.shorter > 0 && l.errors == 0 && l.smaller == 0);
    assert_int_equal(l.frames, FRAMES);
}

static void says_what_is_needed(void **state)
{
    lines l;

    assert_int_equal(convert(*state, "in.mkv", MIB, &l), SC_ERR_DEVICE);
    assert_int_equal(l.errors, 1);
    assert_non_null(strstr(l.error, "the least that this film can be converted with is"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(runs_with_less, argv[argc - 1]),
        cmocka_unit_test_prestate(a_shot_needs_more, argv[argc - 1]),
        cmocka_unit_test_prestate(says_what_is_needed, argv[argc - 1]),
    };

    const sc_scene room = { .width = 192, .height = 128, .frames = FRAMES, .shots = 1, .seed = 5 };
    const sc_scene wide = { .width = 1024, .height = 128, .frames = FRAMES, .shots = 1, .seed = 5 };

    if (argc != 2)
        return 2;
    film_render(&(bench){ .folder = argv[1] }, "in.mkv", &room, 0, FRAMES, "format=yuv444p", false);
    film_render(&(bench){ .folder = argv[1] }, "bars.mkv", &wide, 0, FRAMES,
                "format=yuv444p,pad=2048:128:512:0", false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
