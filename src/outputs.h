/* What the settings say of the files that a conversion makes. */
#ifndef SC_OUTPUTS_H
#define SC_OUTPUTS_H

#include "video/writer.h"

/* Whether nothing is encoded. */
bool sc_outputs_discarded(const sc_settings *s);
/* SC_ERR_USAGE with a line if there are none, or if two of the files are the same. */
int sc_outputs_check(const sc_settings *s, const sc_logger *log);

/* Of output i, and of the depth's sidecar: all that settings, film and source tell. */
sc_writer_options sc_output_options(const sc_settings *s, int i, const sc_video_info *v,
                                    const AVFormatContext *from);
sc_writer_options sc_sidecar_options(const sc_settings *s, const sc_video_info *v);

#endif
