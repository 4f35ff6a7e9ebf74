#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../ops.h"
#include "../video/image.h"
#include "edit.h"

/* A cut is a frame from which on nothing looks like what was before, although the frames before resemble each
 * other and so do those after. Frames are compared as thumbnails, best match over small shifts, in units of
 * their contrast: a pan or a shake scores low, brightness flashes are bridged by looking past them, and fast
 * action raises the bar by itself. On a dozen real clips steady shots score under 0.16, a shaken hand-held
 * camera up to 0.34, cuts 0.36 and more. */
enum { THUMB_W = 64, THUMB_H = 36, THUMB = THUMB_W * THUMB_H * 3, SHIFT_X = 4, SHIFT_Y = 2 };
/* Frames looked at on either side of a cut: the longest flash that is bridged. The STEPS from frame to frame
 * on either side say how steady the shots are. */
enum { BEFORE = 4, AFTER = 4, LINE = BEFORE + 1 + AFTER, STEPS = 2 };
static const float cut_distance = 0.35f; /* least distance across a cut */
static const float cut_ratio = 2;        /* and in units of the steady distance around it */
static const float steady_floor = 0.02f; /* noise of a picture at rest */
static const float contrast_floor = 0.04f;

/* Bars. Averages over cells of a line, so that noise and compression do not count. */
enum { CELLS = 32 };
static const float bar_level = 0.09f; /* full-range black is 0, black of a mislabelled file 16/255 = 0.063 */
static const float bar_flatness = 0.03f;
static const float bar_edge = 0.03f;     /* least step into the picture, within EDGE_LINES lines */
static const float bar_share = 0.25f;    /* of the cells must show that step */
static const float bar_most = 0.35f;     /* of a side: an upright phone video in a wide frame has 0.34 */
static const float bright_enough = 0.2f; /* a picture darker than this everywhere does not show its bars */
enum { EDGE_LINES = 2 };

typedef struct bars {
    int begin, end; /* lines */
} bars;

typedef struct shots {
    sc_stage stage;
    const sc_context *c;
    sc_frame queue[AFTER + 1]; /* frame n waits at n % (AFTER + 1) */
    float *thumbs;             /* frame n's at n % LINE */
    float *lines[2];           /* brightest and darkest cell over frames: [max(W, H), CELLS] */
    float *cells;              /* one frame's, as downloaded */
    int64_t next, end;         /* the frame to hand out, the first not yet read */
    int64_t shot;              /* the first frame of this shot */
    int last;                  /* what ended the reading, 0 while it goes on */
    bool decided;              /* the bars of this shot are known */
    bars rows, cols;
    const sc_edit_shot *listed; /* the shot that is on, where there is a list; else NULL */
} shots;

static float *thumb(const shots *s, int64_t n)
{
    return s->thumbs + n % LINE * THUMB;
}

static float contrast(const float *t)
{
    double sum[3] = { 0 }, squares[3] = { 0 }, dev = 0;

    for (int i = 0; i < THUMB; i++) {
        sum[i % 3] += t[i];
        squares[i % 3] += (double)t[i] * t[i];
    }
    for (int k = 0; k < 3; k++) {
        const double n = THUMB / 3, mean = sum[k] / n;
        dev += sqrt(SC_MAX(squares[k] / n - mean * mean, 0)) / 3;
    }
    return (float)dev;
}

/* Mean absolute difference of a and b moved by (dx, dy), over where both are. */
static float shifted(const float *a, const float *b, int dx, int dy)
{
    const int w = THUMB_W - abs(dx), h = THUMB_H - abs(dy);
    float total = 0;

    a += (SC_MAX(dy, 0) * THUMB_W + SC_MAX(dx, 0)) * 3;
    b += (SC_MAX(-dy, 0) * THUMB_W + SC_MAX(-dx, 0)) * 3;
    for (int y = 0; y < h; y++) {
        float row = 0;
        for (int i = 0; i < 3 * w; i++)
            row += fabsf(a[y * THUMB_W * 3 + i] - b[y * THUMB_W * 3 + i]);
        total += row;
    }
    return total / (float)(3 * w * h);
}

