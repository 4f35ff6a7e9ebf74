#include <assert.h>
#include <math.h>

#include "sampler.h"

/* scheduler_config.json of stable-video-diffusion-img2vid-xt-1-1; rho is Karras et al. (2022)'s. */
#define SIGMA_MAX 700.0
#define SIGMA_MIN 0.002
#define RHO       7.0

/* EulerDiscreteScheduler.set_timesteps() with _convert_to_karras() */
void sc_sampler_init(sc_sampler *s, int steps)
{
    const double high = pow(SIGMA_MAX, 1 / RHO), low = pow(SIGMA_MIN, 1 / RHO);

    assert(steps >= 1 && steps <= SC_MAX_STEPS);
    *s = (sc_sampler){ .steps = steps, .init = (float)sqrt(SIGMA_MAX * SIGMA_MAX + 1) };
    for (int i = 0; i < steps; i++) {
        const double ramp = steps > 1 ? (double)i / (steps - 1) : 0; /* a single step starts from the top */
        s->sigma[i] = (float)pow(high + ramp * (low - high), RHO);
        s->timestep[i] = (float)(0.25 * log((double)s->sigma[i]));
    }
}

/* scale_model_input() */
void sc_sampler_scale(sc_exec *x, sc_tensor out, sc_tensor latents, const sc_sampler *s, int i)
{
    const double sigma = (double)s->sigma[i];

    sc_axpby_into(x, out, (float)(1 / sqrt(sigma * sigma + 1)), latents, 0, SC_NONE, SC_ACT_NONE);
}

/* step() without churn. Its x0 = latents / (sigma^2 + 1) - v sigma / sqrt(sigma^2 + 1) and its Euler step
 * latents + (latents - x0) / sigma (next - sigma) are one linear expression, solved here for its two factors.
 */
void sc_sampler_step(sc_exec *x, sc_tensor latents, sc_tensor v, const sc_sampler *s, int i)
{
    const double sigma = (double)s->sigma[i], next = (double)s->sigma[i + 1];
    const double variance = sigma * sigma + 1;

    sc_axpby_into(x, latents, (float)((1 + sigma * next) / variance), latents,
                  (float)((next - sigma) / sqrt(variance)), v, SC_ACT_NONE);
}
