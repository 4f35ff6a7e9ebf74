/* Networks against numbers from Python. One function for each file; main.c calls them. */
#ifndef SC_GOLDEN_H
#define SC_GOLDEN_H

#include "../../src/exec.h"
#include "../../src/precision.h"

#define GOLDEN_SVD "stable-video-diffusion-img2vid-xt-1-1"

typedef struct golden_tally {
    int passed, failed;
} golden_tally;

/* Each prints a line for each case and counts it. folder: tests/golden/data. x->act is f32, its arena empty.
 */
void golden_quick(sc_exec *x, golden_tally *t, const char *folder);
void golden_nets(sc_exec *x, golden_tally *t, const char *folder);
void golden_vae3d(sc_exec *x, golden_tally *t, const char *folder);
/* Prints a line: got[n] against want in f32, k the sums on the way added up (check.h has the formula). */
bool golden_compare(const char *kind, const char *name, const float *got, const float *want, int64_t n,
                    double k);
/* The toy networks that "fp8" is for, in it. x->act is f32 or fp16. */
void golden_narrow(sc_exec *x, golden_tally *t, const char *folder);

/* Networks in published folders below `models`, each with cases beside its weights (blocks.tsv,
 * blocks.safetensors: scripts/compare_reference.py), at the precision given. Sets x->act. */
void golden_full(sc_exec *x, golden_tally *t, const char *models, const sc_precision *p);

#endif