static float distance(const shots *s, int64_t i, int64_t j)
{
    const float *a = thumb(s, i), *b = thumb(s, j);
    float best = INFINITY;

    for (int dy = -SHIFT_Y; dy <= SHIFT_Y; dy++)
        for (int dx = -SHIFT_X; dx <= SHIFT_X; dx++)
            best = SC_MIN(best, shifted(a, b, dx, dy));
    return best / (SC_MAX(contrast(a), contrast(b)) + contrast_floor);
}

static bool is_cut(const shots *s, int64_t f)
{
    const int64_t first = SC_MAX(s->shot, f - BEFORE), last = s->end - 1;
    float across, steady = 0;

    if (f == 0)
        return true;
    if ((across = distance(s, f - 1, f)) < cut_distance)
        return false;
    for (int64_t i = first; i < f; i++)
        for (int64_t j = f; j <= last; j++)
            across = SC_MIN(across, distance(s, i, j));
    for (int64_t i = SC_MAX(first, f - 1 - STEPS); i < f - 1; i++)
        steady = SC_MAX(steady, distance(s, i, i + 1));
    for (int64_t j = f; j < last && j < f + STEPS; j++)
        steady = SC_MAX(steady, distance(s, j, j + 1));
    return across >= cut_distance && across >= cut_ratio * (steady + steady_floor);
}

/* Means of left over CELLS parts of every row, or of every column, to host memory: [n, CELLS, 3]. */
static void line_means(sc_exec *x, sc_tensor left, bool columns, float *out)
{
    const int64_t h = left.dim[0], w = left.dim[1];
    const sc_mark m = sc_push(x);
    const sc_tensor in = sc_reshape(left, SC_DIMS(1, h, w, 3));
    sc_tensor t =
        columns ? sc_new(x, SC_F32, SC_DIMS(1, CELLS, w, 3)) : sc_new(x, SC_F32, SC_DIMS(1, h, CELLS, 3));
    sc_tensor lines = sc_new(x, SC_F32, SC_DIMS(1, columns ? w : h, CELLS, 3));

    sc_resize_into(x, &(sc_resize_args){ .y = t, .x = in, .mode = SC_AREA });
    sc_copy_into(x, lines, columns ? sc_permute(t, (const int[]){ 0, 2, 1, 3 }) : t);
    sc_download(x, out, lines);
    sc_pop(x, m);
}

/* Lines from the one side (step 1) or the other (step -1) that are black and flat in all cells and frames. */
static int black_run(const float *high, const float *low, int n, int step)
{
    float top = 0, bottom = INFINITY;

    for (int i = 0; i < n; i++) {
        const int line = step > 0 ? i : n - 1 - i;
        for (int k = 0; k < CELLS; k++) {
            top = SC_MAX(top, high[line * CELLS + k]);
            bottom = SC_MIN(bottom, low[line * CELLS + k]);
        }
        if (top > bar_level || top - bottom > bar_flatness)
            return i;
    }
    return n;
}

/* Whether the picture visibly begins after `run` lines: a dark sky does not end in a straight edge. */
static bool has_edge(const float *high, int n, int run, int step)
{
    const int inside = run + EDGE_LINES - 1, outside = SC_MAX(run - EDGE_LINES, 0);
    int count = 0;

    if (run == 0 || inside >= n)
        return false;
    for (int k = 0; k < CELLS; k++) {
        const int a = step > 0 ? inside : n - 1 - inside, b = step > 0 ? outside : n - 1 - outside;
        count += high[a * CELLS + k] - high[b * CELLS + k] > bar_edge;
    }
    return (float)count >= bar_share * CELLS;
}

/* One side's bar: where an edge shows; else as wide as the other side's, or as in the shot before, if that is
 * black. */
