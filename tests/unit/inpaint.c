/* Windows of the published network's stage, with a network of our own that says which window drew a frame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/ops.h"
#include "../../src/stages/inpaint.h"

enum { W = 16, H = 3, HOLE = 6, WIDE = 4, MAX_FRAMES = 200, MAX_WINDOWS = 80 };

typedef struct fake_source { /* frames 0 .. frames - 1, cuts before some */
    sc_stage stage;
    const sc_context *c;
    int frames, at;
    const bool *cut;
} fake_source;

static struct drawing { /* what the stage asked of the network */
    int windows, count[MAX_WINDOWS];
    int64_t first[MAX_WINDOWS], last[MAX_WINDOWS];
    int carried[MAX_WINDOWS]; /* frames given with their holes filled */
    int unit;                 /* what a picture's 1 is */
    bool bad;
} drawing;

struct sc_artist {
    int unused;
};

int sc_artist_open(sc_artist **a, const sc_context *c, const sc_model_files *files)
{
    (void)c, (void)files;
    return (*a = calloc(1, sizeof(**a))) ? 0 : -ENOMEM;
}

void sc_artist_fit(sc_artist *a, const sc_context *c, int h, int w)
{
    (void)a, (void)c, (void)h, (void)w;
}

void sc_artist_log(const sc_artist *a, const sc_context *c)
{
    (void)a, (void)c;
}

void sc_artist_close(sc_artist **a)
{
    free(*a);
    *a = NULL;
}

static float *pixel(sc_tensor t, int64_t y, int64_t x)
{
    return (float *)t.data + y * t.stride[0] + x * t.stride[1];
}

/* Window k paints everything k + 1 (of 255 where only codes of 8 bits are kept). */
void sc_artist_draw(sc_exec *x, const sc_artist *a, const sc_sketch *frame, int count)
{
    const int k = drawing.windows;

    (void)a;
    if (x->measuring)
        return;
    assert_true(k < MAX_WINDOWS);
    drawing.windows++;
    drawing.count[k] = count;
    drawing.first[k] = frame[0].number;
    drawing.last[k] = frame[count - 1].number;
    for (int i = 0; i < count; i++) {
        drawing.carried[k] += *pixel(frame[i].picture, 1, HOLE + 1) != 0;
        drawing.bad |=
            i && frame[i].number != frame[i - 1].number + 1 && frame[i].number != frame[i - 1].number;
        drawing.bad |= *pixel(frame[i].mask, 1, HOLE + 1) != 1 || *pixel(frame[i].mask, 1, 0) != 0;
        for (int64_t v = 0; v < H; v++)
            for (int64_t u = 0; u < 3 * W; u++)
                pixel(frame[i].out, v, 0)[u] = (float)(k + 1) / (float)drawing.unit;
    }
}

static int fake_next(sc_stage *s, sc_frame *f)
{
    fake_source *q = (fake_source *)s;

    if (q->at == q->frames)
        return SC_EOF;
    f->src = av_frame_alloc();
    assert_non_null(f->src);
    assert_int_equal(sc_image_new(q->c->pools, &f->right, H, W, 3), 0);
    assert_int_equal(sc_image_new(q->c->pools, &f->hole, H, W, 1), 0);
    assert_int_equal(sc_image_new(q->c->pools, &f->disp_right, H, W, 1), 0);
    for (int i = 0; i < H * W; i++) { /* a near surface, a hole, the background */
        const int c = i % W;
        const bool hole = c >= HOLE && c < HOLE + WIDE;

        for (int k = 0; k < 3; k++)
            ((float *)f->right.t.data)[3 * i + k] = hole ? 0 : -(float)(q->at + 1);
        ((float *)f->hole.t.data)[i] = hole;
        ((float *)f->disp_right.t.data)[i] = c < HOLE ? 4 : -4;
    }
    f->active = (sc_rect){ 0, 0, W, H };
    f->flags = q->cut[q->at] ? SC_FRAME_CUT : 0;
    f->pts = q->at++;
    return 0;
}

/* Runs the stage over a film; value[i] is what frame i has in its hole. */
static void run_as(int fidelity, int frames, const bool *cut, int window, int overlap, float *value)
{
    const bool reference = fidelity == SC_FIDELITY_REFERENCE;
    sc_settings set = { .fidelity = fidelity, .inpaint_window = window, .inpaint_overlap = overlap };
    const sc_video_info video = { .width = W, .height = H };
    sc_context c = { .set = &set, .video = &video, .plan = sc_plan_of(&set) };
    fake_source source = { .stage = { .next = fake_next }, .c = &c, .frames = frames, .cut = cut };
    sc_device *dev = NULL;
    sc_exec x;
    sc_stage *s = NULL;
    sc_frame f = { 0 };
    int n = 0, ret;

    memset(&drawing, 0, sizeof(drawing));
    drawing.unit = reference ? 255 : 1;
    assert_int_equal(sc_device_open(&dev, &(sc_device_options){ .name = "cpu", .threads = 1 }, NULL), 0);
    assert_int_equal(sc_exec_open(&x, dev, NULL, SC_F32, 0), 0);
    c.x = &x;
    assert_int_equal(sc_pools_open(&c.pools, dev), 0);
    assert_int_equal(sc_inpaint_net_open(&s, &c, &source.stage, &(sc_model_files){ .unet = "" }), 0);
    assert_int_equal(sc_exec_reserve(&x, s->arena), 0);
    while (!(ret = sc_stage_next(s, &f))) {
        assert_int_equal(f.pts, n); /* each once, in order */
        value[n++] = *pixel(f.right.t, 1, HOLE + 1);
        assert_true(reference || *pixel(f.right.t, 1, 0) == -(float)n); /* what was seen stays */
        assert_true(reference || *pixel(f.right.t, 1, W - 1) == -(float)n);
        sc_frame_clear(&f);
    }
    assert_int_equal(ret, SC_EOF);
    assert_int_equal(n, frames);
    assert_false(drawing.bad);
    s->from = NULL;
    sc_stage_close(&s);
    sc_pools_close(&c.pools);
    sc_exec_close(&x);
    sc_device_close(&dev);
}

