/* Background extension in two passes: each row is continued on its own, then the filling is softened across
 * rows.
 *
 * A hole opens beside a near surface, over the background that it hid. Repeating the background's last pixel
 * smears it into streaks; its mirror image keeps the texture and is continuous at the seam. What a row
 * invents does not agree with the rows around it, the less the deeper in the hole: hence an average that
 * widens with the distance.
 *
 * work[y,x] = filling rgb, distance from the background in pixels, disparity from which on a surface is the
 * near one, share of the frame before, factor of its brightness. */
#include <math.h>

#include "rows.h"

enum {
    CLOSE = 2, /* seen pieces this narrow between holes are mixed pixels torn off an edge */
    LOOK = 12, /* columns of background that tell whether it moved */
    SOFT = 2,  /* columns of distance per pixel of averaging radius: 1.3 dB better in holes than none */
    REACH = 4, /* the widest average: 0.1 dB less than 6, in half the time */
    WORK = 7,
};

static const float SAME = 1.0f;                  /* pixels of disparity within which two surfaces are one */
static const float STILL = 0.02f, MOVED = 0.06f; /* mean differences of colour: above noise; a real change */
static const float KEEP = 0.97f; /* of the frame before: what is wrong fades within some 30 frames */
static const float DARK = 0.02f; /* a brightness below which a quotient means nothing */

typedef struct run { /* columns of a row that are filled, and the background that is continued into them */
    int64_t begin, end;
    int64_t step;         /* +1: the background lies right of the run, -1: left */
    int64_t from, length; /* its column nearest to the run; how many there are */
    int64_t edge;         /* columns of the run that lie beyond the hole */
    float disp, limit;    /* its disparity there; what is nearer is not background */
} run;

/* Columns beyond a hole into which the near surface has bled. Depth comes at one size, so that its edges are
 * the coarser the larger the picture. Over Middlebury's Motorcycle, 741 wide, two took 1.0 to 1.4 dB of error
 * out of such columns with depth at a third of its size, and put 0.4 dB in with its exact depth. */
static int64_t edge_width(int64_t w)
{
    return SC_MAX(2, w / 512);
}

/* The background of the hole [b, e) on one side of it. */
static run make_run(const sc_fill_args *a, int64_t y, int64_t b, int64_t e, run r)
{
    const float *hole = sc_row(a->hole, y), *disp = sc_row(a->disp, y);
    const int64_t w = a->x.dim[1], first = r.step > 0 ? e : b - 1;

    /* A background narrower than its mixed edge is still better than the near surface. */
    for (; r.edge > 0; r.edge--) {
        const int64_t c = first + r.edge * r.step;

        if (c >= 0 && c < w && hole[c] < 0.5f && disp[c] <= r.limit)
            break;
    }
    r.begin = r.step > 0 ? b : b - r.edge;
    r.end = r.step > 0 ? e + r.edge : e;
    r.from = first + r.edge * r.step;
    r.disp = disp[r.from];
    r.limit = SC_MAX(r.limit, r.disp);
    for (int64_t c = r.from; c >= 0 && c < w && hole[c] < 0.5f && disp[c] <= r.limit; c += r.step)
        if (++r.length == e - b + edge_width(w))
            break;
    return r;
}

static int64_t distance(const run *r, int64_t c)
{
    return SC_MAX(r->step > 0 ? r->end - c : c - r->begin + 1, 1);
}

/* The background's mirror image at column c; to and fro where the run is longer than the background. */
static const float *mirrored(const float *x, const run *r, int64_t c)
{
    const int64_t t = (distance(r, c) - 1) % (2 * r->length);

    return x + 3 * (r->from + r->step * (t < r->length ? t : 2 * r->length - 1 - t));
}

typedef struct change {
    float
        still; /* 1 where the background beside the run is as it was in the frame before, 0 where it is not */
    float gain; /* of its brightness, as in a fade */
} change;

static change since(const sc_fill_args *a, const run *r, int64_t y)
{
    const int64_t n = SC_MIN(r->length, LOOK), last = a->x.dim[0] - 1;
    double now = 0, before = 0, difference = 0;
    int count = 0;

    for (int64_t v = SC_MAX(y - 1, 0); a->prev.ndim && v <= SC_MIN(y + 1, last); v++) {
        for (int64_t i = 0; i < n; i++) {
            const int64_t c = r->from + r->step * i;
            const float *p = sc_row(a->x, v) + 3 * c, *q = sc_row(a->prev, v) + 3 * c;

            if (sc_row(a->hole, v)[c] >= 0.5f)
                continue;
            now += p[0] + p[1] + p[2];
            before += q[0] + q[1] + q[2];
            difference += fabsf(p[0] - q[0]) + fabsf(p[1] - q[1]) + fabsf(p[2] - q[2]);
            count += 3;
        }
    }
    if (!count)
        return (change){ 0, 1 };
    return (change){ KEEP * SC_CLAMP((MOVED - (float)(difference / count)) / (MOVED - STILL), 0.0f, 1.0f),
                     before > (double)DARK * count ? (float)(now / before) : 1 };
}