static void find_bars(bars *b, const float *high, const float *low, int n)
{
    const int run[2] = { black_run(high, low, n, 1), black_run(high, low, n, -1) };
    const int known[2] = { b->begin, n - b->end };
    bool edge[2];
    int bar[2] = { 0 };

    for (int k = 0; k < 2; k++)
        edge[k] = has_edge(high, n, run[k], k ? -1 : 1) && (float)run[k] <= bar_most * (float)n;
    for (int k = 0; k < 2; k++) {
        if (edge[k])
            bar[k] = run[k];
        else if (edge[!k] && run[k] >= run[!k])
            bar[k] = run[!k];
        else if (known[k] && run[k] >= known[k])
            bar[k] = known[k];
    }
    /* Inward to even lines: chroma is subsampled by two. A side without a bar keeps an odd end. */
    b->begin = (bar[0] + 1) & ~1;
    b->end = bar[1] ? (n - bar[1]) & ~1 : n;
}

/* The bars of the axis over the frames of the queue; returns the brightest cell. */
static float measure_axis(shots *s, bool columns, bars *b)
{
    const sc_tensor left = s->queue[s->next % (AFTER + 1)].left.t;
    const int n = (int)left.dim[columns];
    float *high = s->lines[0], *low = s->lines[1], brightest = 0;

    for (int i = 0; i < n * CELLS; i++) {
        high[i] = 0;
        low[i] = INFINITY;
    }
    for (int64_t f = s->next; f < s->end; f++) {
        line_means(s->c->x, s->queue[f % (AFTER + 1)].left.t, columns, s->cells);
        for (int i = 0; i < n * CELLS; i++) {
            /* Below black is black: codecs ring around the edge of a bar. */
            const float *p = s->cells + 3 * i, most = SC_MAX(SC_MAX(p[0], p[1]), SC_MAX(p[2], 0));
            high[i] = SC_MAX(high[i], most);
            low[i] = SC_MIN(low[i], most);
            brightest = SC_MAX(brightest, most);
        }
    }
    find_bars(b, high, low, n);
    return brightest;
}

static int read_frame(shots *s)
{
    sc_frame *f = &s->queue[s->end % (AFTER + 1)];
    sc_exec *x = s->c->x;
    int ret;

    SC_TRY(sc_stage_next(s->stage.from, f));
    const sc_mark m = sc_push(x);
    const sc_tensor in = f->left.t, t = sc_new(x, SC_F32, SC_DIMS(1, THUMB_H, THUMB_W, 3));
    sc_resize_into(x, &(sc_resize_args){ .y = t,
                                         .x = sc_reshape(in, SC_DIMS(1, in.dim[0], in.dim[1], 3)),
                                         .mode = SC_AREA });
    sc_download(x, thumb(s, s->end), t);
    sc_pop(x, m);
    SC_TRY(sc_exec_wait(x));
    s->end++;
    return 0;
fail:
    return ret;
}

static int shots_next(sc_stage *stage, sc_frame *out)
{
    shots *s = (shots *)stage;
    int ret;

    while (!s->last && s->end <= s->next + AFTER)
        if ((ret = read_frame(s)) < 0)
            s->last = ret;
    if (s->last && (s->last != SC_EOF || s->next == s->end))
        return s->last;

    sc_frame *f = &s->queue[s->next % (AFTER + 1)];
    f->flags &= ~(unsigned)SC_FRAME_CUT;
    if (is_cut(s, s->next)) {
        f->flags |= SC_FRAME_CUT;
        f->check = sc_picture_check(f->src);
        s->shot = s->next;
        s->decided = false;
        s->stage.shots++;
        sc_log(s->c->log, SC_LOG_DEBUG, "shots", "shot %d begins at frame %lld", s->stage.shots,
               (long long)(s->c->stretch.first + s->next));
    }
    if (!s->decided) { /* a shot may fade in from black: its bars show later */
        const bars before[2] = { s->rows, s->cols };
        const float brightest = measure_axis(s, false, &s->rows);

        measure_axis(s, true, &s->cols);
        SC_TRY(sc_exec_wait(s->c->x));
        s->decided = brightest >= bright_enough;
        if (memcmp(before, (const bars[2]){ s->rows, s->cols }, sizeof(before)))
            sc_log(s->c->log, SC_LOG_DEBUG, "shots", "picture without black bars: %dx%d at %d,%d",
                   s->cols.end - s->cols.begin, s->rows.end - s->rows.begin, s->cols.begin, s->rows.begin);
    }
    f->active =
        (sc_rect){ s->cols.begin, s->rows.begin, s->cols.end - s->cols.begin, s->rows.end - s->rows.begin };
    sc_frame_move(out, f);
    s->next++;
    return 0;
fail:
    s->last = ret;
    return ret;
}

