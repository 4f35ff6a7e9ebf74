#include "tags.h"

#include <math.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/spherical.h>

#include "boxes.h"
#include "compat.h"

#include "../layouts.h"

/* Anaglyphs have no tag: players are to show them as any picture. */
static const struct tag {
    enum AVStereo3DType type; /* 0: as any picture */
    bool inverted;            /* right eye first */
    bool not_in_files;        /* Matroska's nearest value means something else: both eyes in one packet */
    int st3d;                 /* Spherical Video V2 RFC, stereo_mode; 0 = none */
    const char *packing;      /* Apple's pkin */
} tags[SC_LAYOUTS] = {
    [SC_LAYOUT_SBS] = { .type = AV_STEREO3D_SIDEBYSIDE, .st3d = 2, .packing = "side" },
    [SC_LAYOUT_HSBS] = { .type = AV_STEREO3D_SIDEBYSIDE, .st3d = 2, .packing = "side" },
    [SC_LAYOUT_TAB] = { .type = AV_STEREO3D_TOPBOTTOM, .st3d = 1, .packing = "over" },
    [SC_LAYOUT_HTAB] = { .type = AV_STEREO3D_TOPBOTTOM, .st3d = 1, .packing = "over" },
    [SC_LAYOUT_CROSS] = { .type = AV_STEREO3D_SIDEBYSIDE, .inverted = true, .st3d = 4, .packing = "side" },
    [SC_LAYOUT_VR180] = { .type = AV_STEREO3D_SIDEBYSIDE, .st3d = 2, .packing = "side" },
    [SC_LAYOUT_SEQUENTIAL] = { .type = AV_STEREO3D_FRAMESEQUENCE, .not_in_files = true },
    [SC_LAYOUT_INTERLACED] = { .type = AV_STEREO3D_LINES },
};

bool sc_tags_is_mov(const AVOutputFormat *of)
{
    return of->codec_tag && av_match_name(of->name, "mp4,mov,ipod,ismv,3gp,3g2,f4v,psp");
}

static void describe(AVStereo3D *s, const struct tag *t)
{
    s->type = t->type;
    s->flags = t->inverted ? AV_STEREO3D_FLAG_INVERT : 0;
}

/* Of a whole sphere a quarter is missing on either side. */
static const uint32_t QUARTER = 1u << 30;

static int tag_sphere(AVStream *st)
{
    size_t size;
    AVSphericalMapping *m = av_spherical_alloc(&size);

    if (!m)
        return AVERROR(ENOMEM);
    m->projection = AV_SPHERICAL_EQUIRECTANGULAR_TILE;
    m->bound_left = m->bound_right = QUARTER;
    return sc_stream_add_side_data(st, AV_PKT_DATA_SPHERICAL, m, size);
}

int sc_tags_stream(AVStream *st, const AVOutputFormat *of, const sc_writer_options *o)
{
    const struct tag *t = &tags[o->layout];
    AVStereo3D *stereo;
    size_t size;
    int ret;

    if (!o->stereo_tags)
        return 0;
    /* WebM has fewer values than Matroska, and its muxer refuses the others. */
    const bool webm = !strcmp(of->name, "webm");
    if (t->type == AV_STEREO3D_2D || t->not_in_files || (webm && t->type == AV_STEREO3D_LINES))
        return 0;
    if (!(stereo = sc_stereo3d_alloc(&size)))
        return AVERROR(ENOMEM);
    describe(stereo, t);
    if (sc_grids[o->layout].sphere && (ret = tag_sphere(st)) < 0) {
        av_free(stereo);
        return ret;
    }
    return sc_stream_add_side_data(st, AV_PKT_DATA_STEREO3D, stereo, size);
}

int sc_tags_frame(AVFrame *f, const sc_writer_options *o)
{
    const struct tag *t = &tags[o->layout];
    AVStereo3D *stereo;

    av_frame_remove_side_data(f, AV_FRAME_DATA_STEREO3D);
    if (!o->stereo_tags || t->type == AV_STEREO3D_2D || t->inverted) /* x264 knows no other order */
        return 0;
    if (!(stereo = av_stereo3d_create_side_data(f)))
        return AVERROR(ENOMEM);
    describe(stereo, t);
    return 0;
}

/* ---- boxes */

typedef struct bytes {
    uint8_t at[512]; /* those of VR180 need 250 */
    int size;
} bytes;

