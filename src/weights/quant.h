/* Quantised weights in blocks, as ggml lays them out (ggml-common.h, ggml-quants.c dequantize_row_*). */
#ifndef SC_QUANT_H
#define SC_QUANT_H

#include <stddef.h>
#include <stdint.h>

/* y[blocks * 32] or, of the _k types, y[blocks * 256]. x at any alignment. */
void sc_unpack_q4_0(float *y, const unsigned char *x, size_t blocks);
void sc_unpack_q8_0(float *y, const unsigned char *x, size_t blocks);
void sc_unpack_q4_k(float *y, const unsigned char *x, size_t blocks);
void sc_unpack_q6_k(float *y, const unsigned char *x, size_t blocks);

/* The number that 16 bits of a half mean. */
float sc_from_half(uint16_t h);

#endif
