/* X: runs X's seeds and mutations of them, the same ones each time. X FOLDER: writes the seeds there, for
 * libFuzzer. */
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

enum { MAX_SIZE = 4096, MUTATIONS = 20000 };

static uint32_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
    return (uint32_t)(*state >> 33);
}

/* One edit: a byte changed, a stretch removed, repeated or overwritten by another. */
static size_t mutate(uint8_t *data, size_t size, uint64_t *state)
{
    static const char telling[] = "{}[]\",:0129-.eE\\u\0\377 =";
    const size_t at = next(state) % size, n = 1 + next(state) % 8, to = next(state) % size;

    switch (next(state) % 5) {
    case 0:
        data[at] = (uint8_t)next(state);
        return size;
    case 1:
        data[at] = (uint8_t)telling[next(state) % (sizeof telling - 1)];
        return size;
    case 2:
        if (at + n >= size)
            return at ? at : 1;
        memmove(data + at, data + at + n, size - at - n);
        return size - n;
    case 3:
        if (at + n > size || size + n > MAX_SIZE)
            return size;
        memmove(data + at + n, data + at, size - at);
        return size + n;
    default:
        if (at + n <= size && to + n <= size)
            memmove(data + to, data + at, n);
        return size;
    }
}

int main(int argc, char **argv)
{
    static uint8_t seed[MAX_SIZE], data[MAX_SIZE];
    uint64_t state = 1;
    size_t size;

    for (int i = 0; (size = fuzz_seed(i, seed, sizeof seed)); i++) {
        if (argc > 1) {
            char path[4096];
            snprintf(path, sizeof path, "%s/seed%d", argv[1], i);
            FILE *f = fopen(path, "wb");
            if (!f || fwrite(seed, 1, size, f) != size || fclose(f))
                return 1;
            continue;
        }
        LLVMFuzzerTestOneInput(seed, size);
        for (int m = 0; m < MUTATIONS; m++) {
            size_t n = size;
            memcpy(data, seed, size);
            for (uint32_t edits = 1 + next(&state) % 4; edits; edits--)
                n = mutate(data, n, &state);
            LLVMFuzzerTestOneInput(data, n);
        }
    }
    return 0;
}
