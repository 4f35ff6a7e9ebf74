#include "builtin.h"

#include <stdio.h>
#include <string.h>

static const sc_builtin *named(const char *name)
{
    const sc_builtin *b = sc_builtins;

    while (b->name && strcmp(b->name, name))
        b++;
    return b->name ? b : NULL;
}

const sc_builtin *sc_builtin_find(const char *name, bool large)
{
    char wide[64];
    const sc_builtin *b;

    snprintf(wide, sizeof(wide), "%s_gpu", name);
    b = large ? named(wide) : NULL;
    return b ? b : named(name);
}