static void put(bytes *b, uint32_t value, int width)
{
    while (width-- > 0)
        b->at[b->size++] = (uint8_t)(value >> 8 * width);
}

/* Begins a box; end() fills in its size. `full`: with version and flags, all 0. */
static int begin(bytes *b, const char *type, bool full)
{
    const int at = b->size;

    put(b, 0, 4);
    put(b, AV_RB32(type), 4);
    put(b, 0, full ? 4 : 0);
    return at;
}

static void end(bytes *b, int at)
{
    AV_WB32(b->at + at, (uint32_t)(b->size - at));
}

/* A box with one number or four letters in it. */
static void put_box(bytes *b, const char *type, uint32_t value, int width)
{
    const int at = begin(b, type, true);

    put(b, value, width);
    end(b, at);
}

/* Spherical Video V2 RFC: equirectangular, looking straight ahead, without a quarter on either side. */
static void put_sv3d(bytes *b)
{
    const int sv3d = begin(b, "sv3d", false), svhd = begin(b, "svhd", true);

    for (const char *c = "stereocrafter"; *c; c++)
        put(b, (uint8_t)*c, 1);
    put(b, 0, 1);
    end(b, svhd);
    const int proj = begin(b, "proj", false), prhd = begin(b, "prhd", true);
    for (int i = 0; i < 3; i++) /* yaw, pitch, roll */
        put(b, 0, 4);
    end(b, prhd);
    const int equi = begin(b, "equi", true);
    for (int i = 0; i < 4; i++) /* top, bottom, left, right */
        put(b, i < 2 ? 0 : QUARTER, 4);
    end(b, equi);
    end(b, proj);
    end(b, sv3d);
}

/* Apple, "ISO Base Media File Format and Apple HEVC Stereo Video", video extended usage: which eyes there
 * are, which is the better one, how they are packed, on what they are seen. */
static void put_vexu(bytes *b, const struct tag *t, int made, bool sphere)
{
    enum { LEFT_EYE = 1, RIGHT_EYE = 2, REVERSED = 8 };
    static const uint8_t hero[] = { [SC_VIEW_RIGHT] = 1, [SC_VIEW_LEFT] = 2, [SC_VIEW_BOTH] = 0 };
    const int vexu = begin(b, "vexu", false), eyes = begin(b, "eyes", false);

    put_box(b, "stri", LEFT_EYE | RIGHT_EYE | (t->inverted ? REVERSED : 0), 1);
    put_box(b, "hero", hero[made], 1);
    end(b, eyes);
    const int pack = begin(b, "pack", false);
    put_box(b, "pkin", AV_RB32(t->packing), 4);
    end(b, pack);
    if (sphere) {
        const int proj = begin(b, "proj", false);
        put_box(b, "prji", AV_RB32("hequ"), 4);
        end(b, proj);
    }
    end(b, vexu);
}

/* In thousandths of a degree. */
static void put_hfov(bytes *b, double degrees)
{
    const int hfov = begin(b, "hfov", false);

    put(b, (uint32_t)lrint(degrees * 1000), 4);
    end(b, hfov);
}

int sc_tags_finish(const char *path, const AVOutputFormat *of, int film, const sc_writer_options *o,
                   const sc_logger *log)
{
    const struct tag *t = &tags[o->layout];
    const bool sphere = sc_grids[o->layout].sphere;
    bytes b = { .size = 0 };
    int ret;

    /* The others of the family are made of fragments or for players of old telephones. */
    if (!o->stereo_tags || !t->st3d || !av_match_name(of->name, "mp4,mov,ipod"))
        return 0;
    put_box(&b, "st3d", (uint32_t)t->st3d, 1);
    if (sphere)
        put_sv3d(&b);
    put_vexu(&b, t, o->made, sphere);
    if (sphere || o->fov > 0)
        put_hfov(&b, sphere ? 180 : o->fov);
    /* So FFmpeg numbers tracks, whether or not all streams become one: covers do not. */
    ret = sc_boxes_add(path, (uint32_t)film + 1, b.at, (size_t)b.size);
    if (ret != AVERROR_INVALIDDATA && ret != AVERROR(ERANGE))
        return ret;
    sc_log(log, SC_LOG_WARNING, "writer",
           "%s: players are not told of the layout, the file has no place for it", o->path);
    return 0;
}