static void run(int frames, const bool *cut, int window, int overlap, float *value)
{
    run_as(SC_FIDELITY_DEFAULT, frames, cut, window, overlap, value);
}

/* Of a film of one shot: what windows must be, and what each frame must therefore hold. */
static void check_film(int frames, int window, int overlap)
{
    const bool cut[MAX_FRAMES] = { true };
    float value[MAX_FRAMES], want[MAX_FRAMES] = { 0 };
    int done = 0;

    run(frames, cut, window, overlap, value);
    for (int k = 0; k < drawing.windows; k++) {
        const int end = SC_MIN(done ? done + window - overlap : window, frames);
        const int shared = done - (int)drawing.first[k], fade = k ? overlap : 0;

        assert_int_equal(drawing.last[k], end - 1);
        assert_int_equal(drawing.carried[k], shared);
        assert_true(shared >= fade && drawing.count[k] <= window);
        assert_true(drawing.count[k] >= SC_MIN(overlap + 1, window));
        for (int i = done - fade; i < end; i++) {
            const float share = i < done ? (float)(i - (done - fade) + 1) / (float)(fade + 1) : 1;

            want[i] += share * ((float)(k + 1) - want[i]);
        }
        done = end;
    }
    assert_int_equal(done, frames);
    for (int i = 0; i < frames; i++)
        assert_true(value[i] > want[i] - 1e-4f && value[i] < want[i] + 1e-4f);
}

static void test_every_length(void **state)
{
    (void)state;
    for (int frames = 1; frames <= 50; frames++) {
        check_film(frames, 23, 3); /* the published sizes */
        check_film(frames, 8, 0);
        check_film(frames, 5, 4);
        check_film(frames, 2, 1);
        check_film(frames, 1, 0);
    }
}

/* inpainting_inference.py main(), its loop over chunks: for i in range(0, T, 20). What it crashes at is one
 * chunk, padded. */
static void test_chunks_of_the_reference(void **state)
{
    static const int lengths[] = { 1, 2, 3, 4, 5, 20, 21, 22, 23, 24, 25, 41, 42, 43, 44, 60, 110, 111, 200 };
    enum { CHUNK = 23, OVERLAP = 3, STEP = CHUNK - OVERLAP };

    (void)state;
    for (int l = 0; l < SC_COUNT(lengths); l++) {
        const int frames = lengths[l];
        const bool cut[MAX_FRAMES] = { true };
        float value[MAX_FRAMES];
        int k = 0, done = 0;

        run_as(SC_FIDELITY_REFERENCE, frames, cut, CHUNK, OVERLAP, value);
        for (int i = 0; i == 0 || i + OVERLAP < frames; i += STEP, k++) {
            const bool tail = done && i + CHUNK > frames;
            const int first = tail ? SC_MAX(frames - STEP, 0) : i, carried = done ? i - first + OVERLAP : 0;
            const int count = SC_MIN(first + CHUNK, frames) - first;

            assert_int_equal(drawing.first[k], first);
            assert_int_equal(drawing.count[k], SC_MAX(count, OVERLAP + 1));
            assert_int_equal(drawing.carried[k], carried);
            for (int n = first + carried; n < first + count; n++)
                assert_true(value[n] * 255 > (float)k + 0.9f && value[n] * 255 < (float)k + 1.1f);
            done = first + count;
        }
        assert_int_equal(drawing.windows, k);
        assert_int_equal(done, frames);
    }
}

static void test_no_window_crosses_a_cut(void **state)
{
    float value[MAX_FRAMES];
    bool cut[MAX_FRAMES] = { true };

    (void)state;
    cut[7] = cut[8] = cut[40] = true;
    run(60, cut, 10, 3, value);
    for (int k = 0; k < drawing.windows; k++) {
        for (int64_t i = drawing.first[k] + 1; i <= drawing.last[k]; i++)
            assert_false(cut[i]);
        assert_true(!cut[drawing.first[k]] || drawing.carried[k] == 0 ||
                    drawing.first[k] == drawing.first[k - 1]);
    }
}

static void test_overlap_must_leave_new_frames(void **state)
{
    const sc_settings set = { .inpaint_window = 3, .inpaint_overlap = 3 };
    const sc_context c = { .set = &set, .plan = sc_plan_of(&set) };
    sc_stage *s = NULL;

    (void)state;
    assert_int_equal(sc_inpaint_net_open(&s, &c, NULL, &(sc_model_files){ .unet = "" }), SC_ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_chunks_of_the_reference),
        cmocka_unit_test(test_no_window_crosses_a_cut),
        cmocka_unit_test(test_overlap_must_leave_new_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
