/* The CUDA device: one in-order stream on one GPU, in the primary context that FFmpeg shares.
 *
 * Every sc_cuda_<op> computes what sc_cpu_<op> specifies, for weights and activations in fp32, fp16 and bf16,
 * linear and conv2d for weights in E4M3 too from compute capability 8.9 on; images are f32. Sums are f32.
 * Failures are logged where they happen, through sc_exec_fail(), and returned.
 */
#ifndef SC_CUDA_H
#define SC_CUDA_H

#ifdef __cplusplus
extern "C" { /* ops.h is a C header */
#endif

#include "../../src/ops.h"

/* SC_ERR_DEVICE with one line if there is no such GPU; o->name is "cuda" or "cuda:N". */
int sc_cuda_open(sc_device **dev, const sc_device_options *o, const sc_logger *log);
/* How many GPUs there are; 0 without a driver. Logs nothing. */
int sc_cuda_count(void);

sc_replay_way sc_cuda_replay(sc_exec *x, const sc_replay *r);
bool sc_cuda_record_end(sc_exec *x);

int sc_cuda_copy(sc_exec *x, const sc_copy_args *a);
int sc_cuda_linear(sc_exec *x, const sc_linear_args *a);
int sc_cuda_conv2d(sc_exec *x, const sc_conv2d_args *a);
int sc_cuda_group_norm(sc_exec *x, const sc_group_norm_args *a);
int sc_cuda_layer_norm(sc_exec *x, const sc_layer_norm_args *a);
int sc_cuda_attention(sc_exec *x, const sc_attention_args *a);
int sc_cuda_axpby(sc_exec *x, const sc_axpby_args *a);
int sc_cuda_randn(sc_exec *x, const sc_randn_args *a);
int sc_cuda_resize(sc_exec *x, const sc_resize_args *a);
int sc_cuda_image_in(sc_exec *x, const sc_image_in_args *a);
int sc_cuda_image_out(sc_exec *x, const sc_image_out_args *a);
int sc_cuda_minmax(sc_exec *x, const sc_minmax_args *a);
int sc_cuda_moments(sc_exec *x, const sc_moments_args *a);
int sc_cuda_splat(sc_exec *x, const sc_splat_args *a);
int sc_cuda_fill(sc_exec *x, const sc_fill_args *a);
int sc_cuda_filter(sc_exec *x, const sc_filter_args *a);
int sc_cuda_colour(sc_exec *x, const sc_colour_args *a);
int sc_cuda_mix(sc_exec *x, const sc_mix_args *a);

#ifdef __cplusplus
}
#endif
#endif
