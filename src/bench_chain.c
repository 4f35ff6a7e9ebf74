/* The chain that converts a film, in one precision: how long it takes, and how far it is from another one's.
 */
#include <math.h>
#include <string.h>

#include "bench_run.h"
#include "weights/safetensors.h"

static void keep_progress(void *opaque, const sc_progress *p)
{
    *(sc_progress *)opaque = *p;
}

int sc_bench_chain(FILE *f, cJSON *rows, const sc_settings *from, const char *precision)
{
    sc_converter *c = NULL;
    sc_settings s = *from;
    sc_progress p = { 0 };
    int ret;

    s.output[0].format = SC_FORMAT_NULL;
    s.report = NULL; /* the benchmark's own; a film's would be measured as well */
    s.precision = precision;
    s.progress = keep_progress;
    s.progress_opaque = &p;
    SC_TRY(sc_open(&c, &s));
    SC_TRY(sc_run(c));
    if (p.seconds > 0) {
        cJSON *row = cJSON_CreateObject(), *stages = cJSON_AddObjectToObject(row, "share");

        cJSON_AddStringToObject(row, "precision", precision);
        cJSON_AddNumberToObject(row, "frames", (double)p.frame);
        cJSON_AddNumberToObject(row, "fps", (double)p.frame / p.seconds);
        fprintf(f, "chain, %s: %.2f frames a second over %lld frames:", precision,
                (double)p.frame / p.seconds, (long long)p.frame);
        for (int i = 0; i < SC_COUNT(p.share) && p.stage_name[i]; i++) {
            fprintf(f, " %s %.0f%%", p.stage_name[i], 100 * p.share[i]);
            cJSON_AddNumberToObject(stages, p.stage_name[i], p.share[i]);
        }
        fputc('\n', f);
        cJSON_AddItemToArray(rows, row);
    }
fail:
    sc_close(&c);
    return ret;
}

/* ---- precision */

typedef struct sums { /* of numbers a and those of the reference, b */
    double n, a, b, aa, bb, ab, error;
} sums;

static void add(sums *s, const sc_st_tensor *a, const sc_st_tensor *b)
{
    const size_t n = SC_MIN(a->bytes, b->bytes) / sizeof(float);

    for (size_t i = 0; i < n; i++) {
        float u, v;

        memcpy(&u, a->data + i * sizeof(u), sizeof(u));
        memcpy(&v, b->data + i * sizeof(v), sizeof(v));
        s->a += (double)u;
        s->b += (double)v;
        s->aa += (double)u * (double)u;
        s->bb += (double)v * (double)v;
        s->ab += (double)u * (double)v;
        s->error += ((double)u - (double)v) * ((double)u - (double)v);
    }
    s->n += (double)n;
}

/* All frames of a stage that both runs have recorded. */
static sums compare(const char *folder, const char *of, const char *with, const char *stage)
{
    const char *const run[2] = { of, with };
    sums s = { 0 };

    for (int frame = 0, found = 2; found == 2; frame++) {
        sc_st_file file[2] = { { 0 } };
        char path[4096];

        for (found = 0; found < 2; found++) {
            snprintf(path, sizeof(path), "%s/%s/%s.%06d.safetensors", folder, run[found], stage, frame);
            if (sc_st_open(&file[found], path, NULL) < 0)
                break;
        }
        if (found == 2)
            add(&s, &file[0].tensor[0], &file[1].tensor[0]);
        for (int i = 0; i < found; i++)
            sc_st_close(&file[i]);
    }
    return s;
}

int sc_bench_recorded(FILE *f, cJSON *rows, const sc_settings *from, const char *precision, const char *with)
{
    sc_settings s = *from;
    char folder[4096];
    int ret;

    snprintf(folder, sizeof(folder), "%s/%s", from->dump, precision);
    s.dump = folder;
    SC_TRY(sc_bench_chain(f, rows, &s, precision));
    const sums d = compare(from->dump, precision, with, "depth.final");
    const sums p = compare(from->dump, precision, with, "inpaint.frame");
    const double spread = sqrt((d.aa - d.a * d.a / d.n) * (d.bb - d.b * d.b / d.n));
    const double correlation = (d.ab - d.a * d.b / d.n) / spread, psnr = 10 * log10(p.n / p.error);
    cJSON *row = cJSON_GetArrayItem(rows, cJSON_GetArraySize(rows) - 1);

    fprintf(f, "precision, %s against %s: correlation of depth %.6f, frames %.1f dB\n", precision, with,
            correlation, psnr);
    fflush(f);
    cJSON_AddNumberToObject(row, "depth_correlation", correlation);
    if (p.error > 0) /* infinity is no number of JSON's */
        cJSON_AddNumberToObject(row, "frames_psnr_db", psnr);
fail:
    return ret;
}
