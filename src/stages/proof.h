/* Ways to convert a film, tried on one of its frames so that a person can choose before all of it is
 * rendered. */
#ifndef SC_PROOF_H
#define SC_PROOF_H

#include "stages.h"

enum { SC_PROOF_STEPS = 3, SC_PROOFS = SC_PROOF_STEPS * SC_PROOF_STEPS };

typedef struct sc_proof {
    double max_disparity, convergence; /* as in the settings */
} sc_proof;

typedef struct sc_proofs {
    sc_proof way[SC_PROOFS]; /* by strength, then by convergence */
    int ways;
    int usual;           /* the one that the settings have */
    const char *picture; /* NULL, or how the names of its pictures begin: full size, PNG */
} sc_proofs;

/* Strengths and convergences around those of the settings, of which both ends of a range leave out some. */
void sc_proofs_choose(sc_proofs *p, const sc_settings *s);

/* After depth: behind the film's last frame comes one of its second half, not a black one, once more for each
 * way, with that depth, as a shot of its own: SC_FRAME_PROOF. */
int sc_proof_open(sc_stage **s, const sc_context *c, sc_stage *from);

#endif
