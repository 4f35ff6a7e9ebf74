#include <stdlib.h>

#include "../check.h"

/* Rows of surfaces at several depths with holes of many widths between them; prev is the same a little
 * noisier. */
static void some_holes(check *c, int h, int w, bool prev, bool in_place, check_far far)
{
    const size_t n = (size_t)h * (size_t)w;
    float *disp = malloc(n * sizeof(*disp)), *hole = malloc(n * sizeof(*hole));

    if (!disp || !hole)
        exit(1);
    check_begin(c, "fill", "%dx%d%s%s%s", w, h, prev ? " after another" : "", in_place ? " in place" : "",
                check_far_name(far));
    check_spread(c, far);
    for (size_t i = 0; i < n;) {
        const float at = (float)check_random_int(c, -8, 8), edge = (float)check_random(c);
        const int64_t seen = check_random_int(c, 1, 24), gap = check_random_int(c, 0, 16);

        for (int64_t k = 0; k < seen + gap && i < n; k++, i++) {
            disp[i] = at;
            hole[i] = k < seen ? 0 : k == seen ? edge : 1;
        }
    }
    const pair x = check_uniform(c, SC_F32, 0, 1, SC_DIMS(h, w, 3)),
               d = check_values(c, SC_F32, disp, SC_DIMS(h, w, 1));
    const pair before = check_uniform(c, SC_F32, 0.45, 0.55, SC_DIMS(h, w, 3));
    const pair o = check_values(c, SC_F32, hole, SC_DIMS(h, w, 1));
    const pair work = check_uniform(c, SC_F32, 0, 1, SC_DIMS(h, w, 7));
    const pair y = check_output(c, SC_F32, SC_DIMS(h, w, 3)),
               y_disp = check_output(c, SC_F32, SC_DIMS(h, w, 1));
    const pair mask = check_output(c, SC_F32, SC_DIMS(h, w, 1));

    while (check_run(c)) {
        sc_copy_into(c->x, at(c, y), at(c, prev ? before : x)); /* still in part: what is close to what was */
        if (prev)
            sc_axpby_into(c->x, at(c, y), 0.95f, at(c, before), 0.05f, at(c, x), SC_ACT_NONE);
        sc_copy_into(c->x, at(c, y_disp), at(c, d));
        sc_fill_into(c->x, &(sc_fill_args){ .y = at(c, y),
                                            .y_disp = at(c, y_disp),
                                            .mask = at(c, mask),
                                            .x = at(c, in_place ? y : x),
                                            .disp = at(c, in_place ? y_disp : d),
                                            .hole = at(c, o),
                                            .prev = prev ? at(c, before) : SC_NONE,
                                            .prev_disp = prev ? at(c, d) : SC_NONE,
                                            .work = at(c, work) });
    }
    check_end(c, &(check_tol){ .k = 81 });
    free(disp);
    free(hole);
}

/* Rows that show single pixels only, rows that show nothing, and one that serves them all. */
static void torn(check *c, int h, int w)
{
    const size_t n = (size_t)h * (size_t)w;
    float *hole = malloc(n * sizeof(*hole));

    if (!hole)
        exit(1);
    check_begin(c, "fill", "%dx%d torn", w, h);
    for (int i = 0; i < h * w; i++)
        hole[i] = i / w == h / 2 ? i % w > w / 3 : i % w % 2 != 1 || i / w % 3 == 0;
    const pair x = check_uniform(c, SC_F32, 0, 1, SC_DIMS(h, w, 3)),
               d = check_uniform(c, SC_F32, 0, 8, SC_DIMS(h, w, 1));
    const pair o = check_values(c, SC_F32, hole, SC_DIMS(h, w, 1));
    const pair work = check_uniform(c, SC_F32, 0, 1, SC_DIMS(h, w, 7));
    const pair y = check_output(c, SC_F32, SC_DIMS(h, w, 3)),
               y_disp = check_output(c, SC_F32, SC_DIMS(h, w, 1));
    const pair mask = check_output(c, SC_F32, SC_DIMS(h, w, 1));

    while (check_run(c))
        sc_fill_into(c->x, &(sc_fill_args){ .y = at(c, y),
                                            .y_disp = at(c, y_disp),
                                            .mask = at(c, mask),
                                            .x = at(c, x),
                                            .disp = at(c, d),
                                            .hole = at(c, o),
                                            .work = at(c, work) });
    check_end(c, &(check_tol){ .k = 81 });
    free(hole);
}

void check_fill(check *c)
{
    torn(c, 9, 70);
    torn(c, 1, 70);
    some_holes(c, 1, 1, false, false, CHECK_NEAR);
    some_holes(c, 1, 9, false, false, CHECK_NEAR);
    some_holes(c, 40, 1, false, true, CHECK_NEAR);
    some_holes(c, 37, 101, false, false, CHECK_NEAR);
    some_holes(c, 37, 101, true, true, CHECK_NEAR);
    some_holes(c, 90, 320, true, false, CHECK_NEAR);
    some_holes(c, 2, 101, true, false, CHECK_STRIDED);
    some_holes(c, 720, 1280, true, true, CHECK_NEAR);
}
