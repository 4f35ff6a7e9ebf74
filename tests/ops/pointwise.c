#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"

/* src converted on one of the devices, from and to host memory. */
static void convert(check *c, int side, sc_dtype to, void *dst, sc_dtype from, const void *src, int64_t n)
{
    sc_exec *x = &c->exec[side];
    const sc_tensor host_y = sc_tensor_make(dst, to, SC_DIMS(n)),
                    host_x = sc_tensor_make((void *)src, from, SC_DIMS(n));
    sc_tensor y = host_y, in = host_x;
    y.data = in.data = NULL;
    if (x->dev->ops->alloc(x->dev, &y.data, sc_tensor_bytes(y)) < 0 ||
        x->dev->ops->alloc(x->dev, &in.data, sc_tensor_bytes(in)) < 0)
        abort();
    sc_upload(x, in, src);
    sc_copy_into(x, y, in);
    sc_download(x, dst, y);
    check_that(c, sc_exec_wait(x) == 0, "copy works");
    x->dev->ops->free(x->dev, y.data);
    x->dev->ops->free(x->dev, in.data);
}

/* A small float type by its definition: sign, exponent with bias, mantissa; the largest exponent is special.
 */
typedef struct small_float {
    sc_dtype type;
    int exponent, mantissa;
    double largest;
} small_float;

static const small_float small_floats[] = { { SC_F16, 5, 10, 65504 },
                                            { SC_BF16, 8, 7, 0x1.fep127 },
                                            { SC_F8, 4, 3, 448 } };

static double decode(const small_float *t, int code)
{
    const int bias = (1 << (t->exponent - 1)) - 1, e = code >> t->mantissa & ((1 << t->exponent) - 1);
    const int m = code & ((1 << t->mantissa) - 1), top = (1 << t->exponent) - 1;
    const double sign = code >> (t->exponent + t->mantissa) & 1 ? -1 : 1;
    if (t->type == SC_F8 ? e == top && m == 7 : e == top)
        return t->type == SC_F8 || m ? NAN : sign * INFINITY;
    return sign *
           (e ? ldexp(m + (1 << t->mantissa), e - bias - t->mantissa) : ldexp(m, 1 - bias - t->mantissa));
}

static int code_at(const small_float *t, const void *p, int i)
{
    return t->type == SC_F8 ? ((const uint8_t *)p)[i] : ((const uint16_t *)p)[i];
}

/* Whether code is the nearest of its type to v, and the even one of two as near; past the largest, infinity
 * or (F8) the largest itself. */
static bool nearest(const small_float *t, double v, int code)
{
    const int magnitude = code & ((1 << (t->exponent + t->mantissa)) - 1);
    const double d = fabs(decode(t, magnitude)), a = fabs(v);
    const double half_step = t->largest * ldexp(1, -t->mantissa - 2);
    if (isnan(v))
        return isnan(d);
    if (signbit(v) != (code >> (t->exponent + t->mantissa) & 1))
        return false;
    if (t->type == SC_F8 ? a >= t->largest : a >= t->largest + half_step * 0.9999)
        return t->type == SC_F8 ? d == t->largest : isinf(d) || a < t->largest + 2 * half_step;
    const double below = magnitude ? a - decode(t, magnitude - 1) : INFINITY;
    const double above = d < t->largest ? decode(t, magnitude + 1) - a : INFINITY;
    const double e = fabs(a - d);
    return e < below && e < above ? true
                                  : (e == below || e == above) && e <= below && e <= above && !(code & 1);
}

