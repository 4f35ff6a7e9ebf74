#include "image.h"

#include <libavutil/adler32.h>
#include <libavutil/hwcontext.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>

static bool is_rgb(enum AVPixelFormat format)
{
    return av_pix_fmt_desc_get(format)->flags & AV_PIX_FMT_FLAG_RGB;
}

static bool is_grey(enum AVPixelFormat format)
{
    return av_pix_fmt_desc_get(format)->nb_components < 3;
}

/* YCbCr of the same class: matrix and range of one hold for the other. */
static bool same_family(enum AVPixelFormat a, enum AVPixelFormat b)
{
    return is_rgb(a) == is_rgb(b) && is_grey(a) == is_grey(b);
}

bool sc_pixels_supported(enum AVPixelFormat format)
{
    const unsigned never = AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_HWACCEL |
                           AV_PIX_FMT_FLAG_BE | AV_PIX_FMT_FLAG_BAYER | AV_PIX_FMT_FLAG_FLOAT;
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);

    /* XYZ is no RGB; the luma of UYYVYY lies at no one step. */
    if (!d || d->flags & never || format == AV_PIX_FMT_XYZ12LE || format == AV_PIX_FMT_UYYVYY411)
        return false;
    for (int i = 0; i < (is_grey(format) ? 1 : 3); i++) {
        const AVComponentDescriptor *c = &d->comp[i];
        const int bytes = c->depth > 8 ? 2 : 1;
        if (c->depth < 8 || c->depth != d->comp[0].depth || c->depth + c->shift > 8 * bytes ||
            c->step % bytes || c->offset % bytes)
            return false;
    }
    return true;
}

bool sc_pixels_same(enum AVPixelFormat a, enum AVPixelFormat b)
{
    const AVPixFmtDescriptor *p = av_pix_fmt_desc_get(a), *q = av_pix_fmt_desc_get(b);
    const int comps = is_grey(a) ? 1 : 3;

    if (a == b)
        return true;
    if (!same_family(a, b) || p->log2_chroma_w != q->log2_chroma_w || p->log2_chroma_h != q->log2_chroma_h)
        return false;
    for (int i = 0; i < comps; i++) {
        const AVComponentDescriptor *c = &p->comp[i], *e = &q->comp[i];
        if (c->plane != e->plane || c->step != e->step || c->offset != e->offset || c->shift != e->shift ||
            c->depth != e->depth)
            return false;
    }
    return true;
}

void sc_pixels_tags(const sc_video_info *v, enum AVPixelFormat format, enum AVColorSpace *matrix,
                    enum AVColorRange *range)
{
    *matrix = v->matrix;
    *range = v->range;
    if (same_family(v->format, format))
        return;
    if (is_rgb(format)) {
        *matrix = AVCOL_SPC_RGB;
        *range = AVCOL_RANGE_JPEG;
    } else if (is_grey(format)) {
        *range = AVCOL_RANGE_JPEG;
    } else {
        if (is_rgb(v->format) || is_grey(v->format))
            *range = AVCOL_RANGE_MPEG;
        if (*matrix == AVCOL_SPC_RGB || *matrix == AVCOL_SPC_UNSPECIFIED)
            *matrix = v->height >= 720 ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
    }
}

/* Luma weights of red and blue, ITU-T H.273 table 4. */
static void luma_weights(enum AVColorSpace matrix, int height, double *red, double *blue)
{
    switch (matrix) {
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL: /* the two below are not linear in RGB: their nearest linear relative */
    case AVCOL_SPC_ICTCP:
        *red = 0.2627, *blue = 0.0593;
        return;
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M:
        *red = 0.299, *blue = 0.114;
        return;
    case AVCOL_SPC_SMPTE240M:
        *red = 0.212, *blue = 0.087;
        return;
    case AVCOL_SPC_FCC:
        *red = 0.30, *blue = 0.11;
        return;
    case AVCOL_SPC_UNSPECIFIED:
        if (height < 720) {
            *red = 0.299, *blue = 0.114;
            return;
        }
        break;
    default:
        break;
    }
    *red = 0.2126, *blue = 0.0722;
}

/* rgb = rows of m times (luma, second, third component), luma 0..1 and the others -0.5..0.5 (0..1 for RGB).
 */
