/* The tiers between which sc_inpaint_open() chooses. */
#ifndef SC_INPAINT_H
#define SC_INPAINT_H

#include "stages.h"

/* The background is continued into the holes. */
int sc_inpaint_extend_open(sc_stage **s, const sc_context *c, sc_stage *from);

typedef struct sc_inpaint_files { /* folders of the published networks */
    char unet[1024], vae[1024], clip[1024];
} sc_inpaint_files;

/* The published network redraws windows of frames; its picture is used in the holes alone. */
int sc_inpaint_net_open(sc_stage **s, const sc_context *c, sc_stage *from, const sc_inpaint_files *files);

#endif
