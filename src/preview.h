/* --preview: places of a film, and ways to convert them, to choose from before a night of rendering. */
#ifndef SC_PREVIEW_H
#define SC_PREVIEW_H

#include "base.h"

/* Makes the folder s->output[0].path, or FILM_preview beside the film if that is NULL: at each of s->preview
 * places spread over the film, none of them black, a sample of 2 seconds (not with SC_FORMAT_NULL) and
 * pictures in full size, and index.html with all of them and with other strengths and convergences, for which
 * depth is computed once. Each place is a conversion of its own: `current` is told of it before it runs, so
 * that it can be cancelled, and of NULL behind it. SC_ERR_EXISTS if there is such a page already and
 * s->overwrite says no, SC_ERR_USAGE for settings that are of a whole film; else as sc_open() and sc_run().
 */
int sc_preview(const sc_settings *s, void (*current)(void *opaque, sc_converter *c), void *opaque);

#endif
