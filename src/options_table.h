/* The table behind options.h, shared by what parses (options_parse.c) and what documents and prints
 * (options_help.c). */
#ifndef SC_OPTIONS_TABLE_H
#define SC_OPTIONS_TABLE_H

#include "options.h"

enum sc_option_type {
    SC_INT,
    SC_LONG,
    SC_REAL,
    SC_SIZE, /* bytes, an int64_t; 0 = auto */
    SC_TIME, /* seconds; negative = not given */
    SC_TEXT,
    SC_CHOICE, /* an int: the index in choice */
    SC_BOOL,   /* an int; --no-NAME gives 0 */
    SC_SET,    /* an int that the option sets to def; its default is 0 */
    SC_HELP,
};

typedef struct sc_option {
    const char *name, *alias; /* with dashes; aliases separated by spaces */
    enum sc_option_type type;
    int group;
    size_t offset;   /* of the member in sc_options, or in sc_output */
    bool per_output; /* stands before the output it belongs to; with one output, anywhere */
    double min, max, def;
    int step;         /* only multiples of this; 0 = any */
    bool full;        /* shown by --help full alone */
    const char *text; /* SC_TEXT: the default */
    const char *const *choice;
    const char *unit, *help; /* unit: of a number, or what a text is */
} sc_option;

extern const sc_option sc_option_table[];
extern const int sc_option_count;
extern const char *const sc_option_group[]; /* titles; NULL ends them */

/* The option that has this name of n letters, dashes included, or alias; NULL: none. */
const sc_option *sc_option_find(const char *name, size_t n);

/* The place of value in a list that NULL ends, or -1. */
int sc_option_choice(const char *const *list, const char *value);

/* "sbs, hsbs, ..." */
void sc_option_choices(const sc_option *row, char *out, size_t size);

/* output: whose value it is, if it is one of an output's. */
static inline void *sc_option_member(const sc_option *row, sc_options *o, sc_output *output)
{
    return (row->per_output ? (char *)output : (char *)o) + row->offset;
}

/* Sets the row's default. */
void sc_option_reset(const sc_option *row, sc_options *o, sc_output *output);

#endif
