#include "resume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kept.h"

/* A shot that goes on is cut at this many times the usual length of a segment. */
enum { MOST = 2 };

static bool is_file(const char *path)
{
    struct stat s;

    return path && !sc_is_pipe(path) && !stat(path, &s) && S_ISREG(s.st_mode);
}

bool sc_resume_possible(const sc_settings *s)
{
    const bool whole =
        s->reconstruct || s->noise || s->dump || (s->depth_range == SC_RANGE_FILM && !s->depth_file);

    if (!s->resume || whole || !is_file(s->input) || sc_is_pipe(s->export_depth))
        return false;
    for (int i = 0; i < s->outputs; i++)
        if (sc_is_pipe(s->output[i].path) || s->output[i].format == SC_FORMAT_NULL)
            return false;
    return true;
}

/* ---- the key */

static void add_file(cJSON *key, const char *path)
{
    struct stat s = { 0 };

    if (path)
        stat(path, &s);
    cJSON_AddItemToArray(key, cJSON_CreateNumber((double)s.st_size));
    cJSON_AddItemToArray(key, cJSON_CreateNumber((double)s.st_mtim.tv_sec));
    cJSON_AddItemToArray(key, cJSON_CreateNumber((double)s.st_mtim.tv_nsec));
}

static void add_text(cJSON *key, const char *text)
{
    cJSON_AddItemToArray(key, cJSON_CreateString(text ? text : ""));
}

static void add_numbers(cJSON *key, const double *number, int count)
{
    cJSON_AddItemToArray(key, cJSON_CreateDoubleArray(number, count));
}

static void add_output(cJSON *key, const sc_output *o)
{
    add_numbers(key, (const double[]){ o->format, o->layout, o->stereo_tags, o->fov, o->crf }, 5);
    add_text(key, o->codec_video);
    add_text(key, o->preset);
    add_text(key, o->pix_fmt);
}

static int finish_key(char *digest, cJSON *key, const sc_logger *log)
{
    char *text = cJSON_PrintUnformatted(key);

    cJSON_Delete(key);
    if (!text)
        return sc_fail(log, -ENOMEM, "convert", "out of memory");
    sc_cache_digest(digest, text, strlen(text));
    free(text);
    return 0;
}

int sc_resume_film_key(char *digest, const sc_settings *s, const sc_logger *log)
{
    const double number[] = {
        s->start, s->end, s->duration, (double)s->frames, s->fidelity, s->segment_frames
    };
    cJSON *key = cJSON_CreateArray();

    add_text(key, sc_version());
    add_file(key, s->input);
    add_file(key, s->shots);
    add_numbers(key, number, SC_COUNT(number));
    return finish_key(digest, key, log);
}

/* Not the film's path, which may differ from machine to machine, nor what only tells how it is computed. */
int sc_resume_key(char *digest, const sc_context *c, bool large)
{
    const sc_settings *s = c->set;
    const sc_plan *p = &c->plan;
    const double number[] = {
        s->fidelity,
        s->crop,
        s->depth_range,
        p->inpaint_window,
        p->tile,
        s->start,
        s->end,
        s->duration,
        (double)s->frames,
        s->max_disparity,
        s->convergence,
        s->viewer,
        s->max_parallax,
        s->synthetic_view,
        s->depth_size,
        s->depth_window,
        s->depth_overlap,
        s->depth_steps,
        s->depth_guidance,
        s->inpaint,
        s->inpaint_window,
        s->inpaint_tile,
        s->inpaint_steps,
        s->inpaint_guidance,
        s->inpaint_overlap,
        s->match,
        (double)s->seed,
        s->optimize,
        s->segment_frames,
        s->stats != NULL,
        s->report != NULL,
        s->convergence_mode,
        s->floating_window,
        s->threads,
    };
    cJSON *key = cJSON_CreateArray();
    char networks[SC_KEPT_TEXT];

    sc_kept_describe(networks, c, large);
    add_text(key, sc_version());
    add_text(key, networks);
    add_text(key, c->models);
    add_text(key, s->precision);
    add_file(key, s->input);
    add_file(key, s->depth_file);
    add_file(key, s->shots);
    add_numbers(key, number, SC_COUNT(number));
    for (int i = 0; i < s->outputs; i++)
        add_output(key, &s->output[i]);
    return finish_key(digest, key, c->log);
}

/* ---- records */

/* JSON's numbers are doubles: exact up to 2^53. */
static double value(const cJSON *json)
{
    return cJSON_IsNumber(json) ? json->valuedouble : 0;
}

static int64_t integer(const cJSON *json, const char *name)
{
    return (int64_t)value(cJSON_GetObjectItem(json, name));
}

static void add_rect(cJSON *json, const char *name, sc_rect r)
{
    cJSON_AddItemToObject(json, name, cJSON_CreateIntArray((const int[]){ r.x, r.y, r.w, r.h }, 4));
}

