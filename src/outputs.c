#include "outputs.h"

#include <string.h>
#include <sys/stat.h>

#include "stages/stages.h"

bool sc_outputs_discarded(const sc_settings *s)
{
    return s->output[0].format == SC_FORMAT_NULL;
}

static bool same_file(const char *a, const char *b)
{
    struct stat s, t;

    return a && b &&
           (!strcmp(a, b) || (!stat(a, &s) && !stat(b, &t) && s.st_dev == t.st_dev && s.st_ino == t.st_ino));
}

int sc_outputs_check(const sc_settings *s, const sc_logger *log)
{
    struct {
        const char *name, *path;
    } file[SC_MAX_OUTPUTS + 7] = { { "input", s->input },
                                   { "--depth", s->depth_file },
                                   { "--shots", s->shots } };
    int n = 3; /* from here on written to */

    if (s->outputs < 1 || s->outputs > SC_MAX_OUTPUTS)
        return sc_fail(log, SC_ERR_USAGE, "convert", "%d outputs, not 1 to %d", s->outputs, SC_MAX_OUTPUTS);
    if (s->depth_range == SC_RANGE_FILM && !s->depth_file && !s->reconstruct && sc_is_pipe(s->input))
        return sc_fail(log, SC_ERR_USAGE, "convert",
                       "--depth-range film: the film is read twice, which standard input cannot be");
    for (int i = 1; i < s->outputs; i++)
        if ((s->output[i].format == SC_FORMAT_NULL) != sc_outputs_discarded(s))
            return sc_fail(log, SC_ERR_USAGE, "convert", "-f: null is for all outputs or for none");
    for (int i = 0; i < s->outputs && !sc_outputs_discarded(s); i++, n++) {
        file[n].name = "output";
        file[n].path = s->output[i].path;
        if (!s->input || !file[n].path)
            return sc_fail(log, SC_ERR_USAGE, "convert", "an input and an output file are needed");
    }
    file[n].name = "--export-depth";
    file[n++].path = s->export_depth;
    file[n].name = "--stats";
    file[n++].path = s->stats;
    file[n].name = "--analyze";
    file[n++].path = s->analyze;
    file[n].name = "--report";
    file[n++].path = s->report;
    for (int i = 3; i < n; i++)
        for (int k = 0; k < i; k++)
            if (same_file(file[i].path, file[k].path) && !(k < 3 && sc_is_pipe(file[i].path)))
                return sc_fail(log, SC_ERR_USAGE, "convert", "%s: %s and %s are the same file", file[i].path,
                               file[k].name, file[i].name);
    return 0;
}

static sc_room room_of(const sc_settings *s)
{
    return (sc_room){ .wait = !s->on_full };
}

sc_writer_options sc_output_options(const sc_settings *s, int i, const sc_video_info *v,
                                    const AVFormatContext *from)
{
    const sc_output *out = &s->output[i];
    static const char *const containers[] = { [SC_FORMAT_NUT] = "nut",
                                              [SC_FORMAT_MATROSKA] = "matroska",
                                              [SC_FORMAT_MPEGTS] = "mpegts",
                                              [SC_FORMAT_Y4M] = "yuv4mpegpipe" };
    /* What is discarded has the format that a file would have. */
    sc_writer_options o = { .path = sc_outputs_discarded(s) ? "null.mkv" : out->path,
                            .container = containers[out->format],
                            .overwrite = s->overwrite,
                            .video = v,
                            .from = from,
                            .codec_video = out->codec_video,
                            .codec_audio = out->codec_audio,
                            .preset = out->preset,
                            .pix_fmt = out->pix_fmt,
                            .crf = out->crf,
                            .start = s->start,
                            .end = s->duration >= 0 ? s->start + s->duration : s->end,
                            .threads = s->threads,
                            .layout = out->layout,
                            .stereo_tags = out->stereo_tags,
                            .made = s->synthetic_view,
                            .fov = out->fov,
                            .room = room_of(s) };

    const sc_video_info shown = sc_shown(s, v);
    sc_layout_size(out, &shown, &o.width, &o.height, &o.sar);
    return o;
}

sc_writer_options sc_sidecar_options(const sc_settings *s, const sc_video_info *v)
{
    return (sc_writer_options){ .path = s->export_depth,
                                .container = sc_is_pipe(s->export_depth) ? "nut" : NULL,
                                .overwrite = s->overwrite,
                                .width = v->width,
                                .height = v->height,
                                .sar = v->sar,
                                .video = v,
                                .codec_video = "ffv1",
                                .pix_fmt = "gray16le",
                                .crf = -1,
                                .end = -1,
                                .threads = s->threads,
                                .layout = SC_LAYOUT_LEFT,
                                .room = room_of(s) };
}
