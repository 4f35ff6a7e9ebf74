#include "edit.h"
#include "gauge.h"
#include "pair.h"
#include "proof.h"
#include "published.h"
#include "review.h"
#include "score.h"

/* Splat and inpaint, for one of the eyes. */
static int open_view(sc_stage **chain, const sc_context *c, bool left)
{
    int ret;

    if (left)
        SC_TRY(sc_mirror_open(chain, c, *chain, false));
    SC_TRY(sc_splat_open(chain, c, *chain));
    if (c->gauge)
        SC_TRY(sc_gauge_open(chain, c, *chain));
    SC_TRY(sc_inpaint_open(chain, c, *chain));
    if (left)
        SC_TRY(sc_mirror_open(chain, c, *chain, true));
    return 0;
fail:
    return ret;
}

static int open_depth(sc_stage **chain, const sc_context *c, const sc_reader *reader)
{
    if (c->set->depth_file)
        return sc_depth_file_open(chain, c, *chain);
    if (c->set->depth_range == SC_RANGE_FILM)
        return sc_depth_film_open(chain, c, *chain, reader);
    return sc_depth_open(chain, c, *chain);
}

static int open_stereo(sc_stage **chain, const sc_context *c, const sc_reader *reader)
{
    const int view = c->set->synthetic_view;
    int ret;

    SC_TRY(sc_shots_open(chain, c, *chain));
    SC_TRY(open_depth(chain, c, reader));
    if (c->set->convergence_mode == SC_CONVERGENCE_SUBJECT)
        SC_TRY(sc_subject_open(chain, c, *chain));
    if (c->proofs)
        SC_TRY(sc_proof_open(chain, c, *chain));
    if (view != SC_VIEW_RIGHT)
        SC_TRY(open_view(chain, c, true));
    if (view != SC_VIEW_LEFT)
        SC_TRY(open_view(chain, c, false));
    if (c->edit ? sc_edit_windows(c->edit) : c->set->floating_window)
        SC_TRY(sc_border_open(chain, c, *chain));
    if (c->gauge && (c->set->report || c->set->stats || c->proofs) &&
        !c->set->analyze) /* which leaves holes unfilled */
        SC_TRY(sc_review_open(chain, c, *chain));
    return 0;
fail:
    return ret;
}

/* Beside the true right eye; one that was made elsewhere is not made here. */
static int open_pair(sc_stage **chain, const sc_context *c, const sc_reader *reader)
{
    int ret;

    SC_TRY(sc_shots_open(chain, c, *chain));
    if (!c->set->made)
        SC_TRY(open_depth(chain, c, reader));
    SC_TRY(sc_truth_open(chain, c, *chain));
    if (!c->set->made)
        SC_TRY(open_view(chain, c, false));
    SC_TRY(sc_judge_open(chain, c, *chain));
    return 0;
fail:
    return ret;
}

/* Through a VAE and back. */
static int open_passage(sc_stage **chain, const sc_context *c)
{
    int ret;

    SC_TRY(sc_reconstruct_open(chain, c, *chain));
    SC_TRY(sc_score_open(chain, c, *chain));
    return 0;
fail:
    return ret;
}

int sc_chain_open(sc_stage **last, const sc_context *c, sc_reader *reader, const enum AVPixelFormat *format)
{
    sc_stage *chain = NULL; /* a stage that is open belongs to it at once, so that a failure closes it */
    int ret;

    SC_TRY(sc_source_open(&chain, c, reader));
    SC_TRY(c->set->reconstruct ? open_passage(&chain, c)
           : c->set->score     ? open_pair(&chain, c, reader)
                               : open_stereo(&chain, c, reader));
    SC_TRY(sc_layout_open(&chain, c, chain, format));
    *last = chain;
    return 0;
fail:
    sc_stage_close(&chain);
    return ret;
}

typedef struct trial { /* a chain without memory */
    sc_context c;
    sc_stage *chain;
    sc_needs needs;
} trial;

static int64_t measure(void *opaque, sc_plan *plan)
{
    trial *t = opaque;
    int ret;

    t->c.plan = *plan;
    t->needs.arena = t->needs.images = 0;
    for (sc_stage *s = t->chain; s; s = s->from) {
        if (s->fit && (ret = s->fit(s)) < 0)
            return ret;
        t->needs.arena = SC_MAX(t->needs.arena, s->arena);
        t->needs.images += s->images;
    }
    return (int64_t)sc_plan_bytes(plan, &t->needs);
}

int64_t sc_chain_plan(sc_plan *plan, size_t budget, const sc_context *c, sc_reader *reader,
                      const enum AVPixelFormat *format)
{
    sc_device *dev = NULL;
    sc_exec x = { 0 };
    sc_library library = { 0 };
    trial t = { .c = *c };
    int64_t ret;

    t.c.pools = NULL;
    SC_TRY(sc_device_open(&dev, &(sc_device_options){ .name = "null" }, NULL));
    dev->large = c->x->dev->large; /* which decides between networks */
    SC_TRY(sc_exec_open(&x, dev, NULL, c->x->act, 0));
    SC_TRY(sc_pools_open(&t.c.pools, dev));
    t.c.x = &x;
    t.c.log = NULL; /* the chain that is opened next says everything */
    t.c.library = &library;
    t.c.needs = &t.needs;
    t.c.plan = *plan;
    SC_TRY(sc_chain_open(&t.chain, &t.c, reader, format));
    ret = sc_plan_choose(plan, budget, measure, &t);
fail:
    sc_stage_close(&t.chain);
    sc_library_close(&library, dev);
    sc_pools_close(&t.c.pools);
    if (x.dev)
        sc_exec_close(&x);
    sc_device_close(&dev);
    return ret;
}