/* Every code of the type to f32 and back; then floats over its whole range, among them ties, to the type. */
static void conversions(check *c, const small_float *t)
{
    enum { FLOATS = 1 << 16 };
    static float wide[2][1 << 16], f[FLOATS];
    static uint16_t codes[1 << 16], back[2][1 << 16];
    const int n = t->type == SC_F8 ? 1 << 8 : 1 << 16;
    bool same = true, right = true, rounded = true;

    check_begin(c, "copy", "every %s", sc_dtype_name(t->type));
    if (c->skip || c->bench)
        return;
    for (int i = 0; i < n; i++) {
        if (t->type == SC_F8)
            ((uint8_t *)codes)[i] = (uint8_t)i;
        else
            codes[i] = (uint16_t)i;
    }
    for (int s = 0; s < 2; s++) {
        convert(c, s, SC_F32, wide[s], t->type, codes, n);
        convert(c, s, t->type, back[s], SC_F32, wide[s], n);
        for (int i = 0; i < n; i++) {
            const double want = decode(t, i);
            right = right && (isnan(want) ? isnan(wide[s][i])
                                          : wide[s][i] == want && !signbit(want) == !signbit(wide[s][i]));
            same = same && (isnan(want) || code_at(t, back[s], i) == i);
        }
    }
    check_that(c, right, "each code has its value");
    check_that(c, same, "each value has its code");

    for (int i = 0; i < FLOATS; i++) {
        const double d = decode(t, (int)check_random_int(c, 0, n - 1)),
                     e = decode(t, (int)check_random_int(c, 0, n - 1));
        const double ulp = ldexp(fabs(d), -t->mantissa - 1);
        f[i] = (float)(i % 4 == 0   ? d + ulp * check_random(c)
                       : i % 4 == 1 ? d + ulp / 2
                       : i % 4 == 2 ? d * 1.5
                                    : (d + e) / 2);
    }
    for (int s = 0; s < 2; s++) {
        convert(c, s, t->type, back[s], SC_F32, f, FLOATS);
        for (int i = 0; i < FLOATS; i++)
            rounded = rounded && nearest(t, f[i], code_at(t, back[s], i));
    }
    check_that(c, rounded, "a number becomes the nearest code, the even one of two");
}

static void integers(check *c)
{
    static const float f[] = { -1,     -0.5f,  0,   0.5f,     1.5f,     2.5f, 254.5f,
                               255.4f, 255.5f, 300, 65534.5f, 65535.6f, 1e9f, NAN };
    static const uint8_t u8[] = { 0, 0, 0, 0, 2, 2, 254, 255, 255, 255, 255, 255, 255, 0 };
    static const uint16_t u16[] = { 0, 0, 0, 0, 2, 2, 254, 255, 256, 300, 65534, 65535, 65535, 0 };
    uint8_t a[SC_COUNT(f)];
    uint16_t b[SC_COUNT(f)], b2[SC_COUNT(f)];

    check_begin(c, "copy", "to integers");
    if (c->skip || c->bench)
        return;
    for (int s = 0; s < 2; s++) {
        convert(c, s, SC_U8, a, SC_F32, f, SC_COUNT(f));
        convert(c, s, SC_U16, b, SC_F32, f, SC_COUNT(f));
        convert(c, s, SC_U16, b2, SC_U8, u8, SC_COUNT(f));
        check_that(c, !memcmp(a, u8, sizeof(u8)), "u8 rounds to even and clamps");
        check_that(c, !memcmp(b, u16, sizeof(u16)), "u16 rounds to even and clamps");
        for (int i = 0; i < SC_COUNT(f); i++)
            check_that(c, b2[i] == u8[i], "u8 to u16 keeps %d", u8[i]);
    }
}

static void permuted(check *c, sc_dtype to, sc_dtype from, const int *order, bool broadcast)
{
    static const int64_t dims[] = { 3, 5, 4, 7 };
    int64_t turned[4];
    check_begin(c, "copy", "%s to %s, order %d%d%d%d, repeated %d", sc_dtype_name(from), sc_dtype_name(to),
                order[0], order[1], order[2], order[3], broadcast);
    const pair x = from == SC_U8 || from == SC_U16
                       ? check_uniform(c, from, 0, 255, SC_DIMS(broadcast ? 1 : 3, 5, 4, 7))
                       : check_normal(c, from, 0, 1, SC_DIMS(broadcast ? 1 : 3, 5, 4, 7));
    for (int i = 0; i < 4; i++)
        turned[i] = dims[order[i]];
    turned[3] += 2;
    const pair y = check_output(c, to, 4, turned);
    while (check_run(c)) {
        const sc_tensor in = sc_permute(sc_broadcast(at(c, x), 4, dims), order);
        sc_copy_into(c->x, sc_slice(at(c, y), 3, 1, turned[3] - 2), in);
    }
    check_end(c, &(check_tol){ .k = 1 });
}

static void packed(check *c, sc_dtype to, sc_dtype from, int64_t n)
{
    check_begin(c, "copy", "%s to %s, %lld", sc_dtype_name(from), sc_dtype_name(to), (long long)n);
    const pair x = check_uniform(c, from, 0, 100, SC_DIMS(n)), y = check_output(c, to, SC_DIMS(n));
    while (check_run(c))
        sc_copy_into(c->x, at(c, y), at(c, x));
    check_end(c, &(check_tol){ .k = 1 });
}

