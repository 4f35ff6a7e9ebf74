/* sc_exec: one in-order stream of work on one device, with its arena and its sticky error.
 *
 * One thread owns an exec. Model code checks no status: the first failure is kept in err, later ops do
 * nothing, and the stage that started the work asks once with sc_exec_wait(). */
#ifndef SC_EXEC_H
#define SC_EXEC_H

#include "device.h"

typedef struct sc_stats {
    int64_t launches, flops, bytes_up, bytes_down;
    int64_t pixels_up, pixels_down; /* bytes of these that are planes of pictures */
} sc_stats;

typedef struct sc_exec {
    sc_device *dev; /* not owned */
    const sc_logger *log;
    sc_dtype act; /* dtype of new activations: set per stage, never named in nets */
    int err;      /* first failure */
    char *base;   /* arena; NULL on the null device */
    size_t used, size, peak;
    size_t most;    /* that the arena may become; 0 = no end */
    bool measuring; /* the null device: the arena has no end */
    sc_stats stats;
    int64_t marks;
    double started; /* of the timer, on the host's clock */
} sc_exec;

typedef struct sc_mark {
    size_t used;
} sc_mark;

/* Logs the failing condition's text once and makes the error sticky. Always on: for shapes. */
#define SC_CHECK(x, cond)                                                                                    \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            sc_exec_fail((x), -EINVAL, "%s: not true: %s", __func__, #cond);                                 \
            return;                                                                                          \
        }                                                                                                    \
    } while (0)

int sc_exec_open(sc_exec *x, sc_device *dev, const sc_logger *log, sc_dtype act, size_t arena_bytes);
void sc_exec_close(sc_exec *x);

/* Replaces the arena, which must be empty, by one of at least `bytes`, x->most at most. -ENOMEM is a warning
 * in the log, and leaves the arena's size as it was: with less the caller may yet do. */
int sc_exec_reserve(sc_exec *x, size_t bytes);

/* Waits for all work; returns the sticky error or 0 and clears it. */
int sc_exec_wait(sc_exec *x);

/* Marks this point of the work. */
int64_t sc_exec_mark(sc_exec *x);

/* Waits for the work before a mark (0: none) and not for what came after; else as sc_exec_wait(). */
int sc_exec_reach(sc_exec *x, int64_t mark);

/* Work from here on begins after all that another library, such as a decoder, has given the device so far. */
void sc_exec_join(sc_exec *x);

/* Time that work takes, by the device's clock where it has one. Stop waits. */
void sc_timer_start(sc_exec *x);
double sc_timer_stop(sc_exec *x); /* seconds */

void sc_exec_fail(sc_exec *x, int code, const char *fmt, ...) SC_PRINTF(3, 4);

sc_mark sc_push(sc_exec *x);
void sc_pop(sc_exec *x, sc_mark m); /* frees everything allocated since */

/* A packed tensor in the arena, 256-byte aligned, contents undefined. data is NULL on the null device and
 * after a failure. */
sc_tensor sc_new(sc_exec *x, sc_dtype t, int ndim, const int64_t *dim);
sc_tensor sc_new_like(sc_exec *x, sc_tensor t); /* packed, same shape and dtype */

/* Copies between packed host memory and a packed device tensor. Download waits. */
void sc_upload(sc_exec *x, sc_tensor dst, const void *src);
void sc_download(sc_exec *x, void *dst, sc_tensor src);
/* The rows of src [h,w], packed, to rows `pitch` bytes apart. Does not wait: a mark tells when they are
 * there. */
void sc_download_rows(sc_exec *x, void *dst, size_t pitch, sc_tensor src);

/* Work that is done again and again, which a device may record and repeat as one:
 *
 *     sc_replay r = { .net = u, .shape = { ... } };
 *     while (sc_replay_next(x, &r))
 *         body(x, ...);
 *
 * The body has ops alone (no upload, download or wait), and reads and writes nothing but the arena, from the
 * same used bytes on, and memory of the device's alloc(). All that it does, but for numbers in that memory,
 * follows from net and shape, whose meaning is the caller's. It runs once; not at all where it is repeated;
 * twice where recording it failed. */
typedef struct sc_replay {
    const void *net;
    int64_t shape[6];
    bool never; /* not this time: weights that come and go, say */
    int state;  /* sc_replay_next's own */
} sc_replay;
bool sc_replay_next(sc_exec *x, sc_replay *r);

/* Runs fn(x, arg) with a null exec of the same activation type and returns the arena bytes it needs, 0 on
 * failure. */
size_t sc_measure(const sc_exec *like, void (*fn)(sc_exec *x, void *arg), void *arg, sc_stats *stats);

#endif
