/* Descriptions of codec pictures: which formats, where their numbers are, what they mean; and the sizes of
 * layouts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <libavutil/hwcontext.h>

#include "../../src/stages/stages.h"
#include "../../src/video/image.h"

static sc_pixels describe(enum AVPixelFormat format, enum AVColorSpace matrix, enum AVColorRange range,
                          int height)
{
    const sc_video_info v = {
        .width = 64, .height = height, .format = format, .matrix = matrix, .range = range
    };
    AVFrame *f = NULL;
    sc_pixels px = { 0 };

    assert_int_equal(sc_packed_new(&f, format, v.width, v.height), 0);
    assert_int_equal(sc_pixels_from_frame(&px, f, &v, NULL), 0);
    av_frame_free(&f);
    return px;
}

static void apply(float out[3], const float m[12], const float in[3])
{
    for (int i = 0; i < 3; i++)
        out[i] = m[4 * i] * in[0] + m[4 * i + 1] * in[1] + m[4 * i + 2] * in[2] + m[4 * i + 3];
}

static void expect(const sc_pixels *px, const float rgb[3], const float code[3])
{
    float got[3];

    apply(got, px->from_rgb, rgb);
    for (int i = 0; i < px->comps; i++)
        assert_true(fabsf(got[i] - code[i]) < 0.01f);
    apply(got, px->to_rgb, code);
    for (int i = 0; i < 3; i++)
        assert_true(fabsf(got[i] - rgb[i]) < 0.01f / 200);
}

/* Codes by hand from ITU-T H.273: E' = 219 k + 16 and so on. */
static void known_codes(void **state)
{
    (void)state;
    const float white[3] = { 1, 1, 1 }, black[3] = { 0, 0, 0 }, red[3] = { 1, 0, 0 };
    sc_pixels px = describe(AV_PIX_FMT_YUV420P, AVCOL_SPC_BT709, AVCOL_RANGE_MPEG, 64);

    expect(&px, white, (const float[3]){ 235, 128, 128 });
    expect(&px, black, (const float[3]){ 16, 128, 128 });
    expect(&px, red, (const float[3]){ 62.5594f, 102.336f, 240 });
    px = describe(AV_PIX_FMT_YUV420P, AVCOL_SPC_SMPTE170M, AVCOL_RANGE_JPEG, 64);
    expect(&px, red, (const float[3]){ 76.245f, 84.9723f, 255.5f });
    px = describe(AV_PIX_FMT_YUV420P10LE, AVCOL_SPC_BT2020_NCL, AVCOL_RANGE_MPEG, 64);
    expect(&px, white, (const float[3]){ 940, 512, 512 });
    expect(&px, red, (const float[3]){ 64 + 876 * 0.2627f, 386.892f, 960 });
    px = describe(AV_PIX_FMT_YUV444P, AVCOL_SPC_YCGCO, AVCOL_RANGE_JPEG, 64);
    expect(&px, red, (const float[3]){ 63.75f, 64.25f, 255.5f });
    px = describe(AV_PIX_FMT_YUV444P, AVCOL_SPC_RGB, AVCOL_RANGE_JPEG, 64);
    expect(&px, red, (const float[3]){ 0, 0, 255 });
    px = describe(AV_PIX_FMT_GBRP10LE, AVCOL_SPC_RGB, AVCOL_RANGE_UNSPECIFIED, 64);
    expect(&px, red, (const float[3]){ 1023, 0, 0 });
    px = describe(AV_PIX_FMT_GRAY16LE, AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_UNSPECIFIED, 64);
    expect(&px, white, (const float[3]){ 65535, 0, 0 });
}

