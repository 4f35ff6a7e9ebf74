#include "choices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VERSION = 1, MOST_BYTES = 1 << 20 /* thousands of cases; nobody has as many */ };

struct sc_choices {
    const sc_logger *log;
    char name[256], path[3][1024]; /* of the FILES */
    char *text;                    /* a line for each case, "family key = choice\n", after a first "\n" */
    size_t size;
    int lock; /* descriptor of the locked file, else -1 */
    bool keeps, changed;
};

enum { KEPT, FRESH, LOCK }; /* FRESH becomes KEPT once it is whole */

/* FNV-1a: tells a torn or edited file. */
static uint64_t hash(const char *s)
{
    uint64_t h = 14695981039346656037u;

    while (*s)
        h = (h ^ (unsigned char)*s++) * 1099511628211u;
    return h;
}

/* The file's first line, without its end, for what follows it. */
static int head(const sc_choices *c, const char *text, char *out, size_t size)
{
    return snprintf(out, size, "stereocrafter choices %d, %s, %016llx", VERSION, c->name,
                    (unsigned long long)hash(text));
}

static bool append(sc_choices *c, const char *line)
{
    const size_t n = strlen(line);
    char *text = realloc(c->text, c->size + n + 1);

    if (!text)
        return false;
    memcpy(text + c->size, line, n + 1);
    c->text = text;
    c->size += n;
    return true;
}

/* "\nfamily 1 2 3 = " */
static void describe(char *out, size_t size, const char *family, const int64_t *key, int n)
{
    size_t at = (size_t)snprintf(out, size, "\n%s", family);

    for (int i = 0; i < n && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, " %lld", (long long)key[i]);
    if (at < size)
        snprintf(out + at, size - at, " = ");
}

/* All of a small file, ending in 0, or NULL. */
static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = f ? malloc(MOST_BYTES + 1) : NULL;
    const size_t n = text ? fread(text, 1, MOST_BYTES + 1, f) : 0;

    if (f)
        fclose(f);
    if (n && n <= MOST_BYTES) {
        text[n] = 0;
        return text;
    }
    free(text);
    return NULL;
}

static void load(sc_choices *c)
{
    char *file = read_file(c->path[KEPT]), *text = file ? strchr(file, '\n') : NULL, line[512];

    if (text) {
        const int n = head(c, text, line, sizeof(line));
        if (n == text - file && !memcmp(line, file, (size_t)n)) {
            c->text[c->size = 0] = 0;
            append(c, text);
        } else {
            sc_log(c->log, SC_LOG_DEBUG, "device", "%s is broken or of another version: written anew",
                   c->path[KEPT]);
        }
    }
    free(file);
}

int sc_choices_open(sc_choices **out, const char *dir, const char *name, const sc_logger *log)
{
    static const char *const suffix[] = { [KEPT] = "txt", [FRESH] = "new", [LOCK] = "lock" };
    sc_choices *c = calloc(1, sizeof(*c));

    if (!c || !append(c, "\n")) {
        free(c);
        return -ENOMEM;
    }
    c->log = log;
    c->lock = -1;
    c->keeps = dir != NULL;
    snprintf(c->name, sizeof(c->name), "%s", name);
    for (int i = 0; i < SC_COUNT(suffix) && c->keeps; i++)
        if (snprintf(c->path[i], sizeof(*c->path), "%s/%s.%s", dir, name, suffix[i]) >= (int)sizeof(*c->path))
            c->keeps = false;
    if (c->keeps)
        load(c);
    *out = c;
    return 0;
}

void sc_choices_close(sc_choices **c)
{
    if (*c) {
        sc_choices_unlock(*c);
        free((*c)->text);
    }
    free(*c);
    *c = NULL;
}

int sc_choices_find(const sc_choices *c, const char *family, const int64_t *key, int n)
{
    char line[1024];
    const char *found;

    describe(line, sizeof(line), family, key, n);
    found = strstr(c->text, line);
    return found ? atoi(found + strlen(line)) : -1;
}

/* Every folder above a file. */
static void make_folders(const char *path)
{
    char part[1024];

    for (const char *s = strchr(path + 1, '/'); s; s = strchr(s + 1, '/')) {
        snprintf(part, sizeof(part), "%.*s", (int)(s - path), path);
        mkdir(part, 0700); /* as XDG's base directories ask; one that exists stays as it is */
    }
}

bool sc_choices_lock(sc_choices *c)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (!c->keeps)
        return false;
    make_folders(c->path[LOCK]);
    c->lock = open(c->path[LOCK], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (c->lock < 0 || fcntl(c->lock, F_SETLKW, &whole)) {
        sc_log(c->log, SC_LOG_DEBUG, "device", "%s: %s: no kernel is chosen by timing", c->path[LOCK],
               strerror(errno));
        sc_choices_unlock(c);
        return c->keeps = false;
    }
    load(c);
    return true;
}

void sc_choices_set(sc_choices *c, const char *family, const int64_t *key, int n, int choice)
{
    char line[1024];
    const size_t begin = 1; /* the line before has ended */

    describe(line, sizeof(line), family, key, n);
    const size_t at = strlen(line);
    snprintf(line + at, sizeof(line) - at, "%d\n", choice);
    c->changed = append(c, line + begin) || c->changed;
}

static bool save(const sc_choices *c)
{
    char line[512];
    FILE *f = fopen(c->path[FRESH], "wb");
    bool ok = f != NULL;

    head(c, c->text, line, sizeof(line));
    ok = ok && fprintf(f, "%s%s", line, c->text) > 0;
    if (f)
        ok = !fclose(f) && ok;
    return ok && !rename(c->path[FRESH], c->path[KEPT]);
}

void sc_choices_unlock(sc_choices *c)
{
    if (c->changed && !save(c))
        sc_log(c->log, SC_LOG_DEBUG, "device", "%s cannot be written: %s", c->path[KEPT], strerror(errno));
    c->changed = false;
    if (c->lock >= 0)
        close(c->lock); /* gives the lock back */
    c->lock = -1;
}
