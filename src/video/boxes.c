#include "boxes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavutil/avutil.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>

#include "../base.h"

enum {
    FULL = 4,           /* version and flags, after the header of many boxes */
    SAMPLE_ENTRIES = 8, /* from stsd's header to its first entry */
    VISUAL = 78,        /* from a video sample entry's header to its boxes */
    LARGEST = 1 << 30,  /* of a moov box: 100 million frames have one of 1.5 GB, a film of three hours 4 MB */
};

typedef struct box {
    size_t at, header, size; /* size with the header */
    uint32_t type;
} box;

static size_t end_of(const box *b)
{
    return b->at + b->size;
}

/* The box that begins at `at` and must end by `end`. */
static int read_box(box *b, const uint8_t *data, size_t at, size_t end)
{
    uint64_t size;

    if (at > end || end - at < 8)
        return AVERROR_INVALIDDATA;
    *b = (box){ .at = at, .header = 8, .type = AV_RL32(data + at + 4) };
    size = AV_RB32(data + at);
    if (size == 1) {
        if (end - at < 16)
            return AVERROR_INVALIDDATA;
        b->header = 16;
        size = AV_RB64(data + at + 8);
    }
    if (size < b->header || size > end - at)
        return AVERROR_INVALIDDATA;
    b->size = (size_t)size;
    return 0;
}

/* The n-th box of a type in `parent`, whose boxes begin `skip` bytes after its header. */
static int find(box *b, const uint8_t *data, const box *parent, size_t skip, uint32_t type, int n)
{
    size_t at = parent->at + parent->header + skip;

    for (; at < end_of(parent); at = end_of(b)) {
        if (read_box(b, data, at, end_of(parent)) < 0)
            return AVERROR_INVALIDDATA;
        if ((!type || b->type == type) && !n--)
            return 0;
    }
    return AVERROR_INVALIDDATA;
}

static int read_moov(box *moov, const uint8_t *data, size_t size)
{
    const int ret = read_box(moov, data, 0, size);

    return ret < 0 || moov->type != MKTAG('m', 'o', 'o', 'v') || moov->size != size ? AVERROR_INVALIDDATA : 0;
}

/* ---- the sample entry */

static int find_track(box *trak, const uint8_t *data, const box *moov, uint32_t track)
{
    box tkhd;

    for (int n = 0; find(trak, data, moov, 0, MKTAG('t', 'r', 'a', 'k'), n) >= 0; n++) {
        if (find(&tkhd, data, trak, 0, MKTAG('t', 'k', 'h', 'd'), 0) < 0 || tkhd.size < tkhd.header + FULL)
            return AVERROR_INVALIDDATA;
        /* after two times, whose width the version tells */
        const size_t before = FULL + (data[tkhd.at + tkhd.header] == 1 ? 16 : 8);
        if (tkhd.size < tkhd.header + before + 4)
            return AVERROR_INVALIDDATA;
        if (AV_RB32(data + tkhd.at + tkhd.header + before) == track)
            return 0;
    }
    return AVERROR_INVALIDDATA;
}

enum { CHAIN = 7 };

/* moov, trak, mdia, minf, stbl, stsd and the entry: the boxes that grow. */
static int find_entry(box chain[CHAIN], const uint8_t *data, size_t size, uint32_t track)
{
    static const char types[][5] = { "moov", "trak", "mdia", "minf", "stbl", "stsd" };
    box hdlr;
    int ret;

    SC_TRY(read_moov(&chain[0], data, size));
    SC_TRY(find_track(&chain[1], data, &chain[0], track));
    for (int i = 2; i < SC_COUNT(types); i++)
        SC_TRY(find(&chain[i], data, &chain[i - 1], 0, AV_RL32(types[i]), 0));
    SC_TRY(find(&hdlr, data, &chain[2], 0, MKTAG('h', 'd', 'l', 'r'), 0));
    if (hdlr.size < hdlr.header + FULL + 8 ||
        AV_RL32(data + hdlr.at + hdlr.header + FULL + 4) != MKTAG('v', 'i', 'd', 'e'))
        return AVERROR_INVALIDDATA;
    SC_TRY(find(&chain[6], data, &chain[5], SAMPLE_ENTRIES, 0, 0));
    if (chain[6].size < chain[6].header + VISUAL)
        return AVERROR_INVALIDDATA;
    return 0;
fail:
    return ret;
}

static bool contains(const uint8_t *boxes, size_t size, uint32_t type)
{
    box b;

    for (size_t at = 0; at < size && read_box(&b, boxes, at, size) >= 0; at = end_of(&b))
        if (b.type == type)
            return true;
    return false;
}

