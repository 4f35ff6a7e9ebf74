#include "bench.h"

#include "../kernels/cuda/attention_plan.h"
#include "../kernels/cuda/plan.h"
#include "../kernels/cuda/tap_plan.h"

#define ROOM ((size_t)20 << 20) /* as much scratch as sc_plan_conv() is given */

enum { HOPPER = 90, PROCESSORS = 132 /* of an H100 and H200 */ };

/* Aligned as the arena's tensors are; nothing is read. */
static sc_tensor shaped(sc_dtype t, int ndim, const int64_t *dim)
{
    static const _Alignas(256) char somewhere[1] = { 0 };

    return sc_tensor_make((void *)(uintptr_t)somewhere, t, ndim, dim);
}

static const char *attention_kernel(sc_dtype t, int capability, int64_t batch, int64_t tokens, int64_t width)
{
    static const char *const names[] = {
        [SC_ATTENTION_PLAIN] = "f32 products",
        [SC_ATTENTION_SHORT] = "a warp a head",
        [SC_ATTENTION_TILED] = "mma.sync tiles",
        [SC_ATTENTION_WIDE] = "mma.sync, wide heads",
        [SC_ATTENTION_WIDE_99] = "mma.sync, wide heads in 99 KiB",
        [SC_ATTENTION_SM90] = "wgmma, 192 queries",
        [SC_ATTENTION_SM90_128] = "wgmma, 128 queries",
    };
    const sc_tensor q = shaped(t, SC_DIMS(batch, tokens, 5, width));

    return names[sc_plan_attention(&(sc_attention_args){ .y = q, .q = q, .k = q, .v = q, .scale = 0.125f },
                                   capability)];
}

/* E4M3 is multiplied, with factors, but never made. */
static sc_dtype made_of(sc_dtype t)
{
    return t == SC_F8 ? SC_F16 : t;
}

static sc_tensor factors_of(sc_dtype t, int64_t n)
{
    return t == SC_F8 ? shaped(SC_F32, SC_DIMS(n)) : SC_NONE;
}

static const char *conv_kernel(sc_dtype t, int capability, int64_t size, int64_t h, int64_t w,
                               int64_t channels)
{
    static const char *const names[] = {
        [SC_CONV_LINEAR] = "cuBLASLt", [SC_CONV_LIBRARY] = "cuDNN", [SC_CONV_DIRECT] = "tiles in f32"
    };
    const sc_tensor x = shaped(t, SC_DIMS(8, h, w, channels));
    const int pad = (int)size / 2;
    const sc_conv2d_args a = { .y = shaped(made_of(t), SC_DIMS(8, h, w, channels)),
                               .scale = factors_of(t, channels),
                               .x_scale = factors_of(t, 1),
                               .x = x,
                               .w = shaped(t, SC_DIMS(channels, size, size, channels)),
                               .stride = 1,
                               .pad_top = pad,
                               .pad_left = pad,
                               .pad_bottom = pad,
                               .pad_right = pad };
    const sc_conv_way way = sc_plan_conv(&a, ROOM, false).way;
    sc_tap_plan tap;

    return way != SC_CONV_LINEAR && capability == HOPPER && sc_plan_tap_conv(&tap, &a, PROCESSORS)
               ? "wgmma taps"
               : names[way];
}

static const char *linear_kernel(sc_dtype t, int capability, sc_act act)
{
    const int64_t out = act == SC_ACT_GEGLU ? 2560 : 1280;
    const sc_linear_args a = { .y = shaped(made_of(t), SC_DIMS(230400, 1280)),
                               .scale = factors_of(t, out),
                               .x_scale = factors_of(t, 230400),
                               .x = shaped(t, SC_DIMS(230400, 320)),
                               .w = shaped(t, SC_DIMS(out, 320)),
                               .act = act };
    sc_tap_plan tap;

    if (capability == HOPPER && sc_plan_tap_linear(&tap, &a, PROCESSORS))
        return "wgmma taps";
    return sc_plan_linear_fused(&a, capability) ? "cuBLASLt" : "cuBLASLt, then one pass in L2";
}

static void products(FILE *f, sc_dtype t, int c)
{
    fprintf(f, "3x3 of 320 channels by %s, of 128 by %s, 1x1 by %s; linear by %s, with GEGLU by %s\n",
            conv_kernel(t, c, 3, 72, 128, 320), conv_kernel(t, c, 3, 576, 1024, 128),
            conv_kernel(t, c, 1, 72, 128, 320), linear_kernel(t, c, SC_ACT_NONE),
            linear_kernel(t, c, SC_ACT_GEGLU));
}

void sc_info_kernels(FILE *f, const sc_device *dev)
{
    static const sc_dtype types[] = { SC_F32, SC_F16, SC_BF16 };
    const int c = dev->capability;

    for (int i = 0; c && i < SC_COUNT(types); i++) {
        const sc_dtype t = types[i];

        if (!(dev->dtypes & 1u << t))
            continue;
        fprintf(f,
                "    kernels in %s: attention of 9216 tokens by %s, of 576 by %s, between 25 frames by %s, "
                "VAE by %s;\n        ",
                sc_dtype_name(t), attention_kernel(t, c, 25, 9216, 64), attention_kernel(t, c, 25, 576, 64),
                attention_kernel(t, c, 9216, 25, 64), attention_kernel(t, c, 8, 9216, 512));
        products(f, t, c);
    }
    if (dev->dtypes & 1u << SC_F8) {
        fputs("    fp8 is native: E4M3 times E4M3, rounded by the norm before it or in a pass, all else in "
              "fp16;\n        ",
              f);
        products(f, SC_F8, c);
    } else {
        fprintf(f, "    fp8 is not native: %s is used instead\n",
                sc_dtype_name(dev->dtypes & 1u << SC_F16 ? SC_F16 : SC_F32));
    }
}
