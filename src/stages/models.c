#include "models.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SVD "stable-video-diffusion-img2vid-xt-1-1"

enum { AUTO, BUILTIN, STEREOCRAFTER }; /* sc_settings.model */

static bool is_there(char path[SC_MODELS_PATH], const char *folder, const char *below)
{
    const int n = snprintf(path, SC_MODELS_PATH, "%s/%s", folder, below);

    return n > 0 && n < SC_MODELS_PATH && !access(path, R_OK);
}

static const char *find_shared(sc_model_files *f, const char *folder)
{
    if (!is_there(f->vae, folder, SVD "/vae"))
        return SVD "/vae";
    if (!is_there(f->clip, folder, SVD "/image_encoder"))
        return SVD "/image_encoder";
    return NULL;
}

const char *sc_models_depth(sc_model_files *f, const char *folder)
{
    return is_there(f->unet, folder, "DepthCrafter") ? find_shared(f, folder) : "DepthCrafter";
}

const char *sc_models_inpaint(sc_model_files *f, const char *folder)
{
    /* Published under unet_diffusers; a downloader in use puts the same two files at the root. */
    if (!is_there(f->unet, folder, "StereoCrafter/unet_diffusers") &&
        !is_there(f->unet, folder, "StereoCrafter"))
        return "StereoCrafter/unet_diffusers";
    return find_shared(f, folder);
}

/* The first folder of a list separated by colons that holds a whole chain. */
static bool search(char *room, const char *list)
{
    sc_model_files f;

    for (const char *p = list; p && *p;) {
        const size_t n = strcspn(p, ":");

        if (n && n < SC_MODELS_PATH) {
            memcpy(room, p, n);
            room[n] = 0;
            if (!sc_models_depth(&f, room) || !sc_models_inpaint(&f, room))
                return true;
        }
        p += n + (p[n] == ':');
    }
    return false;
}

/* --model stereocrafter is no wish but a demand: for both stages. */
static int demand(const char *folder, const sc_logger *log)
{
    sc_model_files f;
    const char *missing = sc_models_depth(&f, folder);

    missing = missing ? missing : sc_models_inpaint(&f, folder);
    if (!missing)
        return 0;
    return sc_fail(log, SC_ERR_WEIGHTS, "models",
                   "%s: no folder %s (scripts/fetch_models.sh \"%s\" fetches it)", folder, missing, folder);
}

int sc_models_choose(const char **folder, char *room, const sc_settings *set, const sc_device *dev,
                     const sc_logger *log)
{
    const char *found = set->models;

    *folder = NULL;
    if (set->models && !sc_is_folder(set->models))
        return sc_fail(log, SC_ERR_WEIGHTS, "models", "--models: \"%s\" is not a folder", set->models);
    if (set->model == BUILTIN)
        return 0;
    if (!found && search(room, set->models_search))
        found = room;
    if (!found && set->model == STEREOCRAFTER)
        return sc_fail(
            log, SC_ERR_WEIGHTS, "models",
            "--model stereocrafter: no published networks in %s (scripts/fetch_models.sh fetches them, "
            "--models names another folder)",
            set->models_search ? set->models_search : "any folder");
    if (found && set->model == STEREOCRAFTER && demand(found, log) < 0)
        return SC_ERR_WEIGHTS;
    if (found == room && set->model == AUTO && !dev->large) {
        sc_log(log, SC_LOG_INFO, "models",
               "%s: not taken, a frame would need minutes on %s (--model stereocrafter takes them)", found,
               dev->name);
        return 0;
    }
    if (found)
        sc_log(log, SC_LOG_INFO, "models", "published networks from %s", found);
    *folder = found;
    return 0;
}