static void fill_pixel(float *work, const float *x, int64_t c, const run *r, const run *other)
{
    const float *p = mirrored(x, r, c);
    int64_t d = distance(r, c);

    for (int i = 0; i < 3; i++)
        work[i] = p[i];
    if (other) { /* the two ends of one surface meet half-way */
        const int64_t back = distance(other, c);

        p = mirrored(x, other, c);
        for (int i = 0; i < 3; i++)
            work[i] += (p[i] - work[i]) * (float)d / (float)(d + back);
        d = SC_MIN(d, back);
    }
    work[3] = (float)d;
}

/* The hole [b, e) of row `from`, filled in row y: the same unless nothing of row y was seen. */
static void fill_hole(const sc_fill_args *a, int64_t y, int64_t from, int64_t b, int64_t e)
{
    const int64_t w = a->x.dim[1];
    const float *hole = sc_row(a->hole, from), *disp = sc_row(a->disp, from), *x = sc_row(a->x, from);
    /* The pixel beside a hole may be mixed from both surfaces: the one behind it knows better. */
    const int64_t l = b > 1 && hole[b - 2] < 0.5f ? b - 2 : b - 1;
    const int64_t r = e + 1 < w && hole[e + 1] < 0.5f ? e + 1 : e;
    const bool inside = b > 0 && e < w, one = inside && fabsf(disp[l] - disp[r]) <= SAME;
    const bool right = b == 0 || (e < w && disp[r] < disp[l]);
    const float far = disp[right ? r : l], near = inside ? disp[right ? l : r] : far;
    /* In a crack of one surface nothing has bled; a wider hole in it was hidden by something thin. */
    const int64_t edge = one && e - b == 1 ? 0 : edge_width(w);
    const run end = { .edge = edge, .limit = far + SC_MAX(2 * SAME, (near - far) / 2) };
    run bg = end, other = end;

    bg.step = right ? 1 : -1;
    other.step = -bg.step;
    bg = make_run(a, from, b, e, bg);
    if (one)
        other = make_run(a, from, b, e, other);
    const change ch = since(a, &bg, from);
    const int64_t first = SC_MIN(bg.begin, one ? other.begin : b), last = SC_MAX(bg.end, one ? other.end : e);

    for (int64_t c = SC_MAX(SC_MIN(first, b - 1), 0); c < SC_MIN(SC_MAX(last, e + 1), w); c++) {
        const int64_t out = c < b ? b - 1 - c : c - e; /* >= 0: so far beyond the hole */
        const bool near_end = !one && c == (right ? b : e - 1);
        float *work = sc_row(a->work, y) + WORK * c, *mask = sc_row(a->mask, y) + c;
        float m = out < 0 && !near_end ? 1 : hole[c];

        if (out >= 0 && c >= first && c < last)
            m = SC_MAX(m, out + 1 < edge ? 1 : 0.5f); /* the last one half */
        if (m <= *mask)
            continue;
        *mask = m;
        fill_pixel(work, x, c, &bg, one ? &other : NULL);
        work[4] = bg.limit;
        work[5] = ch.still > 0 && sc_row(a->prev_disp, y)[c] <= bg.limit ? ch.still : 0;
        work[6] = ch.gain;
        if (hole[c] >= 0.5f)
            sc_row(a->y_disp, y)[c] = bg.disp;
    }
}

/* Whether row y shows anything that no run of holes takes in: at an edge, or wider than CLOSE. */
static bool row_seen(const sc_fill_args *a, int64_t y)
{
    const int64_t w = a->x.dim[1];

    if (y < 0 || y >= a->x.dim[0])
        return false;
    const float *hole = sc_row(a->hole, y);
    for (int64_t c = 0, seen = 0; c < w; c++) {
        seen = hole[c] < 0.5f ? seen + 1 : 0;
        if (seen > CLOSE || (seen && (seen == c + 1 || c == w - 1)))
            return true;
    }
    return false;
}

