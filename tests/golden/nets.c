/* The published networks against diffusers and transformers: in toy size (scripts/make_golden.py, float64)
 * first every block alone, on the input that it had in Python, then each network as a whole; in full size
 * (scripts/compare_reference.py) networks only, at each precision. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/nets/clip.h"
#include "../../src/nets/transformer.h"
#include "../../src/nets/unet.h"
#include "../../src/nets/vae.h"
#include "golden.h"
#include "toy.h"

enum { MAX_CASES = 64, MANY = 64 }; /* MANY: of fewer numbers the mean error says little; see check.h */

typedef struct golden_case {
    char kind[32], name[96], in_name[96], out_name[96];
    float eps[2];
    int heads;
    sc_tensor in, want;
} golden_case;

typedef struct golden_set {
    const char *net, *published; /* folders of the toy and of the network as it is published, NULL: the toy */
    sc_net role;
    const sc_precision *precision; /* NULL: exact */
    float timestep, ids[3];        /* of the UNets */
    char folder[512];
    golden_case cases[MAX_CASES];
    int count;
    sc_tensor temb, context;
    void *block; /* holds the tensors */
} golden_set;

/* Everything that a block or network of a case can be; opened before it runs. */
typedef struct model {
    const golden_set *set;
    const golden_case *c;
    sc_st_resblock st_resblock;
    sc_resblock resblock;
    sc_transformer transformer;
    sc_norm norm;
    sc_attention attention;
    sc_param conv;
    void *block;
    sc_unet *unet;
    sc_vae *vae;
    sc_clip *clip;
    double opened; /* seconds that it took */
} model;

static bool is(const golden_case *c, const char *kind)
{
    return !strcmp(c->kind, kind);
}

/* Tensor names end in ":in" and ":out"; sc_load_tensor wants to know their shapes. */
static void load_any(sc_loader *ld, sc_tensor *t, const char *name)
{
    int64_t dim[SC_MAX_DIM] = { 0 };
    const int ndim = sc_loader_shape(ld, dim, "%s", name);

    if (ndim > 0)
        sc_load_tensor(ld, t, ndim, dim, "%s", name);
}

static int read_set(golden_set *s, sc_exec *x, const char *folder)
{
    char path[640], line[512];
    sc_loader *ld = NULL;
    int64_t params;
    int ret;

    snprintf(s->folder, sizeof(s->folder), "%s/%s", folder, s->published ? s->published : s->net);
    snprintf(path, sizeof(path), "%s/blocks.tsv", s->folder);
    FILE *f = fopen(path, "r");
    while (f && s->count < MAX_CASES && fgets(line, sizeof(line), f)) {
        golden_case *c = &s->cases[s->count];
        if (sscanf(line, "%31s %95s %95s %95s %f %f %d", c->kind, c->name, c->in_name, c->out_name,
                   &c->eps[0], &c->eps[1], &c->heads) == 7)
            s->count++;
    }
    if (f)
        fclose(f);
    snprintf(path, sizeof(path), "%s/blocks.safetensors", s->folder);
    if ((ret = sc_loader_open(&ld, path, NULL, x, SC_F32, x->log)) < 0)
        return ret;
    for (int i = 0; i < s->count; i++) {
        load_any(ld, &s->cases[i].in, s->cases[i].in_name);
        load_any(ld, &s->cases[i].want, s->cases[i].out_name);
    }
    load_any(ld, &s->temb, "temb");
    load_any(ld, &s->context, "context");
    ret = sc_loader_finish(&ld, &s->block, &params);
    return ret < 0 ? ret : s->count ? 0 : -ENOENT;
}

