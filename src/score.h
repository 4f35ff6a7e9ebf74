/* What --score found, for people and for programs. */
#ifndef SC_SCORE_REPORT_H
#define SC_SCORE_REPORT_H

#include <cjson/cJSON.h>

#include "stages/pair.h"

/* A line each for what was made and for the left eye unchanged, and one for the fit. */
void sc_score_log_pair(const sc_settings *s, const sc_pair *p, const sc_logger *log);

/* Adds "score": {"made": {"psnr", "ssim", "siou", "disparity", "seam", "colour"}, "floor": {...}, "fit":
 * {"max_disparity", "convergence"}, "frames": [{"made", "floor", "fit"}, ...]}. What is no number is null. */
void sc_score_add_pair(cJSON *json, const sc_settings *s, const sc_pair *p);

#endif