/* The nearest row, y itself first, of which something was seen; -1 without one. */
static int64_t seen_row(const sc_fill_args *a, int64_t y)
{
    for (int64_t i = 0; i < a->x.dim[0]; i++) {
        if (row_seen(a, y - i))
            return y - i;
        if (row_seen(a, y + i))
            return y + i;
    }
    return -1;
}

/* A row of which nothing was seen repeats the row that serves it. */
static void repeat_row(const sc_fill_args *a, int64_t y, int64_t from)
{
    for (int64_t c = 0; c < a->x.dim[1]; c++) {
        float *work = sc_row(a->work, y) + WORK * c;

        for (int i = 0; i < 3; i++)
            work[i] = sc_row(a->x, from)[3 * c + i];
        work[3] = 1;
        work[4] = INFINITY;
        work[5] = 0;
        if (sc_row(a->hole, from)[c] < 0.5f)
            sc_row(a->y_disp, y)[c] = sc_row(a->disp, from)[c];
    }
}

static void continue_row(const void *args, int64_t y, float *scratch)
{
    (void)scratch;
    const sc_fill_args *a = args;
    const int64_t w = a->x.dim[1], from = seen_row(a, y);
    float *mask = sc_row(a->mask, y);

    for (int64_t c = 0; c < w; c++) {
        mask[c] = 0;
        if (a->y_disp.data != a->disp.data)
            sc_row(a->y_disp, y)[c] = sc_row(a->disp, y)[c];
    }
    if (from < 0)
        return;
    if (from != y)
        repeat_row(a, y, from);
    const float *hole = sc_row(a->hole, from);
    for (int64_t c = 0; c < w; c++) {
        int64_t last = c;

        if (hole[c] < 0.5f)
            continue;
        for (int64_t e = c + 1; e < w && e - last <= CLOSE + 1; e++)
            if (hole[e] >= 0.5f)
                last = e;
        fill_hole(a, y, from, c, last + 1);
        c = last;
    }
    for (int64_t c = 0; from != y && c < w; c++)
        mask[c] = 1;
}

/* The filling at (y, c), averaged with filling and background around it, but not with anything nearer. */
static void soften(const sc_fill_args *a, int64_t y, int64_t c, float rgb[3])
{
    const float *work = sc_row(a->work, y) + WORK * c;
    const int64_t reach = SC_MIN((int64_t)work[3] / SOFT, REACH);
    const float limit = work[4];
    float sum[3] = { work[0], work[1], work[2] }, weight = 1;

    for (int64_t v = SC_MAX(y - reach, 0); v <= SC_MIN(y + reach, a->x.dim[0] - 1); v++) {
        const float *x = sc_row(a->x, v), *fill = sc_row(a->work, v);
        const float *mask = sc_row(a->mask, v), *disp = sc_row(a->y_disp, v);

        for (int64_t u = SC_MAX(c - reach, 0); u <= SC_MIN(c + reach, a->x.dim[1] - 1); u++) {
            const float *p = mask[u] > 0 ? fill + WORK * u : x + 3 * u;

            if (disp[u] > limit)
                continue;
            for (int i = 0; i < 3; i++)
                sum[i] += p[i];
            weight++;
        }
    }
    for (int i = 0; i < 3; i++)
        rgb[i] = sum[i] / weight;
}

static void finish_row(const void *args, int64_t y, float *scratch)
{
    (void)scratch;
    const sc_fill_args *a = args;
    const float *x = sc_row(a->x, y), *mask = sc_row(a->mask, y), *work = sc_row(a->work, y);
    float *out = sc_row(a->y, y);

    for (int64_t c = 0; c < a->x.dim[1]; c++, x += 3, out += 3, work += WORK) {
        float rgb[3];

        if (mask[c] > 0)
            soften(a, y, c, rgb);
        for (int i = 0; i < 3 && mask[c] > 0; i++) {
            if (work[5] > 0)
                rgb[i] += work[5] * (work[6] * sc_row(a->prev, y)[3 * c + i] - rgb[i]);
            out[i] = mask[c] * rgb[i] + (1 - mask[c]) * x[i];
        }
        for (int i = 0; i < 3 && !(mask[c] > 0) && out != x; i++)
            out[i] = x[i];
    }
}

int sc_cpu_fill(sc_exec *x, const sc_fill_args *a)
{
    const int ret = sc_cpu_rows(x, a->x.dim[0], 0, continue_row, a);

    return ret < 0 ? ret : sc_cpu_rows(x, a->x.dim[0], 0, finish_row, a);
}
