/* Networks against numbers from Python. One function for each file; main.c calls them. */
#ifndef SC_GOLDEN_H
#define SC_GOLDEN_H

#include "../../src/exec.h"

typedef struct golden_tally {
    int passed, failed;
} golden_tally;

/* Each prints a line for each case and counts it. folder: tests/golden/data. x->act is f32, its arena empty.
 */
void golden_quick(sc_exec *x, golden_tally *t, const char *folder);
void golden_nets(sc_exec *x, golden_tally *t, const char *folder);

#endif
