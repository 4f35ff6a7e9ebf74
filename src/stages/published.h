/* Opening the published networks from their folders, each by its config.json and its weights. */
#ifndef SC_PUBLISHED_H
#define SC_PUBLISHED_H

#include "../nets/clip.h"
#include "../nets/unet.h"
#include "../nets/vae.h"
#include "stages.h"

/* net: SC_NET_DEPTH_UNET or SC_NET_INPAINT_UNET, whose precision it gets. */
int sc_published_unet(sc_unet **u, const sc_context *c, const char *folder, sc_net net);
int sc_published_vae(sc_vae **v, const sc_context *c, const char *folder);
int sc_published_clip(sc_clip **l, const sc_context *c, const char *folder);

/* Whether u takes `extra` channels beside noise and v's latents, gives v's latents, and is told what l says.
 */
int sc_published_fit(const sc_context *c, const char *folder, const sc_unet *u, const sc_vae *v,
                     const sc_clip *l, int extra);

#endif
