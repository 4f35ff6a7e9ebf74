#include "kept.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fidelity.h"
#include "nets/builtin.h"
#include "stages/edit.h"

static void add(char text[SC_KEPT_TEXT], const char *fmt, ...) SC_PRINTF(2, 3);
static void add(char text[SC_KEPT_TEXT], const char *fmt, ...)
{
    const size_t n = strlen(text);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text + n, SC_KEPT_TEXT - n, fmt, ap);
    va_end(ap);
}

/* A network that was replaced shows in sizes and times of its folder's files, in whatever order they are
 * read. */
static void add_folder(char text[SC_KEPT_TEXT], const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *e;
    uint64_t sum = 0;

    while (dir && (e = readdir(dir))) {
        char path[SC_MODELS_PATH + 256];
        struct stat st;

        snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        if (!stat(path, &st) && S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_size * 1000000007U + (uint64_t)st.st_mtim.tv_sec * 1000000000U +
                   (uint64_t)st.st_mtim.tv_nsec;
    }
    if (dir)
        closedir(dir);
    add(text, " %s %llx", folder, (unsigned long long)sum);
}

static void add_precision(char text[SC_KEPT_TEXT], const sc_context *c, sc_net net)
{
    add(text, " %s %s", sc_dtype_name(c->precision.net[net].weight),
        sc_dtype_name(c->precision.net[net].act));
}

static void add_published(char text[SC_KEPT_TEXT], const sc_context *c, const sc_model_files *files)
{
    const sc_settings *s = c->set;
    const sc_plan *p = &c->plan;

    add_folder(text, files->unet);
    add_folder(text, files->vae);
    add_folder(text, files->clip);
    add_precision(text, c, SC_NET_DEPTH_UNET);
    add_precision(text, c, SC_NET_VAE);
    add_precision(text, c, SC_NET_CLIP);
    add(text, " %d %d %d %d %.17g %lld %s", p->depth_window, p->depth_overlap, p->depth_decode,
        s->depth_steps, s->depth_guidance, (long long)s->seed, s->noise ? s->noise : "");
}

static void add_builtin(char text[SC_KEPT_TEXT], const sc_context *c, bool large)
{
    const sc_builtin *depth = sc_builtin_find("depth", large);
    char digest[33];

    sc_cache_digest(digest, depth->bytes, depth->size);
    add_precision(text, c, SC_NET_QUICK);
    add(text, " %s %d", digest, c->set->depth_size);
}

/* Where shots begin, and which part of the picture is looked at. */
static void add_edit(char text[SC_KEPT_TEXT], const sc_edit *e)
{
    char digest[33] = "", line[256];

    for (int i = 0; i < e->shots; i++) {
        const sc_edit_shot *s = &e->shot[i];
        const int n = snprintf(line, sizeof(line), "%s %.17g %d %d %d %d", digest, s->time, s->picture.x,
                               s->picture.y, s->picture.w, s->picture.h);
        sc_cache_digest(digest, line, (size_t)n);
    }
    add(text, " %s", digest);
}

void sc_kept_describe(char text[SC_KEPT_TEXT], const sc_context *c, bool large)
{
    sc_model_files files;

    *text = 0;
    add(text, "%d %d %d", c->set->depth_range, sc_fidelity_of(c->set)->shots, c->precision.tf32);
    if (c->models && !sc_models_depth(&files, c->models))
        add_published(text, c, &files);
    else
        add_builtin(text, c, large);
    if (c->edit)
        add_edit(text, c->edit);
}

int sc_kept_depth(char path[SC_CACHE_PATH], const sc_context *c, bool large)
{
    char text[SC_KEPT_TEXT];

    sc_kept_describe(text, c, large);
    return sc_cache_depth(path, c->set, text, c->log);
}
