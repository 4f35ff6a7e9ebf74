/* Decoding by a device's own engine (NVDEC) through FFmpeg. Frames stay on the device, in its memory's own
 * formats, and are read where they lie. Nothing here knows a device but by the name that FFmpeg has for it.
 */
#ifndef SC_HARDWARE_H
#define SC_HARDWARE_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "../base.h"

typedef struct sc_hardware sc_hardware;

typedef struct sc_hardware_options {
    const char *path;   /* of the file, for messages */
    const char *device; /* as --device names it: "cuda:1" */
    const AVStream *stream;
    bool picture_only; /* pictures are not turned and not deinterlaced */
    int frames;        /* how many the decoder's user may hold at a time */
} sc_hardware_options;

/* Makes a decoder that is not open yet decode on the device, if its engine gives the very numbers that
 * decoding in software gives and nothing has to be done to the pictures on the way. *h, to be closed after
 * the decoder, stays NULL where software is to decode. One line says why; none where FFmpeg knows no such
 * device ("cpu"), and one comes later if the engine does not take what it meets in the film: then frames in
 * host memory come out. */
int sc_hardware_open(sc_hardware **h, AVCodecContext *decoder, const sc_hardware_options *o,
                     const sc_logger *log);
void sc_hardware_close(sc_hardware **h);

/* Replaces a frame on the device by its copy in host memory, in the device's format. */
int sc_hardware_to_host(AVFrame *f);

/* The codecs that FFmpeg can have decoded exactly on a device of that name, and the encoders it has for it,
 * as words. Says what is compiled in; nothing is tried. False if there are none. */
bool sc_hardware_describe(const char *device, char *decodes, char *encodes, size_t size);

#endif
