/* What the parts of --bench share. */
#ifndef SC_BENCH_RUN_H
#define SC_BENCH_RUN_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "ops.h"
#include "precision.h"

enum { SC_BENCH_RUNS = 20 };

typedef struct sc_bench_times {
    double seconds[SC_BENCH_RUNS]; /* in order of size */
    int runs;
    sc_stats stats; /* of one run */
} sc_bench_times;

/* Times run(x, arg) after running it until nothing is new (plans, caches, recordings): SC_BENCH_RUNS times,
 * fewer once that has taken some seconds. The arena is left as found. */
int sc_bench_time(sc_exec *x, void (*run)(sc_exec *x, void *arg), void *arg, sc_bench_times *t);

/* 0 <= q <= 1 of the times; 0.5 is the median. */
double sc_bench_quantile(const sc_bench_times *t, double q);

/* Adds median_ms, p10_ms, p90_ms, runs, tflops, launches, bytes_up and bytes_down to a row. */
void sc_bench_row(cJSON *row, const sc_bench_times *t);

/* The device s->device in one precision; 1 if it does not have it. Close it either way. */
int sc_bench_open(sc_exec *x, sc_device **dev, sc_precision *p, const sc_settings *s, const char *precision);
void sc_bench_close(sc_exec *x, sc_device **dev);

/* The VAE of s->vae in one precision, there and back, whole and in tiles, a table row and an object in `rows`
 * each; 1 if the device does not have it. *ref is for the caller to free, NULL for the first precision. */
int sc_bench_vae(FILE *f, cJSON *rows, const sc_settings *s, const char *precision, float **ref);

/* Ops with the shapes that the published networks have, of type x->act, called `precision`, and those that a
 * film of 1920x1080 has if `pictures`, f32 whatever networks are; far smaller ones on a device that is not
 * large. With `weight` E4M3 only layers that networks then have so, their input rounded before, as by a norm.
 * One table row and one object in `rows` each. */
int sc_bench_ops(FILE *f, cJSON *rows, sc_exec *x, const char *precision, sc_dtype weight, bool pictures);

/* The chain that converts s->input, without an encoder, in one precision: a line, and an object in `rows`. */
int sc_bench_chain(FILE *f, cJSON *rows, const sc_settings *s, const char *precision);
/* The same, recorded in a folder of the precision's name below s->dump, and compared with the one `with`
 * there. */
int sc_bench_recorded(FILE *f, cJSON *rows, const sc_settings *s, const char *precision, const char *with);

#endif
