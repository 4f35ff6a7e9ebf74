#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench_run.h"
#include "nets/clip.h"
#include "nets/quick.h"
#include "nets/unet.h"
#include "nets/vae.h"
#include "pager.h"
#include "precision.h"
#include "stats.h"
#include "video/hardware.h"

enum { SCHEMA = 2, LATENT = 8 /* pixels of a latent */ };
#define STREAM_RING ((size_t)256 << 20) /* four of the largest layer in 16 bit */

typedef enum kind { QUICK, CLIP, ENCODE, DECODE, UNET } kind;

/* frames x h x w of the pictures that a network is about; on the CPU its widths are divided too. */
static const struct bench_case {
    const char *name;
    kind kind;
    int size[2][3], divide;          /* on the CPU, on a GPU; of widths on the CPU */
    enum { ALL, STREAM, LONG } only; /* not ALL: fp16 alone */
} cases[] = {
    { "quick (built in)", QUICK, { { 1, 192, 336 }, { 1, 192, 336 } }, 1, ALL },
    { "clip", CLIP, { { 1, 64, 64 }, { 1, 576, 1024 } }, 16, ALL },
    { "vae encode", ENCODE, { { 1, 64, 64 }, { 1, 576, 1024 } }, 4, ALL },
    { "vae decode", DECODE, { { 2, 64, 64 }, { 8, 576, 1024 } }, 4, ALL },
    { "unet", UNET, { { 2, 128, 128 }, { 25, 576, 1024 } }, 5, ALL },
    /* with weights from host memory; compared with the case before */
    { "unet streamed", UNET, { { 2, 128, 128 }, { 25, 576, 1024 } }, 5, STREAM },
    { "unet long", UNET, { { 2, 128, 128 }, { 110, 576, 1024 } }, 5, LONG }, /* a published depth window */
};
static const char *const precisions[] = { "fp32", "tf32", "fp16", "bf16", "fp8" };

typedef struct net {
    const struct bench_case *c;
    int frames, h, w;
    sc_quick *quick;
    sc_clip *clip;
    sc_vae *vae;
    sc_unet *unet;
    sc_tensor in, context, out; /* f32 */
} net;

typedef struct result {
    sc_bench_times times;
    size_t bytes;               /* weights and working memory */
    bool compared;              /* with fp32, which was asked for too: */
    double error, cosine, psnr; /* |out - ref| / |ref|; of the angle; decibels, peak = ref's range */
} result;

static int open_unet(net *n, sc_loader **ld, sc_exec *x, int divide)
{
    sc_unet_config c;

    sc_unet_config_read(&c, NULL);
    for (int i = 0; i < SC_UNET_LEVELS; i++) {
        c.num_attention_heads[i] = SC_MAX(c.num_attention_heads[i] / divide, 1);
        c.block_out_channels[i] = 64 * c.num_attention_heads[i];
    }
    return sc_unet_open(&n->unet, &c, ld, x);
}

static int open_vae(net *n, sc_dtype store, sc_loader **ld, sc_exec *x, int divide)
{
    sc_vae_config c;

    sc_vae_config_read(&c, NULL);
    for (int i = 0; i < SC_VAE_LEVELS; i++)
        c.block_out_channels[i] /= divide;
    return sc_vae_open(&n->vae, &c, store, ld, x);
}

static int open_clip(net *n, sc_loader **ld, sc_exec *x, int divide)
{
    sc_clip_config c;

    sc_clip_config_read(&c, NULL);
    c.hidden_size /= divide;
    c.intermediate_size /= divide;
    c.num_attention_heads /= divide;
    c.num_hidden_layers /= divide;
    return sc_clip_open(&n->clip, &c, ld, x);
}

static int open_net(net *n, sc_exec *x, sc_dtype store, bool large, sc_pager *pager)
{
    const int divide = large ? 1 : n->c->divide;
    sc_loader *ld = NULL;
    int ret;

    if (n->c->kind == QUICK)
        return sc_quick_open_builtin(&n->quick, "depth", x, store);
    if ((ret = sc_loader_open_random(&ld, x, store, x->log)) < 0)
        return ret;
    if (pager)
        sc_loader_stream(ld, pager);
    return n->c->kind == UNET   ? open_unet(n, &ld, x, divide)
           : n->c->kind == CLIP ? open_clip(n, &ld, x, divide)
                                : open_vae(n, store, &ld, x, divide);
}

