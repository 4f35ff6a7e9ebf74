/* The edit list (film.stereo.json): how each shot of a film is converted. --analyze writes one with what it
 * found and suggests; a person changes what does not please; --shots reads it.
 *
 *   {"schema": 1, "source": {"width": 1920, "height": 1080},
 *    "shots": [{"time": 0.0, "picture": {"x": 0, "y": 132, "width": 1920, "height": 816},
 *               "max_disparity": 2.5, "convergence": 0.45, "floating_window": true}, ...]}
 *
 * time: seconds of the shot's first frame, as the film's timestamps count. picture: what black bars leave.
 * What a shot does not say is as the options have it; what else it holds (frame, frames, disparity, hole,
 * warnings) is for the reader. */
#ifndef SC_EDIT_H
#define SC_EDIT_H

#include "stages.h"

enum { SC_EDIT_SCHEMA = 1 }; /* grows when a member changes its meaning */

typedef struct sc_edit_shot {
    double time; /* seconds */
    sc_rect picture;
    double max_disparity, convergence; /* percent of the picture's width; 0..1 */
    bool floating_window;
} sc_edit_shot;

typedef struct sc_edit { /* zeroed */
    sc_edit_shot *shot;  /* by time */
    int shots;
} sc_edit;

/* Reads s->shots for the film v. SC_ERR_USAGE with a line that names the file and the member. */
int sc_edit_read(sc_edit *e, const sc_settings *s, const sc_video_info *v, const sc_logger *log);
void sc_edit_clear(sc_edit *e);

/* Seconds of a frame's pts, as the source's own timestamps count: those of a part of a film are moved to 0.
 */
static inline double sc_edit_time(const sc_video_info *v, int64_t pts)
{
    return (double)(v->offset + pts) * v->time_base.num / v->time_base.den;
}

/* Whether any shot has a floating window. */
bool sc_edit_windows(const sc_edit *e);

/* The shot that is on at `time`: the last that has begun, or the first. */
const sc_edit_shot *sc_edit_at(const sc_edit *e, double time);

#endif
