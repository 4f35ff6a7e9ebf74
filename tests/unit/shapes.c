/* The full-size published networks on the null device: parameters, operations, and an arena left as it was
 * found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../../src/nets/clip.h"
#include "../../src/nets/unet.h"
#include "../../src/nets/vae.h"

typedef struct world {
    sc_device *dev;
    sc_exec x;
} world;

static void open_world(world *w)
{
    *w = (world){ 0 };
    assert_int_equal(sc_device_open(&w->dev, &(sc_device_options){ .name = "null" }, NULL), 0);
    assert_int_equal(sc_exec_open(&w->x, w->dev, NULL, SC_F32, 0), 0);
}

static sc_loader *shapes_only(world *w)
{
    sc_loader *ld = NULL;
    assert_int_equal(sc_loader_open(&ld, NULL, NULL, &w->x, SC_F32, NULL), 0);
    return ld;
}

/* What a forward cost, after it has proved that it was complete and cleaned up. */
static int64_t finish(world *w, size_t used)
{
    const int64_t flops = w->x.stats.flops;
    assert_int_equal(sc_exec_wait(&w->x), 0);
    assert_int_equal(w->x.used, used);
    w->x.stats.flops = 0;
    return flops;
}

static void close_world(world *w)
{
    sc_exec_close(&w->x);
    sc_device_close(&w->dev);
}

static sc_unet *open_unet(world *w, int channels)
{
    sc_unet_config cfg;
    sc_unet *u = NULL;
    sc_loader *ld = shapes_only(w);

    sc_unet_config_read(&cfg, NULL);
    cfg.in_channels = channels;
    assert_int_equal(sc_unet_open(&u, &cfg, &ld, &w->x), 0);
    return u;
}

/* Operations of one forward by an accounting of the Python modules that shares no code with this program: it
 * visits the layers of the diffusers classes and agrees with hooks on them to the last multiplication. Two
 * per multiply-add of convolutions, linear layers and attention, cross-attention in its collapsed form. */
static const struct {
    int frames, h, w, channels;
    int64_t flops;
} unet_flops[] = {
    { 25, 576, 1024, 8, 76958270750720 },   { 25, 576, 1024, 9, 76959597854720 },
    { 14, 576, 1024, 8, 43080648581120 },   { 110, 576, 1024, 8, 339588181483520 },
    { 25, 512, 1024, 8, 66877152542720 },   { 70, 448, 1024, 8, 160355310264320 },
    { 23, 1024, 1920, 9, 346908705751040 }, { 1, 64, 64, 8, 17492449280 },
    { 3, 128, 64, 9, 103791196160 },        { 25, 320, 640, 8, 23213456414720 },
    { 16, 704, 1280, 8, 83222678773760 },
};

/* The accounting projects the time embedding for each frame, as Python does; the net knows that all frames
 * have the same and does it once: 22 residual blocks of two halves with this many channels in all. */
enum {
    TIME = 1280,
    BLOCK_CHANNELS = 2 * (2 * (320 + 640 + 1280 + 1280) + 2 * 1280 + 3 * (1280 + 1280 + 640 + 320))
};

static void unet_operations(void **state)
{
    (void)state;
    for (int i = 0; i < SC_COUNT(unet_flops); i++) {
        const int t = unet_flops[i].frames, h = unet_flops[i].h / 8, wd = unet_flops[i].w / 8;
        world w;
        open_world(&w);
        sc_unet *u = open_unet(&w, unet_flops[i].channels);
        const sc_tensor in = sc_new(&w.x, SC_F32, SC_DIMS(t, h, wd, unet_flops[i].channels));
        const sc_tensor v = sc_new(&w.x, SC_F32, SC_DIMS(t, h, wd, 4));
        const sc_unet_cond cond = { .context = sc_new(&w.x, SC_F32, SC_DIMS(t, 1024)) };
        const size_t used = w.x.used;

        sc_unet_forward(&w.x, v, u, in, 1, &cond);
        const int64_t once = 2LL * TIME * BLOCK_CHANNELS * (t - 1);
        assert_int_equal(finish(&w, used) + once, unet_flops[i].flops);
        assert_true((double)once < 0.001 * (double)unet_flops[i].flops || h * wd < 1000);
        sc_unet_close(&u, w.dev);
        close_world(&w);
    }
}

static void unet_parameters(void **state)
{
    static const int64_t want[] = { [8] = 1524623082, [9] = 1524625962 };
    world w;

    (void)state;
    open_world(&w);
    for (int channels = 8; channels <= 9; channels++) {
        sc_unet *u = open_unet(&w, channels);
        assert_int_equal(sc_unet_params(u), want[channels]);
        assert_int_equal(sc_unet_get_config(u)->in_channels, channels);
        sc_unet_close(&u, w.dev);
    }
    close_world(&w);
}

