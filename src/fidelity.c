#include "fidelity.h"

/* Windows, steps and guidance of DepthCrafter run.py; of StereoCrafter depth_splatting_inference.py, which
 * shifts by up to 20 pixels to each side, and inpainting_inference.py. */
static const sc_fidelity_row rows[] = {
    [SC_FIDELITY_DEFAULT] = { .depth_window = 110,
                              .depth_overlap = 25,
                              .depth_steps = 5,
                              .depth_guidance = 1,
                              .inpaint_window = 23,
                              .inpaint_overlap = 3,
                              .inpaint_steps = 8,
                              .inpaint_guidance = 1.01,
                              .match = 1,
                              .max_disparity = 2.5,
                              .convergence = 0.45,
                              .shots = true,
                              .cross_fade = true },
    [SC_FIDELITY_REFERENCE] = { .depth_range = SC_RANGE_FILM,
                                .depth_window = 70,
                                .depth_overlap = 25,
                                .depth_steps = 8,
                                .depth_guidance = 1.2,
                                .inpaint_window = 23,
                                .inpaint_overlap = 3,
                                .inpaint_steps = 8,
                                .inpaint_guidance = 1.01,
                                .max_disparity = -40,
                                .convergence = 0.5,
                                .plain_splat = true,
                                .plain_mask = true,
                                .whole = true },
    [SC_FIDELITY_FAST] = { .depth_window = 110,
                           .depth_overlap = 25,
                           .depth_steps = 5,
                           .depth_guidance = 1,
                           .inpaint_window = 23,
                           .inpaint_overlap = 3,
                           .inpaint_steps = 8,
                           .inpaint_guidance = 1,
                           .match = 1,
                           .max_disparity = 2.5,
                           .convergence = 0.45,
                           .shots = true,
                           .cross_fade = true,
                           .few_steps = 4 },
};

const sc_fidelity_row *sc_fidelity_of(const sc_settings *s)
{
    return &rows[s->fidelity];
}

void sc_settings_fidelity(sc_settings *s, int fidelity)
{
    const sc_fidelity_row *r = &rows[fidelity];

    s->fidelity = fidelity;
    s->depth_range = r->depth_range;
    s->depth_window = r->depth_window;
    s->depth_overlap = r->depth_overlap;
    s->depth_steps = r->depth_steps;
    s->depth_guidance = r->depth_guidance;
    s->inpaint_window = r->inpaint_window;
    s->inpaint_overlap = r->inpaint_overlap;
    s->inpaint_steps = r->inpaint_steps;
    s->inpaint_guidance = r->inpaint_guidance;
    s->match = r->match;
    s->max_disparity = r->max_disparity;
    s->convergence = r->convergence;
}
