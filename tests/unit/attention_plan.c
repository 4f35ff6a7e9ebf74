/* Which attention kernel a call gets: the choice alone, without a GPU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../../kernels/cuda/attention_plan.h"

static char *const base = (char *)4096; /* an address like the arena's; nothing is read */

/* q, k and v as slices of one [B,S,3,H,D]. */
static sc_attention_args call(sc_dtype t, int64_t batch, int64_t queries, int64_t heads, int64_t width)
{
    const sc_tensor all = sc_tensor_make(base, t, SC_DIMS(batch, queries, 3, heads, width));
    sc_attention_args a = { .y = sc_tensor_make(base, t, SC_DIMS(batch, queries, heads, width)), .scale = 1 };
    sc_tensor *part[] = { &a.q, &a.k, &a.v };

    for (int i = 0; i < 3; i++)
        *part[i] = sc_reshape(sc_slice(all, 2, i, 1), SC_DIMS(batch, queries, heads, width));
    return a;
}

static sc_attention_way way(sc_dtype t, int64_t batch, int64_t queries, int64_t heads, int64_t width,
                            int arch)
{
    const sc_attention_args a = call(t, batch, queries, heads, width);
    return sc_plan_attention(&a, arch);
}

static void published_networks(void **state)
{
    (void)state;
    for (int t = SC_F16; t <= SC_BF16; t++) {
        assert_int_equal(way(t, 25, 9216, 5, 64, 90), SC_ATTENTION_SM90);
        assert_int_equal(way(t, 25, 2304, 10, 64, 90), SC_ATTENTION_SM90);
        assert_int_equal(way(t, 25, 576, 20, 64, 90), SC_ATTENTION_SM90);
        assert_int_equal(way(t, 25, 144, 20, 64, 90), SC_ATTENTION_SM90);
        assert_int_equal(way(t, 9216, 25, 5, 64, 90), SC_ATTENTION_SHORT);
        assert_int_equal(way(t, 9216, 110, 5, 64, 90), SC_ATTENTION_SM90_128);
        assert_int_equal(way(t, 1, 257, 16, 80, 90), SC_ATTENTION_TILED);
        assert_int_equal(way(t, 1, 240, 6, 32, 90), SC_ATTENTION_TILED);
        assert_int_equal(way(t, 8, 9216, 1, 512, 90), SC_ATTENTION_WIDE);
        assert_int_equal(way(t, 25, 9216, 5, 64, 80), SC_ATTENTION_TILED);
        assert_int_equal(way(t, 9216, 25, 5, 64, 80), SC_ATTENTION_SHORT);
        assert_int_equal(way(t, 8, 9216, 1, 512, 80), SC_ATTENTION_WIDE_99);
    }
}

/* wgmma is the code of one compute capability; 227 KiB of shared memory are Hopper's and data-centre
 * Blackwell's. */
static void architectures(void **state)
{
    static const struct {
        int arch;
        sc_attention_way narrow, wide;
    } gpus[] = {
        { 75, SC_ATTENTION_PLAIN, SC_ATTENTION_PLAIN },   { 80, SC_ATTENTION_TILED, SC_ATTENTION_WIDE_99 },
        { 86, SC_ATTENTION_TILED, SC_ATTENTION_WIDE_99 }, { 89, SC_ATTENTION_TILED, SC_ATTENTION_WIDE_99 },
        { 90, SC_ATTENTION_SM90, SC_ATTENTION_WIDE },     { 100, SC_ATTENTION_TILED, SC_ATTENTION_WIDE },
        { 110, SC_ATTENTION_TILED, SC_ATTENTION_WIDE },   { 120, SC_ATTENTION_TILED, SC_ATTENTION_WIDE_99 },
    };
    (void)state;
    for (int i = 0; i < SC_COUNT(gpus); i++) {
        assert_int_equal(way(SC_F16, 2, 300, 5, 64, gpus[i].arch), gpus[i].narrow);
        assert_int_equal(way(SC_F16, 2, 300, 1, 512, gpus[i].arch), gpus[i].wide);
    }
}

static void edges(void **state)
{
    (void)state;
    assert_int_equal(way(SC_F32, 25, 9216, 5, 64, 90), SC_ATTENTION_PLAIN);
    assert_int_equal(way(SC_F16, 2, 32, 5, 64, 90), SC_ATTENTION_SHORT);
    assert_int_equal(way(SC_F16, 2, 33, 5, 64, 90), SC_ATTENTION_SM90_128);
    assert_int_equal(way(SC_F16, 2, 128, 5, 64, 90), SC_ATTENTION_SM90_128);
    assert_int_equal(way(SC_F16, 2, 129, 5, 64, 90), SC_ATTENTION_SM90);
    assert_int_equal(way(SC_F16, 2, 256, 5, 64, 90), SC_ATTENTION_SM90_128);
    assert_int_equal(way(SC_F16, 2, 257, 5, 64, 90), SC_ATTENTION_SM90);
    assert_int_equal(way(SC_F16, 2, 20, 5, 80, 90), SC_ATTENTION_TILED);
    assert_int_equal(way(SC_F16, 2, 20, 5, 128, 90), SC_ATTENTION_TILED);
    assert_int_equal(way(SC_F16, 2, 20, 5, 136, 90), SC_ATTENTION_WIDE);
    assert_int_equal(way(SC_F16, 2, 20, 5, 60, 90), SC_ATTENTION_PLAIN); /* 120 bytes a row */
}

static void addresses(void **state)
{
    sc_attention_args a = call(SC_F16, 2, 300, 5, 64);
    (void)state;
    a.k.data = base + 2;
    assert_int_equal(sc_plan_attention(&a, 90), SC_ATTENTION_PLAIN);
    a = call(SC_F16, 2, 300, 5, 64);
    a.y.stride[1] = 5 * 64 + 4;
    assert_int_equal(sc_plan_attention(&a, 90), SC_ATTENTION_PLAIN);
    a = call(SC_F16, 1, 300, 1, 64);
    a.q.stride[0] = a.q.stride[2] = 3; /* of one batch and one head: never used */
    assert_int_equal(sc_plan_attention(&a, 90), SC_ATTENTION_SM90);
    a = call(SC_F16, 2, 300, 5, 64);
    a.k.stride[0] = 0; /* the same keys for both: not for TMA */
    assert_int_equal(sc_plan_attention(&a, 90), SC_ATTENTION_TILED);
    a = call(SC_F16, 2, 300, 5, 64);
    a.scale = -1;
    assert_int_equal(sc_plan_attention(&a, 90), SC_ATTENTION_PLAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_networks),
        cmocka_unit_test(architectures),
        cmocka_unit_test(edges),
        cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
