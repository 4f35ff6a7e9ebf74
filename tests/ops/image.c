#include <math.h>
#include <stdlib.h>

#include "../check.h"

typedef enum model { YUV, RGB, GREY } model;

/* One row a layout that the codecs have: word size, subsampling, and where each component's words are. */
static const struct format {
    const char *name;
    sc_dtype word;
    model model;
    int depth, shift, log2_cw, log2_ch;
    struct {
        int plane, step, offset;
    } comp[3];
    bool full;
} formats[] = {
    { "yuv420p", SC_U8, YUV, 8, 0, 1, 1, { { 0, 1, 0 }, { 1, 1, 0 }, { 2, 1, 0 } }, false },
    { "yuvj422p", SC_U8, YUV, 8, 0, 1, 0, { { 0, 1, 0 }, { 1, 1, 0 }, { 2, 1, 0 } }, true },
    { "yuv444p", SC_U8, YUV, 8, 0, 0, 0, { { 0, 1, 0 }, { 1, 1, 0 }, { 2, 1, 0 } }, false },
    { "yuv410p", SC_U8, YUV, 8, 0, 2, 2, { { 0, 1, 0 }, { 1, 1, 0 }, { 2, 1, 0 } }, false },
    { "yuv420p10", SC_U16, YUV, 10, 0, 1, 1, { { 0, 1, 0 }, { 1, 1, 0 }, { 2, 1, 0 } }, false },
    { "yuv422p12", SC_U16, YUV, 12, 0, 1, 0, { { 0, 1, 0 }, { 1, 1, 0 }, { 2, 1, 0 } }, false },
    { "yuv444p16 full", SC_U16, YUV, 16, 0, 0, 0, { { 0, 1, 0 }, { 1, 1, 0 }, { 2, 1, 0 } }, true },
    { "yuv420p16", SC_U16, YUV, 16, 0, 1, 1, { { 0, 1, 0 }, { 1, 1, 0 }, { 2, 1, 0 } }, false },
    { "nv12", SC_U8, YUV, 8, 0, 1, 1, { { 0, 1, 0 }, { 1, 2, 0 }, { 1, 2, 1 } }, false },
    { "p010", SC_U16, YUV, 10, 6, 1, 1, { { 0, 1, 0 }, { 1, 2, 0 }, { 1, 2, 1 } }, false },
    { "yuyv422", SC_U8, YUV, 8, 0, 1, 0, { { 0, 2, 0 }, { 0, 4, 1 }, { 0, 4, 3 } }, false },
    { "rgb24", SC_U8, RGB, 8, 0, 0, 0, { { 0, 3, 0 }, { 0, 3, 1 }, { 0, 3, 2 } }, true },
    { "bgra", SC_U8, RGB, 8, 0, 0, 0, { { 0, 4, 2 }, { 0, 4, 1 }, { 0, 4, 0 } }, true },
    { "rgb48", SC_U16, RGB, 16, 0, 0, 0, { { 0, 3, 0 }, { 0, 3, 1 }, { 0, 3, 2 } }, true },
    { "gbrp10", SC_U16, RGB, 10, 0, 0, 0, { { 2, 1, 0 }, { 0, 1, 0 }, { 1, 1, 0 } }, true },
    { "gray", SC_U8, GREY, 8, 0, 0, 0, { { 0, 1, 0 } }, false },
    { "gray16", SC_U16, GREY, 16, 0, 0, 0, { { 0, 1, 0 } }, true },
};

/* The matrices as ITU-R BT.709 writes them: rgb of normalised luma and colour differences. */
static void matrices(sc_pixels *px, const struct format *f)
{
    const double kr = 0.2126, kb = 0.0722, kg = 1 - kr - kb, unit = (double)(1 << (f->depth - 8));
    const double top = (double)(1 << f->depth) - 1;
    const double black = f->full ? 0 : 16 * unit, luma = f->full ? top : 219 * unit;
    const double grey = 128 * unit, chroma = f->full ? top : 224 * unit;
    const double from_yuv[9] = {
        kr, kg, kb, -kr / (1 - kb) / 2, -kg / (1 - kb) / 2, 0.5, 0.5, -kg / (1 - kr) / 2, -kb / (1 - kr) / 2
    };
    const double to_yuv[9] = {
        1, 0, 2 * (1 - kr), 1, -2 * kb * (1 - kb) / kg, -2 * kr * (1 - kr) / kg, 1, 2 * (1 - kb), 0
    };

    for (int i = 0; i < 3; i++) {
        double t = 0;
        for (int j = 0; j < 3; j++) {
            const double scale = j && f->model == YUV ? chroma : luma;
            const double m = f->model == YUV ? to_yuv[3 * i + j] : f->model == RGB ? i == j : j == 0;
            px->to_rgb[4 * i + j] = (float)(m / scale);
            t -= m / scale * (j && f->model == YUV ? grey : black);
            const double scale_i = i && f->model == YUV ? chroma : luma;
            px->from_rgb[4 * i + j] = (float)(scale_i * (f->model == RGB ? i == j : from_yuv[3 * i + j]));
            px->from_rgb[4 * i + 3] = (float)(i && f->model == YUV ? grey : black);
        }
        px->to_rgb[4 * i + 3] = (float)t;
    }
}