static int resize(uint8_t *data, const box *b, size_t size)
{
    if (b->header == 16)
        AV_WB64(data + b->at + 8, size);
    else if (size <= UINT32_MAX)
        AV_WB32(data + b->at, (uint32_t)size);
    else
        return AVERROR(ERANGE);
    return 0;
}

int sc_moov_add(uint8_t **out, size_t *out_size, const uint8_t *moov, size_t size, uint32_t track,
                const uint8_t *boxes, size_t boxes_size)
{
    box chain[CHAIN], b;
    uint8_t *y = NULL;
    size_t n, at;
    int ret;

    if (size > LARGEST || boxes_size > LARGEST)
        return AVERROR(ERANGE);
    SC_TRY(find_entry(chain, moov, size, track));
    if (!(y = av_malloc(size + boxes_size)))
        return AVERROR(ENOMEM);
    at = n = chain[6].at + chain[6].header + VISUAL;
    memcpy(y, moov, n);
    for (const size_t end = end_of(&chain[6]); at < end; at = end_of(&b)) {
        if (end - at < 8 || !AV_RB32(moov + at))
            break; /* QuickTime may end a list with a zero */
        SC_TRY(read_box(&b, moov, at, end));
        if (contains(boxes, boxes_size, b.type))
            continue;
        memcpy(y + n, moov + at, b.size);
        n += b.size;
    }
    memcpy(y + n, boxes, boxes_size);
    n += boxes_size;
    memcpy(y + n, moov + at, size - at);
    n += size - at;
    for (int i = 0; i < CHAIN; i++)
        SC_TRY(resize(y, &chain[i], chain[i].size + n - size));
    *out = y;
    *out_size = n;
    return 0;
fail:
    av_free(y);
    return ret;
}

/* ---- chunk offsets */

/* Moves what one stco or co64 box lists, or with `try` only looks whether that is possible. */
static int shift_list(uint8_t *data, const box *b, uint64_t from, int64_t by, bool try)
{
    const size_t width = b->type == MKTAG('c', 'o', '6', '4') ? 8 : 4;
    uint8_t *first = data + b->at + b->header + FULL + 4;

    if (b->size < b->header + FULL + 4 || AV_RB32(first - 4) > (b->size - b->header - FULL - 4) / width)
        return AVERROR_INVALIDDATA;
    for (uint8_t *p = first, *end = first + width * AV_RB32(first - 4); p < end; p += width) {
        const uint64_t offset = width == 8 ? AV_RB64(p) : AV_RB32(p),
                       limit = width == 8 ? INT64_MAX : UINT32_MAX;
        if (offset < from)
            continue;
        if (offset > limit || (by > 0 && (uint64_t)by > limit - offset) || (by < 0 && (uint64_t)-by > offset))
            return AVERROR(ERANGE);
        if (width == 8 && !try)
            AV_WB64(p, offset + (uint64_t)by);
        else if (!try)
            AV_WB32(p, (uint32_t)(offset + (uint64_t)by));
    }
    return 0;
}

static int shift_all(uint8_t *data, size_t size, uint64_t from, int64_t by, bool try)
{
    static const char types[][5] = { "mdia", "minf", "stbl" };
    box moov, trak, b, list;
    int ret;

    SC_TRY(read_moov(&moov, data, size));
    for (size_t at = moov.header; at < size; at = end_of(&trak)) {
        SC_TRY(read_box(&trak, data, at, size));
        if (trak.type != MKTAG('t', 'r', 'a', 'k'))
            continue;
        b = trak;
        for (int i = 0; i < SC_COUNT(types); i++) {
            const box parent = b;
            SC_TRY(find(&b, data, &parent, 0, AV_RL32(types[i]), 0));
        }
        for (size_t in = b.at + b.header; in < end_of(&b); in = end_of(&list)) {
            SC_TRY(read_box(&list, data, in, end_of(&b)));
            if (list.type == MKTAG('s', 't', 'c', 'o') || list.type == MKTAG('c', 'o', '6', '4'))
                SC_TRY(shift_list(data, &list, from, by, try));
        }
    }
    return 0;
fail:
    return ret;
}

int sc_moov_shift(uint8_t *moov, size_t size, uint64_t from, int64_t by)
{
    const int ret = shift_all(moov, size, from, by, true);

    return ret < 0 ? ret : shift_all(moov, size, from, by, false);
}

/* ---- the file */

