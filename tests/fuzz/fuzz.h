/* What a fuzzer consists of. Either libFuzzer or driver.c calls it. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Must return 0, and must neither crash, leak nor accept nonsense: a broken promise aborts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void expect(int promise)
{
    if (!promise)
        abort();
}

/* The i-th seed into out[0..max); returns its size, 0 past the last. */
size_t fuzz_seed(int i, uint8_t *out, size_t max);

#endif
