/* A number that follows another one smoothly, and begins anew at cuts. Pure. */
#ifndef SC_STEADY_H
#define SC_STEADY_H

#include <math.h>

/* `value` moved towards `target`, by 1 - 1/e of what is left in each `settle` seconds; `seconds` have passed,
 * negative at a cut. */
static inline double sc_steady(double value, double target, double seconds, double settle)
{
    return seconds < 0 ? target : target + (value - target) * exp(-seconds / settle);
}

#endif
