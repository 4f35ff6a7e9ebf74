/* The CPU device: plain C loops, one per op, and faster ones over them.
 *
 * Every sc_cpu_<op> is the op's specification and the oracle of its test: f32 tensors (copy: all types;
 * linear and conv2d: E4M3 too), sums in double. Loops run on x->dev->threads OpenMP threads and give the same
 * bits for any number of them. */
#ifndef SC_CPU_H
#define SC_CPU_H

#include "../../src/ops.h"

typedef struct sc_cpu {
    sc_ops ops;           /* dev->ops points here */
    struct sc_dnnl *dnnl; /* NULL on the plain device */
} sc_cpu;

/* *dev is freed by its ops->close. -ENOMEM, or what oneDNN answered. Logs its failure. */
int sc_cpu_open(sc_device **dev, const sc_device_options *o, const sc_logger *log);

/* Puts oneDNN under the conv2d and linear of dev and names it in the description. */
int sc_dnnl_open(struct sc_dnnl **d, sc_device *dev, const sc_logger *log);
void sc_dnnl_close(struct sc_dnnl **d);

int sc_cpu_copy(sc_exec *x, const sc_copy_args *a);
int sc_cpu_linear(sc_exec *x, const sc_linear_args *a);
int sc_cpu_conv2d(sc_exec *x, const sc_conv2d_args *a);
int sc_cpu_group_norm(sc_exec *x, const sc_group_norm_args *a);
int sc_cpu_layer_norm(sc_exec *x, const sc_layer_norm_args *a);
int sc_cpu_attention(sc_exec *x, const sc_attention_args *a);
int sc_cpu_axpby(sc_exec *x, const sc_axpby_args *a);
int sc_cpu_randn(sc_exec *x, const sc_randn_args *a);
int sc_cpu_resize(sc_exec *x, const sc_resize_args *a);
int sc_cpu_image_in(sc_exec *x, const sc_image_in_args *a);
int sc_cpu_image_out(sc_exec *x, const sc_image_out_args *a);
int sc_cpu_minmax(sc_exec *x, const sc_minmax_args *a);
int sc_cpu_moments(sc_exec *x, const sc_moments_args *a);
int sc_cpu_splat(sc_exec *x, const sc_splat_args *a);
int sc_cpu_fill(sc_exec *x, const sc_fill_args *a);
int sc_cpu_filter(sc_exec *x, const sc_filter_args *a);
int sc_cpu_colour(sc_exec *x, const sc_colour_args *a);
int sc_cpu_mix(sc_exec *x, const sc_mix_args *a);

/* Threads worth waking for a loop over so many numbers. */
static inline int sc_cpu_threads(const sc_exec *x, int64_t numbers)
{
    return numbers < 16384 ? 1 : x->dev->threads;
}

/* act(v); SC_ACT_GEGLU is not one of one number. */
double sc_cpu_act(sc_act act, double v);

/* Makes *t a packed f32 copy of itself in *own, which the caller frees; leaves both as they are if it is f32.
 */
int sc_cpu_as_f32(sc_exec *x, sc_tensor *t, void **own);

/* attention in f32, blocked: what the device runs unless it is the plain one. */
int sc_cpu_attention_fast(sc_exec *x, const sc_attention_args *a);

#endif
