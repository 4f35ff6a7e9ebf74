#include "film.h"

#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>

#include "../../src/base.h"
#include "../scene/movie.h"

enum { PATH = 1024 };

static char *join(char out[PATH], const bench *b, const char *name)
{
    snprintf(out, PATH, "%s/%s", b->folder, name);
    return out;
}

static AVFrame *rgb_frame(const sc_scene *s, int t)
{
    static const int plane[3] = { 2, 0, 1 }; /* GBRP stores green, blue, red */
    AVFrame *f = sc_movie_frame(s->width, s->height, AV_PIX_FMT_GBRP);
    float *rgb = malloc(sizeof(float) * 3 * (size_t)s->width * s->height);
    assert_true(f && rgb);
    sc_scene_render(s, t, 0, rgb, NULL, NULL);
    for (int y = 0; y < s->height; y++)
        for (int x = 0; x < s->width; x++)
            for (int c = 0; c < 3; c++)
                f->data[plane[c]][y * f->linesize[plane[c]] + x] =
                    (uint8_t)lrintf(255 * rgb[((size_t)y * s->width + x) * 3 + c]);
    free(rgb);
    return f;
}

static AVFrame *disparity_frame(const sc_scene *s, int t)
{
    AVFrame *f = sc_movie_frame(s->width, s->height, AV_PIX_FMT_GRAY16LE);
    float *disparity = malloc(sizeof(float) * (size_t)s->width * s->height);
    assert_true(f && disparity);
    sc_scene_render(s, t, 0, NULL, disparity, NULL);
    for (int y = 0; y < s->height; y++)
        for (int x = 0; x < s->width; x++)
            ((uint16_t *)(void *)(f->data[0] + y * f->linesize[0]))[x] =
                (uint16_t)lrintf(65535 * disparity[(size_t)y * s->width + x]);
    free(disparity);
    return f;
}

void film_render(const bench *b, const char *name, const sc_scene *s, int from, int to, const char *filter,
                 bool disparity)
{
    char path[PATH];
    const bool mp4 = strstr(name, ".mp4");
    const sc_movie_options o = { .path = join(path, b, name),
                                 .codec = mp4 ? "libx264" : "ffv1",
                                 .filter = filter,
                                 .fps = SC_SCENE_FPS,
                                 .uneven = mp4,
                                 .tone = mp4 };
    sc_movie_out *out = NULL;
    assert_int_equal(sc_movie_create(&out, &o), 0);
    for (int t = from; t < to; t++) {
        AVFrame *f = disparity ? disparity_frame(s, t) : rgb_frame(s, t);
        assert_int_equal(sc_movie_put(out, f), 0);
        av_frame_free(&f);
    }
    assert_int_equal(sc_movie_finish(&out), 0);
}

film film_read(const bench *b, const char *name, const char *filter)
{
    char path[PATH];
    film f = { 0 };
    sc_movie_in *in = NULL;
    int ret;
    assert_int_equal(sc_movie_open(&in, join(path, b, name), filter), 0);
    do {
        assert_true(f.count < SC_COUNT(f.frame));
        f.frame[f.count] = av_frame_alloc();
        assert_non_null(f.frame[f.count]);
        ret = sc_movie_get(in, f.frame[f.count++]);
    } while (ret >= 0);
    assert_int_equal(ret, AVERROR_EOF);
    av_frame_free(&f.frame[--f.count]);
    sc_movie_close(&in);
    return f;
}

void film_free(film *f)
{
    while (f->count > 0)
        av_frame_free(&f->frame[--f->count]);
}

