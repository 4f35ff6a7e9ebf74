/* Demuxing and decoding on a thread of its own. */
#ifndef SC_READER_H
#define SC_READER_H

#include <libavformat/avformat.h>
#include <libavutil/frame.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/pixdesc.h>

#include "../base.h"

typedef struct sc_reader sc_reader;
struct sc_writer;

typedef struct sc_video_info { /* the chosen picture stream, as its frames come out (rotated, deinterlaced) */
    int width, height;
    enum AVPixelFormat format;
    AVRational sar, time_base, frame_rate; /* frame_rate as the header guesses it, 0/0 when unknown */
    enum AVColorRange range;
    enum AVColorSpace matrix;
    enum AVColorPrimaries primaries;
    enum AVColorTransferCharacteristic transfer;
    enum AVChromaLocation siting;
    bool has_mastering, has_light; /* HDR10 */
    AVMasteringDisplayMetadata mastering;
    AVContentLightMetadata light;
    int64_t
        frames; /* expected, after trimming; an estimate where the container does not count; 0 = unknown */
    double duration; /* seconds, after trimming; 0 when unknown */
    int rotation;    /* degrees that were applied */
    bool deinterlaced;
    int stream;     /* its index in the file */
    int64_t offset; /* in time_base: was taken from every timestamp, of the other streams too */
    bool cut;       /* ends before the file does: the other streams are to end with the picture */
    char codec[32], container[64];
} sc_video_info;

typedef enum sc_half { SC_HALF_NONE, SC_HALF_LEFT, SC_HALF_RIGHT } sc_half; /* none: all of it */

typedef struct sc_reader_options {
    const char *path;
    double start, end, duration; /* seconds; end and duration negative = none */
    int64_t frames;              /* 0 = all */
    int threads;                 /* of the decoder; 0 = its own choice */
    const char *device;          /* whose engine may decode, as --device names it; NULL = none */
    bool video_only;             /* a depth file: the other streams are not looked at */
    bool picture_only;           /* no rotation, no deinterlacing */
    int half;                    /* sc_half: what is read of each picture */
} sc_reader_options;

/* Opens the file and decodes until the picture's properties are known. Timestamps are kept, except that a run
 * with a start begins at 0, and that transport and program streams, whose clocks begin anywhere, begin at 0
 * as a whole. Frames whose format no tensor can describe are converted, with a notice. SC_ERR_INPUT,
 * SC_ERR_NOT_VIDEO. */
int sc_reader_open(sc_reader **r, const sc_reader_options *o, const sc_logger *log);
const sc_video_info *sc_reader_info(const sc_reader *r);
/* Opens the film of another reader once more, by software's decoder, which gives the same pictures. Whoever
 * cancels `of`, which must live longer, cancels *r. */
int sc_reader_again(sc_reader **r, const sc_reader *of, const sc_logger *log);
/* The open file, for the writer to copy streams, chapters and tags from. */
const AVFormatContext *sc_reader_format(const sc_reader *r);

/* Starts the thread. Decoded frames wait in a bounded queue for sc_reader_next(); packets of other streams go
 * to each of the `sinks` writers at once, which must live as long as the reader. */
int sc_reader_start(sc_reader *r, struct sc_writer *const *sink, int sinks);
typedef struct sc_place { /* in a film: a frame by which it can be entered again */
    int64_t frame, pts;   /* counted from the film's first; as it was delivered */
    uint32_t check;       /* sc_picture_check() of it */
} sc_place;

/* Before the start: goes on with that frame instead of the first one, to which the info still applies. Sinks
 * get no packets from before. SC_ERR_INPUT with a line. */
int sc_reader_skip(sc_reader *r, const sc_place *to);
/* Instead of a start: hands the packets of the other streams to a writer that come before a time of the film,
 * in info.time_base (INT64_MAX: all), and those of ten seconds more. */
int sc_reader_feed(sc_reader *r, struct sc_writer *sink, int64_t until);
/* The next frame, the caller's: pts and duration in info.time_base. It is in host memory, or has
 * hw_frames_ctx and lies on the device: after what has been given to that so far. 0, SC_EOF, an error,
 * SC_ERR_CANCELLED. */
int sc_reader_next(sc_reader *r, AVFrame **f);
/* Of a frame, in its time base; 0 when unknown. */
int64_t sc_reader_duration(const AVFrame *f);
/* Makes the thread and sc_reader_next() stop soon. Async-signal-safe. */
void sc_reader_cancel(sc_reader *r);
void sc_reader_close(sc_reader **r);

#endif
