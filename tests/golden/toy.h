/* Toy-sized weights in the published layout, made up from the names of their tensors. */
#ifndef SC_TOY_H
#define SC_TOY_H

#include <stddef.h>

/* A safetensors file in memory (free it) of the tensors that FOLDER/weights.tsv lists and whose names begin
 * with prefix: the numbers of weight() in scripts/make_golden.py, F32. NULL after a line on stderr. */
char *toy_make(size_t *size, const char *folder, const char *prefix);

/* Writes the toys of all networks as a folder that --models takes. data: tests/golden/data. 0 or -1. */
int toy_write_models(const char *to, const char *data);

#endif
