/* Moov boxes of MP4 files. */
#include <stdlib.h>
#include <string.h>

#include <libavutil/mem.h>

#include "../../src/base.h"
#include "../../src/video/boxes.h"
#include "fuzz.h"

/* The first byte is the track's ID and how far chunks move. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t added[] = { 0, 0, 0, 13, 's', 't', '3', 'd', 0,   0,  0,
                                     0, 2, 0, 0,  0,   8,   'h', 'f', 'o', 'v' };
    uint8_t *once = NULL, *twice = NULL, *copy;
    size_t n, m;

    if (!size)
        return 0;
    const uint32_t track = data[0] & 3;
    const int64_t by = (int64_t)data[0] - 100;
    copy = malloc(size); /* of exactly this size, so that a read past the end is seen */
    expect(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    if (!sc_moov_add(&once, &n, copy, size - 1, track, added, sizeof added)) {
        expect(n <= size - 1 + sizeof added);
        expect(!sc_moov_add(&twice, &m, once, n, track, added, sizeof added));
        expect(m == n && !memcmp(once, twice, n));
    }
    if (!sc_moov_shift(copy, size - 1, 1000, by)) /* what lay behind 1000 still does */
        expect(by < 0 || !sc_moov_shift(copy, size - 1, (uint64_t)(1000 + by), -by));
    else
        expect(!memcmp(copy, data + 1, size - 1));
    if (by >= 0 && size > 1)
        expect(!memcmp(copy, data + 1, size - 1));
    free(copy);
    av_free(once);
    av_free(twice);
    return 0;
}

static size_t put(uint8_t *out, size_t n, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[n + i] = (uint8_t)(value >> (24 - 8 * i));
    return n + 4;
}

size_t fuzz_seed(int i, uint8_t *out, size_t max)
{
    /* nested boxes, and the bytes that follow each header before its own boxes */
    static const struct {
        const char type[5];
        int zeros, depth;
    } rows[] = {
        { "moov", 0, 0 },  { "mvhd", 8, 1 }, { "trak", 0, 1 },  { "tkhd", 16, 2 }, { "mdia", 0, 2 },
        { "hdlr", 12, 3 }, { "minf", 0, 3 }, { "stbl", 0, 4 },  { "stsd", 8, 5 },  { "avc1", 78, 6 },
        { "pasp", 8, 7 },  { "st3d", 5, 7 }, { "stco", 16, 5 }, { "co64", 24, 5 },
    };
    uint32_t end[16];
    size_t n = 1, at[16];

    if (i > 1 || max < 512)
        return 0;
    memset(out, 0, 512);
    out[0] = (uint8_t)(i ? 60 : 120); /* track_ID 0 both times, back and forth */
    for (int k = 0; k < SC_COUNT(rows); k++) {
        at[k] = n;
        n = put(out, n, 0);
        memcpy(out + n, rows[k].type, 4);
        n += 4 + (size_t)rows[k].zeros;
        if (!strcmp(rows[k].type, "hdlr"))
            memcpy(out + n - 4, "vide", 4);
        if (!strcmp(rows[k].type, "stco"))
            put(out, put(out, n - 12, 2) + 4, 5000);
        if (!strcmp(rows[k].type, "co64"))
            put(out, put(out, n - 20, 2) + 4, 5000);
    }
    for (int k = SC_COUNT(rows) - 1; k >= 0; k--) { /* a box ends where the next of no greater depth begins */
        end[k] = (uint32_t)n;
        for (int j = k + 1; j < SC_COUNT(rows) && end[k] == n; j++)
            if (rows[j].depth <= rows[k].depth)
                end[k] = (uint32_t)at[j];
        put(out, at[k], end[k] - (uint32_t)at[k]);
    }
    return n;
}
