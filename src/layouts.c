#include "layouts.h"

const sc_grid sc_grids[SC_LAYOUTS] = {
    [SC_LAYOUT_SBS] = { 2, 1, 1 },
    [SC_LAYOUT_HSBS] = { 2, 1, 1, .half = true },
    [SC_LAYOUT_TAB] = { 1, 2, 1 },
    [SC_LAYOUT_HTAB] = { 1, 2, 1, .half = true },
    [SC_LAYOUT_CROSS] = { 2, 1, 1 },
    [SC_LAYOUT_LEFT] = { 1, 1, 1 },
    [SC_LAYOUT_RIGHT] = { 1, 1, 1 },
    [SC_LAYOUT_SEQUENTIAL] = { 1, 1, 2 },
    [SC_LAYOUT_INTERLACED] = { 1, 1, 1, .rows_differ = true },
    [SC_LAYOUT_DUBOIS] = { 1, 1, 1, .coloured = true },
    [SC_LAYOUT_REDCYAN] = { 1, 1, 1, .coloured = true },
    [SC_LAYOUT_HALFCOLOR] = { 1, 1, 1, .coloured = true },
    [SC_LAYOUT_WIMMER] = { 1, 1, 1, .coloured = true },
    [SC_LAYOUT_GRAY] = { 1, 1, 1, .coloured = true },
    [SC_LAYOUT_RGBD] = { 2, 1, 1 },
    [SC_LAYOUT_VR180] = { 2, 1, 1, .sphere = true },
};
