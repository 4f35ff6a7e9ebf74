/* scene_render OUT [WxH] [FRAMES] [SHOTS] [SEED]: the scene as files.
 *
 * OUT ending in .mp4: one film for a viewer, H.264 with a tone. Otherwise a folder, made if absent, which
 * receives left.mkv right.mkv   what the two eyes see, FFV1, RGB: bit exact depth.mkv            the left
 * eye's disparity, FFV1 gray16, for --depth unseen.mkv           FFV1 gray, 255 where the right eye sees what
 * the left one does not and prints the options that make a converter's disparity equal the scene's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libavutil/log.h>

#include "movie.h"
#include "scene.h"

typedef struct picture {
    float *rgb, *disparity;
    uint8_t *unseen;
} picture;

static void to_rgb(AVFrame *f, const picture *p)
{
    static const int plane[3] = { 2, 0, 1 }; /* GBRP stores green, blue, red */
    for (int y = 0; y < f->height; y++)
        for (int x = 0; x < f->width; x++)
            for (int c = 0; c < 3; c++)
                f->data[plane[c]][y * f->linesize[plane[c]] + x] =
                    (uint8_t)lrintf(255 * p->rgb[((size_t)y * f->width + x) * 3 + c]);
}

static void to_depth(AVFrame *f, const picture *p)
{
    for (int y = 0; y < f->height; y++)
        for (int x = 0; x < f->width; x++)
            ((uint16_t *)(void *)(f->data[0] + y * f->linesize[0]))[x] =
                (uint16_t)lrintf(65535 * p->disparity[(size_t)y * f->width + x]);
}

static void to_mask(AVFrame *f, const picture *p)
{
    for (int y = 0; y < f->height; y++)
        for (int x = 0; x < f->width; x++)
            f->data[0][y * f->linesize[0] + x] = p->unseen[(size_t)y * f->width + x] ? 255 : 0;
}

typedef struct output {
    const char *name;
    sc_movie_options set;
    enum AVPixelFormat format;
    void (*fill)(AVFrame *f, const picture *p);
    int eye;
    sc_movie_out *clip;
    char path[1024];
} output;

static int write_frame(output *o, const sc_scene *s, const picture *p)
{
    AVFrame *f = sc_movie_frame(s->width, s->height, o->format);
    if (!f)
        return -1;
    o->fill(f, p);
    const int ret = sc_movie_put(o->clip, f);
    av_frame_free(&f);
    return ret;
}

static int write_film(const sc_scene *s, output *outputs, int count)
{
    const size_t pixels = (size_t)s->width * s->height;
    picture p = { .rgb = malloc(pixels * 3 * sizeof(float)),
                  .disparity = malloc(pixels * sizeof(float)),
                  .unseen = malloc(pixels) };
    int ret = p.rgb && p.disparity && p.unseen ? 0 : -1;
    for (int i = 0; !ret && i < count; i++) {
        outputs[i].set.path = outputs[i].path;
        ret = sc_movie_create(&outputs[i].clip, &outputs[i].set);
    }
    for (int t = 0; !ret && t < s->frames; t++) {
        for (int eye = 0; !ret && eye <= outputs[count - 1].eye; eye++) {
            sc_scene_render(s, t, eye, p.rgb, p.disparity, eye ? p.unseen : NULL);
            for (int i = 0; !ret && i < count; i++)
                if (outputs[i].eye == eye)
                    ret = write_frame(&outputs[i], s, &p);
        }
    }
    for (int i = 0; i < count; i++)
        if (sc_movie_finish(&outputs[i].clip) < 0)
            ret = -1;
    free(p.rgb);
    free(p.disparity);
    free(p.unseen);
    return ret;
}

int main(int argc, char **argv)
{
    sc_scene s = { .width = 480, .height = 270, .frames = 24, .shots = 1, .seed = 1 };
    if (argc > 3)
        s.frames = atoi(argv[3]);
    if (argc > 4)
        s.shots = atoi(argv[4]);
    if (argc > 5)
        s.seed = (unsigned)atoi(argv[5]);
    const char *x = argc > 2 ? strchr(argv[2], 'x') : NULL;
    if (x) {
        s.width = atoi(argv[2]);
        s.height = atoi(x + 1);
    }
    if (argc < 2 || (argc > 2 && !x) || s.width < 16 || s.height < 16 || s.frames < s.shots || s.shots < 1) {
        fprintf(stderr, "usage: scene_render OUT.mp4|FOLDER [WxH] [FRAMES] [SHOTS] [SEED]\n");
        return 2;
    }
    av_log_set_level(AV_LOG_ERROR);
    const char *dot = strrchr(argv[1], '.');
    if (dot && !strcmp(dot, ".mp4")) {
        output film = {
            .set = { .codec = "libx264", .filter = "format=yuv420p", .fps = SC_SCENE_FPS, .tone = true },
            .format = AV_PIX_FMT_GBRP,
            .fill = to_rgb
        };
        snprintf(film.path, sizeof(film.path), "%s", argv[1]);
        return write_film(&s, &film, 1) ? 1 : 0;
    }
    const sc_movie_options rgb = { .codec = "ffv1", .filter = "format=bgr0", .fps = SC_SCENE_FPS };
    const sc_movie_options grey = { .codec = "ffv1", .fps = SC_SCENE_FPS };
    output outputs[] = {
        { .name = "left", .set = rgb, .format = AV_PIX_FMT_GBRP, .fill = to_rgb },
        { .name = "depth", .set = grey, .format = AV_PIX_FMT_GRAY16LE, .fill = to_depth },
        { .name = "right", .set = rgb, .format = AV_PIX_FMT_GBRP, .fill = to_rgb, .eye = 1 },
        { .name = "unseen", .set = grey, .format = AV_PIX_FMT_GRAY8, .fill = to_mask, .eye = 1 },
    };
    mkdir(argv[1], 0777);
    for (int i = 0; i < 4; i++)
        snprintf(outputs[i].path, sizeof(outputs[i].path), "%s/%s.mkv", argv[1], outputs[i].name);
    printf("--max-disparity %g --convergence %g\n", SC_SCENE_MAX_DISPARITY, SC_SCENE_CONVERGENCE);
    return write_film(&s, outputs, 4) ? 1 : 0;
}
