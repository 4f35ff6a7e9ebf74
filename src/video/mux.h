/* The file of a film: its picture's packets among those of the source's other streams, chapters and tags. */
#ifndef SC_MUX_H
#define SC_MUX_H

#include "encoder.h"

typedef struct sc_mux sc_mux;

/* Opens the file under its temporary name and writes its header. enc has the picture's parameters, and may be
 * closed afterwards. o outlives it. SC_ERR_OUTPUT, SC_ERR_DISK_FULL. */
int sc_mux_open(sc_mux **m, const sc_writer_options *o, const AVOutputFormat *of, const AVCodecContext *enc,
                const sc_logger *log);
/* Takes a reference of a packet of another stream, whose index in the source it has. Never waits; any thread.
 */
int sc_mux_hold(sc_mux *m, const AVPacket *p);
/* Writes the held packets that come before a time of the film, in the source's time base. */
int sc_mux_write_held(sc_mux *m, int64_t until);
/* Writes a packet of the picture, in the encoder's time base. */
int sc_mux_write(sc_mux *m, AVPacket *p);
/* The held packets before `until` (INT64_MAX: all), the trailer, and everything on the disk. */
int sc_mux_complete(sc_mux *m, int64_t until);
int64_t sc_mux_bytes(const sc_mux *m); /* so far; of the writing thread */
/* Gives a complete file its name; of the first frames of a film NAME.partial.EXT, and says so. */
int sc_mux_keep(sc_mux *m);
int sc_mux_keep_partial(sc_mux *m, int64_t frames);
void sc_mux_close(sc_mux **m); /* removes a file that has not been given its name */

#endif
