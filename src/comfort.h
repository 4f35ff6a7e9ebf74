/* What a film's shifts are to somebody who sees it: angles between the eyes' lines of sight. */
#ifndef SC_COMFORT_H
#define SC_COMFORT_H

#include "stages/gauge.h"

/* Degrees by which a point that is shifted by `percent` of the picture's width stands out, larger in front of
 * the screen, for a film that is as wide as the viewer's screen. viewer: not SC_VIEWER_NONE. */
double sc_comfort_degrees(int viewer, double percent);

/* Who that is, in words. */
const char *sc_comfort_viewer(int viewer);

/* Degrees beyond which a film is held to strain: s->max_parallax, or 1. */
double sc_comfort_limit(const sc_settings *s);

/* Says what strength and convergence allow at most. Nothing without a viewer. */
void sc_comfort_plan(const sc_settings *s, const sc_logger *log);

/* Says what the film came to, and where. SC_ERR_PARALLAX if that is more than s->max_parallax. */
int sc_comfort_check(const sc_settings *s, const sc_gauge *g, const sc_logger *log);

#endif
