/* Encoding and muxing on a thread of its own. */
#ifndef SC_WRITER_H
#define SC_WRITER_H

#include "reader.h"
#include "segment.h"

typedef struct sc_writer sc_writer;

typedef struct sc_writer_options {
    const char *path; /* written as a temporary name beside it, renamed at the end; "-" standard output */
    const char *container; /* FFmpeg's name of it; NULL = by the path's ending */
    int overwrite;         /* sc_overwrite */
    int width, height;     /* of the frames that will be sent */
    AVRational sar;
    const sc_video_info *video;  /* colour tags, time base and frame rate come from here */
    const AVFormatContext *from; /* streams, chapters and tags to keep, or NULL (a depth sidecar) */
    const char *codec_video, *codec_audio, *preset, *pix_fmt; /* NULL = chosen */
    double crf;                                               /* negative = the encoder's own */
    double start,
        end; /* of the kept part, seconds of the source: chapters and packets are cut to it; end < 0 none */
    int threads;
    int layout;       /* sc_layout */
    bool stereo_tags; /* whether players are told of it */
    int made;         /* sc_view: the eye that is not the better one */
    double fov;       /* degrees of the picture's width, 0 = not known */
    sc_room room;     /* when the disk is full */
    /* NULL, or the film is made of segments, each by an encoder that begins anew: a text of 32 characters, by
     * which those are known that an earlier run has left. */
    const char *key;
    int part; /* a part of the film is made, which has this number from 1 on: no film; 0 = all of it */
    void (*written)(void *opaque, int64_t frames,
                    int64_t pts); /* after each frame; NULL = none. Writer's thread. */
    void *opaque;
} sc_writer_options;

/* The size of one eye and of the whole film in a subsampled format that cannot be cut at odd places: width
 * and height, in: asked for; out: with each eye padded by repeating its last column and row. */
void sc_writer_eyes(int layout, enum AVPixelFormat format, int *width, int *height, int *eye_w, int *eye_h);

/* The clock that keeps every timestamp of the film's frames, and their nominal rate. */
AVRational sc_writer_time_base(const sc_writer_options *o);
AVRational sc_writer_rate(const sc_writer_options *o);

/* The frame format that the encoder chosen for these options takes, given the source's: what sc_layout_open()
 * makes. Also fills nothing on disk: for --dry-run. The codec's name goes to codec[32].
 * SC_ERR_USAGE, SC_ERR_OUTPUT (no such container). */
int sc_writer_plan(const sc_writer_options *o, enum AVPixelFormat *format, char codec[32],
                   const sc_logger *log);
/* Logs the stream map (every input stream and what becomes of it), one line each, at `level`. */
void sc_writer_log_streams(const sc_writer_options *o, int level, const sc_logger *log);

/* Opens encoder and temporary file; starts the thread. SC_ERR_OUTPUT, SC_ERR_EXISTS, SC_ERR_USAGE (codec,
 * preset). */
int sc_writer_open(sc_writer **w, const sc_writer_options *o, const sc_logger *log);
/* Takes the frame, also on failure. The eyes of a sequential layout stand above one another. Waits for room.
 * Returns the thread's error once there is one. */
int sc_writer_send(sc_writer *w, AVFrame *f);
/* Copies the packet's reference; stream is its index in the source. Never waits. */
int sc_writer_packet(sc_writer *w, const AVPacket *p);
/* Of segments (see segment.h). The record of the one that begins with a frame: as sc_segments_find(). */
int sc_writer_find(const sc_writer *w, int64_t frame, cJSON **record);
void sc_writer_clear(sc_writer *w); /* removes all of them */
/* Before the first frame is sent: which one that is. */
void sc_writer_begin_at(sc_writer *w, int64_t frame);
/* Here a segment ends, the film's last one or not; the note, a JSON value, goes to its record. */
int sc_writer_split(sc_writer *w, const char *note, bool last);
/* After a finish: makes the film of all segments, and of the other streams of the source, which has been
 * opened once more; NULL where it has none. SC_ERR_INPUT with a line if a segment is missing. */
int sc_writer_join(sc_writer *w, sc_reader *others);

/* Joins the thread. status 0 or SC_ERR_CANCELLED: flushes and writes the trailer, so that the file under its
 * temporary name is whole; of segments only those are kept that a split has ended. */
int sc_writer_finish(sc_writer *w, int status);
/* Bytes written so far: asked in written(), or after a finish. */
int64_t sc_writer_bytes(const sc_writer *w);
/* After a finish without a failure: gives the file its name; of a cancelled run NAME.partial.EXT, and says
 * so. Without a frame there is no file. */
int sc_writer_keep(sc_writer *w);
void sc_writer_close(sc_writer **w); /* removes a file that has not been given its name */

#endif
