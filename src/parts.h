/* A film that several workers make: each a part of it, of whole segments (resume.h), which it writes to where
 * one worker alone would have written the very same. So any worker may go on with what another has left, and
 * joining is what one worker does in the end. The plan, OUT.parts/plan.json, only says where each begins:
 *
 *   {"schema": 1, "key": "...", "frames": 300,
 *    "parts": [{"frame": 0, "shot": 0, "pts": 0, "check": 1, "bars": [0, 0, 96, 54], "frames": 38}, ...]} */
#ifndef SC_PARTS_H
#define SC_PARTS_H

#include "resume.h"

/* Finds where shots and segments begin in one pass through the film, chooses as many parts as the settings
 * ask for, and writes the plan; with SC_OVERWRITE_YES in place of all that is in the folders. Reserves the
 * context's memory. SC_ERR_NOT_VIDEO, SC_ERR_OUTPUT; SC_ERR_EXISTS if somebody makes the film. */
int sc_parts_plan(const sc_context *c, sc_reader *reader);
/* Where the settings' part begins and ends, by the plan. SC_ERR_USAGE, SC_ERR_INPUT, SC_ERR_EXISTS with a
 * line. */
int sc_parts_find(sc_seam *from, sc_seam *to, const sc_settings *s, const sc_logger *log);
/* SC_ERR_INPUT with a line: the segment that begins with a frame is not there, which is of that part. */
int sc_parts_missing(const sc_settings *s, int64_t frame, const sc_logger *log);

#endif
