/* Where a film is written to: a file that gets its name when it is whole, or standard output. */
#ifndef SC_TARGET_H
#define SC_TARGET_H

#include "disk.h"

typedef struct sc_target {
    const char *path; /* the caller's */
    const sc_logger *log;
    char *temporary; /* path.part; NULL: standard output */
    bool created;    /* under its temporary name */
    sc_disk disk;    /* of the file */
} sc_target;

/* Whether the file may be written. SC_ERR_OUTPUT, SC_ERR_EXISTS. */
int sc_target_check(const char *path, int overwrite, const sc_logger *log);
/* Opens *io, which sc_target_close_io() closes; t was zeroed, and stays where it is. path outlives it.
 * SC_ERR_OUTPUT. */
int sc_target_open(sc_target *t, AVIOContext **io, const char *path, const sc_room *room,
                   const sc_logger *log);
int sc_target_close_io(sc_target *t, AVIOContext **io); /* *io may be NULL; AVERROR */
/* One line for whatever goes wrong with writing. Returns SC_ERR_DISK_FULL or SC_ERR_OUTPUT; of a pipe that
 * nobody reads any more, and of a cancelled wait for room, SC_ERR_CANCELLED. */
int sc_target_fail(const sc_target *t, int code);
/* Brings the file, whose *io is closed, onto the disk, and says how large it is; of standard output nothing.
 */
int sc_target_sync(const sc_target *t, int64_t *bytes);
/* Gives it its name, or NAME.partial.EXT, and says that so many frames are there. */
int sc_target_keep(sc_target *t);
int sc_target_keep_partial(sc_target *t, long long frames);
void sc_target_close(sc_target *t); /* removes a file that has not been given its name */

#endif
