/* How a conversion is fitted into memory: the choice alone, over needs like those of the published networks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../../src/budget.h"

#define MIB ((size_t)1 << 20)

typedef struct model {
    int calls, failing; /* the call that fails; 0 = none */
    sc_plan last;
} model;

/* A film of 1920x1080 in fp16, roughly. */
static int64_t measure(void *opaque, sc_plan *p)
{
    model *m = opaque;
    const size_t tile = (size_t)p->tile * (size_t)p->tile * 5 / 8;
    const size_t depth = (size_t)p->depth_window * 70 * MIB,
                 decode = (size_t)(200 + 850 * p->depth_decode) * MIB;
    const size_t inpaint = (size_t)p->inpaint_window * tile / 8000 * MIB;
    const sc_needs n = {
        .net = { [SC_NET_DEPTH_UNET] = { 2900 * MIB, 3 * MIB, 56 * MIB },
                 [SC_NET_INPAINT_UNET] = { 2900 * MIB, 3 * MIB, 56 * MIB },
                 [SC_NET_VAE] = { 370 * MIB, MIB, 9 * MIB },
                 [SC_NET_CLIP] = { 1200 * MIB, 2 * MIB, 13 * MIB } },
        .arena = SC_MAX(SC_MAX(depth, decode), inpaint),
        .images =
            (size_t)(p->depth_window + p->depth_decode) * 26 * MIB + (size_t)p->inpaint_window * 150 * MIB,
    };

    m->calls++;
    m->last = *p;
    return m->failing && m->calls == m->failing ? SC_ERR_WEIGHTS : (int64_t)sc_plan_bytes(p, &n);
}

static sc_plan best_plan(void)
{
    sc_settings set;

    sc_settings_default(&set);
    return sc_plan_of(&set);
}

/* Member by member: bytes between them may differ. */
static bool same(const sc_plan *a, const sc_plan *b)
{
    return !memcmp(a->stream, b->stream, sizeof(a->stream)) && a->ring == b->ring &&
           a->depth_window == b->depth_window && a->depth_overlap == b->depth_overlap &&
           a->inpaint_window == b->inpaint_window && a->inpaint_overlap == b->inpaint_overlap &&
           a->tile == b->tile && a->depth_decode == b->depth_decode && a->inpaint_decode == b->inpaint_decode;
}

static bool is_best(const sc_plan *p)
{
    const sc_plan best = best_plan();

    return same(p, &best);
}

static int streams(const sc_plan *p)
{
    int n = 0;

    for (int i = 0; i < SC_NET_COUNT; i++)
        n += p->stream[i];
    return n;
}

/* Which of two plans keeps more of what is given up last. */
static int order(const sc_plan *a, const sc_plan *b)
{
    const int by[] = { a->inpaint_window - b->inpaint_window, a->depth_window - b->depth_window,
                       a->tile - b->tile, a->depth_decode - b->depth_decode, streams(b) - streams(a) };

    for (int i = 0; i < SC_COUNT(by); i++)
        if (by[i])
            return by[i];
    return 0;
}

/* For every budget: it is kept, and more memory never makes a plan worse. */
static void every_budget(void **state)
{
    size_t least = 0;
    sc_plan before = { 0 };

    (void)state;
    for (size_t budget = 512 * MIB; budget < 40000 * MIB; budget += 128 * MIB) {
        sc_plan p = best_plan(), again;
        model m = { 0 };
        const int64_t bytes = sc_plan_choose(&p, budget, measure, &m);

        assert_true(bytes > 0);
        assert_true(m.calls < 60);
        again = p;
        assert_true(measure(&m, &again) == bytes && same(&again, &p));
        if ((size_t)bytes > budget) {
            assert_int_equal(least, 0); /* what fits into less fits into more */
            continue;
        }
        if (!least) {
            least = budget;
            before = p;
        }
        assert_true(order(&p, &before) >= 0);
        assert_true(p.depth_overlap < p.depth_window && p.inpaint_overlap < p.inpaint_window);
        assert_true(p.tile % 64 == 0 && p.depth_decode >= 1 && p.inpaint_decode >= 1);
        assert_true(!p.ring == !streams(&p));
        before = p;
    }
    assert_true(least > 0 && least < 4096 * MIB);
    assert_true(is_best(&before));
}

/* What is given up first. */
static void in_order(void **state)
{
    sc_plan p = best_plan();
    model m = { 0 };
    const int64_t all = measure(&m, &p);

    (void)state;
    assert_true(sc_plan_choose(&p, (size_t)all, measure, &m) == all && is_best(&p));
    assert_true(sc_plan_choose(&p, (size_t)all - 1, measure, &m) < all);
    assert_true(streams(&p) == 1 && p.stream[SC_NET_INPAINT_UNET] && p.ring == 4 * 56 * MIB);
    assert_int_equal(p.depth_window, 110);

    p = best_plan(); /* all but the image encoder's 1.2 GiB of weights stream: the larger part of the saving
                      */
    sc_plan_choose(&p, (size_t)all - 5700 * MIB, measure, &m);
    assert_true(p.stream[SC_NET_DEPTH_UNET] && p.stream[SC_NET_INPAINT_UNET] && p.stream[SC_NET_VAE]);
    assert_true(!p.stream[SC_NET_CLIP] && p.depth_decode == 8 && p.depth_window == 110 && p.tile == 1024);

    p = best_plan(); /* windows rule here: smaller decoding would not have helped, and is taken back */
    sc_plan_choose(&p, (size_t)all - 9000 * MIB, measure, &m);
    assert_true(p.depth_window < 110 && p.depth_window > 40 && p.inpaint_window == 23);
    assert_true(p.depth_decode > 1);
}

