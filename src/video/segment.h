/* A film in the making, as segments: a file each, with the packets of some frames as the encoder gave them
 * and a record of what they are. They lie in the folder FILM.parts until the film is whole. A segment has its
 * name only when it is complete and on the disk, so that whatever happens, what is there can be used. */
#ifndef SC_SEGMENT_H
#define SC_SEGMENT_H

#include <cjson/cJSON.h>
#include <libavcodec/packet.h>

#include "disk.h"

typedef struct sc_segments {
    const char *path; /* of the film: the caller's */
    char *folder;
    char key[33]; /* what the film is made of and how; segments with another one are another film's */
    int part;     /* 0: all of it */
    int lock;     /* a file descriptor; held while segments are made, so that two do not make the same ones */
    sc_room room;
    const sc_logger *log;
} sc_segments;

/* Makes the folder. `part`: of the film, 0 for all of it, is nobody else's until the close. *s was zeroed.
 * SC_ERR_OUTPUT; SC_ERR_EXISTS if somebody is at work on that part. */
int sc_segments_open(sc_segments *s, const char *path, const char *key, int part, const sc_room *room,
                     const sc_logger *log);
void sc_segments_close(sc_segments *s);        /* a folder in which there is nothing goes */
void sc_segments_clear(const sc_segments *s);  /* removes all of them */
void sc_segments_remove(const sc_segments *s); /* and the folder */
/* The record of the segment that begins with a frame, the caller's to delete. 1; 0 if there is none;
 * SC_ERR_EXISTS, without a line, if it has another key. */
int sc_segments_find(const sc_segments *s, int64_t frame, cJSON **record);
/* Reads the segment that begins with a frame: its packets go to sink. Afterwards their number and MD5 are
 * compared with the record's; SC_ERR_OUTPUT with a line if they differ: the file is gone then, to be made
 * anew. */
int sc_segments_read(const sc_segments *s, int64_t frame, int (*sink)(void *opaque, AVPacket *p),
                     void *opaque);

typedef struct sc_segment sc_segment; /* one that is being written */
/* s outlives it. SC_ERR_OUTPUT, SC_ERR_DISK_FULL. */
int sc_segment_open(sc_segment **seg, const sc_segments *s, int64_t frame);
int sc_segment_put(sc_segment *seg, const AVPacket *p);
/* Completes it: so many frames, the last of which ends at `end` and may be the film's last. note: a JSON
 * value for its record ("note"), which has "frames", "end" and "last". */
int sc_segment_finish(sc_segment *seg, int64_t frames, int64_t end, bool last, const char *note);
int64_t sc_segment_bytes(const sc_segment *seg);
void sc_segment_close(sc_segment **seg); /* one that is not finished goes */

#endif
