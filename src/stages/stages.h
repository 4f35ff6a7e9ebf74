/* The chain: each stage pulls frames from the one before it. */
#ifndef SC_STAGES_H
#define SC_STAGES_H

#include "frame.h"
#include "../budget.h"
#include "../fidelity.h"
#include "../video/reader.h"
#include "../video/writer.h"

/* Where the chain begins: with a shot, so that from there it makes what it would in one piece. */
typedef struct sc_stretch {
    int64_t first; /* the first frame, counted from the film's first */
    sc_rect bars;  /* the picture without its black bars in the frame before; w 0: there is none */
} sc_stretch;

/* What every stage may use; outlives the stages. */
typedef struct sc_context {
    const sc_settings *set;
    const sc_logger *log;
    sc_exec *x; /* the compute thread's; images and nets share its arena */
    sc_pools *pools;
    const sc_video_info *video; /* the source's picture */
    sc_precision precision;
    sc_stretch stretch;
    const char *models;             /* resolved folder of published weights, or NULL */
    sc_plan plan;                   /* how much of them, and of the film, is on the device at a time */
    struct sc_pager *pager;         /* where the plan streams weights, else NULL */
    struct sc_library *library;     /* networks that stages share */
    struct sc_parity *parity;       /* NULL, or what is given and recorded to compare programs */
    const struct sc_edit *edit;     /* NULL, or the film's shots as a file lists them */
    struct sc_gauge *gauge;         /* NULL, or where the depth and holes of every shot are noted */
    const struct sc_proofs *proofs; /* NULL, or ways that are tried on a frame behind the film */
    struct sc_score *score;         /* where frames that passed a VAE are compared with what they were */
    struct sc_pair *pair;           /* where frames are compared with the true right eye */
    sc_needs *needs;                /* NULL, or where the sizes of networks are noted as they are opened */
    bool raw_depth;                 /* disp is what the depth network drew: its size, its numbers */
} sc_context;

/* A pull iterator. next fills the zeroed *out and passes ownership; 0, SC_EOF, or an error (sticky from then
 * on). On a cancelled run the head returns SC_ERR_CANCELLED and everybody passes it on. */
typedef struct sc_stage {
    int (*next)(struct sc_stage *, sc_frame *out);
    void (*close)(struct sc_stage *); /* frees the stage itself, not `from` */
    const char *name;
    struct sc_stage *from;
    int (*fit)(
        struct sc_stage *); /* NULL, or sets arena and images again: the context's plan is now smaller */
    size_t arena;           /* bytes of arena that next needs, found by a null run at open */
    size_t images;          /* bytes of images that wait in the stage, and that it adds to a frame */
    double seconds;         /* spent in next, the stages before it included */
    int shots;              /* shots stage: begun so far */
} sc_stage;

/* Calls s->next and keeps s->seconds. */
int sc_stage_next(sc_stage *s, sc_frame *out);
/* Closes a stage and all before it; *s may be NULL. */
void sc_stage_close(sc_stage **s);

/* The whole chain, from decoder to layout; *last is the caller's. */
int sc_chain_open(sc_stage **last, const sc_context *c, sc_reader *reader, const enum AVPixelFormat *format);
/* Finds the best plan that fits `budget` bytes, on the null device, for the chain that sc_chain_open() would
 * open. Returns the bytes that *plan needs, which are more than the budget if nothing fits; or an error,
 * which opening the chain tells the reason of. */
int64_t sc_chain_plan(sc_plan *plan, size_t budget, const sc_context *c, sc_reader *reader,
                      const enum AVPixelFormat *format);

/* Each opens a stage over `from` (not owned; closed by sc_stage_close of the last). */
int sc_source_open(sc_stage **s, const sc_context *c, sc_reader *reader);  /* -> src, left, pts      */
int sc_shots_open(sc_stage **s, const sc_context *c, sc_stage *from);      /* -> flags, active       */
int sc_depth_open(sc_stage **s, const sc_context *c, sc_stage *from);      /* -> disp, by a network  */
int sc_depth_file_open(sc_stage **s, const sc_context *c, sc_stage *from); /* -> disp, from a file   */
/* The network's, in one scale for the whole film, which is read twice: by `reader`, whose frames `from` has,
 * and before that by one of its own. Needs a file for 4 bytes for each of the network's pixels. */
int sc_depth_film_open(sc_stage **s, const sc_context *c, sc_stage *from, const sc_reader *reader);
int sc_splat_open(sc_stage **s, const sc_context *c, sc_stage *from);   /* -> right, hole, disp_right */
int sc_inpaint_open(sc_stage **s, const sc_context *c, sc_stage *from); /* -> right without holes */
/* Before splat, for SC_CONVERGENCE_SUBJECT: -> convergence, of every frame, within these. */
#define SC_SUBJECT_FAR  0.2
#define SC_SUBJECT_NEAR 0.8
int sc_subject_open(sc_stage **s, const sc_context *c, sc_stage *from);
/* After all views are made: floating windows. -> right, made_left, where a side has one */
int sc_border_open(sc_stage **s, const sc_context *c, sc_stage *from);
/* Around splat and inpaint, so that they make the left eye: the source's picture is mirrored; and back.
 * -> made_left */
int sc_mirror_open(sc_stage **s, const sc_context *c, sc_stage *from, bool back);
int sc_reconstruct_open(sc_stage **s, const sc_context *c, sc_stage *from); /* -> made_left, by a VAE */
int sc_layout_open(sc_stage **s, const sc_context *c, sc_stage *from,       /* -> stereo, sidecar     */
                   const enum AVPixelFormat *format);                       /* of each output's */

/* What is shown of a source's picture: all, or with --crop as much as StereoCrafter's script leaves. */
sc_video_info sc_shown(const sc_settings *set, const sc_video_info *v);
/* The laid-out size and sample aspect for a picture of v's size, before anything is opened. */
void sc_layout_size(const sc_output *o, const sc_video_info *v, int *w, int *h, AVRational *sar);

/* Colour match (match.c), used by inpaint. A network renders the whole right eye, so what it makes of the
 * pixels that were really seen tells how its colours are off: gain and shift of each channel of L*a*b*, so
 * that over these pixels mean and deviation of `filled` become those of `seen`, are applied to all of
 * filled[H,W,3], in place. Statistics are weighted by 1 - hole[H,W,1] and smoothed over time in *state; zero
 * it at a cut. */
typedef struct sc_match_state {
    int frames; /* since the cut */
    float gain[3], shift[3];
} sc_match_state;
void sc_match(sc_exec *x, sc_match_state *state, sc_tensor filled, sc_tensor seen, sc_tensor hole);

#endif
