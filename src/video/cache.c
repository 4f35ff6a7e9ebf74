#define _XOPEN_SOURCE 700 /* realpath */

#include "cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavutil/md5.h>

void sc_cache_digest(char *text, const void *bytes, size_t size)
{
    uint8_t sum[16];

    av_md5_sum(sum, bytes, size);
    for (int i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", sum[i]);
}

int sc_cache_depth(char *path, const sc_settings *s, const char *networks, const sc_logger *log)
{
    char text[6 * SC_CACHE_PATH], digest[33];
    char *whole = sc_is_pipe(s->input) ? NULL : realpath(s->input, NULL);
    struct stat film;
    int ret;

    if (!whole || stat(whole, &film) || !S_ISREG(film.st_mode)) {
        free(whole);
        return sc_fail(log, SC_ERR_USAGE, "cache", "--cache: %s is not a file whose depth could be kept",
                       s->input);
    }
    if (!s->cache_dir || strlen(s->cache_dir) > SC_CACHE_PATH / 2) {
        free(whole);
        return sc_fail(log, SC_ERR_USAGE, "cache",
                       "--cache: there is no folder for it: name one with --cache-dir");
    }
    snprintf(text, sizeof text, "%s %lld %lld.%09ld %.17g %.17g %.17g %lld %s", whole,
             (long long)film.st_size, (long long)film.st_mtim.tv_sec, film.st_mtim.tv_nsec, s->start, s->end,
             s->duration, (long long)s->frames, networks);
    free(whole);
    sc_cache_digest(digest, text, strlen(text));
    snprintf(path, SC_CACHE_PATH, "%s/depth", s->cache_dir);
    SC_TRY(sc_make_folder(path, "cache", log));
    snprintf(path, SC_CACHE_PATH, "%s/depth/%s.nut", s->cache_dir, digest);
    ret = !access(path, R_OK);
fail:
    return ret;
}