/* Without tags: BT.709 from 720 lines on, BT.601 below; YCbCr is limited range. */
static void defaults(void **state)
{
    (void)state;
    const sc_pixels sd = describe(AV_PIX_FMT_YUV420P, AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_UNSPECIFIED, 576);
    const sc_pixels hd = describe(AV_PIX_FMT_YUV420P, AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_UNSPECIFIED, 720);
    const sc_pixels sd_tagged = describe(AV_PIX_FMT_YUV420P, AVCOL_SPC_SMPTE170M, AVCOL_RANGE_MPEG, 576);
    const sc_pixels hd_tagged = describe(AV_PIX_FMT_YUV420P, AVCOL_SPC_BT709, AVCOL_RANGE_MPEG, 720);

    assert_memory_equal(sd.to_rgb, sd_tagged.to_rgb, sizeof(sd.to_rgb));
    assert_memory_equal(hd.to_rgb, hd_tagged.to_rgb, sizeof(hd.to_rgb));
    assert_memory_not_equal(sd.to_rgb, hd.to_rgb, sizeof(sd.to_rgb));
}

/* Every format that is said to be supported lies inside its planes, and its matrices are inverse to each
 * other. */
static void every_format(void **state)
{
    (void)state;
    const float rgb[3] = { 0.25f, 0.5f, 0.75f };
    int supported = 0;

    for (const AVPixFmtDescriptor *d = NULL; (d = av_pix_fmt_desc_next(d));) {
        const enum AVPixelFormat format = av_pix_fmt_desc_get_id(d);
        float code[3], back[3];
        if (!sc_pixels_supported(format))
            continue;
        const sc_pixels px = describe(format, AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_UNSPECIFIED, 64);
        supported++;
        for (int i = 0; i < px.comps; i++) {
            const sc_tensor p = px.plane[px.comp[i].plane];
            const int columns = i && px.comps > 1 ? 64 >> px.log2_cw : 64;
            assert_true((columns - 1) * px.comp[i].step + px.comp[i].offset < p.dim[1]);
            assert_int_equal(p.dim[0], i ? 64 >> px.log2_ch : 64);
        }
        if (px.comps == 1)
            continue;
        apply(code, px.from_rgb, rgb);
        apply(back, px.to_rgb, code);
        for (int i = 0; i < 3; i++)
            assert_true(fabsf(back[i] - rgb[i]) < 1e-5f);
    }
    assert_in_range(supported, 60, 250);
    assert_true(sc_pixels_supported(AV_PIX_FMT_P010LE) && sc_pixels_supported(AV_PIX_FMT_UYVY422));
    assert_false(sc_pixels_supported(AV_PIX_FMT_PAL8) || sc_pixels_supported(AV_PIX_FMT_YUV420P10BE) ||
                 sc_pixels_supported(AV_PIX_FMT_RGB565LE) || sc_pixels_supported(AV_PIX_FMT_GBRPF32LE) ||
                 sc_pixels_supported(AV_PIX_FMT_MONOBLACK) || sc_pixels_supported(AV_PIX_FMT_XYZ12LE) ||
                 sc_pixels_supported(AV_PIX_FMT_UYYVYY411));
    assert_true(sc_pixels_same(AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVA420P));
    assert_false(sc_pixels_same(AV_PIX_FMT_YUV420P, AV_PIX_FMT_NV12));
    assert_false(sc_pixels_same(AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV420P10LE));
    assert_false(sc_pixels_same(AV_PIX_FMT_GBRP, AV_PIX_FMT_YUV444P));
}

