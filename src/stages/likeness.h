/* How near one eye is to the true one: the measures that are taken on the host. Pictures are [h,w] luma of
 * 0..1, without gaps. */
#ifndef SC_LIKENESS_H
#define SC_LIKENESS_H

/* Stereo intersection over union, as Mono2Stereo (CVPR 2025) has it: 0.75 times that of the edges (Canny, 100
 * and 200 of 255) of `made` and `right`, plus 0.25 times that of where either differs from `left` by more
 * than 5 of 255; of differences of luma, where its authors' program wraps those of colours around at 256. 1
 * where there is neither. Negative: out of memory. */
double sc_likeness_siou(const float *made, const float *right, const float *left, int w, int h);

/* How much steeper `made` is than `right` from one column to the next, percent of the full range, in the mean
 * over the neighbourhood of steps in depth: there a conversion shows its seams. disparity[dh,dw]: of the
 * right picture, as sc_disparity_match() has it, in its pixels. Not a number without a step. */
double sc_likeness_seam(const float *made, const float *right, int w, int h, const float *disparity, int dw,
                        int dh);

#endif
