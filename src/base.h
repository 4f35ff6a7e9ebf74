/* What every file may use: error flow, logging, checked size arithmetic. */
#ifndef SC_BASE_H
#define SC_BASE_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stereocrafter/stereocrafter.h"

/* Assigns to the function's `ret` and jumps to its one `fail` label on a negative code. */
#define SC_TRY(expr)                                                                                         \
    do {                                                                                                     \
        if ((ret = (expr)) < 0)                                                                              \
            goto fail;                                                                                       \
    } while (0)

#define SC_COUNT(array)   ((int)(sizeof(array) / sizeof((array)[0])))
#define SC_MIN(a, b)      ((a) < (b) ? (a) : (b))
#define SC_MAX(a, b)      ((a) > (b) ? (a) : (b))
#define SC_CLAMP(x, l, h) ((x) < (l) ? (l) : (x) > (h) ? (h) : (x))

#if defined(__GNUC__)
#define SC_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define SC_PRINTF(f, a)
#endif

/* One line to the logger; lg may be NULL (silence). The place that detects a failure logs it, once. */
void sc_log(const sc_logger *lg, int level, const char *stage, const char *fmt, ...) SC_PRINTF(4, 5);

/* Logs an error line and returns code: `return sc_fail(lg, -EINVAL, "reader", ...)`. */
int sc_fail(const sc_logger *lg, int code, const char *stage, const char *fmt, ...) SC_PRINTF(4, 5);

/* *out = a * b, or false on overflow (out untouched). */
bool sc_mul_size(size_t a, size_t b, size_t *out);
bool sc_add_size(size_t a, size_t b, size_t *out);

bool sc_is_folder(const char *path);

/* Makes a folder and those above it. SC_ERR_OUTPUT with a line. */
int sc_make_folder(const char *path, const char *stage, const sc_logger *log);

/* Whether a film's path stands for standard input or output; a file of that name is "./-". */
static inline bool sc_is_pipe(const char *path)
{
    return path && path[0] == '-' && !path[1];
}

/* Seconds of a monotonic clock. */
double sc_now(void);

#endif