static void close_net(net *n, sc_device *dev)
{
    sc_quick_close(&n->quick, dev);
    sc_clip_close(&n->clip, dev);
    sc_vae_close(&n->vae, dev);
    sc_unet_close(&n->unet, dev);
}

static int64_t params(const net *n)
{
    return n->quick  ? sc_quick_params(n->quick)
           : n->clip ? sc_clip_params(n->clip)
           : n->vae  ? sc_vae_params(n->vae)
                     : sc_unet_params(n->unet);
}

/* Tensors of the shapes that the network takes and makes; inputs hold random numbers. */
static void make_tensors(sc_exec *x, net *n)
{
    const int64_t t = n->frames, h = n->h, w = n->w, lh = h / LATENT, lw = w / LATENT;
    const bool latents = n->c->kind == UNET || n->c->kind == DECODE;

    n->in = latents ? sc_new(x, SC_F32, SC_DIMS(t, lh, lw, n->unet ? 8 : 4))
                    : sc_new(x, SC_F32, SC_DIMS(t, h, w, 3));
    sc_randn_into(x, n->in, 1, 0);
    if (n->c->kind == QUICK || n->c->kind == CLIP) /* pictures in 0..1 */
        sc_axpby_into(x, n->in, 1, n->in, 0, SC_NONE, SC_ACT_SILU);
    n->context = sc_new(x, SC_F32, SC_DIMS(t, 1024));
    sc_randn_into(x, n->context, 2, 0);
    n->out = n->clip    ? sc_new(x, SC_F32, SC_DIMS(t, sc_clip_get_config(n->clip)->projection_dim))
             : n->quick ? sc_new(x, SC_F32, SC_DIMS(t, h, w, 1))
             : n->c->kind == DECODE ? sc_new(x, SC_F32, SC_DIMS(t, h, w, 3))
                                    : sc_new(x, SC_F32, SC_DIMS(t, lh, lw, 4));
}

static void forward(sc_exec *x, const net *n)
{
    const sc_unet_cond cond = { .context = n->context, .fps = 7, .motion = 127, .noise_aug = 0.02f };

    if (n->quick)
        sc_quick_depth(x, n->out, n->quick, n->in);
    else if (n->clip)
        sc_clip_embed(x, n->out, n->clip, n->in);
    else if (n->unet)
        sc_unet_forward(x, n->out, n->unet, n->in, 1, &cond);
    else if (n->c->kind == DECODE)
        sc_vae_decode(x, n->out, n->vae, n->in);
    else
        sc_vae_encode(x, n->out, n->vae, n->in);
}

static void measure(sc_exec *x, void *arg)
{
    net n = *(const net *)arg;

    make_tensors(x, &n);
    forward(x, &n);
}

/* *ref takes out where it is NULL. */
static int compare(sc_exec *x, const net *n, result *r, float **ref)
{
    const int64_t count = sc_tensor_count(n->out);
    float *out = malloc((size_t)count * sizeof(*out)), low = INFINITY, high = -INFINITY;
    double e = 0, a = 0, b = 0, ab = 0;
    int ret;

    SC_TRY(out ? 0 : -ENOMEM);
    sc_download(x, out, n->out);
    SC_TRY(sc_exec_wait(x));
    if (!*ref) {
        *ref = out;
        out = NULL;
    }
    for (int64_t i = 0; i < count; i++) {
        const float want = (*ref)[i], got = out ? out[i] : want;
        e += ((double)got - want) * ((double)got - want);
        a += (double)got * got;
        b += (double)want * want;
        ab += (double)got * want;
        low = SC_MIN(low, want);
        high = SC_MAX(high, want);
    }
    r->error = sqrt(e / b);
    r->cosine = ab / sqrt(a * b);
    r->psnr = 10 * log10((double)(high - low) * (high - low) * (double)count / e);
    r->compared = true;
fail:
    free(out);
    return ret;
}

