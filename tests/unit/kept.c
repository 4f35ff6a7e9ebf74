/* Under which name a film's depth is kept: another one for all that changes the depth, the same for what does
 * not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/kept.h"

static const char *const nets[] = { "DepthCrafter", "stable-video-diffusion-img2vid-xt-1-1/vae",
                                    "stable-video-diffusion-img2vid-xt-1-1/image_encoder" };

typedef struct fixture {
    char folder[64], film[96];
    sc_settings set;
    sc_context c;
    char path[SC_CACHE_PATH];
} fixture;

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    char folder[256];

    strcpy(f->folder, "/tmp/sc-kept-XXXXXX");
    if (!mkdtemp(f->folder))
        return -1;
    snprintf(f->film, sizeof(f->film), "%s/film", f->folder);
    write_file(f->folder, "film", "a film");
    for (int i = 0; i < SC_COUNT(nets); i++) {
        snprintf(folder, sizeof(folder), "%s/%s", f->folder, nets[i]);
        sc_make_folder(folder, "test", NULL);
        write_file(folder, "weights", "some");
    }
    sc_settings_default(&f->set);
    f->set.input = f->film;
    f->set.cache_dir = f->folder;
    f->c = (sc_context){ .set = &f->set, .models = f->folder, .plan = sc_plan_of(&f->set) };
    *state = f;
    return sc_kept_depth(f->path, &f->c, false);
}

static int tear_down(void **state)
{
    fixture *f = *state;
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", f->folder);
    free(f);
    return system(command);
}

/* Whether f's depth is kept where it was at first. */
static bool same(const fixture *f)
{
    char path[SC_CACHE_PATH];

    assert_int_equal(sc_kept_depth(path, &f->c, false), 0);
    return !strcmp(path, f->path);
}

#define CHANGES(member, value)                                                                               \
    do {                                                                                                     \
        const fixture before = *f;                                                                           \
        f->member = value;                                                                                   \
        assert_false(same(f));                                                                               \
        *f = before;                                                                                         \
        assert_true(same(f));                                                                                \
    } while (0)

static void depth(void **state)
{
    fixture *f = *state;

    CHANGES(set.depth_range, SC_RANGE_FILM);
    CHANGES(set.fidelity, SC_FIDELITY_REFERENCE); /* which has no shots */
    CHANGES(set.depth_steps, 3);
    CHANGES(set.depth_guidance, 1.5);
    CHANGES(set.seed, 7);
    CHANGES(set.start, 0.5);
    CHANGES(set.frames, 9);
    CHANGES(c.models, NULL);
    CHANGES(c.plan.depth_window, 82); /* by --vram, or because somebody else has the memory */
    CHANGES(c.plan.depth_overlap, 18);
    CHANGES(c.plan.depth_decode, 1);
    CHANGES(c.precision.tf32, true);
    CHANGES(c.precision.net[SC_NET_DEPTH_UNET].act, SC_F16);
    CHANGES(c.precision.net[SC_NET_VAE].weight, SC_F16);
    CHANGES(c.precision.net[SC_NET_CLIP].act, SC_BF16);
}

static void the_rest(void **state)
{
    fixture *f = *state;

    f->set.max_disparity = 4;
    f->set.convergence = 0;
    f->set.output[0].layout = SC_LAYOUT_TAB;
    f->set.fidelity = SC_FIDELITY_FAST;
    f->set.inpaint_steps = 2;
    f->set.depth_size = 64; /* is the built-in network's */
    f->c.plan.inpaint_window = 10;
    f->c.plan.tile = 512;
    f->c.plan.stream[SC_NET_DEPTH_UNET] = true; /* changes no bit */
    f->c.precision.net[SC_NET_INPAINT_UNET].act = SC_F16;
    f->c.precision.net[SC_NET_QUICK].act = SC_F16;
    assert_true(same(f));
    write_file(f->folder, "beside", "another file");
    assert_true(same(f));
}

/* Of the built-in tier neither windows nor the published networks' types matter. */
static void builtin(void **state)
{
    fixture *f = *state;

    f->c.models = NULL;
    assert_int_equal(sc_kept_depth(f->path, &f->c, false), 0);
    CHANGES(set.depth_size, 64);
    CHANGES(c.precision.net[SC_NET_QUICK].act, SC_F16);
    f->c.plan.depth_window = 8;
    f->set.depth_steps = 1;
    f->c.precision.net[SC_NET_VAE].act = SC_F16;
    assert_true(same(f));
}

/* Files that were written over: their folder's time stays. */
static void replaced(void **state)
{
    fixture *f = *state;
    char folder[256];

    for (int i = 0; i < SC_COUNT(nets); i++) {
        snprintf(folder, sizeof(folder), "%s/%s", f->folder, nets[i]);
        write_file(folder, "weights", "others");
        assert_false(same(f));
        assert_int_equal(sc_kept_depth(f->path, &f->c, false), 0);
    }
    write_file(f->folder, "film", "another film");
    assert_false(same(f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(builtin, set_up, tear_down),
        cmocka_unit_test_setup_teardown(replaced, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
