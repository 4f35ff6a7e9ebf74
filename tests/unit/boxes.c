/* Boxes put into MP4 files: sizes, replaced boxes, chunk offsets; what is no such file is refused unchanged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libavformat/avformat.h>
#include <libavutil/intreadwrite.h>

#include "../../src/base.h"
#include "../../src/video/boxes.h"
#include "../scene/movie.h"

static const uint8_t added[] = { 0, 0, 0, 13, 's', 't', '3', 'd', 0,   0,  0,
                                 0, 2, 0, 0,  0,   8,   'h', 'f', 'o', 'v' };

typedef struct bytes {
    uint8_t at[1024];
    size_t size, open[16];
    int depth;
} bytes;

static void put(bytes *b, uint64_t value, int width)
{
    while (width-- > 0)
        b->at[b->size++] = (uint8_t)(value >> 8 * width);
}

static void begin(bytes *b, const char *type, int zeros)
{
    b->open[b->depth++] = b->size;
    put(b, 0, 4);
    put(b, AV_RB32(type), 4);
    while (zeros-- > 0)
        put(b, 0, 1);
}

static void end(bytes *b)
{
    const size_t at = b->open[--b->depth];
    AV_WB32(b->at + at, (uint32_t)(b->size - at));
}

/* A moov box with one video track: a sample entry with pasp, and st3d if asked for, and chunk offsets. */
static bytes make_moov(bool with_st3d, bool wide, uint64_t offset)
{
    bytes b = { .size = 0 };
    begin(&b, "moov", 0);
    begin(&b, "trak", 0); /* a track before it, of another ID */
    begin(&b, "tkhd", 4 + 8 + 4);
    end(&b);
    begin(&b, "mdia", 0);
    begin(&b, "minf", 0);
    begin(&b, "stbl", 0);
    for (int i = 0; i < 4; i++)
        end(&b);
    begin(&b, "trak", 0);
    begin(&b, "tkhd", 4 + 8);
    put(&b, 7, 4);
    end(&b);
    begin(&b, "mdia", 0);
    begin(&b, "hdlr", 8);
    put(&b, AV_RB32("vide"), 4);
    end(&b);
    begin(&b, "minf", 0);
    begin(&b, "stbl", 0);
    begin(&b, "stsd", 8);
    begin(&b, "avc1", 78);
    if (with_st3d) {
        begin(&b, "st3d", 5);
        end(&b);
    }
    begin(&b, "pasp", 8);
    end(&b);
    end(&b);
    end(&b);
    begin(&b, wide ? "co64" : "stco", 4);
    put(&b, 2, 4);
    put(&b, 100, wide ? 8 : 4);
    put(&b, offset, wide ? 8 : 4);
    while (b.depth)
        end(&b);
    return b;
}

static void growing(void **state)
{
    (void)state;
    const bytes plain = make_moov(false, false, 5000), tagged = make_moov(true, false, 5000);
    uint8_t *once, *twice, *replaced;
    size_t n, m, k;
    assert_int_equal(sc_moov_add(&once, &n, plain.at, plain.size, 7, added, sizeof added), 0);
    assert_int_equal(n, plain.size + sizeof added);
    assert_int_equal(AV_RB32(once), n);
    /* again, or over an st3d of the muxer's: the same */
    assert_int_equal(sc_moov_add(&twice, &m, once, n, 7, added, sizeof added), 0);
    assert_int_equal(m, n);
    assert_memory_equal(once, twice, n);
    assert_int_equal(sc_moov_add(&replaced, &k, tagged.at, tagged.size, 7, added, sizeof added), 0);
    assert_int_equal(k, n);
    assert_memory_equal(once, replaced, n);
    const uint8_t *pasp = NULL;
    for (size_t i = 0; i + 4 <= n && !pasp; i++)
        pasp = memcmp(once + i, "pasp", 4) ? NULL : once + i;
    assert_non_null(pasp);
    assert_memory_equal(pasp + 12, added, sizeof added);
    av_free(once);
    av_free(twice);
    av_free(replaced);
}

static void offsets(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        bytes b = make_moov(false, wide, 5000);
        const uint8_t *last = b.at + b.size - (wide ? 8 : 4);
        assert_int_equal(sc_moov_shift(b.at, b.size, 101, 21), 0);
        assert_int_equal(wide ? AV_RB64(last) : AV_RB32(last), 5021);
        assert_int_equal(wide ? AV_RB64(last - 8) : AV_RB32(last - 4), 100); /* before the moov box */
        assert_int_equal(sc_moov_shift(b.at, b.size, 0, -21), 0);
        assert_int_equal(wide ? AV_RB64(last - 8) : AV_RB32(last - 4), 79);
    }
    bytes full = make_moov(false, false, UINT32_MAX - 20), before = full;
    assert_int_equal(sc_moov_shift(full.at, full.size, 0, 21), AVERROR(ERANGE));
    assert_int_equal(sc_moov_shift(full.at, full.size, 0, -101), AVERROR(ERANGE));
    assert_memory_equal(full.at, before.at, full.size);
    assert_int_equal(sc_moov_shift(full.at, full.size, 0, 20), 0);
    full = make_moov(false, true, UINT64_MAX);
    assert_int_equal(sc_moov_shift(full.at, full.size, 0, 1), AVERROR(ERANGE));
}

