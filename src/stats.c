#include "stats.h"

#include <stdio.h>
#include <stdlib.h>

#include "score.h"

/* Grows when a member changes its meaning; new members do not change it. */
enum { SCHEMA = 1 };

/* Where the chain waits for the encoder this share of the time, a faster chain would change little; unless
 * they share a CPU, whose cores the one takes from the other. */
static const double LIMIT = 0.1;

void sc_stats_log(const sc_progress *p, const sc_device *dev, const char *encoder, double waited,
                  const sc_logger *log)
{
    const double n = (double)(p->frame - p->before), share = waited / SC_MAX(p->seconds, 1e-9);
    char limit[128];
    int most = 0;

    for (int i = 0; i < SC_COUNT(p->share) && p->stage_name[i]; i++)
        most = p->share[i] > p->share[most] ? i : most;
    if (dev->large && share >= LIMIT && encoder)
        snprintf(limit, sizeof(limit),
                 "the encoder %s is the limit: all else waited for it %.0f%% of the time", encoder,
                 100 * share);
    else
        snprintf(limit, sizeof(limit), "most of the time went to %s", p->stage_name[most]);
    sc_log(log, SC_LOG_INFO, "convert", "%lld frames in %.2f s, %.2f a second; %s",
           (long long)(p->frame - p->before), p->seconds, n / p->seconds, limit);
    sc_log(log, dev->large ? SC_LOG_INFO : SC_LOG_DEBUG, "device",
           "bytes over the bus: %lld of weights and constants; a frame %.0f of pixels up, %.0f down, %.0f of "
           "numbers",
           (long long)p->loaded, (double)p->pixels_up / n, (double)p->pixels_down / n,
           (double)(p->numbers_up + p->numbers_down) / n);
}

int sc_json_write(const char *path, const cJSON *json, const sc_logger *log)
{
    char *text = cJSON_Print(json);
    FILE *f = fopen(path, "w");
    bool ok = f && text && fprintf(f, "%s\n", text) > 0;

    if (f)
        ok = !fclose(f) && ok;
    free(text);
    return ok ? 0 : sc_fail(log, SC_ERR_OUTPUT, "report", "%s cannot be written", path);
}

cJSON *sc_stats_shot(const sc_gauge_shot *shot, const sc_settings *s)
{
    cJSON *row = cJSON_CreateObject(), *disparity = cJSON_AddObjectToObject(row, "disparity");

    cJSON_AddNumberToObject(row, "first", (double)shot->first);
    cJSON_AddNumberToObject(row, "frames", (double)shot->frames);
    cJSON_AddNumberToObject(disparity, "p1", shot->low);
    cJSON_AddNumberToObject(disparity, "p50", shot->median);
    cJSON_AddNumberToObject(disparity, "p99", shot->high);
    cJSON_AddNumberToObject(row, "hole", shot->hole);
    if (!s->analyze && !s->score)
        cJSON_AddNumberToObject(row, "colour", shot->colour);
    return row;
}

void sc_stats_log_score(const sc_score *score, const sc_logger *log)
{
    const sc_score_frame mean = sc_score_mean(score);

    sc_log(log, SC_LOG_INFO, "vae",
           "PSNR %.2f dB and SSIM %.4f over %lld frames, of RGB before it is encoded",
           sc_score_psnr(mean.mse), mean.ssim, (long long)score->frames);
}

/* What is no number, or infinite, becomes null. */
static void add_score(cJSON *json, const sc_score_frame *f)
{
    cJSON_AddNumberToObject(json, "psnr", sc_score_psnr(f->mse));
    cJSON_AddNumberToObject(json, "ssim", f->ssim);
}

static void add_scores(cJSON *json, const sc_score *score)
{
    cJSON *mean = cJSON_AddObjectToObject(json, "reconstruction"),
          *rows = cJSON_AddArrayToObject(mean, "frames");
    const sc_score_frame of_all = sc_score_mean(score);

    add_score(mean, &of_all);
    for (int64_t i = 0; i < score->frames; i++) {
        cJSON *row = cJSON_CreateObject();

        add_score(row, &score->frame[i]);
        cJSON_AddItemToArray(rows, row);
    }
}

cJSON *sc_stats_json(const sc_settings *s, const sc_video_info *v, const sc_progress *p, const sc_gauge *g,
                     const sc_score *score, const sc_pair *pair)
{
    cJSON *json = cJSON_CreateObject(), *source, *shares, *shots;

    cJSON_AddNumberToObject(json, "schema", SCHEMA);
    source = cJSON_AddObjectToObject(json, "source");
    cJSON_AddStringToObject(source, "path", s->input);
    cJSON_AddNumberToObject(source, "width", v->width);
    cJSON_AddNumberToObject(source, "height", v->height);
    cJSON_AddStringToObject(source, "codec", v->codec);
    cJSON_AddNumberToObject(json, "frames", (double)p->frame);
    cJSON_AddNumberToObject(json, "seconds", p->seconds);
    cJSON_AddNumberToObject(json, "fps", p->seconds > 0 ? (double)(p->frame - p->before) / p->seconds : 0);
    cJSON_AddNumberToObject(json, "bytes", (double)p->out_bytes);
    shares = cJSON_AddObjectToObject(json, "share");
    for (int i = 0; i < SC_COUNT(p->share) && p->stage_name[i]; i++)
        cJSON_AddNumberToObject(shares, p->stage_name[i], p->share[i]);
    if (s->score)
        sc_score_add_pair(json, s, pair);
    if (s->reconstruct) {
        add_scores(json, score);
    } else {
        shots = cJSON_AddArrayToObject(json, "shots");
        for (int i = 0; i < g->shots; i++)
            cJSON_AddItemToArray(shots, sc_stats_shot(&g->shot[i], s));
    }
    return json;
}

int sc_stats_write(const sc_settings *s, const sc_video_info *v, const sc_progress *p, const sc_gauge *g,
                   const sc_score *score, const sc_pair *pair, const sc_logger *log)
{
    cJSON *json = sc_stats_json(s, v, p, g, score, pair);
    const int ret = sc_json_write(s->stats, json, log);

    cJSON_Delete(json);
    return ret;
}
