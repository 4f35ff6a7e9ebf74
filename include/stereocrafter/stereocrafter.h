/* stereocrafter: turns a mono video into a stereo one.
 *
 * The whole public API. Functions return 0 or a negative code; the codes are FFmpeg's AVERROR values (negated
 * errno among them) and the SC_ERR_ values below. Not thread-safe per converter, except sc_cancel(). */
#ifndef STEREOCRAFTER_H
#define STEREOCRAFTER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SC_TAG(a, b, c, d) (-(int)((a) | ((b) << 8) | ((c) << 16) | ((unsigned)(d) << 24)))

enum {
    SC_EOF = SC_TAG('E', 'O', 'F', ' '),           /* end of stream: the same number as AVERROR_EOF */
    SC_ERR_USAGE = SC_TAG('S', 'C', 'U', 'S'),     /* an option or its value is wrong */
    SC_ERR_EXISTS = SC_TAG('S', 'C', 'E', 'X'),    /* the output exists and may not be overwritten */
    SC_ERR_INPUT = SC_TAG('S', 'C', 'I', 'N'),     /* the input is missing or cannot be read */
    SC_ERR_NOT_VIDEO = SC_TAG('S', 'C', 'N', 'V'), /* the input holds no video that can be decoded */
    SC_ERR_OUTPUT = SC_TAG('S', 'C', 'O', 'U'),    /* the output cannot be created or written */
    SC_ERR_DISK_FULL = SC_TAG('S', 'C', 'D', 'F'), /* no room left on the output's file system */
    SC_ERR_DEPTH = SC_TAG('S', 'C', 'D', 'P'),     /* the file given with --depth does not fit the film */
    SC_ERR_PARALLAX = SC_TAG('S', 'C', 'P', 'X'),  /* the film is written, but exceeds max_parallax */
    SC_ERR_WEIGHTS =
        SC_TAG('S', 'C', 'W', 'T'), /* network weights are missing, broken or of another network */
    SC_ERR_DEVICE = SC_TAG('S', 'C', 'D', 'V'), /* the device is absent, failed or ran out of memory */
    SC_ERR_CANCELLED =
        SC_TAG('S', 'C', 'C', 'A'), /* sc_cancel() was called, or nobody reads standard output */
};

enum sc_log_level { SC_LOG_ERROR, SC_LOG_WARNING, SC_LOG_INFO, SC_LOG_DEBUG };

/* Receives one line without a newline. May be called from any of the converter's threads, one at a time. */
typedef struct sc_logger {
    void (*write)(void *opaque, int level, const char *stage, const char *line);
    void *opaque;
    int level; /* lines above this level are not written */
} sc_logger;

typedef enum sc_layout {
    SC_LAYOUT_SBS,        /* left | right, each at full width */
    SC_LAYOUT_HSBS,       /* left | right, each squeezed to half width */
    SC_LAYOUT_TAB,        /* left above right, each at full height */
    SC_LAYOUT_HTAB,       /* left above right, each squeezed to half height */
    SC_LAYOUT_CROSS,      /* right | left, for crossed eyes */
    SC_LAYOUT_LEFT,       /* the left eye alone */
    SC_LAYOUT_RIGHT,      /* the right eye alone */
    SC_LAYOUT_SEQUENTIAL, /* left and right in turn, at twice the frame rate */
    SC_LAYOUT_INTERLACED, /* even rows of the left eye, odd rows of the right */
    SC_LAYOUT_DUBOIS,     /* red-cyan anaglyph, Dubois' least-squares matrices */
    SC_LAYOUT_REDCYAN,    /* red from the left eye, green and blue from the right */
    SC_LAYOUT_HALFCOLOR,  /* the same, with the left eye as grey */
    SC_LAYOUT_WIMMER,     /* the same, with the left eye's green and blue as red */
    SC_LAYOUT_GRAY,       /* both eyes as grey */
    SC_LAYOUT_RGBD,       /* left | disparity as grey */
    SC_LAYOUT_VR180,      /* left | right, each on half a sphere around the viewer */
    SC_LAYOUTS,
} sc_layout;

/* By whom and how the film is seen: screens of a usual size, from a usual distance. */
typedef enum sc_viewer {
    SC_VIEWER_NONE,
    SC_VIEWER_TV,
    SC_VIEWER_QUEST,
    SC_VIEWER_CINEMA,
    SC_VIEWER_PHONE,
} sc_viewer;

/* Which eyes are made; another is the source's own picture. */
typedef enum sc_view { SC_VIEW_RIGHT, SC_VIEW_LEFT, SC_VIEW_BOTH } sc_view;

