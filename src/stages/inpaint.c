#include <stdlib.h>

#include "../nets/builtin.h"
#include "../ops.h"
#include "inpaint.h"

int sc_inpaint_own(const sc_context *c, sc_image *im)
{
    sc_image copy = { 0 };
    int ret;

    if (!sc_image_shared(im))
        return 0;
    if ((ret = sc_image_new(c->pools, &copy, (int)im->t.dim[0], (int)im->t.dim[1], (int)im->t.dim[2])) < 0)
        return ret;
    sc_copy_into(c->x, copy.t, im->t);
    sc_image_unref(im);
    *im = copy;
    return 0;
}

static int none_next(sc_stage *s, sc_frame *out)
{
    return sc_stage_next(s->from, out);
}

static void none_close(sc_stage *s)
{
    free(s);
}

static int none_open(sc_stage **s, const sc_context *c, sc_stage *from)
{
    sc_stage *n = calloc(1, sizeof(*n));

    if (!n)
        return sc_fail(c->log, -ENOMEM, "inpaint", "out of memory");
    *n = (sc_stage){ .next = none_next, .close = none_close, .name = "inpaint", .from = from };
    *s = n;
    return 0;
}

/* The built-in tier: background extension and, unless that alone is asked for, a network after it. */
static int quick_open(sc_stage **s, const sc_context *c, sc_stage *from)
{
    const sc_dtype weight = c->precision.net[SC_NET_QUICK].weight, act = c->precision.net[SC_NET_QUICK].act;
    sc_quick *net = NULL;
    int ret;

    sc_log(c->log, SC_LOG_INFO, "inpaint",
           "holes are filled from the background around them (built in, the quick tier)");
    if (c->set->inpaint == SC_INPAINT_AUTO && sc_builtin_find("fill", c->x->dev->large)) {
        if ((ret = sc_quick_open_builtin(&net, "fill", c->x, weight)) < 0)
            return ret;
        sc_log(c->log, SC_LOG_INFO, "inpaint", "and corrected by a network in %s, %lld parameters",
               sc_dtype_name(act), (long long)sc_quick_params(net));
    }
    return sc_inpaint_extend_open(s, c, from, net);
}

int sc_inpaint_open(sc_stage **s, const sc_context *c, sc_stage *from)
{
    sc_model_files files;
    const int mode = c->set->inpaint;
    const char *missing = c->models ? sc_models_inpaint(&files, c->models) : "";

    if (mode == SC_INPAINT_NONE)
        return none_open(s, c, from);
    if (mode == SC_INPAINT_NETWORK && !c->models)
        return sc_fail(c->log, SC_ERR_WEIGHTS, "inpaint",
                       "the network needs the folder of published weights (--models)");
    if (mode == SC_INPAINT_NETWORK && missing)
        return sc_fail(c->log, SC_ERR_WEIGHTS, "inpaint", "%s: no folder %s", c->models, missing);
    if (mode == SC_INPAINT_NETWORK || (mode == SC_INPAINT_AUTO && !missing))
        return sc_inpaint_net_open(s, c, from, &files);
    if (mode == SC_INPAINT_AUTO && c->models)
        sc_log(c->log, SC_LOG_WARNING, "inpaint", "%s: no folder %s", c->models, missing);
    return quick_open(s, c, from);
}
