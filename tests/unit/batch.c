/* Which films a folder, a list or a pattern names, in which order, and where their results go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../src/batch.h"

/* The test's own folder, and work in it. */
typedef struct place {
    char old[4096], path[64], line[256];
    sc_batch b;
    sc_logger log;
} place;

static void keep(void *opaque, int level, const char *stage, const char *line)
{
    (void)level;
    (void)stage;
    snprintf(((place *)opaque)->line, 256, "%s", line);
}

static void touch(const char *path)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fclose(f);
}

static int setup(void **state)
{
    static const char *const files[] = {
        "in/b.mp4",       "in/a.MKV",      "in/notes.doc",   "in/.hidden.mp4",  "in/sub/c.mp4",
        "in/sub/x/d.mov", "in/.dot/e.mp4", "in/out/old.mp4", "in/noextension",  "in/we[i]rd.mp4",
        "in/cover.jpg",   "pics/b.JPG",    "pics/a.png",     "pics/sub/c.webp",
    };
    place *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    *state = p;
    p->log = (sc_logger){ .write = keep, .opaque = p, .level = SC_LOG_ERROR };
    strcpy(p->path, "/tmp/sc_batch_XXXXXX");
    assert_non_null(getcwd(p->old, sizeof p->old));
    assert_non_null(mkdtemp(p->path));
    assert_int_equal(chdir(p->path), 0);
    for (int i = 0; i < SC_COUNT(files); i++) {
        char folder[64];

        snprintf(folder, sizeof folder, "%s", files[i]);
        *strrchr(folder, '/') = 0;
        assert_int_equal(sc_make_folder(folder, "batch", &p->log), 0);
        touch(files[i]);
    }
    return 0;
}

static int teardown(void **state)
{
    place *p = *state;
    char command[128];

    sc_batch_clear(&p->b);
    snprintf(command, sizeof command, "rm -rf '%s'", p->path);
    assert_int_equal(chdir(p->old), 0);
    assert_int_equal(system(command), 0);
    free(p);
    return 0;
}

static void expect(const place *p, int n, const char *const (*want)[2])
{
    assert_int_equal(p->b.count, n);
    for (int i = 0; i < n; i++) {
        assert_string_equal(p->b.job[i].input, want[i][0]);
        assert_string_equal(p->b.job[i].folder, want[i][1]);
    }
}

static void takes_a_folder(void **state)
{
    place *p = *state;
    const char *const want[][2] = { { "in/a.MKV", "res" },
                                    { "in/b.mp4", "res" },
                                    { "in/we[i]rd.mp4", "res" } };

    assert_int_equal(sc_batch_add(&p->b, "in//", "res", false, &p->log), 0);
    expect(p, SC_COUNT(want), want);
}

/* Beside films they are covers. */
static void takes_images_where_there_is_no_film(void **state)
{
    place *p = *state;
    const char *const want[][2] = { { "pics/a.png", "res" },
                                    { "pics/b.JPG", "res" },
                                    { "pics/sub/c.webp", "res/sub" } };

    assert_int_equal(sc_batch_add(&p->b, "pics", "res", true, &p->log), 0);
    expect(p, SC_COUNT(want), want);
}

static void repeats_the_tree(void **state)
{
    place *p = *state;
    const char *const want[][2] = { { "in/a.MKV", "in/out" },
                                    { "in/b.mp4", "in/out" },
                                    { "in/sub/c.mp4", "in/out/sub" },
                                    { "in/sub/x/d.mov", "in/out/sub/x" },
                                    { "in/we[i]rd.mp4", "in/out" } };

    /* The results' folder lies inside: what it holds is no film to convert. */
    assert_int_equal(sc_batch_add(&p->b, "in", "in/out", true, &p->log), 0);
    expect(p, SC_COUNT(want), want);
}

static void breaks_cycles(void **state)
{
    place *p = *state;

    assert_int_equal(symlink("..", "in/sub/loop"), 0);
    assert_int_equal(sc_batch_add(&p->b, "in", "res", true, &p->log), 0);
    assert_int_equal(p->b.count, 6);
}

static void reads_a_list(void **state)
{
    place *p = *state;
    const char *const want[][2] = { { "in/sub/c.mp4", "res" },
                                    { "/abs/film.mkv", "res" },
                                    { "in/ spaced .mp4", "res" } };
    FILE *f = fopen("in/list.txt", "w");

    assert_non_null(f);
    fputs("# films\r\nsub/c.mp4\r\n\n/abs/film.mkv\n spaced .mp4", f);
    fclose(f);
    assert_int_equal(sc_batch_add(&p->b, "in/list.txt", "res", false, &p->log), 0);
    expect(p, SC_COUNT(want), want);
}

static void expands_a_pattern(void **state)
{
    place *p = *state;
    const char *const want[][2] = { { "in/b.mp4", "res" }, { "in/we[i]rd.mp4", "res" } };

    assert_true(sc_batch_is_many("in/*.mp4"));
    assert_false(sc_batch_is_many("in/we[i]rd.mp4")); /* a file of that very name */
    assert_false(sc_batch_is_many("in/b.mp4"));
    assert_true(sc_batch_is_many("in"));
    assert_int_equal(sc_batch_add(&p->b, "in/*.mp4", "res", false, &p->log), 0);
    expect(p, SC_COUNT(want), want);
}

static void says_what_is_wrong(void **state)
{
    place *p = *state;

    assert_int_equal(sc_make_folder("empty/deep", "batch", &p->log), 0);
    assert_int_equal(sc_batch_add(&p->b, "empty", "res", false, &p->log), SC_ERR_INPUT);
    assert_string_equal(p->line, "empty: no film in it (--recursive looks into its folders too)");
    assert_int_equal(sc_batch_add(&p->b, "none.txt", "res", false, &p->log), SC_ERR_INPUT);
    assert_string_equal(p->line, "none.txt: No such file or directory");
    assert_int_equal(sc_batch_add(&p->b, "in/*.webm", "res", false, &p->log), SC_ERR_INPUT);
    assert_string_equal(p->line, "in/*.webm: no film in it");
    assert_int_equal(sc_make_folder("in/b.mp4/x", "batch", &p->log), SC_ERR_OUTPUT);
    assert_int_equal(sc_make_folder("in/b.mp4", "batch", &p->log), SC_ERR_OUTPUT);
}

int main(void)
{
#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_PLACE(takes_a_folder),    WITH_PLACE(takes_images_where_there_is_no_film),
        WITH_PLACE(repeats_the_tree),  WITH_PLACE(breaks_cycles),
        WITH_PLACE(reads_a_list),      WITH_PLACE(expands_a_pattern),
        WITH_PLACE(says_what_is_wrong)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
