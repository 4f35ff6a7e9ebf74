/* Weights compiled into the program: models/builtin/NAME.safetensors as it is, byte for byte. */
#ifndef SC_BUILTIN_H
#define SC_BUILTIN_H

#include <stddef.h>

extern const unsigned char sc_builtin_depth[];
extern const size_t sc_builtin_depth_size;

#endif
