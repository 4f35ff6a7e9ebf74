/* Streamed weights: whatever the order of use and however late a copy, a layer sees its own weights.
 *
 * The device is the CPU with far memory: what is fetched is nonsense until somebody awaits it. With an
 * argument, a device's name, a network alone runs there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../../src/nets/unet.h"
#include "../../src/pager.h"

enum { PENDING = 4 * SC_FETCHES };

typedef struct fixture {
    sc_exec x;
    sc_device *dev;
    sc_ops ops; /* dev's, with fetches that take their time */
    struct {
        void *dst;
        const void *src;
        size_t bytes;
        int slot;
    } pending[PENDING];
    int count;
} fixture;

static fixture *of(sc_exec *x)
{
    return (fixture *)((char *)x - offsetof(fixture, x));
}

static void copy_first(fixture *f)
{
    memcpy(f->pending[0].dst, f->pending[0].src, f->pending[0].bytes);
    f->count--;
    memmove(f->pending, f->pending + 1, (size_t)f->count * sizeof(f->pending[0]));
}

static int fetch_later(sc_exec *x, void *dst, const void *src, size_t bytes, int slot)
{
    fixture *f = of(x);

    if (f->count == PENDING)
        copy_first(f);
    f->pending[f->count].dst = dst;
    f->pending[f->count].src = src;
    f->pending[f->count].bytes = bytes;
    f->pending[f->count++].slot = slot;
    memset(dst, 0xff, bytes); /* NaNs */
    return 0;
}

static int await(sc_exec *x, int slot)
{
    fixture *f = of(x);
    int last = -1;

    for (int i = 0; i < f->count; i++)
        if (f->pending[i].slot == slot)
            last = i;
    for (; last >= 0; last--)
        copy_first(f);
    return 0;
}

static void free_copied(sc_device *dev, void *p)
{
    fixture *f = (fixture *)((char *)(uintptr_t)dev->ops - offsetof(fixture, ops));

    while (f->count)
        copy_first(f);
    free(p);
}

static int open_cpu(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    const char *name = *state ? *state : "cpu";

    assert_non_null(f);
    assert_int_equal(sc_device_open(&f->dev, &(sc_device_options){ .name = name, .threads = 2 }, NULL), 0);
    f->ops = *f->dev->ops;
    if (!*state) {
        f->ops.fetch = fetch_later;
        f->ops.await = await;
        f->ops.host_free = free_copied;
    }
    f->dev->ops = &f->ops;
    assert_int_equal(sc_exec_open(&f->x, f->dev, NULL, SC_F32, (size_t)64 << 20), 0);
    *state = f;
    return 0;
}

static int close_cpu(void **state)
{
    fixture *f = *state;

    sc_exec_close(&f->x);
    sc_device_close(&f->dev);
    free(f);
    return 0;
}

static void close_pager(fixture *f, sc_pager **p)
{
    assert_int_equal(f->count, 0); /* its tapes are closed */
    sc_pager_close(p);
}

/* ---- tapes of known numbers */

enum { TENSORS = 90 };

typedef struct reel {
    sc_tape *tape;
    sc_param layer[TENSORS];
    size_t bytes;
    int first; /* the number in layer 0; layer i is full of first + i */
} reel;

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void record(reel *r, sc_pager *p, int first, unsigned seed)
{
    size_t offset[TENSORS];

    *r = (reel){ .first = first };
    assert_int_equal(sc_tape_open(&r->tape, p), 0);
    for (int i = 0; i < TENSORS; i++) {
        const int64_t n = 1 + next_random(&seed) % (i % 10 ? 400000 : 2000000);

        r->layer[i].w = sc_tensor_make(NULL, SC_F32, 1, &n);
        r->layer[i].far.tape = r->tape;
        r->bytes += sc_tensor_bytes(r->layer[i].w);
        assert_int_equal(
            sc_tape_add(r->tape, sc_tensor_bytes(r->layer[i].w), &r->layer[i].far.page, &offset[i]), 0);
    }
    assert_int_equal(sc_tape_alloc(r->tape), 0);
    for (int i = 0; i < TENSORS; i++) {
        float *host = sc_tape_host(r->tape, r->layer[i].far.page, offset[i]);

        r->layer[i].w.data = sc_tape_device(r->tape, r->layer[i].far.page, offset[i]);
        for (int64_t k = 0; k < r->layer[i].w.dim[0]; k++)
            host[k] = (float)(first + i);
    }
}

