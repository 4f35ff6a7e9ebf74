/* The figures of a conversion, for programs. */
#ifndef SC_STATS_H
#define SC_STATS_H

#include <cjson/cJSON.h>

#include "stages/gauge.h"
#include "stages/pair.h"
#include "stages/score.h"

/* Says how long it took, what took longest, and, of a device with memory of its own, what went over the bus.
 * encoder: NULL where nothing was encoded; waited: seconds that all else waited for it. */
void sc_stats_log(const sc_progress *p, const sc_device *dev, const char *encoder, double waited,
                  const sc_logger *log);

/* Says what passing a VAE cost in the mean. */
void sc_stats_log_score(const sc_score *score, const sc_logger *log);

/* {"schema": 1, ...}, described in README.md: what s->stats gets. The caller's. */
cJSON *sc_stats_json(const sc_settings *s, const sc_video_info *v, const sc_progress *p, const sc_gauge *g,
                     const sc_score *score, const sc_pair *pair);

/* One of its "shots". */
cJSON *sc_stats_shot(const sc_gauge_shot *shot, const sc_settings *s);

/* Writes that to s->stats. SC_ERR_OUTPUT. */
int sc_stats_write(const sc_settings *s, const sc_video_info *v, const sc_progress *p, const sc_gauge *g,
                   const sc_score *score, const sc_pair *pair, const sc_logger *log);

/* json may be NULL: out of memory. */
int sc_json_write(const char *path, const cJSON *json, const sc_logger *log);

#endif
