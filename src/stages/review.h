/* What a person would look at of each shot once both eyes are there: whether their colours agree, and
 * pictures. */
#ifndef SC_REVIEW_H
#define SC_REVIEW_H

#include "gauge.h"

/* After the last view: adds to c->gauge, which a stage before it fills, each shot's colour; and, for a report
 * or where there are proofs, its stills of a frame in its second quarter, or its first. Writes the usual
 * proof's pictures in full size.
 *
 * Colour is the distance in CIE L*a*b* (of sRGB-like RGB) between the means over each eye's picture, but for
 * as much of its sides as one eye alone may see. */
int sc_review_open(sc_stage **s, const sc_context *c, sc_stage *from);

#endif
