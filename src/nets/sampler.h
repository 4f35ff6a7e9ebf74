/* Karras sigmas, Euler steps and v-prediction of the SVD family: scalars on the host, tensors through axpby.
 * diffusers schedulers/scheduling_euler_discrete.py (use_karras_sigmas, v_prediction, continuous timesteps).
 */
#ifndef SC_SAMPLER_H
#define SC_SAMPLER_H

#include "../ops.h"

#define SC_MAX_STEPS 100

typedef struct sc_sampler {
    int steps;
    float sigma[SC_MAX_STEPS + 1]; /* the last is 0 */
    float timestep[SC_MAX_STEPS];  /* 0.25 ln sigma, what the UNet is given */
    float init;                    /* scale of the first noise: sqrt(sigma_max^2 + 1) */
} sc_sampler;

/* sigma from 700 to 0.002, rho 7. steps 1..SC_MAX_STEPS. */
void sc_sampler_init(sc_sampler *s, int steps);
/* out = latents / sqrt(sigma_i^2 + 1); cast to out's type. */
void sc_sampler_scale(sc_exec *x, sc_tensor out, sc_tensor latents, const sc_sampler *s, int i);
/* latents (f32) <- one Euler step from sigma_i to sigma_{i+1} with the network's v. */
void sc_sampler_step(sc_exec *x, sc_tensor latents, sc_tensor v, const sc_sampler *s, int i);

#endif
