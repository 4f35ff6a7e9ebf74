/* Single pictures as files. */
#ifndef SC_STILL_H
#define SC_STILL_H

#include "reader.h"

/* The picture of a film's still: the longest side at most `longest` pixels, square ones, as JPEG has it. */
sc_video_info sc_still_shape(const sc_video_info *v, int longest);

/* *text: f, of that shape, as JPEG in base64; the caller's, to be freed. */
int sc_still_text(char **text, AVFrame *f, const sc_logger *log);

#endif
