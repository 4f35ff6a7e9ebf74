/* boxes FILE: the boxes of an MP4 or QuickTime file, a line each: path, size, and what is in small ones as
 * hex. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a parent's boxes begin after its header; -1: it has none. */
static int before_boxes(const char *type)
{
    static const char *const parents[] = { "moov", "trak", "mdia", "minf", "stbl",
                                           "vexu", "eyes", "pack", "proj", "sv3d" };
    static const char *const entries[] = { "avc1", "avc3", "hvc1", "hev1", "av01", "vp09", "mp4v" };

    for (size_t i = 0; i < sizeof parents / sizeof *parents; i++)
        if (!strcmp(type, parents[i]))
            return 0;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        if (!strcmp(type, entries[i]))
            return 78;
    return strcmp(type, "stsd") ? -1 : 8;
}

static uint64_t number(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    while (bytes-- > 0)
        v = v << 8 | *p++;
    return v;
}

static int dump(const uint8_t *p, const uint8_t *end, const char *path)
{
    while (p < end) {
        uint64_t size = end - p < 8 ? 0 : number(p, 4), header = 8;
        char type[5] = { 0 }, here[256];
        if (size == 1 && end - p >= 16) {
            size = number(p + 8, 8);
            header = 16;
        }
        if (size < header || size > (uint64_t)(end - p)) {
            fprintf(stderr, "boxes: %s: a box of %llu bytes in %td\n", path, (unsigned long long)size,
                    end - p);
            return 1;
        }
        memcpy(type, p + 4, 4);
        snprintf(here, sizeof here, "%s%s%s", path, *path ? "/" : "", type);
        const int skip = before_boxes(type);
        printf("%s %llu ", here, (unsigned long long)size);
        for (const uint8_t *q = p + header; skip < 0 && size <= 64 && q < p + size; q++)
            printf("%02x", *q);
        putchar('\n');
        if (skip >= 0 && dump(p + header + skip, p + size, here))
            return 1;
        p += size;
    }
    return 0;
}

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
    long size;

    if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET)) {
        fprintf(stderr, "usage: boxes FILE\n");
        return 2;
    }
    uint8_t *data = malloc((size_t)size + 1);
    const int failed =
        !data || fread(data, 1, (size_t)size, f) != (size_t)size || dump(data, data + size, "");
    free(data);
    fclose(f);
    return failed;
}
