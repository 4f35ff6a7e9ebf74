#include "published.h"

int sc_published_unet(sc_unet **u, const sc_context *c, const char *folder, sc_net net)
{
    sc_config *json = NULL;
    sc_loader *ld = NULL;
    sc_unet_config cfg;
    int ret;

    SC_TRY(sc_config_open(&json, folder, c->log));
    sc_unet_config_read(&cfg, json);
    SC_TRY(
        sc_loader_open(&ld, folder, "diffusion_pytorch_model", c->x, c->precision.net[net].weight, c->log));
    ret = sc_unet_open(u, &cfg, &ld, c->x);
fail:
    sc_config_close(&json);
    return ret;
}

int sc_published_vae(sc_vae **v, const sc_context *c, const char *folder)
{
    const sc_dtype store = c->precision.net[SC_NET_VAE].weight;
    sc_config *json = NULL;
    sc_loader *ld = NULL;
    sc_vae_config cfg;
    int ret;

    SC_TRY(sc_config_open(&json, folder, c->log));
    sc_vae_config_read(&cfg, json);
    SC_TRY(sc_loader_open(&ld, folder, "diffusion_pytorch_model", c->x, store, c->log));
    ret = sc_vae_open(v, &cfg, &ld, c->x);
fail:
    sc_config_close(&json);
    return ret;
}

int sc_published_clip(sc_clip **l, const sc_context *c, const char *folder)
{
    const sc_dtype store = c->precision.net[SC_NET_CLIP].weight;
    sc_config *json = NULL;
    sc_loader *ld = NULL;
    sc_clip_config cfg;
    int ret;

    SC_TRY(sc_config_open(&json, folder, c->log));
    sc_clip_config_read(&cfg, json);
    SC_TRY(sc_loader_open(&ld, folder, "model", c->x, store, c->log));
    ret = sc_clip_open(l, &cfg, &ld, c->x);
fail:
    sc_config_close(&json);
    return ret;
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
