/* Devices: a device is a filled-in table of ops. */
#ifndef SC_DEVICE_H
#define SC_DEVICE_H

#include "tensor.h"

struct sc_ops;

typedef struct sc_device {
    const struct sc_ops *ops;
    char name[64];         /* "cpu", "cuda:0", "null" */
    char description[192]; /* for the log: cores, memory, libraries */
    int capability;        /* 10 * major + minor of a CUDA device, else 0 */
    unsigned dtypes; /* bit (1u << sc_dtype) set: activations and weights of this type can be computed with */
    int threads;
    bool large;    /* fast enough for networks of 10^14 operations a frame */
    size_t memory; /* bytes of its own that were free when it was opened; 0 where its memory is the host's */
    void *priv;    /* the device's own */
} sc_device;

typedef struct sc_device_options {
    const char *name; /* "auto", "cpu", "null", "cuda", "cuda:1" */
    int threads;      /* 0 = one per core */
    bool plain; /* CPU: the plain C loops alone; CUDA: general kernels, nothing chosen by timing, no replay */
    bool tf32;  /* CUDA: fp32 products may keep 10 bits of each factor's mantissa */
    const char *cache_dir; /* where choices made by timing are kept; NULL: nothing is timed */
} sc_device_options;

/* The device that "auto" or NULL stands for here; any other name is returned as it is. */
const char *sc_device_choose(const char *name);

/* How many "cuda:0", ... there are. */
int sc_device_count(void);

/* On success *dev is the caller's. Errors are logged. */
int sc_device_open(sc_device **dev, const sc_device_options *o, const sc_logger *log);
void sc_device_close(sc_device **dev);

#endif
