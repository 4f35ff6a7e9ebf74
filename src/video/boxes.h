/* Boxes put into a finished MP4 or QuickTime file: what the installed muxer does not know how to write. */
#ifndef SC_BOXES_H
#define SC_BOXES_H

#include <stddef.h>
#include <stdint.h>

/* A moov box with `boxes` (whole ones, one after another) put at the end of the first sample entry of the
 * track with this track_ID, which must be a video track; boxes of the same types that are there already are
 * left out. *out is from av_malloc. AVERROR_INVALIDDATA for what is no such moov box, AVERROR(ERANGE) where a
 * size field cannot hold the sum. */
int sc_moov_add(uint8_t **out, size_t *out_size, const uint8_t *moov, size_t size, uint32_t track,
                const uint8_t *boxes, size_t boxes_size);

/* Adds `by` to every chunk offset of at least `from`. Errors as above, before anything is changed. */
int sc_moov_shift(uint8_t *moov, size_t size, uint64_t from, int64_t by);

/* Both for a file, whose data is moved where it follows the moov box. A file in fragments, whose offsets
 * stand elsewhere too, is AVERROR_INVALIDDATA. Nothing is written before all is known to fit; if writing
 * fails, the file is lost. */
int sc_boxes_add(const char *path, uint32_t track, const uint8_t *boxes, size_t size);

#endif
