/* Weights that stay in host memory and visit the device when they are due.
 *
 * A tape holds the layers' weights of one network in host memory, in pages, in the order in which they were
 * loaded; load functions mirror forward functions, so a forward plays it from begin to end, and then again. A
 * pager is a ring of device memory, shared by the tapes of one exec, into which the pages ahead of the one in
 * use are copied while the device computes. Each page has its one place in the ring, so a layer's address
 * never changes. The order is a forecast, not a promise: a page that is asked for and not there is waited
 * for. */
#ifndef SC_PAGER_H
#define SC_PAGER_H

#include "ops.h"

typedef struct sc_pager sc_pager;
typedef struct sc_tape sc_tape;

/* Takes `bytes` of device memory for the ring. -ENOMEM is not logged: a smaller one may do. */
int sc_pager_open(sc_pager **p, sc_device *dev, size_t bytes);
void sc_pager_close(sc_pager **p); /* its tapes are closed */

typedef struct sc_pager_counts {
    int64_t pages, bytes; /* copied to the device */
    int64_t late;         /* pages that were asked for before they were on their way */
} sc_pager_counts;
sc_pager_counts sc_pager_get_counts(const sc_pager *p);

/* Building a tape: add every tensor, then alloc, then store each at the place that add gave it. */
int sc_tape_open(sc_tape **t, sc_pager *p);
void sc_tape_close(sc_tape **t);
/* Appends a tensor of `bytes`. *page is what sc_param.far has to say, *offset its place in the page. -ENOMEM
 * if the ring cannot hold it, or without host memory for the list. */
int sc_tape_add(sc_tape *t, size_t bytes, int *page, size_t *offset);
int sc_tape_alloc(sc_tape *t);
/* Where a tensor is on the device whenever sc_pager_need() has been called for its page, and in host memory.
 */
void *sc_tape_device(const sc_tape *t, int page, size_t offset);
void *sc_tape_host(const sc_tape *t, int page, size_t offset);

/* Called by the front-end before an op that reads p->w, whose p->far.tape is set: what is issued on x from
 * now on until the next call finds the weights in place. */
void sc_pager_need(sc_exec *x, const sc_param *p);

#endif
