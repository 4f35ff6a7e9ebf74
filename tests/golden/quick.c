/* The built-in networks against PyTorch in float64 (scripts/make_golden_quick.py): depth with its own
 * weights, the one for holes with random ones of other widths and depths, which the program reads from the
 * file. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../src/nets/quick.h"
#include "golden.h"

/* Sums of the longest path through the network, added up: rounding errors of layers are independent, so their
 * squares add as those of one long sum do. Per level: residual blocks of 2 x 9 C, the first of a decoder
 * level 9 (2 C) + 9 C; middle: 4 x (2 x 9 C + qkv, 240 keys, out, fc1 and fc2 of C, C, C and 4 C). */
enum {
    DEPTH_SUMS = 9 * 5 + 9 * 32 * 2 + 9 * 32 + 9 * 64 * 4 + 9 * 64 + 9 * 128 * 6 + 9 * 128 +
                 4 * (9 * 192 * 2 + 7 * 192 + 240) + 192 + 9 * 128 * 5 + 128 + 9 * 64 * 5 + 64 + 9 * 32 * 3 +
                 9 * 32 * 2,
    FILL_SUMS = 9 * 5 + 9 * 8 * 2 + 9 * 8 + 9 * 12 * 4 + 9 * 12 + 3 * 9 * 18 * 2 + 18 + 9 * 12 * 5 + 12 +
                9 * 8 * 3 + 9 * 8 * 2,
    MAX_INPUTS = 3,
    FRAMES = 2
};

typedef struct golden_quick_case {
    const char *name;
    int inputs, channels[MAX_INPUTS], outputs, sums;
    float unit[MAX_INPUTS]; /* what a byte of the file counts */
} quick_case;

static const quick_case cases[] = {
    { "landscape", 1, { 3 }, 1, DEPTH_SUMS, { 1 / 255.0f } },
    { "portrait", 1, { 3 }, 1, DEPTH_SUMS, { 1 / 255.0f } },
    { "hole", 3, { 3, 1, 1 }, 3, FILL_SUMS, { 1 / 255.0f, 1 / 255.0f, 1 / 5100.0f } },
};

typedef struct sample {
    const quick_case *c;
    const sc_quick *q;
    int h, w;
    float *in[MAX_INPUTS], *want;
} sample;

static bool read_sample(sample *s, const char *folder)
{
    char path[1024];
    FILE *f;
    bool ok = false;

    snprintf(path, sizeof(path), "%s/quick/%s.bin", folder, s->c->name);
    if (!(f = fopen(path, "rb")))
        return false;
    if (fread(&s->h, sizeof(int), 1, f) == 1 && fread(&s->w, sizeof(int), 1, f) == 1) {
        const size_t n = (size_t)s->h * s->w, outputs = n * s->c->outputs;

        for (int k = 0; k < s->c->inputs; k++) {
            s->in[k] = malloc(n * s->c->channels[k] * sizeof(float));
            for (size_t i = 0; i < n * s->c->channels[k]; i++)
                s->in[k][i] = (float)fgetc(f) * s->c->unit[k];
        }
        s->want = malloc(outputs * sizeof(float));
        ok = fread(s->want, sizeof(float), outputs, f) == outputs;
    }
    fclose(f);
    return ok;
}

static void free_sample(sample *s)
{
    for (int k = 0; k < s->c->inputs; k++)
        free(s->in[k]);
    free(s->want);
}

/* The network over two frames, which are alike; got: NULL, or room for what it makes of them. */
static void forward(sc_exec *x, const sample *s, float *got)
{
    const sc_mark m = sc_push(x);
    sc_tensor in[MAX_INPUTS], out = sc_new(x, SC_F32, SC_DIMS(FRAMES, s->h, s->w, s->c->outputs));

    for (int k = 0; k < s->c->inputs; k++) {
        in[k] = sc_new(x, SC_F32, SC_DIMS(FRAMES, s->h, s->w, s->c->channels[k]));
        for (int i = 0; i < FRAMES && got; i++)
            sc_upload(x, sc_slice(in[k], 0, i, 1), s->in[k]);
    }
    if (s->c->inputs == 1)
        sc_quick_depth(x, out, s->q, in[0]);
    else
        sc_quick_fill(x, out, s->q, in[0], in[1], in[2]);
    if (got)
        sc_download(x, got, out);
    sc_pop(x, m);
}

static void measure(sc_exec *x, void *arg)
{
    forward(x, arg, NULL);
}

static bool run_sample(sc_exec *x, const sample *s, double unit)
{
    const int64_t n = (int64_t)s->h * s->w * s->c->outputs;
    const double limit = fmax(0.5 * unit * unit, 0.25 * s->c->sums * 0x1p-48);
    float *got = malloc(FRAMES * n * sizeof(float));
    double error = 0, power = 0, worst = 0, rms;

    forward(x, s, got);
    if (sc_exec_wait(x) < 0) {
        free(got);
        return false;
    }
    for (int64_t i = 0; i < n; i++)
        power += (double)s->want[i] * s->want[i];
    rms = sqrt(power / (double)n);
    for (int64_t i = 0; i < FRAMES * n; i++) {
        const double want = s->want[i % n], e = got[i] - want;
        error += e * e / FRAMES;
        worst = fmax(worst, fabs(e) / fmax(fabs(want), rms));
    }
    free(got);
    printf("quick %s %dx%d: nmse %.2e of %.2e, worst %.2e of %.2e\n", s->c->name, s->w, s->h, error / power,
           limit, worst, 6 * sqrt(limit));
    return error <= limit * power && worst <= 6 * sqrt(limit);
}

static int open_toy(sc_quick **q, sc_exec *x, const char *folder)
{
    char path[1024];
    sc_loader *ld = NULL;
    int ret;

    snprintf(path, sizeof(path), "%s/quick/fill.safetensors", folder);
    if ((ret = sc_loader_open(&ld, path, NULL, x, SC_F32, x->log)) < 0)
        return ret;
    return sc_quick_open(q, &ld, x);
}

void golden_quick(sc_exec *x, golden_tally *t, const char *folder)
{
    sc_quick *depth = NULL, *fill = NULL;

    if (sc_quick_open_builtin(&depth, "depth", x, SC_F32) < 0 || open_toy(&fill, x, folder) < 0)
        t->failed++;
    for (int i = 0; i < SC_COUNT(cases) && depth && fill; i++) {
        sample s = { .c = &cases[i], .q = cases[i].inputs == 1 ? depth : fill };
        bool ok = read_sample(&s, folder);

        ok = ok && sc_exec_reserve(x, sc_measure(x, measure, &s, NULL)) >= 0;
        ok = ok && run_sample(x, &s, 0x1p-24);
        printf("%s quick %s\n", ok ? "ok" : "FAILED", cases[i].name);
        t->passed += ok;
        t->failed += !ok;
        free_sample(&s);
    }
    sc_quick_close(&depth, x->dev);
    sc_quick_close(&fill, x->dev);
}
