/* Index arithmetic of overlapping windows, tiles and cross-fades. Pure. */
#ifndef SC_WINDOW_H
#define SC_WINDOW_H

#include "../base.h"

typedef struct sc_span {
    int begin, count;
} sc_span;

/* The i-th of the spans that cover 0..n with spans of at most `size` that share at least `overlap` (0 <=
 * overlap < size); the last is moved back so that it has full size too (n permitting). False past the last.
 */
bool sc_span_at(sc_span *s, int i, int n, int size, int overlap);
int sc_span_count(int n, int size, int overlap);

/* Linear cross-fade weight of the newer of two spans at place k of an overlap of n, 0 < w < 1: (k + 1) / (n +
 * 1). */
float sc_fade(int k, int n);
/* The same as half a cosine, from 0 to 1; 0.5 where n is 1. */
float sc_fade_cosine(int k, int n);

#endif
