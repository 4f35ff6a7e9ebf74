/* JSON files beside the weights. */
#include "safetensors.h"
#include "weights.h"

#include <cjson/cJSON.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_JSON (16u << 20)

struct sc_config {
    cJSON *json;
};

int sc_json_read(cJSON **json, const char *path, int code, const char *stage, const sc_logger *log)
{
    size_t n = 0, size = 0;
    char *text = NULL;
    FILE *f = fopen(path, "rb");

    if (!f)
        return sc_fail(log, code, stage, "%s: cannot be read: %s", path, strerror(errno));
    do { /* grows as it reads: the size of what is not a plain file is not known */
        size = size ? 2 * size : 1 << 14;
        char *more = realloc(text, size);
        if (!more)
            break;
        text = more;
        n += fread(text + n, 1, size - n, f);
    } while (n == size && size < MAX_JSON);
    fclose(f);
    cJSON *root = text && n < size ? cJSON_ParseWithLength(text, n) : NULL;
    free(text);
    if (!cJSON_IsObject(root)) {
        cJSON_Delete(root);
        return sc_fail(log, code, stage, "%s: not a JSON object", path);
    }
    *json = root;
    return 0;
}

int sc_config_open(sc_config **c, const char *path, const sc_logger *log)
{
    char file[4096];
    struct stat st;
    const size_t n = strlen(path);
    const char *slash = strrchr(path, '/');

    *c = NULL;
    if (n > 5 && !strcmp(path + n - 5, ".json"))
        snprintf(file, sizeof file, "%s", path);
    else if (!stat(path, &st) && S_ISDIR(st.st_mode))
        snprintf(file, sizeof file, "%s/config.json", path);
    else /* beside a weights file */
        snprintf(file, sizeof file, "%.*sconfig.json", slash ? (int)(slash - path) + 1 : 0, path);
    if (stat(file, &st) && errno == ENOENT)
        return 0;

    sc_config *config = calloc(1, sizeof *config);
    if (!config)
        return -ENOMEM;
    const int ret = sc_json_read(&config->json, file, SC_ERR_WEIGHTS, "weights", log);
    if (ret < 0)
        sc_config_close(&config);
    *c = config;
    return ret;
}

void sc_config_close(sc_config **c)
{
    if (*c)
        cJSON_Delete((*c)->json);
    free(*c);
    *c = NULL;
}

static bool to_int(const cJSON *item, int *value)
{
    if (!cJSON_IsNumber(item) || fabs(item->valuedouble) > INT_MAX || item->valuedouble != item->valueint)
        return false;
    *value = item->valueint;
    return true;
}

int sc_config_int(const sc_config *c, const char *key, int *value)
{
    return c && to_int(cJSON_GetObjectItemCaseSensitive(c->json, key), value);
}

int sc_config_ints(const sc_config *c, const char *key, int *value, int n)
{
    const cJSON *item = c ? cJSON_GetObjectItemCaseSensitive(c->json, key) : NULL;
    int set = 0, one;

    if (to_int(item, &one)) {
        for (int i = 0; i < n; i++)
            value[i] = one;
        return n;
    }
    if (!cJSON_IsArray(item))
        return 0;
    for (item = item->child; item && set < n && to_int(item, &value[set]); item = item->next)
        set++;
    return set;
}

int sc_config_float(const sc_config *c, const char *key, float *value)
{
    const cJSON *item = c ? cJSON_GetObjectItemCaseSensitive(c->json, key) : NULL;
    if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) <= FLT_MAX)) /* the cast has to be defined */
        return 0;
    *value = (float)item->valuedouble;
    return 1;
}
