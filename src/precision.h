/* Which number type each network's weights and activations have. */
#ifndef SC_PRECISION_H
#define SC_PRECISION_H

#include "tensor.h"

typedef enum sc_net {
    SC_NET_DEPTH_UNET,
    SC_NET_INPAINT_UNET,
    SC_NET_VAE, /* its decoder, where the encoder is one of its own */
    SC_NET_VAE_ENCODER,
    SC_NET_CLIP,
    SC_NET_QUICK,
    SC_NET_COUNT
} sc_net;

typedef struct sc_precision {
    struct {
        sc_dtype weight, act;
    } net[SC_NET_COUNT];
    bool tf32; /* products of fp32 may keep 10 bits of each factor's mantissa; see sc_device_options */
} sc_precision;

const char *sc_net_name(sc_net n); /* "depth.unet", "inpaint.unet", "vae", "vae.encoder", "clip", "quick" */

/* Parses "fp16" or "depth.unet=bf16,vae=fp32" (both halves; "vae.encoder=" one) over the presets
 * ("reference", "default", "fast", and "fp8", which is default but for the UNets; NULL = default).
 * SC_ERR_USAGE with a line that names the part that was not understood. */
int sc_precision_parse(sc_precision *p, const char *text, const sc_logger *log);

/* The type of one layer's weights where those of its network have type `weight`: fp8 is kept from layers that
 * it would harm or not speed up, known by their published names, and from widths (channels out and in) that
 * are no multiple of 16. */
sc_dtype sc_precision_of_layer(sc_dtype weight, const char *name, int64_t out, int64_t in);

/* Widens what the device (bits of sc_device.dtypes) cannot compute with, one line a network at the log level
 * given. */
void sc_precision_widen(sc_precision *p, unsigned dtypes, int level, const sc_logger *log);

#endif
