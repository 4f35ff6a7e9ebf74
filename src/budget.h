/* How a conversion fits into a device's memory: which weights stay there, and how much is worked on at a
 * time.
 *
 * Pure: what a plan needs is measured by the caller, on the null device. */
#ifndef SC_BUDGET_H
#define SC_BUDGET_H

#include "precision.h"
#include "weights/weights.h"

typedef struct sc_plan {
    bool stream[SC_NET_COUNT];           /* layers' weights come from host memory (pager.h) */
    size_t ring;                         /* bytes through which they come; set by sc_plan_bytes() */
    int depth_window, depth_overlap;     /* frames */
    int inpaint_window, inpaint_overlap; /* frames */
    int tile;                            /* pixels, a multiple of 64 */
    int depth_decode, inpaint_decode;    /* frames that the VAE decodes together: its result depends on it */
    int vae_tile, vae_slice; /* pixels, 0: whole pictures; frames: of what --reconstruct passes at a time */
} sc_plan;

typedef struct sc_needs {           /* bytes; zeroed where a network is not used */
    sc_load_size net[SC_NET_COUNT]; /* weights */
    size_t arena, images;           /* working memory; frames that wait between and in stages */
} sc_needs;

/* What is asked for, with everything resident. */
sc_plan sc_plan_of(const sc_settings *set);

/* Device bytes of plan under needs; sets plan->ring. */
size_t sc_plan_bytes(sc_plan *plan, const sc_needs *needs);

/* Bytes that plan needs, or a negative code. */
typedef int64_t (*sc_plan_measure)(void *opaque, sc_plan *plan);

/* Makes *plan, the best there is, the best that fits into `budget` bytes. First weights are streamed, the
 * least used ones last; then fewer frames are decoded at a time, then tiles become smaller, then windows
 * shorter; then what turns out not to have been necessary is taken back, windows first. Returns the bytes
 * that *plan needs, which are more than the budget if even the smallest plan is too large; or measure's
 * error. */
int64_t sc_plan_choose(sc_plan *plan, size_t budget, sc_plan_measure measure, void *opaque);

/* In words, for the log: "weights of ... streamed, ..."; "" if plan is best. */
void sc_plan_describe(char *out, size_t size, const sc_plan *plan, const sc_plan *best);

#endif
