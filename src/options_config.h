/* --config: options from a file, as --print-config prints them: a line "name = value" each, the name with or
 * without dashes, yes or no where an option takes no value, texts in quotes where spaces shall stay at their
 * ends. What has no value is left as it is. Lines that begin with # and empty ones are passed over. */
#ifndef SC_OPTIONS_CONFIG_H
#define SC_OPTIONS_CONFIG_H

#include <stddef.h>

enum { SC_CONFIG_BYTES = 16384, SC_CONFIG_WORDS = 1024 };

typedef struct sc_config { /* zeroed */
    char text[2 * SC_CONFIG_BYTES];
    char *word[SC_CONFIG_WORDS]; /* as they would stand on the command line; in text */
    int line[SC_CONFIG_WORDS];   /* that each comes from */
    int words;
} sc_config;

/* Takes a file's text, which it changes; path is for messages, as below. */
int sc_config_parse(sc_config *c, char *text, const char *path, char *error, size_t size);
/* SC_ERR_USAGE with a message that names the file, and its line where it is one's. Values are not looked at.
 */
int sc_config_read(sc_config *c, const char *path, char *error, size_t size);

#endif
