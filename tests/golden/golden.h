/* Networks against numbers from Python. One function for each file; main.c calls them. */
#ifndef SC_GOLDEN_H
#define SC_GOLDEN_H

#include "../../src/exec.h"

/* Each returns the number of failed cases. folder: tests/golden/data. x->act is f32. */
int golden_quick(sc_exec *x, const char *folder);

#endif
