/* A conversion against a true pair (--score): its right eye, or one that somebody else has made, and the left
 * eye unchanged, which is what doing nothing comes to, are both compared with the true right eye. */
#ifndef SC_PAIR_H
#define SC_PAIR_H

#include "stages.h"

typedef struct sc_likeness { /* of one picture to the true one */
    double mse, ssim;        /* as in sc_score_frame */
    double siou;             /* sc_likeness_siou() */
    /* Mean distance of how far things are shifted from how far they truly are, after the scale and shift that
     * fit best, percent of the width. Both are found by matching with the left eye; what finds no match in
     * the picture counts as if all were flat. */
    double disparity;
    double seam;   /* sc_likeness_seam(); may be not a number */
    double colour; /* mean distance in L*a*b* of the means of 32x18 parts of the picture */
} sc_likeness;

typedef struct sc_pair_frame {
    sc_likeness made, floor;
    double max_disparity, convergence; /* that fit the true pair; not of a film that was made elsewhere */
} sc_pair_frame;

typedef struct sc_pair { /* zeroed; filled by the compute thread */
    sc_pair_frame *frame;
    int64_t frames, room;
} sc_pair;

/* Of all frames; what is not a number is left out. */
sc_pair_frame sc_pair_mean(const sc_pair *p);
void sc_pair_clear(sc_pair *p);

/* -> truth, and how the disparity fits it: max_disparity and convergence, by all of the shot so far, so that
 * what is compared is not thrown off by a network that knows no metres. With set->made: -> truth, right.
 * SC_ERR_USAGE, SC_ERR_INPUT with a line that names the film. */
int sc_truth_open(sc_stage **s, const sc_context *c, sc_stage *from);
/* Compares left and right with truth, which ends here, adds the frame to c->pair and says it at debug level.
 */
int sc_judge_open(sc_stage **s, const sc_context *c, sc_stage *from);

#endif
