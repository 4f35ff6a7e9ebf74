/* What a person would look at of each shot once both eyes are there: whether their colours agree, and
 * pictures. */
#ifndef SC_REVIEW_H
#define SC_REVIEW_H

#include "gauge.h"

/* After the last view: adds to c->gauge, which a stage before it fills, each shot's colour; and, where the
 * settings ask for a report, its stills of a frame in its second quarter, or its first.
 * colour: the distance in CIE L*a*b* (of sRGB-like RGB) between the means over each eye's picture. */
int sc_review_open(sc_stage **s, const sc_context *c, sc_stage *from);

#endif