static sc_pixels describe(const struct format *f)
{
    sc_pixels px = { .comps = f->model == GREY ? 1 : 3, .log2_cw = f->log2_cw, .log2_ch = f->log2_ch };

    for (int k = 0; k < px.comps; k++) {
        px.comp[k].plane = f->comp[k].plane;
        px.comp[k].step = f->comp[k].step;
        px.comp[k].offset = f->comp[k].offset;
        px.comp[k].shift = f->shift;
        px.comp[k].depth = f->depth;
        px.planes = SC_MAX(px.planes, f->comp[k].plane + 1);
    }
    matrices(&px, f);
    return px;
}

/* Size of a plane in words: what its components' last samples need, rounded up to whole groups. */
static void plane_size(const struct format *f, int plane, int h, int w, int64_t dim[2])
{
    dim[0] = dim[1] = 0;
    for (int k = 0; k < (f->model == GREY ? 1 : 3); k++) {
        if (f->comp[k].plane != plane)
            continue;
        const int cw = k ? f->log2_cw : 0, ch = k ? f->log2_ch : 0;
        dim[0] = SC_MAX(dim[0], (h + (1 << ch) - 1) >> ch);
        dim[1] = SC_MAX(dim[1], (int64_t)f->comp[k].step * ((w + (1 << cw) - 1) >> cw));
    }
}

static double code_at(const sc_pixels *px, int k, int y, int x)
{
    const sc_tensor p = px->plane[px->comp[k].plane];
    const int64_t i = (y >> (k ? px->log2_ch : 0)) * p.dim[1] + px->comp[k].offset +
                      (int64_t)(x >> (k ? px->log2_cw : 0)) * px->comp[k].step;
    const int word = p.dtype == SC_U8 ? ((const uint8_t *)p.data)[i] : ((const uint16_t *)p.data)[i];

    return (word >> px->comp[k].shift) & ((1 << px->comp[k].depth) - 1);
}

/* Random words, none of them outside the depth; every code of 8 bits comes up in the larger pictures. */
static pair random_plane(check *c, const struct format *f, const int64_t dim[2])
{
    float *v = malloc((size_t)(dim[0] * dim[1]) * sizeof(*v) + 1);

    for (int64_t i = 0; i < dim[0] * dim[1]; i++)
        v[i] = (float)(check_random_int(c, 0, (1 << f->depth) - 1) << f->shift);
    const pair p = check_values(c, f->word, v, 2, dim);
    free(v);
    return p;
}

/* out(in(codes)) == codes, whatever colours they make; in(codes) is the matrix product. */
static void round_trip(check *c, const struct format *f, int h, int w, bool dither)
{
    double *want = malloc((size_t)(h * w * 3) * sizeof(*want));
    sc_pixels px = describe(f);
    pair in[3], out[3];
    int64_t dim[3][2];
    bool same = true;

    check_begin(c, "image", "%s %dx%d%s", f->name, w, h, dither ? " dithered" : "");
    for (int k = 0; k < px.planes; k++) {
        plane_size(f, k, h, w, dim[k]);
        in[k] = random_plane(c, f, dim[k]);
        out[k] = check_output(c, f->word, 2, dim[k]);
        px.plane[k] = in[k].on[0];
    }
    const pair rgb = check_output(c, SC_F32, SC_DIMS(h, w, 3));
    for (int i = 0; i < h * w * 3 && !c->skip; i++) {
        want[i] = (double)px.to_rgb[4 * (i % 3) + 3];
        for (int k = 0; k < px.comps; k++)
            want[i] += (double)px.to_rgb[4 * (i % 3) + k] * code_at(&px, k, i / 3 / w, i / 3 % w);
    }
    check_expect(c, rgb, want);
    while (check_run(c)) {
        sc_pixels back = px;
        for (int k = 0; k < px.planes; k++) {
            px.plane[k] = at(c, in[k]);
            back.plane[k] = at(c, out[k]);
        }
        sc_image_in_into(c->x, &(sc_image_in_args){ at(c, rgb), px });
        sc_image_out_into(c->x, &(sc_image_out_args){ back, at(c, rgb), dither });
        for (int k = 0; k < px.comps; k++) {
            const sc_tensor p = at(c, out[px.comp[k].plane]);
            void *a = malloc(sc_tensor_bytes(p)), *b = malloc(sc_tensor_bytes(p));
            sc_download(c->x, a, px.plane[px.comp[k].plane]);
            sc_download(c->x, b, p);
            sc_pixels host_a = px, host_b = px;
            host_a.plane[px.comp[k].plane] = sc_tensor_make(a, f->word, 2, p.dim);
            host_b.plane[px.comp[k].plane] = sc_tensor_make(b, f->word, 2, p.dim);
            for (int i = 0; i < h * w; i++)
                same = same && code_at(&host_a, k, i / w, i % w) == code_at(&host_b, k, i / w, i % w);
            free(a);
            free(b);
        }
    }
    check_end(c, &(check_tol){ .k = 4, .factor = 256 }); /* dark: terms 16 times their sum */
    check_that(c, same, "%s keeps its codes", c->name);
    free(want);
}