static void load_block(sc_loader *ld, model *m)
{
    const golden_case *c = m->c;
    const int in = (int)c->in.dim[3], out = (int)c->want.dim[3];
    const bool switched = is(c, "st_resblock_switched");

    if (is(c, "st_resblock") || switched)
        sc_st_resblock_load(ld, &m->st_resblock,
                            &(sc_st_resblock_shape){ .in = in,
                                                     .out = out,
                                                     .time = switched ? 0 : (int)m->set->temb.dim[1],
                                                     .spatial_eps = c->eps[0],
                                                     .temporal_eps = c->eps[1],
                                                     .switched = switched },
                            c->name);
    else if (is(c, "resblock"))
        sc_resblock_load(ld, &m->resblock, &(sc_resblock_shape){ .in = in, .out = out, .eps = c->eps[0] },
                         c->name);
    else if (is(c, "transformer"))
        sc_transformer_load(ld, &m->transformer, in, c->heads, (int)m->set->context.dim[1], c->name);
    else if (is(c, "attention")) {
        sc_load_norm(ld, &m->norm, in, "%s.group_norm", c->name);
        sc_attention_load(ld, &m->attention, in, c->heads, true, (sc_attention_names){ 0 }, c->name);
    } else
        sc_load_conv(ld, &m->conv, out, in, 3, 3, true, "%s.conv", c->name);
}

static sc_dtype store_of(const golden_set *s)
{
    return s->precision ? s->precision->net[s->role].weight : SC_F32;
}

static int open_net(model *m, sc_loader **ld, sc_exec *x)
{
    sc_config *c = NULL;
    int ret = sc_config_open(&c, m->set->folder, x->log);

    if (ret < 0)
        return ret;
    if (is(m->c, "unet")) {
        sc_unet_config cfg;
        sc_unet_config_read(&cfg, c);
        ret = sc_unet_open(&m->unet, &cfg, ld, x);
    } else if (is(m->c, "clip")) {
        sc_clip_config cfg;
        sc_clip_config_read(&cfg, c);
        ret = sc_clip_open(&m->clip, &cfg, ld, x);
    } else {
        sc_vae_config cfg;
        sc_vae_config_read(&cfg, c);
        ret = sc_vae_open(&m->vae, &cfg, store_of(m->set), ld, x);
    }
    sc_config_close(&c);
    return ret;
}

static bool is_net(const golden_case *c)
{
    return is(c, "unet") || is(c, "vae_encode") || is(c, "vae_decode") || is(c, "clip");
}

static int open_published(model *m, sc_exec *x)
{
    const golden_set *s = m->set;
    sc_loader *ld = NULL;
    const int ret = sc_loader_open(&ld, s->folder, is(m->c, "clip") ? "model" : "diffusion_pytorch_model", x,
                                   store_of(s), x->log);

    return ret < 0 ? ret : open_net(m, &ld, x);
}

static int open_toy(model *m, sc_exec *x)
{
    char prefix[128];
    size_t size;
    sc_loader *ld = NULL;
    int64_t params;
    int ret;

    snprintf(prefix, sizeof(prefix), "%s.", m->c->name);
    char *bytes = toy_make(&size, m->set->folder, is_net(m->c) ? "" : prefix);
    if (!bytes)
        return -ENOENT;
    ret = sc_loader_open_memory(&ld, bytes, size, m->c->name, x, store_of(m->set), x->log);
    if (ret >= 0 && is_net(m->c)) {
        ret = open_net(m, &ld, x);
    } else if (ret >= 0) {
        load_block(ld, m);
        ret = sc_loader_finish(&ld, &m->block, &params);
    }
    free(bytes);
    return ret;
}

static void close_model(model *m, sc_exec *x)
{
    sc_loader_free(x->dev, &m->block);
    sc_unet_close(&m->unet, x->dev);
    sc_vae_close(&m->vae, x->dev);
    sc_clip_close(&m->clip, x->dev);
}

