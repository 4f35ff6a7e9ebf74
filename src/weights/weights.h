/* Network weights: lookup by published name and exact shape, cast, upload, and an account of what was not
 * used.
 *
 * A loader is opened on a file or folder, a net's load function asks for every tensor it knows, and
 * sc_loader_finish() fails with one list if any was missing, had another shape, or was never asked for.
 * Without a path the loader is shape-only: it counts parameters and leaves data NULL (null device). */
#ifndef SC_WEIGHTS_H
#define SC_WEIGHTS_H

#include "../ops.h"

typedef struct sc_loader sc_loader;
struct sc_pager;

/* path: a .safetensors file, or a folder holding STEM.fp16.safetensors, STEM.safetensors or
 * STEM.safetensors.index.json, looked for in this order; or NULL. stem: "diffusion_pytorch_model", "model".
 * Weights are stored as `store`, or wider where sc_precision_of_layer() says so (norms and biases f32).
 * SC_ERR_WEIGHTS with one line naming the file and what is wrong. */
int sc_loader_open(sc_loader **ld, const char *path, const char *stem, sc_exec *x, sc_dtype store,
                   const sc_logger *log);

/* Like sc_loader_open, over a safetensors file in memory (built-in weights); the bytes must outlive the
 * loader. */
int sc_loader_open_memory(sc_loader **ld, const void *bytes, size_t size, const char *name, sc_exec *x,
                          sc_dtype store, const sc_logger *log);

/* A loader that has every tensor, of random numbers, the same each time: for measuring without a file. */
int sc_loader_open_random(sc_loader **ld, sc_exec *x, sc_dtype store, const sc_logger *log);

/* Weights that are asked for from now on are stored as `store`; returns what they were until now. */
sc_dtype sc_loader_store(sc_loader *ld, sc_dtype store);

/* Weights and biases that are asked for from now on are multiplied by gain, once they have their type; 1 at
 * first. What a network does to a layer's result then costs nothing when it runs. */
void sc_loader_gain(sc_loader *ld, float gain);

/* The weights of linear and convolution layers stay in host memory and come through the pager, which must
 * outlive what is loaded; norms and biases are resident all the same. Before anything is asked for. */
void sc_loader_stream(sc_loader *ld, struct sc_pager *pager);

typedef struct sc_load_size { /* device bytes of a network's weights */
    size_t layers, rest;      /* what can be streamed, and what cannot */
    size_t largest;           /* of one layer */
} sc_load_size;
/* *size is set by sc_loader_finish(). */
void sc_loader_report(sc_loader *ld, sc_load_size *size);

/* On success ownership of the memory that holds all weights passes to *block (free with
 * sc_loader_free); *params is the number of parameters asked for. Closes the loader either way. -ENOMEM is a
 * warning in the log. */
int sc_loader_finish(sc_loader **ld, void **block, int64_t *params);
/* Gives up: nothing is checked or read. */
void sc_loader_close(sc_loader **ld);
void sc_loader_free(sc_device *dev, void **block);

/* Shape of a tensor of the file: ndim, or -ENOENT. For configurations that shapes decide (input channels). */
int sc_loader_shape(sc_loader *ld, int64_t dim[SC_MAX_DIM], const char *fmt, ...) SC_PRINTF(3, 4);

/* Each appends ".weight" / ".bias" to the formatted name and sets types and shapes at once. data is set by
 * sc_loader_finish(), so that nothing is allocated for a wrong file: what p, n and t point to must stay in
 * place until then. Errors too are kept in the loader until finish. */
void sc_load_linear(sc_loader *ld, sc_param *p, int64_t out, int64_t in, bool bias, const char *fmt, ...)
    SC_PRINTF(6, 7);
/* OIHW in the file ([O,I,kt,1,1] for a temporal kernel kt x 1; [O,I] for 1x1), OHWI in memory. */
void sc_load_conv(sc_loader *ld, sc_param *p, int64_t out, int64_t in, int kh, int kw, bool bias,
                  const char *fmt, ...) SC_PRINTF(8, 9);
/* [O,I,kt,k,k] in the file, [kt*O,k,k,I] in memory: each temporal tap's kernels are a view. With a bias [O].
 */
void sc_load_conv3d(sc_loader *ld, sc_param *p, int64_t out, int64_t in, int kt, int k, const char *fmt, ...)
    SC_PRINTF(7, 8);
void sc_load_norm(sc_loader *ld, sc_norm *n, int64_t c, const char *fmt, ...) SC_PRINTF(4, 5);
/* The name as given, without a suffix. The tensor keeps the file's shape; f32. */
void sc_load_tensor(sc_loader *ld, sc_tensor *t, int ndim, const int64_t *dim, const char *fmt, ...)
    SC_PRINTF(5, 6);
/* One number, to the host; 0 in a shape-only run. */
void sc_load_scalar(sc_loader *ld, float *value, const char *fmt, ...) SC_PRINTF(3, 4);
/* Known dead weights: counted and accepted if present, neither read nor required; counted too in a shape-only
 * run. ndim 0: any shape and type, not counted (buffers such as position_ids). */
void sc_load_skip(sc_loader *ld, int ndim, const int64_t *dim, const char *fmt, ...) SC_PRINTF(4, 5);

/* A config.json. path: a file or the folder that holds config.json. Absent: *c is NULL, 0 is returned, and
 * the readers below leave their defaults. */
typedef struct sc_config sc_config;
int sc_config_open(sc_config **c, const char *path, const sc_logger *log);
void sc_config_close(sc_config **c);
/* Overwrites *value / value[0..n) if the key is there and well-formed; else leaves it. Returns how many were
 * set. A scalar where an array is wanted sets all n. */
int sc_config_int(const sc_config *c, const char *key, int *value);
int sc_config_ints(const sc_config *c, const char *key, int *value, int n);
int sc_config_float(const sc_config *c, const char *key, float *value);

/* Whether a layer can be n wide, as an untrusted file says: products of a few such numbers stay in range. */
static inline bool sc_is_width(int n)
{
    return n >= 1 && n <= 1 << 16;
}

#endif
