/* How far what came out of a VAE is from what went in, frame by frame. */
#ifndef SC_SCORE_H
#define SC_SCORE_H

#include "stages.h"

typedef struct sc_score_frame {
    /* Of RGB in 0..1: the mean square of the difference, and the mean structural similarity: not a number
     * where a side is shorter than 8 pixels. */
    double mse, ssim;
} sc_score_frame;

typedef struct sc_score { /* zeroed; filled by the compute thread */
    sc_score_frame *frame;
    int64_t frames, room;
} sc_score;

/* Decibels, the full range being 1; infinite where nothing differs. */
double sc_score_psnr(double mse);
/* Of all frames. Decibels are of the mean square: those of frames have no mean where one is infinite. */
sc_score_frame sc_score_mean(const sc_score *s);
void sc_score_clear(sc_score *s);

/* The numbers of two pictures [H,W,3]; waits. SSIM is that of FFmpeg's filter: windows of 8x8 pixels, four
 * apart, each alike; the three channels' mean. */
int sc_score_pictures(sc_exec *x, sc_score_frame *out, sc_tensor a, sc_tensor b);

/* Compares left and made_left of each frame, adds them to c->score and says them at debug level. */
int sc_score_open(sc_stage **s, const sc_context *c, sc_stage *from);

#endif