static void forward_block(sc_exec *x, sc_tensor out, const model *m)
{
    const golden_case *c = m->c;

    if (is(c, "st_resblock") || is(c, "st_resblock_switched"))
        sc_st_resblock_forward(x, out, &m->st_resblock, c->in, SC_NONE, m->set->temb);
    else if (is(c, "resblock"))
        sc_resblock_forward(x, out, &m->resblock, c->in, SC_NONE);
    else if (is(c, "transformer")) {
        const float frames[] = { 0, 1, 2 };
        const sc_tensor position = sc_sinusoid(x, frames, (int)c->in.dim[0], (int)c->in.dim[3]);
        sc_transformer_forward(x, out, &m->transformer, c->in, m->set->context, position);
    } else if (is(c, "attention")) {
        const sc_tensor tokens = sc_reshape(out, SC_DIMS(out.dim[0], out.dim[1] * out.dim[2], out.dim[3]));
        sc_copy_into(x, out, c->in);
        const sc_tensor n = sc_group_norm(x, tokens, &m->norm, SC_NORM_GROUPS, c->eps[0], false);
        sc_attention_forward(x, tokens, &m->attention, n, SC_NONE, false);
    } else
        sc_conv2d_into(x, out, c->in, &m->conv,
                       &(sc_conv2d_opt){ .stride = is(c, "up") ? 1 : 2,
                                         .upsample = is(c, "up"),
                                         .pad_mode = is(c, "down_right") ? 2 : 0 });
}

static sc_tensor forward(sc_exec *x, const model *m)
{
    const golden_set *s = m->set;
    const sc_tensor out = sc_new(x, SC_F32, m->c->want.ndim, m->c->want.dim);
    const sc_mark mark = sc_push(x);

    if (m->unet)
        sc_unet_forward(
            x, out, m->unet, m->c->in, s->timestep,
            &(sc_unet_cond){
                .context = s->context, .fps = s->ids[0], .motion = s->ids[1], .noise_aug = s->ids[2] });
    else if (is(m->c, "vae_encode"))
        sc_vae_encode(x, out, m->vae, m->c->in);
    else if (is(m->c, "vae_decode"))
        sc_vae_decode(x, out, m->vae, m->c->in);
    else if (m->clip)
        sc_clip_embed(x, out, m->clip, m->c->in);
    else
        forward_block(x, out, m);
    sc_pop(x, mark);
    return out;
}

static void measure(sc_exec *x, void *arg)
{
    forward(x, arg);
}

/* Lengths of the sums on the longest way through a block, added up: rounding errors of layers are
 * independent, so their squares add as those of one long sum do. */
static double sums(const golden_set *s, const golden_case *c)
{
    const double in = (double)c->in.dim[3], out = (double)c->want.dim[3];
    const double frames = (double)c->in.dim[0], pixels = (double)(c->in.dim[1] * c->in.dim[2]);

    if (is(c, "st_resblock"))
        return 9 * in + 9 * out + 6 * out + 2 * (double)s->temb.dim[1];
    if (is(c, "st_resblock_switched"))
        return 9 * in + 9 * out + 6 * out;
    if (is(c, "resblock"))
        return 9 * in + 9 * out;
    if (is(c, "attention"))
        return 2 * in + in + pixels;
    if (is(c, "transformer")) {
        const double head = in / c->heads, cross = (double)s->context.dim[1] + in, ff = in + 4 * in;
        const double spatial = 2 * in + head + pixels + cross + ff,
                     temporal = ff + 2 * in + head + frames + cross + ff;
        return 2 * in + (in + 4 * in) + spatial + temporal;
    }
    if (is(c, "clip")) /* 11 x 16 taps of resizing, patches, then twice q, head, keys, out, fc1 and fc2, then
                          projection */
        return 11 + 16 + 3 * 7 * 7 + 2 * (40 + 20 + 17 + 40 + 40 + 96) + 40;
    return 9 *
           in; /* convolutions, and the ends of a net: conv_in ... conv_out of some hundred channels in all */
}

bool golden_compare(const char *kind, const char *name, const float *got, const float *want, int64_t n,
                    double k)
{
    const double limit = fmax(0.5 * 0x1p-48, 0.25 * k * 0x1p-48);
    double error = 0, power = 0, worst = 0;

    for (int64_t i = 0; i < n; i++)
        power += (double)want[i] * want[i];
    const double rms = sqrt(power / (double)n);
    for (int64_t i = 0; i < n; i++) {
        const double e = (double)got[i] - want[i];
        error += e * e;
        worst = fmax(worst, isfinite(e) ? fabs(e) / fmax(fabs((double)want[i]), rms) : INFINITY);
    }
    const bool ok = (n < MANY || error <= limit * power) && worst <= 6 * sqrt(limit);
    printf("%s %-20s %-34s nmse %.1e of %.1e, worst %.1e of %.1e\n", ok ? "ok    " : "FAILED", kind, name,
           error / power, limit, worst, 6 * sqrt(limit));
    return ok;
}

