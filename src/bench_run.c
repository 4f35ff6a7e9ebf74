#include "bench_run.h"

#include <stdlib.h>

enum { WARM = 3 };                /* as it is, recorded, repeated: see sc_replay */
static const double patience = 5; /* seconds */
/* A run that is shorter than this, in seconds, is enqueued behind another: else the device, idle, would wait
 * for the host's launch in the midst of the timed interval, as it does not within a network. */
static const double brief = 0.01;

static int by_size(const void *a, const void *b)
{
    const double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

int sc_bench_time(sc_exec *x, void (*run)(sc_exec *x, void *arg), void *arg, sc_bench_times *t)
{
    const double begin = sc_now();
    int ret;

    for (int i = 0; i < WARM && (!i || sc_now() < begin + patience / 2); i++) {
        run(x, arg);
        SC_TRY(sc_exec_wait(x));
    }
    bool behind = false;
    const double start = sc_now();
    for (t->runs = 0; t->runs < SC_BENCH_RUNS && (!t->runs || sc_now() < start + patience); t->runs++) {
        if (behind)
            run(x, arg);
        x->stats = (sc_stats){ 0 };
        sc_timer_start(x);
        run(x, arg);
        t->seconds[t->runs] = sc_timer_stop(x);
        SC_TRY(sc_exec_wait(x));
        behind = x->dev->large && t->seconds[t->runs] < brief;
        t->stats = x->stats;
    }
    qsort(t->seconds, (size_t)t->runs, sizeof(*t->seconds), by_size);
    ret = 0;
fail:
    return ret;
}

double sc_bench_quantile(const sc_bench_times *t, double q)
{
    return t->seconds[(int)(q * (t->runs - 1) + 0.5)];
}

void sc_bench_row(cJSON *row, const sc_bench_times *t)
{
    const double median = sc_bench_quantile(t, 0.5);

    cJSON_AddNumberToObject(row, "median_ms", 1e3 * median);
    cJSON_AddNumberToObject(row, "p10_ms", 1e3 * sc_bench_quantile(t, 0.1));
    cJSON_AddNumberToObject(row, "p90_ms", 1e3 * sc_bench_quantile(t, 0.9));
    cJSON_AddNumberToObject(row, "runs", t->runs);
    cJSON_AddNumberToObject(row, "tflops", 1e-12 * (double)t->stats.flops / median);
    cJSON_AddNumberToObject(row, "ops", (double)t->stats.launches);
    cJSON_AddNumberToObject(row, "bytes_up", (double)t->stats.bytes_up);
    cJSON_AddNumberToObject(row, "bytes_down", (double)t->stats.bytes_down);
}
