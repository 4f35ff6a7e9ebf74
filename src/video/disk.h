/* A file that is written to, on a disk that may be full. */
#ifndef SC_DISK_H
#define SC_DISK_H

#include <stdatomic.h>

#include <libavformat/avio.h>

#include "../base.h"

typedef struct sc_room {          /* what to do when there is none */
    bool wait;                    /* until there is some, instead of failing */
    const atomic_bool *cancelled; /* ends the waiting, or NULL */
} sc_room;

typedef struct sc_disk {
    int fd;           /* the caller's */
    const char *path; /* for messages: outlives it */
    sc_room room;
    const sc_logger *log;
} sc_disk;

/* True of what writing to a full disk fails with. */
bool sc_disk_is_full(int code);
/* Writes it all at the file's place. AVERROR; SC_ERR_CANCELLED. */
int sc_disk_write(sc_disk *d, const void *data, size_t size);
/* A muxer's way to the file, to be freed with sc_disk_close_io(); d stays where it is. NULL: out of memory.
 */
AVIOContext *sc_disk_open_io(sc_disk *d);
/* Flushes; the file stays open. *io may be NULL. */
int sc_disk_close_io(AVIOContext **io);

#endif
