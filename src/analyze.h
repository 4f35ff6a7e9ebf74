/* --analyze: what a film's shots are like, as an edit list (stages/edit.h) to be looked over. */
#ifndef SC_ANALYZE_H
#define SC_ANALYZE_H

#include <cjson/cJSON.h>

#include "stages/edit.h"
#include "stages/gauge.h"

/* Strength and convergence for a shot that was measured with those of s: no more parallax than
 * sc_comfort_limit() for the viewer (a television without one), fewer holes where there are many, and what
 * the picture's sides cut off not far in front of the screen. */
void sc_analyze_suggest(sc_edit_shot *e, const sc_gauge_shot *shot, const sc_settings *s);

/* What may disturb in a shot: a list of texts, the caller's. */
cJSON *sc_analyze_warn(const sc_gauge_shot *shot, const sc_settings *s);

/* Writes what g found to s->analyze, with suggestions and warnings. SC_ERR_OUTPUT. */
int sc_analyze_write(const sc_settings *s, const sc_video_info *v, const sc_gauge *g, const sc_logger *log);

#endif
