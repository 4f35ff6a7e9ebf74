#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base.h"

static void log_line(const sc_logger *lg, int level, const char *stage, const char *fmt, va_list ap)
{
    char line[1024];

    if (!lg || !lg->write || level > lg->level)
        return;
    vsnprintf(line, sizeof(line), fmt, ap);
    lg->write(lg->opaque, level, stage, line);
}

void sc_log(const sc_logger *lg, int level, const char *stage, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_line(lg, level, stage, fmt, ap);
    va_end(ap);
}

int sc_fail(const sc_logger *lg, int code, const char *stage, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_line(lg, SC_LOG_ERROR, stage, fmt, ap);
    va_end(ap);
    return code;
}

bool sc_mul_size(size_t a, size_t b, size_t *out)
{
    if (b && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

bool sc_add_size(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b)
        return false;
    *out = a + b;
    return true;
}

double sc_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool sc_is_folder(const char *path)
{
    struct stat s;

    return !stat(path, &s) && S_ISDIR(s.st_mode);
}

int sc_make_folder(const char *path, const char *stage, const sc_logger *log)
{
    char part[4096];
    const size_t n = strlen(path);

    if (n >= sizeof part)
        return sc_fail(log, SC_ERR_OUTPUT, stage, "%s: the path is too long", path);
    for (size_t i = 1; i <= n; i++)
        if (path[i] == '/' || !path[i]) {
            memcpy(part, path, i);
            part[i] = 0;
            if (mkdir(part, 0777) && errno != EEXIST)
                return sc_fail(log, SC_ERR_OUTPUT, stage, "%s: %s", part, strerror(errno));
        }
    if (!sc_is_folder(path))
        return sc_fail(log, SC_ERR_OUTPUT, stage, "%s: not a folder", path);
    return 0;
}

const char *sc_version(void)
{
    return SC_VERSION;
}

const char *sc_strerror(int code)
{
    static const struct {
        int code;
        const char *text;
    } table[] = {
        { 0, "no error" },
        { SC_EOF, "end of stream" },
        { SC_ERR_USAGE, "wrong option or value" },
        { SC_ERR_EXISTS, "the output exists already" },
        { SC_ERR_INPUT, "the input cannot be read" },
        { SC_ERR_NOT_VIDEO, "the input holds no video" },
        { SC_ERR_OUTPUT, "the output cannot be written" },
        { SC_ERR_DISK_FULL, "no room left on the disk" },
        { SC_ERR_PARALLAX, "the film has more parallax than was to be" },
        { SC_ERR_DEPTH, "the depth file does not fit the film" },
        { SC_ERR_WEIGHTS, "network weights are missing or wrong" },
        { SC_ERR_DEVICE, "the device failed" },
        { SC_ERR_CANCELLED, "cancelled" },
        { -ENOMEM, "out of memory" },
        { -EINVAL, "invalid argument" },
        { -ENOSYS, "not supported" },
        { -EIO, "input or output error" },
    };
    for (int i = 0; i < SC_COUNT(table); i++)
        if (table[i].code == code)
            return table[i].text;
    return "unknown error";
}
