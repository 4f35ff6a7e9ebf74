/* What a film's depth came to, shot by shot: for those who want to know, at the price of reading every
 * frame's disparity and holes once more. */
#ifndef SC_GAUGE_H
#define SC_GAUGE_H

#include "stages.h"

typedef struct sc_gauge_shot {
    int64_t first, frames, readings; /* readings: of its frames, one for each view */
    double time;                     /* of the first frame: sc_edit_time() */
    int width;                       /* of the film */
    sc_rect picture;                 /* without black bars, in the first frame */
    /* Shifts between the eyes, percent of the picture's width, larger in front of the screen: the least 1st
     * and the greatest 99th percentile of a frame, and which frame it is of; the mean of the medians. */
    double low, high, median;
    int64_t low_frame, high_frame;
    double sides; /* the greatest at a side of the picture, which cuts off what is there */
    double hole;  /* mean share of the picture */
    double light; /* mean of its pixels, 0..1 */
} sc_gauge_shot;

typedef struct sc_gauge { /* zeroed; filled by the compute thread */
    sc_gauge_shot *shot;
    int shots, room;
} sc_gauge;

void sc_gauge_clear(sc_gauge *g);
/* A shot behind the others, its members undefined. NULL: out of memory. */
sc_gauge_shot *sc_gauge_add(sc_gauge *g);

/* After splat: adds each frame to c->gauge. With two views there are two, whose holes are averaged. */
int sc_gauge_open(sc_stage **s, const sc_context *c, sc_stage *from);

#endif
