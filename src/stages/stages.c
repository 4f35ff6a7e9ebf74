#include "stages.h"

int sc_stage_next(sc_stage *s, sc_frame *out)
{
    const double begin = sc_now();
    const int ret = s->next(s, out);

    s->seconds += sc_now() - begin;
    return ret;
}

void sc_stage_close(sc_stage **s)
{
    for (sc_stage *from, *q = *s; q; q = from) {
        from = q->from;
        q->close(q);
    }
    *s = NULL;
}
