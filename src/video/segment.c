#include "segment.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavutil/avstring.h>
#include <libavutil/error.h>
#include <libavutil/md5.h>
#include <libavutil/mem.h>

#include "cache.h"

/* The file: a header, then of each packet a head, its data, and of each side data a head and its data; then
 * the record, a line of JSON. Numbers as the machine has them: what reads another's finds no segment. */
static const char magic[8] = "SCparts";

struct header {
    char magic[8];
    int64_t record; /* where it begins */
};

struct head {
    int64_t pts, dts, duration;
    uint32_t size, flags, sides, zero;
};

struct side {
    uint32_t type, size;
};

enum { MOST_RECORD = 1 << 24 };

struct sc_segment {
    const sc_segments *s;
    char *path, *temporary;
    sc_disk disk;
    struct AVMD5 *md5;
    int64_t frame, packets, bytes;
    bool created;
};

static char *name_of(const sc_segments *s, int64_t frame, const char *ending)
{
    return av_asprintf("%s/%09lld%s", s->folder, (long long)frame, ending);
}

static int fail_write(const sc_segments *s, int code)
{
    if (code == SC_ERR_CANCELLED || code == AVERROR(ENOMEM))
        return code;
    if (sc_disk_is_full(code))
        return sc_fail(s->log, SC_ERR_DISK_FULL, "writer", "%s: no room left on the file system", s->path);
    return sc_fail(s->log, SC_ERR_OUTPUT, "writer", "%s: cannot be written: %s", s->folder, av_err2str(code));
}

/* ---- all of them */

