/* The arena of an exec: marks, alignment, exhaustion, the sticky error, measuring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../../src/ops.h"

typedef struct fixture {
    sc_device *dev;
    sc_exec x;
    int lines; /* logged */
    sc_logger log;
} fixture;

static void count_line(void *opaque, int level, const char *stage, const char *line)
{
    (void)level, (void)stage, (void)line;
    ++*(int *)opaque;
}

static int open_cpu(void **state)
{
    static fixture f;
    memset(&f, 0, sizeof(f));
    f.log = (sc_logger){ .write = count_line, .opaque = &f.lines, .level = SC_LOG_ERROR };
    *state = &f;
    return sc_device_open(&f.dev, &(sc_device_options){ .name = "cpu", .threads = 1 }, &f.log) < 0 ||
           sc_exec_open(&f.x, f.dev, &f.log, SC_F32, 4096) < 0;
}

static int close_cpu(void **state)
{
    fixture *f = *state;
    sc_exec_close(&f->x);
    sc_device_close(&f->dev);
    return 0;
}

static void marks(void **state)
{
    sc_exec *x = &((fixture *)*state)->x;
    const sc_tensor a = sc_new(x, SC_U8, SC_DIMS(3));
    const sc_mark m = sc_push(x);
    const sc_tensor b = sc_new(x, SC_F32, SC_DIMS(5, 5)), c = sc_new_like(x, b);

    assert_int_equal((uintptr_t)a.data % 256, 0);
    assert_int_equal((char *)b.data - (char *)a.data, 256);
    assert_int_equal((char *)c.data - (char *)b.data, 256);
    assert_true(sc_same_shape(b, c) && c.dtype == SC_F32);
    sc_pop(x, m);
    assert_ptr_equal(sc_new(x, SC_F32, SC_DIMS(1)).data, b.data);
    assert_int_equal(x->peak, 3 * 256);
}

static void exhaustion(void **state)
{
    fixture *f = *state;
    const sc_tensor all = sc_new(&f->x, SC_U8, SC_DIMS(4096));
    assert_non_null(all.data);
    assert_int_equal(f->lines, 0);
    assert_null(sc_new(&f->x, SC_U8, SC_DIMS(1)).data);
    assert_int_equal(f->x.err, -ENOMEM);

    /* Later work does nothing and says nothing, until the error is asked for. */
    memset(all.data, 7, 4096);
    sc_axpby_into(&f->x, sc_slice(all, 0, 0, 1), 0, sc_slice(all, 0, 1, 1), 0, SC_NONE, SC_ACT_NONE);
    assert_null(sc_new(&f->x, SC_U8, SC_DIMS(1)).data);
    assert_int_equal(((unsigned char *)all.data)[0], 7);
    assert_int_equal(f->lines, 1);
    assert_int_equal(sc_exec_wait(&f->x), -ENOMEM);
    assert_int_equal(sc_exec_wait(&f->x), 0);
}

static void reserve(void **state)
{
    sc_exec *x = &((fixture *)*state)->x;
    char *before = x->base;
    assert_int_equal(sc_exec_reserve(x, 100), 0);
    assert_ptr_equal(x->base, before);
    assert_int_equal(sc_exec_reserve(x, 1 << 20), 0);
    assert_non_null(sc_new(x, SC_U8, SC_DIMS(1 << 20)).data);
    assert_int_equal(x->err, 0);

    sc_pop(x, (sc_mark){ 0 }); /* what is refused leaves what there was */
    assert_int_equal(sc_exec_reserve(x, (size_t)1 << 62), -ENOMEM);
    x->most = 2 << 20;
    assert_int_equal(sc_exec_reserve(x, x->most + 1), -ENOMEM);
    assert_non_null(sc_new(x, SC_U8, SC_DIMS(1 << 20)).data);
    sc_pop(x, (sc_mark){ 0 });
    assert_int_equal(sc_exec_reserve(x, x->most), 0);
    assert_int_equal(x->size, x->most);
    assert_int_equal(x->err, 0);
}

