#include "options_table.h"

enum group { FILES, STEREO, DEPTH, INPAINT, ENCODING, RUNNING };

const char *const sc_option_group[] = {
    [FILES] = "Files and range",
    [STEREO] = "Stereo",
    [DEPTH] = "Depth",
    [INPAINT] = "What comes into view behind things",
    [ENCODING] = "Encoding (as in FFmpeg)",
    [RUNNING] = "Running",
    NULL,
};

static const char *const layouts[SC_LAYOUTS + 1] = {
    [SC_LAYOUT_SBS] = "sbs",
    [SC_LAYOUT_HSBS] = "hsbs",
    [SC_LAYOUT_TAB] = "tab",
    [SC_LAYOUT_HTAB] = "htab",
    [SC_LAYOUT_CROSS] = "cross",
    [SC_LAYOUT_LEFT] = "left",
    [SC_LAYOUT_RIGHT] = "right",
    [SC_LAYOUT_SEQUENTIAL] = "sequential",
    [SC_LAYOUT_INTERLACED] = "interlaced",
    [SC_LAYOUT_DUBOIS] = "dubois",
    [SC_LAYOUT_REDCYAN] = "redcyan",
    [SC_LAYOUT_HALFCOLOR] = "halfcolor",
    [SC_LAYOUT_WIMMER] = "wimmer",
    [SC_LAYOUT_GRAY] = "gray",
    [SC_LAYOUT_RGBD] = "rgbd",
    [SC_LAYOUT_VR180] = "vr180",
};
static const char *const viewers[] = {
    [SC_VIEWER_NONE] = "none",     [SC_VIEWER_TV] = "tv65@2.5m", [SC_VIEWER_QUEST] = "quest",
    [SC_VIEWER_CINEMA] = "cinema", [SC_VIEWER_PHONE] = "phone",  [SC_VIEWER_PHONE + 1] = NULL,
};
static const char *const views[] = { "right", "left", "both", NULL };
static const char *const namings[] = { "iw3", "plex", "none", NULL };
static const char *const switches[] = { "off", "on", NULL };
static const char *const inpaints[] = { "auto", "extend", "network", "none", NULL };
static const char *const progresses[] = { "line", "json", "ffmpeg", "none", NULL };
static const char *const models[] = { "auto", "builtin", "stereocrafter", NULL };
static const char *const hwaccels[] = { "auto", "none", NULL };
static const char *const formats[] = {
    [SC_FORMAT_AUTO] = "auto",         [SC_FORMAT_NULL] = "null",     [SC_FORMAT_NUT] = "nut",
    [SC_FORMAT_MATROSKA] = "matroska", [SC_FORMAT_MPEGTS] = "mpegts", [SC_FORMAT_Y4M] = "yuv4mpegpipe",
    [SC_FORMAT_Y4M + 1] = NULL,
};
static const char *const levels[] = { "error", "warning", "info", "debug", NULL };

#define OF(member)  .offset = offsetof(sc_options, member)
#define IN(member)  OF(set.member)
#define OUT(member) .per_output = true, .offset = offsetof(sc_output, member)

/* clang-format off: a row stays a row. Windows, steps, guidance and seed are those of the published scripts:
 * DepthCrafter run.py, StereoCrafter depth_splatting_inference.py and inpainting_inference.py. */