static void layout_sizes(void **state)
{
    (void)state;
    static const struct {
        int layout, w, h, out_w, out_h, sar_num, sar_den;
    } rows[] = {
        { SC_LAYOUT_SBS, 161, 121, 322, 121, 12, 11 },
        { SC_LAYOUT_TAB, 161, 121, 161, 242, 12, 11 },
        { SC_LAYOUT_HSBS, 1920, 800, 1920, 800, 12, 11 },
        { SC_LAYOUT_HTAB, 1920, 1080, 1920, 1080, 12, 11 },
        { SC_LAYOUT_DUBOIS, 161, 121, 161, 121, 12, 11 },
        { SC_LAYOUT_RGBD, 160, 120, 320, 120, 12, 11 },
        /* 854 / 2 is odd: two more columns, each as much narrower */
        { SC_LAYOUT_HSBS, 854, 480, 856, 480, 12 * 854, 11 * 856 },
        { SC_LAYOUT_HTAB, 854, 482, 854, 484, 12 * 484, 11 * 482 },
    };
    for (int i = 0; i < SC_COUNT(rows); i++) {
        const sc_video_info v = { .width = rows[i].w, .height = rows[i].h, .sar = { 12, 11 } };
        const sc_output o = { .layout = rows[i].layout };
        AVRational sar;
        int w, h;
        sc_layout_size(&o, &v, &w, &h, &sar);
        assert_int_equal(w, rows[i].out_w);
        assert_int_equal(h, rows[i].out_h);
        assert_int_equal(av_cmp_q(sar, (AVRational){ rows[i].sar_num, rows[i].sar_den }), 0);
    }

    int w = 322, h = 121, eye_w, eye_h;
    sc_writer_eyes(SC_LAYOUT_SBS, AV_PIX_FMT_YUV444P, &w, &h, &eye_w, &eye_h);
    assert_true(w == 322 && h == 121 && eye_w == 161 && eye_h == 121);
    sc_writer_eyes(SC_LAYOUT_SBS, AV_PIX_FMT_YUV420P, &w, &h, &eye_w, &eye_h);
    assert_true(w == 324 && h == 122 && eye_w == 162 && eye_h == 122);
}

/* A decoder's frames on a device hold the film's codes in the high bits of words, in formats of their own. */
static void on_a_device(void **state)
{
    (void)state;
    static const struct {
        enum AVPixelFormat film, device;
        int planes, shift, depth;
    } rows[] = {
        { AV_PIX_FMT_YUV420P, AV_PIX_FMT_NV12, 2, 0, 8 },
        { AV_PIX_FMT_YUV420P10LE, AV_PIX_FMT_P010LE, 2, 6, 10 },
        { AV_PIX_FMT_YUV420P12LE, AV_PIX_FMT_P016LE, 2, 4, 12 },
        { AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUV444P, 3, 0, 8 },
        { AV_PIX_FMT_YUV444P10LE, AV_PIX_FMT_YUV444P16LE, 3, 6, 10 },
        { AV_PIX_FMT_YUV444P12LE, AV_PIX_FMT_YUV444P16LE, 3, 4, 12 },
    };
    AVBufferRef *device = av_hwdevice_ctx_alloc(AV_HWDEVICE_TYPE_CUDA);

    if (!device)
        skip(); /* an FFmpeg without it */
    for (int i = 0; i < SC_COUNT(rows); i++) {
        const sc_video_info v = {
            .width = 64, .height = 36, .format = rows[i].film, .matrix = AVCOL_SPC_UNSPECIFIED
        };
        const sc_pixels film = describe(rows[i].film, AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_UNSPECIFIED, 36);
        AVFrame *f = NULL;
        sc_pixels px = { 0 };

        assert_int_equal(sc_shape_new(&f, AV_PIX_FMT_CUDA, 64, 36), 0);
        assert_non_null(f->hw_frames_ctx = av_hwframe_ctx_alloc(device));
        ((AVHWFramesContext *)(void *)f->hw_frames_ctx->data)->sw_format = rows[i].device;
        for (int p = 0; p < 3; p++)
            f->linesize[p] = 512;
        assert_int_equal(sc_pixels_from_frame(&px, f, &v, NULL), 0);
        assert_int_equal(px.planes, rows[i].planes);
        for (int c = 0; c < 3; c++) {
            assert_int_equal(px.comp[c].shift, rows[i].shift);
            assert_int_equal(px.comp[c].depth, rows[i].depth);
        }
        assert_int_equal(px.plane[1].stride[0], px.plane[1].dtype == SC_U16 ? 256 : 512);
        assert_memory_equal(px.to_rgb, film.to_rgb, sizeof(px.to_rgb));
        av_frame_free(&f);
    }
    av_buffer_unref(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_codes),  cmocka_unit_test(defaults),    cmocka_unit_test(every_format),
        cmocka_unit_test(layout_sizes), cmocka_unit_test(on_a_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