static void unit_matrix(double m[3][3], const sc_video_info *v, enum AVPixelFormat format,
                        enum AVColorSpace matrix)
{
    static const double rgb[3][3] = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } };
    static const double gbr[3][3] = { { 0, 0, 1 }, { 1, 0, 0 }, { 0, 1, 0 } };
    static const double ycgco[3][3] = { { 1, -1, 1 }, { 1, 1, 0 }, { 1, -1, -1 } };
    double red, blue;

    luma_weights(matrix, v->height, &red, &blue);
    const double green = 1 - red - blue, u = 2 * (1 - blue), w = 2 * (1 - red);
    const double ycbcr[3][3] = { { 1, 0, w }, { 1, -blue * u / green, -red * w / green }, { 1, u, 0 } };
    const double(*from)[3] = ycbcr;
    if (is_rgb(format))
        from = rgb;
    else if (matrix == AVCOL_SPC_RGB && !is_grey(format))
        from = gbr;
    else if (matrix == AVCOL_SPC_YCGCO)
        from = ycgco;
    for (int i = 0; i < 9; i++)
        m[i / 3][i % 3] = from[i / 3][i % 3];
}

static void invert(double out[3][3], double m[3][3])
{
    double det = 0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            const int a = (j + 1) % 3, b = (j + 2) % 3, c = (i + 1) % 3, d = (i + 2) % 3;
            out[i][j] = m[a][c] * m[b][d] - m[a][d] * m[b][c];
        }
    for (int j = 0; j < 3; j++)
        det += m[0][j] * out[j][0];
    for (int i = 0; i < 9; i++)
        out[i / 3][i % 3] /= det;
}

/* Fills in to_rgb and from_rgb: unit values = (code - zero) / scale, per component. */
static void set_matrices(sc_pixels *px, const sc_video_info *v, enum AVPixelFormat format)
{
    enum AVColorSpace matrix;
    enum AVColorRange range;
    double m[3][3], inverse[3][3], zero[3], scale[3];
    const int depth = px->comp[0].depth;

    sc_pixels_tags(v, format, &matrix, &range);
    const bool colours = is_rgb(format) || (matrix == AVCOL_SPC_RGB && !is_grey(format));
    /* Without a tag RGB and grey files are full range, YCbCr is not: as swscale has it. */
    const bool full = range == AVCOL_RANGE_JPEG ||
                      (range == AVCOL_RANGE_UNSPECIFIED && (is_rgb(format) || is_grey(format)));
    unit_matrix(m, v, format, matrix);
    invert(inverse, m);
    for (int i = 0; i < 3; i++) {
        const bool chroma = i > 0 && !colours;
        scale[i] = full ? (1 << depth) - 1 : (chroma ? 224 : 219) << (depth - 8);
        zero[i] = chroma ? 128 << (depth - 8) : full ? 0 : 16 << (depth - 8);
    }
    for (int i = 0; i < 3; i++) {
        double t = 0;
        for (int j = 0; j < 3; j++) {
            const bool used = j < px->comps;
            t -= used ? m[i][j] * zero[j] / scale[j] : 0;
            px->to_rgb[4 * i + j] = used ? (float)(m[i][j] / scale[j]) : 0;
            px->from_rgb[4 * i + j] = (float)(inverse[i][j] * scale[i]);
        }
        px->to_rgb[4 * i + 3] = (float)t;
        px->from_rgb[4 * i + 3] = (float)zero[i];
    }
}

int sc_pixels_from_frame(sc_pixels *out, const AVFrame *f, const sc_video_info *v, const sc_logger *log)
{
    const enum AVPixelFormat format =
        f->hw_frames_ctx ? ((const AVHWFramesContext *)(void *)f->hw_frames_ctx->data)->sw_format : f->format;

    if (!sc_pixels_supported(format))
        return sc_fail(log, AVERROR(ENOSYS), "image", "pixel format %s cannot be read or written",
                       av_get_pix_fmt_name(format) ? av_get_pix_fmt_name(format) : "unknown");

    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);
    const int bytes = d->comp[0].depth > 8 ? 2 : 1;
    sc_pixels px = { .planes = av_pix_fmt_count_planes(format),
                     .comps = is_grey(format) ? 1 : 3,
                     .log2_cw = d->log2_chroma_w,
                     .log2_ch = d->log2_chroma_h };
    for (int i = 0; i < px.comps; i++) {
        const AVComponentDescriptor *c = &d->comp[i];
        px.comp[i].plane = c->plane;
        px.comp[i].step = c->step / bytes;
        px.comp[i].offset = c->offset / bytes;
        px.comp[i].depth = f->hw_frames_ctx ? av_pix_fmt_desc_get(v->format)->comp[0].depth : c->depth;
        px.comp[i].shift = f->hw_frames_ctx ? 8 * bytes - px.comp[i].depth : c->shift;
    }
    for (int i = 0; i < px.planes; i++) {
        const int sub = i == 1 || i == 2 ? d->log2_chroma_h : 0;
        const int64_t h = AV_CEIL_RSHIFT(f->height, sub),
                      w = av_image_get_linesize(format, f->width, i) / bytes;
        px.plane[i] = sc_tensor_make(f->data[i], bytes == 2 ? SC_U16 : SC_U8, SC_DIMS(h, w));
        px.plane[i].stride[0] = f->linesize[i] / bytes;
    }
    set_matrices(&px, v, format);
    *out = px;
    return 0;
}

