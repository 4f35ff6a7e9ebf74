/* Disparity from a file instead of a network: a video or an image sequence that goes in step with the film.
 */
#include <stdlib.h>

#include "stages.h"
#include "../ops.h"
#include "../video/image.h"

typedef struct depth_file {
    sc_stage stage;
    const sc_context *c;
    sc_reader *reader;
    const sc_video_info *info;
    AVFrame *packed; /* a picture on its way to the device */
    int64_t frames;  /* so far */
} depth_file;

/* disp[H,W,1] of the picture in s->packed. A grey picture has its grey in every channel: the second is taken.
 */
static void disparity_in(sc_exec *x, const depth_file *s, sc_tensor disp)
{
    const sc_mark m = sc_push(x);
    const int64_t h = s->info->height, w = s->info->width;
    const sc_tensor rgb = sc_new(x, SC_F32, SC_DIMS(h, w, 3)), grey = sc_new(x, SC_F32, SC_DIMS(1, h, w, 1));
    sc_image_in_args a = { .y = rgb };

    sc_pixels_new(x, &a.px, s->packed, s->info);
    sc_pixels_upload(x, &a.px, s->packed);
    sc_image_in_into(x, &a);
    sc_copy_into(x, grey, sc_reshape(sc_slice(rgb, 2, 1, 1), 4, grey.dim));
    sc_resize_into(x, &(sc_resize_args){ .y = sc_reshape(disp, SC_DIMS(1, disp.dim[0], disp.dim[1], 1)),
                                         .x = grey,
                                         .mode = SC_BILINEAR,
                                         .antialias = true });
    sc_pop(x, m);
}

static void measure(sc_exec *x, void *arg)
{
    const depth_file *s = arg;

    disparity_in(x, s, sc_new(x, SC_F32, SC_DIMS(s->c->video->height, s->c->video->width, 1)));
}

/* The file ended at s->frames, the film goes on. */
static int too_short(const depth_file *s)
{
    const long long have = s->frames, want = s->c->video->frames;

    if (want > have)
        return sc_fail(s->c->log, SC_ERR_DEPTH, "depth", "--depth: %s has %lld frames, the film %lld",
                       s->c->set->depth_file, have, want);
    return sc_fail(s->c->log, SC_ERR_DEPTH, "depth", "--depth: %s has %lld frames, the film more",
                   s->c->set->depth_file, have);
}

/* The film is over at s->frames: so must the file be. */
static int check_end(depth_file *s)
{
    AVFrame *extra = NULL;
    int64_t file = s->frames;
    int ret;

    while ((ret = sc_reader_next(s->reader, &extra)) == 0) {
        av_frame_free(&extra);
        file++;
    }
    if (ret != SC_EOF)
        return ret;
    if (file > s->frames)
        return sc_fail(s->c->log, SC_ERR_DEPTH, "depth", "--depth: %s has %lld frames, the film %lld",
                       s->c->set->depth_file, (long long)file, (long long)s->frames);
    return SC_EOF;
}

/* Over what an earlier run has used. */
static int skip(depth_file *s, int64_t frames)
{
    AVFrame *picture;
    int ret = 0;

    for (; s->frames < frames; s->frames++) {
        if ((ret = sc_reader_next(s->reader, &picture)) == SC_EOF)
            return too_short(s);
        SC_TRY(ret);
        av_frame_free(&picture);
    }
fail:
    return ret;
}

static int depth_file_next(sc_stage *stage, sc_frame *out)
{
    depth_file *s = (depth_file *)stage;
    const sc_context *c = s->c;
    AVFrame *picture = NULL;
    int ret;

    if ((ret = sc_stage_next(stage->from, out)) == SC_EOF)
        return check_end(s);
    SC_TRY(ret);
    SC_TRY(skip(s, c->stretch.first));
    if ((ret = sc_reader_next(s->reader, &picture)) == SC_EOF)
        ret = too_short(s);
    SC_TRY(ret);
    SC_TRY(av_frame_copy(s->packed, picture));
    SC_TRY(sc_image_new(c->pools, &out->disp, c->video->height, c->video->width, 1));
    disparity_in(c->x, s, out->disp.t);
    SC_TRY(sc_exec_wait(c->x));
    s->frames++;
    ret = 0;
fail:
    av_frame_free(&picture);
    if (ret < 0)
        sc_frame_clear(out);
    return ret;
}

static void depth_file_close(sc_stage *stage)
{
    depth_file *s = (depth_file *)stage;

    sc_reader_close(&s->reader);
    av_frame_free(&s->packed);
    free(s);
}

/* The file may cover the whole film, and is cut like it, or only the part of it that is converted, as a
 * sidecar does that was exported with the same cut: its length tells. */
static int open_reader(depth_file *s)
{
    const sc_settings *set = s->c->set;
    sc_reader_options o = { .path = set->depth_file,
                            .end = -1,
                            .duration = -1,
                            .threads = 1, /* grey pictures decode fast; the film needs the cores */
                            .video_only = true,
                            .picture_only = true };
    int ret;

    SC_TRY(sc_reader_open(&s->reader, &o, s->c->log));
    if (sc_reader_info(s->reader)->frames > s->c->video->frames + 1) {
        sc_reader_close(&s->reader);
        o.start = set->start;
        o.end = set->end;
        o.duration = set->duration;
        o.frames = set->frames;
        SC_TRY(sc_reader_open(&s->reader, &o, s->c->log));
    }
    s->info = sc_reader_info(s->reader);
    return 0;
fail:
    return ret == -ENOMEM ? ret
                          : SC_ERR_DEPTH; /* its line is written; the exit code tells whose file it was */
}

int sc_depth_file_open(sc_stage **out, const sc_context *c, sc_stage *from)
{
    depth_file *s = calloc(1, sizeof(*s));
    int ret;

    if (!s)
        return sc_fail(c->log, -ENOMEM, "depth", "out of memory");
    *s = (depth_file){
        .stage = { .next = depth_file_next, .close = depth_file_close, .name = "depth", .from = from }, .c = c
    };
    SC_TRY(open_reader(s));
    SC_TRY(sc_packed_new(&s->packed, s->info->format, s->info->width, s->info->height));
    s->stage.arena = sc_measure(c->x, measure, s, NULL);
    s->stage.images = sc_image_bytes(c->video->height, c->video->width, 1);
    SC_TRY(sc_reader_start(s->reader, NULL, 0));
    sc_log(c->log, SC_LOG_INFO, "depth", "from %s, %dx%d", c->set->depth_file, s->info->width,
           s->info->height);
    *out = &s->stage;
    return 0;
fail:
    depth_file_close(&s->stage);
    return ret;
}