static void run(sc_exec *x, void *arg)
{
    forward(x, arg);
}

/* ref NULL: there is nothing to compare with. */
static int time_net(sc_exec *x, net *n, result *r, float **ref)
{
    const size_t arena = sc_measure(x, measure, n, NULL);
    int ret;

    SC_TRY(arena ? sc_exec_reserve(x, arena) : -EINVAL);
    r->bytes = arena;
    make_tensors(x, n);
    SC_TRY(sc_bench_time(x, run, n, &r->times));
    if (ref)
        SC_TRY(compare(x, n, r, ref));
fail:
    sc_pop(x, (sc_mark){ 0 });
    return ret;
}

static void report_net(FILE *f, cJSON *rows, const net *n, const char *precision, const result *r)
{
    const sc_bench_times *t = &r->times;
    const double median = sc_bench_quantile(t, 0.5);
    const bool picture = n->quick || n->c->kind == DECODE, exact = r->error == 0;
    char shape[64], error[32] = "", psnr[16] = "";
    cJSON *row = cJSON_CreateObject();

    snprintf(shape, sizeof(shape), "%dx%dx%d", n->frames, n->w, n->h);
    if (picture && !exact)
        snprintf(psnr, sizeof(psnr), "%.1f", r->psnr);
    if (r->compared)
        snprintf(error, sizeof(error), "%8.1e %10.7f", r->error, r->cosine);
    fprintf(f, "%-17s %-13s %-5s %10.2f %10.2f %10.2f %9.2f %7.0f %19s %6s\n", n->c->name, shape, precision,
            1e3 * median, 1e3 * sc_bench_quantile(t, 0.1), 1e3 * sc_bench_quantile(t, 0.9),
            1e-12 * (double)t->stats.flops / median, (double)r->bytes / (1 << 20), error, psnr);
    fflush(f);
    cJSON_AddStringToObject(row, "net", n->c->name);
    cJSON_AddStringToObject(row, "shape", shape);
    cJSON_AddStringToObject(row, "precision", precision);
    sc_bench_row(row, t);
    cJSON_AddNumberToObject(row, "memory_mib", (double)r->bytes / (1 << 20));
    if (r->compared) {
        cJSON_AddNumberToObject(row, "error", r->error);
        cJSON_AddNumberToObject(row, "cosine", r->cosine);
    }
    if (picture && !exact)
        cJSON_AddNumberToObject(row, "psnr_db", r->psnr);
    cJSON_AddItemToArray(rows, row);
}

/* The device in one precision; 1 if it does not have it. */
int sc_bench_open(sc_exec *x, sc_device **dev, sc_precision *p, const sc_settings *s, const char *precision)
{
    sc_device_options o = {
        .name = s->device, .threads = s->threads, .plain = !s->optimize, .cache_dir = s->cache_dir
    };
    int ret;

    SC_TRY(sc_precision_parse(p, precision, &s->log));
    o.tf32 = p->tf32;
    SC_TRY(sc_device_open(dev, &o, &s->log));
    const sc_precision asked = *p;
    sc_precision_widen(p, (*dev)->dtypes, SC_LOG_DEBUG, NULL);
    if (p->net[0].weight != asked.net[0].weight || p->tf32 != asked.tf32)
        return 1;
    SC_TRY(sc_exec_open(x, *dev, &s->log, p->net[0].act, 0));
fail:
    return ret;
}

void sc_bench_close(sc_exec *x, sc_device **dev)
{
    if (x->dev)
        sc_exec_close(x);
    sc_device_close(dev);
}

