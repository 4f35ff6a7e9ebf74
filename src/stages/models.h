/* Where the published networks lie, and whether they are taken. */
#ifndef SC_MODELS_H
#define SC_MODELS_H

#include "stages.h"

#define SC_MODELS_PATH 1024

typedef struct sc_model_files { /* folders of one published chain of networks */
    char unet[SC_MODELS_PATH], vae[SC_MODELS_PATH], clip[SC_MODELS_PATH];
} sc_model_files;

/* Finds the networks of DepthCrafter and of StereoCrafter below a folder; NULL, or the first subfolder that
 * is missing. */
const char *sc_models_depth(sc_model_files *f, const char *folder);
const char *sc_models_inpaint(sc_model_files *f, const char *folder);

/* Which folder of published networks this run uses: *folder is room[SC_MODELS_PATH], or NULL for the built-in
 * ones. set->models where it is given; else the first of set->models_search that holds one of the two chains,
 * but with
 * --model auto only on a device that can be expected to run networks of that size. One line says what was
 * taken. SC_ERR_WEIGHTS with a line if what was asked for is not there. */
int sc_models_choose(const char **folder, char *room, const sc_settings *set, const sc_device *dev,
                     const sc_logger *log);

#endif
