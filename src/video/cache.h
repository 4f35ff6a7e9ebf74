/* The depth of films, kept from one conversion to the next. */
#ifndef SC_CACHE_H
#define SC_CACHE_H

#include "../base.h"

#define SC_CACHE_PATH 4096

/* path[SC_CACHE_PATH] = where the depth of set->input is kept below set->cache_dir, made of all that it
 * depends on: the film's path, size and time of change, the part that is converted, and `networks`, which
 * says what draws it and how. Makes the folder. Returns 1 if the file is there, 0 if not, or an error with a
 * line. */
int sc_cache_depth(char *path, const sc_settings *set, const char *networks, const sc_logger *log);

/* text[33] = the MD5 of bytes. */
void sc_cache_digest(char *text, const void *bytes, size_t size);

#endif
