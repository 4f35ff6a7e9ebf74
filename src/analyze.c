#include "analyze.h"

#include <math.h>

#include "comfort.h"
#include "stats.h"

static const double most_hole = 0.05;    /* of the picture: about where what is made up begins to be seen */
static const double most_at_sides = 0.3; /* percent of the width in front of the screen */
static const double most_convergence = 0.75; /* beyond, next to nothing stands out any more */

/* Percent of the width that this viewer sees under the limit. */
static double most_percent(const sc_settings *s)
{
    const int viewer = s->viewer == SC_VIEWER_NONE ? SC_VIEWER_TV : s->viewer;

    return sc_comfort_limit(s) /
           sc_comfort_degrees(viewer, 1); /* the angle is in proportion, for angles this small */
}

void sc_analyze_suggest(sc_edit_shot *e, const sc_gauge_shot *shot, const sc_settings *s)
{
    const double range = SC_MAX(s->max_disparity, 1e-6), share = shot->picture.w / (double)shot->width;
    /* Normalised disparities: strength and convergence taken out again. */
    const double low = shot->low / (range * share) + s->convergence;
    const double high = shot->high / (range * share) + s->convergence;
    const double sides = shot->sides / (range * share) + s->convergence;
    double strength = s->max_disparity;

    if (shot->hole > most_hole) /* holes are as wide as steps in disparity */
        strength *= most_hole / shot->hole;
    const double behind = sides - most_at_sides / SC_MAX(strength * share, 1e-6);
    e->convergence = SC_MAX(s->convergence, SC_MIN(behind, most_convergence));
    const double extreme = SC_MAX(high - e->convergence, e->convergence - low) * strength * share;
    if (extreme > most_percent(s))
        strength *= most_percent(s) / extreme;
    e->max_disparity = floor(100 * strength + 0.5) / 100;
    e->convergence = floor(100 * e->convergence + 0.5) / 100;
    e->time = shot->time;
    e->picture = shot->picture;
}

static void add_warning(cJSON *list, const char *format, double value)
{
    char text[160];

    snprintf(text, sizeof(text), format, value);
    cJSON_AddItemToArray(list, cJSON_CreateString(text));
}

cJSON *sc_analyze_warn(const sc_gauge_shot *shot, const sc_settings *s)
{
    const double most = SC_MAX(shot->high, -shot->low);
    cJSON *list = cJSON_CreateArray();

    if (shot->hole > most_hole)
        add_warning(list, "%.1f percent of the picture come into view behind things", 100 * shot->hole);
    if (shot->sides > most_at_sides)
        add_warning(list, "cut off by a side of the picture %.2f percent of width in front of the screen",
                    shot->sides);
    if (most > most_percent(s))
        add_warning(list, "parallax of up to %.2f percent of width", most);
    if (shot->light < sc_gauge_dark)
        add_warning(list, "dark (mean %.3f of 1): depth is a guess", shot->light);
    return list;
}

static double rounded(double v)
{
    return floor(1e4 * v + 0.5) / 1e4;
}

static void add_shot(cJSON *rows, const sc_gauge_shot *shot, const sc_settings *s)
{
    cJSON *row = cJSON_CreateObject(), *picture, *disparity;
    sc_edit_shot e;

    sc_analyze_suggest(&e, shot, s);
    cJSON_AddNumberToObject(row, "time", e.time);
    cJSON_AddNumberToObject(row, "frame", (double)shot->first);
    cJSON_AddNumberToObject(row, "frames", (double)shot->frames);
    picture = cJSON_AddObjectToObject(row, "picture");
    cJSON_AddNumberToObject(picture, "x", e.picture.x);
    cJSON_AddNumberToObject(picture, "y", e.picture.y);
    cJSON_AddNumberToObject(picture, "width", e.picture.w);
    cJSON_AddNumberToObject(picture, "height", e.picture.h);
    cJSON_AddNumberToObject(row, "max_disparity", e.max_disparity);
    cJSON_AddNumberToObject(row, "convergence", e.convergence);
    disparity = cJSON_AddObjectToObject(row, "disparity");
    cJSON_AddNumberToObject(disparity, "p1", rounded(shot->low));
    cJSON_AddNumberToObject(disparity, "p50", rounded(shot->median));
    cJSON_AddNumberToObject(disparity, "p99", rounded(shot->high));
    cJSON_AddNumberToObject(row, "hole", rounded(shot->hole));
    cJSON_AddItemToObject(row, "warnings", sc_analyze_warn(shot, s));
    cJSON_AddItemToArray(rows, row);
}

int sc_analyze_write(const sc_settings *s, const sc_video_info *v, const sc_gauge *g, const sc_logger *log)
{
    cJSON *json = cJSON_CreateObject(), *source, *shots;
    int ret;

    cJSON_AddNumberToObject(json, "schema", SC_EDIT_SCHEMA);
    source = cJSON_AddObjectToObject(json, "source");
    cJSON_AddStringToObject(source, "path", s->input);
    cJSON_AddNumberToObject(source, "width", v->width);
    cJSON_AddNumberToObject(source, "height", v->height);
    shots = cJSON_AddArrayToObject(json, "shots");
    for (int i = 0; i < g->shots; i++)
        add_shot(shots, &g->shot[i], s);
    ret = sc_json_write(s->analyze, json, log);
    cJSON_Delete(json);
    return ret;
}
