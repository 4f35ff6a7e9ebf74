/* The built-in tier: a compact UNet for single-frame depth (scripts/train has its recipe). */
#ifndef SC_QUICK_H
#define SC_QUICK_H

#include "../weights/weights.h"

typedef struct sc_quick sc_quick;

/* Opens the built-in depth network from the weights compiled into the program. */
int sc_quick_open(sc_quick **q, sc_exec *x, sc_dtype store, const sc_logger *log);
void sc_quick_close(sc_quick **q, sc_device *dev);
int64_t sc_quick_params(const sc_quick *q);

/* disp[N,h,w,1]: inverse depth up to scale and shift, larger is nearer; of images[N,h,w,3] f32 in 0..1. h and
 * w are multiples of 16; trained at 320x192. */
void sc_quick_forward(sc_exec *x, sc_tensor disp, const sc_quick *q, sc_tensor images);

#endif
