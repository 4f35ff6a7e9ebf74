/* The tiers between which sc_inpaint_open() chooses, and the published network. */
#ifndef SC_INPAINT_H
#define SC_INPAINT_H

#include "../nets/quick.h"
#include "models.h"

/* Makes *im safe to write to: a stage before may have kept it. */
int sc_inpaint_own(const sc_context *c, sc_image *im);

/* The background is continued into the holes; then, unless net is NULL, that network corrects it. Closes net,
 * here if it fails. */
int sc_inpaint_extend_open(sc_stage **s, const sc_context *c, sc_stage *from, sc_quick *net);

/* The published network redraws windows of frames; its picture is used in the holes alone. */
int sc_inpaint_net_open(sc_stage **s, const sc_context *c, sc_stage *from, const sc_model_files *files);

/* ---- inpaint_quick.c: the built-in network, over pictures of any size */

typedef struct sc_filler sc_filler;

/* Closes net with itself, or if it fails. */
int sc_filler_open(sc_filler **f, const sc_context *c, sc_quick *net);
void sc_filler_close(sc_filler **f);
/* made[H,W,3] = filled[H,W,3], corrected as far as mask[H,W,1] says and with filled's bits where it is 0,
 * or where what lies behind the screen leaves holes along the left edge. disp[H,W,1] in pixels of the right
 * eye; screen: widths of disparity between the farthest point and the screen. At most as large as the film.
 */
void sc_filler_run(sc_exec *x, const sc_filler *f, sc_tensor made, sc_tensor filled, sc_tensor mask,
                   sc_tensor disp, float screen);

/* ---- inpaint_draw.c: StereoCrafter's networks, over pictures of up to a given size */

typedef struct sc_artist sc_artist;

/* Loads the networks. */
int sc_artist_open(sc_artist **a, const sc_context *c, const sc_model_files *files);
/* Cuts pictures of up to h x w into tiles of the size that c's plan has. Before anything is drawn. */
void sc_artist_fit(sc_artist *a, const sc_context *c, int h, int w);
void sc_artist_log(const sc_artist *a, const sc_context *c); /* what draws, and how */
void sc_artist_close(sc_artist **a);

typedef struct sc_sketch { /* one frame; the tensors may be parts of larger ones */
    sc_tensor picture;     /* [H,W,3] 0..1, anything where there are holes */
    sc_tensor mask;        /* [H,W,1], 1 = to be redrawn */
    sc_tensor hole; /* [H,W,1], 1 = not seen; set to 1 in tiles that were not drawn, having nothing masked */
    sc_tensor out;  /* [H,W,3] 0..1, the network's picture; undefined in tiles that were not drawn */
    int64_t number; /* of the frame in the film: its noise's */
} sc_sketch;

/* Redraws count frames of equal size as one window. */
void sc_artist_draw(sc_exec *x, const sc_artist *a, const sc_sketch *frame, int count);

#endif