static void use(fixture *f, const reel *r, int i)
{
    const float *w = r->layer[i].w.data;
    const int64_t n = r->layer[i].w.dim[0];

    sc_pager_need(&f->x, &r->layer[i]);
    for (int64_t k = 0; k < n; k += 1 + n / 50)
        assert_true(w[k] == (float)(r->first + i));
    assert_true(w[n - 1] == (float)(r->first + i));
}

/* Twice through in order: every byte comes once a time, and none late but the first, which may have to wait
 * for the last to leave its place. */
static void in_order(void **state)
{
    fixture *f = *state;
    sc_pager *p = NULL;
    reel r;

    assert_int_equal(sc_pager_open(&p, f->dev, (size_t)32 << 20), 0);
    record(&r, p, 1, 7);
    assert_true(r.bytes > (size_t)64 << 20);
    for (int i = 0; i < 2 * TENSORS; i++)
        use(f, &r, i % TENSORS);
    assert_true(sc_pager_get_counts(p).late <= 2);
    assert_true((size_t)sc_pager_get_counts(p).bytes < 2 * r.bytes + ((size_t)33 << 20)); /* what is ahead */
    assert_true(f->x.stats.bytes_up == sc_pager_get_counts(p).bytes);
    sc_tape_close(&r.tape);
    close_pager(f, &p);
}

/* A net that fits stays. */
static void fits(void **state)
{
    fixture *f = *state;
    sc_pager *p = NULL;
    reel r;

    assert_int_equal(sc_pager_open(&p, f->dev, (size_t)200 << 20), 0);
    record(&r, p, 1, 7);
    for (int i = 0; i < 5 * TENSORS; i++)
        use(f, &r, i % TENSORS);
    assert_true((size_t)sc_pager_get_counts(p).bytes < r.bytes + TENSORS * 256);
    sc_tape_close(&r.tape);
    close_pager(f, &p);
}

/* Layers in turn, several times, as where an op is done in parts: late once, not every time. */
static void loops(void **state)
{
    fixture *f = *state;
    sc_pager *p = NULL;
    int64_t late = 0;
    reel r;

    assert_int_equal(sc_pager_open(&p, f->dev, (size_t)48 << 20), 0);
    record(&r, p, 1, 3);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i + 3 <= TENSORS; i += 3)
            for (int k = 0; k < 12; k++)
                use(f, &r, i + k % 3);
        if (!round)
            late = sc_pager_get_counts(p).late;
    }
    assert_true(late < 5);
    assert_int_equal(sc_pager_get_counts(p).late, late);
    sc_tape_close(&r.tape);
    close_pager(f, &p);
}

/* Two networks in any order, any layer after any other. */
static void any_order(void **state)
{
    fixture *f = *state;
    unsigned seed = 1;
    reel r[2];

    for (size_t ring = (size_t)8 << 20; ring <= (size_t)64 << 20; ring += (size_t)8 << 20) {
        sc_pager *p = NULL;
        int i = 0, which = 0;

        assert_int_equal(sc_pager_open(&p, f->dev, ring), 0);
        record(&r[0], p, 1, 11);
        record(&r[1], p, 1000, 12);
        for (int n = 0; n < 500; n++) {
            const unsigned what = next_random(&seed) % 16;

            which = what == 0 ? !which : which;
            i = what <= 1   ? (int)(next_random(&seed) % TENSORS)
                : what <= 4 ? SC_MAX(i - 1, 0)
                            : (i + 1) % TENSORS;
            use(f, &r[which], i);
        }
        sc_tape_close(&r[0].tape);
        use(f, &r[1], 5);
        sc_tape_close(&r[1].tape);
        close_pager(f, &p);
    }
}