static void broken(void **state)
{
    (void)state;
    const bytes whole = make_moov(true, false, 5000);
    uint8_t *out = NULL;
    size_t n;
    for (size_t size = 0; size < whole.size; size++)
        assert_int_equal(sc_moov_add(&out, &n, whole.at, size, 7, added, sizeof added), AVERROR_INVALIDDATA);
    assert_int_equal(sc_moov_add(&out, &n, whole.at, whole.size, 1, added, sizeof added),
                     AVERROR_INVALIDDATA);
    bytes sound = whole; /* a track that is no video track */
    for (size_t i = 0; i + 4 <= sound.size; i++)
        if (!memcmp(sound.at + i, "vide", 4))
            sound.at[i] = 's';
    assert_int_equal(sc_moov_add(&out, &n, sound.at, sound.size, 7, added, sizeof added),
                     AVERROR_INVALIDDATA);
    assert_null(out);
}

/* ---- whole files */

static AVFormatContext *open_file(const char *path)
{
    AVFormatContext *f = NULL;
    assert_true(avformat_open_input(&f, path, NULL, NULL) >= 0);
    assert_true(avformat_find_stream_info(f, NULL) >= 0);
    return f;
}

/* Copies a film, its moov box first. */
static void put_moov_first(const char *from, const char *to)
{
    AVFormatContext *in = open_file(from), *out = NULL;
    AVDictionary *options = NULL;
    AVPacket *p = av_packet_alloc();
    assert_true(p && avformat_alloc_output_context2(&out, NULL, "mp4", to) >= 0);
    for (unsigned i = 0; i < in->nb_streams; i++) {
        AVStream *st = avformat_new_stream(out, NULL);
        assert_true(st && avcodec_parameters_copy(st->codecpar, in->streams[i]->codecpar) >= 0);
        st->time_base = in->streams[i]->time_base;
    }
    assert_true(avio_open(&out->pb, to, AVIO_FLAG_WRITE) >= 0);
    av_dict_set(&options, "movflags", "faststart", 0);
    assert_true(avformat_write_header(out, &options) >= 0);
    av_dict_free(&options);
    while (av_read_frame(in, p) >= 0) {
        av_packet_rescale_ts(p, in->streams[p->stream_index]->time_base,
                             out->streams[p->stream_index]->time_base);
        assert_true(av_interleaved_write_frame(out, p) >= 0);
    }
    assert_true(av_write_trailer(out) >= 0);
    avio_closep(&out->pb);
    avformat_free_context(out);
    avformat_close_input(&in);
    av_packet_free(&p);
}

static void expect_same_packets(const char *a, const char *b)
{
    AVFormatContext *u = open_file(a), *v = open_file(b);
    AVPacket *p = av_packet_alloc(), *q = av_packet_alloc();
    int packets = 0, more;
    for (; (more = av_read_frame(u, p)) >= 0; packets++) {
        assert_true(av_read_frame(v, q) >= 0);
        assert_int_equal(p->stream_index, q->stream_index);
        assert_int_equal(p->pts, q->pts);
        assert_int_equal(p->size, q->size);
        assert_memory_equal(p->data, q->data, (size_t)p->size);
        av_packet_unref(p);
        av_packet_unref(q);
    }
    assert_true(packets > 20 && av_read_frame(v, q) < 0);
    avformat_close_input(&u);
    avformat_close_input(&v);
    av_packet_free(&p);
    av_packet_free(&q);
}

static void files(void **state)
{
    char folder[] = "/tmp/boxesXXXXXX", film[64], first[64], copy[64];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(film, sizeof film, "%s/film.mp4", folder);
    snprintf(first, sizeof first, "%s/first.mp4", folder);
    snprintf(copy, sizeof copy, "%s/copy.mp4", folder);
    const sc_movie_options o = {
        .path = film, .codec = "libx264", .filter = "format=yuv420p", .fps = 25, .tone = true
    };
    sc_movie_out *out = NULL;
    assert_int_equal(sc_movie_create(&out, &o), 0);
    for (int t = 0; t < 12; t++) {
        AVFrame *f = sc_movie_frame(64, 48, AV_PIX_FMT_GRAY8);
        for (int i = 0; i < 48; i++)
            memset(f->data[0] + i * f->linesize[0], 9 * i + 7 * t, 64);
        assert_int_equal(sc_movie_put(out, f), 0);
        av_frame_free(&f);
    }
    assert_int_equal(sc_movie_finish(&out), 0);
    put_moov_first(film, first);
    put_moov_first(film, copy);
    for (int i = 0; i < 2; i++) { /* the moov box last, then first */
        assert_int_equal(sc_boxes_add(i ? first : film, 1, added, sizeof added), 0);
        expect_same_packets(i ? first : film, copy);
        assert_int_equal(sc_boxes_add(i ? first : film, 2, added, sizeof added), AVERROR_INVALIDDATA);
        expect_same_packets(i ? first : film, copy);
    }
    assert_int_equal(sc_boxes_add("/nowhere/film.mp4", 1, added, sizeof added), AVERROR(ENOENT));
    assert_int_equal(truncate(copy, 200), 0);
    assert_int_equal(sc_boxes_add(copy, 1, added, sizeof added), AVERROR_INVALIDDATA);
    unlink(film);
    unlink(first);
    unlink(copy);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growing),
        cmocka_unit_test(offsets),
        cmocka_unit_test(broken),
        cmocka_unit_test(files),
    };
    av_log_set_level(AV_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
