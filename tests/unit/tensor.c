/* Views: shapes, strides and addresses against a walk over every index. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../../src/tensor.h"

static float numbers[4096];

static sc_tensor iota(int ndim, const int64_t *dim)
{
    for (int i = 0; i < SC_COUNT(numbers); i++)
        numbers[i] = (float)i;
    return sc_tensor_make(numbers, SC_F32, ndim, dim);
}

static float get(sc_tensor t, const int64_t *index)
{
    int64_t at = 0;
    for (int i = 0; i < t.ndim; i++)
        at += index[i] * t.stride[i];
    return ((const float *)t.data)[at];
}

static void make(void **state)
{
    const sc_tensor t = sc_tensor_make(NULL, SC_F16, SC_DIMS(2, 3, 5));
    (void)state;
    assert_int_equal(t.ndim, 3);
    assert_int_equal(t.stride[0], 15);
    assert_int_equal(t.stride[1], 5);
    assert_int_equal(t.stride[2], 1);
    assert_int_equal(sc_tensor_count(t), 30);
    assert_int_equal(sc_tensor_bytes(t), 60);
    assert_true(sc_tensor_packed(t));
    assert_int_equal(sc_tensor_count(SC_NONE), 0);
    assert_int_equal(sc_tensor_bytes(sc_tensor_make(NULL, SC_U8, SC_DIMS(7))), 7);
    assert_int_equal(sc_tensor_bytes(sc_tensor_make(NULL, SC_F32, SC_DIMS(3, 0))), 0);
    assert_string_equal(sc_dtype_name(SC_BF16), "bf16");
}

static void slice_and_index(void **state)
{
    const sc_tensor t = iota(SC_DIMS(4, 5, 6)), s = sc_slice(t, 1, 2, 3), row = sc_index(s, 3);
    (void)state;
    assert_int_equal(s.dim[1], 3);
    assert_true(get(s, (const int64_t[]){ 1, 0, 4 }) == 30 + 2 * 6 + 4);
    assert_false(sc_tensor_packed(s));
    assert_true(sc_tensor_packed(sc_slice(t, 0, 1, 2)));
    assert_int_equal(row.ndim, 2);
    assert_true(get(row, (const int64_t[]){ 2, 5 }) == 90 + 4 * 6 + 5);
    assert_null(sc_slice(sc_tensor_make(NULL, SC_F32, SC_DIMS(4, 4)), 0, 2, 1).data);
}

static void every(void **state)
{
    const sc_tensor t = iota(SC_DIMS(5, 3)), odd = sc_every(t, 0, 1, 2), even = sc_every(t, 0, 0, 2);
    (void)state;
    assert_int_equal(odd.dim[0], 2);
    assert_int_equal(even.dim[0], 3);
    assert_true(get(odd, (const int64_t[]){ 1, 2 }) == 3 * 3 + 2);
    assert_true(get(even, (const int64_t[]){ 2, 1 }) == 4 * 3 + 1);
}

static void mirror(void **state)
{
    const sc_tensor t = iota(SC_DIMS(2, 5, 3)), m = sc_mirror(t, 1);
    (void)state;
    assert_true(get(m, (const int64_t[]){ 1, 0, 2 }) == 15 + 4 * 3 + 2);
    assert_true(get(m, (const int64_t[]){ 0, 4, 1 }) == 1);
    assert_true(sc_mirror(m, 1).data == t.data && sc_mirror(m, 1).stride[1] == t.stride[1]);
}

static void permute(void **state)
{
    static const int order[] = { 2, 0, 1 };
    const sc_tensor t = iota(SC_DIMS(2, 3, 4)), p = sc_permute(t, order);
    (void)state;
    for (int64_t a = 0; a < 2; a++)
        for (int64_t b = 0; b < 3; b++)
            for (int64_t c = 0; c < 4; c++)
                assert_true(get(p, (const int64_t[]){ c, a, b }) == get(t, (const int64_t[]){ a, b, c }));
    assert_false(sc_same_shape(t, p));
}

/* All elements of t in order. */
static void unroll(sc_tensor t, float *out)
{
    const int64_t n = sc_tensor_count(t);
    for (int64_t i = 0; i < n; i++) {
        int64_t index[SC_MAX_DIM], rest = i;
        for (int k = t.ndim - 1; k >= 0; k--) {
            index[k] = rest % t.dim[k];
            rest /= t.dim[k];
        }
        out[i] = get(t, index);
    }
}

static void same_order(sc_tensor a, sc_tensor b)
{
    float x[512], y[512];
    assert_int_equal(sc_tensor_count(a), sc_tensor_count(b));
    unroll(a, x);
    unroll(b, y);
    assert_memory_equal(x, y, (size_t)sc_tensor_count(a) * sizeof(float));
}

static void reshape(void **state)
{
    const sc_tensor t = iota(SC_DIMS(4, 6, 10)), heads = sc_slice(t, 2, 2, 8);
    (void)state;
    same_order(t, sc_reshape(t, SC_DIMS(240)));
    same_order(t, sc_reshape(t, SC_DIMS(2, 2, 3, 2, 10)));
    same_order(t, sc_reshape(t, SC_DIMS(24, 1, 10)));
    same_order(heads, sc_reshape(heads, SC_DIMS(4, 6, 2, 4)));
    same_order(heads, sc_reshape(heads, SC_DIMS(24, 2, 4)));
    same_order(heads, sc_reshape(heads, SC_DIMS(8, 3, 8)));
    same_order(sc_slice(t, 0, 1, 2), sc_reshape(sc_slice(t, 0, 1, 2), SC_DIMS(120)));
    same_order(sc_slice(t, 1, 3, 1), sc_reshape(sc_slice(t, 1, 3, 1), SC_DIMS(4, 10)));
    same_order(sc_slice(t, 1, 3, 2), sc_reshape(sc_slice(t, 1, 3, 2), SC_DIMS(2, 2, 20)));
    same_order(heads, sc_rows(heads));
    assert_int_equal(sc_rows(heads).dim[0], 24);
    assert_int_equal(sc_rows(heads).stride[0], 10);
    assert_int_equal(sc_rows(sc_tensor_make(NULL, SC_F32, SC_DIMS(5))).dim[0], 1);
}

static void broadcast(void **state)
{
    const int64_t dim[] = { 3, 4, 5 };
    const sc_tensor t = iota(SC_DIMS(1, 4, 1)), b = sc_broadcast(t, 3, dim);
    (void)state;
    assert_int_equal(sc_tensor_count(b), 60);
    assert_false(sc_tensor_packed(b));
    for (int64_t i = 0; i < 4; i++)
        assert_true(get(b, (const int64_t[]){ 2, i, 4 }) == (float)i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(make),      cmocka_unit_test(slice_and_index), cmocka_unit_test(every),
        cmocka_unit_test(mirror),    cmocka_unit_test(permute),         cmocka_unit_test(reshape),
        cmocka_unit_test(broadcast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