/* What a precision may be off by, ||got - want|| / ||want||: fp32 by its order of summation, 16 bit and tf32
 * by some ten roundings in a row. fp8 has to point in the same direction. */
static bool compare_full(const golden_set *s, const golden_case *c, const float *got, const float *want,
                         int64_t n)
{
    const sc_precision *p = s->precision;
    const sc_dtype t = p->net[s->role].weight;
    const double limit = t == SC_F32 && !p->tf32 ? 1e-4 : t == SC_BF16 ? 3e-2 : t == SC_F8 ? INFINITY : 5e-3;
    const double least = t == SC_F8 ? 0.99 : 0;
    double error = 0, a = 0, b = 0, ab = 0, worst = 0;

    for (int64_t i = 0; i < n; i++) {
        const double g = (double)got[i], w = (double)want[i], e = fabs(g - w);
        error += e * e;
        a += g * g;
        b += w * w;
        ab += g * w;
        worst = fmax(worst, isfinite(e) ? e : INFINITY);
    }
    const double relative = sqrt(error / b), cosine = ab / sqrt(a * b);
    const bool ok = relative <= limit && cosine >= least;
    printf("%s %s %-6s %-7s relative %.2e of %.0e, cosine %.7f, worst %.2e, rms %.2f\n",
           ok ? "ok    " : "FAILED", t == SC_F32 && p->tf32 ? "tf32" : sc_dtype_name(t), s->net, c->name,
           relative, limit, cosine, worst, sqrt(b / (double)n));
    return ok;
}

/* Runs the network twice, for the time without what is done once per shape, and for the same bits. */
static bool run_full(sc_exec *x, const model *m, float *got, const float *want, int64_t n, size_t arena)
{
    const sc_mark mark = sc_push(x);
    float *first = calloc((size_t)n, sizeof(*first));
    double seconds[2] = { 0 };
    bool ok = first;

    for (int i = 0; i < 2 && ok; i++) {
        const double start = sc_now();
        sc_download(x, i ? got : first, forward(x, m));
        ok = sc_exec_wait(x) >= 0;
        seconds[i] = sc_now() - start;
        sc_pop(x, mark);
    }
    const bool same = ok && !memcmp(first, got, (size_t)n * sizeof(*got));
    ok = ok && compare_full(m->set, m->c, got, want, n);
    printf("       opened in %.2f s, run in %.2f s and %.3f s to %s bits, arena %.2f GiB\n", m->opened,
           seconds[0], seconds[1], same ? "the same" : "OTHER", (double)arena / (1 << 30));
    free(first);
    return ok && same;
}

static bool run_case(sc_exec *x, const golden_set *s, const golden_case *c, double k)
{
    const int64_t n = sc_tensor_count(c->want);
    model m = { .set = s, .c = c };
    float *got = calloc((size_t)n, sizeof(*got)), *want = calloc((size_t)n, sizeof(*want));
    const double start = sc_now();
    bool ok = got && want && (s->published ? open_published(&m, x) : open_toy(&m, x)) >= 0;

    m.opened = sc_now() - start;
    const size_t arena = ok ? sc_measure(x, measure, &m, NULL) : 0;
    ok = ok && sc_exec_reserve(x, arena) >= 0;
    if (ok) {
        const sc_mark mark = sc_push(x);
        sc_download(x, want, c->want);
        if (!s->precision)
            sc_download(x, got, forward(x, &m));
        sc_pop(x, mark);
        ok = sc_exec_wait(x) >= 0 && (s->precision ? run_full(x, &m, got, want, n, arena)
                                                   : golden_compare(c->kind, c->name, got, want, n, k));
    }
    if (!ok)
        printf("FAILED %s %s\n", s->net, c->name);
    close_model(&m, x);
    free(got);
    free(want);
    return ok;
}

/* Steps of a loop: what a device records and repeats gives the bits of what it did first, for the numbers of
 * each step. */
