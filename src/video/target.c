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

static int open_file(sc_target *t, AVIOContext **io, const sc_room *room)
{
    if (!(t->temporary = av_asprintf("%s.part", t->path)))
        return AVERROR(ENOMEM);
    t->disk = (sc_disk){ .path = t->path, .room = *room, .log = t->log };
    if ((t->disk.fd = open(t->temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) < 0)
        return AVERROR(errno);
    t->created = true;
    *io = sc_disk_open_io(&t->disk);
    return *io ? 0 : AVERROR(ENOMEM);
}

int sc_target_open(sc_target *t, AVIOContext **io, const char *path, const sc_room *room,
                   const sc_logger *log)
{
    int ret;

    t->path = path;
    t->log = log;
    ret = sc_is_pipe(path) ? avio_open(io, "pipe:1", AVIO_FLAG_WRITE) : open_file(t, io, room);
    return ret < 0 ? sc_target_fail(t, ret) : 0;
}

int sc_target_close_io(sc_target *t, AVIOContext **io)
{
    int ret;

    if (!t->temporary)
        return avio_closep(io);
    ret = sc_disk_close_io(io);
    if (t->created && t->disk.fd >= 0 && close(t->disk.fd) && ret >= 0)
        ret = AVERROR(errno);
    t->disk.fd = -1;
    return ret;
}

int sc_target_fail(const sc_target *t, int code)
{
    if (code == SC_ERR_CANCELLED || code == AVERROR(ENOMEM))
        return code;
    if (sc_disk_is_full(code))
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
