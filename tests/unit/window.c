/* Spans: every length, size and overlap up to LIMIT, exhaustively. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/stages/window.h"

enum { LIMIT = 200 };

static void check_spans(int n, int size, int overlap)
{
    const int count = sc_span_count(n, size, overlap);
    int end = 0, before = -1;
    sc_span s;

    for (int i = 0; i < count; i++) {
        assert_true(sc_span_at(&s, i, n, size, overlap));
        assert_int_equal(s.count, SC_MIN(n, size));
        assert_true(s.begin > before);                         /* in order, none repeated */
        assert_true(s.begin == 0 || s.begin <= end - overlap); /* shares enough with the one before */
        assert_true(i == count - 1 || s.begin == i * (size - overlap)); /* only the last one moves */
        before = s.begin;
        end = s.begin + s.count;
        assert_true(i == count - 1 ? end == n : end < n); /* covers all, and none is in excess */
    }
    assert_false(sc_span_at(&s, count, n, size, overlap));
    assert_false(sc_span_at(&s, -1, n, size, overlap));
}

static void test_every_span(void **state)
{
    (void)state;
    for (int n = 1; n <= LIMIT; n++)
        for (int size = 1; size <= LIMIT; size++)
            for (int overlap = 0; overlap < size; overlap++)
                check_spans(n, size, overlap);
}

static void test_known_spans(void **state)
{
    sc_span s;

    (void)state;
    assert_int_equal(sc_span_count(0, 10, 3), 0);
    assert_int_equal(sc_span_count(10, 10, 3), 1);
    assert_int_equal(sc_span_count(11, 10, 3), 2);
    assert_true(sc_span_at(&s, 1, 11, 10, 3));
    assert_int_equal(s.begin, 1);
    /* 195 frames in windows of 110 that share 25: DepthCrafter's own example has two */
    assert_int_equal(sc_span_count(195, 110, 25), 2);
    assert_true(sc_span_at(&s, 1, 195, 110, 25));
    assert_int_equal(s.begin, 85);
}

static void test_fade(void **state)
{
    (void)state;
    for (int n = 1; n <= LIMIT; n++)
        for (int k = 0; k < n; k++) {
            assert_true(sc_fade(k, n) > 0 && sc_fade(k, n) < 1);
            assert_true(k == 0 || sc_fade(k, n) > sc_fade(k - 1, n));
            assert_float_equal(sc_fade(k, n) + sc_fade(n - 1 - k, n), 1, 1e-6);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_span),
        cmocka_unit_test(test_known_spans),
        cmocka_unit_test(test_fade),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
