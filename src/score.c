#include "score.h"

#include "stages/score.h"

static void log_likeness(const char *what, const sc_likeness *l, const sc_logger *log)
{
    sc_log(log, SC_LOG_INFO, "score",
           "%s: PSNR %.2f dB, SSIM %.4f, SIoU %.4f, disparity off by %.3f %% of width, seams %.2f %%, "
           "colour %.2f",
           what, sc_score_psnr(l->mse), l->ssim, l->siou, l->disparity, l->seam, l->colour);
}

void sc_score_log_pair(const sc_settings *s, const sc_pair *p, const sc_logger *log)
{
    const sc_pair_frame mean = sc_pair_mean(p);

    log_likeness(s->made ? s->made : "right eye as made", &mean.made, log);
    log_likeness("left eye, nothing done", &mean.floor, log);
    if (!s->made)
        sc_log(log, SC_LOG_INFO, "score", "fitted to the pair: --max-disparity %.3f --convergence %.3f",
               mean.max_disparity, mean.convergence);
}

static void add_likeness(cJSON *row, const char *name, const sc_likeness *l)
{
    cJSON *json = cJSON_AddObjectToObject(row, name);

    cJSON_AddNumberToObject(json, "psnr", sc_score_psnr(l->mse));
    cJSON_AddNumberToObject(json, "ssim", l->ssim);
    cJSON_AddNumberToObject(json, "siou", l->siou);
    cJSON_AddNumberToObject(json, "disparity", l->disparity);
    cJSON_AddNumberToObject(json, "seam", l->seam);
    cJSON_AddNumberToObject(json, "colour", l->colour);
}

static void add_frame(cJSON *row, const sc_settings *s, const sc_pair_frame *f)
{
    add_likeness(row, "made", &f->made);
    add_likeness(row, "floor", &f->floor);
    if (s->made)
        return;
    cJSON *fit = cJSON_AddObjectToObject(row, "fit");
    cJSON_AddNumberToObject(fit, "max_disparity", f->max_disparity);
    cJSON_AddNumberToObject(fit, "convergence", f->convergence);
}

void sc_score_add_pair(cJSON *json, const sc_settings *s, const sc_pair *p)
{
    cJSON *score = cJSON_AddObjectToObject(json, "score"), *rows;
    const sc_pair_frame mean = sc_pair_mean(p);

    add_frame(score, s, &mean);
    rows = cJSON_AddArrayToObject(score, "frames");
    for (int64_t i = 0; i < p->frames; i++) {
        cJSON *row = cJSON_CreateObject();

        add_frame(row, s, &p->frame[i]);
        cJSON_AddItemToArray(rows, row);
    }
}
