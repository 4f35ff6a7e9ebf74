/* What --fidelity decides: the published scripts to the letter, the same networks with what their users
 * complain about repaired, or sooner. */
#ifndef SC_FIDELITY_H
#define SC_FIDELITY_H

#include "base.h"

typedef struct sc_fidelity_row {
    /* Members of sc_settings; each is also an option, which goes before. */
    int depth_range, depth_window, depth_overlap, depth_steps;
    double depth_guidance;
    int inpaint_window, inpaint_overlap, inpaint_steps;
    double inpaint_guidance;
    int match;
    double max_disparity, convergence;
    /* Ways that are no option. */
    bool shots;       /* cuts end windows, and black bars are left out */
    bool plain_splat; /* the published forward warp of the depth as it is; else edges are sharpened, and
                         surfaces have a depth test */
    bool plain_mask;  /* all of the splat's holes, seen at every eighth pixel; else the built-in tier's mask,
                         of  which no hole gets lost */
    bool whole; /* the right eye is all the network's picture, in 8 bits; else that is laid into the holes */
    bool cross_fade; /* chunks are; else the first picture of a frame stays */
    int few_steps;   /* of tiles with few holes; 0 = as of others */
} sc_fidelity_row;

/* A tile has few holes where they are less than this share of it: bands of 10 pixels in one of 1024, what is
 * opened beside the average person. */
#define SC_FEW_HOLES 0.01f

/* Of s->fidelity. */
const sc_fidelity_row *sc_fidelity_of(const sc_settings *s);

#endif