/* One network in one precision; 1 if the device does not have it. */
static int bench_net(FILE *f, cJSON *rows, const sc_settings *s, const struct bench_case *c,
                     const char *precision, float **ref)
{
    sc_device *dev = NULL;
    sc_pager *pager = NULL;
    sc_exec x = { 0 };
    sc_precision p;
    net n = { .c = c };
    result r = { 0 };
    int ret;

    SC_TRY(sc_bench_open(&x, &dev, &p, s, precision));
    if (!ret) {
        n.frames = c->size[dev->large][0];
        n.h = c->size[dev->large][1];
        n.w = c->size[dev->large][2];
        if (c->only == STREAM)
            SC_TRY(sc_pager_open(&pager, dev, STREAM_RING));
        SC_TRY(open_net(&n, &x, p.net[0].weight, dev->large, pager));
        SC_TRY(time_net(&x, &n, &r, ref));
        r.bytes += pager ? STREAM_RING : (size_t)params(&n) * sc_dtype_size(p.net[0].weight);
        report_net(f, rows, &n, precision, &r);
    }
fail:
    if (dev)
        close_net(&n, dev);
    sc_pager_close(&pager);
    sc_bench_close(&x, &dev);
    return ret;
}

static int bench_ops(FILE *f, cJSON *rows, const sc_settings *s, const char *precision, bool pictures)
{
    sc_device *dev = NULL;
    sc_exec x = { 0 };
    sc_precision p;
    int ret;

    SC_TRY(sc_bench_open(&x, &dev, &p, s, precision));
    if (!ret)
        SC_TRY(sc_bench_ops(f, rows, &x, precision, p.net[0].weight, pictures));
fail:
    sc_bench_close(&x, &dev);
    return ret;
}

/* Whether --precision, a list, has this one, or nothing. */
static bool asked(const sc_settings *s, const char *precision)
{
    const size_t n = strlen(precision);

    for (const char *at = s->precision; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strcspn(at, ",") == n && !memcmp(at, precision, n))
            return true;
    return !s->precision;
}

/* The VAE alone, in every precision or in those that are asked for. */
static int bench_passage(FILE *f, cJSON *json, const sc_settings *s)
{
    cJSON *rows = cJSON_AddArrayToObject(json, "vae");
    float *ref = NULL;
    int ret = 0;

    fprintf(f, "%-5s %-11s %6s %6s %12s %12s %9s %9s %9s %8s\n", "", "pictures", "tile", "slice", "encode ms",
            "decode ms", "TFLOP/s", "MiB", "host MiB", "PSNR");
    for (int k = 0; k < SC_COUNT(precisions) && ret >= 0; k++)
        if (asked(s, precisions[k]))
            ret = sc_bench_vae(f, rows, s, precisions[k], &ref);
    free(ref);
    return ret;
}

/* The precisions of a device that are worth a row: of each type that it has. */
static int bench_all(FILE *f, cJSON *json, const sc_settings *s)
{
    cJSON *nets = cJSON_AddArrayToObject(json, "nets"), *ops = cJSON_AddArrayToObject(json, "ops");
    cJSON *chain = cJSON_AddArrayToObject(json, "chain");
    bool has[SC_COUNT(precisions)] = { false }, pictures = true;
    float *ref = NULL;
    int ret = 0;

    fprintf(f, "%-17s %-13s %-5s %10s %10s %10s %9s %7s %8s %10s %6s\n", "network", "frames", "", "median ms",
            "p10", "p90", "TFLOP/s", "MiB", "error", "cosine", "PSNR");
    for (int i = 0; i < SC_COUNT(cases) && ret >= 0; i++) {
        if (cases[i].only != STREAM) {
            free(ref);
            ref = NULL;
        }
        for (int k = 0; k < SC_COUNT(precisions) && ret >= 0; k++)
            if (asked(s, precisions[k]) && (cases[i].only == ALL || !strcmp(precisions[k], "fp16")))
                has[k] = (ret = bench_net(f, nets, s, &cases[i], precisions[k],
                                          asked(s, "fp32") && cases[i].only != LONG ? &ref : NULL)) == 0;
    }
    free(ref);
    fprintf(f, "%-22s %-18s %-5s %10s %10s %10s %9s\n", "op", "shape", "", "median ms", "p10", "p90",
            "TFLOP/s");
    for (int k = 0; k < SC_COUNT(precisions) && ret >= 0; k++)
        if (asked(s, precisions[k])) {
            ret = bench_ops(f, ops, s, precisions[k], pictures);
            pictures = false;
        }
    for (int k = 0; k < SC_COUNT(precisions) && s->input && ret >= 0; k++)
        if (has[k])
            ret = sc_bench_chain(f, chain, s, precisions[k]);
    return ret;
}

