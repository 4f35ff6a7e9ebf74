/* What travels down the chain: reference-counted images from pools. */
#ifndef SC_FRAME_H
#define SC_FRAME_H

#include <libavutil/buffer.h>
#include <libavutil/frame.h>

#include "../exec.h"

typedef struct sc_image { /* a packed device image, shared by reference */
    sc_tensor t;          /* [H, W, C]; ndim 0 = no image */
    AVBufferRef *buf;
} sc_image;

typedef struct sc_rect {
    int x, y, w, h;
} sc_rect;

enum {
    SC_FRAME_CUT = 1,   /* the first frame of a shot: every stage drops what it remembers */
    SC_FRAME_PROOF = 2, /* no frame of the film: to be looked at, not to be written */
};

typedef struct sc_frame {            /* zeroed, then filled in as it goes down the chain */
    AVFrame *src;                    /* as decoded; without data if that was on the device */
    AVFrame *stereo[SC_MAX_OUTPUTS]; /* as laid out for each encoder */
    AVFrame *sidecar;                /* gray16 disparity for --export-depth, or NULL */
    sc_image left;                   /* [H,W,3] f32, 0..1, transfer of the source: its picture */
    sc_image disp;                   /* [H,W,1] f32, normalised disparity 0..1, larger is nearer */
    sc_image right;                  /* [H,W,3] f32, made; none where the source is the right eye */
    sc_image made_left;              /* [H,W,3] f32; none where the source is the left eye */
    sc_image truth;                  /* [H,W,3] f32, the true right eye, where there is one to compare with */
    sc_image hole;                   /* [H,W,1] f32, 0..1, 1 = nothing landed here */
    sc_image disp_right;             /* [H,W,1] f32, pixels, as seen from the right eye */
    sc_rect active;                  /* the picture without its black bars */
    float max_disparity;             /* of its shot: percent of the width of `active` */
    float convergence;               /* of its shot: the disparity 0..1 in the screen plane */
    bool floating_window;            /* of its shot: its sides may come before the screen */
    int64_t pts, duration;           /* in the source stream's time base */
    unsigned flags;
    uint32_t check; /* sc_picture_check() of src, in the first frame of a shot */
} sc_frame;

/* Pools of images, one for each size; device memory comes back to its pool with the last reference. */
typedef struct sc_pools sc_pools;
int sc_pools_open(sc_pools **p, sc_device *dev);
void sc_pools_close(sc_pools **p);

/* A new f32 image [h, w, c] from its pool; contents undefined. *im must be empty. Thread: the compute thread.
 */
int sc_image_new(sc_pools *p, sc_image *im, int h, int w, int c);
/* A new host frame from its pool, in memory that copies to and from the device need not wait for; contents
 * undefined, rows `align` bytes apart or a multiple. Where the last reference is dropped does not matter, but
 * the device must still be there. */
int sc_picture_new(sc_pools *p, AVFrame **f, enum AVPixelFormat format, int w, int h, int align);
size_t sc_image_bytes(int h, int w, int c); /* of device memory */
void sc_image_unref(sc_image *im);
int sc_image_ref(sc_image *dst, const sc_image *src);
bool sc_image_shared(const sc_image *im); /* somebody else has a reference: not to be written to */

/* The part of an image [H,W,C] that r covers: a view. */
static inline sc_tensor sc_crop(sc_tensor t, sc_rect r)
{
    return sc_slice(sc_slice(t, 0, r.y, r.h), 1, r.x, r.w);
}

/* An image [H,W,C] as a batch of one. */
static inline sc_tensor sc_batch(sc_tensor t)
{
    return sc_reshape(t, SC_DIMS(1, t.dim[0], t.dim[1], t.dim[2]));
}

void sc_frame_clear(sc_frame *f); /* releases everything and zeroes it */
/* The same source, picture and depth once more, before anything is made of them. *to is zeroed. */
int sc_frame_again(sc_frame *to, const sc_frame *f);
static inline void sc_frame_move(sc_frame *dst, sc_frame *src)
{
    *dst = *src;
    *src = (sc_frame){ 0 };
}

#endif
