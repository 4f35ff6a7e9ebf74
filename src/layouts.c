#include "layouts.h"

const sc_grid sc_grids[SC_LAYOUTS] = {
    [SC_LAYOUT_SBS] = { .columns = 2, .rows = 1, .frames = 1 },
    [SC_LAYOUT_HSBS] = { .columns = 2, .rows = 1, .frames = 1, .half = true },
    [SC_LAYOUT_TAB] = { .columns = 1, .rows = 2, .frames = 1 },
    [SC_LAYOUT_HTAB] = { .columns = 1, .rows = 2, .frames = 1, .half = true },
    [SC_LAYOUT_CROSS] = { .columns = 2, .rows = 1, .frames = 1 },
    [SC_LAYOUT_LEFT] = { .columns = 1, .rows = 1, .frames = 1 },
    [SC_LAYOUT_RIGHT] = { .columns = 1, .rows = 1, .frames = 1 },
    [SC_LAYOUT_SEQUENTIAL] = { .columns = 1, .rows = 1, .frames = 2 },
    [SC_LAYOUT_INTERLACED] = { .columns = 1, .rows = 1, .frames = 1, .rows_differ = true },
    [SC_LAYOUT_DUBOIS] = { .columns = 1, .rows = 1, .frames = 1, .coloured = true },
    [SC_LAYOUT_REDCYAN] = { .columns = 1, .rows = 1, .frames = 1, .coloured = true },
    [SC_LAYOUT_HALFCOLOR] = { .columns = 1, .rows = 1, .frames = 1, .coloured = true },
    [SC_LAYOUT_WIMMER] = { .columns = 1, .rows = 1, .frames = 1, .coloured = true },
    [SC_LAYOUT_GRAY] = { .columns = 1, .rows = 1, .frames = 1, .coloured = true },
    [SC_LAYOUT_RGBD] = { .columns = 2, .rows = 1, .frames = 1 },
    [SC_LAYOUT_VR180] = { .columns = 2, .rows = 1, .frames = 1, .sphere = true },
};
