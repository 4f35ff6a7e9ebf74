/* The causal 3-D video VAE against PyTorch in float64 (scripts/make_golden_vae3d.py): every block alone, then
 * both parts. Each case runs whole, which has to give Python's numbers, and in slices, which have to give the
 * same bits as whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/nets/vae3d.h"
#include "golden.h"
#include "toy.h"

enum { MAX_CASES = 48, TAPS = 3 };

typedef struct vae3d_case {
    char kind[32], name[96], in_name[96], out_name[96];
    float eps;
    sc_tensor in, want;
} vae3d_case;

typedef struct vae3d_set {
    char folder[512];
    vae3d_case cases[MAX_CASES];
    int count;
    void *block; /* holds the tensors */
} vae3d_set;

/* What a case can be; opened before it runs. */
typedef struct model {
    const vae3d_case *c;
    int first, step; /* frames of the input in the first slice and in the others; 0: all */
    sc_causal conv;
    sc_causal_resblock resblock;
    sc_causal_up up;
    sc_frame_attention attention;
    sc_causal_list list;
    void *block;
    sc_vae3d *vae;
} model;

static bool is(const vae3d_case *c, const char *kind)
{
    return !strcmp(c->kind, kind);
}

static bool is_net(const vae3d_case *c)
{
    return is(c, "encode") || is(c, "decode");
}

static void load_case(sc_loader *ld, sc_tensor *t, const char *name)
{
    int64_t dim[SC_MAX_DIM] = { 0 };
    const int ndim = sc_loader_shape(ld, dim, "%s", name);

    if (ndim > 0)
        sc_load_tensor(ld, t, ndim, dim, "%s", name);
}

static int read_set(vae3d_set *s, sc_exec *x, const char *folder)
{
    char path[640], line[512];
    sc_loader *ld = NULL;
    int64_t params;

    snprintf(s->folder, sizeof(s->folder), "%s/vae3d", folder);
    snprintf(path, sizeof(path), "%s/blocks.tsv", s->folder);
    FILE *f = fopen(path, "r");
    while (f && s->count < MAX_CASES && fgets(line, sizeof(line), f)) {
        vae3d_case *c = &s->cases[s->count];
        if (sscanf(line, "%31s %95s %95s %95s %f", c->kind, c->name, c->in_name, c->out_name, &c->eps) == 5)
            s->count++;
    }
    if (f)
        fclose(f);
    snprintf(path, sizeof(path), "%s/blocks.safetensors", s->folder);
    const int ret = sc_loader_open(&ld, path, NULL, x, SC_F32, x->log);
    if (ret < 0)
        return ret;
    for (int i = 0; i < s->count; i++) {
        load_case(ld, &s->cases[i].in, s->cases[i].in_name);
        load_case(ld, &s->cases[i].want, s->cases[i].out_name);
    }
    return sc_loader_finish(&ld, &s->block, &params);
}

static void load_block(sc_loader *ld, model *m)
{
    const vae3d_case *c = m->c;
    const int in = (int)c->in.dim[3], out = (int)c->want.dim[3];

    if (is(c, "resblock"))
        sc_causal_resblock_load(ld, &m->list, &m->resblock, in, out, 0, c->name);
    else if (is(c, "attention"))
        sc_frame_attention_load(ld, &m->attention, in, c->eps, c->name);
    else if (is(c, "up1") || is(c, "up2"))
        sc_causal_up_load(ld, &m->list, &m->up, in, is(c, "up2") ? 2 : 1, 0, c->name);
    else
        sc_causal_load(ld, &m->list, &m->conv,
                       &(sc_causal_shape){ .in = in,
                                           .out = out,
                                           .taps = is(c, "down1") ? 1 : TAPS,
                                           .down = is(c, "down1") || is(c, "down3") },
                       c->name);
}

static int open_model(model *m, sc_exec *x, const vae3d_set *s)
{
    char prefix[128];
    size_t size;
    sc_loader *ld = NULL;
    int64_t params;

    snprintf(prefix, sizeof(prefix), "%s.", m->c->name);
    char *bytes = toy_make(&size, s->folder, is_net(m->c) ? "" : prefix);
    if (!bytes)
        return -ENOENT;
    int ret = sc_loader_open_memory(&ld, bytes, size, m->c->name, x, SC_F32, x->log);
    if (ret >= 0 && is_net(m->c)) {
        ret = sc_vae3d_open(&m->vae, &ld, x);
    } else if (ret >= 0) {
        load_block(ld, m);
        ret = sc_loader_finish(&ld, &m->block, &params);
    }
    free(bytes);
    return ret;
}

static void begin(sc_exec *x, sc_past *past, const model *m)
{
    const vae3d_case *c = m->c;
    const int64_t *size = is(c, "decode") || is(c, "up1") || is(c, "up2") ? c->want.dim : c->in.dim;

    const sc_vae3d_part part = is(c, "encode") ? SC_VAE3D_ENCODER : SC_VAE3D_DECODER;
    const int64_t bytes = (int64_t)(m->vae ? sc_vae3d_past_bytes(m->vae, part, x->act, size[1], size[2])
                                           : sc_past_bytes(&m->list, x->act, size[1], size[2]));
    void *memory = bytes ? sc_new(x, SC_U8, 1, &bytes).data : NULL;

    if (m->vae)
        sc_vae3d_begin(past, m->vae, part, x->act, size[1], size[2], memory);
    else
        sc_past_open(past, &m->list, x->act, size[1], size[2], memory);
}