/* Strides may be negative: the picture of a mirror. */
static void mirrored(check *c, int64_t channels)
{
    check_begin(c, "copy", "mirrored, %lld channels", (long long)channels);
    const pair x = check_normal(c, SC_F32, 0, 1, SC_DIMS(3, 37, channels));
    const pair y = check_output(c, SC_F32, SC_DIMS(3, 37, channels));
    while (check_run(c))
        sc_copy_into(c->x, at(c, y), sc_mirror(at(c, x), 1));
    check_end(c, &(check_tol){ .k = 1 });
}

static void far_copy(check *c, sc_dtype to, sc_dtype from, int64_t n, check_far far)
{
    static const int order[] = { 1, 0 };
    check_begin(c, "copy", "%s to %s, 3x%lld%s", sc_dtype_name(from), sc_dtype_name(to), (long long)n,
                check_far_name(far));
    check_spread(c, far);
    const pair x = check_uniform(c, from, 0, 100, SC_DIMS(3, n)), y = check_output(c, to, SC_DIMS(3, n)),
               turned = check_output(c, to, SC_DIMS(3, n));
    while (check_run(c)) {
        sc_copy_into(c->x, at(c, y), at(c, x));
        sc_copy_into(c->x, sc_permute(at(c, turned), order), sc_permute(at(c, x), order));
    }
    check_end(c, &(check_tol){ .k = 1 });
}

static void axpby(check *c, int64_t n, int64_t s, int64_t channels, bool z, bool repeated, sc_act act,
                  check_far far)
{
    check_begin(c, "axpby", "%dx%dx%d z %d repeated %d act %d%s", (int)n, (int)s, (int)channels, z, repeated,
                (int)act, check_far_name(far));
    check_spread(c, far);
    const pair x = check_normal(c, c->dtype, 0, 1, SC_DIMS(n, s, channels + 3));
    const pair other = check_normal(c, c->dtype, 0, 1, SC_DIMS(repeated ? 1 : n, s, repeated ? 1 : channels));
    const pair y = check_output(c, c->dtype, SC_DIMS(n, s, channels));
    while (check_run(c))
        sc_axpby_into(c->x, at(c, y), 0.7f, sc_slice(at(c, x), 2, 2, channels), -1.3f,
                      z ? sc_broadcast(at(c, other), 3, at(c, y).dim) : SC_NONE, act);
    check_end(c, &(check_tol){ .k = 2, .rms = act ? 0 : z ? sqrt(0.7 * 0.7 + 1.3 * 1.3) : 0.7 });
}

static void axpby_truth(check *c)
{
    static const float x[] = { 1, -2, 0.5f }, z[] = { 3, 4, -1 };
    static const double want[] = { -1, -8, 2 };
    check_begin(c, "axpby", "by hand, in place");
    const pair a = check_values(c, SC_F32, x, SC_DIMS(3)), b = check_values(c, SC_F32, z, SC_DIMS(3));
    const pair y = check_output(c, SC_F32, SC_DIMS(3));
    check_expect(c, y, want);
    while (check_run(c)) {
        sc_copy_into(c->x, at(c, y), at(c, a));
        sc_axpby_into(c->x, at(c, y), 2, at(c, y), -1, at(c, b), SC_ACT_NONE);
    }
    check_end(c, &(check_tol){ .k = 2 });
}

/* Codes and factors to the bit, of numbers around `size`; rows of zeros, and of what f32 cannot divide. */
static void quantised(check *c, sc_dtype t, int64_t m, int64_t k, int64_t gap, bool whole, double size)
{
    check_begin(c, "copy", "%s to fp8, %d x %d gap %d whole %d size %g", sc_dtype_name(t), (int)m, (int)k,
                (int)gap, whole, size);
    const pair x = check_normal(c, t, 0, size, SC_DIMS(m, k + gap));
    const pair rows = check_normal(c, t, 0, size, SC_DIMS(3, k + gap));
    const pair y = check_output(c, SC_F8, SC_DIMS(m, k)),
               scale = check_output(c, SC_F32, SC_DIMS(whole ? 1 : m));
    while (check_run(c)) {
        /* Only f32 holds what f32 cannot divide, and fp16 would round it where the plain side does not. */
        const float factors[] = { 0, INFINITY, t == SC_F32 ? 0x1p-140f : 1 };
        for (int i = 0; i < SC_COUNT(factors) && i < m - 1 && !whole; i++)
            sc_axpby_into(c->x, sc_slice(at(c, x), 0, i, 1), factors[i], sc_slice(at(c, rows), 0, i, 1), 0,
                          SC_NONE, SC_ACT_NONE);
        sc_quantise_into(c->x, at(c, y), at(c, scale), sc_slice(at(c, x), 1, gap, k));
    }
    check_end(c, &(check_tol){ .exact = true });
}

