#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze.h"
#include "comfort.h"
#include "stats.h"

/* src/report.html, which the build lays here with a 0 behind it. */
extern const char sc_report_html[];

enum {
    SCHEMA = 1,     /* grows when the page needs something else */
    DETAILED = 128, /* shots whose curves are drawn as they are: in a chart, those of more are narrow */
};

/* Of a curve: what a pixel of its drawing can show. */
static double rounded(double v)
{
    return floor(1e4 * v + 0.5) / 1e4;
}

/* So many parts as one. */
static void add_curve(cJSON *row, const sc_gauge_shot *shot, int together)
{
    cJSON *curve = cJSON_AddArrayToObject(row, "curve");
    const int parts = sc_gauge_parts(shot);

    cJSON_AddNumberToObject(row, "step", (double)shot->step * together);
    for (int i = 0; i < parts; i += together) {
        sc_gauge_part p = shot->part[i];

        for (int k = i + 1; k < SC_MIN(i + together, parts); k++) {
            p.low = SC_MIN(p.low, shot->part[k].low);
            p.high = SC_MAX(p.high, shot->part[k].high);
            p.hole = SC_MAX(p.hole, shot->part[k].hole);
        }
        const double v[] = { rounded(p.low), rounded(p.median), rounded(p.high), rounded(p.hole) };
        cJSON_AddItemToArray(curve, cJSON_CreateDoubleArray(v, SC_COUNT(v)));
    }
}

cJSON *sc_report_stills(const sc_gauge_shot *shot)
{
    static const char *const names[SC_STILLS] = {
        [SC_STILL_LEFT] = "left",
        [SC_STILL_RIGHT] = "right",
        [SC_STILL_ANAGLYPH] = "anaglyph",
        [SC_STILL_DISPARITY] = "depth",
    };
    cJSON *stills = shot->still[0] ? cJSON_CreateObject() : NULL;

    for (int i = 0; i < SC_STILLS && stills; i++)
        cJSON_AddItemToObject(stills, names[i], cJSON_CreateStringReference(shot->still[i]));
    return stills;
}

static void add_to_shot(cJSON *row, const sc_gauge_shot *shot, const sc_settings *s, int together)
{
    cJSON *stills = sc_report_stills(shot);

    cJSON_AddNumberToObject(row, "time", shot->time);
    cJSON_AddNumberToObject(row, "nearest", (double)shot->high_frame);
    cJSON_AddNumberToObject(row, "farthest", (double)shot->low_frame);
    cJSON_AddItemToObject(row, "warnings", sc_analyze_warn(shot, s));
    add_curve(row, shot, together);
    if (!stills)
        return;
    cJSON_AddNumberToObject(row, "still", (double)shot->still_frame);
    cJSON_AddItemToObject(row, "stills", stills);
}

cJSON *sc_report_settings(const sc_settings *s, const sc_video_info *v)
{
    cJSON *json = cJSON_CreateObject(), *viewers = cJSON_AddArrayToObject(json, "viewers");

    cJSON_AddNumberToObject(json, "schema", SCHEMA);
    cJSON_AddStringToObject(json, "version", sc_version());
    for (int i = SC_VIEWER_NONE + 1; i <= SC_VIEWER_PHONE; i++) {
        cJSON *viewer = cJSON_CreateObject();

        cJSON_AddStringToObject(viewer, "name", sc_comfort_viewer(i));
        /* In proportion, for angles this small. */
        cJSON_AddNumberToObject(viewer, "degrees", sc_comfort_degrees(i, 1));
        cJSON_AddItemToArray(viewers, viewer);
    }
    cJSON_AddNumberToObject(json, "viewer", SC_MAX(s->viewer - 1, 0));
    cJSON_AddNumberToObject(json, "limit", sc_comfort_limit(s));
    cJSON_AddNumberToObject(json, "max_disparity", s->max_disparity);
    cJSON_AddNumberToObject(json, "convergence", s->convergence);
    cJSON_AddBoolToObject(json, "listed", s->shots != NULL);
    cJSON_AddBoolToObject(json, "followed", s->convergence_mode == SC_CONVERGENCE_SUBJECT);
    cJSON_AddNumberToObject(json, "rate",
                            v->frame_rate.den > 0 ? (double)v->frame_rate.num / v->frame_rate.den : 0);
    return json;
}

/* As JSON that HTML's parser passes over: there "<" stands in strings alone. */
static void write_json(FILE *f, const char *text)
{
    while (*text) {
        const size_t n = strcspn(text, "<");

        fwrite(text, 1, n, f);
        text += n;
        if (*text == '<' && text++)
            fputs("\\u003c", f);
    }
}

int sc_report_page(const char *path, const cJSON *json, const sc_logger *log)
{
    static const char place[] = "<script id=\"data\" type=\"application/json\">";
    const char *rest = strstr(sc_report_html, place) + strlen(place);
    char *text = cJSON_PrintUnformatted(json);
    FILE *f = text ? fopen(path, "w") : NULL;
    bool ok = f;

    if (f) {
        fwrite(sc_report_html, 1, (size_t)(rest - sc_report_html), f);
        write_json(f, text);
        fputs(rest, f);
        ok = !ferror(f);
        ok = !fclose(f) && ok;
    }
    free(text);
    return ok ? 0 : sc_fail(log, SC_ERR_OUTPUT, "report", "%s cannot be written", path);
}

int sc_report_write(const sc_settings *s, const sc_video_info *v, const sc_progress *p, const sc_gauge *g,
                    const sc_logger *log)
{
    cJSON *json = sc_stats_json(s, v, p, g, NULL, NULL), *row;
    int ret, i = 0;

    cJSON_AddItemToObject(json, "report", sc_report_settings(s, v));
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(json, "shots"))
        add_to_shot(row, &g->shot[i++], s, 1 + (g->shots - 1) / DETAILED);
    ret = sc_report_page(s->report, json, log);
    cJSON_Delete(json);
    return ret;
}
