/* The same work again as one CUDA graph: hundreds of launches cost the host one, and the GPU no gaps.
 *
 * A body runs as it is the first time, when kernels are loaded and plans are made; it is recorded the second
 * time and repeated from then on. A recording holds addresses: that of the arena is part of what it is known
 * by, and what else it reads is weights, so memory that is freed ends all recordings. */
#include <stdlib.h>
#include <string.h>

#include "common.cuh"

enum { MAX_RECORDINGS = 8 }; /* a depth and an inpainting network, windows of full length and rests */

/* All that the work depends on; int64_t throughout, so that it compares as bytes. */
typedef struct body_key {
    int64_t net, shape[SC_COUNT(((sc_replay *)0)->shape)], base, used, act;
} body_key;

typedef struct recording {
    body_key key;
    cudaGraphExec_t graph; /* NULL: not recorded */
    bool failed;           /* do not try again */
    sc_stats stats;        /* of the body */
    int64_t last;          /* use */
} recording;

struct sc_recordings {
    recording list[MAX_RECORDINGS], *current; /* current: being recorded */
    int count;
    int64_t uses;
    const sc_logger *log; /* of the exec, put aside while recording */
};

int sc_recordings_open(struct sc_recordings **r)
{
    *r = (struct sc_recordings *)calloc(1, sizeof(**r));
    return *r ? 0 : -ENOMEM;
}

void sc_recordings_forget(struct sc_recordings *r)
{
    for (int i = 0; r && i < r->count; i++)
        if (r->list[i].graph)
            cudaGraphExecDestroy(r->list[i].graph);
    if (r)
        r->count = 0;
}

void sc_recordings_close(struct sc_recordings **r)
{
    sc_recordings_forget(*r);
    free(*r);
    *r = NULL;
}

/* The recording of this work, or a new one in the place of the one that was longest out of use. *known: it
 * has been seen before. */
static recording *find(struct sc_recordings *r, const body_key *key, bool *known)
{
    recording *oldest = r->list;

    *known = true;
    for (int i = 0; i < r->count; i++) {
        if (!memcmp(&r->list[i].key, key, sizeof(*key)))
            return &r->list[i];
        if (r->list[i].last < oldest->last)
            oldest = &r->list[i];
    }
    *known = false;
    if (r->count < MAX_RECORDINGS)
        oldest = &r->list[r->count++];
    else if (oldest->graph)
        cudaGraphExecDestroy(oldest->graph);
    *oldest = (recording){ .key = *key };
    return oldest;
}

static void count(sc_stats *s, const sc_stats *more, int sign)
{
    s->launches += sign * more->launches;
    s->flops += sign * more->flops;
    s->bytes_up += sign * more->bytes_up;
    s->bytes_down += sign * more->bytes_down;
}

extern "C" sc_replay_way sc_cuda_replay(sc_exec *x, const sc_replay *body)
{
    sc_cuda *c = sc_cuda_of(x);
    struct sc_recordings *all = c->recordings;
    body_key key = {
        .net = (int64_t)body->net, .base = (int64_t)x->base, .used = (int64_t)x->used, .act = x->act
    };
    bool known;

    memcpy(key.shape, body->shape, sizeof(key.shape));
    recording *r = find(all, &key, &known);
    r->last = ++all->uses;
    if (r->graph) {
        sc_cuda_check(x, cudaGraphLaunch(r->graph, c->stream), "replay");
        count(&x->stats, &r->stats, 1);
        return SC_REPLAY_DONE;
    }
    /* Thread-local: what other threads do with the GPU meanwhile is no part of it and not forbidden. */
    if (!known || r->failed ||
        cudaStreamBeginCapture(c->stream, cudaStreamCaptureModeThreadLocal) != cudaSuccess)
        return SC_REPLAY_RUN;
    all->current = r;
    all->log = x->log;
    x->log = NULL;
    r->stats = x->stats;
    c->recording = true;
    return SC_REPLAY_RECORD;
}

extern "C" bool sc_cuda_record_end(sc_exec *x)
{
    sc_cuda *c = sc_cuda_of(x);
    recording *r = c->recordings->current;
    const sc_stats before = r->stats;
    cudaGraph_t graph = NULL;
    cudaError_t e = cudaStreamEndCapture(c->stream, &graph);

    c->recording = false;
    x->log = c->recordings->log;
    r->stats = x->stats;
    count(&r->stats, &before, -1);
    if (!e && !x->err)
        e = cudaGraphInstantiate(&r->graph, graph, 0);
    if (graph)
        cudaGraphDestroy(graph);
    if (!e && !x->err)
        sc_log(x->log, SC_LOG_DEBUG, x->dev->name, "%lld ops of a network recorded, to be repeated as one",
               (long long)r->stats.launches);
    if (!e && !x->err)
        return !sc_cuda_check(x, cudaGraphLaunch(r->graph, c->stream), "replay");
    sc_log(x->log, SC_LOG_DEBUG, x->dev->name, "work of a network cannot be recorded: %s",
           e ? cudaGetErrorString(e) : sc_strerror(x->err));
    cudaGetLastError();
    r->failed = true;
    x->err = 0;
    x->stats = before;
    return false;
}
