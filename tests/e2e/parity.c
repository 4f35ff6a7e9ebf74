/* parity EXPECTED FOLDER MOST PREFIX...: tensors of EXPECTED whose names begin with a PREFIX against those
 * that --dump put into FOLDER. A line for each stage; the last one counts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/weights/safetensors.h"

/* What a stage may be off by. Where pixels land is the same arithmetic in both programs: the largest
 * difference, of pictures in 0..1. All else: |got - want| / |want|, MOST. */
static const struct limit {
    const char *prefix;
    bool absolute;
    double most;
} limits[] = { { "splat.", true, 1e-6 }, { "inpaint.mask.", true, 0 }, { "", false, 0 } };

typedef struct stage {
    char name[64];
    const struct limit *limit;
    int tensors;
    double error; /* the worst */
} stage;

static void say(void *opaque, int level, const char *from, const char *line)
{
    (void)opaque, (void)level;
    fprintf(stderr, "%s: %s\n", from, line);
}

static const sc_logger logger = { .write = say, .level = SC_LOG_WARNING };

static float number(const sc_st_tensor *t, size_t i)
{
    float v;

    memcpy(&v, t->data + i * sizeof(v), sizeof(v));
    return v;
}

/* want may have but every n-th row of a picture [..,H,W,C]. Infinite where the shapes do not fit. */
static double error_of(const sc_st_tensor *want, const sc_st_tensor *got, bool absolute)
{
    const int row = want->ndim - 3;
    const int64_t rows = row < 0 ? 1 : want->dim[row], of = row < 0 ? 1 : got->dim[row],
                  every = (of + rows - 1) / rows;
    size_t n = want->bytes / sizeof(float), line;
    double e = 0, sum = 0, most = 0;

    if (want->ndim != got->ndim || want->dtype != SC_F32 || got->dtype != SC_F32 ||
        (of + every - 1) / every != rows)
        return INFINITY;
    for (int i = 0; i < want->ndim; i++)
        if (i != row && want->dim[i] != got->dim[i])
            return INFINITY;
    line = row < 0 ? n : (size_t)(want->dim[row + 1] * want->dim[row + 2]);
    for (size_t i = 0; i < n; i++) {
        const size_t r = i / line,
                     at = (r / (size_t)rows * (size_t)of + r % (size_t)rows * (size_t)every) * line;
        const double w = (double)number(want, i), d = fabs((double)number(got, at + i % line) - w);

        e += d * d;
        sum += w * w;
        most = d <= most ? most : d; /* what is no number counts */
    }
    return absolute ? most : e > 0 ? sqrt(e / sum) : e;
}

static double compare(const sc_st_tensor *want, const char *folder, bool absolute)
{
    sc_st_file f = { 0 };
    char path[1024];
    double error = INFINITY;

    snprintf(path, sizeof(path), "%s/%s.safetensors", folder, want->name);
    if (sc_st_open(&f, path, &logger) >= 0) {
        if (f.count == 1 && !strcmp(f.tensor[0].name, want->name))
            error = error_of(want, &f.tensor[0], absolute);
        sc_st_close(&f);
    }
    return error;
}

/* "inpaint.step1.000000.0.128" belongs to inpaint.step1. */
static stage *stage_of(stage *all, int *count, const char *name)
{
    size_t n = 0;
    int i = 0;

    while (name[n] && !(name[n] == '.' && name[n + 1] >= '0' && name[n + 1] <= '9'))
        n++;
    while (i < *count && (strlen(all[i].name) != n || memcmp(all[i].name, name, n)))
        i++;
    if (i == *count) {
        all[i] = (stage){ .limit = limits };
        snprintf(all[i].name, sizeof(all[i].name), "%.*s", (int)n, name);
        while (strncmp(name, all[i].limit->prefix, strlen(all[i].limit->prefix)))
            all[i].limit++;
        ++*count;
    }
    return &all[i];
}

int main(int argc, char **argv)
{
    sc_st_file expected = { 0 };
    stage stages[256];
    int count = 0, passed = 0;

    if (argc < 5) {
        fprintf(stderr, "parity EXPECTED FOLDER MOST PREFIX...\n");
        return 1;
    }
    const double relative = strtod(argv[3], NULL);
    if (sc_st_open(&expected, argv[1], &logger) < 0)
        return 1;
    for (size_t i = 0; i < expected.count && count < SC_COUNT(stages); i++) {
        const sc_st_tensor *t = &expected.tensor[i];
        int k = 4;

        while (k < argc && strncmp(t->name, argv[k], strlen(argv[k])))
            k++;
        if (k == argc)
            continue;
        stage *s = stage_of(stages, &count, t->name);
        s->error = fmax(s->error, compare(t, argv[2], s->limit->absolute));
        s->tensors++;
    }
    for (int i = 0; i < count; i++) {
        const stage *s = &stages[i];
        const double most = s->limit->absolute ? s->limit->most : relative;
        const bool ok = s->error <= most;

        printf("%-4s %-18s %4d tensors, %s %.2e, at most %.0e\n", ok ? "ok" : "FAIL", s->name, s->tensors,
               s->limit->absolute ? "largest error " : "relative error", s->error, most);
        passed += ok;
    }
    sc_st_close(&expected);
    printf("%d passed, %d failed\n", passed, count - passed);
    return !passed || passed < count;
}
