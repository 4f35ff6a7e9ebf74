/* Which films a command names, and where the result of each goes. */
#ifndef SC_BATCH_H
#define SC_BATCH_H

#include "base.h"

typedef struct sc_job {
    char *input;
    char *folder; /* where the result goes; it may not exist yet */
    char *output; /* the result's name, once the caller has given it one: malloc'ed */
} sc_job;

typedef struct sc_batch {
    sc_job *job;
    int count, room;
} sc_batch;

/* True if `input` may name several films: a folder, a list (.txt), or a pattern (* ? [) that is no file. */
bool sc_batch_is_many(const char *input);

/* Appends the films that input names; their results go to `folder`. A folder gives its files that look like
 * films by their extension, or where there are none like images, in order of name, not hidden ones;
 * recursive: those of its subfolders too, whose tree is repeated below `folder`. `folder` itself is left out.
 * A list has a path a line, relative to the list's own folder; empty lines and lines that begin with # are
 * passed over. SC_ERR_INPUT with a line if nothing is found. */
int sc_batch_add(sc_batch *b, const char *input, const char *folder, bool recursive, const sc_logger *log);
void sc_batch_clear(sc_batch *b);

#endif