/* How the published networks are run; README.md lists what differs. */
typedef enum sc_fidelity { SC_FIDELITY_DEFAULT, SC_FIDELITY_REFERENCE, SC_FIDELITY_FAST } sc_fidelity;

/* Over what depth is normalised. */
typedef enum sc_depth_range { SC_RANGE_SHOT, SC_RANGE_FILM } sc_depth_range;

/* What is drawn where nothing was seen; none: it stays black. */
typedef enum sc_inpaint {
    SC_INPAINT_AUTO,
    SC_INPAINT_EXTEND,
    SC_INPAINT_NETWORK,
    SC_INPAINT_NONE
} sc_inpaint;

/* Whether the same depth lies in the screen plane all the time, or what the picture seems to be about. */
typedef enum sc_convergence_mode { SC_CONVERGENCE_CONSTANT, SC_CONVERGENCE_SUBJECT } sc_convergence_mode;

typedef enum sc_overwrite { SC_OVERWRITE_REFUSE, SC_OVERWRITE_YES, SC_OVERWRITE_NEVER } sc_overwrite;

typedef struct sc_progress {
    int64_t frame, frames;      /* written so far; in all, 0 when not known */
    int64_t before;             /* of them written by an earlier run */
    double seconds, fps;        /* since the first frame; over the last seconds */
    double eta;                 /* seconds left, negative when not known */
    int64_t out_time_us;        /* timestamp of the last frame written, microseconds */
    int64_t out_bytes;          /* size of the first output so far, 0 when none is written */
    int shot;                   /* shots begun so far */
    double share[10];           /* 0..1 of the time of each stage, in the order of stage_name */
    const char *stage_name[10]; /* NULL ends the list */
    int64_t loaded; /* bytes that went to the device before the first frame: weights and constants */
    int64_t pixels_up, pixels_down;   /* bytes since, to and from the device: planes of pictures */
    int64_t numbers_up, numbers_down; /* all the others: statistics that the host decides by */
} sc_progress;

#define SC_MAX_OUTPUTS 8

/* The container; SC_FORMAT_NULL: no encoder and no file, for all outputs or for none. */
typedef enum sc_format {
    SC_FORMAT_AUTO, /* by the path's ending */
    SC_FORMAT_NULL,
    SC_FORMAT_NUT,
    SC_FORMAT_MATROSKA,
    SC_FORMAT_MPEGTS,
    SC_FORMAT_Y4M,
} sc_format;

/* One film that is made. Strings are NULL where container and source are to choose. */
typedef struct sc_output {
    const char *path; /* "-" is standard output; may be NULL with SC_FORMAT_NULL */
    int format;       /* sc_format */
    int layout;       /* sc_layout */
    int stereo_tags;  /* 1: players are told of the layout */
    double fov;       /* degrees that the picture's width covers; 0 = not known, 90 in VR180 */
    const char *codec_video, *codec_audio, *preset, *pix_fmt;
    double crf; /* negative = the encoder's own default */
} sc_output;

/* Every choice of a conversion. Strings stay the caller's and must outlive sc_open(). Start from
 * sc_settings_default(): a zeroed struct is not valid. The options of the command line are its members
 * (src/options.c has the names, ranges and meanings). */
