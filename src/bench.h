/* --info and --bench: what the devices are and how fast the networks run on them. */
#ifndef SC_BENCH_H
#define SC_BENCH_H

#include <stdio.h>

#include "device.h"

/* Prints every device with the number types that it computes with, and which kernels a GPU would run. */
void sc_info(FILE *f);
void sc_info_kernels(FILE *f, const sc_device *dev); /* the latter alone */

/* Times on s->device, in each of its precisions or those of the list s->precision, the built-in network and
 * the published ones with random weights: at published sizes on a GPU, far smaller on the CPU. Then, if there
 * is an s->input, the chain that converts it without an encoder. Prints a table to f and writes the same as
 * JSON to `report`, if not NULL. With s->dump the chain alone, recorded, and how far each precision's depth
 * and frames are from the first one's. With s->vae that VAE alone, encoding and decoding. SC_ERR_OUTPUT if
 * that cannot be written. */
int sc_bench(FILE *f, const char *report, const sc_settings *s);

#endif
