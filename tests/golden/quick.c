/* The built-in depth network against PyTorch in float64 (scripts/make_golden_quick.py). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../src/nets/quick.h"
#include "golden.h"

/* Sums of the longest path through the network, added up: rounding errors of layers are independent, so their
 * squares add as those of one long sum do. Per level: residual blocks of 2 x 9 C, the first of a decoder
 * level 9 (2 C) + 9 C; middle: 4 x (2 x 9 C + qkv, 240 keys, out, fc1 and fc2 of C, C, C and 4 C). */
enum {
    SUMS = 9 * 5 + 9 * 32 * 2 + 9 * 32 + 9 * 64 * 4 + 9 * 64 + 9 * 128 * 6 + 9 * 128 +
           4 * (9 * 192 * 2 + 7 * 192 + 240) + 192 + 9 * 128 * 5 + 128 + 9 * 64 * 5 + 64 + 9 * 32 * 3 +
           9 * 32 * 2
};

typedef struct sample {
    int h, w;
    float *rgb, *disp;
} sample;

static bool read_sample(sample *s, const char *folder, const char *name)
{
    char path[1024];
    FILE *f;
    bool ok = false;

    snprintf(path, sizeof(path), "%s/quick/%s.bin", folder, name);
    if (!(f = fopen(path, "rb")))
        return false;
    if (fread(&s->h, sizeof(int), 1, f) == 1 && fread(&s->w, sizeof(int), 1, f) == 1) {
        const size_t n = (size_t)s->h * s->w;

        s->rgb = malloc(3 * n * sizeof(float));
        s->disp = malloc(n * sizeof(float));
        for (size_t i = 0; i < 3 * n; i++)
            s->rgb[i] = (float)fgetc(f) / 255;
        ok = fread(s->disp, sizeof(float), n, f) == n;
    }
    fclose(f);
    return ok;
}

/* Both frames of a batch of two must come out alike; the first as the sample says. */
static bool run_sample(sc_exec *x, const sc_quick *q, const sample *s, double unit)
{
    const int64_t n = (int64_t)s->h * s->w;
    const double limit = fmax(0.5 * unit * unit, 0.25 * SUMS * 0x1p-48);
    float *got = malloc(2 * n * sizeof(float));
    double error = 0, power = 0, worst = 0, rms;
    const sc_mark m = sc_push(x);
    sc_tensor images = sc_new(x, SC_F32, SC_DIMS(2, s->h, s->w, 3));
    sc_tensor disp = sc_new(x, SC_F32, SC_DIMS(2, s->h, s->w, 1));

    for (int i = 0; i < 2; i++)
        sc_upload(x, sc_slice(images, 0, i, 1), s->rgb);
    sc_quick_forward(x, disp, q, images);
    sc_download(x, got, disp);
    sc_pop(x, m);
    if (sc_exec_wait(x) < 0) {
        free(got);
        return false;
    }
    for (int64_t i = 0; i < n; i++)
        power += (double)s->disp[i] * s->disp[i];
    rms = sqrt(power / (double)n);
    for (int64_t i = 0; i < 2 * n; i++) {
        const double want = s->disp[i % n], e = got[i] - want;
        error += e * e / 2;
        worst = fmax(worst, fabs(e) / fmax(fabs(want), rms));
    }
    free(got);
    printf("quick %dx%d: nmse %.2e of %.2e, worst %.2e of %.2e\n", s->w, s->h, error / power, limit, worst,
           6 * sqrt(limit));
    return error <= limit * power && worst <= 6 * sqrt(limit);
}

typedef struct forward {
    const sc_quick *q;
    int h, w;
} forward;

static void measure(sc_exec *x, void *arg)
{
    const forward *f = arg;

    sc_quick_forward(x, sc_new(x, SC_F32, SC_DIMS(2, f->h, f->w, 1)), f->q,
                     sc_new(x, SC_F32, SC_DIMS(2, f->h, f->w, 3)));
}

void golden_quick(sc_exec *x, golden_tally *t, const char *folder)
{
    static const char *const names[] = { "landscape", "portrait" };
    sc_quick *q = NULL;

    if (sc_quick_open(&q, x, SC_F32, x->log) < 0) {
        t->failed++;
        return;
    }
    for (int i = 0; i < SC_COUNT(names); i++) {
        sample s = { 0 };
        bool ok = read_sample(&s, folder, names[i]);

        ok = ok && sc_exec_reserve(x, sc_measure(x, measure, &(forward){ q, s.h, s.w }, NULL)) >= 0;
        ok = ok && run_sample(x, q, &s, 0x1p-24);
        printf("%s quick %s\n", ok ? "ok" : "FAILED", names[i]);
        t->passed += ok;
        t->failed += !ok;
        free(s.rgb);
        free(s.disp);
    }
    sc_quick_close(&q, x->dev);
}