/* Every way to misuse the shapes is refused, and the arena is as before. */
static void unet_refuses(void **state)
{
    static const int64_t wrong[][5] = { /* frames, h, w, channels, context tokens */
                                        { 2, 12, 16, 8, 1 },
                                        { 2, 16, 20, 8, 1 },
                                        { 2, 16, 16, 9, 1 },
                                        { 3, 16, 16, 8, 2 }
    };
    world w;

    (void)state;
    open_world(&w);
    sc_unet *u = open_unet(&w, 8);
    for (int i = 0; i < SC_COUNT(wrong); i++) {
        const int64_t *d = wrong[i];
        const sc_tensor in = sc_new(&w.x, SC_F32, SC_DIMS(d[0], d[1], d[2], d[3]));
        const sc_tensor v = sc_new(&w.x, SC_F32, SC_DIMS(d[0], d[1], d[2], 4));
        const sc_unet_cond cond = { .context = sc_new(&w.x, SC_F32, SC_DIMS(d[4], 1024)) };
        const size_t used = w.x.used;
        sc_unet_forward(&w.x, v, u, in, 1, &cond);
        assert_int_equal(w.x.used, used);
        assert_int_equal(sc_exec_wait(&w.x), -EINVAL);
    }
    sc_unet_close(&u, w.dev);
    close_world(&w);
}

static void bad_configurations(void **state)
{
    world w;
    sc_unet_config cfg;
    sc_unet *u = NULL;

    (void)state;
    open_world(&w);
    for (int i = 0; i < 4; i++) {
        sc_loader *ld = shapes_only(&w);
        sc_unet_config_read(&cfg, NULL);
        switch (i) {
        case 0:
            cfg.block_out_channels[1] = 650;
            break;
        case 1:
            cfg.num_attention_heads[2] = 0;
            break;
        case 2:
            cfg.layers_per_block = 1000;
            break;
        default:
            cfg.addition_time_embed_dim = -2;
        }
        assert_int_equal(sc_unet_open(&u, &cfg, &ld, &w.x), SC_ERR_WEIGHTS);
        assert_null(u);
        assert_null(ld);
    }
    close_world(&w);
}

static void vae_operations(void **state)
{
    static const struct {
        int frames, h, w;
        int64_t encode, decode;
    } want[] = {
        { 1, 576, 1024, 2609118314496, 6942968119296 },
        { 8, 576, 1024, 20872946515968, 55543744954368 },
        { 25, 576, 1024, 65227957862400, 173574202982400 },
        { 2, 1024, 1920, 20099951493120, 48992283525120 },
        { 8, 512, 1024, 18416291282944, 49234778783744 },
        { 1, 64, 64, 16919306240, 47015485440 },
        { 3, 128, 64, 101566169088, 282143244288 },
        { 5, 1080, 1920, 53555302656000, 129736256256000 },
        { 8, 320, 640, 6932139212800, 18970610892800 },
        { 4, 8, 8, 1056940544, 2937951744 },
    };
    world w;
    sc_vae_config cfg;
    sc_vae *v = NULL;

    (void)state;
    open_world(&w);
    sc_loader *ld = shapes_only(&w);
    sc_vae_config_read(&cfg, NULL);
    assert_int_equal(sc_vae_open(&v, &cfg, SC_F32, &ld, &w.x), 0);
    assert_int_equal(sc_vae_params(v), 97742847);
    for (int i = 0; i < SC_COUNT(want); i++) {
        const sc_mark m = sc_push(&w.x);
        const sc_tensor images = sc_new(&w.x, SC_F32, SC_DIMS(want[i].frames, want[i].h, want[i].w, 3));
        const sc_tensor latents =
            sc_new(&w.x, SC_F32, SC_DIMS(want[i].frames, want[i].h / 8, want[i].w / 8, 4));
        const size_t used = w.x.used;
        sc_vae_encode(&w.x, latents, v, images);
        assert_int_equal(finish(&w, used), want[i].encode);
        sc_vae_decode(&w.x, images, v, latents);
        assert_int_equal(finish(&w, used), want[i].decode);
        sc_pop(&w.x, m);
    }
    sc_vae_close(&v, w.dev);
    close_world(&w);
}

static void clip_operations(void **state)
{
    static const int sizes[][3] = { { 1, 576, 1024 }, { 8, 1080, 1920 }, { 25, 224, 224 }, { 1, 100, 64 } };
    world w;
    sc_clip_config cfg;
    sc_clip *c = NULL;

    (void)state;
    open_world(&w);
    sc_loader *ld = shapes_only(&w);
    sc_clip_config_read(&cfg, NULL);
    assert_int_equal(sc_clip_open(&c, &cfg, &ld, &w.x), 0);
    assert_int_equal(sc_clip_params(c), 632076800);
    for (int i = 0; i < SC_COUNT(sizes); i++) {
        const sc_mark m = sc_push(&w.x);
        const sc_tensor images = sc_new(&w.x, SC_F32, SC_DIMS(sizes[i][0], sizes[i][1], sizes[i][2], 3));
        const sc_tensor embeds = sc_new(&w.x, SC_F32, SC_DIMS(sizes[i][0], 1024));
        const size_t used = w.x.used;
        sc_clip_embed(&w.x, embeds, c, images);
        assert_int_equal(finish(&w, used), sizes[i][0] * 334590279680);
        sc_pop(&w.x, m);
    }
    sc_clip_close(&c, w.dev);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unet_parameters),    cmocka_unit_test(unet_operations),
        cmocka_unit_test(unet_refuses),       cmocka_unit_test(vae_operations),
        cmocka_unit_test(bad_configurations), cmocka_unit_test(clip_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
