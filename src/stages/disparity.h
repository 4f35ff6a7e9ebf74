/* How far things are shifted between the two eyes of a pair, found by matching: what a conversion is measured
 * by where the true depth is not known. Host memory alone. */
#ifndef SC_DISPARITY_H
#define SC_DISPARITY_H

/* of_left[h,w], of_right[h,w] = column in the left picture minus column in the right one, pixels, larger is
 * nearer: of each pixel of either picture, between -most and most; not a number where the other eye does not
 * see it or nothing shows which it is. left, right: [h,w] luma. Census of 7x5, windows of 7x7; a match counts
 * where it is found from both sides. -ENOMEM. */
int sc_disparity_match(float *of_left, float *of_right, const float *left, const float *right, int w, int h,
                       int most);

#endif
