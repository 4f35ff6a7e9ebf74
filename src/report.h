/* A page to look a conversion over by: src/report.html with figures and pictures put in. */
#ifndef SC_REPORT_H
#define SC_REPORT_H

#include <cjson/cJSON.h>

#include "stages/gauge.h"

/* Writes s->report: all that sc_stats_json() says, each shot's curve, warnings and stills. One file, which
 * loads nothing. SC_ERR_OUTPUT. */
int sc_report_write(const sc_settings *s, const sc_video_info *v, const sc_progress *p, const sc_gauge *g,
                    const sc_logger *log);

/* A shot's stills, by name; the strings stay the gauge's. NULL if it has none. */
cJSON *sc_report_stills(const sc_gauge_shot *shot);
/* For whom, and by which settings: what the page needs of them. */
cJSON *sc_report_settings(const sc_settings *s, const sc_video_info *v);
/* The page with this in it. json may be NULL: out of memory. */
int sc_report_page(const char *path, const cJSON *json, const sc_logger *log);

#endif
