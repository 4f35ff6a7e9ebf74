/* Whether colours change in step with the chunks that were inpainted. */
#ifndef SC_SEAM_H
#define SC_SEAM_H

enum { SC_SEAM_MOST = 4096 }; /* frames */

/* CIE L*a*b* under D65, of sRGB in 0..1. */
void sc_seam_lab(double lab[3], const double rgb[3]);

/* difference: of the eyes' mean L*a*b* in each of n frames, n a multiple of `period` and at least 8 of it.
 * Fills power[1 .. n / 2], of the three channels together, by waves over the n frames, and the largest at
 * `period` frames itself. Returns the largest at the period or one of its harmonics over the median of the
 * frequencies around it. Noise without a period has powers whose distribution is exponential: one is over r
 * medians with the probability 2^-r, so that *limit, log2(harmonics / 0.001), is passed once in 1000. */
double sc_seam_ratio(const double (*difference)[3], int n, int period, double *power, double *limit);

#endif
