/* Several processes that make a film part by part (parts.h). */
#ifndef SC_WORKERS_H
#define SC_WORKERS_H

#include "options.h"

/* Puts what --segment says into the settings. index: the number, from 1 on, that a scheduler gave this
 * process, or 0. SC_ERR_USAGE with a line in error[size], also if what is asked for excludes one another. */
int sc_workers_part(sc_options *o, int index, char *error, size_t size);

/* Runs the program `own` with this command line as often as --devices asks for: it plans the film, makes a
 * part on each device as long as there are parts, and joins them. A SIGINT or SIGTERM goes to all of them.
 * Returns the exit code of the first that failed, or 0. */
int sc_workers_run(const sc_options *o, const char *own, char **argv);

#endif
