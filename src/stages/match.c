#include <math.h>

#include "stages.h"
#include "../ops.h"

/* Points that the statistics are taken of, along the longer side: the error of a network's colours is smooth,
 * so some ten thousand points know it as well as all. */
enum { POINTS = 256 };

/* A network's colours are off by some per cent. What the statistics ask for beyond this is a failure of the
 * network that no shift of colour mends: gains as factors, shifts in units of L*a*b* (L* spans 100). */
static const float MAX_GAIN = 1.5f, MAX_SHIFT = 25;

/* Below this spread (L*a*b* units) a channel is flat and a gain would only amplify rounding. */
static const float FLAT = 0.5f;

/* Weight of a new frame: two pictures of one shot differ by what moves in them, which is noise to the colour
 * error. */
static const float RATE = 0.3f;

static const sc_match_state same = { .gain = { 1, 1, 1 } };

static sc_tensor every(sc_tensor t, int64_t step)
{
    for (int i = 0; i < 2; i++) {
        t.dim[i] = (t.dim[i] + step - 1) / step;
        t.stride[i] *= step;
    }
    return t;
}

/* y = to(gain * from(y) + shift), channel by channel, in place. */
static void convert(sc_exec *x, sc_tensor y, sc_colour_space from, sc_colour_space to,
                    const sc_match_state *s)
{
    const float *g = s->gain, *t = s->shift;

    sc_colour_into(x, &(sc_colour_args){ .y = y,
                                         .a = y,
                                         .m1 = { g[0], 0, 0, 0, g[1], 0, 0, 0, g[2] },
                                         .t = { t[0], t[1], t[2] },
                                         .from = from,
                                         .to = to });
}

/* Mean, deviation and weight of L*, a* and b* over the points. */
static void statistics(sc_exec *x, float stats[9], sc_tensor image, sc_tensor weight)
{
    const sc_mark m = sc_push(x);
    sc_tensor lab = sc_new(x, SC_F32, image.ndim, image.dim), moments = sc_new(x, SC_F32, SC_DIMS(3, 3));

    sc_copy_into(x, lab, image);
    convert(x, lab, SC_RGB, SC_LAB, &same);
    sc_moments_into(x, &(sc_moments_args){ .y = moments, .x = lab, .mask = weight });
    sc_download(x, stats, moments);
    sc_pop(x, m);
}

/* Follows the colour error of a frame: how the network's rendition of what was really seen differs from it.
 */
static void follow(sc_match_state *state, const float is[9], const float should[9])
{
    const float rate = state->frames++ ? RATE : 1;

    for (int i = 0; i < 3; i++) {
        const bool flat = is[3 + i] < FLAT || should[3 + i] < FLAT;
        const float gain = flat ? 1 : SC_CLAMP(should[3 + i] / is[3 + i], 1 / MAX_GAIN, MAX_GAIN);
        const float shift = (1 - gain) * is[i] + SC_CLAMP(should[i] - is[i], -MAX_SHIFT, MAX_SHIFT);

        state->gain[i] += rate * (gain - state->gain[i]);
        state->shift[i] += rate * (shift - state->shift[i]);
    }
}

void sc_match(sc_exec *x, sc_match_state *state, sc_tensor filled, sc_tensor seen, sc_tensor hole)
{
    const int64_t step = SC_MAX(SC_MAX(filled.dim[0], filled.dim[1]) / POINTS, 1);
    const float unit = 1;
    const sc_mark m = sc_push(x);
    sc_tensor one = sc_new(x, SC_F32, SC_DIMS(1, 1, 1)), weight = sc_new_like(x, every(hole, step));
    float is[9] = { 0 }, should[9] = { 0 };

    sc_upload(x, one, &unit);
    sc_axpby_into(x, weight, -1, every(hole, step), 1, sc_broadcast(one, 3, weight.dim), SC_ACT_NONE);
    statistics(x, is, every(filled, step), weight);
    statistics(x, should, every(seen, step), weight);
    sc_pop(x, m);
    if (is[6] > 0)
        follow(state, is, should);
    if (state->frames) {
        convert(x, filled, SC_RGB, SC_LAB, &same);
        convert(x, filled, SC_RGB, SC_RGB, state);
        convert(x, filled, SC_LAB, SC_RGB, &same);
    }
}