static void transfers(void **state)
{
    static const float numbers[] = { 1, 2, 3 };
    sc_exec *x = &((fixture *)*state)->x;
    const sc_tensor t = sc_new(x, SC_F32, SC_DIMS(3));
    float back[3] = { 0 };
    sc_upload(x, t, numbers);
    sc_download(x, back, t);
    assert_memory_equal(back, numbers, sizeof(back));
    assert_int_equal(x->stats.bytes_up, 12);
    assert_int_equal(x->stats.bytes_down, 12);
}

/* Rows go to their places and to nowhere else; a mark hands over the error that came before it, once. */
static void rows_and_marks(void **state)
{
    static const float numbers[] = { 1, 2, 3, 4 };
    fixture *f = *state;
    const sc_tensor t = sc_new(&f->x, SC_F32, SC_DIMS(2, 2));
    float back[6] = { 9, 9, 9, 9, 9, 9 };

    assert_int_equal(sc_exec_reach(&f->x, 0), 0);
    sc_upload(&f->x, t, numbers);
    sc_download_rows(&f->x, back, 3 * sizeof(float), t);
    assert_int_equal(sc_exec_reach(&f->x, sc_exec_mark(&f->x)), 0);
    assert_memory_equal(back, ((float[]){ 1, 2, 9, 3, 4, 9 }), sizeof(back));
    assert_int_equal(f->x.stats.bytes_down, 16);
    sc_download_rows(&f->x, back, 3 * sizeof(float), sc_slice(t, 1, 0, 1)); /* not packed */
    assert_int_equal(f->lines, 1);
    assert_int_equal(sc_exec_reach(&f->x, sc_exec_mark(&f->x)), -EINVAL);
    assert_int_equal(sc_exec_reach(&f->x, 0), 0);
}

/* A wrong shape is one line and a sticky error. */
static void wrong_shape(void **state)
{
    fixture *f = *state;
    const sc_tensor in = sc_new(&f->x, SC_F32, SC_DIMS(2, 3)), w = sc_new(&f->x, SC_F32, SC_DIMS(4, 5));
    sc_linear_into(&f->x, sc_new(&f->x, SC_F32, SC_DIMS(2, 4)), in, &(sc_param){ .w = w }, NULL);
    assert_int_equal(f->lines, 1);
    assert_int_equal(sc_exec_wait(&f->x), -EINVAL);
}

typedef struct work {
    int64_t rows;
    float first; /* of a download */
} work;

static void model(sc_exec *x, void *arg)
{
    work *k = arg;
    const sc_mark m = sc_push(x);
    const sc_tensor in = sc_new(x, x->act, SC_DIMS(k->rows, 8)), w = sc_new(x, x->act, SC_DIMS(16, 8));
    const sc_tensor y = sc_linear(x, in, &(sc_param){ .w = w }, NULL);
    float all[1024] = { 1 };
    sc_download(x, all, y);
    k->first = all[0];
    sc_pop(x, m);
}

/* What the null device measures is what the real one needs, to the byte. */
static void measure(void **state)
{
    fixture *f = *state;
    sc_stats stats = { 0 };
    work k = { .rows = 32 };
    const size_t bytes = sc_measure(&f->x, model, &k, &stats);
    assert_true(k.first == 0);
    assert_int_equal(bytes, 1024 + 512 + 2048);
    assert_int_equal(stats.flops, 2 * 32 * 8 * 16);
    assert_int_equal(stats.launches, 1);
    model(&f->x, &k);
    assert_int_equal(f->x.err, 0);
    assert_int_equal(f->x.peak, bytes);
}

#define WITH_CPU(test) cmocka_unit_test_setup_teardown(test, open_cpu, close_cpu)

int main(void)
{
    const struct CMUnitTest tests[] = { WITH_CPU(marks),     WITH_CPU(exhaustion),     WITH_CPU(reserve),
                                        WITH_CPU(transfers), WITH_CPU(rows_and_marks), WITH_CPU(wrong_shape),
                                        WITH_CPU(measure) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