int sc_shape_new(AVFrame **out, enum AVPixelFormat format, int width, int height)
{
    AVFrame *f = av_frame_alloc();

    if (!f)
        return AVERROR(ENOMEM);
    f->format = format;
    f->width = width;
    f->height = height;
    *out = f;
    return 0;
}

int sc_packed_new(AVFrame **out, enum AVPixelFormat format, int width, int height)
{
    AVFrame *f = NULL;
    int ret = sc_shape_new(&f, format, width, height);

    if (ret >= 0 && (ret = av_frame_get_buffer(f, 1)) >= 0)
        *out = f;
    else
        av_frame_free(&f);
    return ret;
}

void sc_picture_free(AVFrame **f)
{
    av_frame_free(f);
}

void sc_pixels_new(sc_exec *x, sc_pixels *px, const AVFrame *shape, const sc_video_info *v)
{
    const int ret = sc_pixels_from_frame(px, shape, v, x->log);

    if (ret < 0) {
        x->err = x->err ? x->err : ret;
        return;
    }
    for (int i = 0; i < px->planes; i++)
        px->plane[i] = sc_new_like(x, px->plane[i]);
}

void sc_pixels_upload(sc_exec *x, const sc_pixels *px, const AVFrame *packed)
{
    const int64_t before = x->stats.bytes_up;

    for (int i = 0; i < px->planes; i++)
        sc_upload(x, px->plane[i], packed->data[i]);
    x->stats.pixels_up += x->stats.bytes_up - before;
}

uint8_t *sc_pixels_place(const AVFrame *to, int left, int top, int p)
{
    const int ch = p == 1 || p == 2 ? av_pix_fmt_desc_get(to->format)->log2_chroma_h : 0;

    return to->data[p] + (top >> ch) * to->linesize[p] + av_image_get_linesize(to->format, left, p);
}

void sc_pixels_download(sc_exec *x, const AVFrame *to, int left, int top, const sc_pixels *px)
{
    const int64_t before = x->stats.bytes_down;

    for (int i = 0; i < px->planes; i++)
        sc_download_rows(x, sc_pixels_place(to, left, top, i), (size_t)to->linesize[i], px->plane[i]);
    x->stats.pixels_down += x->stats.bytes_down - before;
}

uint32_t sc_picture_check(const AVFrame *f)
{
    const AVPixFmtDescriptor *d;
    uint32_t sum = 1;

    if (!f || f->hw_frames_ctx || !f->data[0])
        return 0;
    d = av_pix_fmt_desc_get(f->format);
    for (int i = 0; i < av_pix_fmt_count_planes(f->format); i++) {
        const int rows = AV_CEIL_RSHIFT(f->height, i == 1 || i == 2 ? d->log2_chroma_h : 0);
        const int bytes = av_image_get_linesize(f->format, f->width, i);

        for (int y = 0; y < rows; y++)
            sum = (uint32_t)av_adler32_update(sum, f->data[i] + (ptrdiff_t)y * f->linesize[i], (size_t)bytes);
    }
    return sum;
}

double sc_picture_light(const AVFrame *f, const sc_video_info *v)
{
    enum { STEP = 8 }; /* a mean of thousands of pixels needs no more */
    sc_pixels px;
    int64_t sum = 0, count = 0;

    if (f->hw_frames_ctx || sc_pixels_from_frame(&px, f, v, NULL) < 0)
        return 0;
    const sc_tensor *t = &px.plane[px.comp[0].plane];
    for (int64_t y = 0; y < f->height; y += STEP)
        for (int64_t x = 0; x < f->width; x += STEP, count++) {
            const int64_t at = y * t->stride[0] + x * px.comp[0].step + px.comp[0].offset;
            const int word =
                t->dtype == SC_U16 ? ((const uint16_t *)t->data)[at] : ((const uint8_t *)t->data)[at];
            sum += (word >> px.comp[0].shift) & ((1 << px.comp[0].depth) - 1);
        }
    const double code = (double)sum / (double)SC_MAX(count, 1), zero = px.from_rgb[3];
    return SC_MAX(code - zero, 0) / (px.from_rgb[0] + px.from_rgb[1] + px.from_rgb[2]);
}