/* Shots, bars and strengths as somebody has written them down. */
static int listed_next(sc_stage *stage, sc_frame *out)
{
    shots *s = (shots *)stage;
    const sc_video_info *v = s->c->video;
    const sc_edit_shot *e;
    int ret;

    SC_TRY(sc_stage_next(stage->from, out));
    e = sc_edit_at(s->c->edit, sc_edit_time(v, out->pts));
    out->flags = e == s->listed ? out->flags & ~(unsigned)SC_FRAME_CUT : out->flags | SC_FRAME_CUT;
    if (e != s->listed) {
        out->check = sc_picture_check(out->src);
        stage->shots++;
    }
    s->listed = e;
    out->active = e->picture;
    out->max_disparity = (float)e->max_disparity;
    out->convergence = (float)e->convergence;
    out->floating_window = e->floating_window;
    return 0;
fail:
    return ret;
}

/* The published scripts know no shots and no bars. */
static int shotless_next(sc_stage *stage, sc_frame *out)
{
    shots *s = (shots *)stage;
    int ret;

    SC_TRY(sc_stage_next(stage->from, out));
    out->flags = s->next++ ? out->flags & ~(unsigned)SC_FRAME_CUT : out->flags | SC_FRAME_CUT;
    out->active = (sc_rect){ 0, 0, s->cols.end, s->rows.end };
    stage->shots = 1;
    return 0;
fail:
    return ret;
}

static void shots_close(sc_stage *stage)
{
    shots *s = (shots *)stage;

    for (int i = 0; i <= AFTER; i++)
        sc_frame_clear(&s->queue[i]);
    free(s->thumbs);
    free(s->lines[0]);
    free(s->lines[1]);
    free(s->cells);
    free(s);
}

static void measure(sc_exec *x, void *arg)
{
    const shots *s = arg;
    const sc_tensor left = sc_tensor_make(NULL, SC_F32, SC_DIMS(s->c->video->height, s->c->video->width, 3));

    line_means(x, left, false, s->cells);
    line_means(x, left, true, s->cells);
    sc_new(x, SC_F32, SC_DIMS(THUMB));
}

int sc_shots_open(sc_stage **out, const sc_context *c, sc_stage *from)
{
    const int w = c->video->width, h = c->video->height;
    const size_t lines = (size_t)SC_MAX(w, h) * CELLS;
    shots *s = calloc(1, sizeof(*s));
    int ret;

    if (!s)
        return -ENOMEM;
    s->stage = (sc_stage){ .next = c->edit                         ? listed_next
                                   : sc_fidelity_of(c->set)->shots ? shots_next
                                                                   : shotless_next,
                           .close = shots_close,
                           .name = "shots",
                           .from = from };
    s->c = c;
    s->rows.end = h;
    s->cols.end = w;
    if (c->stretch.bars.w) {
        const sc_rect b = c->stretch.bars;
        s->rows = (bars){ b.y, b.y + b.h };
        s->cols = (bars){ b.x, b.x + b.w };
    }
    s->thumbs = malloc(LINE * THUMB * sizeof(float));
    s->lines[0] = malloc(lines * sizeof(float));
    s->lines[1] = malloc(lines * sizeof(float));
    s->cells = malloc(lines * 3 * sizeof(float));
    ret = s->thumbs && s->lines[0] && s->lines[1] && s->cells ? 0 : -ENOMEM;
    SC_TRY(ret);
    if (!(s->stage.arena = sc_measure(c->x, measure, s, NULL)))
        SC_TRY(-ENOMEM);
    s->stage.images = (AFTER + 1) * sc_image_bytes(h, w, 3);
    *out = &s->stage;
    return 0;
fail:
    shots_close(&s->stage);
    return ret;
}
