#include "pager.h"

#include <assert.h>
#include <stdlib.h>

/* What sc_new() gives too: vector loads and cuDNN want aligned weights. */
#define ALIGN ((size_t)256)
/* Tensors are gathered to pages of at least this: a copy costs some 10 us beside its bytes, which 4 MiB take
 * 80 of on PCIe 5, and the first of a tape, which nothing hides, should not be long. */
#define PAGE ((size_t)4 << 20)

enum { FAR_BACK = 8 }; /* pages: a step back of up to this is a loop over a few layers, and will come again */

typedef struct page {
    size_t host, ring, bytes; /* offsets in the tape's and the pager's memory */
} page;

struct sc_tape {
    sc_pager *pager;
    page *page;
    int pages, capacity;
    size_t size;
    char *host;
    int behind; /* pages before the one in use that are still wanted */
};

/* Positions count pages played since the pager was opened, over all tapes: position k holds page k % pages.
 */
struct sc_pager {
    sc_device *dev;
    char *ring;
    size_t size;
    sc_tape *tape; /* that positions begin .. end - 1, copied or on their way, are of */
    int64_t begin, end;
    int64_t now, awaited; /* the position in use; the last that computing waits for */
    sc_pager_counts counts;
};

int sc_pager_open(sc_pager **out, sc_device *dev, size_t bytes)
{
    sc_pager *p = calloc(1, sizeof(*p));
    void *ring = NULL;
    int ret;

    if (!p)
        return -ENOMEM;
    p->dev = dev;
    p->size = bytes;
    p->awaited = -1;
    SC_TRY(dev->ops->alloc(dev, &ring, bytes));
    p->ring = ring;
    *out = p;
    return 0;
fail:
    free(p);
    return ret;
}

void sc_pager_close(sc_pager **p)
{
    if (*p)
        (*p)->dev->ops->free((*p)->dev, (*p)->ring);
    free(*p);
    *p = NULL;
}

sc_pager_counts sc_pager_get_counts(const sc_pager *p)
{
    return p->counts;
}

int sc_tape_open(sc_tape **out, sc_pager *p)
{
    if (!(*out = calloc(1, sizeof(**out))))
        return -ENOMEM;
    (*out)->pager = p;
    return 0;
}

void sc_tape_close(sc_tape **tp)
{
    sc_tape *t = *tp;

    if (!t)
        return;
    if (t->pager->tape == t)
        t->pager->tape = NULL;
    if (t->host)
        t->pager->dev->ops->host_free(t->pager->dev, t->host);
    free(t->page);
    free(t);
    *tp = NULL;
}

/* A page's tensors lie together, so where the rest of the ring is too short for the next, the page ends. */
static int new_page(sc_tape *t, size_t bytes)
{
    const page *last = t->pages ? &t->page[t->pages - 1] : NULL;
    const size_t ring = last ? last->ring + last->bytes : 0;

    if (t->pages == t->capacity) {
        const int more = t->capacity ? 2 * t->capacity : 64;
        page *p = realloc(t->page, (size_t)more * sizeof(*p));
        if (!p)
            return -ENOMEM;
        t->page = p;
        t->capacity = more;
    }
    t->page[t->pages++] = (page){ .host = t->size, .ring = ring + bytes <= t->pager->size ? ring : 0 };
    return 0;
}

int sc_tape_add(sc_tape *t, size_t bytes, int *page_index, size_t *offset)
{
    const size_t padded = (bytes + ALIGN - 1) & ~(ALIGN - 1);
    const page *last = t->pages ? &t->page[t->pages - 1] : NULL;
    int ret;

    if (padded > t->pager->size)
        return -ENOMEM;
    if (!last || last->bytes >= PAGE || last->ring + last->bytes + padded > t->pager->size)
        if ((ret = new_page(t, padded)) < 0)
            return ret;
    *page_index = t->pages - 1;
    *offset = t->page[t->pages - 1].bytes;
    t->page[t->pages - 1].bytes += padded;
    t->size += padded;
    return 0;
}

int sc_tape_alloc(sc_tape *t)
{
    void *p = NULL;
    const int ret = t->pager->dev->ops->host_alloc(t->pager->dev, &p, t->size);

    t->host = p;
    return ret;
}

void *sc_tape_device(const sc_tape *t, int i, size_t offset)
{
    t->pager->tape = NULL; /* whoever asks is going to write there */
    return t->pager->ring ? t->pager->ring + t->page[i].ring + offset : NULL;
}

void *sc_tape_host(const sc_tape *t, int i, size_t offset)
{
    return t->host ? t->host + t->page[i].host + offset : NULL;
}

static const page *page_at(const sc_pager *p, int64_t position)
{
    return &p->tape->page[position % p->tape->pages];
}

/* The first position from `from` on that holds the page. */
static int64_t position_of(const sc_tape *t, int64_t from, int i)
{
    return from + ((i - from) % t->pages + t->pages) % t->pages;
}

/* Gives up what lies where the page of position `end` belongs, unless it is still wanted. */
static bool make_room(sc_pager *p)
{
    const int64_t keep = p->now - p->tape->behind;
    const page *in = page_at(p, p->end);

    for (int64_t k = p->end; k-- > p->begin;) {
        const page *q = page_at(p, k);
        const bool apart = q->ring + q->bytes <= in->ring || in->ring + in->bytes <= q->ring;

        if (!apart || k <= p->end - SC_FETCHES) {
            if (k >= keep)
                return false;
            p->begin = k + 1;
        }
    }
    return true;
}

/* The copy starts after all that has been issued so far: what read the page's place before is among it. */
static void fetch_next(sc_exec *x, sc_pager *p)
{
    const page *in = page_at(p, p->end);
    const int ret = x->dev->ops->fetch(x, p->ring + in->ring, p->tape->host + in->host, in->bytes,
                                       (int)(p->end % SC_FETCHES));

    if (ret < 0)
        sc_exec_fail(x, ret, "weights to the device: %s", sc_strerror(ret));
    p->end++;
    p->counts.pages++;
    p->counts.bytes += (int64_t)in->bytes;
    x->stats.bytes_up += (int64_t)in->bytes;
}

/* Begins to play at page i: another network, or not the page that was expected. */
static void jump(sc_exec *x, sc_pager *p, sc_tape *t, int i)
{
    if (p->tape == t) {
        const int64_t back = p->now - position_of(t, p->now, i) + t->pages;

        if (back <= SC_MIN(FAR_BACK, t->pages / 2))
            t->behind = SC_MAX(t->behind, (int)back);
    }
    p->tape = t;
    p->begin = p->end = position_of(t, p->end, i);
    p->counts.late++;
    fetch_next(x, p);
}

void sc_pager_need(sc_exec *x, const sc_param *w)
{
    sc_tape *t = w->far.tape;
    sc_pager *p = t->pager;

    if (x->measuring) {
        x->stats.bytes_up += (int64_t)sc_tensor_bytes(w->w);
        return;
    }
    if (p->tape != t || position_of(t, p->begin, w->far.page) >= p->end)
        jump(x, p, t, w->far.page);
    p->now = position_of(t, p->begin, w->far.page);
    while (p->end - p->begin < t->pages && make_room(p))
        fetch_next(x, p);
    if (p->now > p->awaited) {
        const int ret = x->dev->ops->await(x, (int)(p->now % SC_FETCHES));

        if (ret < 0)
            sc_exec_fail(x, ret, "weights to the device: %s", sc_strerror(ret));
        p->awaited = p->now;
    }
}