static bool repeats(sc_exec *x, golden_set *s, const golden_case *c)
{
    enum { STEPS = 6, KINDS = 2 };
    const int64_t n = sc_tensor_count(c->want);
    const size_t bytes = (size_t)n * sizeof(float);
    const float timestep = s->timestep;
    model m = { .set = s, .c = c };
    float *out[STEPS] = { NULL };
    bool ok = open_toy(&m, x) >= 0 && sc_exec_reserve(x, sc_measure(x, measure, &m, NULL)) >= 0;

    for (int i = 0; i < STEPS && ok; i++) {
        const sc_mark mark = sc_push(x);
        const int64_t launches = x->stats.launches, flops = x->stats.flops;

        s->timestep = timestep + (float)(i % KINDS);
        if ((ok = (out[i] = malloc(bytes)) != NULL))
            sc_download(x, out[i], forward(x, &m));
        sc_pop(x, mark);
        ok = ok && sc_exec_wait(x) >= 0 && (i < KINDS || !memcmp(out[i], out[i - KINDS], bytes)) &&
             (i != 1 || memcmp(out[1], out[0], bytes)) && x->stats.launches - launches > 100 &&
             x->stats.flops - flops > n;
    }
    s->timestep = timestep;
    printf("%s %s step after step\n", ok ? "ok    " : "FAILED", s->net);
    close_model(&m, x);
    for (int i = 0; i < STEPS; i++)
        free(out[i]);
    return ok;
}

/* A network's sums are those of its blocks, which stand before it in the list, and of its ends. */
static void run_set(sc_exec *x, golden_tally *t, golden_set set, const char *folder)
{
    golden_set *s = &set;
    double path = 0;

    if (read_set(s, x, folder) < 0) {
        printf("FAILED %s: cannot be read from %s\n", s->net, s->folder);
        t->failed++;
    }
    for (int i = 0; i < s->count && s->block; i++) {
        const golden_case *c = &s->cases[i];
        const double k = sums(s, c);
        if (s->precision && !is_net(c)) /* a block takes activations as they come, a network converts them */
            continue;
        const bool ok = run_case(x, s, c, is_net(c) ? path + k : k);
        path = is_net(c) ? 0 : path + k;
        t->passed += ok;
        t->failed += !ok;
        if (is(c, "unet") && !s->precision) {
            const bool same = repeats(x, s, c);
            t->passed += same;
            t->failed += !same;
        }
    }
    sc_loader_free(x->dev, &s->block);
}

static const golden_set sets[] = {
    { .net = "clip", .published = GOLDEN_SVD "/image_encoder", .role = SC_NET_CLIP },
    { .net = "vae", .published = GOLDEN_SVD "/vae", .role = SC_NET_VAE },
    { .net = "unet8",
      .published = "DepthCrafter",
      .role = SC_NET_DEPTH_UNET,
      .timestep = 1.63777006f,
      .ids = { 7, 127, 0.02f } },
    { .net = "unet9",
      .published = "StereoCrafter/unet_diffusers",
      .role = SC_NET_INPAINT_UNET,
      .timestep = -0.582263887f,
      .ids = { 6, 127, 0 } },
};

void golden_nets(sc_exec *x, golden_tally *t, const char *folder)
{
    for (int i = 0; i < SC_COUNT(sets); i++) {
        golden_set s = sets[i];
        s.published = NULL;
        run_set(x, t, s, folder);
    }
}

void golden_narrow(sc_exec *x, golden_tally *t, const char *folder)
{
    sc_precision p;

    sc_precision_parse(&p, "fp8", x->log);
    for (int i = 0; i < SC_COUNT(sets); i++) {
        golden_set s = sets[i];
        s.published = NULL;
        s.precision = &p;
        if (p.net[s.role].weight == SC_F8)
            run_set(x, t, s, folder);
    }
}

void golden_full(sc_exec *x, golden_tally *t, const char *models, const sc_precision *p)
{
    for (int i = 0; i < SC_COUNT(sets); i++) {
        golden_set s = sets[i];
        s.precision = p;
        x->act = p->net[s.role].act;
        run_set(x, t, s, models);
    }
}
