#include "comfort.h"

#include <math.h>

/* Screens, in metres. 65 inches are the diagonal of 16:9. A headset's cinema is a screen that its player
 * draws; ours covers 60 degrees, about two thirds of what a Quest 2 shows. In a cinema, 37 degrees: a seat
 * about as far back as THX would have the last row (36). A 16:9 film on a telephone of 6.1 inches, 19.5:9, as
 * far away as one holds it. */
static const struct {
    const char *name;
    double width, distance;
} viewers[] = {
    [SC_VIEWER_TV] = { "a 65 inch television at 2.5 m", 1.439, 2.5 },
    [SC_VIEWER_QUEST] = { "a headset's screen of 60 degrees", 1.155, 1 },
    [SC_VIEWER_CINEMA] = { "a cinema's screen of 12 m at 18 m", 12, 18 },
    [SC_VIEWER_PHONE] = { "a telephone at 30 cm", 0.115, 0.3 },
};

double sc_comfort_degrees(int viewer, double percent)
{
    const double degree = 180 / 3.14159265358979323846;

    return 2 * atan(percent / 100 * viewers[viewer].width / (2 * viewers[viewer].distance)) * degree;
}

const char *sc_comfort_viewer(int viewer)
{
    return viewers[viewer].name;
}

double sc_comfort_limit(const sc_settings *s)
{
    return s->max_parallax > 0 ? s->max_parallax : 1; /* beyond, many eyes no longer fuse it */
}

void sc_comfort_plan(const sc_settings *s, const sc_logger *log)
{
    const bool subject = s->convergence_mode == SC_CONVERGENCE_SUBJECT;
    const double before = 1 - (subject ? SC_SUBJECT_FAR : s->convergence);
    const double behind = subject ? SC_SUBJECT_NEAR : s->convergence;

    if (s->viewer == SC_VIEWER_NONE)
        return;
    sc_log(log, SC_LOG_INFO, "comfort", "%s: %.2f degrees in front of the screen at most, %.2f behind it",
           viewers[s->viewer].name, sc_comfort_degrees(s->viewer, before * s->max_disparity),
           sc_comfort_degrees(s->viewer, behind * s->max_disparity));
}

/* The shots with what stands out most and lies deepest. */
static void find_extremes(const sc_gauge *g, int *front, int *back)
{
    *front = *back = 0;
    for (int i = 1; i < g->shots; i++) {
        *front = g->shot[i].high > g->shot[*front].high ? i : *front;
        *back = g->shot[i].low < g->shot[*back].low ? i : *back;
    }
}

int sc_comfort_check(const sc_settings *s, const sc_gauge *g, const sc_logger *log)
{
    int front, back;

    if (s->viewer == SC_VIEWER_NONE || !g->shots)
        return 0;
    find_extremes(g, &front, &back);
    const sc_gauge_shot *f = &g->shot[front], *b = &g->shot[back];
    /* A film may lie before or behind the screen as a whole. */
    const double before = SC_MAX(sc_comfort_degrees(s->viewer, f->high), 0);
    const double behind = SC_MAX(-sc_comfort_degrees(s->viewer, b->low), 0);
    const bool nearer = before >= behind;

    sc_log(
        log, SC_LOG_INFO, "comfort",
        "%s: %.2f degrees in front of the screen (shot %d, frame %lld), %.2f behind it (shot %d, frame %lld)",
        viewers[s->viewer].name, before, front + 1, (long long)f->high_frame, behind, back + 1,
        (long long)b->low_frame);
    if (s->max_parallax <= 0 || SC_MAX(before, behind) <= s->max_parallax)
        return 0;
    return sc_fail(log, SC_ERR_PARALLAX, "comfort",
                   "--max-parallax: frame %lld (shot %d) has %.2f degrees %s the screen, more than %.4g; the "
                   "film is written",
                   (long long)(nearer ? f->high_frame : b->low_frame), (nearer ? front : back) + 1,
                   nearer ? before : behind, nearer ? "in front of" : "behind", s->max_parallax);
}
