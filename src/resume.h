/* How a film is cut into segments, so that a run that was interrupted is gone on with and comes to the same
 * pixels as one that was not. The chain can begin anew only where a shot does; an encoder anywhere. So a
 * segment may begin within a shot, and making it alone means to go through the chain from that shot's first
 * frame on. */
#ifndef SC_RESUME_H
#define SC_RESUME_H

#include "stages/gauge.h"

typedef struct sc_seam {
    int64_t frame; /* the first of a segment */
    sc_place shot; /* the first of its shot */
    sc_rect bars;  /* the picture without its black bars in the frame before the shot; w 0: there is none */
} sc_seam;

void sc_seam_add(cJSON *json, const sc_seam *s);
sc_seam sc_seam_read(const cJSON *json);

typedef struct sc_seams { /* zeroed, or as sc_resume_find() leaves it */
    sc_seam from;         /* of the segment under way */
    sc_seam next;         /* if one began at the frame that passed last */
    sc_seam to;           /* where the part ends that is made; frame 0: with the film */
    sc_rect active;       /* of that frame */
    int64_t passed;       /* the frame that comes next */
    int shots;            /* of the gauge, that records have told of */
    bool complete;        /* nothing is missing */
} sc_seams;

/* Whether what is asked for can be made in segments: files of a file, and nothing that goes over the film as
 * a whole. */
bool sc_resume_possible(const sc_settings *s);
/* key[33] = what the result depends on. large: as sc_kept_depth() takes it. */
int sc_resume_key(char *key, const sc_context *c, bool large);
/* key[33] = of that, what a plan of segments depends on: no device and no network. */
int sc_resume_film_key(char *key, const sc_settings *s, const sc_logger *log);

/* From s->from to s->to finds the first segment that one of the writers lacks, and fills the gauge (or NULL)
 * from the records of those before. SC_ERR_EXISTS with a line if another film's are there; with
 * SC_OVERWRITE_YES these go. */
int sc_resume_find(sc_seams *s, sc_gauge *g, sc_writer *const *w, int writers, const sc_settings *set,
                   const sc_logger *log);

/* A frame has left the chain. Returns whether it begins a new segment, of about `length` frames. */
bool sc_seams_pass(sc_seams *s, const sc_frame *f, int64_t length);
/* Whether that was the last one before s->to. */
static inline bool sc_seams_over(const sc_seams *s)
{
    return s->to.frame && s->passed >= s->to.frame;
}
/* Ends the segment under way before the frame that passed last, or the film behind it. */
int sc_seams_split(sc_seams *s, const sc_gauge *g, bool last, sc_writer *const *w, int writers);
/* Ends the last segment, of the film or of the part. SC_ERR_INPUT with a line if that is not where it should.
 */
int sc_seams_end(sc_seams *s, const sc_gauge *g, sc_writer *const *w, int writers, const sc_logger *log);

#endif
