#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavutil/avstring.h>
#include <libavutil/error.h>
#include <libavutil/mem.h>

int sc_target_check(const char *path, int overwrite, const sc_logger *log)
{
    struct stat st;

    if (sc_is_pipe(path))
        return isatty(STDOUT_FILENO)
                   ? sc_fail(log, SC_ERR_OUTPUT, "writer",
                             "%s: standard output is a terminal, not a pipe or a file", path)
                   : 0;
    if (stat(path, &st))
        return 0;
    if (S_ISDIR(st.st_mode))
        return sc_fail(log, SC_ERR_OUTPUT, "writer", "%s: is a directory", path);
    if (overwrite == SC_OVERWRITE_YES)
        return 0;
    return sc_fail(log, SC_ERR_EXISTS, "writer",
                   overwrite == SC_OVERWRITE_NEVER ? "%s: exists and is kept (-n)"
                                                   : "%s: exists; -y overwrites it",
                   path);
}

int sc_target_open(sc_target *t, AVIOContext **io, const char *path, const sc_logger *log)
{
    const bool pipe = sc_is_pipe(path);
    char *url;
    int ret;

    t->path = path;
    t->log = log;
    if (!pipe && !(t->temporary = av_asprintf("%s.part", path)))
        return AVERROR(ENOMEM);
    if (!(url = pipe ? av_strdup("pipe:1") : av_asprintf("file:%s", t->temporary)))
        return AVERROR(ENOMEM);
    ret = avio_open(io, url, AVIO_FLAG_WRITE);
    av_free(url);
    if (ret < 0)
        return sc_target_fail(t, ret);
    t->created = !pipe;
    return 0;
}

int sc_target_fail(const sc_target *t, int code)
{
    if (code == AVERROR(ENOSPC) || code == AVERROR(EDQUOT) || code == AVERROR(EFBIG))
        return sc_fail(t->log, SC_ERR_DISK_FULL, "writer", "%s: no room left on the file system", t->path);
    if (code == AVERROR(EPIPE) && !t->temporary) {
        sc_log(t->log, SC_LOG_INFO, "writer", "%s: is no longer read", t->path);
        return SC_ERR_CANCELLED;
    }
    return sc_fail(t->log, SC_ERR_OUTPUT, "writer", "%s: cannot be written: %s", t->path, av_err2str(code));
}

int sc_target_sync(const sc_target *t, int64_t *bytes)
{
    struct stat st;
    int ret, fd;

    if (!t->temporary)
        return 0;
    if ((fd = open(t->temporary, O_RDONLY)) < 0)
        return sc_target_fail(t, AVERROR(errno));
    ret = fsync(fd) || fstat(fd, &st) ? AVERROR(errno) : 0;
    close(fd);
    if (ret < 0)
        return sc_target_fail(t, ret);
    *bytes = st.st_size;
    return 0;
}

static int rename_to(sc_target *t, const char *path)
{
    if (rename(t->temporary, path))
        return sc_target_fail(t, AVERROR(errno));
    t->created = false;
    return 0;
}

int sc_target_keep(sc_target *t)
{
    return t->temporary ? rename_to(t, t->path) : 0;
}

int sc_target_keep_partial(sc_target *t, long long frames)
{
    const char *slash = strrchr(t->path, '/'), *dot = strrchr(slash ? slash : t->path, '.');
    const int stem = dot ? (int)(dot - t->path) : (int)strlen(t->path);
    char *path;
    int ret;

    if (!t->temporary)
        return 0;
    path = av_asprintf("%.*s.partial%s", stem, t->path, dot ? dot : "");
    ret = path ? rename_to(t, path) : AVERROR(ENOMEM);
    if (!ret)
        sc_log(t->log, SC_LOG_WARNING, "writer", "%s: the %lld frames made so far are kept here", path,
               frames);
    av_free(path);
    return ret;
}

void sc_target_close(sc_target *t)
{
    if (t->created)
        unlink(t->temporary);
    av_freep(&t->temporary);
    t->created = false;
}