const sc_option sc_option_table[] = {
    { .name = "--input",
      .alias = "-i",
      .type = SC_TEXT,
      .group = FILES,
      IN(input),
      .unit = "FILE",
      .help =
          "film to convert; also the first argument; - is standard input. Several with -o, a folder, a list "
          "(.txt, a path a line) "
          "or "
          "a quoted pattern (\"*.mp4\"): each is converted into the folder OUTPUT, what is there already is "
          "passed over, what fails is listed at the end" },
    { .name = "--output",
      .alias = "-o",
      .type = SC_TEXT,
      .group = FILES,
      OUT(path),
      .unit = "FILE",
      .help = "also an argument after the input; - with -f is standard output; if omitted, the input's name "
              "with _LRF_Full_SBS or what else "
              "players recognise the layout by, beside the input; in the folder OUTPUT, if it is one" },
    { .name = "--recursive",
      .type = SC_BOOL,
      .group = FILES,
      OF(recursive),
      .help = "of a folder its subfolders too; the tree is repeated below OUTPUT" },
    { .name = "--naming",
      .type = SC_CHOICE,
      .group = FILES,
      OF(naming),
      .choice = namings,
      .help =
          "what a name that is made up says of the layout: what headset players look for (iw3's names), what "
          "media servers do (Film.3D.HSBS.mkv), or nothing" },
    { .name = "-y",
      .type = SC_SET,
      .group = FILES,
      IN(overwrite),
      .def = SC_OVERWRITE_YES,
      .help = "overwrite the output" },
    { .name = "-n",
      .type = SC_SET,
      .group = FILES,
      IN(overwrite),
      .def = SC_OVERWRITE_NEVER,
      .help = "keep an existing output: end with code 3, as without -y; no prompt ever waits" },
    { .name = "-ss",
      .alias = "--start",
      .type = SC_TIME,
      .group = FILES,
      IN(start),
      .max = 1e9,
      .unit = "TIME",
      .help = "begin here; seconds, h:m:s.ms or 1500ms" },
    { .name = "-to",
      .alias = "--end",
      .type = SC_TIME,
      .group = FILES,
      IN(end),
      .max = 1e9,
      .def = -1,
      .unit = "TIME",
      .help = "end here, in the input's time" },
    { .name = "-t",
      .alias = "--duration",
      .type = SC_TIME,
      .group = FILES,
      IN(duration),
      .max = 1e9,
      .def = -1,
      .unit = "TIME",
      .help = "convert so much" },
    { .name = "--frames",
      .alias = "-frames:v",
      .type = SC_LONG,
      .group = FILES,
      IN(frames),
      .max = 1e12,
      .unit = "frames",
      .help = "convert so many frames; 0 = all" },

    { .name = "--layout",
      .type = SC_CHOICE,
      .group = STEREO,
      OUT(layout),
      .choice = layouts,
      .help = "left|right at full or half width (sbs, hsbs), left above right (tab, htab), right|left "
              "(cross), one eye, eyes in turn at twice the frame rate (sequential), in turn by rows "
              "(interlaced), a red-cyan anaglyph (dubois to gray), left|disparity (rgbd), left|right each on "
              "half a sphere (vr180)" },
    { .name = "--fov",
      .type = SC_REAL,
      .group = STEREO,
      OUT(fov),
      .max = 120,
      .unit = "degrees",
      .help = "how wide the picture was taken, or is to look: its width on vr180's sphere, and what Apple's "
              "players "
              "are told (hfov). 0: 90 in vr180, and nothing is told" },
    { .name = "--stereo-tags",
      .type = SC_CHOICE,
      .group = STEREO,
      OUT(stereo_tags),
      .def = 1,
      .choice = switches,
      .help =
          "tell players of the layout, where container and encoder can: Matroska's StereoMode, MP4's st3d "
          "and Apple's vexu, H.264's frame packing message" },
    { .name = "--max-disparity",
      .type = SC_REAL,
      .group = STEREO,
      IN(max_disparity),
      .max = 10,
      .def = 2.5,
      .unit = "percent of width",
      .help = "shift between the nearest and the farthest point. With the default and --convergence 0.45 "
              "everything stays within half a degree of a television's screen seen from three picture "
              "heights; one degree is held to be the limit of comfort, so for a cinema screen or a "
              "headset take less" },
    { .name = "--convergence",
      .type = SC_REAL,
      .group = STEREO,
      IN(convergence),
      .max = 1,
      .def = 0.45,
      .unit = "0 far .. 1 near",
      .help = "what lies in the screen plane. 0.45 puts a little more in front of the screen than behind "
              "it, and keeps eyes from diverging on screens up to five metres wide" },
    { .name = "--viewer",
      .type = SC_CHOICE,
      .group = STEREO,
      IN(viewer),
      .choice = viewers,
      .help =
          "say in degrees how far the film stands out of the screen and lies behind it, for who sees it so: "
          "a 65 inch television at 2.5 m, a headset's screen of 60 degrees, a cinema's of 37, a telephone" },
    { .name = "--max-parallax",
      .type = SC_REAL,
      .group = STEREO,
      IN(max_parallax),
      .max = 90,
      .unit = "degrees",
      .help =
          "end with code 4, after the film is written, if a frame's 1st or 99th percentile exceeds this for "
          "--viewer; 0: no limit" },
    { .name = "--synthetic-view",
      .type = SC_CHOICE,
      .group = STEREO,
      IN(synthetic_view),
      .choice = views,
      .help =
          "the eye that is made; the other one is the source's picture, untouched. Both: each is made, with "
          "half of the disparity, so holes are half as wide, but no eye is untouched and all takes twice as "
          "long" },

    { .name = "--depth",
      .type = SC_TEXT,
      .group = DEPTH,
      IN(depth_file),
      .unit = "FILE",
      .help = "depth video or 16-bit image sequence (%05d.png) to use instead of the network; white is "
              "near" },
    { .name = "--export-depth",
      .type = SC_TEXT,
      .group = DEPTH,
      IN(export_depth),
      .unit = "FILE",
      .help = "write the depth as gray16 FFV1 (.nut keeps timestamps exactly, .mkv to 1 ms)" },
    { .name = "--cache",
      .type = SC_BOOL,
      .group = DEPTH,
      IN(cache),
      .help =
          "keep the depth of this film, and use what was kept of it before: another strength, convergence or "
          "layout then takes a fraction of the time" },
    { .name = "--depth-size",
      .type = SC_INT,
      .group = DEPTH,
      IN(depth_size),
      .min = 64,
      .max = 1024,
      .def = 192,
      .step = 16,
      .unit = "pixels",
      .help = "shorter side of the built-in depth network's input; it was trained at 192" },
    { .name = "--depth-window",
      .type = SC_INT,
      .group = DEPTH,
      IN(depth_window),
      .min = 1,
      .max = 1000,
      .def = 110,
      .full = true,
      .unit = "frames",
      .help = "frames the published depth network sees at once" },
    { .name = "--depth-overlap",
      .type = SC_INT,
      .group = DEPTH,
      IN(depth_overlap),
      .max = 500,
      .def = 25,
      .full = true,
      .unit = "frames",
      .help = "frames that two windows share" },
    { .name = "--depth-steps",
      .type = SC_INT,
      .group = DEPTH,
      IN(depth_steps),
      .min = 1,
      .max = 100,
      .def = 5,
      .full = true,
      .unit = "steps",
      .help = "denoising steps of the published depth network" },
    { .name = "--depth-guidance",
      .type = SC_REAL,
      .group = DEPTH,
      IN(depth_guidance),
      .min = 1,
      .max = 20,
      .def = 1,
      .full = true,
      .unit = "factor",
      .help = "guidance of the published depth network; 1 = one pass" },

    { .name = "--inpaint",
      .type = SC_CHOICE,
      .group = INPAINT,
      IN(inpaint),
      .choice = inpaints,
      .help = "the network if --models has it, else the background extended (auto); one of both; or holes "
              "stay black" },
    { .name = "--inpaint-window",
      .type = SC_INT,
      .group = INPAINT,
      IN(inpaint_window),
      .min = 1,
      .max = 1000,
      .def = 23,
      .full = true,
      .unit = "frames",
      .help = "frames of a chunk" },
    { .name = "--inpaint-overlap",
      .type = SC_INT,
      .group = INPAINT,
      IN(inpaint_overlap),
      .max = 500,
      .def = 3,
      .full = true,
      .unit = "frames",
      .help = "frames carried over from the chunk before" },
    { .name = "--inpaint-tile",
      .type = SC_INT,
      .group = INPAINT,
      IN(inpaint_tile),
      .min = 128,
      .max = 8192,
      .def = 1024,
      .step = 64,
      .full = true,
      .unit = "pixels",
      .help = "longest side of a tile" },
    { .name = "--inpaint-steps",
      .type = SC_INT,
      .group = INPAINT,
      IN(inpaint_steps),
      .min = 1,
      .max = 100,
      .def = 8,
      .full = true,
      .unit = "steps",
      .help = "denoising steps" },
    { .name = "--inpaint-guidance",
      .type = SC_REAL,
      .group = INPAINT,
      IN(inpaint_guidance),
      .min = 1,
      .max = 20,
      .def = 1.01,
      .full = true,
      .unit = "factor",
      .help = "guidance; 1 = one pass" },
    { .name = "--match",
      .type = SC_BOOL,
      .group = INPAINT,
      IN(match),
      .def = 1,
      .help = "match the colours of what the network filled in to the film" },

    { .name = "-c:v",
      .alias = "-codec:v -vcodec",
      .type = SC_TEXT,
      .group = ENCODING,
      OUT(codec_video),
      .unit = "NAME",
      .help = "video encoder; libx264 unless the container wants another" },
    { .name = "-c:a",
      .alias = "-codec:a -acodec",
      .type = SC_TEXT,
      .group = ENCODING,
      OUT(codec_audio),
      .unit = "NAME",
      .help = "audio encoder; copied without it" },
    { .name = "-crf",
      .alias = "--crf",
      .type = SC_REAL,
      .group = ENCODING,
      OUT(crf),
      .min = -1,
      .max = 63,
      .def = -1,
      .unit = "number",
      .help = "quality, smaller is better; -1: 18 with libx264, and what matches it with others" },
    { .name = "-preset",
      .alias = "--preset",
      .type = SC_TEXT,
      .group = ENCODING,
      OUT(preset),
      .unit = "NAME",
      .help = "medium unless given" },
    { .name = "-pix_fmt",
      .alias = "--pix_fmt",
      .type = SC_TEXT,
      .group = ENCODING,
      OUT(pix_fmt),
      .unit = "NAME",
      .help = "pixel format; the source's depth and sampling without it, where the encoder can" },
    { .name = "-f",
      .type = SC_CHOICE,
      .group = ENCODING,
      OUT(format),
      .choice = formats,
      .help = "container; auto: by the output's name, which standard output (-) has not; null: encode and "
              "write nothing, which tells how fast the rest is" },

    { .name = "--models",
      .type = SC_TEXT,
      .group = RUNNING,
      IN(models),
      .unit = "FOLDER",
      .help = "published network weights (models/README.md says which); without it they are looked for in "
              "~/.local/share/stereocrafter/models and in models/ beside the program" },
    { .name = "--model",
      .type = SC_CHOICE,
      .group = RUNNING,
      IN(model),
      .choice = models,
      .help = "the published networks where they are found and a GPU can run them, else the small built-in "
              "ones (auto); or one of both" },
    { .name = "--device",
      .type = SC_TEXT,
      .group = RUNNING,
      IN(device),
      .text = "auto",
      .unit = "NAME",
      .help = "auto, cpu; cuda or cuda:1 where --version lists it" },
    { .name = "--vram",
      .type = SC_SIZE,
      .group = RUNNING,
      IN(vram),
      .unit = "SIZE",
      .help = "GPU memory that may be taken, 8G or 7500M; auto: what is free. What does not fit is streamed "
              "or done in smaller parts; of no effect on the CPU" },
    { .name = "--hwaccel",
      .alias = "-hwaccel",
      .type = SC_CHOICE,
      .group = RUNNING,
      IN(hwaccel),
      .choice = hwaccels,
      .help = "auto: where the networks run on a GPU, its engine decodes what it decodes exactly; none: "
              "software decodes" },
    { .name = "--precision",
      .type = SC_TEXT,
      .group = RUNNING,
      IN(precision),
      .full = true,
      .unit = "LIST",
      .help = "reference, default, fast, or number types: fp32, tf32, fp16, bf16, fp8 (the CPU has fp32 "
              "alone), or "
              "by network: depth.unet=bf16,vae=fp32" },
    { .name = "--seed",
      .type = SC_LONG,
      .group = RUNNING,
      IN(seed),
      .max = 9e15,
      .def = 42,
      .full = true,
      .unit = "number",
      .help = "of the networks' noise" },
    { .name = "--threads",
      .alias = "-threads",
      .type = SC_INT,
      .group = RUNNING,
      IN(threads),
      .max = 1024,
      .unit = "threads",
      .help = "0 = one per core" },
    { .name = "--optimize",
      .type = SC_BOOL,
      .group = RUNNING,
      IN(optimize),
      .def = 1,
      .full = true,
      .help =
          "fuse, record, and choose kernels; without it everything is plain and slow, to look for mistakes" },
    { .name = "--cache-dir",
      .type = SC_TEXT,
      .group = RUNNING,
      IN(cache_dir),
      .unit = "FOLDER",
      .full = true,
      .help = "where --cache keeps depth, and where it is kept which kernels a GPU does fastest, found out "
              "when they are "
              "first needed; none: take the libraries' word for it (default stereocrafter in $XDG_CACHE_HOME "
              "or ~/.cache)" },
    { .name = "--progress",
      .type = SC_CHOICE,
      .group = RUNNING,
      OF(progress),
      .choice = progresses,
      .help = "on stderr: one line, one JSON object a report, blocks of key=value as FFmpeg's -progress "
              "writes them, "
              "or nothing" },
    { .name = "--stats",
      .type = SC_TEXT,
      .group = RUNNING,
      IN(stats),
      .unit = "FILE",
      .help =
          "write figures of the conversion as JSON: time by stage, and of each shot how far its points are "
          "shifted and how much came into view" },
    { .name = "--log-level",
      .alias = "-loglevel -v",
      .type = SC_CHOICE,
      .group = RUNNING,
      OF(log_level),
      .def = SC_LOG_INFO,
      .choice = levels,
      .help = "how much is said on stderr" },
    { .name = "--dry-run",
      .type = SC_BOOL,
      .group = RUNNING,
      IN(dry_run),
      .help = "say what would be done: sizes, networks, memory, streams" },
    { .name = "--print-config",
      .type = SC_BOOL,
      .group = RUNNING,
      OF(print_config),
      .help = "print every option's value" },
    { .name = "--info",
      .type = SC_BOOL,
      .group = RUNNING,
      OF(info),
      .help = "print devices, what they compute with, and versions" },
    { .name = "--bench",
      .type = SC_BOOL,
      .group = RUNNING,
      OF(bench),
      .help = "time the networks, the published ones with random weights, and the chain with INPUT if given, "
              "in every precision of --device" },
    { .name = "--report",
      .type = SC_TEXT,
      .group = RUNNING,
      OF(report),
      .unit = "FILE",
      .full = true,
      .help = "with --bench: its figures as JSON" },
    { .name = "--version",
      .alias = "-version",
      .type = SC_BOOL,
      .group = RUNNING,
      OF(version),
      .help = "print versions" },
    { .name = "--help",
      .alias = "-h -help -?",
      .type = SC_HELP,
      .group = RUNNING,
      OF(help),
      .unit = "[full]",
      .help = "this, or all; \"man\" prints the manual page, \"completion\" what bash completes options by" },
};
/* clang-format on */