static sc_rect read_rect(const cJSON *json, const char *name)
{
    const cJSON *a = cJSON_GetObjectItem(json, name);
    int v[4];

    for (int i = 0; i < 4; i++)
        v[i] = (int)value(cJSON_GetArrayItem(a, i));
    return (sc_rect){ v[0], v[1], v[2], v[3] };
}

void sc_seam_add(cJSON *json, const sc_seam *s)
{
    cJSON_AddNumberToObject(json, "frame", (double)s->frame);
    cJSON_AddNumberToObject(json, "shot", (double)s->shot.frame);
    cJSON_AddNumberToObject(json, "pts", (double)s->shot.pts);
    cJSON_AddNumberToObject(json, "check", s->shot.check);
    add_rect(json, "bars", s->bars);
}

sc_seam sc_seam_read(const cJSON *json)
{
    return (sc_seam){
        .frame = integer(json, "frame"),
        .shot = { integer(json, "shot"), integer(json, "pts"), (uint32_t)integer(json, "check") },
        .bars = read_rect(json, "bars"),
    };
}

enum { PART = 4 }; /* numbers of a part of the curve */

static void add_curve(cJSON *json, const sc_gauge_shot *s)
{
    float v[PART * SC_GAUGE_PARTS];
    const int parts = sc_gauge_parts(s);

    for (int i = 0; i < parts; i++) {
        const sc_gauge_part *p = &s->part[i];
        memcpy(&v[PART * i], (const float[PART]){ p->low, p->high, p->hole, p->median }, PART * sizeof(*v));
    }
    cJSON_AddItemToObject(json, "curve", cJSON_CreateFloatArray(v, PART * parts));
}

static void add_shot(cJSON *array, const sc_gauge_shot *s)
{
    const double v[] = {
        (double)s->first,
        (double)s->frames,
        (double)s->readings,
        s->time,
        s->width,
        s->picture.x,
        s->picture.y,
        s->picture.w,
        s->picture.h,
        s->low,
        s->high,
        s->median,
        (double)s->low_frame,
        (double)s->high_frame,
        s->sides,
        s->hole,
        s->light,
        s->colour,
        s->step,
        (double)s->still_frame,
    };
    cJSON *json = cJSON_CreateObject();

    cJSON_AddItemToObject(json, "shot", cJSON_CreateDoubleArray(v, SC_COUNT(v)));
    add_curve(json, s);
    if (s->still[0])
        cJSON_AddItemToObject(json, "stills",
                              cJSON_CreateStringArray((const char *const *)s->still, SC_STILLS));
    cJSON_AddItemToArray(array, json);
}

static void read_curve(sc_gauge_shot *s, const cJSON *curve)
{
    const cJSON *at = curve ? curve->child : NULL;

    for (int i = 0; i < sc_gauge_parts(s); i++) {
        double v[PART];

        for (int k = 0; k < PART; k++, at = at ? at->next : NULL)
            v[k] = value(at);
        s->part[i] = (sc_gauge_part){ (float)v[0], (float)v[1], (float)v[2], (float)v[3] };
    }
}

/* Those of a shot that keeps pictures. */
static int read_stills(sc_gauge_shot *s, const cJSON *stills, int64_t frame)
{
    char *text[SC_STILLS] = { NULL };
    bool whole = true;

    if (cJSON_GetArraySize(stills) != SC_STILLS)
        return 0;
    for (int i = 0; i < SC_STILLS; i++) {
        const char *one = cJSON_GetStringValue(cJSON_GetArrayItem(stills, i));
        whole = (text[i] = strdup(one ? one : "")) && whole;
    }
    sc_gauge_picture(s, frame, text);
    return whole ? 0 : -ENOMEM;
}

static sc_gauge_shot read_shot(const cJSON *a)
{
    double v[20];

    for (int i = 0; i < SC_COUNT(v); i++)
        v[i] = value(cJSON_GetArrayItem(a, i));
    return (sc_gauge_shot){ .first = (int64_t)v[0],
                            .frames = (int64_t)v[1],
                            .readings = (int64_t)v[2],
                            .time = v[3],
                            .width = (int)v[4],
                            .picture = { (int)v[5], (int)v[6], (int)v[7], (int)v[8] },
                            .low = v[9],
                            .high = v[10],
                            .median = v[11],
                            .low_frame = (int64_t)v[12],
                            .high_frame = (int64_t)v[13],
                            .sides = v[14],
                            .hole = v[15],
                            .light = v[16],
                            .colour = v[17],
                            .step = SC_MAX((int)v[18], 1),
                            .still_frame = (int64_t)v[19] };
}

/* What the gauge has to say of the shots that are over. */
static cJSON *note_of(sc_seams *s, const sc_gauge *g, bool last)
{
    cJSON *note = cJSON_CreateObject(), *shots = cJSON_AddArrayToObject(note, "shots");

    if (!last)
        sc_seam_add(cJSON_AddObjectToObject(note, "next"), &s->next);
    for (; g && s->shots < g->shots && (last || g->shot[s->shots].first < s->next.shot.frame); s->shots++)
        add_shot(shots, &g->shot[s->shots]);
    return note;
}