/* Codes are the rounded products, dithered ones within a code of them and right on average. */
static void rounding(check *c, bool dither)
{
    enum { H = 64, W = 256 };
    static float v[H * W * 3];
    static uint8_t codes[H * W];
    double worst = 0, mean = 0;
    sc_pixels px = describe(&formats[SC_COUNT(formats) - 2]);

    check_begin(c, "image", "rounding%s", dither ? " dithered" : "");
    for (int i = 0; i < H * W * 3; i++)
        v[i] = (float)(-0.2 + 1.4 * (i / 3) / (H * W)); /* a grey ramp, beyond both ends */
    const pair rgb = check_values(c, SC_F32, v, SC_DIMS(H, W, 3));
    const pair out = check_output(c, SC_U8, SC_DIMS(H, W));
    while (check_run(c)) {
        px.plane[0] = at(c, out);
        sc_image_out_into(c->x, &(sc_image_out_args){ px, at(c, rgb), dither });
        sc_download(c->x, codes, at(c, out));
    }
    for (int i = 0; i < H * W; i++) {
        const double e = codes[i] - SC_CLAMP(16 + 219 * (double)v[3 * i], 0, 255);
        worst = fmax(worst, fabs(e));
        mean += e / (H * W);
    }
    check_end(c, &(check_tol){ .exact = true });
    check_that(c, c->skip || (worst <= (dither ? 0.94 : 0.5) + 1e-4 && (!dither || worst > 0.75)),
               "%s: worst error %g", c->name, worst);
    check_that(c, fabs(mean) < 0.02, "%s: mean error %g", c->name, mean);
}

/* A part of a picture leaves the rest alone. */
static void part_of_picture(check *c)
{
    sc_pixels px = describe(&formats[0]);
    pair out[3];

    check_begin(c, "image", "part");
    const pair rgb = check_uniform(c, SC_F32, 0, 1, SC_DIMS(20, 40, 3));
    for (int k = 0; k < 3; k++)
        out[k] = check_output(c, SC_U8, SC_DIMS(k ? 16 : 32, k ? 32 : 64));
    bool kept = true;
    while (check_run(c)) {
        uint8_t host[32 * 64];
        for (int k = 0; k < 3; k++) {
            const int s = k ? 2 : 1;
            px.plane[k] = sc_slice(sc_slice(at(c, out[k]), 0, 8 / s, 16 / s), 1, 12 / s, 30 / s);
        }
        const sc_tensor view = sc_slice(sc_slice(at(c, rgb), 0, 2, 16), 1, 5, 30);
        sc_image_out_into(c->x, &(sc_image_out_args){ px, view, false });
        sc_download(c->x, host, at(c, out[0]));
        for (int i = 0; i < 32 * 64; i++)
            kept = kept && (host[i] == 255) == (i / 64 < 8 || i / 64 >= 24 || i % 64 < 12 || i % 64 >= 42);
    }
    check_end(c, &(check_tol){ .exact = true });
    check_that(c, kept, "image_out writes its part of a picture and no more");
}

/* Any sizes, on the plain device's word. */
static void sized(check *c, const struct format *f, int h, int w, check_far far)
{
    sc_pixels px = describe(f), back = px;
    pair in[3], out[3];

    check_begin(c, "image", "%s %dx%d%s", f->name, w, h, check_far_name(far));
    check_spread(c, far);
    for (int k = 0; k < px.planes; k++) {
        int64_t dim[2];
        plane_size(f, k, h, w, dim);
        in[k] = random_plane(c, f, dim);
        out[k] = check_output(c, f->word, 2, dim);
    }
    const pair rgb = check_output(c, SC_F32, SC_DIMS(h, w, 3));
    while (check_run(c)) {
        for (int k = 0; k < px.planes; k++) {
            px.plane[k] = at(c, in[k]);
            back.plane[k] = at(c, out[k]);
        }
        sc_image_in_into(c->x, &(sc_image_in_args){ at(c, rgb), px });
        sc_image_out_into(c->x, &(sc_image_out_args){ back, at(c, rgb), true });
    }
    check_end(c, &(check_tol){ .k = 4, .factor = 256 }); /* as round_trip() */
}

void check_image(check *c)
{
    static const int size[][2] = { { 1, 1 }, { 5, 7 }, { 37, 61 }, { 128, 96 } };

    for (int f = 0; f < SC_COUNT(formats); f++)
        for (int s = 0; s < SC_COUNT(size); s++)
            for (int dither = 0; dither < 2; dither++)
                round_trip(c, &formats[f], size[s][0], size[s][1], dither);
    for (int f = 0; f < SC_COUNT(formats); f++)
        if (formats[f].model == YUV)
            sized(c, &formats[f], 3, 61, CHECK_STRIDED);
    rounding(c, false);
    rounding(c, true);
    part_of_picture(c);
}
