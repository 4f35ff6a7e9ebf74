/* For comparing a run with that of another program: noise that is given, and a record of what each stage
 * made. In every other run the context has no sc_parity, noise is drawn and nothing is recorded. */
#ifndef SC_PARITY_H
#define SC_PARITY_H

#include "stages.h"

typedef struct sc_parity sc_parity;

/* noise: a safetensors file of tensors by the names below, or NULL; dump: a folder, which is made, or NULL.
 * SC_ERR_WEIGHTS, SC_ERR_OUTPUT with a line. */
int sc_parity_open(sc_parity **p, const char *noise, const char *dump, const sc_logger *log);
void sc_parity_close(sc_parity **p); /* *p may be NULL */

typedef enum sc_noise_kind {
    SC_NOISE_DEPTH_LATENTS, /* "depth.latents": frame n of a window's length, which all windows share */
    SC_NOISE_DEPTH_IMAGE,   /* "depth.image": on frame n of the film, at the size of the network's picture */
    SC_NOISE_INPAINT_LATENTS, /* "inpaint.latents": of frame n of the film, all of the padded picture */
} sc_noise_kind;

/* y[h,w,c], packed f32 = normal numbers, each n's its own: the given ones, or drawn by the settings' seed,
 * the same for the same n whatever windows and tiles there are. The file's tensor is [frames,h,w,c], F32. */
void sc_noise(sc_exec *x, sc_tensor y, const sc_context *c, sc_noise_kind kind, int64_t n);

/* Records t, f32, as NAME.safetensors in the folder, NAME from fmt. Takes arena where t is not packed. */
void sc_dump(sc_exec *x, const sc_context *c, sc_tensor t, const char *fmt, ...) SC_PRINTF(4, 5);

#endif
