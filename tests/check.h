/* The harness of the op tests: the same call on the plain CPU device and on the device under test, compared.
 *
 *     static void some_case(check *c, int64_t h, int64_t w)
 *     {
 *         check_begin(c, "mix", "%dx%d", (int)h, (int)w);
 *         const pair a = check_uniform(c, SC_F32, 0, 1, SC_DIMS(h, w, 3));
 *         const pair y = check_output(c, SC_F32, SC_DIMS(h, w, 3));
 *         while (check_run(c))
 *             sc_mix_into(c->x, &(sc_mix_args){ .y = at(c, y), .a = at(c, a), ... });
 *         check_end(c, &(check_tol){ .k = 2 });
 *     }
 *
 * A view of a tensor is made on both sides: `at(c, sc_slice(...))` inside the loop. Elements of an output
 * that the plain device leaves alone must be left alone by the other; 256 bytes around every output too. */
#ifndef SC_CHECK_H
#define SC_CHECK_H

#include "../src/ops.h"

enum { CHECK_MAX_OUTPUTS = 8, CHECK_MAX_TENSORS = 32, CHECK_MANY = 64 };

/* What an activation may add to k. SiLU: an exp within 2 u and two roundings, 2^2 + 1 + 1 = 6 u^2. GELU:
 * oneDNN's erf is Abramowitz and Stegun 7.1.26, off by up to 1.5e-7 = 2.5 u, 6.25 u^2. Either is 0.25 * 25
 * u^2. */
enum { CHECK_ACT_TERMS = 25 };

typedef struct pair { /* one tensor, on the plain device [0] and on the one under test [1]; packed */
    sc_tensor on[2];
    int output; /* its number among the outputs */
} pair;

/* Passes if every |e| <= 6 sqrt(L) max(|ref|, rms) and, for CHECK_MANY elements or more (the mean of a few
 * says little), nmse <= L = factor * max(0.5 u^2, 0.25 k u32^2), u the unit roundoff of the output's type. */
typedef struct check_tol {
    double k;      /* length of the longest sum, with its bias and what else is added; at least 1 */
    double factor; /* 0 = 1. Say why beside it. */
    bool exact;    /* the same bits instead (integers: always) */
} check_tol;

typedef struct check {
    sc_exec exec[2];
    sc_exec *x;     /* where check_run wants the call */
    sc_dtype dtype; /* of activations and weights, for ops that nets use */
    uint64_t seed;
    const char *only; /* --op */
    size_t most;      /* --most: bytes of a tensor; 0 = any */
    bool bench;
    int passed, failed;

    /* the running case */
    char op[32], name[128];
    int side, rounds, cases;
    bool skip;
    uint64_t rng;
    double best, total, start;
    struct {
        int dev;
        void *p;
    } owned[CHECK_MAX_TENSORS];
    int owners;
    size_t bytes;
    struct {
        pair t;
        const double *want;
    } outputs[CHECK_MAX_OUTPUTS];
    int noutputs;
    int64_t flops;
} check;

/* A case that makes tensors is ended. A case left out by --op costs nothing: its tensors have no memory,
 * check_run is false. */
void check_begin(check *c, const char *op, const char *fmt, ...) SC_PRINTF(3, 4);
void check_end(check *c, const check_tol *tol);

/* Inputs. The plain device computes in f32, so of a narrower float type it gets the rounded numbers as f32;
 * integer types and E4M3 are the same on both sides. */
pair check_normal(check *c, sc_dtype t, double mean, double sd, int ndim, const int64_t *dim);
pair check_uniform(check *c, sc_dtype t, double lo, double hi, int ndim, const int64_t *dim);
pair check_values(check *c, sc_dtype t, const float *v, int ndim, const int64_t *dim);

/* An output, all bits set until something is written. */
pair check_output(check *c, sc_dtype t, int ndim, const int64_t *dim);

/* What output y must hold, by a truth found without our code: packed, the size of y, valid until check_end.
 * The plain device is held to it by the tolerance. Float outputs only. */
void check_expect(check *c, pair y, const double *want);

/* True once for each call to make: plain, then tested (with --bench: tested only, several times). */
bool check_run(check *c);
sc_tensor at(const check *c, pair p);

/* A fact that is not a comparison of tensors. */
void check_that(check *c, bool ok, const char *fmt, ...) SC_PRINTF(3, 4);

/* Uniform in [0, 1) and an integer in [lo, hi], from the case's seed. */
double check_random(check *c);
int64_t check_random_int(check *c, int64_t lo, int64_t hi);

/* The families, one file of tests/ops each. */
void check_linear(check *c);
void check_conv(check *c);
void check_norm(check *c);
void check_attention(check *c);
void check_pointwise(check *c);
void check_image(check *c);
void check_resize(check *c);
void check_colour(check *c);
void check_warp(check *c);
void check_fill(check *c);

#endif
