#include "proof.h"

#include <math.h>
#include <stdlib.h>

#include "../ops.h"
#include "gauge.h"

/* Both sides of what is usual: where a difference is plainly seen. */
static const double strengths[SC_PROOF_STEPS] = { 0.6, 1, 1.5 };
static const double convergences[SC_PROOF_STEPS] = { -0.25, 0, 0.25 };
static const double strongest = 10; /* percent, as --max-disparity has it */

typedef struct proof {
    sc_stage stage;
    const sc_context *c;
    sc_frame kept; /* without src: none yet */
    int64_t frames;
    int next; /* way; from 0 on when the film is over */
    bool over;
} proof;

/* To what can be typed. */
static double rounded(double v)
{
    return floor(100 * v + 0.5) / 100;
}

void sc_proofs_choose(sc_proofs *p, const sc_settings *s)
{
    p->ways = 0;
    for (int i = 0; i < SC_PROOF_STEPS; i++)
        for (int k = 0; k < SC_PROOF_STEPS; k++) {
            const bool usual = strengths[i] == 1 && convergences[k] == 0;
            const double strength = SC_MIN(rounded(s->max_disparity * strengths[i]), strongest);
            const double convergence = SC_CLAMP(rounded(s->convergence + convergences[k]), 0, 1);
            const sc_proof way =
                usual ? (sc_proof){ s->max_disparity, s->convergence } : (sc_proof){ strength, convergence };
            const bool same = (strengths[i] != 1 && strength == s->max_disparity) ||
                              (convergences[k] != 0 && convergence == s->convergence);

            if (usual)
                p->usual = p->ways;
            if (!same)
                p->way[p->ways++] = way;
        }
}

static void read_light(sc_exec *x, float moments[9], sc_tensor picture)
{
    const sc_mark m = sc_push(x);
    const sc_tensor y = sc_new(x, SC_F32, SC_DIMS(3, 3));

    sc_moments_into(x, &(sc_moments_args){ .y = y, .x = picture });
    sc_download(x, moments, y);
    sc_pop(x, m);
}

/* Frames 1, 2, 4, 8 ... are kept unless they are black, each instead of the one before: how many come is not
 * known. */
static int pass(proof *p, sc_frame *f)
{
    const int64_t n = p->frames++;
    float v[9];
    int ret;

    if (n & (n - 1))
        return 0;
    read_light(p->c->x, v, f->left.t);
    SC_TRY(sc_exec_wait(p->c->x));
    if (p->kept.src && (v[0] + v[1] + v[2]) / 3 < sc_gauge_dark)
        return 0;
    sc_frame_clear(&p->kept);
    SC_TRY(sc_frame_again(&p->kept, f));
fail:
    return ret;
}

static int proof_next(sc_stage *stage, sc_frame *out)
{
    proof *p = (proof *)stage;
    const sc_proofs *all = p->c->proofs;
    int ret = SC_EOF;

    if (!p->over && (ret = sc_stage_next(stage->from, out)) != SC_EOF) {
        SC_TRY(ret);
        return pass(p, out);
    }
    p->over = true;
    if (!p->kept.src || p->next == all->ways)
        return SC_EOF;
    SC_TRY(sc_frame_again(out, &p->kept));
    out->max_disparity = (float)all->way[p->next].max_disparity;
    out->convergence = (float)all->way[p->next].convergence;
    out->flags |= SC_FRAME_CUT | SC_FRAME_PROOF;
    p->next++;
    return 0;
fail:
    return ret;
}

static void measure(sc_exec *x, void *arg)
{
    const proof *p = arg;
    float v[9];

    read_light(x, v, sc_tensor_make(NULL, SC_F32, SC_DIMS(p->c->video->height, p->c->video->width, 3)));
}

static void proof_close(sc_stage *stage)
{
    sc_frame_clear(&((proof *)stage)->kept);
    free(stage);
}

int sc_proof_open(sc_stage **out, const sc_context *c, sc_stage *from)
{
    proof *p = calloc(1, sizeof(*p));

    if (!p)
        return sc_fail(c->log, -ENOMEM, "proof", "out of memory");
    p->stage = (sc_stage){ .next = proof_next, .close = proof_close, .name = "depth", .from = from };
    p->c = c;
    p->stage.arena = sc_measure(c->x, measure, p, NULL);
    p->stage.images = sc_image_bytes(c->video->height, c->video->width, 4);
    *out = &p->stage;
    return 0;
}
