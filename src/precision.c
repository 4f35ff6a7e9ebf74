#include "precision.h"

#include <string.h>

/* The published scripts decode in fp16, so that range is known to do. They encode in fp32, as VAEs of this
 * kind may overflow fp16 there; bf16 has fp32's range, is 4 times as fast as tf32 on an H200, and what it
 * rounds away of the latents, 0.8 %, lies below the noise of 2 % that DepthCrafter adds to the picture
 * before. */
static const struct {
    const char *name;
    sc_precision p;
} presets[] = {
    { .name = "default",
      .p.net = { [SC_NET_DEPTH_UNET] = { SC_F16, SC_F16 },
                 [SC_NET_INPAINT_UNET] = { SC_F16, SC_F16 },
                 [SC_NET_VAE] = { SC_F16, SC_F16 },
                 [SC_NET_VAE_ENCODER] = { SC_BF16, SC_BF16 },
                 [SC_NET_CLIP] = { SC_F16, SC_F16 },
                 [SC_NET_QUICK] = { SC_F16, SC_F16 } },
      .p.tf32 = true },
    { .name = "reference" }, /* zeroes: fp32 throughout */
    { .name = "bf16", /* but where a picture is made: its 8 bits roughen depth, so that outlines move */
      .p.net = { [SC_NET_DEPTH_UNET] = { SC_BF16, SC_BF16 },
                 [SC_NET_INPAINT_UNET] = { SC_BF16, SC_BF16 },
                 [SC_NET_VAE] = { SC_F16, SC_F16 },
                 [SC_NET_VAE_ENCODER] = { SC_BF16, SC_BF16 },
                 [SC_NET_CLIP] = { SC_BF16, SC_BF16 },
                 [SC_NET_QUICK] = { SC_F16, SC_F16 } },
      .p.tf32 = true },
    { .name = "fp8", /* where it pays and is known to do no harm; another network's has to be asked for */
      .p.net = { [SC_NET_DEPTH_UNET] = { SC_F8, SC_F16 },
                 [SC_NET_INPAINT_UNET] = { SC_F8, SC_F16 },
                 [SC_NET_VAE] = { SC_F16, SC_F16 },
                 [SC_NET_VAE_ENCODER] = { SC_BF16, SC_BF16 },
                 [SC_NET_CLIP] = { SC_F16, SC_F16 },
                 [SC_NET_QUICK] = { SC_F16, SC_F16 } },
      .p.tf32 = true },
};

static const struct {
    const char *name;
    sc_dtype weight, act;
} types[] = {
    { .name = "fp32", .weight = SC_F32, .act = SC_F32 },
    { .name = "tf32", .weight = SC_F32, .act = SC_F32 }, /* of the whole device: not for one network */
    { .name = "fp16", .weight = SC_F16, .act = SC_F16 },
    { .name = "bf16", .weight = SC_BF16, .act = SC_BF16 },
    { .name = "fp8", .weight = SC_F8, .act = SC_F16 }, /* activations get their fp8 scales inside the ops */
};

const char *sc_net_name(sc_net n)
{
    static const char *const names[] = {
        [SC_NET_DEPTH_UNET] = "depth.unet",
        [SC_NET_INPAINT_UNET] = "inpaint.unet",
        [SC_NET_VAE] = "vae",
        [SC_NET_VAE_ENCODER] = "vae.encoder",
        [SC_NET_CLIP] = "clip",
        [SC_NET_QUICK] = "quick",
    };
    return names[n];
}

static bool is(const char *name, const char *text, size_t n)
{
    return strlen(name) == n && !memcmp(name, text, n);
}

/* Whether text names the network, or one that it is a part of. */
static bool names(const char *text, size_t n, const char *net)
{
    return !strncmp(net, text, n) && (!net[n] || is("vae", text, n));
}

