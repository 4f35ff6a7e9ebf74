#include "disk.h"

#include <time.h>
#include <unistd.h>

#include <libavutil/error.h>
#include <libavutil/mem.h>

#include "compat.h"

enum { IO_BUFFER = 1 << 16, WAIT_MS = 250 };

bool sc_disk_is_full(int code)
{
    return code == AVERROR(ENOSPC) || code == AVERROR(EDQUOT) || code == AVERROR(EFBIG);
}

/* A moment, and whether to try again after it. A file that may not grow (EFBIG) will never have room. */
static bool wait_for_room(sc_disk *d, int error, bool *said)
{
    const struct timespec moment = { .tv_nsec = WAIT_MS * 1000000L };

    if (!d->room.wait || (error != ENOSPC && error != EDQUOT))
        return false;
    if (!*said)
        sc_log(d->log, SC_LOG_WARNING, "writer",
               "%s: no room left on the file system: waiting until there is some", d->path);
    *said = true;
    nanosleep(&moment, NULL);
    return !d->room.cancelled || !atomic_load(d->room.cancelled);
}

int sc_disk_write(sc_disk *d, const void *data, size_t size)
{
    const uint8_t *at = data;
    bool waited = false;

    while (size) {
        const ssize_t n = write(d->fd, at, size);
        if (n >= 0) {
            at += n;
            size -= (size_t)n;
        } else if (errno != EINTR && !wait_for_room(d, errno, &waited)) {
            return waited ? SC_ERR_CANCELLED : AVERROR(errno);
        }
    }
    if (waited)
        sc_log(d->log, SC_LOG_INFO, "writer", "%s: there is room again, going on", d->path);
    return 0;
}

static int write_io(void *opaque, sc_io_byte *data, int size)
{
    const int ret = sc_disk_write(opaque, data, (size_t)size);

    return ret < 0 ? ret : size;
}

static int64_t seek_io(void *opaque, int64_t offset, int whence)
{
    const sc_disk *d = opaque;
    const off_t at = whence == AVSEEK_SIZE ? -1 : lseek(d->fd, offset, whence);

    return whence == AVSEEK_SIZE ? AVERROR(ENOSYS) : at < 0 ? AVERROR(errno) : at;
}

AVIOContext *sc_disk_open_io(sc_disk *d)
{
    uint8_t *buffer = av_malloc(IO_BUFFER);
    AVIOContext *io = buffer ? avio_alloc_context(buffer, IO_BUFFER, 1, d, NULL, write_io, seek_io) : NULL;

    if (!io)
        av_free(buffer);
    return io;
}

int sc_disk_close_io(AVIOContext **io)
{
    int ret = 0;

    if (*io) {
        avio_flush(*io);
        ret = (*io)->error;
        av_freep(&(*io)->buffer);
    }
    avio_context_free(io);
    return ret;
}
