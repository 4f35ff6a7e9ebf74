/* The null device: every op succeeds and does nothing, so that model code can be run to learn shapes, arena
 * bytes and FLOPs. Memory is NULL. */
#ifndef SC_NULL_H
#define SC_NULL_H

#include "../../src/ops.h"

/* *dev is freed by its ops->close. -ENOMEM. */
int sc_null_open(sc_device **dev, const sc_device_options *o, const sc_logger *log);

#endif
