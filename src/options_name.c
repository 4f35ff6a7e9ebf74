#include "options_table.h"

#include <stdio.h>
#include <string.h>

/* What players look for in a file's name to find the layout. iw3's names: Pigasus wants LRF, SKYBOX Full_SBS,
 * DeoVR LR. Media servers want 3D and a word beside it, and know but the common layouts. */
static const struct {
    const char *iw3, *plex;
} suffixes[SC_LAYOUTS] = {
    [SC_LAYOUT_SBS] = { .iw3 = "_LRF_Full_SBS", .plex = ".3D.FSBS" },
    [SC_LAYOUT_HSBS] = { .iw3 = "_LR", .plex = ".3D.HSBS" },
    [SC_LAYOUT_TAB] = { .iw3 = "_TBF_fulltb", .plex = ".3D.FTAB" },
    [SC_LAYOUT_HTAB] = { .iw3 = "_TB", .plex = ".3D.HTAB" },
    [SC_LAYOUT_CROSS] = { .iw3 = "_RLF_cross" },
    [SC_LAYOUT_LEFT] = { .iw3 = "_left" },
    [SC_LAYOUT_RIGHT] = { .iw3 = "_right" },
    [SC_LAYOUT_SEQUENTIAL] = { .iw3 = "_sequential" },
    [SC_LAYOUT_INTERLACED] = { .iw3 = "_rows" },
    [SC_LAYOUT_DUBOIS] = { .iw3 = "_redcyan_dubois" },
    [SC_LAYOUT_REDCYAN] = { .iw3 = "_redcyan_color" },
    [SC_LAYOUT_HALFCOLOR] = { .iw3 = "_redcyan_half-color" },
    [SC_LAYOUT_WIMMER] = { .iw3 = "_redcyan_wimmer" },
    [SC_LAYOUT_GRAY] = { .iw3 = "_redcyan_gray" },
    [SC_LAYOUT_RGBD] = { .iw3 = "_RGBD" },
    [SC_LAYOUT_VR180] = { .iw3 = "_180x180_LR" },
};

static const char *suffix_of(const sc_options *o, int layout)
{
    if (o->naming == SC_NAMING_NONE)
        return "";
    if (o->set.reconstruct)
        return "_reconstructed";
    return o->naming == SC_NAMING_PLEX && suffixes[layout].plex ? suffixes[layout].plex
                                                                : suffixes[layout].iw3;
}

/* Containers that cannot hold what is made by default become mkv, and so do sequences of images. */
int sc_options_name_output(sc_options *o, int k, const char *folder, char *error, size_t size)
{
    static const char *const of_format[] = {
        [SC_FORMAT_NUT] = "nut",
        [SC_FORMAT_MATROSKA] = "mkv",
        [SC_FORMAT_MPEGTS] = "ts",
        [SC_FORMAT_Y4M] = "y4m",
    };
    static const char *const kept[] = { "mp4", "m4v", "mov",  "mkv", "ts",   "nut",  "png",
                                        "jpg", "bmp", "jpeg", "tif", "tiff", "webp", NULL };
    const char *in = o->set.input;
    const char *slash = strrchr(in, '/'), *name = slash ? slash + 1 : in;
    const char *dot = strrchr(name, '.');
    const size_t stem = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    const char *ext = of_format[o->set.output[k].format];
    const char *suffix = suffix_of(o, o->set.output[k].layout);
    const int beside = folder ? (int)strlen(folder) : (int)(name - in);
    const bool parted = folder && beside && folder[beside - 1] != '/';

    if (!ext)
        ext = name[stem] && sc_option_choice(kept, dot + 1) >= 0 && !strchr(name, '%') ? dot + 1 : "mkv";
    if (sc_is_pipe(in))
        return snprintf(error, size, "standard input has no name to make one of: name the output too"),
               SC_ERR_USAGE;
    if (!stem)
        return snprintf(error, size, "\"%s\" is not a file: name an output too", in), SC_ERR_USAGE;
    if ((size_t)beside + stem + strlen(suffix) + strlen(ext) + 3 > sizeof o->named[k])
        return snprintf(error, size, "the path is too long to name the output by"), SC_ERR_USAGE;
    const int at =
        snprintf(o->named[k], sizeof o->named[k], "%.*s%s", beside, folder ? folder : in, parted ? "/" : "");
    snprintf(o->named[k] + at, sizeof o->named[k] - (size_t)at, "%.*s%s.%s", (int)stem, name, suffix, ext);
    for (char *c = o->named[k] + at; *c; c++)
        if (strchr("\\:*?\"<>|", *c)) /* what SMB shares refuse */
            *c = '_';
    if (!strcmp(o->named[k], in))
        return snprintf(error, size, "--naming none: \"%s\" would be the input itself, name an output", in),
               SC_ERR_USAGE;
    o->set.output[k].path = o->named[k];
    return 0;
}