static int read_at(int fd, void *to, size_t size, int64_t at)
{
    for (uint8_t *p = to; size;) {
        const ssize_t n = pread(fd, p, size, at);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            return n < 0 ? AVERROR(errno) : AVERROR_INVALIDDATA;
        p += SC_MAX(n, 0);
        at += SC_MAX(n, 0);
        size -= (size_t)SC_MAX(n, 0);
    }
    return 0;
}

static int write_at(int fd, const void *from, size_t size, int64_t at)
{
    for (const uint8_t *p = from; size;) {
        const ssize_t n = pwrite(fd, p, size, at);
        if (n < 0 && errno != EINTR)
            return AVERROR(errno);
        p += SC_MAX(n, 0);
        at += SC_MAX(n, 0);
        size -= (size_t)SC_MAX(n, 0);
    }
    return 0;
}

/* Finds the moov box of a file without fragments. */
static int find_moov(int fd, int64_t file, int64_t *at, size_t *size)
{
    uint8_t head[16];
    int ret;

    *size = 0;
    for (int64_t pos = 0, next; pos < file; pos = next) {
        const size_t got = (size_t)SC_MIN(file - pos, 16);
        SC_TRY(got < 8 ? AVERROR_INVALIDDATA : read_at(fd, head, got, pos));
        const uint32_t type = AV_RL32(head + 4), word = AV_RB32(head);
        const uint64_t n = word == 1 && got == 16 ? AV_RB64(head + 8) : word ? word : (uint64_t)(file - pos);
        if (n < 8 || n > (uint64_t)(file - pos) || type == MKTAG('m', 'o', 'o', 'f'))
            return AVERROR_INVALIDDATA;
        if (type == MKTAG('m', 'o', 'o', 'v')) {
            if (*size || !word || n > LARGEST)
                return AVERROR_INVALIDDATA;
            *at = pos;
            *size = (size_t)n;
        }
        next = pos + (int64_t)n;
    }
    return *size ? 0 : AVERROR_INVALIDDATA;
fail:
    return ret;
}

/* Moves the last bytes of a file, from `begin` on, by `by`: beginning with those that nothing overwrites. */
static int move_rest(int fd, int64_t begin, int64_t end, int64_t by)
{
    enum { PIECE = 1 << 20 };
    uint8_t *piece = by && begin < end ? av_malloc(PIECE) : NULL;
    int ret = 0;

    if (!by || begin == end)
        return 0;
    if (!piece)
        return AVERROR(ENOMEM);
    while (begin < end) {
        const size_t n = (size_t)SC_MIN(end - begin, PIECE);
        const int64_t at = by > 0 ? end - (int64_t)n : begin;
        SC_TRY(read_at(fd, piece, n, at));
        SC_TRY(write_at(fd, piece, n, at + by));
        if (by > 0)
            end = at;
        else
            begin = at + (int64_t)n;
    }
fail:
    av_free(piece);
    return ret;
}

static int add_to(int fd, uint32_t track, const uint8_t *boxes, size_t boxes_size)
{
    uint8_t *moov = NULL, *grown = NULL;
    size_t size, grown_size;
    struct stat st;
    int64_t at = 0;
    int ret;

    if (fstat(fd, &st))
        return AVERROR(errno);
    SC_TRY(find_moov(fd, st.st_size, &at, &size));
    ret = AVERROR(ENOMEM);
    if (!(moov = av_malloc(size)))
        goto fail;
    SC_TRY(read_at(fd, moov, size, at));
    SC_TRY(sc_moov_add(&grown, &grown_size, moov, size, track, boxes, boxes_size));
    const int64_t rest = at + (int64_t)size, by = (int64_t)grown_size - (int64_t)size;
    if (rest < st.st_size)
        SC_TRY(sc_moov_shift(grown, grown_size, (uint64_t)rest, by));
    SC_TRY(move_rest(fd, rest, st.st_size, by));
    SC_TRY(write_at(fd, grown, grown_size, at));
    ret = by < 0 && ftruncate(fd, st.st_size + by) ? AVERROR(errno) : 0;
fail:
    av_free(moov);
    av_free(grown);
    return ret;
}

int sc_boxes_add(const char *path, uint32_t track, const uint8_t *boxes, size_t size)
{
    const int fd = open(path, O_RDWR);
    int ret;

    if (fd < 0)
        return AVERROR(errno);
    ret = add_to(fd, track, boxes, size);
    return close(fd) && ret >= 0 ? AVERROR(errno) : ret;
}
