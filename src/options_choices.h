/* How the command line calls what the public header numbers; for options.c's table alone. */
#ifndef SC_OPTIONS_CHOICES_H
#define SC_OPTIONS_CHOICES_H

#include <stereocrafter/stereocrafter.h>

#include <stddef.h>

static const char *const layouts[SC_LAYOUTS + 1] = {
    [SC_LAYOUT_SBS] = "sbs",
    [SC_LAYOUT_HSBS] = "hsbs",
    [SC_LAYOUT_TAB] = "tab",
    [SC_LAYOUT_HTAB] = "htab",
    [SC_LAYOUT_CROSS] = "cross",
    [SC_LAYOUT_LEFT] = "left",
    [SC_LAYOUT_RIGHT] = "right",
    [SC_LAYOUT_SEQUENTIAL] = "sequential",
    [SC_LAYOUT_INTERLACED] = "interlaced",
    [SC_LAYOUT_DUBOIS] = "dubois",
    [SC_LAYOUT_REDCYAN] = "redcyan",
    [SC_LAYOUT_HALFCOLOR] = "halfcolor",
    [SC_LAYOUT_WIMMER] = "wimmer",
    [SC_LAYOUT_GRAY] = "gray",
    [SC_LAYOUT_RGBD] = "rgbd",
    [SC_LAYOUT_VR180] = "vr180",
};
static const char *const viewers[] = {
    [SC_VIEWER_NONE] = "none",     [SC_VIEWER_TV] = "tv65@2.5m", [SC_VIEWER_QUEST] = "quest",
    [SC_VIEWER_CINEMA] = "cinema", [SC_VIEWER_PHONE] = "phone",  [SC_VIEWER_PHONE + 1] = NULL,
};
static const char *const views[] = { "right", "left", "both", NULL };
static const char *const convergences[] = { "constant", "subject", NULL };
static const char *const windows[] = { "off", "auto", NULL };
static const char *const namings[] = { "iw3", "plex", "none", NULL };
static const char *const switches[] = { "off", "on", NULL };
static const char *const inpaints[] = { "auto", "extend", "network", "none", NULL };
static const char *const ranges[] = { "shot", "film", NULL };
static const char *const progresses[] = { "line", "json", "ffmpeg", "none", NULL };
static const char *const models[] = { "auto", "builtin", "stereocrafter", NULL };
static const char *const fidelities[] = {
    [SC_FIDELITY_DEFAULT] = "default",
    [SC_FIDELITY_REFERENCE] = "reference",
    [SC_FIDELITY_FAST] = "fast",
    [SC_FIDELITY_FAST + 1] = NULL,
};
static const char *const hwaccels[] = { "auto", "none", NULL };
static const char *const formats[] = {
    [SC_FORMAT_AUTO] = "auto",         [SC_FORMAT_NULL] = "null",     [SC_FORMAT_NUT] = "nut",
    [SC_FORMAT_MATROSKA] = "matroska", [SC_FORMAT_MPEGTS] = "mpegts", [SC_FORMAT_Y4M] = "yuv4mpegpipe",
    [SC_FORMAT_Y4M + 1] = NULL,
};
static const char *const fulls[] = { "pause", "fail", NULL };
static const char *const levels[] = { "error", "warning", "info", "debug", NULL };

#endif