/* How many frames of the output come of a slice. */
static int64_t frames_of(const model *m, const sc_past *past, int64_t in)
{
    const vae3d_case *c = m->c;

    if (is(c, "encode"))
        return past->conv[0].begun ? in / 4 : in / 4 + 1;
    if (is(c, "decode"))
        return sc_vae3d_frames(m->vae, past, in);
    if (is(c, "up1") || is(c, "up2"))
        return sc_causal_up_frames(&m->up, past, in);
    if (is(c, "conv") || is(c, "down1") || is(c, "down3"))
        return sc_causal_frames(&m->conv, past, in);
    return in;
}

static void forward_slice(sc_exec *x, sc_tensor out, const model *m, sc_tensor in, sc_past *past)
{
    const vae3d_case *c = m->c;

    if (is(c, "encode"))
        sc_vae3d_encode(x, out, m->vae, in, past);
    else if (is(c, "decode"))
        sc_vae3d_decode(x, out, m->vae, in, past);
    else if (is(c, "resblock"))
        sc_causal_resblock_forward(x, out, &m->resblock, in, past);
    else if (is(c, "up1") || is(c, "up2"))
        sc_copy_into(x, out, sc_causal_up_forward(x, &m->up, in, past));
    else if (is(c, "attention")) {
        sc_copy_into(x, out, in);
        sc_frame_attention_forward(x, out, &m->attention);
    } else
        sc_copy_into(x, out, sc_causal_forward(x, &m->conv, in, past));
}

static sc_tensor forward(sc_exec *x, const model *m)
{
    const sc_tensor in = m->c->in, out = sc_new(x, SC_F32, m->c->want.ndim, m->c->want.dim);
    const sc_mark mark = sc_push(x);
    int64_t done = 0, n;
    sc_past past;

    begin(x, &past, m);
    for (int64_t t = 0; t < in.dim[0]; t += n) {
        n = SC_MIN(t ? m->step : m->first, in.dim[0] - t);
        const sc_mark one = sc_push(x);
        const int64_t made = frames_of(m, &past, n);
        forward_slice(x, sc_slice(out, 0, done, made), m, sc_slice(in, 0, t, n), &past);
        done += made;
        sc_pop(x, one);
    }
    sc_pop(x, mark);
    return out;
}

static void measure(sc_exec *x, void *arg)
{
    forward(x, arg);
}

static int run(sc_exec *x, float *got, model *m, int first, int step)
{
    m->first = first;
    m->step = step;
    const int ret = sc_exec_reserve(x, sc_measure(x, measure, m, NULL));
    if (ret < 0)
        return ret;
    const sc_mark mark = sc_push(x);
    sc_download(x, got, forward(x, m));
    sc_pop(x, mark);
    return sc_exec_wait(x);
}

/* Lengths of the sums on the longest way, as in nets.c. */
static double sums(const vae3d_case *c)
{
    const double in = (double)c->in.dim[3], out = (double)c->want.dim[3];

    if (is(c, "resblock"))
        return 27 * in + 27 * out;
    if (is(c, "attention"))
        return 2 * in + in + (double)(c->in.dim[1] * c->in.dim[2]);
    if (is(c, "up1") || is(c, "up2"))
        return in + 27 * in;
    return is(c, "down1") ? 9 * in : 27 * in;
}

/* Slices of the published lengths: 1 + 4 and then 4 frames of a picture, 1 + 1 and then 1 latent one. A block
 * takes one frame, and then as few as it can. */
static void run_case(sc_exec *x, golden_tally *t, const vae3d_set *s, const vae3d_case *c, double k)
{
    const int64_t n = sc_tensor_count(c->want);
    const int first = is(c, "encode") ? 5 : is(c, "decode") ? 2 : 1;
    const int step = is(c, "encode") ? 4 : is(c, "down3") ? 2 : 1;
    float *got = calloc((size_t)n, sizeof(*got)), *want = calloc((size_t)n, sizeof(*want));
    float *sliced = calloc((size_t)n, sizeof(*sliced));
    model m = { .c = c };
    bool ok = got && want && sliced && open_model(&m, x, s) >= 0;

    ok = ok && run(x, got, &m, (int)c->in.dim[0], 0) >= 0 && run(x, sliced, &m, first, step) >= 0;
    if (ok)
        sc_download(x, want, c->want);
    ok = ok && sc_exec_wait(x) >= 0 && golden_compare(c->kind, c->name, got, want, n, k);
    t->passed += ok;
    t->failed += !ok;
    const bool same = ok && !memcmp(got, sliced, (size_t)n * sizeof(*got));
    if (!same)
        printf("FAILED %s %s: in slices of %d and %d frames other bits than whole\n", c->kind, c->name, first,
               step);
    t->passed += same;
    t->failed += !same;
    sc_loader_free(x->dev, &m.block);
    sc_vae3d_close(&m.vae, x->dev);
    free(got);
    free(want);
    free(sliced);
}

void golden_vae3d(sc_exec *x, golden_tally *t, const char *folder)
{
    vae3d_set s = { .count = 0 };
    double path = 0;

    if (read_set(&s, x, folder) < 0 || !s.count) {
        printf("FAILED vae3d: cannot be read from %s\n", s.folder);
        t->failed++;
    }
    for (int i = 0; i < s.count && s.block; i++) {
        const vae3d_case *c = &s.cases[i];
        const double k = is_net(c) ? 0 : sums(c);
        run_case(x, t, &s, c, is_net(c) ? path : k);
        path = is_net(c) ? 0 : path + k;
    }
    sc_loader_free(x->dev, &s.block);
}
