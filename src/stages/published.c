#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "published.h"

/* A network's weights go where the plan has them. */
static int open_loader(sc_loader **ld, const sc_context *c, const char *folder, const char *stem, sc_net net)
{
    const int ret = sc_loader_open(ld, folder, stem, c->x, c->precision.net[net].weight, c->log);

    if (ret < 0)
        return ret;
    if (c->pager && c->plan.stream[net])
        sc_loader_stream(*ld, c->pager);
    if (c->needs)
        sc_loader_report(*ld, &c->needs->net[net]);
    return 0;
}

static int open_unet(sc_unet **u, const sc_context *c, const char *folder, sc_net net)
{
    sc_config *json = NULL;
    sc_loader *ld = NULL;
    sc_unet_config cfg;
    int ret;

    SC_TRY(sc_config_open(&json, folder, c->log));
    sc_unet_config_read(&cfg, json);
    SC_TRY(open_loader(&ld, c, folder, "diffusion_pytorch_model", net));
    ret = sc_unet_open(u, &cfg, &ld, c->x);
fail:
    sc_config_close(&json);
    return ret;
}

static int open_vae(sc_vae **v, const sc_context *c, const char *folder)
{
    sc_config *json = NULL;
    sc_loader *ld = NULL;
    sc_vae_config cfg;
    int ret;

    SC_TRY(sc_config_open(&json, folder, c->log));
    sc_vae_config_read(&cfg, json);
    SC_TRY(open_loader(&ld, c, folder, "diffusion_pytorch_model", SC_NET_VAE));
    ret = sc_vae_open(v, &cfg, c->precision.net[SC_NET_VAE_ENCODER].weight, &ld, c->x);
fail:
    sc_config_close(&json);
    return ret;
}

static int open_clip(sc_clip **l, const sc_context *c, const char *folder)
{
    sc_config *json = NULL;
    sc_loader *ld = NULL;
    sc_clip_config cfg;
    int ret;

    SC_TRY(sc_config_open(&json, folder, c->log));
    sc_clip_config_read(&cfg, json);
    SC_TRY(open_loader(&ld, c, folder, "model", SC_NET_CLIP));
    ret = sc_clip_open(l, &cfg, &ld, c->x);
fail:
    sc_config_close(&json);
    return ret;
}

/* The library's entry for a folder: a new, empty one if there is none. Networks lie in different folders. */
static sc_library_item *find(sc_library *l, const char *folder)
{
    for (int i = 0; i < l->count; i++)
        if (!strcmp(l->item[i].folder, folder))
            return &l->item[i];
    sc_library_item *item = &l->item[l->count++];
    assert(l->count <= SC_COUNT(l->item));
    snprintf(item->folder, sizeof(item->folder), "%s", folder);
    return item;
}

int sc_published_unet(const sc_unet **u, const sc_context *c, const char *folder, sc_net net)
{
    sc_library_item *i = find(c->library, folder);
    const int ret = i->unet ? 0 : open_unet(&i->unet, c, folder, net);

    *u = i->unet;
    return ret;
}

int sc_published_vae(const sc_vae **v, const sc_context *c, const char *folder)
{
    sc_library_item *i = find(c->library, folder);
    const int ret = i->vae ? 0 : open_vae(&i->vae, c, folder);

    *v = i->vae;
    return ret;
}

int sc_published_clip(const sc_clip **l, const sc_context *c, const char *folder)
{
    sc_library_item *i = find(c->library, folder);
    const int ret = i->clip ? 0 : open_clip(&i->clip, c, folder);

    *l = i->clip;
    return ret;
}

void sc_library_close(sc_library *l, sc_device *dev)
{
    for (int i = 0; i < l->count; i++) {
        sc_unet_close(&l->item[i].unet, dev);
        sc_vae_close(&l->item[i].vae, dev);
        sc_clip_close(&l->item[i].clip, dev);
    }
    l->count = 0;
}

int sc_published_fit(const sc_context *c, const char *folder, const sc_unet *u, const sc_vae *v,
                     const sc_clip *l, int extra)
{
    const sc_unet_config *cfg = sc_unet_get_config(u);
    const int latents = sc_vae_get_config(v)->latent_channels, token = sc_clip_get_config(l)->projection_dim;

    if (cfg->in_channels != 2 * latents + extra || cfg->out_channels != latents)
        return sc_fail(c->log, SC_ERR_WEIGHTS, "weights",
                       "%s: %d input and %d output channels, expected %d and %d", folder, cfg->in_channels,
                       cfg->out_channels, 2 * latents + extra, latents);
    if (cfg->cross_attention_dim != token)
        return sc_fail(c->log, SC_ERR_WEIGHTS, "weights",
                       "%s: a context of %d numbers, the image encoder gives %d", folder,
                       cfg->cross_attention_dim, token);
    return 0;
}