static void unmeasurable(void **state)
{
    (void)state;
    for (int i = 1; i < 6; i++) {
        sc_plan p = best_plan();
        model m = { .failing = i };

        assert_int_equal(sc_plan_choose(&p, 7000 * MIB, measure, &m), SC_ERR_WEIGHTS);
        assert_int_equal(m.calls, i);
    }
}

/* Small windows that were asked for are not made larger, and overlaps leave new frames. */
static void small_settings(void **state)
{
    sc_plan p = { .depth_window = 3,
                  .depth_overlap = 2,
                  .inpaint_window = 6,
                  .inpaint_overlap = 5,
                  .tile = 128,
                  .depth_decode = 8,
                  .inpaint_decode = 2 };
    model m = { 0 };

    (void)state;
    assert_true(sc_plan_choose(&p, MIB, measure, &m) > (int64_t)MIB);
    assert_true(p.depth_window == 3 && p.depth_overlap == 2 && p.inpaint_window == 6 &&
                p.inpaint_overlap == 5);
    assert_true(p.tile == 128 && p.depth_decode == 1 && p.inpaint_decode == 1 && streams(&p) == 4);
}

/* Pictures of 1280x720 through the causal VAE in 16 bit, roughly: what is kept grows with a tile, what waits
 * with a slice. */
static int64_t measure_passage(void *opaque, sc_plan *p)
{
    const bool tiled = p->vae_tile && p->vae_tile < 1280;
    const size_t tile = tiled ? (size_t)p->vae_tile * (size_t)SC_MIN(p->vae_tile, 720) : 1280 * 720;
    const size_t slice = p->vae_slice ? (size_t)p->vae_slice : tiled ? 32 : 8;
    const sc_needs n = { .net[SC_NET_VAE].rest = 500 * MIB,
                         .arena = tile / 300 * MIB,
                         .images = slice * 22 * MIB + tile / (tiled ? 120 : 80) * MIB };

    (void)opaque;
    return (int64_t)sc_plan_bytes(p, &n);
}

/* Whole pictures if they fit, else the largest tiles that do; what was asked for is not exceeded. Nothing
 * that does not help is given up. */
static void passages(void **state)
{
    static const struct {
        size_t budget;
        int tile, slice, want_tile, want_slice; /* asked for; 0: not */
    } cases[] = {
        { 16000, 0, 0, 0, 0 },      { 14000, 0, 0, 1024, 0 }, { 8000, 0, 0, 768, 0 },
        { 5000, 0, 0, 512, 0 },     { 1500, 0, 0, 256, 4 },   { 16000, 640, 0, 640, 0 },
        { 5000, 640, 12, 512, 12 }, { 1600, 0, 12, 256, 4 },
    };

    (void)state;
    for (int i = 0; i < SC_COUNT(cases); i++) {
        sc_plan p = best_plan(), best;

        p.vae_tile = cases[i].tile;
        p.vae_slice = cases[i].slice;
        best = p;
        assert_true(sc_plan_choose(&p, cases[i].budget * MIB, measure_passage, NULL) <=
                    (int64_t)(cases[i].budget * MIB));
        assert_int_equal(p.vae_tile, cases[i].want_tile);
        assert_int_equal(p.vae_slice, cases[i].want_slice);
        best.vae_tile = p.vae_tile;
        best.vae_slice = p.vae_slice;
        assert_true(same(&p, &best));
    }
}

static void words(void **state)
{
    const sc_plan best = best_plan();
    sc_plan p = best;
    char text[256], cut[8];

    (void)state;
    sc_plan_describe(text, sizeof(text), &p, &best);
    assert_string_equal(text, "");
    p.stream[SC_NET_DEPTH_UNET] = p.stream[SC_NET_VAE] = true;
    p.depth_decode = 1;
    p.inpaint_decode = 1;
    p.tile = 768;
    p.depth_window = 40;
    p.inpaint_window = 12;
    p.vae_tile = 512;
    sc_plan_describe(text, sizeof(text), &p, &best);
    assert_string_equal(
        text, "depth.unet streamed, vae streamed, 1 and 1 frames decoded at a time, tiles of 768, depth "
              "windows of 40 frames, inpainting windows of 12, pictures in "
              "tiles of up to 512");
    sc_plan_describe(cut, sizeof(cut), &p, &best);
    assert_string_equal(cut, "depth.u");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_budget),   cmocka_unit_test(in_order), cmocka_unit_test(unmeasurable),
        cmocka_unit_test(small_settings), cmocka_unit_test(words),    cmocka_unit_test(passages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
