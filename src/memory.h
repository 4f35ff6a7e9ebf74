/* How much of a device a conversion may take, and what it does with that. */
#ifndef SC_MEMORY_H
#define SC_MEMORY_H

#include "stages/stages.h"

/* Bytes that the chain may take of the device's memory: what s->vram leaves of it, or what is free. SIZE_MAX
 * where it is the host's, which has no end here. SC_ERR_USAGE if the driver alone takes more than s->vram. */
int sc_memory_budget(size_t *budget, const sc_settings *s, const sc_device *dev, const sc_logger *log);

/* Sets c->plan to the best that fits, and says what it is. Returns the bytes that it needs, 0 if only opening
 * the chain can tell what is wrong with it; SC_ERR_DEVICE if nothing fits. */
int64_t sc_memory_plan(sc_context *c, size_t budget, sc_reader *reader, const enum AVPixelFormat *format);

#endif