uint8_t *film_sound(const bench *b, const char *name, size_t *bytes, int *packets)
{
    char path[PATH];
    AVFormatContext *file = NULL;
    AVPacket *p = av_packet_alloc();
    uint8_t *all = NULL;
    assert_non_null(p);
    assert_true(avformat_open_input(&file, join(path, b, name), NULL, NULL) >= 0);
    assert_true(avformat_find_stream_info(file, NULL) >= 0);
    const int stream = av_find_best_stream(file, AVMEDIA_TYPE_AUDIO, -1, -1, NULL, 0);
    assert_true(stream >= 0);
    *bytes = 0;
    *packets = 0;
    for (; av_read_frame(file, p) >= 0; av_packet_unref(p)) {
        if (p->stream_index != stream)
            continue;
        all = realloc(all, *bytes + (size_t)p->size);
        assert_non_null(all);
        memcpy(all + *bytes, p->data, (size_t)p->size);
        *bytes += (size_t)p->size;
        ++*packets;
    }
    av_packet_free(&p);
    avformat_close_input(&file);
    return all;
}

static uint8_t *coded_values(const AVFrame *f, int *size)
{
    *size = av_image_get_buffer_size((enum AVPixelFormat)f->format, f->width, f->height, 1);
    uint8_t *bytes = malloc((size_t)SC_MAX(*size, 1));
    assert_non_null(bytes);
    assert_true(av_image_copy_to_buffer(bytes, *size, (const uint8_t *const *)f->data, f->linesize,
                                        (enum AVPixelFormat)f->format, f->width, f->height, 1) > 0);
    return bytes;
}

static bool frame_same(const AVFrame *a, const AVFrame *b, int number)
{
    if (a->format != b->format || a->width != b->width || a->height != b->height) {
        print_error("frame %d: %dx%d format %d against %dx%d format %d\n", number, a->width, a->height,
                    a->format, b->width, b->height, b->format);
        return false;
    }
    int size, at = 0, differ = 0;
    uint8_t *u = coded_values(a, &size), *v = coded_values(b, &size);
    for (int i = size - 1; i >= 0; i--) {
        if (u[i] != v[i]) {
            at = i;
            differ++;
        }
    }
    if (differ)
        print_error("frame %d: %d of %d bytes differ, the first at %d: %d against %d\n", number, differ, size,
                    at, u[at], v[at]);
    free(u);
    free(v);
    return !differ;
}

bool film_same(const film *a, const film *b)
{
    if (a->count != b->count) {
        print_error("%d frames against %d\n", a->count, b->count);
        return false;
    }
    for (int i = 0; i < a->count; i++)
        if (!frame_same(a->frame[i], b->frame[i], i))
            return false;
    return true;
}

static void print_file(const char *path)
{
    char line[512];
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        print_error("    %s", line);
    if (f)
        fclose(f);
}

/* In the child. */
static _Noreturn void execute(const bench *b, const char *in, const char *out, const char *options,
                              const char *log)
{
    char paths[16][PATH], words[1024], *argv[64];
    int argc = 0, used = 0;
    argv[argc++] = (char *)b->program;
    argv[argc++] = join(paths[used++], b, in);
    argv[argc++] = join(paths[used++], b, out);
    argv[argc++] = "--progress";
    argv[argc++] = "none";
    snprintf(words, sizeof(words), "%s", options);
    for (char *w = strtok(words, " "); w && argc < 63 && used < 16; w = strtok(NULL, " "))
        argv[argc++] = *w == '@' ? join(paths[used++], b, w + 1) : w;
    argv[argc] = NULL;
    if (freopen(log, "w", stderr) && freopen("/dev/null", "r", stdin) && freopen("/dev/null", "w", stdout))
        execv(b->program, argv);
    _exit(127);
}

int film_convert(const bench *b, const char *in, const char *out, const char *options, int expected)
{
    char log[PATH];
    int status = 0;
    join(log, b, "log.txt");
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (!child)
        execute(b, in, out, options, log);
    assert_int_equal(waitpid(child, &status, 0), child);
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (code != expected) {
        print_error("%s %s %s: exit code %d, not %d\n", in, out, options, code, expected);
        print_file(log);
    }
    return code;
}
