#include "options_config.h"

#include <stdio.h>
#include <string.h>

#include "options_table.h"

typedef struct reading {
    sc_config *c;
    size_t used; /* of c->text, by words */
    const char *path;
    int line;
    char *error;
    size_t size;
} reading;

static int complain(const reading *r, const char *what, const char *name)
{
    snprintf(r->error, r->size, "%s:%d: %s%s%s", r->path, r->line, what, *name ? " " : "", name);
    return SC_ERR_USAGE;
}

static int add_word(reading *r, const char *text)
{
    sc_config *c = r->c;
    const size_t n = strlen(text) + 1;

    if (c->words == SC_CONFIG_WORDS || r->used + n > sizeof c->text)
        return complain(r, "too long", "");
    c->word[c->words] = memcpy(c->text + r->used, text, n);
    c->line[c->words++] = r->line;
    r->used += n;
    return 0;
}

/* What says what is to be done, rather than how. */
static bool is_deed(const sc_option *row)
{
    static const char *const deeds[] = { "--input", "--output", "--config",       "--score", "--segment",
                                         "--join",  "--info",   "--print-config", "--bench", "--version" };

    for (int i = 0; i < SC_COUNT(deeds); i++)
        if (!strcmp(row->name, deeds[i]))
            return true;
    return row->type == SC_HELP;
}

/* The first `used` letters of s without spaces around them, in place. */
static char *trimmed(char *s, size_t used)
{
    s[used] = 0;
    while (used && strchr(" \t\r", s[used - 1]))
        s[--used] = 0;
    return s + strspn(s, " \t");
}

/* "a \"b\\c" without its quotes, in place. */
static char *unquoted(char *s)
{
    const size_t n = strlen(s);
    char *to = s;

    if (n < 2 || *s != '"' || s[n - 1] != '"')
        return s;
    s[n - 1] = 0;
    for (const char *from = s + 1; *from; from++) {
        from += *from == '\\' && from[1];
        *to++ = *from;
    }
    *to = 0;
    return s;
}

/* The option that is called --name, -name or, with its dashes, name. */
static const sc_option *find(const char *name)
{
    char dashed[64];
    const sc_option *row = *name == '-' ? sc_option_find(name, strlen(name)) : NULL;

    for (int dashes = 2; dashes && !row && *name != '-'; dashes--) {
        const int n = snprintf(dashed, sizeof dashed, "--%s", name);
        if (n < (int)sizeof dashed)
            row = sc_option_find(dashed + 2 - dashes, (size_t)(n - 2 + dashes));
    }
    return row;
}

static int read_line(reading *r, char *text)
{
    const size_t length = strlen(text), at = strcspn(text, "=");
    char *name = trimmed(text, at), *value, no[64];
    const sc_option *row;
    int ret;

    if ((!*name && at == length) || *name == '#')
        return 0;
    if (at == length)
        return complain(r, "\"name = value\" expected, not", name);
    value = trimmed(text + at + 1, length - at - 1);
    if (!(row = find(name)))
        return complain(r, "unknown option", name);
    if (!*value)
        return 0;
    if (is_deed(row) && strcmp(value, "no"))
        return complain(r, "only the command line can have", row->name);
    if (row->type != SC_BOOL && row->type != SC_SET && !is_deed(row)) {
        SC_TRY(add_word(r, row->name));
        return add_word(r, unquoted(value));
    }
    if (!strcmp(value, "yes"))
        return add_word(r, row->name);
    if (strcmp(value, "no"))
        return complain(r, "yes or no expected for", row->name);
    snprintf(no, sizeof no, "--no-%s", row->name + 2);
    return row->type == SC_BOOL && !is_deed(row) ? add_word(r, no) : 0;
fail:
    return ret;
}

int sc_config_parse(sc_config *c, char *text, const char *path, char *error, size_t size)
{
    reading r = { .c = c, .path = path, .error = error, .size = size };
    char *next;

    for (char *s = text; s; s = next) {
        next = strchr(s, '\n');
        if (next)
            *next++ = 0;
        r.line++;
        if (read_line(&r, s) < 0)
            return SC_ERR_USAGE;
    }
    return 0;
}

int sc_config_read(sc_config *c, const char *path, char *error, size_t size)
{
    char text[SC_CONFIG_BYTES + 1];
    FILE *f = fopen(path, "r");
    const size_t n = f ? fread(text, 1, sizeof text, f) : 0;
    const bool failed = !f || ferror(f);

    if (f)
        fclose(f);
    if (failed || n == sizeof text || memchr(text, 0, n)) {
        snprintf(error, size, "--config: %s %s", path,
                 failed             ? "cannot be read"
                 : n == sizeof text ? "is too long for options"
                                    : "is no text");
        return SC_ERR_USAGE;
    }
    text[n] = 0;
    return sc_config_parse(c, text, path, error, size);
}
