/* Weights compiled into the program: models/builtin/NAME.safetensors as it is, byte for byte. */
#ifndef SC_BUILTIN_H
#define SC_BUILTIN_H

#include <stdbool.h>
#include <stddef.h>

typedef struct sc_builtin {
    const char *name;
    const unsigned char *bytes;
    size_t size;
} sc_builtin;

extern const sc_builtin sc_builtins[]; /* an entry without a name ends them */

/* For a device that is large NAME_gpu, if there is one; else NAME. NULL if the program was built without. */
const sc_builtin *sc_builtin_find(const char *name, bool large);

#endif