/* ---- finding */

/* The record of the segment that begins at a frame, if every writer has it. */
static int find(int64_t frame, sc_writer *const *w, int writers, cJSON **record)
{
    cJSON *found = NULL;
    int ret = 1;

    for (int i = 0; i < writers && ret > 0; i++) {
        cJSON_Delete(found);
        found = NULL;
        ret = sc_writer_find(w[i], frame, &found);
    }
    if (ret > 0)
        *record = found;
    else
        cJSON_Delete(found);
    return ret;
}

static int take_shots(sc_seams *s, sc_gauge *g, const cJSON *shots)
{
    int ret;

    for (const cJSON *shot = shots ? shots->child : NULL; shot && g; shot = shot->next) {
        sc_gauge_shot *place = sc_gauge_add(g);

        SC_TRY(place ? 0 : -ENOMEM);
        *place = read_shot(cJSON_GetObjectItem(shot, "shot"));
        read_curve(place, cJSON_GetObjectItem(shot, "curve"));
        if (sc_gauge_pictured(g, s->shots++))
            SC_TRY(read_stills(place, cJSON_GetObjectItem(shot, "stills"), place->still_frame));
    }
    return 0;
fail:
    return ret;
}

/* Whether nothing is left of the film, or of the part of it. */
static bool is_over(const sc_seams *s)
{
    return s->complete || (s->to.frame && s->from.frame >= s->to.frame);
}

static int take_record(sc_seams *s, sc_gauge *g, const cJSON *record)
{
    const cJSON *note = cJSON_GetObjectItem(record, "note");
    const int64_t frames = integer(record, "frames");
    int ret;

    SC_TRY(take_shots(s, g, cJSON_GetObjectItem(note, "shots")));
    s->complete = cJSON_IsTrue(cJSON_GetObjectItem(record, "last"));
    if (s->complete)
        s->from.frame += frames;
    else
        s->from = sc_seam_read(cJSON_GetObjectItem(note, "next"));
    return frames > 0;
fail:
    return ret;
}

int sc_resume_find(sc_seams *s, sc_gauge *g, sc_writer *const *w, int writers, const sc_settings *set,
                   const sc_logger *log)
{
    cJSON *record;
    int ret = 1;

    while (ret > 0 && !is_over(s) && (ret = find(s->from.frame, w, writers, &record)) > 0) {
        ret = take_record(s, g, record);
        cJSON_Delete(record);
    }
    s->complete = is_over(s);
    /* What others have made of a film in parts is not one worker's to remove. */
    if (ret == SC_ERR_EXISTS && (set->overwrite != SC_OVERWRITE_YES || set->part || set->join))
        return sc_fail(log, ret, "convert",
                       "%s.parts: the beginning of another film, or of this one with other settings or "
                       "another kind of device; %s-y begins anew",
                       set->output[0].path, set->part || set->join ? "--plan with " : "");
    if (ret == SC_ERR_EXISTS) {
        for (int i = 0; i < writers; i++)
            sc_writer_clear(w[i]);
        if (g)
            sc_gauge_clear(g);
        *s = (sc_seams){ .complete = false };
    }
    s->passed = s->from.shot.frame; /* from here on the chain goes */
    s->active = s->from.bars;
    return ret == SC_ERR_EXISTS || ret > 0 ? 0 : ret;
}

/* ---- going through the film */

bool sc_seams_pass(sc_seams *s, const sc_frame *f, int64_t length)
{
    const int64_t done = s->passed - s->from.frame;
    const bool cut = f->flags & SC_FRAME_CUT;

    s->next.frame = s->passed++;
    if (cut) {
        s->next.shot = (sc_place){ s->next.frame, f->pts, f->check };
        s->next.bars = s->active;
    }
    s->active = f->active;
    return done >= (cut ? length : MOST * length);
}

int sc_seams_split(sc_seams *s, const sc_gauge *g, bool last, sc_writer *const *w, int writers)
{
    cJSON *note = note_of(s, g, last);
    char *text = cJSON_PrintUnformatted(note);
    int ret = text ? 0 : -ENOMEM;

    SC_TRY(ret);
    for (int i = 0; i < writers; i++)
        SC_TRY(sc_writer_split(w[i], text, last));
    s->from = s->next;
    if (last)
        s->from.frame = s->passed;
fail:
    free(text);
    cJSON_Delete(note);
    return ret;
}

int sc_seams_end(sc_seams *s, const sc_gauge *g, sc_writer *const *w, int writers, const sc_logger *log)
{
    if (s->to.frame && s->passed < s->to.frame)
        return sc_fail(log, SC_ERR_INPUT, "convert",
                       "the film ends before frame %lld, where by the plan it goes on",
                       (long long)s->to.frame);
    if (s->to.frame)
        s->next = s->to;
    return sc_seams_split(s, g, !s->to.frame, w, writers);
}
