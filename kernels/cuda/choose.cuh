/* Choosing the fastest of several ways to do one call, by trying them once per case and machine. */
#ifndef SC_CHOOSE_CUH
#define SC_CHOOSE_CUH

#include "common.cuh"

/* Host seconds after which no further way is tried: some hundred cases of a network shall cost seconds. */
static const double sc_choose_patience = 0.15;

/* Milliseconds of the fastest of a few calls of run(), which returns 0 where it worked; negative if it did
 * not. Gives up after the first where that is hopeless against `best`. */
template <typename F> static float sc_cuda_time(sc_cuda *c, float best, F run)
{
    float least = -1, ms;

    if (run()) /* loads code */
        return -1;
    for (int i = 0; i < 5 && i * least < 3; i++) { /* a few, or 3 ms of them */
        if (cudaEventRecord(c->timer[0], c->stream) || run() || cudaEventRecord(c->timer[1], c->stream) ||
            cudaEventSynchronize(c->timer[1]) || cudaEventElapsedTime(&ms, c->timer[0], c->timer[1])) {
            cudaGetLastError(); /* a way that does not work is not taken: no failure of the op */
            return -1;
        }
        least = least < 0 ? ms : SC_MIN(least, ms);
        if (best >= 0 && least > 1.5f * best)
            break;
    }
    return least;
}

/* Which of n ways to take: what was kept for this case (see choices.h), else the fastest of run(0), ...,
 * run(n - 1), which is kept. Each may run many times. Where nothing can be kept, 0: the same in every run. */
template <typename F>
static int sc_cuda_choose(sc_exec *x, const char *family, const int64_t *key, int keys, int n, F run)
{
    sc_cuda *c = sc_cuda_of(x);
    int best = sc_choices_find(c->choices, family, key, keys);
    float first = -1, least = -1;

    if (best >= 0 || n < 2 || c->recording || !sc_choices_lock(c->choices))
        return best >= 0 && best < n ? best : 0;
    best = sc_choices_find(c->choices, family, key, keys);
    if (best < 0) {
        const double begin = sc_now();
        for (int i = 0; i < n && (i < 2 || sc_now() < begin + sc_choose_patience); i++) {
            const float ms = sc_cuda_time(c, least, [&] { return run(i); });
            /* 2 %: what two timings of the same differ by. */
            if (ms >= 0 && (least < 0 || ms < 0.98f * least)) {
                least = ms;
                best = i;
            }
            first = i ? first : ms;
        }
        best = SC_MAX(best, 0);
        sc_choices_set(c->choices, family, key, keys, best);
        sc_log(x->log, SC_LOG_DEBUG, x->dev->name, "%s: way %d of %d takes %.3f ms, the first %.3f ms",
               family, best, n, least, first);
    }
    sc_choices_unlock(c->choices);
    return best < n ? best : 0;
}

/* Somewhere else to write while ways are tried, for an op whose result lies where it reads: the arena's free
 * end, or memory of its own. NULL if there is neither. */
static inline void *sc_cuda_spare(const sc_exec *x, size_t bytes)
{
    void *p = NULL;

    if (x->base && bytes <= x->size - x->used)
        return x->base + x->used;
    if (cudaMalloc(&p, bytes) != cudaSuccess)
        cudaGetLastError();
    return p;
}

static inline void sc_cuda_spare_free(const sc_exec *x, void *p)
{
    if (p && p != x->base + x->used)
        cudaFree(p);
}

#endif