/* text[0..n): a preset, a type for all networks, or network=type. */
static bool apply(sc_precision *p, const char *text, size_t n)
{
    const char *equals = memchr(text, '=', n);
    const char *type = equals ? equals + 1 : text;
    const size_t type_n = n - (size_t)(type - text);
    bool known = false;

    if (!equals || is("fp32", type, type_n)) /* who names fp32 wants it exact */
        p->tf32 = is("tf32", text, n);
    for (int i = 0; i < SC_COUNT(presets) && !equals; i++)
        if (is(presets[i].name, text, n)) {
            *p = presets[i].p;
            return true;
        }
    if (equals && is("tf32", type, type_n))
        return false;
    for (int t = 0; t < SC_COUNT(types); t++)
        for (int i = 0; i < SC_NET_COUNT && is(types[t].name, type, type_n); i++)
            if (!equals || names(text, (size_t)(equals - text), sc_net_name((sc_net)i))) {
                p->net[i].weight = types[t].weight;
                p->net[i].act = types[t].act;
                known = true;
            }
    return known;
}

/* The narrowest type that the device has and that holds all of t's range. */
static sc_dtype widen(sc_dtype t, unsigned dtypes)
{
    if (t == SC_F8 && !(dtypes & 1u << SC_F8))
        t = SC_F16;
    return dtypes & 1u << t ? t : SC_F32;
}

/* What the makers of FP8 networks leave alone: the ends, where the picture itself passes, what a time or a
 * context becomes, of which there are few numbers and each reaches every pixel, and what feeds the residual
 * sum directly; `stem` and the next two are the built-in network's ends and shortcuts. The last three and the
 * UNet's samplers follow no norm that could round their input on the way: a pass for that costs what the
 * product gains. A VAE's samplers keep their memory small. */
sc_dtype sc_precision_of_layer(sc_dtype weight, const char *name, int64_t out, int64_t in)
{
    static const char *const wide[] = { "conv_in",  "conv_out",   "time_emb",      "add_embedding",
                                        "time_pos", "attn2",      "conv_shortcut", "proj_out",
                                        "patch_",   "quant_conv", "projection",    "stem",
                                        "head.",    ".skip",      ".to_out",       ".net.2",
                                        "proj_in" };
    const bool sampler = strstr(name, "samplers.") && !strstr(name, "coder.");
    bool narrow = out % 16 == 0 && in % 16 == 0 && !sampler; /* 16: what tensor cores take */

    for (int i = 0; i < SC_COUNT(wide); i++)
        narrow = narrow && !strstr(name, wide[i]);
    return weight == SC_F8 && !narrow ? SC_F16 : weight;
}

int sc_precision_parse(sc_precision *p, const char *text, const sc_logger *log)
{
    *p = presets[0].p;
    for (const char *s = text, *next; s; s = next) {
        const size_t n = strcspn(s, ",");
        next = s[n] ? s + n + 1 : NULL;
        if (!apply(p, s, n))
            return sc_fail(log, SC_ERR_USAGE, "precision",
                           "--precision: \"%.*s\" is not reference, default, fp32, tf32, fp16, bf16 or "
                           "fp8, nor one of these types but tf32 after depth.unet=, inpaint.unet=, vae=, "
                           "vae.encoder=, clip= or quick=",
                           (int)SC_MIN(n, 100), s);
    }
    return 0;
}

void sc_precision_widen(sc_precision *p, unsigned dtypes, int level, const sc_logger *log)
{
    for (int i = 0; i < SC_NET_COUNT; i++) {
        const sc_dtype weight = widen(p->net[i].weight, dtypes), act = widen(p->net[i].act, dtypes);
        if (weight != p->net[i].weight || act != p->net[i].act)
            sc_log(log, level, "precision", "%s: the device has no %s, %s is used instead",
                   sc_net_name((sc_net)i),
                   sc_dtype_name(weight != p->net[i].weight ? p->net[i].weight : p->net[i].act),
                   sc_dtype_name(weight != p->net[i].weight ? weight : act));
        p->net[i].weight = weight;
        p->net[i].act = act;
    }
    if (p->tf32 && !(dtypes & 1u << SC_BF16)) { /* the same tensor cores brought both */
        sc_log(log, level, "precision", "the device has no tf32, fp32 is used instead");
        p->tf32 = false;
    }
}
