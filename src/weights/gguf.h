/* GGUF files, versions 2 and 3, read as if they were safetensors. The file is untrusted input. */
#ifndef SC_GGUF_H
#define SC_GGUF_H

#include <string.h>

#include "safetensors.h"

static inline bool sc_gguf_is(const void *bytes, size_t size)
{
    return size >= 4 && !memcmp(bytes, "GGUF", 4);
}

/* Fills the zeroed *f. Types F32, F16, BF16, and of quantised ones Q4_0, Q8_0, Q4_K and Q6_K, whose dtype is
 * SC_F32 and which have unpack. Shapes are outermost first; what a converter had to reshape has its own shape
 * back (comfy.gguf.orig_shape.NAME). Names lose the prefix model.diffusion_model. Errors as sc_st_parse(). */
int sc_gguf_parse(sc_st_file *f, const void *bytes, size_t size, const char *name, const sc_logger *log);

#endif
