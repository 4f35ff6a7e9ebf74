/* What a film's depth came to, shot by shot: for those who want to know, at the price of reading every
 * frame's disparity and holes once more. */
#ifndef SC_GAUGE_H
#define SC_GAUGE_H

#include "stages.h"

enum {
    SC_GAUGE_PARTS = 64,  /* of a shot's curve, at most */
    SC_GAUGE_STILLS = 64, /* shots that keep pictures, at most */
};

extern const double sc_gauge_dark; /* mean brightness below which a picture's depth is a guess */

typedef struct sc_gauge_part { /* of a shot, as sc_gauge_shot has it for the whole */
    float low, high, hole;     /* hole: the largest */
    float median;              /* in its first frame */
} sc_gauge_part;

/* A shot's pictures, drawn small; review.h. */
typedef enum sc_still {
    SC_STILL_LEFT,
    SC_STILL_RIGHT,
    SC_STILL_ANAGLYPH,
    SC_STILL_DISPARITY,
    SC_STILLS,
} sc_still;

typedef struct sc_gauge_shot {
    int64_t first, frames, readings; /* readings: of its frames, one for each view */
    double time;                     /* of the first frame: sc_edit_time() */
    int width;                       /* of the film */
    sc_rect picture;                 /* without black bars, in the first frame */
    /* Shifts between the eyes, percent of the picture's width, larger in front of the screen: the least 1st
     * and the greatest 99th percentile of a frame, and which frame it is of; the mean of the medians. */
    double low, high, median;
    int64_t low_frame, high_frame;
    double sides;  /* the greatest at a side of the picture, which cuts off what is there */
    double hole;   /* mean share of the picture */
    double light;  /* mean of its pixels, 0..1 */
    double colour; /* how far the eyes' mean colours are apart in CIE L*a*b*, mean; review.h */
    int step;      /* frames of each part */
    sc_gauge_part part[SC_GAUGE_PARTS];
    int64_t still_frame;
    char *still[SC_STILLS]; /* JPEG in base64, the gauge's; or NULL */
} sc_gauge_shot;

typedef struct sc_gauge { /* zeroed; filled by the compute thread */
    sc_gauge_shot *shot;
    int shots, room;
} sc_gauge;

void sc_gauge_clear(sc_gauge *g);
/* A shot behind the others, its members undefined. NULL: out of memory. */
sc_gauge_shot *sc_gauge_add(sc_gauge *g);

/* How many parts the shot's curve has. */
int sc_gauge_parts(const sc_gauge_shot *s);
/* Gives a shot pictures, which become the gauge's, in place of those it had. */
void sc_gauge_picture(sc_gauge_shot *s, int64_t frame, char **still);
/* Whether a shot keeps pictures: all, and of a film that has too many every 2nd, 4th ..., whose others are
 * freed here. */
bool sc_gauge_pictured(sc_gauge *g, int shot);
/* The disparity 0..1 that a frame's left and right side cut off, without black bars, to each side's [2] f32,
 * both the same: what is nearest there but for stray pixels, and but for the ground, which disturbs nobody.
 */
void sc_gauge_sides(sc_exec *x, const sc_tensor side[2], const sc_frame *f);

/* After splat: adds each frame to c->gauge. With two views there are two, whose holes are averaged. */
int sc_gauge_open(sc_stage **s, const sc_context *c, sc_stage *from);

#endif
