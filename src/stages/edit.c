#include "edit.h"

#include <math.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "../weights/safetensors.h"

static const double tick = 1e-6; /* seconds: what a time loses as text */

static int bad(const sc_logger *log, const char *path, int shot, const char *member, const char *expected)
{
    return sc_fail(log, SC_ERR_USAGE, "shots", "%s: shots[%d].%s: %s expected", path, shot, member, expected);
}

/* A member that may be missing; false if it is there and is no number from lo to hi. */
static bool read_number(double *value, const cJSON *object, const char *name, double lo, double hi)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    if (!item)
        return true;
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= lo && item->valuedouble <= hi))
        return false;
    *value = item->valuedouble;
    return true;
}

/* False unless the picture lies within w x h, if it is given. */
static bool read_picture(sc_rect *r, const cJSON *shot, int w, int h)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(shot, "picture");
    double x = 0, y = 0, width = w, height = h;

    if (!item)
        return true;
    if (!cJSON_IsObject(item) || !read_number(&x, item, "x", 0, w - 1) ||
        !read_number(&y, item, "y", 0, h - 1) || !read_number(&width, item, "width", 1, w - floor(x)) ||
        !read_number(&height, item, "height", 1, h - floor(y)))
        return false;
    *r = (sc_rect){ (int)x, (int)y, (int)SC_MIN(width, w - floor(x)), (int)SC_MIN(height, h - floor(y)) };
    return true;
}

static int read_shot(sc_edit *e, const cJSON *item, const sc_settings *s, const sc_video_info *v,
                     const sc_logger *log)
{
    const int i = e->shots;
    sc_edit_shot shot = { .time = -1,
                          .picture = { 0, 0, v->width, v->height },
                          .max_disparity = s->max_disparity,
                          .convergence = s->convergence,
                          .floating_window = s->floating_window };
    const cJSON *window = cJSON_GetObjectItemCaseSensitive(item, "floating_window");

    if (!read_number(&shot.time, item, "time", 0, 1e9) || shot.time < 0)
        return bad(log, s->shots, i, "time", "seconds");
    if (i && shot.time <= e->shot[i - 1].time)
        return bad(log, s->shots, i, "time", "a later time than the shot's before");
    if (!read_picture(&shot.picture, item, v->width, v->height))
        return bad(log, s->shots, i, "picture", "x, y, width and height within the film's");
    if (!read_number(&shot.max_disparity, item, "max_disparity", 0, 10))
        return bad(log, s->shots, i, "max_disparity", "0 to 10 percent of width");
    if (!read_number(&shot.convergence, item, "convergence", 0, 1))
        return bad(log, s->shots, i, "convergence", "0 to 1");
    if (window && !cJSON_IsBool(window))
        return bad(log, s->shots, i, "floating_window", "true or false");
    shot.floating_window = window ? cJSON_IsTrue(window) : shot.floating_window;
    e->shot[e->shots++] = shot;
    return 0;
}

static int read_list(sc_edit *e, const cJSON *json, const sc_settings *s, const sc_video_info *v,
                     const sc_logger *log)
{
    const cJSON *shots = cJSON_GetObjectItemCaseSensitive(json, "shots"), *item;
    const cJSON *source = cJSON_GetObjectItemCaseSensitive(json, "source");
    double schema = 0, w = v->width, h = v->height;
    int ret;

    if (!read_number(&schema, json, "schema", SC_EDIT_SCHEMA, SC_EDIT_SCHEMA) || schema != SC_EDIT_SCHEMA)
        return sc_fail(log, SC_ERR_USAGE, "shots", "%s: schema: %d expected", s->shots, SC_EDIT_SCHEMA);
    if (!read_number(&w, source, "width", 1, 1e6) || !read_number(&h, source, "height", 1, 1e6) ||
        w != v->width || h != v->height)
        return sc_fail(log, SC_ERR_USAGE, "shots", "%s is of a film of %.0fx%.0f, not of %dx%d", s->shots, w,
                       h, v->width, v->height);
    if (!cJSON_IsArray(shots) || !shots->child)
        return sc_fail(log, SC_ERR_USAGE, "shots", "%s: shots: a list of at least one expected", s->shots);
    if (!(e->shot = calloc((size_t)cJSON_GetArraySize(shots), sizeof(*e->shot))))
        return sc_fail(log, -ENOMEM, "shots", "out of memory");
    cJSON_ArrayForEach(item, shots) SC_TRY(read_shot(e, item, s, v, log));
    return 0;
fail:
    return ret;
}

int sc_edit_read(sc_edit *e, const sc_settings *s, const sc_video_info *v, const sc_logger *log)
{
    cJSON *json = NULL;
    int ret;

    SC_TRY(sc_json_read(&json, s->shots, SC_ERR_USAGE, "shots", log));
    ret = read_list(e, json, s, v, log);
    cJSON_Delete(json);
fail:
    return ret;
}

void sc_edit_clear(sc_edit *e)
{
    free(e->shot);
    *e = (sc_edit){ 0 };
}

bool sc_edit_windows(const sc_edit *e)
{
    for (int i = 0; i < e->shots; i++)
        if (e->shot[i].floating_window)
            return true;
    return false;
}

const sc_edit_shot *sc_edit_at(const sc_edit *e, double time)
{
    int first = 0, end = e->shots; /* shot[first] has begun, shot[end] has not */

    while (end - first > 1) {
        const int middle = first + (end - first) / 2;
        if (e->shot[middle].time <= time + tick)
            first = middle;
        else
            end = middle;
    }
    return &e->shot[first];
}
