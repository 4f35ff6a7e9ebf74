/* The built-in tier: compact UNets over pictures, for depth and for holes (scripts/train/network.py is their
 * definition and has the recipe). */
#ifndef SC_QUICK_H
#define SC_QUICK_H

#include "../weights/weights.h"

typedef struct sc_quick sc_quick;

/* A network as wide and as deep as the loader's file says, whichever of the two it is. Closes the loader. */
int sc_quick_open(sc_quick **q, sc_loader **ld, sc_exec *x);
/* The same of the file that sc_builtin_find() has for this name and x's device (builtin.h). */
int sc_quick_open_builtin(sc_quick **q, const char *name, sc_exec *x, sc_dtype store);
void sc_quick_close(sc_quick **q, sc_device *dev);
int64_t sc_quick_params(const sc_quick *q);

/* disp[N,h,w,1]: inverse depth up to scale and shift, larger is nearer; of images[N,h,w,3] f32 in 0..1.
 * Trained at 320x192. */
void sc_quick_depth(sc_exec *x, sc_tensor disp, const sc_quick *q, sc_tensor images);

/* change[N,h,w,3]: what, added in its holes, makes of filled the picture; elsewhere it means nothing. Of the
 * right eye, f32: filled[N,h,w,3] in 0..1, its holes continued from the background; hole[N,h,w,1], 1 where it
 * was not seen; disp[N,h,w,1] in widths of the picture, 0 is infinitely far. Trained at 320x192. */
void sc_quick_fill(sc_exec *x, sc_tensor change, const sc_quick *q, sc_tensor filled, sc_tensor hole,
                   sc_tensor disp);

#endif
