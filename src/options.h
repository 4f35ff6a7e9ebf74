/* The command line, as one table: each row parses, range-checks, documents and prints one member of
 * sc_settings. */
#ifndef SC_OPTIONS_H
#define SC_OPTIONS_H

#include <stdio.h>

#include "base.h"
#include "options_config.h"

typedef enum sc_progress_mode {
    SC_PROGRESS_LINE,
    SC_PROGRESS_JSON,
    SC_PROGRESS_FFMPEG,
    SC_PROGRESS_NONE,
} sc_progress_mode;

typedef enum sc_help_form { SC_HELP_SHORT = 1, SC_HELP_FULL, SC_HELP_MAN, SC_HELP_COMPLETION } sc_help_form;

typedef enum sc_naming { SC_NAMING_IW3, SC_NAMING_PLEX, SC_NAMING_NONE } sc_naming;

enum { SC_MAX_INPUTS = 4096 }; /* named one by one; a folder or a list may hold more */

typedef struct sc_options { /* the settings and what only the command line needs */
    sc_settings set;
    int progress;  /* sc_progress_mode */
    int log_level; /* sc_log_level */
    int naming;    /* sc_naming: what is added to names that are made up */
    int help;      /* 0 or sc_help_form */
    int version, print_config, info, bench, recursive;
    const char *config; /* a file of options, whose words are kept below */
    sc_config configured;
    const char *segment, *devices;    /* workers.h */
    const char *input[SC_MAX_INPUTS]; /* all that are named; set.input is the first */
    int inputs;
    char named[SC_MAX_OUTPUTS][4096]; /* hold paths of outputs made up here: copy the struct only with care */
} sc_options;

void sc_options_default(sc_options *o);
/* Fills o, which sc_options_default() has set, from argv (strings are kept, not copied). SC_ERR_USAGE with
 * one line in error[size] that names the option, what was expected and what was found. */
int sc_options_parse(sc_options *o, int argc, char **argv, char *error, size_t size);
/* Sets the path of set.output[k], kept in o->named, for set.input: in `folder`, or beside the input where
 * that is NULL, with its name and what players recognise the layout by. Errors as above. */
int sc_options_name_output(sc_options *o, int k, const char *folder, char *error, size_t size);
void sc_options_help(FILE *f, int form);             /* sc_help_form */
void sc_options_print(FILE *f, const sc_options *o); /* --print-config: one "name = value" a line */

#endif