/* A file system without locks has none: nothing but a second run of the same command is in danger. */
static int take_lock(sc_segments *s, int part)
{
    char *path = av_asprintf("%s/lock.%d", s->folder, part);

    if (!path)
        return AVERROR(ENOMEM);
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    av_free(path);
    if (s->lock < 0)
        return fail_write(s, AVERROR(errno));
    if (flock(s->lock, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return sc_fail(s->log, SC_ERR_EXISTS, "writer", "%s: somebody else is making this film", s->folder);
    return 0;
}

int sc_segments_open(sc_segments *s, const char *path, const char *key, int part, const sc_room *room,
                     const sc_logger *log)
{
    *s = (sc_segments){ .path = path, .part = part, .lock = -1, .room = *room, .log = log };
    av_strlcpy(s->key, key, sizeof(s->key));
    if (!(s->folder = av_asprintf("%s.parts", path)))
        return AVERROR(ENOMEM);
    if (mkdir(s->folder, 0777) && errno != EEXIST)
        return fail_write(s, AVERROR(errno));
    return take_lock(s, part);
}

static bool is_ours(const char *name)
{
    return av_match_name(name, "plan.json") || !strncmp(name, "lock.", 5) ||
           (strspn(name, "0123456789") == 9 && (!strcmp(name + 9, ".seg") || !strcmp(name + 9, ".part")));
}

void sc_segments_clear(const sc_segments *s)
{
    DIR *d = opendir(s->folder);
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (is_ours(e->d_name))
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
}

void sc_segments_remove(const sc_segments *s)
{
    sc_segments_clear(s);
    rmdir(s->folder);
}

void sc_segments_close(sc_segments *s)
{
    DIR *d = s->folder ? opendir(s->folder) : NULL;
    struct dirent *e;
    bool used = false;

    while (d && (e = readdir(d)))
        used |= *e->d_name != '.' && strncmp(e->d_name, "lock.", 5);
    if (d)
        closedir(d);
    if (d && !used && s->lock >= 0 && !s->part) /* of parts, others may be about to write there */
        sc_segments_remove(s);
    if (s->folder && s->lock >= 0)
        close(s->lock);
    av_freep(&s->folder);
}

/* ---- reading */

/* NULL if there is no whole segment: another version's is none. */
static cJSON *read_record(const sc_segments *s, FILE *f)
{
    struct header h;
    struct stat st;
    cJSON *json = NULL;
    char *text = NULL;

    if (fread(&h, sizeof(h), 1, f) != 1 || memcmp(h.magic, magic, sizeof(magic)) || fstat(fileno(f), &st) ||
        h.record < (int64_t)sizeof(h) || h.record >= st.st_size || st.st_size - h.record > MOST_RECORD)
        return NULL;
    const size_t size = (size_t)(st.st_size - h.record);
    if (!(text = calloc(size + 1, 1)))
        return NULL;
    if (!fseeko(f, h.record, SEEK_SET) && fread(text, size, 1, f) == 1)
        json = cJSON_ParseWithOpts(text, NULL, false);
    free(text);
    if (!json)
        sc_log(s->log, SC_LOG_DEBUG, "writer", "%s: a file in it is none of a film", s->folder);
    return json;
}

static FILE *open_segment(const sc_segments *s, int64_t frame)
{
    char *path = name_of(s, frame, ".seg");
    FILE *f = path ? fopen(path, "rb") : NULL;

    av_free(path);
    return f;
}

int sc_segments_find(const sc_segments *s, int64_t frame, cJSON **record)
{
    FILE *f = open_segment(s, frame);
    cJSON *json = f ? read_record(s, f) : NULL;
    const char *key = cJSON_GetStringValue(cJSON_GetObjectItem(json, "key"));

    if (f)
        fclose(f);
    if (!json)
        return 0;
    if (key && !strcmp(key, s->key)) {
        *record = json;
        return 1;
    }
    cJSON_Delete(json);
    return SC_ERR_EXISTS;
}

static int read_sides(AVPacket *p, uint32_t sides, FILE *f, struct AVMD5 *md5)
{
    for (uint32_t i = 0; i < sides; i++) {
        struct side head;
        uint8_t *data;

        if (fread(&head, sizeof(head), 1, f) != 1 || head.size > INT32_MAX / 2 ||
            !(data = av_packet_new_side_data(p, (enum AVPacketSideDataType)head.type, head.size)) ||
            (head.size && fread(data, head.size, 1, f) != 1))
            return AVERROR_INVALIDDATA;
        av_md5_update(md5, (const uint8_t *)&head, sizeof(head));
        av_md5_update(md5, data, head.size);
    }
    return 0;
}

static int read_packet(AVPacket *p, FILE *f, struct AVMD5 *md5)
{
    struct head head;

    if (fread(&head, sizeof(head), 1, f) != 1 || head.size > INT32_MAX / 2 ||
        av_new_packet(p, (int)head.size) < 0 || (head.size && fread(p->data, head.size, 1, f) != 1))
        return AVERROR_INVALIDDATA;
    p->pts = head.pts;
    p->dts = head.dts;
    p->duration = head.duration;
    p->flags = (int)head.flags;
    av_md5_update(md5, (const uint8_t *)&head, sizeof(head));
    av_md5_update(md5, p->data, head.size);
    return read_sides(p, head.sides, f, md5);
}

static void sum_text(char *text, struct AVMD5 *md5)
{
    uint8_t sum[16];

    av_md5_final(md5, sum);
    for (int i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", sum[i]);
}

/* AVERROR_INVALIDDATA if the packets are not what the record says. */
static int read_all(const cJSON *record, FILE *f, int (*sink)(void *opaque, AVPacket *p), void *opaque)
{
    const char *known = cJSON_GetStringValue(cJSON_GetObjectItem(record, "md5"));
    const double packets = cJSON_GetNumberValue(cJSON_GetObjectItem(record, "packets"));
    struct AVMD5 *md5 = av_md5_alloc();
    AVPacket *p = av_packet_alloc();
    char sum[33];
    int ret = md5 && p ? 0 : AVERROR(ENOMEM);

    SC_TRY(ret);
    av_md5_init(md5);
    for (int64_t i = 0; i < (int64_t)packets; i++) {
        SC_TRY(read_packet(p, f, md5));
        SC_TRY(sink(opaque, p));
        av_packet_unref(p);
    }
    sum_text(sum, md5);
    ret = known && !strcmp(sum, known) ? 0 : AVERROR_INVALIDDATA;
fail:
    av_packet_free(&p);
    av_free(md5);
    return ret;
}

int sc_segments_read(const sc_segments *s, int64_t frame, int (*sink)(void *opaque, AVPacket *p),
                     void *opaque)
{
    char *path = name_of(s, frame, ".seg");
    FILE *f = open_segment(s, frame);
    cJSON *record = f ? read_record(s, f) : NULL;
    int ret = AVERROR_INVALIDDATA;

    if (record && !fseeko(f, sizeof(struct header), SEEK_SET))
        ret = read_all(record, f, sink, opaque);
    if (f)
        fclose(f);
    if (ret == AVERROR_INVALIDDATA && path) {
        unlink(path);
        ret = sc_fail(s->log, SC_ERR_OUTPUT, "writer",
                      "%s: is damaged and was removed; the same command makes it anew", path);
    }
    cJSON_Delete(record);
    av_free(path);
    return ret;
}

/* ---- writing */

static int create(sc_segment *g)
{
    const struct header h = { .record = 0 };

    g->path = name_of(g->s, g->frame, ".seg");
    g->temporary = name_of(g->s, g->frame, ".part");
    g->md5 = av_md5_alloc();
    if (!g->path || !g->temporary || !g->md5)
        return AVERROR(ENOMEM);
    av_md5_init(g->md5);
    g->disk = (sc_disk){ .path = g->s->path, .room = g->s->room, .log = g->s->log };
    if ((g->disk.fd = open(g->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) < 0)
        return AVERROR(errno);
    g->created = true;
    g->bytes = sizeof(h);
    return sc_disk_write(&g->disk, &h, sizeof(h));
}

int sc_segment_open(sc_segment **out, const sc_segments *s, int64_t frame)
{
    sc_segment *g = calloc(1, sizeof(*g));
    int ret;

    if (!g)
        return AVERROR(ENOMEM);
    g->s = s;
    g->frame = frame;
    if ((ret = create(g)) < 0) {
        ret = fail_write(s, ret);
        sc_segment_close(&g);
    } else {
        *out = g;
    }
    return ret;
}

static int write_sum(sc_segment *g, const void *data, size_t size)
{
    av_md5_update(g->md5, data, size);
    g->bytes += (int64_t)size;
    return sc_disk_write(&g->disk, data, size);
}

int sc_segment_put(sc_segment *g, const AVPacket *p)
{
    const struct head head = { .pts = p->pts,
                               .dts = p->dts,
                               .duration = p->duration,
                               .size = (uint32_t)p->size,
                               .flags = (uint32_t)p->flags,
                               .sides = (uint32_t)p->side_data_elems };
    int ret;

    SC_TRY(write_sum(g, &head, sizeof(head)));
    SC_TRY(write_sum(g, p->data, head.size));
    for (int i = 0; i < p->side_data_elems; i++) {
        const AVPacketSideData *sd = &p->side_data[i];
        const struct side side = { (uint32_t)sd->type, (uint32_t)sd->size };
        SC_TRY(write_sum(g, &side, sizeof(side)));
        SC_TRY(write_sum(g, sd->data, side.size));
    }
    g->packets++;
    return 0;
fail:
    return fail_write(g->s, ret);
}

/* The name must not reach the disk before the bytes, nor the caller go on before the name. */
static int commit(sc_segment *g, const char *record)
{
    struct header h = { .record = g->bytes };
    int ret, folder;

    memcpy(h.magic, magic, sizeof(magic));
    SC_TRY(sc_disk_write(&g->disk, record, strlen(record)));
    SC_TRY(sc_disk_write(&g->disk, "\n", 1));
    if (pwrite(g->disk.fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) || fsync(g->disk.fd) ||
        rename(g->temporary, g->path))
        return AVERROR(errno);
    g->created = false;
    close(g->disk.fd);
    if ((folder = open(g->s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0) {
        fsync(folder); /* which some file systems cannot do with folders */
        close(folder);
    }
    return 0;
fail:
    return ret;
}

int sc_segment_finish(sc_segment *g, int64_t frames, int64_t end, bool last, const char *note)
{
    char sum[33], *record;
    int ret;

    sum_text(sum, g->md5);
    record = av_asprintf("{\"key\":\"%s\",\"frame\":%lld,\"frames\":%lld,\"packets\":%lld,\"md5\":\"%s\","
                         "\"end\":%lld,\"last\":%s,\"note\":%s}",
                         g->s->key, (long long)g->frame, (long long)frames, (long long)g->packets, sum,
                         (long long)end, last ? "true" : "false", note);
    ret = record ? commit(g, record) : AVERROR(ENOMEM);
    av_free(record);
    return ret < 0 ? fail_write(g->s, ret) : 0;
}

int64_t sc_segment_bytes(const sc_segment *g)
{
    return g->bytes;
}

void sc_segment_close(sc_segment **p)
{
    sc_segment *g = *p;

    if (!g)
        return;
    if (g->created) {
        close(g->disk.fd);
        unlink(g->temporary);
    }
    av_free(g->path);
    av_free(g->temporary);
    av_free(g->md5);
    free(g);
    *p = NULL;
}