static void randn(check *c, int64_t n, uint64_t seed, uint64_t offset, check_far far)
{
    check_begin(c, "randn", "%lld of seed %llu from %llu%s", (long long)n, (unsigned long long)seed,
                (unsigned long long)offset, check_far_name(far));
    check_spread(c, far);
    const pair y = check_output(c, SC_F32, SC_DIMS(n));
    while (check_run(c)) /* of more numbers the last n are compared */
        sc_randn_into(c->x, at(c, y), seed, offset + (uint64_t)(y.on[1].dim[0] - at(c, y).dim[0]));
    check_end(c, &(check_tol){ .exact = true });
}

void check_pointwise(check *c)
{
    static const sc_dtype types[] = { SC_F32, SC_F16, SC_BF16, SC_F8, SC_U8, SC_U16 };
    static const int orders[][4] = { { 0, 1, 2, 3 }, { 0, 2, 3, 1 }, { 3, 0, 1, 2 }, { 3, 2, 1, 0 } };

    axpby(c, 1, 100, 333, true, false, SC_ACT_NONE, CHECK_NEAR);
    axpby(c, 4, 33, 7, true, true, SC_ACT_SILU, CHECK_NEAR);
    axpby(c, 2, 25, 320, false, false, SC_ACT_SILU, CHECK_NEAR);
    axpby(c, 1, 1, 1, true, false, SC_ACT_NONE, CHECK_NEAR);
    axpby(c, 3, 31, 37, true, false, SC_ACT_NONE, CHECK_NEAR); /* primes */
    axpby(c, 3, 5, 64, true, false, SC_ACT_NONE, CHECK_STRIDED);
    axpby(c, 3, 5, 7, true, true, SC_ACT_SILU, CHECK_STRIDED);
    axpby(c, 101, 33, 64, true, false, SC_ACT_NONE, CHECK_LONG);
    axpby(c, 101, 3, 7, false, false, SC_ACT_SILU, CHECK_LONG);
    quantised(c, c->dtype, 257, 320, 0, false, 1);
    quantised(c, c->dtype, 31, 1280, 16, false, 1e-3);
    quantised(c, c->dtype, 5, 13, 3, false, 100);
    quantised(c, c->dtype, 1, 1, 0, false, 1);
    quantised(c, c->dtype, 1, 1, 0, true, 1);
    quantised(c, c->dtype, 1009, 17, 0, true, 1e-3);
    quantised(c, c->dtype, 601, 640, 0, true, 30);
    if (c->dtype != SC_F32 || c->tf32)
        return;
    axpby_truth(c);
    for (int i = 0; i < SC_COUNT(small_floats); i++)
        conversions(c, &small_floats[i]);
    integers(c);
    for (int a = 0; a < SC_COUNT(types); a++)
        for (int b = 0; b < SC_COUNT(types); b++) {
            if (types[b] == SC_U8 || types[b] == SC_U16 || (types[a] != SC_U8 && types[a] != SC_U16))
                permuted(c, types[a], types[b], orders[(a + b) % 4], (a ^ b) & 1);
        }
    packed(c, SC_F32, SC_F32, 1);
    packed(c, SC_F32, SC_F32, 1000003);
    packed(c, SC_F32, SC_F16, 1000003);
    packed(c, SC_F16, SC_F32, 1000003);
    mirrored(c, 3);
    mirrored(c, 1);
    for (int a = 0; a < SC_COUNT(types); a++) {
        far_copy(c, types[a], types[a], 16, CHECK_STRIDED);
        far_copy(c, types[a], types[a], 7, CHECK_STRIDED);
        far_copy(c, types[a], types[a], 64, CHECK_LONG);
    }
    far_copy(c, SC_F16, SC_F32, 16, CHECK_STRIDED);
    far_copy(c, SC_F32, SC_BF16, 7, CHECK_STRIDED);
    far_copy(c, SC_F32, SC_F16, 64, CHECK_LONG);
    randn(c, 1, 0, 0, CHECK_NEAR);
    randn(c, 100003, 42, 0, CHECK_NEAR);
    randn(c, 1009, 7, 3, CHECK_LONG);
    randn(c, 1001, 0x123456789abcdef, 0xfffffffffffff1, CHECK_NEAR);
}
