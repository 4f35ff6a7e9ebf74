/* Single pictures as files. */
#ifndef SC_STILL_H
#define SC_STILL_H

#include "reader.h"

/* The picture of a film's still in square pixels: as JPEG has it, the longest side at most `longest`, or,
 * with 0, in full size as PNG has it. */
sc_video_info sc_still_shape(const sc_video_info *v, int longest);

/* *text: f, of such a shape, as JPEG in base64; the caller's, to be freed. */
int sc_still_text(char **text, AVFrame *f, const sc_logger *log);
/* f, of a full size, as the PNG file `path`. SC_ERR_OUTPUT. */
int sc_still_write(const char *path, AVFrame *f, const sc_logger *log);

#endif
