#include "parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"
#include "weights/safetensors.h"

enum { SCHEMA = 1 }; /* grows when a member changes its meaning */
enum { PATH = 4096 };

typedef struct seams { /* where parts may begin, and the film's end */
    sc_seam *seam;
    int count, room; /* count: without the end */
} seams;

static int set_seam(seams *s, int n, const sc_seam *at)
{
    if (n >= s->room) {
        const int room = 2 * s->room + 16;
        sc_seam *more = realloc(s->seam, (size_t)room * sizeof(*more));
        if (!more)
            return -ENOMEM;
        s->seam = more;
        s->room = room;
    }
    s->seam[n] = *at;
    return 0;
}

/* As whoever makes the film finds them, but only those at cuts: who begins within a shot must make what of it
 * comes before as well, which saves nobody's time. */
static int find_seams(seams *out, sc_stage *shots, int64_t length)
{
    sc_seams s = { .complete = false };
    sc_frame f = { 0 };
    int ret;

    while (!(ret = sc_stage_next(shots, &f))) {
        const bool seam = sc_seams_pass(&s, &f, length) || !s.next.frame;
        sc_frame_clear(&f);
        if (seam && s.next.frame == s.next.shot.frame)
            SC_TRY(set_seam(out, out->count++, &s.next));
        if (seam)
            s.from = s.next;
    }
    SC_TRY(ret == SC_EOF ? 0 : ret);
    SC_TRY(set_seam(out, out->count, &(sc_seam){ .frame = s.passed, .shot.frame = s.passed }));
fail:
    return ret;
}

/* The seam behind part n of `parts`, not before `least`: where an even share would end. */
static int choose(const seams *s, int n, int parts, int least)
{
    const int64_t even = s->seam[s->count].frame * n / parts;
    int best = SC_MAX(least, 1);

    for (int i = best; i <= s->count; i++)
        if (llabs(s->seam[i].frame - even) < llabs(s->seam[best].frame - even))
            best = i;
    return best;
}

static cJSON *make_plan(const seams *s, const char *key, int parts, const sc_logger *log)
{
    cJSON *json = cJSON_CreateObject(), *list;
    int64_t most = 0;
    int at = 0, empty = 0;

    cJSON_AddNumberToObject(json, "schema", SCHEMA);
    cJSON_AddStringToObject(json, "key", key);
    cJSON_AddNumberToObject(json, "frames", (double)s->seam[s->count].frame);
    list = cJSON_AddArrayToObject(json, "parts");
    for (int n = 1; n <= parts; n++) {
        const int next = choose(s, n, parts, at);
        const int64_t frames = s->seam[next].frame - s->seam[at].frame;
        cJSON *part = cJSON_CreateObject();

        sc_seam_add(part, &s->seam[at]);
        cJSON_AddNumberToObject(part, "frames", (double)frames);
        cJSON_AddItemToArray(list, part);
        empty += next == at;
        most = SC_MAX(most, frames);
        at = next;
    }
    sc_log(log, SC_LOG_INFO, "plan", "%lld frames in %d parts of at most %lld; no shot is divided",
           (long long)s->seam[s->count].frame, parts, (long long)most);
    if (empty)
        sc_log(log, SC_LOG_WARNING, "plan",
               "%d of them are empty: a part begins at the first cut after --segment-frames", empty);
    return json;
}

static int path_of(char *path, size_t size, const sc_settings *s)
{
    return snprintf(path, size, "%s.parts/plan.json", s->output[0].path) < (int)size ? 0 : -ENAMETOOLONG;
}

/* Into the first output's folder; the others' are only cleared. */
static int write_plan(const sc_settings *s, const cJSON *plan, const char *key, const sc_logger *log)
{
    char path[PATH];
    int ret;

    SC_TRY(path_of(path, sizeof(path), s));
    for (int i = 0; i <= s->outputs; i++) {
        const char *film = i < s->outputs ? s->output[i].path : s->export_depth;
        sc_segments folder = { 0 };

        if (!film)
            continue;
        ret = sc_segments_open(&folder, film, key, 0, &(sc_room){ .wait = false }, log);
        if (ret >= 0 && s->overwrite == SC_OVERWRITE_YES)
            sc_segments_clear(&folder);
        if (ret >= 0 && !i)
            ret = sc_json_write(path, plan, log);
        sc_segments_close(&folder);
        SC_TRY(ret);
    }
fail:
    return ret;
}