const int sc_option_count = SC_COUNT(sc_option_table);

void sc_option_reset(const sc_option *row, sc_options *o, sc_output *output)
{
    void *m = sc_option_member(row, o, output);

    switch (row->type) {
    case SC_INT:
    case SC_CHOICE:
    case SC_BOOL:
        *(int *)m = (int)row->def;
        break;
    case SC_LONG:
    case SC_SIZE:
        *(int64_t *)m = (int64_t)row->def;
        break;
    case SC_REAL:
    case SC_TIME:
        *(double *)m = row->def;
        break;
    case SC_TEXT:
        *(const char **)m = row->text;
        break;
    case SC_SET:
    case SC_HELP:
        break;
    }
}

void sc_options_default(sc_options *o)
{
    *o = (sc_options){ .set = { .log.level = SC_LOG_INFO, .outputs = 1 } };
    for (int i = 0; i < sc_option_count; i++)
        sc_option_reset(&sc_option_table[i], o, &o->set.output[0]);
}

void sc_settings_default(sc_settings *s)
{
    sc_options o;
    sc_options_default(&o);
    *s = o.set;
}

void sc_option_choices(const sc_option *row, char *out, size_t size)
{
    size_t n = 0;
    for (int i = 0; row->choice[i] && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", i ? ", " : "", row->choice[i]);
}
