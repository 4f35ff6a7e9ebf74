/* The depth of films that is kept from one conversion to the next (--cache). */
#ifndef SC_KEPT_H
#define SC_KEPT_H

#include "stages/models.h"
#include "stages/stages.h"
#include "video/cache.h"

enum { SC_KEPT_TEXT = 3 * SC_MODELS_PATH };

/* text = what draws depth, and how: c's networks, plan and precision. */
void sc_kept_describe(char text[SC_KEPT_TEXT], const sc_context *c, bool large);

/* path = where the depth of c->set->input, as c's networks draw it by c's plan and precision, is kept.
 * `large`: as sc_builtin_find() takes it. Returns 1 if it is there, 0 if not, or an error with a line. */
int sc_kept_depth(char path[SC_CACHE_PATH], const sc_context *c, bool large);

#endif