typedef struct sc_settings {
    const char *input;                /* "-" is standard input */
    sc_output output[SC_MAX_OUTPUTS]; /* all made in one pass */
    int outputs;                      /* how many of them, at least 1 */
    int overwrite;                    /* sc_overwrite */
    int dry_run;                      /* sc_run() logs the plan and converts nothing */
    int preview;                      /* places that sc_preview() shows; of no effect on sc_run() */
    int resume;         /* 1: what is done of a file is kept, and gone on with by the same settings */
    int segment_frames; /* after about so many */
    /* A film that several workers make, src/parts.h; at most one of these, only with `resume`. sc_run() only
     * writes a plan of so many parts; makes only this part of it, from 1 on, of so many (0: however many the
     * plan has); makes none, and joins what is there. */
    int plan, part, parts, join;
    int on_full; /* 0: a full disk is waited for; 1: it fails */

    int reconstruct; /* 1: nothing is made stereo; the film passes `vae` and is compared with what it was */
    const char *vae; /* NULL, or the file or folder of a VAE: the causal 3-D one, or SVD's */
    int vae_tile;    /* longest side of its tiles, pixels, a multiple of 64; 0 = whole pictures if they fit */
    int vae_slice;   /* frames that pass it at a time; 0 = chosen */

    /* 1: nothing is written, for which output[0].format must be SC_FORMAT_NULL: input and truth are the left
     * and the right eye of a true pair, truth NULL: input has both side by side; what is made of the left one
     * is compared with the right one, or `made` is, a right eye or side by side. */
    int score;
    const char *truth, *made;

    /* sc_fidelity. sc_settings_fidelity() sets it, and with it depth_range, windows, overlaps, steps,
     * guidance, match, max_disparity and convergence below, which may be changed after. */
    int fidelity;

    /* Between the nearest and the farthest point: percent of width, 0..10; negative: pixels. */
    double max_disparity;
    double convergence;   /* 0..1, the normalised disparity that lies in the screen plane */
    int convergence_mode; /* sc_convergence_mode; for the subject, convergence is not used */
    int floating_window;  /* 1: sides that cut off what stands in front of the screen come forward, black */
    int viewer;           /* sc_viewer: for whom parallax is told in degrees */
    double max_parallax;  /* degrees for that viewer that make sc_run() fail in the end; 0 = none */
    int synthetic_view;   /* sc_view; for both, each is made with half of the disparity */

    /* Edit lists, src/stages/edit.h. NULL, or how each shot is converted; or where to write what the shots
     * are like, for which output[0].format must be SC_FORMAT_NULL. */
    const char *shots, *analyze;

    const char *depth_file;   /* NULL, or a depth video or image sequence used instead of the network */
    const char *export_depth; /* NULL, or where the gray16 FFV1 sidecar goes */
    int cache;        /* 1: the film's depth is kept in cache_dir, and taken from there; without both above */
    int depth_range;  /* sc_depth_range; over the film, it is read twice */
    int depth_size;   /* shorter side of the built-in depth network's input, pixels */
    int depth_window; /* frames of a window of the published depth network */
    int depth_overlap;     /* frames that two windows share */
    int depth_steps;       /* denoising steps of the published depth network */
    double depth_guidance; /* 1 = one pass */

    int inpaint;         /* sc_inpaint; network is the published one, extend leaves networks out */
    int inpaint_window;  /* frames of a chunk */
    int inpaint_overlap; /* frames carried over from the chunk before */
    int inpaint_tile;    /* longest side of a tile, pixels, a multiple of 64 */
    int inpaint_steps;
    double inpaint_guidance;
    int match; /* 1: the colours of filled holes are matched in LAB */

    int crop; /* 1: eyes are cropped to multiples of 128 from the top left, as the published script does */
    const char *noise; /* NULL, or a file of noise that is used instead of drawn one, to compare programs */
    const char *dump;  /* NULL, or a folder for what each stage made, to compare programs */

    int model;          /* 0 auto, 1 built-in networks, 2 the published ones */
    const char *models; /* NULL, or the folder of published weights */
    const char
        *models_search; /* NULL, or folders separated by colons where they are looked for without `models` */
    const char *device; /* "auto", "cpu", "cuda:1" */
    int hwaccel;        /* 0: the device's engine decodes what it can; 1: software decodes */
    const char *precision; /* NULL, or "fp16", or "depth.unet=bf16,vae=fp32" */
    const char *stats;     /* NULL, or where figures of the conversion go, as JSON */
    const char *report;    /* NULL, or where a page of figures and pictures of every shot goes */
    int64_t vram;          /* bytes of a GPU's memory that may be taken in all; 0 = what is free */
    int64_t seed;
    int threads;  /* 0 = one per core */
    int optimize; /* 0: general kernels, nothing fused, chosen by timing or replayed, to look for mistakes */
    const char
        *cache_dir; /* NULL, or a folder for what is found out once per GPU: which kernels are fastest */

    double start, end, duration; /* seconds; end and duration negative = to the end */
    int64_t frames;              /* 0 = all */

    sc_logger log;
    void (*progress)(void *opaque, const sc_progress *p); /* NULL, or called from the writing thread, 5 times
                                                             a second, and at the end from sc_run() */
    void *progress_opaque;
} sc_settings;

typedef struct sc_converter sc_converter;

void sc_settings_default(sc_settings *s);

/* fidelity: sc_fidelity. */
void sc_settings_fidelity(sc_settings *s, int fidelity);

/* Opens input, networks and output. On success *c is the caller's, to be closed. */
int sc_open(sc_converter **c, const sc_settings *s);

/* Converts everything. The outputs get their names only when all of them are complete. */
int sc_run(sc_converter *c);

/* Makes sc_run() finish what is under way and return SC_ERR_CANCELLED. Async-signal-safe. */
void sc_cancel(sc_converter *c);

/* Frees everything and sets *c to NULL. *c may be NULL. */
void sc_close(sc_converter **c);

/* English for a code; never NULL, static storage. */
const char *sc_strerror(int code);

const char *sc_version(void);

#ifdef __cplusplus
}
#endif
#endif
