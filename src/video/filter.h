/* Between decoder and film: turns pictures upright, deinterlaces them, keeps format and size what they were
 * at first. A film that needs none of it passes through untouched. */
#ifndef SC_FILTER_H
#define SC_FILTER_H

#include <libavutil/frame.h>
#include <libavutil/rational.h>

#include "reader.h"

typedef struct sc_filter_options {
    AVRational time_base;
    const int32_t *matrix; /* display matrix of the stream, or NULL; one in the first frame comes before it */
    bool picture_only;     /* no rotation, no deinterlacing */
    int half;              /* sc_half */
} sc_filter_options;

typedef struct sc_filter sc_filter;

int sc_filter_open(sc_filter **flt, const sc_filter_options *o, const sc_logger *log);
void sc_filter_close(sc_filter **flt);

/* Takes the reference out of f; NULL ends the stream. To be called only when sc_filter_recv() has asked for
 * more. coded: of a frame on a device, the format that decoding in software gives. Such a frame passes
 * through, or is fetched where something has to be done to it. */
int sc_filter_send(sc_filter *flt, AVFrame *f, enum AVPixelFormat coded);
/* One picture for each one sent, in order. AVERROR(EAGAIN) asks for more; SC_EOF after the end. */
int sc_filter_recv(sc_filter *flt, AVFrame *f);

int sc_filter_rotation(const sc_filter *flt); /* degrees clockwise that are applied */
bool sc_filter_deinterlaces(const sc_filter *flt);
/* Of every picture from the first on, as coded. */
enum AVPixelFormat sc_filter_format(const sc_filter *flt);

#endif
