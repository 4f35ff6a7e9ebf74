/* Choices kept on disk: found again, by others too; a broken, foreign or unwritable file is no failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../kernels/cuda/choices.h"

static const int64_t key[] = { 25, 72, 128, -1 };

typedef struct folder {
    char root[64], dir[80], file[160];
} folder;

static int set_up(void **state)
{
    folder *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    strcpy(f->root, "/tmp/choices-XXXXXX");
    if (!mkdtemp(f->root))
        return -1;
    snprintf(f->dir, sizeof(f->dir), "%s/not/yet", f->root);
    snprintf(f->file, sizeof(f->file), "%s/gpu.txt", f->dir);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    folder *f = *state;
    char command[128];

    snprintf(command, sizeof(command), "rm -r '%s'", f->root);
    const int ret = system(command);
    free(f);
    return ret;
}

static sc_choices *opened(const char *dir, const char *name)
{
    sc_choices *c = NULL;

    assert_int_equal(sc_choices_open(&c, dir, name, NULL), 0);
    return c;
}

static void keep(sc_choices *c, const char *family, int n, int choice)
{
    assert_true(sc_choices_lock(c));
    sc_choices_set(c, family, key, n, choice);
    sc_choices_unlock(c);
}

static void finds_what_was_kept(void **state)
{
    const folder *f = *state;
    sc_choices *c = opened(f->dir, "gpu");

    assert_int_equal(sc_choices_find(c, "conv", key, 4), -1);
    keep(c, "conv", 4, 17);
    keep(c, "linear", 4, 3);
    keep(c, "conv", 3, 0);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(sc_choices_find(c, "conv", key, 4), 17);
        assert_int_equal(sc_choices_find(c, "linear", key, 4), 3);
        assert_int_equal(sc_choices_find(c, "conv", key, 3), 0);
        assert_int_equal(sc_choices_find(c, "conv", key, 2), -1);
        assert_int_equal(sc_choices_find(c, "onv", key, 4), -1);
        sc_choices_close(&c);
        c = opened(f->dir, "gpu");
    }
    sc_choices_close(&c);
    c = opened(f->dir, "another gpu");
    assert_int_equal(sc_choices_find(c, "conv", key, 4), -1);
    sc_choices_close(&c);
}

static void finds_what_others_kept(void **state)
{
    const folder *f = *state;
    sc_choices *a = opened(f->dir, "gpu"), *b = opened(f->dir, "gpu");

    keep(a, "conv", 4, 5);
    assert_int_equal(sc_choices_find(b, "conv", key, 4), -1);
    assert_true(sc_choices_lock(b));
    assert_int_equal(sc_choices_find(b, "conv", key, 4), 5);
    sc_choices_set(b, "conv", key, 3, 6);
    sc_choices_unlock(b);
    sc_choices_close(&a);
    a = opened(f->dir, "gpu");
    assert_int_equal(sc_choices_find(a, "conv", key, 4), 5);
    assert_int_equal(sc_choices_find(a, "conv", key, 3), 6);
    sc_choices_close(&a);
    sc_choices_close(&b);
}

/* Many processes at once lose nothing. */
static void processes_share(void **state)
{
    enum { PROCESSES = 4, EACH = 20 };
    const folder *f = *state;

    for (int p = 0; p < PROCESSES; p++)
        if (!fork()) {
            sc_choices *c = opened(f->dir, "gpu");
            for (int i = 0; i < EACH; i++) {
                const int64_t mine[] = { p, i };
                if (!sc_choices_lock(c))
                    _exit(1);
                sc_choices_set(c, "conv", mine, 2, p + i);
                sc_choices_unlock(c);
            }
            _exit(0);
        }
    for (int p = 0; p < PROCESSES; p++) {
        int status;
        assert_true(wait(&status) > 0 && WIFEXITED(status) && !WEXITSTATUS(status));
    }
    sc_choices *c = opened(f->dir, "gpu");
    for (int p = 0; p < PROCESSES; p++)
        for (int i = 0; i < EACH; i++)
            assert_int_equal(sc_choices_find(c, "conv", (const int64_t[]){ p, i }, 2), p + i);
    sc_choices_close(&c);
}

/* Every byte of the file changed, and every beginning of it, is nothing to believe. */
static void believes_no_broken_file(void **state)
{
    const folder *f = *state;
    sc_choices *c = opened(f->dir, "gpu");
    char text[512];

    keep(c, "conv", 4, 17);
    sc_choices_close(&c);
    FILE *file = fopen(f->file, "rb");
    const size_t n = fread(text, 1, sizeof(text), file);
    fclose(file);
    for (size_t i = 0; i < 2 * n; i++) {
        file = fopen(f->file, "wb");
        text[i % n] ^= 1;
        assert_int_equal(fwrite(text, 1, i < n ? n : i - n, file), i < n ? n : i - n);
        text[i % n] ^= 1;
        fclose(file);
        c = opened(f->dir, "gpu");
        assert_int_equal(sc_choices_find(c, "conv", key, 4), -1);
        sc_choices_close(&c);
    }
    c = opened(f->dir, "gpu");
    keep(c, "conv", 4, 9);
    sc_choices_close(&c);
    c = opened(f->dir, "gpu");
    assert_int_equal(sc_choices_find(c, "conv", key, 4), 9);
    sc_choices_close(&c);
}

static void keeps_nothing(void **state)
{
    const folder *f = *state;
    sc_choices *c = opened(NULL, "gpu");

    assert_false(sc_choices_lock(c));
    assert_int_equal(sc_choices_find(c, "conv", key, 4), -1);
    sc_choices_close(&c);
    c = opened("/dev/null/no/folder", "gpu");
    assert_false(sc_choices_lock(c));
    sc_choices_close(&c);
    assert_int_not_equal(access(f->file, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_what_was_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(finds_what_others_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(processes_share, set_up, tear_down),
        cmocka_unit_test_setup_teardown(believes_no_broken_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
