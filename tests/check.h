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

enum { CHECK_MAX_OUTPUTS = 8, CHECK_MAX_TENSORS = 32, CHECK_MANY = 64, CHECK_MAX_OPS = 32 };

/* What an activation may add to k. SiLU: an exp within 2 u and two roundings, 2^2 + 1 + 1 = 6 u^2. GELU:
 * oneDNN's erf is Abramowitz and Stegun 7.1.26, off by up to 1.5e-7 = 2.5 u, 6.25 u^2. Either is 0.25 * 25
 * u^2. */
enum { CHECK_ACT_TERMS = 25 };

typedef struct pair { /* one tensor, on the plain device [0] and on the one under test [1] */
    sc_tensor on[2];  /* packed, unless check_spread() */
    int output;       /* its number among the outputs */
} pair;

/* Passes if every |e| <= sqrt(factor) max(6 sqrt(0.5) u, t sqrt(0.25 k) u32) max(|ref|, rms) and, for
 * CHECK_MANY elements or more (the mean of a few says little), nmse <= L = factor max(0.5 u^2, 0.25 k
 * u32^2), u the unit roundoff of the output's type.
 *
 * t: a sum's rounding errors are as large as its partial sums, a random walk. Given A, the walk's mean
 * square, their own sum e is normal with a variance of A; as P(A > a) ~ exp(-pi^2 a / 8) (Cameron and Martin
 * 1944), P(|e| > t rms) ~ exp(-pi t / sqrt(8)). The largest of n such errors passes sqrt(8)/pi ln(1000 n)
 * once in a thousand cases: 6.2 for one element, 18.6 for a million. k roundings of up to u each make no more
 * than 2 sqrt(k) times their likely sum sqrt(0.25 k) u, so few terms leave t at 6. */
typedef struct check_tol {
    double k;      /* length of the longest sum, with its bias and what else is added; at least 1 */
    double factor; /* 0 = 1. Say why beside it. */
    double rms;    /* that outputs have in the mean of all inputs, where a few may be near 0 by chance */
    bool exact;    /* the same bits instead (integers: always) */
    bool products; /* of f32 are those of tf32 where check.tf32, and so is u */
} check_tol;

/* How tensors lie on the device under test. STRIDED: the first axis' rows are CHECK_STEP elements apart, so
 * that three of them reach past 2^32. LONG: packed, behind so many other rows of the first axis, whatever is
 * in them, that the first such tensor of the case has more than 2^31 elements; the others get as many rows.
 */
typedef enum check_far { CHECK_NEAR, CHECK_STRIDED, CHECK_LONG } check_far;
#define CHECK_STEP (((int64_t)1 << 31) + 64)

typedef enum check_column {
    CHECK_FP32,
    CHECK_TF32,
    CHECK_FP16,
    CHECK_BF16,
    CHECK_FP8,
    CHECK_COLUMNS
} check_column;

typedef struct check {
    sc_exec exec[2];
    sc_exec *x;     /* where check_run wants the call */
    sc_dtype dtype; /* of activations and weights, for ops that nets use */
    bool tf32;      /* the device under test rounds factors of f32 products; inputs are tf32 numbers */
    uint64_t seed;
    const char *only;  /* --op */
    int share, shares; /* --share: of the cases; shares 0 = all */
    size_t most;       /* --most: bytes of a tensor; 0 = any */
    bool bench;
    int passed, failed;
    struct {
        char op[32];
        int cases[CHECK_COLUMNS], far, left_out; /* far: past 2^31, in all types */
    } tally[CHECK_MAX_OPS];
    int ops;

    /* the running case */
    char op[32], name[128];
    int side, rounds, cases;
    bool skip, counted;
    uint64_t rng;
    double best, total, start;
    check_far far;
    int64_t more; /* rows of a LONG tensor before those that matter; 0: not known yet */
    struct {
        int dev;
        void *p;
        size_t mapped; /* 0: the device's memory */
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

const char *check_far_name(check_far far); /* to end a case's name with */
/* For the case's tensors from here on. at() then gives of a LONG tensor more rows on the device under test
 * than on the plain one; the last of them are compared. A case whose memory cannot be had is left out with a
 * line, and so is LONG on the CPU, on which it would take minutes. */
void check_spread(check *c, check_far far);

/* Prints how many cases of each op there were. */
void check_table(const check *c);

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
