/* How the frames of each layout are divided: what lays them out, encodes them and names them agrees on it. */
#ifndef SC_LAYOUTS_H
#define SC_LAYOUTS_H

#include <stdbool.h>

#include "stereocrafter/stereocrafter.h"

typedef struct sc_grid {
    int columns, rows; /* of eyes in a frame */
    int frames;        /* that are made of each of the source's: 2 where the eyes take turns */
    bool half;         /* each eye is squeezed so that the whole has the source's size */
    bool coloured;     /* even if the source is grey */
    bool sphere;       /* each eye is half a sphere */
    bool rows_differ;  /* neighbouring rows belong to different eyes, which must not share their chroma */
} sc_grid;

extern const sc_grid sc_grids[SC_LAYOUTS]; /* by sc_layout */

/* Eyes that stand above one another while a frame is made, which are those of all its frames. */
static inline int sc_grid_down(const sc_grid *g)
{
    return g->rows * g->frames;
}

#endif
