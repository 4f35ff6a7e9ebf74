/* The i-th normal number of a stream: the one definition that the CPU and the CUDA device both compile.
 *
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) turns (seed, i / 4) into
 * four 32-bit words; Box-Muller turns each pair of words into two normal numbers. Logarithm, sine and cosine
 * are series written out in double: only + - * / and sqrt, each rounded by itself, so that every device gives
 * the same bits. A compiler that fuses a * b + c would break that: CMake passes -ffp-contract=off, and CUDA
 * defines SC_DMUL. */
#ifndef SC_NORMAL_H
#define SC_NORMAL_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define SC_HOST_DEVICE __host__ __device__
#else
#define SC_HOST_DEVICE
#endif

#ifdef __CUDA_ARCH__
#define SC_DMUL(a, b) __dmul_rn(a, b)
#else
#define SC_DMUL(a, b) ((a) * (b))
#endif

static inline SC_HOST_DEVICE void sc_philox(uint64_t seed, uint64_t block, uint32_t word[4])
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    word[0] = (uint32_t)block;
    word[1] = (uint32_t)(block >> 32);
    word[2] = word[3] = 0;
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * word[0], p1 = (uint64_t)0xCD9E8D57u * word[2];
        word[0] = (uint32_t)(p1 >> 32) ^ word[1] ^ k0;
        word[1] = (uint32_t)p1;
        word[2] = (uint32_t)(p0 >> 32) ^ word[3] ^ k1;
        word[3] = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* ln((n + 1) / 2^32). With m in [sqrt(1/2), sqrt(2)) and s = (m - 1) / (m + 1): ln m = 2 (s + s^3/3 + s^5/5
 * ...); the first term left out is below 1e-16 of the sum. */
static inline SC_HOST_DEVICE double sc_log_uniform(uint32_t n)
{
    double m = (double)n + 1.0;
    uint64_t bits;
    memcpy(&bits, &m, sizeof(bits));
    int e = (int)(bits >> 52) - 1023;
    bits = (bits & 0x000FFFFFFFFFFFFFu) | 0x3FF0000000000000u;
    memcpy(&m, &bits, sizeof(m));
    if (m > 1.4142135623730951) {
        m = SC_DMUL(m, 0.5);
        e++;
    }
    const double s = (m - 1.0) / (m + 1.0), z = SC_DMUL(s, s);
    double sum = 0.0;
    for (int k = 19; k >= 1; k -= 2)
        sum = SC_DMUL(sum, z) + 1.0 / k;
    return SC_DMUL((double)(e - 32), 0.69314718055994531) + SC_DMUL(SC_DMUL(2.0, s), sum);
}

/* cos and sin of 2 pi n / 2^32: whole quarter turns are exact, the rest is at most pi/4 and goes through
 * Taylor series whose first term left out is below 1e-16. */
static inline SC_HOST_DEVICE void sc_turn(uint32_t n, double *c, double *s)
{
    const uint32_t quarter = (n + 0x20000000u) >> 30;
    const double t = SC_DMUL((double)(int32_t)(n - (quarter << 30)), 1.4629180792671596e-9); /* 2 pi / 2^32 */
    const double z = SC_DMUL(t, t);
    double cosine = 1.0, sine = 1.0;
    for (int k = 16; k >= 2; k -= 2) {
        cosine = 1.0 - SC_DMUL(z, cosine) / (k * (k - 1));
        sine = 1.0 - SC_DMUL(z, sine) / (k * (k + 1));
    }
    sine = SC_DMUL(t, sine);
    *c = quarter & 1 ? (quarter & 2 ? sine : -sine) : (quarter & 2 ? -cosine : cosine);
    *s = quarter & 1 ? (quarter & 2 ? -cosine : cosine) : (quarter & 2 ? -sine : sine);
}

/* Normal numbers 4 * block .. 4 * block + 3 of the stream. */
static inline SC_HOST_DEVICE void sc_normal4(uint64_t seed, uint64_t block, float out[4])
{
    uint32_t word[4];
    sc_philox(seed, block, word);
    for (int i = 0; i < 4; i += 2) {
        const double r = sqrt(SC_DMUL(-2.0, sc_log_uniform(word[i])));
        double c, s;
        sc_turn(word[i + 1], &c, &s);
        out[i] = (float)SC_DMUL(r, c);
        out[i + 1] = (float)SC_DMUL(r, s);
    }
}

#endif