/* The chain in every precision, recorded, and how far each is from the first. */
static int bench_precisions(FILE *f, cJSON *json, const sc_settings *s)
{
    cJSON *rows = cJSON_AddArrayToObject(json, "precision");
    const char *first = NULL;
    int ret = 0;

    for (int k = 0; k < SC_COUNT(precisions) && ret >= 0; k++) {
        sc_device *dev = NULL;
        sc_exec x = { 0 };
        sc_precision p;

        if (!asked(s, precisions[k]))
            continue;
        ret = sc_bench_open(&x, &dev, &p, s, precisions[k]);
        sc_bench_close(&x, &dev);
        first = ret || first ? first : precisions[k];
        if (!ret)
            ret = sc_bench_recorded(f, rows, s, precisions[k], first);
    }
    return ret;
}

int sc_bench(FILE *f, const char *report, const sc_settings *set)
{
    sc_settings s = *set;
    sc_device *dev = NULL;
    cJSON *json = cJSON_CreateObject();
    int ret;

    if (s.log.level < SC_LOG_DEBUG) /* the table is for reading */
        s.log.level = SC_MIN(s.log.level, SC_LOG_ERROR);
    SC_TRY(sc_device_open(&dev, &(sc_device_options){ .name = s.device, .threads = s.threads }, &s.log));
    fprintf(f, "%s: %s\n%s\n", dev->name, dev->description,
            s.vae ? "milliseconds are of a frame, TFLOP/s of decoding; PSNR: of decoding noise, against the "
                    "first row"
                  : "published networks have random weights; error: against fp32");
    cJSON_AddNumberToObject(json, "schema", SCHEMA);
    cJSON_AddStringToObject(json, "version", sc_version());
    cJSON_AddStringToObject(json, "device", dev->name);
    cJSON_AddStringToObject(json, "description", dev->description);
    SC_TRY(s.vae               ? bench_passage(f, json, &s)
           : s.dump && s.input ? bench_precisions(f, json, &s)
                               : bench_all(f, json, &s));
    if (report)
        SC_TRY(sc_json_write(report, json, &s.log));
    ret = 0;
fail:
    sc_device_close(&dev);
    cJSON_Delete(json);
    return ret;
}

static bool print_device(FILE *f, const char *name)
{
    static const sc_dtype types[] = { SC_F32, SC_F16, SC_BF16, SC_F8 };
    sc_device *dev = NULL;
    char decodes[128], encodes[128];
    sc_precision p;

    if (sc_device_open(&dev, &(sc_device_options){ .name = name }, NULL) < 0)
        return false;
    fprintf(f, "%s: %s\n    computes with", dev->name, dev->description);
    for (int i = 0; i < SC_COUNT(types); i++)
        if (dev->dtypes & 1u << types[i])
            fprintf(f, " %s", sc_dtype_name(types[i]));
    sc_precision_parse(&p, NULL, NULL);
    sc_precision_widen(&p, dev->dtypes, SC_LOG_DEBUG, NULL);
    fprintf(f, "%s; by default", p.tf32 ? " tf32" : "");
    for (int i = 0; i < SC_NET_COUNT; i++)
        fprintf(f, " %s=%s", sc_net_name((sc_net)i),
                p.tf32 && p.net[i].act == SC_F32 ? "tf32" : sc_dtype_name(p.net[i].act));
    fputc('\n', f);
    if (sc_hardware_describe(name, decodes, encodes, sizeof(decodes)))
        fprintf(f, "    video, as FFmpeg has it and not tried: decodes %s; encodes by %s\n",
                *decodes ? decodes : "nothing", *encodes ? encodes : "nothing");
    sc_info_kernels(f, dev);
    sc_device_close(&dev);
    return true;
}

void sc_info(FILE *f)
{
    char name[32];

    print_device(f, "cpu");
    for (int i = 0; snprintf(name, sizeof(name), "cuda:%d", i) > 0 && print_device(f, name); i++)
        ;
}
