/* The scalar truth: one element of each function. Compiled for every instruction set by vectorising loops over it,
 * so that all paths give the same bits by construction. Needs -ffp-contract=off. Coefficients: minimax fits. */
#ifndef RBMK_SCALAR_H
#define RBMK_SCALAR_H

#include <stdint.h>
#include <string.h>

#include "guard.h"

static inline int32_t float_bits(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float float_from_bits(int32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float absolute(float x) { return float_from_bits(float_bits(x) & 0x7FFFFFFF); }

/* exp(-|x|), exactly 1 at 0; |x| counts as at most 80, so nothing is denormal. */
static inline float exp_negative(float x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer, ties to even */
    float y = absolute(x);
    y = -(y < 80.0f ? y : 80.0f);
    float shifted = y * 1.44269502f + magic;
    float n = shifted - magic;
    float r = (y - n * 0.693359375f) - n * -2.12194442e-4f; /* y - n ln 2; the first product is exact */
    float s = 0.0013814222f;
    s = s * r + 0.008368899f;
    s = s * r + 0.041668404f;
    s = s * r + 0.1666652f;
    s = s * r + 0.49999994f;
    float poly = ((s * r) * r + r) + 1.0f;
    int32_t power = (float_bits(shifted) - 0x4B400000 + 127) * (1 << 23);
    return poly * float_from_bits(power);
}

/* 2 atanh(s) for |s| <= 1/3. */
static inline float atanh_series(float s)
{
    float z = s * s;
    float q = 0.14015296f;
    q = q * z + 0.13998996f;
    q = q * z + 0.20010881f;
    q = q * z + 0.33333206f;
    float t = s + s;
    return (z * q) * t + t;
}

static inline float softplus1(float x)
{
    float e = exp_negative(x);
    return (x > 0.0f ? x : 0.0f) + atanh_series(e / (e + 2.0f));
}

/* Natural logarithm of a positive normal float. */
static inline float log1(float x)
{
    int32_t bits = float_bits(x);
    int32_t n = (bits - 0x3F3504F3) >> 23; /* so that the mantissa lies in [sqrt(1/2), sqrt(2)) */
    float m = float_from_bits(bits - n * (1 << 23));
    float k = (float)n;
    return k * 0.693359375f + (k * -2.12194442e-4f + atanh_series((m - 1.0f) / (m + 1.0f)));
}

/* Probability of the rarer state, sigmoid(-|x|) <= 1/2. */
static inline float rare_probability(float x)
{
    float e = exp_negative(x);
    return e / (e + 1.0f);
}

static inline float sigmoid1(float x)
{
    float p = rare_probability(x);
    return x >= 0.0f ? 1.0f - p : p;
}

/* rint(65535 p) for p in [0, 1]. */
static inline int32_t level1(float p)
{
    const float magic = 12582912.0f;
    return float_bits(p * 65535.0f + magic) - 0x4B400000;
}

/* In units of 1/65535. */
static inline int32_t sigmoid_i32_1(float x)
{
    int32_t p = level1(rare_probability(x));
    return x >= 0.0f ? 65535 - p : p;
}

/* rint(level * share / 65535), which is no tie, without a division. */
static inline int32_t share1(uint16_t level, uint16_t share)
{
    const uint32_t product = (uint32_t)level * share + 32768;
    return (int32_t)((product + (product >> 16)) >> 16);
}

/* (uint32_t)(p * 2^32) for p <= 1/2, without a cast that only AVX-512 vectorises or int32 cannot hold. */
static inline uint32_t threshold1(float p)
{
    float f = p * 4294967296.0f;
    int half = f >= 2147483648.0f;
    return half ? 0x80000000u : (uint32_t)(int32_t)(half ? 0.0f : f);
}

/* rint(x), ties to even, for |x| < 2^23; larger (a weight that outgrew its exponent) or NaN: +-2^23. */
static inline int32_t round1(float x)
{
    const float magic = 8388608.0f;
    float size = absolute(x);
    size = size < magic ? size : magic;
    int32_t r = (int32_t)((size + magic) - magic);
    return x < 0.0f ? -r : r;
}

static inline double f64_from_bits(int64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline int64_t f64_bits(double x)
{
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* 2^n for an integer n from -1022 to 1023. */
static inline double f64_power(double n)
{
    const double magic = 6755399441055744.0; /* 1.5 * 2^52, as in exp_negative */
    return f64_from_bits((int64_t)((uint64_t)(f64_bits(n + magic) + 1023) << 52));
}

/* exp(x) in float64, within 2 units of 2^-53; |x| counts as at most 480, so that products of two are not denormal. */
static inline double f64_exp(double x)
{
    const double magic = 6755399441055744.0, most = 480.0;
    const double low = x < most ? x : most, y = low > -most ? low : -most;
    const double n = (y * 1.4426950408889634 + magic) - magic;
    const double r = (y - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10; /* y - n ln 2 */
    double s = 1.0 / 6227020800.0; /* Taylor: |r| is at most 0.35 */
    s = s * r + 1.0 / 479001600.0;
    s = s * r + 1.0 / 39916800.0;
    s = s * r + 1.0 / 3628800.0;
    s = s * r + 1.0 / 362880.0;
    s = s * r + 1.0 / 40320.0;
    s = s * r + 1.0 / 5040.0;
    s = s * r + 1.0 / 720.0;
    s = s * r + 1.0 / 120.0;
    s = s * r + 1.0 / 24.0;
    s = s * r + 1.0 / 6.0;
    s = s * r + 0.5;
    return (((s * r) * r + r) + 1.0) * f64_power(n);
}

/* Natural logarithm in float64 of a positive normal number, likewise. */
static inline double f64_log(double x)
{
    const int64_t bits = f64_bits(x), n = (bits - 0x3FE6A09E667F3BCD) >> 52; /* mantissa in [sqrt(1/2), sqrt(2)) */
    const double m = f64_from_bits(bits - n * ((int64_t)1 << 52)), k = (double)n;
    const double s = (m - 1.0) / (m + 1.0), z = s * s, t = s + s; /* 2 atanh(s), |s| at most 0.172 */
    double p = 1.0 / 21.0;
    p = p * z + 1.0 / 19.0;
    p = p * z + 1.0 / 17.0;
    p = p * z + 1.0 / 15.0;
    p = p * z + 1.0 / 13.0;
    p = p * z + 1.0 / 11.0;
    p = p * z + 1.0 / 9.0;
    p = p * z + 1.0 / 7.0;
    p = p * z + 1.0 / 5.0;
    p = p * z + 1.0 / 3.0;
    return k * 6.93147180369123816490e-01 + (k * 1.90821492927058770002e-10 + ((z * p) * t + t));
}

#endif
