/* Frames of a film in, packets of one encoder out, with the timestamps and durations that the frames had. */
#ifndef SC_TRACK_H
#define SC_TRACK_H

#include "encoder.h"

typedef struct sc_track sc_track;
/* Takes the packet, in the encoder's time base, which is the track's again afterwards. Returns 0 or a code
 * that sc_track_send() passes on. */
typedef int (*sc_packet_sink)(void *opaque, AVPacket *p);

/* o and plan outlive the track. Errors as sc_encoder_open(). */
int sc_track_open(sc_track **c, const sc_encoder_plan *plan, const AVOutputFormat *of,
                  const sc_writer_options *o, sc_packet_sink sink, void *opaque, const sc_logger *log);
const AVCodecContext *sc_track_context(const sc_track *c);
/* One frame, as sc_writer_send() describes it; it stays the caller's, with other tags. NULL ends the film. */
int sc_track_send(sc_track *c, AVFrame *f);
void sc_track_close(sc_track **c);

#endif
