#define _DEFAULT_SOURCE /* fts */
#include "batch.h"

#include <errno.h>
#include <fts.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* What cameras, discs, recorders and downloads leave behind. */
static const char *const extensions[] = { "3g2",  "3gp", "asf", "avi", "divx", "dv",   "f4v",  "flv", "gif",
                                          "m2ts", "m4v", "mkv", "mov", "mp4",  "mpeg", "mpg",  "mts", "mxf",
                                          "nut",  "ogm", "ogv", "rm",  "ts",   "vob",  "webm", "wmv", "y4m" };

static const char *const images[] = { "bmp", "jpeg", "jpg", "png", "tif", "tiff", "webp" };

static bool is_list(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && !strcasecmp(dot, ".txt");
}

static bool is_pattern(const char *path)
{
    struct stat s;

    return path[strcspn(path, "*?[")] && stat(path, &s);
}

bool sc_batch_is_many(const char *input)
{
    return sc_is_folder(input) || is_list(input) || is_pattern(input);
}

static bool ends_in(const char *name, const char *const *list, int n)
{
    const char *dot = strrchr(name, '.');

    for (int i = 0; dot && i < n; i++)
        if (!strcasecmp(dot + 1, list[i]))
            return true;
    return false;
}

static bool is_film(const char *name)
{
    return ends_in(name, extensions, SC_COUNT(extensions));
}

static bool is_image(const char *name)
{
    return ends_in(name, images, SC_COUNT(images));
}

/* Copies of input[0..) and of folder/below[0..n). */
static int append(sc_batch *b, const char *input, const char *folder, const char *below, size_t n)
{
    const size_t length = strlen(folder) + n + 2;
    sc_job j = { .input = strdup(input), .folder = malloc(length) };

    if (b->count == b->room) {
        const int room = 2 * b->room + 16;
        sc_job *more = realloc(b->job, (size_t)room * sizeof(*more));

        b->job = more ? more : b->job;
        b->room = more ? room : b->room;
    }
    if (!j.input || !j.folder || b->count == b->room) {
        free(j.input);
        free(j.folder);
        return -ENOMEM;
    }
    snprintf(j.folder, length, "%s%s%.*s", folder, n ? "/" : "", (int)n, below);
    b->job[b->count++] = j;
    return 0;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int add_files(sc_batch *b, const char *path, const char *folder, bool recursive,
                     bool (*wanted)(const char *))
{
    char *root = strdup(path);
    struct stat result = { 0 };
    FTS *tree = NULL;
    FTSENT *e;
    int ret = 0;

    if (!root)
        return -ENOMEM;
    for (size_t n = strlen(root); n > 1 && root[n - 1] == '/';
         n--) /* so that what is below it begins after one / */
        root[n - 1] = 0;
    /* Links are followed: collections are made of them. fts breaks cycles. */
    tree = fts_open((char *[]){ root, NULL }, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    if (!tree)
        SC_TRY(-errno);
    stat(folder, &result);
    while ((e = fts_read(tree))) {
        const char *below = e->fts_path + strlen(root) + 1;
        const bool hidden = e->fts_level > 0 && e->fts_name[0] == '.';
        const bool own = e->fts_level > 0 && e->fts_statp->st_dev == result.st_dev &&
                         e->fts_statp->st_ino == result.st_ino;

        if (e->fts_info == FTS_D && (hidden || own || (e->fts_level > 0 && !recursive)))
            fts_set(tree, e, FTS_SKIP);
        else if (e->fts_info == FTS_F && !hidden && wanted(e->fts_name))
            SC_TRY(append(b, e->fts_path, folder, below,
                          e->fts_level > 1 ? strlen(below) - strlen(e->fts_name) - 1 : 0));
    }
fail:
    if (tree)
        fts_close(tree);
    free(root);
    return ret;
}

/* Beside films, images are their covers. */
static int add_folder(sc_batch *b, const char *path, const char *folder, bool recursive)
{
    const int before = b->count, ret = add_files(b, path, folder, recursive, is_film);

    return ret < 0 || b->count > before ? ret : add_files(b, path, folder, recursive, is_image);
}

static int add_list(sc_batch *b, const char *path, const char *folder)
{
    const char *slash = strrchr(path, '/');
    const int home = slash ? (int)(slash - path) + 1 : 0;
    FILE *f = fopen(path, "r");
    char line[4096], film[8192];
    int ret = 0;

    if (!f)
        return -errno;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\r\n")] = 0;
        if (!*line || *line == '#')
            continue;
        snprintf(film, sizeof film, "%.*s%s", *line == '/' ? 0 : home, path, line);
        SC_TRY(append(b, film, folder, "", 0));
    }
    ret = ferror(f) ? -EIO : 0;
fail:
    fclose(f);
    return ret;
}

static int add_pattern(sc_batch *b, const char *pattern, const char *folder)
{
    glob_t found = { 0 };
    int ret = 0;

    if (!glob(pattern, 0, NULL, &found))
        for (size_t i = 0; i < found.gl_pathc; i++)
            if (!sc_is_folder(found.gl_pathv[i]))
                SC_TRY(append(b, found.gl_pathv[i], folder, "", 0));
fail:
    globfree(&found);
    return ret;
}

int sc_batch_add(sc_batch *b, const char *input, const char *folder, bool recursive, const sc_logger *log)
{
    const int before = b->count;
    const int ret = sc_is_folder(input) ? add_folder(b, input, folder, recursive)
                    : is_list(input)    ? add_list(b, input, folder)
                    : is_pattern(input) ? add_pattern(b, input, folder)
                                        : append(b, input, folder, "", 0);

    if (ret < 0)
        return sc_fail(log, ret == -ENOMEM ? ret : SC_ERR_INPUT, "batch", "%s: %s", input, strerror(-ret));
    if (b->count == before)
        return sc_fail(log, SC_ERR_INPUT, "batch", "%s: no film in it%s", input,
                       sc_is_folder(input) && !recursive ? " (--recursive looks into its folders too)" : "");
    return 0;
}

void sc_batch_clear(sc_batch *b)
{
    for (int i = 0; i < b->count; i++) {
        free(b->job[i].input);
        free(b->job[i].folder);
        free(b->job[i].output);
    }
    free(b->job);
    *b = (sc_batch){ 0 };
}
