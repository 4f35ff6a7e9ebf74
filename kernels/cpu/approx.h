/* Powers and roots that compilers can vectorise: no tables, no calls, no branches. Errors are relative unless
 * stated. */
#ifndef SC_CPU_APPROX_H
#define SC_CPU_APPROX_H

#include <stdint.h>

union sc_bits {
    float value;
    int32_t bits;
};

/* 2^x for -126 <= x <= 126, error below 3e-7: 2^(i + f), |f| <= 1/2, by the Taylor polynomial of degree 6. */
static inline float sc_exp2(float x)
{
    const int32_t i = (int32_t)(x + 127.5f) - 127;
    const float f = x - (float)i;
    const float tail = 0.05550411f + f * (0.00961813f + f * (0.00133336f + f * 0.00015404f));
    const union sc_bits power = { .bits = (i + 127) << 23 };
    return power.value * (1 + f * (0.69314718f + f * (0.24022651f + f * tail)));
}

/* log2 x of a normal x > 0, absolute error below 1e-6 up to the rounding of the result: the area tangent's
 * series around 1, the mantissa being within a factor sqrt(2) of it. */
static inline float sc_log2(float x)
{
    union sc_bits m = { .value = x };
    const int32_t e = (m.bits - 0x3f3504f3) >> 23; /* sqrt(1/2) */
    m.bits -= e * (1 << 23);
    const float t = (m.value - 1) / (m.value + 1), s = t * t;
    return (float)e +
           t * (2.8853901f + s * (0.96179669f + s * (0.57707802f + s * (0.41219859f + s * 0.32059890f))));
}

/* x^p for x >= 0, with 0 for x below 1e-30; error near |p| times that of sc_log2. */
static inline float sc_pow(float x, float p)
{
    const float y = p * sc_log2(x > 1e-30f ? x : 1e-30f), z = y < 126 ? y : 126;
    return x > 1e-30f && y > -126 ? sc_exp2(z > -126 ? z : -126) : 0;
}

/* x^(1/n) for 1e-30 < x < 1e30: the exponent divided in the bits (within 4 %), then two of Halley's steps,
 * each of which cubes the error. Below 1e-7. */
static inline float sc_halley(float y, float power, float x, float n)
{
    return y + y * (2 * (x - power)) / ((n + 1) * power + (n - 1) * x);
}

static inline float sc_root3(float x)
{
    union sc_bits s = { .value = x };
    s.bits = s.bits / 3 + 0x2a510000;
    float y = s.value;
    y = sc_halley(y, y * y * y, x, 3);
    return sc_halley(y, y * y * y, x, 3);
}

static inline float sc_root5(float x)
{
    union sc_bits s = { .value = x };
    s.bits = s.bits / 5 + 0x32c82000;
    float y = s.value, q = y * y;
    y = sc_halley(y, q * q * y, x, 5);
    q = y * y;
    return sc_halley(y, q * q * y, x, 5);
}

static inline float sc_root12(float x)
{
    union sc_bits s = { .value = x };
    s.bits = s.bits / 12 + 0x3a302000;
    float y = s.value, q = y * y * y * y;
    y = sc_halley(y, q * q * q, x, 12);
    q = y * y * y * y;
    return sc_halley(y, q * q * q, x, 12);
}

#endif
