/* A small ray caster: a furnished room with moving objects, seen by a moving camera with two eyes.
 *
 * Everything is exact and computed, nothing is stored: the same call gives the same bits. The eyes look in
 * parallel and their pictures are shifted against each other (off-axis), so that x_right = x_left -
 * disparity_px, disparity_px = (disparity - SC_SCENE_CONVERGENCE) * SC_SCENE_MAX_DISPARITY / 100 * width
 * holds for every point, where `disparity` is normalised inverse depth, 0 (farthest) .. 1 (nearest), the same
 * scale in the whole film. Surfaces are matt, so a point has one colour for both eyes. Rows are rendered by
 * OpenMP threads. */
#ifndef SC_SCENE_H
#define SC_SCENE_H

#include <stdint.h>

#define SC_SCENE_MAX_DISPARITY 3.0 /* percent of width between disparity 0 and 1 */
#define SC_SCENE_CONVERGENCE   0.3 /* the disparity that lies in the screen plane */
#define SC_SCENE_FPS           25

typedef struct sc_scene {
    int width, height;
    int frames, shots; /* the film is cut into `shots` equal parts, each of another room */
    unsigned seed;
} sc_scene;

/* Whether `frame` is the first of a shot. */
int sc_scene_is_cut(const sc_scene *s, int frame);

/* Renders one frame; any output may be NULL. eye: 0 = left, 1 = right, between and beyond as one likes.
 *   rgb        [H,W,3] 0..1, antialiased: the mean over a 3x3 grid of samples
 *   disparity  [H,W]   0..1, sampled at the pixel's centre, so that edges stay exact
 *   unseen     [H,W]   1 where any sample of the pixel shows a point that the left eye does not see, else 0
 */
void sc_scene_render(const sc_scene *s, int frame, double eye, float *rgb, float *disparity, uint8_t *unseen);

#endif
