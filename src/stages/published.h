/* Opening the published networks from their folders, each by its config.json and its weights. */
#ifndef SC_PUBLISHED_H
#define SC_PUBLISHED_H

#include "../nets/clip.h"
#include "../nets/unet.h"
#include "../nets/vae.h"
#include "models.h"

typedef struct sc_library_item { /* a folder's network: one of these */
    char folder[SC_MODELS_PATH];
    sc_unet *unet;
    sc_vae *vae;
    sc_clip *clip;
} sc_library_item;

/* Networks that stages share. Zeroed; outlives the stages. */
typedef struct sc_library {
    sc_library_item item[6]; /* for depth and for inpainting: a UNet, a VAE, an image encoder */
    int count;
} sc_library;
void sc_library_close(sc_library *l, sc_device *dev);

/* The network of a folder, of c's library, which loads it once and keeps it. net: SC_NET_DEPTH_UNET or
 * SC_NET_INPAINT_UNET, whose precision it gets. */
int sc_published_unet(const sc_unet **u, const sc_context *c, const char *folder, sc_net net);
int sc_published_vae(const sc_vae **v, const sc_context *c, const char *folder);
int sc_published_clip(const sc_clip **l, const sc_context *c, const char *folder);

/* Whether u takes `extra` channels beside noise and v's latents, gives v's latents, and is told what l says.
 */
int sc_published_fit(const sc_context *c, const char *folder, const sc_unet *u, const sc_vae *v,
                     const sc_clip *l, int extra);

#endif
