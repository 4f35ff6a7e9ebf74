#include "queue.h"

#include <pthread.h>
#include <stdlib.h>

struct sc_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* one for both sides: there are only two threads */
    void (*drop)(void *item);
    int status; /* 0 until finished */
    int capacity, first, count;
    void *item[];
};

int sc_queue_open(sc_queue **out, int capacity, void (*drop)(void *item))
{
    sc_queue *q = calloc(1, sizeof(*q) + (size_t)capacity * sizeof(q->item[0]));
    if (!q)
        return -ENOMEM;
    q->capacity = capacity;
    q->drop = drop;
    if (pthread_mutex_init(&q->lock, NULL)) {
        free(q);
        return -ENOMEM;
    }
    if (pthread_cond_init(&q->changed, NULL)) {
        pthread_mutex_destroy(&q->lock);
        free(q);
        return -ENOMEM;
    }
    *out = q;
    return 0;
}

static void *take(sc_queue *q)
{
    void *item = q->item[q->first];
    q->first = (q->first + 1) % q->capacity;
    q->count--;
    return item;
}

void sc_queue_close(sc_queue **p)
{
    sc_queue *q = *p;
    if (!q)
        return;
    while (q->count)
        q->drop(take(q));
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    free(q);
    *p = NULL;
}

int sc_queue_send(sc_queue *q, void *item)
{
    pthread_mutex_lock(&q->lock);
    while (!q->status && q->count == q->capacity)
        pthread_cond_wait(&q->changed, &q->lock);
    const int ret = q->status;
    if (!ret) {
        q->item[(q->first + q->count) % q->capacity] = item;
        q->count++;
        pthread_cond_broadcast(&q->changed);
    }
    pthread_mutex_unlock(&q->lock);
    return ret;
}

int sc_queue_recv(sc_queue *q, void **item)
{
    int ret = 0;
    pthread_mutex_lock(&q->lock);
    while (!q->status && !q->count)
        pthread_cond_wait(&q->changed, &q->lock);
    if (q->count) { /* a finish with an error has emptied the queue */
        *item = take(q);
        pthread_cond_broadcast(&q->changed);
    } else {
        ret = q->status;
    }
    pthread_mutex_unlock(&q->lock);
    return ret;
}

void sc_queue_finish(sc_queue *q, int code)
{
    pthread_mutex_lock(&q->lock);
    if (!q->status || q->status == SC_EOF)
        q->status = code;
    while (q->status != SC_EOF && q->count)
        q->drop(take(q));
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}