int sc_parts_plan(const sc_context *c, sc_reader *reader)
{
    const sc_settings *s = c->set;
    seams all = { 0 };
    sc_stage *shots = NULL;
    cJSON *plan = NULL;
    char key[33];
    int ret;

    SC_TRY(sc_resume_film_key(key, s, c->log));
    SC_TRY(sc_source_open(&shots, c, reader));
    SC_TRY(sc_shots_open(&shots, c, shots));
    SC_TRY(sc_exec_reserve(c->x, SC_MAX(shots->arena, shots->from->arena)));
    SC_TRY(sc_reader_start(reader, NULL, 0));
    SC_TRY(find_seams(&all, shots, s->segment_frames));
    if (!all.count)
        SC_TRY(sc_fail(c->log, SC_ERR_NOT_VIDEO, "plan", "%s: no frame could be decoded", s->input));
    plan = make_plan(&all, key, s->plan, c->log);
    ret = write_plan(s, plan, key, c->log);
fail:
    sc_exec_wait(c->x); /* nothing may be on its way to or from memory that is given back */
    sc_stage_close(&shots);
    cJSON_Delete(plan);
    free(all.seam);
    return ret;
}

/* ---- reading */

static int open_plan(cJSON **plan, const cJSON **parts, const sc_settings *s, const sc_logger *log)
{
    char path[PATH], key[33];
    const char *known;
    int ret;

    SC_TRY(path_of(path, sizeof(path), s));
    SC_TRY(sc_resume_film_key(key, s, log));
    SC_TRY(sc_json_read(plan, path, SC_ERR_INPUT, "plan", log));
    known = cJSON_GetStringValue(cJSON_GetObjectItem(*plan, "key"));
    *parts = cJSON_GetObjectItem(*plan, "parts");
    if (!known || strcmp(known, key))
        return sc_fail(log, SC_ERR_EXISTS, "plan",
                       "%s: of another film, or of another cut of it: make a new one", path);
    return cJSON_GetArraySize(*parts);
fail:
    return ret;
}

int sc_parts_find(sc_seam *from, sc_seam *to, const sc_settings *s, const sc_logger *log)
{
    cJSON *plan = NULL;
    const cJSON *parts;
    int64_t frames;
    int ret = open_plan(&plan, &parts, s, log);

    SC_TRY(ret);
    frames = (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItem(plan, "frames"));
    if (s->part > ret || (s->parts && s->parts != ret))
        SC_TRY(sc_fail(log, SC_ERR_USAGE, "plan", "--segment: %d of %d, but the plan has %d parts", s->part,
                       s->parts ? s->parts : s->part, ret));
    *from = sc_seam_read(cJSON_GetArrayItem(parts, s->part - 1));
    *to = *from;
    if (s->part < ret)
        *to = sc_seam_read(cJSON_GetArrayItem(parts, s->part));
    if (from->frame < frames && (s->part == ret || to->frame == frames))
        *to = (sc_seam){ .frame = 0 };
    sc_log(log, SC_LOG_INFO, "plan", "part %d of %d begins with frame %lld", s->part, ret,
           (long long)from->frame);
fail:
    cJSON_Delete(plan);
    return SC_MIN(ret, 0);
}

int sc_parts_missing(const sc_settings *s, int64_t frame, const sc_logger *log)
{
    const char *film = s->output[0].path;
    cJSON *plan = NULL;
    const cJSON *parts;
    const int count = open_plan(&plan, &parts, s, NULL);
    int n = 0;

    while (n < count && sc_seam_read(cJSON_GetArrayItem(parts, n)).frame <= frame)
        n++;
    cJSON_Delete(plan);
    if (!n)
        return sc_fail(log, SC_ERR_INPUT, "plan", "%s.parts: the segment of frame %lld is missing", film,
                       (long long)frame);
    return sc_fail(log, SC_ERR_INPUT, "plan",
                   "%s.parts: the segment of frame %lld is missing: --segment %d/%d makes it", film,
                   (long long)frame, n, count);
}