static void too_large(void **state)
{
    fixture *f = *state;
    sc_pager *p = NULL;
    sc_tape *t = NULL;
    size_t offset;
    int page;

    assert_int_equal(sc_pager_open(&p, f->dev, 4096), 0);
    assert_int_equal(sc_tape_open(&t, p), 0);
    assert_int_equal(sc_tape_add(t, 4096, &page, &offset), 0);
    assert_int_equal(sc_tape_add(t, 4097, &page, &offset), -ENOMEM);
    sc_tape_close(&t);
    close_pager(f, &p);
}

/* ---- a network */

/* v[2,16,16,4] of random weights, twice; through the pager if there is one. */
static void draw(fixture *f, sc_pager *p, sc_dtype type, float *v, sc_load_size *size)
{
    sc_unet_config cfg;
    sc_loader *ld = NULL;
    sc_unet *u = NULL;
    sc_exec *x = &f->x;

    x->act = type;
    sc_unet_config_read(&cfg, NULL);
    for (int i = 0; i < SC_UNET_LEVELS; i++)
        cfg.block_out_channels[i] = 64 * (cfg.num_attention_heads[i] = i < 2 ? i + 1 : 4);
    assert_int_equal(sc_loader_open_random(&ld, x, type, NULL), 0);
    if (p)
        sc_loader_stream(ld, p);
    sc_loader_report(ld, size);
    assert_int_equal(sc_unet_open(&u, &cfg, &ld, x), 0);
    const sc_tensor in = sc_new(x, SC_F32, SC_DIMS(2, 16, 16, 8)),
                    out = sc_new(x, SC_F32, SC_DIMS(2, 16, 16, 4));
    const sc_tensor context = sc_new(x, SC_F32, SC_DIMS(1, 1024));
    sc_randn_into(x, in, 1, 0);
    sc_randn_into(x, context, 2, 0);
    for (int i = 0; i < 2; i++)
        sc_unet_forward(x, out, u, in, 1, &(sc_unet_cond){ .context = context, .fps = 7, .motion = 127 });
    sc_download(x, v, out);
    assert_int_equal(sc_exec_wait(x), 0);
    sc_pop(x, (sc_mark){ 0 });
    sc_unet_close(&u, f->dev);
}

static void network(void **state)
{
    enum { COUNT = 2 * 16 * 16 * 4 };
    static float resident[COUNT], streamed[COUNT];
    fixture *f = *state;

    for (sc_dtype type = SC_F32; type <= SC_BF16; type++) {
        sc_load_size size;
        sc_pager *p = NULL;

        if (!(f->dev->dtypes & 1u << type))
            continue;
        draw(f, NULL, type, resident, &size);
        assert_true(resident[0] == resident[0] && resident[0] != resident[1]);
        assert_true(size.rest < size.layers / 10);
        assert_true(size.largest > 0 && size.largest < size.layers / 10);
        const size_t ring = (size_t)16 << 20;
        assert_true(3 * size.largest < ring && 2 * ring < size.layers);
        assert_int_equal(sc_pager_open(&p, f->dev, ring), 0);
        draw(f, p, type, streamed, &size);
        assert_memory_equal(streamed, resident, sizeof(resident));
        assert_true(sc_pager_get_counts(p).late < 5);
        assert_true((size_t)sc_pager_get_counts(p).bytes < 2 * size.layers + ring);
        close_pager(f, &p);
    }
}

static bool is_there(const char *device)
{
    sc_device *dev = NULL;
    const bool there = sc_device_open(&dev, &(sc_device_options){ .name = device }, NULL) >= 0;

    sc_device_close(&dev);
    return there;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),  cmocka_unit_test(fits),      cmocka_unit_test(loops),
        cmocka_unit_test(any_order), cmocka_unit_test(too_large), cmocka_unit_test(network),
    };
    const struct CMUnitTest on_device[] = { cmocka_unit_test_prestate_setup_teardown(network, open_cpu,
                                                                                     close_cpu, argv[1]) };

    if (argc > 1 && !is_there(argv[1]))
        return 77;
    return argc > 1 ? cmocka_run_group_tests(on_device, NULL, NULL)
                    : cmocka_run_group_tests(tests, open_cpu, close_cpu);
}
