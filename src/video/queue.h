/* A bounded first-in-first-out of pointers between two threads. */
#ifndef SC_QUEUE_H
#define SC_QUEUE_H

#include "../base.h"

typedef struct sc_queue sc_queue;

/* drop frees an item that nobody will receive. */
int sc_queue_open(sc_queue **q, int capacity, void (*drop)(void *item));
void sc_queue_close(sc_queue **q); /* drops what is left; no thread may still use it */

/* Waits for room. Takes the item on success; after a finish returns its code (SC_EOF or an error) and the
 * item stays the caller's. */
int sc_queue_send(sc_queue *q, void *item);
/* Waits for an item; after a finish: items sent before an SC_EOF are still received, then the code. */
int sc_queue_recv(sc_queue *q, void **item);
/* SC_EOF drains, anything else drops. Either side may call it; the first code wins, except that an error
 * overrides SC_EOF. */
void sc_queue_finish(sc_queue *q, int code);

#endif
