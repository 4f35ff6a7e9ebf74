#include "preview.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyze.h"
#include "convert.h"
#include "report.h"
#include "stats.h"
#include "video/image.h"

static const double sample = 2;  /* seconds: enough to see whether depth holds still */
static const double search = 10; /* seconds that a place may move on from black */

typedef struct preview {
    const sc_settings *s;
    char folder[4096];
    sc_settings set; /* of a place's conversion */
    sc_video_info video;
    sc_proofs proofs;
    cJSON *places;
    char sample[4608], picture[4608], page[4608]; /* paths in it */
} preview;

/* A preview is a folder of its own, and of no more than a film's places. */
static int check(const sc_settings *s)
{
    const char *other = s->depth_file         ? "--depth"
                        : s->export_depth     ? "--export-depth"
                        : s->cache            ? "--cache"
                        : s->shots            ? "--shots"
                        : s->stats            ? "--stats"
                        : s->report           ? "--report"
                        : s->analyze          ? "--analyze"
                        : s->score            ? "--score"
                        : s->reconstruct      ? "--reconstruct"
                        : s->outputs > 1      ? "a second output"
                        : s->convergence_mode ? "--convergence-mode subject"
                                              : NULL;

    if (other)
        return sc_fail(&s->log, SC_ERR_USAGE, "preview",
                       "--preview shows places of a film: %s does not go with it", other);
    if (!s->input || sc_is_pipe(s->input))
        return sc_fail(&s->log, SC_ERR_USAGE, "preview",
                       "--preview: places cannot be found in standard input");
    return 0;
}

static int name_folder(preview *p)
{
    const char *input = p->s->input, *slash = strrchr(input, '/'), *name = slash ? slash + 1 : input;
    const char *dot = strrchr(name, '.'), *given = p->s->output[0].path;
    const int stem = dot > name ? (int)(dot - input) : (int)strlen(input);
    const int n = given ? snprintf(p->folder, sizeof(p->folder), "%s", given)
                        : snprintf(p->folder, sizeof(p->folder), "%.*s_preview", stem, input);

    if (n >= (int)sizeof(p->folder))
        return sc_fail(&p->s->log, SC_ERR_USAGE, "preview", "%s: the path is too long", p->folder);
    snprintf(p->page, sizeof(p->page), "%s/index.html", p->folder);
    return 0;
}

static int look_at_film(preview *p)
{
    sc_reader_options o = sc_reading_of(p->s);
    sc_reader *r = NULL;
    int ret;

    o.video_only = true;
    SC_TRY(sc_reader_open(&r, &o, &p->s->log));
    p->video = *sc_reader_info(r);
    if (p->video.duration <= 0)
        ret = sc_fail(&p->s->log, SC_ERR_USAGE, "preview", "--preview: how long %s is, is not known",
                      p->s->input);
fail:
    sc_reader_close(&r);
    return ret;
}

/* *time: where the first frame is that is not black, from there on; else the brightest. */
static int find_light(const preview *p, double *time)
{
    sc_reader_options o = sc_reading_of(p->s);
    double best = -1, begin = *time;
    AVFrame *f = NULL;
    sc_reader *r = NULL;
    int ret;

    o.video_only = true;
    o.start = begin;
    o.end = -1;
    o.duration = search;
    SC_TRY(sc_reader_open(&r, &o, &p->s->log));
    SC_TRY(sc_reader_start(r, NULL, 0));
    const sc_video_info *v = sc_reader_info(r);
    while (best < sc_gauge_dark && !(ret = sc_reader_next(r, &f))) {
        const double light = sc_picture_light(f, v);

        if (light > best)
            *time = begin + (double)f->pts * v->time_base.num / v->time_base.den;
        best = SC_MAX(best, light);
        sc_picture_free(&f);
    }
    ret = ret == SC_EOF ? 0 : ret;
fail:
    sc_reader_close(&r);
    return ret;
}

static cJSON *way_of(const sc_proof *way, const sc_gauge_shot *shot, const sc_settings *s)
{
    cJSON *json = sc_stats_shot(shot, s), *stills = sc_report_stills(shot);

    cJSON_AddNumberToObject(json, "max_disparity", way->max_disparity);
    cJSON_AddNumberToObject(json, "convergence", way->convergence);
    cJSON_AddItemToObject(json, "warnings", sc_analyze_warn(shot, s));
    /* These two are the place's. */
    cJSON_DeleteItemFromObject(stills, "left");
    cJSON_DeleteItemFromObject(stills, "depth");
    cJSON_AddItemToObject(json, "stills", stills);
    return json;
}

/* What a place's conversion has come to. The strings of its gauge go with it: all is copied. */
static int take_place(preview *p, double time, const char *file, const sc_gauge *g)
{
    const int first = g->shots - p->proofs.ways;
    cJSON *json = cJSON_CreateObject(), *ways = cJSON_AddArrayToObject(json, "ways"), *stills, *copy;
    sc_edit_shot e;

    if (first < 0 || !g->shot[first].still[0]) {
        cJSON_Delete(json);
        return sc_fail(&p->s->log, -ENOMEM, "preview", "at %.2f s nothing could be shown", time);
    }
    sc_analyze_suggest(&e, &g->shot[first + p->proofs.usual], &p->set);
    cJSON_AddNumberToObject(json, "time", time);
    if (file)
        cJSON_AddStringToObject(json, "sample", file);
    cJSON_AddNumberToObject(json, "max_disparity", e.max_disparity);
    cJSON_AddNumberToObject(json, "convergence", e.convergence);
    stills = sc_report_stills(&g->shot[first]);
    cJSON_AddItemToObject(json, "left", cJSON_DetachItemFromObject(stills, "left"));
    cJSON_AddItemToObject(json, "depth", cJSON_DetachItemFromObject(stills, "depth"));
    cJSON_Delete(stills);
    for (int i = 0; i < p->proofs.ways; i++)
        cJSON_AddItemToArray(ways, way_of(&p->proofs.way[i], &g->shot[first + i], &p->set));
    copy = cJSON_Duplicate(json, true);
    cJSON_Delete(json);
    return cJSON_AddItemToArray(p->places, copy) ? 0 : -ENOMEM;
}

/* What is wanted of the film, of it alone. */
static void settings_of_place(preview *p, double time)
{
    const double end = p->s->start + p->video.duration;

    p->set = *p->s;
    p->set.start = SC_MAX(SC_MIN(time, end - sample), p->s->start);
    p->set.duration = sample;
    p->set.end = -1;
    p->set.frames = 0;
    p->set.resume = 0;
    p->set.overwrite = SC_OVERWRITE_YES; /* the page is what tells whether all is there */
    p->set.output[0].path = p->sample;
    if (p->set.max_disparity < 0)
        p->set.max_disparity = -100 * p->set.max_disparity / p->video.width;
}

/* name: of its sample. */
static void name_place(preview *p, char *name, size_t size, int number)
{
    static const char *const endings[] = {
        [SC_FORMAT_AUTO] = "mp4", /* what browsers play */
        [SC_FORMAT_NULL] = "",     [SC_FORMAT_NUT] = "nut", [SC_FORMAT_MATROSKA] = "mkv",
        [SC_FORMAT_MPEGTS] = "ts", [SC_FORMAT_Y4M] = "y4m"
    };

    snprintf(name, size, "place%d.%s", number, endings[p->s->output[0].format]);
    snprintf(p->sample, sizeof(p->sample), "%s/%s", p->folder, name);
    snprintf(p->picture, sizeof(p->picture), "%s/place%d", p->folder, number);
    p->proofs.picture = p->s->dry_run ? NULL : p->picture;
}

static int show_place(preview *p, int i, void (*current)(void *, sc_converter *), void *opaque)
{
    const sc_settings *s = p->s;
    double time = s->start + (i + 0.5) / s->preview * p->video.duration;
    sc_converter *c = NULL;
    char name[32];
    int ret;

    name_place(p, name, sizeof(name), i + 1);
    SC_TRY(find_light(p, &time));
    settings_of_place(p, time);
    sc_log(&s->log, SC_LOG_INFO, "preview", "place %d of %d, at %.2f s", i + 1, s->preview, p->set.start);
    sc_proofs_choose(&p->proofs, &p->set);
    SC_TRY(sc_open_proofs(&c, &p->set, &p->proofs));
    current(opaque, c);
    ret = sc_run(c);
    current(opaque, NULL);
    /* Of a preview the limit of parallax is shown, not a reason to stop. */
    if (ret < 0 && ret != SC_ERR_PARALLAX)
        goto fail;
    ret = s->dry_run ? 0
                     : take_place(p, p->set.start, s->output[0].format == SC_FORMAT_NULL ? NULL : name,
                                  sc_gauge_of(c));
fail:
    sc_close(&c);
    return ret;
}

static int write_page(preview *p)
{
    cJSON *json = cJSON_CreateObject(), *source = cJSON_AddObjectToObject(json, "source");
    int ret;

    cJSON_AddStringToObject(source, "path", p->s->input);
    cJSON_AddNumberToObject(source, "width", p->video.width);
    cJSON_AddNumberToObject(source, "height", p->video.height);
    cJSON_AddStringToObject(source, "codec", p->video.codec);
    cJSON_AddNumberToObject(json, "seconds", p->video.duration);
    cJSON_AddItemToObject(json, "report", sc_report_settings(&p->set, &p->video));
    cJSON_AddItemReferenceToObject(json, "places", p->places);
    ret = sc_report_page(p->page, json, &p->s->log);
    cJSON_Delete(json);
    if (ret >= 0)
        sc_log(&p->s->log, SC_LOG_INFO, "preview", "%s shows %d places", p->page, p->s->preview);
    return ret;
}

int sc_preview(const sc_settings *s, void (*current)(void *opaque, sc_converter *c), void *opaque)
{
    preview *p = calloc(1, sizeof(*p));
    int ret;

    if (!p)
        return -ENOMEM;
    p->s = s;
    SC_TRY((p->places = cJSON_CreateArray()) ? 0 : -ENOMEM);
    SC_TRY(check(s));
    SC_TRY(name_folder(p));
    SC_TRY(s->overwrite != SC_OVERWRITE_YES && !access(p->page, F_OK)
               ? sc_fail(&s->log, SC_ERR_EXISTS, "preview", "%s exists already (-y overwrites)", p->page)
               : 0);
    SC_TRY(look_at_film(p));
    SC_TRY(s->dry_run ? 0 : sc_make_folder(p->folder, "preview", &s->log));
    for (int i = 0; i < (s->dry_run ? 1 : s->preview); i++)
        SC_TRY(show_place(p, i, current, opaque));
    SC_TRY(s->dry_run ? 0 : write_page(p));
fail:
    cJSON_Delete(p->places);
    free(p);
    return ret;
}
